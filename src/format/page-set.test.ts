import { expect, test } from 'vitest';
import { PageSet } from './page-set.ts';

test('a set of pages holds each once, gives them in order, and grows with what it is given', () => {
  const set = new PageSet(10);
  const given = [9, 1, 10, 64, 100_000, 9, 8];
  expect(given.map((page) => set.add(page))).toEqual([true, true, true, true, true, false, true]);
  expect(set.size).toBe(6);
  expect([7, 8, 64, 65, 100_000, 10 ** 9].map((page) => set.has(page))).toEqual([
    false,
    true,
    true,
    false,
    true,
    false,
  ]);
  expect([...set.upTo(100_000)]).toEqual([1, 8, 9, 10, 64, 100_000]);
  expect([...set.upTo(9)]).toEqual([1, 8, 9]);
});

test('a set holds more pages than a Set of numbers may', () => {
  const count = 2 ** 24 + 100;
  const set = new PageSet(1);
  for (let page = 1; page <= count; page++) set.add(page);
  expect(set.upTo(count).length).toBe(count);
});
