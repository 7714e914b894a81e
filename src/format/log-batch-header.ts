// Headers of the log: one of a segment, one of each batch in it. Fixed length, big-endian, unused bytes zero,
// closed by a SHA-256 over everything before it. That hash of a batch header is the batch's hash: it covers the table
// through the table's hash, and the table holds the hash of each stored block. Offsets: docs/formats/log-segment.md.
import { assert } from '../base/assert.ts';
import { sameBytes } from '../base/bytes.ts';
import { type Scn, toScn } from '../model/scn.ts';
import {
  damagedLog,
  LOG_BATCH_PLAIN_BYTES_MAX,
  LOG_TABLE_PLAIN_BYTES_MAX,
  sha256,
  storedBytesMax,
} from './log-batch-table.ts';
import { BATCH_SALT_BYTES, KEY_ID_BYTES, TAG_BYTES } from './tenant-key.ts';
import { versionFault } from './version-fault.ts';

export const LOG_FORMAT_VERSION = 2;
/** Of an encrypted batch: a release that knows none says that a later one wrote it. */
export const SEALED_BATCH_VERSION = 3;
/** Of a segment that was written while batches before it were still on their way, or with several batches at once. */
const OVERLAPPED_SEGMENT_VERSION = 3;
/** More batches were never on their way at once: how far back a reader looks for what leads to the end of a log. */
export const BATCHES_IN_FLIGHT_MAX = 16;
export const LOG_SEGMENT_HEADER_BYTES = 192;
export const LOG_BATCH_HEADER_BYTES = 384;
export const LOG_HASH_BYTES = 32;
/** Room for an engine's position; SQLite needs 88. */
const LOG_POSITION_BYTES_MAX = 128;
/** A batch, header and table and blocks, is never larger; a reader refuses more before it allocates. */
const LOG_BATCH_BYTES_MAX =
  LOG_BATCH_HEADER_BYTES + storedBytesMax(LOG_TABLE_PLAIN_BYTES_MAX) + 2 * LOG_BATCH_PLAIN_BYTES_MAX;

const SEGMENT_MAGIC = Buffer.from('HFLOGSEG', 'latin1');
export const BATCH_MAGIC = Buffer.from('HFLOGBAT', 'latin1');
const UUID_BYTES_MAX = 40;
const PAGE_SIZE_MIN = 512;
const PAGE_SIZE_MAX = 65536;
const FLAG_CONTINUES = 1;
const FLAG_CONTINUED = 2;
const FLAG_SEALED = 4;
const FLAGS_KNOWN = FLAG_CONTINUES | FLAG_CONTINUED | FLAG_SEALED;
const SEAL_AT = 336;
const IN_FLIGHT_AT = 136;
const AT_ONCE_AT = 140;
const GENERATION_AT = 144;
const PREV_GENERATION_AT = 152;

/** Who a batch belongs to (the engine's `LogOwner`). */
export interface LogBatchOwner {
  clusterUuid: string;
  tenantId: number;
  roundId: number;
}

export interface LogSegmentHeader extends LogBatchOwner {
  destId: number;
  pieceId: number;
  /** From 1 in each piece. */
  segmentNo: number;
  /** Number of the first batch in it. */
  firstBatchNo: number;
  /** Hash of the batch before that one; 32 zero bytes at the start of a round. */
  prevHash: Uint8Array;
  /** Batches just before that one that were not known to be durable when the segment was written. */
  inFlight: number;
  /** Several batches in it became durable at once: none of them tells that the one before it was. */
  isAtOnce?: boolean;
  /** Of the lease that its writer held; left out where there was none. */
  generation?: number;
  /** Of the segment with the batch before, where that lies in the same piece; its own otherwise. */
  prevGeneration?: number;
}

/** Number of the last batch that was durable when a segment was written. */
export const durableBatchNoOf = ({
  firstBatchNo,
  inFlight,
}: Pick<LogSegmentHeader, 'firstBatchNo' | 'inFlight'>): number => firstBatchNo - 1 - inFlight;

