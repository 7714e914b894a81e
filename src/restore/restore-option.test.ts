import { describe, expect, test } from 'vitest';
import { parseRestoreOption, workersOf } from './restore-option.ts';

describe('the WITH string of RESTORE', () => {
  test('is read key by key, in any case and order', () => {
    const text = "POOL_LIST=p1,'p2'&primary_zone=z1&location=/var/lib/t.db&concurrency=4&check=FULL&locality=F@z1";
    expect(parseRestoreOption(text)).toEqual({
      pools: ['p1', 'p2'],
      location: '/var/lib/t.db',
      concurrency: 4,
      check: 'full',
    });
    expect(parseRestoreOption('')).toEqual({ pools: [], location: null, concurrency: null, check: 'quick' });
  });

  test.each([
    ['nonsense', /is not key=value/],
    ['no_such_key=1', /unknown option no_such_key/],
    ['pool_list=p1&pool_list=p2', /pool_list is given twice/],
    ['pool_list=p1,,p2', /pool_list/],
    ['location=relative/t.db', /not an absolute, normal path/],
    ['location=/a/../t.db', /not an absolute, normal path/],
    ['location=/a/app.db-wal', /side file/],
    ['location=/a/app.db-journal', /side file/],
    ['concurrency=0', /concurrency '0'/],
    ['concurrency=101', /concurrency '101'/],
    ['check=some', /check 'some' is not quick, full, none/],
    ['kms_encrypt=true', /not supported/],
  ])('refuses %s', (text, message) => {
    expect(() => parseRestoreOption(text)).toThrow(message);
  });
});

describe('the workers of a restore', () => {
  test.each([
    ['are one per core unless somebody says otherwise', { concurrency: null, score: 0, maxCpu: 8 }, 8],
    ['keep to MAX_CPU of the pool', { concurrency: null, score: 0, maxCpu: 2.5 }, 3],
    ['follow ha_high_thread_score', { concurrency: null, score: 2, maxCpu: 8 }, 2],
    ['follow it within the pool', { concurrency: null, score: 20, maxCpu: 4 }, 4],
    ['follow the statement before all else', { concurrency: 6, score: 1, maxCpu: 1 }, 6],
    ['are never more than there are cores', { concurrency: 100, score: 50, maxCpu: 64 }, 8],
    ['are one at least', { concurrency: null, score: 0, maxCpu: 0 }, 1],
  ])('%s', (_what, of, workers) => {
    expect(workersOf({ ...of, cores: 8 })).toBe(workers);
  });
});
