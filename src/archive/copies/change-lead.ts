// Makes a copy the leading destination of a round: one transaction, before the first batch goes only there. The tables of
// rounds and pieces always tell of what leads; what led before becomes a copy of it.
import { assert } from '../../base/assert.ts';
import type { PieceCopy, RoundCopy } from '../../model/archive-copy.ts';
import type { ArchivePiece, ArchiveRound } from '../../model/archive-round.ts';
import { archiveSlots } from '../../store/archive-slots.ts';
import type { ArchiveContext } from '../archive-context.ts';
import { recordLeadChange } from '../archive-events.ts';
import { newRoundCopy } from './round-copies.ts';

/** Of a piece that has not begun at the copy. */
const NOTHING_THERE = { status: 'ACTIVE', outputBytes: 0n, lockedUntilNs: 0n } as const;

/**
 * @param of.destId of the copy, which has every batch that was acknowledged; nothing is written there
 * @param of.because why the leading destination is left
 */
export function changeLead(
  context: ArchiveContext,
  round: ArchiveRound,
  of: { destId: number; because: string },
): void {
  const { store, log } = context;
  const { tenantId, roundId, status } = round;
  const { destId, because } = of;
  store.transaction(() => {
    const copy = store.roundCopies.get({ tenantId, roundId, destId });
    assert(copy && copy.status !== 'STOP', 'what leads holds the round');
    const former = archiveSlots(store, tenantId).find((slot) => slot.destId === round.destId);
    store.rounds.change({ tenantId, roundId }, { destId, uri: copy.uri }, { destId: round.destId, status });
    store.roundCopies.remove({ tenantId, roundId, destId });
    if (former) store.roundCopies.insert(formerCopy(newRoundCopy(round, former), round, because));
    for (const piece of store.pieces.find({ tenantId, roundId })) exchange(context, piece, copy);
    recordLeadChange(context, { round, destId, because });
  });
  log.warn('another archive destination leads', { tenantId, roundId, from: round.destId, to: destId, because });
}

function formerCopy(copy: RoundCopy, { checkpointScn, inputBytes, outputBytes }: ArchiveRound, comment: string) {
  return { ...copy, status: 'BEGINNING' as const, checkpointScn, inputBytes, outputBytes, comment };
}

/** A piece that the copy does not have was deleted before it came; the newest one may just not have begun there. */
function exchange(context: ArchiveContext, piece: ArchivePiece, { destId, uri }: RoundCopy): void {
  const { store } = context;
  const { tenantId, pieceId } = piece;
  const copied = store.pieceCopies.get({ tenantId, pieceId, destId });
  if (!copied && piece.status === 'FROZEN') return;
  const former: PieceCopy = { ...piece, status: piece.status === 'FROZEN' ? 'FROZEN' : 'ACTIVE' };
  store.pieceCopies.remove({ tenantId, pieceId, destId });
  store.pieceCopies.remove({ tenantId, pieceId, destId: piece.destId });
  store.pieceCopies.insert(former);
  const { status, fileStatus, outputBytes, lockedUntilNs } = copied ?? { ...piece, ...NOTHING_THERE };
  // Its list may still be on its way to the former destination: whatever was added to it would be missing there.
  assert(piece.status === 'ACTIVE' || status === 'FROZEN', 'a piece that has ended is frozen where its round goes on');
  exchangeReadings(context, piece, uri);
  store.pieces.change({ tenantId, pieceId }, { destId, uri, status, fileStatus, outputBytes, lockedUntilNs });
}

/** The ledger has what leads without a path, and copies with theirs. */
function exchangeReadings({ store }: ArchiveContext, { tenantId, pieceId, uri: former }: ArchivePiece, uri: string) {
  const of = { tenantId, objectType: 'BACKUP PIECE', objectId: pieceId } as const;
  const readings = store.verifications.find(of).filter((row) => row.uri === '' || row.uri === uri);
  for (const row of readings) store.verifications.remove({ ...of, level: row.level, uri: row.uri });
  for (const row of readings) store.verifications.insert({ ...row, uri: row.uri === '' ? former : '' });
}
