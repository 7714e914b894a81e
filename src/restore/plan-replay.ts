// How far a standby can go on from the state of its database, by the same rules as a restore: that state stands for a
// backup set. Pure. It never goes past a hole, into one, or back.
import { HoldfastError, isFailure } from '../base/errors.ts';
import type { Scn } from '../model/scn.ts';
import { type ReplayedState, SCN_UNLIMITED } from '../model/standby.ts';
import type { LogRun, PlanFacts, PlanSet } from './plan-facts.ts';
import { planRestore, type Stretch } from './plan-restore.ts';
import type { RestoreTarget } from './restore-service.ts';
import { restoreWindows } from './restore-windows.ts';

export interface ReplayPlan<R extends LogRun = LogRun> {
  /** Where the log leads, and how; null when it leads nowhere beyond the state. */
  onward: { targetScn: Scn; stretches: Array<Stretch<R>> } | null;
  /** Why it does not lead further although there is log, or although the limit lies there; null: more may come. */
  obstacle: HoldfastError | null;
}

export function planReplay<R extends LogRun>(of: {
  state: Pick<ReplayedState, 'scn' | 'commitScn' | 'roundId'>;
  runs: readonly R[];
  /** Inclusive; SCN_UNLIMITED for none. */
  untilScn: Scn;
  timeZone: string;
}): ReplayPlan<R> {
  const { state, runs, untilScn, timeZone } = of;
  const facts: PlanFacts<PlanSet, R> = { sets: setsOf(state), sourceSets: [], damagedSets: [], runs, timeZone };
  const windows = restoreWindows(facts);
  const ends = windows
    .filter(({ fromScn }) => fromScn <= untilScn)
    .map(({ toScn }) => (toScn < untilScn ? toScn : untilScn));
  const targetScn = ends.reduce((last, scn) => (scn > last ? scn : last), state.scn);
  const onward =
    targetScn > state.scn
      ? { targetScn, stretches: planRestore(facts, { kind: 'scn', scn: targetScn }).stretches }
      : null;
  return { onward, obstacle: targetScn === untilScn ? null : obstacleOf(facts, untilScn) };
}

/**
 * The state as sets that a plan may start from. Between its newest commit and its scn nothing was committed: a later
 * round may go on from any point there, and which one was not known when the state was made.
 */
function setsOf({ scn, commitScn, roundId }: Pick<ReplayedState, 'scn' | 'commitScn' | 'roundId'>): PlanSet[] {
  const setAt = (consistentScn: Scn): PlanSet => ({
    ...{ name: 'the standby', backupSetId: 0, roundId, uuid: '', manifestSha256: '', sources: [] },
    ...{ consistentScn, minRestoreScn: consistentScn },
  });
  return scn === commitScn ? [setAt(scn)] : [setAt(scn), setAt(commitScn)];
}

function obstacleOf(facts: PlanFacts, untilScn: Scn): HoldfastError | null {
  const newest = refusalOf(facts, { kind: 'newest' });
  if (newest || untilScn === SCN_UNLIMITED) return newest;
  const limit = refusalOf(facts, { kind: 'scn', scn: untilScn });
  // A limit behind everything that is known is a limit to wait for.
  return isFailure(limit, 'RESTORE_SOURCE_NOT_ENOUGH') ? null : limit;
}

function refusalOf(facts: PlanFacts, target: RestoreTarget): HoldfastError | null {
  try {
    planRestore(facts, target);
    return null;
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
}
