// What an increment costs next to a full backup, as the client sees it: from sending the statement until the history says
// that the job is over. Between the two an application changes one page in a hundred, in random places.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseSync } from '../src/base/sqlite.ts';
import type { BenchOptions } from './options.ts';
import { Report } from './report.ts';
import { makeSampleDatabase, type SampleDatabase, seededRandom } from './sample-database.ts';
import type { Scratch } from './scratch.ts';
import { BenchServer } from './server.ts';
import { HoldfastTool } from './tools/holdfast-tool.ts';
import { resticTool } from './tools/restic-tool.ts';
import type { BackupTool } from './tools/tool.ts';

const PAGE_BYTES = 4096;
const BUSY_TIMEOUT_MS = 20_000;
const ROWS_PER_COMMIT = 50;
/** Within this time a gigabyte was read beside other work. */
const SCANNED_MS = 10_000;
/** One page in so many is changed. */
const CHANGED_EVERY = 100;

const megabytes = (bytes: number): number => bytes / 1e6;

/** Changes events in random places, each in its own page as a rule, and no other page. */
function changePages(source: SampleDatabase, seed: number): void {
  const random = seededRandom(seed);
  const db = new DatabaseSync(source.path, { timeout: BUSY_TIMEOUT_MS });
  try {
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    const { n } = db.prepare('SELECT max(id) AS n FROM events').get() as { n: number };
    // The same length, and in no index: the row stays where it is.
    const mark = db.prepare(`UPDATE events SET kind = CASE WHEN kind = upper(kind) THEN lower(kind) ELSE upper(kind) END
      WHERE id = (SELECT id FROM events WHERE id >= ? LIMIT 1)`);
    let left = Math.ceil(source.sizeBytes / PAGE_BYTES / CHANGED_EVERY);
    while (left > 0) {
      db.exec('BEGIN IMMEDIATE');
      for (let i = Math.min(left, ROWS_PER_COMMIT); i > 0; i--, left--) mark.run(1 + random(Number(n) - 1));
      db.exec('COMMIT');
    }
  } finally {
    db.close();
  }
}

/** A tool, and the database that it backs up. */
interface Pair {
  tool: BackupTool;
  source: SampleDatabase;
}

/** restic has a database of its own: it reads a file in which nothing may be on the way. */
function resticPair(scratch: Scratch, source: SampleDatabase, options: BenchOptions): Pair[] {
  const path = join(scratch.newDir('app'), 'app.db');
  const tool = resticTool(path, scratch.newDir('restic'), { mayInstall: !options.isSmoke });
  if (!tool) return [];
  copyFileSync(source.path, path);
  return [{ tool, source: { ...source, path } }];
}

export async function incrementalSection(scratch: Scratch, options: BenchOptions): Promise<Report> {
  const report = new Report('incremental');
  const source = await makeSampleDatabase(join(scratch.newDir('app'), 'app.db'), options.databaseMb);
  report.note(`database of ${megabytes(source.sizeBytes).toFixed(1)} MB`);
  await using server = await BenchServer.start(scratch);
  await server.protect(source.path);
  const holdfast = [true, false].map((isEncrypted) => ({ tool: new HoldfastTool(server, { isEncrypted }), source }));
  const pairs: Pair[] = [...holdfast, ...resticPair(scratch, source, options)];
  // The log knows the checksum of a database some seconds after its tenant became active; until then an increment reads it.
  changePages(source, 0);
  if (!options.isSmoke) await sleep(SCANNED_MS);
  for (let run = 0; run < options.runs; run++) {
    let first: number | undefined;
    for (const [place, { tool, source: own }] of pairs.entries()) {
      const full = await tool.backUp();
      report.add(`full, ${tool.name}`, { seconds: full.seconds, 'stored MB': megabytes(full.storedBytes) });
      changePages(own, 1 + run * pairs.length + place);
      await server.untilArchived();
      const again = await tool.backUpAgain!();
      first ??= again.seconds;
      report.add(`incremental, ${tool.name}`, {
        seconds: again.seconds,
        'stored MB': megabytes(again.storedBytes),
        'time, % of full': (100 * again.seconds) / full.seconds,
        'stored, % of full': (100 * again.storedBytes) / full.storedBytes,
        'times its time': again.seconds / first,
      });
    }
  }
  report.note(`times its time: how many times as long as ${pairs[0]!.tool.name} in the same run`);
  return report;
}
