// Freezes a piece at its destination: its segments are compacted, and a list of them becomes what readers go by.
import { isFailure } from '../base/errors.ts';
import type { Destination } from '../destination/destination.ts';
import { extendLocks, lockedUntil } from '../destination/locks.ts';
import { FORMAT_FILE_NAME, pieceStartName, roundStartName } from '../format/layout.ts';
import type { ArchivePiece } from '../model/archive-round.ts';
import type { ArchiveContext } from './archive-context.ts';
import { readPieceContent, writePieceInfo } from './archive-files.ts';
import { archiveOwner, segmentOwner } from './archive-owner.ts';
import { compactPiece, removeReplaced } from './compact-piece.ts';
import type { SegmentWriter } from './segment-writer.ts';

/**
 * Writes the list of a piece that gets no more batches. Safe to repeat. A piece whose segments are damaged keeps no list of
 * them: readers then find and name the damage themselves.
 * @param of.piece FREEZING, its start is at the destination
 * @param of.writer of the piece; it is closed
 * @param of.prove that nobody else writes there: what the list replaces goes only when the list is known to count
 * @param of.isBroken whether a validation has found damage in it that freezing does not look for
 * @param of.lastBatchNo the last batch of the log, where something else may lie behind it; left out: whatever is there counts
 * @returns what the piece's row says from now on
 * @throws 9070, 9071 while the destination is away
 */
export async function freezePiece(
  context: ArchiveContext,
  of: {
    destination: Destination;
    piece: ArchivePiece;
    writer: SegmentWriter;
    prove: () => Promise<void>;
    isBroken(): boolean;
    lastBatchNo?: number;
  },
): Promise<Pick<ArchivePiece, 'fileStatus' | 'outputBytes' | 'lockedUntilNs'>> {
  const { log, clock } = context;
  const { destination, piece, writer, prove, lastBatchNo } = of;
  const { tenantId, roundId } = piece;
  const owner = archiveOwner(context, tenantId);
  const segments = segmentOwner(context, tenantId);
  const readContent = async () =>
    (await writer.content()) ?? (await readPieceContent(destination, { piece, owner: segments, lastBatchNo }));
  await writer.close();
  try {
    await prove();
    const content = await compactPiece(destination, { piece, owner: segments, readContent });
    const frozenNs = clock.nowNs();
    const info = await writePieceInfo(destination, { owner, piece, content, frozenNs });
    await prove();
    await removeReplaced(destination, info, log);
    // Written once and long ago, they are needed as long as this piece.
    await extendLocks(destination, [FORMAT_FILE_NAME, roundStartName(piece), pieceStartName(piece, piece.startScn)]);
    const { outputBytes } = info;
    const lockedUntilNs = lockedUntil(destination, clock.nowNs());
    return { fileStatus: of.isBroken() ? 'BROKEN' : 'AVAILABLE', outputBytes, lockedUntilNs };
  } catch (error) {
    if (!isFailure(error, 'BACKUP_DATA_CORRUPT') && !isFailure(error, 'BACKUP_FILE_NOT_EXIST')) throw error;
    log.error('an archived piece is damaged', { tenantId, roundId, pieceId: piece.pieceId, error });
    const lockedUntilNs = lockedUntil(destination, clock.nowNs());
    return { fileStatus: 'BROKEN', outputBytes: piece.outputBytes, lockedUntilNs };
  }
}
