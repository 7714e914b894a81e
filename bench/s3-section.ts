// The same database backed up into an object store and restored from it: Holdfast, restic and rclone, one after the other in
// each run, on one server on this machine, which takes its part of the two cores from whoever is being measured.
import { GIB } from '../src/base/limits.ts';
import { S3Server } from '../test/s3/s3-server.ts';
import { ObjectStore } from './object-store.ts';
import type { BenchOptions } from './options.ts';
import { Report } from './report.ts';
import type { Scratch } from './scratch.ts';
import { BenchServer } from './server.ts';
import { countIdleObjects, measureStoreLag } from './store-lag.ts';
import { HoldfastTool } from './tools/holdfast-tool.ts';
import { rcloneInStore } from './tools/rclone-tool.ts';
import { resticInStore } from './tools/restic-tool.ts';
import type { BackupTool } from './tools/tool.ts';
import { backUpInTurn, checkSource, makeSource, noteTurns, restoreInTurn } from './turns.ts';

const LAG_TARGET = '1s';

async function measureTools(scratch: Scratch, options: BenchOptions, of: { store: ObjectStore; report: Report }) {
  const { store, report } = of;
  const source = await makeSource(scratch, options, report);
  await using server = await BenchServer.start(scratch, (purpose) => store.uri(`holdfast/${purpose}`));
  await server.protect(source.path);
  const may = { mayInstall: !options.isSmoke, store };
  const holdfast = new HoldfastTool(server, { isEncrypted: true });
  // The others do not look whether what they restored is a database.
  const unchecked = new HoldfastTool(server, { isEncrypted: true, check: 'none' });
  const others: BackupTool[] = [
    resticInStore(source.path, scratch.newDir('restic'), may),
    rcloneInStore(source.path, may),
  ].filter((tool) => tool !== undefined);
  const tools = [holdfast, ...others];
  await unchecked.backUp();
  for (let run = 0; run < options.runs; run++) {
    await backUpInTurn({ scratch, source, server, tools, report, label: 'backup: ' });
    await restoreInTurn({
      ...{ scratch, source, server, report, label: 'restore: ' },
      tools: [holdfast, unchecked, ...others],
    });
  }
  await checkSource(source);
  noteTurns(report, tools);
}

/** Copies of the database that lie in the store beside those of the repeats, none of which is larger than it. */
const COPIES = 4;

function roomFor({ databaseMb, runs }: BenchOptions): number {
  return GIB + (COPIES + runs) * databaseMb * 1_000_000;
}

/** An object per second of a busy tenant; none of one that rests. */
async function measureArchive(scratch: Scratch, options: BenchOptions, of: { store: ObjectStore; report: Report }) {
  const { store, report } = of;
  for (let run = 0; run < options.runs; run++) {
    const at = (name: string) => (purpose: string) => store.uri(`${name}-${run}/${purpose}`);
    await using lagging = store.open(`lag-${run}/archive`);
    const { lagMs, rate, objects } = await measureStoreLag(scratch, options, {
      ...{ uri: at('lag'), archive: lagging, lagTarget: LAG_TARGET },
    });
    await using resting = store.open(`idle-${run}/archive`);
    const idle = await countIdleObjects(scratch, options, { uri: at('idle'), archive: resting });
    report.add(`archive, archive_lag_target = ${LAG_TARGET}`, {
      ...{ 'listed p50 ms': lagMs.p50, 'listed p99 ms': lagMs.p99, 'listed max ms': lagMs.max },
      ...{ 'commits/s': rate, objects, 'objects of an idle tenant': idle },
    });
  }
}

export async function s3Section(scratch: Scratch, options: BenchOptions): Promise<Report> {
  const report = new Report('s3');
  await using server = await S3Server.start(roomFor(options));
  const store = new ObjectStore({ endpoint: server.host, bucket: await server.newBucket(), access: server.owner });
  await measureArchive(scratch, options, { store, report });
  await measureTools(scratch, options, { store, report });
  report.note('one S3 server (radosgw with its data in memory) for all, on the same two cores');
  return report;
}
