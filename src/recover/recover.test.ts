// Goal: wherever a server dies, a job goes on or fails, the tables are imported once, and the auxiliary tenant goes.
// Method: a real store; the restore, the engine and the removal of tenants are played, so that each can stop anywhere.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { fail } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import type { EngineDriver, EngineTable, ImportedTable, ImportRun } from '../engine/engine-driver.ts';
import type { RecoverJob } from '../model/recover-job.ts';
import type { RestoreJob } from '../model/restore-job.ts';
import { SCN_NONE } from '../model/scn.ts';
import type { Tenant } from '../model/tenant.ts';
import { openStore, type Store } from '../store/store.ts';
import { createRecover } from './recover.ts';
import type { RecoverService } from './recover-service.ts';

const TARGET = 1002;
const TABLE: ImportedTable = {
  ...{ source: 'orders', target: 'orders', createSql: 'CREATE TABLE orders (id)' },
  ...{ columnCount: 1, indexCount: 0, constraintCount: 0, foreignKeyCount: 0 },
};

let dataDir: string;
let store: Store;
/** What the target has. */
let tables: EngineTable[];
/** How an import goes; ends with the commit. */
let importing: (run: ImportRun) => Promise<string[]>;
let imports: number;
const services: RecoverService<string>[] = [];

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'holdfast-recover-'));
  store = openStore(dataDir, { clusterName: 'c', clusterId: 1, timeZone: '+00:00' });
  store.tenants.insert(tenantRow(TARGET, 'shop'));
  tables = [];
  imports = 0;
  importing = async (run) => {
    steps(run);
    commit();
    return [];
  };
});
afterEach(async () => {
  for (const service of services.splice(0)) await service.stop();
  store[Symbol.dispose]();
  rmSync(dataDir, { recursive: true });
});

function steps(run: ImportRun): void {
  run.onBegin();
  run.onTable(1);
  run.onReady();
}

function commit(): void {
  tables.push({ name: TABLE.target, kind: 'BASE TABLE', columns: [], indexes: [], createSql: TABLE.createSql });
}

function tenantRow(tenantId: number, name: string, more: Partial<Tenant> = {}): Tenant {
  return {
    ...{
      tenantId,
      name,
      mode: 'mysql',
      role: 'PRIMARY',
      status: 'NORMAL',
      engine: 'sqlite',
      location: `/data/${name}`,
    },
    ...{ isAdopted: false, timeZone: '+00:00', isArchiveMode: false, lastScn: SCN_NONE, recoveryUntilScn: SCN_NONE },
    ...{ poolName: null, comment: '', createdNs: 1n, ...more },
  };
}

const engine = {
  can: { importTables: true },
  describe: async () => tables,
  openSession: async () => ({ execute: async () => {}, close: async () => {} }),
  planImport: async () => ({ tables: [TABLE], leftOut: [], conflicts: tables.map(({ name }) => `table '${name}'`) }),
  importTables: (_request: unknown, run: ImportRun) => {
    imports++;
    return importing(run);
  },
} as unknown as EngineDriver;

/** A server's rooms over the store. The restore is over at once, unless it ends later. */
function serve(restoreEnds: 'RESTORE_SUCCESS' | 'RESTORE_FAIL' | 'LATER' = 'RESTORE_SUCCESS'): RecoverService<string> {
  const service = createRecover<string>({
    ...{ store, clock: systemClock, log: silentLog, driver: () => engine },
    engineTenant: ({ tenantId, name, mode, location }) => ({
      ...{ tenantId, name, mode, location, isReadOnly: false, maxCpu: 1 },
    }),
    restore: {
      async start(_source, { tenantName, onRecord }) {
        store.transaction(() => onRecord(recordRestore(tenantName)));
        if (restoreEnds !== 'LATER') endRestore(restoreEnds);
      },
      cancel: () => endRestore('RESTORE_FAIL'),
    },
    dropTenant: async ({ tenantId }) => store.forgetTenant(tenantId),
  });
  services.push(service);
  service.start();
  return service;
}

