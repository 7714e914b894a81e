// A tiny key-value database for simulations: real pages in a real file, and a log of page images beside it.
//   <location>       page 1: magic 8, page size u32, page count u32, commit number u64; others: entries; SHA-256 at the end
//   <location>-log   magic 8, generation 16, base commit number u64; then records, each closed by a SHA-256
// Everything is done at once and in order, as a simulation needs it; nothing here is meant to be fast.
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { assert } from '../../base/assert.ts';
import { fail } from '../../base/errors.ts';
import { MIB } from '../../base/limits.ts';
import { PageMap, pageHash } from '../../format/page-map.ts';
import type { EngineFacts } from '../engine-driver.ts';

export const FAKE_PAGE_BYTES = 4096;
const HASH_BYTES = 32;
const MAGIC = Buffer.from('HFFAKEDB', 'latin1');
const LOG_MAGIC = Buffer.from('HFFAKELG', 'latin1');
const GENERATION_BYTES = 16;
const LOG_HEADER_BYTES = 32;
const RECORD_HEADER_BYTES = 28;
const ENTRY_HEADER_BYTES = 4;
const PAGE_HEADER_BYTES = 2;
const ENTRIES_BYTES_MAX = FAKE_PAGE_BYTES - HASH_BYTES - PAGE_HEADER_BYTES;
/** A log that nobody captures is recycled beyond this size. */
const LOG_BYTES_MAX = 16 * MIB;
const FAKE_VERSION = 'fake-1';

/** One commit in the log. */
export interface FakeRecord {
  commitNo: number;
  /** Place of the record in the log file. */
  offset: number;
  bytes: number;
  hash: Uint8Array;
}

/** A commit with its page images. */
export interface FakeCommit {
  databasePages: number;
  /** Of the whole database after it. */
  checksum: bigint;
  pages: Uint32Array;
  hashes: BigUint64Array;
  images: Uint8Array[];
}

const sha256 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const entryBytes = (key: string, value: string) =>
  ENTRY_HEADER_BYTES + Buffer.byteLength(key) + Buffer.byteLength(value);

function encodePage(entries: ReadonlyMap<string, string>): Buffer {
  const page = Buffer.alloc(FAKE_PAGE_BYTES);
  page.writeUInt16BE(entries.size, 0);
  let at = PAGE_HEADER_BYTES;
  for (const [key, value] of entries) {
    page.writeUInt16BE(Buffer.byteLength(key), at);
    page.writeUInt16BE(Buffer.byteLength(value), at + 2);
    at += ENTRY_HEADER_BYTES;
    at += page.write(key, at);
    at += page.write(value, at);
  }
  return seal(page);
}

function seal(page: Buffer): Buffer {
  page.set(sha256(page.subarray(0, FAKE_PAGE_BYTES - HASH_BYTES)), FAKE_PAGE_BYTES - HASH_BYTES);
  return page;
}

function encodeHeader(pageCount: number, commitNo: number): Buffer {
  const page = Buffer.alloc(FAKE_PAGE_BYTES);
  MAGIC.copy(page);
  page.writeUInt32BE(FAKE_PAGE_BYTES, 8);
  page.writeUInt32BE(pageCount, 12);
  page.writeBigUInt64BE(BigInt(commitNo), 16);
  return seal(page);
}

function decodePage(page: Buffer): Map<string, string> {
  const entries = new Map<string, string>();
  let at = PAGE_HEADER_BYTES;
  for (let i = page.readUInt16BE(0); i > 0; i--) {
    const keyBytes = page.readUInt16BE(at);
    const valueBytes = page.readUInt16BE(at + 2);
    at += ENTRY_HEADER_BYTES;
    entries.set(
      page.toString('utf8', at, at + keyBytes),
      page.toString('utf8', at + keyBytes, at + keyBytes + valueBytes),
    );
    at += keyBytes + valueBytes;
  }
  return entries;
}

/** Splits a database file into pages. @throws BACKUP_DATA_CORRUPT (9010) when a page is not what it was written as */
function readPages(location: string): { commitNo: number; pages: Buffer[] } {
  const damaged = (because: string) => fail('BACKUP_DATA_CORRUPT', { object: location, because });
  const file = readFileSync(location);
  if (file.length < FAKE_PAGE_BYTES || !file.subarray(0, MAGIC.length).equals(MAGIC))
    throw damaged('it is no such database');
  const pageCount = file.readUInt32BE(12);
  if (file.length !== pageCount * FAKE_PAGE_BYTES) throw damaged(`it has ${file.length} bytes for ${pageCount} pages`);
  const pages: Buffer[] = [];
  for (let i = 0; i < pageCount; i++) {
    const page = file.subarray(i * FAKE_PAGE_BYTES, (i + 1) * FAKE_PAGE_BYTES);
    const body = FAKE_PAGE_BYTES - HASH_BYTES;
    if (!sha256(page.subarray(0, body)).equals(page.subarray(body)))
      throw damaged(`the hash of page ${i + 1} is wrong`);
    pages.push(page);
  }
  return { commitNo: Number(file.readBigUInt64BE(16)), pages };
}

