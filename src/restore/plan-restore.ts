// Which backup set and which log a restore uses: pure decisions over what was found at the sources.
// A point is restorable only when a set reaches it through unbroken log of its own round and of rounds that repair its
// end, or is that very point; nothing here ever answers with another point than the one that was asked for.
import { fail } from '../base/errors.ts';
import { type Scn, toScn } from '../model/scn.ts';
import { parseTime } from '../model/time-zone.ts';
import { type LogRun, type PlanFacts, type PlanPiece, type PlanSet, soundFacts } from './plan-facts.ts';
import { newestPoint, noSet, unreachablePoint } from './plan-refusal.ts';
import type { RestoreTarget, RestoreWindow } from './restore-service.ts';
import { beginOf, chainTo, restoreWindows } from './restore-windows.ts';

/** One round's part of the way from the set to the target. */
export interface Stretch<R extends LogRun = LogRun> {
  run: R;
  /** In order. */
  pieces: PlanPiece[];
}

export interface RestorePlan<S extends PlanSet = PlanSet, R extends LogRun = LogRun> {
  set: S;
  /** Every set that blocks are taken from, in the order that the set's index counts in: the chosen one is the last. */
  sets: S[];
  /** The log that leads from the set to the target, by round; none when the set itself is the target. */
  stretches: Array<Stretch<R>>;
  restoreScn: Scn;
  windows: RestoreWindow[];
  /** What the operator should know although the plan is exact; '' for nothing. */
  comment: string;
}

const SCN_BITS = 64n;
/** Damaged sets that a comment names: their number has no bound, that of its characters has. */
const NAMED_SETS_MAX = 3;

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
  found: PlanFacts<S, R>,
  target: RestoreTarget,
): RestorePlan<S, R> {
  const facts = soundFacts(found);
  if (facts.sets.length === 0) throw noSet(facts);
  const windows = restoreWindows(facts);
  const restoreScn = target.kind === 'newest' ? newestPoint(facts, windows) : targetScn(target, facts.timeZone);
  const chosen = choose(facts, restoreScn);
  if (!chosen) throw unreachablePoint(facts, windows, restoreScn);
  const { set, chain } = chosen;
  const stretches = chain.map((run) => ({
    run,
    pieces: piecesOf(run, { set, isLast: run === chain.at(-1), restoreScn }),
  }));
  return { set, sets: setsOf(set, facts), stretches, restoreScn, windows, comment: commentOf(facts, set) };
}

/** The newest set that yields the point: it needs the least log. Log is used only when the set is not the point. */
function choose<S extends PlanSet, R extends LogRun>(
  { sets, runs }: PlanFacts<S, R>,
  scn: Scn,
): { set: S; chain: R[] } | undefined {
  const newestFirst = [...sets].sort((a, b) =>
    a.consistentScn === b.consistentScn ? b.backupSetId - a.backupSetId : a.consistentScn < b.consistentScn ? 1 : -1,
  );
  // Where a later round holds the point, that is what the database was.
  const holding = runs.filter((run) => holds(run, scn)).sort((a, b) => b.roundId - a.roundId);
  for (const set of newestFirst) {
    if (scn === set.consistentScn) return { set, chain: [] };
    if (scn < set.consistentScn) continue;
    for (const run of holding) {
      const chain = chainTo(run, set, runs);
      if (chain) return { set, chain };
    }
  }
  return undefined;
}

function holds(run: LogRun, scn: Scn): boolean {
  const begin = beginOf(run);
  return begin !== null && begin <= scn && scn <= run.toScn;
}

/**
 * The pieces of a run that a restore walks. A run that another one goes on from is walked to its end, because that end
 * must be the batch that the other one names.
 */
function piecesOf(run: LogRun, of: { set: PlanSet; isLast: boolean; restoreScn: Scn }): PlanPiece[] {
  const isOwnRun = run.roundId === of.set.roundId;
  const after = isOwnRun ? run.pieces.filter((piece) => piece.toScn > of.set.consistentScn) : run.pieces;
  if (of.isLast) return after.filter((piece) => piece.fromScn < of.restoreScn);
  return after.length > 0 ? [...after] : run.pieces.slice(-1);
}

function setsOf<S extends PlanSet>(set: S, { sourceSets }: Pick<PlanFacts<S>, 'sourceSets'>): S[] {
  return [...set.sources.flatMap(({ uuid }) => sourceSets.find((source) => source.uuid === uuid) ?? []), set];
}

function commentOf(facts: PlanFacts, set: PlanSet): string {
  const newer = facts.damagedSets.filter(({ backupSetId }) => backupSetId > set.backupSetId);
  if (newer.length === 0) return '';
  const named = newer
    .slice(-NAMED_SETS_MAX)
    .map(({ name, object, because }) => `${name} is damaged (${object}: ${because})`);
  const more = newer.length > named.length ? ` and ${newer.length - named.length} more` : '';
  return `${set.name} and its log are used, because ${named.join(', ')}${more}; the result is the same state`;
}
