// The log at archive destinations as unbroken runs, and how each joins the rounds before it.
// Frozen pieces are judged by their own lists here; every byte that is used is checked when it is walked.
import { sameBytes } from '../base/bytes.ts';
import { fail, isFailure } from '../base/errors.ts';
import { mapAtOnce } from '../base/map-at-once.ts';
import {
  type ArchivedPiece,
  readPieceInfo,
  readPieceStart,
  readRoundEnd,
  readRoundStart,
} from '../destination/archive-listing.ts';
import type { LogReader } from '../destination/archive-reader.ts';
import { type ChainPosition, roundStartPosition } from '../destination/batch-chain.ts';
import { hasListedSize } from '../destination/counted-segments.ts';
import type { Destination } from '../destination/destination.ts';
import { inPlace, isAway, mayLieElsewhere, readFirst } from '../destination/fall-over.ts';
import {
  type CopiedPiece,
  directoryOf,
  type LogCopies,
  type PieceCopy,
  roundPlaces,
} from '../destination/list-copies.ts';
import { walkCopies } from '../destination/walk-copies.ts';
import type { PieceInfo, RoundBase, RoundEndInfo, RoundStartInfo } from '../format/archive-info.ts';
import { pieceInfoName, type RoundRef, roundStartName } from '../format/layout.ts';
import type { HashedBatchHeader } from '../format/log-batch-header.ts';
import { SCN_NONE, type Scn, toScn } from '../model/scn.ts';
import type { Damage, LogRun, PlanPiece } from './plan-facts.ts';

/** Pieces that are asked what they hold at once: each is some small requests to places that may be far. */
const PIECES_AT_ONCE = 8;

/** Whose log it must be: from the destination's format file. */
export type LogOwner = LogReader;

