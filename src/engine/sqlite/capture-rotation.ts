// Moves the pinned reader on, so that the WAL can be reset and does not grow for ever. The bulk of the checkpoint runs
// without the write lock; the rest and the seal under it. A sealed reader stands on read lock 0: the next writer may
// reset the WAL once, and no checkpoint can make a second reset possible. Other readers in the way are never pushed.
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { KIB, MIB } from '../../base/limits.ts';
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
/** Pause after a rotation that other readers did not allow: doubles up to the second. */
const PAUSE_MS_FIRST = 250;
const PAUSE_MS_MAX = 30_000;
/** Rounds of bulk checkpoint, delivery and short window in one rotation. */
const PASSES = 6;
/**
 * In the first of them nothing is written under the lock. Nor is it in later ones but the last while so little came
 * meanwhile: a few milliseconds on, there may be a moment in which nothing did.
 */
const PASSES_UNLOCKED = 1;
const CALM_BYTES = 256 * KIB;
/** How long the write lock is tried for: rotation can wait for a better moment. */
const LOCK_WAIT_MS = 2000;
/**
 * Under the write lock: what may be delivered and copied, and how long a delivery may take. While commits never rest both
 * grow with the log, so that it stays bounded: SQLite itself copies 4 MiB in a commit that checkpoints.
 */
const WINDOW_BYTES_MIN = 1 * MIB;
const WINDOW_BYTES_MAX = 8 * MIB;
const WINDOW_DELIVER_MS_MIN = 50;
const WINDOW_DELIVER_MS_MAX = 400;
/** Of a log of so many bytes a window may take one MiB more. */
const LOG_BYTES_PER_WINDOW_MIB = 8 * MIB;
/** A busy checkpoint lock is tried again so often under the write lock. */
const CHECKPOINT_TRIES = 3;
/** Delivery before a window: when it takes longer, rotation waits for a better moment. */
const DRAIN_MS_MAX = 10_000;
/**
 * The reader is rolled so often while that lasts. What lies before it anybody may copy, also an application in its own
 * commit, which would stand still for as long as gigabytes take.
 */
const ROLL_MS = 1000;

const SLOW_DESTINATION = 'the destination is too slow for the log to be recycled now';

/**
 * - sealed: the next writer may reset the log.
 * - again: a steady stream of commits did not allow it yet.
 * - blocked: other readers or the destination do not allow it now.
 */
