// The walk over the log that a restore needs: from the pieces of one round on to those of the rounds that repair its end.
import { sameBytes } from '../base/bytes.ts';
import { fail } from '../base/errors.ts';
import { readPieceStart } from '../destination/archive-listing.ts';
import type { ChainPosition, ReadBatch } from '../destination/batch-chain.ts';
import { readFirst } from '../destination/fall-over.ts';
import { type CopiedPiece, directoryOf, findCopied, type LogCopies } from '../destination/list-copies.ts';
import { type CopiesEnd, type CopiesWalkOptions, walkCopies } from '../destination/walk-copies.ts';
import { type PieceRef, pieceInfoName } from '../format/layout.ts';
import { damagedLog } from '../format/log-batch-table.ts';

/** The last batch of a round, as the round names it that goes on from there. */
export interface BaseBatch {
  batchNo: number;
  batchHash: Uint8Array;
}

/** One round's part of the log of a restore. */
export interface WalkedStretch {
  /** As planned: in order, without a hole. */
  pieces: readonly PieceRef[];
  /** Where the next stretch goes on: what lies behind does not count. null for the last stretch. */
  until: BaseBatch | null;
}

/** Where a walk over stretches has ended. */
export interface StretchesEnd extends CopiesEnd {
  last: CopiedPiece | undefined;
}

/**
 * Walks stretches in order, each piece continuing the one before, each stretch going on from the very batch that its
 * round names. Batches come from whichever copy has them.
 * @returns the last piece
 * @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) naming the object
 */
export async function* walkStretches(
  log: LogCopies,
  stretches: readonly WalkedStretch[],
  options: CopiesWalkOptions,
): AsyncGenerator<ReadBatch, StretchesEnd> {
  let before: BaseBatch | null = null;
  let end: StretchesEnd = { last: undefined, unasked: null };
  for (const { pieces, until } of stretches) {
    const found: CopiedPiece[] = before ? pick(log, pieces) : await findPieces(log, pieces, options);
    const from = before ? { batchNo: 0, hash: before.batchHash } : undefined;
    const { unasked } = yield* walkStretch(log, { pieces: found, from, until }, options);
    end = { last: found.at(-1), unasked };
    before = until;
  }
  return end;
}

async function* walkStretch(
  log: LogCopies,
  of: { pieces: readonly CopiedPiece[]; from: ChainPosition | undefined; until: BaseBatch | null },
  options: CopiesWalkOptions,
): AsyncGenerator<ReadBatch, CopiesEnd> {
  const { pieces, from, until } = of;
  let lastHash = from?.hash;
  const walk = walkCopies(log.places, pieces, from, options);
  try {
    for (;;) {
      const step = await walk.next();
      if (step.done) {
        const last = pieces.at(-1);
        // The batch was not met: the pieces lie behind it.
        if (until && last) checkEnd(until, lastHash ?? (await hashBefore(log, last)), directoryOf(last));
        return step.value;
      }
      const { header, object } = step.value;
      yield step.value;
      lastHash = header.hash;
      if (header.batchNo !== until?.batchNo) continue;
      checkEnd(until, lastHash, object);
      return { unasked: null };
    }
  } finally {
    await walk.return({ unasked: null });
  }
}

function hashBefore({ places }: LogCopies, { copies }: CopiedPiece): Promise<Uint8Array | null> {
  return readFirst(copies, async ({ place, piece }) => {
    return (await readPieceStart(places[place]!.destination, piece)).prevBatchHash;
  });
}

function checkEnd({ batchNo, batchHash }: BaseBatch, found: Uint8Array | null, object: string): void {
  if (found && sameBytes(found, batchHash)) return;
  throw damagedLog(object, `its log does not end with the batch ${batchNo} that a later round goes on from`);
}

/** @throws BACKUP_FILE_NOT_EXIST (9011) naming the first that is gone */
function pick({ pieces, away }: LogCopies, refs: readonly PieceRef[]): CopiedPiece[] {
  return refs.map((ref) => {
    const found = findCopied(pieces, ref);
    if (!found) throw away[0]?.error ?? fail('BACKUP_FILE_NOT_EXIST', { file: pieceInfoName(ref) });
    return found;
  });
}

/**
 * The pieces of a plan as they lie there now, behind those that hold the beginning of their first commit: a commit in
 * parts may end in the next piece, where it counts. Where that beginning is gone the overlay tells whether it matters.
 * @throws BACKUP_FILE_NOT_EXIST (9011) naming the first that is gone
 */
export async function findPieces(
  log: LogCopies,
  refs: readonly PieceRef[],
  options: CopiesWalkOptions,
): Promise<CopiedPiece[]> {
  const pieces = pick(log, refs);
  for (let first = pieces[0]; first && (await beginsInsideCommit(log, first, options)); ) {
    const { roundId, pieceId } = first;
    first = findCopied(log.pieces, { roundId, pieceId: pieceId - 1 });
    if (first) pieces.unshift(first);
  }
  return pieces;
}

/** Whether the first batch of a piece goes on with a commit of the piece before. */
async function beginsInsideCommit(
  { places }: LogCopies,
  piece: CopiedPiece,
  { owner }: CopiesWalkOptions,
): Promise<boolean> {
  const walk = walkCopies(places, [piece], undefined, { owner, acceptsClosed: true });
  const step = await walk.next();
  await walk.return({ unasked: null });
  return !step.done && step.value.header.isContinued;
}
