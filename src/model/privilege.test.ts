import { randomInt } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  GRANT_LEVELS,
  type Grant,
  isAdministrator,
  isAllowed,
  isSameUser,
  type Need,
  type Privilege,
  withGrant,
  withoutGrant,
} from './privilege.ts';

const PRIVILEGES: readonly Privilege[] = ['SELECT', 'ALTER SYSTEM', 'ALL'];
const NEEDS: readonly Need[] = [
  'NOTHING',
  'READ SYSTEM',
  'READ DATA',
  'WRITE DATA',
  'READ ACCOUNTS',
  'ALTER SYSTEM',
  'MANAGE ACCOUNTS',
  'MANAGE AUDIT',
];
const granted = (...grants: Grant[]) => ({ isAdministrator: false, grants });

describe('what a grant allows', () => {
  test.each<[Privilege, Grant['level'], Need[]]>([
    ['SELECT', 'GLOBAL', ['READ SYSTEM', 'READ DATA', 'READ ACCOUNTS']],
    ['SELECT', 'SYSTEM', ['READ SYSTEM']],
    ['SELECT', 'DATA', ['READ DATA']],
    ['ALTER SYSTEM', 'GLOBAL', ['ALTER SYSTEM']],
    ['ALL', 'GLOBAL', ['READ SYSTEM', 'READ DATA', 'WRITE DATA', 'READ ACCOUNTS', 'ALTER SYSTEM']],
    ['ALL', 'SYSTEM', ['READ SYSTEM']],
    ['ALL', 'DATA', ['READ DATA', 'WRITE DATA']],
  ])('%s on %s', (privilege, level, allowed) => {
    const rights = granted({ privilege, level });
    expect(NEEDS.filter((need) => isAllowed(rights, need))).toEqual(['NOTHING', ...allowed]);
  });

  test('without any, nothing that needs something; the administrator needs none', () => {
    expect(NEEDS.filter((need) => isAllowed(granted(), need))).toEqual(['NOTHING']);
    expect(NEEDS.filter((need) => isAllowed({ isAdministrator: true, grants: [] }, need))).toEqual(NEEDS);
  });
});

test('names of one account are those that the store takes for one', () => {
  expect(isSameUser('Ann-1', 'aNN-1')).toBe(true);
  for (const [a, b] of [
    ['STRASSE', 'straße'],
    ['Ä', 'ä'],
    ['SYS', 'ſys'],
    ['a', 'a '],
  ] as const) {
    expect(isSameUser(a, b), `${a} ${b}`).toBe(false);
  }
});

test('the administrator of each mode is known in any case', () => {
  expect([isAdministrator('mysql', 'ROOT'), isAdministrator('oracle', 'sys')]).toEqual([true, true]);
  expect([isAdministrator('mysql', 'SYS'), isAdministrator('oracle', 'root')]).toEqual([false, false]);
});

describe('granting and revoking', () => {
  // Goal: no sequence gives an account more, or takes more from it, than the statements said.
  // Method: random sequences beside a model of one flag for each privilege and level, where ALL stands for itself.
  test('keep to a model of flags', () => {
    const seed = randomInt(2 ** 31);
    let state = seed;
    const random = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let round = 0; round < 200; round++) {
      let grants: Grant[] = [];
      const flags = new Set<string>();
      for (let step = 0; step < 12; step++) {
        const grant = { privilege: PRIVILEGES[random(3)]!, level: GRANT_LEVELS[random(3)]! };
        const ofLevel = PRIVILEGES.map((privilege) => `${privilege} ${grant.level}`);
        const name = `${grant.privilege} ${grant.level}`;
        const removed = grant.privilege === 'ALL' ? ofLevel : [name];
        if (random(2) === 0) {
          grants = withGrant(grants, grant);
          if (grant.privilege === 'ALL') for (const each of ofLevel) flags.delete(each);
          if (!flags.has(`ALL ${grant.level}`)) flags.add(name);
        } else {
          const left = withoutGrant(grants, grant);
          expect(left !== undefined, `seed ${seed}`).toBe(removed.some((each) => flags.has(each)));
          grants = left ?? grants;
          for (const each of removed) flags.delete(each);
        }
        const kept = grants.map(({ privilege, level }) => `${privilege} ${level}`);
        expect(new Set(kept), `seed ${seed}`).toEqual(flags);
        expect(kept.length, `seed ${seed}`).toBe(flags.size);
      }
    }
  });
});
