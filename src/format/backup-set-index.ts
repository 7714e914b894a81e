// Index of a backup set, `index.obbak`: every block that the set's database is made of, in this set and in earlier ones.
//   header  0 magic "HFINDEX\n" · 8 version u16 · 10 flags u16 (1 encrypted) · 12 page size u32 · 16 page count u32
//          20 skip page u32 · 24 source count u32 · 28 entry count u32 · 32 listed pages u32 · 36 salt 16 bytes
//          52 owner binding 32 bytes                                                          (big-endian; 84 bytes)
//   entry   0 source u16 · 2 flags u16 (1 listed) · 4 block u32 · 8 pack u32 · 12 offset u64 · 20 stored bytes u32
//          24 plain bytes u32 · 28 first page u32 · 32 XXH3-128                                            (48 bytes)
//   lists   the pages of each listed entry, in the order of the entries, u32
//   end     as in `sealed-body`
import { randomBytes } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import { BLOCK_PLAIN_BYTES, MIB } from '../base/limits.ts';
import { BLOCK_CHECKSUM_BYTES, BLOCK_OVERHEAD_BYTES } from './block.ts';
import { UINT32_MAX } from './fact-codecs.ts';
import { OBJECT_SALT_BYTES, type ObjectOwner, objectKey, ownerBinding } from './object-key.ts';
import { PACK_HEADER_BYTES } from './pack.ts';
import { PageSet } from './page-set.ts';
import { endBytes, openBody, sealBody } from './sealed-body.ts';
import { versionFault } from './version-fault.ts';

export const INDEX_VERSION = 2;
/** 192 MiB of entries; the rest is for lists. */
export const INDEX_BYTES_MAX = 512 * MIB;
/** Blocks of 1 MiB for a database of 4 TiB. Each is some 330 bytes of a reader's memory, of which lists take little. */
export const INDEX_ENTRIES_MAX = 2 ** 22;

const MAGIC = Buffer.from('HFINDEX\n', 'latin1');
const HEADER_BYTES = 84;
const ENTRY_BYTES = 48;
const PAGE_NUMBER_BYTES = 4;
const FLAG_ENCRYPTED = 1;
const FLAG_LISTED = 1;
const SALT_AT = 36;
const OWNER_AT = 52;
const UINT16_MAX = 65535;
const PAGE_SIZE_MIN = 512;
const PAGE_SIZE_MAX = 65536;

/** One block, where it lies, and which pages it holds. */
export interface IndexEntry {
  /** Set whose packs hold it: its place in the manifest's `sources`; their number for the set itself. */
  source: number;
  /** Number in that set. */
  blockNo: number;
  packNo: number;
  offset: number;
  storedBytes: number;
  plainBytes: number;
  /** XXH3-128 of the plain bytes. */
  checksum: Uint8Array;
  /** The least page, and how many. */
  firstPage: number;
  pageCount: number;
  /** Ascending, the first of them `firstPage`; null for the run of `pageCount` pages from there. */
  pages: Uint32Array | null;
}

/** A page of the database belongs to the last entry that names it. */
export interface BackupSetIndex {
  pageSize: number;
  /** Of the whole database. */
  pageCount: number;
  /** Page that is never restored; 0 for none. It lies as zeros in blocks that hold a run over it, or nowhere. */
  skipPage: number;
  /** Earlier sets that hold blocks. */
  sourceCount: number;
  /**
   * Ascending by source, then by block number, and so are the pages of one source. Blocks of an earlier set may name
   * pages past `pageCount`: they were written when the database was longer.
   */
  entries: IndexEntry[];
}

/** Pages in one block: as many as fit 1 MiB. */
export function pagesPerBlock(pageSize: number): number {
  assert(isPageSize(pageSize), `${pageSize} is a page size`);
  return Math.floor(BLOCK_PLAIN_BYTES / pageSize);
}

