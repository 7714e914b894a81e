// What the application feels: how long its transactions take (BEGIN IMMEDIATE to the return of COMMIT), alone, while its
// log is archived, while full backups run one after the other on top of that, and the same while Litestream takes its first
// snapshot, and while it replicates afterwards. `from due` counts from when the transaction was due, so that what queues behind a slow one is counted
// too. Then the same without a pause between two transactions: how many there are in a second. That comes last everywhere:
// the system writes gigabytes back for a minute afterwards.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type LoggedCommit, runWriter } from './commit-log.ts';
import type { BenchOptions } from './options.ts';
import { Report } from './report.ts';
import { makeSampleDatabase } from './sample-database.ts';
import type { Scratch } from './scratch.ts';
import { BenchServer } from './server.ts';
import { settle } from './settle.ts';
import { spread } from './statistics.ts';
import { findLitestream } from './tools/find-program.ts';
import { untilSnapshot } from './tools/litestream-tool.ts';

/** Transactions a second; 0 is without a pause. */
type Write = (rate: number) => Promise<LoggedCommit[]>;

/** A backup that runs is asked for no more often: the questions would be felt, too. */
const POLL_MS = 100;
const ARCHIVE = 'archive, default lag target';

interface Window {
  startNs: bigint;
  endNs: bigint;
}

interface Measuring {
  report: Report;
  rate: number;
  database: string;
  write: Write;
  /** Figures of the application alone, in this run. */
  alone: Map<string, Record<string, number>>;
}

function pacedFigures(commits: readonly LoggedCommit[]): Record<string, number> {
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

function unpacedFigures(commits: readonly LoggedCommit[]): Record<string, number> {
  const [first, last] = [commits[0], commits.at(-1)];
  return { 'commits/s': first && last ? (commits.length * 1e9) / Number(last.committedNs - first.begunNs) : 0 };
}

/** Adds figures, and what they are times those of the application alone. */
function add({ report, alone }: Measuring, name: string, figures: Record<string, number>): void {
  const kind = 'commits/s' in figures ? 'unpaced' : 'paced';
  const before = alone.get(kind) ?? figures;
  alone.set(kind, before);
  const ratios = ['p50 ms', 'p99 ms', 'commits/s'].flatMap((measure) =>
    measure in figures ? [[`${measure.split(' ')[0]} x alone`, figures[measure]! / before[measure]!]] : [],
  );
  report.add(kind === 'paced' ? name : `${name}, without a pause`, { ...figures, ...Object.fromEntries(ratios) });
}

const isIn = ({ startNs, endNs }: Window, { dueNs }: LoggedCommit): boolean => dueNs >= startNs && dueNs <= endNs;

/** Writes while backups run one after the other. @returns only the commits that were due during a backup */
async function writeDuringBackups(server: BenchServer, { write, rate }: Measuring): Promise<LoggedCommit[]> {
  const windows: Window[] = [];
  let isWriting = true;
  const writing = write(rate).finally(() => {
    isWriting = false;
  });
  while (isWriting) {
    const startNs = process.hrtime.bigint();
    await server.backUp({ isEncrypted: true, pollMsMin: POLL_MS });
    windows.push({ startNs, endNs: process.hrtime.bigint() });
  }
  const commits = await writing;
  return commits.filter((commit) => windows.some((window) => isIn(window, commit)));
}

async function measureAlone(_scratch: Scratch, measuring: Measuring): Promise<void> {
  add(measuring, 'alone', pacedFigures(await measuring.write(measuring.rate)));
  add(measuring, 'alone', unpacedFigures(await measuring.write(0)));
}

async function measureHoldfast(scratch: Scratch, measuring: Measuring): Promise<void> {
  await using server = await BenchServer.start(scratch);
  await server.protect(measuring.database);
  add(measuring, ARCHIVE, pacedFigures(await measuring.write(measuring.rate)));
  const name = 'archive and full backup, encrypted';
  add(measuring, name, pacedFigures(await writeDuringBackups(server, measuring)));
  await server.setLagTarget('0ms');
  add(measuring, 'archive, archive_lag_target = 0ms', pacedFigures(await measuring.write(measuring.rate)));
  await server.setLagTarget('120s');
  add(measuring, ARCHIVE, unpacedFigures(await measuring.write(0)));
}

async function measureLitestream(scratch: Scratch, measuring: Measuring, options: BenchOptions): Promise<void> {
  const binary = findLitestream({ mayInstall: !options.isSmoke });
  if (binary === undefined) return;
  const dir = scratch.newDir('litestream');
  const replica = join(dir, 'replica');
  const writing = measuring.write(measuring.rate);
  const startNs = process.hrtime.bigint();
  const child = spawn(binary, ['replicate', measuring.database, `file://${replica}`], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  try {
    await untilSnapshot(child, replica);
    const window = { startNs, endNs: process.hrtime.bigint() };
    const commits = await writing;
    const [during, after] = [true, false].map((is) => commits.filter((commit) => isIn(window, commit) === is));
    for (const [what, some] of [['its first snapshot', during!] as const, ['replication', after!] as const])
      if (some.length > 0) add(measuring, `Litestream 0.3.13, ${what}`, pacedFigures(some));
    add(measuring, 'Litestream 0.3.13, replication', unpacedFigures(await measuring.write(0)));
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
}

export async function latencySection(scratch: Scratch, options: BenchOptions): Promise<Report> {
  const report = new Report('latency');
  const original = join(scratch.newDir('app'), 'app.db');
  await makeSampleDatabase(original, options.databaseMb);
  const { latencyRate, writerSeconds: seconds, synchronous } = options;
  for (let run = 0; run < options.runs; run++) {
    const alone: Measuring['alone'] = new Map();
    // Each begins with the same database: it grows, and Litestream makes tables of its own in it.
    const measuringOf = (): Measuring => {
      const database = join(scratch.newDir('app'), 'app.db');
      copyFileSync(original, database);
      settle(database);
      const write: Write = (rate) => runWriter(scratch, { database, rate, seconds, synchronous });
      return { report, rate: latencyRate, database, write, alone };
    };
    for (const measure of [measureAlone, measureHoldfast, measureLitestream]) {
      const measuring = measuringOf();
      await measure(scratch, measuring, options);
      rmSync(dirname(measuring.database), { recursive: true });
    }
  }
  report.note(`${latencyRate} transactions a second of some 8 pages, PRAGMA synchronous = ${synchronous}`);
  report.note('x alone: times the figure of the application alone in the same run');
  return report;
}
