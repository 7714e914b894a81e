// Which segments of a piece hold its log: what a frozen piece lists, or what its last writers wrote.
import { fail } from '../base/errors.ts';
import type { PieceInfo, SegmentInfo } from '../format/archive-info.ts';
import { damagedLog } from '../format/log-batch-table.ts';
import { type ArchivedPiece, readPieceInfo, type SegmentObject } from './archive-listing.ts';
import type { Destination } from './destination.ts';
import { type CountedUpTo, findCounted } from './segment-generations.ts';

/** A segment that counts, with what a frozen piece's own list says of it. */
export interface CountedSegment {
  name: string;
  listed: SegmentInfo | undefined;
  /** Batches from this one on do not count: a later writer went on from before them. */
  beforeBatchNo: number;
}

/** The segments that a frozen piece lists. */
function listedOf(piece: ArchivedPiece, info: PieceInfo): CountedSegment[] {
  return info.segments.map((listed) => {
    return { name: `${piece.directory}/${listed.name}`, listed, beforeBatchNo: Number.POSITIVE_INFINITY };
  });
}

/** The segments of a piece that count: those of its last writers while it is active, those of its own list when it is frozen. */
export async function segmentsOf(
  destination: Destination,
  piece: ArchivedPiece,
  of: { info: PieceInfo | undefined; floor: number },
): Promise<CountedSegment[]> {
  if (of.info) return listedOf(piece, of.info);
  const counted = await findCounted(destination, piece.segments, of.floor);
  return counted.map(({ segment, beforeBatchNo }) => ({ name: segment.name, listed: undefined, beforeBatchNo }));
}

/** Where it lies. @throws BACKUP_FILE_NOT_EXIST (9011), BACKUP_DATA_CORRUPT (9010) when it is not there as listed */
export function findSegment(
  present: ReadonlyMap<string, SegmentObject>,
  { name, listed }: CountedSegment,
): SegmentObject {
  const found = present.get(name);
  if (!found) throw fail('BACKUP_FILE_NOT_EXIST', { file: name });
  if (listed && !hasListedSize(found, listed))
    throw damagedLog(name, `it has ${found.sizeBytes} bytes instead of ${listed.size}`);
  return listed ? { ...found, sizeBytes: listed.size } : found;
}

/**
 * The segments that count in a frozen piece, in the order of its list.
 * @throws BACKUP_FILE_NOT_EXIST (9011), BACKUP_DATA_CORRUPT (9010) when one is not there as listed
 */
export function listedSegments(piece: ArchivedPiece, info: PieceInfo): SegmentObject[] {
  const present = new Map(piece.segments.map((segment) => [segment.name, segment]));
  return listedOf(piece, info).map((counted) => findSegment(present, counted));
}

/**
 * What counts in a piece that is looked at alone, in the order in which the log goes on through it. Of a frozen one only the
 * list tells: it may have been compacted, and a listed segment may hold one more batch that nobody was told of.
 * @throws BACKUP_FILE_NOT_EXIST (9011), BACKUP_DATA_CORRUPT (9010) when a frozen one is not there as listed
 */
export async function countedUpTo(destination: Destination, piece: ArchivedPiece): Promise<CountedUpTo[]> {
  if (!piece.isFrozen) return await findCounted(destination, piece.segments, 0);
  const info = await readPieceInfo(destination, piece);
  const endOf = (index: number) => info.segments[index]!.lastBatchNo + 1;
  return listedSegments(piece, info).map((segment, index) => ({ segment, beforeBatchNo: endOf(index) }));
}

/**
 * Whether a segment is as long as its frozen piece says. One that an append failed in (it has no hash) may have got longer
 * since: a destination that hung carries out late what it was asked for, and the next segment holds the same again.
 */
export function hasListedSize(found: SegmentObject, listed: SegmentInfo): boolean {
  return found.sizeBytes === listed.size || (listed.sha256 === null && found.sizeBytes > listed.size);
}
