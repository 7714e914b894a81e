// Goal: whatever a policy can need is locked for as long. Method: a tenant who makes full sets at any pace that is not
// slower than his slowest so far; an object is written at any moment between two of them.
import { describe, expect, test } from 'vitest';
import type { DeletePolicy } from '../model/delete-job.ts';
import { RETENTION_DEFAULT_MS, RETENTION_MAX_MS, retentionMs } from './retention.ts';

const SEED = Number(process.env.HOLDFAST_SEED ?? Date.now() % 1_000_000);
const TRIES = 2000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const NS_PER_MS = 1_000_000n;
const ns = (ms: number) => BigInt(ms) * NS_PER_MS;

const policyOf = (patch: Partial<DeletePolicy>): DeletePolicy => ({
  ...{ tenantId: 1002, policyName: 'default', recoveryWindow: null, redundancy: null },
  ...patch,
});

function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe('the retention of a locking bucket', () => {
  test(`lasts as long as the policy can need what is written (seed ${SEED})`, () => {
    const random = randomOf(SEED);
    for (let n = 0; n < TRIES; n++) {
      const slowestMs = (1 + random(40_000)) * MINUTE_MS;
      const windowMs = random(2) === 0 ? (1 + random(40_000)) * MINUTE_MS : 0;
      const redundancy = windowMs === 0 || random(2) === 0 ? 1 + random(5) : null;
      const gap = () => Math.ceil(slowestMs * (0.2 + random(800) / 1000));
      const fulls = [0, slowestMs];
      while (fulls.length < 16) fulls.push(fulls.at(-1)! + gap());
      const at = 8;
      const writtenMs = fulls[at]! + random(fulls[at + 1]! - fulls[at]!);
      const recoveryWindow = windowMs === 0 ? null : `${windowMs}ms`;
      const retained = retentionMs(
        policyOf({ recoveryWindow, redundancy }),
        fulls.slice(0, at + 1).map(ns),
        ns(writtenMs),
      );
      // It may go when the window has gone past the next full set, and when as many full sets as are kept are behind it.
      const byWindow = windowMs === 0 ? 0 : fulls[at + 1]! + windowMs;
      const byCount = redundancy === null ? 0 : fulls[at + redundancy]!;
      const what = `try ${n}: ${JSON.stringify({ fulls, writtenMs, windowMs, redundancy, retained })}`;
      expect(writtenMs + retained, what).toBeGreaterThanOrEqual(
        Math.min(Math.max(byWindow, byCount), writtenMs + RETENTION_MAX_MS),
      );
    }
  });

  test('is a default without a policy, and for a window that lets nothing go', () => {
    expect(retentionMs(undefined, [], 0n)).toBe(RETENTION_DEFAULT_MS);
    expect(retentionMs(policyOf({ recoveryWindow: '0d' }), [], 0n)).toBe(RETENTION_DEFAULT_MS);
  });

  test('takes full sets to be a window apart until there is history', () => {
    const policy = policyOf({ recoveryWindow: '7d' });
    expect(retentionMs(policy, [], ns(DAY_MS))).toBe(14 * DAY_MS);
    const daily = (days: number) => Array.from({ length: days }, (_, day) => ns(day * DAY_MS));
    expect(retentionMs(policy, daily(3), ns(3 * DAY_MS))).toBe(14 * DAY_MS);
    expect(retentionMs(policy, daily(9), ns(9 * DAY_MS))).toBe(8 * DAY_MS);
    expect(retentionMs(policyOf({ redundancy: 2 }), daily(2), ns(2 * DAY_MS))).toBe(RETENTION_DEFAULT_MS);
    expect(retentionMs(policyOf({ redundancy: 2 }), daily(9), ns(9 * DAY_MS))).toBe(2 * DAY_MS);
    expect(retentionMs(policyOf({ policyName: 'log_only', recoveryWindow: '7d' }), [], 0n)).toBe(7 * DAY_MS);
  });

  test('is bounded: nobody can take a lock back', () => {
    expect(retentionMs(policyOf({ recoveryWindow: '99999d' }), [], 0n)).toBe(RETENTION_MAX_MS);
  });
});
