// Delivers the captured commits of one tenant as batches, one at a time and in order. While one is on its way the next
// accumulates. What counts as captured for good is decided here: a batch that the server called durable.

import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { LogSeal } from '../../format/tenant-key.ts';
import type { Scn } from '../../model/scn.ts';
import type { CapturedBatch, LogOwner } from '../engine-driver.ts';
import { BATCH_FRAMES_BYTES, BatchBuilder, type BatchChain, type LeadCommit } from './capture-batch.ts';
import type { CaptureLog } from './capture-log.ts';
import type { CapturePageMap } from './capture-page-map.ts';

/** A commit waits for company at most so long, whatever the lag target: a crash then loses no more than this. */
const WAIT_MS_MAX = 1000;

interface Waiter {
  /** Resolves once this many commits, this checkpoint and this batch are durable. */
  commits: number;
  checkpointScn: Scn;
  batchNo: number;
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
  #chain: BatchChain;
  #lagTargetMs: number;
  #cutScn: Scn;
  #isRunning = false;
  #isInFlight = false;
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
    partBytes?: number;
    /** Nothing is delivered before the commit that `leadWith` gives. */
    hasLead: boolean;
    send: (batch: CapturedBatch) => Promise<void>;
    onLost: (because: string) => void;
  }) {
    this.#log = of.log;
    this.#builder = new BatchBuilder(of);
    this.#clock = of.clock;
    this.#chain = of.chain;
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
    return this.#log.pending.length === 0 && !this.#isInFlight && this.#lead === 'none';
  }

  /** Everything that went into a batch is durable, commit by commit: the page map is that of the last batch. */
  get isAtRest(): boolean {
    return this.#halted === undefined && !this.#isInFlight && !this.#builder.isInParts && this.#lead === 'none';
  }

  /** Called after each durable batch, before the next one is built. */
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
    return this.#wait({ batchNo: this.#chain.batchNo + (this.#isInFlight ? 2 : 1) });
  }

  /** Nothing is delivered afterwards; whoever waits gets `error`. */
  halt(error: unknown): void {
    this.#halted ??= error;
    clearTimeout(this.#timer);
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#halted);
  }

  #wait(of: { commits?: number; checkpointScn?: Scn; batchNo?: number }): Promise<void> {
    if (this.#halted !== undefined) return Promise.reject(this.#halted);
    const { checkpointScn, batchNo } = this.#chain;
    const commits = this.#delivered + this.#log.pending.length + (this.#lead === 'none' ? 0 : 1);
    const until = { commits, checkpointScn, batchNo, ...of };
    if (this.#isReached(until)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ ...until, resolve, reject });
      this.kick();
    });
  }

  #isReached(until: { commits: number; checkpointScn: Scn; batchNo: number }): boolean {
    const { checkpointScn, batchNo } = this.#chain;
    return this.#delivered >= until.commits && checkpointScn >= until.checkpointScn && batchNo >= until.batchNo;
  }

  /** Until the next batch is due: 0 for now, undefined when there is nothing to deliver. */
  #waitMs(): number | undefined {
    if (this.#lead === 'awaited') return undefined;
    if (this.#waiters.length > 0) return 0;
    if (this.#isFinishing) return undefined;
    if (this.#builder.isInParts) return 0;
    const [oldest] = this.#log.pending;
    if (oldest === undefined) return undefined;
    if (this.#log.pendingBytes > BATCH_FRAMES_BYTES) return 0;
    const ageMs = this.#clock.monotonicMs() - oldest.seenMs;
    return Math.max(0, Math.min(this.#lagTargetMs, WAIT_MS_MAX) - ageMs);
  }

  async #run(): Promise<void> {
    assert(!this.#isRunning, 'one delivery runs at a time');
    this.#isRunning = true;
    try {
      while (this.#halted === undefined && this.#waitMs() === 0) await this.#deliverNext();
    } catch (error) {
      // Whatever went wrong here, these commits can not be archived: never go on as if nothing had happened.
      this.halt(error);
      this.#onLost(messageOf(error));
    } finally {
      this.#isRunning = false;
    }
    this.kick();
  }

  async #deliverNext(): Promise<void> {
    const { batch, pendingCount, endsLead } = this.#builder.next(this.#chain, this.#cutScn);
    this.#isInFlight = true;
    try {
      await this.#send(batch);
    } catch (error) {
      // The server retries by itself; it refuses only when it has ended the capture.
      this.halt(error);
      return;
    } finally {
      this.#isInFlight = false;
    }
    this.#log.take(pendingCount);
    this.#delivered += batch.commitCount;
    if (endsLead) this.#lead = 'none';
    const { batchNo, batchHash, scn, engine } = batch.position;
    this.#chain = { batchNo, batchHash, checkpointScn: scn, engine };
    this.#onDurable();
    this.#waiters = this.#waiters.filter((waiter) => {
      if (!this.#isReached(waiter)) return true;
      waiter.resolve();
      return false;
    });
  }
}
