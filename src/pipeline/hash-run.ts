// Hashes every page of a snapshot or of a finished file: hands out ranges of pages to lanes, gathers what they answer.
import { assert } from '../base/assert.ts';
import { MIB } from '../base/limits.ts';
import { localLane, openRemoteLanes } from './lane.ts';
import { frozenSource } from './lane-kinds.ts';
import { runLanes } from './lanes.ts';
import { createPageHasher, type HashLane, type PageRange } from './page-hasher.ts';
import type { SnapshotSource } from './pipeline.ts';
import { NO_VERBS, type Priority, type WorkerPool } from './worker-pool.ts';

/** Pages in one message: some 4 ms of a worker. */
const CHUNK_BYTES = 8 * MIB;

export interface HashRequest {
  source: SnapshotSource;
  workers: number;
  signal: AbortSignal;
  /** Work in this process instead of workers. */
  isLocal?: boolean;
  priority?: Priority;
}

/** @see Pipeline.hashPages */
export async function runHash(pool: WorkerPool, request: HashRequest): Promise<BigUint64Array> {
  const { workers, signal } = request;
  const source = frozenSource(request.source);
  const { pageSize, pageCount } = source;
  const perChunk = CHUNK_BYTES / pageSize;
  const wanted = Math.min(workers, Math.ceil(pageCount / perChunk));
  const lanes: HashLane[] = request.isLocal
    ? [localLane(createPageHasher(source))]
    : await openRemoteLanes(pool, {
        request: () => ({ kind: 'hash', job: source }),
        wanted,
        priority: request.priority ?? 'normal',
        verbs: NO_VERBS,
        signal,
      });
  const hashes = new BigUint64Array(pageCount);
  let given = 0;
  let done = 0;
  const nextChunk = (): PageRange | undefined => {
    if (given >= pageCount) return undefined;
    const count = Math.min(perChunk, pageCount - given);
    given += count;
    return [given - count + 1, count];
  };
  const work = async (lane: number, [page, count]: PageRange) => {
    const found = await lanes[lane]!.work([page, count]);
    assert(found.length === count, 'each page was hashed');
    hashes.set(found, page - 1);
    done += count;
  };
  await runLanes({ lanes, nextChunk, work, finish: (lane) => lanes[lane]!.finish(), signal });
  assert(done === pageCount, 'every page was hashed once');
  return hashes;
}
