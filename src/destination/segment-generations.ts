// Which segments of an active piece count when several servers wrote there: each has the generation of its writer's lease, and
// of the writer that he went on from. Whoever takes over reads the log to its end first and goes on from what he found. So the
// latest writer's segments count, those of the one he went on from as far as he found them, and so on; what anybody else
// wrote came too late, whatever its number is. A frozen piece needs none of this: its list tells.
import { isFailure } from '../base/errors.ts';
import { mapAtOnce } from '../base/map-at-once.ts';
import {
  decodeSegmentHeader,
  durableBatchNoOf,
  LOG_SEGMENT_HEADER_BYTES,
  type LogSegmentHeader,
} from '../format/log-batch-header.ts';
import type { SegmentObject } from './archive-listing.ts';
import type { Destination } from './destination.ts';

/** Headers that are read at once: each is one small request. */
const HEADS_AT_ONCE = 16;

/** A segment that counts, up to a batch. */
export interface CountedUpTo {
  segment: SegmentObject;
  /** Batches from this one on do not count; Infinity when all do. */
  beforeBatchNo: number;
  /** Its header, when it had to be read to know that. */
  head?: LogSegmentHeader | undefined;
}

/** What is known of a segment before it is walked; `head` is undefined when it has no readable header. */
export interface SegmentHead {
  segment: SegmentObject;
  head: Pick<LogSegmentHeader, 'generation' | 'prevGeneration' | 'firstBatchNo' | 'inFlight'> | undefined;
}

/**
 * Pure: those that count, in the order in which the log goes on through them.
 * @param heads ascending by number
 * @param floor the greatest generation that was met in earlier pieces: what is below it does not count at all
 */
export function chooseSegments(heads: readonly SegmentHead[], floor: number): CountedUpTo[] {
  const written = byGeneration(heads, floor);
  const counted: CountedUpTo[] = [];
  let beforeBatchNo = Number.POSITIVE_INFINITY;
  let generation: number | undefined = Math.max(...written.keys());
  while (generation !== undefined && generation >= floor) {
    const own: SegmentHead[] = written.get(generation) ?? [];
    // What has no header is not passed over: the chain tells whether it should have held anything.
    const some = own.filter(({ head }) => !head || head.firstBatchNo < beforeBatchNo);
    counted.unshift(...some.map(({ segment }) => ({ segment, beforeBatchNo })));
    const entry = entryOf(own, generation);
    if (entry) beforeBatchNo = Math.min(beforeBatchNo, durableBatchNoOf(entry) + 1);
    const previous: number | undefined = entry?.prevGeneration;
    generation = previous !== undefined && written.has(previous) ? previous : undefined;
  }
  return counted;
}

/**
 * One without a header is looked at where it lies: whoever wrote the one before it wrote it, or nobody knows. It is never
 * taken for that of an earlier writer than `floor`: then it would be passed over, and with it the end of the log.
 */
function byGeneration(heads: readonly SegmentHead[], floor: number): Map<number, SegmentHead[]> {
  const written = new Map<number, SegmentHead[]>();
  let generation = heads.find(({ head }) => head)?.head?.generation ?? floor;
  for (const of of heads) {
    if (of.head) generation = of.head.generation ?? 0;
    const writer = of.head ? generation : Math.max(generation, floor);
    const own = written.get(writer) ?? [];
    written.set(writer, own);
    own.push(of);
  }
  return written;
}

/**
 * Where a writer went on from what somebody else had left: the latest of his attempts at it. Until a batch of his own was
 * durable, the last durable one was that which he went on from.
 */
function entryOf(own: readonly SegmentHead[], generation: number): SegmentHead['head'] {
  return own.findLast(({ head }) => head && (head.prevGeneration ?? generation) < generation)?.head;
}

/** The segments of an active piece that count. One alone counts without being looked at. */
export async function findCounted(
  destination: Destination,
  segments: readonly SegmentObject[],
  floor: number,
): Promise<CountedUpTo[]> {
  if (segments.length === 0 || (segments.length === 1 && floor === 0))
    return segments.map((segment) => ({ segment, beforeBatchNo: Number.POSITIVE_INFINITY }));
  const read = await mapAtOnce(segments, HEADS_AT_ONCE, (segment) => readHead(destination, segment));
  const heads = new Map(segments.map((segment, index) => [segment, read[index]]));
  const known = [...heads].map(([segment, head]) => ({ segment, head }));
  return chooseSegments(known, floor).map((counted) => ({ ...counted, head: heads.get(counted.segment) }));
}

/** What is wrong with a segment is told by whoever walks it. */
async function readHead(destination: Destination, segment: SegmentObject): Promise<LogSegmentHeader | undefined> {
  try {
    return await readSegmentHeader(destination, segment);
  } catch (error) {
    if (isFailure(error, 'BACKUP_DATA_CORRUPT') || isFailure(error, 'BACKUP_FILE_NOT_EXIST')) return undefined;
    throw error;
  }
}

/** undefined when there is none, or none that is whole. @throws the destination's errors */
export async function readSegmentHeader(
  destination: Destination,
  { name, sizeBytes }: SegmentObject,
): Promise<LogSegmentHeader | undefined> {
  if (sizeBytes < LOG_SEGMENT_HEADER_BYTES) return undefined;
  const bytes = await destination.get(name, { offset: 0, length: LOG_SEGMENT_HEADER_BYTES });
  try {
    return decodeSegmentHeader(bytes, name);
  } catch (error) {
    if (isFailure(error, 'BACKUP_DATA_CORRUPT')) return undefined;
    throw error;
  }
}
