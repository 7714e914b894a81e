// One tenant's capture inside the host: sees commits (CaptureLog), delivers them (Delivery), and moves the pinned reader
// on so that the WAL can be reset. Whatever needs the write lock happens here, one thing at a time.
import { type FSWatcher, watch } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { fail } from '../../base/errors.ts';
import { KIB, MIB } from '../../base/limits.ts';
import type { Log } from '../../base/log.ts';
import type { Scn } from '../../model/scn.ts';
import type { LogPosition } from '../engine-driver.ts';
import type { CaptureConnections, CheckpointResult, PinnedReader } from './capture-connections.ts';
import type { Delivery } from './capture-delivery.ts';
import { acquireLock, type LockWindows } from './capture-locks.ts';
import type { CaptureLog } from './capture-log.ts';
import type { CaptureReport, SnapshotAnswer } from './capture-messages.ts';
import { encodePosition } from './capture-position.ts';
import { readSnapshot } from './capture-snapshot.ts';
import { frameBytes } from './wal-format.ts';

/** The reader is moved on when the WAL has so many frames or bytes: SQLite's own autocheckpoint is at 1000 frames. */
const ROTATE_FRAMES = 1000;
const ROTATE_BYTES = 4 * MIB;
/** A tenant that rests for so long gets everything into its database file. */
const ROTATE_IDLE_MS = 5000;
/** Connections that only rotation and snapshots need are given back after so long a rest. */
const RELAX_IDLE_MS = 30_000;
/** Pause after a rotation that could not be finished: doubles up to the second. */
const ROTATE_PAUSE_MS = 250;
const ROTATE_PAUSE_MS_MAX = 30_000;
/** Rounds of bulk checkpoint and short window in one rotation. */
const ROTATE_PASSES = 4;
/** How long the write lock is tried for: rotation can wait for a better moment, a caller's snapshot can not. */
const ROTATE_WAIT_MS = 2000;
const CALL_WAIT_MS = 15_000;
/** Under the write lock: what may be scanned, delivered and copied, and how long a delivery may take. */
const WINDOW_SCAN_BYTES = 2 * MIB;
const WINDOW_DELIVER_BYTES = 256 * KIB;
const WINDOW_DELIVER_MS = 50;
const WINDOW_FILL_BYTES = 1 * MIB;
/** A busy checkpoint lock is tried again so often under the write lock. */
const CHECKPOINT_TRIES = 3;
/** Delivery before a window: when it takes longer, rotation waits for a better moment. */
const DRAIN_MS_MAX = 10_000;
/** After a hint that something was written: SQLite publishes a commit a little after its last write. */
const REPOLL_MS_FIRST = 1;
const REPOLL_MS_MAX = 512;
/** Polls that find the same misfit before it is looked at under the write lock. */
const MISFITS_MAX = 3;
/** Snapshots of one tenant at a time: backup, validation and a gap repair are three. */
const SNAPSHOTS_MAX = 8;

export interface TenantCaptureParts {
  captureId: number;
  path: string;
  connections: CaptureConnections;
  captureLog: CaptureLog;
  delivery: Delivery;
  clock: Clock;
  log: Log;
  windows: LockWindows;
  /** Bulk checkpoint without the write lock. */
  fill: (path: string) => Promise<CheckpointResult>;
  onGap: (because: string) => void;
}

export class TenantCapture {
  readonly captureId: number;
  readonly #of: TenantCaptureParts;
  readonly #snapshots = new Map<number, PinnedReader>();
  #nextSnapshotId = 1;
  #turn: Promise<unknown> = Promise.resolve();
  #isBusy = false;
  #state: 'live' | 'stopping' | 'ended' = 'live';
  #watcher: FSWatcher | undefined;
  #pollQueued = false;
  #repoll: NodeJS.Timeout | undefined;
  #repollMs = REPOLL_MS_FIRST;
  #misfits = 0;
  #comment = '';
  #seenIndex: Buffer = Buffer.alloc(0);
  #activeMs: number;
  /** Generation and frame that the reader was sealed at: there is nothing to rotate until a writer comes. */
  #sealedAt: string | undefined;
  #rotateAfterMs = 0;
  #rotatePauseMs = ROTATE_PAUSE_MS;
  #logBytes = 0;
  #reported = '';

