// Keeps a restore off the sets that VALIDATE found damaged, where others lead to the same point. Never off a point: what a
// reading found may have been mended since, so a plan that needs such a set is still made, and proves it or fails.
import type { PlanFacts, PlanSet } from './plan-facts.ts';
import { planRestore, type RestorePlan } from './plan-restore.ts';
import type { FoundRun } from './read-log.ts';
import type { RestoreTarget } from './restore-service.ts';

/**
 * @param brokenIds sets of these facts that were found damaged
 * @throws as `planRestore`
 */
export function planSound<S extends PlanSet, R extends FoundRun>(
  found: PlanFacts<S, R>,
  target: RestoreTarget,
  brokenIds: ReadonlySet<number>,
): RestorePlan<S, R> {
  const plan = planRestore(found, target);
  if (!plan.sets.some(({ backupSetId }) => brokenIds.has(backupSetId))) return plan;
  const isBroken = ({ backupSetId }: { backupSetId: number }) => brokenIds.has(backupSetId);
  const isSound = (set: S) => !isBroken(set) && !set.sources.some(isBroken);
  const damagedSets = found.sets
    .filter((set) => !isSound(set))
    .map(({ name, backupSetId }) => ({ name, backupSetId, object: name, because: 'VALIDATE found damage in it' }));
  const facts = {
    ...found,
    sets: found.sets.filter(isSound),
    damagedSets: [...found.damagedSets, ...damagedSets],
  };
  try {
    const sound = planRestore(facts, target);
    return sound.restoreScn === plan.restoreScn ? sound : plan;
  } catch {
    // Nothing sound leads there, or it can not be told that it does.
    return plan;
  }
}
