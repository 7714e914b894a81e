// Reads the leading destination's log for a copy: batches as they lie there, every byte checked.
import { sameBytes } from '../../base/bytes.ts';
import { fail } from '../../base/errors.ts';
import { listPiece } from '../../destination/archive-listing.ts';
import { walkPieces } from '../../destination/archive-reader.ts';
import type { ChainPosition, ReadBatch } from '../../destination/batch-chain.ts';
import type { Destination } from '../../destination/destination.ts';
import type { CapturedBatch } from '../../engine/engine-driver.ts';
import type { RoundRef } from '../../format/layout.ts';
import { verifyLogBatch } from '../../format/log-batch.ts';
import type { HashedBatchHeader } from '../../format/log-batch-header.ts';
import type { SegmentOwner } from '../segment-writer.ts';

/** A batch of the leading destination, with the piece that it lies in. */
export type FollowedBatch = CapturedBatch & { pieceId: number };

export interface LeadingLog {
  destination: Destination;
  round: RoundRef;
  owner: SegmentOwner;
  /** Pieces that are there, in order. */
  pieceIds: readonly number[];
}

/** Header of every batch of some pieces, and where it lies. @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) */
export async function* walkLeading({ destination, round, owner, pieceIds }: LeadingLog): AsyncGenerator<ReadBatch> {
  const { destId, roundId } = round;
  const pieces = [];
  for (const pieceId of pieceIds) pieces.push(await listPiece(destination, { destId, roundId, pieceId }));
  if (pieces.length > 0) yield* walkPieces(destination, pieces, undefined, { owner, mayEndTorn: true });
}

/**
 * Every whole batch behind a position.
 * @param after undefined for the first one that is there
 * @throws as `walkLeading`; BACKUP_DATA_CORRUPT when another batch lies at the position
 */
export async function* readLeading(log: LeadingLog, after: ChainPosition | undefined): AsyncGenerator<FollowedBatch> {
  const { destination, round, owner } = log;
  for await (const batch of walkLeading(log)) {
    const { object, offset, header, pieceId } = batch;
    if (after && header.batchNo <= after.batchNo) continue;
    const bytes = await destination.get(object, { offset, length: header.totalBytes });
    const { clusterUuid, tenantId, findKey } = owner;
    const place = { batchNo: header.batchNo, prevHash: header.prevHash, findKey };
    verifyLogBatch(bytes, { owner: { clusterUuid, tenantId, roundId: round.roundId }, ...place }, object);
    if (after && header.batchNo === after.batchNo + 1 && !sameBytes(header.prevHash, after.hash)) {
      const because = `batch ${header.batchNo} goes on from another batch than the copy's last one`;
      throw fail('BACKUP_DATA_CORRUPT', { object, because });
    }
    yield { ...capturedBatch(header, bytes), pieceId };
  }
}

function capturedBatch(header: HashedBatchHeader, bytes: Uint8Array): CapturedBatch {
  const { batchNo, firstScn, lastScn, checkpointScn, commitCount, pageCount, pageSize, hash, position } = header;
  return {
    ...{ bytes, batchNo, firstScn, lastScn, checkpointScn, commitCount, pageCount },
    plainBytes: pageCount * pageSize,
    position: { batchNo, batchHash: hash, scn: checkpointScn, engine: position },
  };
}

/**
 * Number of the last batch that a copy and the leading destination both have; -1 for none.
 * @param of.own hashes of the copy's batches by number
 * @param of.acknowledged number of the last batch that must be there: a log that was read to an earlier end contradicts nothing
 */
export async function findLastCommon(
  log: LeadingLog,
  of: { own: ReadonlyMap<number, Uint8Array>; acknowledged: number },
): Promise<number> {
  let common = -1;
  let last = 0;
  const look = (batchNo: number, hash: Uint8Array) => {
    const mine = of.own.get(batchNo);
    if (mine && sameBytes(mine, hash)) common = Math.max(common, batchNo);
  };
  for await (const { header } of walkLeading(log)) {
    look(header.batchNo - 1, header.prevHash);
    look(header.batchNo, header.hash);
    last = header.batchNo;
  }
  if (last < of.acknowledged) throw lacksBatch(of.acknowledged);
  return common;
}

export const lacksBatch = (batchNo: number | undefined): Error =>
  new Error(`the leading destination does not have batch ${batchNo}, which it has acknowledged`);
