// Programs that back one database up or restore it, one after the other in each run, with the source in the page cache.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { copyFloor } from './floor.ts';
import type { BenchOptions } from './options.ts';
import { withTreeUse } from './process-tree.ts';
import type { Report } from './report.ts';
import { fileSha256, makeSampleDatabase, type SampleDatabase } from './sample-database.ts';
import type { Scratch } from './scratch.ts';
import type { BenchServer } from './server.ts';
import { checkEqual } from './tools/check-equal.ts';
import { HoldfastTool } from './tools/holdfast-tool.ts';
import type { BackupTool } from './tools/tool.ts';
import { warmFiles, warmMemory } from './warm-memory.ts';

const megabytes = (bytes: number): number => bytes / 1e6;

/** Nothing may have touched the application's file. */
export async function checkSource(source: SampleDatabase): Promise<void> {
  if ((await fileSha256(source.path)) !== source.sha256) throw new Error('the source database has changed');
}

export function floor(scratch: Scratch, source: SampleDatabase, report: Report): void {
  warm({ scratch, sizeBytes: source.sizeBytes, isRead: isSource });
  report.add('floor: copy the file and fsync', { 'MB/s': copyFloor(source.path, scratch.dir) });
}

/** The database, and copies that a tool has of its own. */
const isSource = (path: string) => path.endsWith('/app.db');

export async function makeSource(scratch: Scratch, options: BenchOptions, report: Report): Promise<SampleDatabase> {
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
  /** What the rows of the table begin with, when there are others in it. */
  label?: string;
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
    report.add(`${turn.label ?? ''}${tool.name}`, { ...speed, ...further, 'times its time': seconds / first, ...own });
    await turn.after?.(tool);
  }
}

/** How the figures of `inTurn` are to be read. */
export function noteTurns(report: Report, tools: readonly BackupTool[]): void {
  report.note(`times its time: how many times as long as ${tools[0]!.name} in the same run`);
  report.note('zstd, age and cp do not wait for the disk; what they left in memory is stored between the runs');
  report.note(
    'before each turn as much memory is taken and freed as it may need: a virtual machine gives unused memory back',
  );
  report.note('what is read lies in the page cache when a turn begins');
  report.note('processor time and memory are those of the server and all its children');
}

/** What the turns of one section share. */
export interface Turns {
  scratch: Scratch;
  source: SampleDatabase;
  server: BenchServer;
  tools: readonly BackupTool[];
  report: Report;
  label?: string;
}

export async function backUpInTurn({ scratch, source, server, tools, report, label = '' }: Turns): Promise<void> {
  const { sizeBytes } = source;
  const work = async (tool: BackupTool) => {
    const { seconds, storedBytes } = await tool.backUp();
    return { seconds, further: { 'stored %': (100 * storedBytes) / sizeBytes } };
  };
  await inTurn(tools, report, { scratch, sizeBytes, server, isRead: isSource, work, label });
}

/** Each tool has backed the source up before. Every restored database is compared with it. */
export async function restoreInTurn({ scratch, source, server, tools, report, label = '' }: Turns): Promise<void> {
  const { sizeBytes, path } = source;
  const restored = join(scratch.newDir('restored'), 'restored.db');
  const work = async (tool: BackupTool) => ({ seconds: await tool.restore(restored) });
  const after = async (tool: BackupTool) => {
    const { name, fidelity } = tool;
    await checkEqual({ name, source: path, restored, fidelity });
    await tool.discard(restored);
    // To compare it, it was opened.
    for (const ending of ['-wal', '-shm']) rmSync(restored + ending, { force: true });
  };
  await inTurn(tools, report, { scratch, sizeBytes, server, isRead: () => true, work, after, label });
  report.note(
    'Holdfast reads every page back, compares it with its checksum and syncs the file; unless check=none, SQLite checks it too',
  );
  report.note('each restored database was compared with the source');
}
