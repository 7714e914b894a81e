// What a policy deletes and what it keeps: pure decisions over the rows of one tenant.
// The promise comes first: every point from the start of the recovery window on that could be restored before can be
// restored afterwards. What the promise does not need goes, oldest log first, dependents before what they lean on.
import { type ArchivePiece, lastScnOf } from '../model/archive-round.ts';
import type { BackupSet } from '../model/backup-job.ts';
import { SCN_NONE, type Scn } from '../model/scn.ts';
import type { CleanFacts, CleanPlan, PolicyAt, RestorableRange, Verdict } from './clean-facts.ts';
import { isUsable, withAncestors } from './set-chains.ts';

const byScn = (a: BackupSet, b: BackupSet) =>
  a.minRestoreScn === b.minRestoreScn ? a.backupSetId - b.backupSetId : a.minRestoreScn < b.minRestoreScn ? -1 : 1;

/** Everything that a tenant still has. */
const isThere = ({ fileStatus }: BackupSet | ArchivePiece): boolean => fileStatus !== 'DELETED';

/** What is left of ranges from a point on. */
function clip(ranges: readonly RestorableRange[], startScn: Scn): RestorableRange[] {
  const left = ranges
    .filter(({ toScn }) => toScn >= startScn)
    .map(({ fromScn, toScn }) => ({ fromScn: fromScn < startScn ? startScn : fromScn, toScn }))
    .sort((a, b) => (a.fromScn === b.fromScn ? 0 : a.fromScn < b.fromScn ? -1 : 1));
  const joined: RestorableRange[] = [];
  for (const range of left) {
    const last = joined.at(-1);
    if (last && range.fromScn <= last.toScn) last.toScn = range.toScn > last.toScn ? range.toScn : last.toScn;
    else joined.push(range);
  }
  return joined;
}

/** Whether every point of `needed` is still in `left`. */
export function covers(left: readonly RestorableRange[], needed: readonly RestorableRange[], startScn: Scn): boolean {
  const have = clip(left, startScn);
  return clip(needed, startScn).every((range) =>
    have.some(({ fromScn, toScn }) => fromScn <= range.fromScn && range.toScn <= toScn),
  );
}

/** A full set from which on everything stays, and which points that is to keep. */
interface CleanPoint {
  set: BackupSet;
  promisedFromScn: Scn;
}

/** The newest full sets that may be clean points, newest first: whatever is older is tried when the promise needs it. */
function cleanPoints(fulls: readonly BackupSet[], policy: PolicyAt): CleanPoint[] {
  const newestFirst = fulls.toSorted(byScn).reverse();
  const { windowStartScn, redundancy } = policy;
  const inWindow =
    windowStartScn === null ? 0 : newestFirst.findIndex(({ minRestoreScn }) => minRestoreScn <= windowStartScn);
  if (inWindow < 0) return [];
  const first = Math.max(inWindow, (redundancy ?? 1) - 1);
  return newestFirst.slice(first).map((set) => ({ set, promisedFromScn: windowStartScn ?? set.minRestoreScn }));
}

/** Frozen pieces that end before a point of the log that is kept, from the oldest on, while nothing reads them. */
function piecesBefore(scn: Scn, pieces: readonly ArchivePiece[], facts: CleanFacts): ArchivePiece[] {
  const doomed: ArchivePiece[] = [];
  const own = pieces.filter((piece) => facts.archiveUris.has(piece.uri)).toSorted((a, b) => a.pieceId - b.pieceId);
  for (const [i, piece] of own.entries()) {
    const next = own[i + 1];
    // The log goes on in the next piece: the newest one stays whatever it holds.
    const isPast = piece.status === 'FROZEN' && lastScnOf(piece) < scn && next !== undefined && next.startScn <= scn;
    if (!isPast || facts.piecesInUse.has(piece.pieceId)) break;
    doomed.push(piece);
  }
  return doomed;
}

/** A broken set protects nothing, and it may be mended: it goes when a sound one would. */
const isStanding = (set: BackupSet): boolean => isUsable(set) || set.fileStatus === 'BROKEN';

/** Why nobody can restore a set any more; undefined when somebody may. */
function wreckage(set: BackupSet, before: Scn): string | undefined {
  if (set.fileStatus === 'DELETING' || set.fileStatus === 'EXPIRED') return 'its deletion was begun';
  const isOver = set.status === 'FAILED' && set.endNs !== null && set.endNs <= before;
  return isOver ? 'its backup failed' : undefined;
}

function because(set: BackupSet, of: { neededBy: ReadonlyMap<number, number>; cleanPoint: BackupSet | null }): string {
  const needer = of.neededBy.get(set.backupSetId);
  if (of.cleanPoint?.backupSetId === set.backupSetId) return 'everything that is promised goes on from it';
  if (needer !== undefined && needer !== set.backupSetId) return `set ${needer} takes blocks from it`;
  if (set.fileStatus === 'BROKEN') return 'damage was found in it, and it may be mended';
  if (of.cleanPoint === null) return 'no full set is old enough to go on from';
  return 'it is behind the full set that everything goes on from';
}

