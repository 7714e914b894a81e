// Log batch: commits of a tenant as they are appended to a segment.
//   segment := segment header · batch*          batch := header · table · image block*
// A batch carries the hash of its predecessor, so a missing, altered or reordered one is noticed; the engine's position
// in its header says where capture goes on. Offset tables and rules for readers: docs/formats/log-segment.md.
import { randomBytes } from 'node:crypto';
import { AssertionFailure, assert } from '../base/assert.ts';
import { hexOf, sameBytes } from '../base/bytes.ts';
import { fail } from '../base/errors.ts';
import type { Scn } from '../model/scn.ts';
import { compress } from './compress.ts';
import {
  encodeBatchHeader,
  entryCountOf,
  type HashedBatchHeader,
  LOG_BATCH_HEADER_BYTES,
  LOG_HASH_BYTES,
  type LogBatchHeader,
  type LogBatchOwner,
  readLogBatchHeader,
  sealedFacts,
} from './log-batch-header.ts';
import {
  damagedLog,
  decodeImageBlock,
  decodeTable,
  encodeImageBlocks,
  encodeTable,
  LOG_BATCH_PLAIN_BYTES_MAX,
  LOG_TABLE_PLAIN_BYTES_MAX,
  type LogBatchTable,
  type LogBlock,
  sha256,
} from './log-batch-table.ts';
import { pageHash } from './page-map.ts';
import {
  BATCH_SALT_BYTES,
  batchKey,
  type FindLogKey,
  type LogSeal,
  openPart,
  sealPart,
  TAG_BYTES,
} from './tenant-key.ts';

/** A commit, or a part of one, to be encoded. */
export interface LogCommitSpec {
  scn: Scn;
  /** Size of the database after it. */
  databasePages: number;
  /** Checksum of the whole database after it; 0 when it is not known. Only that of a last part counts. */
  checksum: bigint;
  /** Ascending. */
  pages: Uint32Array;
  /** `pageHash` of each image. */
  hashes: BigUint64Array;
  /** One page each, in the order of `pages`. */
  images: readonly Uint8Array[];
}

export interface LogBatchSpec {
  owner: LogBatchOwner;
  batchNo: number;
  prevHash: Uint8Array;
  checkpointScn: Scn;
  pageSize: number;
  position: Uint8Array;
  commits: readonly LogCommitSpec[];
  /** The last commit goes on in the next batch. */
  continues?: boolean;
  /** The first commit goes on from the batch before. */
  isContinued?: boolean;
  compressionLevel: number;
  /** Encrypts table and images; without one they stay plain. */
  seal?: LogSeal | null;
}

export interface EncodedLogBatch {
  bytes: Uint8Array;
  header: HashedBatchHeader;
  /** Plain bytes of its images. */
  plainBytes: number;
}

/** What a batch must be: its owner and its place in the chain. */
export interface ExpectedBatch {
  owner: LogBatchOwner;
  batchNo: number;
  prevHash: Uint8Array;
  /** Opens encrypted batches. */
  findKey?: FindLogKey | undefined;
}

const TABLE_PART = 0;
const NO_HASH = new Uint8Array(LOG_HASH_BYTES);

