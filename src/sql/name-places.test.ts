// Goal: no statement lets a tenant's administrator name a place that the cluster does not allow him. Method: every form of
// every statement that takes a uri, as a tenant and as sys, over rooms that only note that they were asked.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fail, HoldfastError } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { MYSQL_ID } from '../catalog/catalog.fixture.ts';
import { formatDestinationUri } from '../model/destination-uri.ts';
import { isApprovedPlace } from '../store/destination-access.ts';
import type { SqlDependencies } from './dependencies.ts';
import { parseStatement } from './grammar/parse.ts';
import type { StatementKind } from './grammar/statement.ts';
import { formsOf } from './grammar/statement-table.fixture.ts';
import { STATEMENTS } from './grammar/statement-table.ts';
import { placesOf } from './name-places.ts';
import { runStatement } from './run-statement.ts';
import { openSqlFixture, type SqlFixture } from './select.fixture.ts';

let dir: string;
let fixture: SqlFixture;
/** Places of the tenant's that were approved when a room was asked. */
let approved: string[];
let asked: number;
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-places-')));
  mkdirSync(join(dir, 'data'));
  fixture = openSqlFixture();
  asked = 0;
  approved = [];
});
afterEach(() => {
  fixture[Symbol.dispose]();
  rmSync(dir, { recursive: true, force: true });
});

/** Runs a statement; the name of its failure, `asked` when a room was asked for what it wants. */
async function outcome(tenantId: number, sql: string): Promise<string> {
  const session = fixture.session(tenantId);
  const statement = parseStatement(sql, session.mode);
  const room = new Proxy(
    {},
    {
      get: () => async () => {
        asked++;
        for (const uri of placesOf(statement))
          if (isApprovedPlace(fixture.deps.store, MYSQL_ID, uri)) approved.push(formatDestinationUri(uri));
        throw fail('CANCELED', {});
      },
    },
  );
  const rooms = {
    archive: room,
    backup: room,
    standby: room,
    validate: room,
    keys: room,
    rebuild: room,
    restore: room,
  };
  const deps = { ...fixture.deps, ...rooms, recover: room, dataDir: join(dir, 'data') } as unknown as SqlDependencies;
  const { signal } = new AbortController();
  try {
    await runStatement(deps, session, statement, { sql, parameters: [], signal });
    return 'done';
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return error.errorName === 'CANCELED' ? 'asked' : error.errorName;
  }
}

const allow = (list: string) => fixture.deps.store.setParameter(SYS_TENANT_ID, 'tenant_destination_allow', list);

const URI = 's3://box/t?host=h&access_id=a&access_key=k';
/** What a tenant may say of each kind of statement that names a place. */
const OF_TENANTS: ReadonlyArray<[kind: StatementKind, sql: (uri: string) => string]> = [
  ['setArchiveDest', (uri) => `ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'BINDING=Optional location=${uri}'`],
  ['setDataBackupDest', (uri) => `ALTER SYSTEM SET DATA_BACKUP_DEST = '${uri}'`],
  ['setLogRestoreSource', (uri) => `ALTER SYSTEM SET LOG_RESTORE_SOURCE = 'LOCATION=${uri}'`],
  ['catalogBackup', (uri) => `ALTER SYSTEM CATALOG BACKUP FROM '${uri}'`],
  ['validate', (uri) => `ALTER SYSTEM VALIDATE BACKUPSET DATA_BACKUP_DEST = '${uri}'`],
  ['validate', (uri) => `ALTER SYSTEM VALIDATE ARCHIVELOG_PIECE LOG_ARCHIVE_DEST = '${uri}'`],
];

/** A path that is there already, the file of a database, which is sys's to name, and what is refused to all. */
const NAMES_NOTHING_NEW: ReadonlySet<string> = new Set(['changeStorageDest', 'createTenant', 'dead', 'notSupported']);

