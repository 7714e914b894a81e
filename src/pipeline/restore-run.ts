// One restore: makes the target file, hands out blocks to lanes in the order they lie in their sources, makes it durable.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { assert } from '../base/assert.ts';
import { systemClock } from '../base/clock.ts';
import { fail } from '../base/errors.ts';
import { BLOCK_PLAIN_BYTES } from '../base/limits.ts';
import { createBlockPlacer, type PlaceJob, type PlaceLane, type RestoreItem, runsOf } from './block-placer.ts';
import { runLanes, throttled } from './lanes.ts';
import { PageCoverage } from './page-coverage.ts';
import { targetFailure } from './page-target.ts';
import type { RestoreRequest } from './pipeline.ts';
import { SerialQueue } from './serial-queue.ts';
import type { HeldWorker, JobVerbs, WorkerPool } from './worker-pool.ts';

/** Items in one message: at most 16 MiB of pages. */
const ITEMS_PER_CHUNK = 16;
/** Items that are taken from the plan and sorted together, some 1 GiB: bounds memory and the time without a pause. */
const ITEMS_PER_WINDOW = 1024;
/** The kernel is asked to store what was written this often, so that the final fsync is short. */
const BACKGROUND_SYNC_MS = 150;
const TARGET_MODE = 0o600;
/** A restore answers no questions of its workers. */
const NO_VERBS: JobVerbs = {
  nextPackNo() {
    throw new Error('a restore makes no packs');
  },
};

function remoteLane(worker: HeldWorker): PlaceLane {
  return {
    place: (items) => worker.call('place', items),
    async finish() {
      await worker.call('finishRestore');
      worker.release();
    },
    abort: () => worker.discard(),
  };
}

/** The same work in this process. */
function localLane(lane: PlaceLane): PlaceLane {
  const queue = new SerialQueue();
  return {
    place: (items) => queue.run(() => lane.place(items)),
    finish: () => queue.run(() => lane.finish()),
    async abort() {
      // The target must not be closed under a write: its descriptor may already mean another file then.
      await queue.end(fail('CANCELED', {}));
      await lane.abort();
    },
  };
}

async function openLanes(pool: WorkerPool, request: RestoreRequest, job: PlaceJob): Promise<PlaceLane[]> {
  const { sets, logDestination } = request;
  const isInMemory = [...sets.map((set) => set.destination), logDestination].some((spec) => spec?.kind === 'memory');
  if (isInMemory) return [localLane(createBlockPlacer(job))];
  const chunksAtLeast = Math.ceil((request.pageCount * request.pageSize) / (ITEMS_PER_CHUNK * BLOCK_PLAIN_BYTES));
  const workers = await pool.acquire(Math.min(request.workers, chunksAtLeast), NO_VERBS, request.signal);
  try {
    await Promise.all(workers.map((worker) => worker.call('openRestore', job)));
  } catch (error) {
    await Promise.all(workers.map((worker) => worker.discard()));
    throw error;
  }
  return workers.map(remoteLane);
}

/** Order in which items lie in their sources. */
function bySource(a: RestoreItem, b: RestoreItem): number {
  if (a.kind !== b.kind) return a.kind === 'set' ? -1 : 1;
  if (a.kind === 'set' && b.kind === 'set')
    return a.setIndex - b.setIndex || a.block.packNo - b.block.packNo || a.block.offset - b.block.offset;
  assert(a.kind === 'log' && b.kind === 'log', 'items are of a set or of the log');
  if (a.object !== b.object) return a.object < b.object ? -1 : 1;
  return a.offset - b.offset;
}

/** Takes items in windows, each sorted by source, and checks that no page is written twice. */
function* chunksOf(items: Iterable<RestoreItem>, coverage: PageCoverage): Generator<RestoreItem[]> {
  let window: RestoreItem[] = [];
  function* cut() {
    window.sort(bySource);
    for (let at = 0; at < window.length; at += ITEMS_PER_CHUNK) yield window.slice(at, at + ITEMS_PER_CHUNK);
    window = [];
  }
  for (const item of items) {
    for (const { page, count } of runsOf(item)) coverage.plan(page, count);
    window.push(item);
    if (window.length === ITEMS_PER_WINDOW) yield* cut();
  }
  yield* cut();
}

/** Asks the kernel again and again to store what was written. @returns to be called at the end; throws what failed */
function syncInBackground(target: FileHandle): () => Promise<void> {
  let isOver = false;
  let wake = () => {};
  const loop = async () => {
    while (!isOver) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, BACKGROUND_SYNC_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      if (!isOver) await target.datasync();
    }
  };
  // The failure is kept: the kernel reports a lost write only once.
  const result = loop().then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  return async () => {
    isOver = true;
    wake();
    const failed = await result;
    if (failed) throw failed.error;
  };
}

async function createTarget(request: RestoreRequest): Promise<{ handle: FileHandle; job: PlaceJob }> {
  const { targetPath: path, pageSize, pageCount, sets, logDestination } = request;
  assert(pageCount > 0 && Number.isSafeInteger(pageCount * pageSize), 'a target has pages');
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, TARGET_MODE);
  try {
    await handle.truncate(pageCount * pageSize);
    const { dev, ino } = await handle.stat({ bigint: true });
    return { handle, job: { target: { path, device: dev, inode: ino, pageSize, pageCount }, sets, logDestination } };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function syncParent(path: string): Promise<void> {
  const directory = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function fillTarget(pool: WorkerPool, request: RestoreRequest, job: PlaceJob): Promise<void> {
  const lanes = await openLanes(pool, request, job);
  const done = { items: 0, bytes: 0 };
  const progress = throttled(systemClock, () => request.onProgress({ ...done }));
  const coverage = new PageCoverage(request.pageCount, request.pageSize);
  const chunks = chunksOf(request.items, coverage);
  const nextChunk = (): RestoreItem[] | undefined => {
    const { value, done: isLast } = chunks.next();
    if (isLast) coverage.checkComplete();
    return value ?? undefined;
  };
  const work = async (lane: number, items: RestoreItem[]) => {
    done.bytes += await lanes[lane]!.place(items);
    done.items += items.length;
    progress();
  };
  const finish = (lane: number) => lanes[lane]!.finish();
  await runLanes({ lanes, nextChunk, work, finish, signal: request.signal });
  progress(true);
}

/** @see Pipeline.restore */
export async function runRestore(pool: WorkerPool, request: RestoreRequest): Promise<void> {
  try {
    const { handle, job } = await createTarget(request);
    try {
      const endSyncing = syncInBackground(handle);
      try {
        await fillTarget(pool, request, job);
      } finally {
        await endSyncing();
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await syncParent(request.targetPath);
  } catch (error) {
    throw targetFailure(error, request.targetPath);
  }
}
