// Goal: what a backup and the log promise is what a restore yields, byte for byte, or an error that says why not.
// Method: real services over the fake engine, file destinations and real pipeline workers.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fail, HoldfastError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { segmentName } from '../format/layout.ts';
import { toScn } from '../model/scn.ts';
import type { Tenant } from '../model/tenant.ts';
import { createPipeline } from '../pipeline/create-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type KnownState, PIECE_GAP_NS, until, World } from './world.fixture.ts';

let pipeline: Pipeline;
let world: World;
let source: Tenant;

beforeAll(() => {
  pipeline = createPipeline({ log: silentLog, workers: 1 });
});
afterAll(() => pipeline[Symbol.asyncDispose]());
beforeEach(async () => {
  world = new World({ pipeline });
  world.start();
  source = await world.addReadyTenant('app');
});
afterEach(() => world[Symbol.asyncDispose]());

const path = (uri: string) => uri.slice('file://'.length);
const dataPath = () => path(world.uri('app', 'data'));
const archivePath = () => path(world.uri('app', 'archive'));

async function failureOf(work: () => Promise<unknown>): Promise<HoldfastError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
  throw new Error('it should have failed');
}

/** Some commits: values grow, shrink and go, so that pages come and go. */
async function commits(count: number, from = 0): Promise<KnownState[]> {
  const states: KnownState[] = [];
  for (let i = from; i < from + count; i++) {
    const changes: Record<string, string | null> = { [`k${i}`]: 'x'.repeat(1500 + (i % 7) * 300), last: String(i) };
    if (i % 5 === 4) for (let k = i - 3; k <= i; k++) changes[`k${k}`] = null;
    states.push(await world.commit(source, changes));
  }
  return states;
}

function restoredBytes(name: string): Buffer {
  return readFileSync(world.store.tenantNamed(name).location);
}

/** Nothing of a failed restore is left: no tenant, no file, no directory. */
function expectNothingLeft(name: string): void {
  expect(world.store.tenantByName(name)).toBeUndefined();
  const tenants = join(world.dataDir, 'tenants');
  expect(existsSync(tenants) ? readdirSync(tenants) : []).toEqual([]);
}

