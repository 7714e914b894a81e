// Capture of the fake engine: every commit gets its scn the moment it is made; batches are encoded and delivered like
// those of a real engine, one at a time and again until the destination has them.
import { readFileSync } from 'node:fs';
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { fail, isFailure, messageOf } from '../../base/errors.ts';
import { encodeLogBatch, type LogCommitSpec } from '../../format/log-batch.ts';
import { decodePageMap } from '../../format/page-map-file.ts';
import type { LogSeal } from '../../format/tenant-key.ts';
import { nextScn, type Scn, toScn } from '../../model/scn.ts';
import type {
  Capture,
  CapturedBatch,
  CaptureEnd,
  CaptureRepair,
  CaptureRequest,
  CaptureStatus,
  LogPosition,
  Snapshot,
} from '../engine-driver.ts';
import { FAKE_PAGE_BYTES, type FakeDatabase, type FakeRecord } from './fake-database.ts';

/** Commits in one batch: few enough that tests see several batches. */
const BATCH_COMMITS_MAX = 64;
/** Pause before a batch is delivered again: doubled each time up to the bound. */
const RETRY_MS_MIN = 5;
const RETRY_MS_MAX = 200;
const COMPRESSION_LEVEL = 1;
/** Pages in one part of a repairing commit: few enough that tests see several parts. */
const REPAIR_PART_PAGES = 4;

interface Pending {
  record: FakeRecord;
  scn: Scn;
}

interface FlushWaiter {
  resolve(scn: Scn): void;
  reject(error: unknown): void;
}

/** The round holds no whole commit yet. */
const needsRepair = ({ resume, repair }: CaptureRequest): boolean =>
  repair !== null && (resume === null || resume.engine.length === 0);

function firstPosition(request: CaptureRequest, database: FakeDatabase): LogPosition {
  const { resume, repair, afterScn } = request;
  if (resume && !needsRepair(request)) return resume;
  const batchHash = resume?.batchHash ?? repair?.prevHash ?? new Uint8Array(32);
  const scn = resume && resume.scn > afterScn ? resume.scn : afterScn;
  return { batchNo: resume?.batchNo ?? 0, batchHash, scn, engine: database.positionAfter() };
}

export class FakeCapture implements Capture {
  readonly #database: FakeDatabase;
  readonly #request: CaptureRequest;
  readonly #clock: Clock;
  readonly #makeSnapshot: (scn: Scn) => Promise<Snapshot>;
  readonly #onEnd: () => void;
  #position: LogPosition;
  #pending: Pending[] = [];
  /** No commit gets an scn up to here any more. */
  #lastScn: Scn;
  #maxScn: Scn;
  #cutScn: Scn;
  #lagTargetMs: number;
  #seal: LogSeal | null;
  #waiters: FlushWaiter[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isRunning = false;
  #comment = '';
  #state: 'attaching' | 'open' | 'stopping' | 'ended' = 'attaching';
  #endedBecause = '';
  #wake: (() => void) | undefined;
  #ended: Array<() => void> = [];
  startScn: Scn;

