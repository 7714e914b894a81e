// Compaction of a piece that is being frozen: runs of small segments become few large ones, batches copied byte for byte,
// so that a restore opens few objects. The small ones count until the piece's list is written, the list alone from then on.
import { createHash } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { sameBytes } from '../base/bytes.ts';
import { MIB } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { readPieceInfo } from '../destination/archive-listing.ts';
import type { Destination, ObjectWriter } from '../destination/destination.ts';
import { removeIfAllowed } from '../destination/locks.ts';
import type { PieceInfo, SegmentInfo } from '../format/archive-info.ts';
import {
  compactedSegmentName,
  type PieceRef,
  parseObjectName,
  pieceDirectory,
  pieceInfoName,
  pieceLogDirectory,
} from '../format/layout.ts';
import { verifyLogBatch } from '../format/log-batch.ts';
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  LOG_BATCH_HEADER_BYTES,
  LOG_SEGMENT_HEADER_BYTES,
  readLogBatchHeader,
} from '../format/log-batch-header.ts';
import { damagedLog } from '../format/log-batch-table.ts';
import type { PieceContent } from './archive-files.ts';
import type { SegmentOwner } from './segment-writer.ts';

/** As large as a segment that is appended to gets: a restore reads one in a second. */
const COMPACTED_BYTES_MAX = 64 * MIB;
/** A segment from this size on stays as it is: copying it would make nothing fewer. It also bounds what is read at once. */
const SMALL_BYTES_MAX = 32 * MIB;
/** So few segments are opened in no time. */
const SEGMENTS_FEW = 8;

/** Read at once, and how many bytes of them are held. */
const READS_MAX = 32;
const READ_BYTES_MAX = 64 * MIB;

/** What becomes of the segments of a piece, in order. */
export type CompactionStep =
  | { kind: 'keep'; segment: SegmentInfo }
  | { kind: 'merge'; segmentNo: number; segments: SegmentInfo[] };

/**
 * Pure: neighbours that fit one segment together are merged, unless the piece has only a few.
 * @param numberBefore the greatest number that a compacted segment of the piece has by now
 */
export function planCompaction(segments: readonly SegmentInfo[], numberBefore = 0): CompactionStep[] {
  const steps: CompactionStep[] = [];
  let run: SegmentInfo[] = [];
  let runBytes = 0;
  let segmentNo = numberBefore + 1;
  const endRun = () => {
    if (run.length > 1) steps.push({ kind: 'merge', segmentNo: segmentNo++, segments: run });
    else for (const segment of run) steps.push({ kind: 'keep', segment });
    run = [];
    runBytes = 0;
  };
  for (const segment of segments) {
    const isSmall = segments.length > SEGMENTS_FEW && segment.size <= SMALL_BYTES_MAX;
    if (!isSmall || runBytes + segment.size > COMPACTED_BYTES_MAX) endRun();
    if (isSmall) {
      run.push(segment);
      runBytes += segment.size;
    } else steps.push({ kind: 'keep', segment });
  }
  endRun();
  return steps;
}

/**
 * What the list of a piece is to hold, with its small segments compacted; when the list is there already, what it holds.
 * Safe to repeat: what an earlier attempt copied is passed over, and copied again under the names behind it.
 * @param readContent what the segments of the piece hold as they were written
 * @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) when they do not hold it any more
 */
export async function compactPiece(
  destination: Destination,
  of: { piece: PieceRef; owner: SegmentOwner; readContent: () => Promise<PieceContent> },
): Promise<PieceContent> {
  const { destId, roundId, pieceId } = of.piece;
  const piece = { destId, roundId, pieceId };
  const info = await findPieceInfo(destination, piece);
  if (info) return { segments: info.segments, firstBatchHash: info.firstBatchHash };
  const content = await of.readContent();
  const steps = planCompaction(content.segments, await lastCompacted(destination, piece));
  if (steps.every(({ kind }) => kind === 'keep')) return content;
  const segments: SegmentInfo[] = [];
  for (const step of steps) {
    if (step.kind === 'keep') segments.push(step.segment);
    else segments.push(await mergeSegments(destination, { ...of, piece, ...step }));
  }
  return { ...content, segments };
}

/**
 * Removes what the list of a piece does not name any more, once that is durable. Readers pass it over, so that it may
 * also stay: a destination from which nothing may be removed keeps both.
 */
export async function removeReplaced(destination: Destination, info: PieceInfo, log: Log): Promise<void> {
  const { destId, roundId, pieceId } = info;
  const directory = pieceDirectory(info);
  const listed = new Set(info.segments.map(({ name }) => `${directory}/${name}`));
  const isCompacted = [...listed].some((name) => parseObjectName(name)?.kind === 'compacted-segment');
  if (!isCompacted) return;
  const stays = await removeIfAllowed(() =>
    destination.removeAll(pieceLogDirectory({ destId, roundId, pieceId }), listed),
  );
  if (stays !== undefined) log.warn('segments that were compacted stay', { roundId, pieceId, stays });
}

async function findPieceInfo(destination: Destination, piece: PieceRef): Promise<PieceInfo | undefined> {
  if ((await destination.size(pieceInfoName(piece))) === undefined) return undefined;
  return await readPieceInfo(destination, piece);
}

