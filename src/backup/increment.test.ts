// Goal: an increment holds what changed and leads to the whole database; where it can not be one, it says so and is full.
// Method: real services over the fake engine and file destinations; every set is read back through its index.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { silentLog } from '../base/log.ts';
import { manifestSha256 } from '../format/backup-set-manifest.ts';
import { DerivedKeys } from '../format/derived-keys.ts';
import { keySlotParameters } from '../format/key-slot.ts';
import { PageMap } from '../format/page-map.ts';
import { decodePageMap, encodePageMap } from '../format/page-map-file.ts';
import type { BackupType } from '../model/backup-job.ts';
import { toScn } from '../model/scn.ts';
import type { Tenant } from '../model/tenant.ts';
import { createPipeline } from '../pipeline/create-pipeline.ts';
import type { BackupResult, Pipeline } from '../pipeline/pipeline.ts';
import { type KnownState, until, World } from '../restore/world.fixture.ts';
import { readWholeSet } from './read-set.fixture.ts';

const PAGE_BYTES = 4096;
/** So long that a page of the fake engine has room for no second one. */
const LONG_CHARS = 3000;

let workers: Pipeline;
beforeAll(() => {
  workers = createPipeline({ log: silentLog, workers: 1 });
});
afterAll(() => workers[Symbol.asyncDispose]());

/** Called when a backup's pages have been copied. */
let onCopied: (result: BackupResult) => void;
/** While true, backups wait behind their copying until they are stopped. */
let isHeld: boolean;
let held: number;
let scans: number;
let world: World;
let tenant: Tenant;

beforeEach(async () => {
  scans = 0;
  onCopied = () => {};
  isHeld = false;
  held = 0;
  const pipeline: Pipeline = {
    backup: async (request) => {
      const result = await workers.backup(request);
      onCopied(result);
      if (isHeld) await stopped(request.signal);
      return result;
    },
    restore: (request) => workers.restore(request),
    hashPages: (request) => {
      scans++;
      return workers.hashPages(request);
    },
    verify: (request) => workers.verify(request),
    prepare: () => {},
    async [Symbol.asyncDispose]() {},
  };
  world = new World({ pipeline });
  world.start();
  tenant = await world.addReadyTenant('t1');
});
afterEach(() => world[Symbol.asyncDispose]());

async function stopped(signal: AbortSignal): Promise<void> {
  held++;
  signal.throwIfAborted();
  await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}

const long = (text: string) => text.repeat(LONG_CHARS).slice(0, LONG_CHARS);
const key = (n: number) => `k${String(n).padStart(3, '0')}`;
const dataPath = () => world.uri('t1', 'data').slice('file://'.length);
const setRow = (backupSetId: number) => world.store.backupSets.get({ tenantId: tenant.tenantId, backupSetId })!;
const round = () => world.store.currentRound(tenant.tenantId)!;

/** A database of so many pages and the one that heads it. */
function fill(pages: number, text = 'a'): Promise<KnownState> {
  return world.commit(tenant, Object.fromEntries(Array.from({ length: pages }, (_, i) => [key(i), long(text)])));
}

const full = (password: string | null = null) => world.backUp(tenant, password);
const increment = (password: string | null = null) => world.backUp(tenant, password, { isIncremental: true });

async function readSet(backupSetId: number, type: BackupType, passwords: string[] = []) {
  const owner = { clusterUuid: world.store.cluster.uuid, tenantId: tenant.tenantId };
  return await readWholeSet(world.uri('t1', 'data'), { backupSetId, type }, { ...owner, passwords });
}

/** Pages that a set itself holds. */
async function ownPages(backupSetId: number): Promise<number> {
  const { index } = await readSet(backupSetId, 'INC');
  const own = index.entries.filter(({ source }) => source === index.sourceCount);
  return own.reduce((sum, { pageCount }) => sum + pageCount, 0);
}

const setDirectories = () =>
  readdirSync(dataPath())
    .filter((name) => name.startsWith('backup_set_'))
    .sort();