  constructor(of: {
    database: FakeDatabase;
    request: CaptureRequest;
    clock: Clock;
    makeSnapshot: (scn: Scn) => Promise<Snapshot>;
    onEnd: () => void;
  }) {
    const { request, database } = of;
    this.#database = database;
    this.#request = request;
    this.#clock = of.clock;
    this.#makeSnapshot = of.makeSnapshot;
    this.#onEnd = of.onEnd;
    this.#position = firstPosition(request, database);
    this.startScn = this.#position.scn;
    this.#lastScn = request.afterScn > this.startScn ? request.afterScn : this.startScn;
    this.#maxScn = this.startScn;
    this.#cutScn = request.cutScn;
    this.#lagTargetMs = request.lagTargetMs;
    this.#seal = request.seal ?? null;
    const missed = database.recordsAfter(this.#position.engine);
    if (!missed) throw fail('CLOG_RECYCLE_BEFORE_ARCHIVE', { because: 'the log was recycled' });
    for (const record of missed) this.#see(record);
  }

  /** Attaches: a new round begins with an empty batch, or with the commit that closes the gap before it. */
  async start(): Promise<void> {
    this.#database.onCommit = (record) => {
      this.#see(record);
      this.#schedule();
    };
    try {
      await this.#begin();
    } catch (error) {
      this.#end(messageOf(error));
      throw error;
    }
    if (this.#state === 'attaching') this.#state = 'open';
    this.#schedule();
  }

  async #begin(): Promise<void> {
    if (this.#request.repair && needsRepair(this.#request)) return await this.#repair(this.#request.repair);
    if (this.#position.batchNo > 0) return;
    const batch = this.#encode([]);
    if (!(await this.#deliver(batch))) throw fail('CANCELED', {});
    this.startScn = this.#position.scn;
  }

  /** Every page that differs from the state before the gap, as one commit; later ones wait meanwhile. */
  async #repair({ pageMapPath }: CaptureRepair): Promise<void> {
    const { clusterUuid, tenantId } = this.#request.owner;
    const owner = { clusterUuid, tenantId, setUuid: '' };
    const base = decodePageMap(readFileSync(pageMapPath), { object: pageMapPath, owner, dataKey: null });
    const map = this.#database.map;
    if (base.map.pageSize !== map.pageSize)
      throw fail('CANNOT_START_LOG_ARCHIVE', { because: `the page size changed from ${base.map.pageSize}` });
    const images = this.#database.readPages();
    const engine = this.#database.positionAfter();
    const scn = nextScn(this.#lastScn, this.#clock.nowNs());
    this.#lastScn = this.#maxScn = scn;
    const changed = map.changedSince(base.map);
    const open = { scn: toScn(scn - 1n), engine: new Uint8Array(0) };
    for (let done = 0, isLast = false; !isLast; done += REPAIR_PART_PAGES) {
      const pages = changed.slice(done, done + REPAIR_PART_PAGES);
      isLast = done + REPAIR_PART_PAGES >= changed.length;
      const commit = {
        ...{ scn, databasePages: map.pageCount, checksum: map.checksum, pages },
        hashes: BigUint64Array.from(pages, (page) => map.get(page)),
        images: Array.from(pages, (page) => images[page - 1]!),
      };
      const flags = { continues: !isLast, isContinued: done > 0 };
      const batch = this.#encodeCommits([commit], isLast ? { scn, engine } : open, flags);
      if (!(await this.#deliver(batch))) throw fail('CANCELED', {});
    }
    this.startScn = scn;
  }

  status(): CaptureStatus {
    const isIdle = this.#state === 'open' && this.#pending.length === 0 && !this.#isRunning;
    // What is announced here must stay true: later commits get greater scns.
    if (isIdle) this.#lastScn = nextScn(this.#lastScn, this.#clock.nowNs());
    return {
      checkpointScn: isIdle ? this.#lastScn : this.#position.scn,
      maxScn: this.#maxScn,
      pendingCommits: this.#pending.length,
      logBytes: this.#database.logBytes,
      comment: this.#comment,
    };
  }

  flush(): Promise<Scn> {
    if (this.#state !== 'open') return Promise.reject(this.#notRunning());
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      void this.#run();
    });
  }

  setCutScn(scn: Scn): void {
    this.#cutScn = scn;
  }

  async setSeal(seal: LogSeal | null): Promise<void> {
    this.#seal = seal;
  }

  setLagTargetMs(ms: number): void {
    this.#lagTargetMs = ms;
    this.#schedule();
  }

  async snapshot(): Promise<Snapshot> {
    if (this.#state !== 'open') throw this.#notRunning();
    this.#lastScn = nextScn(this.#lastScn, this.#clock.nowNs());
    return await this.#makeSnapshot(this.#lastScn);
  }

  async stop(options: { isAbandoned?: boolean } = {}): Promise<CaptureEnd> {
    if (this.#state === 'ended') throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
    if (options.isAbandoned) {
      this.#end('the capture was stopped');
      return { ...this.#position, isComplete: false };
    }
    this.#state = 'stopping';
    const ended = new Promise<void>((resolve) => this.#ended.push(resolve));
    void this.#run();
    await ended;
    return { ...this.#position, isComplete: this.#pending.length === 0 };
  }

  /** The log was cut off under the capture. */
  breakLog(because: string): void {
    if (this.#state === 'ended') return;
    this.#end(because);
    this.#request.onGap(because);
  }

  #notRunning(): Error {
    return fail('LOG_ARCHIVE_INTERRUPTED', { because: this.#endedBecause || 'the capture has stopped' });
  }

  #end(because: string): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#endedBecause = because;
    this.#database.onCommit = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#wake?.();
    const waiters = this.#waiters.splice(0);
    for (const { reject } of waiters) reject(this.#notRunning());
    for (const resolve of this.#ended.splice(0)) resolve();
    this.#onEnd();
  }

  #see(record: FakeRecord): void {
    this.#lastScn = nextScn(this.#lastScn, this.#clock.nowNs());
    this.#maxScn = this.#lastScn;
    this.#pending.push({ record, scn: this.#lastScn });
  }

  #schedule(): void {
    if (this.#state !== 'open' || this.#pending.length === 0) return;
    if (this.#lagTargetMs === 0) return void this.#run();
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#run();
    }, this.#lagTargetMs).unref();
  }

  /** Delivers until nothing is pending and everybody who waits has an answer. One at a time. */
  async #run(): Promise<void> {
    if (this.#isRunning || this.#state === 'attaching') return;
    this.#isRunning = true;
    // One turn of the loop lets commits of the same moment share a batch.
    await Promise.resolve();
    while (this.#isWanted()) {
      const waiters = this.#waiters.slice();
      const some = this.#take();
      const isAll = some.length === this.#pending.length;
      if (!(await this.#deliver(this.#encode(some)))) break;
      this.#pending.splice(0, some.length);
      if (!isAll) continue;
      this.#waiters = this.#waiters.filter((waiter) => !waiters.includes(waiter));
      for (const { resolve } of waiters) resolve(this.#position.scn);
    }
    this.#isRunning = false;
    if (this.#state === 'stopping') this.#end('the capture was stopped');
    else if (this.#isWanted()) void this.#run();
  }

  #isWanted(): boolean {
    return this.#state !== 'ended' && (this.#pending.length > 0 || this.#waiters.length > 0);
  }

  /** The next commits that may share a batch: all on one side of the cut. */
  #take(): Pending[] {
    const isAfterCut = (this.#pending[0]?.scn ?? 0n) >= this.#cutScn;
    const end = this.#pending.findIndex(({ scn }, i) => i >= BATCH_COMMITS_MAX || scn >= this.#cutScn !== isAfterCut);
    return end < 0 ? this.#pending.slice() : this.#pending.slice(0, end);
  }

  #encode(some: readonly Pending[]): CapturedBatch {
    const isAll = some.length === this.#pending.length;
    if (isAll) this.#lastScn = nextScn(this.#lastScn, this.#clock.nowNs());
    const checkpointScn = isAll ? this.#lastScn : some.at(-1)!.scn;
    const engine = some.length > 0 ? this.#database.positionAfter(some.at(-1)!.record) : this.#position.engine;
    const commits = some.map(({ record, scn }) => ({ scn, ...this.#database.readCommit(record) }));
    return this.#encodeCommits(commits, { scn: checkpointScn, engine });
  }

  #encodeCommits(
    commits: LogCommitSpec[],
    end: { scn: Scn; engine: Uint8Array },
    flags: { continues: boolean; isContinued: boolean } = { continues: false, isContinued: false },
  ): CapturedBatch {
    const { bytes, header, plainBytes } = encodeLogBatch({
      owner: this.#request.owner,
      batchNo: this.#position.batchNo + 1,
      prevHash: this.#position.batchHash,
      checkpointScn: end.scn,
      pageSize: FAKE_PAGE_BYTES,
      position: end.engine,
      commits,
      ...flags,
      compressionLevel: COMPRESSION_LEVEL,
      seal: this.#seal,
    });
    const { batchNo, checkpointScn, commitCount, pageCount } = header;
    const firstScn = flags.continues ? commits[0]!.scn : header.firstScn;
    const lastScn = flags.continues ? commits[0]!.scn : header.lastScn;
    const position = { batchNo, batchHash: header.hash, ...end };
    return { bytes, batchNo, firstScn, lastScn, checkpointScn, commitCount, pageCount, plainBytes, position };
  }

  /** @returns false when the capture ended before the batch was durable */
  async #deliver(batch: CapturedBatch): Promise<boolean> {
    for (let pauseMs = RETRY_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)) {
      try {
        await this.#request.deliver(batch);
        if (this.#state === 'ended') return false;
        assert(batch.batchNo === this.#position.batchNo + 1, 'batches are delivered in order');
        this.#position = batch.position;
        this.#comment = '';
        return true;
      } catch (error) {
        this.#comment = messageOf(error);
        if (this.#state === 'attaching' && isFailure(error, 'CANCELED')) this.#end('it is not wanted any more');
      }
      if (this.#state === 'ended') return false;
      await this.#pause(pauseMs);
      if ((this.#state as string) === 'ended') return false;
    }
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}
