// Goal: cleaning leaves nothing behind of what it deletes, everything of what it keeps, and never a lie in between.
// Method: real sets and log on file destinations (fake engine); the server stops before, in and behind every removal.
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { isFailure } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import type { Destination } from '../destination/destination.ts';
import { openDestination } from '../destination/open-destination.ts';
import { type DestinationUri, parseDestinationUri } from '../model/destination-uri.ts';
import type { Tenant } from '../model/tenant.ts';
import type { ValidateTaskStatus, ValidateTaskType } from '../model/validate-job.ts';
import { storedWindows } from '../restore/stored-windows.ts';
import { type KnownState, until, World } from '../restore/world.fixture.ts';
import { createClean } from './clean.ts';
import type { CleanService } from './clean-service.ts';

const BY_TENANT = { initiatorTenantId: 1002, level: 'USER_TENANT', description: 'by hand' } as const;
const STATUSES_OF_END = ['COMPLETED', 'FAILED', 'CANCELED'];

let world: World;
let clean: CleanService;
let tenant: Tenant;
/** One old point, and those that every policy keeps: behind the last full set, and now. */
let states: { old: KnownState; behindFull: KnownState; newest: KnownState };

afterEach(async () => {
  await clean.stop();
  await world[Symbol.asyncDispose]();
});

function service(open: (uri: DestinationUri) => Destination = openDestination): CleanService {
  const { store } = world;
  clean = createClean({
    store,
    clock: systemClock,
    log: silentLog,
    openDestination: (uri) => open(uri),
    ranges: (tenantId, sets, pieces) =>
      storedWindows({ sets, pieces, rounds: store.rounds.find({ tenantId }), liveCheckpointScn: undefined }),
  });
  return clean;
}

/** Sets 1 (full), 2 (on it) and 3 (full); piece 1 ends before set 3, piece 2 behind it, piece 3 is active. */
async function begin(): Promise<void> {
  world = new World();
  tenant = await world.addReadyTenant('shop');
  world.start();
  await world.commit(tenant, { a: '1' });
  await world.backUp(tenant);
  const old = await world.commit(tenant, { b: '2' });
  await world.backUp(tenant, null, { isIncremental: true });
  await world.archive(tenant.tenantId).switchPiece();
  await world.commit(tenant, { c: '3' });
  await world.backUp(tenant);
  const behindFull = await world.commit(tenant, { d: '4' });
  await world.archive(tenant.tenantId).switchPiece();
  const newest = await world.commit(tenant, { e: '5' });
  await world.archive(tenant.tenantId).flush();
  await world.recordPieces(tenant);
  states = { old, behindFull, newest };
  service().start();
}

const jobs = () => world.store.deleteJobs.find({ tenantId: tenant.tenantId });
const fileStatuses = () => ({
  sets: world.store.backupSets.find({ tenantId: tenant.tenantId }).map(({ fileStatus }) => fileStatus),
  pieces: world.store.pieces.find({ tenantId: tenant.tenantId }).map(({ fileStatus }) => fileStatus),
});
const CLEANED = { sets: ['DELETED', 'DELETED', 'AVAILABLE'], pieces: ['DELETED', 'AVAILABLE', 'AVAILABLE'] };
const ended = () => until('the job ends', () => STATUSES_OF_END.includes(jobs().at(-1)?.status ?? ''));

function addPolicy(): void {
  const { tenantId } = tenant;
  clean.addPolicy({ tenantId, policyName: 'default', recoveryWindow: null, redundancy: 1 });
}

let restores = 0;
/** What a restore to a state gives: the very state, another one, or an error by its number. */
async function restored({ scn, bytes }: KnownState): Promise<'the same' | 'another' | number> {
  const name = `back${++restores}`;
  try {
    const uris = world.uris(tenant.name);
    const job = await world.restoreTo(name, { uris, target: { kind: 'scn', scn } });
    if (job.status !== 'RESTORE_SUCCESS') return Number(/-(\d+)/.exec(job.comment)?.[1] ?? 0);
  } catch (error) {
    if (isFailure(error, 'RESTORE_SOURCE_NOT_ENOUGH')) return 9119;
    if (isFailure(error, 'ARCHIVE_LOG_NOT_CONTINUES_WITH_DATA')) return 9064;
    if (isFailure(error, 'BACKUP_DATA_CORRUPT')) return 9010;
    throw error;
  }
  return readFileSync(world.store.tenantNamed(name).location).equals(bytes) ? 'the same' : 'another';
}

