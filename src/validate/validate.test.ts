// Goal: what validation passes restores, and what it calls broken is broken; a destination that is away is neither.
// Method: real sets and log on file destinations (fake engine); bytes are changed, objects and whole destinations taken away.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { openDestination } from '../destination/open-destination.ts';
import { LOG_SEGMENT_HEADER_BYTES } from '../format/log-batch-header.ts';
import type { DestinationUri } from '../model/destination-uri.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import type { Tenant } from '../model/tenant.ts';
import type { ValidateTask } from '../model/validate-job.ts';
import { type KnownState, until, World } from '../restore/world.fixture.ts';
import { createValidate } from './validate.ts';
import type { ValidateRequest, ValidateService } from './validate-service.ts';

const SEED = Number(process.env.HOLDFAST_SEED ?? Date.now() % 1_000_000);
const PASSWORD = 'correct horse';
const OVER = ['COMPLETED', 'FAILED', 'CANCELED'];

let world: World;
let validate: ValidateService;
let tenant: Tenant;
let newest: KnownState;

afterEach(async () => {
  await validate.stop();
  await world[Symbol.asyncDispose]();
});

const scratchDir = () => join(world.dataDir, 'drills');

async function service(): Promise<void> {
  const { store, pipeline } = world;
  validate = createValidate({
    ...{
      store,
      clock: systemClock,
      log: silentLog,
      openDestination: (uri: DestinationUri) => openDestination(uri),
      pipeline,
      scratchDir: scratchDir(),
    },
    rehearse: (request) => world.restore.rehearse(request),
  });
  await validate.start();
}

/** Sets 1 (full), 2 (on it), 3 (full, encrypted when asked); pieces 1 and 2 frozen, 3 active. */
async function begin(password: string | null = null): Promise<void> {
  world = new World();
  tenant = await world.addReadyTenant('shop');
  world.start();
  const archive = world.archive(tenant.tenantId);
  // Pages of their own, which increments leave where they are and log does not write over.
  const pages = Array.from({ length: 12 }, (_, i) => [`page ${i}`, String.fromCharCode(97 + i).repeat(3000)]);
  await world.commit(tenant, Object.fromEntries(pages));
  await world.backUp(tenant);
  await world.commit(tenant, { b: '2' });
  await world.backUp(tenant, null, { isIncremental: true });
  await archive.switchPiece();
  await world.commit(tenant, { c: '3' });
  await archive.switchPiece();
  await world.backUp(tenant, password);
  newest = await world.commit(tenant, { d: '4' });
  await archive.flush();
  await world.recordPieces(tenant);
  await service();
}

const request = (patch: Partial<ValidateRequest> = {}): ValidateRequest => ({
  ...{ initiatorTenantId: tenant.tenantId, tenants: [tenant.tenantId], isAll: false, type: 'DATABASE', ids: null },
  ...{ path: null, level: 'physical', checkLevel: 'quick', budgetBytes: null, description: '', passwords: [] },
  ...patch,
});

const jobs = () => world.store.validateJobs.find({ tenantId: tenant.tenantId });
const tasksOf = (jobId: number) => world.store.validateTasks.find({ tenantId: tenant.tenantId, jobId });
const ended = () => until('the job ends', () => OVER.includes(jobs().at(-1)!.status));

/** A validation, waited for. @returns its tasks */
async function run(patch: Partial<ValidateRequest> = {}): Promise<ValidateTask[]> {
  await validate.validate(request(patch));
  await ended();
  return tasksOf(jobs().at(-1)!.jobId);
}

const short = (tasks: readonly ValidateTask[]) =>
  tasks.map(({ taskType, objectId, status, result }) => `${taskType} ${objectId} ${status} ${result}`);
const PASSED = [
  'BACKUP SET 1',
  'BACKUP SET 2',
  'BACKUP SET 3',
  'BACKUP PIECE 1',
  'BACKUP PIECE 2',
  'BACKUP PIECE 3',
].map((name) => `${name} COMPLETED 0`);
const fileStatuses = () => [
  ...world.store.backupSets.find({ tenantId: tenant.tenantId }).map(({ fileStatus }) => fileStatus),
  ...world.store.pieces.find({ tenantId: tenant.tenantId }).map(({ fileStatus }) => fileStatus),
];
const SOUND = Array.from({ length: 6 }, () => 'AVAILABLE');
const ledgerOf = (objectType: ValidateTask['taskType'], objectId: number, level: ValidateTask['level']) =>
  world.store.verifications.get({ tenantId: tenant.tenantId, objectType, objectId, level });

