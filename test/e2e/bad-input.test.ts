// Goal: bad input gets its number, its cause and the next step, and leaves nothing behind.
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { archiveTenant, backUp, failure, HoldfastFixture, query, restore } from './holdfast-fixture.ts';

let fixture: HoldfastFixture;
let sys: Connection;

beforeAll(async () => {
  fixture = await HoldfastFixture.start();
  sys = await fixture.login('root@sys');
  for (const tenant of ['one', 'two']) {
    mkdirSync(fixture.path('backup', tenant), { recursive: true });
    await sys.query(`CREATE TENANT ${tenant}`);
    const own = await fixture.login(`root@${tenant}`);
    await own.query('CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)');
    await own.query(
      'INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT i, hex(randomblob(200)) FROM n',
    );
    await archiveTenant(sys, fixture, tenant);
  }
  await backUp(sys, 'ALTER SYSTEM BACKUP DATABASE');
  for (const tenant of ['one', 'two']) {
    const own = await fixture.login(`root@${tenant}`);
    for (let i = 0; i < 20; i++) await own.query(`INSERT INTO t (body) VALUES ('later ${i}')`);
  }
  await sys.query('ALTER SYSTEM NOARCHIVELOG');
});
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

const errno = async (sql: string, connection = sys) => (await failure(connection.query(sql))).errno;

describe('statements', () => {
  test.each([
    ['ALTER SYSTEM BACKUP DATABAZE', 1064, "near 'DATABAZE'"],
    ['ALTER SYSTEM ARCHIVELOG TENANT', 1064, "near ''"],
    ["ALTER SYSTEM RESTORE x FROM 'file:///a' UNTIL TYME = '1'", 1064, "near 'TYME"],
    ["SET ENCRYPTION ON IDENTIFIED 'x' ONLY", 1064, "near ''"],
    ["ALTER SYSTEM SET LOG_ARCHIVE_DEST='PATH=file:///a' TENANT = one", 1235, ''],
    ["ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=file:///a BINDING=Sometimes' TENANT = one", 1210, ''],
    [
      "ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=file:///a PIECE_SWITCH_INTERVAL=8d' TENANT = one",
      1235,
      'piece_switch_interval',
    ],
    ["ALTER SYSTEM SET DATA_BACKUP_DEST='nfs:///a' TENANT = one", 9026, 'nfs:///a'],
    ["ALTER SYSTEM SET DATA_BACKUP_DEST='file://relative' TENANT = one", 9026, ''],
    ["ALTER SYSTEM SET DATA_BACKUP_DEST='file:///a/../../etc' TENANT = one", 9026, ''],
    ["ALTER SYSTEM SET DATA_BACKUP_DEST='file:///a'", 1235, ''],
    ["ALTER SYSTEM SET DATA_BACKUP_DEST='file:///a' TENANT = nobody", 5160, 'nobody'],
    ["ALTER SYSTEM BACKUP TENANT = one TO 'file:///a'", 1235, 'specify path'],
    ['ALTER SYSTEM BACKUP', 1235, 'No tenant name specified'],
    ["ALTER SYSTEM RESTORE x FROM 'file:///no/such/place' WITH ''", 9070, ''],
    ['ALTER SYSTEM CANCEL RESTORE nothing', 4018, ''],
    ["ALTER SYSTEM SET archive_lag_target = '9000s' TENANT = one", 1210, 'archive_lag_target'],
    ["ALTER SYSTEM SET no_such_thing = '1' TENANT = one", 1193, 'no_such_thing'],
    ['CREATE TENANT sys', 5156, 'sys'],
    ['CREATE TENANT `bad name`', 1210, 'bad name'],
    ["CREATE TENANT fresh ENGINE = 'frobnicate'", 1235, 'frobnicate'],
    ["CREATE TENANT fresh RESOURCE_POOL_LIST = ('nope')", 4650, 'nope'],
    ['ALTER SYSTEM START BACKUP ARCHIVELOG', 1235, ''],
    ['DROP TENANT sys', 4179, 'sys'],
  ])('%s is refused with %i', async (sql, number, text) => {
    const error = await failure(sys.query(sql));
    expect([error.errno, error.sqlMessage]).toEqual([number, error.sqlMessage]);
    expect(error.sqlMessage).toContain(text);
  });

  test('what belongs to sys is refused in a tenant', async () => {
    const own = await fixture.login('root@one');
    expect(await errno('CREATE TENANT mine', own)).toBe(1227);
    expect(await errno("SET DECRYPTION IDENTIFIED BY 'x'", own)).toBe(1235);
    expect(await errno("ALTER SYSTEM RESTORE x FROM 'file:///a' WITH ''", own)).toBe(1227);
    expect(await errno('ALTER SYSTEM ARCHIVELOG TENANT = two', own)).toBe(1227);
  });
});

