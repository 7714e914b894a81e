// Finds where a round that repairs a gap begins to be of use.
import type { PieceRef, RoundRef } from '../format/layout.ts';
import type { Scn } from '../model/scn.ts';
import { listPiece } from './archive-listing.ts';
import { walkPiece } from './archive-reader.ts';
import type { Destination } from './destination.ts';

/**
 * Scn of the commit that repairs a gap: the first that is whole in its round. Only headers and tables up to it are read.
 * @param round its pieces are `basePieceId` to `usedPieceId`
 * @returns undefined while there is none
 * @throws BACKUP_DATA_CORRUPT (9010); 9070, 9071 while the destination is away
 */
export async function findRepairScn(
  destination: Destination,
  round: RoundRef & { basePieceId: number; usedPieceId: number },
  owner: { clusterUuid: string; tenantId: number },
): Promise<Scn | undefined> {
  const { destId, roundId, basePieceId, usedPieceId } = round;
  for (let pieceId = basePieceId; pieceId <= usedPieceId; pieceId++) {
    const ref: PieceRef = { destId, roundId, pieceId };
    const piece = await listPiece(destination, ref);
    for await (const { header } of walkPiece(destination, piece, undefined, { owner, acceptsDamagedTail: true }))
      if (header.commitCount > 0) return header.firstScn;
  }
  return undefined;
}
