// Forgets the access keys of destinations that nothing uses any more: a job has ended, a path was changed, a set deleted.
import type { Log } from './base/log.ts';
import type { Store } from './store/store.ts';

/** Nothing waits for it; a key that lies a minute longer lies encrypted. */
const SWEEP_MS = 60_000;

export class AccessSweep {
  readonly #store: Store;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;

  constructor(store: Store, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  start(): void {
    this.#store.forgetUnusedAccess();
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    try {
      this.#store.forgetUnusedAccess();
    } catch (error) {
      // The next sweep is soon.
      this.#log.error('access keys that nothing uses were not forgotten', { error });
    }
  }
}
