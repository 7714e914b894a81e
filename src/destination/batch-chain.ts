// The chain of a round's batches over segments and pieces: which of them certainly belong to the log.
// What a later segment's header says it continues decides what the segments before it hold: an append that failed
// leaves a torn tail, or one whole batch that nobody was told of and that the next segment holds again; of uploads that
// overlapped, several may be held again, and those behind one that failed lead nowhere.
// Whatever else does not fit is damage or loss, and is named.
import { sameBytes } from '../base/bytes.ts';
import { fail, type HoldfastError } from '../base/errors.ts';
import type { RoundStartInfo } from '../format/archive-info.ts';
import { segmentName } from '../format/layout.ts';
import {
  durableBatchNoOf,
  type HashedBatchHeader,
  LOG_HASH_BYTES,
  type LogSegmentHeader,
} from '../format/log-batch-header.ts';
import { damagedLog, type LogBatchTable } from '../format/log-batch-table.ts';
import { isAfter } from '../format/log-segment.ts';
import type { ArchivedPiece, SegmentObject } from './archive-listing.ts';

/** One verified batch and where it lies. Block offsets in the table count from the start of the segment object. */
export interface ReadBatch {
  destId: number;
  roundId: number;
  pieceId: number;
  /** Segment object. */
  object: string;
  segmentNo: number;
  /** Where the batch begins in it. */
  offset: number;
  header: HashedBatchHeader;
  table: LogBatchTable;
}

/** An append that never finished, at the end of the log. */
export interface TornTail {
  object: string;
  offset: number;
  because: string;
}

/** What stands at the end of a segment and is no batch. */
export interface Fault extends TornTail {
  /** It looks like an append that never finished, not like damage to one that did. */
  isTorn: boolean;
}

/** Place in the chain of batches. */
export interface ChainPosition {
  /** 0 before the first batch of a round. */
  batchNo: number;
  /** Hash of that batch; before the first see `roundStartPosition`. */
  hash: Uint8Array;
}

/** The position before the first batch of a round that stands alone. */
export const ROUND_START: ChainPosition = { batchNo: 0, hash: new Uint8Array(LOG_HASH_BYTES) };

/** The position before a round's first batch: of one that repairs a gap, the end of the round that it goes on from. */
export function roundStartPosition({ base }: Pick<RoundStartInfo, 'base'>): ChainPosition {
  return base ? { batchNo: 0, hash: base.batchHash } : ROUND_START;
}

/**
 * Follows the chain over segments, in the order of their numbers: that in which they were begun. A batch is held back
 * until a segment's header says that it was durable then. Before, a later segment may go on from an earlier batch; then
 * that decides. Of what stands after the last one decided, the longest run that leads on from it counts.
 * A segment whose batch goes on from one that did not become durable is a stray: nobody was told of it. It counts only
 * when that one was delivered again, and became durable.
 */
export class BatchChain {
  /** Where the walk began. */
  readonly #from: ChainPosition | undefined;
  /** Hash of the batch before the first one, when the number of that batch is not known. */
  readonly #hashBefore: Uint8Array | undefined;
  /** The last batch that certainly belongs to the log; undefined before the first segment of an unknown start. */
  #base: ChainPosition | undefined;
  #baseHeader: HashedBatchHeader | undefined;
  /** Batches that lead on from it, also those that something else may have replaced; the latest read last. */
  #held: ReadBatch[] = [];
  /** The end of the log as it is known now; undefined: the base. */
  #tip: ReadBatch | undefined;
  /** What the open segment goes on from. */
  #before: ReadBatch | undefined;
  #fault: Fault | undefined;
  #stray: TornTail | undefined;
  /** The batches of the open segment became durable at once. */
  #isAtOnce = false;
  /** The open segment is a stray. */
  #isInAir = false;
  /** Everything up to this batch was durable when the open segment was written. */
  #durableNo = 0;
  #lastSegment: SegmentObject | undefined;
  #piece: ArchivedPiece | undefined;
  #generation = 0;

  constructor(from: ChainPosition | undefined, hashBefore: Uint8Array | undefined) {
    this.#from = from;
    this.#base = from;
    this.#hashBefore = hashBefore;
  }

  get fault(): Fault | undefined {
    return this.#fault;
  }

  /** Of the latest writer that was met: nothing of an earlier one counts behind his. */
  get generation(): number {
    return this.#generation;
  }

