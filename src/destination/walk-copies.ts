// Walks a log that lies in several copies: from whichever has the next batch. The batches of all copies are the same bytes,
// each names the hash of the one before; segments are cut otherwise in each. When one copy ends, is damaged or away, the
// walk goes on from another at the next batch; what no copy gives in order is looked for by its hash.
import { sameBytes } from '../base/bytes.ts';
import { type HoldfastError, isFailure } from '../base/errors.ts';
import { damagedLog } from '../format/log-batch-table.ts';
import { isAfter, salvageSegment } from '../format/log-segment.ts';
import type { Scn } from '../model/scn.ts';
import { type ArchivedPiece, readPieceInfo, readPieceStart } from './archive-listing.ts';
import { isUnfinished, type LocatedPiece, type WalkOptions, walkLocated, windowed } from './archive-reader.ts';
import { type ChainPosition, type ReadBatch, ROUND_START } from './batch-chain.ts';
import { countedUpTo } from './counted-segments.ts';
import type { Destination } from './destination.ts';
import { inPlace, isDamaged, mayLieElsewhere } from './fall-over.ts';
import { joinedName } from './joined-destination.ts';
import type { CopiedPiece, LogPlace, PieceCopy } from './list-copies.ts';
import type { CountedUpTo } from './segment-generations.ts';

export interface CopiesWalkOptions extends WalkOptions {
  /** Told, once for each, why another copy is read than before. */
  onFallOver?: (remark: string) => void;
}

/** Where a walk over copies has ended. */
export interface CopiesEnd {
  /** Why some copy could not be asked whether the log goes on there; null when each said that it does not. */
  unasked: HoldfastError | null;
}

/**
 * Walks the batches of pieces that follow each other in one round. Objects are named as in the places joined.
 * @param from what the first batch must continue; undefined trusts the first piece
 * @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) naming the object, when no copy has what comes next
 */
export async function* walkCopies(
  places: readonly LogPlace[],
  pieces: readonly CopiedPiece[],
  from: ChainPosition | undefined,
  options: CopiesWalkOptions,
): AsyncGenerator<ReadBatch, CopiesEnd> {
  if (pieces.some(({ copies }) => copies.length > 1)) return yield* new CopiesWalk(places, pieces, from, options).run();
  const located = pieces.map(({ copies }) => locate(places, copies[0]!));
  const current = { place: pieces[0]?.copies[0]?.place ?? 0 };
  const onPiece = (index: number) => {
    current.place = pieces[index]!.copies[0]!.place;
  };
  try {
    for await (const batch of walkLocated(located, from, { ...options, onPiece }))
      yield named(
        batch,
        placeOf(pieces, batch, () => 0),
        places,
      );
  } catch (error) {
    throw places.length > 1 ? inPlace(error, places[current.place]!.shown) : error;
  }
  return { unasked: null };
}

const locate = (places: readonly LogPlace[], { place, piece }: PieceCopy): LocatedPiece => {
  return { destination: places[place]!.destination, piece };
};

const named = (batch: ReadBatch, place: number, places: readonly LogPlace[]): ReadBatch => {
  return places.length === 1 ? batch : { ...batch, object: joinedName(place, batch.object, places.length) };
};

function placeOf(pieces: readonly CopiedPiece[], { pieceId }: ReadBatch, choiceOf: (index: number) => number): number {
  const index = pieces.findIndex((piece) => piece.pieceId === pieceId);
  return pieces[index]!.copies[choiceOf(index)]!.place;
}

/** What goes on in a copy which ends soon behind it: a batch, with those that became durable at once with it. */
interface Held {
  batches: ReadBatch[];
  index: number;
  /** What the last batch of that copy reaches. */
  reachedScn: Scn;
}

/** What one copy said instead of giving the next batch. */
interface Failed {
  error: HoldfastError;
  copy: PieceCopy;
}

class CopiesWalk {
  readonly #places: readonly LogPlace[];
  readonly #pieces: readonly CopiedPiece[];
  readonly #options: CopiesWalkOptions;
  /** Behind the batch that was given last; undefined before the first of a walk that trusts its first piece. */
  #tip: ChainPosition | undefined;
  #last: ReadBatch | undefined;
  /** The piece that batch lies in. */
  #at = 0;
  /** Which copy of each piece is read. */
  readonly #choice: number[];
  readonly #remarks = new Set<string>();

  constructor(
    places: readonly LogPlace[],
    pieces: readonly CopiedPiece[],
    from: ChainPosition | undefined,
    options: CopiesWalkOptions,
  ) {
    this.#places = places;
    this.#pieces = pieces;
    this.#options = options;
    this.#tip = from;
    this.#choice = pieces.map(() => 0);
  }

