// When a worker tries again: after pauses that double with each failure, up to a bound.
import type { ArchiveTiming } from './archive-context.ts';

export class RetryPace {
  readonly #timing: Pick<ArchiveTiming, 'retryMsMin' | 'retryMsMax'>;
  readonly #onDue: () => void;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;

  constructor(timing: Pick<ArchiveTiming, 'retryMsMin' | 'retryMsMax'>, onDue: () => void) {
    this.#timing = timing;
    this.#onDue = onDue;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(): void {
    this.after(this.pauseMs(this.#failures));
    this.#failures++;
  }

  /** The pause that follows so many failures and one more. */
  pauseMs(failures: number): number {
    return Math.min(this.#timing.retryMsMin * 2 ** failures, this.#timing.retryMsMax);
  }

  /** One try is enough for whatever waits: an earlier one stays. */
  after(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#onDue();
    }, ms).unref();
  }

  /** Nothing is tried again unless it is asked for anew. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
