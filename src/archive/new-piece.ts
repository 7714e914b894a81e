// A piece as it begins.
import type { ArchivePiece, ArchiveRound } from '../model/archive-round.ts';
import type { Scn } from '../model/scn.ts';

const NS_PER_US = 1000n;

/** The row of a piece that begins at a grid point of its round. */
export function newPiece(round: ArchiveRound, of: { pieceId: number; startScn: Scn; endScn: Scn; createdNs: bigint }) {
  const { tenantId, destId, roundId, uri } = round;
  const { pieceId, startScn, endScn, createdNs } = of;
  const piece: ArchivePiece = {
    ...{ tenantId, destId, roundId, pieceId, startScn, endScn, uri },
    status: 'ACTIVE',
    fileStatus: 'AVAILABLE',
    lockedUntilNs: 0n,
    createdUs: createdNs / NS_PER_US,
    checkpointScn: startScn,
    maxScn: startScn,
    inputBytes: 0n,
    outputBytes: 0n,
  };
  return piece;
}
