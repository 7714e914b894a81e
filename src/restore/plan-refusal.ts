// Why a point can not be restored, with the restorable points around it; and which point is the newest. Pure.
import { assert } from '../base/assert.ts';
import { fail, type HoldfastError } from '../base/errors.ts';
import type { Scn } from '../model/scn.ts';
import { formatTime } from '../model/time-zone.ts';
import type { Damage, DamagedSet, LogRun, PlanFacts } from './plan-facts.ts';
import type { RestoreWindow } from './restore-service.ts';
import { runBefore } from './restore-windows.ts';

const greatest = (scns: readonly Scn[]): Scn | null =>
  scns.reduce<Scn | null>((max, scn) => (max === null || scn > max ? scn : max), null);

/** A point as people need it: to paste into UNTIL SCN and to recognise. */
function pointText(scn: Scn, timeZone: string): string {
  return `SCN ${scn} (${formatTime(scn, timeZone)})`;
}

function corrupt({ object, because }: Damage, advice = ''): HoldfastError {
  return fail('BACKUP_DATA_CORRUPT', { object, because: `${because}${advice}` });
}

export function noSet({ damagedSets }: PlanFacts): HoldfastError {
  const damaged = damagedSets.at(-1);
  if (damaged) return corrupt(damaged);
  return fail('RESTORE_SOURCE_NOT_ENOUGH', { detail: 'no full backup set exists' });
}

function isAfter(a: LogRun, b: LogRun): boolean {
  return a.roundId === b.roundId ? a.fromScn > b.fromScn : a.roundId > b.roundId;
}

/**
 * The end of the last window, if nothing at the sources shows that there was anything later.
 * An older state must be asked for by its point, not got by leaving UNTIL out.
 * @throws BACKUP_DATA_CORRUPT (9010), ARCHIVE_LOG_NOT_CONTINUES_WITH_DATA (9064) when something does
 */
export function newestPoint(facts: PlanFacts, windows: readonly RestoreWindow[]): Scn {
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
    const damage = (lastRun && brokenBase(facts, lastRun)) ?? stopAt(facts, newest) ?? lastDamaged;
    if (damage) throw corrupt(damage, advice);
    const log = `the log reaches to ${pointText(logEnd, facts.timeZone)}, but no backup set leads to it`;
    throw fail('ARCHIVE_LOG_NOT_CONTINUES_WITH_DATA', { detail: `${log}${advice}` });
  }
  const isProvenByLog = logEnd === newest;
  const newestId = Math.max(...facts.sets.map(({ backupSetId }) => backupSetId));
  if (!isProvenByLog && lastDamaged && lastDamaged.backupSetId > newestId) throw corrupt(lastDamaged, advice);
  return newest;
}

/** Why a point can not be had, with the points around it. */
export function unreachablePoint(facts: PlanFacts, windows: readonly RestoreWindow[], scn: Scn): HoldfastError {
  const show = (point: Scn) => pointText(point, facts.timeZone);
  const before = windows.reduce<RestoreWindow | null>(
    (best, window) => (window.toScn < scn && (!best || window.toScn > best.toScn) ? window : best),
    null,
  );
  const after = windows.find((window) => window.fromScn > scn) ?? null;
  const nearest = [before ? show(before.toScn) : '', after ? show(after.fromScn) : ''].filter((text) => text !== '');
  const advice = `; the nearest restorable ${nearest.length > 1 ? 'points are' : 'point is'} ${nearest.join(' and ')}`;
  const damage = damageBefore(facts, scn) ?? (before && stopAt(facts, before.toScn));
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
    target: `${show(scn)}${repairText(facts, after)}`,
    before: show(before.toScn),
    after: show(after.fromScn),
  });
}

/** What made the hole before a window that begins with a repair; '' for another one. */
function repairText({ runs }: PlanFacts, after: RestoreWindow): string {
  const repair = runs.find((run) => run.roundId === after.roundId && run.base && run.firstScn === after.fromScn);
  if (!repair?.base) return '';
  const { roundId } = repair.base;
  const because = runs.find((run) => run.roundId === roundId && run.interruptedBecause !== '')?.interruptedBecause;
  const cause = because === undefined ? '' : ` (${because})`;
  return `, after round ${roundId} was interrupted${cause} and before round ${repair.roundId} repaired it,`;
}

/** Damage that may be what keeps the point from being restorable: log that ends before it, or a set around it. */
function damageBefore(facts: PlanFacts, scn: Scn): Damage | null {
  let last: LogRun | null = null;
  for (const run of facts.runs) if (run.fromScn <= scn && (!last || isAfter(run, last))) last = run;
  if (last && last.toScn < scn && last.stoppedBy) return last.stoppedBy;
  const broken = last && brokenBase(facts, last);
  if (broken) return broken;
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

/** Damage that ends the log where a window ends: what lies behind it in the same round can not be reached. */
function stopAt({ runs }: PlanFacts, windowEnd: Scn): Damage | null {
  return runs.find((run) => run.toScn === windowEnd && run.stoppedBy)?.stoppedBy ?? null;
}

/** Damage that keeps the log from reaching the point which a repaired round, or one before it, goes on from. */
function brokenBase(facts: PlanFacts, last: LogRun): Damage | null {
  for (let run: LogRun | undefined = last; run; run = runBefore(run, facts.runs)) {
    if (run.baseDamage) return run.baseDamage;
    if (!run.base) return null;
    const { roundId, scn } = run.base;
    if (runBefore(run, facts.runs)) continue;
    const earlier = facts.runs.filter((r) => r.roundId === roundId && r.fromScn <= scn);
    const stopped = earlier.reduce<LogRun | null>((a, b) => (a && isAfter(a, b) ? a : b), null);
    return stopped?.stoppedBy ?? null;
  }
  return null;
}
