// Where a round's log stands: found in the last batch that is whole at the destination, the only truth.
import { sameBytes } from '../base/bytes.ts';
import { fail } from '../base/errors.ts';
import { type ArchivedPiece, listPiece } from '../destination/archive-listing.ts';
import { walkPiece } from '../destination/archive-reader.ts';
import type { ReadBatch } from '../destination/batch-chain.ts';
import { readFormatFile } from '../destination/claim-destination.ts';
import { countedUpTo } from '../destination/counted-segments.ts';
import type { Destination } from '../destination/destination.ts';
import { type CountedUpTo, readSegmentHeader } from '../destination/segment-generations.ts';
import type { LogPosition } from '../engine/engine-driver.ts';
import type { RoundRef } from '../format/layout.ts';
import {
  BATCHES_IN_FLIGHT_MAX,
  durableBatchNoOf,
  type HashedBatchHeader,
  type LogSegmentHeader,
} from '../format/log-batch-header.ts';
import { formatDestinationUri } from '../model/destination-uri.ts';
import type { SegmentOwner } from './segment-writer.ts';

/** The end of a round's log. */
export interface LogTail {
  /** Piece that the last batch lies in. */
  pieceId: number;
  position: LogPosition;
  pageSize: number;
  /** Of the writer of the last batch. */
  generation: number;
  /** The last batches, in order: a crash may have come before the store knew of the newest of them. */
  batches: TailBatch[];
}

type TailBatch = Pick<ReadBatch['header'], 'commitCount' | 'lastScn' | 'pageCount' | 'pageSize' | 'totalBytes'>;

/**
 * Checks that a destination that was claimed before is there and still the tenant's.
 * @throws BACKUP_FORMAT_FILE_NOT_EXIST (9080) when it is not: an empty mount point looks so; 9081, 9070, 9071
 */
export async function checkArchiveDestination(destination: Destination, owner: SegmentOwner): Promise<void> {
  const uri = formatDestinationUri(destination.uri);
  const found = await readFormatFile(destination);
  if (!found) throw fail('BACKUP_FORMAT_FILE_NOT_EXIST', { uri });
  const isOwn = found.clusterUuid === owner.clusterUuid && found.tenantId === owner.tenantId;
  if (isOwn && found.destKind === 'archive_log') return;
  throw fail('BACKUP_FORMAT_FILE_NOT_MATCH', { uri, because: 'it is no archive of this tenant' });
}

/**
 * Finds the last whole batch of a round, and makes it durable: whoever wrote it may have died before. Whatever an append
 * left torn behind it is passed over: the next batch goes into a segment of its own.
 * @param pieceIds `usedPieceId` down to `basePieceId`
 * @returns undefined when there is no batch at all
 * @throws BACKUP_DATA_CORRUPT (9010) when whole batches follow a damaged one
 */
export async function findLogTail(
  destination: Destination,
  round: RoundRef & { basePieceId: number; usedPieceId: number },
  owner: SegmentOwner,
): Promise<LogTail | undefined> {
  const { destId, roundId } = round;
  for (let pieceId = round.usedPieceId; pieceId >= round.basePieceId; pieceId--) {
    const piece = await listPiece(destination, { destId, roundId, pieceId });
    const tail = await findPieceTail(destination, piece, owner);
    if (tail) return tail;
  }
  return undefined;
}

async function findPieceTail(
  destination: Destination,
  piece: ArchivedPiece,
  owner: SegmentOwner,
): Promise<LogTail | undefined> {
  const counted = await countedUpTo(destination, piece);
  const recent = new RecentSegments(destination, counted);
  for (let place = counted.length - 1; place >= 0; place--) {
    const header = await recent.header(place);
    // What goes on from a batch that is known to be durable does not hang in the air.
    if (!header || header.firstBatchNo > recent.durableNo + 1) continue;
    const tail = await readTail(destination, { piece, place, recent }, owner);
    if (tail) return tail;
  }
  return undefined;
}

/** The segments of a piece, of which only the headers of the last are read. */
class RecentSegments {
  readonly #destination: Destination;
  readonly counted: readonly CountedUpTo[];
  readonly #headers = new Map<number, LogSegmentHeader | undefined>();
  /** The last batch that the headers read so far know to be durable. */
  durableNo = 0;

  constructor(destination: Destination, counted: readonly CountedUpTo[]) {
    this.#destination = destination;
    this.counted = counted;
  }

  /** undefined when it is not whole. */
  async header(place: number): Promise<LogSegmentHeader | undefined> {
    if (!this.#headers.has(place)) {
      const { segment, head } = this.counted[place]!;
      const header = head ?? (await readSegmentHeader(this.#destination, segment));
      this.#headers.set(place, header);
      if (header) this.durableNo = Math.max(this.durableNo, durableBatchNoOf(header));
    }
    return this.#headers.get(place);
  }

  /** The last segment that goes on from a batch. */
  async findNext({ batchNo, hash }: HashedBatchHeader): Promise<number | undefined> {
    for (let place = this.counted.length - 1; place >= 0; place--) {
      const header = await this.header(place);
      if (!header) continue;
      if (header.firstBatchNo === batchNo + 1 && sameBytes(header.prevHash, hash)) return place;
      // Batches behind the last durable one were never on their way together with ones so far before it.
      if (durableBatchNoOf(header) < batchNo - BATCHES_IN_FLIGHT_MAX) return undefined;
    }
    return undefined;
  }
}

/** The batches from a segment on, each going on from the one before; undefined when the segment has none. */
async function readTail(
  destination: Destination,
  of: { piece: ArchivedPiece; place: number; recent: RecentSegments },
  owner: SegmentOwner,
): Promise<LogTail | undefined> {
  const { piece, recent } = of;
  const batches: TailBatch[] = [];
  let tail: HashedBatchHeader | undefined;
  let generation = 0;
  for (let place: number | undefined = of.place; place !== undefined; ) {
    const { segment, beforeBatchNo } = recent.counted[place]!;
    const alone = { ...piece, isFrozen: false, segments: [segment] };
    const walk = walkPiece(destination, alone, undefined, { owner, acceptsDamagedTail: true, isSlice: true });
    let last: HashedBatchHeader | undefined;
    for (let step = await walk.next(); !step.done; step = await walk.next()) {
      if (step.value.header.batchNo >= beforeBatchNo) break;
      last = step.value.header;
      const { commitCount, lastScn, pageCount, pageSize, totalBytes } = last;
      batches.push({ commitCount, lastScn, pageCount, pageSize, totalBytes });
    }
    if (!last) break;
    await destination.sync(segment.name);
    tail = last;
    generation = (await recent.header(place))?.generation ?? 0;
    place = await recent.findNext(last);
  }
  if (!tail) return undefined;
  const { batchNo, hash, checkpointScn, position, pageSize } = tail;
  const found = { batchNo, batchHash: hash, scn: checkpointScn, engine: position };
  return { pieceId: piece.pieceId, position: found, pageSize, generation, batches };
}
