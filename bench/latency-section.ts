// What the application feels: how long its transactions take (BEGIN IMMEDIATE to the return of COMMIT), alone, while its
// log is archived, and while full backups run one after the other on top of that. `from due` counts from when the
// transaction was due, so that what queues behind a slow one is counted too.
import { join } from 'node:path';
import { type LoggedCommit, runWriter } from './commit-log.ts';
import type { BenchOptions } from './options.ts';
import { Report } from './report.ts';
import { makeSampleDatabase } from './sample-database.ts';
import type { Scratch } from './scratch.ts';
import { BenchServer } from './server.ts';
import { spread } from './statistics.ts';

type Write = () => Promise<LoggedCommit[]>;

interface Window {
  startNs: bigint;
  endNs: bigint;
}

function figuresOf(commits: readonly LoggedCommit[]): Record<string, number> {
  const took = spread(commits.map(({ begunNs, committedNs }) => Number(committedNs - begunNs) / 1e6));
  const fromDue = spread(commits.map(({ dueNs, committedNs }) => Number(committedNs - dueNs) / 1e6));
  return {
    'p50 ms': took.p50,
    'p99 ms': took.p99,
    'max ms': took.max,
    'from due p99 ms': fromDue.p99,
    commits: commits.length,
  };
}

/** Writes while backups run one after the other. @returns only the commits that were due during a backup */
async function writeDuringBackups(server: BenchServer, write: Write): Promise<LoggedCommit[]> {
  const windows: Window[] = [];
  let isWriting = true;
  const writing = write().finally(() => {
    isWriting = false;
  });
  while (isWriting) {
    const startNs = process.hrtime.bigint();
    await server.backUp({ isEncrypted: true });
    windows.push({ startNs, endNs: process.hrtime.bigint() });
  }
  const commits = await writing;
  return commits.filter(({ dueNs }) => windows.some(({ startNs, endNs }) => dueNs >= startNs && dueNs <= endNs));
}

async function measureOnce(scratch: Scratch, report: Report, of: { database: string; write: Write }): Promise<void> {
  report.add('no server', figuresOf(await of.write()));
  await using server = await BenchServer.start(scratch);
  await server.protect(of.database);
  report.add('archive, default lag target', figuresOf(await of.write()));
  await server.setLagTarget('0ms');
  report.add('archive, archive_lag_target = 0ms', figuresOf(await of.write()));
  await server.setLagTarget('120s');
  report.add('archive and full backup, encrypted', figuresOf(await writeDuringBackups(server, of.write)));
}

export async function latencySection(scratch: Scratch, options: BenchOptions): Promise<Report> {
  const report = new Report('latency');
  const database = join(scratch.newDir('app'), 'app.db');
  await makeSampleDatabase(database, options.databaseMb);
  const { latencyRate: rate, writerSeconds: seconds, synchronous } = options;
  const write = () => runWriter(scratch, { database, rate, seconds, synchronous });
  for (let run = 0; run < options.runs; run++) await measureOnce(scratch, report, { database, write });
  report.note(`${rate} transactions a second of some 8 pages, PRAGMA synchronous = ${synchronous}`);
  return report;
}