describe('adoption', () => {
  const adopt = (path: string) => failure(sys.query(`CREATE TENANT adopted LOCATION = '${path}'`));

  test('of what is no SQLite database, missing, relative, or not in WAL mode says why and leaves no tenant', async () => {
    writeFileSync(
      fixture.path('text.db'),
      'this is not a database, but a text that is long enough to have a header of one hundred bytes, and more',
    );
    for (const [path, text] of [
      [fixture.path('text.db'), 'not a'],
      [fixture.path('missing.db'), ''],
      ['relative.db', 'absolute'],
      [fixture.dir, ''],
    ] as const) {
      const error = await adopt(path);
      expect(error.sqlMessage).toContain('can not be adopted');
      expect(error.sqlMessage).toContain(text);
    }
    expect(readFileSync(fixture.path('text.db'), 'utf8')).toContain('this is not a database');
    expect(await query(sys, "SELECT * FROM oceanbase.DBA_OB_TENANTS WHERE TENANT_NAME = 'adopted'")).toEqual([]);
  });
});

describe('destinations', () => {
  test('of another owner, another kind, not empty, or not writable are refused', async () => {
    const set = (uri: string) => failure(sys.query(`ALTER SYSTEM SET DATA_BACKUP_DEST='${uri}' TENANT = one`));
    expect((await set(fixture.uri('backup', 'two', 'data'))).errno).toBe(9081);
    expect((await set(fixture.uri('backup', 'one', 'archive'))).errno).toBe(9081);
    mkdirSync(fixture.path('full-of-files'));
    writeFileSync(fixture.path('full-of-files', 'x'), 'x');
    expect((await set(fixture.uri('full-of-files'))).errno).toBe(9080);
    writeFileSync(fixture.path('a-file'), '');
    expect([9070, 9071, 9080]).toContain((await set(fixture.uri('a-file'))).errno);
    expect(readdirSync(fixture.path('full-of-files'))).toEqual(['x']);
  });

  test.skipIf(process.getuid?.() === 0)(
    'without permission are refused (skipped as root, who may do everything)',
    async () => {
      mkdirSync(fixture.path('locked'));
      chmodSync(fixture.path('locked'), 0o500);
      const error = await failure(
        sys.query(`ALTER SYSTEM SET DATA_BACKUP_DEST='${fixture.uri('locked')}' TENANT = one`),
      );
      expect(error.errno).toBe(9071);
    },
  );
});

