// Goal: with the real engine and the real archive, a restore yields the database as it was at each recorded point.
// Method: statements that make pages come, change and go, while two backups run between them; a dump after each group,
// with the scn up to which the archive is then durable; then a restore to each of these points, dumps compared.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createArchive } from '../archive/archive.ts';
import type { ArchiveService } from '../archive/archive-service.ts';
import { createBackup } from '../backup/backup.ts';
import type { BackupService } from '../backup/backup-service.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { DatabaseSync } from '../base/sqlite.ts';
import { openDestination } from '../destination/open-destination.ts';
import type { EngineDriver, EngineSession } from '../engine/engine-driver.ts';
import { createSqliteDriver } from '../engine/sqlite/sqlite-driver.ts';
import type { DestinationUri } from '../model/destination-uri.ts';
import { SCN_NONE, type Scn } from '../model/scn.ts';
import type { Tenant } from '../model/tenant.ts';
import { createPipeline } from '../pipeline/create-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { openStore, type Store } from '../store/store.ts';
import { createRestore } from './restore.ts';
import type { RestoreService } from './restore-service.ts';
import { createStandby } from './standby.ts';
import type { StandbyService } from './standby-service.ts';
import { until } from './world.fixture.ts';

let root: string;
let store: Store;
let driver: EngineDriver;
let pipeline: Pipeline;
let archive: ArchiveService;
let backup: BackupService;
let restore: RestoreService;
let standby: StandbyService;
let session: EngineSession;
let tenant: Tenant;

const engineTenant = ({ tenantId, name, mode, location, role }: Tenant) => ({
  ...{ tenantId, name, mode, location },
  isReadOnly: role !== 'PRIMARY',
  maxCpu: 1,
});
const uri = (kind: string) => `file://${join(root, 'backup', kind)}`;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'holdfast-sqlite-'));
  store = openStore(join(root, 'meta'), { clusterName: 'c1', clusterId: 1, timeZone: '+00:00' });
  driver = createSqliteDriver({ log: silentLog, clock: systemClock });
  pipeline = createPipeline({ log: silentLog, workers: 1 });
  const pageMapPath = (tenantId: number) => join(root, 'page_maps', `${tenantId}.map`);
  const common = {
    store,
    clock: systemClock,
    log: silentLog,
    openDestination: (uri: DestinationUri) => openDestination(uri),
    engineTenant,
    pageMapPath,
  };
  archive = createArchive({ ...common, driver: () => driver });
  const work = { ...common, driver, pipeline, archive, cores: 2 };
  backup = createBackup(work);
  standby = createStandby(work);
  restore = createRestore({ ...work, tenantLocation: (id, name) => join(root, 'tenants', `${name}-${id}`, 'data.db') });
  tenant = {
    tenantId: 1002,
    name: 'app',
    mode: 'mysql',
    role: 'PRIMARY',
    status: 'NORMAL',
    engine: 'sqlite',
    location: join(root, 'app.db'),
    isAdopted: false,
    timeZone: '+00:00',
    isArchiveMode: false,
    lastScn: SCN_NONE,
    recoveryUntilScn: SCN_NONE,
    poolName: null,
    comment: '',
    createdNs: 1n,
  };
  store.tenants.insert(tenant);
  // The counter of tenants stands where the row above does.
  store.nextId(1, 'tenant');
  await driver.create(engineTenant(tenant));
  archive.start();
  backup.start();
  restore.start();
  const request = {
    binding: 'OPTIONAL',
    pieceSwitchIntervalUs: 86_400_000_000n,
    pieceSwitchIntervalText: '1d',
  } as const;
  await archive.setDest(tenant.tenantId, { ...request, uri: uri('archive') });
  archive.enable(tenant.tenantId);
  await until('the archive runs', () => archive.capture(tenant.tenantId) !== undefined);
  await backup.setDataDest(tenant.tenantId, uri('data'));
  session = await driver.openSession(engineTenant(tenant));
});
afterAll(async () => {
  await session?.close();
  await restore?.stop();
  await backup?.stop();
  await archive?.stop();
  await driver?.[Symbol.asyncDispose]();
  await pipeline?.[Symbol.asyncDispose]();
  store?.[Symbol.dispose]();
  rmSync(root, { recursive: true, force: true });
});

const { signal } = new AbortController();
const run = (sql: string, ...parameters: Array<string | bigint | Uint8Array>) =>
  session.execute(sql, parameters, signal);

async function rows(sql: string): Promise<unknown[][]> {
  const result = await run(sql);
  if (result.kind !== 'rows') throw new Error('rows were expected');
  const all: unknown[][] = [];
  for await (const some of result.rows) all.push(...some);
  return all;
}