export interface LogBatchHeader extends LogBatchOwner {
  /** From 1 in each round. */
  batchNo: number;
  /**
   * Hash of the batch before. For batch 1: 32 zero bytes, or, in a round that repairs a gap, the hash of the last batch
   * of the round before.
   */
  prevHash: Uint8Array;
  /** First and last complete commit; both equal `checkpointScn` when it completes none. */
  firstScn: Scn;
  lastScn: Scn;
  /** Every commit up to here is complete in this batch or an earlier one. */
  checkpointScn: Scn;
  /** Commits that are complete with this batch. */
  commitCount: number;
  /** The last entry of the table goes on in the next batch. */
  continues: boolean;
  /** The first entry of the table goes on from the batch before. */
  isContinued: boolean;
  pageCount: number;
  pageSize: number;
  blockCount: number;
  tableStoredBytes: number;
  tablePlainBytes: number;
  tableSha256: Uint8Array;
  /** Where the engine's log stands after it; only the engine reads this. */
  position: Uint8Array;
  /** Whole batch. */
  totalBytes: number;
  /** Which tenant key opens it, and what this encoding drew; null for a plain batch. */
  seal: { keyId: Uint8Array; salt: Uint8Array } | null;
}

/** A decoded batch header with its hash. */
export interface HashedBatchHeader extends LogBatchHeader {
  hash: Uint8Array;
}

/** Entries in the table: complete commits and, last, the one that goes on. */
export const entryCountOf = (header: Pick<LogBatchHeader, 'commitCount' | 'continues'>): number =>
  header.commitCount + (header.continues ? 1 : 0);

function writeOwner(bytes: Buffer, at: number, owner: LogBatchOwner): void {
  const uuid = Buffer.from(owner.clusterUuid, 'utf8');
  assert(uuid.length > 0 && uuid.length <= UUID_BYTES_MAX && !uuid.includes(0), 'a cluster uuid fits its field');
  bytes.set(uuid, at);
  bytes.writeBigUInt64BE(BigInt(owner.tenantId), at + 40);
  bytes.writeBigUInt64BE(BigInt(owner.roundId), at + 48);
}

/** The uuid is compared and shown, never used as a path, so any text without a zero byte will do. */
function readOwner(bytes: Buffer, at: number, object: string): LogBatchOwner {
  const field = bytes.subarray(at, at + UUID_BYTES_MAX);
  const end = field.indexOf(0);
  const clusterUuid = field.toString('utf8', 0, end < 0 ? UUID_BYTES_MAX : end);
  return {
    clusterUuid,
    tenantId: readCount(bytes, at + 40, object),
    roundId: readCount(bytes, at + 48, object),
  };
}

/** A 64-bit count that JavaScript holds exactly. */
function readCount(bytes: Buffer, at: number, object: string): number {
  const value = bytes.readBigUInt64BE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damagedLog(object, `a count of ${value} at header byte ${at}`);
  return Number(value);
}

function seal(bytes: Buffer): void {
  bytes.set(sha256(bytes.subarray(0, bytes.length - LOG_HASH_BYTES)), bytes.length - LOG_HASH_BYTES);
}

/** @returns undefined when all is well, otherwise what is wrong */
function headerFault(bytes: Buffer, magic: Buffer, length: number, versions: readonly number[]): string | undefined {
  if (bytes.length < length) return `its header has ${bytes.length} bytes`;
  if (!bytes.subarray(0, 8).equals(magic)) return 'its header does not begin with the magic';
  const body = length - LOG_HASH_BYTES;
  if (!sameBytes(sha256(bytes.subarray(0, body)), bytes.subarray(body, length)))
    return 'the checksum of its header does not match';
  const version = bytes.readUInt32BE(8);
  if (!versions.includes(version)) return versionFault(version, Math.max(...versions));
  return undefined;
}

/**
 * @param header `inFlight` left out: everything before it was durable
 * @returns LOG_SEGMENT_HEADER_BYTES bytes
 */