describe('an incremental backup', () => {
  test('holds what changed since the set before, and names the sets that hold the rest', async () => {
    await fill(20);
    expect(await full()).toMatchObject({ status: 'COMPLETED', backupType: 'FULL', comment: '' });
    const second = await world.commit(tenant, { [key(4)]: long('b'), [key(5)]: long('b') });
    expect(await increment()).toMatchObject({ status: 'COMPLETED', backupType: 'INC', comment: '' });
    await world.archive(tenant.tenantId).switchPiece();
    const third = await world.commit(tenant, { [key(5)]: long('c'), [key(9)]: long('c') });
    expect(await increment()).toMatchObject({ status: 'COMPLETED', backupType: 'INC', comment: '' });
    expect(scans).toBe(0);
    const sets = [await readSet(1, 'FULL'), await readSet(2, 'INC'), await readSet(3, 'INC')];
    expect(sets[1]!.bytes.equals(second.bytes)).toBe(true);
    expect(sets[2]!.bytes.equals(third.bytes)).toBe(true);
    // The header of the database changes with every commit.
    expect([await ownPages(2), await ownPages(3)]).toEqual([3, 3]);
    expect(sets[2]!.manifest).toMatchObject({ blockCount: 1, inputBytes: BigInt(3 * PAGE_BYTES) });
    const names = sets[2]!.manifest.objects.map(({ name }) => name).sort();
    expect(names).toEqual(['index.obbak', 'pack_1.obbak', 'page_map.obbak']);
    expect(sets[2]!.manifest.sources.map(({ backupSetId, backupType }) => [backupSetId, backupType])).toEqual([
      [1, 'FULL'],
      [2, 'INC'],
    ]);
    const { set } = sets[2]!.manifest;
    expect(set).toMatchObject({ prevFullBackupSetId: 1, prevIncBackupSetId: 2, backupType: 'INC' });
    expect(set.prevManifestSha256).toEqual(manifestSha256(sets[1]!.manifestBytes));
    expect(setRow(2)).toMatchObject({ backupType: 'INC', prevFullBackupSetId: 1, prevIncBackupSetId: 1 });
    expect(setRow(3)).toMatchObject({ prevFullBackupSetId: 1, prevIncBackupSetId: 2, status: 'SUCCESS', comment: '' });
    expect(world.store.backupJobs.find({ tenantId: tenant.tenantId }).map(({ parent }) => parent ?? null)).toEqual([
      null,
      null,
      null,
    ]);
  });

  test('without any change has no packs', async () => {
    const { bytes } = await fill(5);
    await full();
    expect(await increment()).toMatchObject({ status: 'COMPLETED', backupType: 'INC' });
    const { manifest, bytes: found } = await readSet(2, 'INC');
    expect(manifest.objects.map(({ name }) => name).sort()).toEqual(['index.obbak', 'page_map.obbak']);
    expect(manifest).toMatchObject({ blockCount: 0, inputBytes: 0n });
    expect(found.equals(bytes)).toBe(true);
  });

  test('leads to the database when that became shorter and longer again', async () => {
    await fill(30);
    await full();
    const gone = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [key(i + 10), null]));
    const shrunk = await world.commit(tenant, gone);
    await increment();
    const grown = await fill(40, 'd');
    await increment();
    await world.commit(tenant, gone);
    const both = await fill(25, 'e');
    await increment();
    expect(shrunk.bytes.length).toBe(11 * PAGE_BYTES);
    for (const [id, { bytes }] of [shrunk, grown, both].entries())
      expect((await readSet(id + 2, 'INC')).bytes.equals(bytes), `set ${id + 2}`).toBe(true);
    // Nothing of the second set is needed any more once everything was written anew.
    expect((await readSet(3, 'INC')).manifest.sources).toEqual([]);
    expect(scans).toBe(0);
  });

  test('of a random history is the database at each point', async () => {
    const seed = Date.now() % 1e9;
    console.log(`seed ${seed}`);
    let state = seed;
    const random = (below: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    await fill(30);
    await full();
    for (let id = 2; id < 8; id++) {
      let last: KnownState | undefined;
      for (let commits = 1 + random(4); commits > 0; commits--) {
        const changes: Record<string, string | null> = { [key(random(60))]: long(String(random(1000))) };
        for (let n = random(6); n > 0; n--) changes[key(random(60))] = random(2) === 0 ? null : long(String(n));
        last = await world.commit(tenant, changes);
        if (random(4) === 0) await world.archive(tenant.tenantId).switchPiece();
      }
      expect(await increment()).toMatchObject({ backupType: 'INC', comment: '' });
      expect((await readSet(id, 'INC')).bytes.equals(last!.bytes), `set ${id} of seed ${seed}`).toBe(true);
    }
  });

  test('of several tenants is one statement, with a note for each that is full', async () => {
    const other = await world.addReadyTenant('t2');
    await full();
    const request = { initiatorTenantId: 1, tenants: 'all', level: 'CLUSTER', isIncremental: true } as const;
    const rest = { isPlusArchivelog: true, description: '', password: null };
    const { full: became } = await world.backup.startBackup({ ...request, ...rest });
    const because = `there is no backup set at ${world.uri('t2', 'data')} yet`;
    expect(became).toEqual([{ tenantName: 't2', because }]);
    await until('all have ended', () => !world.backup.isBusy(1));
    expect(world.store.backupJobs.find({ tenantId: 1 })).toMatchObject([{ backupType: 'INC', status: 'COMPLETED' }]);
    expect(setRow(2)).toMatchObject({ backupType: 'INC', isPlusArchivelog: true });
    expect(world.store.backupJobs.find({ tenantId: other.tenantId })).toMatchObject([
      { backupType: 'FULL', comment: `became a full backup, because ${because}` },
    ]);
  });
});