/** Checks every page of a database file that nobody has open. @throws BACKUP_DATA_CORRUPT (9010) */
export function checkFakeFile(location: string): EngineFacts {
  const { pages } = readPages(location);
  const keys = pages.slice(1).flatMap((page) => [...decodePage(page).keys()]);
  if (new Set(keys).size !== keys.length)
    throw fail('BACKUP_DATA_CORRUPT', { object: location, because: 'a key is on two pages' });
  return factsOf(pages.length);
}

const factsOf = (pageCount: number): EngineFacts => ({
  pageSize: FAKE_PAGE_BYTES,
  pageCount,
  engineVersion: FAKE_VERSION,
  tableCount: 1,
});

export class FakeDatabase {
  readonly #location: string;
  /** Entries of page 2, 3, … */
  readonly #pages: Array<Map<string, string>> = [];
  readonly #places = new Map<string, number>();
  readonly #map: PageMap;
  #commitNo = 0;
  #fd: number;
  #logFd: number;
  #generation = Buffer.alloc(GENERATION_BYTES);
  #baseCommitNo = 0;
  #records: FakeRecord[] = [];
  #logBytes = LOG_HEADER_BYTES;
  /** Told of every commit, in order. */
  onCommit: ((record: FakeRecord) => void) | undefined;
  /** Somebody holds the log: it is not recycled by itself. */
  isPinned = false;

