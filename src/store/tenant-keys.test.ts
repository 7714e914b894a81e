// Goal: a tenant's keys survive restarts and their tenant, open only what is theirs, and never lie in the store in clear.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hexOf } from '../base/bytes.ts';
import { isFailure } from '../base/errors.ts';
import { openStore, type Store } from './store.ts';
import {
  addTenantKey,
  findTenantKey,
  keepTenantKey,
  keyInUse,
  keysOf,
  logSealOf,
  openTenantKey,
  storedLogKeys,
} from './tenant-keys.ts';

const TENANT_ID = 1002;
let directory: string;
let store: Store;
const open = () => openStore(directory, { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' });
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tenant-keys-'));
  store = open();
});
afterEach(() => {
  store[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

const reopen = () => {
  store[Symbol.dispose]();
  store = open();
};

test('the newest version is in use while encryption is on, and earlier ones stay', () => {
  addTenantKey(store, TENANT_ID, 1n);
  expect(keyInUse(store, TENANT_ID)).toBeUndefined();
  expect(logSealOf(store, { tenantId: TENANT_ID, roundId: 1 })).toBeNull();
  store.setParameter(TENANT_ID, 'tde_method', 'INTERNAL');
  expect(keyInUse(store, TENANT_ID)?.version).toBe(1);
  addTenantKey(store, TENANT_ID, 2n);
  reopen();
  expect(keysOf(store, TENANT_ID).map(({ version }) => version)).toEqual([1, 2]);
  expect(keyInUse(store, TENANT_ID)?.version).toBe(2);
});

test('what encrypts a round is found again by its id, for that round and tenant alone', () => {
  addTenantKey(store, TENANT_ID, 1n);
  store.setParameter(TENANT_ID, 'tde_method', 'internal');
  const { keyId, key } = logSealOf(store, { tenantId: TENANT_ID, roundId: 7 })!;
  const of = { clusterUuid: store.cluster.uuid, tenantId: TENANT_ID, roundId: 7 };
  addTenantKey(store, TENANT_ID, 2n);
  const find = storedLogKeys(store);
  expect(find(keyId, of)).toEqual(key);
  expect(find(keyId, { ...of, roundId: 8 })).not.toEqual(key);
  expect(find(keyId, { ...of, tenantId: 1004 })).not.toEqual(key);
  expect(find(new Uint8Array(8), of)).toBeUndefined();
});

test('a key may be held by several tenants, each once, and outlives them', () => {
  addTenantKey(store, TENANT_ID, 1n);
  const [record] = keysOf(store, TENANT_ID);
  const key = openTenantKey(store, record!);
  for (let i = 0; i < 2; i++) keepTenantKey(store, 1004, { version: 1, createdNs: 1n, exportedNs: 5n, key });
  expect(keysOf(store, 1004)).toMatchObject([{ keyId: record!.keyId, exportedNs: 5n }]);
  store.forgetTenant(TENANT_ID);
  expect(findTenantKey(store, record!.keyId)).toEqual(key);
});

test('no file of the store holds a key in clear, and none opens with another cluster key', () => {
  addTenantKey(store, TENANT_ID, 1n);
  const [record] = keysOf(store, TENANT_ID);
  const key = openTenantKey(store, record!);
  const files = readdirSync(directory).map((name) => readFileSync(join(directory, name)));
  expect(files.some((bytes) => bytes.includes(record!.keyId))).toBe(true);
  expect(files.some((bytes) => bytes.includes(Buffer.from(key)) || bytes.includes(hexOf(key)))).toBe(false);
  store[Symbol.dispose]();
  rmSync(join(directory, 'cluster.key'));
  store = open();
  let error: unknown;
  try {
    findTenantKey(store, record!.keyId);
  } catch (caught) {
    error = caught;
  }
  expect(isFailure(error, 'BACKUP_INVALID_PASSWORD')).toBe(true);
});
