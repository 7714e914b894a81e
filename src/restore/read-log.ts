// The log at archive destinations as unbroken runs, and the walk over the part of it that a restore needs.
// Frozen pieces are judged by their own lists here; every byte that is used is checked when it is walked.
import { fail, isFailure } from '../base/errors.ts';
import {
  type ArchivedPiece,
  listPieces,
  readPieceInfo,
  readPieceStart,
  readRoundEnd,
} from '../destination/archive-listing.ts';
import { type LogEnd, walkPiece } from '../destination/archive-reader.ts';
import type { ChainPosition, ReadBatch } from '../destination/batch-chain.ts';
import type { Destination } from '../destination/destination.ts';
import type { PieceInfo } from '../format/archive-info.ts';
import { type PieceRef, pieceInfoName } from '../format/layout.ts';
import { SCN_NONE, type Scn, toScn } from '../model/scn.ts';
import type { Damage, LogRun, PlanPiece } from './plan-restore.ts';

/** Whose log it must be: from the destination's format file. */
export interface LogOwner {
  clusterUuid: string;
  tenantId: number;
}

/** A run with the pieces that it was read from, in the same order as its plan pieces. */
export interface FoundRun extends LogRun {
  /** Uri of the archive destination. */
  uri: string;
  archived: ArchivedPiece[];
}

interface RoundOfPieces {
  roundId: number;
  pieces: ArchivedPiece[];
}

/** What one piece adds to a run, or why it adds less than it should. */
interface PieceCoverage {
  /** Before the first commit that it may hold. */
  fromScn: Scn;
  toScn: Scn;
  damage: Damage | null;
}

/** What stands in the way, when it is the state of the objects and not of the way to them. */
export function damageOf(error: unknown): Damage {
  if (isFailure(error, 'BACKUP_DATA_CORRUPT')) return error.facts as Damage;
  if (isFailure(error, 'BACKUP_FILE_NOT_EXIST'))
    return { object: (error.facts as { file: string }).file, because: 'it is missing' };
  throw error;
}

/** The runs at one archive destination. `only` limits them to single pieces. */
export async function readRuns(
  destination: Destination,
  of: { uri: string; owner: LogOwner; only: readonly PieceRef[] | null },
): Promise<FoundRun[]> {
  const isMeant = (piece: PieceRef) =>
    of.only === null ||
    of.only.some((p) => p.destId === piece.destId && p.roundId === piece.roundId && p.pieceId === piece.pieceId);
  const rounds = new Map<string, RoundOfPieces>();
  for (const piece of (await listPieces(destination)).filter(isMeant)) {
    const key = `${piece.roundId}/${piece.destId}`;
    const round = rounds.get(key) ?? { roundId: piece.roundId, pieces: [] };
    round.pieces.push(piece);
    rounds.set(key, round);
  }
  const runs: FoundRun[] = [];
  for (const round of rounds.values()) runs.push(...(await readRoundRuns(destination, round, of)));
  return runs;
}

async function readRoundRuns(
  destination: Destination,
  { roundId, pieces }: RoundOfPieces,
  of: { uri: string; owner: LogOwner; only: readonly PieceRef[] | null },
): Promise<FoundRun[]> {
  const runs: FoundRun[] = [];
  let open: FoundRun | null = null;
  for (const piece of pieces) {
    if (open && open.archived.at(-1)?.pieceId !== piece.pieceId - 1) open = null;
    const covered = await coverage(destination, piece, of.owner);
    if (covered === null) {
      open = null;
      continue;
    }
    if ('object' in covered) {
      // Nothing of this piece is known: the run before it ends here.
      if (open) open.stoppedBy = covered;
      else runs.push({ ...emptyRun(roundId, of.uri), stoppedBy: covered, ...(await knownStart(destination, piece)) });
      open = null;
      continue;
    }
    if (!open) {
      open = { ...emptyRun(roundId, of.uri), fromScn: covered.fromScn, toScn: covered.fromScn };
      runs.push(open);
    }
    addPiece(open, piece, covered);
    if (covered.damage) open = null;
  }
  const last = runs.at(-1);
  if (last && of.only === null) last.stoppedBy ??= await missingEnd(destination, pieces.at(-1));
  return runs;
}

