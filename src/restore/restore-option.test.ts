import { describe, expect, test } from 'vitest';
import { parseRestoreOption } from './restore-option.ts';

describe('the WITH string of RESTORE', () => {
  test('is read key by key, in any case and order', () => {
    const text = "POOL_LIST=p1,'p2'&primary_zone=z1&location=/var/lib/t.db&concurrency=4&locality=F@z1";
    expect(parseRestoreOption(text)).toEqual({ pools: ['p1', 'p2'], location: '/var/lib/t.db', concurrency: 4 });
    expect(parseRestoreOption('')).toEqual({ pools: [], location: null, concurrency: null });
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
    ['kms_encrypt=true', /not supported/],
  ])('refuses %s', (text, message) => {
    expect(() => parseRestoreOption(text)).toThrow(message);
  });
});
