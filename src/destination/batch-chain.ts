// The chain of a round's batches over segments and pieces: which of them certainly belong to the log.
// What a later segment's header says it continues decides what the segment before it holds: an append that failed
// leaves a torn tail, or one whole batch that nobody was told of and that the next segment holds again.
// Whatever else does not fit is damage or loss, and is named.
import { sameBytes } from '../base/bytes.ts';
import { fail, type HoldfastError } from '../base/errors.ts';
import type { RoundStartInfo } from '../format/archive-info.ts';
import { segmentName } from '../format/layout.ts';
import { type HashedBatchHeader, LOG_HASH_BYTES, type LogSegmentHeader } from '../format/log-batch-header.ts';
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
 * Follows the chain over segments. The last batch of a segment is held back until the next segment's header has said
 * whether it goes on after that batch or holds it again.
 */
export class BatchChain {
  #tip: ChainPosition | undefined;
  /** Hash of the batch before the first one, when the number of that batch is not known. */
  readonly #hashBefore: Uint8Array | undefined;
  #held: ReadBatch | undefined;
  #last: HashedBatchHeader | undefined;
  #fault: Fault | undefined;
  /** A segment whose header repeats the held batch; it counts once it has a batch of its own. */
  #repeats = false;
  #lastSegment: SegmentObject | undefined;
  #piece: ArchivedPiece | undefined;
  #generation = 0;

  constructor(from: ChainPosition | undefined, hashBefore: Uint8Array | undefined) {
    this.#tip = from;
    this.#hashBefore = hashBefore;
  }

  get fault(): Fault | undefined {
    return this.#fault;
  }

  /** Of the latest writer that was met: nothing of an earlier one counts behind his. */
  get generation(): number {
    return this.#generation;
  }

  /** @throws BACKUP_DATA_CORRUPT, BACKUP_FILE_NOT_EXIST naming what is damaged or missing */
  openSegment(piece: ArchivedPiece, segment: SegmentObject, header: LogSegmentHeader): void {
    const tip = this.#tip ?? { batchNo: header.firstBatchNo - 1, hash: this.#hashBefore ?? header.prevHash };
    const continues = header.firstBatchNo === tip.batchNo + 1 && sameBytes(header.prevHash, tip.hash);
    const held = this.#held?.header;
    this.#repeats =
      !continues &&
      held !== undefined &&
      header.firstBatchNo === held.batchNo &&
      sameBytes(header.prevHash, held.prevHash);
    if (!continues && !this.#repeats) throw this.#broken(tip, piece, segment, header);
    this.#tip = tip;
    this.#generation = Math.max(this.#generation, header.generation ?? 0);
    this.#fault = undefined;
    this.#lastSegment = segment;
    this.#piece = piece;
  }

  /** Goes on inside a segment whose first batches were walked elsewhere; the caller compares them. */
  rejoin(piece: ArchivedPiece, segment: SegmentObject): void {
    this.#repeats = false;
    this.#fault = undefined;
    this.#lastSegment = segment;
    this.#piece = piece;
  }

  /** @returns the batch that is now certain to belong to the log */
  add(batch: ReadBatch): ReadBatch | undefined {
    const { header } = batch;
    const released = this.#repeats ? undefined : this.#held;
    const before = released?.header ?? this.#last;
    if (before && !isAfter(header, before))
      throw damagedLog(batch.object, `the scns of batch ${header.batchNo} do not ascend`);
    // A commit that goes on may be void (its server died); one that goes on from nothing is damage.
    if (before && header.isContinued && !before.continues)
      throw damagedLog(batch.object, `batch ${header.batchNo} tears a commit apart`);
    this.#repeats = false;
    if (released) this.#last = released.header;
    this.#held = batch;
    this.#tip = { batchNo: header.batchNo, hash: header.hash };
    return released;
  }

  setFault(fault: Fault): void {
    this.#fault ??= fault;
  }

  /** The piece's own list says that nothing is missing. */
  clearFault(): void {
    this.#fault = undefined;
  }

  /** Lets go of the batch held back; nothing may repeat it any more. */
  release(): ReadBatch | undefined {
    const held = this.#held;
    if (held) this.#last = held.header;
    this.#held = undefined;
    return held;
  }

  get position(): ChainPosition {
    return this.#tip ?? ROUND_START;
  }

  get last(): HashedBatchHeader | undefined {
    return this.#held?.header ?? this.#last;
  }

  /** Why a segment does not follow: the most exact name for what is missing or damaged. */
  #broken(tip: ChainPosition, piece: ArchivedPiece, segment: SegmentObject, header: LogSegmentHeader): HoldfastError {
    const { batchNo } = tip;
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