/** Encodes one batch. @throws AssertionFailure when the specification is not one that a reader would accept */
export function encodeLogBatch(spec: LogBatchSpec): EncodedLogBatch {
  const { commits, pageSize, compressionLevel: level, continues = false, isContinued = false } = spec;
  const seal = spec.seal ? { keyId: spec.seal.keyId, salt: new Uint8Array(randomBytes(BATCH_SALT_BYTES)) } : null;
  const key = spec.seal && seal ? batchKey(spec.seal.key, { batchNo: spec.batchNo, salt: seal.salt }) : null;
  const images = commits.flatMap((commit) => commit.images);
  assert(images.length * pageSize <= LOG_BATCH_PLAIN_BYTES_MAX, 'a batch is bounded');
  const blocks = encodeImageBlocks(images, pageSize, level, key);
  const plainTable = encodeTable(commits, blocks);
  assert(plainTable.length <= LOG_TABLE_PLAIN_BYTES_MAX, 'a table is bounded');
  const compressed = plainTable.length === 0 ? plainTable : compress(plainTable, level);
  const complete = continues ? commits.slice(0, -1) : commits;
  assert(!continues || commits.length > 0, 'a batch that goes on has a commit');
  const blocksBytes = blocks.reduce((sum, block) => sum + block.stored.length, 0);
  const tableBytes = compressed.length + (key ? TAG_BYTES : 0);
  const facts: LogBatchHeader = {
    ...spec.owner,
    batchNo: spec.batchNo,
    prevHash: spec.prevHash,
    firstScn: complete[0]?.scn ?? spec.checkpointScn,
    lastScn: complete.at(-1)?.scn ?? spec.checkpointScn,
    checkpointScn: spec.checkpointScn,
    commitCount: complete.length,
    continues,
    isContinued,
    pageCount: images.length,
    pageSize,
    blockCount: blocks.length,
    tableStoredBytes: tableBytes,
    tablePlainBytes: plainTable.length,
    tableSha256: NO_HASH,
    position: spec.position,
    totalBytes: LOG_BATCH_HEADER_BYTES + tableBytes + blocksBytes,
    seal,
  };
  const table = key ? sealPart(compressed, { key, partNo: TABLE_PART }, sealedFacts(facts)) : compressed;
  const { bytes: headerBytes } = encodeBatchHeader({ ...facts, tableSha256: sha256(table) });
  const bytes = Buffer.concat([headerBytes, table, ...blocks.map((block) => block.stored)]);
  const header = proveReadable(bytes, spec);
  return { bytes, header, plainBytes: images.length * pageSize };
}

/** Decoding what was just encoded proves the order of scns and pages before anything depends on it. */
function proveReadable(bytes: Uint8Array, { batchNo, seal }: LogBatchSpec): HashedBatchHeader {
  try {
    const header = readLogBatchHeader(bytes, `batch ${batchNo}`);
    decodeLogBatchTable(header, bytes.subarray(LOG_BATCH_HEADER_BYTES), 0, `batch ${batchNo}`, () => seal?.key);
    return header;
  } catch (cause) {
    throw new AssertionFailure(`a batch can be read back: ${String(cause)}`, { cause });
  }
}

/** What is known of an encrypted batch whose key nobody has. */
const CLOSED_TABLE: LogBatchTable = {
  commits: [],
  pages: new Uint32Array(0),
  hashes: new BigUint64Array(0),
  blocks: [],
};

/** The stored bytes of a table, as the header has their hash. */
function storedTable(header: HashedBatchHeader, bytes: Uint8Array, object: string): Uint8Array {
  const stored = bytes.subarray(0, header.tableStoredBytes);
  if (stored.length !== header.tableStoredBytes) throw damagedLog(object, 'its table is cut off');
  if (!sameBytes(sha256(stored), header.tableSha256)) throw damagedLog(object, 'the hash of its table does not match');
  return stored;
}

/**
 * As `decodeLogBatchTable`, for whoever needs only headers: the table of a batch that no key opens is empty, and its
 * images are not checked.
 */
export function decodeTableIfOpen(
  header: HashedBatchHeader,
  bytes: Uint8Array,
  batchOffset: number,
  object: string,
  findKey?: FindLogKey,
): LogBatchTable {
  if (!header.seal || findKey?.(header.seal.keyId, header))
    return decodeLogBatchTable(header, bytes, batchOffset, object, findKey);
  storedTable(header, bytes, object);
  return CLOSED_TABLE;
}

/** The key of a batch and its decrypted table. @throws BACKUP_INVALID_PASSWORD (9047) when the tenant key is not at hand */
function openTable(
  header: HashedBatchHeader,
  stored: Uint8Array,
  object: string,
  findKey: FindLogKey | undefined,
): { key: Uint8Array | null; compressed: Uint8Array } {
  const { seal, batchNo } = header;
  if (!seal) return { key: null, compressed: stored };
  const logKey = findKey?.(seal.keyId, header);
  if (!logKey)
    throw fail('BACKUP_INVALID_PASSWORD', {
      why: `${object} is encrypted with the tenant key ${hexOf(seal.keyId)}, which is not at hand`,
    });
  const key = batchKey(logKey, { batchNo, salt: seal.salt });
  const compressed = openPart(stored, { key, partNo: TABLE_PART }, sealedFacts(header));
  if (!compressed) throw damagedLog(object, `batch ${batchNo} does not decrypt: it was not written so`);
  return { key, compressed };
}

