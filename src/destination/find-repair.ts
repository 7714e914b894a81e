// Finds where a round that repairs a gap begins to be of use.
import type { RoundRef } from '../format/layout.ts';
import type { Scn } from '../model/scn.ts';
import { type ArchivedPiece, listPiece } from './archive-listing.ts';
import { type LogReader, type WalkOptions, walkPiece } from './archive-reader.ts';
import type { ChainPosition } from './batch-chain.ts';
import type { Destination } from './destination.ts';

/**
 * Scn of the first commit that is whole in its round: the one that repairs the gap before it. Only headers and tables up
 * to it are read, and an encrypted table stays closed without its key.
 * @param pieces the first of the round and those that follow it
 * @param options.from where the round begins; left out, the first segment is trusted
 * @returns undefined while there is none
 * @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) naming the object
 */
export async function firstCommitScn(
  destination: Destination,
  pieces: Iterable<ArchivedPiece> | AsyncIterable<ArchivedPiece>,
  { from, ...options }: WalkOptions & { from?: ChainPosition },
): Promise<Scn | undefined> {
  // Piece by piece: what is behind the commit may be damaged.
  let at = from;
  for await (const piece of pieces) {
    const walk = walkPiece(destination, piece, at, { ...options, acceptsClosed: true });
    for (let step = await walk.next(); ; step = await walk.next()) {
      if (step.done) {
        // A piece in which nothing was committed leaves the chain where it was.
        if (step.value.last) at = step.value.position;
        break;
      }
      if (step.value.header.commitCount === 0) continue;
      await walk.return(undefined as never);
      return step.value.header.firstScn;
    }
  }
  return undefined;
}

/**
 * As `firstCommitScn`, for a round that is known by its row.
 * @param round its pieces are `basePieceId` to `usedPieceId`
 * @throws BACKUP_DATA_CORRUPT (9010); 9070, 9071 while the destination is away
 */
export async function findRepairScn(
  destination: Destination,
  round: RoundRef & { basePieceId: number; usedPieceId: number },
  owner: LogReader,
): Promise<Scn | undefined> {
  return await firstCommitScn(destination, piecesOf(destination, round), { owner, acceptsDamagedTail: true });
}

/** One after the other, as they are needed: the commit is nearly always in the first. */
async function* piecesOf(
  destination: Destination,
  round: RoundRef & { basePieceId: number; usedPieceId: number },
): AsyncGenerator<ArchivedPiece> {
  const { destId, roundId, basePieceId, usedPieceId } = round;
  for (let pieceId = basePieceId; pieceId <= usedPieceId; pieceId++)
    yield await listPiece(destination, { destId, roundId, pieceId });
}
