// Goal: an operator reads what holds the archive up, how much waits and since when; an Optional archive gives up only
// beyond its limit, and only for log that is not archived.
import { describe, expect, test } from 'vitest';
import { MIB } from '../base/limits.ts';
import { isBeyondLimit, type Pressure, pressureComment } from './pressure.ts';

const NOW_NS = 1_740_790_800_000_000_000n;
const trouble: Pressure = {
  because: 'file:///a: No space left on device',
  attempts: 1,
  pendingCommits: 1234,
  logBytes: 56.5 * MIB,
  sinceNs: NOW_NS - 60_000_000_000n,
  checkpointNs: NOW_NS - 72_340_000_000n,
  nowNs: NOW_NS,
  timeZone: '+08:00',
};

describe('the comment of an archive that is held up', () => {
  test('says why, how much waits, since when, and the lag', () => {
    expect(pressureComment(trouble)).toBe(
      'file:///a: No space left on device; 1234 commits (56.50MB of WAL) wait since 2025-03-01 08:59:00; lag 72.3 s',
    );
    expect(pressureComment({ ...trouble, attempts: 7 })).toContain(
      'No space left on device (7 attempts); 1234 commits',
    );
    expect(pressureComment({ ...trouble, pendingCommits: 1 })).toContain('; 1 commit (56.50MB of WAL) waits since ');
  });

  test('is empty when nothing holds it up', () => {
    expect(pressureComment({ ...trouble, because: '' })).toBe('');
  });

  test('shows no negative lag after the clock was set back', () => {
    expect(pressureComment({ ...trouble, checkpointNs: NOW_NS + 1n })).toContain('lag 0.0 s');
  });
});

describe('the limit of the log', () => {
  const beyond = { binding: 'OPTIONAL', limitBytes: 100n, logBytes: 101, isWaiting: true } as const;

  test('is for Optional archives that have log to archive', () => {
    expect(isBeyondLimit(beyond)).toBe(true);
    expect(isBeyondLimit({ ...beyond, binding: 'MANDATORY' })).toBe(false);
    expect(isBeyondLimit({ ...beyond, isWaiting: false })).toBe(false);
  });

  test('is exceeded only beyond it, and 0 means none', () => {
    expect(isBeyondLimit({ ...beyond, logBytes: 100 })).toBe(false);
    expect(isBeyondLimit({ ...beyond, limitBytes: 0n })).toBe(false);
  });
});
