// Which backup set and which log a restore uses: pure decisions over what was found at the sources.
// A point is restorable only when a set reaches it through unbroken log of its own round, or is that very point;
// nothing here ever answers with another point than the one that was asked for.
import { assert } from '../base/assert.ts';
import { fail, type HoldfastError } from '../base/errors.ts';
import { type Scn, toScn } from '../model/scn.ts';
import { formatTime, parseTime } from '../model/time-zone.ts';
import type { RestoreTarget, RestoreWindow } from './restore-service.ts';

/** A complete, readable backup set. */
export interface PlanSet {
  /** `backup_set_<n>_full` */
  name: string;
  backupSetId: number;
  roundId: number;
  /** Every commit up to and including this one is in the set. */
  consistentScn: Scn;
  minRestoreScn: Scn;
}

/** Something at a source that could not be read. */
export interface Damage {
  object: string;
  because: string;
}

/** A set whose manifest is there but damaged: its scns are unknown. */
export interface DamagedSet extends Damage {
  name: string;
  backupSetId: number;
}

export interface PlanPiece {
  /** `piece_d<dest>r<round>p<piece>` */
  name: string;
  /** The piece holds the commits after `fromScn` up to and including `toScn`. */
  fromScn: Scn;
  toScn: Scn;
  bytes: bigint;
}

/** A stretch of one round's log without a hole. */
export interface LogRun {
  roundId: number;
  /** Every commit after `fromScn` up to and including `toScn` is in it. */
  fromScn: Scn;
  toScn: Scn;
  /** In order. */
  pieces: PlanPiece[];
  /** What ends it before the end of its round; null when it simply ends. */
  stoppedBy: Damage | null;
}

export interface PlanFacts<S extends PlanSet = PlanSet, R extends LogRun = LogRun> {
  sets: readonly S[];
  damagedSets: readonly DamagedSet[];
  runs: readonly R[];
  /** Zone recorded in the backup: UNTIL TIME is read in it and points are shown in it. */
  timeZone: string;
}

export interface RestorePlan<S extends PlanSet = PlanSet, R extends LogRun = LogRun> {
  set: S;
  /** The log that leads from the set to the target; null when the set itself is the target. */
  run: R | null;
  restoreScn: Scn;
  /** Pieces that hold log between the set and the target, in order. */
  pieces: PlanPiece[];
  windows: RestoreWindow[];
  /** What the operator should know although the plan is exact; '' for nothing. */
  comment: string;
}

const SCN_BITS = 64n;
const greatest = (scns: readonly Scn[]): Scn | null =>
  scns.reduce<Scn | null>((max, scn) => (max === null || scn > max ? scn : max), null);

function continues(run: LogRun, set: PlanSet): boolean {
  return run.roundId === set.roundId && run.fromScn <= set.consistentScn && set.consistentScn <= run.toScn;
}

/** True when the set, with the run's log where one is given, yields exactly the state at `scn`. */
function reaches(set: PlanSet, run: LogRun | null, scn: Scn): boolean {
  if (scn === set.consistentScn) return true;
  return run !== null && continues(run, set) && set.consistentScn < scn && scn <= run.toScn;
}

/**
 * The points that can be restored, as unbroken ranges by ascending scn.
 * Sets that one run continues share its range; a set without log stands for its own point alone.
 */
export function restoreWindows(facts: Pick<PlanFacts, 'sets' | 'runs'>): RestoreWindow[] {
  const windows: RestoreWindow[] = [];
  const alone = new Set(facts.sets);
  for (const run of facts.runs) {
    const sets = facts.sets.filter((set) => continues(run, set));
    if (sets.length === 0) continue;
    for (const set of sets) alone.delete(set);
    const fromScn = sets.reduce((min, set) => (set.consistentScn < min ? set.consistentScn : min), run.toScn);
    windows.push({ fromScn, toScn: run.toScn, roundId: run.roundId, backupSetIds: idsOf(sets) });
  }
  for (const set of alone) {
    const { consistentScn, roundId } = set;
    windows.push({ fromScn: consistentScn, toScn: consistentScn, roundId, backupSetIds: idsOf([set]) });
  }
  return windows.sort((a, b) => (a.fromScn < b.fromScn ? -1 : a.fromScn > b.fromScn ? 1 : a.roundId - b.roundId));
}

