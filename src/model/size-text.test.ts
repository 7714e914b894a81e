import { describe, expect, test } from 'vitest';
import { formatBytes, parseDurationUs } from './size-text.ts';

describe('formatBytes', () => {
  test.each([
    [0n, '0.00MB'],
    [5_243n, '0.01MB'],
    [1n << 20n, '1.00MB'],
    [(1n << 30n) - 1n, '1024.00MB'],
    [1n << 30n, '1.00GB'],
    [25n << 30n, '25.00GB'],
    [3n << 39n, '1.50TB'],
    [1n << 50n, '1.00PB'],
    [1n << 62n, '4096.00PB'],
  ])('shows %d as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe('parseDurationUs', () => {
  test.each([
    ['5us', 5n],
    ['0ms', 0n],
    ['120s', 120_000_000n],
    ['120', 120_000_000n],
    [' 2 M ', 120_000_000n],
    ['1h', 3_600_000_000n],
    ['1D', 86_400_000_000n],
  ])('reads %s', (text, us) => {
    expect(parseDurationUs(text)).toBe(us);
  });

  test.each(['', 's', '-1s', '1.5h', '1w', '1s2', '1234567890123456s'])('refuses "%s"', (text) => {
    expect(parseDurationUs(text)).toBeUndefined();
  });
});