function objectsAt(kind: 'data' | 'archive'): string[] {
  const { path } = parseDestinationUri(world.uri(tenant.name, kind));
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath.slice(path.length + 1)}/${entry.name}`);
}

describe('cleaning', () => {
  test('deletes what the policy lets go, with every object of it, and keeps the rest whole', async () => {
    await begin();
    addPolicy();
    clean.deleteObsolete([tenant.tenantId], BY_TENANT);
    await ended();
    expect(jobs()).toMatchObject([
      { type: 'DELETE OBSOLETE BACKUP', status: 'COMPLETED', taskCount: 3, successTaskCount: 3, result: 0 },
    ]);
    expect(fileStatuses()).toEqual(CLEANED);
    expect(objectsAt('data').filter((name) => /set_[12]_/.test(name))).toEqual([]);
    expect(objectsAt('archive').filter((name) => /p1\b|p1_/.test(name))).toEqual([]);
    const tasks = world.store.deleteTasks.find({ tenantId: tenant.tenantId });
    expect(tasks.map(({ taskType, objectId }) => [taskType, objectId])).toEqual([
      ['BACKUP SET', 2],
      ['BACKUP SET', 1],
      ['BACKUP PIECE', 1],
    ]);
    for (const task of tasks)
      expect(task).toMatchObject({ deletedBytes: task.totalBytes, deletedFiles: task.totalFiles });
    expect(tasks.every(({ totalFiles }) => totalFiles > 1)).toBe(true);
    for (const state of [states.behindFull, states.newest]) expect(await restored(state)).toBe('the same');
    expect(await restored(states.old)).toBe(9119);
    // Nothing is left to be done.
    clean.deleteObsolete([tenant.tenantId], BY_TENANT);
    await until('the second job ends', () => jobs().length === 2 && jobs()[1]!.endNs !== null);
    expect(jobs()[1]).toMatchObject({ status: 'COMPLETED', taskCount: 0 });
  });

  test('goes on where a server stopped, and no moment in between yields a wrong state', async () => {
    for (const moment of ['before', 'half', 'after'] as const) {
      for (let nth = 1; ; nth++) {
        await begin();
        addPolicy();
        await clean.stop();
        let seen = 0;
        let isStopped = false;
        const open = (uri: DestinationUri): Destination => {
          const target = openDestination(uri);
          const stop = (): never => {
            isStopped = true;
            void clean.stop();
            throw new Error('the server is gone');
          };
          const removal = (key: 'remove' | 'removeAll') => async (name: string, keep?: ReadonlySet<string>) => {
            const isMeant = ++seen === nth;
            if (isMeant && moment === 'before') stop();
            const [first] = isMeant && moment === 'half' && key === 'removeAll' ? await target.list(name) : [];
            if (first && !keep?.has(first.name)) await target.remove(first.name);
            if (isMeant && moment === 'half') stop();
            await target[key](name, keep);
            if (isMeant) stop();
          };
          return new Proxy(target, {
            get(of, key) {
              if (key === 'remove' || key === 'removeAll') return removal(key);
              const value: unknown = Reflect.get(of, key, of);
              return typeof value === 'function' ? value.bind(of) : value;
            },
          });
        };
        service(open).start();
        clean.deleteObsolete([tenant.tenantId], BY_TENANT);
        await until('the job ends or stops', () => isStopped || jobs()[0]?.status === 'COMPLETED');
        await clean.stop();
        const what = `${moment} removal ${nth}`;
        for (const state of [states.behindFull, states.newest]) expect(await restored(state), what).toBe('the same');
        expect(['the same', 9010, 9064, 9119], what).toContain(await restored(states.old));
        if (isStopped) {
          expect(jobs()[0], what).toMatchObject({ status: 'DOING' });
          service().start();
          await ended();
        }
        expect(jobs()[0], what).toMatchObject({ comment: '', status: 'COMPLETED', successTaskCount: 3 });
        expect(fileStatuses(), what).toEqual(CLEANED);
        expect(
          [...objectsAt('data'), ...objectsAt('archive')].filter((n) => /set_[12]_|p1\b|p1_/.test(n)),
          what,
        ).toEqual([]);
        await clean.stop();
        if (!isStopped) break;
        await world[Symbol.asyncDispose]();
      }
      await world[Symbol.asyncDispose]();
    }
    await begin();
  }, 240_000);

  test('gives back what it did not come to, when it fails or is cancelled', async () => {
    await begin();
    addPolicy();
    await clean.stop();
    let isAway = true;
    service((uri) => {
      const target = openDestination(uri);
      if (isAway && uri.path.endsWith('/archive')) target.list = () => Promise.reject(new Error('it is away'));
      return target;
    }).start();
    clean.deleteObsolete([tenant.tenantId], BY_TENANT);
    await ended();
    expect(jobs()[0]).toMatchObject({
      status: 'FAILED',
      successTaskCount: 2,
      comment: expect.stringContaining('it is away'),
    });
    expect(fileStatuses()).toEqual({ ...CLEANED, pieces: ['AVAILABLE', 'AVAILABLE', 'AVAILABLE'] });
    isAway = false;
    // A job that waits for its turn ends without having touched anything.
    await clean.stop();
    clean.deleteObsolete([tenant.tenantId], BY_TENANT);
    expect(fileStatuses().pieces[0]).toBe('EXPIRED');
    clean.cancel('all');
    service().start();
    await until('the job ends', () => jobs()[1]?.endNs !== null);
    expect(jobs()[1]).toMatchObject({ status: 'CANCELED', result: 4072 });
    expect(fileStatuses().pieces[0]).toBe('AVAILABLE');
    clean.deleteObsolete([tenant.tenantId], BY_TENANT);
    await until('the last job ends', () => jobs()[2]?.status === 'COMPLETED');
    expect(fileStatuses()).toEqual(CLEANED);
  });

  test('deletes nothing where another owner has the directory by now', async () => {
    await begin();
    addPolicy();
    await clean.stop();
    const other = new World();
    const foreign = await other.addReadyTenant('shop');
    other.start();
    await other.backUp(foreign);
    service((uri) => openDestination({ ...uri, path: uri.path.replace(world.root, other.root) })).start();
    clean.deleteObsolete([tenant.tenantId], BY_TENANT);
    await ended();
    expect(jobs()[0]).toMatchObject({ status: 'FAILED', result: 9081 });
    expect(other.store.backupSets.find()[0]).toMatchObject({ fileStatus: 'AVAILABLE' });
    expect((await other.restoreTo('back', { uris: other.uris('shop') })).status).toBe('RESTORE_SUCCESS');
    await other[Symbol.asyncDispose]();
  });

  test('refuses named sets and pieces that something needs, all of them or none', async () => {
    await begin();
    const { tenantId } = tenant;
    const refused = (work: () => void) => {
      try {
        work();
      } catch (error) {
        return (error as Error).message;
      }
      throw new Error('this should have been refused');
    };
    expect(refused(() => clean.deleteSets(tenantId, [1], BY_TENANT))).toContain('id=1(dependent by backup set id=2)');
    expect(refused(() => clean.deleteSets(tenantId, [3, 9], BY_TENANT))).toContain(
      'id=3(newer than latest full backupset id=3), id=9(get set failed)',
    );
    expect(refused(() => clean.deletePieces(tenantId, [1], BY_TENANT))).toContain('id=1(dependent by backup set id=1)');
    expect(refused(() => clean.deletePieces(tenantId, [3], BY_TENANT))).toContain('id=3(is active piece)');
    expect(jobs()).toEqual([]);
    clean.deleteSets(tenantId, [1, 2], BY_TENANT);
    expect(refused(() => clean.deleteSets(tenantId, [1], BY_TENANT))).toMatch(/already|in progress/);
    await ended();
    expect(fileStatuses().sets).toEqual(['DELETED', 'DELETED', 'AVAILABLE']);
    expect(refused(() => clean.deleteSets(tenantId, [1], BY_TENANT))).toContain('id=1(already deleted)');
    expect(refused(() => clean.deletePieces(tenantId, [2], BY_TENANT))).toContain('id=2(smaller piece exists id=1)');
    clean.deletePieces(tenantId, [1], BY_TENANT);
    await until('the piece is gone', () => jobs().at(-1)?.status === 'COMPLETED');
    addPolicy();
    expect(refused(() => clean.deletePieces(tenantId, [2], BY_TENANT))).toContain('when delete policy is set');
    for (const state of [states.behindFull, states.newest]) expect(await restored(state)).toBe('the same');
  });

  test('takes nothing that is being validated, or that a drill is restored from', async () => {
    await begin();
    addPolicy();
    const { tenantId } = tenant;
    const task = (taskId: number, taskType: ValidateTaskType, objectId: number, status: ValidateTaskStatus) =>
      world.store.validateTasks.insert({
        ...{ tenantId, taskId, jobId: 1, taskType, objectId, status, level: 'physical', directory: '', uri: '' },
        ...{ pathType: 'BACKUP_DEST', archiveUri: '', destId: 0, roundId: 0, startNs: 1n, endNs: null },
        ...{ totalBytes: 0n, validatedBytes: 0n, result: 0, comment: '' },
      });
    const kept = () =>
      clean
        .previewObsolete([tenantId])
        .filter(({ isDeleted }) => !isDeleted)
        .map(({ objectType, objectId, because }) => `${objectType} ${objectId} ${because}`);
    task(1, 'BACKUP SET', 2, 'INIT');
    expect(kept().join()).not.toContain('validated');
    task(2, 'BACKUP SET', 2, 'PHYSICAL');
    // The increment takes blocks from the first set.
    expect(kept()).toEqual(
      expect.arrayContaining(['BACKUP SET 1 it is being validated', 'BACKUP SET 2 it is being validated']),
    );
    world.store.validateTasks.change({ tenantId, taskId: 2 }, { status: 'COMPLETED' });
    task(3, 'BACKUP PIECE', 1, 'BASIC');
    expect(kept()).toContain('BACKUP PIECE 1 it is being validated');
    task(4, 'TENANT', 0, 'RESTORE');
    expect(kept()).toContain('BACKUP SET 1 a drill is restored from it');
  });

  describe('from sys', () => {
    const BY_SYS = { initiatorTenantId: 1, level: 'SYS_TENANT', description: 'from sys' } as const;
    const sysJobs = () => world.store.deleteJobs.find({ tenantId: 1 });
    const sysEnded = () => until('the statement ends', () => STATUSES_OF_END.includes(sysJobs().at(-1)?.status ?? ''));
    /** Of this room, without their times: `event job_id status`. */
    const events = () =>
      [...world.store.events.since(systemClock.nowNs())]
        .filter(({ module }) => module === 'backup_clean')
        .map(({ event, facts }) => {
          const values = new Map(facts);
          const of = values.get('tenant_id') === '1' ? 'sys' : 'tenant';
          return [event, of, values.get('status') ?? values.get('task_type')].filter(Boolean).join(' ');
        });

    test('has a row of its own that ends after those of its tenants', async () => {
      await begin();
      addPolicy();
      clean.deleteObsolete([tenant.tenantId], BY_SYS);
      const [sys] = sysJobs();
      expect(sys).toMatchObject({ initiatorTenantId: 1, initiatorJobId: sys!.jobId, level: 'SYS_TENANT' });
      expect(sys).toMatchObject({ executorTenantIds: [tenant.tenantId], taskCount: 3, type: 'DELETE OBSOLETE BACKUP' });
      const child = { initiatorTenantId: 1, initiatorJobId: sys!.jobId, level: 'USER_TENANT' };
      expect(jobs()).toMatchObject([child]);
      await sysEnded();
      expect(sysJobs()).toMatchObject([{ status: 'COMPLETED', successTaskCount: 3, result: 0, comment: '' }]);
      expect(sysJobs()[0]!.endNs).toBeGreaterThanOrEqual(jobs()[0]!.endNs!);
      expect(events()).toEqual([
        'add_delete_policy tenant',
        'start_backup_clean sys',
        'start_backup_clean tenant',
        'delete_backup_file tenant BACKUP SET',
        'delete_backup_file tenant BACKUP SET',
        'delete_backup_file tenant BACKUP PIECE',
        'end_backup_clean tenant COMPLETED',
        'end_backup_clean sys COMPLETED',
      ]);
    });

    test('ends at the next start when the server died behind the end of its last tenant', async () => {
      await begin();
      addPolicy();
      await clean.stop();
      clean.deleteObsolete([tenant.tenantId], BY_SYS);
      const ended = { status: 'FAILED', result: 9070, comment: 'it is away', endNs: 1n } as const;
      world.store.deleteJobs.change({ tenantId: tenant.tenantId, jobId: jobs()[0]!.jobId }, ended);
      service().start();
      await sysEnded();
      const comment = `1 of 1 tenants failed; tenant ${tenant.tenantId}: it is away`;
      expect(sysJobs()).toMatchObject([{ status: 'FAILED', result: 9070, comment }]);
    });

    test('is cancelled with the last of its tenants', async () => {
      await begin();
      addPolicy();
      await clean.stop();
      clean.deleteObsolete([tenant.tenantId], BY_SYS);
      clean.cancel([tenant.tenantId]);
      expect(sysJobs()).toMatchObject([{ status: 'CANCELING' }]);
      service().start();
      await sysEnded();
      expect(sysJobs()).toMatchObject([{ status: 'CANCELED', result: 4072 }]);
      expect(fileStatuses().sets).toEqual(['AVAILABLE', 'AVAILABLE', 'AVAILABLE']);
      expect(events().slice(-4)).toEqual([
        'cancel_backup_clean tenant',
        'cancel_backup_clean sys',
        'end_backup_clean tenant CANCELED',
        'end_backup_clean sys CANCELED',
      ]);
    });

    test('leaves no row when it is refused', async () => {
      await begin();
      addPolicy();
      await clean.stop();
      clean.deleteObsolete([tenant.tenantId], BY_TENANT);
      expect(() => clean.deleteObsolete([tenant.tenantId], BY_SYS)).toThrow(/in progress/);
      expect(sysJobs()).toEqual([]);
    });
  });
});