  /** The last stray, when nothing follows that shows it to be without meaning. */
  get stray(): TornTail | undefined {
    return this.#stray;
  }

  /**
   * @param options.mayBeStray the piece has no list yet, so that segments may lie in it which do not count
   * @param options.isSlice the first segment is not the first of its piece: its header is trusted
   * @returns whether its batches are to be read
   * @throws BACKUP_DATA_CORRUPT, BACKUP_FILE_NOT_EXIST naming what is damaged or missing
   */
  openSegment(
    piece: ArchivedPiece,
    segment: SegmentObject,
    header: LogSegmentHeader,
    options: { mayBeStray: boolean; isSlice: boolean },
  ): boolean {
    const base = this.#base ?? this.#startFor(header, options);
    const before = this.#held.findLast((held) => isNextOf(header, positionOf(held)) && this.#isConnected(held));
    if (!before && !(base && isNextOf(header, base))) {
      const isStray = options.mayBeStray && !this.#fault && this.#isStray(header);
      if (!isStray) {
        this.#base = base;
        throw this.#broken(piece, segment, header);
      }
      const because = `batch ${header.firstBatchNo - 1}, which it goes on from, did not become durable`;
      this.#stray = { object: segment.name, offset: 0, because };
      this.#isInAir = true;
      return !this.#isBeforeStart(header);
    }
    this.#base = base;
    this.#before = before;
    this.#isInAir = false;
    this.#durableNo = durableBatchNoOf(header);
    this.#isAtOnce = header.isAtOnce ?? false;
    this.#generation = Math.max(this.#generation, header.generation ?? 0);
    this.#fault = this.#stray = undefined;
    this.#lastSegment = segment;
    this.#piece = piece;
    return true;
  }

  /** What stands before the first segment of a walk; undefined when that can not be before this one. */
  #startFor(header: LogSegmentHeader, { mayBeStray, isSlice }: { mayBeStray: boolean; isSlice: boolean }) {
    // The batches on their way before it are in its piece; a piece that begins with it lacks them.
    if (mayBeStray && !isSlice && header.inFlight > 0) return undefined;
    return { batchNo: header.firstBatchNo - 1, hash: this.#hashBefore ?? header.prevHash };
  }

  /** Nobody was told of a batch before the one in front of it was durable, and nothing durable is missing here. */
  #isStray(header: LogSegmentHeader): boolean {
    if (this.#isBeforeStart(header)) return true;
    return header.inFlight > 0 && (this.#base === undefined || durableBatchNoOf(header) <= this.position.batchNo);
  }

  /** It holds again what is before the place that the walk began at. */
  #isBeforeStart({ firstBatchNo }: LogSegmentHeader): boolean {
    return this.#from !== undefined && firstBatchNo <= this.#from.batchNo;
  }

  /** Goes on inside a segment whose first batches were walked elsewhere; the caller compares them. */
  rejoin(piece: ArchivedPiece, segment: SegmentObject): void {
    this.#before = this.#tip;
    this.#isInAir = this.#isAtOnce = false;
    this.#fault = undefined;
    this.#lastSegment = segment;
    this.#piece = piece;
  }

  /** @returns the batches that are now certain to belong to the log */
  add(batch: ReadBatch): ReadBatch[] {
    const { header } = batch;
    if (this.#isInAir) {
      // What it goes on from may follow: delivered again, it has a later number.
      this.#held.unshift(batch);
      return [];
    }
    const before = this.#before?.header ?? this.#baseHeader;
    if (before && !isAfter(header, before))
      throw damagedLog(batch.object, `the scns of batch ${header.batchNo} do not ascend`);
    // A commit that goes on may be void (its server died); one that goes on from nothing is damage.
    if (before && header.isContinued && !before.continues)
      throw damagedLog(batch.object, `batch ${header.batchNo} tears a commit apart`);
    // Whoever appends to a segment does so when what it holds is durable.
    const isBehindOwn = this.#before?.object === batch.object;
    // The same bytes again: what followed them follows them still.
    this.#held = this.#held.filter((held) => !sameBytes(held.header.hash, header.hash));
    this.#held.push(batch);
    this.#before = this.#tip = batch;
    for (let next: ReadBatch | undefined = batch; next; next = this.#nextOf(positionOf(next))) this.#tip = next;
    // Nothing new is known of what lies before it.
    if (isBehindOwn && this.#isAtOnce) return [];
    return this.#settle(isBehindOwn ? header.batchNo - 1 : this.#durableNo);
  }

  /** The latest of the batches that go on from another. */
  #nextOf(before: ChainPosition): ReadBatch | undefined {
    return this.#held.findLast((held) => isNextOf(placeOf(held), before));
  }

  /** A held batch, and those that lead to it. */
  #pathTo(end: ReadBatch | undefined): ReadBatch[] {
    const path: ReadBatch[] = [];
    for (let at = end; at; ) {
      path.unshift(at);
      const { batchNo, prevHash } = at.header;
      at = this.#held.find(({ header }) => header.batchNo === batchNo - 1 && sameBytes(header.hash, prevHash));
    }
    return path;
  }

