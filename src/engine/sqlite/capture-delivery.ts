// Delivers the captured commits of one tenant as batches, in order. While as many as may be are on their way the next
// accumulates. What counts as captured for good is decided here: a batch that the server called durable.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { LogSeal } from '../../format/tenant-key.ts';
import type { Scn } from '../../model/scn.ts';
import type { CapturedBatch, LogOwner } from '../engine-driver.ts';
import {
  BATCH_FRAMES_BYTES,
  BatchBuilder,
  type BatchChain,
  type BuiltBatch,
  type LeadCommit,
} from './capture-batch.ts';
import type { CaptureLog } from './capture-log.ts';
import type { CapturePageMap } from './capture-page-map.ts';
import type { DeliveryWindow } from './delivery-window.ts';
import { frameBytes } from './wal-format.ts';

/** How far the log has come: in batches that are built, or that are durable. */
interface Reach {
  /** Commits since the capture was attached. */
  commits: number;
  checkpointScn: Scn;
  batchNo: number;
}

interface Waiter extends Reach {
  resolve: () => void;
  reject: (error: unknown) => void;
}

export class Delivery {
  readonly #log: CaptureLog;
  readonly #builder: BatchBuilder;
  readonly #clock: Clock;
  readonly #send: (batch: CapturedBatch) => Promise<void>;
  readonly #onLost: (because: string) => void;
  #onDurable: () => void = () => {};
  /** The last durable batch, and the last one that was built. */
  #chain: BatchChain;
  #built: BatchChain;
  readonly #window: DeliveryWindow;
  /** In order. */
  #onTheirWay: BuiltBatch[] = [];
  /** Settles when the last of them does. */
  #settled: Promise<void> = Promise.resolve();
  /** Pending commits that are in them, and the bytes of their frames. */
  #builtPending = 0;
  #builtBytes = 0;
  #lagTargetMs: number;
  #cutScn: Scn;
  #isRunning = false;
  /** A lead commit goes first and is not durable yet; 'awaited' while it is not known. */
  #lead: 'none' | 'awaited' | 'given';
  #isFinishing = false;
  #halted: unknown;
  #timer: NodeJS.Timeout | undefined;
  #waiters: Waiter[] = [];
  /** Commits delivered since the capture was attached. */
  #delivered = 0;

  constructor(of: {
    log: CaptureLog;
    pageMap: CapturePageMap;
    owner: LogOwner;
    clock: Clock;
    chain: BatchChain;
    lagTargetMs: number;
    seal: LogSeal | null;
    cutScn: Scn;
    window: DeliveryWindow;
    partBytes?: number;
    /** Nothing is delivered before the commit that `leadWith` gives. */
    hasLead: boolean;
    send: (batch: CapturedBatch) => Promise<void>;
    onLost: (because: string) => void;
  }) {
    this.#log = of.log;
    this.#builder = new BatchBuilder(of);
    this.#clock = of.clock;
    this.#chain = this.#built = of.chain;
    this.#window = of.window;
    this.#lagTargetMs = of.lagTargetMs;
    this.#cutScn = of.cutScn;
    this.#send = of.send;
    this.#onLost = of.onLost;
    this.#lead = of.hasLead ? 'awaited' : 'none';
  }

  /** The last durable batch. */
  get chain(): BatchChain {
    return this.#chain;
  }

  /** Nothing is pending and nothing is on its way. */
  get isDrained(): boolean {
    return this.#log.pending.length === 0 && this.#onTheirWay.length === 0 && this.#lead === 'none';
  }

  /** Everything that went into a batch is durable, commit by commit: the page map is that of the last batch. */
  get isAtRest(): boolean {
    const isIdle = this.#onTheirWay.length === 0 && !this.#builder.isInParts && this.#lead === 'none';
    return this.#halted === undefined && isIdle;
  }

  /** Called after each durable batch. */
  set onDurable(call: () => void) {
    this.#onDurable = call;
  }

  set lagTargetMs(ms: number) {
    this.#lagTargetMs = ms;
    this.kick();
  }

  set cutScn(scn: Scn) {
    this.#cutScn = scn;
  }

  /** Encrypts the batches that are built from now on; one on its way stays as it is. */
  set seal(seal: LogSeal | null) {
    this.#builder.seal = seal;
  }

