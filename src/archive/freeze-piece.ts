// Freezes a piece at its destination: its segments are compacted, and a list of them becomes what readers go by.
import { isFailure } from '../base/errors.ts';
import type { Destination } from '../destination/destination.ts';
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
 * @param of.isBroken a validation has found damage in it that freezing does not look for
 * @returns what the piece's row says from now on
 * @throws 9070, 9071 while the destination is away
 */
export async function freezePiece(
  context: ArchiveContext,
  of: { destination: Destination; piece: ArchivePiece; writer: SegmentWriter; isBroken: boolean },
): Promise<Pick<ArchivePiece, 'fileStatus' | 'outputBytes'>> {
  const { log, clock } = context;
  const { destination, piece, writer } = of;
  const { tenantId, destId, roundId, pieceId } = piece;
  const owner = archiveOwner(context, tenantId);
  const segments = segmentOwner(context, tenantId);
  const readContent = async () =>
    (await writer.content()) ?? (await readPieceContent(destination, { destId, roundId, pieceId }, segments));
  await writer.close();
  try {
    const content = await compactPiece(destination, { piece, owner: segments, readContent });
    const frozenNs = clock.nowNs();
    const info = await writePieceInfo(destination, { owner, piece, content, frozenNs });
    await removeReplaced(destination, info, log);
    const { outputBytes } = info;
    return { fileStatus: of.isBroken ? 'BROKEN' : 'AVAILABLE', outputBytes };
  } catch (error) {
    if (!isFailure(error, 'BACKUP_DATA_CORRUPT') && !isFailure(error, 'BACKUP_FILE_NOT_EXIST')) throw error;
    log.error('an archived piece is damaged', { tenantId, roundId, pieceId, error });
    return { fileStatus: 'BROKEN', outputBytes: piece.outputBytes };
  }
}