/**
 * Decodes and checks the table behind a header.
 * @param bytes from the table's first byte on
 * @param batchOffset where the batch begins; the offsets of the blocks count from the same origin
 * @param findKey opens encrypted batches
 * @throws BACKUP_DATA_CORRUPT (9010) naming `object`; BACKUP_INVALID_PASSWORD (9047) when its key is not at hand
 */
export function decodeLogBatchTable(
  header: HashedBatchHeader,
  bytes: Uint8Array,
  batchOffset: number,
  object: string,
  findKey?: FindLogKey,
): LogBatchTable {
  const stored = storedTable(header, bytes, object);
  const { key, compressed } = openTable(header, stored, object, findKey);
  const shape = { ...header, entryCount: entryCountOf(header), plainBytes: header.tablePlainBytes, key };
  const blocksOffset = batchOffset + LOG_BATCH_HEADER_BYTES + header.tableStoredBytes;
  const table = decodeTable(compressed, shape, blocksOffset, object);
  const last = table.blocks.at(-1);
  const end = last ? last.offset + last.storedBytes : blocksOffset;
  if (end !== batchOffset + header.totalBytes) throw damagedLog(object, 'its blocks do not fill its length');
  checkCommitScns(header, table, object);
  return table;
}

function checkCommitScns(header: HashedBatchHeader, table: LogBatchTable, object: string): void {
  const complete = table.commits.filter((commit) => commit.isComplete);
  if (complete.length === 0) return;
  if (complete[0]!.scn !== header.firstScn || complete.at(-1)!.scn !== header.lastScn)
    throw damagedLog(object, 'the scns of its header and of its table differ');
}

/** True when a batch belongs to this cluster, tenant and round. */
export function isOwn(header: LogBatchOwner, owner: LogBatchOwner): boolean {
  return (
    header.clusterUuid === owner.clusterUuid && header.tenantId === owner.tenantId && header.roundId === owner.roundId
  );
}

/** Checks owner and place in the chain. @throws BACKUP_DATA_CORRUPT (9010) naming `object` */
export function checkBatchPlace(header: HashedBatchHeader, expected: ExpectedBatch, object: string): void {
  const { owner } = expected;
  if (!isOwn(header, owner))
    throw damagedLog(object, `batch ${header.batchNo} belongs to another cluster, tenant or round`);
  if (header.batchNo !== expected.batchNo)
    throw damagedLog(object, `batch ${header.batchNo} is where batch ${expected.batchNo} belongs`);
  if (!sameBytes(header.prevHash, expected.prevHash))
    throw damagedLog(object, `batch ${header.batchNo} does not continue the batch before it`);
}

/**
 * Checks every byte of one whole batch.
 * @param bytes exactly one batch
 * @throws BACKUP_DATA_CORRUPT (9010) naming `object`; BACKUP_INVALID_PASSWORD (9047) when its key is not at hand
 */
export function verifyLogBatch(
  bytes: Uint8Array,
  expected: ExpectedBatch,
  object: string,
): { header: HashedBatchHeader; table: LogBatchTable } {
  const header = readLogBatchHeader(bytes, object);
  checkBatchPlace(header, expected, object);
  if (bytes.length !== header.totalBytes)
    throw damagedLog(object, `it has ${bytes.length} bytes instead of ${header.totalBytes}`);
  const table = decodeLogBatchTable(header, bytes.subarray(LOG_BATCH_HEADER_BYTES), 0, object, expected.findKey);
  for (const block of table.blocks) {
    const stored = bytes.subarray(block.offset, block.offset + block.storedBytes);
    if (!sameBytes(sha256(stored), block.sha256)) throw damagedLog(object, 'the hash of an image block does not match');
    checkPageHashes(decodeImageBlock(stored, block, object), block, { table, pageSize: header.pageSize, object });
  }
  return { header, table };
}

/** Checks decoded images against the hashes that the table has of them. @throws BACKUP_DATA_CORRUPT (9010) */
function checkPageHashes(
  plain: Uint8Array,
  block: Pick<LogBlock, 'firstImage' | 'imageCount'>,
  of: { table: LogBatchTable; pageSize: number; object: string },
): void {
  for (let i = 0; i < block.imageCount; i++) {
    const place = block.firstImage + i;
    if (pageHash(plain.subarray(i * of.pageSize, (i + 1) * of.pageSize)) !== of.table.hashes[place])
      throw damagedLog(of.object, `the hash of page ${of.table.pages[place]} does not match`);
  }
}