describe('the page map of a backup', () => {
  const keptAt = () => world.pageMapPath(tenant.tenantId);
  const owner = () => ({ clusterUuid: world.store.cluster.uuid, tenantId: tenant.tenantId, setUuid: '' });
  const kept = () => decodePageMap(readFileSync(keptAt()), { object: 'map', owner: owner(), dataKey: null });

  test('is kept beside the server too', async () => {
    await fill(5);
    for (const id of [1, 2]) {
      await (id === 1 ? full() : increment());
      await until('it is kept', () => existsSync(keptAt()) && kept().scn === setRow(id).consistentScn);
      const { point } = await readSet(id, id === 1 ? 'FULL' : 'INC');
      expect(kept()).toMatchObject({ roundId: 1, scn: point.scn });
      expect(kept().map.checksum).toBe(point.map.checksum);
      await world.commit(tenant, { [key(1)]: long('z') });
    }
  });

  test.each([
    ['a later scn', 1, 1_000_000_000_000n, 'stays'],
    ['a later round', 2, -1_000_000_000_000n, 'stays'],
    ['an earlier scn', 1, -1_000_000_000_000n, 'goes'],
    ['an earlier round', 0, 1_000_000_000_000n, 'goes'],
  ])('of %s', async (_, roundId, after, outcome) => {
    await full();
    await until('it is kept', () => existsSync(keptAt()));
    const scn = toScn(setRow(1).consistentScn + after);
    const there = { roundId, scn, map: new PageMap(PAGE_BYTES, BigUint64Array.of(1n)) };
    writeFileSync(keptAt(), encodePageMap(there, owner(), null));
    await full();
    await world.backup.stop();
    expect(kept().scn === scn).toBe(outcome === 'stays');
  });

  test('takes the place of a damaged one', async () => {
    await full();
    await until('it is kept', () => existsSync(keptAt()));
    writeFileSync(keptAt(), 'nonsense');
    await full();
    await world.backup.stop();
    expect(kept().scn).toBe(setRow(2).consistentScn);
  });
});

