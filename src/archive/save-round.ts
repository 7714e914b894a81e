// Moves a round to its next status: the only writer of it.
import { type ArchiveRound, moveRound, type RoundStatus } from '../model/archive-round.ts';
import type { ArchiveContext } from './archive-context.ts';
import { recordRoundMove } from './archive-events.ts';

/** Durable when it returns; somebody else's move in between is a bug. */
export function saveRound(
  context: ArchiveContext,
  round: ArchiveRound,
  of: { to: RoundStatus; patch: Partial<ArchiveRound> },
): void {
  const { store, log } = context;
  const { tenantId, roundId, status: from } = round;
  const { to, patch } = of;
  const moved = moveRound(round, to);
  store.transaction(() => {
    store.rounds.change({ tenantId, roundId }, { ...patch, status: moved.status }, { status: from });
    recordRoundMove(context, round, { from, to, because: patch.comment ?? '' });
  });
  const because = patch.comment ? { because: patch.comment } : {};
  log.info('archive round moved', { tenantId, roundId, from, to, ...because });
}
