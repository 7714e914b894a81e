import { describe, expect, test } from 'vitest';
import { HoldfastError } from '../base/errors.ts';
import { ceilToMicrosecond, type Scn, toScn } from '../model/scn.ts';
import type { DamagedSet, LogRun, PlanFacts, PlanSet, PlanSource } from './plan-facts.ts';
import { planRestore } from './plan-restore.ts';
import { restoreWindows } from './restore-windows.ts';

const BASE = 1_740_790_800_000_000_000n;
const at = (us: number): Scn => toScn(BASE + BigInt(Math.round(us * 1000)));

function set(backupSetId: number, roundId: number, us: number, sources: PlanSet[] = []): PlanSet {
  return setAt(backupSetId, roundId, at(us), sources);
}

function setAt(backupSetId: number, roundId: number, consistentScn: Scn, sources: PlanSet[] = []): PlanSet {
  const minRestoreScn = ceilToMicrosecond(consistentScn);
  const name = `backup_set_${backupSetId}_${sources.length > 0 ? 'inc' : 'full'}`;
  const [uuid, manifestSha256] = [`uuid-${backupSetId}`, `hash-${backupSetId}`];
  const scns = { consistentScn, minRestoreScn };
  return { name, backupSetId, roundId, uuid, manifestSha256, sources: sources.map(sourceOf), ...scns };
}

function sourceOf({ backupSetId, name, uuid, manifestSha256 }: PlanSet): PlanSource {
  return { backupSetId, name, object: `${name}/single_backup_set_info.obbak`, uuid, manifestSha256 };
}

const DEST = 1001;
const STANDING_ALONE = {
  destId: DEST,
  base: null,
  firstScn: null,
  baseDamage: null,
  stoppedBy: null,
  interruptedBecause: '',
};

function run(roundId: number, fromUs: number, toUs: number, stoppedBy: LogRun['stoppedBy'] = null): LogRun {
  const pieces = [{ name: `piece_d1001r${roundId}p1`, fromScn: at(fromUs), toScn: at(toUs), bytes: 10n }];
  return { ...STANDING_ALONE, roundId, fromScn: at(fromUs), toScn: at(toUs), pieces, stoppedBy };
}

