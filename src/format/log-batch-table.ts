// Table of a log batch: which pages each commit changed, and where their images lie. One zstd frame of
//   commits: (scn u64 · database checksum u64 · database pages u32 · images u32)* · page numbers: u32* ·
//   page hashes: u64* ·
//   blocks: (stored u32 · plain u32 · images u32 · zero u32 · XXH3-128 of plain 16 · SHA-256 of stored 32)*
// Images follow the order of the page numbers; a block holds as many whole images as its entry says.
import { createHash } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { asBuffer, sameBytes } from '../base/bytes.ts';
import { fail, type HoldfastError } from '../base/errors.ts';
import { BLOCK_PLAIN_BYTES, KIB, MIB } from '../base/limits.ts';
import { type Scn, toScn } from '../model/scn.ts';
import { blockChecksum } from './block.ts';
import { compress, decompress, decompressInto } from './compress.ts';
import { putHashes, takeHashes } from './hash-bytes.ts';
import { PAGE_HASH_BYTES } from './page-map.ts';
import { openPart, type PartSeal, sealPart } from './tenant-key.ts';

const COMMIT_ENTRY_BYTES = 24;
const PAGE_NUMBER_BYTES = 4;
const PAGE_ENTRY_BYTES = PAGE_NUMBER_BYTES + PAGE_HASH_BYTES;
const BLOCK_ENTRY_BYTES = 64;

/** Plain page images in one batch: what a writer and a reader have to hold at most. */
export const LOG_BATCH_PLAIN_BYTES_MAX = 64 * MIB;
/** Plain size of a table: 64 MiB of 512-byte pages need 1.5 MiB of numbers and hashes; the rest is room for small commits. */
export const LOG_TABLE_PLAIN_BYTES_MAX = 16 * MIB;
/** zstd adds less than 1/128 and some bytes to what it can not shrink; the tag of an encrypted part finds room there too. */
export const storedBytesMax = (plainBytes: number): number => plainBytes + (plainBytes >>> 7) + KIB;

/** One commit, or one part of a commit too large for one batch. */
export interface LogCommit {
  scn: Scn;
  /** Size of the database after it. */
  databasePages: number;
  /** Checksum of the whole database after it, as `PageMap.checksum`; 0 when the engine did not know it. */
  checksum: bigint;
  /** Its images are `firstImage` to `firstImage + imageCount - 1` of the batch; page numbers ascend. */
  firstImage: number;
  imageCount: number;
  /** False for the last entry of a batch that goes on in the next one: without its last part the commit is void. */
  isComplete: boolean;
}

/** Where a run of images lies: enough for another process to fetch and check it alone. */
export interface LogBlock {
  /** From the start of the batch, or of the segment when it comes from a segment scan. */
  offset: number;
  storedBytes: number;
  plainBytes: number;
  firstImage: number;
  imageCount: number;
  /** XXH3-128 of the plain images. */
  checksum: Uint8Array;
  /** SHA-256 of the stored bytes. */
  sha256: Uint8Array;
  /** How an encrypted block is opened; null for a plain one. A secret. */
  seal: PartSeal | null;
}

export interface LogBatchTable {
  commits: LogCommit[];
  /** Page number of every image of the batch, in order. */
  pages: Uint32Array;
  /** `pageHash` of every image, in the same order. */
  hashes: BigUint64Array;
  blocks: LogBlock[];
}

/** What the batch's header says about its table. */
export interface LogTableShape {
  /** Entries: complete commits, and one more when the last goes on in the next batch. */
  entryCount: number;
  continues: boolean;
  pageCount: number;
  blockCount: number;
  pageSize: number;
  plainBytes: number;
  /** Key of an encrypted batch; null for a plain one. */
  key: Uint8Array | null;
}

/** Image blocks have no associated data: key and nonce say which block of which batch they are, the table what they hold. */
const NONE = new Uint8Array(0);

export const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest());

export const damagedLog = (object: string, because: string, cause?: unknown): HoldfastError =>
  fail('BACKUP_DATA_CORRUPT', { object, because }, cause === undefined ? undefined : { cause });

export function tablePlainBytes(shape: { entryCount: number; pageCount: number; blockCount: number }): number {
  return (
    shape.entryCount * COMMIT_ENTRY_BYTES + shape.pageCount * PAGE_ENTRY_BYTES + shape.blockCount * BLOCK_ENTRY_BYTES
  );
}

/** Images that fit one block. */
function imagesPerBlock(pageSize: number): number {
  return Math.floor(BLOCK_PLAIN_BYTES / pageSize);
}

