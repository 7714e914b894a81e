// One tenant's capture inside the host: sees commits (CaptureLog), delivers them (Delivery), and moves the pinned reader
// on so that the WAL can be reset. Whatever needs the write lock happens here, one thing at a time.
import { type FSWatcher, watch } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { fail, messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Scn } from '../../model/scn.ts';
import type { LogPosition } from '../engine-driver.ts';
import type { CaptureConnections, CheckpointResult, PinnedReader } from './capture-connections.ts';
import type { Delivery } from './capture-delivery.ts';
import { type HeldLocks, isLockLost, type LockWindows } from './capture-locks.ts';
import type { CaptureLog } from './capture-log.ts';
import type { CaptureReport, SnapshotAnswer } from './capture-messages.ts';
import { encodePosition } from './capture-position.ts';
import { Rotation } from './capture-rotation.ts';
import { readSnapshot } from './capture-snapshot.ts';
import { WriteWindow } from './capture-window.ts';

/** Connections that only rotation and snapshots need are given back after so long a rest. */
const RELAX_IDLE_MS = 30_000;
/** How long the write lock is tried for when a caller waits for it. */
const CALL_WAIT_MS = 15_000;
/** The same for looking at a misfit: nobody waits, and the next poll may find it gone. */
const CONFIRM_WAIT_MS = 2000;
/** After a hint that something was written: SQLite publishes a commit a little after its last write. */
const REPOLL_MS_FIRST = 1;
const REPOLL_MS_MAX = 512;
/** Polls that find the same misfit before it is looked at under the write lock. */
const MISFITS_MAX = 3;
/** Snapshots of one tenant at a time: backup, validation and a gap repair are three. */
const SNAPSHOTS_MAX = 8;

/** What a report is sent for. */
const REPORTED = ['isIdle', 'maxScn', 'pendingCommits', 'logBytes', 'comment'] as const;
/** A failure is shown for so long after it was last seen. */
const COMMENT_MS = 10_000;

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
  #commentMs = 0;
  #seenIndex: Buffer = Buffer.alloc(0);
  #activeMs: number;
  #logBytes = 0;
  #reported: CaptureReport | undefined;

  readonly #window: WriteWindow;
  readonly #rotation: Rotation;

  constructor(of: TenantCaptureParts) {
    this.captureId = of.captureId;
    this.#of = of;
    this.#activeMs = of.clock.monotonicMs();
    this.#window = new WriteWindow({
      ...of,
      poll: () => this.#poll(),
      look: () => this.#look(),
      onMisfit: (because) => this.gap(because),
      isEnded: () => this.#state === 'ended',
    });
    this.#rotation = new Rotation({ ...of, window: this.#window, isLive: () => this.#state === 'live' });
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
      if (await this.#window.enter(CONFIRM_WAIT_MS)) this.#window.leave();
    }).catch((error) => this.#failed('confirm', error));
  }

  #failed(what: string, error: unknown): void {
    if (this.#state === 'ended') return;
    this.#commentMs = this.#of.clock.monotonicMs();
    this.#comment = `${what}: ${messageOf(error)}`;
    this.#of.log.warn('capture', { captureId: this.captureId, what, error });
  }

  /** Looks at everything that no event tells of. Called about once a second. */
  sweep(of: { checkFiles: boolean }): void {
    if (this.#state !== 'live') return;
    try {
      if (of.checkFiles && !this.#areFilesOurs()) return;
      const bytes = this.#of.connections.indexBytes();
      if (!bytes.equals(this.#seenIndex) || this.#misfits > 0) {
        this.#seenIndex = Buffer.from(bytes);
        this.#logBytes = Number(this.#of.connections.walStat().sizeBytes);
        this.#poll();
      }
      const nowMs = this.#of.clock.monotonicMs();
      if (this.#comment && nowMs - this.#commentMs > COMMENT_MS) this.#comment = '';
      const idleMs = nowMs - this.#activeMs;
      this.#maybeRotate();
      if (idleMs > RELAX_IDLE_MS && !this.#isBusy) this.#of.connections.relax();
    } catch (error) {
      this.#failed('sweep', error);
    }
  }

  /** The self-test: without its lock the reader pins nothing, although SQLite believes so. */
  checkLock(held: HeldLocks): void {
    if (this.#state !== 'live') return;
    const { captureLog, connections } = this.#of;
    if (isLockLost(held, captureLog.file.inode, connections.shmInode))
      this.gap('the kernel has lost the lock that pins the log');
  }

  /** Commits to a file that took the place of ours are none of ours, and never captured: that is a gap. */
  #areFilesOurs(): boolean {
    if (this.#state === 'ended') return false;
    const lost = this.#of.captureLog.lostFiles();
    if (lost !== undefined) this.gap(lost);
    return lost === undefined;
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
      comment: this.#comment || this.#rotation.comment,
    };
    const last = this.#reported;
    if (last && REPORTED.every((key) => last[key] === report[key])) return undefined;
    this.#reported = report;
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

  #maybeRotate(): void {
    if (this.#state !== 'live' || this.#isBusy || this.#misfits > 0 || !this.#rotation.isDue(this.#activeMs)) return;
    void this.#exclusive(() => this.#rotation.run()).catch((error) => this.#failed('rotate', error));
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
    this.#areFilesOurs();
    for (let i = 0; i < MISFITS_MAX; i++) {
      this.#assertLive();
      this.#poll();
      if (this.#misfits === 0) return;
      await sleep(REPOLL_MS_FIRST);
    }
    await this.#exclusive(async () => {
      if (!(await this.#window.enter(CALL_WAIT_MS)))
        throw fail('TIMEOUT', { what: 'the write lock of the tenant is not free' });
      this.#window.leave();
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
      this.#areFilesOurs();
      this.#assertLive();
      if (!(await this.#window.enter(CALL_WAIT_MS)))
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
        this.#window.leave();
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
        this.#areFilesOurs();
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
    this.#closed = this.#rotation.filled.then(close, close);
    this.#resolveEnded();
  }
}
