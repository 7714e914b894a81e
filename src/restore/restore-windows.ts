// Which points sets and runs of log lead to, across rounds that repair a gap. Pure.
// A run of a repaired round goes on from a point of an earlier run, but its points begin with its repairing commit:
// what lies between is a hole that no log leads through.
import type { Scn } from '../model/scn.ts';
import type { LogRun, PlanFacts, PlanSet } from './plan-facts.ts';
import type { RestoreWindow } from './restore-service.ts';

/** The first point of a run that a set of its own round may stand at; null when the run has no points. */
export function beginOf(run: LogRun): Scn | null {
  return run.base ? run.firstScn : run.fromScn;
}

/** True when the set lies in the run: its log leads on from there. */
export function continues(run: LogRun, set: PlanSet): boolean {
  const begin = beginOf(run);
  return begin !== null && run.roundId === set.roundId && begin <= set.consistentScn && set.consistentScn <= run.toScn;
}

/** The run that holds the point which a repaired round goes on from; undefined when its log is not there. */
export function runBefore<R extends LogRun>(run: R, runs: readonly R[]): R | undefined {
  const { base } = run;
  // Rounds go forward: a base that names a later one is no base.
  if (!base || run.firstScn === null || base.roundId >= run.roundId) return undefined;
  return runs.find((earlier) => {
    // A round has one number wherever its copies lie.
    if (earlier.roundId !== base.roundId) return false;
    const begin = beginOf(earlier);
    return begin !== null && begin <= base.scn && base.scn <= earlier.toScn;
  });
}

/**
 * The runs that lead from a set to the end of `last`, oldest first, each joined to the one before by a repair.
 * @returns undefined when none do
 */
export function chainTo<R extends LogRun>(last: R, set: PlanSet, runs: readonly R[]): R[] | undefined {
  const chain = [last];
  for (let run: R | undefined = last; run; run = runBefore(run, runs)) {
    if (run !== last) chain.unshift(run);
    const until = chain[1]?.base?.scn;
    if (continues(run, set)) return until === undefined || set.consistentScn <= until ? chain : undefined;
  }
  return undefined;
}

/** For each run: its own sets, and those of earlier rounds that lead to its beginning through repairs. */
function setsOfRuns<R extends LogRun>(
  facts: Pick<PlanFacts<PlanSet, R>, 'sets' | 'runs'>,
): Map<R, { own: PlanSet[]; earlier: PlanSet[] }> {
  const found = new Map<R, { own: PlanSet[]; earlier: PlanSet[] }>();
  // A base is of an earlier round: it is known when it is asked for.
  for (const run of [...facts.runs].sort((a, b) => a.roundId - b.roundId)) {
    const own = facts.sets.filter((set) => continues(run, set));
    const before = runBefore(run, facts.runs);
    const joined = before && run.base ? { ...found.get(before)!, until: run.base.scn } : undefined;
    const earlier = joined ? [...joined.earlier, ...joined.own.filter((set) => set.consistentScn <= joined.until)] : [];
    found.set(run, { own, earlier });
  }
  return found;
}

/**
 * The points that can be restored, as unbroken ranges by ascending scn.
 * Sets that one run continues share its range; ranges that a repair joins are separate, with the hole between them, and
 * the later one names the sets of the earlier. A set without log stands for its own point alone.
 */
export function restoreWindows(facts: Pick<PlanFacts, 'sets' | 'runs'>): RestoreWindow[] {
  const windows: RestoreWindow[] = [];
  const alone = new Set(facts.sets);
  for (const [run, { own, earlier }] of setsOfRuns(facts)) {
    const { roundId, toScn } = run;
    for (const set of own) alone.delete(set);
    if (own.length + earlier.length === 0) continue;
    const first = own.reduce((min, set) => (set.consistentScn < min ? set.consistentScn : min), toScn);
    const fromScn = earlier.length > 0 && run.firstScn !== null ? run.firstScn : first;
    windows.push({ fromScn, toScn, roundId, backupSetIds: idsOf([...earlier, ...own]) });
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
