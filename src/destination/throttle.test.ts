// Goal: no more goes through in any stretch of time than the limits allow, and nothing waits for longer than that takes.
import { describe, expect, it } from 'vitest';
import type { DestinationLimits } from '../model/destination-options.ts';
import { shareOf } from './open-destination.ts';
import { Throttle, type ThrottleClock } from './throttle.ts';

const LIMITS = { bytesPerSecond: 1000 };

/** Time that passes only while somebody sleeps. */
class SleepClock implements ThrottleClock {
  nowMs = 0;
  monotonicMs = () => this.nowMs;
  async sleep(ms: number) {
    this.nowMs += ms;
  }
}

describe('a throttle', () => {
  it.each([
    ['bytes', { bytesPerSecond: 1000 }, 10, 100, 900],
    ['operations', { operationsPerSecond: 50 }, 10, 100, 180],
    ['both, and the bytes take longer', { bytesPerSecond: 1000, operationsPerSecond: 50 }, 10, 100, 900],
    ['both, and the operations take longer', { bytesPerSecond: 1000, operationsPerSecond: 5 }, 10, 100, 1800],
  ])('limits %s', async (_what, limits, operations, bytes, endMs) => {
    const clock = new SleepClock();
    const throttle = new Throttle(() => limits, clock);
    for (let i = 0; i < operations; i++) await throttle.pass(bytes);
    // The last one has begun.
    expect(clock.nowMs).toBeCloseTo(endMs, 6);
  });

  it('holds nobody up who asks for less', async () => {
    const clock = new SleepClock();
    const throttle = new Throttle(() => LIMITS, clock);
    for (let i = 0; i < 10; i++) {
      await throttle.pass(100);
      clock.nowMs += 100;
    }
    expect(clock.nowMs).toBe(1000);
  });

  it('gives nothing for time in which nobody came', async () => {
    const clock = new SleepClock();
    const throttle = new Throttle(() => LIMITS, clock);
    await throttle.pass(100);
    clock.nowMs = 60_000;
    await throttle.pass(500);
    await throttle.pass(500);
    expect(clock.nowMs).toBe(60_500);
  });

  it('goes by the limits of the moment, and nobody waits for what earlier ones would have cost', async () => {
    const clock = new SleepClock();
    let limits: DestinationLimits | undefined;
    const throttle = new Throttle(() => limits, clock);
    for (let i = 0; i < 10; i++) await throttle.pass(1000);
    expect(clock.nowMs).toBe(0);
    limits = LIMITS;
    await throttle.pass(60_000);
    limits = { bytesPerSecond: 100_000 };
    await throttle.pass(1000);
    await throttle.pass(1000);
    expect(clock.nowMs).toBe(10);
    limits = undefined;
    await throttle.pass(1000);
    expect(clock.nowMs).toBe(10);
  });

  it('lets several through one after the other', async () => {
    const begun: number[] = [];
    let nowMs = 0;
    const waiting: Array<{ atMs: number; wake: () => void }> = [];
    const clock = {
      monotonicMs: () => nowMs,
      sleep: (ms: number) => new Promise<void>((wake) => waiting.push({ atMs: nowMs + ms, wake })),
    };
    const limits = { operationsPerSecond: 10 };
    const throttle = new Throttle(() => limits, clock);
    const all = Array.from({ length: 4 }, () => throttle.pass().then(() => begun.push(nowMs)));
    await all[0];
    for (const { atMs, wake } of waiting) {
      nowMs = atMs;
      wake();
      await Promise.resolve().then(() => {});
    }
    await Promise.all(all);
    expect(begun).toEqual([0, 100, 200, 300]);
  });
});

it('several processes share what a destination allows', () => {
  const limits = { bytesPerSecond: 100, operationsPerSecond: 10 };
  expect(shareOf({ kind: 'file', path: '/a', limits }, 4)).toEqual({
    kind: 'file',
    path: '/a',
    limits: { bytesPerSecond: 25, operationsPerSecond: 2.5 },
  });
  expect(shareOf({ kind: 'file', path: '/a' }, 4)).toEqual({ kind: 'file', path: '/a' });
});