describe('a restore', () => {
  test('yields exactly the state at each commit, at the set and at the newest point', async () => {
    await commits(5);
    const job = await world.backUp(source);
    expect(job).toMatchObject({ status: 'COMPLETED', result: 0 });
    const set = world.store.backupSets.get({ tenantId: source.tenantId, backupSetId: 1 })!;
    const atSet = readFileSync(source.location);
    const states = await commits(12, 5);
    await world.archive(source.tenantId).flush();
    for (const [index, state] of [states[0]!, states[4]!, states[11]!].entries()) {
      const name = `copy${index}`;
      const restored = await world.restoreTo(name, {
        uris: world.uris('app'),
        target: { kind: 'scn', scn: state.scn },
      });
      expect(restored).toMatchObject({ status: 'RESTORE_SUCCESS', restoreScn: state.scn, planSeed: '' });
      expect(restoredBytes(name).equals(state.bytes)).toBe(true);
      const justBefore = toScn(state.scn - 1n);
      if (index === 0) continue;
      const before = index === 1 ? states[3]! : states[10]!;
      await world.restoreTo(`${name}b`, { uris: world.uris('app'), target: { kind: 'scn', scn: justBefore } });
      expect(restoredBytes(`${name}b`).equals(before.bytes)).toBe(true);
    }
    await world.restoreTo('own', { uris: [world.uri('app', 'data')] });
    expect(restoredBytes('own').equals(atSet)).toBe(true);
    expect(world.store.tenantNamed('own').recoveryUntilScn).toBe(set.consistentScn);
    await world.restoreTo('now', { uris: world.uris('app') });
    expect(restoredBytes('now').equals(states[11]!.bytes)).toBe(true);
  });

  test('lists the log again when a piece was compacted while it was read', async () => {
    await world.backUp(source);
    const states = await commits(4);
    let tries = 0;
    const restore: Pipeline['restore'] = async (request) => {
      tries++;
      if (tries > 1) return await pipeline.restore(request);
      writeFileSync(request.targetPath, 'half of a file');
      const [object] = [...request.items].flatMap((item) => (item.kind === 'log' ? [item.object] : []));
      throw fail('BACKUP_FILE_NOT_EXIST', { file: object ?? 'no log was planned' });
    };
    const impatient = Object.assign(Object.create(pipeline) as Pipeline, { restore });
    await using other = new World({ root: world.root, pipeline: impatient });
    other.start();
    await world.archive(source.tenantId).flush();
    expect(await other.restoreTo('copy', { uris: world.uris('app') })).toMatchObject({ status: 'RESTORE_SUCCESS' });
    expect(tries).toBe(2);
    expect(readFileSync(other.store.tenantNamed('copy').location).equals(states[3]!.bytes)).toBe(true);
  });

  test('proves the present first when the source lives on this server', async () => {
    await world.backUp(source);
    world.archive(source.tenantId).capture?.setLagTargetMs(3_600_000);
    const last = await world.commit(source, { only: 'in the log of the engine so far' });
    await world.restoreTo('now', { uris: world.uris('app') });
    expect(restoredBytes('now').equals(last.bytes)).toBe(true);
  });

  test('makes a STANDBY with the accounts of its source, which ACTIVATE opens for writing', async () => {
    await world.backUp(source);
    await world.restoreTo('copy', { uris: world.uris('app') });
    const tenant = world.store.tenantNamed('copy');
    expect(tenant).toMatchObject({ role: 'STANDBY', status: 'NORMAL', mode: 'mysql', timeZone: '+08:00' });
    expect(tenant.lastScn >= tenant.recoveryUntilScn && tenant.recoveryUntilScn > 0n).toBe(true);
    const [account] = world.store.accounts.find({ tenantId: tenant.tenantId });
    const [original] = world.store.accounts.find({ tenantId: source.tenantId });
    expect(account).toEqual({ ...original, tenantId: tenant.tenantId });
    await world.standby.activate(tenant.tenantId, { isVerifyOnly: true });
    expect(world.store.tenantNamed('copy').role).toBe('STANDBY');
    await world.standby.activate(tenant.tenantId, { isVerifyOnly: false });
    expect(world.store.tenantNamed('copy').role).toBe('PRIMARY');
    const error = await failureOf(() => world.standby.activate(tenant.tenantId, { isVerifyOnly: false }));
    expect(error.code).toBe(4179);
  });

  test('needs nothing but the uris and the password on another server', async () => {
    await world.backUp(source, 'first password');
    const states = await commits(3);
    await world.archive(source.tenantId).flush();
    await using other = new World({ root: world.root, pipeline });
    other.start();
    const target = { kind: 'scn', scn: states[1]!.scn } as const;
    const passwords = ['another', 'first password'];
    const job = await other.restoreTo('copy', { uris: world.uris('app'), target, passwords });
    expect(job.status).toBe('RESTORE_SUCCESS');
    const tenant = other.store.tenantNamed('copy');
    expect(readFileSync(tenant.location).equals(states[1]!.bytes)).toBe(true);
    const accounts = other.store.accounts.find({ tenantId: tenant.tenantId });
    expect(accounts).toEqual([
      {
        ...{ tenantId: tenant.tenantId, user: 'root', isLocked: false, grants: [] },
        ...{ nativeHash: new Uint8Array(0), sha2Hash: new Uint8Array(0) },
      },
    ]);
  });

  test('reads the log over several pieces, also when only their directories and that of the set are given', async () => {
    await world.backUp(source);
    const archive = world.archive(source.tenantId);
    const first = await commits(4);
    await archive.switchPiece();
    const second = await commits(4, 4);
    await archive.switchPiece();
    await archive.switchPiece();
    const third = await commits(4, 8);
    await archive.flush();
    const pick = [first[2]!, second[1]!, third[3]!];
    for (const [index, state] of pick.entries()) {
      const target = { kind: 'scn', scn: state.scn } as const;
      const job = await world.restoreTo(`copy${index}`, { uris: world.uris('app'), target });
      expect(restoredBytes(`copy${index}`).equals(state.bytes)).toBe(true);
      expect(job.backupPieceList).toHaveLength([1, 2, 4][index]!);
    }
    // Between the last batch of a piece and its end nothing was committed: the piece itself says so.
    const atEnd = toScn(first[3]!.scn + PIECE_GAP_NS / 2n);
    const ended = await world.restoreTo('ended', { uris: world.uris('app'), target: { kind: 'scn', scn: atEnd } });
    expect(ended.backupPieceList).toHaveLength(1);
    expect(restoredBytes('ended').equals(first[3]!.bytes)).toBe(true);
    const [destId] = readdirSync(archivePath()).flatMap((name) => /^piece_d(\d+)r1p1$/.exec(name)?.[1] ?? []);
    const uris = [`${world.uri('app', 'data')}/backup_set_1_full`];
    for (const pieceId of [1, 2]) uris.push(`${world.uri('app', 'archive')}/piece_d${destId}r1p${pieceId}`);
    await world.restoreTo('parts', { uris, target: { kind: 'scn', scn: second[1]!.scn } });
    expect(restoredBytes('parts').equals(second[1]!.bytes)).toBe(true);
    const beyond = () => world.restoreTo('beyond', { uris, target: { kind: 'scn', scn: third[0]!.scn } });
    expect((await failureOf(beyond)).code).toBe(9119);
  });

  test('reads one archive whose pieces lie in several places, in any order', async () => {
    await world.backUp(source);
    const archive = world.archive(source.tenantId);
    await commits(3);
    await archive.switchPiece();
    await commits(3, 3);
    await archive.switchPiece();
    const last = (await commits(3, 6)).at(-1)!;
    await archive.flush();
    const cold = world.uri('app', 'archive').replace('/archive', '/cold');
    mkdirSync(join(path(cold), 'pieces'), { recursive: true });
    copyFileSync(join(archivePath(), 'format.obbak'), join(path(cold), 'format.obbak'));
    renameSync(join(archivePath(), 'piece_d1001r1p1'), join(path(cold), 'piece_d1001r1p1'));
    // A copy from when it was shorter does no harm.
    cpSync(join(archivePath(), 'piece_d1001r1p3'), join(path(cold), 'piece_d1001r1p3'), { recursive: true });
    truncateSync(join(path(cold), segmentName('piece_d1001r1p3', 1)), 300);
    const [data, hot] = world.uris('app') as [string, string];
    const target = { kind: 'scn', scn: last.scn } as const;
    expect((await world.restoreTo('without', { uris: [data, hot], target })).status).toBe('RESTORE_FAIL');
    const request = { tenantName: null, option: '', passwords: [], description: '', target };
    for (const uris of [
      [data, hot, cold],
      [cold, hot, data],
      [data, `${cold}/piece_d1001r1p1`, `${hot}/piece_d1001r1p2`, `${hot}/piece_d1001r1p3`],
    ]) {
      const name = `joined${world.store.restoreJobs.find().length}`;
      const { pieces } = await world.restore.preview({ ...request, uris });
      expect(pieces.map((piece) => piece.name)).toEqual(['piece_d1001r1p1', 'piece_d1001r1p2', 'piece_d1001r1p3']);
      expect(pieces.slice(0, 2).map(({ uri }) => uri)).toEqual([cold, hot]);
      expect((await world.restoreTo(name, { uris, target })).status).toBe('RESTORE_SUCCESS');
      expect(restoredBytes(name).equals(last.bytes)).toBe(true);
    }
  });

  test('can be previewed, with what it would read and the windows', async () => {
    await world.backUp(source, 'secret');
    const states = await commits(2);
    const request = { tenantName: null, uris: world.uris('app'), option: '', passwords: [], description: '' };
    const preview = await world.restore.preview({ ...request, target: { kind: 'newest' } });
    expect(preview).toMatchObject({ sourceTenantName: 'app', sourceClusterName: 'c1', timeZone: '+08:00' });
    expect(preview.sets).toMatchObject([
      { name: 'backup_set_1_full', openedBy: { hasPassword: true, hasTenantKey: false } },
    ]);
    expect(preview.pieces).toHaveLength(1);
    expect(preview.restoreScn >= states[1]!.scn).toBe(true);
    expect(preview.windows).toMatchObject([{ roundId: 1, backupSetIds: [1], toScn: preview.restoreScn }]);
    expect(world.restore.windows(source.tenantId)).toMatchObject([{ roundId: 1, backupSetIds: [1] }]);
    expect(world.store.restoreJobs.find()).toEqual([]);
  });
});