type Outcome = 'sealed' | 'again' | 'blocked';

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
    const { captureLog, clock, delivery } = this.#of;
    const nowMs = clock.monotonicMs();
    const { frame } = captureLog.cursor;
    if (frame === 0 || nowMs < this.#notBeforeMs) return false;
    const isLarge = frame >= ROTATE_FRAMES || frame * frameBytes(captureLog.pageSize) >= ROTATE_BYTES;
    // What a lag target still lets wait for company is not sent for a tenant that rests.
    const isAtRest = nowMs - activeMs > ROTATE_IDLE_MS && delivery.isDrained;
    return (isLarge || isAtRest) && this.#generation() !== this.#sealedAt;
  }

  /** One attempt. Must not overlap with anything else that takes the write lock. */
  async run(): Promise<void> {
    let outcome: Outcome = 'blocked';
    try {
      outcome = await this.#rotate();
    } finally {
      const isSealed = outcome === 'sealed';
      this.#of.windows.countRotation(isSealed);
      if (isSealed) this.#comment = '';
      // Waiting does not help against a steady stream of commits: the log would only be longer.
      this.#pauseMs = outcome === 'blocked' ? Math.min(2 * this.#pauseMs, PAUSE_MS_MAX) : PAUSE_MS_FIRST;
      this.#notBeforeMs = isSealed ? 0 : this.#of.clock.monotonicMs() + this.#pauseMs;
    }
  }

  /** How much a window may hold up writers for, by the size of the log. */
  #window(): { bytes: number; deliverMs: number } {
    const { captureLog } = this.#of;
    const logMib = (captureLog.cursor.frame * frameBytes(captureLog.pageSize)) / LOG_BYTES_PER_WINDOW_MIB;
    return {
      bytes: Math.min(Math.max(WINDOW_BYTES_MIN, logMib * MIB), WINDOW_BYTES_MAX),
      deliverMs: Math.min(Math.max(WINDOW_DELIVER_MS_MIN, logMib * WINDOW_DELIVER_MS_MIN), WINDOW_DELIVER_MS_MAX),
    };
  }

  #generation(): string {
    const { header, frame } = this.#of.captureLog.cursor;
    return `${header?.bytes.toString('hex') ?? ''} ${frame}`;
  }

  async #rotate(): Promise<Outcome> {
    const { window, isLive } = this.#of;
    if (!(await this.#roll())) return 'blocked';
    for (let pass = 0; pass < PASSES && isLive(); pass++) {
      const obstacle = await this.#copyAndDeliver();
      if (obstacle) return obstacle;
      if (!(await window.enter(LOCK_WAIT_MS))) return 'blocked';
      let outcome: Outcome;
      try {
        outcome = await this.#seal(pass);
      } finally {
        window.leave();
      }
      if (outcome !== 'again') return outcome;
    }
    this.#comment = 'commits come without a rest: the log is recycled a little later';
    return 'again';
  }

  /** @returns false when the write lock was not free */
  async #roll(): Promise<boolean> {
    const { captureLog, window } = this.#of;
    if (!(await window.enter(LOCK_WAIT_MS))) return false;
    try {
      // Frames behind the old pin can not be in the database file yet, so the new pin lands on a mark, which holds the
      // WAL whether or not everything is delivered. Without such frames the pin stays.
      if (captureLog.isPastRoll) captureLog.roll();
    } finally {
      window.leave();
    }
    return true;
  }

  /** Everything up to the reader into the database file, and everything that is captured by now to the destination. */
  async #copyAndDeliver(): Promise<'blocked' | undefined> {
    const { captureLog, clock, delivery, path, fill, isLive } = this.#of;
    const untilMs = clock.monotonicMs() + DRAIN_MS_MAX;
    let drained: Promise<void> | undefined;
    for (;;) {
      const filling = fill(path);
      this.#filled = filling;
      const { checkpointed, isBusy } = await filling;
      // Up to our own pin everything could be copied, if nobody reads an older state.
      if (!isBusy && checkpointed < captureLog.rollFrame)
        return this.#blocked('other readers keep the log from being recycled');
      // One after the other: at once they would take two cores from the applications.
      drained ??= delivery.drain();
      if (await within(drained, ROLL_MS)) return undefined;
      if (!isLive()) return 'blocked';
      if (clock.monotonicMs() > untilMs) return this.#blocked(SLOW_DESTINATION);
      if (!(await this.#roll())) return 'blocked';
    }
  }

  #blocked(comment: string): 'blocked' {
    this.#comment = comment;
    return 'blocked';
  }

  /** Under the write lock: everything durable, everything in the database file, then the pin goes to read lock 0. */
  async #seal(pass: number): Promise<Outcome> {
    const { captureLog, delivery, connections, isLive } = this.#of;
    const bounds = this.#window();
    const unfilledBytes = captureLog.unfilledFrames() * frameBytes(captureLog.pageSize);
    const isCalm = unfilledBytes <= CALM_BYTES && pass < PASSES - 1;
    if ((pass < PASSES_UNLOCKED || isCalm) && (unfilledBytes > 0 || !delivery.isDrained)) return this.#goOn();
    if (captureLog.pendingBytes > bounds.bytes) return 'again';
    if (!delivery.isDrained && !(await within(delivery.drain(), bounds.deliverMs))) {
      this.#comment = SLOW_DESTINATION;
      return 'again';
    }
    if (!isLive()) return 'blocked';
    if (unfilledBytes > bounds.bytes) return this.#goOn();
    captureLog.roll();
    if (unfilledBytes === 0) return this.#sealed();
    for (let i = 0; i < CHECKPOINT_TRIES; i++) {
      const { isBusy, log, checkpointed } = connections.checkpoint();
      if (isBusy) continue;
      if (checkpointed < log) break;
      assert(log === captureLog.cursor.frame, 'nothing is committed while the write lock is held');
      captureLog.roll();
      return this.#sealed();
    }
    return this.#blocked('other readers keep the log from being recycled');
  }

  /** The next bulk checkpoint may copy what is there by now. */
  #goOn(): 'again' {
    const { captureLog } = this.#of;
    if (captureLog.isPastRoll) captureLog.roll();
    return 'again';
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
