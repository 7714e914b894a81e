// A piece as it begins.
import { type ArchivePiece, type ArchiveRound, pieceAtStart } from '../model/archive-round.ts';
import type { Scn } from '../model/scn.ts';

/** The row of a piece that begins at a grid point of its round. */
export function newPiece(round: ArchiveRound, of: { pieceId: number; startScn: Scn; endScn: Scn; createdNs: bigint }) {
  const { tenantId, destId, roundId, uri } = round;
  const { pieceId, startScn, endScn } = of;
  const piece: ArchivePiece = {
    ...{ tenantId, destId, roundId, pieceId, startScn, endScn, uri },
    ...pieceAtStart(of),
  };
  return piece;
}