describe('an incremental backup becomes a full one', () => {
  const becameFull = (because: string) => ({
    status: 'COMPLETED',
    backupType: 'FULL',
    comment: expect.stringContaining(`became a full backup, because ${because}`),
  });

  test('when there is no set at the present destination', async () => {
    await fill(3);
    expect(await increment()).toMatchObject(becameFull('there is no backup set at file://'));
    await world.backup.setDataDest(tenant.tenantId, world.uri('t1', 'elsewhere' as 'data'));
    expect(await increment()).toMatchObject(becameFull('there is no backup set at file://'));
    expect(setRow(2)).toMatchObject({ backupType: 'FULL', prevFullBackupSetId: 0, prevIncBackupSetId: 0 });
  });

  test('when passwords do not fit, and not when they do', async () => {
    const { bytes } = await fill(3);
    await full();
    expect(await increment('one')).toMatchObject(becameFull('backup_set_1_full is not encrypted, and this backup is'));
    expect(await increment()).toMatchObject(becameFull('backup_set_2_full is encrypted, and the session has no'));
    await full('one');
    expect(await increment('one')).toMatchObject({ backupType: 'INC', encryptionMode: 'PASSWORD_ENCRYPTION' });
    expect(await increment('one')).toMatchObject({ backupType: 'INC' });
    expect(await increment('two')).toMatchObject(becameFull("the session's password does not open backup_set_6_inc"));
    expect((await readSet(6, 'INC', ['one'])).bytes.equals(bytes)).toBe(true);
    expect(world.store.backupJobs.find().every((job) => !job.keys && !job.parent)).toBe(true);
  });

  test('when the set before was removed by hand, or one below it', async () => {
    await fill(3);
    await full();
    await increment();
    rmSync(join(dataPath(), 'backup_set_2_inc/single_backup_set_info.obbak'));
    expect(await increment()).toMatchObject(becameFull('its last set can not be read: '));
    await increment();
    rmSync(join(dataPath(), 'backup_set_3_full/pack_1.obbak'));
    expect(await increment()).toMatchObject(becameFull(''));
    expect(setRow(5)).toMatchObject({ backupType: 'FULL', prevFullBackupSetId: 0 });
    expect(setDirectories()).toContain('backup_set_5_full');
    expect(setDirectories()).not.toContain('backup_set_5_inc');
    expect((await readSet(5, 'FULL')).manifest.sources).toEqual([]);
  });

  test.each(['index.obbak', 'page_map.obbak'])('when %s of the set before is damaged', async (name) => {
    await fill(3);
    await full();
    const path = join(dataPath(), 'backup_set_1_full', name);
    const bytes = readFileSync(path);
    bytes[bytes.length - 40]! ^= 1;
    writeFileSync(path, bytes);
    expect(await increment()).toMatchObject(becameFull(''));
    expect(await readSet(2, 'FULL')).toBeDefined();
  });

  test('when the size of its pages changed', async () => {
    await fill(5);
    await full();
    const { capture } = world.archive(tenant.tenantId);
    const snapshot = capture!.snapshot.bind(capture);
    capture!.snapshot = async () => {
      const taken = await snapshot();
      return { ...taken, pageSize: PAGE_BYTES * 2, pageCount: taken.pageCount / 2, databaseChecksum: null };
    };
    expect(await increment()).toMatchObject(becameFull('pages have 8192 bytes now, and had 4096 in the set before'));
    expect(setDirectories()).toEqual(['backup_set_1_full', 'backup_set_2_full']);
    expect(readdirSync(join(dataPath(), 'backup_sets')).filter((name) => name.includes('_inc'))).toEqual([]);
    expect((await readSet(2, 'FULL')).manifest.engine).toMatchObject({ pageSize: 8192, pageCount: 3 });
  });

  test('when another set was put in the place of the one before', async () => {
    await fill(3);
    await full();
    await world.commit(tenant, { x: 'y' });
    await world.restart();
    await world.backup.startBackup({
      ...{ initiatorTenantId: tenant.tenantId, tenants: [tenant.tenantId], level: 'USER_TENANT', description: '' },
      ...{ isIncremental: true, isPlusArchivelog: false, password: null },
    });
    const path = join(dataPath(), 'backup_set_1_full/single_backup_set_info.obbak');
    const bytes = readFileSync(path);
    writeFileSync(path, Buffer.concat([bytes.subarray(0, -1), Buffer.from(' \n')]));
    world.start();
    await until('it has ended', () => !world.backup.isBusy(tenant.tenantId));
    expect(world.store.backupJobs.find({ tenantId: tenant.tenantId }).at(-1)).toMatchObject(becameFull(''));
    expect(setDirectories()).toEqual(['backup_set_1_full', 'backup_set_2_full']);
  });
});

