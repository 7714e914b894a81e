import { expect, test } from 'vitest';
import { Tally, type TallyKey } from './tally.ts';

const DAY_NS = 86_400n * 1_000_000_000n;
const key = (more: Partial<TallyKey> = {}): TallyKey => ({
  ...{ tenantId: 1002, kind: 'LOGIN', user: 'root', host: '10.0.0.1', statement: null, errno: 1045 },
  ...more,
});
const shown = (tally: Tally) =>
  tally.changed().map(({ user, host, statement, count }) => [user, host, statement, count]);

test('what is alike is one entry for a day, then another', () => {
  const tally = new Tally();
  for (const at of [5n, 6n, DAY_NS + 4n, DAY_NS + 5n]) tally.add(key(), at);
  tally.add(key({ errno: 0 }), 7n);
  expect(tally.changed().map(({ errno, firstNs, lastNs, count }) => [errno, firstNs, lastNs, count])).toEqual([
    [1045, 5n, DAY_NS + 4n, 3],
    [1045, DAY_NS + 5n, DAY_NS + 5n, 1],
    [0, 7n, 7n, 1],
  ]);
});

test('after a writing only what was added since is to be written, with the count of all', () => {
  const tally = new Tally();
  tally.add(key(), 1n);
  tally.changed()[0]!.eventId = 9;
  tally.settle(2n);
  expect(tally.hasChanged).toBe(false);
  tally.add(key(), 3n);
  expect(tally.changed()).toMatchObject([{ eventId: 9, count: 2, firstNs: 1n, lastNs: 3n }]);
});

test('a flood of names from a tenant becomes a few entries, and costs no other tenant his own', () => {
  const tally = new Tally();
  for (let i = 0; i < 10_000; i++) tally.add(key({ host: `10.1.${i >> 8}.${i & 255}` }), BigInt(i));
  for (let i = 0; i < 5000; i++) tally.add(key({ kind: 'STATEMENT', statement: `KILL ${i}`, errno: 1094 }), 20_000n);
  tally.add(key({ tenantId: 1004 }), 30_000n);
  const entries = tally.changed();
  expect(entries.length).toBe(100 + 2 + 1);
  expect(entries.reduce((sum, { count }) => sum + count, 0)).toBe(15_001);
  expect(shown(tally).slice(-3)).toEqual([
    ['(others)', '(others)', null, 9900],
    ['(others)', '(others)', '(others)', 5000],
    ['root', '10.0.0.1', null, 1],
  ]);
});

test('entries that are over make room', () => {
  const tally = new Tally();
  for (let i = 0; i < 200; i++) tally.add(key({ host: `a${i}` }), 1n);
  tally.settle(DAY_NS + 1n);
  tally.add(key({ host: 'new' }), DAY_NS + 2n);
  expect(shown(tally)).toEqual([['root', 'new', null, 1]]);
});