  constructor(of: TenantCaptureParts) {
    this.captureId = of.captureId;
    this.#of = of;
    this.#activeMs = of.clock.monotonicMs();
  }

  /** Makes the start of a round durable: its first batch holds no commit. */
  recordStart(): Promise<void> {
    return this.#of.delivery.record();
  }

  /** Begins to watch. */
  start(): void {
    const { log, path } = this.#of;
    try {
      this.#watcher = watch(`${path}-wal`, { persistent: false }, () => this.#hint());
      this.#watcher.on('error', (error) => this.#unwatch(error));
    } catch (error) {
      // The system's limit of watches: the sweep still sees every commit, a second later.
      log.warn('capture not watched', { captureId: this.captureId, path, error });
    }
    this.#poll();
  }

  #unwatch(error: unknown): void {
    this.#of.log.warn('capture not watched', { captureId: this.captureId, error });
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Something was written to the WAL; many hints make one poll. */
  #hint(): void {
    this.#repollMs = REPOLL_MS_FIRST;
    if (this.#pollQueued || this.#state === 'ended') return;
    this.#pollQueued = true;
    setImmediate(() => {
      this.#pollQueued = false;
      this.#poll();
    });
  }

  #poll(): void {
    if (this.#state === 'ended') return;
    const before = this.#of.captureLog.maxScn;
    const misfit = this.#look();
    if (this.#of.captureLog.maxScn > before) this.#sawCommits();
    if (misfit === undefined) this.#misfits = 0;
    else if (++this.#misfits > MISFITS_MAX && !this.#isBusy) this.#confirm();
    this.#of.delivery.kick();
    this.#pollAgain();
  }

  /** A read error is no gap yet: the same place is read again, and under the write lock it must succeed. */
  #look(): string | undefined {
    try {
      return this.#of.captureLog.poll();
    } catch (error) {
      this.#failed('poll', error);
      return `the log can not be read: ${String(error)}`;
    }
  }

  #sawCommits(): void {
    this.#repollMs = REPOLL_MS_FIRST;
    this.#activeMs = this.#of.clock.monotonicMs();
    this.#maybeRotate();
  }

