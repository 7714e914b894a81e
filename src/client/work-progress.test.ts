import { describe, expect, test } from 'vitest';
import { formatBar, startedWork } from './work-progress.ts';

describe('what a statement has started', () => {
  test.each([
    ['ALTER SYSTEM BACKUP DATABASE', 'backup'],
    ['-- weekly\n/* all */ alter system backup tenant = a, b', 'backup'],
    ["ALTER SYSTEM RESTORE t FROM 'file:///a' WITH ''", 'restore'],
    ["ALTER SYSTEM RESTORE FROM 'file:///a' PREVIEW", undefined],
    ["ALTER SYSTEM BACKUP KEY TO 'file:///a'", undefined],
    ['SELECT 1 -- ALTER SYSTEM BACKUP DATABASE', undefined],
  ])('%s', (sql, work) => {
    expect(startedWork(sql)).toBe(work);
  });
});

test('a bar fills with the percent and stays within its ends', () => {
  expect(formatBar({ label: 'x', percent: 50, detail: 'd' })).toBe(`x [${'#'.repeat(15)}${'.'.repeat(15)}]  50.0%  d`);
  expect(formatBar({ label: 'x', percent: 120, detail: '' })).toContain(`[${'#'.repeat(30)}]`);
});
