// How often, how long and how patiently an object store is asked again.
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { KIB } from '../base/limits.ts';

/** A restarting store or an overload is over within some seconds; what is not, the caller retries in his own time. */
const ATTEMPTS_MAX = 6;
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 5_000;
/**
 * No attempt begins later than that after the first: whoever waits with a deadline of his own (60 s for the archive) then
 * hears why, not only that it took too long.
 */
const BEGIN_WITHIN_MS = 30_000;
/** What one attempt may take: an answer in time, and its bytes at a rate that eight at once have on a line of 4 Mbit/s. */
const ANSWER_MS = 20_000;
const TRANSFER_BYTES_PER_SECOND_MIN = 64 * KIB;

export interface RetryClock {
  monotonicMs(): number;
  sleep(ms: number, signal: AbortSignal): Promise<unknown>;
  /** A whole number from 0 to `max`. */
  random(max: number): number;
}

export const REAL_RETRY_CLOCK: RetryClock = {
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
  random: (max) => randomInt(max + 1),
};

/** The longest that one attempt may take that carries so many bytes. */
export function attemptMs(bytes: number): number {
  return ANSWER_MS + Math.ceil((bytes / TRANSFER_BYTES_PER_SECOND_MIN) * 1000);
}

/** The longest pause after the attempt of a number, from 1. The pause itself is random up to it, so that many do not come at once. */
export function backoffMs(attempt: number): number {
  return Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (attempt - 1));
}

/**
 * Makes attempts until one succeeds.
 * @param of.isTransient whether another attempt may end better than this failure
 * @param of.signal ends the pauses; the attempts have to end themselves
 * @throws the failure of the last attempt
 */
export async function retrying<T>(
  attempt: (number: number) => Promise<T>,
  of: { isTransient: (error: unknown) => boolean; signal: AbortSignal; clock?: RetryClock },
): Promise<T> {
  const { isTransient, signal, clock = REAL_RETRY_CLOCK } = of;
  const beganMs = clock.monotonicMs();
  for (let number = 1; ; number++) {
    try {
      return await attempt(number);
    } catch (error) {
      const most = backoffMs(number);
      const pauseMs = Math.ceil(most / 2) + clock.random(Math.floor(most / 2));
      const isLate = clock.monotonicMs() + pauseMs - beganMs > BEGIN_WITHIN_MS;
      if (number === ATTEMPTS_MAX || isLate || signal.aborted || !isTransient(error)) throw error;
      await clock.sleep(pauseMs, signal).catch(() => {});
      if (signal.aborted) throw error;
    }
  }
}
