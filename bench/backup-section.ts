// Full backups and restores of one database by Holdfast and by what people use instead: one after the other in each run,
// on the same disk, sources in the page cache. Holdfast's time is the client's, from sending the statement until the
// history says that the job is over. Bytes are those of the database (10^6 to a MB), not of what is stored.
import type { BenchOptions } from './options.ts';
import { Report } from './report.ts';
import type { SampleDatabase } from './sample-database.ts';
import type { Scratch } from './scratch.ts';
import { BenchServer } from './server.ts';
import type { MayInstall } from './tools/find-program.ts';
import { HoldfastTool, type HoldfastWays } from './tools/holdfast-tool.ts';
import { litestreamTool } from './tools/litestream-tool.ts';
import { resticTool } from './tools/restic-tool.ts';
import { shellTools } from './tools/shell-tools.ts';
import type { BackupTool } from './tools/tool.ts';
import { backUpInTurn, checkSource, floor, makeSource, noteTurns, restoreInTurn } from './turns.ts';

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

export async function backupSection(scratch: Scratch, options: BenchOptions): Promise<Report> {
  const report = new Report('backup');
  const source = await makeSource(scratch, options, report);
  await using server = await BenchServer.start(scratch);
  await server.protect(source.path);
  const tools = toolsFor(scratch, { source, server, ways: WAYS_OF_BACKUP, mayInstall: !options.isSmoke });
  for (let run = 0; run < options.runs; run++) {
    floor(scratch, source, report);
    await backUpInTurn({ scratch, source, server, tools, report });
  }
  await checkSource(source);
  noteTurns(report, tools);
  return report;
}

export async function restoreSection(scratch: Scratch, options: BenchOptions): Promise<Report> {
  const report = new Report('restore');
  const source = await makeSource(scratch, options, report);
  await using server = await BenchServer.start(scratch);
  await server.protect(source.path);
  const tools = toolsFor(scratch, { source, server, ways: WAYS_OF_RESTORE, mayInstall: !options.isSmoke });
  for (const tool of tools) await tool.backUp();
  for (let run = 0; run < options.runs; run++) {
    floor(scratch, source, report);
    await restoreInTurn({ scratch, source, server, tools, report });
  }
  await checkSource(source);
  noteTurns(report, tools);
  return report;
}