  #pollAgain(): void {
    if (this.#repoll || this.#repollMs > REPOLL_MS_MAX) return;
    this.#repoll = setTimeout(() => {
      this.#repoll = undefined;
      this.#poll();
    }, this.#repollMs);
    this.#repollMs *= 2;
  }

  /** Under the write lock nobody is in the middle of anything: what does not fit there is a gap. */
  #confirm(): void {
    void this.#exclusive(async () => {
      if (await this.#enter(ROTATE_WAIT_MS)) this.#leave();
    }).catch((error) => this.#failed('confirm', error));
  }

  #failed(what: string, error: unknown): void {
    if (this.#state === 'ended') return;
    this.#comment = `${what}: ${error instanceof Error ? error.message : String(error)}`;
    this.#of.log.warn('capture', { captureId: this.captureId, what, error });
  }

  /** Looks at everything that no event tells of. Called about once a second. */
  sweep(of: { checkFiles: boolean }): void {
    if (this.#state !== 'live') return;
    try {
      const lost = of.checkFiles ? this.#of.captureLog.lostFiles() : undefined;
      if (lost !== undefined) {
        this.gap(lost);
        return;
      }
      const bytes = this.#of.connections.indexBytes();
      if (!bytes.equals(this.#seenIndex) || this.#misfits > 0) {
        this.#seenIndex = Buffer.from(bytes);
        this.#logBytes = Number(this.#of.connections.walStat().sizeBytes);
        this.#poll();
      }
      const idleMs = this.#of.clock.monotonicMs() - this.#activeMs;
      this.#maybeRotate();
      if (idleMs > RELAX_IDLE_MS && !this.#isBusy) this.#of.connections.relax();
    } catch (error) {
      this.#failed('sweep', error);
    }
  }

  /** Everything that is committed is durable, so the checkpoint may follow the clock. */
  get isIdle(): boolean {
    return this.#state === 'live' && this.#misfits === 0 && this.#of.delivery.isDrained;
  }

  announce(ns: bigint): void {
    this.#of.captureLog.announce(ns);
  }

  /** @returns undefined when nothing changed since the last report */
  report(): CaptureReport | undefined {
    const { captureLog } = this.#of;
    const report: CaptureReport = {
      captureId: this.captureId,
      isIdle: this.isIdle,
      maxScn: captureLog.maxScn,
      pendingCommits: captureLog.pending.length,
      logBytes: this.#logBytes,
      comment: this.#comment,
    };
    const text = Object.values(report).join(' ');
    if (text === this.#reported) return undefined;
    this.#reported = text;
    return report;
  }

  /** Runs what needs the write lock, or what must not overlap with it, one after another. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const run = async () => {
      this.#isBusy = true;
      try {
        return await work();
      } finally {
        this.#isBusy = false;
      }
    };
    const turn = this.#turn.then(run, run);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  #lockedMs = 0;
  #fill: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> = Promise.resolve();
  #resolveEnded: () => void = () => {};
  /** Resolves when the capture is over, however it went; then see `closed`. */
  readonly ended = new Promise<void>((resolve) => {
    this.#resolveEnded = resolve;
  });

  /** Resolves when nothing of an ended capture is open any more. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /**
   * Takes the write lock with every commit seen. Large tails are read before it is taken, never under it.
   * @returns false when the lock could not be had in time
   */
  async #enter(waitMs: number): Promise<boolean> {
    const { connections, captureLog, clock } = this.#of;
    connections.prepareWindow({ checkpoint: true });
    const deadlineMs = clock.monotonicMs() + waitMs;
    for (;;) {
      this.#poll();
      const leftMs = Math.max(0, deadlineMs - clock.monotonicMs());
      const isStopped = () => this.#state === 'ended';
      if (!(await acquireLock(() => !isStopped() && connections.tryLock(), { waitMs: leftMs, isStopped })))
        return false;
      this.#lockedMs = clock.monotonicMs();
      if (captureLog.unseenBytes() <= WINDOW_SCAN_BYTES) break;
      // Read without the lock, by the poll at the top of the loop.
      this.#leave();
    }
    const before = captureLog.maxScn;
    const misfit = this.#look();
    if (captureLog.maxScn > before) this.#activeMs = clock.monotonicMs();
    if (misfit === undefined) return true;
    this.#leave();
    this.gap(misfit);
    throw fail('CLOG_RECYCLE_BEFORE_ARCHIVE', { because: misfit });
  }

  #leave(): void {
    const { connections, windows, clock, delivery } = this.#of;
    connections.unlock();
    windows.add(clock.monotonicMs() - this.#lockedMs);
    delivery.kick();
  }

  #generation(): string {
    const { header, frame } = this.#of.captureLog.cursor;
    return `${header?.bytes.toString('hex') ?? ''} ${frame}`;
  }

  #maybeRotate(): void {
    if (this.#state !== 'live' || this.#isBusy || this.#misfits > 0) return;
    const { captureLog, clock } = this.#of;
    const nowMs = clock.monotonicMs();
    const { frame } = captureLog.cursor;
    if (frame === 0 || nowMs < this.#rotateAfterMs) return;
    const isLarge = frame >= ROTATE_FRAMES || frame * frameBytes(captureLog.pageSize) >= ROTATE_BYTES;
    const isResting = nowMs - this.#activeMs > ROTATE_IDLE_MS;
    if (!(isLarge || isResting) || this.#generation() === this.#sealedAt) return;
    void this.#exclusive(() => this.#rotate()).then(
      (isSealed) => this.#rotated(isSealed),
      (error) => {
        this.#rotated(false);
        this.#failed('rotate', error);
      },
    );
  }

  #rotated(isSealed: boolean): void {
    this.#rotatePauseMs = isSealed ? ROTATE_PAUSE_MS : Math.min(2 * this.#rotatePauseMs, ROTATE_PAUSE_MS_MAX);
    this.#rotateAfterMs = isSealed ? 0 : this.#of.clock.monotonicMs() + this.#rotatePauseMs;
    if (isSealed) this.#comment = '';
  }

  /**
   * Moves the pin on: bulk of the checkpoint without the lock, the rest and the seal under it. A sealed reader stands on
   * read lock 0: the next writer may reset the WAL once, and no checkpoint can make a second reset possible.
   * @returns false when other readers or a steady stream of commits did not allow it now
   */
  async #rotate(): Promise<boolean> {
    const { captureLog, delivery, path, fill } = this.#of;
    if (!(await this.#enter(ROTATE_WAIT_MS))) return false;
    // Frames behind the old pin can not be in the database file yet, so the new pin lands on a mark, which holds the
    // WAL whether or not everything is delivered. Without such frames the pin stays.
    if (captureLog.isPastRoll) captureLog.roll();
    this.#leave();
    for (let pass = 0; pass < ROTATE_PASSES && this.#state === 'live'; pass++) {
      this.#fill = fill(path);
      await this.#fill;
      if (!(await within(delivery.drain(), DRAIN_MS_MAX))) return false;
      if (!(await this.#enter(ROTATE_WAIT_MS))) return false;
      let outcome: 'sealed' | 'again' | 'blocked';
      try {
        outcome = await this.#seal();
      } finally {
        this.#leave();
      }
      if (outcome === 'sealed') return true;
      if (outcome === 'blocked') return false;
    }
    return false;
  }

  /** Under the write lock: everything durable, everything in the database file, then the pin goes to read lock 0. */
  async #seal(): Promise<'sealed' | 'again' | 'blocked'> {
    const { captureLog, delivery, connections } = this.#of;
    if (captureLog.pendingBytes > WINDOW_DELIVER_BYTES) return 'again';
    if (!delivery.isDrained && !(await within(delivery.drain(), WINDOW_DELIVER_MS))) {
      this.#comment = 'the destination is too slow for the log to be recycled now';
      return 'blocked';
    }
    if (this.#state !== 'live') return 'blocked';
    if (captureLog.unfilledFrames() * frameBytes(captureLog.pageSize) > WINDOW_FILL_BYTES) {
      if (captureLog.isPastRoll) captureLog.roll();
      return 'again';
    }
    captureLog.roll();
    const { frame } = captureLog.cursor;
    for (let i = 0; i < CHECKPOINT_TRIES; i++) {
      const { isBusy, log, checkpointed } = connections.checkpoint();
      if (isBusy) continue;
      assert(log === frame, 'nothing is committed while the write lock is held');
      if (checkpointed < log) break;
      captureLog.roll();
      this.#sealedAt = this.#generation();
      return 'sealed';
    }
    this.#comment = 'other readers keep the log from being recycled';
    return 'blocked';
  }

  /** @see Capture.flush */
  async flush(): Promise<Scn> {
    const { captureLog, clock, delivery } = this.#of;
    const startNs = clock.nowNs();
    await this.#settle();
    const scn = captureLog.announce(startNs);
    await delivery.reach(scn);
    return scn;
  }

  /** Polls until everything committed now is seen; what does not fit is looked at under the write lock. */
  async #settle(): Promise<void> {
    for (let i = 0; i < MISFITS_MAX; i++) {
      this.#assertLive();
      this.#poll();
      if (this.#misfits === 0) return;
      await sleep(REPOLL_MS_FIRST);
    }
    await this.#exclusive(async () => {
      if (!(await this.#enter(CALL_WAIT_MS)))
        throw fail('TIMEOUT', { what: 'the write lock of the tenant is not free' });
      this.#leave();
    });
  }

  #assertLive(): void {
    if (this.#state !== 'live') throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
  }

  /** Freezes the present state. It is durable in the archive, too, when this resolves. */
  async snapshot(): Promise<SnapshotAnswer> {
    this.#assertLive();
    if (this.#snapshots.size >= SNAPSHOTS_MAX) throw fail('SERVER_BUSY', { what: 'Too many snapshots of one tenant' });
    const { connections, captureLog, clock, delivery, path } = this.#of;
    const snapshotId = this.#nextSnapshotId++;
    const { reader, scn, frozen } = await this.#exclusive(async () => {
      this.#assertLive();
      if (!(await this.#enter(CALL_WAIT_MS)))
        throw fail('TIMEOUT', { what: 'the write lock of the tenant is not free' });
      try {
        const reader = connections.openReader();
        this.#snapshots.set(snapshotId, reader);
        // Read after the reader began: frames that are not in the file yet then prove that it stands on a mark.
        const index = connections.index();
        assert(index, 'the wal-index is at rest under the write lock');
        const frozen = { index, cursor: captureLog.cursor };
        return { reader, scn: captureLog.announce(clock.nowNs()), frozen };
      } finally {
        this.#leave();
      }
    });
    try {
      const contents = readSnapshot({ reader, connections, path, file: captureLog.file, ...frozen });
      // Commits of the snapshot that were not archived would get other scns if this host died now.
      await delivery.drain();
      return { snapshotId, scn, ...contents };
    } catch (error) {
      this.closeSnapshot(snapshotId);
      throw error;
    }
  }

  closeSnapshot(snapshotId: number): void {
    this.#snapshots.get(snapshotId)?.close();
    this.#snapshots.delete(snapshotId);
  }

  get hasSnapshots(): boolean {
    return this.#snapshots.size > 0;
  }

  holdsSnapshot(snapshotId: number): boolean {
    return this.#snapshots.has(snapshotId);
  }

  set lagTargetMs(ms: number) {
    this.#of.delivery.lagTargetMs = ms;
  }

  set cutScn(scn: Scn) {
    this.#of.delivery.cutScn = scn;
  }

  /** The log can not be continued. */
  gap(because: string): void {
    if (this.#state === 'ended') return;
    this.#end(fail('CLOG_RECYCLE_BEFORE_ARCHIVE', { because }));
    this.#of.onGap(because);
  }

  /** Archives to the end, records where that is, and lets go without sealing: the WAL stays as it is. */
  async stop(): Promise<LogPosition> {
    this.#assertLive();
    this.#state = 'stopping';
    const { captureLog, delivery } = this.#of;
    return await this.#exclusive(async () => {
      try {
        this.#poll();
        await delivery.drain();
        const isRecorded = Buffer.from(encodePosition(captureLog.position())).equals(delivery.chain.engine);
        if (!isRecorded) await delivery.record();
      } catch (error) {
        // The destination can not be reached: the last durable batch says where to go on, and the WAL still has the rest.
        this.#failed('stop', error);
      }
      const { batchNo, batchHash, checkpointScn: scn, engine } = delivery.chain;
      this.#end(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
      return { batchNo, batchHash, scn, engine };
    });
  }

  /** Lets go of everything at once. */
  close(): void {
    this.#end(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
  }

  #end(error: unknown): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    clearTimeout(this.#repoll);
    this.#watcher?.close();
    this.#of.delivery.halt(error);
    const close = () => {
      for (const reader of this.#snapshots.values()) reader.close();
      this.#snapshots.clear();
      this.#of.connections.close();
    };
    // A checkpoint under way has its locks in this process: closing a descriptor now would drop them.
    this.#closed = this.#fill.then(close, close);
    this.#resolveEnded();
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
