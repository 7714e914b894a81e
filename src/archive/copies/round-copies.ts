// The rows of what copies hold of rounds: they come with the copy or with the round, before anything is written there.
import { FIRST_DEST_NO, type RoundCopy } from '../../model/archive-copy.ts';
import { type ArchiveRound, isRoundRunning } from '../../model/archive-round.ts';
import { type ArchiveSlot, followingSlots } from '../../store/archive-slots.ts';
import type { ArchiveContext } from '../archive-context.ts';

/** The row of a copy that holds nothing of a round yet. */
export function newRoundCopy(round: ArchiveRound, { destNo, destId, uri }: ArchiveSlot): RoundCopy {
  return {
    ...round,
    ...{ destNo, destId, uri, status: 'PREPARE', comment: '' },
    checkpointScn: round.startScn,
    ...{ inputBytes: 0n, outputBytes: 0n, batchNo: 0, batchHash: null, isComplete: false },
  };
}

/** To the caller's transaction: each following destination is to hold the tenant's newest round. */
export function insertRoundCopies({ store }: ArchiveContext, tenantId: number): void {
  const round = store.currentRound(tenantId);
  if (!round || !isRoundRunning(round.status)) return;
  const { roundId } = round;
  for (const slot of followingSlots(store, tenantId)) {
    const { destId, destNo } = slot;
    if (!store.roundCopies.get({ tenantId, roundId, destId })) store.roundCopies.insert(newRoundCopy(round, slot));
    // A path that was taken away, and comes back, perhaps by another number.
    else store.roundCopies.update({ tenantId, roundId, destId }, { destNo, status: 'BEGINNING', comment: '' });
  }
}

/** To the caller's transaction: takes a copy away; what lies there stays, and is told of. */
export function leaveCopy({ store }: ArchiveContext, tenantId: number, destNo: number): void {
  const dest = store.archiveCopyDests.get({ tenantId, destNo });
  if (!dest || destNo === FIRST_DEST_NO) return;
  store.archiveCopyDests.remove({ tenantId, destNo });
  const { destId } = dest;
  for (const { roundId, status } of store.roundCopies.find({ tenantId, destId })) {
    if (status === 'STOP') continue;
    const patch = { status: 'STOP', comment: 'the copy was taken away', isComplete: false } as const;
    store.roundCopies.change({ tenantId, roundId, destId }, patch);
  }
}
