// What an archive destination holds, read from the destination alone: rounds, pieces, segments.
import { fail } from '../base/errors.ts';
import {
  ARCHIVE_FACTS_BYTES_MAX,
  PIECE_INFO_BYTES_MAX,
  type PieceInfo,
  type PieceStartInfo,
  pieceInfoFile,
  pieceStartFile,
  type RoundEndInfo,
  type RoundStartInfo,
  roundEndFile,
  roundStartFile,
} from '../format/archive-info.ts';
import {
  type PieceRef,
  parseObjectName,
  pieceDirectory,
  pieceInfoName,
  type RoundRef,
  roundEndName,
  roundStartName,
} from '../format/layout.ts';
import type { Destination, ObjectInfo } from './destination.ts';

/** Refused before it is sorted: an archive of a thousand tenants' years has fewer. */
const OBJECTS_MAX = 5_000_000;

/** One segment as it lies there. */
export interface SegmentObject {
  /** In the numbering of its kind. */
  segmentNo: number;
  name: string;
  sizeBytes: number;
}

/** One piece as it lies there. */
export interface ArchivedPiece extends PieceRef {
  /** `piece_d<dest>r<round>p<piece>` */
  directory: string;
  /** Name of its start file; undefined when that is missing. */
  startName: string | undefined;
  /** True when `single_piece_info.obarc` is there: nothing more will be written. */
  isFrozen: boolean;
  /** Ascending by number; behind them the compacted ones of a frozen piece, whose list says which of all these count. */
  segments: SegmentObject[];
}

/** One round as it lies there. */
export interface ArchivedRound extends RoundRef {
  start: RoundStartInfo;
  /** undefined while the round goes on (or when its server never came to end it). */
  end: RoundEndInfo | undefined;
  /** Ascending by id. */
  pieces: ArchivedPiece[];
}

const idOf = ({ destId, roundId, pieceId }: PieceRef) => `${destId}/${roundId}/${pieceId}`;
const byPiece = (a: PieceRef, b: PieceRef) => a.roundId - b.roundId || a.pieceId - b.pieceId || a.destId - b.destId;

function collectPieces(objects: readonly ObjectInfo[]): ArchivedPiece[] {
  const pieces = new Map<string, ArchivedPiece>();
  const compacted = new Map<string, SegmentObject[]>();
  const pieceOf = ({ destId, roundId, pieceId }: PieceRef): ArchivedPiece => {
    const ref = { destId, roundId, pieceId };
    let piece = pieces.get(idOf(ref));
    if (!piece) {
      piece = { ...ref, directory: pieceDirectory(ref), startName: undefined, isFrozen: false, segments: [] };
      pieces.set(idOf(ref), piece);
    }
    return piece;
  };
  const deleted = new Set<string>();
  for (const { name, sizeBytes } of objects) {
    const parsed = parseObjectName(name);
    if (parsed?.kind === 'piece-deleted') deleted.add(idOf(parsed));
    else if (parsed?.kind === 'segment')
      pieceOf(parsed).segments.push({ segmentNo: parsed.segmentNo, name, sizeBytes });
    else if (parsed?.kind === 'compacted-segment') {
      const id = idOf(pieceOf(parsed));
      const own = compacted.get(id) ?? [];
      own.push({ segmentNo: parsed.segmentNo, name, sizeBytes });
      compacted.set(id, own);
    } else if (parsed?.kind === 'piece-info') pieceOf(parsed).isFrozen = true;
    else if (parsed?.kind === 'piece-start') pieceOf(parsed).startName = name;
  }
  // Their objects only wait for a rule of their bucket.
  for (const id of deleted) pieces.delete(id);
  for (const [id, piece] of pieces) {
    const bySegment = (a: SegmentObject, b: SegmentObject) => a.segmentNo - b.segmentNo;
    piece.segments.sort(bySegment);
    // Before the list is there, compacted segments are what an unfinished attempt left.
    if (piece.isFrozen) piece.segments.push(...(compacted.get(id) ?? []).sort(bySegment));
  }
  return [...pieces.values()].sort(byPiece);
}

async function listObjects(destination: Destination, prefix: string): Promise<ObjectInfo[]> {
  const objects = await destination.list(prefix);
  if (objects.length > OBJECTS_MAX) throw fail('NOT_SUPPORTED', { what: `a destination of ${objects.length} objects` });
  return objects;
}

/** Every piece at an archive destination, by round and id. Objects with names that are not ours are left out. */
export async function listPieces(destination: Destination): Promise<ArchivedPiece[]> {
  return collectPieces(await listObjects(destination, ''));
}

/** One piece as it lies there now: cheaper than listing the whole destination. Its start file is not looked for. */
export async function listPiece(destination: Destination, ref: PieceRef): Promise<ArchivedPiece> {
  const objects = await listObjects(destination, pieceDirectory(ref));
  const [piece] = collectPieces(objects);
  const { destId, roundId, pieceId } = ref;
  if (piece) return piece;
  const empty = { directory: pieceDirectory(ref), startName: undefined, isFrozen: false, segments: [] };
  return { destId, roundId, pieceId, ...empty };
}

