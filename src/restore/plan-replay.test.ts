// Goal: a standby goes exactly as far as unbroken log leads it, never past a hole, into one, or back.
// Method: random rounds, pieces, repairs and states; each plan against a search over single points.
import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { type Scn, toScn } from '../model/scn.ts';
import { SCN_UNLIMITED } from '../model/standby.ts';
import type { LogRun } from './plan-facts.ts';
import { planReplay } from './plan-replay.ts';

const CASES = 3000;
const POINTS = 40;

const seed = randomInt(2 ** 31);
let at = seed;
const random = (below: number) => {
  at = (Math.imul(at, 1_103_515_245) + 12_345) >>> 0;
  return (at >>> 8) % below;
};
const scn = (point: number): Scn => toScn(BigInt(point));

/** Rounds one after another, some with a lost piece, some of them repairs of the one before. */
function makeRuns(): LogRun[] {
  const runs: LogRun[] = [];
  let from = random(4);
  let before: LogRun | undefined;
  for (let roundId = 1; roundId <= 1 + random(4); roundId++) {
    const to = from + 1 + random(9);
    const isRepair = before !== undefined && random(3) > 0;
    const base = isRepair && before ? { destId: 1001, roundId: before.roundId, scn: before.toScn } : null;
    const cut = random(4) === 0 && to - from > 3 ? from + 1 + random(to - from - 2) : null;
    // The commit that repairs lies in the log that was found, or was not found.
    const firstScn = random(8) === 0 ? null : scn(from + random((cut ?? to) - from + 1));
    const parts: Array<[number, number]> =
      cut === null
        ? [[from, to]]
        : [
            [from, cut],
            [cut + 1, to],
          ];
    for (const [index, [start, end]] of parts.entries()) {
      const name = `piece_d1001r${roundId}p${roundId * 10 + index}`;
      runs.push({
        ...{ destId: 1001, roundId, fromScn: scn(start), toScn: scn(end), stoppedBy: null, interruptedBecause: '' },
        ...{ base: index === 0 ? base : null, firstScn: index === 0 && base ? firstScn : null, baseDamage: null },
        pieces: [{ name, fromScn: scn(start), toScn: scn(end), bytes: 1n }],
      });
    }
    before = runs.at(-1);
    from = to + 1 + random(4);
  }
  return runs;
}

const begin = (run: LogRun) => (run.base ? run.firstScn : run.fromScn);
const holds = (run: LogRun, point: Scn) => {
  const first = begin(run);
  return first !== null && first <= point && point <= run.toScn;
};

/** Every point that the state leads to, one step after the other. */
function reachable(runs: readonly LogRun[], state: { scn: Scn; roundId: number }): Set<Scn> {
  const found = new Set<Scn>();
  const open: Array<{ run: LogRun; point: Scn }> = runs
    .filter((run) => run.roundId === state.roundId && holds(run, state.scn))
    .map((run) => ({ run, point: state.scn }));
  const visited = new Set<string>();
  for (let next = open.pop(); next; next = open.pop()) {
    const { run, point } = next;
    const key = `${runs.indexOf(run)} ${point}`;
    if (visited.has(key)) continue;
    visited.add(key);
    found.add(point);
    if (point < run.toScn) open.push({ run, point: toScn(point + 1n) });
    for (const later of runs) {
      const isJoined = later.base?.roundId === run.roundId && later.base.scn === point && later.firstScn !== null;
      if (isJoined) open.push({ run: later, point: later.firstScn! });
    }
  }
  return found;
}

test(`goes as far as a search over single points does (seed ${seed})`, () => {
  let moved = 0;
  let stuck = 0;
  for (let n = 0; n < CASES; n++) {
    const runs = makeRuns();
    // Mostly somewhere in the log of its round.
    const { fromScn, toScn: end, roundId } = runs[random(runs.length)]!;
    const commit = random(5) === 0 ? random(POINTS) : Number(fromScn) + random(Number(end - fromScn) + 1);
    const state = { scn: scn(commit + random(3)), commitScn: scn(commit), roundId };
    const untilScn = random(3) === 0 ? SCN_UNLIMITED : scn(Number(state.scn) + random(POINTS));
    const plan = planReplay({ state, runs, untilScn, timeZone: '+00:00' });
    const points = [...reachable(runs, state), ...reachable(runs, { scn: state.commitScn, roundId: state.roundId })];
    const wanted = points
      .filter((point) => point > state.scn && point <= untilScn)
      .reduce<Scn | null>((last, point) => (last === null || point > last ? point : last), null);
    const shown = JSON.stringify({ n, runs, state, untilScn }, (_key, value) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    expect(plan.onward?.targetScn ?? null, shown).toBe(wanted);
    if (plan.onward) {
      moved++;
      const { stretches } = plan.onward;
      expect(stretches[0]!.run.roundId, shown).toBe(state.roundId);
      expect(holds(stretches.at(-1)!.run, plan.onward.targetScn), shown).toBe(true);
      for (const [place, { run }] of stretches.entries())
        if (place > 0) expect(run.base?.roundId, shown).toBe(stretches[place - 1]!.run.roundId);
    }
    // Log that lies further on and can not be had is never passed over in silence.
    const reached = plan.onward?.targetScn ?? state.scn;
    const isMissed =
      reached < untilScn && runs.some((run) => run.toScn > reached && run.fromScn < untilScn && holds(run, run.toScn));
    if (isMissed && untilScn === SCN_UNLIMITED) {
      stuck++;
      expect(plan.obstacle, shown).not.toBeNull();
    }
    if (reached === untilScn) expect(plan.obstacle, shown).toBeNull();
  }
  expect(moved).toBeGreaterThan(CASES / 10);
  expect(stuck).toBeGreaterThan(CASES / 20);
});
