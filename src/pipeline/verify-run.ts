// Reads objects again in one worker of low priority.
import { systemClock } from '../base/clock.ts';
import { localLane, openRemoteLanes } from './lane.ts';
import { runLanes, throttled } from './lanes.ts';
import { createObjectVerifier, type VerifyDone, type VerifyLane } from './object-verifier.ts';
import type { VerifiedLog, VerifyItem, VerifyRequest } from './pipeline.ts';
import { NO_VERBS, type WorkerPool } from './worker-pool.ts';

/** A memory destination lives in this process, and so does the work on it. */
async function openLane(pool: WorkerPool, { destination, set, signal }: VerifyRequest): Promise<VerifyLane[]> {
  const job = { destination, set };
  if (destination.kind === 'memory') return [localLane(createObjectVerifier(job))];
  return await openRemoteLanes<VerifyItem, VerifyDone>(pool, {
    request: () => ({ kind: 'verify', job }),
    wanted: 1,
    priority: 'low',
    verbs: NO_VERBS,
    signal,
  });
}

/** @see Pipeline.verify */
export async function runVerify(pool: WorkerPool, request: VerifyRequest): Promise<Array<VerifiedLog | null>> {
  const { items, signal } = request;
  if (items.length === 0) return [];
  const lanes = await openLane(pool, request);
  const logs: Array<VerifiedLog | null> = items.map(() => null);
  const done = { bytes: 0 };
  const progress = throttled(systemClock, () => request.onProgress({ ...done }));
  let given = 0;
  const nextChunk = (): number | undefined => (given < items.length ? given++ : undefined);
  const work = async (lane: number, index: number) => {
    const { bytes, log } = await lanes[lane]!.work(items[index]!);
    logs[index] = log;
    done.bytes += bytes;
    progress();
  };
  await runLanes({ lanes, nextChunk, work, finish: (lane) => lanes[lane]!.finish(), signal });
  progress(true);
  return logs;
}