/**
 * Packs page images into compressed blocks.
 * @param images one page each, in table order
 * @param key of an encrypted batch; null for a plain one
 */
export function encodeImageBlocks(
  images: readonly Uint8Array[],
  pageSize: number,
  level: number,
  key: Uint8Array | null = null,
): { entry: Buffer; stored: Uint8Array }[] {
  const perBlock = imagesPerBlock(pageSize);
  const plain = Buffer.allocUnsafe(Math.min(perBlock, images.length) * pageSize);
  const blocks: { entry: Buffer; stored: Uint8Array }[] = [];
  for (let first = 0; first < images.length; first += perBlock) {
    const imageCount = Math.min(perBlock, images.length - first);
    for (let i = 0; i < imageCount; i++) {
      const image = images[first + i]!;
      assert(image.length === pageSize, 'an image is one page');
      plain.set(image, i * pageSize);
    }
    const bytes = plain.subarray(0, imageCount * pageSize);
    const compressed = compress(bytes, level);
    const stored = key ? sealPart(compressed, { key, partNo: blocks.length + 1 }, NONE) : compressed;
    const entry = Buffer.alloc(BLOCK_ENTRY_BYTES);
    entry.writeUInt32BE(stored.length, 0);
    entry.writeUInt32BE(bytes.length, 4);
    entry.writeUInt32BE(imageCount, 8);
    entry.set(blockChecksum(bytes), 16);
    entry.set(sha256(stored), 32);
    blocks.push({ entry, stored });
  }
  return blocks;
}

/** What the table says of one commit. */
export interface TableCommit {
  scn: Scn;
  databasePages: number;
  checksum: bigint;
  pages: Uint32Array;
  hashes: BigUint64Array;
}

/** @returns the plain table */
export function encodeTable(commits: readonly TableCommit[], blocks: readonly { entry: Buffer }[]): Buffer {
  const pageCount = commits.reduce((sum, commit) => sum + commit.pages.length, 0);
  const table = Buffer.alloc(tablePlainBytes({ entryCount: commits.length, pageCount, blockCount: blocks.length }));
  let at = 0;
  for (const commit of commits) {
    table.writeBigUInt64BE(commit.scn, at);
    table.writeBigUInt64BE(commit.checksum, at + 8);
    table.writeUInt32BE(commit.databasePages, at + 16);
    table.writeUInt32BE(commit.pages.length, at + 20);
    at += COMMIT_ENTRY_BYTES;
  }
  for (const { pages } of commits) {
    for (const page of pages) {
      table.writeUInt32BE(page, at);
      at += PAGE_NUMBER_BYTES;
    }
  }
  for (const { pages, hashes } of commits) {
    assert(hashes.length === pages.length, 'each image has a hash');
    at = putHashes(hashes, table, at);
  }
  for (const { entry } of blocks) {
    table.set(entry, at);
    at += BLOCK_ENTRY_BYTES;
  }
  return table;
}

/**
 * Decodes and checks a stored table.
 * @param blocksOffset where the first image block begins; block offsets count from there
 * @throws BACKUP_DATA_CORRUPT (9010) naming `object`
 */
export function decodeTable(
  stored: Uint8Array,
  shape: LogTableShape,
  blocksOffset: number,
  object: string,
): LogBatchTable {
  if (shape.plainBytes !== tablePlainBytes(shape)) throw damagedLog(object, 'its table has a wrong length');
  const plain = decompressTable(stored, shape.plainBytes, object);
  const commits = decodeCommits(plain, shape, object);
  const pagesAt = shape.entryCount * COMMIT_ENTRY_BYTES;
  const pages = decodePages(plain, pagesAt, shape.pageCount, commits, object);
  const hashesAt = pagesAt + shape.pageCount * PAGE_NUMBER_BYTES;
  const hashes = takeHashes(plain, hashesAt, shape.pageCount);
  const blocksAt = pagesAt + shape.pageCount * PAGE_ENTRY_BYTES;
  return { commits, pages, hashes, blocks: decodeBlocks(plain, blocksAt, shape, blocksOffset, object) };
}

function decompressTable(stored: Uint8Array, plainBytes: number, object: string): Buffer {
  if (plainBytes === 0 && stored.length === 0) return Buffer.alloc(0);
  try {
    return asBuffer(decompress(stored, plainBytes));
  } catch (cause) {
    throw damagedLog(object, 'its table does not decompress', cause);
  }
}

