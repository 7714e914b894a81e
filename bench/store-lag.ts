// The archive in a store that can not append: how late a commit is there, and how many objects an idle tenant costs. Nothing
// here is the server's own figure: the store is listed from outside all the while, and the archive is read back afterwards.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Destination } from '../src/destination/destination.ts';
import { readArchive } from './archive-section.ts';
import { runWriter } from './commit-log.ts';
import type { BenchOptions } from './options.ts';
import { makeSampleDatabase } from './sample-database.ts';
import type { Scratch } from './scratch.ts';
import { BenchServer } from './server.ts';
import { type Spread, spread } from './statistics.ts';

const SAMPLE_MB_MAX = 50;
/** Between two looks at the store: an object seems late by no more than that and a listing. */
const LOOK_MS = 10;

export interface BenchStore {
  /** Where the server keeps what, as its statements take it, access keys and all. */
  uri: (purpose: 'archive' | 'backup') => string;
  /** The archive's, opened. */
  archive: Destination;
}

export interface StoreLag {
  /** From the return of COMMIT until a listing had the object. */
  lagMs: Spread;
  /** Commits a second. */
  rate: number;
  objects: number;
}

/** When each object of a store was first listed (monotonic ns). */
class StoreWatch implements AsyncDisposable {
  readonly #destination: Destination;
  readonly seenNs = new Map<string, bigint>();
  #isOver = false;
  readonly #watching: Promise<void>;

  constructor(destination: Destination) {
    this.#destination = destination;
    this.#watching = this.#watch();
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      await this.look();
      await sleep(LOOK_MS);
    }
  }

  async look(): Promise<void> {
    const objects = await this.#destination.list('');
    const nowNs = process.hrtime.bigint();
    for (const { name } of objects) if (!this.seenNs.has(name)) this.seenNs.set(name, nowNs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#watching;
  }
}

/** Commits at the rate of the options, 300 a second by default; each must be found in the archive, once. */
export async function measureStoreLag(
  scratch: Scratch,
  options: BenchOptions,
  of: BenchStore & { lagTarget: string },
): Promise<StoreLag> {
  const { archive, lagTarget, uri } = of;
  const database = `${scratch.newDir('app')}/app.db`;
  await makeSampleDatabase(database, Math.min(SAMPLE_MB_MAX, options.databaseMb));
  await using server = await BenchServer.start(scratch, uri);
  await server.protect(database, lagTarget);
  await using watch = new StoreWatch(archive);
  const { writerSeconds: seconds, archiveRate: rate, synchronous } = options;
  const written = await runWriter(scratch, { database, rate, seconds, synchronous });
  await server.untilArchived();
  await watch.look();
  const { commits, batches } = await readArchive(archive);
  const lagsMs = written.map(({ committedNs }, index) => {
    const seenNs = watch.seenNs.get(commits.get(index + 1)?.object ?? '');
    if (seenNs === undefined) throw new Error(`commit ${index + 1} is not in the archive`);
    return Number(seenNs - committedNs) / 1e6;
  });
  const tookS = Number(written.at(-1)!.committedNs - written[0]!.dueNs) / 1e9;
  await server.endArchive();
  return { lagMs: spread(lagsMs), rate: written.length / tookS, objects: batches };
}

/** Objects that came while a tenant with an archive did nothing for some seconds. */
export async function countIdleObjects(scratch: Scratch, options: BenchOptions, of: BenchStore): Promise<number> {
  const database = `${scratch.newDir('app')}/app.db`;
  await makeSampleDatabase(database, Math.min(SAMPLE_MB_MAX, options.databaseMb));
  await using server = await BenchServer.start(scratch, of.uri);
  await server.protect(database, '1s');
  await server.untilArchived();
  const before = (await of.archive.list('')).length;
  await sleep(options.writerSeconds * 1000);
  const count = (await of.archive.list('')).length - before;
  await server.endArchive();
  return count;
}
