import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { DatabaseSync } from '../base/sqlite.ts';
import { formatDestinationUri, type ObjectStoreUri, parseDestinationUri } from '../model/destination-uri.ts';
import { ACCESS_NOT_USED, ACCESS_USES } from './access-uses.ts';
import { findAccess, isApprovedPlace, keepAccess } from './destination-access.ts';
import { openStore, type Store } from './store.ts';

const [SHOP, OTHER] = [1002, 1004];
const options = { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' };

let dataDir: string;
let store: Store;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'holdfast-access-'));
  store = openStore(dataDir, options);
});
afterEach(() => {
  store[Symbol.dispose]();
  rmSync(dataDir, { recursive: true, force: true });
});

function place(path: string, key?: string): ObjectStoreUri {
  const access = key === undefined ? '' : `&access_id=ID-${key}&access_key=KEY-${key}`;
  return parseDestinationUri(`s3://box/${path}?host=h${access}`) as ObjectStoreUri;
}

const keyOf = (tenantId: number, path: string) => findAccess(store, tenantId, place(path))?.accessKey;

describe('the key of a place', () => {
  test('is found again after a restart, and lies nowhere in clear', () => {
    keepAccess(store, SHOP, place('a', 'planted'));
    store[Symbol.dispose]();
    for (const name of readdirSync(dataDir))
      for (const secret of ['ID-planted', 'KEY-planted'])
        expect(readFileSync(join(dataDir, name)).includes(secret), name).toBe(false);
    store = openStore(dataDir, options);
    expect(findAccess(store, SHOP, place('a'))).toEqual({ accessId: 'ID-planted', accessKey: 'KEY-planted' });
  });

  test('is that of one tenant, whom no other one but sys may stand for', () => {
    keepAccess(store, SHOP, place('a', 'shop'));
    expect(keyOf(SHOP, 'a')).toBe('KEY-shop');
    expect(keyOf(SYS_TENANT_ID, 'a')).toBe('KEY-shop');
    expect(keyOf(OTHER, 'a')).toBeUndefined();
    expect(keyOf(SHOP, 'b')).toBeUndefined();
    keepAccess(store, SYS_TENANT_ID, place('a', 'sys'));
    expect(keyOf(SYS_TENANT_ID, 'a')).toBe('KEY-sys');
    expect(keyOf(SHOP, 'a')).toBe('KEY-shop');
  });

  test('opens nothing in the row of another tenant or place', () => {
    keepAccess(store, SHOP, place('a', 'shop'));
    const { sealedAccess } = store.destinationAccess.find()[0]!;
    store.destinationAccess.insert({
      ...{ tenantId: OTHER, uri: formatDestinationUri(place('a')), isApproved: false, sealedAccess },
    });
    expect(() => keyOf(OTHER, 'a')).toThrow(/kept under another cluster\.key/);
  });

  test('stays when the place is named again without one, and changes with another one', () => {
    keepAccess(store, SHOP, place('a', 'first'));
    const seen = store.destinationsVersion;
    keepAccess(store, SHOP, place('a'));
    expect(keyOf(SHOP, 'a')).toBe('KEY-first');
    keepAccess(store, SHOP, place('a', 'read-only'), { isReplacing: false });
    expect(keyOf(SHOP, 'a')).toBe('KEY-first');
    keepAccess(store, SHOP, place('a', 'second'));
    expect(keyOf(SHOP, 'a')).toBe('KEY-second');
    expect(store.destinationsVersion).toBeGreaterThan(seen);
  });

  test('is none for a path of files', () => {
    keepAccess(store, SHOP, parseDestinationUri('file:///a'));
    expect(store.destinationAccess.find()).toEqual([]);
  });
});

describe('approval', () => {
  test('lasts while a statement of sys names the place, and stays with what it records', async () => {
    expect(isApprovedPlace(store, SHOP, place('a'))).toBe(false);
    await store.approving.during(SHOP, [formatDestinationUri(place('a'))], async () => {
      expect(isApprovedPlace(store, SHOP, place('a'))).toBe(true);
      expect(isApprovedPlace(store, OTHER, place('a'))).toBe(false);
      keepAccess(store, SHOP, place('a', 'x'));
    });
    expect(isApprovedPlace(store, SHOP, place('a'))).toBe(true);
    expect(isApprovedPlace(store, SHOP, place('b'))).toBe(false);
    // The tenant names it himself: it is the same place.
    keepAccess(store, SHOP, place('a', 'y'));
    expect(isApprovedPlace(store, SHOP, place('a'))).toBe(true);
  });

  test('ends with a statement that failed, but not with another one of the same place', async () => {
    const uri = formatDestinationUri(place('a'));
    await store.approving.during(SHOP, [uri], async () => {
      const failed = store.approving.during(SHOP, [uri], () => Promise.reject(new Error('no')));
      await expect(failed).rejects.toThrow('no');
      expect(isApprovedPlace(store, SHOP, place('a'))).toBe(true);
    });
    expect(isApprovedPlace(store, SHOP, place('a'))).toBe(false);
  });
});

describe('a key that nothing needs', () => {
  const kept = () => store.destinationAccess.find().map(({ tenantId, uri }) => `${tenantId} ${uri}`);

  test('is forgotten, the others stay', () => {
    for (const path of ['data', 'standby', 'unused', 'base']) keepAccess(store, SHOP, place(path, 'k'));
    for (const path of ['base', 'data']) keepAccess(store, SYS_TENANT_ID, place(path, 'k'));
    const uriOf = (path: string) => formatDestinationUri(place(path));
    store.dataDests.insert({ tenantId: SHOP, destId: 1001, uri: uriOf('data') });
    store.standbys.insert({
      ...{ tenantId: SHOP, clusterUuid: '', sourceTenantId: 1, sourceUri: `${uriOf('standby')}&s3_region=r` },
      ...{ scn: 1n as never, commitScn: 1n as never, roundId: 1, checksum: '', isReplayed: false },
      ...{ nextScn: null, nextCommitScn: null, nextRoundId: null, nextChecksum: null },
    });
    store.setParameter(SYS_TENANT_ID, 'archive_new_tenants', uriOf('base'));
    store.forgetUnusedAccess();
    expect(kept()).toEqual([`1 ${uriOf('base')}`, `${SHOP} ${uriOf('data')}`, `${SHOP} ${uriOf('standby')}`]);
    store.dataDests.remove({ tenantId: SHOP });
    store.forgetUnusedAccess();
    expect(kept()).toEqual([`1 ${uriOf('base')}`, `${SHOP} ${uriOf('standby')}`]);
  });

  test('goes with its tenant', () => {
    keepAccess(store, SHOP, place('a', 'k'));
    keepAccess(store, OTHER, place('a', 'k'));
    store.forgetTenant(SHOP);
    expect(kept()).toEqual([`${OTHER} ${formatDestinationUri(place('a'))}`]);
  });

  test('is told by every table that names a place', () => {
    store[Symbol.dispose]();
    const db = new DatabaseSync(join(dataDir, 'holdfast.db'));
    const has = (column: string) => `EXISTS (SELECT 1 FROM pragma_table_info(m.name) WHERE name = '${column}')`;
    const tables = db
      .prepare(`SELECT name FROM sqlite_schema m WHERE type = 'table' AND ${has('tenant_id')} AND ${has('uri')}`)
      .all()
      .map(({ name }) => String(name));
    db.close();
    store = openStore(dataDir, options);
    expect(tables.sort()).toEqual([...Object.keys(ACCESS_USES), ...ACCESS_NOT_USED].sort());
  });
});
