// Goal: a restore that is cancelled or fails leaves nothing: no tenant, no account, no file, no directory, a free pool, and a
// row in the history that says why; and its name can be taken again.
// Method: real services over the fake engine; the restore is held or its server ended in each of its phases.
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { fail } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { createPipeline } from '../pipeline/create-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type KnownState, until, World } from './world.fixture.ts';

let pipeline: Pipeline;
let world: World;
let last: KnownState;

beforeAll(() => {
  pipeline = createPipeline({ log: silentLog, workers: 1 });
});
afterAll(() => pipeline[Symbol.asyncDispose]());
beforeEach(async () => {
  world = new World({ pipeline });
  world.start();
  const source = await world.addReadyTenant('app');
  await world.commit(source, { a: 'x'.repeat(2000) });
  await world.backUp(source);
  last = await world.commit(source, { b: 'y'.repeat(2000) });
  await world.archive(source.tenantId).flush();
  world.store.pools.insert({ name: 'p1', poolId: 1001, unitName: 'u1', unitNum: 1, zones: [], tenantId: null });
});
afterEach(() => world[Symbol.asyncDispose]());

const request = () => ({
  ...{ tenantName: 'copy', uris: world.uris('app'), target: { kind: 'scn', scn: last.scn } as const },
  ...{ option: 'pool_list=p1', passwords: [], description: '' },
});
const job = () => world.store.restoreJobs.find()[0]!;
const hasEnded = () => until('the restore ends', () => job().endNs !== null);

async function expectNothingLeft(comment: RegExp): Promise<void> {
  expect(job()).toMatchObject({ status: 'RESTORE_FAIL', sealedDataKeys: {}, planSeed: '' });
  expect(job().comment).toMatch(comment);
  const { restoreTenantId: tenantId } = job();
  expect(world.store.tenantByName('copy')).toBeUndefined();
  expect(world.store.accounts.find({ tenantId })).toEqual([]);
  expect(world.store.standbys.find()).toEqual([]);
  expect(world.store.pools.get({ name: 'p1' })?.tenantId).toBeNull();
  const tenants = join(world.dataDir, 'tenants');
  expect(existsSync(tenants) ? readdirSync(tenants) : []).toEqual([]);
  const { tenantName: _name, ...again } = request();
  expect((await world.restoreTo('copy', again)).status).toBe('RESTORE_SUCCESS');
  expect(readFileSync(world.store.tenantNamed('copy').location).equals(last.bytes)).toBe(true);
}

/** Holds the restore while the engine looks at its finished file. */
function holdCheck(): { isHeld: () => boolean; release: () => void } {
  const check = world.driver.check.bind(world.driver);
  let isHeld = false;
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  world.driver.check = async (location, of) => {
    await of.whenWritten;
    isHeld = true;
    await held;
    world.driver.check = check;
    return check(location, of);
  };
  return { isHeld: () => isHeld, release };
}

/** Ends the server just when the file has got its name and before that is known. */
async function dieWhenPublished(): Promise<string> {
  const { standbys } = world.store;
  standbys.insert = () => {
    void world.restore.stop();
    throw new Error('the server has gone');
  };
  await world.restore.restore(request());
  const { location } = world.store.tenantNamed('copy');
  await until('the file has its name', () => existsSync(location));
  await world.restart();
  expect(job()).toMatchObject({ status: 'POST_CHECK' });
  return location;
}

test('cancelled before it has begun', async () => {
  await world.restart();
  await world.restore.restore(request());
  expect(job().status).toBe('CREATE_TENANT');
  world.restore.cancel('copy');
  world.start();
  await hasEnded();
  await expectNothingLeft(/-4072/);
});

test('cancelled while its file is written and checked', async () => {
  const { isHeld, release } = holdCheck();
  await world.restore.restore(request());
  await until('the file is checked', isHeld);
  expect(job().status).toBe('WAIT_TENANT_RESTORE_FINISH');
  world.restore.cancel('copy');
  release();
  await hasEnded();
  await expectNothingLeft(/-4072/);
});

test('cancelled at the next start, its server having ended while it was written', async () => {
  const { isHeld, release } = holdCheck();
  await world.restore.restore(request());
  await until('the file is checked', isHeld);
  const restarted = world.restart();
  release();
  await restarted;
  world.restore.cancel('copy');
  world.start();
  await hasEnded();
  await expectNothingLeft(/-4072/);
});

test('cancelled at the next start, although its file has its name already', async () => {
  const location = await dieWhenPublished();
  world.restore.cancel('copy');
  world.start();
  await hasEnded();
  expect(existsSync(location)).toBe(false);
  await expectNothingLeft(/-4072/);
});

test('is finished at the next start when nobody cancels it, and can be recovered and activated', async () => {
  await dieWhenPublished();
  world.start();
  await hasEnded();
  expect(job().status).toBe('RESTORE_SUCCESS');
  const { tenantId, location } = world.store.tenantNamed('copy');
  expect(readFileSync(location).equals(last.bytes)).toBe(true);
  expect(world.store.standbys.get({ tenantId })).toMatchObject({ scn: last.scn, commitScn: last.scn, roundId: 1 });
  await world.standby.activate(tenantId, { isVerifyOnly: true });
});

test.each(['data', 'archive'] as const)('fails when the %s destination goes away under it', async (kind) => {
  const place = world.uri('app', kind).slice('file://'.length);
  await world.restart();
  await world.restore.restore(request());
  renameSync(place, `${place}.away`);
  world.start();
  await hasEnded();
  renameSync(`${place}.away`, place);
  await expectNothingLeft(/-90(70|11)/);
});

test('fails when the engine finds the file damaged', async () => {
  const check = world.driver.check.bind(world.driver);
  world.driver.check = async (location, of) => {
    await of.whenWritten;
    world.driver.check = check;
    throw fail('BACKUP_DATA_CORRUPT', { object: location, because: 'the test says so' });
  };
  await world.restore.restore(request());
  await hasEnded();
  await expectNothingLeft(/-9010/);
});
