// What LOG_ARCHIVE_DEST, its copies and their states are set to: checked, claimed, then recorded.
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import { claimedFacts } from '../destination/claim-destination.ts';
import { FIRST_DEST_NO } from '../model/archive-copy.ts';
import { type DestState, isRoundRunning } from '../model/archive-round.ts';
import { formatDestinationUri, parseDestinationUri } from '../model/destination-uri.ts';
import type { Tenant } from '../model/tenant.ts';
import { archiveSlots, leadingSlot } from '../store/archive-slots.ts';
import { keepAccess } from '../store/destination-access.ts';
import type { ArchiveContext } from './archive-context.ts';
import { recordSetting } from './archive-events.ts';
import type { ArchiveCopyRequest, ArchiveDestRequest } from './archive-service.ts';
import { claimArchive } from './claim-archive.ts';
import { insertRoundCopies, leaveCopy } from './copies/round-copies.ts';

const archiveIsRunning = () => fail('NOT_SUPPORTED', { what: 'change archive dest when archive is running is' });

/** @source OceanBase 4.3.3 docs, LOG_ARCHIVE_DEST; a suspended or interrupted round counts as running */
function checkDestMayChange({ store }: ArchiveContext, tenantId: number): void {
  const round = store.currentRound(tenantId);
  if (round && isRoundRunning(round.status)) throw archiveIsRunning();
}

/** Two copies at one place are none. */
function checkIsOther({ store }: ArchiveContext, tenantId: number, of: { destNo: number; uri: string }): void {
  const same = archiveSlots(store, tenantId).find(({ uri, destNo }) => uri === of.uri && destNo !== of.destNo);
  if (same) throw fail('NOT_SUPPORTED', { what: `a copy at the path of ${nameOf(same.destNo)} is` });
}

const nameOf = (destNo: number) => (destNo === FIRST_DEST_NO ? 'LOG_ARCHIVE_DEST' : `LOG_ARCHIVE_DEST_${destNo}`);

interface Claimed {
  destId: number;
  uri: string;
  /** To the transaction that records the destination: what its path is known for. */
  save(): void;
}

/** Claims a destination that no other one of the tenant is. */
async function claim(
  context: ArchiveContext,
  tenant: Tenant,
  { given, destNo }: { given: string; destNo: number },
): Promise<Claimed> {
  const { store, clock } = context;
  const { tenantId } = tenant;
  const parsed = parseDestinationUri(given);
  const uri = formatDestinationUri(parsed);
  checkIsOther(context, tenantId, { destNo, uri });
  const destId = store.destIdFor(tenantId, uri);
  const format = await claimArchive(context, tenant, { uri: parsed, destId });
  const save = () => {
    keepAccess(store, tenantId, parsed);
    store.changeDestination(tenantId, uri, { options: parsed.options, ...claimedFacts(format, clock.nowNs()) });
  };
  return { destId, uri, save };
}

/** @see ArchiveService.setDest */
export async function setArchiveDest(
  context: ArchiveContext,
  tenant: Tenant,
  request: ArchiveDestRequest | null,
): Promise<void> {
  const { store } = context;
  const { tenantId } = tenant;
  checkDestMayChange(context, tenantId);
  if (request === null) {
    store.transaction(() => {
      store.archiveDests.remove({ tenantId });
      recordSetting(context, 'clear_log_archive_dest', { tenant_id: tenantId });
    });
    return;
  }
  assert(request.pieceSwitchIntervalUs > 0n, 'a piece has a length');
  const { destId, uri, save } = await claim(context, tenant, { given: request.uri, destNo: FIRST_DEST_NO });
  store.transaction(() => {
    // The claim took its time; a round may have begun at the old destination.
    checkDestMayChange(context, tenantId);
    checkIsOther(context, tenantId, { destNo: FIRST_DEST_NO, uri });
    store.archiveDests.remove({ tenantId });
    const { binding, pieceSwitchIntervalUs, pieceSwitchIntervalText } = request;
    const interval = { pieceSwitchIntervalUs, pieceSwitchIntervalText };
    store.archiveDests.insert({ tenantId, destId, uri, binding, ...interval, state: 'ENABLE' });
    save();
    const settings = { binding, piece_switch_interval: pieceSwitchIntervalText };
    const facts = { tenant_id: tenantId, dest_id: destId, path: uri, ...settings };
    recordSetting(context, 'set_log_archive_dest', facts);
  });
}

/** @see ArchiveService.setCopyDest */
export async function setArchiveCopyDest(
  context: ArchiveContext,
  tenant: Tenant,
  { destNo, request }: { destNo: number; request: ArchiveCopyRequest | null },
): Promise<void> {
  const { store } = context;
  const { tenantId } = tenant;
  assert(destNo > FIRST_DEST_NO, 'a copy has a number');
  checkCopyMayChange(context, tenantId, destNo);
  if (request === null) {
    store.transaction(() => {
      leaveCopy(context, tenantId, destNo);
      recordSetting(context, 'clear_log_archive_dest', { tenant_id: tenantId, dest_no: destNo });
    });
    return;
  }
  if (!store.archiveDests.get({ tenantId })) throw fail('ENTRY_NOT_EXIST', { what: 'log_archive_dest is not set' });
  const { destId, uri, save } = await claim(context, tenant, { given: request.uri, destNo });
  store.transaction(() => {
    checkCopyMayChange(context, tenantId, destNo);
    checkIsOther(context, tenantId, { destNo, uri });
    if (store.archiveCopyDests.get({ tenantId, destNo })?.destId !== destId) leaveCopy(context, tenantId, destNo);
    store.archiveCopyDests.remove({ tenantId, destNo });
    const { binding } = request;
    store.archiveCopyDests.insert({ tenantId, destNo, destId, uri, binding, state: 'ENABLE' });
    save();
    insertRoundCopies(context, tenantId);
    const facts = { tenant_id: tenantId, dest_no: destNo, dest_id: destId, path: uri, binding };
    recordSetting(context, 'set_log_archive_dest', facts);
  });
}

/** @throws ENTRY_NOT_EXIST (4018) when the destination is not set */
export function setArchiveDestState(
  context: ArchiveContext,
  tenantId: number,
  { state, destNo }: { state: DestState; destNo: number },
): void {
  const { store } = context;
  const isCopy = destNo !== FIRST_DEST_NO;
  store.transaction(() => {
    const isSet = isCopy
      ? store.archiveCopyDests.update({ tenantId, destNo }, { state })
      : store.archiveDests.update({ tenantId }, { state });
    if (!isSet) throw fail('ENTRY_NOT_EXIST', { what: `${nameOf(destNo).toLowerCase()} is not set` });
    const slot = isCopy ? { dest_no: destNo } : {};
    recordSetting(context, 'set_log_archive_dest_state', { tenant_id: tenantId, ...slot, state });
  });
}

/** What leads a running round can be suspended, not exchanged. */
function checkCopyMayChange({ store }: ArchiveContext, tenantId: number, destNo: number): void {
  const round = store.currentRound(tenantId);
  if (!round || !isRoundRunning(round.status)) return;
  if (leadingSlot(store, tenantId)?.destNo === destNo) throw archiveIsRunning();
}
