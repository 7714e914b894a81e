// DATA_BACKUP_DEST and its copies: checks and claims a tenant's destination for backup sets, then records it.
import { fail } from '../base/errors.ts';
import { claimDestination, claimedFacts } from '../destination/claim-destination.ts';
import { newFormatFile } from '../format/format-file.ts';
import { NO_LEASES } from '../lease/lease-service.ts';
import type { Binding } from '../model/archive-round.ts';
import { formatDestinationUri, parseDestinationUri } from '../model/destination-uri.ts';
import type { NewEvent } from '../model/event.ts';
import { dataPlaces, forgetUnplaced, planCopies } from '../store/data-places.ts';
import { keepAccess } from '../store/destination-access.ts';
import type { BackupDependencies } from './backup-dependencies.ts';

type Setting = Pick<BackupDependencies, 'store' | 'clock' | 'openDestination' | 'leases'>;

/** @see BackupService.setDataDest */
export async function setDataDest(
  deps: Setting,
  { tenantId, uri, isBusy }: { tenantId: number; uri: string | null; isBusy: () => boolean },
): Promise<void> {
  const { store, clock } = deps;
  const record = (event: string, facts: NewEvent['facts']) =>
    store.recordEvent(clock.nowNs(), { module: 'backup_data', event, facts });
  if (isBusy()) throw fail('BACKUP_IN_PROGRESS', {});
  if (uri === null || uri.trim() === '') {
    store.transaction(() => {
      store.dataDests.remove({ tenantId });
      forgetUnplaced(store, tenantId);
      record('clear_data_backup_dest', { tenant_id: tenantId });
    });
    return;
  }
  const claimed = await claim(deps, { tenantId, uri, destNo: 0 });
  store.transaction(() => {
    // The claim took time: a backup may have begun meanwhile, on the earlier destination.
    if (isBusy()) throw fail('BACKUP_IN_PROGRESS', {});
    store.dataDests.remove({ tenantId });
    store.dataDests.insert({ tenantId, destId: claimed.destId, uri: claimed.shown });
    claimed.save();
    forgetUnplaced(store, tenantId);
    record('set_data_backup_dest', { tenant_id: tenantId, dest_id: claimed.destId, path: claimed.shown });
  });
}

/** @see BackupService.setDataDestCopy */
export async function setDataDestCopy(
  deps: Setting,
  { tenantId, destNo, dest }: { tenantId: number; destNo: number; dest: { uri: string; binding: Binding } | null },
): Promise<void> {
  const { store, clock } = deps;
  const record = (event: string, facts: NewEvent['facts']) =>
    store.recordEvent(clock.nowNs(), { module: 'backup_data', event, facts });
  const claimed = dest && (await claim(deps, { tenantId, uri: dest.uri, destNo }));
  store.transaction(() => {
    store.dataDestCopies.remove({ tenantId, destNo });
    if (dest && claimed) {
      const { destId, shown: uri } = claimed;
      checkDistinct(deps, { tenantId, uri, destNo });
      store.dataDestCopies.insert({ tenantId, destNo, destId, uri, binding: dest.binding });
      claimed.save();
      for (const set of store.backupSets.find({ tenantId, status: 'SUCCESS', fileStatus: 'AVAILABLE' }))
        if (dataPlaces(store, tenantId).some((place) => place.uri === set.uri)) planCopies(store, set);
    }
    forgetUnplaced(store, tenantId);
    const facts = { tenant_id: tenantId, dest_no: destNo };
    if (claimed) record('set_data_backup_dest', { ...facts, dest_id: claimed.destId, path: claimed.shown });
    else record('clear_data_backup_dest', facts);
  });
}

/** @throws NOT_ALLOWED (4179): two copies at one place are one */
function checkDistinct({ store }: Pick<Setting, 'store'>, of: { tenantId: number; uri: string; destNo: number }): void {
  const taken = dataPlaces(store, of.tenantId).find(({ uri, destNo }) => uri === of.uri && destNo !== of.destNo);
  if (taken) throw fail('NOT_ALLOWED', { what: `a second data destination at ${of.uri} is` });
}

interface Claimed {
  destId: number;
  shown: string;
  /** To the transaction that records the destination. */
  save(): void;
}

async function claim(
  { store, clock, openDestination, leases = NO_LEASES }: Setting,
  { tenantId, uri, destNo }: { tenantId: number; uri: string; destNo: number },
): Promise<Claimed> {
  const parsed = parseDestinationUri(uri.trim());
  const shown = formatDestinationUri(parsed);
  const tenant = store.tenants.get({ tenantId });
  if (!tenant) throw fail('TENANT_NOT_EXIST', { tenant: String(tenantId) });
  checkDistinct({ store }, { tenantId, uri: shown, destNo });
  const destId = store.destIdFor(tenantId, shown);
  await using destination = openDestination(parsed, tenantId);
  const destKind = 'backup_data';
  const claimed = { destKind, destId, createdNs: clock.nowNs() } as const;
  const format = await claimDestination(destination, newFormatFile(store.cluster, tenant, claimed));
  await leases.hold(destination, { tenantId, uri: shown, destKind });
  const { options } = parsed;
  const save = () => {
    keepAccess(store, tenantId, parsed);
    store.changeDestination(tenantId, shown, { options, ...claimedFacts(format, clock.nowNs()) });
  };
  return { destId, shown, save };
}
