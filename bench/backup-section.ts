// Throughput of full backups and of restores, as the client sees it: from sending the statement until the history says
// that the job is over. Bytes are those of the database (10^6 to a MB), not of what is stored. Source and sets lie in the
// page cache and on the same disk; every restored file is compared with the source by SHA-256.
import { join } from 'node:path';
import { copyFloor } from './floor.ts';
import type { BenchOptions } from './options.ts';
import { withTreeUse } from './process-tree.ts';
import { Report } from './report.ts';
import { fileSha256, makeSampleDatabase, type SampleDatabase } from './sample-database.ts';
import type { Scratch } from './scratch.ts';
import { BenchServer } from './server.ts';

const CASES = [
  { name: 'not encrypted', isEncrypted: false },
  { name: 'encrypted', isEncrypted: true },
] as const;

const megabytes = (bytes: number): number => bytes / 1e6;

/** Nothing may have touched the application's file. */
async function checkSource(source: SampleDatabase): Promise<void> {
  if ((await fileSha256(source.path)) !== source.sha256) throw new Error('the source database has changed');
}

function floor(scratch: Scratch, source: SampleDatabase, report: Report): void {
  report.add('floor: copy the file and fsync', { 'MB/s': copyFloor(source.path, scratch.dir) });
}

async function makeSource(scratch: Scratch, options: BenchOptions, report: Report): Promise<SampleDatabase> {
  const source = await makeSampleDatabase(join(scratch.newDir('app'), 'app.db'), options.databaseMb);
  report.note(`database of ${megabytes(source.sizeBytes).toFixed(1)} MB, SHA-256 ${source.sha256.slice(0, 16)}…`);
  return source;
}

export async function backupSection(scratch: Scratch, options: BenchOptions): Promise<Report> {
  const report = new Report('backup');
  const source = await makeSource(scratch, options, report);
  await using server = await BenchServer.start(scratch);
  await server.protect(source.path);
  const { use: rest } = await withTreeUse(server.pid, async () => {});
  report.note(`before the first backup ${rest.processes} processes with ${rest.pssMb.toFixed(0)} MB (PSS)`);
  for (let run = 0; run < options.runs; run++) {
    floor(scratch, source, report);
    for (const { name, isEncrypted } of CASES) {
      const { result, use } = await withTreeUse(server.pid, () => server.backUp({ isEncrypted }));
      report.add(name, {
        'MB/s': megabytes(source.sizeBytes) / result.seconds,
        seconds: result.seconds,
        'CPU s': use.cpuSeconds,
        'stored %': (100 * result.outputBytes) / source.sizeBytes,
        'peak PSS MB': use.pssMb,
        'peak RSS MB': use.rssMb,
      });
    }
  }
  await checkSource(source);
  report.note('memory and processor time are those of the server and all its children');
  return report;
}

export async function restoreSection(scratch: Scratch, options: BenchOptions): Promise<Report> {
  const report = new Report('restore');
  const source = await makeSource(scratch, options, report);
  await using server = await BenchServer.start(scratch);
  await server.protect(source.path);
  const sets = [];
  for (const { name, isEncrypted } of CASES)
    sets.push({ name, isEncrypted, ...(await server.backUp({ isEncrypted })) });
  for (let run = 0; run < options.runs; run++) {
    floor(scratch, source, report);
    for (const { name, isEncrypted, scn } of sets) {
      const tenant = `restored_${run}_${isEncrypted ? 'encrypted' : 'plain'}`;
      const location = join(server.dir, `${tenant}.db`);
      const { result: seconds, use } = await withTreeUse(server.pid, () =>
        server.restore({ name: tenant, scn, location, isEncrypted }),
      );
      if ((await fileSha256(location)) !== source.sha256)
        throw new Error(`${name}: the restored file is not the source`);
      await server.dropRestored(tenant, location);
      report.add(name, {
        'MB/s': megabytes(source.sizeBytes) / seconds,
        seconds,
        'CPU s': use.cpuSeconds,
        'peak PSS MB': use.pssMb,
      });
    }
  }
  await checkSource(source);
  report.note(
    "the time includes the engine's own check of the restored file; each was equal to the source, byte for byte",
  );
  return report;
}
