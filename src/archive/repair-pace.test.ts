import { expect, test } from 'vitest';
import { toScn } from '../model/scn.ts';
import { ARCHIVE_TIMING } from './archive-context.ts';
import { BARREN_UNPACED_MAX, countBarren, RepairPace, repairPauseMs } from './repair-pace.ts';

const TIMING = ARCHIVE_TIMING;
const MINUTE_MS = 60_000;

test('rounds that live less than a minute are counted, and one that lives longer begins the count anew', () => {
  expect(countBarren(0, 0, TIMING)).toBe(1);
  expect(countBarren(2, MINUTE_MS - 1, TIMING)).toBe(3);
  expect(countBarren(7, MINUTE_MS, TIMING)).toBe(0);
});

test('the first rounds are replaced at once, later ones after pauses that double up to some minutes', () => {
  const pauses = (hasBegun: boolean) =>
    [1, 2, 3, 4, 5, 9, 1000].map((barren) => repairPauseMs({ barren, hasBegun }, TIMING));
  expect(pauses(true)).toEqual([0, 0, 5000, 10_000, 20_000, 180_000, 180_000]);
  // One that never came to archive anything is retried as a step is.
  expect(pauses(false)).toEqual([1000, 2000, 5000, 10_000, 20_000, 180_000, 180_000]);
});

/** A clock that only moves when it is told to. */
function makePace() {
  const clock = { ms: 1000, nowNs: () => 0n, monotonicMs: () => clock.ms };
  const pace = new RepairPace({ clock, timing: TIMING });
  const live = (livedMs: number, of: { attachedMs?: number; status?: 'DOING' | 'BEGINNING' } = {}) => {
    if (of.status !== 'BEGINNING') pace.noteAttached();
    clock.ms += of.attachedMs ?? 0;
    const startScn = toScn(1n);
    const checkpointScn = toScn(1n + BigInt(livedMs) * 1_000_000n);
    pace.noteInterrupted({ status: of.status ?? 'DOING', startScn, checkpointScn });
  };
  return { clock, pace, live };
}

test('the third short round in a row makes the next one wait, and says why', () => {
  const { clock, pace, live } = makePace();
  for (let i = 1; i < BARREN_UNPACED_MAX; i++) {
    live(2000);
    expect([pace.waitMs, pace.because]).toEqual([0, '']);
  }
  live(2000);
  expect(pace.waitMs).toBe(5000);
  expect(pace.because).toBe('the last 3 rounds were interrupted within 60 s each, so it waits for 5 s');
  clock.ms += 5000;
  expect(pace.waitMs).toBe(0);
  live(0, { status: 'BEGINNING' });
  expect(pace.waitMs).toBe(10_000);
  pace.reset();
  expect([pace.waitMs <= 0, pace.because]).toEqual([true, '']);
});

test('a round proves its age by what it archived or by how long it was attached', () => {
  for (const [livedMs, attachedMs] of [
    [MINUTE_MS, 10],
    [10, MINUTE_MS],
  ] as const) {
    const { pace, live } = makePace();
    for (let i = 0; i < 5; i++) live(100);
    live(livedMs, { attachedMs });
    expect([pace.waitMs, pace.because]).toEqual([0, '']);
    live(100);
    expect(pace.waitMs).toBe(0);
  }
});