describe('a restore from increments', () => {
  const incremental = { isIncremental: true };

  test('takes each page from the set that has it, and shows every set', async () => {
    await commits(6);
    await world.backUp(source, 'pw');
    const first = await commits(4, 6);
    await world.backUp(source, 'pw', incremental);
    const second = await commits(5, 10);
    const job = await world.backUp(source, 'pw', incremental);
    expect(job).toMatchObject({ status: 'COMPLETED', backupType: 'INC' });
    const third = await commits(3, 15);
    await world.archive(source.tenantId).flush();
    const passwords = ['pw'];
    for (const [index, state] of [first[3]!, second[2]!, second[4]!, third[2]!].entries()) {
      const target = { kind: 'scn', scn: state.scn } as const;
      const restored = await world.restoreTo(`copy${index}`, { uris: world.uris('app'), target, passwords });
      expect(restored).toMatchObject({ status: 'RESTORE_SUCCESS', comment: '' });
      expect(restoredBytes(`copy${index}`).equals(state.bytes)).toBe(true);
    }
    const request = { tenantName: null, uris: world.uris('app'), option: '', passwords: [], description: '' };
    const preview = await world.restore.preview({ ...request, target: { kind: 'newest' } });
    // Every page of the second set came anew into the third: nothing is read from it.
    expect(preview.sets.map(({ name }) => name)).toEqual(['backup_set_1_full', 'backup_set_3_inc']);
    expect(preview.totalBytes).toBe([...preview.sets, ...preview.pieces].reduce((sum, { bytes }) => sum + bytes, 0n));
    expect(world.store.restoreJobs.find()[3]!.backupSetList).toHaveLength(2);
    expect(world.restore.windows(source.tenantId)).toMatchObject([{ roundId: 1, backupSetIds: [1, 2, 3] }]);
  });

  test('goes on over the repair of a gap, but never into the hole', async () => {
    await commits(4);
    await world.backUp(source);
    const before = await commits(3, 4);
    const archive = world.archive(source.tenantId);
    await archive.interrupt('the server was away');
    // Nobody saw these: the application went on alone.
    await commits(4, 7);
    await world.startArchive(source, { repairs: true });
    const repaired = { scn: archive.capture!.startScn, bytes: readFileSync(source.location) };
    const after = await commits(3, 11);
    const job = await world.backUp(source, null, incremental);
    expect(job.status).toBe('COMPLETED');
    const last = await commits(2, 14);
    await archive.flush();
    for (const [index, state] of [before[2]!, repaired, after[1]!, last[1]!].entries()) {
      const target = { kind: 'scn', scn: state.scn } as const;
      const restored = await world.restoreTo(`copy${index}`, { uris: world.uris('app'), target });
      expect(restored.status, restored.comment).toBe('RESTORE_SUCCESS');
      expect(restoredBytes(`copy${index}`).equals(state.bytes)).toBe(true);
    }
    const hole = { kind: 'scn', scn: toScn(repaired.scn - 1n) } as const;
    const error = await failureOf(() => world.restoreTo('hole', { uris: world.uris('app'), target: hole }));
    expect(error.code).toBe(9077);
    expect(error.message).toContain('round 1 was interrupted (the server was away)');
    expect(error.message).toContain(`SCN ${repaired.scn}`);
    const windows = world.restore.windows(source.tenantId);
    expect(windows).toMatchObject([
      { roundId: 1, backupSetIds: [1] },
      { roundId: 2, fromScn: repaired.scn, backupSetIds: [1, 2] },
    ]);
    expect(windows[0]!.toScn < repaired.scn).toBe(true);
  });
});

