// The walk over the log that a restore needs: from the pieces of one round on to those of the rounds that repair its end.
import { sameBytes } from '../base/bytes.ts';
import { fail } from '../base/errors.ts';
import { type ArchivedPiece, listPieces, readPieceStart } from '../destination/archive-listing.ts';
import { walkPiece, walkPieces } from '../destination/archive-reader.ts';
import type { ChainPosition, ReadBatch } from '../destination/batch-chain.ts';
import type { Destination } from '../destination/destination.ts';
import { type PieceRef, pieceInfoName } from '../format/layout.ts';
import { damagedLog } from '../format/log-batch-table.ts';
import type { LogOwner } from './read-log.ts';

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

/**
 * Walks stretches in order, each piece continuing the one before, each stretch going on from the very batch that its
 * round names.
 * @returns the last piece
 * @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) naming the object
 */
export async function* walkStretches(
  destination: Destination,
  stretches: readonly WalkedStretch[],
  owner: LogOwner,
): AsyncGenerator<ReadBatch, ArchivedPiece | undefined> {
  let before: BaseBatch | null = null;
  let last: ArchivedPiece | undefined;
  for (const { pieces, until } of stretches) {
    const found: ArchivedPiece[] = before
      ? await findPlanned(destination, pieces)
      : await findPieces(destination, pieces, owner);
    const from = before ? { batchNo: 0, hash: before.batchHash } : undefined;
    yield* walkStretch(destination, { pieces: found, from, until }, owner);
    last = found.at(-1);
    before = until;
  }
  return last;
}

async function* walkStretch(
  destination: Destination,
  of: { pieces: readonly ArchivedPiece[]; from: ChainPosition | undefined; until: BaseBatch | null },
  owner: LogOwner,
): AsyncGenerator<ReadBatch> {
  const { pieces, from, until } = of;
  let lastHash = from?.hash;
  for await (const batch of walkPieces(destination, pieces, from, { owner })) {
    yield batch;
    lastHash = batch.header.hash;
    if (batch.header.batchNo !== until?.batchNo) continue;
    checkEnd(until, lastHash, batch.object);
    return;
  }
  const last = pieces.at(-1);
  if (!until || !last) return;
  // The batch was not met: the pieces lie behind it.
  checkEnd(until, lastHash ?? (await readPieceStart(destination, last)).prevBatchHash, last.directory);
}

function checkEnd({ batchNo, batchHash }: BaseBatch, found: Uint8Array | null, object: string): void {
  if (found && sameBytes(found, batchHash)) return;
  throw damagedLog(object, `its log does not end with the batch ${batchNo} that a later round goes on from`);
}

/** @throws BACKUP_FILE_NOT_EXIST (9011) naming the first that is gone */
async function findPlanned(destination: Destination, refs: readonly PieceRef[]): Promise<ArchivedPiece[]> {
  return pick(await listPieces(destination), refs);
}

function pick(all: readonly ArchivedPiece[], refs: readonly PieceRef[]): ArchivedPiece[] {
  return refs.map((ref) => {
    const found = at(all, ref);
    if (!found) throw fail('BACKUP_FILE_NOT_EXIST', { file: pieceInfoName(ref) });
    return found;
  });
}

function at(all: readonly ArchivedPiece[], { destId, roundId, pieceId }: PieceRef): ArchivedPiece | undefined {
  return all.find((p) => p.destId === destId && p.roundId === roundId && p.pieceId === pieceId);
}

/**
 * The pieces of a plan as they lie there now, behind those that hold the beginning of their first commit: a commit in
 * parts may end in the next piece, where it counts. Where that beginning is gone the overlay tells whether it matters.
 * @throws BACKUP_FILE_NOT_EXIST (9011) naming the first that is gone
 */
export async function findPieces(
  destination: Destination,
  refs: readonly PieceRef[],
  owner: LogOwner,
): Promise<ArchivedPiece[]> {
  const all = await listPieces(destination);
  const pieces = pick(all, refs);
  for (let first = pieces[0]; first && (await beginsInsideCommit(destination, first, owner)); ) {
    first = at(all, { ...first, pieceId: first.pieceId - 1 });
    if (first) pieces.unshift(first);
  }
  return pieces;
}

/** Whether the first batch of a piece goes on with a commit of the piece before. */
async function beginsInsideCommit(destination: Destination, piece: ArchivedPiece, owner: LogOwner): Promise<boolean> {
  const walk = walkPiece(destination, piece, undefined, { owner, acceptsClosed: true });
  const step = await walk.next();
  await walk.return(undefined as never);
  return !step.done && step.value.header.isContinued;
}