export function encodeSegmentHeader(
  header: Omit<LogSegmentHeader, 'inFlight'> & Partial<Pick<LogSegmentHeader, 'inFlight'>>,
): Uint8Array {
  const { inFlight = 0, isAtOnce = false } = header;
  assert(header.prevHash.length === LOG_HASH_BYTES, 'a hash has 32 bytes');
  assert(inFlight <= BATCHES_IN_FLIGHT_MAX && inFlight < header.firstBatchNo, 'few batches are on their way');
  const bytes = Buffer.alloc(LOG_SEGMENT_HEADER_BYTES);
  bytes.set(SEGMENT_MAGIC, 0);
  bytes.writeUInt32BE(inFlight > 0 || isAtOnce ? OVERLAPPED_SEGMENT_VERSION : LOG_FORMAT_VERSION, 8);
  bytes.writeUInt32BE(LOG_SEGMENT_HEADER_BYTES, 12);
  writeOwner(bytes, 16, header);
  bytes.writeBigUInt64BE(BigInt(header.destId), 72);
  bytes.writeBigUInt64BE(BigInt(header.pieceId), 80);
  bytes.writeBigUInt64BE(BigInt(header.segmentNo), 88);
  bytes.writeBigUInt64BE(BigInt(header.firstBatchNo), 96);
  bytes.set(header.prevHash, 104);
  bytes.writeUInt32BE(inFlight, IN_FLIGHT_AT);
  bytes.writeUInt32BE(isAtOnce ? 1 : 0, AT_ONCE_AT);
  bytes.writeBigUInt64BE(BigInt(header.generation ?? 0), GENERATION_AT);
  bytes.writeBigUInt64BE(BigInt(header.prevGeneration ?? 0), PREV_GENERATION_AT);
  seal(bytes);
  return bytes;
}

/**
 * @param bytes the segment, or at least its first LOG_SEGMENT_HEADER_BYTES
 * @throws BACKUP_DATA_CORRUPT (9010) naming `object`
 */
export function decodeSegmentHeader(given: Uint8Array, object: string): LogSegmentHeader {
  const bytes = Buffer.from(given.buffer, given.byteOffset, Math.min(given.length, LOG_SEGMENT_HEADER_BYTES));
  const versions = [LOG_FORMAT_VERSION, OVERLAPPED_SEGMENT_VERSION];
  const fault = headerFault(bytes, SEGMENT_MAGIC, LOG_SEGMENT_HEADER_BYTES, versions);
  if (fault) throw damagedLog(object, fault);
  if (bytes.readUInt32BE(12) !== LOG_SEGMENT_HEADER_BYTES) throw damagedLog(object, 'its header has a wrong length');
  const inFlight = bytes.readUInt32BE(IN_FLIGHT_AT);
  const firstBatchNo = readCount(bytes, 96, object);
  const isOverlapped = bytes.readUInt32BE(8) === OVERLAPPED_SEGMENT_VERSION;
  const atOnce = bytes.readUInt32BE(AT_ONCE_AT);
  if (atOnce > 1) throw damagedLog(object, `its header has ${atOnce} at byte ${AT_ONCE_AT}`);
  const isAtOnce = atOnce === 1;
  if (
    (inFlight > 0 || isAtOnce) !== isOverlapped ||
    inFlight > BATCHES_IN_FLIGHT_MAX ||
    inFlight > Math.max(0, firstBatchNo - 1)
  )
    throw damagedLog(object, `its header counts ${inFlight} batches on their way before batch ${firstBatchNo}`);
  const generation = readCount(bytes, GENERATION_AT, object);
  return {
    ...readOwner(bytes, 16, object),
    destId: readCount(bytes, 72, object),
    pieceId: readCount(bytes, 80, object),
    segmentNo: readCount(bytes, 88, object),
    firstBatchNo,
    prevHash: new Uint8Array(bytes.subarray(104, 136)),
    inFlight,
    ...(isAtOnce ? { isAtOnce } : {}),
    ...(generation > 0 ? { generation, prevGeneration: readCount(bytes, PREV_GENERATION_AT, object) } : {}),
  };
}