describe('a restore refuses', () => {
  test('a missing and a wrong password before anything is made', async () => {
    await world.backUp(source, 'right');
    for (const passwords of [[], ['wrong'], ['wrong', 'also wrong']]) {
      const error = await failureOf(() => world.restoreTo('copy', { uris: world.uris('app'), passwords }));
      expect(error.code).toBe(9047);
      expect(error.message).not.toContain('wrong');
    }
    expect(world.store.restoreJobs.find()).toEqual([]);
    expectNothingLeft('copy');
  });

  test('points outside of the windows, naming the nearest', async () => {
    const [early] = await commits(1);
    await world.backUp(source);
    const at = (scn: bigint) => ({ uris: world.uris('app'), target: { kind: 'scn', scn: toScn(scn) } as const });
    const [window] = world.restore.windows(source.tenantId);
    const before = await failureOf(() => world.restoreTo('copy', at(early!.scn)));
    expect(before.code).toBe(9119);
    expect(before.message).toContain(`minimum restorable time is SCN ${window!.fromScn}`);
    const after = await failureOf(() => world.restoreTo('copy', at(early!.scn + 10n ** 15n)));
    expect(after.code).toBe(9119);
    world.archive(source.tenantId).endRound('STOP');
    await world.startArchive(source);
    const [inHole] = await commits(1, 5);
    const noSet = await failureOf(() => world.restoreTo('copy', { uris: world.uris('app') }));
    expect(noSet.code).toBe(9064);
    await world.backUp(source);
    const hole = await failureOf(() => world.restoreTo('copy', at(inHole!.scn)));
    expect(hole.code).toBe(9077);
    expectNothingLeft('copy');
  });

  test('sources that do not belong together or are none', async () => {
    await world.backUp(source);
    const other = await world.addReadyTenant('other');
    await world.backUp(other);
    const two = [...world.uris('app'), world.uri('other', 'data')];
    expect((await failureOf(() => world.restoreTo('copy', { uris: two }))).message).toBe(
      'restore from sources of different tenants is not allowed',
    );
    const mixed = [world.uri('app', 'data'), world.uri('other', 'archive')];
    expect((await failureOf(() => world.restoreTo('copy', { uris: mixed }))).code).toBe(4179);
    const noData = await failureOf(() => world.restoreTo('copy', { uris: [world.uri('app', 'archive')] }));
    expect(noData.message).toBe('no full backup set exists');
    mkdirSync(join(world.root, 'nothing'));
    const nothing = `file://${world.root}/nothing`;
    expect((await failureOf(() => world.restoreTo('copy', { uris: [nothing] }))).code).toBe(9080);
    const away = await failureOf(() => world.restoreTo('copy', { uris: [`${nothing}/at/all`] }));
    expect(away.code).toBe(9070);
    expect((await failureOf(() => world.restoreTo('copy', { uris: ['/no/uri'] }))).code).toBe(9026);
  });

  test('names, pools and places that are taken', async () => {
    await world.backUp(source);
    const uris = world.uris('app');
    const code = async (option: string, name = 'copy') =>
      (await failureOf(() => world.restoreTo(name, { uris, option }))).code;
    expect(await code('', 'APP')).toBe(5156);
    expect(await code('', 'sys')).toBe(4002);
    expect(await code('pool_list=p1')).toBe(4650);
    const pool = { name: 'p1', poolId: 1001, unitName: 'u1', unitNum: 1, zones: [] };
    world.store.pools.insert({ ...pool, tenantId: source.tenantId });
    expect(await code('pool_list=p1')).toBe(4626);
    world.store.pools.change({ name: 'p1' }, { tenantId: null });
    const place = join(world.root, 'taken.db');
    writeFileSync(place, 'somebody else');
    expect(await code(`location=${place}`)).toBe(4017);
    writeFileSync(`${place}2-wal`, 'an old log');
    expect(await code(`location=${place}2`)).toBe(4017);
    expect(await code(`location=${world.root}/no/such/dir/t.db`)).toBe(4002);
    const free = join(world.root, 'free.db');
    writeFileSync(`${free}.restoring-1`, 'what another server restores there');
    await world.restoreTo('placed', { uris, option: `pool_list=p1&location=${free}` });
    expect(readFileSync(free).equals(readFileSync(source.location))).toBe(true);
    expect(world.store.tenantNamed('placed')).toMatchObject({ location: free, poolName: 'p1' });
    expect(world.store.pools.get({ name: 'p1' })?.tenantId).toBe(world.store.tenantNamed('placed').tenantId);
    expect(readFileSync(place, 'utf8')).toBe('somebody else');
    expect(existsSync(`${free}.restoring-1`)).toBe(true);
  });
});