/** Also stands for log of which nothing can be read, so that nobody takes an older state for the newest. */
function emptyRun(roundId: number, uri: string): FoundRun {
  return { roundId, uri, fromScn: SCN_NONE, toScn: SCN_NONE, pieces: [], archived: [], stoppedBy: null };
}

/** Where a piece that can not be read begins, if at least its start file can. */
async function knownStart(destination: Destination, piece: ArchivedPiece): Promise<Partial<FoundRun>> {
  try {
    const startScn = await startOf(destination, piece);
    return startScn === undefined ? {} : { fromScn: beforeScn(startScn), toScn: beforeScn(startScn) };
  } catch (error) {
    damageOf(error);
    return {};
  }
}

function addPiece(run: FoundRun, piece: ArchivedPiece, covered: PieceCoverage): void {
  const fromScn = run.pieces.length === 0 ? covered.fromScn : run.toScn;
  const reachedScn = covered.toScn > run.toScn ? covered.toScn : run.toScn;
  const bytes = piece.segments.reduce((sum, { sizeBytes }) => sum + BigInt(sizeBytes), 0n);
  const part: PlanPiece = { name: piece.directory, fromScn, toScn: reachedScn, bytes };
  run.pieces.push(part);
  run.archived.push(piece);
  run.toScn = reachedScn;
  run.stoppedBy = covered.damage;
}

/** How far a piece reaches; a damage when nothing of it is known; null when it was only just begun and is empty. */
async function coverage(
  destination: Destination,
  piece: ArchivedPiece,
  owner: LogOwner,
): Promise<PieceCoverage | Damage | null> {
  try {
    return piece.isFrozen ? await frozenCoverage(destination, piece) : await walkedCoverage(destination, piece, owner);
  } catch (error) {
    return damageOf(error);
  }
}

/** A frozen piece says itself what it holds; its segments must be there in full length. */
async function frozenCoverage(destination: Destination, piece: ArchivedPiece): Promise<PieceCoverage> {
  const info = await readPieceInfo(destination, piece);
  for (const listed of info.segments) {
    const name = `${piece.directory}/${listed.name}`;
    const found = piece.segments.find((segment) => segment.name === name);
    if (!found) throw fail('BACKUP_FILE_NOT_EXIST', { file: name });
    if (found.sizeBytes !== listed.size)
      throw fail('BACKUP_DATA_CORRUPT', {
        object: name,
        because: `it has ${found.sizeBytes} bytes instead of ${listed.size}`,
      });
  }
  return { fromScn: beforeScn(info.startScn), toScn: frozenEnd(info), damage: null };
}

/** The last point that a frozen piece proves: what was committed at its end itself is in the next piece. */
function frozenEnd({ checkpointScn, endScn }: PieceInfo): Scn {
  return checkpointScn < endScn ? checkpointScn : beforeScn(endScn);
}

/** Whether a frozen piece proves a point that lies after its last batch: nothing was committed in between. */
export async function provesPoint(destination: Destination, piece: ArchivedPiece, scn: Scn): Promise<boolean> {
  return piece.isFrozen && frozenEnd(await readPieceInfo(destination, piece)) >= scn;
}