  /** To be called when commits were captured. */
  kick(): void {
    if (this.#isRunning || this.#halted !== undefined) return;
    const waitMs = this.#waitMs();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (waitMs === undefined) return;
    if (waitMs > 0) this.#timer = setTimeout(() => this.kick(), Math.ceil(waitMs));
    else void this.#run();
  }

  /** Delivers the commit that everything waits for. Resolves when it is durable. @throws when the capture ends before */
  leadWith(commit: LeadCommit): Promise<void> {
    assert(this.#lead === 'awaited', 'a lead commit is given once');
    this.#lead = 'given';
    this.#builder.lead(commit);
    return this.#wait({ commits: this.#delivered + 1 });
  }

  /** From now on only what somebody waits for is built. */
  finish(): void {
    this.#isFinishing = true;
  }

  /** Resolves when every captured commit is durable. @throws when the capture ends before */
  drain(): Promise<void> {
    return this.#wait({});
  }

  /** Resolves when a durable batch says that everything up to `scn` is archived. @throws when the capture ends before */
  reach(scn: Scn): Promise<void> {
    return this.#wait({ checkpointScn: scn });
  }

  /** Delivers at least one more batch, so that the present position is recorded. @throws when the capture ends before */
  record(): Promise<void> {
    return this.#wait({ batchNo: this.#built.batchNo + 1 });
  }

  /** Nothing is delivered afterwards; whoever waits gets `error`. */
  halt(error: unknown): void {
    this.#halted ??= error;
    clearTimeout(this.#timer);
    for (const { batch } of this.#onTheirWay.splice(0)) this.#window.leave(batch.bytes.length);
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#halted);
  }

  #wait(of: Partial<Reach>): Promise<void> {
    if (this.#halted !== undefined) return Promise.reject(this.#halted);
    const { checkpointScn, batchNo } = this.#chain;
    const commits = this.#delivered + this.#log.pending.length + (this.#lead === 'none' ? 0 : 1);
    const until = { commits, checkpointScn, batchNo, ...of };
    if (isReached(until, this.#durable)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ ...until, resolve, reject });
      this.kick();
    });
  }

  get #durable(): Reach {
    const { checkpointScn, batchNo } = this.#chain;
    return { commits: this.#delivered, checkpointScn, batchNo };
  }

  /** What is durable once everything on its way is. */
  get #begun(): Reach {
    const { checkpointScn, batchNo } = this.#built;
    const commits = this.#onTheirWay.reduce((sum, { batch }) => sum + batch.commitCount, this.#delivered);
    return { commits, checkpointScn, batchNo };
  }

  /** Until the next batch is due: 0 for now, undefined when nothing is to be delivered before something else happens. */
  #waitMs(): number | undefined {
    if (this.#lead === 'awaited') return undefined;
    if (!this.#window.hasRoom) return undefined;
    const begun = this.#begun;
    if (this.#waiters.some((waiter) => !isReached(waiter, begun))) return 0;
    if (this.#isFinishing) return undefined;
    if (this.#builder.isInParts) return 0;
    const oldest = this.#log.pending[this.#builtPending];
    if (oldest === undefined) return undefined;
    if (this.#log.pendingBytes - this.#builtBytes > BATCH_FRAMES_BYTES) return 0;
    const ageMs = this.#clock.monotonicMs() - oldest.seenMs;
    return Math.max(0, this.#lagTargetMs - ageMs);
  }

  async #run(): Promise<void> {
    assert(!this.#isRunning, 'batches are built one after the other');
    this.#isRunning = true;
    try {
      while (this.#halted === undefined && this.#waitMs() === 0) {
        this.#deliverNext();
        // Building takes some 30 ms: others of the host have their turn in between.
        await nextTurn();
      }
    } catch (error) {
      this.#lose(error);
    } finally {
      this.#isRunning = false;
    }
    this.kick();
  }

  /** Whatever went wrong here, these commits can not be archived: never go on as if nothing had happened. */
  #lose(error: unknown): void {
    this.halt(error);
    this.#onLost(messageOf(error));
  }

  #deliverNext(): void {
    const of = this.#builder.next(this.#built, { cutScn: this.#cutScn, skip: this.#builtPending });
    const { batch, pendingCount } = of;
    this.#built = chainOf(batch);
    this.#builtBytes += this.#framesBytes(this.#builtPending, pendingCount);
    this.#builtPending += pendingCount;
    this.#onTheirWay.push(of);
    this.#window.enter(batch.bytes.length);
    const sent = this.#send(batch).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    this.#settled = this.#settled.then(async () => this.#settle(of, await sent));
  }

  /** Batches settle in order. */
  #settle(of: BuiltBatch, failed: { error: unknown } | undefined): void {
    if (this.#halted !== undefined) return;
    // The server retries by itself; it refuses only when it has ended the capture.
    if (failed) this.halt(failed.error);
    else {
      try {
        this.#count(of);
      } catch (error) {
        this.#lose(error);
      }
    }
    this.kick();
  }

  #count({ batch, pendingCount, endsLead }: BuiltBatch): void {
    this.#onTheirWay.shift();
    this.#window.leave(batch.bytes.length);
    this.#builtBytes -= this.#framesBytes(0, pendingCount);
    this.#builtPending -= pendingCount;
    this.#log.take(pendingCount);
    this.#delivered += batch.commitCount;
    if (endsLead) this.#lead = 'none';
    this.#chain = chainOf(batch);
    this.#onDurable();
    this.#waiters = this.#waiters.filter((waiter) => {
      if (!isReached(waiter, this.#durable)) return true;
      waiter.resolve();
      return false;
    });
  }

  /** Bytes of the frames of some pending commits. */
  #framesBytes(from: number, count: number): number {
    const commits = this.#log.pending.slice(from, from + count);
    const frames = commits.reduce((sum, { firstFrame, lastFrame }) => sum + lastFrame - firstFrame + 1, 0);
    return frames * frameBytes(this.#log.pageSize);
  }
}

function chainOf({ position: { batchNo, batchHash, scn, engine } }: CapturedBatch): BatchChain {
  return { batchNo, batchHash, checkpointScn: scn, engine };
}

function isReached(wanted: Reach, by: Reach): boolean {
  return by.commits >= wanted.commits && by.checkpointScn >= wanted.checkpointScn && by.batchNo >= wanted.batchNo;
}