describe('damage at a destination', () => {
  /** Files of the data destination that a restore needs, and those of the log. */
  async function prepare(password: string | null): Promise<KnownState[]> {
    await commits(6);
    await world.backUp(source, password);
    const [first] = await commits(1, 6);
    // In a batch of its own: later damage does not touch it.
    await world.archive(source.tenantId).flush();
    const states = await commits(5, 7);
    await world.archive(source.tenantId).switchPiece();
    return [first!, ...states];
  }

  function flip(file: string, at: number): void {
    const bytes = readFileSync(file);
    const place = at < 0 ? bytes.length + at : at;
    bytes[place] = bytes[place]! ^ 0x40;
    writeFileSync(file, bytes);
  }

  async function expectNamed(object: RegExp, states: KnownState[], passwords: string[] = []): Promise<void> {
    const target = { kind: 'scn', scn: states.at(-1)!.scn } as const;
    let told: string;
    try {
      const job = await world.restoreTo('copy', { uris: world.uris('app'), target, passwords });
      expect(job.status).toBe('RESTORE_FAIL');
      told = job.comment;
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      told = error.message;
    }
    expect(told).toMatch(object);
    expectNothingLeft('copy');
  }

  test.each(['pack_1.obbak', 'index.obbak', 'single_backup_set_info.obbak'])('in %s is named', async (name) => {
    const states = await prepare(null);
    flip(join(dataPath(), 'backup_set_1_full', name), -20);
    await expectNamed(new RegExp(name), states);
  });

  test('in an encrypted set is told apart from a wrong password', async () => {
    const states = await prepare('pw');
    flip(join(dataPath(), 'backup_set_1_full', 'pack_1.obbak'), -20);
    await expectNamed(/pack_1/, states, ['pw']);
  });

  test('in a segment is named, and points before it can still be had', async () => {
    const states = await prepare(null);
    const [piece] = readdirSync(archivePath()).filter((name) => /^piece_.*p1$/.test(name));
    const segment = join(archivePath(), piece!, 'logstream_1/log/1.obarc');
    flip(segment, -100);
    await expectNamed(/p1\/logstream_1\/log\/1.obarc/, states);
    const target = { kind: 'scn', scn: states[0]!.scn } as const;
    await world.restoreTo('early', { uris: world.uris('app'), target });
    expect(restoredBytes('early').equals(states[0]!.bytes)).toBe(true);
  });

  test('by a missing object is named', async () => {
    const states = await prepare(null);
    rmSync(join(dataPath(), 'backup_set_1_full', 'pack_1.obbak'));
    await expectNamed(/pack_1/, states);
    const [piece] = readdirSync(archivePath()).filter((name) => /^piece_.*p1$/.test(name));
    rmSync(join(archivePath(), piece!, 'logstream_1/log/1.obarc'));
    await expectNamed(/p1\/logstream_1\/log\/1.obarc/, states);
  });

  test('by packs and manifests swapped between two sets is named', async () => {
    const states = await prepare(null);
    await world.backUp(source);
    const swap = (name: string) => {
      const [one, two] = [1, 2].map((id) => join(dataPath(), `backup_set_${id}_full`, name));
      renameSync(one!, `${one}.away`);
      renameSync(two!, one!);
      renameSync(`${one}.away`, two!);
    };
    swap('pack_1.obbak');
    await expectNamed(/pack_1/, states);
    swap('pack_1.obbak');
    swap('single_backup_set_info.obbak');
    await expectNamed(/backup_set_\d_full\/single_backup_set_info/, states);
  });

  test('of the newest set is passed over only when older set and log yield the same state', async () => {
    await prepare(null);
    await world.backUp(source);
    const last = await world.commit(source, { after: 'the second set' });
    flip(join(dataPath(), 'backup_set_2_full', 'single_backup_set_info.obbak'), 100);
    const job = await world.restoreTo('copy', { uris: world.uris('app') });
    expect(job.comment).toContain('backup_set_2_full is damaged');
    expect(restoredBytes('copy').equals(last.bytes)).toBe(true);
    const alone = await failureOf(() => world.restoreTo('alone', { uris: [world.uri('app', 'data')] }));
    expect(alone.code).toBe(9010);
  });

  test('that takes the manifest away takes the set away', async () => {
    await prepare(null);
    rmSync(join(dataPath(), 'backup_set_1_full', 'single_backup_set_info.obbak'));
    const error = await failureOf(() => world.restoreTo('copy', { uris: world.uris('app') }));
    expect(error.message).toBe('no full backup set exists');
  });
});