/** A run with the pieces that it was read from, in the same order as its plan pieces. */
export interface FoundRun extends LogRun {
  archived: CopiedPiece[];
  base: RoundBase | null;
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

/** What is read of a log, and for whom. */
interface Reading {
  log: LogCopies;
  owner: LogOwner;
}

/**
 * The runs of a log, each piece from whichever copy is whole.
 * @param pieces those of the log that count
 */
export async function readRuns(
  log: LogCopies,
  { owner, pieces = log.pieces }: { owner: LogOwner; pieces?: readonly CopiedPiece[] },
): Promise<FoundRun[]> {
  const rounds = new Map<number, CopiedPiece[]>();
  for (const piece of pieces) rounds.set(piece.roundId, [...(rounds.get(piece.roundId) ?? []), piece]);
  const runs: FoundRun[] = [];
  for (const round of rounds.values()) runs.push(...(await readRoundRuns({ log, owner }, round)));
  return runs;
}

async function readRoundRuns(reading: Reading, pieces: readonly CopiedPiece[]): Promise<FoundRun[]> {
  const { destId, roundId } = pieces[0]!.copies[0]!.piece;
  const round = { destId, roundId };
  const runs: FoundRun[] = [];
  const coverages = await mapAtOnce(pieces, PIECES_AT_ONCE, (piece) => coverage(reading, piece));
  let open: FoundRun | null = null;
  for (const [index, piece] of pieces.entries()) {
    if (open && open.archived.at(-1)?.pieceId !== piece.pieceId - 1) open = null;
    const covered = coverages[index];
    if (!covered) {
      open = null;
      continue;
    }
    if ('object' in covered) {
      // Nothing of this piece is known: the run before it ends here.
      if (open) open.stoppedBy = covered;
      else runs.push({ ...emptyRun(round), stoppedBy: covered, ...(await knownStart(reading, piece)) });
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
  const end = await findRoundEnd(reading, pieces);
  const last = runs.at(-1);
  const isWhole = reading.log.places.every(({ only }) => only === null);
  if (last && isWhole) last.stoppedBy ??= missingEnd(end, pieces.at(-1));
  const interruptedBecause = end && 'status' in end && end.status === 'INTERRUPTED' ? end.comment : '';
  for (const run of runs) Object.assign(run, { interruptedBecause });
  if (runs[0]) Object.assign(runs[0], await readBase(reading, runs[0], pieces));
  return runs;
}

/** Also stands for log of which nothing can be read, so that nobody takes an older state for the newest. */
function emptyRun({ destId, roundId }: RoundRef): FoundRun {
  const log = { fromScn: SCN_NONE, toScn: SCN_NONE, pieces: [], archived: [], stoppedBy: null, interruptedBecause: '' };
  return { destId, roundId, ...log, base: null, firstScn: null, baseDamage: null };
}

/** What the first run of a round goes on from, and the scn of its repairing commit. */
async function readBase(
  { log, owner }: Reading,
  run: FoundRun,
  pieces: readonly CopiedPiece[],
): Promise<Pick<FoundRun, 'base' | 'firstScn' | 'baseDamage'>> {
  const none = { base: null, firstScn: null, baseDamage: null };
  let start: RoundStartInfo;
  try {
    start = await readFirst(roundPlaces(log, pieces), ({ place, ref }) => readRoundStart(place.destination, ref));
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
    return {
      base,
      firstScn: await firstCommit({ log, owner }, run.archived, roundStartPosition(start)),
      baseDamage: null,
    };
  } catch (error) {
    return { base, firstScn: null, baseDamage: damageOf(error) };
  }
}

/** Scn of the first commit that is whole in its round: the one that repairs the gap before it. */
async function firstCommit(
  { log, owner }: Reading,
  pieces: readonly CopiedPiece[],
  from: ChainPosition,
): Promise<Scn | null> {
  let at = from;
  // Piece by piece: what is behind the commit may be damaged.
  for (const piece of pieces) {
    for await (const { header } of walkCopies(log.places, [piece], at, { owner, acceptsClosed: true })) {
      if (header.commitCount > 0) return header.firstScn;
      at = { batchNo: header.batchNo, hash: header.hash };
    }
  }
  return null;
}

/** Where a piece that can not be read begins, if at least its start file can. */
async function knownStart(reading: Reading, piece: CopiedPiece): Promise<Partial<FoundRun>> {
  try {
    const startScn = await startOf(reading, piece);
    return startScn === undefined ? {} : { fromScn: beforeScn(startScn), toScn: beforeScn(startScn) };
  } catch (error) {
    damageOf(error);
    return {};
  }
}

function addPiece(run: FoundRun, piece: CopiedPiece, covered: PieceCoverage): void {
  const fromScn = run.pieces.length === 0 ? covered.fromScn : run.toScn;
  const reachedScn = covered.toScn > run.toScn ? covered.toScn : run.toScn;
  const [{ piece: lying }] = piece.copies as [PieceCopy];
  const bytes = lying.segments.reduce((sum, { sizeBytes }) => sum + BigInt(sizeBytes), 0n);
  const part: PlanPiece = { name: lying.directory, fromScn, toScn: reachedScn, bytes };
  run.pieces.push(part);
  run.archived.push(piece);
  run.toScn = reachedScn;
  run.stoppedBy = covered.damage;
}

/** How far a piece reaches; a damage when nothing of it is known; null when it was only just begun and is empty. */
async function coverage(reading: Reading, piece: CopiedPiece): Promise<PieceCoverage | Damage | null> {
  const { log } = reading;
  const frozen = piece.copies.filter((copy) => copy.piece.isFrozen);
  try {
    if (frozen.length > 0)
      return await readFirst(frozen, ({ place, piece: lying }) =>
        inOwnPlace(log, place, () => frozenCoverage(log.places[place]!.destination, lying)),
      );
  } catch (error) {
    if (piece.copies.length === 1) return damageOf(error);
    if (!mayLieElsewhere(error)) throw error;
    // No copy is whole: together they may be.
  }
  try {
    return await walkedCoverage(reading, piece);
  } catch (error) {
    return damageOf(error);
  }
}

/** Whatever is told of one of several copies names its place. */
async function inOwnPlace<T>({ places }: LogCopies, place: number, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw places.length > 1 ? inPlace(error, places[place]!.shown) : error;
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
export async function provesPoint({ places }: LogCopies, { copies }: CopiedPiece, scn: Scn): Promise<boolean> {
  const frozen = copies.filter(({ piece }) => piece.isFrozen);
  if (frozen.length === 0) return false;
  const info = await readFirst(frozen, ({ place, piece }) => readPieceInfo(places[place]!.destination, piece));
  return frozenEnd(info) >= scn;
}

/** A piece that no list tells of is known only by its batches. */
async function walkedCoverage({ log, owner }: Reading, piece: CopiedPiece): Promise<PieceCoverage | Damage | null> {
  const startScn = await startOf({ log, owner }, piece);
  let reachedScn: Scn | undefined;
  let damage: Damage | null = null;
  let firstScn: Scn | undefined;
  let last: HashedBatchHeader | undefined;
  try {
    for await (const { header } of walkCopies(log.places, [piece], undefined, { owner, acceptsClosed: true })) {
      firstScn ??= beforeScn(header.firstScn);
      reachedScn = header.checkpointScn;
      last = header;
    }
    const listed = await listedEnd(log, piece);
    if (listed && !isEndOf(last, listed)) damage = listedDamage(piece, listed);
    else if (listed) reachedScn = frozenEnd(listed);
  } catch (error) {
    damage = damageOf(error);
  }
  const fromScn = startScn === undefined ? firstScn : beforeScn(startScn);
  if (fromScn === undefined) return damage;
  return { fromScn, toScn: reachedScn !== undefined && reachedScn > fromScn ? reachedScn : fromScn, damage };
}

/** The list of a frozen piece that can be read in some copy. */
async function listedEnd({ places }: LogCopies, { copies }: CopiedPiece): Promise<PieceInfo | undefined> {
  const frozen = copies.filter(({ piece }) => piece.isFrozen);
  if (frozen.length === 0) return undefined;
  return await readFirst(frozen, ({ place, piece }) => readPieceInfo(places[place]!.destination, piece));
}

function isEndOf(last: HashedBatchHeader | undefined, { lastBatchHash }: PieceInfo): boolean {
  return last && lastBatchHash ? sameBytes(last.hash, lastBatchHash) : !last && !lastBatchHash;
}

function listedDamage(piece: CopiedPiece, { segments }: PieceInfo): Damage {
  const last = segments.at(-1);
  const object = `${directoryOf(piece)}/${last?.name ?? ''}`;
  return { object, because: `no copy has its batch ${last?.lastBatchNo}` };
}

/** Start of a piece by its start file; undefined when that is missing (a single piece given by its own uri). */
async function startOf({ log }: Reading, { copies }: CopiedPiece): Promise<Scn | undefined> {
  const known = copies.filter(({ piece }) => piece.startName !== undefined);
  if (known.length === 0) return undefined;
  const start = await readFirst(known, ({ place, piece }) => readPieceStart(log.places[place]!.destination, piece));
  return start.startScn;
}

/** A piece holds the commits from its start on: everything before it lies in earlier pieces. */
function beforeScn(scn: Scn): Scn {
  return scn === 0n ? scn : toScn(scn - 1n);
}

/** The end of a round, or why it can not be read; undefined while the round goes on. */
async function findRoundEnd(
  { log }: Reading,
  pieces: readonly CopiedPiece[],
): Promise<RoundEndInfo | Damage | undefined> {
  let damage: Damage | undefined;
  for (const { place, ref } of roundPlaces(log, pieces)) {
    try {
      return await readRoundEnd(place.destination, ref);
    } catch (error) {
      if (!mayLieElsewhere(error) || (isAway(error) && log.places.length === 1)) throw error;
      if (isFailure(error, 'BACKUP_DATA_CORRUPT')) damage ??= damageOf(error);
    }
  }
  return damage;
}

/** Whether a round that has ended has lost its last pieces. */
function missingEnd(end: RoundEndInfo | Damage | undefined, last: CopiedPiece | undefined): Damage | null {
  if (!last || !end) return null;
  if ('because' in end) return end;
  const { piece } = last.copies[0]!;
  if (end.lastPieceId === piece.pieceId && piece.isFrozen) return null;
  const pieceId = end.lastPieceId > piece.pieceId ? piece.pieceId + 1 : piece.pieceId;
  return { object: pieceInfoName({ ...piece, pieceId }), because: 'it is missing, though its round has ended' };
}