/** An active piece is known only by its batches. */
async function walkedCoverage(
  destination: Destination,
  piece: ArchivedPiece,
  owner: LogOwner,
): Promise<PieceCoverage | Damage | null> {
  const startScn = await startOf(destination, piece);
  let reachedScn: Scn | undefined;
  let damage: Damage | null = null;
  let firstScn: Scn | undefined;
  try {
    for await (const { header } of walkPiece(destination, piece, undefined, { owner })) {
      firstScn ??= beforeScn(header.firstScn);
      reachedScn = header.checkpointScn;
    }
  } catch (error) {
    damage = damageOf(error);
  }
  const fromScn = startScn === undefined ? firstScn : beforeScn(startScn);
  if (fromScn === undefined) return damage;
  return { fromScn, toScn: reachedScn !== undefined && reachedScn > fromScn ? reachedScn : fromScn, damage };
}

/** Start of a piece by its start file; undefined when that is missing (a single piece given by its own uri). */
async function startOf(destination: Destination, piece: ArchivedPiece): Promise<Scn | undefined> {
  if (piece.startName === undefined) return undefined;
  return (await readPieceStart(destination, piece)).startScn;
}

/** A piece holds the commits from its start on: everything before it lies in earlier pieces. */
function beforeScn(scn: Scn): Scn {
  return scn === 0n ? scn : toScn(scn - 1n);
}

/** Whether a round that has ended has lost its last pieces. */
async function missingEnd(destination: Destination, last: ArchivedPiece | undefined): Promise<Damage | null> {
  if (!last) return null;
  const { destId, roundId } = last;
  try {
    const end = await readRoundEnd(destination, { destId, roundId });
    if (end.lastPieceId === last.pieceId && last.isFrozen) return null;
    const pieceId = end.lastPieceId > last.pieceId ? last.pieceId + 1 : last.pieceId;
    return {
      object: pieceInfoName({ destId, roundId, pieceId }),
      because: 'it is missing, though its round has ended',
    };
  } catch (error) {
    // Without an end file the round goes on.
    if (isFailure(error, 'BACKUP_FILE_NOT_EXIST')) return null;
    return damageOf(error);
  }
}

/**
 * Walks pieces in order, each continuing the one before.
 * @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) naming the object
 */
export async function* walkChosen(
  destination: Destination,
  pieces: readonly ArchivedPiece[],
  owner: LogOwner,
): AsyncGenerator<ReadBatch> {
  let from: ChainPosition | undefined;
  for (const piece of pieces) {
    const isLast = piece === pieces.at(-1) && !piece.isFrozen;
    const end: LogEnd = yield* walkPiece(destination, piece, from, { owner, isLast });
    // A piece in which nothing was committed leaves the chain where it was.
    if (end.last !== undefined) from = end.position;
  }
}

/**
 * The pieces of a seed as they lie there now, behind those that hold the beginning of their first commit: a commit in
 * parts may end in the next piece, where it counts. Where that beginning is gone the overlay tells whether it matters.
 * @throws BACKUP_FILE_NOT_EXIST (9011) naming the first that is gone
 */
export async function findPieces(
  destination: Destination,
  refs: readonly PieceRef[],
  owner: LogOwner,
): Promise<ArchivedPiece[]> {
  const all = await listPieces(destination);
  const at = ({ destId, roundId, pieceId }: PieceRef) =>
    all.find((p) => p.destId === destId && p.roundId === roundId && p.pieceId === pieceId);
  const pieces = refs.map((ref) => {
    const found = at(ref);
    if (!found) throw fail('BACKUP_FILE_NOT_EXIST', { file: pieceInfoName(ref) });
    return found;
  });
  for (let first = pieces[0]; first && (await beginsInsideCommit(destination, first, owner)); ) {
    first = at({ ...first, pieceId: first.pieceId - 1 });
    if (first) pieces.unshift(first);
  }
  return pieces;
}

/** Whether the first batch of a piece goes on with a commit of the piece before. */
async function beginsInsideCommit(destination: Destination, piece: ArchivedPiece, owner: LogOwner): Promise<boolean> {
  const walk = walkPiece(destination, piece, undefined, { owner });
  const step = await walk.next();
  await walk.return(undefined as never);
  return !step.done && step.value.header.isContinued;
}