  async *run(): AsyncGenerator<ReadBatch, CopiesEnd> {
    for (;;) {
      const failures: Failed[] = [];
      let held: Held | undefined;
      const before = this.#last;
      for (const choice of this.#choices()) {
        const reading = { index: this.#at };
        try {
          const end = yield* this.#walk(choice, reading);
          held = later(held, end);
        } catch (error) {
          if (!mayLieElsewhere(error)) throw error;
          const copy = this.#pieces[reading.index]!.copies[choice[reading.index]!]!;
          const placed = inPlace(error, this.#places[copy.place]!.shown) as HoldfastError;
          failures.push({ error: placed, copy });
          this.#remark(placed);
        }
        if (this.#last !== before) break;
      }
      if (this.#last !== before) continue;
      // None gives the next batch in order.
      const found = failures.length > 0 ? yield* this.#salvage() : { held: undefined, ended: new Set<PieceCopy>() };
      if (this.#last !== before) continue;
      held = later(held, found.held);
      if (held) {
        for (const batch of held.batches) yield this.#give(batch, held.index);
        continue;
      }
      return { unasked: await this.#judge(failures, found.ended) };
    }
  }

  /**
   * What failures at the end of the log mean: one copy may have gone further than those that end here.
   * @param ended copies whose last batch is the one that was given last
   * @throws the first failure that may hide a batch
   */
  async #judge(failures: readonly Failed[], ended: ReadonlySet<PieceCopy>): Promise<HoldfastError | null> {
    if (await this.#isListedEnd()) return null;
    for (const { error, copy } of failures)
      if (isDamaged(error) && !ended.has(copy) && !(await this.#isShorter(copy))) throw error;
    return failures.find(({ error }) => !isDamaged(error))?.error ?? null;
  }

  /** Whether a copy is sound by itself and ends before the tip: with a batch that was given up, or because it is behind. */
  async #isShorter(copy: PieceCopy): Promise<boolean> {
    const walk = walkLocated([locate(this.#places, copy)], undefined, { ...this.#options, verifyImages: 'last' });
    try {
      for (;;) {
        const step = await walk.next();
        if (step.done) return step.value.position.batchNo <= (this.#tip?.batchNo ?? 0);
      }
    } catch (error) {
      if (!mayLieElsewhere(error)) throw error;
      return false;
    }
  }

  /** The present choice, then each copy of this piece with each of the pieces behind it. */
  *#choices(): Generator<number[]> {
    const at = this.#at;
    yield [...this.#choice];
    for (let here = 0; here < this.#pieces[at]!.copies.length; here++) {
      if (here !== this.#choice[at]) yield this.#with([[at, here]]);
      for (let behind = at + 1; behind < this.#pieces.length; behind++) {
        const count = this.#pieces[behind]!.copies.length;
        for (let other = 0; other < count; other++)
          if (other !== this.#choice[behind])
            yield this.#with([
              [at, here],
              [behind, other],
            ]);
        // Behind a piece that holds something no other choice decides about the next batch.
        if (this.#pieces[behind]!.copies.every(({ piece }) => piece.segments.length > 0)) break;
      }
    }
  }

  #with(changes: ReadonlyArray<readonly [index: number, copy: number]>): number[] {
    const choice = [...this.#choice];
    for (const [index, copy] of changes) choice[index] = copy;
    return choice;
  }

  /** Reads on with one choice. @returns the first of what it ends with, which another copy may contradict */
  async *#walk(choice: readonly number[], reading: { index: number }): AsyncGenerator<ReadBatch, Held | undefined> {
    const first = this.#at;
    const located = this.#pieces
      .slice(first)
      .map(({ copies }, place) => locate(this.#places, copies[choice[first + place]!]!));
    const walk = walkLocated(located, this.#tip, {
      ...this.#options,
      isRejoining: this.#last !== undefined,
      keepsHeld: true,
      onPiece: (index) => {
        reading.index = first + index;
      },
    });
    try {
      for (;;) {
        const step = await walk.next();
        if (step.done) {
          const held = step.value.held ?? [];
          const [first] = held;
          if (!first) return undefined;
          const together = held.filter(({ object }) => object === first.object);
          const batches = together.map((batch) => this.#named(batch, choice));
          return { index: this.#indexOf(first), batches, reachedScn: held.at(-1)!.header.checkpointScn };
        }
        const index = this.#indexOf(step.value);
        for (let place = 0; place < choice.length; place++) this.#choice[place] = choice[place]!;
        yield this.#give(this.#named(step.value, choice), index);
      }
    } finally {
      await walk.return(undefined as never);
    }
  }

  #indexOf({ pieceId }: ReadBatch): number {
    return this.#pieces.findIndex((piece) => piece.pieceId === pieceId);
  }

  #named(batch: ReadBatch, choice: readonly number[]): ReadBatch {
    const place = placeOf(this.#pieces, batch, (index) => choice[index]!);
    return named(batch, place, this.#places);
  }

  /** Whatever copy a batch comes from, it must be the next one. */
  #give(batch: ReadBatch, index: number): ReadBatch {
    const { header, object } = batch;
    const tip = this.#tip;
    const isNext = !tip || (header.batchNo === tip.batchNo + 1 && sameBytes(header.prevHash, tip.hash));
    if (!isNext) throw damagedLog(object, `its batch ${header.batchNo} does not go on from batch ${tip?.batchNo}`);
    if (this.#last && !isAfter(header, this.#last.header))
      throw damagedLog(object, `the scns of batch ${header.batchNo} do not ascend`);
    this.#tip = { batchNo: header.batchNo, hash: header.hash };
    this.#last = batch;
    this.#at = index;
    return batch;
  }

  #remark(failure: HoldfastError): void {
    const { message } = failure;
    if (this.#remarks.has(message)) return;
    this.#remarks.add(message);
    this.#options.onFallOver?.(message);
  }

  /**
   * Looks for the next batch by its hash in every segment of this piece and the next.
   * @returns the last batch that was found, and the copies that end with the tip
   */
  async *#salvage(): AsyncGenerator<ReadBatch, { held: Held | undefined; ended: Set<PieceCopy> }> {
    const after = this.#tip?.hash ?? (await this.#hashBefore());
    const ended = new Set<PieceCopy>();
    for (let index = this.#at; after && index < Math.min(this.#at + 2, this.#pieces.length); index++) {
      for (const copy of this.#pieces[index]!.copies) {
        let held: Held | undefined;
        try {
          for await (const item of this.#searched(copy, after)) {
            if (item === 'end') {
              if (index === this.#pieces.length - 1) ended.add(copy);
              continue;
            }
            for (const batch of held?.batches ?? []) yield this.#give(batch, index);
            const batches = [named(item, copy.place, this.#places)];
            held = { batches, index, reachedScn: item.header.checkpointScn };
          }
        } catch (error) {
          if (!mayLieElsewhere(error)) throw error;
        }
        if (held) return { held, ended };
      }
    }
    return { held: undefined, ended };
  }

  /**
   * The batches behind a hash in one copy of a piece; `end` when its last segment ends there without a fault. Where a
   * frozen piece ends only its list says: a segment that is cut between two batches looks whole.
   */
  async *#searched({ place, piece }: PieceCopy, after: Uint8Array): AsyncGenerator<ReadBatch | 'end'> {
    const { destination } = this.#places[place]!;
    const { owner, acceptsClosed, verifyImages } = this.#options;
    const { destId, roundId, pieceId } = piece;
    const known = { findKey: owner.findKey, acceptsClosed, verifyImages: verifyImages ?? ('none' as const) };
    for (const { segment, beforeBatchNo } of await segmentsToSearch(destination, piece)) {
      const { name: object, sizeBytes, segmentNo } = segment;
      const reader = await destination.openRead(object);
      let hasBatch = false;
      try {
        const readRange = windowed(reader, sizeBytes);
        const source = { object, sizeBytes, readRange, ...known };
        const batchOwner = { clusterUuid: owner.clusterUuid, tenantId: owner.tenantId, roundId };
        for await (const item of salvageSegment(source, { after, owner: batchOwner })) {
          if (item.kind === 'batch') {
            const { offset, header, table } = item;
            if (header.batchNo >= beforeBatchNo) break;
            hasBatch = true;
            yield { destId, roundId, pieceId, object, segmentNo, offset, header, table };
          } else {
            const isClean = item.tornBecause === undefined || (await isUnfinished(readRange, segment, item.offset));
            if (isClean && !piece.isFrozen && segment === piece.segments.at(-1)) yield 'end';
          }
        }
      } finally {
        await reader.close();
      }
      if (hasBatch) return;
    }
  }

  /** Whether some copy's own list says that its piece, the last one, ends here. */
  async #isListedEnd(): Promise<boolean> {
    const last = this.#pieces.at(-1)!;
    for (const { place, piece } of last.copies) {
      if (!piece.isFrozen) continue;
      try {
        const { lastBatchHash } = await readPieceInfo(this.#places[place]!.destination, piece);
        if (!lastBatchHash) continue;
        if (this.#tip && sameBytes(lastBatchHash, this.#tip.hash)) return true;
      } catch (error) {
        if (!mayLieElsewhere(error)) throw error;
      }
    }
    return false;
  }

  /** What the first batch must name as the one before it; undefined when no copy tells. */
  async #hashBefore(): Promise<Uint8Array | undefined> {
    for (const { place, piece } of this.#pieces[0]!.copies) {
      if (piece.startName === undefined) continue;
      try {
        const { prevBatchHash } = await readPieceStart(this.#places[place]!.destination, piece);
        return prevBatchHash ?? ROUND_START.hash;
      } catch (error) {
        if (!isFailure(error, 'BACKUP_DATA_CORRUPT') && !mayLieElsewhere(error)) throw error;
      }
    }
    return undefined;
  }
}

/** What counts in a piece, the latest first: what an earlier writer left behind the batch that a later one went on from is out. */
async function segmentsToSearch(destination: Destination, piece: ArchivedPiece): Promise<CountedUpTo[]> {
  try {
    return (await countedUpTo(destination, piece)).reverse();
  } catch (error) {
    if (!piece.isFrozen || !mayLieElsewhere(error)) throw error;
    // One that is not there as listed, or no list: what is left is looked at.
    return piece.segments.map((segment) => ({ segment, beforeBatchNo: Number.POSITIVE_INFINITY }));
  }
}

/** Of two copies that end the one that reaches further. */
function later(a: Held | undefined, b: Held | undefined): Held | undefined {
  if (!a || !b) return a ?? b;
  return b.reachedScn > a.reachedScn ? b : a;
}
