// One restore: makes the target file, hands out blocks to lanes in the order they lie in their sources, makes it durable,
// and reads it back meanwhile.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { assert } from '../base/assert.ts';
import { systemClock } from '../base/clock.ts';
import { BLOCK_PLAIN_BYTES } from '../base/limits.ts';
import { isLocalSpec, shareOf } from '../destination/open-destination.ts';
import { createBlockPlacer, type PlaceJob, type PlaceLane, type RestoreItem, runsOf } from './block-placer.ts';
import { runHash } from './hash-run.ts';
import { localLane, openRemoteLanes } from './lane.ts';
import { runLanes, throttled } from './lanes.ts';
import { PageCoverage } from './page-coverage.ts';
import { targetFailure } from './page-target.ts';
import type { RestoreRequest } from './pipeline.ts';
import { NO_VERBS, type Priority, type WorkerPool } from './worker-pool.ts';

/** Items in one message: at most 16 MiB of pages. */
const ITEMS_PER_CHUNK = 16;
/** Items that are taken from the plan and sorted together, some 1 GiB: bounds memory and the time without a pause. */
const ITEMS_PER_WINDOW = 1024;
const TARGET_MODE = 0o600;

/** A memory destination lives in this process, and so does the work on it. */
function isLocal({ sets, logDestination }: RestoreRequest): boolean {
  const ofSets = sets.flatMap(({ destination, elsewhere = [] }) => [destination, ...elsewhere]);
  return [...ofSets, logDestination].some((spec) => spec !== null && isLocalSpec(spec));
}

function priorityOf({ isBackground }: RestoreRequest): Priority {
  return isBackground ? 'low' : 'normal';
}

/** The job of each of so many workers. */
function sharedBy(workers: number, { sets, logDestination, target }: PlaceJob): PlaceJob {
  return {
    target,
    sets: sets.map((set) => ({
      ...set,
      destination: shareOf(set.destination, workers),
      ...(set.elsewhere ? { elsewhere: set.elsewhere.map((spec) => shareOf(spec, workers)) } : {}),
    })),
    logDestination: logDestination && shareOf(logDestination, workers),
  };
}

async function openLanes(pool: WorkerPool, request: RestoreRequest, job: PlaceJob): Promise<PlaceLane[]> {
  if (isLocal(request)) return [localLane(createBlockPlacer(job))];
  const { pageCount, pageSize, workers, signal } = request;
  const chunksAtLeast = Math.ceil((pageCount * pageSize) / (ITEMS_PER_CHUNK * BLOCK_PLAIN_BYTES));
  const wanted = Math.min(workers, chunksAtLeast);
  const ask = (workers: number) => ({ kind: 'place', job: sharedBy(workers, job) }) as const;
  return openRemoteLanes(pool, { request: ask, wanted, priority: priorityOf(request), verbs: NO_VERBS, signal });
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
    for (const [, page, count] of runsOf(item)) coverage.plan(page, count);
    window.push(item);
    if (window.length === ITEMS_PER_WINDOW) yield* cut();
  }
  yield* cut();
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

/** @returns what was read elsewhere */
async function fillTarget(pool: WorkerPool, request: RestoreRequest, job: PlaceJob): Promise<string[]> {
  const remarks = new Set<string>();
  const lanes = await openLanes(pool, request, job);
  const done = { items: 0, bytes: 0 };
  const progress = throttled(systemClock, () => request.onProgress({ ...done }));
  const coverage = new PageCoverage(request);
  const chunks = chunksOf(request.items, coverage);
  const nextChunk = (): RestoreItem[] | undefined => {
    const { value, done: isLast } = chunks.next();
    if (isLast) coverage.checkComplete();
    return value ?? undefined;
  };
  const work = async (lane: number, items: RestoreItem[]) => {
    done.bytes += await lanes[lane]!.work(items);
    done.items += items.length;
    progress();
  };
  const finish = async (lane: number) => {
    for (const remark of await lanes[lane]!.finish()) remarks.add(remark);
  };
  await runLanes({ lanes, nextChunk, work, finish, signal: request.signal });
  progress(true);
  return [...remarks];
}

/** Hashes the finished file: what SQLite will read, whatever was meant to be written. */
function readBack(pool: WorkerPool, request: RestoreRequest, { target }: PlaceJob): Promise<BigUint64Array> {
  const { pageSize, pageCount, path: databasePath, device, inode } = target;
  const { skipPage, workers, signal } = request;
  const noWal = { walPath: '', walHeader: new Uint8Array(0), overlay: new Uint32Array(0) };
  const source = { pageSize, pageCount, skipPage, databasePath, device, inode, ...noWal };
  return runHash(pool, { source, workers, signal, isLocal: isLocal(request), priority: priorityOf(request) });
}

/**
 * Writes every page, then makes the file durable while it is read back and the caller looks at it. Nothing is synced
 * before: a sync holds up whoever writes the same file (1.3 instead of 0.9 s for 1 GB), and the last one costs nothing
 * beside the reading.
 */
async function writeTarget(
  pool: WorkerPool,
  request: RestoreRequest,
): Promise<{ pageHashes: BigUint64Array; remarks: string[] }> {
  const { handle, job } = await createTarget(request);
  try {
    const remarks = await fillTarget(pool, request, job);
    const last = [readBack(pool, request, job), handle.sync(), request.whenWritten?.()] as const;
    // Nothing is at work any more when the first failure is told.
    await Promise.allSettled(last);
    const [pageHashes] = await Promise.all(last);
    return { pageHashes, remarks };
  } finally {
    await handle.close();
  }
}

/** @see Pipeline.restore */
export async function runRestore(
  pool: WorkerPool,
  request: RestoreRequest,
): Promise<{ pageHashes: BigUint64Array; remarks: string[] }> {
  try {
    const written = await writeTarget(pool, request);
    await syncParent(request.targetPath);
    return written;
  } catch (error) {
    throw targetFailure(error, request.targetPath);
  }
}