export function isPageSize(bytes: number): boolean {
  return bytes >= PAGE_SIZE_MIN && bytes <= PAGE_SIZE_MAX && Number.isInteger(Math.log2(bytes));
}

/** Number of a page of a block. */
export function pageAt({ firstPage, pages }: IndexEntry, index: number): number {
  return pages ? pages[index]! : firstPage + index;
}

const lastPageOf = (entry: IndexEntry): number => pageAt(entry, entry.pageCount - 1);

/** Why an entry cannot be right, whatever is around it; undefined when it can. */
function entryFault(entry: IndexEntry, index: BackupSetIndex): string | undefined {
  const { source, offset, storedBytes, plainBytes, pageCount, pages } = entry;
  if (source > index.sourceCount) return `is of source ${source}, of which there are ${index.sourceCount}`;
  if (plainBytes === 0 || plainBytes > BLOCK_PLAIN_BYTES || plainBytes !== pageCount * index.pageSize)
    return `has ${plainBytes} plain bytes and ${pageCount} pages`;
  if (storedBytes <= BLOCK_OVERHEAD_BYTES || storedBytes > plainBytes + BLOCK_OVERHEAD_BYTES)
    return `has ${storedBytes} stored bytes`;
  if (offset < PACK_HEADER_BYTES || !Number.isSafeInteger(offset + storedBytes)) return `lies at ${offset}`;
  if (entry.firstPage < 1) return 'begins with page 0';
  if (
    pages &&
    (pages.length !== pageCount || pages[0] !== entry.firstPage || pages.some((page, i) => page <= pages[i - 1]!))
  )
    return 'has pages that do not ascend';
  const bound = source === index.sourceCount ? index.pageCount : UINT32_MAX;
  if (lastPageOf(entry) > bound) return `ends with page ${lastPageOf(entry)}`;
  return undefined;
}

/** Why the index cannot be right; undefined when it can. */
function faultOf(index: BackupSetIndex): string | undefined {
  const { pageSize, entries } = index;
  if (!isPageSize(pageSize)) return `a page size of ${pageSize}`;
  let before: IndexEntry | undefined;
  for (const entry of entries) {
    const named = `block ${entry.blockNo} of source ${entry.source}`;
    const fault = entryFault(entry, index);
    if (fault !== undefined) return `${named} ${fault}`;
    if (before && !follows(entry, before))
      return `${named} does not follow block ${before.blockNo} of ${before.source}`;
    before = entry;
  }
  const missing = firstMissingPage(index);
  return missing === 0 ? undefined : `page ${missing} is in no block`;
}

function follows(entry: IndexEntry, before: IndexEntry): boolean {
  if (entry.source !== before.source) return entry.source > before.source;
  return entry.blockNo > before.blockNo && entry.firstPage > lastPageOf(before);
}

/** The first page that no entry names, 0 when all are there. */
function firstMissingPage({ pageCount, skipPage, entries }: BackupSetIndex): number {
  const expected = skipPage >= 1 && skipPage <= pageCount ? pageCount - 1 : pageCount;
  // Whoever claims many pages needs as many entries, before memory is taken for them.
  const named = entries.reduce((sum, entry) => sum + entry.pageCount, 0);
  if (named < expected) return named + 1;
  const found = new PageSet(pageCount);
  if (expected < pageCount) found.add(skipPage);
  for (const entry of entries) {
    for (let index = 0; index < entry.pageCount; index++) {
      const page = pageAt(entry, index);
      if (page > pageCount) break;
      found.add(page);
    }
  }
  if (found.size === pageCount) return 0;
  let page = 1;
  while (found.has(page)) page++;
  return page;
}

const listedPages = (entries: readonly IndexEntry[]): number =>
  entries.reduce((sum, { pages }) => sum + (pages?.length ?? 0), 0);

