// The descriptive objects of rounds and pieces, each safe to write again: what is there already is kept when it is ours.
import { fail, isFailure } from '../base/errors.ts';
import {
  type ArchivedPiece,
  listPiece,
  readPieceInfo,
  readRoundEnd,
  readRoundStart,
} from '../destination/archive-listing.ts';
import { type LogReader, walkPiece } from '../destination/archive-reader.ts';
import type { Destination } from '../destination/destination.ts';
import {
  type ArchiveOwner,
  type PieceInfo,
  pieceInfoFile,
  pieceStartFile,
  type RoundEndInfo,
  type RoundStartInfo,
  roundEndFile,
  roundStartFile,
  type SegmentInfo,
} from '../format/archive-info.ts';
import {
  type PieceRef,
  pieceDirectory,
  pieceEndName,
  pieceInfoName,
  pieceStartName,
  roundEndName,
  roundStartName,
} from '../format/layout.ts';
import { LOG_HASH_BYTES } from '../format/log-batch-header.ts';
import type { ArchivePiece } from '../model/archive-round.ts';

const EMPTY = new Uint8Array(0);

/** Puts an object that an earlier attempt may have put already. @returns false when it was there */
async function putOnce(destination: Destination, name: string, bytes: Uint8Array): Promise<boolean> {
  try {
    await destination.put(name, bytes);
    return true;
  } catch (error) {
    if (isFailure(error, 'ENTRY_EXISTS')) return false;
    throw error;
  }
}

/** Writes the start of a round. @returns the one that counts: that of an earlier attempt when there was one */
export async function writeRoundStart(destination: Destination, info: RoundStartInfo): Promise<RoundStartInfo> {
  const name = roundStartName(info);
  if (await putOnce(destination, name, roundStartFile.encode(info))) return info;
  const found = await readRoundStart(destination, info);
  const isOwn = found.cluster.uuid === info.cluster.uuid && found.tenant.id === info.tenant.id;
  if (isOwn && found.basePieceId === info.basePieceId) return found;
  throw fail('BACKUP_DATA_CORRUPT', { object: name, because: 'it is the start of another round' });
}

export async function writeRoundEnd(destination: Destination, info: RoundEndInfo): Promise<void> {
  if (await putOnce(destination, roundEndName(info), roundEndFile.encode(info))) return;
  const found = await readRoundEnd(destination, info);
  if (found.lastPieceId !== info.lastPieceId)
    throw fail('BACKUP_DATA_CORRUPT', { object: roundEndName(info), because: 'it is the end of another round' });
}

/** @param prevBatchHash hash of the batch before the piece; zeros at the start of a round */
export async function writePieceStart(
  destination: Destination,
  of: { owner: ArchiveOwner; piece: ArchivePiece; prevBatchHash: Uint8Array; createdNs: bigint },
): Promise<void> {
  const { piece } = of;
  const { destId, roundId, pieceId, startScn, endScn } = piece;
  const prevBatchHash = of.prevBatchHash.some((byte) => byte !== 0) ? of.prevBatchHash : null;
  const facts = { destId, roundId, pieceId, startScn, endScn, createdNs: of.createdNs, prevBatchHash };
  await putOnce(destination, pieceStartName(piece, startScn), pieceStartFile.encode({ ...of.owner, ...facts }));
}

/** What the segments of a piece hold. */
export interface PieceContent {
  segments: SegmentInfo[];
  /** null when there is no batch. */
  firstBatchHash: Uint8Array | null;
}

/**
 * Lists the segments of a piece by reading them: for a piece that an earlier life of this server wrote in.
 * @param of.lastBatchNo the last batch that counts; left out: all that are there
 * @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) when they are not what was written
 */
export async function readPieceContent(
  destination: Destination,
  of: { piece: PieceRef; owner: LogReader; lastBatchNo?: number | undefined },
): Promise<PieceContent> {
  const { owner, lastBatchNo = Number.POSITIVE_INFINITY } = of;
  const piece: ArchivedPiece = { ...(await listPiece(destination, of.piece)), isFrozen: false };
  const infos = new Map<string, SegmentInfo>();
  let firstBatchHash: Uint8Array | null = null;
  const walk = walkPiece(destination, piece, undefined, { owner, acceptsDamagedTail: true });
  for await (const { object, header } of walk) {
    if (header.batchNo > lastBatchNo) break;
    firstBatchHash ??= header.hash;
    const info = infos.get(object);
    const last = { lastBatchNo: header.batchNo, lastBatchHash: header.hash };
    if (info) Object.assign(info, last);
    else {
      const size = piece.segments.find(({ name }) => name === object)?.sizeBytes ?? 0;
      const name = object.slice(piece.directory.length + 1);
      infos.set(object, { name, size, sha256: null, firstBatchNo: header.batchNo, ...last });
    }
  }
  return { segments: [...infos.values()], firstBatchHash };
}

/** Writes what a frozen piece holds. Afterwards nothing in it is ever changed. */
export async function writePieceInfo(
  destination: Destination,
  of: { owner: ArchiveOwner; piece: ArchivePiece; content: PieceContent; frozenNs: bigint },
): Promise<PieceInfo> {
  const { piece } = of;
  const { segments, firstBatchHash } = of.content;
  const { destId, roundId, pieceId, startScn, endScn, checkpointScn, maxScn, inputBytes } = piece;
  const info: PieceInfo = {
    ...of.owner,
    ...{ destId, roundId, pieceId, startScn, endScn, checkpointScn, maxScn, inputBytes, segments },
    outputBytes: BigInt(segments.reduce((sum, { size }) => sum + size, 0)),
    firstBatchHash,
    lastBatchHash: segments.at(-1)?.lastBatchHash ?? null,
    createdNs: piece.createdUs * 1000n,
    frozenNs: of.frozenNs,
  };
  const isNew = await putOnce(destination, pieceInfoName(piece), pieceInfoFile.encode(info));
  const written = isNew ? info : await readPieceInfo(destination, piece);
  await putOnce(destination, pieceEndName(piece, piece.checkpointScn), EMPTY);
  const hash = (of: PieceInfo) => Buffer.from(of.lastBatchHash ?? new Uint8Array(LOG_HASH_BYTES));
  if (!hash(written).equals(hash(info))) {
    const object = `${pieceDirectory(piece)}`;
    throw fail('BACKUP_DATA_CORRUPT', { object, because: 'it was frozen with another end' });
  }
  return written;
}
