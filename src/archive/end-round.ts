// How a round comes to its end at the destination, or is left without one when that stays away or is damaged.
import { fail } from '../base/errors.ts';
import type { ArchiveRound, RoundStatus } from '../model/archive-round.ts';
import type { ArchiveContext } from './archive-context.ts';
import { recordPieceFrozen } from './archive-events.ts';
import type { HeldRound } from './held-round.ts';

/** Freezes the last piece and writes the end of the round. Safe to repeat; no capture is attached any more. */
export async function writeEnd(held: HeldRound, round: ArchiveRound, status: 'STOP' | 'INTERRUPTED'): Promise<void> {
  // A write without an answer belongs to a log that is given up.
  if (held.attached?.log.pending) await held.close();
  const { log } = held.attached ?? (await held.open(round));
  await log.freeze();
  await log.end({ status, comment: round.comment });
}

/** The round ends without its last objects: what is at the destination can be restored as that of a running round. */
export function leaveUnfinished(context: ArchiveContext, round: ArchiveRound, error: unknown): void {
  const { store, log } = context;
  const { tenantId, roundId, usedPieceId: pieceId } = round;
  log.warn('archive round ends without its end at the destination', { tenantId, roundId, pieceId, error });
  const piece = store.pieces.get({ tenantId, pieceId });
  if (!piece || piece.status === 'FROZEN') return;
  const patch = { status: 'FROZEN', fileStatus: 'INCOMPLETE' } as const;
  store.transaction(() => {
    store.pieces.change({ tenantId, pieceId }, patch, { status: piece.status });
    recordPieceFrozen(context, { ...piece, ...patch });
  });
}

/** Brings the row of a round to its end without its destination. @param save moves the round */
export function endUnseen(
  context: ArchiveContext,
  tenantId: number,
  save: (round: ArchiveRound, to: RoundStatus) => void,
): void {
  const next = () => context.store.currentRound(tenantId);
  for (let round = next(); round && round.status !== 'STOP'; round = next()) {
    if (round.status === 'STOPPING') leaveUnfinished(context, round, fail('CANCELED', {}));
    save(round, round.status === 'PREPARE' ? 'BEGINNING' : round.status === 'STOPPING' ? 'STOP' : 'STOPPING');
  }
}

/** How long a round that is to end waits for a destination that is away. */
export class EndPatience {
  readonly #context: ArchiveContext;
  #untilMs: number | undefined;

  constructor(context: ArchiveContext) {
    this.#context = context;
  }

  /** The first question begins to count. */
  isOver(isForgotten: boolean): boolean {
    const { clock, timing } = this.#context;
    this.#untilMs ??= clock.monotonicMs() + (isForgotten ? timing.detachMs : timing.finishMs);
    return clock.monotonicMs() >= this.#untilMs;
  }

  /** What is waited for has come, or another round follows. */
  renew(): void {
    this.#untilMs = undefined;
  }

  /**
   * A round that nobody wants any more need not begin: otherwise its tenant could never have another destination.
   * @throws what stopped it, while it is wanted or may still begin
   */
  giveUp(error: unknown, { round, isForgotten }: { round: ArchiveRound; isForgotten: boolean }): undefined {
    const { store, log } = this.#context;
    const { tenantId, roundId } = round;
    const isWanted = !isForgotten && store.tenants.get({ tenantId })?.isArchiveMode === true;
    if (isWanted) this.renew();
    if (isWanted || !this.isOver(isForgotten)) throw error;
    log.warn('archive round ends before it began', { tenantId, roundId, error });
  }
}