describe('a statement of a tenant', () => {
  test.each(OF_TENANTS)('%s names only what the list allows', async (kind, sql) => {
    expect(parseStatement(sql(URI), 'mysql').kind).toBe(kind);
    for (const list of ['none', 'file:///', 's3://box/other?host=h', 's3://box/t?host=h2']) {
      allow(list);
      expect(await outcome(MYSQL_ID, sql(URI)), list).toBe('BACKUP_PERMISSION_DENIED');
    }
    expect(asked).toBe(0);
    for (const list of ['', 's3://box?host=h', 's3://box/t?host=h']) {
      allow(list);
      expect(await outcome(MYSQL_ID, sql(URI)), list).toBe('asked');
    }
    expect(approved).toEqual([]);
  });

  test('names a key file only below a place that the list allows', async () => {
    const sql = (path: string) => `ALTER SYSTEM BACKUP KEY TO '${path}' ENCRYPTED BY 'p'`;
    allow(`file://${dir}/keys`);
    for (const path of [`${dir}/other/k`, `file://${dir}/k`, `${dir}/keys-evil/k`, 's3://box/keys/k?host=h'])
      expect(await outcome(MYSQL_ID, sql(path)), path).toBe('BACKUP_PERMISSION_DENIED');
    for (const path of [`${dir}/keys/k`, `file://${dir}/keys/deep/k`])
      expect(await outcome(MYSQL_ID, sql(path)), path).toBe('asked');
  });

  test('does not get out of its place by a link, nor into the files of the server', async () => {
    mkdirSync(join(dir, 'mine'));
    symlinkSync(join(dir, 'theirs'), join(dir, 'mine', 'out'));
    mkdirSync(join(dir, 'theirs'));
    symlinkSync(join(dir, 'data'), join(dir, 'mine', 'server'));
    symlinkSync(join(dir, 'mine'), join(dir, 'alias'));
    const dest = (path: string) => `ALTER SYSTEM SET DATA_BACKUP_DEST = 'file://${path}'`;
    const denied = 'BACKUP_PERMISSION_DENIED';
    expect(await outcome(MYSQL_ID, dest(`${dir}/mine/out/new`))).toBe('asked');
    expect(await outcome(MYSQL_ID, dest(`${dir}/mine/server/new`))).toBe(denied);
    expect(await outcome(MYSQL_ID, dest(`/proc/self/root${dir}/data/new`))).toBe(denied);
    allow(`file://${dir}/mine`);
    expect(await outcome(MYSQL_ID, dest(`${dir}/mine/out/new`))).toBe(denied);
    expect(await outcome(MYSQL_ID, dest(`${dir}/mine/new/er`))).toBe('asked');
    // The cluster's own list may name a link.
    allow(`file://${dir}/alias`);
    expect(await outcome(MYSQL_ID, dest(`${dir}/alias/new`))).toBe('asked');
  });

  test('of every form that names a place is refused where the list is none', async () => {
    allow('none');
    const forms = Object.entries(STATEMENTS).flatMap(([kind, { syntax, tenant }]) =>
      syntax.flatMap(formsOf).map((sql) => ({ kind, sql, isForTenants: tenant !== 'no' })),
    );
    const naming = forms.filter(({ kind, sql }) => /:\/\/|'\/|PATH|LOCATION/.test(sql) && !NAMES_NOTHING_NEW.has(kind));
    expect(naming.length).toBeGreaterThan(20);
    for (const { sql } of naming) expect(placesOf(parseStatement(sql, 'mysql')).length, sql).toBeGreaterThan(0);
    const ofTenants = naming.filter(({ isForTenants, sql }) => isForTenants && !sql.includes('TENANT = '));
    expect(new Set(ofTenants.map(({ kind }) => kind))).toEqual(
      new Set([...OF_TENANTS.map(([kind]) => kind), 'backupKey']),
    );
    for (const { sql } of ofTenants) expect(await outcome(MYSQL_ID, sql), sql).toBe('BACKUP_PERMISSION_DENIED');
  });
});

describe('a statement of sys', () => {
  test.each(OF_TENANTS)('%s approves of the place while it runs, whatever the list says', async (_kind, sql) => {
    allow('none');
    const { tenantName } = fixture.session(MYSQL_ID);
    expect(await outcome(SYS_TENANT_ID, `${sql(URI)} TENANT = ${tenantName}`)).toBe('asked');
    expect(approved).toEqual(['s3://box/t?host=h']);
    expect(isApprovedPlace(fixture.deps.store, MYSQL_ID, placesOf(parseStatement(sql(URI), 'mysql'))[0]!)).toBe(false);
  });

  test.each([
    `ALTER SYSTEM RESTORE x FROM '${URI},file:///a' UNTIL SCN = 5 WITH '' WITH KEY FROM 'file:///keys/k' ENCRYPTED BY 'p'`,
    `ALTER SYSTEM RESTORE FROM '${URI},file:///a' PREVIEW`,
    `ALTER SYSTEM ADD RESTORE SOURCE '${URI}'`,
    `ALTER SYSTEM SET archive_new_tenants = '${URI}'`,
  ])('%s is no business of a tenant', async (sql) => {
    expect(placesOf(parseStatement(sql, 'mysql')).length).toBeGreaterThan(0);
    expect(await outcome(MYSQL_ID, sql)).toBe('NO_PRIVILEGE');
    expect(asked).toBe(0);
  });
});

test('a host without TLS is warned of, and its key is not in the warning', async () => {
  const session = fixture.session(MYSQL_ID);
  const sql = "ALTER SYSTEM SET DATA_BACKUP_DEST = 's3://box/t?host=http://h:9000&access_id=a&access_key=topsecret'";
  const backup = { setDataDest: async () => {} } as unknown as SqlDependencies['backup'];
  const { signal } = new AbortController();
  const result = await runStatement({ ...fixture.deps, backup }, session, parseStatement(sql, 'mysql'), {
    ...{ sql, parameters: [], signal },
  });
  expect(result).toMatchObject({ kind: 'ok', warnings: 1 });
  expect(session.warnings).toMatchObject([
    { level: 'Warning', message: expect.stringContaining("'s3://box/t?host=http://h:9000' is spoken to without TLS") },
  ]);
  expect(JSON.stringify(session.warnings)).not.toContain('topsecret');
});
