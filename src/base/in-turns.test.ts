import { expect, test } from 'vitest';
import { runAtOnce, runInTurns, type Slices } from './in-turns.ts';

function* count(to: number, seen: number[]): Slices<string> {
  for (let i = 0; i < to; i++) {
    seen.push(i);
    yield;
  }
  return 'done';
}

test('work in slices runs to its end at once', () => {
  const seen: number[] = [];
  expect(runAtOnce(count(3, seen))).toBe('done');
  expect(seen).toEqual([0, 1, 2]);
});

test('work in slices lets others have their turn, and has begun when it is asked for', async () => {
  const seen: number[] = [];
  const running = runInTurns(count(3, seen));
  expect(seen).toEqual([0]);
  setImmediate(() => seen.push(100));
  expect(await running).toBe('done');
  expect(seen.indexOf(100)).toBeLessThan(seen.indexOf(2));
});

test('what goes wrong in a later slice is thrown', async () => {
  function* failing(): Slices<void> {
    yield;
    throw new Error('broken');
  }
  expect(() => runAtOnce(failing())).toThrow('broken');
  await expect(runInTurns(failing())).rejects.toThrow('broken');
});