function facts(of: Partial<PlanFacts>): PlanFacts {
  const sets = of.sets ?? [];
  return { sets, sourceSets: sets, damagedSets: [], runs: [], timeZone: '+08:00', ...of };
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

const piecesOf = (plan: ReturnType<typeof planRestore>) =>
  plan.stretches.flatMap(({ pieces }) => pieces.map(({ name }) => name));

describe('planRestore', () => {
  const two = facts({ sets: [set(1, 1, 10), set(2, 1, 20), set(3, 2, 60)], runs: [run(1, 5, 40), run(2, 50, 90)] });

  test('takes the newest set before the target and the log that continues it', () => {
    const plan = planRestore(two, scnTarget(35));
    expect(plan.set.backupSetId).toBe(2);
    expect(plan.restoreScn).toBe(at(35));
    expect(piecesOf(plan)).toEqual(['piece_d1001r1p1']);
  });

  test('includes both ends of a window and needs no log at the point of a set', () => {
    expect(planRestore(two, scnTarget(10)).stretches).toEqual([]);
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

describe('planRestore with increments', () => {
  const full = set(1, 1, 10);
  const first = set(2, 1, 20, [full]);
  const second = set(3, 1, 30, [full, first]);
  const log = [run(1, 5, 40)];

  test('names every set that blocks are taken from, in the order of the index', () => {
    const plan = planRestore(facts({ sets: [full, first, second], runs: log }), scnTarget(35));
    expect(plan.sets.map(({ backupSetId }) => backupSetId)).toEqual([1, 2, 3]);
    expect(planRestore(facts({ sets: [full, first, second], runs: log }), scnTarget(10)).sets).toEqual([full]);
  });

  test('takes sources that a restore may not start from', () => {
    const plan = planRestore(facts({ sets: [second], sourceSets: [full, first, second] }), newest);
    expect(plan.set).toBe(second);
    expect(failure(() => planRestore(facts({ sets: [second] }), newest)).message).toContain(
      'backup_set_1_full/single_backup_set_info.obbak',
    );
  });

  test('falls back to a set whose sources are all there, and says which object is not', () => {
    const plan = planRestore(facts({ sets: [full, second], runs: log }), scnTarget(35));
    expect(plan.set).toBe(full);
    expect(plan.comment).toBe(
      'backup_set_1_full and its log are used, because backup_set_3_inc is damaged (backup_set_2_inc/single_backup_set_info.obbak: it is missing; backup_set_3_inc takes blocks from that set); the result is the same state',
    );
  });

  test.each([
    ['another uuid', { uuid: 'uuid-9' }],
    ['another manifest', { manifestSha256: 'hash-9' }],
  ])('refuses a source with %s, and everything made on it', (_, patch) => {
    const swapped = { ...full, ...patch };
    const plan = planRestore(facts({ sets: [swapped, first, second], runs: log }), scnTarget(35));
    expect(plan.set).toBe(swapped);
    expect(plan.comment).toMatch(/backup_set_2_inc is damaged .*backup_set_1_full.*another one/);
    const error = failure(() => planRestore(facts({ sets: [swapped, first, second] }), newest));
    expect(error.code).toBe(9010);
    expect(error.message).toContain('backup_set_1_full/single_backup_set_info.obbak');
  });

  test('names the damage of a source where that is known', () => {
    const object = 'backup_set_1_full/single_backup_set_info.obbak';
    const damaged = { name: 'backup_set_1_full', backupSetId: 1, object, because: 'its hash does not match' };
    const error = failure(() => planRestore(facts({ sets: [first], damagedSets: [damaged], runs: log }), newest));
    expect(error.message).toContain(`'${object}' is damaged: its hash does not match`);
  });
});

describe('planRestore across rounds that repair a gap', () => {
  const repair = (roundId: number, of: { base: number; from: number; first: number; to: number }): LogRun => ({
    ...run(roundId, of.from, of.to),
    base: { destId: DEST, roundId: roundId - 1, scn: at(of.base) },
    firstScn: at(of.first),
  });
  const broken = { ...run(1, 5, 40), interruptedBecause: 'the database file was replaced' };
  const joined = facts({
    sets: [set(1, 1, 10), set(2, 2, 70)],
    runs: [
      broken,
      repair(2, { base: 40, from: 48, first: 50, to: 80 }),
      repair(3, { base: 80, from: 84, first: 90, to: 99 }),
    ],
  });

  test('leads a set of an earlier round through each run to its end and on from the repair', () => {
    const plan = planRestore(facts({ ...joined, sets: [set(1, 1, 10)] }), scnTarget(95));
    expect(plan.stretches.map(({ run: { roundId } }) => roundId)).toEqual([1, 2, 3]);
    expect(piecesOf(plan)).toEqual(['piece_d1001r1p1', 'piece_d1001r2p1', 'piece_d1001r3p1']);
    expect(planRestore(joined, scnTarget(50)).set.backupSetId).toBe(1);
    expect(planRestore(joined, scnTarget(95)).stretches.map(({ run: { roundId } }) => roundId)).toEqual([2, 3]);
    expect(planRestore(joined, newest).restoreScn).toBe(at(99));
  });

  test('shows each unbroken range with the hole between, and the same sets', () => {
    expect(restoreWindows(joined)).toEqual([
      { fromScn: at(10), toScn: at(40), roundId: 1, backupSetIds: [1] },
      { fromScn: at(50), toScn: at(80), roundId: 2, backupSetIds: [1, 2] },
      { fromScn: at(90), toScn: at(99), roundId: 3, backupSetIds: [1, 2] },
    ]);
  });

  test.each([41, 48, 49])('names both edges of the hole and what made it (%i)', (us) => {
    const error = failure(() => planRestore(joined, scnTarget(us)));
    expect(error.code).toBe(9077);
    expect(error.message).toBe(
      `log discontinuous between two archive rounds: SCN ${at(us)} (2025-03-01 09:00:00.0000${us}), after round 1 was interrupted (the database file was replaced) and before round 2 repaired it, lies in a hole; the nearest restorable points are SCN ${at(40)} (2025-03-01 09:00:00.000040) and SCN ${at(50)} (2025-03-01 09:00:00.000050)`,
    );
  });

  test('does not go through a run that lacks the point which the next one goes on from, and names what is damaged', () => {
    const stoppedBy = { object: 'piece_d1001r1p1/logstream_1/log/2.obarc', because: 'a broken chain' };
    const short = { ...joined, sets: [set(1, 1, 10)], runs: [run(1, 5, 39, stoppedBy), ...joined.runs.slice(1)] };
    for (const us of [50, 95]) {
      const error = failure(() => planRestore(short, scnTarget(us)));
      expect(error.code).toBe(9010);
      expect(error.message).toContain(stoppedBy.object);
      expect(error.message).toContain(`SCN ${at(39)}`);
    }
    expect(failure(() => planRestore(short, newest)).code).toBe(9010);
  });

  test('knows no point of a round whose repairing commit is not complete', () => {
    const open = { ...repair(2, { base: 40, from: 48, first: 0, to: 48 }), firstScn: null };
    const begun = facts({ sets: [set(1, 1, 10)], runs: [broken, open] });
    expect(restoreWindows(begun)).toHaveLength(1);
    expect(failure(() => planRestore(begun, scnTarget(48))).code).toBe(9119);
    const error = failure(() => planRestore(begun, newest));
    expect(error.code).toBe(9064);
    expect(error.message).toContain(`the newest restorable point is SCN ${at(40)}`);
  });

  test('takes the run before wherever a copy of it lies, and none of a later round', () => {
    const elsewhere = joined.runs.map((r) => (r.base ? { ...r, base: { ...r.base, destId: 7 } } : r));
    expect(planRestore({ ...joined, sets: [set(1, 1, 10)], runs: elsewhere }, scnTarget(95)).restoreScn).toBe(at(95));
    const circle = joined.runs.map((r) => (r.base ? { ...r, base: { ...r.base, roundId: r.roundId } } : r));
    expect(failure(() => planRestore({ ...joined, sets: [set(1, 1, 10)], runs: circle }, scnTarget(60))).code).toBe(
      9064,
    );
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
const AXIS = 220;

interface Joint {
  baseRoundId: number;
  baseScn: number;
  /** null while the repairing commit is not complete. */
  first: number | null;
}

interface World {
  facts: PlanFacts;
  /** covered[round] has t when the commits of (t - 1, t] are in the log that is left. */
  covered: Map<number, Set<number>>;
  joints: Map<number, Joint>;
  /** Sets whose sources are all there. */
  usable: PlanSet[];
}

interface RoundDraft {
  roundId: number;
  joint: Joint | null;
  points: Set<number>;
  runs: LogRun[];
}

/** One round's log from `start` on, some pieces of it lost. @returns where it ends */
function makeRound(random: (below: number) => number, draft: RoundDraft, start: number): number {
  const { roundId, joint, points, runs } = draft;
  let now = start;
  let open: LogRun | null = null;
  const last = joint?.first === null ? 0 : random(4);
  for (let piece = 0; piece <= last; piece++) {
    const from = now;
    now += 1 + random(14);
    if (piece === 0 && joint) now = Math.max(now, joint.first ?? now);
    if (random(6) === 0) {
      if (open && random(2) === 0) open.stoppedBy = { object: `r${roundId}p${piece}`, because: 'it is damaged' };
      open = null;
      continue;
    }
    for (let t = from + 1; t <= now; t++) points.add(t);
    const part = { name: `r${roundId}p${piece}`, fromScn: half(from), toScn: half(now), bytes: 1n };
    if (open) {
      open.toScn = half(now);
      open.pieces.push(part);
      continue;
    }
    open = { ...STANDING_ALONE, roundId, fromScn: half(from), toScn: half(now), pieces: [part] };
    if (piece === 0 && joint) {
      open.base = { destId: DEST, roundId: joint.baseRoundId, scn: half(joint.baseScn) };
      open.firstScn = joint.first === null ? null : half(joint.first);
    }
    runs.push(open);
  }
  return now;
}

function makeWorld(random: (below: number) => number): World {
  const made: PlanSet[] = [];
  const runs: LogRun[] = [];
  const covered = new Map<number, Set<number>>();
  const joints = new Map<number, Joint>();
  let now = random(10);
  for (let roundId = 1; roundId <= 1 + random(5) && now < AXIS - 100; roundId++) {
    const start = now + 1 + random(4);
    const first = random(8) === 0 ? null : start + 1 + random(4);
    const isRepair = roundId > 1 && random(3) > 0;
    const joint = isRepair ? { baseRoundId: roundId - 1, baseScn: now, first } : null;
    const draft = { roundId, joint, points: new Set<number>(), runs };
    now = makeRound(random, draft, start);
    covered.set(roundId, draft.points);
    if (joint && draft.points.has(start + 1)) joints.set(roundId, joint);
    else if (joint) joints.delete(roundId);
    const places = Array.from({ length: random(3) }, () => start + random(now - start + 1)).sort((a, b) => a - b);
    for (const place of places) {
      const sources = random(2) === 0 ? made.filter(() => random(3) === 0) : [];
      made.push(setAt(made.length + 1, roundId, half(place), sources));
    }
    if (random(3) === 0) now += random(12);
    else if (joints.size === 0) now += random(3);
  }
  return { ...loseSets(random, made, runs), covered, joints };
}

/** Some sets are lost, damaged or replaced: those that take blocks from them can not be used. */
function loseSets(random: (below: number) => number, made: PlanSet[], runs: LogRun[]): Pick<World, 'facts' | 'usable'> {
  const damagedSets: DamagedSet[] = [];
  const bad = new Set<number>();
  const sets = made.flatMap((one) => {
    const fate = random(12);
    if (fate <= 2) bad.add(one.backupSetId);
    if (fate === 0) return [];
    if (fate === 1) {
      damagedSets.push({ name: one.name, backupSetId: one.backupSetId, object: `${one.name}/x`, because: 'damaged' });
      return [];
    }
    return fate === 2 ? [{ ...one, uuid: 'replaced' }] : [one];
  });
  const usable = sets.filter((one) => one.sources.every((source) => !bad.has(source.backupSetId)));
  return { facts: facts({ sets, damagedSets, runs }), usable };
}

const placeOf = (scn: Scn) => Number((scn - BASE) / 500n);

/** Whether a state of a round yields the state at a point, by looking at every step between and at every repair. */
function leads(world: World, from: { roundId: number; t: number }, t: number): boolean {
  const holds = (to: number) => {
    for (let step = from.t + 1; step <= to; step++) if (!world.covered.get(from.roundId)?.has(step)) return false;
    return true;
  };
  if (t >= from.t && holds(t)) return true;
  return [...world.joints].some(([roundId, { baseRoundId, baseScn, first }]) => {
    const isNext =
      baseRoundId === from.roundId && first !== null && first <= t && hasLogAt(world, baseRoundId, baseScn);
    return isNext && baseScn >= from.t && holds(baseScn) && leads(world, { roundId, t: first }, t);
  });
}

/** What a round goes on from is proved by the log of the earlier round alone, also where a set stands at that very point. */
function hasLogAt(world: World, roundId: number, t: number): boolean {
  return world.facts.runs.some((run) => {
    const begin = run.base ? run.firstScn : run.fromScn;
    return run.roundId === roundId && begin !== null && begin <= half(t) && half(t) <= run.toScn;
  });
}

function canReach(world: World, of: PlanSet, t: number): boolean {
  const from = placeOf(of.consistentScn);
  if (t === from) return true;
  const joint = world.joints.get(of.roundId);
  // A set that stands before the repairing commit of its own round would be no state of that log.
  if (joint && isInFirstRun(world, of, from) && (joint.first === null || from < joint.first)) return false;
  return leads(world, { roundId: of.roundId, t: from }, t);
}

function isInFirstRun(world: World, { roundId }: PlanSet, t: number): boolean {
  return world.facts.runs.some((r) => r.roundId === roundId && r.base && r.fromScn <= half(t) && half(t) <= r.toScn);
}

function checkPoint(world: World, t: number, reachable: boolean[]): void {
  const able = world.usable.filter((candidate) => canReach(world, candidate, t));
  reachable[t] = able.length > 0;
  const target = { kind: 'scn', scn: half(t) } as const;
  if (able.length > 0) {
    const plan = planRestore(world.facts, target);
    expect(plan.restoreScn).toBe(half(t));
    const best = able.reduce((a, b) => (b.consistentScn >= a.consistentScn ? b : a));
    expect(plan.set.consistentScn).toBe(best.consistentScn);
    expect(able).toContain(plan.set);
    checkStretches(world, plan, t);
    return;
  }
  const error = failure(() => planRestore(world.facts, target));
  expect([9010, 9064, 9077, 9119]).toContain(error.code);
}

/** The pieces of a plan hold every commit between the set and the point, and each round's up to where the next goes on. */
function checkStretches(world: World, plan: ReturnType<typeof planRestore>, t: number): void {
  let from = placeOf(plan.set.consistentScn);
  for (const [index, { run: part, pieces }] of plan.stretches.entries()) {
    if (index > 0) from = placeOf(part.firstScn!);
    const next = plan.stretches[index + 1]?.run;
    if (next) expect(next.base?.roundId).toBe(part.roundId);
    const to = next?.base ? placeOf(next.base.scn) : t;
    expect(pieces.length).toBeGreaterThan(0);
    for (let step = from + 1; step <= to; step++) {
      expect(pieces.some((piece) => piece.fromScn < half(step) && half(step) <= piece.toScn)).toBe(true);
    }
    if (index > 0) expect(pieces[0]).toBe(part.pieces[0]);
    if (next) expect(pieces.at(-1)).toBe(part.pieces.at(-1));
  }
  expect(plan.stretches.length > 0 || t === from).toBe(true);
  for (const { run: part } of plan.stretches) expect(world.facts.runs).toContain(part);
}

function checkNeighbours(world: World, reachable: boolean[]): void {
  for (let t = 0; t < AXIS; t++) {
    if (reachable[t] || world.usable.length === 0) continue;
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
    for (let seed = first; seed < first + 120; seed++) {
      const world = makeWorld(createRandom(seed));
      const reachable: boolean[] = [];
      try {
        for (let t = 0; t < AXIS; t++) {
          if (world.usable.length > 0) checkPoint(world, t, reachable);
          else expect([9119, 9010]).toContain(failure(() => planRestore(world.facts, newest)).code);
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
    const windows = restoreWindows({ ...world.facts, sets: world.usable });
    for (let t = 0; t < AXIS; t++) {
      const around = windows.filter((window) => window.fromScn <= half(t) && half(t) <= window.toScn);
      expect(around.length > 0).toBe(reachable[t] ?? false);
      const able = world.usable.filter((candidate) => canReach(world, candidate, t));
      const named = new Set(around.flatMap(({ backupSetIds }) => backupSetIds));
      for (const { backupSetId } of able) expect(named).toContain(backupSetId);
    }
  }

  function checkNewest(world: World, reachable: boolean[]): void {
    if (world.usable.length === 0) return;
    const last = half(reachable.lastIndexOf(true));
    const { runs } = world.facts;
    const logEnd = runs.reduce((max, { toScn: to }) => (to > max ? to : max), half(0));
    const isWhole = world.usable.length === world.facts.sets.length && world.facts.damagedSets.length === 0;
    if (logEnd > last) expect([9010, 9064]).toContain(failure(() => planRestore(world.facts, newest)).code);
    else if (isWhole && runs.at(-1)?.stoppedBy === null) expect(planRestore(world.facts, newest).restoreScn).toBe(last);
    else expect(restoreOrDamage(world.facts, last)).toBe(true);
  }

  /** True when the newest restore yields that point or names damage. */
  function restoreOrDamage(of: PlanFacts, last: Scn): boolean {
    try {
      return planRestore(of, newest).restoreScn === last;
    } catch (error) {
      return error instanceof HoldfastError && error.code === 9010;
    }
  }
});