function writeBody(bytes: Buffer, entries: readonly IndexEntry[]): void {
  let at = 0;
  let listAt = entries.length * ENTRY_BYTES;
  for (const { source, blockNo, packNo, offset, storedBytes, plainBytes, checksum, firstPage, pages } of entries) {
    assert(checksum.length === BLOCK_CHECKSUM_BYTES, 'a block has a checksum of 16 bytes');
    bytes.writeUInt16BE(source, at);
    bytes.writeUInt16BE(pages ? FLAG_LISTED : 0, at + 2);
    bytes.writeUInt32BE(blockNo, at + 4);
    bytes.writeUInt32BE(packNo, at + 8);
    bytes.writeBigUInt64BE(BigInt(offset), at + 12);
    bytes.writeUInt32BE(storedBytes, at + 20);
    bytes.writeUInt32BE(plainBytes, at + 24);
    bytes.writeUInt32BE(firstPage, at + 28);
    bytes.set(checksum, at + 32);
    at += ENTRY_BYTES;
    for (const page of pages ?? []) listAt = bytes.writeUInt32BE(page, listAt);
  }
}

/** @returns what cannot be read, as text */
function readBody(bytes: Buffer, entryCount: number, pageSize: number): IndexEntry[] | string {
  const entries: IndexEntry[] = [];
  let listAt = entryCount * ENTRY_BYTES;
  for (let at = 0; at < entryCount * ENTRY_BYTES; at += ENTRY_BYTES) {
    const flags = bytes.readUInt16BE(at + 2);
    const plainBytes = bytes.readUInt32BE(at + 24);
    const pageCount = Math.floor(plainBytes / pageSize);
    if (flags > FLAG_LISTED) return `an entry has flags ${flags}`;
    let pages: Uint32Array | null = null;
    if (flags === FLAG_LISTED) {
      if (listAt + pageCount * PAGE_NUMBER_BYTES > bytes.length) return 'its lists are too short';
      const from = listAt;
      pages = Uint32Array.from({ length: pageCount }, (_, i) => bytes.readUInt32BE(from + i * PAGE_NUMBER_BYTES));
      listAt += pageCount * PAGE_NUMBER_BYTES;
    }
    entries.push({
      source: bytes.readUInt16BE(at),
      blockNo: bytes.readUInt32BE(at + 4),
      packNo: bytes.readUInt32BE(at + 8),
      offset: Number(bytes.readBigUInt64BE(at + 12)),
      storedBytes: bytes.readUInt32BE(at + 20),
      plainBytes,
      checksum: new Uint8Array(bytes.subarray(at + 32, at + ENTRY_BYTES)),
      firstPage: bytes.readUInt32BE(at + 28),
      pageCount,
      pages,
    });
  }
  return listAt === bytes.length ? entries : 'its lists are too long';
}

const keyOf = (dataKey: Uint8Array | null, owner: ObjectOwner, salt: Uint8Array) =>
  dataKey && objectKey(dataKey, { kind: 'index', setUuid: owner.setUuid, objectNo: 0, salt });

/**
 * Writes the index of a set.
 * @param dataKey of an encrypted set; null for a plain one
 * @throws NOT_SUPPORTED (4007) for more blocks than an index may have
 */
