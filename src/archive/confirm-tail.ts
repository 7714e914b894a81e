// Says at the destination which end of the log a life of the server goes on from. Where objects are put whole, what an
// earlier life asked for may still land: this decides against it, before anybody is told of that end.
import type { LogPosition } from '../engine/engine-driver.ts';
import { encodeLogBatch } from '../format/log-batch.ts';
import type { ArchivePiece } from '../model/archive-round.ts';
import { logSealOf } from '../store/tenant-keys.ts';
import type { ArchiveContext } from './archive-context.ts';
import type { LogTail } from './log-tail.ts';
import type { SegmentWriter } from './segment-writer.ts';

/** As for any batch; there is next to nothing in it. */
const COMPRESSION_LEVEL = 1;

/**
 * Writes a batch without commits behind the end of the log.
 * @returns the position behind it
 * @throws 9070, 9071 while the destination is away
 */
export async function confirmTail(
  context: ArchiveContext,
  of: { piece: ArchivePiece; tail: LogTail; writer: SegmentWriter },
): Promise<LogPosition> {
  const { tenantId, roundId } = of.piece;
  const { pageSize, position } = of.tail;
  const { scn, engine } = position;
  const { bytes, header, plainBytes } = encodeLogBatch({
    owner: { clusterUuid: context.store.cluster.uuid, tenantId, roundId },
    ...{ batchNo: position.batchNo + 1, prevHash: position.batchHash, checkpointScn: scn, pageSize, position: engine },
    ...{ commits: [], continues: false, isContinued: false, compressionLevel: COMPRESSION_LEVEL },
    seal: logSealOf(context.store, { tenantId, roundId }),
  });
  const { batchNo, hash: batchHash } = header;
  const scns = { firstScn: scn, lastScn: scn, checkpointScn: scn };
  const behind = { batchNo, batchHash, scn, engine };
  const batch = { bytes, batchNo, ...scns, commitCount: 0, pageCount: 0, plainBytes, position: behind };
  try {
    of.writer.accept(await of.writer.write(batch));
  } catch (error) {
    // It may still land, and say that the end counts which was found now; the next attempt may find another one.
    context.leases.retire(of.piece);
    throw error;
  }
  return behind;
}
