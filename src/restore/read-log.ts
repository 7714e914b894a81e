// The log at archive destinations as unbroken runs, and how each joins the rounds before it.
// Frozen pieces are judged by their own lists here; every byte that is used is checked when it is walked.
import { fail, isFailure } from '../base/errors.ts';
import {
  type ArchivedPiece,
  listPieces,
  readPieceInfo,
  readPieceStart,
  readRoundEnd,
  readRoundStart,
} from '../destination/archive-listing.ts';
import { hasListedSize, type LogReader, walkPiece } from '../destination/archive-reader.ts';
import { roundStartPosition } from '../destination/batch-chain.ts';
import type { Destination } from '../destination/destination.ts';
import { firstCommitScn } from '../destination/find-repair.ts';
import type { PieceInfo, RoundBase, RoundEndInfo, RoundStartInfo } from '../format/archive-info.ts';
import { type PieceRef, pieceInfoName, type RoundRef, roundStartName } from '../format/layout.ts';
import { SCN_NONE, type Scn, toScn } from '../model/scn.ts';
import type { Damage, LogRun, PlanPiece } from './plan-facts.ts';

/** Whose log it must be: from the destination's format file. */
export type LogOwner = LogReader;

/** A run with the pieces that it was read from, in the same order as its plan pieces. */
export interface FoundRun extends LogRun {
  archived: ArchivedPiece[];
  base: RoundBase | null;
}

interface RoundOfPieces extends RoundRef {
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
  of: { owner: LogOwner; only: readonly PieceRef[] | null },
): Promise<FoundRun[]> {
  const isMeant = (piece: PieceRef) =>
    of.only === null ||
    of.only.some((p) => p.destId === piece.destId && p.roundId === piece.roundId && p.pieceId === piece.pieceId);
  const rounds = new Map<string, RoundOfPieces>();
  for (const piece of (await listPieces(destination)).filter(isMeant)) {
    const key = `${piece.roundId}/${piece.destId}`;
    const round = rounds.get(key) ?? { destId: piece.destId, roundId: piece.roundId, pieces: [] };
    round.pieces.push(piece);
    rounds.set(key, round);
  }
  const runs: FoundRun[] = [];
  for (const round of rounds.values()) runs.push(...(await readRoundRuns(destination, round, of)));
  return runs;
}

async function readRoundRuns(
  destination: Destination,
  round: RoundOfPieces,
  of: { owner: LogOwner; only: readonly PieceRef[] | null },
): Promise<FoundRun[]> {
  const { pieces } = round;
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
      else runs.push({ ...emptyRun(round), stoppedBy: covered, ...(await knownStart(destination, piece)) });
      open = null;
      continue;
    }
    if (!open) {
      open = { ...emptyRun(round), fromScn: covered.fromScn, toScn: covered.fromScn };
      runs.push(open);
    }
    addPiece(open, piece, covered);
    if (covered.damage) open = null;
  }
  const end = await findRoundEnd(destination, round);
  const last = runs.at(-1);
  if (last && of.only === null) last.stoppedBy ??= missingEnd(end, pieces.at(-1));
  const interruptedBecause = end && 'status' in end && end.status === 'INTERRUPTED' ? end.comment : '';
  for (const run of runs) Object.assign(run, { interruptedBecause });
  if (runs[0]) Object.assign(runs[0], await readBase(destination, runs[0], of.owner));
  return runs;
}

/** Also stands for log of which nothing can be read, so that nobody takes an older state for the newest. */
function emptyRun({ destId, roundId }: RoundRef): FoundRun {
  const log = { fromScn: SCN_NONE, toScn: SCN_NONE, pieces: [], archived: [], stoppedBy: null, interruptedBecause: '' };
  return { destId, roundId, ...log, base: null, firstScn: null, baseDamage: null };
}

/** What the first run of a round goes on from, and the scn of its repairing commit. */
async function readBase(
  destination: Destination,
  run: FoundRun,
  owner: LogOwner,
): Promise<Pick<FoundRun, 'base' | 'firstScn' | 'baseDamage'>> {
  const none = { base: null, firstScn: null, baseDamage: null };
  let start: RoundStartInfo;
  try {
    start = await readRoundStart(destination, run);
  } catch (error) {
    // Sets of the round itself need no start file.
    return { ...none, baseDamage: damageOf(error) };
  }
  const isOwn = start.cluster.uuid === owner.clusterUuid && start.tenant.id === owner.tenantId;
  if (!isOwn)
    return { ...none, baseDamage: { object: roundStartName(run), because: 'it belongs to another cluster or tenant' } };
  const { base } = start;
  if (!base || run.archived[0]?.pieceId !== start.basePieceId) return none;
  try {
    const firstScn = await firstCommitScn(destination, run.archived, { owner, from: roundStartPosition(start) });
    return { base, firstScn: firstScn ?? null, baseDamage: null };
  } catch (error) {
    return { base, firstScn: null, baseDamage: damageOf(error) };
  }
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
    if (!hasListedSize(found, listed))
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
    for await (const { header } of walkPiece(destination, piece, undefined, { owner, acceptsClosed: true })) {
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

/** The end of a round, or why it can not be read; undefined while the round goes on. */
async function findRoundEnd(destination: Destination, round: RoundRef): Promise<RoundEndInfo | Damage | undefined> {
  try {
    return await readRoundEnd(destination, round);
  } catch (error) {
    if (isFailure(error, 'BACKUP_FILE_NOT_EXIST')) return undefined;
    return damageOf(error);
  }
}

/** Whether a round that has ended has lost its last pieces. */
function missingEnd(end: RoundEndInfo | Damage | undefined, last: ArchivedPiece | undefined): Damage | null {
  if (!last || !end) return null;
  if ('because' in end) return end;
  if (end.lastPieceId === last.pieceId && last.isFrozen) return null;
  const pieceId = end.lastPieceId > last.pieceId ? last.pieceId + 1 : last.pieceId;
  return { object: pieceInfoName({ ...last, pieceId }), because: 'it is missing, though its round has ended' };
}
