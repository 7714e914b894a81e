// Goal: an object store is asked again when that may help, never more often or longer than the bounds. Method: a clock of
// the test's own.
import { expect, it } from 'vitest';
import { attemptMs, backoffMs, type RetryClock, retrying } from './s3-retry.ts';

class TestClock implements RetryClock {
  nowMs = 0;
  readonly pauses: number[] = [];
  /** What the dice say: 0 the shortest pause, 1 the longest. */
  luck = 1;
  monotonicMs = () => this.nowMs;
  random = (max: number) => Math.floor(max * this.luck);
  async sleep(ms: number) {
    this.pauses.push(ms);
    this.nowMs += ms;
  }
}

const lasting = { isTransient: () => true, signal: new AbortController().signal };

/** Fails `times` times, each attempt taking `tookMs`. */
function failing(clock: TestClock, times: number, tookMs = 0) {
  let attempts = 0;
  return async (number: number) => {
    attempts++;
    expect(number).toBe(attempts);
    clock.nowMs += tookMs;
    if (attempts <= times) throw new Error(`attempt ${attempts}`);
    return attempts;
  };
}

it('asks again until it succeeds', async () => {
  const clock = new TestClock();
  expect(await retrying(failing(clock, 3), { ...lasting, clock })).toBe(4);
  expect(clock.pauses).toEqual([100, 200, 400]);
});

it('waits at least half as long, so that many who failed at once do not come again at once', async () => {
  const clock = new TestClock();
  clock.luck = 0;
  await retrying(failing(clock, 3), { ...lasting, clock });
  expect(clock.pauses).toEqual([50, 100, 200]);
});

it('gives up after six attempts, with what the last one said', async () => {
  const clock = new TestClock();
  await expect(retrying(failing(clock, 100), { ...lasting, clock })).rejects.toThrow('attempt 6');
});

it('begins no attempt half a minute after the first', async () => {
  const clock = new TestClock();
  await expect(retrying(failing(clock, 100, 20_000), { ...lasting, clock })).rejects.toThrow('attempt 2');
  expect(clock.nowMs).toBeLessThan(60_000);
});

it('does not ask again when that can not help', async () => {
  const clock = new TestClock();
  const isTransient = () => false;
  await expect(retrying(failing(clock, 1), { ...lasting, isTransient, clock })).rejects.toThrow('attempt 1');
});

it('does not ask again once it is ended', async () => {
  const clock = new TestClock();
  const ending = new AbortController();
  const attempt = failing(clock, 100);
  const work = retrying(
    async (number) => {
      if (number === 2) ending.abort();
      return await attempt(number);
    },
    { ...lasting, signal: ending.signal, clock },
  );
  await expect(work).rejects.toThrow('attempt 2');
});

it('gives an attempt more time the more bytes it carries, and pauses no longer than five seconds', () => {
  expect(attemptMs(0)).toBe(20_000);
  expect(attemptMs(8 * 1024 * 1024)).toBe(148_000);
  expect(backoffMs(30)).toBe(5_000);
});
