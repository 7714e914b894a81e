// A plan keeps off broken sets where others lead to the same point, and never gives another point for it.
import { describe, expect, test } from 'vitest';
import { ceilToMicrosecond, type Scn, toScn } from '../model/scn.ts';
import type { LogRun, PlanFacts, PlanSet } from './plan-facts.ts';
import { planSound } from './plan-sound.ts';
import type { FoundRun } from './read-log.ts';

const BASE = 1_740_790_800_000_000_000n;
const at = (us: number): Scn => toScn(BASE + BigInt(us * 1000));

function set(backupSetId: number, us: number, sources: PlanSet[] = []): PlanSet {
  const name = `backup_set_${backupSetId}_${sources.length > 0 ? 'inc' : 'full'}`;
  return {
    ...{ name, backupSetId, roundId: 1, uuid: `u${backupSetId}`, manifestSha256: `h${backupSetId}` },
    sources: sources.map((of) => ({ ...of, object: `${of.name}/manifest` })),
    ...{ consistentScn: at(us), minRestoreScn: ceilToMicrosecond(at(us)) },
  };
}

/** Log from 5 to 100. */
const run = {
  ...{ destId: 1001, roundId: 1, fromScn: at(5), toScn: at(100), base: null, firstScn: null, baseDamage: null },
  pieces: [{ name: 'piece_d1001r1p1', fromScn: at(5), toScn: at(100), bytes: 10n }],
  ...{ stoppedBy: null, interruptedBecause: '' },
} satisfies LogRun as LogRun as FoundRun;

const facts = (sets: PlanSet[], runs: FoundRun[] = [run]): PlanFacts<PlanSet, FoundRun> => ({
  ...{ sets, sourceSets: sets, damagedSets: [], runs, timeZone: '+00:00' },
});
const full = set(1, 10);
const increment = set(2, 20, [full]);
const second = set(3, 30);
const chosen = (of: PlanFacts<PlanSet, FoundRun>, broken: number[], us: number | null = null) => {
  const target = us === null ? ({ kind: 'newest' } as const) : ({ kind: 'scn', scn: at(us) } as const);
  const { set: of1, restoreScn, comment } = planSound(of, target, new Set(broken));
  return { id: of1.backupSetId, us: Number((restoreScn - BASE) / 1000n), comment };
};

describe('a plan', () => {
  test('is as any other without broken sets', () => {
    expect(chosen(facts([full, increment, second]), [])).toEqual({ id: 3, us: 100, comment: '' });
  });

  test('takes an older set and more log instead of a broken one, and says so', () => {
    const found = chosen(facts([full, increment, second]), [3]);
    expect(found).toMatchObject({ id: 2, us: 100 });
    expect(found.comment).toContain('backup_set_3_full is damaged (backup_set_3_full: VALIDATE found damage in it)');
  });

  test('keeps off increments on a broken set too', () => {
    expect(chosen(facts([full, increment, second]), [1], 25)).toMatchObject({ id: 2, us: 25 });
    expect(chosen(facts([set(4, 8), full, increment]), [1], 25)).toMatchObject({ id: 4, us: 25 });
  });

  test('takes a broken set where no other leads to the point: it may be mended', () => {
    expect(chosen(facts([full]), [1])).toMatchObject({ id: 1, us: 100 });
    // Without log only the broken set is the newest point: an older one would be another state.
    expect(chosen(facts([full, second], []), [3])).toMatchObject({ id: 3, us: 30 });
  });
});