export function encodeIndex(index: BackupSetIndex, owner: ObjectOwner, dataKey: Uint8Array | null): Uint8Array {
  const { pageSize, pageCount, skipPage, sourceCount, entries } = index;
  assert(pageCount <= UINT32_MAX && sourceCount <= UINT16_MAX, 'page count and source count fit their fields');
  if (entries.length > INDEX_ENTRIES_MAX)
    throw fail('NOT_SUPPORTED', { what: `a backup set of ${entries.length} blocks is` });
  const fault = faultOf(index);
  assert(fault === undefined, `an index is sound, but: ${fault}`);
  const listed = listedPages(entries);
  const bodyBytes = entries.length * ENTRY_BYTES + listed * PAGE_NUMBER_BYTES;
  const sizeBytes = HEADER_BYTES + bodyBytes + endBytes(dataKey !== null);
  if (sizeBytes > INDEX_BYTES_MAX)
    throw fail('NOT_SUPPORTED', { what: `a backup set of ${listed} scattered pages is` });
  const salt = dataKey ? randomBytes(OBJECT_SALT_BYTES) : Buffer.alloc(OBJECT_SALT_BYTES);
  const file = Buffer.alloc(sizeBytes);
  MAGIC.copy(file, 0);
  file.writeUInt16BE(INDEX_VERSION, 8);
  file.writeUInt16BE(dataKey ? FLAG_ENCRYPTED : 0, 10);
  file.writeUInt32BE(pageSize, 12);
  file.writeUInt32BE(pageCount, 16);
  file.writeUInt32BE(skipPage, 20);
  file.writeUInt32BE(sourceCount, 24);
  file.writeUInt32BE(entries.length, 28);
  file.writeUInt32BE(listed, 32);
  file.set(salt, SALT_AT);
  file.set(ownerBinding(owner), OWNER_AT);
  writeBody(file.subarray(HEADER_BYTES, HEADER_BYTES + bodyBytes), entries);
  sealBody(file, HEADER_BYTES, keyOf(dataKey, owner, salt));
  return new Uint8Array(file.buffer, file.byteOffset, file.length);
}

/**
 * Reads and checks the index of a set.
 * @throws BACKUP_DATA_CORRUPT (9010) naming `object`
 */
export function decodeIndex(
  bytes: Uint8Array,
  expected: { object: string; owner: ObjectOwner; dataKey: Uint8Array | null },
): BackupSetIndex {
  const damaged = (because: string) => fail('BACKUP_DATA_CORRUPT', { object: expected.object, because });
  const { owner, dataKey } = expected;
  if (bytes.length > INDEX_BYTES_MAX) throw damaged(`it has ${bytes.length} bytes, more than ${INDEX_BYTES_MAX}`);
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (file.length < HEADER_BYTES) throw damaged('its header is cut off');
  if (!file.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged('it is not an index');
  const version = file.readUInt16BE(8);
  if (version !== INDEX_VERSION) throw damaged(versionFault(version, INDEX_VERSION));
  if (file.readUInt16BE(10) !== (dataKey ? FLAG_ENCRYPTED : 0))
    throw damaged('it is encrypted or plain against what its set says');
  if (!file.subarray(OWNER_AT, HEADER_BYTES).equals(ownerBinding(owner))) throw damaged('it belongs to another set');
  const [entryCount, listed] = [file.readUInt32BE(28), file.readUInt32BE(32)];
  if (entryCount > INDEX_ENTRIES_MAX) throw damaged(`it has ${entryCount} entries, more than ${INDEX_ENTRIES_MAX}`);
  const bodyBytes = entryCount * ENTRY_BYTES + listed * PAGE_NUMBER_BYTES;
  if (file.length !== HEADER_BYTES + bodyBytes + endBytes(dataKey !== null))
    throw damaged(`it has ${file.length} bytes, which ${entryCount} entries and ${listed} listed pages do not make`);
  const body = openBody(file, HEADER_BYTES, keyOf(dataKey, owner, file.subarray(SALT_AT, OWNER_AT)));
  if (body === undefined) throw damaged('its checksum or tag does not match');
  const pageSize = file.readUInt32BE(12);
  if (!isPageSize(pageSize)) throw damaged(`a page size of ${pageSize}`);
  const entries = readBody(body, entryCount, pageSize);
  if (typeof entries === 'string') throw damaged(entries);
  const [pageCount, skipPage, sourceCount] = [16, 20, 24].map((at) => file.readUInt32BE(at)) as [
    number,
    number,
    number,
  ];
  const index: BackupSetIndex = { pageSize, pageCount, skipPage, sourceCount, entries };
  const fault = faultOf(index);
  if (fault !== undefined) throw damaged(fault);
  return index;
}