const QUERY = 'SELECT id, CAST(length(body) AS TEXT), hex(substr(body, 1, 8)) FROM docs ORDER BY id';
const text = (all: unknown[][]) => all.map((row) => row.map(String).join('|'));

/** Opened only after a restore: nothing else has this file open in this process. */
function restoredText(name: string): string[] {
  const db = new DatabaseSync(store.tenantNamed(name).location, { readOnly: true });
  try {
    return text(
      db
        .prepare(QUERY)
        .all()
        .map((row) => Object.values(row as object)),
    );
  } finally {
    db.close();
  }
}

async function restored(name: string, scn: Scn): Promise<string[]> {
  const request = { uris: [uri('data'), uri('archive')], option: '', passwords: ['pw'], description: '' };
  await restore.restore({ ...request, tenantName: name, target: { kind: 'scn', scn } });
  const job = () => store.restoreJobs.find({ restoreTenantName: name }).at(-1)!;
  await until('the restore ends', () => job().endNs !== null);
  expect(job()).toMatchObject({ status: 'RESTORE_SUCCESS', comment: '' });
  return restoredText(name);
}

async function startBackup(isIncremental = false): Promise<void> {
  const { tenantId } = tenant;
  const flags = { isIncremental, isPlusArchivelog: false, description: '', password: 'pw' };
  await backup.startBackup({ initiatorTenantId: tenantId, tenants: [tenantId], level: 'USER_TENANT', ...flags });
}

describe('the sqlite engine', () => {
  test('is restored to every recorded point, over growth, deletion, shrinking and growth again', async () => {
    const points: Array<{ scn: Scn; dump: string[] }> = [];
    const record = async () => {
      const scn = await archive.flush(tenant.tenantId);
      points.push({ scn, dump: text(await rows(QUERY)) });
    };
    let nextId = 1n;
    const insert = async (count: number, bytes: number) => {
      for (let i = 0; i < count; i++)
        await run('INSERT INTO docs VALUES (?, ?)', nextId++, new Uint8Array(randomBytes(bytes)));
    };
    await run('CREATE TABLE docs (id INTEGER PRIMARY KEY, body BLOB)');
    await insert(50, 20_000);
    await startBackup();
    await insert(30, 9_000);
    await until('the first backup ends', () => !backup.isBusy(tenant.tenantId));
    const firstSet = store.backupSets.find().at(-1)!;
    expect(firstSet).toMatchObject({ status: 'SUCCESS', fileStatus: 'AVAILABLE' });
    await record();
    await run('DELETE FROM docs WHERE id > 40');
    await run('VACUUM');
    await record();
    await insert(60, 15_000);
    await record();
    await run('UPDATE docs SET body = substr(body, 1, 10) WHERE id % 3 = 0');
    await startBackup();
    await insert(20, 30_000);
    await until('the second backup ends', () => !backup.isBusy(tenant.tenantId));
    await record();
    await run('DELETE FROM docs WHERE id % 2 = 0');
    await record();
    await startBackup(true);
    await until('the increment ends', () => !backup.isBusy(tenant.tenantId));
    expect(store.backupSets.find().at(-1)).toMatchObject({ status: 'SUCCESS', backupType: 'INC' });
    await insert(5, 9_000);
    await record();
    for (const [index, { scn, dump }] of points.entries()) expect(await restored(`copy${index}`, scn)).toEqual(dump);
    // From the first set alone, over all that came after it: the second one is left out by naming the first.
    const [first] = [firstSet.backupSetId];
    const uris = [`${uri('data')}/backup_set_${first}_full`, uri('archive')];
    const { scn, dump } = points.at(-1)!;
    const rest = { option: '', passwords: ['pw'], description: '' };
    await restore.restore({ tenantName: 'long', uris, target: { kind: 'scn', scn }, ...rest });
    await until('the restore ends', () => store.restoreJobs.find({ restoreTenantName: 'long' })[0]!.endNs !== null);
    expect(restoredText('long')).toEqual(dump);
  });

  test('opens a restored tenant for writing only once it is activated', async () => {
    const { tenantId } = store.tenantNamed('long');
    const open = () => driver.openSession(engineTenant(store.tenantNamed('long')));
    const session = await open();
    await expect(session.execute("INSERT INTO docs VALUES (9999, 'x')", [], signal)).rejects.toThrow(
      /read-only|STANDBY/i,
    );
    await standby.activate(tenantId, { isVerifyOnly: false });
    await expect(session.execute('SELECT 1', [], signal)).rejects.toThrow();
    const primary = await open();
    await primary.execute("INSERT INTO docs VALUES (9999, 'x')", [], signal);
    await primary.close();
  });
});
