// Goal: the wall clock in microseconds that follows a stepped clock. Method: stand in for Date.now.
import { afterEach, expect, test, vi } from 'vitest';
import { systemClock } from './clock.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

test('readings are whole microseconds near the wall clock', () => {
  for (let i = 0; i < 100; i++) {
    const beforeMs = BigInt(Date.now());
    const nowNs = systemClock.nowNs();
    const afterMs = BigInt(Date.now());
    expect(nowNs % 1000n).toBe(0n);
    // The clock may stray by 2 ms from the wall clock's milliseconds.
    expect(nowNs).toBeGreaterThanOrEqual((beforeMs - 2n) * 1_000_000n);
    expect(nowNs).toBeLessThanOrEqual((afterMs + 3n) * 1_000_000n);
  }
});

test.each([
  ['forward', 3_600_000],
  ['back', -3_600_000],
])('a wall clock that is stepped %s is followed at once', (_direction, stepMs) => {
  systemClock.nowNs();
  const steppedMs = Date.now() + stepMs;
  vi.spyOn(Date, 'now').mockReturnValue(steppedMs);
  expect(systemClock.nowNs()).toBe(BigInt(steppedMs) * 1_000_000n);
});

test('the monotonic clock never runs back', () => {
  let last = systemClock.monotonicMs();
  for (let i = 0; i < 1000; i++) {
    const next = systemClock.monotonicMs();
    expect(next).toBeGreaterThanOrEqual(last);
    last = next;
  }
});