function decodeCommits(plain: Buffer, shape: LogTableShape, object: string): LogCommit[] {
  const commits: LogCommit[] = [];
  let firstImage = 0;
  for (let i = 0; i < shape.entryCount; i++) {
    const at = i * COMMIT_ENTRY_BYTES;
    const scn = toScn(plain.readBigUInt64BE(at));
    const checksum = plain.readBigUInt64BE(at + 8);
    const databasePages = plain.readUInt32BE(at + 16);
    const imageCount = plain.readUInt32BE(at + 20);
    const previous = commits.at(-1);
    if (previous && scn <= previous.scn) throw damagedLog(object, 'the scns of its commits do not ascend');
    if (databasePages === 0) throw damagedLog(object, 'a commit leaves an empty database');
    const isComplete = !(shape.continues && i === shape.entryCount - 1);
    commits.push({ scn, databasePages, checksum, firstImage, imageCount, isComplete });
    firstImage += imageCount;
    if (firstImage > shape.pageCount) throw damagedLog(object, 'its commits name more images than it has');
  }
  if (firstImage !== shape.pageCount) throw damagedLog(object, 'its commits do not name all its images');
  return commits;
}

function decodePages(plain: Buffer, at: number, count: number, commits: LogCommit[], object: string): Uint32Array {
  const pages = new Uint32Array(count);
  for (let i = 0; i < count; i++) pages[i] = plain.readUInt32BE(at + i * PAGE_NUMBER_BYTES);
  for (const { firstImage, imageCount, databasePages } of commits) {
    let last = 0;
    for (let i = firstImage; i < firstImage + imageCount; i++) {
      const page = pages[i]!;
      if (page <= last || page > databasePages) throw damagedLog(object, `page number ${page} is out of place`);
      last = page;
    }
  }
  return pages;
}

function decodeBlocks(
  plain: Buffer,
  tableAt: number,
  shape: LogTableShape,
  blocksOffset: number,
  object: string,
): LogBlock[] {
  const blocks: LogBlock[] = [];
  let offset = blocksOffset;
  let firstImage = 0;
  for (let i = 0; i < shape.blockCount; i++) {
    const at = tableAt + i * BLOCK_ENTRY_BYTES;
    const storedBytes = plain.readUInt32BE(at);
    const plainBytes = plain.readUInt32BE(at + 4);
    const imageCount = plain.readUInt32BE(at + 8);
    if (imageCount === 0 || imageCount > imagesPerBlock(shape.pageSize))
      throw damagedLog(object, `block ${i} has ${imageCount} images`);
    if (plainBytes !== imageCount * shape.pageSize || plain.readUInt32BE(at + 12) !== 0)
      throw damagedLog(object, `block ${i} has a wrong plain length`);
    if (storedBytes === 0 || storedBytes > storedBytesMax(plainBytes))
      throw damagedLog(object, `block ${i} has a stored length of ${storedBytes}`);
    const checksum = new Uint8Array(plain.subarray(at + 16, at + 32));
    const hash = new Uint8Array(plain.subarray(at + 32, at + 64));
    const seal = shape.key && { key: shape.key, partNo: i + 1 };
    blocks.push({ offset, storedBytes, plainBytes, firstImage, imageCount, checksum, sha256: hash, seal });
    offset += storedBytes;
    firstImage += imageCount;
  }
  if (firstImage !== shape.pageCount) throw damagedLog(object, 'its blocks do not hold all its images');
  return blocks;
}

/**
 * Checks, decrypts and decompresses one stored image block.
 * @param into gets the images; memory of their own when absent
 * @returns `block.imageCount` page images, one after another
 * @throws BACKUP_DATA_CORRUPT (9010) naming `object`
 */
export function decodeImageBlock(
  stored: Uint8Array,
  block: Pick<LogBlock, 'storedBytes' | 'plainBytes' | 'checksum' | 'seal'>,
  object: string,
  into?: Uint8Array,
): Uint8Array {
  if (block.plainBytes > BLOCK_PLAIN_BYTES) throw damagedLog(object, `an image block of ${block.plainBytes} bytes`);
  if (stored.length !== block.storedBytes) throw damagedLog(object, 'an image block is cut off');
  const compressed = block.seal ? openPart(stored, block.seal, NONE) : stored;
  if (!compressed) throw damagedLog(object, 'an image block does not decrypt');
  const plain = into?.subarray(0, block.plainBytes) ?? Buffer.allocUnsafeSlow(block.plainBytes);
  try {
    decompressInto(compressed, plain);
  } catch (cause) {
    throw damagedLog(object, 'an image block does not decompress', cause);
  }
  if (!sameBytes(blockChecksum(plain), block.checksum))
    throw damagedLog(object, 'the checksum of an image block does not match');
  return plain;
}
