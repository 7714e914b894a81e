// Walks a log segment: header and table of each batch, without reading page images unless asked to.
// A torn tail (an append that never finished) ends the walk; damage before valid batches is an error.

import { sameBytes } from '../base/bytes.ts';
import { isFailure } from '../base/errors.ts';
import { MIB } from '../base/limits.ts';
import { checkBatchPlace, decodeLogBatchTable, decodeTableIfOpen, isOwn } from './log-batch.ts';
import {
  BATCH_MAGIC,
  decodeSegmentHeader,
  type HashedBatchHeader,
  LOG_BATCH_HEADER_BYTES,
  LOG_SEGMENT_HEADER_BYTES,
  type LogBatchOwner,
  type LogSegmentHeader,
  readLogBatchHeader,
} from './log-batch-header.ts';
import { damagedLog, decodeImageBlock, type LogBatchTable, sha256 } from './log-batch-table.ts';
import type { FindLogKey } from './tenant-key.ts';

/** How much is read at once while looking for a valid batch behind a damaged one. */
const SEARCH_BYTES = 1 * MIB;

/** Reads exactly `length` bytes of the segment. */
export type ReadRange = (offset: number, length: number) => Promise<Uint8Array>;

export interface SegmentSource {
  /** Name of the object, for errors. */
  object: string;
  sizeBytes: number;
  readRange: ReadRange;
  /**
   * Which page images are read and checked too. `last` is for whoever wants to append after the last batch: only then
   * is it known to be whole. Default: none.
   */
  verifyImages?: 'none' | 'last' | 'all';
  /** Opens encrypted batches. */
  findKey?: FindLogKey | undefined;
  /** Who needs only headers takes encrypted batches that no key opens with an empty table. */
  acceptsClosed?: boolean | undefined;
}

/** One step of the walk: the segment's header first, then its batches, then one `end`. */
export type SegmentItem =
  | { kind: 'segment'; header: LogSegmentHeader }
  | { kind: 'batch'; offset: number; header: HashedBatchHeader; table: LogBatchTable }
  | {
      kind: 'end';
      /** Where valid bytes end. */
      offset: number;
      /** Why the bytes behind `offset` are no batch; undefined when there are none. */
      tornBecause: string | undefined;
    };

/**
 * Walks a segment. Block offsets in the tables count from the start of the segment.
 * Owner, numbers, hash chain and ascending scns are checked from the segment's header on; who reads several segments
 * checks that `firstBatchNo` and `prevHash` of each continue the one before.
 * @throws BACKUP_DATA_CORRUPT (9010) for a bad segment header, a broken chain, or damage that valid batches follow;
 *         BACKUP_INVALID_PASSWORD (9047) for an encrypted batch whose key is not at hand
 */
export async function* scanSegment(source: SegmentSource): AsyncGenerator<SegmentItem> {
  const { object, sizeBytes, readRange, verifyImages = 'none' } = source;
  if (sizeBytes < LOG_SEGMENT_HEADER_BYTES) throw damagedLog(object, `it has only ${sizeBytes} bytes`);
  const segment = decodeSegmentHeader(await readRange(0, LOG_SEGMENT_HEADER_BYTES), object);
  yield { kind: 'segment', header: segment };
  let offset = LOG_SEGMENT_HEADER_BYTES;
  let last: HashedBatchHeader | undefined;
  while (offset < sizeBytes) {
    const read = await readBatch(source, offset);
    if ('fault' in read) {
      yield await endOrThrow(source, offset, read.fault, segment);
      return;
    }
    const { header, table } = read;
    checkPlace(header, segment, last, object);
    const isLast = offset + header.totalBytes === sizeBytes;
    if (verifyImages === 'all' || (verifyImages === 'last' && isLast)) {
      const fault = await imageFault(source, table);
      if (fault !== undefined) {
        yield await endOrThrow(source, offset, fault, segment);
        return;
      }
    }
    yield { kind: 'batch', offset, header, table };
    offset += header.totalBytes;
    last = header;
  }
  yield { kind: 'end', offset, tornBecause: undefined };
}

/** What follows a batch in a segment of which only that can be read. */
export type SalvageItem =
  | { kind: 'batch'; offset: number; header: HashedBatchHeader; table: LogBatchTable }
  | { kind: 'end'; offset: number; tornBecause: string | undefined };

/**
 * Finds a batch of the chain by its hash, whatever the bytes before it are, and walks on behind it.
 * @param after hash of that batch: the walk begins behind it, or with the one that names it as the batch before
 * @returns nothing when neither is there; `end` tells where valid bytes end otherwise
 */
