// Where a round's log stands: found in the last batch that is whole at the destination, the only truth.
import { fail } from '../base/errors.ts';
import { type ArchivedPiece, listPiece, readPieceInfo } from '../destination/archive-listing.ts';
import { listedSegments, walkPiece } from '../destination/archive-reader.ts';
import type { ReadBatch } from '../destination/batch-chain.ts';
import { readFormatFile } from '../destination/claim-destination.ts';
import type { Destination } from '../destination/destination.ts';
import { findCounted } from '../destination/segment-generations.ts';
import type { LogPosition } from '../engine/engine-driver.ts';
import type { RoundRef } from '../format/layout.ts';
import { decodeSegmentHeader, LOG_SEGMENT_HEADER_BYTES } from '../format/log-batch-header.ts';
import { formatDestinationUri } from '../model/destination-uri.ts';
import type { SegmentOwner } from './segment-writer.ts';

const ALL_BATCHES = { beforeBatchNo: Number.POSITIVE_INFINITY };

/** The end of a round's log. */
export interface LogTail {
  /** Piece that the last batch lies in. */
  pieceId: number;
  position: LogPosition;
  /** Of the writer of that batch. */
  generation: number;
  /** The batches of the last segment, in order: a crash may have come before the store knew of the newest of them. */
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
  // Of a frozen piece, only its list tells which segments are the last: it may have been compacted.
  const counted = piece.isFrozen
    ? listedSegments(piece, await readPieceInfo(destination, piece)).map((segment) => ({ segment, ...ALL_BATCHES }))
    : await findCounted(destination, piece.segments, 0);
  for (const { segment, beforeBatchNo } of counted.toReversed()) {
    const alone = { ...piece, isFrozen: false, segments: [segment] };
    const walk = walkPiece(destination, alone, undefined, { owner, acceptsDamagedTail: true });
    const batches: TailBatch[] = [];
    let last: ReadBatch['header'] | undefined;
    for await (const { header } of walk) {
      if (header.batchNo >= beforeBatchNo) break;
      const { commitCount, lastScn, pageCount, pageSize, totalBytes } = header;
      batches.push({ commitCount, lastScn, pageCount, pageSize, totalBytes });
      last = header;
    }
    if (!last) continue;
    await destination.sync(segment.name);
    const { batchNo, hash, checkpointScn, position } = last;
    const found = { batchNo, batchHash: hash, scn: checkpointScn, engine: position };
    const bytes = await destination.get(segment.name, { offset: 0, length: LOG_SEGMENT_HEADER_BYTES });
    const { generation = 0 } = decodeSegmentHeader(bytes, segment.name);
    return { pieceId: piece.pieceId, position: found, generation, batches };
  }
  return undefined;
}
