// How long after its COMMIT a transaction is durable in the archive. Nothing here is the server's own figure:
// a writer process notes when each COMMIT returned; SegmentWatch notes when the segment's bytes were visible and durable;
// afterwards the archive is read back with the restore's own reader, each page image is decoded, and the number that the
// commit wrote into its marker row says which batch, and so which bytes, hold it. Every commit must be found, once.

import { listRounds } from '../src/destination/archive-listing.ts';
import { walkRound } from '../src/destination/archive-reader.ts';
import type { ReadBatch } from '../src/destination/batch-chain.ts';
import type { Destination } from '../src/destination/destination.ts';
import { openDestination } from '../src/destination/open-destination.ts';
import { decodeImageBlock } from '../src/format/log-batch-table.ts';
import { type LoggedCommit, markedCommit, runWriter } from './commit-log.ts';
import { syncFloor } from './floor.ts';
import type { BenchOptions } from './options.ts';
import { Report } from './report.ts';
import { makeSampleDatabase } from './sample-database.ts';
import type { Scratch } from './scratch.ts';
import { type Growth, SegmentWatch } from './segment-watch.ts';
import { BenchServer } from './server.ts';
import { spread } from './statistics.ts';

const SAMPLE_MB_MAX = 50;
const CASES = [
  { name: 'archive_lag_target = 0ms', lagTarget: '0ms' },
  { name: 'default (at most 1 s)', lagTarget: undefined },
] as const;

interface ArchivedCommit {
  object: string;
  /** Where its batch ends in the object. */
  endOffset: number;
}

/** Numbers of the marked commits in a batch, in order. */
async function commitsOf(destination: Destination, batch: ReadBatch): Promise<number[]> {
  const { pages, blocks, commits } = batch.table;
  const marks = new Array<number | undefined>(pages.length);
  for (const block of blocks) {
    const stored = await destination.get(batch.object, { offset: block.offset, length: block.storedBytes });
    const images = Buffer.from(decodeImageBlock(stored, block, batch.object));
    const pageBytes = images.length / block.imageCount;
    for (let i = 0; i < block.imageCount; i++)
      marks[block.firstImage + i] = markedCommit(images.subarray(i * pageBytes, (i + 1) * pageBytes));
  }
  const found: number[] = [];
  for (const { firstImage, imageCount } of commits) {
    const numbers = marks.slice(firstImage, firstImage + imageCount).filter((mark) => mark !== undefined);
    if (numbers.length > 0) found.push(Math.max(...numbers));
  }
  return found;
}

/** Where each commit lies, by its number. Number 0 marks the writer's preparations, which do not count. */
export async function readArchive(
  destination: Destination,
): Promise<{ commits: Map<number, ArchivedCommit>; batches: number }> {
  const commits = new Map<number, ArchivedCommit>();
  let batches = 0;
  for (const round of await listRounds(destination)) {
    for await (const batch of walkRound(destination, round, { verifyImages: 'all' })) {
      batches++;
      const endOffset = batch.offset + batch.header.totalBytes;
      for (const commitNo of await commitsOf(destination, batch)) {
        if (commitNo === 0) continue;
        if (commits.has(commitNo)) throw new Error(`commit ${commitNo} is in the archive twice`);
        commits.set(commitNo, { object: batch.object, endOffset });
      }
    }
  }
  return { commits, batches };
}

/** The first look that saw the whole batch. */
function growthOf(growths: ReadonlyMap<string, readonly Growth[]>, { object, endOffset }: ArchivedCommit): Growth {
  const growth = growths.get(object)?.find(({ sizeBytes }) => sizeBytes >= endOffset);
  if (!growth) throw new Error(`${object} was never seen to have ${endOffset} bytes`);
  return growth;
}

function lagsOf(
  written: readonly LoggedCommit[],
  archived: ReadonlyMap<number, ArchivedCommit>,
  growths: ReadonlyMap<string, readonly Growth[]>,
) {
  const [visibleMs, durableMs]: [number[], number[]] = [[], []];
  for (const [index, { committedNs }] of written.entries()) {
    const place = archived.get(index + 1);
    if (!place) throw new Error(`commit ${index + 1} is not in the archive`);
    const growth = growthOf(growths, place);
    visibleMs.push(Number(growth.visibleNs - committedNs) / 1e6);
    durableMs.push(Number(growth.durableNs - committedNs) / 1e6);
  }
  return { visible: spread(visibleMs), durable: spread(durableMs) };
}

async function measureLag(scratch: Scratch, options: BenchOptions, lagTarget: string | undefined) {
  const database = `${scratch.newDir('app')}/app.db`;
  await makeSampleDatabase(database, Math.min(SAMPLE_MB_MAX, options.databaseMb));
  await using server = await BenchServer.start(scratch);
  await server.protect(database, lagTarget);
  using watch = new SegmentWatch(server.archiveDir);
  const { writerSeconds: seconds, archiveRate: rate, synchronous } = options;
  const written = await runWriter(scratch, { database, rate, seconds, synchronous });
  // Archives the rest, which the watch sees like everything else.
  await server.endArchive();
  await using destination = openDestination({ scheme: 'file', path: server.archiveDir, options: {} });
  const { commits, batches } = await readArchive(destination);
  const tookS = Number(written.at(-1)!.committedNs - written[0]!.dueNs) / 1e9;
  const { visible, durable } = lagsOf(written, commits, watch.growths);
  return { rate: written.length / tookS, commitsPerBatch: written.length / batches, visible, durable };
}

export async function archiveSection(scratch: Scratch, options: BenchOptions): Promise<Report> {
  const report = new Report('archive');
  for (let run = 0; run < options.runs; run++) {
    const floor = await syncFloor(scratch.dir);
    report.add('floor: append and fdatasync 8 KiB', {
      'durable p50 ms': floor.p50,
      'durable p99 ms': floor.p99,
      'durable max ms': floor.max,
    });
    for (const { name, lagTarget } of CASES) {
      const { rate, commitsPerBatch, visible, durable } = await measureLag(scratch, options, lagTarget);
      report.add(name, {
        'durable p50 ms': durable.p50,
        'durable p99 ms': durable.p99,
        'durable max ms': durable.max,
        'visible p50 ms': visible.p50,
        'visible p99 ms': visible.p99,
        'commits/s': rate,
        'commits/batch': commitsPerBatch,
      });
    }
  }
  report.note('lag from the return of COMMIT; durable is an upper bound, by an fdatasync of the benchmark itself');
  report.note(`each commit was found in the archive by its own mark; PRAGMA synchronous = ${options.synchronous}`);
  return report;
}
