// Says when to look at the WAL of one tenant: as soon as something is written to one that rests, then every few
// milliseconds while commits come, ever more rarely when none do.
// While commits come the system does not tell of each write: that would wake us thousands of times a second, in the
// middle of transactions, on a machine that may have no core to spare. A hint only: without it the sweep still sees every
// commit, a second later.
import { type FSWatcher, watch } from 'node:fs';

/** Between two looks while commits come: what their scns are late by, and still only 250 wakings a second. */
const LOOK_MS_FIRST = 4;
/** The same with a shorter lag target: timers know no shorter one. */
const LOOK_MS_MIN = 1;
/** Each look that finds nothing doubles the pause. Beyond this one the system tells of the next write. */
const LOOK_MS_BUSY = 16;
/** The last pause: a commit is published a little after its last write, with nothing but an fsync between the two. */
const LOOK_MS_MAX = 512;

export interface WalWatchParts {
  /** Of the database file. */
  path: string;
  lagTargetMs: number;
  /** Must call `looked`. */
  look: () => void;
  onUnwatched: (error: unknown) => void;
}

export class WalWatch {
  readonly #of: WalWatchParts;
  #watcher: FSWatcher | undefined;
  #canWatch = true;
  #next: NodeJS.Timeout | undefined;
  #lagTargetMs: number;
  #pauseMs = LOOK_MS_FIRST;
  #isClosed = false;

  constructor(of: WalWatchParts) {
    this.#of = of;
    this.#lagTargetMs = of.lagTargetMs;
  }

  /** The first look, and all that follow. */
  start(): void {
    this.wake();
    this.#of.look();
  }

  /** Something was written: the look after the present one comes soon. */
  wake(): void {
    clearTimeout(this.#next);
    this.#next = undefined;
    this.#pauseMs = Math.max(LOOK_MS_MIN, Math.min(this.#lagTargetMs, LOOK_MS_FIRST));
  }

  /** To be called after each look, whoever wanted it. */
  looked(): void {
    if (this.#next || this.#isClosed) return;
    const pauseMs = this.#pauseMs;
    // What was written just before it is watched is not told of: one more look.
    if (pauseMs > LOOK_MS_BUSY && this.#watch()) this.#of.look();
    else if (pauseMs <= LOOK_MS_MAX) {
      this.#pauseMs *= 2;
      this.#next = setTimeout(() => {
        this.#next = undefined;
        this.#of.look();
      }, pauseMs);
    }
  }

  set lagTargetMs(ms: number) {
    this.#lagTargetMs = ms;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#next);
    this.#unwatch();
  }

  /** @returns whether it begins to be watched */
  #watch(): boolean {
    if (this.#watcher || !this.#canWatch) return false;
    try {
      this.#watcher = watch(`${this.#of.path}-wal`, { persistent: false }, () => this.#hint());
      this.#watcher.on('error', (error) => this.#failed(error));
      return true;
    } catch (error) {
      // The system's limit of watches.
      this.#failed(error);
      return false;
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #failed(error: unknown): void {
    this.#canWatch = false;
    this.#unwatch();
    this.#of.onUnwatched(error);
  }

  #hint(): void {
    if (!this.#watcher) return;
    this.#unwatch();
    this.wake();
    this.#of.look();
  }
}
