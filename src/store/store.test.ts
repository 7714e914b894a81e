import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SCN_NONE, toScn } from '../model/scn.ts';
import type { Tenant } from '../model/tenant.ts';
import { openStore } from './store.ts';

const options = { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' };
const tenant: Tenant = {
  tenantId: 1002,
  name: 'mysql_tenant',
  mode: 'mysql',
  role: 'PRIMARY',
  status: 'NORMAL',
  engine: 'sqlite',
  location: '/x/app.db',
  isAdopted: true,
  timeZone: '+08:00',
  isArchiveMode: false,
  lastScn: toScn(1_740_790_800_120_000_000n),
  recoveryUntilScn: SCN_NONE,
  poolName: null,
  comment: '',
  createdNs: 5n,
};

describe('the metadata store', () => {
  let dataDir: string;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'holdfast-store-'));
  });
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

  test('is private, also in a directory that others can read', () => {
    chmodSync(dataDir, 0o755);
    const store = openStore(dataDir, options);
    store.tenants.insert(tenant);
    for (const file of ['holdfast.db', 'holdfast.db-wal', 'cluster.key']) {
      expect(statSync(join(dataDir, file)).mode & 0o777, file).toBe(0o600);
    }
    store[Symbol.dispose]();
  });

  test('keeps the cluster, records and secrets over a reopening', () => {
    const first = openStore(dataDir, options);
    first.tenants.insert(tenant);
    const sealed = first.secrets.seal(Buffer.from('key'), 'set 1');
    const { uuid } = first.cluster;
    first[Symbol.dispose]();
    using second = openStore(dataDir, { ...options, clusterName: 'other' });
    expect(second.cluster).toEqual({ name: 'c1', clusterId: 1, uuid, timeZone: '+08:00' });
    expect(second.tenantByName('MYSQL_TENANT')).toEqual(tenant);
    expect(Buffer.from(second.secrets.open(sealed, 'set 1')).toString()).toBe('key');
    expect(() => second.secrets.open(sealed, 'set 2')).toThrow();
    expect(statSync(join(dataDir, 'cluster.key')).mode & 0o777).toBe(0o600);
  });

  test('refuses a second opening of the same data directory', () => {
    using first = openStore(dataDir, options);
    expect(first.cluster.name).toBe('c1');
    expect(() => openStore(dataDir, options)).toThrow(/a second server on the data directory/);
  });

  test('changes a row only when it still has the expected values', () => {
    using store = openStore(dataDir, options);
    store.tenants.insert(tenant);
    expect(store.tenants.update({ tenantId: 1002 }, { status: 'DROPPING' }, { status: 'CREATING' })).toBe(false);
    expect(store.tenants.update({ tenantId: 1002 }, { status: 'DROPPING' }, { status: 'NORMAL' })).toBe(true);
    expect(store.tenants.get({ tenantId: 1002 })?.status).toBe('DROPPING');
  });

  test('numbers tenants evenly from 1002, destinations from 1001 and remembers paths', () => {
    using store = openStore(dataDir, options);
    expect([store.nextId(1, 'tenant'), store.nextId(1, 'tenant')]).toEqual([1002, 1004]);
    expect(store.destIdFor(1002, 'file:///a')).toBe(1001);
    expect(store.destIdFor(1002, 'file:///b')).toBe(1002);
    expect(store.destIdFor(1002, 'file:///a')).toBe(1001);
    expect(store.destIdFor(1004, 'file:///a')).toBe(1001);
  });

  test('rolls a failed transaction back whole', () => {
    using store = openStore(dataDir, options);
    expect(() =>
      store.transaction(() => {
        store.tenants.insert(tenant);
        throw new Error('half way');
      }),
    ).toThrow('half way');
    expect(store.tenants.find()).toEqual([]);
  });

  test('answers a parameter that was never set with its default', () => {
    using store = openStore(dataDir, options);
    expect(store.parameter(1002, 'archive_lag_target')).toBe('120s');
    store.setParameter(1002, 'archive_lag_target', '0ms');
    expect(store.parameter(1002, 'archive_lag_target')).toBe('0ms');
  });
});
