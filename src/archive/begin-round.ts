// How a round comes into being: its number first, then its start at the destination, then its first piece.
import { assert } from '../base/assert.ts';
import { isFailure } from '../base/errors.ts';
import { readRoundStart } from '../destination/archive-listing.ts';
import type { Destination } from '../destination/destination.ts';
import type { RoundStartInfo } from '../format/archive-info.ts';
import { type ArchiveRound, pieceEndScn } from '../model/archive-round.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import { nextScn, SCN_NONE, type Scn } from '../model/scn.ts';
import { leadingSlot } from '../store/archive-slots.ts';
import type { ArchiveContext } from './archive-context.ts';
import { recordRoundMove } from './archive-events.ts';
import { writeRoundStart } from './archive-files.ts';
import { archiveOwner, leaseArchive, segmentOwner } from './archive-owner.ts';
import { insertRoundCopies } from './copies/round-copies.ts';
import { findRepairBase } from './gap-repair.ts';
import { checkArchiveDestination } from './log-tail.ts';
import { newPiece } from './new-piece.ts';
import { raiseLastScn } from './round-log.ts';

/** A new round: it has its number before anything of it exists. */
export function openRound(context: ArchiveContext, tenantId: number): void {
  const { store, log } = context;
  store.transaction(() => {
    const leading = leadingSlot(store, tenantId);
    const dest = store.archiveDests.get({ tenantId });
    assert(leading && dest, 'a round has a destination');
    const { destId, uri } = leading;
    const { pieceSwitchIntervalUs } = dest;
    const roundId = store.nextId(tenantId, 'round');
    const pieceId = store.nextId(tenantId, 'piece');
    store.rounds.insert({
      ...{ tenantId, destId, roundId, uri, pieceSwitchIntervalUs },
      status: 'PREPARE',
      startScn: SCN_NONE,
      checkpointScn: SCN_NONE,
      basePieceId: pieceId,
      usedPieceId: pieceId,
      inputBytes: 0n,
      outputBytes: 0n,
      comment: '',
    });
    insertRoundCopies(context, tenantId);
    recordRoundMove(context, { tenantId, destId, roundId }, { from: null, to: 'PREPARE', because: '' });
    log.info('archive round moved', { tenantId, roundId, from: null, to: 'PREPARE' });
  });
}

/**
 * Chooses where a round starts, and what it repairs, and writes that to the destination. An earlier attempt may have
 * written it: then that counts.
 * @param lastScn every scn that was ever given
 */
export async function startRound(context: ArchiveContext, round: ArchiveRound, lastScn: Scn): Promise<RoundStartInfo> {
  const { tenantId, destId, roundId, basePieceId, pieceSwitchIntervalUs } = round;
  const destination = context.openDestination(parseDestinationUri(round.uri), tenantId);
  try {
    await checkArchiveDestination(destination, segmentOwner(context, tenantId));
    await leaseArchive(context, destination, round);
    const base = await chooseBase(context, destination, round);
    const createdNs = context.clock.nowNs();
    const afterScn = base && base.scn > lastScn ? base.scn : lastScn;
    return await writeRoundStart(destination, {
      ...archiveOwner(context, tenantId),
      ...{ destId, roundId, basePieceId, pieceSwitchIntervalUs, createdNs, base },
      startScn: nextScn(afterScn, createdNs),
    });
  } finally {
    await destination[Symbol.asyncDispose]();
  }
}

/** To the caller's transaction: the piece that a round begins with. */
export function insertFirstPiece(context: ArchiveContext, round: ArchiveRound, start: RoundStartInfo): void {
  const { tenantId, basePieceId: pieceId, pieceSwitchIntervalUs } = round;
  const { startScn, createdNs } = start;
  const endScn = pieceEndScn(startScn, pieceSwitchIntervalUs);
  context.store.pieces.insert(newPiece(round, { pieceId, startScn, endScn, createdNs }));
  raiseLastScn(context, tenantId, startScn);
}

async function chooseBase(context: ArchiveContext, destination: Destination, round: ArchiveRound) {
  const { tenantId, roundId } = round;
  try {
    return (await readRoundStart(destination, round)).base;
  } catch (error) {
    if (!isFailure(error, 'BACKUP_FILE_NOT_EXIST')) throw error;
  }
  const found = await findRepairBase(context, destination, round);
  const { base } = found;
  if (base)
    context.log.info('archive round repairs a gap', { tenantId, roundId, baseRoundId: base.roundId, scn: base.scn });
  else if (found.because !== '')
    context.log.warn('archive round stands alone: a full backup is needed', {
      tenantId,
      roundId,
      because: found.because,
    });
  return base;
}