export async function* salvageSegment(
  source: SegmentSource,
  { after, owner }: { after: Uint8Array; owner: LogBatchOwner },
): AsyncGenerator<SalvageItem> {
  let tip = after;
  let offset: number | undefined = LOG_SEGMENT_HEADER_BYTES;
  let isFound = false;
  for (;;) {
    offset = isFound ? offset : await findBatch(source, offset, owner);
    if (offset === undefined) return;
    if (isFound && offset === source.sizeBytes) return void (yield { kind: 'end', offset, tornBecause: undefined });
    const read = await readBatch(source, offset);
    const fault = 'fault' in read ? read.fault : await salvageFault(source, read.table);
    if ('fault' in read || fault !== undefined) {
      if (isFound) return void (yield { kind: 'end', offset, tornBecause: fault });
      offset++;
      continue;
    }
    const { header, table } = read;
    if (isOwn(header, owner) && sameBytes(header.prevHash, tip)) {
      isFound = true;
      tip = header.hash;
      yield { kind: 'batch', offset, header, table };
    } else if (isFound) return void (yield { kind: 'end', offset, tornBecause: 'another chain goes on there' });
    else isFound = sameBytes(header.hash, after);
    // What is no batch of the chain may be a page image that holds one.
    offset += isFound ? header.totalBytes : 1;
  }
}

function salvageFault(source: SegmentSource, table: LogBatchTable): Promise<string | undefined> {
  return source.verifyImages === 'all' ? imageFault(source, table) : Promise.resolve(undefined);
}

function checkPlace(
  header: HashedBatchHeader,
  segment: LogSegmentHeader,
  last: HashedBatchHeader | undefined,
  object: string,
): void {
  const batchNo = last ? last.batchNo + 1 : segment.firstBatchNo;
  checkBatchPlace(header, { owner: segment, batchNo, prevHash: last?.hash ?? segment.prevHash }, object);
  if (last && !isAfter(header, last)) throw damagedLog(object, `the scns of batch ${header.batchNo} do not ascend`);
  if (header.isContinued && last && !last.continues)
    throw damagedLog(object, `batch ${header.batchNo} goes on from a batch that was complete`);
}

/** True when the scns of `next` can follow those of `last`. */
export function isAfter(
  next: Pick<HashedBatchHeader, 'commitCount' | 'firstScn' | 'checkpointScn'>,
  last: Pick<HashedBatchHeader, 'checkpointScn'>,
): boolean {
  if (next.commitCount > 0 && next.firstScn <= last.checkpointScn) return false;
  return next.checkpointScn >= last.checkpointScn;
}

type ReadBatch = { header: HashedBatchHeader; table: LogBatchTable } | { fault: string };

/** Header and table at an offset; a fault in words when they are not whole. */
async function readBatch(source: SegmentSource, offset: number): Promise<ReadBatch> {
  const { object, sizeBytes, readRange } = source;
  const left = sizeBytes - offset;
  if (left < LOG_BATCH_HEADER_BYTES) return { fault: `${left} bytes are too few for a batch` };
  try {
    const header = readLogBatchHeader(await readRange(offset, LOG_BATCH_HEADER_BYTES), object);
    if (header.totalBytes > left) return { fault: `batch ${header.batchNo} is cut off` };
    const stored = await readRange(offset + LOG_BATCH_HEADER_BYTES, header.tableStoredBytes);
    const decode = source.acceptsClosed ? decodeTableIfOpen : decodeLogBatchTable;
    return { header, table: decode(header, stored, offset, object, source.findKey) };
  } catch (error) {
    if (isFailure(error, 'BACKUP_DATA_CORRUPT')) return { fault: error.message };
    throw error;
  }
}

async function imageFault(source: SegmentSource, table: LogBatchTable): Promise<string | undefined> {
  for (const block of table.blocks) {
    const stored = await source.readRange(block.offset, block.storedBytes);
    if (!sameBytes(sha256(stored), block.sha256)) return 'the hash of an image block does not match';
    try {
      decodeImageBlock(stored, block, source.object);
    } catch (error) {
      if (isFailure(error, 'BACKUP_DATA_CORRUPT')) return error.message;
      throw error;
    }
  }
  return undefined;
}

/** A fault with a valid batch behind it is damage; with nothing valid behind it, it is an append that never finished. */
async function endOrThrow(
  source: SegmentSource,
  offset: number,
  fault: string,
  owner: LogBatchOwner,
): Promise<SegmentItem> {
  const next = await findBatch(source, offset + 1, owner);
  if (next === undefined) return { kind: 'end', offset, tornBecause: fault };
  throw damagedLog(source.object, `at offset ${offset}: ${fault}; but a valid batch follows at ${next}`);
}

/** Offset of the first valid batch header of the same round at or after `from`; page images may hold others. */
async function findBatch(source: SegmentSource, from: number, owner: LogBatchOwner): Promise<number | undefined> {
  const { object, sizeBytes, readRange } = source;
  for (let base = from; base + LOG_BATCH_HEADER_BYTES <= sizeBytes; base += SEARCH_BYTES) {
    // Chunks overlap by a magic less one byte, so that one on the seam is seen.
    const bytes = await readRange(base, Math.min(SEARCH_BYTES + BATCH_MAGIC.length - 1, sizeBytes - base));
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = chunk.indexOf(BATCH_MAGIC); at >= 0; at = chunk.indexOf(BATCH_MAGIC, at + 1)) {
      const offset = base + at;
      if (offset + LOG_BATCH_HEADER_BYTES > sizeBytes) return undefined;
      try {
        if (isOwn(readLogBatchHeader(await readRange(offset, LOG_BATCH_HEADER_BYTES), object), owner)) return offset;
      } catch (error) {
        if (!isFailure(error, 'BACKUP_DATA_CORRUPT')) throw error;
      }
    }
  }
  return undefined;
}