const pathOf = (kind: 'data' | 'archive', ...parts: string[]) =>
  join(parseDestinationUri(world.uri('shop', kind)).path, ...parts);

/** Every object of a set, or of a piece, that a restore may need. */
function objectsOf(kind: 'data' | 'archive', directory: string): string[] {
  return readdirSync(pathOf(kind, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => statSync(path).size > 0);
}

function flip(path: string, at: number): () => void {
  const bytes = readFileSync(path);
  const damaged = Buffer.from(bytes);
  damaged[at]! ^= 0x10;
  writeFileSync(path, damaged);
  return () => writeFileSync(path, bytes);
}

describe('reading', () => {
  test.each(['basic', 'physical'] as const)('at level %s passes what is sound, and writes it down', async (level) => {
    await begin();
    expect(short(await run({ level }))).toEqual(PASSED);
    expect(jobs()).toMatchObject([{ status: 'COMPLETED', taskCount: 6, successTaskCount: 6, result: 0, comment: '' }]);
    expect(fileStatuses()).toEqual(SOUND);
    const set = world.store.backupSets.get({ tenantId: tenant.tenantId, backupSetId: 2 })!;
    expect(ledgerOf('BACKUP SET', 2, level)).toMatchObject({ isProved: true, provedScn: set.minRestoreScn, result: 0 });
    const piece = ledgerOf('BACKUP PIECE', 3, level)!;
    expect(piece.provedScn).toBeGreaterThanOrEqual(newest.scn);
    for (const task of tasksOf(jobs()[0]!.jobId)) expect(task.validatedBytes).toBe(task.totalBytes);
  });

  test('reads each copy of a set, and writes down for each path what it found', async () => {
    await begin();
    const { tenantId } = tenant;
    const uri = `file://${join(world.root, 'copy')}`;
    await world.backup.setDataDestCopy(tenantId, 1, { uri, binding: 'OPTIONAL' });
    const copies = () => world.store.setCopies.find({ tenantId });
    await until('all is copied', () => copies().every(({ status }) => status === 'AVAILABLE'));
    const pack = join(world.root, 'copy', 'backup_set_1_full', 'pack_1.obbak');
    const mend = flip(pack, statSync(pack).size - 5);
    const sets = { type: 'BACKUPSET', ids: [1] } as const;
    expect(short(await run(sets))).toEqual(['BACKUP SET 1 COMPLETED 0', 'BACKUP SET 1 FAILED 9010']);
    expect(copies().map(({ status }) => status)).toEqual(['BROKEN', 'AVAILABLE', 'AVAILABLE']);
    expect(fileStatuses()).toEqual(SOUND);
    const readings = world.store.verifications.find({ tenantId, objectId: 1, objectType: 'BACKUP SET' });
    expect(readings.map((reading) => [reading.uri, reading.result])).toEqual([
      ['', 0],
      [uri, 9010],
    ]);
    mend();
    await run(sets);
    expect(copies().map(({ status }) => status)).toEqual(['AVAILABLE', 'AVAILABLE', 'AVAILABLE']);
  });

  test('of an encrypted set says what it can not prove without the password, and proves it with it', async () => {
    await begin(PASSWORD);
    const closed = (await run({ type: 'BACKUPSET', ids: [3] }))[0]!;
    expect(closed).toMatchObject({
      status: 'COMPLETED',
      result: 0,
      comment: expect.stringContaining('without its password'),
    });
    expect(ledgerOf('BACKUP SET', 3, 'physical')).toMatchObject({ isProved: false, provedNs: null });
    await run({ type: 'BACKUPSET', ids: [3], passwords: ['wrong', PASSWORD] });
    expect(ledgerOf('BACKUP SET', 3, 'physical')).toMatchObject({ isProved: true, comment: '' });
    expect(jobs().map(({ sealedDataKeys }) => sealedDataKeys)).toEqual([{}, {}]);
  });

  test(`finds any changed byte, in the very object, and only there (seed ${SEED})`, async () => {
    await begin(PASSWORD);
    let state = SEED || 1;
    const random = (below: number) => {
      state = (state * 48271) % 2147483647;
      return state % below;
    };
    const places = [
      { kind: 'data', directory: 'backup_set_1_full', place: 0 },
      { kind: 'data', directory: 'backup_set_2_inc', place: 1 },
      { kind: 'data', directory: 'backup_set_3_full', place: 2 },
      { kind: 'archive', directory: 'piece_d1001r1p1', place: 3 },
      { kind: 'archive', directory: 'piece_d1001r1p2', place: 4 },
    ] as const;
    for (const { kind, directory, place } of places)
      for (const path of objectsOf(kind, directory)) {
        const at = random(statSync(path).size);
        const mend = flip(path, at);
        const tasks = await run();
        const what = `${path} at ${at}: ${JSON.stringify(short(tasks))}`;
        expect(tasks[place], what).toMatchObject({ status: 'FAILED', result: 9010 });
        expect(tasks[place]!.comment, what).toContain(directory);
        expect(jobs().at(-1), what).toMatchObject({ status: 'FAILED', result: 9010 });
        expect(
          fileStatuses().map((status) => status === 'BROKEN'),
          what,
        ).toEqual(SOUND.map((_, i) => i === place));
        mend();
        await run({ passwords: [PASSWORD] });
        expect(fileStatuses(), `${what}, mended`).toEqual(SOUND);
      }
  }, 120_000);

  test('finds a missing object, at the least level too', async () => {
    await begin();
    const [pack] = objectsOf('data', 'backup_set_1_full').filter((path) => path.includes('pack_'));
    rmSync(pack!);
    const tasks = await run({ level: 'basic' });
    // The increment takes blocks from that set: it does not pass either, but it is not the broken one.
    expect(short(tasks).slice(0, 3)).toEqual([
      'BACKUP SET 1 FAILED 9011',
      'BACKUP SET 2 FAILED 9011',
      'BACKUP SET 3 COMPLETED 0',
    ]);
    expect(fileStatuses().slice(0, 3)).toEqual(['BROKEN', 'AVAILABLE', 'AVAILABLE']);
    const told = [...world.store.events.since(systemClock.nowNs())].filter(
      ({ module }) => module === 'backup_validate',
    );
    expect(told.map(({ event }) => event)).toEqual([
      'start_backup_validate',
      'change_file_status',
      'end_backup_validate',
    ]);
    expect(jobs()[0]!.comment).toMatch(/^2 of 6 failed; backup set 1: result: -9011/);
  });

  test('finds the end of the log missing that was acknowledged', async () => {
    await begin();
    const { tenantId } = tenant;
    const { startScn } = world.store.pieces.get({ tenantId, pieceId: 2 })!;
    world.store.pieces.change({ tenantId, pieceId: 3 }, { maxScn: newest.scn, startScn });
    const [segment] = objectsOf('archive', 'piece_d1001r1p3');
    // The header alone is left of it: as if nothing had been appended.
    writeFileSync(segment!, readFileSync(segment!).subarray(0, LOG_SEGMENT_HEADER_BYTES));
    const [task] = await run({ type: 'ARCHIVELOG_PIECE', ids: [3], level: 'basic' });
    expect(task).toMatchObject({ status: 'FAILED', result: 9010 });
    expect(task!.comment).toContain(`although commits up to SCN ${newest.scn} were archived`);
    expect(fileStatuses().at(-1)).toBe('BROKEN');
  });

  test('of a destination that is away breaks nothing', async () => {
    await begin();
    renameSync(pathOf('data'), pathOf('data', '..', 'away'));
    expect(short(await run()).slice(0, 3)).toEqual([1, 2, 3].map((id) => `BACKUP SET ${id} FAILED 9070`));
    // As a directory looks on which nothing is mounted.
    mkdirSync(pathOf('data'));
    expect(short(await run()).slice(0, 3)).toEqual([1, 2, 3].map((id) => `BACKUP SET ${id} FAILED 9080`));
    expect(fileStatuses()).toEqual(SOUND);
    rmSync(pathOf('data'), { recursive: true });
    renameSync(pathOf('data', '..', 'away'), pathOf('data'));
    expect(short(await run())).toEqual(PASSED);
  });

  test('of what is being deleted is left out', async () => {
    await begin();
    world.store.backupSets.change({ tenantId: tenant.tenantId, backupSetId: 3 }, { fileStatus: 'BROKEN' });
    await validate.stop();
    const made = validate.validate(request({ type: 'BACKUPSET' }));
    await made;
    world.store.backupSets.change({ tenantId: tenant.tenantId, backupSetId: 3 }, { fileStatus: 'EXPIRED' });
    await service();
    await ended();
    expect(jobs()[0]).toMatchObject({ status: 'COMPLETED', successTaskCount: 2 });
    expect(short(tasksOf(jobs()[0]!.jobId))[2]).toBe('BACKUP SET 3 CANCELED 0');
  });

  test('within a budget comes to every object in its turn', async () => {
    await begin();
    for (let n = 0; n < 6; n++) {
      const { jobs: started } = await validate.validate(request({ budgetBytes: 0n }));
      await ended();
      expect(validate.outcome(started[0]!)).toEqual({ status: 'COMPLETED', isOver: true, result: 0, comment: '' });
    }
    expect(jobs().flatMap(({ jobId }) => short(tasksOf(jobId)))).toEqual(PASSED);
  });

  test('of a path reads what lies there, one set too, and of nobody else', async () => {
    await begin();
    const data = world.uri('shop', 'data');
    expect(short(await run({ type: 'BACKUPSET', path: data }))).toEqual(PASSED.slice(0, 3));
    expect(short(await run({ type: 'BACKUPSET', path: `${data}/backup_set_2_inc` }))).toEqual([PASSED[1]]);
    expect(jobs().at(-1)).toMatchObject({ uri: `${data}/backup_set_2_inc`, pathType: 'BACKUP_SET_DEST' });
    const refused = (patch: Partial<ValidateRequest>) =>
      validate.validate(request(patch)).then(
        () => 'accepted',
        (error: { code: number }) => error.code,
      );
    expect(await refused({ type: 'ARCHIVELOG_PIECE', path: data })).toBe(4002);
    expect(await refused({ type: 'BACKUPSET', path: `file://${world.root}` })).toBe(9080);
    const other = await world.addReadyTenant('other');
    expect(await refused({ type: 'BACKUPSET', path: world.uri('other', 'data') })).toBe(9081);
    expect(await refused({ tenants: [other.tenantId] })).toBe(4018);
    expect(await refused({ type: 'BACKUPSET', ids: [1, 9] })).toBe(9046);
    expect(await refused({ type: 'ARCHIVELOG_PIECE', ids: [9] })).toBe(4018);
  });
});

describe('a drill', () => {
  const drill = (patch: Partial<ValidateRequest> = {}) => run({ level: 'restore', ...patch });

  test('restores the newest point from what leads there, and leaves nothing behind', async () => {
    await begin(PASSWORD);
    const tenants = world.store.tenants.find();
    const [task] = await drill({ passwords: [PASSWORD] });
    expect(task).toMatchObject({
      taskType: 'TENANT',
      status: 'COMPLETED',
      result: 0,
      totalBytes: BigInt(newest.bytes.length),
    });
    expect(task!.comment).toContain('from sets 3 and pieces 3');
    const proof = ledgerOf('TENANT', 0, 'restore')!;
    expect(proof.isProved).toBe(true);
    expect(proof.provedScn).toBeGreaterThanOrEqual(newest.scn);
    for (const part of [ledgerOf('BACKUP SET', 3, 'restore'), ledgerOf('BACKUP PIECE', 3, 'restore')])
      expect(part).toMatchObject({ isProved: true, provedScn: proof.provedScn });
    expect(ledgerOf('BACKUP SET', 1, 'restore')).toBeUndefined();
    expect(readdirSync(scratchDir())).toEqual([]);
    expect(world.store.tenants.find()).toEqual(tenants);
    expect(world.store.restoreJobs.find()).toEqual([]);
    expect(jobs()[0]!.sealedDataKeys).toEqual({});
  });

  test('of encrypted sets is refused at once without their password', async () => {
    await begin(PASSWORD);
    await expect(drill()).rejects.toMatchObject({ errorName: 'BACKUP_INVALID_PASSWORD' });
    await expect(drill({ passwords: ['wrong'] })).rejects.toMatchObject({ errorName: 'BACKUP_INVALID_PASSWORD' });
    expect(jobs()).toEqual([]);
    expect(short(await drill({ type: 'BACKUPSET', ids: [2] }))).toEqual(['BACKUP SET 2 COMPLETED 0']);
  });

  test('of damage names and breaks the set, and the next one takes another', async () => {
    await begin();
    const [pack] = objectsOf('data', 'backup_set_3_full').filter((path) => path.includes('pack_'));
    flip(pack!, Math.floor(statSync(pack!).size / 2));
    const [failed] = await drill();
    expect(failed).toMatchObject({ status: 'FAILED', result: 9010 });
    expect(fileStatuses().slice(0, 3)).toEqual(['AVAILABLE', 'AVAILABLE', 'BROKEN']);
    expect(ledgerOf('TENANT', 0, 'restore')).toMatchObject({ isProved: false, provedNs: null, result: 9010 });
    expect(readdirSync(scratchDir())).toEqual([]);
    const [passed] = await drill();
    expect(passed).toMatchObject({ status: 'COMPLETED' });
    expect(passed!.comment).toContain('from sets 1, 2 and pieces');
    // A real restore keeps off the broken set as well, and says so.
    const job = await world.restoreTo('back', { uris: world.uris('shop') });
    expect(job).toMatchObject({ status: 'RESTORE_SUCCESS' });
    expect(job.comment).toContain('VALIDATE found damage in it');
    expect(readFileSync(world.store.tenantNamed('back').location).equals(newest.bytes)).toBe(true);
  });

  test('goes on at the next start, with its sealed keys, after leftovers have gone', async () => {
    await begin(PASSWORD);
    await validate.stop();
    await validate.validate(request({ level: 'restore', passwords: [PASSWORD] }));
    expect(jobs()[0]!.status).toBe('INIT');
    mkdirSync(scratchDir(), { recursive: true });
    writeFileSync(join(scratchDir(), '1002-99.db'), 'left by a server that died');
    await world.restart();
    await service();
    await ended();
    expect(short(tasksOf(jobs()[0]!.jobId))).toEqual(['TENANT 0 COMPLETED 0']);
    expect(readdirSync(scratchDir())).toEqual([]);
  });
});

describe('jobs', () => {
  test('run one at a time for each tenant, and are cancelled', async () => {
    await begin();
    await validate.stop();
    await validate.validate(request());
    await expect(validate.validate(request())).rejects.toMatchObject({ errorName: 'NOT_ALLOWED' });
    validate.cancel([tenant.tenantId]);
    expect(jobs()[0]!.status).toBe('CANCELING');
    await service();
    await ended();
    expect(jobs()[0]).toMatchObject({ status: 'CANCELED', result: 4072 });
    expect(new Set(short(tasksOf(jobs()[0]!.jobId)).map((text) => text.slice(-13)))).toEqual(
      new Set(['CANCELED 4072']),
    );
    validate.cancel('all');
    expect(validate.isBusy(tenant.tenantId)).toBe(false);
  });

  test('of all tenants leave out those that are busy, or have nothing, and say who is busy', async () => {
    await begin();
    const other = await world.addReadyTenant('other');
    const everybody = { tenants: [tenant.tenantId, other.tenantId], isAll: true, initiatorTenantId: 1 };
    const { jobs: started, busy } = await validate.validate(request(everybody));
    expect(started.map(({ tenantId }) => tenantId)).toEqual([tenant.tenantId]);
    expect(busy).toEqual([]);
    await ended();
    await validate.stop();
    await validate.validate(request());
    await expect(validate.validate(request(everybody))).rejects.toMatchObject({ errorName: 'NOT_ALLOWED' });
    await world.commit(other, { a: '1' });
    await world.backUp(other);
    expect((await validate.validate(request(everybody))).busy).toEqual(['shop']);
  });

  test('of a tenant that is being dropped end, and nothing of them is read any more', async () => {
    await begin();
    await validate.validate(request());
    await validate.forget(tenant.tenantId);
    expect(validate.isBusy(tenant.tenantId)).toBe(false);
    expect(existsSync(scratchDir())).toBe(false);
    world.store.forgetTenant(tenant.tenantId);
    expect(world.store.verifications.find({ tenantId: tenant.tenantId })).toEqual([]);
    expect(jobs()).toHaveLength(1);
  });
});
