// The rounds and pieces of an archive destination as rows. A frozen piece is judged by its own list, whose segments must
// be there in full length; the one that is not frozen by walking the headers of its batches.
import { fail } from '../base/errors.ts';
import {
  type ArchivedPiece,
  listArchive,
  readPieceInfo,
  readPieceStart,
  readRoundEnd,
  readRoundStart,
} from '../destination/archive-listing.ts';
import { walkPiece } from '../destination/archive-reader.ts';
import { hasListedSize } from '../destination/counted-segments.ts';
import { firstCommitScn } from '../destination/find-repair.ts';
import type { ArchiveOwner, PieceInfo, PieceStartInfo, RoundEndInfo, RoundStartInfo } from '../format/archive-info.ts';
import { pieceInfoName, type RoundRef, roundEndName, roundStartName } from '../format/layout.ts';
import { type FileStatus, pieceAtStart } from '../model/archive-round.ts';
import { later, type Scn } from '../model/scn.ts';
import { type FoundPiece, type FoundRound, type FoundRows, isStorable } from './found-rows.ts';
import { ID_MAX, type Source, type SourceOwner } from './identify-sources.ts';
import type { RebuildWarnings } from './rebuild-warnings.ts';

/** Pieces at one destination: hourly ones of ten years are fewer. */
const PIECES_MAX = 100_000;
const NS_PER_US = 1000n;

interface Reading {
  source: Source;
  owner: SourceOwner;
  rows: FoundRows;
  warnings: RebuildWarnings;
  signal: AbortSignal;
}

/** Adds the rounds and pieces of one destination to `rows`. */
export async function readRounds(source: Source, of: Omit<Reading, 'source'>): Promise<void> {
  const reading: Reading = { ...of, source };
  const { destination } = source;
  const listing = await listArchive(destination);
  if (listing.pieces.length > PIECES_MAX)
    throw fail('NOT_SUPPORTED', { what: `a destination of ${listing.pieces.length} archive pieces is` });
  const pieces = new Map<string, ArchivedPiece[]>();
  for (const piece of listing.pieces) {
    if (!isPossible(reading, piece, piece.directory)) continue;
    of.rows.present.pieces.add(piece.pieceId);
    const own = pieces.get(keyOf(piece));
    if (own) own.push(piece);
    else pieces.set(keyOf(piece), [piece]);
  }
  for (const round of listing.rounds) {
    if (!isPossible(reading, round, roundStartName(round))) continue;
    const own = pieces.get(keyOf(round)) ?? [];
    pieces.delete(keyOf(round));
    await readRound(reading, round, { pieces: own, hasEnd: listing.hasEnd(round) });
  }
  for (const [first] of pieces.values()) if (first) of.warnings.missing(roundStartName(first), destination);
}

const keyOf = ({ destId, roundId }: RoundRef) => `${destId}/${roundId}`;

/** Notes the numbers of a name as taken; false when nobody's log has such numbers. */
function isPossible(reading: Reading, ref: RoundRef & { pieceId?: number }, object: string): boolean {
  const { destId, roundId, pieceId = 0 } = ref;
  if (destId > ID_MAX || roundId > ID_MAX || pieceId > ID_MAX) {
    reading.warnings.damaged(object, 'no archive has such numbers', reading.source.destination);
    return false;
  }
  const { taken } = reading.rows;
  taken.roundId = Math.max(taken.roundId, roundId);
  taken.pieceId = Math.max(taken.pieceId, pieceId);
  return true;
}

async function readRound(
  reading: Reading,
  ref: RoundRef,
  of: { pieces: readonly ArchivedPiece[]; hasEnd: boolean },
): Promise<void> {
  const { rows, warnings } = reading;
  const { destination } = reading.source;
  const start = await tryRead(reading, roundStartName(ref), () => readRoundStart(destination, ref));
  if (!start) return;
  const end = of.hasEnd ? await tryRead(reading, roundEndName(ref), () => readRoundEnd(destination, ref)) : undefined;
  rows.timeZone ??= start.tenant.timeZone;
  const found: FoundPiece[] = [];
  for (const piece of of.pieces) {
    reading.signal.throwIfAborted();
    const row = await readPiece(reading, piece);
    if (row) found.push(row);
  }
  rows.pieces.push(...found);
  const repairedScn = start.base && (await findRepair(reading, of.pieces));
  rows.rounds.push(roundRow(reading, { start, end, pieces: found, repairedScn }));
  // A hole is told by its first piece: whoever looks for the log behind it looks there. Cleaning takes the oldest ones.
  const lastId = end?.lastPieceId ?? of.pieces.at(-1)?.pieceId ?? start.basePieceId - 1;
  const there = new Set(of.pieces.map(({ pieceId }) => pieceId));
  for (let pieceId = of.pieces[0]?.pieceId ?? start.basePieceId; pieceId <= lastId; pieceId++) {
    if (there.has(pieceId)) continue;
    warnings.missing(pieceInfoName({ ...ref, pieceId }), destination);
    return;
  }
}