  private constructor(location: string) {
    this.#location = location;
    const { commitNo, pages } = readPages(location);
    this.#commitNo = commitNo;
    this.#map = new PageMap(FAKE_PAGE_BYTES, BigUint64Array.from(pages, pageHash));
    for (const page of pages.slice(1)) this.#pages.push(decodePage(page));
    this.#fd = openSync(location, 'r+');
    this.#logFd = openSync(`${location}-log`, existsSync(`${location}-log`) ? 'r+' : 'wx+');
    this.#readLog();
    for (const [index, page] of this.#pages.entries()) for (const key of page.keys()) this.#places.set(key, index);
  }

  /** @throws ENTRY_EXISTS (4017) when something is there */
  static create(location: string): void {
    if (existsSync(location)) throw fail('ENTRY_EXISTS', { what: location });
    writeFileSync(location, encodeHeader(1, 0), { flag: 'wx' });
  }

  static open(location: string): FakeDatabase {
    return new FakeDatabase(location);
  }

  get facts(): EngineFacts {
    return factsOf(this.#pages.length + 1);
  }

  /** Hashes of the pages as they are now. */
  get map(): PageMap {
    return this.#map.copy();
  }

  get logBytes(): number {
    return this.#logBytes;
  }

  /** The log is captured or pinned. */
  get isHeld(): boolean {
    return this.onCommit !== undefined || this.isPinned;
  }

  get(key: string): string | undefined {
    const place = this.#places.get(key);
    return place === undefined ? undefined : this.#pages[place]?.get(key);
  }

  entries(): Array<[string, string]> {
    return this.#pages.flatMap((page) => [...page]).sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Applies changes (null deletes) as one commit: to the log first, then to the pages. */
  commit(changes: ReadonlyMap<string, string | null>): void {
    const touched = new Set<number>();
    for (const [key, value] of changes) this.#change(key, value, touched);
    if (touched.size === 0) return;
    while (this.#pages.length > 0 && this.#pages.at(-1)!.size === 0) this.#pages.pop();
    this.#commitNo++;
    const pageCount = this.#pages.length + 1;
    const numbers = [...touched].filter((index) => index < this.#pages.length).sort((a, b) => a - b);
    const images = [
      encodeHeader(pageCount, this.#commitNo),
      ...numbers.map((index) => encodePage(this.#pages[index]!)),
    ];
    const pages = Uint32Array.from([1, ...numbers.map((index) => index + 2)]);
    const hashes = BigUint64Array.from(images, pageHash);
    this.#map.apply({ databasePages: pageCount, pages, hashes });
    const commit = { databasePages: pageCount, checksum: this.#map.checksum, pages, hashes, images };
    const record = this.#appendRecord(commit);
    this.#writePages(commit);
    this.onCommit?.(record);
  }

  /** Everything after a position in the log; undefined when the log does not hold it. */
  recordsAfter(position: Uint8Array): FakeRecord[] | undefined {
    if (position.length !== GENERATION_BYTES + 8 + HASH_BYTES) return undefined;
    const bytes = Buffer.from(position);
    if (!bytes.subarray(0, GENERATION_BYTES).equals(this.#generation)) return undefined;
    const commitNo = Number(bytes.readBigUInt64BE(GENERATION_BYTES));
    if (commitNo < this.#baseCommitNo || commitNo > this.#commitNo) return undefined;
    const record = this.#records[commitNo - this.#baseCommitNo - 1];
    if (record && !bytes.subarray(GENERATION_BYTES + 8).equals(record.hash)) return undefined;
    return this.#records.slice(commitNo - this.#baseCommitNo);
  }

  /** The position behind a record; behind the newest one when none is given. */
  positionAfter(record: FakeRecord | undefined = this.#records.at(-1)): Uint8Array {
    const bytes = Buffer.alloc(GENERATION_BYTES + 8 + HASH_BYTES);
    this.#generation.copy(bytes);
    bytes.writeBigUInt64BE(BigInt(record?.commitNo ?? this.#baseCommitNo), GENERATION_BYTES);
    if (record) bytes.set(record.hash, GENERATION_BYTES + 8);
    return new Uint8Array(bytes);
  }

  readCommit(record: FakeRecord): FakeCommit {
    const bytes = Buffer.alloc(record.bytes);
    readSync(this.#logFd, bytes, 0, record.bytes, record.offset);
    return decodeRecord(bytes);
  }

  /** Begins a new log: no earlier position can be continued. */
  recycleLog(): void {
    this.#generation = randomBytes(GENERATION_BYTES);
    this.#baseCommitNo = this.#commitNo;
    this.#records = [];
    this.#logBytes = LOG_HEADER_BYTES;
    const header = Buffer.alloc(LOG_HEADER_BYTES);
    LOG_MAGIC.copy(header);
    this.#generation.copy(header, 8);
    header.writeBigUInt64BE(BigInt(this.#baseCommitNo), 24);
    ftruncateSync(this.#logFd, 0);
    writeSync(this.#logFd, header, 0, LOG_HEADER_BYTES, 0);
  }

  /** The pages as they are now. */
  readPages(): Buffer[] {
    return [encodeHeader(this.#pages.length + 1, this.#commitNo), ...this.#pages.map(encodePage)];
  }

  /** Becomes another state by images of its pages, `images` holding one behind the other. */
  replay(images: Buffer, pages: Uint32Array, databasePages: number): void {
    const image = (at: number) => images.subarray(at * FAKE_PAGE_BYTES, (at + 1) * FAKE_PAGE_BYTES);
    const changed = [...pages].map((_, at) => image(at));
    for (const [at, page] of pages.entries()) if (page > 1) this.#pages[page - 2] = decodePage(image(at));
    this.#pages.length = databasePages - 1;
    this.#places.clear();
    for (const [index, page] of this.#pages.entries()) for (const key of page.keys()) this.#places.set(key, index);
    const header = pages.indexOf(1);
    if (header >= 0) this.#commitNo = Number(image(header).readBigUInt64BE(16));
    const hashes = BigUint64Array.from(changed, pageHash);
    this.#map.apply({ databasePages, pages, hashes });
    this.#writePages({ databasePages, checksum: 0n, pages, hashes, images: changed });
    this.recycleLog();
  }

  /** Writes the pages as they are now to a file of its own. */
  copyTo(path: string): void {
    writeFileSync(path, Buffer.concat(this.readPages()));
  }

  close(): void {
    closeSync(this.#fd);
    closeSync(this.#logFd);
  }

  static remove(location: string): void {
    rmSync(location, { force: true });
    rmSync(`${location}-log`, { force: true });
  }

  #change(key: string, value: string | null, touched: Set<number>): void {
    const place = this.#places.get(key);
    if (place !== undefined) {
      this.#pages[place]!.delete(key);
      this.#places.delete(key);
      touched.add(place);
    }
    if (value === null) return;
    const size = entryBytes(key, value);
    if (size > ENTRIES_BYTES_MAX) throw fail('ENGINE', { message: `an entry has at most ${ENTRIES_BYTES_MAX} bytes` });
    const fits = (page: Map<string, string>) =>
      [...page].reduce((sum, [k, v]) => sum + entryBytes(k, v), size) <= ENTRIES_BYTES_MAX;
    let home = this.#pages.findIndex(fits);
    if (home < 0) home = this.#pages.push(new Map()) - 1;
    this.#pages[home]!.set(key, value);
    this.#places.set(key, home);
    touched.add(home);
  }

  #appendRecord({ databasePages, checksum, pages, images }: FakeCommit): FakeRecord {
    if (!this.isHeld && this.#logBytes > LOG_BYTES_MAX) this.recycleLog();
    const header = Buffer.alloc(RECORD_HEADER_BYTES);
    const body = Buffer.concat([Buffer.from(pages.buffer), ...images]);
    header.writeUInt32BE(RECORD_HEADER_BYTES + body.length + HASH_BYTES, 0);
    header.writeBigUInt64BE(BigInt(this.#commitNo), 4);
    header.writeUInt32BE(databasePages, 12);
    header.writeUInt32BE(pages.length, 16);
    header.writeBigUInt64BE(checksum, 20);
    const hash = sha256(this.#generation, header, body);
    const bytes = Buffer.concat([header, body, hash]);
    writeSync(this.#logFd, bytes, 0, bytes.length, this.#logBytes);
    const record = {
      commitNo: this.#commitNo,
      offset: this.#logBytes,
      bytes: bytes.length,
      hash: new Uint8Array(hash),
    };
    this.#records.push(record);
    this.#logBytes += bytes.length;
    return record;
  }

  #writePages({ databasePages, pages, images }: FakeCommit): void {
    for (const [i, page] of pages.entries()) {
      writeSync(this.#fd, images[i]!, 0, FAKE_PAGE_BYTES, (page - 1) * FAKE_PAGE_BYTES);
    }
    ftruncateSync(this.#fd, databasePages * FAKE_PAGE_BYTES);
  }

  /** Takes up the log: whole records that the pages do not have yet are applied, a torn one at the end is cut off. */
  #readLog(): void {
    const log = readFileSync(`${this.#location}-log`);
    if (log.length < LOG_HEADER_BYTES || !log.subarray(0, LOG_MAGIC.length).equals(LOG_MAGIC)) {
      this.recycleLog();
      return;
    }
    this.#generation = Buffer.from(log.subarray(8, 24));
    this.#baseCommitNo = Number(log.readBigUInt64BE(24));
    for (let offset = LOG_HEADER_BYTES; offset + RECORD_HEADER_BYTES <= log.length; ) {
      const length = log.readUInt32BE(offset);
      const bytes = log.subarray(offset, offset + length);
      if (bytes.length !== length || length < RECORD_HEADER_BYTES + HASH_BYTES) break;
      const hash = sha256(this.#generation, bytes.subarray(0, length - HASH_BYTES));
      if (!hash.equals(bytes.subarray(length - HASH_BYTES))) break;
      const commitNo = Number(bytes.readBigUInt64BE(4));
      this.#records.push({ commitNo, offset, bytes: length, hash: new Uint8Array(hash) });
      if (commitNo > this.#commitNo) this.#apply(decodeRecord(bytes), commitNo);
      offset += length;
      this.#logBytes = offset;
    }
    const newest = this.#records.at(-1)?.commitNo ?? this.#baseCommitNo;
    // A file put there by a restore or by hand has nothing to do with this log.
    if (newest !== this.#commitNo) this.recycleLog();
  }

  #apply(commit: FakeCommit, commitNo: number): void {
    assert(commitNo === this.#commitNo + 1, 'the log has no hole');
    for (const [i, page] of commit.pages.entries())
      if (page > 1) this.#pages[page - 2] = decodePage(Buffer.from(commit.images[i]!));
    this.#pages.length = commit.databasePages - 1;
    this.#commitNo = commitNo;
    this.#map.apply(commit);
    this.#writePages(commit);
  }
}

function decodeRecord(bytes: Buffer): FakeCommit {
  const databasePages = bytes.readUInt32BE(12);
  const count = bytes.readUInt32BE(16);
  const pages = new Uint32Array(count);
  for (let i = 0; i < count; i++) pages[i] = bytes.readUInt32LE(RECORD_HEADER_BYTES + i * 4);
  const at = RECORD_HEADER_BYTES + count * 4;
  const images = [...pages].map((_, i) => bytes.subarray(at + i * FAKE_PAGE_BYTES, at + (i + 1) * FAKE_PAGE_BYTES));
  const checksum = bytes.readBigUInt64BE(20);
  return { databasePages, checksum, pages, hashes: BigUint64Array.from(images, pageHash), images };
}
