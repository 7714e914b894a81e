import { describe, expect, test } from 'vitest';
import { HoldfastError } from '../base/errors.ts';
import { ceilToMicrosecond, type Scn, toScn } from '../model/scn.ts';
import { type LogRun, type PlanFacts, type PlanSet, planRestore, restoreWindows } from './plan-restore.ts';

const BASE = 1_740_790_800_000_000_000n;
const at = (us: number): Scn => toScn(BASE + BigInt(Math.round(us * 1000)));

function set(backupSetId: number, roundId: number, us: number): PlanSet {
  const consistentScn = at(us);
  const minRestoreScn = ceilToMicrosecond(consistentScn);
  return { name: `backup_set_${backupSetId}_full`, backupSetId, roundId, consistentScn, minRestoreScn };
}

function run(roundId: number, fromUs: number, toUs: number, stoppedBy: LogRun['stoppedBy'] = null): LogRun {
  const pieces = [{ name: `piece_d1001r${roundId}p1`, fromScn: at(fromUs), toScn: at(toUs), bytes: 10n }];
  return { roundId, fromScn: at(fromUs), toScn: at(toUs), pieces, stoppedBy };
}

function facts(of: Partial<PlanFacts>): PlanFacts {
  return { sets: [], damagedSets: [], runs: [], timeZone: '+08:00', ...of };
}

