// DATA_BACKUP_DEST: checks and claims a tenant's destination for backup sets, then records it.
import { fail } from '../base/errors.ts';
import { claimDestination, claimedFacts } from '../destination/claim-destination.ts';
import { FORMAT_FILE_VERSION } from '../format/format-file.ts';
import { NO_LEASES } from '../lease/lease-service.ts';
import { formatDestinationUri, parseDestinationUri } from '../model/destination-uri.ts';
import type { NewEvent } from '../model/event.ts';
import { keepAccess } from '../store/destination-access.ts';
import type { BackupDependencies } from './backup-dependencies.ts';

type SetDataDestDependencies = Pick<BackupDependencies, 'store' | 'clock' | 'openDestination' | 'leases'>;

/** @see BackupService.setDataDest */
export async function setDataDest(
  { store, clock, openDestination, leases = NO_LEASES }: SetDataDestDependencies,
  { tenantId, uri, isBusy }: { tenantId: number; uri: string | null; isBusy: () => boolean },
): Promise<void> {
  const record = (event: string, facts: NewEvent['facts']) =>
    store.recordEvent(clock.nowNs(), { module: 'backup_data', event, facts });
  if (isBusy()) throw fail('BACKUP_IN_PROGRESS', {});
  if (uri === null || uri.trim() === '') {
    store.transaction(() => {
      store.dataDests.remove({ tenantId });
      record('clear_data_backup_dest', { tenant_id: tenantId });
    });
    return;
  }
  const parsed = parseDestinationUri(uri.trim());
  const shown = formatDestinationUri(parsed);
  const tenant = store.tenants.get({ tenantId });
  if (!tenant) throw fail('TENANT_NOT_EXIST', { tenant: String(tenantId) });
  const destId = store.destIdFor(tenantId, shown);
  await using destination = openDestination(parsed, tenantId);
  const format = await claimDestination(destination, {
    formatVersion: FORMAT_FILE_VERSION,
    clusterName: store.cluster.name,
    clusterId: store.cluster.clusterId,
    clusterUuid: store.cluster.uuid,
    tenantId,
    tenantName: tenant.name,
    destKind: 'backup_data',
    destId,
    createdNs: clock.nowNs(),
  });
  await leases.hold(destination, { tenantId, uri: shown, destKind: 'backup_data' });
  store.transaction(() => {
    // The claim took time: a backup may have begun meanwhile, on the earlier destination.
    if (isBusy()) throw fail('BACKUP_IN_PROGRESS', {});
    store.dataDests.remove({ tenantId });
    store.dataDests.insert({ tenantId, destId, uri: shown });
    keepAccess(store, tenantId, parsed);
    const { options } = parsed;
    store.changeDestination(tenantId, shown, { options, ...claimedFacts(format, clock.nowNs()) });
    record('set_data_backup_dest', { tenant_id: tenantId, dest_id: destId, path: shown });
  });
}
