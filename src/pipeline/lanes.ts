// Feeds work to lanes and gathers what they answer; the first failure ends all of them.

import type { Clock } from '../base/clock.ts';
import { fail } from '../base/errors.ts';

/** Chunks that a lane has in hand: one it works at, one that waits, so that it never waits for us. */
const CHUNKS_IN_HAND = 2;
/** At most some ten progress calls a second. */
const PROGRESS_INTERVAL_MS = 100;

export interface LaneRun<Chunk> {
  lanes: ReadonlyArray<{ abort(): Promise<void> }>;
  /** The next piece of work; undefined when there is none left. May throw: that fails the run. */
  nextChunk(): Chunk | undefined;
  work(lane: number, chunk: Chunk): Promise<void>;
  /** After the last chunk of all lanes. */
  finish(lane: number): Promise<void>;
  signal: AbortSignal;
}

/**
 * Runs all chunks over the lanes. When anything fails, or `signal` is aborted, every lane is aborted before it throws.
 * @throws the first failure; CANCELED (4072) when aborted
 */
export async function runLanes<Chunk>(run: LaneRun<Chunk>): Promise<void> {
  const { lanes, signal } = run;
  let isStopped = false;
  const stop = () => {
    if (isStopped) return [];
    isStopped = true;
    return lanes.map((lane) => lane.abort());
  };
  let aborting: Promise<unknown>[] = [];
  const onAbort = () => {
    aborting = [Promise.allSettled(stop())];
  };
  signal.addEventListener('abort', onAbort, { once: true });
  const each = (work: (lane: number) => Promise<void>[]) => Promise.all(lanes.flatMap((_, lane) => work(lane)));
  const drain = async (lane: number) => {
    while (!isStopped) {
      const chunk = run.nextChunk();
      if (chunk === undefined) return;
      await run.work(lane, chunk);
    }
  };
  try {
    if (signal.aborted) throw fail('CANCELED', {});
    await each((lane) => Array.from({ length: CHUNKS_IN_HAND }, () => drain(lane)));
    if (!isStopped) await each((lane) => [run.finish(lane)]);
    if (isStopped) throw fail('CANCELED', {});
  } catch (error) {
    // The first failure is the one to tell; a lane that can not even be aborted adds nothing to it.
    await Promise.allSettled([...aborting, ...stop()]);
    throw signal.aborted ? fail('CANCELED', {}) : error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Calls `report` at most some ten times a second. @returns to be called at each step; `isLast` always reports */
export function throttled(clock: Clock, report: () => void): (isLast?: boolean) => void {
  let lastMs = Number.NEGATIVE_INFINITY;
  return (isLast = false) => {
    const nowMs = clock.monotonicMs();
    if (!isLast && nowMs - lastMs < PROGRESS_INTERVAL_MS) return;
    lastMs = nowMs;
    report();
  };
}
