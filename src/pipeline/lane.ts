// A lane: one worker's share of a job, one chunk after the other, in a worker process or in this one.
import { fail } from '../base/errors.ts';
import type { LaneRequest } from './lane-kinds.ts';
import { SerialQueue } from './serial-queue.ts';
import type { HeldWorker, JobVerbs, Priority, WorkerPool } from './worker-pool.ts';

export interface Lane<Chunk, Done, Rest = void> {
  /** Called with a chunk as soon as it is known, while another may be at work; `work` waits for it. */
  announce?(chunk: Chunk): Promise<void>;
  work(chunk: Chunk): Promise<Done>;
  /** After the last chunk: completes what is begun and ends the lane. */
  finish(): Promise<Rest>;
  /** Ends the lane at once; what it had begun is not complete. */
  abort(): Promise<void>;
}

function remoteLane<Chunk, Done, Rest>(worker: HeldWorker): Lane<Chunk, Done, Rest> {
  return {
    work: (chunk) => worker.call('work', chunk),
    async finish() {
      const rest = await worker.call<Rest>('finish');
      worker.release();
      return rest;
    },
    abort: () => worker.discard(),
  };
}

/**
 * Opens the same lane in as many worker processes as are free, up to `wanted`.
 * @param of.request what each of so many workers is asked for
 */
export async function openRemoteLanes<Chunk, Done, Rest = void>(
  pool: WorkerPool,
  of: {
    request: (workers: number) => LaneRequest;
    wanted: number;
    priority: Priority;
    verbs: JobVerbs;
    signal: AbortSignal;
  },
): Promise<Array<Lane<Chunk, Done, Rest>>> {
  const { wanted, priority, verbs: job } = of;
  const workers = await pool.acquire({ wanted, priority, job }, of.signal);
  const request = of.request(workers.length);
  try {
    await Promise.all(workers.map((worker) => worker.call('open', request)));
  } catch (error) {
    await Promise.all(workers.map((worker) => worker.discard()));
    throw error;
  }
  return workers.map((worker) => remoteLane<Chunk, Done, Rest>(worker));
}

/** The same work in this process. */
export function localLane<Chunk, Done, Rest>(lane: Lane<Chunk, Done, Rest>): Lane<Chunk, Done, Rest> {
  const queue = new SerialQueue();
  return {
    work: (chunk) => queue.run(() => lane.work(chunk)),
    finish: () => queue.run(() => lane.finish()),
    async abort() {
      // Nothing may be closed under a read or write: its descriptor may already mean another file then.
      await queue.end(fail('CANCELED', {}));
      await lane.abort();
    },
  };
}
