// The life of tenants over a real store and an engine that makes nothing, stopped where a crash could stop it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import type { EngineDriver } from '../engine/engine-driver.ts';
import type { TenantStatus } from '../model/tenant.ts';
import { openStore, type Store } from '../store/store.ts';
import { createTenantService, type TenantService } from './tenant-service.ts';

let dataDir: string;
let store: Store;
/** What was asked of the engine and of those who hold tenants, in order. */
let events: string[];
let engine: { create(): Promise<void>; drop(tenantName: string): Promise<void> };
let service: TenantService;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'holdfast-tenants-'));
  store = openStore(dataDir, { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' });
  events = [];
  engine = { create: async () => {}, drop: async () => {} };
  const driver = {
    name: 'sqlite',
    create: () => engine.create(),
    async drop({ name }: { name: string }) {
      events.push(`drop ${name}`);
      await engine.drop(name);
    },
  } as unknown as EngineDriver;
  service = createTenantService({
    store,
    clock: systemClock,
    log: silentLog,
    dataDir,
    drivers: [driver],
    holders: () => [{ forget: async (tenantId) => void events.push(`forget ${tenantId}`) }],
    isBackupRunning: () => false,
  });
});
afterEach(() => {
  store[Symbol.dispose]();
  rmSync(dataDir, { recursive: true, force: true });
});

const create = (name: string) =>
  service.create({
    ...{ name, isIfNotExists: false, engine: 'sqlite', location: null, mode: 'mysql', timeZone: '+08:00' },
    ...{ poolNames: [], comment: '' },
  });

/** A tenant as a crash in the middle of a statement leaves it. */
async function leave(name: string, status: TenantStatus): Promise<number> {
  await create(name);
  const { tenantId } = store.tenantNamed(name);
  store.tenants.change({ tenantId }, { status });
  return tenantId;
}

const statuses = () => store.userTenants().map(({ name, status }) => `${name} ${status}`);

test('a tenant that is being created can not be dropped from under it', async () => {
  let finish = () => {};
  engine.create = () => new Promise((resolve) => (finish = resolve));
  const creating = create('t1');
  await expect(service.drop(store.tenantNamed('t1'), { isForced: true })).rejects.toMatchObject({
    errorName: 'TENANT_NOT_NORMAL',
  });
  finish();
  await creating;
  expect(statuses()).toEqual(['t1 NORMAL']);
  expect(events).toEqual([]);
});

test('a creation that could not be undone leaves a tenant that DROP TENANT removes', async () => {
  engine.create = () => Promise.reject(new Error('disk full'));
  engine.drop = () => Promise.reject(new Error('disk broken'));
  await expect(create('t1')).rejects.toThrow('disk broken');
  expect(statuses()).toEqual(['t1 CREATING']);
  engine.drop = async () => {};
  await service.drop(store.tenantNamed('t1'), { isForced: false });
  expect(statuses()).toEqual([]);
});

test('a drop that a crash interrupted lets go of archive and backup before the tenant goes', async () => {
  const tenantId = await leave('t1', 'DROPPING');
  await leave('t2', 'CREATING');
  await service.start();
  expect(events).toEqual(['drop t2']);
  expect(statuses()).toEqual(['t1 DROPPING']);
  await service.finishDrops();
  expect(events.slice(1)).toEqual([`forget ${tenantId}`, 'drop t1']);
  expect(statuses()).toEqual([]);
});

test('a tenant that can not be removed at the start does not keep the server from starting', async () => {
  await leave('broken', 'CREATING');
  await leave('stuck', 'DROPPING');
  await leave('left', 'DROPPING');
  engine.drop = (name) => (name === 'left' ? Promise.resolve() : Promise.reject(new Error('no permission')));
  await service.start();
  await service.finishDrops();
  expect(statuses()).toEqual(['broken CREATING', 'stuck DROPPING']);
});