const flagsOf = ({ continues, isContinued, seal }: LogBatchHeader): number =>
  (continues ? FLAG_CONTINUES : 0) | (isContinued ? FLAG_CONTINUED : 0) | (seal ? FLAG_SEALED : 0);

/** What is bound into an encrypted table: all that the header says but the hash of that table. */
export function sealedFacts(header: LogBatchHeader): Uint8Array {
  const { bytes } = encodeBatchHeader({ ...header, tableSha256: new Uint8Array(LOG_HASH_BYTES) });
  return bytes.subarray(0, LOG_BATCH_HEADER_BYTES - LOG_HASH_BYTES);
}

function readSeal(bytes: Buffer, flags: number, object: string): LogBatchHeader['seal'] {
  const isSealed = (flags & FLAG_SEALED) !== 0;
  if (isSealed !== (bytes.readUInt32BE(8) === SEALED_BATCH_VERSION))
    throw damagedLog(object, `its flags ${flags} do not fit its format version`);
  if (!isSealed) return null;
  const field = new Uint8Array(bytes.subarray(SEAL_AT, SEAL_AT + KEY_ID_BYTES + BATCH_SALT_BYTES));
  return { keyId: field.slice(0, KEY_ID_BYTES), salt: field.slice(KEY_ID_BYTES) };
}

/** @returns the header's bytes and the batch's hash */
export function encodeBatchHeader(header: LogBatchHeader): { bytes: Buffer; hash: Uint8Array } {
  assert(header.prevHash.length === LOG_HASH_BYTES, 'a hash has 32 bytes');
  assert(header.position.length <= LOG_POSITION_BYTES_MAX, 'a position fits its field');
  const bytes = Buffer.alloc(LOG_BATCH_HEADER_BYTES);
  bytes.set(BATCH_MAGIC, 0);
  bytes.writeUInt32BE(header.seal ? SEALED_BATCH_VERSION : LOG_FORMAT_VERSION, 8);
  bytes.writeUInt32BE(flagsOf(header), 12);
  bytes.writeUInt32BE(LOG_BATCH_HEADER_BYTES, 16);
  bytes.writeUInt32BE(header.commitCount, 20);
  bytes.writeBigUInt64BE(BigInt(header.totalBytes), 24);
  bytes.writeBigUInt64BE(BigInt(header.batchNo), 32);
  writeOwner(bytes, 40, header);
  bytes.writeBigUInt64BE(header.firstScn, 96);
  bytes.writeBigUInt64BE(header.lastScn, 104);
  bytes.writeBigUInt64BE(header.checkpointScn, 112);
  bytes.writeUInt32BE(header.pageCount, 120);
  bytes.writeUInt32BE(header.pageSize, 124);
  bytes.writeUInt32BE(header.blockCount, 128);
  bytes.writeUInt32BE(header.tableStoredBytes, 132);
  bytes.writeUInt32BE(header.tablePlainBytes, 136);
  bytes.writeUInt32BE(header.position.length, 140);
  bytes.set(header.position, 144);
  bytes.set(header.prevHash, 272);
  bytes.set(header.tableSha256, 304);
  if (header.seal) {
    assert(header.seal.keyId.length === KEY_ID_BYTES, 'a key id fits its field');
    assert(header.seal.salt.length === BATCH_SALT_BYTES, 'a salt fits its field');
    bytes.set(header.seal.keyId, SEAL_AT);
    bytes.set(header.seal.salt, SEAL_AT + KEY_ID_BYTES);
  }
  seal(bytes);
  return { bytes, hash: new Uint8Array(bytes.subarray(LOG_BATCH_HEADER_BYTES - LOG_HASH_BYTES)) };
}

/**
 * Decodes and checks the header at the start of `bytes`; the table and blocks behind it are not looked at.
 * @throws BACKUP_DATA_CORRUPT (9010) naming `object`
 */
