// Tells the event history when a round's destination stops taking its log, and when it takes it again.
import type { ArchiveRound } from '../model/archive-round.ts';
import type { ArchiveContext } from './archive-context.ts';
import { recordOutage } from './archive-events.ts';

export class OutageWatch {
  readonly #context: ArchiveContext;
  /** The one that the history has heard of. */
  #outage: { sinceMs: number; attempts: number } | undefined;

  constructor(context: ArchiveContext) {
    this.#context = context;
  }

  /**
   * To be called about once a second: what is over sooner is not told of.
   * @param of.because why the destination takes nothing; '' when it takes the log, or nobody knows
   * @param of.attempts how often in a row it has refused
   */
  look(round: ArchiveRound | undefined, of: { because: string; isTaking: boolean; attempts: number }): void {
    if (round?.status !== 'DOING') {
      this.#outage = undefined;
      return;
    }
    const { because } = of;
    const nowMs = this.#context.clock.monotonicMs();
    const attempts = Math.max(this.#outage?.attempts ?? 0, of.attempts);
    if (because !== '') {
      if (!this.#outage) recordOutage(this.#context, round, { because, attempts, ms: 0 });
      this.#outage = { sinceMs: this.#outage?.sinceMs ?? nowMs, attempts };
    } else if (this.#outage && of.isTaking) {
      recordOutage(this.#context, round, { because, attempts, ms: Math.round(nowMs - this.#outage.sinceMs) });
      this.#outage = undefined;
    }
  }
}
