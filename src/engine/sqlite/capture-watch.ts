// Tells when something was written to a WAL. A hint only: without it the sweep still sees every commit, a second later.
import { type FSWatcher, watch } from 'node:fs';

export class WalWatch {
  readonly #path: string;
  readonly #onHint: () => void;
  readonly #onUnwatched: (error: unknown) => void;
  #watcher: FSWatcher | undefined;
  #isQueued = false;
  #isClosed = false;

  /** @param path of the database file */
  constructor(path: string, of: { onHint: () => void; onUnwatched: (error: unknown) => void }) {
    this.#path = path;
    this.#onHint = of.onHint;
    this.#onUnwatched = of.onUnwatched;
  }

  start(): void {
    if (this.#isClosed) return;
    try {
      this.#watcher = watch(`${this.#path}-wal`, { persistent: false }, () => this.#hint());
      this.#watcher.on('error', (error) => this.#unwatch(error));
    } catch (error) {
      // The system's limit of watches.
      this.#onUnwatched(error);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#watcher?.close();
  }

  /** Many hints make one call. */
  #hint(): void {
    if (this.#isQueued || this.#isClosed) return;
    this.#isQueued = true;
    setImmediate(() => {
      this.#isQueued = false;
      if (!this.#isClosed) this.#onHint();
    });
  }

  #unwatch(error: unknown): void {
    this.#onUnwatched(error);
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}