describe('a damaged destination', () => {
  let copies = 0;

  function filesBelow(dir: string, name: string): string[] {
    return readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && new RegExp(name).test(entry.name))
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
      .sort((a, b) => statSync(b).size - statSync(a).size);
  }

  /** Restores from a damaged copy; the error may come at once or from the job. */
  async function restoreDamaged(damage: (dir: string) => void): Promise<string> {
    const dir = fixture.path(`damaged${++copies}`);
    cpSync(fixture.path('backup', 'one'), dir, { recursive: true });
    damage(dir);
    const name = `broken${copies}`;
    const rest = `FROM 'file://${dir}/data,file://${dir}/archive' WITH 'location=${fixture.path(`${name}.db`)}'`;
    let text: string;
    try {
      const job = await restore(sys, name, rest);
      expect(job.STATUS).toBe('FAILED');
      text = job.COMMENT ?? '';
    } catch (error) {
      text = (error as Error).message;
    }
    expect(await query(sys, `SELECT * FROM oceanbase.DBA_OB_TENANTS WHERE TENANT_NAME = '${name}'`)).toEqual([]);
    expect(readdirSync(fixture.dir).filter((file) => file.startsWith(`${name}.db`))).toEqual([]);
    return text;
  }

  test('that is whole restores', async () => {
    const job = await restore(
      sys,
      'whole',
      `FROM '${fixture.uri('backup', 'one', 'data')},${fixture.uri('backup', 'one', 'archive')}' WITH ''`,
    );
    expect(job).toMatchObject({ STATUS: 'SUCCESS' });
    const restored = await fixture.login('root@whole');
    expect(await query(restored, "SELECT COUNT(*) AS n, SUM(body LIKE 'later%') AS later FROM t")).toEqual([
      { n: '2020', later: '20' },
    ]);
  });

  test('with a flipped byte in a pack is named', async () => {
    const text = await restoreDamaged((dir) => {
      const [pack] = filesBelow(join(dir, 'data'), '^pack');
      const bytes = readFileSync(pack!);
      bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(pack!, bytes);
    });
    expect(text).toMatch(/pack/);
  });

  test('with a truncated pack is named', async () => {
    const text = await restoreDamaged((dir) => {
      const [pack] = filesBelow(join(dir, 'data'), '^pack');
      truncateSync(pack!, statSync(pack!).size - 100);
    });
    expect(text).toMatch(/pack/);
  });

  test('with a missing pack is named', async () => {
    const text = await restoreDamaged((dir) => rmSync(filesBelow(join(dir, 'data'), '^pack')[0]!));
    expect(text).toMatch(/pack/);
  });

  test('with a flipped byte in the index is named', async () => {
    const text = await restoreDamaged((dir) => {
      const [index] = filesBelow(join(dir, 'data'), '^index');
      const bytes = readFileSync(index!);
      bytes[bytes.length - 40]! ^= 1;
      writeFileSync(index!, bytes);
    });
    expect(text).toMatch(/index/);
  });

  test('with a flipped byte in a segment is named', async () => {
    const text = await restoreDamaged((dir) => {
      const [segment] = filesBelow(join(dir, 'archive'), '^\\d+\\.obarc');
      const bytes = readFileSync(segment!);
      // In the last batch: an image that a later commit replaces is never read.
      bytes[bytes.length - 40]! ^= 1;
      writeFileSync(segment!, bytes);
    });
    expect(text).toMatch(/\.obarc/);
  });

  test('with a segment swapped for another tenant’s is named', async () => {
    const text = await restoreDamaged((dir) => {
      const [segment] = filesBelow(join(dir, 'archive'), '^\\d+\\.obarc');
      const [other] = filesBelow(fixture.path('backup', 'two', 'archive'), '^\\d+\\.obarc');
      cpSync(other!, segment!);
    });
    expect(text).toMatch(/\.obarc/);
  });

  test('with the segments of a frozen piece missing is an error', async () => {
    const text = await restoreDamaged((dir) => {
      for (const segment of filesBelow(join(dir, 'archive'), '^\\d+\\.obarc')) renameSync(segment, `${segment}.gone`);
    });
    expect(text).not.toBe('');
  });

  test('without its format file is refused', async () => {
    expect(await restoreDamaged((dir) => rmSync(join(dir, 'data', 'format.obbak')))).toContain(
      'format file does not exist',
    );
    expect(existsSync(fixture.path('backup', 'one', 'data', 'format.obbak'))).toBe(true);
  });
});
