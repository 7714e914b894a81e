// The numbers of the objects of one piece, where each is put once and whole. A put that was asked for before a crash may
// happen after the next start: the number of such an object is less than that of every later one, so that a reader takes
// the later one for what counts. The store knows up to where numbers may have been spent.
import type { ChainPosition } from '../destination/batch-chain.ts';
import type { Destination } from '../destination/destination.ts';
import type { ArchivePiece } from '../model/archive-round.ts';
import type { Store } from '../store/store.ts';
import type { ArchiveContext } from './archive-context.ts';
import { segmentOwner } from './archive-owner.ts';
import { SegmentWriter } from './segment-writer.ts';

/** Spent with one change of the store: little is written, and few numbers are left out after a start. */
const NUMBERS_AT_ONCE = 64;

class SegmentNumbers {
  readonly #store: Store;
  readonly #piece: Pick<ArchivePiece, 'tenantId' | 'destId' | 'pieceId'>;
  #spentTo: number;

  constructor(store: Store, { tenantId, destId, pieceId }: ArchivePiece) {
    this.#store = store;
    this.#piece = { tenantId, destId, pieceId };
    this.#spentTo = store.segmentNumbers.get(this.#piece)?.spentTo ?? 0;
  }

  /** No number up to here may be given again. */
  get spentTo(): number {
    return this.#spentTo;
  }

  /** Durable when it returns. */
  spend(segmentNo: number): void {
    if (segmentNo <= this.#spentTo) return;
    const spentTo = segmentNo + NUMBERS_AT_ONCE - 1;
    this.#store.transaction(() => {
      this.#store.segmentNumbers.remove(this.#piece);
      this.#store.segmentNumbers.insert({ ...this.#piece, spentTo });
    });
    this.#spentTo = spentTo;
  }
}

/**
 * The writer of a piece.
 * @param of.position where the log stands
 * @param of.lastSegmentNo of those that lie in the piece; 0 for none
 * @param of.generation of the lease
 * @param of.prevGeneration of the segment that the log ends in; left out when that lies in another piece
 */
export function newSegmentWriter(
  context: ArchiveContext,
  of: {
    destination: Destination;
    piece: ArchivePiece;
    position: ChainPosition;
    lastSegmentNo: number;
    generation: number;
    prevGeneration?: number | undefined;
  },
): SegmentWriter {
  const { destination, position, lastSegmentNo, generation, prevGeneration } = of;
  const { tenantId, destId, roundId, pieceId } = of.piece;
  const numbers = new SegmentNumbers(context.store, of.piece);
  return new SegmentWriter({
    ...{ destination, position, generation, prevGeneration, piece: { destId, roundId, pieceId } },
    owner: segmentOwner(context, tenantId),
    nextSegmentNo: Math.max(lastSegmentNo, numbers.spentTo) + 1,
    spend: (segmentNo) => numbers.spend(segmentNo),
  });
}