describe('an increment without a log to tell its pages', () => {
  test('reads the whole database after an interruption', async () => {
    await fill(20);
    await full();
    world.archive(tenant.tenantId).endRound('INTERRUPTED', 'the server was away');
    await world.commit(tenant, { [key(3)]: long('unseen') });
    await world.startArchive(tenant);
    const { bytes } = await world.commit(tenant, { [key(4)]: long('seen') });
    const job = await increment();
    const because = 'the whole database was read, because ';
    expect(job).toMatchObject({ backupType: 'INC', comment: expect.stringContaining(because) });
    expect(setRow(2).comment).toContain(because);
    expect(scans).toBe(1);
    expect((await readSet(2, 'INC')).bytes.equals(bytes)).toBe(true);
    expect(await ownPages(2)).toBe(3);
    expect(await increment()).toMatchObject({ backupType: 'INC', comment: '' });
    expect(scans).toBe(1);
  });

  test('reads the whole database when a piece of the log is missing', async () => {
    await fill(20);
    await full();
    await world.archive(tenant.tenantId).switchPiece();
    const { bytes } = await world.commit(tenant, { [key(4)]: long('b') });
    const archive = world.uri('t1', 'archive').slice('file://'.length);
    rmSync(join(archive, 'piece_d1001r1p1'), { recursive: true });
    expect(await increment()).toMatchObject({
      backupType: 'INC',
      comment: expect.stringContaining('was read, because'),
    });
    expect((await readSet(2, 'INC')).bytes.equals(bytes)).toBe(true);
  });
});

describe('a log that is not that of the database', () => {
  /** From now on what the capture says of its state is wrong. */
  function lie(): void {
    const { capture } = world.archive(tenant.tenantId);
    const snapshot = capture!.snapshot.bind(capture);
    capture!.snapshot = async () => ({ ...(await snapshot()), databaseChecksum: 12345n });
  }

  test('is interrupted by a full backup, whose set is right', async () => {
    const { bytes } = await fill(5);
    lie();
    const job = await full();
    const comment = expect.stringMatching(
      /^the log is wrong: at scn \d+ the database has the checksum [0-9a-f]{16}, the/,
    );
    expect(job).toMatchObject({ status: 'COMPLETED', comment });
    expect(setRow(1)).toMatchObject({ status: 'SUCCESS', fileStatus: 'AVAILABLE', comment });
    expect(round()).toMatchObject({ status: 'INTERRUPTED', comment });
    expect(round().checkpointScn >= setRow(1).minRestoreScn).toBe(true);
    // The set is a point of its own: no log of that round leads on from it.
    const alone = { fromScn: setRow(1).consistentScn, toScn: setRow(1).consistentScn, backupSetIds: [1] };
    expect(world.restore.windows(tenant.tenantId)).toMatchObject([alone]);
    const target = { kind: 'scn', scn: setRow(1).consistentScn } as const;
    const restored = await world.restoreTo('again', { uris: world.uris(tenant.name), target });
    expect(restored).toMatchObject({ status: 'RESTORE_SUCCESS', backupPieceList: [] });
    // The repair of the round goes on from what the log has, not from what the database has.
    await world.backup.stop();
    expect(existsSync(world.pageMapPath(tenant.tenantId))).toBe(false);
    expect((await readSet(1, 'FULL')).bytes.equals(bytes)).toBe(true);
  });

  test('does not tell the pages of an increment', async () => {
    await fill(5);
    await full();
    const { bytes } = await world.commit(tenant, { [key(2)]: long('b') });
    lie();
    const job = await increment();
    expect(job).toMatchObject({ status: 'COMPLETED', backupType: 'INC' });
    expect(job.comment).toMatch(/^the whole database was read, because the log is wrong: .*; the log is wrong/);
    expect(scans).toBe(1);
    expect(round().status).toBe('INTERRUPTED');
    expect((await readSet(2, 'INC')).bytes.equals(bytes)).toBe(true);
  });

  test('is found by a page that it has otherwise', async () => {
    await fill(5);
    await full();
    const { bytes } = await world.commit(tenant, { [key(2)]: long('b') });
    let copies = 0;
    onCopied = ({ pageHashes }) => {
      if (++copies === 1) pageHashes[1]! ^= 1n;
    };
    const { capture } = world.archive(tenant.tenantId);
    const snapshot = capture!.snapshot.bind(capture);
    capture!.snapshot = async () => ({ ...(await snapshot()), databaseChecksum: null });
    const job = await increment();
    expect(copies).toBe(2);
    expect(job.comment).toMatch(/page \d+ is not what the log has of it/);
    expect(round().status).toBe('INTERRUPTED');
    expect((await readSet(2, 'INC')).bytes.equals(bytes)).toBe(true);
  });
});

