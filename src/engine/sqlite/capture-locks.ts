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
/** The kernel's list is read in pieces, and passes over a lock when an earlier one goes in between: a lost one never is there. */
export const LOCK_READS = 3;
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

/** Locks of this process as the kernel lists them, by inode. */
export interface HeldLocks {
  /** Database files with SQLite's SHARED lock. */
  readonly shared: ReadonlySet<string>;
  /** Files with any lock. */
  readonly any: ReadonlySet<string>;
}

/** @returns undefined where there is no /proc/locks */
export function readHeldLocks(): HeldLocks | undefined {
  let text: string;
  try {
    text = readFileSync('/proc/locks', 'utf8');
  } catch {
    return undefined;
  }
  const [shared, any] = [new Set<string>(), new Set<string>()];
  const own = new RegExp(`^\\S+ +POSIX +\\S+ +\\S+ +${process.pid} +\\w+:\\w+:(\\d+) +(\\d+)`, 'gm');
  for (const [, inode, first] of text.matchAll(own)) {
    any.add(inode!);
    if (first === SHARED_FIRST) shared.add(inode!);
  }
  return { shared, any };
}

/**
 * True when the kernel has lost SQLite's lock on a database file: something in this process closed a descriptor of it.
 * Not seeing any lock at all only means that locks are not shown here.
 */
export function isLockLost(held: HeldLocks, inode: bigint, shmInode: bigint): boolean {
  return !held.shared.has(String(inode)) && (held.shared.size > 0 || held.any.has(String(shmInode)));
}
