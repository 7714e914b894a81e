import { describe, expect, test } from 'vitest';
import { ceilToMicrosecond, nextScn, parseScn, SCN_NONE, toScn } from './scn.ts';

describe('scn', () => {
  test('follows the clock and steps past the last one when the clock stands or runs back', () => {
    const first = nextScn(SCN_NONE, 1_740_790_800_120_000_789n);
    expect(first).toBe(1_740_790_800_120_000_000n);
    expect(nextScn(first, first)).toBe(first + 1000n);
    expect(nextScn(first, 5n)).toBe(first + 1000n);
  });

  test('rounds up to a whole microsecond and leaves whole ones alone', () => {
    expect(ceilToMicrosecond(toScn(1_001n))).toBe(2_000n);
    expect(ceilToMicrosecond(toScn(2_000n))).toBe(2_000n);
  });

  test('parses only 64-bit unsigned integers', () => {
    expect(parseScn('18446744073709551615')).toBe(18_446_744_073_709_551_615n);
    expect(parseScn('18446744073709551616')).toBeUndefined();
    expect(parseScn('-1')).toBeUndefined();
    expect(parseScn('1e3')).toBeUndefined();
  });
});