function idsOf(sets: readonly PlanSet[]): number[] {
  return sets.map(({ backupSetId }) => backupSetId).sort((a, b) => a - b);
}

/** A point as people need it: to paste into UNTIL SCN and to recognise. */
function pointText(scn: Scn, timeZone: string): string {
  return `SCN ${scn} (${formatTime(scn, timeZone)})`;
}

/** @throws INVALID_ARGUMENT (4002) for a text that is no time or lies beyond what an scn can say */
function targetScn(target: Exclude<RestoreTarget, { kind: 'newest' }>, timeZone: string): Scn {
  if (target.kind === 'scn') return target.scn;
  const ns = parseTime(target.text, timeZone);
  if (ns === undefined || ns >> SCN_BITS !== 0n)
    throw fail('INVALID_ARGUMENT', { what: `UNTIL TIME '${target.text}'` });
  return toScn(ns);
}

/**
 * Chooses what to restore from.
 * @throws RESTORE_SOURCE_NOT_ENOUGH (9119) before the first and after the last restorable point;
 *         ARCHIVE_ROUND_NOT_CONTINUOUS (9077) between two rounds, ARCHIVE_LOG_NOT_CONTINUES_WITH_DATA (9064) within
 *         one, naming the nearest points; BACKUP_DATA_CORRUPT (9010) when damage stands in the way
 */
export function planRestore<S extends PlanSet, R extends LogRun>(
  facts: PlanFacts<S, R>,
  target: RestoreTarget,
): RestorePlan<S, R> {
  if (facts.sets.length === 0) throw noSet(facts);
  const windows = restoreWindows(facts);
  const restoreScn = target.kind === 'newest' ? newestPoint(facts, windows) : targetScn(target, facts.timeZone);
  const chosen = choose(facts, restoreScn);
  if (!chosen) throw unreachablePoint(facts, windows, restoreScn);
  const { set, run } = chosen;
  const pieces = run ? run.pieces.filter((p) => p.toScn > set.consistentScn && p.fromScn < restoreScn) : [];
  return { set, run, restoreScn, pieces, windows, comment: commentOf(facts, set) };
}

/** The newest set that yields the point: it needs the least log. Log is used only when the set is not the point. */
function choose<S extends PlanSet, R extends LogRun>(
  facts: PlanFacts<S, R>,
  scn: Scn,
): { set: S; run: R | null } | undefined {
  const newestFirst = [...facts.sets].sort((a, b) =>
    a.consistentScn === b.consistentScn ? b.backupSetId - a.backupSetId : a.consistentScn < b.consistentScn ? 1 : -1,
  );
  for (const set of newestFirst) {
    if (reaches(set, null, scn)) return { set, run: null };
    const run = facts.runs.find((candidate) => reaches(set, candidate, scn));
    if (run) return { set, run };
  }
  return undefined;
}

function commentOf(facts: PlanFacts, set: PlanSet): string {
  const newer = facts.damagedSets.filter(({ backupSetId }) => backupSetId > set.backupSetId);
  if (newer.length === 0) return '';
  return `${set.name} and its log are used, because ${newer.map(({ name }) => name).join(', ')} is damaged; the result is the same state`;
}

function corrupt({ object, because }: Damage, advice = ''): HoldfastError {
  return fail('BACKUP_DATA_CORRUPT', { object, because: `${because}${advice}` });
}

function noSet({ damagedSets }: PlanFacts): HoldfastError {
  const damaged = damagedSets.at(-1);
  if (damaged) return corrupt(damaged);
  return fail('RESTORE_SOURCE_NOT_ENOUGH', { detail: 'no full backup set exists' });
}

/**
 * The end of the last window, if nothing at the sources shows that there was anything later.
 * An older state must be asked for by its point, not got by leaving UNTIL out.
 */