function roundRow(
  { source }: Reading,
  of: {
    start: RoundStartInfo;
    end: RoundEndInfo | undefined;
    pieces: readonly FoundPiece[];
    repairedScn: Scn | null;
  },
): FoundRound {
  const { start, end, pieces } = of;
  const { destId, roundId, startScn, basePieceId, pieceSwitchIntervalUs } = start;
  const usedPieceId = end?.lastPieceId ?? Math.max(basePieceId, ...pieces.map(({ pieceId }) => pieceId));
  return {
    ...{ destId, roundId, startScn, basePieceId, pieceSwitchIntervalUs, usedPieceId },
    status: end?.status ?? 'INTERRUPTED',
    checkpointScn: end?.checkpointScn ?? pieces.reduce((scn, piece) => later(scn, piece.checkpointScn), startScn),
    inputBytes: pieces.reduce((sum, piece) => sum + piece.inputBytes, 0n),
    outputBytes: pieces.reduce((sum, piece) => sum + piece.outputBytes, 0n),
    comment: end?.comment ?? 'recorded from its destination, where it has no end: this server does not archive it',
    uri: source.uri,
    baseRoundId: start.base?.roundId ?? null,
    baseScn: start.base?.scn ?? null,
    repairedScn: of.repairedScn,
  };
}

/** Scn of the commit that repairs the gap before a round; null when that can not be known. */
async function findRepair(reading: Reading, pieces: readonly ArchivedPiece[]): Promise<Scn | null> {
  const { owner, warnings } = reading;
  const { destination } = reading.source;
  try {
    return (await firstCommitScn(destination, pieces, { owner })) ?? null;
  } catch (error) {
    warnings.catch(error, destination);
    return null;
  }
}

/** A row for as much as can be known of a piece; undefined when not even its start can be read. */
async function readPiece(reading: Reading, piece: ArchivedPiece): Promise<FoundPiece | undefined> {
  const { destination } = reading.source;
  if (piece.isFrozen) {
    const info = await tryRead(reading, pieceInfoName(piece), () => readPieceInfo(destination, piece));
    if (info) return frozenRow(reading, piece, info);
  }
  const object = piece.startName ?? piece.directory;
  const start = await tryRead(reading, object, () => readPieceStart(destination, piece));
  if (!start) return undefined;
  // Its list is damaged: nothing that its segments hold is promised.
  if (piece.isFrozen) return { ...startRow(reading, start), status: 'FROZEN', fileStatus: 'BROKEN' };
  return await walkedRow(reading, piece, start);
}

function frozenRow(reading: Reading, piece: ArchivedPiece, info: PieceInfo): FoundPiece {
  const { destId, roundId, pieceId, startScn, endScn, checkpointScn, maxScn, inputBytes, outputBytes } = info;
  return {
    ...{ destId, roundId, pieceId, startScn, endScn, checkpointScn, maxScn, inputBytes, outputBytes },
    status: 'FROZEN',
    fileStatus: listedStatus(reading, piece, info),
    lockedUntilNs: 0n,
    createdUs: info.createdNs / NS_PER_US,
    uri: reading.source.uri,
  };
}

function listedStatus({ source, warnings }: Reading, piece: ArchivedPiece, info: PieceInfo): FileStatus {
  const there = new Map(piece.segments.map((segment) => [segment.name, segment]));
  for (const listed of info.segments) {
    const name = `${piece.directory}/${listed.name}`;
    const found = there.get(name);
    if (found && hasListedSize(found, listed)) continue;
    if (!found) warnings.missing(name, source.destination);
    else warnings.damaged(name, `it has ${found.sizeBytes} bytes instead of ${listed.size}`, source.destination);
    return 'BROKEN';
  }
  return 'AVAILABLE';
}

function startRow({ source }: Reading, start: PieceStartInfo): FoundPiece {
  const { destId, roundId, pieceId, startScn, endScn } = start;
  return {
    ...{ destId, roundId, pieceId, startScn, endScn },
    ...pieceAtStart(start),
    uri: source.uri,
  };
}

/** What an unfrozen piece holds, as its batches say: every header and table is read, no page image. */
async function walkedRow(reading: Reading, piece: ArchivedPiece, start: PieceStartInfo): Promise<FoundPiece> {
  const row = startRow(reading, start);
  const { destination } = reading.source;
  row.outputBytes = piece.segments.reduce((sum, { sizeBytes }) => sum + BigInt(sizeBytes), 0n);
  try {
    for await (const { header } of walkPiece(destination, piece, undefined, {
      owner: reading.owner,
      acceptsClosed: true,
    })) {
      reading.signal.throwIfAborted();
      row.checkpointScn = later(row.checkpointScn, header.checkpointScn);
      if (header.commitCount > 0) row.maxScn = later(row.maxScn, header.lastScn);
      row.inputBytes += BigInt(header.pageCount * header.pageSize);
    }
  } catch (error) {
    reading.warnings.catch(error, destination);
    row.fileStatus = 'BROKEN';
  }
  return row;
}

/** A descriptive file that is whole and belongs to the owner; otherwise a warning. */
async function tryRead<T extends ArchiveOwner>(
  { source, owner, warnings }: Reading,
  object: string,
  read: () => Promise<T>,
): Promise<T | undefined> {
  try {
    const info = await read();
    const isOwn = info.cluster.uuid === owner.clusterUuid && info.tenant.id === owner.tenantId;
    if (!isOwn) throw fail('BACKUP_DATA_CORRUPT', { object, because: 'it belongs to another cluster or tenant' });
    if (!isStorable(info)) throw fail('BACKUP_DATA_CORRUPT', { object, because: 'its numbers are impossible' });
    return info;
  } catch (error) {
    warnings.catch(error, source.destination);
    return undefined;
  }
}