function recordRestore(restoreTenantName: string): RestoreJob {
  const restoreTenantId = store.nextId(1, 'tenant') + 2;
  store.tenants.insert(tenantRow(restoreTenantId, restoreTenantName, { role: 'RESTORE', status: 'RESTORE' }));
  const job: RestoreJob = {
    ...{ jobId: store.nextId(1, 'job'), restoreTenantName, restoreTenantId, backupTenantName: 'shop' },
    ...{ backupTenantId: TARGET, backupClusterName: 'c', uris: [], restoreOption: '', restoreScn: SCN_NONE },
    ...{ timeZone: '+00:00', status: 'CREATE_TENANT', startNs: 1n, endNs: null, backupSetList: [] },
    ...{ backupPieceList: [], planSeed: '', sealedDataKeys: {}, totalBytes: null, finishBytes: null },
    ...{ tabletCount: 0, description: '', comment: 'result: -9010(damaged)' },
  };
  store.restoreJobs.insert(job);
  return job;
}

function endRestore(status: 'RESTORE_SUCCESS' | 'RESTORE_FAIL'): void {
  const job = store.restoreJobs.find({ status: 'CREATE_TENANT' })[0]!;
  store.restoreJobs.change({ jobId: job.jobId }, { status });
  const { restoreTenantId: tenantId } = job;
  if (status === 'RESTORE_FAIL') store.forgetTenant(tenantId);
  else store.tenants.change({ tenantId }, { status: 'NORMAL', role: 'STANDBY' });
}

const request = {
  targetTenantId: TARGET,
  tables: [{ database: 'main', table: 'orders' }],
  remaps: [],
  source: 'a backup',
  hasPassword: false,
};

const job = (): RecoverJob => store.recoverJobs.find()[0]!;

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; !isSo(); tries++) {
    if (tries > 1000) throw new Error(`still ${JSON.stringify(job(), (_, value) => String(value))}`);
    await sleep(5);
  }
}

async function outcome(): Promise<Pick<RecoverJob, 'status' | 'result' | 'comment'>> {
  await until(() => job().endNs !== null);
  expect(store.tenants.find().map(({ name }) => name)).toEqual(['shop']);
  const { status, result, comment } = job();
  return { status, result, comment };
}

const importRows = () => {
  const [row] = store.importJobs.find();
  return { ...row, tasks: store.importTasks.find().map(({ status, result }) => [status, result]) };
};
/** Ends only with the server; a job is left as it stands then, as by a crash. */
const untilStopped = ({ signal }: ImportRun) =>
  new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
async function die(): Promise<void> {
  for (const service of services.splice(0)) await service.stop();
}
const SUCCESS = { status: 'COMPLETED', result: 0, comment: '' };