/** The names at an archive destination, before any file is read. */
export interface ArchiveListing {
  /** Rounds whose start file is there, by id. */
  rounds: RoundRef[];
  pieces: ArchivedPiece[];
  /** Whether the end file of a round is there. */
  hasEnd(round: RoundRef): boolean;
}

/** What lies at an archive destination by its names. Objects with names that are not ours are left out. */
export async function listArchive(destination: Destination): Promise<ArchiveListing> {
  const objects = await listObjects(destination, '');
  const rounds: RoundRef[] = [];
  const ends = new Set<string>();
  const deleted = new Set<string>();
  for (const { name } of objects) {
    const parsed = parseObjectName(name);
    if (parsed?.kind === 'round-start') rounds.push({ destId: parsed.destId, roundId: parsed.roundId });
    else if (parsed?.kind === 'round-end') ends.add(name);
    else if (parsed?.kind === 'round-deleted') deleted.add(roundStartName(parsed));
  }
  const left = rounds.filter((round) => !deleted.has(roundStartName(round)));
  left.sort((a, b) => a.roundId - b.roundId || a.destId - b.destId);
  return { rounds: left, pieces: collectPieces(objects), hasEnd: (round) => ends.has(roundEndName(round)) };
}

/**
 * Every round at an archive destination, by id, with its pieces.
 * @throws BACKUP_FILE_NOT_EXIST (9011) when there are pieces of a round without its start file;
 *         BACKUP_DATA_CORRUPT (9010) when a start or end file is damaged
 */
export async function listRounds(destination: Destination): Promise<ArchivedRound[]> {
  const listing = await listArchive(destination);
  const isOf = (piece: PieceRef) => (ref: RoundRef) => ref.destId === piece.destId && ref.roundId === piece.roundId;
  const orphan = listing.pieces.find((piece) => !listing.rounds.some(isOf(piece)));
  if (orphan) throw fail('BACKUP_FILE_NOT_EXIST', { file: roundStartName(orphan) });
  const rounds: ArchivedRound[] = [];
  for (const ref of listing.rounds) {
    const pieces = listing.pieces.filter((piece) => isOf(piece)(ref));
    const start = await readRoundStart(destination, ref);
    const end = listing.hasEnd(ref) ? await readRoundEnd(destination, ref) : undefined;
    rounds.push({ ...ref, start, end, pieces });
  }
  return rounds;
}

/** @throws BACKUP_DATA_CORRUPT when a file says that it belongs elsewhere */
function checkRef(object: string, found: RoundRef & Partial<PieceRef>, expected: RoundRef & Partial<PieceRef>): void {
  const isSame =
    found.destId === expected.destId && found.roundId === expected.roundId && found.pieceId === expected.pieceId;
  if (!isSame) throw fail('BACKUP_DATA_CORRUPT', { object, because: 'it belongs to another round or piece' });
}

/** A whole descriptive object; one too large to be one is refused before it is read. */
async function readBounded(destination: Destination, object: string, bytesMax: number): Promise<Uint8Array> {
  const sizeBytes = await destination.size(object);
  if (sizeBytes === undefined) throw fail('BACKUP_FILE_NOT_EXIST', { file: object });
  if (sizeBytes > bytesMax) throw fail('BACKUP_DATA_CORRUPT', { object, because: `it has ${sizeBytes} bytes` });
  return await destination.get(object);
}

/** @throws BACKUP_FILE_NOT_EXIST, BACKUP_DATA_CORRUPT */
export async function readRoundStart(destination: Destination, ref: RoundRef): Promise<RoundStartInfo> {
  const object = roundStartName(ref);
  const info = roundStartFile.decode(await readBounded(destination, object, ARCHIVE_FACTS_BYTES_MAX), object);
  checkRef(object, info, { destId: ref.destId, roundId: ref.roundId });
  return info;
}

/** @throws BACKUP_FILE_NOT_EXIST, BACKUP_DATA_CORRUPT */
export async function readRoundEnd(destination: Destination, ref: RoundRef): Promise<RoundEndInfo> {
  const object = roundEndName(ref);
  const info = roundEndFile.decode(await readBounded(destination, object, ARCHIVE_FACTS_BYTES_MAX), object);
  checkRef(object, info, { destId: ref.destId, roundId: ref.roundId });
  return info;
}

/** What is known of a piece since it began. @throws BACKUP_FILE_NOT_EXIST, BACKUP_DATA_CORRUPT */
export async function readPieceStart(destination: Destination, piece: ArchivedPiece): Promise<PieceStartInfo> {
  const object = piece.startName;
  if (object === undefined) throw fail('BACKUP_FILE_NOT_EXIST', { file: `the start file of ${piece.directory}` });
  const info = pieceStartFile.decode(await readBounded(destination, object, ARCHIVE_FACTS_BYTES_MAX), object);
  checkRef(object, info, piece);
  return info;
}

/** What is known of a frozen piece. @throws BACKUP_FILE_NOT_EXIST while it is active; BACKUP_DATA_CORRUPT */
export async function readPieceInfo(destination: Destination, ref: PieceRef): Promise<PieceInfo> {
  const object = pieceInfoName(ref);
  const info = pieceInfoFile.decode(await readBounded(destination, object, PIECE_INFO_BYTES_MAX), object);
  checkRef(object, info, ref);
  return info;
}
