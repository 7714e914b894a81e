// Index of a backup set, `index.obbak`: where each block lies, with its checksum.
//   header  0 magic "HFINDEX\n" · 8 version u16 · 10 flags u16 (1 encrypted) · 12 page size u32 · 16 pages per block u32
//          20 page count u32 · 24 entry count u32 · 28 salt 16 bytes · 44 owner binding 32 bytes   (big-endian; 76 bytes)
//   entry   0 block u32 · 4 pack u32 · 8 offset u64 · 16 stored bytes u32 · 20 plain bytes u32 · 24 XXH3-128   (40 bytes)
//   end     encrypted: entries under AES-256-GCM (header as associated data), tag 16 bytes; else SHA-256 of all before
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import { BLOCK_PLAIN_BYTES, MIB } from '../base/limits.ts';
import { BLOCK_CHECKSUM_BYTES, BLOCK_OVERHEAD_BYTES } from './block.ts';
import { UINT32_MAX } from './fact-codecs.ts';
import { OBJECT_SALT_BYTES, type ObjectOwner, objectKey, ownerBinding } from './object-key.ts';
import { PACK_HEADER_BYTES } from './pack.ts';

export const INDEX_VERSION = 1;
/** 8 million blocks of 1 MiB: a database of 8 TiB. Bounds the memory of a reader. */
export const INDEX_BYTES_MAX = 320 * MIB;

const MAGIC = Buffer.from('HFINDEX\n', 'latin1');
const HEADER_BYTES = 76;
const ENTRY_BYTES = 40;
const FLAG_ENCRYPTED = 1;
const TAG_BYTES = 16;
const SHA256_BYTES = 32;
const PAGE_SIZE_MIN = 512;
const PAGE_SIZE_MAX = 65536;
/** The key's nonce may be constant because each encoding draws a new salt and so a new key. */
const NONCE = Buffer.alloc(12);

/** Where one block of a set lies (the same shape as the pipeline's `BlockEntry`). */
export interface IndexEntry {
  blockNo: number;
  packNo: number;
  offset: number;
  storedBytes: number;
  plainBytes: number;
  /** XXH3-128 of the plain bytes. */
  checksum: Uint8Array;
}

export interface BackupSetIndex {
  pageSize: number;
  /** Of the whole database, also when only some blocks are in this set. */
  pageCount: number;
  /** Block n holds the pages from n * pagesPerBlock + 1. */
  pagesPerBlock: number;
  /** Ascending by block number. */
  entries: IndexEntry[];
}

/** Pages in one block: as many as fit 1 MiB. */
export function pagesPerBlock(pageSize: number): number {
  assert(isPageSize(pageSize), `${pageSize} is a page size`);
  return Math.floor(BLOCK_PLAIN_BYTES / pageSize);
}

function isPageSize(bytes: number): boolean {
  return bytes >= PAGE_SIZE_MIN && bytes <= PAGE_SIZE_MAX && Number.isInteger(Math.log2(bytes));
}

/** Plain bytes of one block: the last one holds only the pages that are left. */
export function blockPlainBytes(index: Omit<BackupSetIndex, 'entries'>, blockNo: number): number {
  const pagesLeft = index.pageCount - blockNo * index.pagesPerBlock;
  return Math.min(pagesLeft, index.pagesPerBlock) * index.pageSize;
}

/** Why the index cannot be right; undefined when it can. */
function faultOf(index: BackupSetIndex): string | undefined {
  const { pageSize, pageCount, pagesPerBlock: perBlock, entries } = index;
  if (!isPageSize(pageSize)) return `a page size of ${pageSize}`;
  if (perBlock < 1 || perBlock * pageSize > BLOCK_PLAIN_BYTES) return `blocks of ${perBlock} pages`;
  const blockCount = Math.ceil(pageCount / perBlock);
  let lastBlockNo = -1;
  for (const entry of entries) {
    const { blockNo, storedBytes, plainBytes } = entry;
    if (blockNo <= lastBlockNo || blockNo >= blockCount) return `block ${blockNo} after block ${lastBlockNo}`;
    if (plainBytes !== blockPlainBytes(index, blockNo)) return `block ${blockNo} has ${plainBytes} plain bytes`;
    if (storedBytes <= BLOCK_OVERHEAD_BYTES || storedBytes > plainBytes + BLOCK_OVERHEAD_BYTES)
      return `block ${blockNo} has ${storedBytes} stored bytes`;
    if (entry.offset < PACK_HEADER_BYTES || !Number.isSafeInteger(entry.offset + storedBytes))
      return `block ${blockNo} lies at ${entry.offset}`;
    lastBlockNo = blockNo;
  }
  return undefined;
}

function encodeEntries(entries: IndexEntry[]): Buffer {
  const bytes = Buffer.alloc(entries.length * ENTRY_BYTES);
  let at = 0;
  for (const { blockNo, packNo, offset, storedBytes, plainBytes, checksum } of entries) {
    assert(checksum.length === BLOCK_CHECKSUM_BYTES, 'a block has a checksum of 16 bytes');
    bytes.writeUInt32BE(blockNo, at);
    bytes.writeUInt32BE(packNo, at + 4);
    bytes.writeBigUInt64BE(BigInt(offset), at + 8);
    bytes.writeUInt32BE(storedBytes, at + 16);
    bytes.writeUInt32BE(plainBytes, at + 20);
    bytes.set(checksum, at + 24);
    at += ENTRY_BYTES;
  }
  return bytes;
}