/** Decides for one clean point; null for none, which keeps every usable set and all log. */
function decide(facts: CleanFacts, policy: PolicyAt, point: CleanPoint | null): CleanPlan {
  const there = facts.sets.filter(isThere);
  const own = there.filter(({ uri }) => facts.dataUris.has(uri));
  const standing = own.filter(isStanding);
  const kept = point ? standing.filter((set) => byScn(set, point.set) >= 0) : standing;
  const neededBy = withAncestors(kept, there);
  const cleanPoint = point?.set ?? null;
  const wreckBefore = policy.windowStartScn ?? cleanPoint?.minRestoreScn ?? SCN_NONE;
  const sets = there.map((set): Verdict<BackupSet> => {
    const inUse = facts.setsInUse.get(set.backupSetId);
    const isOwn = facts.dataUris.has(set.uri);
    if (!isOwn) return { of: set, isDeleted: false, because: 'it lies at another destination than the present one' };
    if (inUse !== undefined) return { of: set, isDeleted: false, because: inUse };
    const wrecked = wreckage(set, wreckBefore);
    if (wrecked !== undefined) return { of: set, isDeleted: true, because: wrecked };
    if (!isStanding(set)) return { of: set, isDeleted: false, because: `its status is ${set.status}` };
    if (neededBy.has(set.backupSetId))
      return { of: set, isDeleted: false, because: because(set, { neededBy, cleanPoint }) };
    return { of: set, isDeleted: true, because: `set ${cleanPoint?.backupSetId} makes it obsolete` };
  });
  const deleted = new Set(sets.filter(({ isDeleted }) => isDeleted).map(({ of }) => of));
  const logFrom = logStart(policy, {
    cleanPoint,
    kept: own.filter((set) => isUsable(set) && !deleted.has(set)),
    facts,
  });
  const piecesThere = facts.pieces.filter(isThere);
  const doomed = new Set(logFrom === null ? [] : piecesBefore(logFrom, piecesThere, facts));
  const pieces = piecesThere.map((piece): Verdict<ArchivePiece> => {
    const isDeleted = doomed.has(piece);
    return { of: piece, isDeleted, because: pieceBecause(piece, isDeleted, facts) };
  });
  return inOrder({ sets, pieces });
}

/** The point that log is kept from; null keeps all of it. Where somebody reads an old set, its log stays, too. */
function logStart(
  policy: PolicyAt,
  of: { cleanPoint: BackupSet | null; kept: readonly BackupSet[]; facts: CleanFacts },
): Scn | null {
  const { cleanPoint, kept, facts } = of;
  const isRead = ({ backupSetId }: BackupSet) => facts.setsInUse.has(backupSetId);
  const starts = kept.filter(isRead).map(({ startReplayScn }) => startReplayScn);
  if (cleanPoint) starts.push(cleanPoint.startReplayScn);
  else if (policy.policyName === 'default' || kept.length > 0) return null;
  if (policy.policyName === 'log_only' && policy.windowStartScn !== null) starts.push(policy.windowStartScn);
  return starts.length === 0 ? null : starts.reduce((min, scn) => (scn < min ? scn : min));
}

function pieceBecause(piece: ArchivePiece, isDeleted: boolean, facts: CleanFacts): string {
  if (isDeleted) return 'the log that is kept begins behind it';
  if (!facts.archiveUris.has(piece.uri)) return 'it lies at another destination than the present one';
  if (piece.status !== 'FROZEN') return `it is ${piece.status}`;
  return facts.piecesInUse.get(piece.pieceId) ?? 'its log, or that of a piece before it, is needed';
}

/** Later sets lean on earlier ones. */
function inOrder({ sets, pieces }: CleanPlan): CleanPlan {
  const isFirst = <T>(a: Verdict<T>, b: Verdict<T>) => Number(b.isDeleted) - Number(a.isDeleted);
  return {
    sets: sets.toSorted((a, b) => isFirst(a, b) || b.of.backupSetId - a.of.backupSetId),
    pieces: pieces.toSorted((a, b) => isFirst(a, b) || a.of.pieceId - b.of.pieceId),
  };
}

/** What there is when a plan was carried out. What was deleted still has its row: a round is more than its last pieces. */
export function leftBy(plan: CleanPlan, { sets, pieces }: CleanFacts): { sets: BackupSet[]; pieces: ArchivePiece[] } {
  const gone = new Set([...plan.sets, ...plan.pieces].filter(({ isDeleted }) => isDeleted).map(({ of }) => of));
  const after = <T extends BackupSet | ArchivePiece>(of: T): T =>
    gone.has(of) ? { ...of, fileStatus: 'DELETED' } : of;
  return { sets: sets.map(after), pieces: pieces.map(after) };
}

/**
 * What a policy deletes now. The clean point is the newest full set that keeps the promise: at or before the start of the
 * window, with as many full sets behind it as are to stay, and log that leads on from it as far as from any older one.
 */
export function planObsolete(facts: CleanFacts, policy: PolicyAt): CleanPlan {
  const before = facts.ranges(facts.sets, facts.pieces);
  const fulls = facts.sets.filter((set) => facts.dataUris.has(set.uri) && set.backupType === 'FULL' && isUsable(set));
  for (const point of cleanPoints(fulls, policy)) {
    const plan = decide(facts, policy, point);
    const left = leftBy(plan, facts);
    if (covers(facts.ranges(left.sets, left.pieces), before, point.promisedFromScn)) return plan;
  }
  return decide(facts, policy, null);
}
