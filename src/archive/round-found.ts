// What a round that is taken up again has at its destination, and whether that is all that was archived.
import { isFailure, toComment } from '../base/errors.ts';
import { listPiece, readRoundStart } from '../destination/archive-listing.ts';
import type { Destination } from '../destination/destination.ts';
import type { RoundStartInfo } from '../format/archive-info.ts';
import type { ArchivePiece, ArchiveRound } from '../model/archive-round.ts';
import type { ArchiveContext } from './archive-context.ts';
import { ArchiveDamaged } from './archive-damaged.ts';
import { findLogTail, type LogTail } from './log-tail.ts';
import type { SegmentOwner } from './segment-writer.ts';

/** What a round goes on from stands in its start. */
export async function readStart(destination: Destination, round: ArchiveRound): Promise<RoundStartInfo> {
  try {
    return await readRoundStart(destination, round);
  } catch (error) {
    if (!isFailure(error, 'BACKUP_DATA_CORRUPT') && !isFailure(error, 'BACKUP_FILE_NOT_EXIST')) throw error;
    throw new ArchiveDamaged(`archived log is missing at the destination: ${toComment(error)}`, { cause: error });
  }
}

export async function findTail(
  destination: Destination,
  round: ArchiveRound,
  owner: SegmentOwner,
): Promise<LogTail | undefined> {
  return await findLogTail(destination, round, owner).catch(throwDamaged);
}

export function throwDamaged(error: unknown): never {
  if (!isFailure(error, 'BACKUP_DATA_CORRUPT')) throw error;
  throw new ArchiveDamaged(toComment(error), { cause: error });
}

/**
 * Of the segments in the piece that is written next; 0 for none.
 * @throws ArchiveDamaged when the piece has a list there already: whatever followed would not count
 */
export async function findLastSegmentNo(destination: Destination, piece: ArchivePiece): Promise<number> {
  const { segments, isFrozen } = await listPiece(destination, piece);
  if (isFrozen && piece.status === 'ACTIVE')
    throw new ArchiveDamaged(`piece ${piece.pieceId} has ended at the destination, and not by this server`);
  return segments.at(-1)?.segmentNo ?? 0;
}

/** What was acknowledged must be there: the store knows of it, and commits behind it were given greater scns. */
export function checkNothingLost({ store }: ArchiveContext, round: ArchiveRound, tail: LogTail | undefined): void {
  const { tenantId, roundId } = round;
  const pieces = store.pieces.find({ tenantId, roundId });
  const known = pieces.reduce<ArchivePiece | undefined>(
    (newest, piece) => (piece.maxScn > piece.startScn && piece.maxScn > (newest?.maxScn ?? 0n) ? piece : newest),
    undefined,
  );
  const missing = 'archived log is missing at the destination: it ends';
  if (known && (tail?.position.scn ?? 0n) < known.maxScn) {
    const at = tail ? `at ${tail.position.scn}` : 'before its first batch';
    throw new ArchiveDamaged(`${missing} ${at}, but commits up to ${known.maxScn} were archived`);
  }
  if (!tail && round.checkpointScn > round.startScn) throw new ArchiveDamaged(`${missing} before its first batch`);
}
