// One tenant's capture inside the host: sees commits (CaptureLog), delivers them (Delivery), and moves the pinned reader
// on so that the WAL can be reset. Whatever needs the write lock happens here, one thing at a time.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../base/clock.ts';
import { fail, messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { LogSeal } from '../../format/tenant-key.ts';
import type { Scn } from '../../model/scn.ts';
import type { CaptureEnd, CaptureRepair, LogOwner } from '../engine-driver.ts';
import type { CaptureConnections, CheckpointResult } from './capture-connections.ts';
import type { Delivery } from './capture-delivery.ts';
import { type HeldLocks, isLockLost, type LockWindows } from './capture-locks.ts';
import type { CaptureLog } from './capture-log.ts';
import type { CaptureReport, SnapshotAnswer } from './capture-messages.ts';
import { PageFile } from './capture-page-file.ts';
import type { CapturePageMap } from './capture-page-map.ts';
import { encodePosition } from './capture-position.ts';
import { repairingCommit } from './capture-repair.ts';
import { Rotation } from './capture-rotation.ts';
import type { FrozenState, Snapshots } from './capture-snapshot.ts';
import { WalWatch } from './capture-watch.ts';
import { WriteWindow } from './capture-window.ts';
import type { Turns } from './turns.ts';

/** Connections that only rotation and snapshots need are given back after so long a rest. */
const RELAX_IDLE_MS = 30_000;
/** How long the write lock is tried for when a caller waits for it. */
const CALL_WAIT_MS = 15_000;
/** The same for looking at a misfit: nobody waits, and the next poll may find it gone. */
const CONFIRM_WAIT_MS = 2000;
/** Before the log is polled once more: SQLite publishes a commit a little after its last write. */
const SETTLE_MS = 1;
/** Polls that find the same misfit before it is looked at under the write lock. */
const MISFITS_MAX = 3;

/** What a report is sent for. */
const REPORTED = ['isIdle', 'maxScn', 'pendingCommits', 'logBytes', 'comment'] as const;
/** A failure is shown for so long after it was last seen. */
const COMMENT_MS = 10_000;

export interface TenantCaptureParts {
  captureId: number;
  owner: LogOwner;
  path: string;
  lagTargetMs: number;
  pageMapPath: string | null;
  /** Where the capture goes on; null when the log holds no commit of the round yet. */
  resumedScn: Scn | null;
  connections: CaptureConnections;
  captureLog: CaptureLog;
  pageMap: CapturePageMap;
  delivery: Delivery;
  snapshots: Snapshots;
  clock: Clock;
  log: Log;
  windows: LockWindows;
  /** Bulk checkpoint without the write lock. */
  fill: (path: string) => Promise<CheckpointResult>;
  /** Scans of whole databases: a few at a time. */
  scans: Turns;
  onGap: (because: string) => void;
}

export class TenantCapture {
  readonly captureId: number;
  readonly #of: TenantCaptureParts;
  #turn: Promise<unknown> = Promise.resolve();
  #isBusy = false;
  #state: 'live' | 'stopping' | 'ended' = 'live';
  readonly #watch: WalWatch;
  #misfits = 0;
  #comment = '';
  #commentMs = 0;
  #seenIndex: Buffer = Buffer.alloc(0);
  #activeMs: number;
  #logBytes = 0;
  #reported: CaptureReport | undefined;
  /** While the repairing commit is made, everything captured waits behind it. */
  #isRepairing = false;
  #compared: Promise<unknown> = Promise.resolve();

  readonly #window: WriteWindow;
  readonly #rotation: Rotation;
  readonly #pageFile: PageFile;

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
    this.#watch = new WalWatch({
      ...of,
      look: () => this.#poll(),
      onUnwatched: (error) => of.log.warn('capture not watched', { captureId: of.captureId, path: of.path, error }),
    });
    this.#pageFile = new PageFile({ ...of, onBroken: (because) => this.gap(because) });
  }

  /** Makes the start of a round durable, an empty batch, and begins to watch. */
  async recordStart(): Promise<void> {
    await this.#of.delivery.record();
    this.start();
  }

  /**
   * Makes the start of a round that closes a gap durable, one commit of every page that differs, and begins to watch.
   * @param of.frozen the state at the start of the round
   * @param of.onScanned called when the whole state was read, however that went
   * @throws CANNOT_START_LOG_ARCHIVE when the state before the gap is not known; what ended the capture meanwhile
   */
  async repair(
    repair: CaptureRepair,
    { frozen, scn, onScanned }: { frozen: FrozenState; scn: Scn; onScanned: () => void },
  ): Promise<void> {
    this.#isRepairing = true;
    this.start();
    const { snapshots, pageMap, delivery } = this.#of;
    const isStopped = () => this.#state === 'ended';
    const comparing = repairingCommit({ ...this.#of, repair, frozen, scn, isStopped });
    this.#compared = comparing;
    try {
      const { commit, map } = await comparing.finally(onScanned);
      pageMap.settle(map, undefined);
      await delivery.leadWith(commit);
    } finally {
      snapshots.close(frozen.snapshotId);
    }
    this.#isRepairing = false;
  }

  start(): void {
    this.#watch.start();
  }

  #poll(): void {
    if (this.#state === 'ended') return;
    const before = this.#of.captureLog.maxScn;
    const misfit = this.#look();
    if (this.#of.captureLog.maxScn > before) this.#sawCommits();
    if (this.#of.captureLog.pending.length > 0 && !this.#isRepairing) this.#pageFile.want(() => this.#freeze());
    if (misfit === undefined) this.#misfits = 0;
    else if (++this.#misfits > MISFITS_MAX && !this.#isBusy) this.#confirm();
    this.#of.delivery.kick();
    this.#watch.looked();
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
    this.#watch.wake();
    this.#activeMs = this.#of.clock.monotonicMs();
    this.#maybeRotate();
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
        this.#logBytes = this.#of.captureLog.usedBytes() ?? this.#logBytes;
        this.#poll();
      }
      const nowMs = this.#of.clock.monotonicMs();
      if (this.#comment && nowMs - this.#commentMs > COMMENT_MS) this.#comment = '';
      this.#maybeRotate();
      if (nowMs - this.#activeMs > RELAX_IDLE_MS && !this.#isBusy) this.#of.connections.relax();
    } catch (error) {
      this.#failed('sweep', error);
    }
  }

  /** The self-test: without its lock the reader pins nothing, although SQLite believes so. */
  isLockLost(held: HeldLocks): boolean {
    if (this.#state !== 'live') return false;
    return isLockLost(held, this.#of.captureLog.file.inode, this.#of.connections.shmInode);
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
      await sleep(SETTLE_MS);
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
    const { delivery, snapshots } = this.#of;
    await this.#pageFile.load();
    const frozen = await this.#freeze();
    const { snapshotId, scn, mark } = frozen;
    const contents = snapshots.describe(frozen);
    try {
      // Commits of the snapshot that were not archived would get other scns if this host died now.
      await delivery.drain();
    } catch (error) {
      snapshots.close(snapshotId);
      throw error;
    }
    return { snapshotId, scn, databaseChecksum: mark.checksum ?? null, ...contents };
  }

  /** Holds the state at the end of the log. */
  #freeze(): Promise<FrozenState> {
    return this.#exclusive(async () => {
      this.#areFilesOurs();
      this.#assertLive();
      if (!(await this.#window.enter(CALL_WAIT_MS)))
        throw fail('TIMEOUT', { what: 'the write lock of the tenant is not free' });
      try {
        return this.#of.snapshots.freeze();
      } finally {
        this.#window.leave();
      }
    });
  }

  closeSnapshot(snapshotId: number): void {
    this.#of.snapshots.close(snapshotId);
  }

  holdsSnapshot(snapshotId: number): boolean {
    return this.#of.snapshots.has(snapshotId);
  }

  set lagTargetMs(ms: number) {
    this.#of.delivery.lagTargetMs = ms;
    this.#watch.lagTargetMs = ms;
  }

  set seal(seal: LogSeal | null) {
    this.#of.delivery.seal = seal;
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
  async stop(): Promise<CaptureEnd> {
    this.#assertLive();
    this.#state = 'stopping';
    const { captureLog, delivery } = this.#of;
    return await this.#exclusive(async () => {
      let isComplete = false;
      try {
        this.#areFilesOurs();
        this.#poll();
        delivery.finish();
        await delivery.drain();
        if (!Buffer.from(encodePosition(captureLog.position())).equals(delivery.chain.engine)) await delivery.record();
        isComplete = this.#misfits === 0 && captureLog.pending.length === 0;
        await this.#pageFile.saveAtStop();
      } catch (error) {
        // The destination can not be reached: the last durable batch says where to go on, and the WAL still has the rest.
        this.#failed('stop', error);
      }
      const { batchNo, batchHash, checkpointScn: scn, engine } = delivery.chain;
      this.#end(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
      return { batchNo, batchHash, scn, engine, isComplete };
    });
  }

  /** Lets go of everything at once. */
  close(): void {
    this.#end(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
  }

  #end(error: unknown): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#watch.close();
    this.#of.delivery.halt(error);
    const close = () => {
      this.#of.snapshots.closeAll();
      this.#of.connections.close();
    };
    // A checkpoint under way has its locks in this process: closing a descriptor now would drop them. A scan reads.
    this.#closed = Promise.allSettled([this.#rotation.filled, this.#pageFile.stop(), this.#compared]).then(close);
    this.#resolveEnded();
  }
}