test('an increment whose pages nothing would prove is made by reading the database', async () => {
  await fill(5);
  await world.archive(tenant.tenantId).switchPiece();
  await full();
  const { capture } = world.archive(tenant.tenantId);
  const snapshot = capture!.snapshot.bind(capture);
  capture!.snapshot = async () => ({ ...(await snapshot()), databaseChecksum: null });
  const comment = expect.stringContaining('the log knows no checksum of the database yet');
  expect(await increment()).toMatchObject({ status: 'COMPLETED', backupType: 'INC', comment });
  expect(scans).toBe(1);
  await world.commit(tenant, { [key(1)]: long('b') });
  expect(await increment()).toMatchObject({ status: 'COMPLETED', backupType: 'INC', comment: '' });
});

describe('keys of an incremental backup', () => {
  test('that was cancelled before it began are gone, its own and that of the set before it', async () => {
    await fill(3);
    await full('pw');
    await world.backup.stop();
    await world.backup.startBackup({
      ...{ initiatorTenantId: tenant.tenantId, tenants: [tenant.tenantId], level: 'USER_TENANT', description: '' },
      ...{ isIncremental: true, isPlusArchivelog: false, password: 'pw' },
    });
    const job = () => world.store.backupJobs.find({ tenantId: tenant.tenantId }).at(-1)!;
    expect(job().parent?.sealedDataKey).toBeInstanceOf(Uint8Array);
    world.backup.cancel([tenant.tenantId]);
    expect(job().status).toBe('CANCELED');
    expect([job().keys ?? null, job().parent ?? null]).toEqual([null, null]);
  });

  test('are derived once for all backups of a session', async () => {
    const derivedKeys = new DerivedKeys();
    const run = async (isIncremental: boolean) => {
      await world.backup.startBackup({
        ...{ initiatorTenantId: tenant.tenantId, tenants: [tenant.tenantId], level: 'USER_TENANT', description: '' },
        ...{ isIncremental, isPlusArchivelog: false, password: 'pw', derivedKeys },
      });
      await until('it has ended', () => !world.backup.isBusy(tenant.tenantId));
    };
    for (const isIncremental of [false, true, false]) await run(isIncremental);
    const sets = [await readSet(1, 'FULL', ['pw']), await readSet(2, 'INC', ['pw']), await readSet(3, 'FULL', ['pw'])];
    const salts = sets.map(({ manifest: { keySlots, set } }) => {
      return keySlotParameters(keySlots[0]!, { setUuid: set.uuid, object: 'a manifest' }).salt;
    });
    expect(salts).toEqual([derivedKeys.freshSalt, derivedKeys.freshSalt, derivedKeys.freshSalt]);
  });
});