describe('a job', () => {
  test('restores, imports, removes the auxiliary tenant, and tells what there is to know', async () => {
    importing = async (run) => {
      steps(run);
      commit();
      return ['a note'];
    };
    await serve().recover(request);
    expect(await outcome()).toEqual({ ...SUCCESS, comment: 'a note' });
    expect(importRows()).toMatchObject({ status: 'IMPORT_FINISH', finishedTableCount: 1, tasks: [['FINISH', 0]] });
  });

  test('fails with the reason of the restore, of the check, of the import', async () => {
    await serve('RESTORE_FAIL').recover(request);
    expect(await outcome()).toMatchObject({ status: 'FAILED', result: 9099 });
    expect(job().comment).toContain('result: -9010(damaged)');
    expect(imports).toBe(0);
  });

  test('that finds a name taken meanwhile fails before anything is recorded of an import', async () => {
    const service = serve('LATER');
    await service.recover(request);
    commit();
    endRestore('RESTORE_SUCCESS');
    expect(await outcome()).toMatchObject({ status: 'FAILED', result: 4017 });
    expect(store.importJobs.find()).toEqual([]);
  });

  test('that fails while it writes marks each table', async () => {
    importing = async (run) => {
      run.onBegin();
      throw fail('OUT_OF_DISK', { what: 'here' });
    };
    await serve().recover(request);
    expect(await outcome()).toMatchObject({ status: 'FAILED', result: 4184 });
    expect(importRows()).toMatchObject({ status: 'IMPORT_FINISH', failedTableCount: 1, tasks: [['FINISH', 4184]] });
  });

  test('has its target alone', async () => {
    const service = serve('LATER');
    await service.recover(request);
    await expect(service.recover(request)).rejects.toMatchObject({ code: 9014 });
    service.cancel('SHOP');
    expect(await outcome()).toMatchObject({ status: 'FAILED', result: 4072 });
    expect(() => service.cancel('shop')).toThrow('Entry not exist');
  });

  test('can not be cancelled any more while it commits', async () => {
    let proceed: () => void = () => {};
    importing = async (run) => {
      steps(run);
      await new Promise<void>((resolve) => {
        proceed = resolve;
      });
      commit();
      return [];
    };
    const service = serve();
    await service.recover(request);
    await until(() => importRows().status === 'RECONSTRUCT_REF_CONSTRAINT');
    expect(() => service.cancel('shop')).toThrow('Entry not exist');
    proceed();
    expect(await outcome()).toEqual(SUCCESS);
  });
});

describe('the process that commits', () => {
  test.each([true, false])('goes away in the middle; the target tells whether it did: %s', async (isThere) => {
    importing = async (run) => {
      steps(run);
      if (isThere) commit();
      throw fail('HOST_LOST', { because: 'killed' });
    };
    await serve().recover(request);
    expect(await outcome()).toMatchObject(isThere ? SUCCESS : { status: 'FAILED', result: 4122 });
    expect(imports).toBe(1);
  });
});

describe('a server that dies', () => {
  test('while the restore runs: the next one waits for it', async () => {
    await serve('LATER').recover(request);
    await until(() => job().status === 'RESTORE_AUX_TENANT');
    await die();
    serve();
    endRestore('RESTORE_SUCCESS');
    expect((await outcome()).status).toBe('COMPLETED');
  });

  test.each([
    ['before the commit', false, 2],
    ['behind the commit', true, 1],
  ])('%s: the tables are imported once', async (_when, isCommitted, expectedImports) => {
    importing = async (run) => {
      steps(run);
      if (isCommitted) commit();
      return await untilStopped(run);
    };
    await serve().recover(request);
    await until(() => importRows().status === 'RECONSTRUCT_REF_CONSTRAINT');
    importing = async (run) => {
      steps(run);
      commit();
      return [];
    };
    await die();
    serve();
    expect(await outcome()).toEqual(SUCCESS);
    expect(imports).toBe(expectedImports);
    expect(tables).toHaveLength(1);
    expect(store.importJobs.find()).toHaveLength(1);
    expect(importRows().tasks).toEqual([['FINISH', 0]]);
  });

  test('while rows are copied: the import begins again under the same number', async () => {
    importing = (run) => {
      run.onBegin();
      return untilStopped(run);
    };
    await serve().recover(request);
    await until(() => importRows().status === 'IMPORT_TABLE');
    const { jobId } = importRows();
    importing = async (run) => {
      steps(run);
      commit();
      return [];
    };
    await die();
    serve();
    expect(await outcome()).toEqual(SUCCESS);
    expect(importRows()).toMatchObject({ jobId, status: 'IMPORT_FINISH' });
  });

  test('while it cancels: the next one cancels', async () => {
    await serve('LATER').recover(request);
    await until(() => job().status === 'RESTORE_AUX_TENANT');
    store.recoverJobs.change({ jobId: job().jobId }, { status: 'CANCELING' });
    await die();
    serve();
    expect(await outcome()).toMatchObject({ status: 'FAILED', result: 4072 });
  });
});
