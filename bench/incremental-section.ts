// What an increment costs next to a full backup, as the client sees it: from sending the statement until the history says
// that the job is over. Between the two an application changes one page in a hundred, in random places.
import { join } from 'node:path';
import { DatabaseSync } from '../src/base/sqlite.ts';
import type { BenchOptions } from './options.ts';
import { withTreeUse } from './process-tree.ts';
import { Report } from './report.ts';
import { makeSampleDatabase, type SampleDatabase, seededRandom } from './sample-database.ts';
import type { Scratch } from './scratch.ts';
import { BenchServer } from './server.ts';

const PAGE_BYTES = 4096;
const BUSY_TIMEOUT_MS = 20_000;
const ROWS_PER_COMMIT = 50;
/** One page in so many is changed. */
const CHANGED_EVERY = 100;

const CASES = [
  { name: 'not encrypted', isEncrypted: false },
  { name: 'encrypted', isEncrypted: true },
] as const;

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

export async function incrementalSection(scratch: Scratch, options: BenchOptions): Promise<Report> {
  const report = new Report('incremental');
  const source = await makeSampleDatabase(join(scratch.newDir('app'), 'app.db'), options.databaseMb);
  report.note(`database of ${megabytes(source.sizeBytes).toFixed(1)} MB`);
  await using server = await BenchServer.start(scratch);
  await server.protect(source.path);
  for (let run = 0; run < options.runs; run++) {
    for (const [place, { name, isEncrypted }] of CASES.entries()) {
      const full = await withTreeUse(server.pid, () => server.backUp({ isEncrypted }));
      report.add(`full, ${name}`, {
        seconds: full.result.seconds,
        'CPU s': full.use.cpuSeconds,
        'stored MB': megabytes(full.result.outputBytes),
      });
      changePages(source, 1 + run * CASES.length + place);
      await server.untilArchived();
      const { result, use } = await withTreeUse(server.pid, () => server.backUp({ isEncrypted, isIncremental: true }));
      report.add(`incremental, ${name}`, {
        seconds: result.seconds,
        'CPU s': use.cpuSeconds,
        'stored MB': megabytes(result.outputBytes),
        'pages %': (100 * result.inputBytes) / source.sizeBytes,
        'time, % of full': (100 * result.seconds) / full.result.seconds,
        'stored, % of full': (100 * result.outputBytes) / full.result.outputBytes,
      });
    }
  }
  report.note('processor time is that of the server and all its children');
  return report;
}
