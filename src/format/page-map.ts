// What a database looked like at one point: the hash of each of its pages, and one checksum over all of them that each
// commit brings up to date by the pages it changed. Two states with the same map are the same state.
import { endianness } from 'node:os';
import xxhash from 'xxhash-addon';
import { assert } from '../base/assert.ts';
import { runAtOnce, type Slices } from '../base/in-turns.ts';

/** Bytes of one page's hash. */
export const PAGE_HASH_BYTES = 8;

/** Stands for a page that has no content of its own: SQLite's lock-byte page, and pages not seen yet. */
export const NO_PAGE_HASH = 0n;

/** XXH3-64 of a page's bytes. It finds damage and missed pages; who must not be fooled is guarded by hashes with keys. */
export function pageHash(page: Uint8Array): bigint {
  const bytes = Buffer.isBuffer(page) ? page : Buffer.from(page.buffer, page.byteOffset, page.byteLength);
  return xxhash.XXHash3.hash(bytes).readBigUInt64BE(0);
}

/** Modulo 2^64, in the form that is compiled to machine arithmetic. */
const uint64 = (value: bigint): bigint => BigInt.asUintN(64, value);

/** A page's share of the checksum: weighted by its number, so that pages that changed places are noticed. */
function shareOf(pageNo: number, hash: bigint): bigint {
  return uint64(hash * BigInt(2 * pageNo + 1));
}

/**
 * The shares of a whole map are summed in plain numbers, many times as fast: each hash as its upper 32 bits and twice 16,
 * alone and times its place in a run of so many pages. All of these sums stay whole numbers below 2^53.
 */
const PAGES_PER_SUM = 1024;
/** About a millisecond. */
const PAGES_PER_SLICE = 128 * PAGES_PER_SUM;
const LOWER = endianness() === 'LE' ? 0 : 1;
const UPPER = 1 - LOWER;

/** The shares of the pages from index `from` to before `to`, at most so many. */
function shareOfRun(words: Uint32Array, from: number, to: number): bigint {
  // Of the hashes, and of each times twice its place: a page's weight is that of the run's first and twice its place.
  let [low, middle, high] = [0, 0, 0];
  let [lowByPlace, middleByPlace, highByPlace] = [0, 0, 0];
  for (let index = from, place = 0; index < to; index++, place += 2) {
    const lower = words[2 * index + LOWER]!;
    const upper = words[2 * index + UPPER]!;
    const first = lower & 0xffff;
    const second = lower >>> 16;
    low += first;
    middle += second;
    high += upper;
    lowByPlace += first * place;
    middleByPlace += second * place;
    highByPlace += upper * place;
  }
  const plain = BigInt(low) + (BigInt(middle) << 16n) + (BigInt(high) << 32n);
  const byPlace = BigInt(lowByPlace) + (BigInt(middleByPlace) << 16n) + (BigInt(highByPlace) << 32n);
  return plain * BigInt(2 * from + 3) + byPlace;
}

/** The checksum of a map of these pages, in slices. */
export function* checksumSlices(hashes: BigUint64Array): Slices<bigint> {
  const words = new Uint32Array(hashes.buffer, hashes.byteOffset, hashes.length * 2);
  let sum = 0n;
  for (let from = 0; from < hashes.length; from += PAGES_PER_SUM) {
    sum = uint64(sum + shareOfRun(words, from, Math.min(from + PAGES_PER_SUM, hashes.length)));
    if (from % PAGES_PER_SLICE === 0) yield;
  }
  return sum;
}

export class PageMap {
  readonly pageSize: number;
  #hashes: BigUint64Array;
  #pageCount: number;
  #checksum: bigint;

  /**
   * @param hashes of the pages 1 to `hashes.length`; taken over, not copied
   * @param checksum of them, where it is known: what `checksumSlices` gives
   */
  constructor(pageSize: number, hashes: BigUint64Array = new BigUint64Array(0), checksum?: bigint) {
    this.pageSize = pageSize;
    this.#hashes = hashes;
    this.#pageCount = hashes.length;
    this.#checksum = checksum ?? runAtOnce(checksumSlices(hashes));
  }

  get pageCount(): number {
    return this.#pageCount;
  }

  /** The database checksum: sum of hash * (2 * page number + 1) over all pages, modulo 2^64. */
  get checksum(): bigint {
    return this.#checksum;
  }

  /** NO_PAGE_HASH for a page that was never set. */
  get(pageNo: number): bigint {
    // The sentence is made only when it is needed: this is called for each page of a database.
    if (!(pageNo >= 1 && pageNo <= this.#pageCount)) assert(false, `page ${pageNo} is in the map`);
    return this.#hashes[pageNo - 1]!;
  }

  set(pageNo: number, hash: bigint): void {
    const before = this.get(pageNo);
    this.#checksum = uint64(uint64(this.#checksum + shareOf(pageNo, hash)) - shareOf(pageNo, before));
    this.#hashes[pageNo - 1] = hash;
  }

  /** Cuts the map, or makes it longer by pages without a hash. */
  resize(pageCount: number): void {
    for (let pageNo = pageCount + 1; pageNo <= this.#pageCount; pageNo++) this.set(pageNo, NO_PAGE_HASH);
    if (pageCount > this.#hashes.length) {
      // Half as much again: a growing database does not copy its map with each commit.
      const grown = new BigUint64Array(Math.max(pageCount, Math.ceil(this.#hashes.length * 1.5)));
      grown.set(this.#hashes.subarray(0, this.#pageCount));
      this.#hashes = grown;
    }
    this.#pageCount = pageCount;
  }

  /** Lays a commit over the state. @param pages ascending; those behind the new end are left out */
  apply(commit: { databasePages: number; pages: Uint32Array; hashes: BigUint64Array }): void {
    this.resize(commit.databasePages);
    for (let index = 0; index < commit.pages.length; index++) {
      if (commit.pages[index]! <= commit.databasePages) this.set(commit.pages[index]!, commit.hashes[index]!);
    }
  }

  /** Hashes of the pages from 1; a view of the map's own memory. */
  get hashes(): BigUint64Array {
    return this.#hashes.subarray(0, this.#pageCount);
  }

  copy(): PageMap {
    return new PageMap(this.pageSize, this.hashes.slice(), this.#checksum);
  }

  /** Numbers of the pages of `this` that `before` has otherwise or not at all, ascending. */
  changedSince(before: PageMap): Uint32Array {
    assert(before.pageSize === this.pageSize, 'maps of one page size are compared');
    const changed: number[] = [];
    for (let pageNo = 1; pageNo <= this.#pageCount; pageNo++) {
      const isSame = pageNo <= before.pageCount && before.get(pageNo) === this.get(pageNo);
      if (!isSame) changed.push(pageNo);
    }
    return Uint32Array.from(changed);
  }
}
