// Full backups and restores of one database by Holdfast and by what people use instead: one after the other in each run,
// on the same disk, sources in the page cache. Holdfast's time is the client's, from sending the statement until the
// history says that the job is over. Bytes are those of the database (10^6 to a MB), not of what is stored.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { copyFloor } from './floor.ts';
import type { BenchOptions } from './options.ts';
import { withTreeUse } from './process-tree.ts';
import { Report } from './report.ts';
import { fileSha256, makeSampleDatabase, type SampleDatabase } from './sample-database.ts';
import type { Scratch } from './scratch.ts';
import { BenchServer } from './server.ts';
import { checkEqual } from './tools/check-equal.ts';
import type { MayInstall } from './tools/find-program.ts';
import { HoldfastTool, type HoldfastWays } from './tools/holdfast-tool.ts';
import { litestreamTool } from './tools/litestream-tool.ts';
import { resticTool } from './tools/restic-tool.ts';
import { shellTools } from './tools/shell-tools.ts';
import type { BackupTool } from './tools/tool.ts';
import { warmFiles, warmMemory } from './warm-memory.ts';

const megabytes = (bytes: number): number => bytes / 1e6;

/** As it comes; what it is without what most others leave out; and as fast as it can be made. */
const WAYS_OF_BACKUP: HoldfastWays[] = [
  { isEncrypted: true },
  { isEncrypted: false },
  { isEncrypted: false, level: 0 },
];
const WAYS_OF_RESTORE: HoldfastWays[] = [
  { isEncrypted: true },
  { isEncrypted: true, check: 'none' },
  { isEncrypted: false, check: 'none' },
];

/** Everybody, Holdfast as it comes first: the others are compared with it. */
function toolsFor(
  scratch: Scratch,
  of: { source: SampleDatabase; server: BenchServer; ways: readonly HoldfastWays[] } & MayInstall,
): BackupTool[] {
  const { source, server } = of;
  const holdfast = of.ways.map((ways) => new HoldfastTool(server, ways));
  const litestream = litestreamTool(source.path, scratch.newDir('litestream'), of);
  const restic = resticTool(source.path, scratch.newDir('restic'), of);
  return [...holdfast, litestream, restic, ...shellTools(source.path, scratch.newDir('shell'), of)].filter(
    (tool) => tool !== undefined,
  );
}

/** Nothing may have touched the application's file. */
async function checkSource(source: SampleDatabase): Promise<void> {
  if ((await fileSha256(source.path)) !== source.sha256) throw new Error('the source database has changed');
}

function floor(scratch: Scratch, source: SampleDatabase, report: Report): void {
  warm({ scratch, sizeBytes: source.sizeBytes, isRead: isSource });
  report.add('floor: copy the file and fsync', { 'MB/s': copyFloor(source.path, scratch.dir) });
}

/** The database, and copies that a tool has of its own. */
const isSource = (path: string) => path.endsWith('/app.db');

async function makeSource(scratch: Scratch, options: BenchOptions, report: Report): Promise<SampleDatabase> {
  const source = await makeSampleDatabase(join(scratch.newDir('app'), 'app.db'), options.databaseMb);
  report.note(`database of ${megabytes(source.sizeBytes).toFixed(1)} MB, SHA-256 ${source.sha256.slice(0, 16)}…`);
  return source;
}

/** What a tool writes, and what it holds itself, as a part of the database's size. */
const MEMORY_PART = 3;

interface Turn {
  scratch: Scratch;
  sizeBytes: number;
  server: BenchServer;
  /** Files that are in the page cache when it begins. */
  isRead: (path: string) => boolean;
  /** @returns seconds, and further figures */
  work: (tool: BackupTool) => Promise<{ seconds: number; further?: Record<string, number> }>;
  /** What is not measured. */
  after?: (tool: BackupTool) => Promise<void>;
}