describe('an incremental backup after a restart of the server', () => {
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

  /** Leaves a job behind as a server does that dies in a state. */
  async function dieIn(status: (typeof STATES)[number]): Promise<void> {
    isHeld = true;
    await world.backup.startBackup({
      ...{ initiatorTenantId: tenant.tenantId, tenants: [tenant.tenantId], level: 'USER_TENANT', description: '' },
      ...{ isIncremental: true, isPlusArchivelog: false, password: 'pw' },
    });
    await until('it has copied', () => held === 1);
    await world.backup.stop();
    const task = world.store.backupTasks.find({ tenantId: tenant.tenantId }).at(-1)!;
    const { tenantId, taskId, jobId, backupSetId } = task;
    world.store.backupTasks.change({ tenantId, taskId }, { status });
    if (status === 'INIT') {
      world.store.backupSets.remove({ tenantId, backupSetId });
      world.store.backupJobs.change({ tenantId, jobId }, { status: 'INIT' });
      for (const name of setDirectories())
        if (name.endsWith('_inc')) rmSync(join(dataPath(), name), { recursive: true });
    }
    isHeld = false;
    await world.restart();
  }

  async function comeBack(): Promise<void> {
    world.start();
    await until('it has ended', () => !world.backup.isBusy(tenant.tenantId));
  }

  test.each(STATES)('found in %s is done', async (status) => {
    await fill(5);
    await full('pw');
    const { bytes } = await world.commit(tenant, { [key(1)]: long('b') });
    await dieIn(status);
    await comeBack();
    expect(world.store.backupJobs.find({ tenantId: tenant.tenantId }).at(-1)).toMatchObject({
      ...{ status: 'COMPLETED', backupType: 'INC', backupSetId: 2 },
    });
    expect((await readSet(2, 'INC', ['pw'])).bytes.equals(bytes)).toBe(true);
  });

  test.each(STATES)('found in %s without the set before becomes a full one', async (status) => {
    const { bytes } = await fill(5);
    await full('pw');
    await dieIn(status);
    rmSync(join(dataPath(), 'backup_set_1_full/index.obbak'));
    await comeBack();
    const [job] = world.store.backupJobs.find({ tenantId: tenant.tenantId }).slice(-1);
    const comment = expect.stringContaining('became a full backup');
    expect(job).toMatchObject({ status: 'COMPLETED', backupType: 'FULL', backupSetId: 2, comment });
    expect(setRow(2)).toMatchObject({ backupType: 'FULL', prevFullBackupSetId: 0, prevIncBackupSetId: 0 });
    expect(setDirectories()).toEqual(['backup_set_1_full', 'backup_set_2_full']);
    expect(readdirSync(join(dataPath(), 'backup_sets')).filter((name) => name.includes('_inc'))).toEqual([]);
    expect((await readSet(2, 'FULL', ['pw'])).bytes.equals(bytes)).toBe(true);
  });

  test('is cancelled and leaves nothing', async () => {
    await fill(5);
    await full();
    isHeld = true;
    const ending = increment();
    await until('it has copied', () => held === 1);
    world.backup.cancel([tenant.tenantId]);
    const job = await ending;
    isHeld = false;
    expect(job).toMatchObject({ status: 'CANCELED', result: 4072, backupType: 'INC' });
    expect(job.parent ?? null).toBeNull();
    expect(setRow(2)).toMatchObject({ status: 'FAILED', fileStatus: 'INCOMPLETE' });
    expect(setDirectories()).toEqual(['backup_set_1_full']);
    expect(await increment()).toMatchObject({ status: 'COMPLETED', backupType: 'INC' });
    expect(setRow(3)).toMatchObject({ prevFullBackupSetId: 1, prevIncBackupSetId: 1 });
  });
});
