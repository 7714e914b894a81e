// Goal: a schedule is due when its owner expects it, in his zone, over clock changes. Method: known moments.
import { describe, expect, test } from 'vitest';
import { toClientError } from '../base/errors.ts';
import { nextDueNs } from './cron-times.ts';

const ns = (text: string) => BigInt(Date.parse(text)) * 1_000_000n;
const next = (cron: string, zone: string, after: string) =>
  new Date(Number(nextDueNs(cron, zone, ns(after)) / 1_000_000n)).toISOString();

describe('the next time', () => {
  test.each([
    ['0 2 * * 0', '+00:00', '2026-11-23T00:00:00Z', '2026-11-29T02:00:00.000Z'],
    ['0 2 * * 0', '+08:00', '2026-11-23T00:00:00Z', '2026-11-28T18:00:00.000Z'],
    ['30 4 * * *', '-05:30', '2026-11-23T09:59:59Z', '2026-11-23T10:00:00.000Z'],
    // Never the moment itself: a run that is done does not come again.
    ['30 4 * * *', '-05:30', '2026-11-23T10:00:00Z', '2026-11-24T10:00:00.000Z'],
    ['*/15 * * * *', 'Asia/Shanghai', '2026-11-23T00:14:59Z', '2026-11-23T00:15:00.000Z'],
    ['@daily', 'Asia/Shanghai', '2026-11-23T00:00:00Z', '2026-11-23T16:00:00.000Z'],
    // 02:30 does not exist on this day in Berlin, and exists twice on the other.
    ['30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', '2026-03-29T01:00:00.000Z'],
    ['30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', '2026-10-25T00:30:00.000Z'],
    ['30 2 * * *', 'Europe/Berlin', '2026-10-25T00:30:00Z', '2026-10-26T01:30:00.000Z'],
    ['0 3 29 2 *', '+00:00', '2026-11-23T00:00:00Z', '2028-02-29T03:00:00.000Z'],
  ])('of %s in %s after %s', (cron, zone, after, expected) => {
    expect(next(cron, zone, after)).toBe(expected);
  });

  test.each([
    ['', 'exactly five'],
    ['* * * *', 'exactly five'],
    ['0 0 2 * * 0', 'exactly 5 parts'],
    ['61 * * * *', 'minute'],
    ['0 0 30 2 *', 'never due'],
    ['soon', 'exactly five'],
    ['*'.repeat(300), 'longer than 256'],
  ])('of %s is refused', (cron, because) => {
    let message = '';
    try {
      nextDueNs(cron, '+00:00', 0n);
    } catch (error) {
      const told = toClientError(error, 'mysql');
      message = `${told.errno} ${told.message}`;
    }
    expect(message).toMatch(/^1210 /);
    expect(message).toContain(because);
  });
});