function failure(work: () => unknown): HoldfastError {
  try {
    work();
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
  throw new Error('it should have failed');
}

const scnTarget = (us: number) => ({ kind: 'scn', scn: at(us) }) as const;
const newest = { kind: 'newest' } as const;

describe('planRestore', () => {
  const two = facts({ sets: [set(1, 1, 10), set(2, 1, 20), set(3, 2, 60)], runs: [run(1, 5, 40), run(2, 50, 90)] });

  test('takes the newest set before the target and the log that continues it', () => {
    const plan = planRestore(two, scnTarget(35));
    expect(plan.set.backupSetId).toBe(2);
    expect(plan.run?.roundId).toBe(1);
    expect(plan.restoreScn).toBe(at(35));
    expect(plan.pieces.map(({ name }) => name)).toEqual(['piece_d1001r1p1']);
  });

  test('includes both ends of a window and needs no log at the point of a set', () => {
    expect(planRestore(two, scnTarget(10)).run).toBeNull();
    expect(planRestore(two, scnTarget(40)).restoreScn).toBe(at(40));
    expect(planRestore(two, scnTarget(90)).set.backupSetId).toBe(3);
  });

  test('goes to the newest point when no target is given', () => {
    expect(planRestore(two, newest).restoreScn).toBe(at(90));
    expect(planRestore(facts({ sets: [set(1, 1, 10), set(2, 1, 20)] }), newest).restoreScn).toBe(at(20));
  });

  test('reads UNTIL TIME in the time zone of the backup', () => {
    const plan = planRestore(two, { kind: 'time', text: '2025-03-01 09:00:00.000035' });
    expect(plan.restoreScn).toBe(at(35));
    expect(failure(() => planRestore(two, { kind: 'time', text: 'yesterday' })).code).toBe(4002);
    expect(failure(() => planRestore(two, { kind: 'time', text: '9999-12-31 00:00:00' })).code).toBe(4002);
  });

  test('names the minimum restorable time before the first set', () => {
    const error = failure(() => planRestore(two, scnTarget(9)));
    expect(error.code).toBe(9119);
    expect(error.message).toBe(
      `no full backup set can be used to restore to given time, minimum restorable time is SCN ${at(10)} (2025-03-01 09:00:00.000010)`,
    );
  });

  test('names the newest restorable point after the end', () => {
    const error = failure(() => planRestore(two, scnTarget(91)));
    expect(error.code).toBe(9119);
    expect(error.message).toContain(`the newest restorable point, which is SCN ${at(90)} (2025-03-01 09:00:00.000090)`);
  });

  test('names both neighbours of a hole between two rounds', () => {
    const error = failure(() => planRestore(two, scnTarget(55)));
    expect(error.code).toBe(9077);
    expect(error.message).toContain(`${at(40)}`);
    expect(error.message).toContain(`${at(60)}`);
  });

  test('names both neighbours of a hole within a round', () => {
    const holed = facts({ sets: [set(1, 1, 10), set(2, 1, 60)], runs: [run(1, 5, 40), run(1, 50, 90)] });
    const error = failure(() => planRestore(holed, scnTarget(45)));
    expect(error.code).toBe(9064);
    expect(error.message).toContain(`points are SCN ${at(40)}`);
    expect(error.message).toContain(`and SCN ${at(60)}`);
    expect(planRestore(holed, scnTarget(70)).set.backupSetId).toBe(2);
  });

  test('refuses to answer a newest restore with an older round when a newer one has no set', () => {
    const error = failure(() => planRestore(facts({ sets: [set(1, 1, 10)], runs: two.runs.slice() }), newest));
    expect(error.code).toBe(9064);
    expect(error.message).toContain(`the newest restorable point is SCN ${at(40)}`);
    expect(failure(() => planRestore(facts({ sets: [set(1, 1, 10)], runs: [...two.runs] }), scnTarget(80))).code).toBe(
      9064,
    );
  });

  test('says that there is no set at all', () => {
    expect(failure(() => planRestore(facts({ runs: [run(1, 5, 40)] }), newest)).message).toBe(
      'no full backup set exists',
    );
  });

  const damaged = {
    object: 'backup_set_2_full/single_backup_set_info.obbak',
    because: 'cut off',
    name: 'backup_set_2_full',
    backupSetId: 2,
  };

  test('uses an older set when its log leads to the same state, and says so', () => {
    const plan = planRestore(
      facts({ sets: [set(1, 1, 10)], damagedSets: [damaged], runs: [run(1, 5, 40)] }),
      scnTarget(35),
    );
    expect(plan.set.backupSetId).toBe(1);
    expect(plan.comment).toContain('backup_set_2_full is damaged');
  });

  test('never goes back to an older state because a set is damaged', () => {
    const alone = facts({ sets: [set(1, 1, 10)], damagedSets: [damaged] });
    const error = failure(() => planRestore(alone, newest));
    expect(error.code).toBe(9010);
    expect(error.message).toContain('backup_set_2_full/single_backup_set_info.obbak');
    expect(error.message).toContain(`${at(10)}`);
    expect(failure(() => planRestore(facts({ damagedSets: [damaged] }), newest)).code).toBe(9010);
  });

  test('names the damaged log that stands before the target', () => {
    const stopped = run(1, 5, 40, { object: 'piece_d1001r1p1/logstream_1/log/2.obarc', because: 'a broken chain' });
    const broken = facts({ sets: [set(1, 1, 10)], runs: [stopped] });
    expect(planRestore(broken, scnTarget(30)).set.backupSetId).toBe(1);
    for (const target of [scnTarget(45), newest]) {
      const error = failure(() => planRestore(broken, target));
      expect(error.code).toBe(9010);
      expect(error.message).toContain('piece_d1001r1p1/logstream_1/log/2.obarc');
      expect(error.message).toContain(`SCN ${at(40)}`);
    }
  });
});

/** A small generator of whole numbers, so that a failing case can be repeated from its seed. */
function createRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Half microseconds: sets may stand between two commits' scns. */
const half = (n: number): Scn => toScn(BASE + BigInt(n) * 500n);
const AXIS = 160;

interface World {
  facts: PlanFacts;
  /** covered[round] has t when the commits of (t - 1, t] are in the log that is left. */
  covered: Map<number, Set<number>>;
}

function makeWorld(random: (below: number) => number): World {
  const sets: PlanSet[] = [];
  const runs: LogRun[] = [];
  const covered = new Map<number, Set<number>>();
  let now = random(10);
  let setId = 0;
  for (let roundId = 1; roundId <= 1 + random(3) && now < AXIS - 40; roundId++) {
    const points = new Set<number>();
    covered.set(roundId, points);
    const start = now;
    let open: LogRun | null = null;
    for (let piece = 0; piece <= random(4); piece++) {
      const from = now;
      now += 1 + random(14);
      if (random(5) === 0) {
        open = null;
        continue;
      }
      for (let t = from + 1; t <= now; t++) points.add(t);
      const part = { name: `r${roundId}p${piece}`, fromScn: half(from), toScn: half(now), bytes: 1n };
      if (open) {
        open.toScn = half(now);
        open.pieces.push(part);
      } else {
        open = { roundId, fromScn: half(from), toScn: half(now), pieces: [part], stoppedBy: null };
        runs.push(open);
      }
    }
    const places = Array.from({ length: random(4) }, () => start + random(now - start + 1)).sort((a, b) => a - b);
    for (const place of places) {
      setId++;
      sets.push({
        name: `backup_set_${setId}_full`,
        backupSetId: setId,
        roundId,
        consistentScn: half(place),
        minRestoreScn: ceilToMicrosecond(half(place)),
      });
    }
    now += random(12);
  }
  return { facts: facts({ sets, runs }), covered };
}

/** Whether a set yields the state at a point, by looking at every step between. */
function canReach(world: World, of: PlanSet, t: number): boolean {
  const from = Number((of.consistentScn - BASE) / 500n);
  if (t < from) return false;
  for (let step = from + 1; step <= t; step++) if (!world.covered.get(of.roundId)?.has(step)) return false;
  return true;
}

function checkPoint(world: World, t: number, reachable: boolean[]): void {
  const able = world.facts.sets.filter((candidate) => canReach(world, candidate, t));
  reachable[t] = able.length > 0;
  const target = { kind: 'scn', scn: half(t) } as const;
  if (able.length > 0) {
    const plan = planRestore(world.facts, target);
    expect(plan.restoreScn).toBe(half(t));
    const best = able.reduce((a, b) => (b.consistentScn >= a.consistentScn ? b : a));
    expect(plan.set.consistentScn).toBe(best.consistentScn);
    expect(able).toContain(plan.set);
    return;
  }
  const error = failure(() => planRestore(world.facts, target));
  expect([9064, 9077, 9119]).toContain(error.code);
}

function checkNeighbours(world: World, reachable: boolean[]): void {
  for (let t = 0; t < AXIS; t++) {
    if (reachable[t] || world.facts.sets.length === 0) continue;
    const { message } = failure(() => planRestore(world.facts, { kind: 'scn', scn: half(t) }));
    const before = reachable.lastIndexOf(true, t);
    const after = reachable.indexOf(true, t);
    if (before >= 0) expect(message).toContain(`SCN ${half(before)} `);
    if (after >= 0) expect(message).toContain(`SCN ${half(after)} `);
  }
}

describe('planRestore against a model that tries every step', () => {
  const first = Number(process.hrtime.bigint() % 1_000_000_000n);
  test(`agrees on what is restorable, from which set, and on the neighbours (seeds from ${first})`, () => {
    for (let seed = first; seed < first + 80; seed++) {
      const world = makeWorld(createRandom(seed));
      const reachable: boolean[] = [];
      try {
        for (let t = 0; t < AXIS; t++) {
          if (world.facts.sets.length > 0) checkPoint(world, t, reachable);
          else expect(failure(() => planRestore(world.facts, newest)).code).toBe(9119);
        }
        checkNeighbours(world, reachable);
        checkWindows(world, reachable);
        checkNewest(world, reachable);
      } catch (error) {
        throw new Error(`seed ${seed}: ${error}`, { cause: error });
      }
    }
  });

  function checkWindows(world: World, reachable: boolean[]): void {
    const windows = restoreWindows(world.facts);
    for (let t = 0; t < AXIS; t++) {
      const isInWindow = windows.some((window) => window.fromScn <= half(t) && half(t) <= window.toScn);
      expect(isInWindow).toBe(reachable[t] ?? false);
    }
  }

  function checkNewest(world: World, reachable: boolean[]): void {
    if (world.facts.sets.length === 0) return;
    const last = half(reachable.lastIndexOf(true));
    const logEnd = world.facts.runs.reduce((max, { toScn: to }) => (to > max ? to : max), half(0));
    if (logEnd > last) expect(failure(() => planRestore(world.facts, newest)).code).toBe(9064);
    else expect(planRestore(world.facts, newest).restoreScn).toBe(last);
  }
});
