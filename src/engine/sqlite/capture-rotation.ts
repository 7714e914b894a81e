// Moves the pinned reader on, so that the WAL can be reset and does not grow for ever. The bulk of the checkpoint runs
// without the write lock; the rest and the seal under it. A sealed reader stands on read lock 0: the next writer may
// reset the WAL once, and no checkpoint can make a second reset possible. Other readers in the way are never pushed.
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { MIB } from '../../base/limits.ts';
import type { CaptureConnections, CheckpointResult } from './capture-connections.ts';
import type { Delivery } from './capture-delivery.ts';
import type { LockWindows } from './capture-locks.ts';
import type { CaptureLog } from './capture-log.ts';
import type { WriteWindow } from './capture-window.ts';
import { frameBytes } from './wal-format.ts';

/** The reader is moved on when the WAL has so many frames or bytes: SQLite's own autocheckpoint is at 1000 frames. */
const ROTATE_FRAMES = 1000;
const ROTATE_BYTES = 4 * MIB;
/** A tenant that rests for so long gets everything into its database file. */
const ROTATE_IDLE_MS = 5000;
/** Pause after a rotation that could not be finished: doubles up to the second. */
const PAUSE_MS_FIRST = 250;
const PAUSE_MS_MAX = 30_000;
/** Rounds of bulk checkpoint and short window in one rotation. */
const PASSES = 4;
/** In the first of them nothing is written under the lock: with few commits everything is filled without it. */
const PASSES_UNLOCKED = 1;
/** How long the write lock is tried for: rotation can wait for a better moment. */
const LOCK_WAIT_MS = 2000;
/** Under the write lock: what may be delivered and copied, and how long a delivery may take. */
const WINDOW_DELIVER_BYTES = 1 * MIB;
const WINDOW_DELIVER_MS = 50;
const WINDOW_FILL_BYTES = 1 * MIB;
/** A busy checkpoint lock is tried again so often under the write lock. */
const CHECKPOINT_TRIES = 3;
/** Delivery before a window: when it takes longer, rotation waits for a better moment. */
const DRAIN_MS_MAX = 10_000;

export interface RotationParts {
  path: string;
  connections: CaptureConnections;
  captureLog: CaptureLog;
  delivery: Delivery;
  clock: Clock;
  window: WriteWindow;
  windows: LockWindows;
  /** Bulk checkpoint without the write lock. */
  fill: (path: string) => Promise<CheckpointResult>;
  isLive: () => boolean;
}

export class Rotation {
  readonly #of: RotationParts;
  #comment = '';
  /** Generation and frame that the reader was sealed at: there is nothing to rotate until a writer comes. */
  #sealedAt: string | undefined;
  #notBeforeMs = 0;
  #pauseMs = PAUSE_MS_FIRST;
  #filled: Promise<unknown> = Promise.resolve();

  constructor(of: RotationParts) {
    this.#of = of;
  }

  /** Why the log is not recycled; '' when all is well. */
  get comment(): string {
    return this.#comment;
  }

  /** Settles when no checkpoint of this tenant is under way in another thread. */
  get filled(): Promise<unknown> {
    return this.#filled;
  }

  isDue(activeMs: number): boolean {
    const { captureLog, clock } = this.#of;
    const nowMs = clock.monotonicMs();
    const { frame } = captureLog.cursor;
    if (frame === 0 || nowMs < this.#notBeforeMs) return false;
    const isLarge = frame >= ROTATE_FRAMES || frame * frameBytes(captureLog.pageSize) >= ROTATE_BYTES;
    return (isLarge || nowMs - activeMs > ROTATE_IDLE_MS) && this.#generation() !== this.#sealedAt;
  }

  /** One attempt. Must not overlap with anything else that takes the write lock. */
  async run(): Promise<void> {
    let isSealed = false;
    try {
      isSealed = await this.#rotate();
    } finally {
      this.#of.windows.countRotation(isSealed);
      if (isSealed) this.#comment = '';
      this.#pauseMs = isSealed ? PAUSE_MS_FIRST : Math.min(2 * this.#pauseMs, PAUSE_MS_MAX);
      this.#notBeforeMs = isSealed ? 0 : this.#of.clock.monotonicMs() + this.#pauseMs;
    }
  }

  #generation(): string {
    const { header, frame } = this.#of.captureLog.cursor;
    return `${header?.bytes.toString('hex') ?? ''} ${frame}`;
  }

  /** @returns false when other readers or a steady stream of commits did not allow it now */
  async #rotate(): Promise<boolean> {
    const { captureLog, delivery, path, fill, window, isLive } = this.#of;
    if (!(await window.enter(LOCK_WAIT_MS))) return false;
    try {
      // Frames behind the old pin can not be in the database file yet, so the new pin lands on a mark, which holds the
      // WAL whether or not everything is delivered. Without such frames the pin stays.
      if (captureLog.isPastRoll) captureLog.roll();
    } finally {
      window.leave();
    }
    for (let pass = 0; pass < PASSES && isLive(); pass++) {
      this.#filled = fill(path);
      await this.#filled;
      if (!(await within(delivery.drain(), DRAIN_MS_MAX))) return false;
      if (!(await window.enter(LOCK_WAIT_MS))) return false;
      let outcome: 'sealed' | 'again' | 'blocked';
      try {
        outcome = await this.#seal(pass);
      } finally {
        window.leave();
      }
      if (outcome !== 'again') return outcome === 'sealed';
    }
    return false;
  }

  /** Under the write lock: everything durable, everything in the database file, then the pin goes to read lock 0. */
  async #seal(pass: number): Promise<'sealed' | 'again' | 'blocked'> {
    const { captureLog, delivery, connections, isLive } = this.#of;
    if (captureLog.pendingBytes > WINDOW_DELIVER_BYTES) return 'again';
    if (!delivery.isDrained && !(await within(delivery.drain(), WINDOW_DELIVER_MS))) {
      this.#comment = 'the destination is too slow for the log to be recycled now';
      return 'blocked';
    }
    if (!isLive()) return 'blocked';
    const unfilledFrames = captureLog.unfilledFrames();
    const isTooMuch = unfilledFrames * frameBytes(captureLog.pageSize) > WINDOW_FILL_BYTES;
    if (isTooMuch || (unfilledFrames > 0 && pass < PASSES_UNLOCKED)) {
      if (captureLog.isPastRoll) captureLog.roll();
      return 'again';
    }
    captureLog.roll();
    if (unfilledFrames === 0) return this.#sealed();
    for (let i = 0; i < CHECKPOINT_TRIES; i++) {
      const { isBusy, log, checkpointed } = connections.checkpoint();
      if (isBusy) continue;
      if (checkpointed < log) break;
      assert(log === captureLog.cursor.frame, 'nothing is committed while the write lock is held');
      captureLog.roll();
      return this.#sealed();
    }
    this.#comment = 'other readers keep the log from being recycled';
    return 'blocked';
  }

  #sealed(): 'sealed' {
    this.#sealedAt = this.#generation();
    return 'sealed';
  }
}

/** True when the promise resolved in time; a later failure of it is reported by whoever else waits for it. */
async function within(work: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