  /** Whether it leads on from the base. */
  #isConnected(held: ReadBatch): boolean {
    const [first] = this.#pathTo(held);
    return first !== undefined && isNextOf(placeOf(first), this.#base ?? ROUND_START);
  }

  /** What was durable, on the way to the tip, is certain; what it replaces is out. */
  #settle(durableNo: number): ReadBatch[] {
    const certain = this.#pathTo(this.#tip).filter(({ header }) => header.batchNo <= durableNo);
    const last = certain.at(-1);
    if (!last) return certain;
    this.#base = positionOf(last);
    this.#baseHeader = last.header;
    this.#held = this.#held.filter(({ header }) => {
      if (header.batchNo === last.header.batchNo + 1) return sameBytes(header.prevHash, last.header.hash);
      return header.batchNo > last.header.batchNo;
    });
    if (this.#tip === last) this.#tip = undefined;
    if (this.#before === last) this.#before = undefined;
    return certain;
  }

  /** Behind an append that never finished there may be damage, which hides more than that. */
  setFault(fault: Fault): void {
    if (!this.#fault || (this.#fault.isTorn && !fault.isTorn)) this.#fault = fault;
  }

  /** The piece's own list says that nothing is missing. */
  clearFault(): void {
    this.#fault = undefined;
  }

  /** Lets go of the batches held back; nothing may replace them any more. */
  release(): ReadBatch[] {
    return this.#settle(Number.POSITIVE_INFINITY);
  }

  get position(): ChainPosition {
    return this.#tip ? positionOf(this.#tip) : (this.#base ?? ROUND_START);
  }

  get last(): HashedBatchHeader | undefined {
    return this.#tip?.header ?? this.#baseHeader;
  }

  /** Why a segment does not follow: the most exact name for what is missing or damaged. */
  #broken(piece: ArchivedPiece, segment: SegmentObject, header: LogSegmentHeader): HoldfastError {
    const { batchNo } = this.position;
    if (this.#fault) return damagedLog(this.#fault.object, `at offset ${this.#fault.offset}: ${this.#fault.because}`);
    // The numbers of a frozen piece's segments say nothing: its list does.
    const isSamePiece = this.#piece?.pieceId === piece.pieceId && this.#piece.roundId === piece.roundId;
    const previousNo = isSamePiece ? (this.#lastSegment?.segmentNo ?? 0) : 0;
    if (!piece.isFrozen && segment.segmentNo > previousNo + 1)
      return fail('BACKUP_FILE_NOT_EXIST', { file: segmentName(piece.directory, previousNo + 1) });
    if (header.firstBatchNo <= batchNo + 1)
      return damagedLog(
        segment.name,
        `it goes on from another batch ${header.firstBatchNo - 1} than the one before it`,
      );
    const missing = `batches ${batchNo + 1} to ${header.firstBatchNo - 1}, which come before ${segment.name}`;
    return damagedLog(this.#lastSegment?.name ?? segment.name, `it should hold ${missing}`);
  }
}

const positionOf = ({ header: { batchNo, hash } }: ReadBatch): ChainPosition => ({ batchNo, hash });
const placeOf = ({ header: { batchNo, prevHash } }: ReadBatch) => ({ firstBatchNo: batchNo, prevHash });

function isNextOf(of: { firstBatchNo: number; prevHash: Uint8Array }, before: ChainPosition): boolean {
  return of.firstBatchNo === before.batchNo + 1 && sameBytes(of.prevHash, before.hash);
}