describe('an unfinished restore', () => {
  test('is cancelled without leaving anything', async () => {
    await commits(4);
    await world.backUp(source);
    expect(() => world.restore.cancel('copy')).toThrow(/not exist/);
    await world.restore.stop();
    const request = { target: { kind: 'newest' }, option: '', passwords: [], description: '' } as const;
    await world.restart();
    await world.restore.restore({ ...request, tenantName: 'copy', uris: world.uris('app') });
    const again = { ...request, tenantName: 'COPY', uris: world.uris('app') };
    expect((await failureOf(() => world.restore.restore(again))).code).toBe(9014);
    expect(world.store.tenantNamed('copy')).toMatchObject({ role: 'RESTORE', status: 'RESTORE' });
    world.restore.cancel('Copy');
    world.restore.start();
    const job = () => world.store.restoreJobs.find()[0]!;
    await until('the cancelled restore ends', () => job().endNs !== null);
    expect(job()).toMatchObject({ status: 'RESTORE_FAIL', sealedDataKeys: {} });
    expect(job().comment).toContain('-4072');
    expectNothingLeft('copy');
  });

  test('is done from the start by the next server, with the key that was sealed for it', async () => {
    await commits(4);
    await world.backUp(source, 'pw');
    const [state] = await commits(1, 4);
    await world.restart();
    const target = { kind: 'scn', scn: state!.scn } as const;
    const rest = { option: '', passwords: ['pw'], description: '' };
    await world.restore.restore({ tenantName: 'copy', uris: world.uris('app'), target, ...rest });
    const job = () => world.store.restoreJobs.find()[0]!;
    const { location } = world.store.tenantNamed('copy');
    // What a server leaves that was killed while it wrote, and one that was killed while it checked.
    for (const status of ['WAIT_TENANT_RESTORE_FINISH', 'POST_CHECK'] as const) {
      world.store.restoreJobs.change({ jobId: job().jobId }, { status });
      await world.restart();
    }
    world.restore.start();
    await until('the restore ends', () => job().endNs !== null);
    expect(job().status).toBe('RESTORE_SUCCESS');
    expect(readFileSync(location).equals(state!.bytes)).toBe(true);
    expect(readdirSync(join(location, '..'))).toEqual(['data.db']);
  });
});