export function readLogBatchHeader(given: Uint8Array, object: string): HashedBatchHeader {
  const bytes = Buffer.from(given.buffer, given.byteOffset, Math.min(given.length, LOG_BATCH_HEADER_BYTES));
  const fault = headerFault(bytes, BATCH_MAGIC, LOG_BATCH_HEADER_BYTES, [LOG_FORMAT_VERSION, SEALED_BATCH_VERSION]);
  if (fault) throw damagedLog(object, fault);
  const flags = bytes.readUInt32BE(12);
  if ((flags & ~FLAGS_KNOWN) !== 0) throw damagedLog(object, `its flags ${flags} are unknown`);
  const positionBytes = bytes.readUInt32BE(140);
  if (positionBytes > LOG_POSITION_BYTES_MAX) throw damagedLog(object, `a position of ${positionBytes} bytes`);
  const header: HashedBatchHeader = {
    ...readOwner(bytes, 40, object),
    batchNo: readCount(bytes, 32, object),
    prevHash: new Uint8Array(bytes.subarray(272, 304)),
    firstScn: toScn(bytes.readBigUInt64BE(96)),
    lastScn: toScn(bytes.readBigUInt64BE(104)),
    checkpointScn: toScn(bytes.readBigUInt64BE(112)),
    commitCount: bytes.readUInt32BE(20),
    continues: (flags & FLAG_CONTINUES) !== 0,
    isContinued: (flags & FLAG_CONTINUED) !== 0,
    pageCount: bytes.readUInt32BE(120),
    pageSize: bytes.readUInt32BE(124),
    blockCount: bytes.readUInt32BE(128),
    tableStoredBytes: bytes.readUInt32BE(132),
    tablePlainBytes: bytes.readUInt32BE(136),
    tableSha256: new Uint8Array(bytes.subarray(304, 336)),
    position: new Uint8Array(bytes.subarray(144, 144 + positionBytes)),
    totalBytes: readCount(bytes, 24, object),
    seal: readSeal(bytes, flags, object),
    hash: new Uint8Array(bytes.subarray(LOG_BATCH_HEADER_BYTES - LOG_HASH_BYTES)),
  };
  checkBounds(header, bytes.readUInt32BE(16), object);
  checkScns(header, object);
  return header;
}

function checkBounds(header: LogBatchHeader, headerBytes: number, object: string): void {
  const { pageSize, pageCount, blockCount, tablePlainBytes, tableStoredBytes } = header;
  if (headerBytes !== LOG_BATCH_HEADER_BYTES) throw damagedLog(object, `a header length of ${headerBytes}`);
  if (pageSize < PAGE_SIZE_MIN || pageSize > PAGE_SIZE_MAX || (pageSize & (pageSize - 1)) !== 0)
    throw damagedLog(object, `a page size of ${pageSize}`);
  if (pageCount * pageSize > LOG_BATCH_PLAIN_BYTES_MAX) throw damagedLog(object, `${pageCount} page images`);
  if (blockCount > pageCount) throw damagedLog(object, `${blockCount} blocks for ${pageCount} images`);
  if (tablePlainBytes > LOG_TABLE_PLAIN_BYTES_MAX) throw damagedLog(object, `a table of ${tablePlainBytes} bytes`);
  if (tableStoredBytes > storedBytesMax(tablePlainBytes))
    throw damagedLog(object, `a stored table of ${tableStoredBytes} bytes`);
  if (header.seal && tableStoredBytes < TAG_BYTES)
    throw damagedLog(object, `an encrypted table of ${tableStoredBytes} bytes`);
  const least = LOG_BATCH_HEADER_BYTES + tableStoredBytes + blockCount;
  if (header.totalBytes < least || header.totalBytes > LOG_BATCH_BYTES_MAX)
    throw damagedLog(object, `a length of ${header.totalBytes} bytes`);
}

function checkScns(header: LogBatchHeader, object: string): void {
  const { firstScn, lastScn, checkpointScn, commitCount } = header;
  const isOrdered = firstScn <= lastScn && lastScn <= checkpointScn;
  const isEmpty = commitCount > 0 || (firstScn === checkpointScn && lastScn === checkpointScn);
  if (header.batchNo < 1 || !isOrdered || !isEmpty) throw damagedLog(object, 'its number or its scns are impossible');
}