function decodeEntries(bytes: Buffer): IndexEntry[] {
  const entries: IndexEntry[] = [];
  for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
    entries.push({
      blockNo: bytes.readUInt32BE(at),
      packNo: bytes.readUInt32BE(at + 4),
      offset: Number(bytes.readBigUInt64BE(at + 8)),
      storedBytes: bytes.readUInt32BE(at + 16),
      plainBytes: bytes.readUInt32BE(at + 20),
      checksum: new Uint8Array(bytes.subarray(at + 24, at + ENTRY_BYTES)),
    });
  }
  return entries;
}

/**
 * Writes the index of a set.
 * @param dataKey of an encrypted set; null for a plain one
 */
export function encodeIndex(index: BackupSetIndex, owner: ObjectOwner, dataKey: Uint8Array | null): Uint8Array {
  assert(index.pageCount <= UINT32_MAX, 'a page count fits 32 bits');
  const fault = faultOf(index);
  assert(fault === undefined, `an index is sound, but: ${fault}`);
  const header = Buffer.alloc(HEADER_BYTES);
  const salt = dataKey ? randomBytes(OBJECT_SALT_BYTES) : Buffer.alloc(OBJECT_SALT_BYTES);
  MAGIC.copy(header, 0);
  header.writeUInt16BE(INDEX_VERSION, 8);
  header.writeUInt16BE(dataKey ? FLAG_ENCRYPTED : 0, 10);
  header.writeUInt32BE(index.pageSize, 12);
  header.writeUInt32BE(index.pagesPerBlock, 16);
  header.writeUInt32BE(index.pageCount, 20);
  header.writeUInt32BE(index.entries.length, 24);
  header.set(salt, 28);
  header.set(ownerBinding(owner), 44);
  const body = encodeEntries(index.entries);
  const sizeBytes = HEADER_BYTES + body.length + SHA256_BYTES;
  assert(sizeBytes <= INDEX_BYTES_MAX, 'an index is within its bound');
  if (dataKey === null) {
    const sum = createHash('sha256').update(header).update(body).digest();
    return new Uint8Array(Buffer.concat([header, body, sum]));
  }
  const key = objectKey(dataKey, { kind: 'index', setUuid: owner.setUuid, objectNo: 0, salt });
  const cipher = createCipheriv('aes-256-gcm', key, NONCE).setAAD(header);
  return new Uint8Array(Buffer.concat([header, cipher.update(body), cipher.final(), cipher.getAuthTag()]));
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
  if (bytes.length > INDEX_BYTES_MAX) throw damaged(`it has ${bytes.length} bytes, more than ${INDEX_BYTES_MAX}`);
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (whole.length < HEADER_BYTES) throw damaged('its header is cut off');
  const header = whole.subarray(0, HEADER_BYTES);
  if (!header.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged('it is not an index');
  const version = header.readUInt16BE(8);
  if (version !== INDEX_VERSION) throw damaged(`its format version is ${version}, this server reads ${INDEX_VERSION}`);
  if (header.readUInt16BE(10) !== (expected.dataKey ? FLAG_ENCRYPTED : 0))
    throw damaged('it is encrypted or plain against what its set says');
  if (!header.subarray(44, 76).equals(ownerBinding(expected.owner))) throw damaged('it belongs to another set');
  const entryCount = header.readUInt32BE(24);
  const endBytes = expected.dataKey ? TAG_BYTES : SHA256_BYTES;
  if (whole.length !== HEADER_BYTES + entryCount * ENTRY_BYTES + endBytes)
    throw damaged(`it has ${whole.length} bytes, which ${entryCount} entries do not make`);
  const body = openBody(header, whole.subarray(HEADER_BYTES), expected);
  if (body === undefined) throw damaged('its checksum or tag does not match');
  const index: BackupSetIndex = {
    pageSize: header.readUInt32BE(12),
    pagesPerBlock: header.readUInt32BE(16),
    pageCount: header.readUInt32BE(20),
    entries: decodeEntries(body),
  };
  const fault = faultOf(index);
  if (fault !== undefined) throw damaged(fault);
  return index;
}

/** The entries' bytes; undefined when checksum or tag do not match. */
function openBody(
  header: Buffer,
  rest: Buffer,
  expected: { owner: ObjectOwner; dataKey: Uint8Array | null },
): Buffer | undefined {
  if (expected.dataKey === null) {
    const body = rest.subarray(0, rest.length - SHA256_BYTES);
    const sum = createHash('sha256').update(header).update(body).digest();
    return sum.equals(rest.subarray(body.length)) ? body : undefined;
  }
  const salt = header.subarray(28, 28 + OBJECT_SALT_BYTES);
  const { setUuid } = expected.owner;
  const key = objectKey(expected.dataKey, { kind: 'index', setUuid, objectNo: 0, salt });
  const decipher = createDecipheriv('aes-256-gcm', key, NONCE, { authTagLength: TAG_BYTES }).setAAD(header);
  decipher.setAuthTag(rest.subarray(rest.length - TAG_BYTES));
  const body = decipher.update(rest.subarray(0, rest.length - TAG_BYTES));
  try {
    decipher.final();
    return body;
  } catch {
    return undefined;
  }
}