/** Memory at hand and sources in the page cache, for whoever comes next. */
function warm({ scratch, sizeBytes, isRead }: Pick<Turn, 'scratch' | 'sizeBytes' | 'isRead'>): void {
  warmMemory(scratch.dir, MEMORY_PART * sizeBytes);
  warmFiles(scratch.dir, isRead);
}

/** One tool's turn; what it needs of the machine is known of the server only. */
async function measured(tool: BackupTool, { server, work }: Turn) {
  if (!(tool instanceof HoldfastTool)) return { result: await work(tool), own: {} };
  const { result, use } = await withTreeUse(server.pid, () => work(tool));
  return { result, own: { 'CPU s': use.cpuSeconds, 'peak PSS MB': use.pssMb, 'peak RSS MB': use.rssMb } };
}

/** Runs each tool in turn, and compares it with the first. */
async function inTurn(tools: readonly BackupTool[], report: Report, turn: Turn): Promise<void> {
  let first: number | undefined;
  for (const tool of tools) {
    warm(turn);
    const { result, own } = await measured(tool, turn);
    const { seconds, further } = result;
    first ??= seconds;
    const speed = { 'MB/s': megabytes(turn.sizeBytes) / seconds, seconds };
    report.add(tool.name, { ...speed, ...further, 'times its time': seconds / first, ...own });
    await turn.after?.(tool);
  }
}

export async function backupSection(scratch: Scratch, options: BenchOptions): Promise<Report> {
  const report = new Report('backup');
  const source = await makeSource(scratch, options, report);
  const { sizeBytes } = source;
  await using server = await BenchServer.start(scratch);
  await server.protect(source.path);
  const tools = toolsFor(scratch, { source, server, ways: WAYS_OF_BACKUP, mayInstall: !options.isSmoke });
  const work = async (tool: BackupTool) => {
    const { seconds, storedBytes } = await tool.backUp();
    return { seconds, further: { 'stored %': (100 * storedBytes) / sizeBytes } };
  };
  for (let run = 0; run < options.runs; run++) {
    floor(scratch, source, report);
    await inTurn(tools, report, { scratch, sizeBytes, server, isRead: isSource, work });
  }
  await checkSource(source);
  note(report, tools);
  return report;
}

export async function restoreSection(scratch: Scratch, options: BenchOptions): Promise<Report> {
  const report = new Report('restore');
  const source = await makeSource(scratch, options, report);
  const { sizeBytes, path } = source;
  await using server = await BenchServer.start(scratch);
  await server.protect(path);
  const tools = toolsFor(scratch, { source, server, ways: WAYS_OF_RESTORE, mayInstall: !options.isSmoke });
  for (const tool of tools) await tool.backUp();
  const restored = join(scratch.newDir('restored'), 'restored.db');
  const work = async (tool: BackupTool) => ({ seconds: await tool.restore(restored) });
  const after = async (tool: BackupTool) => {
    const { name, fidelity } = tool;
    await checkEqual({ name, source: path, restored, fidelity });
    await tool.discard(restored);
    // To compare it, it was opened.
    for (const ending of ['-wal', '-shm']) rmSync(restored + ending, { force: true });
  };
  for (let run = 0; run < options.runs; run++) {
    floor(scratch, source, report);
    await inTurn(tools, report, { scratch, sizeBytes, server, isRead: () => true, work, after });
  }
  await checkSource(source);
  note(report, tools);
  report.note(
    'Holdfast reads every page back, compares it with its checksum and syncs the file; unless check=none, SQLite checks it too',
  );
  report.note('each restored database was compared with the source');
  return report;
}

function note(report: Report, tools: readonly BackupTool[]): void {
  report.note(`times its time: how many times as long as ${tools[0]!.name} in the same run`);
  report.note('zstd, age and cp do not wait for the disk; what they left in memory is stored between the runs');
  report.note(
    'before each turn as much memory is taken and freed as it may need: a virtual machine gives unused memory back',
  );
  report.note('what is read lies in the page cache when a turn begins');
  report.note('processor time and memory are those of the server and all its children');
}
