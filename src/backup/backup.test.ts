// Goal: a set is AVAILABLE exactly when it is whole, and every other end of a job is told truthfully and leaves no mess.
// Method: real services over the fake engine, file destinations and pipeline workers, with a gate before the data phase.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { faultyDestination } from '../../test/faulty-destination.ts';
import { fail, HoldfastError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import type { Destination } from '../destination/destination.ts';
import { openDestination } from '../destination/open-destination.ts';
import { decodeManifest } from '../format/backup-set-manifest.ts';
import type { BackupJob } from '../model/backup-job.ts';
import type { DestinationUri } from '../model/destination-uri.ts';
import type { Tenant } from '../model/tenant.ts';
import { createPipeline } from '../pipeline/create-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { until, World } from '../restore/world.fixture.ts';
import type { BackupRequest } from './backup-service.ts';

let workers: Pipeline;
beforeAll(() => {
  workers = createPipeline({ log: silentLog, workers: 1 });
});
afterAll(() => workers[Symbol.asyncDispose]());

/** The pipeline with a gate: while it is shut, backups wait in their data phase. */
class Gate {
  isShut = false;
  waiting = 0;
  mostAtOnce = 0;
  #open: () => void = () => {};
  #opened = Promise.resolve();

  shut(): void {
    this.isShut = true;
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.isShut = false;
    this.#open();
  }

  readonly pipeline: Pipeline = {
    backup: async (request) => {
      this.waiting++;
      this.mostAtOnce = Math.max(this.mostAtOnce, this.waiting);
      try {
        const aborted = new Promise<never>((_, reject) => {
          const onAbort = () => reject(request.signal.reason);
          if (request.signal.aborted) onAbort();
          request.signal.addEventListener('abort', onAbort, { once: true });
        });
        if (this.isShut) await Promise.race([this.#opened, aborted]);
        return await Promise.race([workers.backup(request), aborted]);
      } finally {
        this.waiting--;
      }
    },
    restore: (request) => workers.restore(request),
    hashPages: (request) => workers.hashPages(request),
    verify: (request) => workers.verify(request),
    prepare: () => {},
    async [Symbol.asyncDispose]() {},
  };
}

let gate: Gate;
let world: World;
/** Wraps the destinations of a test that wants them to fail. */
let wrap: (destination: Destination) => Destination;

beforeEach(() => {
  gate = new Gate();
  wrap = (destination) => destination;
  const open = (uri: DestinationUri) => wrap(openDestination(uri));
  world = new World({ pipeline: gate.pipeline, open });
  world.start();
});
afterEach(async () => {
  gate.open();
  await world[Symbol.asyncDispose]();
});

const sysRequest: BackupRequest = {
  initiatorTenantId: 1,
  tenants: 'all',
  level: 'CLUSTER',
  isIncremental: false,
  isPlusArchivelog: false,
  description: 'weekly',
  password: null,
};
const ownRequest = (tenant: Tenant): BackupRequest => ({
  ...sysRequest,
  initiatorTenantId: tenant.tenantId,
  tenants: [tenant.tenantId],
  level: 'USER_TENANT',
});

async function failureOf(work: () => Promise<unknown>): Promise<HoldfastError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
  throw new Error('it should have failed');
}

const jobsOf = (tenantId: number): BackupJob[] => world.store.backupJobs.find({ tenantId });
const taskOf = (tenant: Tenant) => world.store.backupTasks.find({ tenantId: tenant.tenantId }).at(-1)!;
const setOf = (tenant: Tenant) => world.store.backupSets.find({ tenantId: tenant.tenantId }).at(-1)!;
const ended = (tenantId: number) =>
  until('every job has ended', () => jobsOf(tenantId).every(({ endNs }) => endNs !== null));
const dataPath = (tenant: Tenant) => world.uri(tenant.name, 'data').slice('file://'.length);
const setFiles = (tenant: Tenant, setId = 1) => {
  const directory = join(dataPath(tenant), `backup_set_${setId}_full`);
  return existsSync(directory) ? readdirSync(directory).sort() : [];
};

describe('a backup', () => {
  test('of one tenant by itself makes one row, a task and an AVAILABLE set that describes itself', async () => {
    const tenant = await world.addReadyTenant('t1');
    await world.commit(tenant, { a: 'x'.repeat(3000), b: 'y'.repeat(3000) });
    const { skipped } = await world.backup.startBackup({ ...ownRequest(tenant), isPlusArchivelog: true });
    expect(skipped).toEqual([]);
    expect(world.backup.isBusy(tenant.tenantId)).toBe(true);
    await ended(tenant.tenantId);
    const [job] = jobsOf(tenant.tenantId);
    expect(job).toMatchObject({
      status: 'COMPLETED',
      result: 0,
      initiatorTenantId: tenant.tenantId,
      initiatorJobId: 0,
      executorTenantIds: [tenant.tenantId],
      level: 'USER_TENANT',
      encryptionMode: 'NONE',
      description: 'weekly',
      uri: world.uri('t1', 'data'),
    });
    const set = setOf(tenant);
    const task = taskOf(tenant);
    expect(set).toMatchObject({ backupSetId: 1, status: 'SUCCESS', fileStatus: 'AVAILABLE', isPlusArchivelog: true });
    expect(set.startReplayScn).toBe(set.consistentScn);
    expect(set.minRestoreScn >= set.consistentScn && set.minRestoreScn % 1000n === 0n).toBe(true);
    expect(task).toMatchObject({ status: 'COMPLETED', endScn: set.minRestoreScn, blockCount: 1, finishBlockCount: 1 });
    expect(task.startScn < task.userLsStartScn && task.userLsStartScn < set.consistentScn).toBe(true);
    expect(set.inputBytes).toBe(BigInt(readFileSync(tenant.location).length));
    const files = setFiles(tenant);
    expect(files.slice(0, -1)).toEqual([
      expect.stringMatching(/^backup_set_1_full_/),
      ...['index.obbak', 'pack_1.obbak', 'page_map.obbak'],
    ]);
    const name = join(dataPath(tenant), 'backup_set_1_full/single_backup_set_info.obbak');
    const manifest = decodeManifest(readFileSync(name));
    expect(manifest).toMatchObject({ description: 'weekly', tenant: { name: 't1', timeZone: '+08:00' } });
    expect(manifest.objects.map(({ name }) => name).sort()).toEqual(['index.obbak', 'pack_1.obbak', 'page_map.obbak']);
    expect(readdirSync(join(dataPath(tenant), 'backup_sets'))).toHaveLength(2);
    const round = world.store.currentRound(tenant.tenantId)!;
    expect(round.checkpointScn >= set.minRestoreScn).toBe(true);
  });

  test('from sys has a row of its own that ends after its tenants, and tells whom it left out', async () => {
    const [ready, late] = [await world.addReadyTenant('t1'), await world.addReadyTenant('t2')];
    const bare = await world.addTenant('t3');
    gate.shut();
    const { skipped } = await world.backup.startBackup(sysRequest);
    expect(skipped).toEqual([
      { tenantName: 't3', because: 'log archive status is not doing. Its archive was never started.' },
    ]);
    await until('both work', () => gate.waiting === 2);
    expect(jobsOf(1)).toMatchObject([
      { status: 'DOING', backupSetId: 0, level: 'CLUSTER', initiatorJobId: 1, uri: '' },
    ]);
    expect(jobsOf(1)[0]!.executorTenantIds).toEqual([ready.tenantId, late.tenantId]);
    expect(jobsOf(bare.tenantId)).toMatchObject([
      { status: 'FAILED', result: 9040, backupSetId: 0, initiatorTenantId: 1, initiatorJobId: 1 },
    ]);
    expect(jobsOf(bare.tenantId)[0]!.comment).toContain('log archive status is not doing.');
    gate.open();
    await ended(1);
    expect(jobsOf(1)).toMatchObject([{ status: 'COMPLETED', result: 0 }]);
    expect(jobsOf(1)[0]!.comment).toBe(
      '1 tenant was left out: t3 (log archive status is not doing. Its archive was never started.)',
    );
    for (const { tenantId } of [ready, late])
      expect(jobsOf(tenantId)).toMatchObject([{ status: 'COMPLETED', initiatorTenantId: 1, level: 'USER_TENANT' }]);
    expect(world.store.nextId(bare.tenantId, 'backup_set')).toBe(1);
  });

  test('works on at most two tenants at once and takes the others in turn', async () => {
    for (const name of ['t1', 't2', 't3', 't4']) await world.addReadyTenant(name);
    gate.shut();
    await world.backup.startBackup(sysRequest);
    await until('two work', () => gate.waiting === 2);
    expect(world.store.backupTasks.find({ status: 'INIT' })).toHaveLength(2);
    gate.open();
    await ended(1);
    expect(gate.mostAtOnce).toBe(2);
    expect(world.store.backupSets.find({ fileStatus: 'AVAILABLE' })).toHaveLength(4);
  });

  test('that was to be incremental is FULL and says so', async () => {
    const tenant = await world.addReadyTenant('t1');
    await world.backup.startBackup({ ...ownRequest(tenant), isIncremental: true });
    await ended(tenant.tenantId);
    expect(jobsOf(tenant.tenantId)).toMatchObject([{ backupType: 'FULL', status: 'COMPLETED' }]);
    expect(jobsOf(tenant.tenantId)[0]!.comment).toContain('became a full backup, because');
  });

  test('is compressed as its tenant asks for', async () => {
    const tenant = await world.addReadyTenant('t1');
    await world.commit(tenant, { a: 'x'.repeat(3000) });
    const stored: bigint[] = [];
    for (const value of ['0', '1', '-7']) {
      world.store.setParameter(tenant.tenantId, 'backup_compression_level', value);
      await world.backup.startBackup(ownRequest(tenant));
      await ended(tenant.tenantId);
      stored.push(world.store.backupSets.find({ tenantId: tenant.tenantId }).at(-1)!.outputBytes);
    }
    const plain = BigInt(readFileSync(tenant.location).length);
    expect(stored.map((bytes) => bytes >= plain)).toEqual([true, false, false]);
  });

  test('with a password keeps neither the password nor, in the end, the key', async () => {
    const tenant = await world.addReadyTenant('t1');
    await world.commit(tenant, { visible: 'a very remarkable text' });
    gate.shut();
    await world.backup.startBackup({ ...ownRequest(tenant), password: 'correct horse' });
    const [job] = jobsOf(tenant.tenantId);
    expect(job).toMatchObject({ encryptionMode: 'PASSWORD_ENCRYPTION' });
    expect(job!.keys!.slot).toContain('scrypt');
    gate.open();
    await ended(tenant.tenantId);
    expect(jobsOf(tenant.tenantId)[0]!.keys).toBeNull();
    for (const name of setFiles(tenant)) {
      const bytes = readFileSync(join(dataPath(tenant), 'backup_set_1_full', name));
      expect(bytes.includes('remarkable')).toBe(false);
    }
    for (const name of readdirSync(world.dataDir).filter((file) => file.startsWith('holdfast')))
      expect(readFileSync(join(world.dataDir, name)).includes('correct horse')).toBe(false);
  });
});

describe('a backup is refused', () => {
  test('for each precondition with its documented text, and nothing is recorded', async () => {
    const tenant = await world.addTenant('t1');
    const ready = await world.addReadyTenant('t2');
    const named: BackupRequest = { ...sysRequest, tenants: [ready.tenantId, tenant.tenantId], level: 'SYS_TENANT' };
    const because = async () => (await failureOf(() => world.backup.startBackup(named))).message;
    expect(await because()).toBe('backup can not start, because log archive status is not doing.');
    await world.startArchive(tenant);
    expect(await because()).toBe('backup can not start, because backup dest is not set.');
    world.store.tenants.change({ tenantId: tenant.tenantId }, { status: 'RESTORE' });
    expect(await because()).toBe('backup can not start, because tenant status is not normal.');
    expect(world.store.backupJobs.find()).toEqual([]);
    expect(world.store.nextId(ready.tenantId, 'backup_set')).toBe(1);
  });

  test('from sys when nobody can be backed up', async () => {
    await world.addTenant('t1');
    const error = await failureOf(() => world.backup.startBackup(sysRequest));
    expect(error.code).toBe(9040);
    expect(error.message).toContain('no tenant meets the backup condition, please check the tenant status');
    expect(world.store.backupJobs.find()).toEqual([]);
  });

  test('while the same initiator has one running for the tenant', async () => {
    const tenant = await world.addReadyTenant('t1');
    gate.shut();
    await world.backup.startBackup(ownRequest(tenant));
    expect((await failureOf(() => world.backup.startBackup(ownRequest(tenant)))).code).toBe(9036);
    await world.backup.startBackup({ ...sysRequest, tenants: [tenant.tenantId], level: 'SYS_TENANT' });
    expect((await failureOf(() => world.backup.startBackup(sysRequest))).code).toBe(9036);
    gate.open();
    await ended(tenant.tenantId);
    await ended(1);
    expect(jobsOf(tenant.tenantId).map(({ status, backupSetId }) => [status, backupSetId])).toEqual([
      ['COMPLETED', 1],
      ['COMPLETED', 2],
    ]);
    expect(gate.mostAtOnce).toBe(1);
  });
});

describe('DATA_BACKUP_DEST', () => {
  test('claims its destination, keeps its id, and is cleared', async () => {
    const tenant = await world.addTenant('t1');
    const { tenantId } = tenant;
    await world.backup.setDataDest(tenantId, `${world.uri('t1', 'data')}/`);
    expect(world.store.dataDests.get({ tenantId })).toEqual({ tenantId, destId: 1001, uri: world.uri('t1', 'data') });
    await world.backup.setDataDest(tenantId, world.uri('t1', 'data'));
    expect(world.store.dataDests.get({ tenantId })?.destId).toBe(1001);
    await world.backup.setDataDest(tenantId, null);
    expect(world.store.dataDests.get({ tenantId })).toBeUndefined();
  });

  test('refuses what is malformed, foreign, of another kind, or in use', async () => {
    const tenant = await world.addReadyTenant('t1');
    const other = await world.addTenant('t2');
    const code = async (tenantId: number, uri: string) =>
      (await failureOf(() => world.backup.setDataDest(tenantId, uri))).code;
    expect(await code(tenant.tenantId, '/no/uri')).toBe(9026);
    expect(await code(other.tenantId, world.uri('t1', 'data'))).toBe(9081);
    expect(await code(tenant.tenantId, world.uri('t1', 'archive'))).toBe(9081);
    const foreign = join(world.root, 'foreign');
    mkdirSync(foreign);
    writeFileSync(join(foreign, 'holiday.jpg'), 'not ours');
    expect(await code(tenant.tenantId, `file://${foreign}`)).toBe(9080);
    gate.shut();
    await world.backup.startBackup(ownRequest(tenant));
    expect(await code(tenant.tenantId, world.uri('t1', 'data'))).toBe(9036);
  });
});

describe('a cancelled backup', () => {
  test('ends with 4072 and an INCOMPLETE set without files', async () => {
    const tenant = await world.addReadyTenant('t1');
    gate.shut();
    await world.backup.startBackup(ownRequest(tenant));
    await until('it works', () => gate.waiting === 1);
    world.backup.cancel([tenant.tenantId]);
    expect(jobsOf(tenant.tenantId)).toMatchObject([{ status: 'CANCELING' }]);
    await ended(tenant.tenantId);
    expect(jobsOf(tenant.tenantId)).toMatchObject([{ status: 'CANCELED', result: 4072 }]);
    expect(jobsOf(tenant.tenantId)[0]!.comment).toContain('-4072(Operation canceled)');
    expect(taskOf(tenant)).toMatchObject({ status: 'CANCELED', result: 4072 });
    expect(setOf(tenant)).toMatchObject({ status: 'FAILED', fileStatus: 'INCOMPLETE', result: 4072 });
    expect(setFiles(tenant)).toEqual([]);
    expect(readdirSync(join(tenant.location, '..')).filter((name) => name.includes('snapshot'))).toEqual([]);
    gate.open();
    const again = await world.backUp(tenant);
    expect(again).toMatchObject({ status: 'COMPLETED', backupSetId: 2 });
  });

  test('of all tenants ends the working, the waiting and the statement', async () => {
    for (const name of ['t1', 't2', 't3']) await world.addReadyTenant(name);
    gate.shut();
    await world.backup.startBackup(sysRequest);
    await until('two work', () => gate.waiting === 2);
    world.backup.cancel('all');
    await ended(1);
    expect(world.store.backupJobs.find().map(({ status }) => status)).toEqual(Array(4).fill('CANCELED'));
    expect(jobsOf(1)).toMatchObject([{ result: 4072 }]);
    world.backup.cancel('all');
    const told = [...world.store.events.since(0n)].filter(({ module }) => module === 'backup_data');
    const count = (event: string) => told.filter((found) => found.event === event).length;
    expect([count('start_backup_data'), count('cancel_backup_data'), count('end_backup_data')]).toEqual([4, 4, 4]);
    for (const { event, facts } of told)
      if (event === 'end_backup_data')
        expect(Object.fromEntries(facts)).toMatchObject({ status: 'CANCELED', result: '4072' });
  });

  test('is not held up by an archive that is stuck', async () => {
    const tenant = await world.addReadyTenant('t1');
    world.archive(tenant.tenantId).isAway = true;
    await world.backup.startBackup(ownRequest(tenant));
    await until('it waits for the log', () => taskOf(tenant).status === 'BEFORE_BACKUP_LOG');
    await world.backup.forget(tenant.tenantId);
    expect(jobsOf(tenant.tenantId)).toMatchObject([{ status: 'CANCELED' }]);
    world.archive(tenant.tenantId).isAway = false;
  });
});

describe('a backup fails', () => {
  test.each([
    ['INTERRUPTED', 9027],
    ['STOP', 9029],
  ] as const)('when its archive becomes %s', async (status, code) => {
    const tenant = await world.addReadyTenant('t1');
    gate.shut();
    await world.backup.startBackup({ ...sysRequest, tenants: [tenant.tenantId], level: 'SYS_TENANT' });
    await until('it works', () => gate.waiting === 1);
    world.archive(tenant.tenantId).endRound(status, 'the log was recycled');
    gate.open();
    await ended(1);
    expect(jobsOf(tenant.tenantId)).toMatchObject([{ status: 'FAILED', result: code }]);
    expect(jobsOf(1)).toMatchObject([{ status: 'FAILED', result: code }]);
    expect(setOf(tenant)).toMatchObject({ status: 'FAILED', fileStatus: 'INCOMPLETE' });
    expect(setFiles(tenant)).toEqual([]);
  });

  test.each(['index.obbak', 'page_map.obbak', 'single_backup_set_info.obbak'])(
    'when %s can not be written',
    async (name) => {
      const tenant = await world.addReadyTenant('t1');
      for (const afterEffect of [false, true]) {
        const error = fail('BACKUP_DEVICE_OUT_OF_SPACE', { uri: 'file:///backup' });
        wrap = (inner) => {
          const faulty = faultyDestination(inner);
          faulty.inject({ on: ['put'], name: new RegExp(name), nth: 1, error, afterEffect });
          return faulty;
        };
        const job = await world.backUp(tenant);
        // Only the answer was lost: with its manifest the set is complete, and where nothing can be removed it stays so.
        if (afterEffect && name.startsWith('single')) {
          expect(job).toMatchObject({ status: 'COMPLETED', result: 0 });
          expect(setOf(tenant)).toMatchObject({ status: 'SUCCESS', fileStatus: 'AVAILABLE' });
          expect(setFiles(tenant, setOf(tenant).backupSetId)).toContain(name);
          continue;
        }
        expect(job).toMatchObject({ status: 'FAILED', result: 9082 });
        expect(setOf(tenant)).toMatchObject({ status: 'FAILED', fileStatus: 'INCOMPLETE' });
        expect(setFiles(tenant, setOf(tenant).backupSetId)).toEqual([]);
      }
    },
  );

  test('rather than touch a complete set that is in its place', async () => {
    const tenant = await world.addReadyTenant('t1');
    await world.backUp(tenant);
    const before = setFiles(tenant);
    // As after a metadata store that was put back to an earlier day.
    for (const table of [world.store.backupSets, world.store.backupJobs, world.store.backupTasks])
      table.remove({ tenantId: tenant.tenantId });
    const taken = world.store.nextId(tenant.tenantId, 'backup_set');
    const directory = join(dataPath(tenant), `backup_set_${taken + 1}_full`);
    mkdirSync(directory);
    const manifest = join(dataPath(tenant), 'backup_set_1_full/single_backup_set_info.obbak');
    writeFileSync(join(directory, 'single_backup_set_info.obbak'), readFileSync(manifest));
    expect(await world.backUp(tenant)).toMatchObject({ status: 'FAILED', result: 4017, backupSetId: taken + 1 });
    expect(readdirSync(directory)).toEqual(['single_backup_set_info.obbak']);
    expect(setFiles(tenant)).toEqual(before);
  });
});

describe('after a restart of the server', () => {
  const STATES = [
    'INIT',
    'BACKUP_SYS_META',
    'BACKUP_USER_META',
    'BACKUP_META_FINISH',
    'BACKUP_DATA_MINOR',
    'BACKUP_DATA_MAJOR',
    'BEFORE_BACKUP_LOG',
    'BACKUP_LOG',
  ] as const;

  test.each(STATES)('a job found in %s is done, with its own set id', async (status) => {
    const tenant = await world.addReadyTenant('t1');
    gate.shut();
    await world.backup.startBackup({ ...ownRequest(tenant), password: 'pw' });
    await until('it works', () => gate.waiting === 1);
    await world.backup.stop();
    expect(jobsOf(tenant.tenantId)).toMatchObject([{ status: 'DOING' }]);
    const task = taskOf(tenant);
    world.store.backupTasks.change({ tenantId: tenant.tenantId, taskId: task.taskId }, { status });
    if (status === 'INIT') {
      world.store.backupSets.remove({ tenantId: tenant.tenantId });
      world.store.backupJobs.change({ tenantId: tenant.tenantId, jobId: 1 }, { status: 'INIT' });
    } else {
      mkdirSync(join(dataPath(tenant), 'backup_set_1_full'), { recursive: true });
      writeFileSync(join(dataPath(tenant), 'backup_set_1_full/pack_77.obbak'), 'half of a pack');
    }
    await world.restart();
    gate.open();
    world.start();
    await ended(tenant.tenantId);
    expect(jobsOf(tenant.tenantId)).toMatchObject([{ status: 'COMPLETED', backupSetId: 1 }]);
    expect(setOf(tenant)).toMatchObject({ backupSetId: 1, status: 'SUCCESS', fileStatus: 'AVAILABLE' });
    expect(setFiles(tenant)).not.toContain('pack_77.obbak');
    const restored = await world.restoreTo('copy', { uris: world.uris('t1'), passwords: ['pw'] });
    expect(restored.status).toBe('RESTORE_SUCCESS');
  });

  test('a set that somebody else took a pack of is not promised', async () => {
    const tenant = await world.addReadyTenant('t1');
    // As a server with the same identity does that finds the set's directory without a manifest.
    wrap = (destination) => {
      const put = destination.put.bind(destination);
      destination.put = async (name, bytes) => {
        await put(name, bytes);
        if (name.endsWith('/index.obbak')) await destination.remove('backup_set_1_full/pack_1.obbak');
      };
      return destination;
    };
    await world.backup.startBackup(ownRequest(tenant));
    await ended(tenant.tenantId);
    expect(jobsOf(tenant.tenantId)).toMatchObject([{ status: 'FAILED', result: 9011 }]);
    expect(setOf(tenant)).toMatchObject({ status: 'FAILED', fileStatus: 'INCOMPLETE' });
    expect(setFiles(tenant)).toEqual([]);
  });

  test('a set whose manifest was written is taken as it is', async () => {
    const tenant = await world.addReadyTenant('t1');
    await world.backUp(tenant);
    const key = { tenantId: tenant.tenantId };
    const name = join(dataPath(tenant), 'backup_set_1_full/single_backup_set_info.obbak');
    const manifest = readFileSync(name);
    // Its writer died right behind the manifest: nothing shows yet that it is whole, nor is its name durable.
    const isPlaceholder = (file: string) => /end_success|backup_set_1_full_\d/.test(file);
    const files = () =>
      readdirSync(dataPath(tenant), { recursive: true, encoding: 'utf8' }).filter(isPlaceholder).sort();
    const placeholders = files();
    expect(placeholders).toHaveLength(2);
    for (const file of placeholders) rmSync(join(dataPath(tenant), file));
    world.store.backupTasks.change({ ...key, taskId: 1 }, { status: 'BACKUP_LOG', endNs: null });
    world.store.backupSets.change({ ...key, backupSetId: 1 }, { status: 'DOING', fileStatus: 'COPYING', endNs: null });
    world.store.backupJobs.change({ ...key, jobId: 1 }, { status: 'DOING', endNs: null });
    await world.restart();
    world.start();
    await ended(tenant.tenantId);
    expect(setOf(tenant)).toMatchObject({ status: 'SUCCESS', fileStatus: 'AVAILABLE', fileCount: 4 });
    expect(readFileSync(name).equals(manifest)).toBe(true);
    expect(files()).toEqual(placeholders);
  });

  test('a cancelled job and the statement above it are ended', async () => {
    const tenant = await world.addReadyTenant('t1');
    gate.shut();
    await world.backup.startBackup({ ...sysRequest, tenants: [tenant.tenantId], level: 'SYS_TENANT' });
    await until('it works', () => gate.waiting === 1);
    await world.backup.stop();
    world.backup.cancel('all');
    await world.restart();
    world.start();
    await ended(1);
    await ended(tenant.tenantId);
    expect(jobsOf(tenant.tenantId)).toMatchObject([{ status: 'CANCELED' }]);
    expect(jobsOf(1)).toMatchObject([{ status: 'CANCELED', result: 4072 }]);
  });

  test('a job whose archive is gone fails with that reason', async () => {
    const tenant = await world.addReadyTenant('t1');
    gate.shut();
    await world.backup.startBackup(ownRequest(tenant));
    await until('it works', () => gate.waiting === 1);
    await world.backup.stop();
    world.archive(tenant.tenantId).endRound('INTERRUPTED', 'the log was recycled');
    await world.restart();
    gate.open();
    world.start();
    await ended(tenant.tenantId);
    expect(jobsOf(tenant.tenantId)).toMatchObject([{ status: 'FAILED', result: 9027 }]);
    expect(setOf(tenant)).toMatchObject({ status: 'FAILED', fileStatus: 'INCOMPLETE' });
  });
});
