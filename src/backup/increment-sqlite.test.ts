// Goal: increments of the embedded engine lead to the database that the application had, whatever SQLite does to its pages.
// Method: the real engine, archive, workers and files; each set is put together through its index and opened by SQLite.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { destRequest, TENANT_ID, tenantRow } from '../archive/archive.fixture.ts';
import { createArchive } from '../archive/archive.ts';
import type { ArchiveService } from '../archive/archive-service.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { DatabaseSync } from '../base/sqlite.ts';
import { openDestination } from '../destination/open-destination.ts';
import type { EngineDriver, EngineTenant } from '../engine/engine-driver.ts';
import { createSqliteDriver } from '../engine/sqlite/sqlite-driver.ts';
import type { BackupType } from '../model/backup-job.ts';
import { createPipeline } from '../pipeline/create-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { openStore, type Store } from '../store/store.ts';
import { createBackup } from './backup.ts';
import type { BackupService } from './backup-service.ts';
import { readWholeSet } from './read-set.fixture.ts';

const WAIT_MS_MAX = 30_000;

let directory: string;
let store: Store;
let pipeline: Pipeline;
let driver: EngineDriver;
let archive: ArchiveService;
let backup: BackupService;
let tenant: EngineTenant;
let scans: number;

async function until(what: string, condition: () => boolean): Promise<void> {
  const endMs = systemClock.monotonicMs() + WAIT_MS_MAX;
  while (!condition()) {
    if (systemClock.monotonicMs() > endMs) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const dataUri = () => `file://${join(directory, 'backup')}`;

function serve(): void {
  const dataDir = join(directory, 'data');
  const shared = {
    ...{ store, clock: systemClock, log: silentLog, openDestination },
    engineTenant: () => tenant,
    pageMapPath: (tenantId: number) => join(dataDir, 'page_maps', `${tenantId}.map`),
  };
  driver = createSqliteDriver({ log: silentLog, clock: systemClock, dataDir, lockWaitMs: 5000 });
  archive = createArchive({ ...shared, driver: () => driver });
  const workers = {
    ...pipeline,
    hashPages: (request: Parameters<Pipeline['hashPages']>[0]) => {
      scans++;
      return pipeline.hashPages(request);
    },
  };
  backup = createBackup({ ...shared, driver, pipeline: workers, archive, cores: 2 });
  archive.start();
  backup.start();
}

async function leave(): Promise<void> {
  await backup.stop();
  await archive.stop();
  await driver[Symbol.asyncDispose]();
}

beforeEach(async () => {
  scans = 0;
  directory = mkdtempSync(join(tmpdir(), 'increment-sqlite-'));
  for (const name of ['backup', 'archive']) mkdirSync(join(directory, name));
  store = openStore(join(directory, 'meta'), { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' });
  pipeline = createPipeline({ log: silentLog, workers: 1 });
  const location = join(directory, 'data', 't1', 'data.db');
  tenant = { tenantId: TENANT_ID, name: 't1002', mode: 'mysql', location, isReadOnly: false, maxCpu: 1 };
  store.tenants.insert({ ...tenantRow(TENANT_ID, location), engine: 'sqlite' });
  serve();
  await driver.create(tenant);
  await archive.setDest(TENANT_ID, destRequest({ uri: `file://${join(directory, 'archive')}` }));
  await backup.setDataDest(TENANT_ID, dataUri());
  archive.enable(TENANT_ID);
  await attached();
});
afterEach(async () => {
  await leave();
  await pipeline[Symbol.asyncDispose]();
  store[Symbol.dispose]();
  rmSync(directory, { recursive: true, force: true });
});

const attached = () => until('the archive attaches', () => archive.capture(TENANT_ID) !== undefined);

async function run(...statements: string[]): Promise<void> {
  const session = await driver.openSession(tenant);
  for (const sql of statements) await session.execute(sql, [], new AbortController().signal);
  await session.close();
}

const DUMP = 'SELECT id, hex(v) AS v FROM t ORDER BY id';
/** Rows in so short a form that a difference can be read. */
const brief = (rows: string[]) =>
  `${rows.length} rows: ${createHash('sha256').update(rows.join('\n')).digest('hex').slice(0, 16)}`;

async function live(): Promise<string> {
  const session = await driver.openSession(tenant);
  const result = await session.execute(DUMP, [], new AbortController().signal);
  if (result.kind !== 'rows') throw new Error('rows were expected');
  const lines: string[] = [];
  for await (const rows of result.rows) for (const row of rows) lines.push(row.map(String).join(' '));
  await session.close();
  return brief(lines);
}

/** A backup; @returns its row */
async function backUp(isIncremental: boolean) {
  const rest = { isPlusArchivelog: false, description: '', password: null };
  await backup.startBackup({
    ...{ initiatorTenantId: TENANT_ID, tenants: [TENANT_ID], level: 'USER_TENANT', isIncremental, ...rest },
  });
  await until('the backup ends', () => !backup.isBusy(TENANT_ID));
  return store.backupJobs.find({ tenantId: TENANT_ID }).at(-1)!;
}

/** What SQLite finds in a set. */
async function contentOf(backupSetId: number, type: BackupType): Promise<string> {
  const owner = { clusterUuid: store.cluster.uuid, tenantId: TENANT_ID };
  const { bytes } = await readWholeSet(dataUri(), { backupSetId, type }, owner);
  const path = join(directory, `set-${backupSetId}.db`);
  writeFileSync(path, bytes);
  const db = new DatabaseSync(path);
  try {
    expect(db.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
    const rows = db.prepare(DUMP).all() as Array<{ id: number; v: string }>;
    return brief(rows.map(({ id, v }) => `${id} ${v}`));
  } finally {
    db.close();
  }
}

async function expectIncrement(of: { scanCount: number; comment?: RegExp }): Promise<void> {
  scans = 0;
  const expected = await live();
  const job = await backUp(true);
  expect(job).toMatchObject({ status: 'COMPLETED', backupType: 'INC' });
  expect(job.comment).toMatch(of.comment ?? /^$/);
  expect(scans).toBe(of.scanCount);
  expect(await contentOf(job.backupSetId, 'INC')).toBe(expected);
}

const FILL = (rows: number) =>
  `INSERT INTO t (v) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
   SELECT randomblob(1 + abs(random()) % 3000) FROM n`;

test('leads to the database through growth, deletion, VACUUM and random changes, by the log alone', async () => {
  await run('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)', 'CREATE INDEX t_v ON t (v)', FILL(400));
  expect(await backUp(false)).toMatchObject({ status: 'COMPLETED', backupType: 'FULL', comment: '' });
  expect(await contentOf(1, 'FULL')).toBe(await live());
  await expectIncrement({ scanCount: 0 });
  await run('UPDATE t SET v = randomblob(700) WHERE id % 37 = 0');
  await expectIncrement({ scanCount: 0 });
  await run(FILL(300), 'DELETE FROM t WHERE id % 3 = 0');
  await expectIncrement({ scanCount: 0 });
  await run('DELETE FROM t WHERE id > 100', 'VACUUM');
  await expectIncrement({ scanCount: 0 });
  await run(FILL(600), 'DROP INDEX t_v', 'DELETE FROM t WHERE id % 2 = 0', 'CREATE INDEX t_w ON t (v)');
  await expectIncrement({ scanCount: 0 });
  await run('VACUUM', FILL(5));
  await expectIncrement({ scanCount: 0 });
}, 60_000);

test('goes on over a restart of the server, and over a gap that was repaired', async () => {
  await run('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)', FILL(300));
  await backUp(false);
  await run(FILL(20));
  await leave();
  serve();
  await attached();
  await run(FILL(20));
  await expectIncrement({ scanCount: 0 });
  archive.interrupt(TENANT_ID, 'the test says so');
  await until('a new round', () => store.currentRound(TENANT_ID)?.roundId === 2);
  await attached();
  await run(FILL(20), 'UPDATE t SET v = randomblob(10) WHERE id = 1');
  await expectIncrement({ scanCount: 0 });
}, 60_000);

test('reads the whole database when the archive was off between, and the gap is not to be repaired', async () => {
  store.setParameter(TENANT_ID, 'gap_repair', 'manual');
  await run('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)', FILL(300));
  await backUp(false);
  archive.disable(TENANT_ID);
  await until('it has stopped', () => store.currentRound(TENANT_ID)?.status === 'STOP');
  await run(FILL(50), 'DELETE FROM t WHERE id < 20');
  archive.enable(TENANT_ID);
  await until('a new round', () => store.currentRound(TENANT_ID)?.status === 'DOING');
  await attached();
  await expectIncrement({ scanCount: 1, comment: /^the whole database was read, because / });
  await run('UPDATE t SET v = randomblob(10) WHERE id = 100');
  await expectIncrement({ scanCount: 0 });
}, 60_000);
