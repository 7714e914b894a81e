// The newest batches that the leading destination has, in memory: copies that keep pace take them from here. Bounded for
// all tenants together; who falls behind reads the leading destination instead.
import { sameBytes } from '../../base/bytes.ts';
import { MIB } from '../../base/limits.ts';
import type { ChainPosition } from '../../destination/batch-chain.ts';
import type { CapturedBatch } from '../../engine/engine-driver.ts';
import { readLogBatchHeader } from '../../format/log-batch-header.ts';

/** Of one tenant: some seconds of a busy one. */
const BYTES_MAX = 32 * MIB;
/** Of all tenants: what a server can spare while a destination that many of them share is away. */
const BYTES_MAX_OF_ALL = 256 * MIB;

/** What all tenants together hold. */
export interface HeldBytes {
  bytes: number;
}

export class RecentBatches {
  readonly #held: HeldBytes;
  /** In order, without a hole. */
  #batches: CapturedBatch[] = [];
  #bytes = 0;

  constructor(held: HeldBytes) {
    this.#held = held;
  }

  push(batch: CapturedBatch): void {
    const last = this.#batches.at(-1);
    if (last && batch.batchNo !== last.batchNo + 1) this.clear();
    this.#batches.push(batch);
    this.#count(batch.bytes.length);
    while (this.#batches.length > 0 && (this.#bytes > BYTES_MAX || this.#held.bytes > BYTES_MAX_OF_ALL)) this.#shift();
  }

  /** Every batch behind a number; undefined when not all of them are here. */
  after(batchNo: number): readonly CapturedBatch[] | undefined {
    const first = this.#batches[0];
    if (!first || first.batchNo > batchNo + 1) return undefined;
    return this.#batches.slice(batchNo + 1 - first.batchNo);
  }

  /** Whether the batch behind a position is here, and names it. */
  goesOnFrom({ batchNo, hash }: ChainPosition): boolean {
    const next = this.after(batchNo)?.[0];
    return next !== undefined && sameBytes(readLogBatchHeader(next.bytes, `batch ${next.batchNo}`).prevHash, hash);
  }

  /** Lets go of what every copy has. */
  forget(throughBatchNo: number): void {
    while (this.#batches[0] && this.#batches[0].batchNo <= throughBatchNo) this.#shift();
  }

  clear(): void {
    this.#count(-this.#bytes);
    this.#batches = [];
  }

  #shift(): void {
    const batch = this.#batches.shift();
    if (batch) this.#count(-batch.bytes.length);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#held.bytes += bytes;
  }
}
