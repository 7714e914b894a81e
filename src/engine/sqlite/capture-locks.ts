// The write lock of a tenant: taken by trying often and briefly instead of SQLite's sleeping busy handler, which starves
// among busy writers; and the record of how long it was held, because every such moment blocks the application.
import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../base/clock.ts';
import type { LockFigures } from './capture-messages.ts';

/** Tries in one go: about half a millisecond of a busy lock. */
const SPIN_TRIES = 30;
/** For so long the event loop is only yielded to between goes; afterwards each go is followed by a sleep. */
const SPIN_MS = 20;
const PAUSE_MS = 1;
/** Samples kept for the percentiles. */
const WINDOW_SAMPLES = 1024;
/** First byte of the range on which SQLite holds its SHARED lock. */
const SHARED_FIRST = '1073741826';

/**
 * Tries until the lock is taken or the time is over.
 * @param tryLock one attempt, without waiting
 * @param isStopped ends the wait early
 */
export async function acquireLock(
  tryLock: () => boolean,
  options: { waitMs: number; isStopped: () => boolean },
): Promise<boolean> {
  const start = systemClock.monotonicMs();
  for (;;) {
    for (let i = 0; i < SPIN_TRIES; i++) if (tryLock()) return true;
    const waitedMs = systemClock.monotonicMs() - start;
    if (waitedMs > options.waitMs || options.isStopped()) return false;
    if (waitedMs < SPIN_MS) await nextTurn();
    else await sleep(PAUSE_MS);
  }
}

/** How long applications could not write because of us. */
export class LockWindows {
  readonly #samples: number[] = [];
  #count = 0;
  #maxMs = 0;
  #rotations = 0;
  #seals = 0;

  add(ms: number): void {
    this.#samples[this.#count % WINDOW_SAMPLES] = ms;
    this.#count++;
    this.#maxMs = Math.max(this.#maxMs, ms);
  }

  /** Counts an attempt to move a reader on, and whether it was sealed. */
  countRotation(isSealed: boolean): void {
    this.#rotations++;
    if (isSealed) this.#seals++;
  }

  /** Percentiles over the last windows; the maximum over all. */
  figures(): LockFigures {
    const sorted = [...this.#samples].sort((a, b) => a - b);
    const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
    return {
      count: this.#count,
      rotations: this.#rotations,
      seals: this.#seals,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      maxMs: this.#maxMs,
    };
  }
}

/**
 * Looks whether the kernel still has SQLite's lock of this process on a database file.
 * @returns undefined where that can not be seen (no /proc/locks, or our locks are not listed there)
 */
export function holdsSharedLock(inode: bigint, shmInode: bigint): boolean | undefined {
  let text: string;
  try {
    text = readFileSync('/proc/locks', 'utf8');
  } catch {
    return undefined;
  }
  const own = text.split('\n').map((line) => line.trim().split(/\s+/));
  const isOurs = (fields: string[], of: bigint) =>
    fields[4] === String(process.pid) && fields[5]?.split(':')[2] === String(of);
  if (own.some((fields) => isOurs(fields, inode) && fields[6] === SHARED_FIRST)) return true;
  // Seeing our lock on the other file, but none on this one, means that it was dropped.
  return own.some((fields) => isOurs(fields, shmInode)) ? false : undefined;
}
