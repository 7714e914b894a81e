import { describe, expect, test } from 'vitest';
import { NO_PAGE_HASH, PageMap } from '../format/page-map.ts';
import { toScn } from '../model/scn.ts';
import { logFault } from './attempt.ts';
import { completeMap, pagesToRead } from './plan-pages.ts';

const PAGE_BYTES = 4096;
const mapOf = (...hashes: number[]) => new PageMap(PAGE_BYTES, BigUint64Array.from(hashes.map(BigInt)));
const changed = (...pages: number[]) => Uint32Array.from(pages);

describe('the pages of an increment', () => {
  test('are those that commits changed and the database still has', () => {
    const of = { changed: changed(1, 3, 9), parentPages: 9, skipPage: 0 };
    expect([...pagesToRead(mapOf(1, 2, 3, 4), of)]).toEqual([1, 3]);
  });

  test('are also those behind the end of the set before, and those that were cut off and came back', () => {
    const of = { changed: changed(6), parentPages: 4, skipPage: 0 };
    expect([...pagesToRead(mapOf(1, 0, 3, 4, 5, 6), of)]).toEqual([2, 5, 6]);
  });

  test('never are the page to skip, and are in order of number, not of text', () => {
    const map = new PageMap(PAGE_BYTES, new BigUint64Array(20).fill(7n));
    map.set(12, NO_PAGE_HASH);
    const of = { changed: changed(2, 10, 12), parentPages: 20, skipPage: 12 };
    expect([...pagesToRead(map, of)]).toEqual([2, 10]);
  });

  test('fill what was not known of a state, and tell what is not as it should be', () => {
    const plan = { map: mapOf(1, 0, 3), pages: changed(2, 3), scanBecause: null };
    expect(completeMap(plan, BigUint64Array.from([20n, 3n]))).toBeUndefined();
    expect(plan.map.checksum).toBe(mapOf(1, 20, 3).checksum);
    expect(completeMap(plan, BigUint64Array.from([20n, 33n]))).toBe(3);
    expect(plan.map.checksum).toBe(mapOf(1, 20, 33).checksum);
  });
});

describe('the log', () => {
  const scn = toScn(77n);
  const map = mapOf(1, 2);

  test('is not doubted while it says the same, or nothing', () => {
    expect(logFault({ scn, map, wrongPage: undefined, recorded: map.checksum })).toBeNull();
    expect(logFault({ scn, map, wrongPage: undefined, recorded: null })).toBeNull();
  });

  test('is wrong when a page or the checksum of all is another', () => {
    const wrong = logFault({ scn, map, wrongPage: undefined, recorded: map.checksum + 1n });
    expect(wrong).toBe(
      'the log is wrong: at scn 77 the database has the checksum 000000000000000d, the log 000000000000000e',
    );
    const page = logFault({ scn, map, wrongPage: 5, recorded: null });
    expect(page).toBe('the log is wrong: at scn 77 page 5 is not what the log has of it');
  });
});