function newestPoint(facts: PlanFacts, windows: readonly RestoreWindow[]): Scn {
  const newest = greatest(windows.map(({ toScn: to }) => to));
  assert(newest !== null, 'every readable set is restorable at its own point');
  const advice = `; the newest restorable point is ${pointText(newest, facts.timeZone)}, which UNTIL SCN can name`;
  const lastRun = facts.runs.reduce<LogRun | null>((last, run) => (last && isAfter(last, run) ? last : run), null);
  if (lastRun?.stoppedBy) throw corrupt(lastRun.stoppedBy, advice);
  const lastDamaged = facts.damagedSets.reduce<DamagedSet | null>(
    (last, set) => (last && last.backupSetId > set.backupSetId ? last : set),
    null,
  );
  const logEnd = greatest(facts.runs.map(({ toScn: to }) => to));
  if (logEnd !== null && logEnd > newest) {
    if (lastDamaged) throw corrupt(lastDamaged, advice);
    const log = `the log reaches to ${pointText(logEnd, facts.timeZone)}, but no backup set leads to it`;
    throw fail('ARCHIVE_LOG_NOT_CONTINUES_WITH_DATA', { detail: `${log}${advice}` });
  }
  const isProvenByLog = logEnd === newest;
  const newestId = Math.max(...facts.sets.map(({ backupSetId }) => backupSetId));
  if (!isProvenByLog && lastDamaged && lastDamaged.backupSetId > newestId) throw corrupt(lastDamaged, advice);
  return newest;
}

function isAfter(a: LogRun, b: LogRun): boolean {
  return a.roundId === b.roundId ? a.fromScn > b.fromScn : a.roundId > b.roundId;
}

/** Why a point can not be had, with the points around it. */
function unreachablePoint(facts: PlanFacts, windows: readonly RestoreWindow[], scn: Scn): HoldfastError {
  const show = (point: Scn) => pointText(point, facts.timeZone);
  const before = windows.reduce<RestoreWindow | null>(
    (best, window) => (window.toScn < scn && (!best || window.toScn > best.toScn) ? window : best),
    null,
  );
  const after = windows.find((window) => window.fromScn > scn) ?? null;
  const nearest = [before ? show(before.toScn) : '', after ? show(after.fromScn) : ''].filter((text) => text !== '');
  const advice = `; the nearest restorable ${nearest.length > 1 ? 'points are' : 'point is'} ${nearest.join(' and ')}`;
  const damage = damageBefore(facts, scn);
  if (damage) return corrupt(damage, advice);
  if (!before) {
    const minimum = after ? show(after.fromScn) : 'none';
    const text = 'no full backup set can be used to restore to given time, minimum restorable time is';
    return fail('RESTORE_SOURCE_NOT_ENOUGH', { detail: `${text} ${minimum}` });
  }
  if (!after) {
    if (facts.runs.some((run) => run.fromScn < scn && scn <= run.toScn))
      return fail('ARCHIVE_LOG_NOT_CONTINUES_WITH_DATA', {
        detail: `the log reaches ${show(scn)}, but no backup set leads to it${advice}`,
      });
    const text = `${show(scn)} lies after the newest restorable point, which is`;
    return fail('RESTORE_SOURCE_NOT_ENOUGH', { detail: `${text} ${show(before.toScn)}` });
  }
  if (before.roundId === after.roundId)
    return fail('ARCHIVE_LOG_NOT_CONTINUES_WITH_DATA', { detail: `${show(scn)} lies in a hole of the log${advice}` });
  return fail('ARCHIVE_ROUND_NOT_CONTINUOUS', {
    target: show(scn),
    before: show(before.toScn),
    after: show(after.fromScn),
  });
}

/** Damage that may be what keeps the point from being restorable: log that ends before it, or a set around it. */
function damageBefore(facts: PlanFacts, scn: Scn): Damage | null {
  let last: LogRun | null = null;
  for (const run of facts.runs) if (run.fromScn <= scn && (!last || isAfter(run, last))) last = run;
  if (last && last.toScn < scn && last.stoppedBy) return last.stoppedBy;
  const idBefore = Math.max(0, ...facts.sets.filter((s) => s.consistentScn < scn).map((s) => s.backupSetId));
  const idAfter = Math.min(
    Number.POSITIVE_INFINITY,
    ...facts.sets.filter((s) => s.consistentScn > scn).map((s) => s.backupSetId),
  );
  const between = facts.damagedSets.filter(({ backupSetId: id }) => idBefore < id && id < idAfter);
  // Beyond everything that the log shows, a damaged set explains nothing.
  const isWithinLog = facts.runs.length === 0 || facts.runs.some((run) => scn <= run.toScn);
  return isWithinLog ? (between.at(-1) ?? null) : null;
}