/** A name that an earlier attempt has taken stays taken. */
async function lastCompacted(destination: Destination, piece: PieceRef): Promise<number> {
  const names = (await destination.list(pieceLogDirectory(piece))).map(({ name }) => parseObjectName(name));
  return names.reduce((last, of) => (of?.kind === 'compacted-segment' ? Math.max(last, of.segmentNo) : last), 0);
}

interface Merge {
  piece: PieceRef;
  owner: SegmentOwner;
  segmentNo: number;
  segments: readonly SegmentInfo[];
}

/** Copies the batches of several segments into one. Nothing of it is visible before it is whole. */
async function mergeSegments(destination: Destination, merge: Merge): Promise<SegmentInfo> {
  const directory = pieceDirectory(merge.piece);
  const name = compactedSegmentName(directory, merge.segmentNo);
  const first = merge.segments[0]!;
  const writer = await destination.create(name);
  try {
    const copy = new SegmentCopy(writer);
    for await (const { segment, object, bytes } of readAhead(destination, merge))
      await copySegment(copy, merge, { segment, object, bytes });
    await writer.finish();
    const { size, sha256, position } = copy.end();
    const firstBatchNo = first.firstBatchNo;
    const { batchNo: lastBatchNo, hash: lastBatchHash } = position;
    return { name: name.slice(directory.length + 1), size, sha256, firstBatchNo, lastBatchNo, lastBatchHash };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** Reads the segments one after the other, the next ones meanwhile: a store that answers in 50 ms has a day's in a minute. */
async function* readAhead(destination: Destination, { piece, segments }: Merge) {
  const directory = pieceDirectory(piece);
  const reads: Array<{ segment: SegmentInfo; object: string; reading: Promise<Uint8Array> }> = [];
  let bytesAhead = 0;
  let next = 0;
  try {
    while (next < segments.length || reads.length > 0) {
      while (
        next < segments.length &&
        reads.length < READS_MAX &&
        (reads.length === 0 || bytesAhead < READ_BYTES_MAX)
      ) {
        const segment = segments[next++]!;
        const object = `${directory}/${segment.name}`;
        const reading = destination.get(object, { offset: 0, length: segment.size });
        // It is awaited in its turn.
        reading.catch(() => {});
        reads.push({ segment, object, reading });
        bytesAhead += segment.size;
      }
      const { segment, object, reading } = reads.shift()!;
      bytesAhead -= segment.size;
      yield { segment, object, bytes: await reading };
    }
  } finally {
    await Promise.allSettled(reads.map(({ reading }) => reading));
  }
}

/** The segment that is being written: counts and hashes what goes into it, and knows the last batch. */
class SegmentCopy {
  readonly #writer: ObjectWriter;
  readonly #hash = createHash('sha256');
  #size = 0;
  position: { batchNo: number; hash: Uint8Array } | undefined;

  constructor(writer: ObjectWriter) {
    this.#writer = writer;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    this.#size += bytes.length;
    await this.#writer.write(bytes);
  }

  end(): { size: number; sha256: Uint8Array; position: { batchNo: number; hash: Uint8Array } } {
    assert(this.position, 'a compacted segment has a batch');
    return { size: this.#size, sha256: new Uint8Array(this.#hash.digest()), position: this.position };
  }
}

/** Copies those batches of one segment that count, after every byte of them was checked. */
async function copySegment(
  copy: SegmentCopy,
  { piece, owner, segmentNo }: Merge,
  of: { segment: SegmentInfo; object: string; bytes: Uint8Array },
): Promise<void> {
  const { segment, object, bytes } = of;
  const header = decodeSegmentHeader(bytes, object);
  const isHere =
    header.clusterUuid === owner.clusterUuid &&
    header.tenantId === owner.tenantId &&
    header.destId === piece.destId &&
    header.roundId === piece.roundId &&
    header.pieceId === piece.pieceId &&
    header.firstBatchNo === segment.firstBatchNo;
  if (!isHere) throw damagedLog(object, 'it is in the wrong place');
  if (!copy.position) {
    copy.position = { batchNo: header.firstBatchNo - 1, hash: header.prevHash };
    await copy.write(encodeSegmentHeader({ ...header, segmentNo, inFlight: 0, isAtOnce: false }));
  }
  const isNext = header.firstBatchNo === copy.position.batchNo + 1 && sameBytes(header.prevHash, copy.position.hash);
  if (!isNext) throw damagedLog(object, 'it does not go on from the segment before it');
  const { clusterUuid, tenantId, findKey } = owner;
  const roundOwner = { clusterUuid, tenantId, roundId: piece.roundId };
  let offset = LOG_SEGMENT_HEADER_BYTES;
  for (let batchNo = segment.firstBatchNo; batchNo <= segment.lastBatchNo; batchNo++) {
    const { totalBytes } = readLogBatchHeader(bytes.subarray(offset, offset + LOG_BATCH_HEADER_BYTES), object);
    const batch = bytes.subarray(offset, offset + totalBytes);
    const expected = { owner: roundOwner, batchNo, prevHash: copy.position.hash, findKey };
    const { header: read } = verifyLogBatch(batch, expected, object);
    await copy.write(batch);
    copy.position = { batchNo, hash: read.hash };
    offset += totalBytes;
  }
  if (!sameBytes(copy.position.hash, segment.lastBatchHash))
    throw damagedLog(object, `its batch ${segment.lastBatchNo} is another one than was written`);
}
