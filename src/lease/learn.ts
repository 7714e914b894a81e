// After taking a destination from another writer: what he wrote that this server has not heard of, so that no number and no
// scn is given twice, and nothing is added to a round that he went on with.
import { isFailure, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type ArchivedPiece, listArchive, readPieceInfo } from '../destination/archive-listing.ts';
import { walkPiece } from '../destination/archive-reader.ts';
import type { Destination } from '../destination/destination.ts';
import { BACKUP_SETS_DIRECTORY, parseObjectName } from '../format/layout.ts';
import { later, SCN_NONE, type Scn } from '../model/scn.ts';
import type { Store } from '../store/store.ts';
import type { LeaseOf } from './lease-service.ts';

/** Numbers behind the greatest seen that stay free: the other writer may be about to use one that is not to be seen yet. */
const IDS_LEFT_FREE = 10;

/** The greatest of each that lie at a destination; 0 for none. */
export interface Seen {
  roundId: number;
  pieceId: number;
  backupSetId: number;
  /** Of the newest commit in the log. */
  scn: Scn;
}

const NOTHING: Seen = { roundId: 0, pieceId: 0, backupSetId: 0, scn: SCN_NONE };

/** Looks by names, and at the end of the newest piece. @throws the destination's errors */
export async function lookAround(
  destination: Destination,
  { tenantId, destKind }: LeaseOf,
  { clusterUuid, log }: { clusterUuid: string; log: Log },
): Promise<Seen> {
  if (destKind === 'backup_data') {
    const names = (await destination.list(BACKUP_SETS_DIRECTORY)).map(({ name }) => parseObjectName(name));
    const ids = names.map((parsed) => (parsed?.kind === 'set-start' ? parsed.backupSetId : 0));
    return { ...NOTHING, backupSetId: maxOf(ids) };
  }
  const { rounds, pieces } = await listArchive(destination);
  const roundIds = [...rounds, ...pieces].map(({ roundId }) => roundId);
  const newest = pieces.findLast(({ segments }) => segments.length > 0);
  const scn = newest ? await newestScn(destination, newest, { owner: { clusterUuid, tenantId }, log }) : SCN_NONE;
  return { ...NOTHING, roundId: maxOf(roundIds), pieceId: maxOf(pieces.map(({ pieceId }) => pieceId)), scn };
}

const maxOf = (numbers: readonly number[]) => numbers.reduce((a, b) => Math.max(a, b), 0);

/** As far as the piece can be read: what is damaged in it is found and told by whoever goes on with it. */
async function newestScn(
  destination: Destination,
  piece: ArchivedPiece,
  { owner, log }: { owner: { clusterUuid: string; tenantId: number }; log: Log },
): Promise<Scn> {
  let scn = SCN_NONE;
  try {
    if (piece.isFrozen) return (await readPieceInfo(destination, piece)).checkpointScn;
    const walk = walkPiece(destination, piece, undefined, { owner, acceptsClosed: true, acceptsDamagedTail: true });
    for await (const { header } of walk) scn = later(scn, header.checkpointScn);
  } catch (error) {
    if (!isFailure(error, 'BACKUP_DATA_CORRUPT') && !isFailure(error, 'BACKUP_FILE_NOT_EXIST')) throw error;
    log.warn('the newest piece of another writer is damaged', { tenantId: owner.tenantId, because: messageOf(error) });
  }
  return scn;
}

/**
 * To the caller's transaction: no number and no scn that was seen is given again.
 * @param of.isForeign another server was the writer, whatever is seen of him
 * @returns the newest round that nothing is to be added to any more; undefined when all is known
 */
export function learn(
  store: Store,
  { tenantId, destKind }: LeaseOf,
  { seen, isForeign }: { seen: Seen; isForeign: boolean },
): number | undefined {
  const round = store.currentRound(tenantId);
  const isAhead = seen.roundId > (round?.roundId ?? 0) || seen.pieceId > (round?.usedPieceId ?? 0);
  const free = isForeign || isAhead ? IDS_LEFT_FREE : 0;
  if (destKind === 'backup_data') {
    store.raiseCounter(tenantId, 'backup_set', seen.backupSetId + free);
    return undefined;
  }
  const tenant = store.tenants.get({ tenantId });
  if (tenant && tenant.lastScn < seen.scn) store.tenants.update({ tenantId }, { lastScn: seen.scn });
  if (!isForeign && !isAhead) return undefined;
  store.raiseCounter(tenantId, 'round', Math.max(seen.roundId, round?.roundId ?? 0) + free);
  store.raiseCounter(tenantId, 'piece', Math.max(seen.pieceId, round?.usedPieceId ?? 0) + free);
  return round?.roundId;
}
