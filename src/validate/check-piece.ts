// Reads an archive piece again. basic: its list, that its segments are there, the header and table of every batch, and that
// each goes on from the one before, the first from the piece before. physical: every page image besides.
import { sameBytes } from '../base/bytes.ts';
import { fail } from '../base/errors.ts';
import {
  type ArchivedPiece,
  listPiece,
  listPieces,
  readPieceInfo,
  readPieceStart,
} from '../destination/archive-listing.ts';
import { listedSegments } from '../destination/counted-segments.ts';
import type { Destination } from '../destination/destination.ts';
import type { ArchiveOwner, PieceInfo } from '../format/archive-info.ts';
import { type PieceRef, pieceDirectory, pieceInfoName } from '../format/layout.ts';
import type { LogSeal } from '../format/tenant-key.ts';
import type { ArchivePiece } from '../model/archive-round.ts';
import { SCN_NONE, type Scn, toScn } from '../model/scn.ts';
import type { Pipeline, VerifiedLog } from '../pipeline/pipeline.ts';
import { isDamage } from './damage.ts';
import type { Proof } from './validate-service.ts';

export interface PieceCheck {
  destination: Destination;
  ref: PieceRef;
  /** What lies at the destination, listed once for all pieces of a job. */
  listing: PieceListing;
  owner: { clusterUuid: string; tenantId: number };
  /** What the store said of it before it was read; undefined for a piece at another destination. */
  row: ArchivePiece | undefined;
  pipeline: Pick<Pipeline, 'verify'>;
  /** What opens the encrypted log of its round. */
  logKeys: readonly LogSeal[];
  onTotal(bytes: bigint): void;
  onProgress(done: { bytes: number }): void;
  signal: AbortSignal;
}

/** The pieces of one destination. Start files lie apart from their pieces: finding one means to list everything. */
export class PieceListing {
  #pieces: ArchivedPiece[] | undefined;

  /** A piece as it lies there now, and the one before it in its round. */
  async find(destination: Destination, ref: PieceRef): Promise<{ piece: ArchivedPiece; before: PieceRef | undefined }> {
    const known = this.#at(ref);
    if (!known) this.#pieces = await listPieces(destination);
    const piece = await listPiece(destination, ref);
    const startName = (known ?? this.#at(ref))?.startName;
    return { piece: { ...piece, startName }, before: this.#at({ ...ref, pieceId: ref.pieceId - 1 }) };
  }

  #at({ destId, roundId, pieceId }: PieceRef): ArchivedPiece | undefined {
    return this.#pieces?.find((p) => p.destId === destId && p.roundId === roundId && p.pieceId === pieceId);
  }
}

interface FoundPiece {
  piece: ArchivedPiece;
  /** null while it is not frozen. */
  info: PieceInfo | null;
}

/** What the piece and the one before it say of themselves. @throws 9010, 9011 naming the object */
export async function checkPieceFacts(check: PieceCheck): Promise<FoundPiece> {
  const { destination, ref, listing, row } = check;
  const { piece, before } = await listing.find(destination, ref);
  const info = piece.isFrozen ? await readPieceInfo(destination, piece) : null;
  // Segments that were replaced by compacted ones may still be there: only what the list names counts.
  const segments = info ? listedSegments(piece, info) : piece.segments;
  check.onTotal(segments.reduce((sum, { sizeBytes }) => sum + BigInt(sizeBytes), 0n));
  if (info) checkOwner(pieceInfoName(ref), info, check);
  if (row?.status === 'FROZEN' && !info) throw fail('BACKUP_FILE_NOT_EXIST', { file: pieceInfoName(ref) });
  if (piece.startName !== undefined) {
    const start = await readPieceStart(destination, piece);
    checkOwner(piece.startName, start, check);
    await checkJoint(check, { prevBatchHash: start.prevBatchHash, startName: piece.startName, before });
  }
  return { piece: { ...piece, segments }, info };
}

/** Walks the log of the piece. @throws 9010, 9011 naming the object */
export async function checkPieceLog(
  check: PieceCheck,
  { piece, info }: FoundPiece,
  isWithImages: boolean,
): Promise<Proof> {
  const { destination, owner, row, pipeline, logKeys, onProgress, signal } = check;
  const items = [{ kind: 'piece' as const, piece, owner, isWithImages, logKeys }];
  const [log] = await pipeline.verify({ destination: destination.spec, set: null, items, onProgress, signal });
  checkEnd(piece, log!, maxScnOf(info ?? row));
  const provedScn = info ? frozenEnd(info) : (log!.checkpointScn ?? row?.startScn ?? SCN_NONE);
  const torn = log!.tornBecause === '' ? '' : `an append did not finish: ${log!.tornBecause}`;
  return { provedScn, isProved: true, comment: torn };
}

function checkOwner(object: string, { cluster, tenant }: ArchiveOwner, { owner }: PieceCheck): void {
  if (cluster.uuid === owner.clusterUuid && tenant.id === owner.tenantId) return;
  throw fail('BACKUP_DATA_CORRUPT', { object, because: 'it belongs to another cluster or tenant' });
}

/** A piece that goes on from another batch than the last one before it hides a hole. */
async function checkJoint(
  { destination }: PieceCheck,
  of: { prevBatchHash: Uint8Array | null; startName: string; before: PieceRef | undefined },
): Promise<void> {
  if (!of.before || !of.prevBatchHash) return;
  const lastBatchHash = await lastHashOf(destination, of.before);
  if (!lastBatchHash || sameBytes(lastBatchHash, of.prevBatchHash)) return;
  const because = `its piece does not go on from the last batch of ${pieceDirectory(of.before)}`;
  throw fail('BACKUP_DATA_CORRUPT', { object: of.startName, because });
}

/** null while it is not frozen, and for a list that can not be read: what is wrong with that is told where it is read. */
async function lastHashOf(destination: Destination, ref: PieceRef): Promise<Uint8Array | null> {
  try {
    return (await readPieceInfo(destination, ref)).lastBatchHash;
  } catch (error) {
    if (isDamage(error)) return null;
    throw error;
  }
}

/** Newest commit that is known to be archived in a piece; none when it is not known to have one. */
const maxScnOf = (known: Pick<ArchivePiece, 'maxScn' | 'startScn'> | undefined): Scn =>
  known && known.maxScn > known.startScn ? known.maxScn : SCN_NONE;

/** The last point that a frozen piece proves: what was committed at its end itself is in the next piece. */
function frozenEnd({ checkpointScn, endScn }: PieceInfo): Scn {
  return checkpointScn < endScn ? checkpointScn : toScn(endScn - 1n);
}

/** What was acknowledged must be there. */
function checkEnd({ directory, segments }: ArchivedPiece, { lastScn }: VerifiedLog, maxScn: Scn): void {
  if (maxScn === SCN_NONE || (lastScn !== null && lastScn >= maxScn)) return;
  const end = lastScn === null ? 'it holds no commit' : `its log ends with the commit at SCN ${lastScn}`;
  const because = `${end}, although commits up to SCN ${maxScn} were archived`;
  throw fail('BACKUP_DATA_CORRUPT', { object: segments.at(-1)?.name ?? directory, because });
}
