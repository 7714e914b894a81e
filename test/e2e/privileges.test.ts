// Goal: users other than the administrators can do what they were granted, and nothing else; what they did is in the
// audit. Method: a real server; clients that stay connected while their rights change; the command line client.
import { execFile, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { archiveTenant, backUp, failure, HoldfastFixture, query, restore, waitFor } from './holdfast-fixture.ts';

const run = promisify(execFile);
const hasClient = spawnSync('mariadb', ['--version']).status === 0;

let fixture: HoldfastFixture;
let sys: Connection;
let shop: Connection;

const fails = async (connection: Connection, sql: string) => {
  const { errno, sqlState, sqlMessage } = await failure(connection.query(sql));
  return `${errno} (${sqlState}) ${sqlMessage.split('\n')[0]}`;
};
const denied = (privilege: string) =>
  `1227 (42501) Access denied; you need (at least one of) the ${privilege} privilege(s) for this operation`;
const loginFails = async (user: string, password: string) => {
  const { errno, sqlMessage } = await failure(fixture.login(user, password));
  return `${errno} ${sqlMessage.split('\n')[0]}`;
};
const ids = async (connection: Connection) =>
  (await query(connection, 'SELECT id FROM item ORDER BY id')).map(({ id }) => Number(id));
const ended = (connection: Connection) =>
  new Promise<void>((resolve) => {
    connection.on('end', () => resolve());
    connection.on('error', () => resolve());
  });

beforeAll(async () => {
  fixture = await HoldfastFixture.start();
  sys = await fixture.login('root@sys');
  await sys.query('CREATE TENANT shop');
  await sys.query("CREATE TENANT ora SET ob_compatibility_mode = 'oracle'");
  shop = await fixture.login('root@shop');
  await shop.query('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
  await shop.query("INSERT INTO item VALUES (1, 'one')");
}, 60_000);
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

describe('accounts', () => {
  test('are made, listed, renamed, locked and dropped', async () => {
    await shop.query("CREATE USER ann IDENTIFIED BY 'pw-ann', 'b o''b'@'%' IDENTIFIED BY 'pw-bob'");
    const [bob] = await query(await fixture.login("b o'b@shop", 'pw-bob'), 'SELECT CURRENT_USER() AS me');
    expect(bob).toEqual({ me: "b o'b@%" });
    await shop.query("RENAME USER 'b o''b' TO bob");
    expect(await loginFails("b o'b@shop", 'pw-bob')).toContain('1045 ');
    await fixture.login('bob@shop', 'pw-bob');
    expect(await query(shop, 'SELECT User, Host, account_locked FROM mysql.user ORDER BY User')).toEqual([
      { User: 'ann', Host: '%', account_locked: 'N' },
      { User: 'bob', Host: '%', account_locked: 'N' },
      { User: 'root', Host: '%', account_locked: 'N' },
    ]);
    const open = await fixture.login('ann@shop', 'pw-ann');
    await shop.query('ALTER USER ann ACCOUNT LOCK');
    expect(await loginFails('ann@shop', 'pw-ann')).toBe(
      "3118 Access denied for user 'ann'@'127.0.0.1'. Account is locked.",
    );
    expect(await loginFails('ann@shop', 'wrong')).toContain('1045 ');
    // As in MySQL, who is in stays in.
    await open.query('SELECT 1');
    await shop.query('ALTER USER ann ACCOUNT UNLOCK');
    await fixture.login('ann@shop', 'pw-ann');
  });

  test('fail as in MySQL, all of a statement or nothing', async () => {
    expect(await fails(shop, "CREATE USER new IDENTIFIED BY 'x', ann")).toBe(
      "1396 (HY000) Operation CREATE USER failed for 'ann'@'%'",
    );
    expect(await fails(shop, 'DROP USER ann, no1, no2')).toBe(
      "1396 (HY000) Operation DROP USER failed for 'no1'@'%','no2'@'%'",
    );
    expect(await fails(shop, 'RENAME USER ann TO a2, bob TO a2')).toContain('1396 ');
    expect(await fails(shop, 'ALTER USER no1 ACCOUNT LOCK')).toContain('1396 ');
    expect(await fails(shop, "ALTER USER no1 IDENTIFIED BY 'x'")).toContain('1396 ');
    expect(await query(shop, 'SELECT User FROM mysql.user ORDER BY User')).toEqual(
      ['ann', 'bob', 'root'].map((User) => ({ User })),
    );
    await shop.query("CREATE USER IF NOT EXISTS ann IDENTIFIED BY 'other'");
    expect(await query(shop, 'SHOW WARNINGS')).toMatchObject([{ Level: 'Note', Code: '3163' }]);
    await fixture.login('ann@shop', 'pw-ann');
    await shop.query('DROP USER IF EXISTS no1');
    expect(await query(shop, 'SHOW WARNINGS')).toMatchObject([{ Level: 'Note', Code: '3162' }]);
  });

  test('are those of any host, and a statement that names another says so', async () => {
    for (const sql of [
      "CREATE USER x@localhost IDENTIFIED BY 'x'",
      "DROP USER ann@'10.%'",
      "ALTER USER 'root'@'localhost' IDENTIFIED BY 'x'",
      'GRANT SELECT ON *.* TO ann@localhost',
      'SHOW GRANTS FOR ann@localhost',
    ])
      expect(await fails(shop, sql), sql).toMatch(/^1235 \(0A000\) the host '.*' of an account .* is not supported$/);
  });

  test('of the administrators stay as they are', async () => {
    for (const [connection, sql] of [
      [sys, 'DROP USER root'],
      [shop, 'ALTER USER Root ACCOUNT LOCK'],
      [shop, 'RENAME USER root TO toor'],
      [sys, 'REVOKE ALL ON *.* FROM root'],
    ] as const)
      expect(await fails(connection, sql), sql).toContain('4179 ');
    await shop.query('GRANT ALL ON *.* TO root');
    expect(Object.values((await query(shop, 'SHOW GRANTS'))[0]!)).toEqual([
      "GRANT ALL PRIVILEGES ON *.* TO 'root'@'%' WITH GRANT OPTION",
    ]);
  });

  test('there are no others in an oracle tenant', async () => {
    const oracle = await fixture.login('SYS@ora');
    for (const sql of ['CREATE USER u IDENTIFIED BY x', 'DROP USER SYS', 'GRANT ALTER SYSTEM TO SYS'])
      expect(await fails(oracle, sql), sql).toContain(
        'in an Oracle tenant, where only SYS can log in, is not supported',
      );
  });
});

describe('privileges', () => {
  test('hold and end at once for who is connected', async () => {
    const ann = await fixture.login('ann@shop', 'pw-ann');
    expect(await fails(ann, 'SELECT * FROM item')).toBe(denied('SELECT'));
    await shop.query('GRANT SELECT ON shop.* TO ann');
    expect(await ids(ann)).toEqual([1]);
    expect(await fails(ann, 'INSERT INTO item VALUES (2, NULL)')).toBe(denied('ALL'));
    expect(await fails(ann, 'WITH x AS (SELECT 2) DELETE FROM item')).toBe(denied('ALL'));
    expect(await fails(ann, 'SELECT * FROM oceanbase.DBA_OB_TENANTS')).toBe(denied('SELECT'));
    expect(await fails(ann, 'ALTER SYSTEM BACKUP DATABASE')).toBe(denied('ALTER SYSTEM'));
    await shop.query('GRANT ALL PRIVILEGES ON main.* TO ann');
    await ann.query('INSERT INTO item VALUES (2, NULL)');
    await ann.query('BEGIN');
    await ann.query('INSERT INTO item VALUES (3, NULL)');
    await shop.query('REVOKE ALL ON shop.* FROM ann');
    await shop.query('GRANT SELECT ON *.* TO ann');
    expect(await fails(ann, 'COMMIT')).toBe(denied('ALL'));
    expect(await ids(ann)).toEqual([1, 2]);
    expect(await query(ann, 'SELECT TENANT_NAME FROM oceanbase.DBA_OB_TENANTS')).toEqual([{ TENANT_NAME: 'shop' }]);
    await shop.query('REVOKE ALL PRIVILEGES, GRANT OPTION FROM ann');
    expect(await fails(ann, 'SELECT * FROM item')).toBe(denied('SELECT'));
    expect((await query(ann, 'SHOW GRANTS')).map((row) => Object.values(row)[0])).toEqual([
      "GRANT USAGE ON *.* TO 'ann'@'%'",
    ]);
    expect(await fails(shop, 'REVOKE SELECT ON *.* FROM ann')).toBe(
      "1141 (42000) There is no such grant defined for user 'ann' on host '%'",
    );
    expect(await fails(shop, 'GRANT SELECT ON *.* TO nobody')).toContain("1133 (42000) Can't find any matching row");
    expect(await fails(shop, 'GRANT ALTER SYSTEM ON shop.* TO ann')).toContain('1221 ');
    expect(await fails(shop, 'GRANT SELECT ON mysql.* TO ann')).toContain('1235 ');
    expect(await fails(shop, 'GRANT SELECT ON nowhere.* TO ann')).toContain('1049 ');
  });

  test('without any: a session, constants, and the own password', async () => {
    const ann = await fixture.login('ann@shop', 'pw-ann');
    expect(await query(ann, "SELECT 1 + 1 AS two, UPPER('x') AS x")).toMatchObject([{ x: 'X' }]);
    for (const sql of ['BEGIN', 'COMMIT', 'SET NAMES utf8mb4', 'SET autocommit = 0', 'USE shop']) await ann.query(sql);
    expect(await query(ann, 'SHOW DATABASES')).toEqual([{ Database: 'information_schema' }]);
    expect(await query(ann, 'SHOW TABLES')).toEqual([]);
    expect(await query(ann, 'SELECT DISTINCT TABLE_SCHEMA AS s FROM information_schema.TABLES')).toEqual([
      { s: 'information_schema' },
    ]);
    expect(await query(ann, 'SELECT DISTINCT USER AS u FROM information_schema.PROCESSLIST')).toEqual([{ u: 'ann' }]);
    expect(await fails(ann, 'SELECT (SELECT MAX(id) FROM item)')).toBe(denied('SELECT'));
    expect(await fails(ann, 'SELECT User FROM mysql.user')).toBe(denied('SELECT'));
    const [{ Id: other }] = (await query(shop, 'SHOW PROCESSLIST')) as [{ Id: string }];
    expect(await fails(ann, `KILL ${other}`)).toContain('1094 ');
    expect((await failure(ann.prepare('SELECT * FROM item WHERE id = ?'))).errno).toBe(1227);
    await ann.query("SET PASSWORD = 'pw-new'");
    await fixture.login('ann@shop', 'pw-new');
    expect(await fails(ann, "ALTER USER root IDENTIFIED BY 'mine'")).toBe(denied('CREATE USER'));
  });

  test('ALTER SYSTEM manages: of sys every tenant, elsewhere the own one', async () => {
    await sys.query("CREATE USER ops IDENTIFIED BY 'pw-ops'");
    await sys.query('GRANT ALTER SYSTEM, SELECT ON *.* TO ops');
    const ops = await fixture.login('ops@sys', 'pw-ops');
    await archiveTenant(ops, fixture, 'shop');
    const jobs = await backUp(ops, 'ALTER SYSTEM BACKUP TENANT = shop');
    expect(jobs.map(({ STATUS }) => STATUS)).toEqual(['COMPLETED', 'COMPLETED']);
    expect(await fails(ops, 'CREATE USER spy')).toBe(denied('CREATE USER'));
    expect(await fails(ops, 'GRANT ALL ON *.* TO ops')).toBe(denied('CREATE USER'));
    await shop.query('GRANT ALTER SYSTEM TO bob');
    const bob = await fixture.login('bob@shop', 'pw-bob');
    await bob.query("ALTER SYSTEM SET gap_repair = 'auto'");
    expect(await fails(bob, 'ALTER SYSTEM ARCHIVELOG TENANT = ora')).toContain('1227 ');
    expect(await fails(bob, 'CREATE TENANT mine')).toContain('1227 ');
    expect(await fails(bob, 'SELECT * FROM item')).toBe(denied('SELECT'));
  });

  test.skipIf(!hasClient)('the command line client says what is missing', async () => {
    const args = ['--skip-ssl', '-h127.0.0.1', `-P${fixture.port}`, '-uann@shop', '-ppw-new', '-e'];
    const client = (sql: string) => run('mariadb', [...args, sql]).catch((error: { stderr: string }) => error);
    expect((await client('ALTER SYSTEM NOARCHIVELOG')).stderr).toContain('ERROR 1227 (42501) at line 1');
    expect((await client("SET PASSWORD = 'pw-ann'")).stderr).toBe('');
    expect((await client('SELECT 1')).stderr).toContain("ERROR 1045 (28000): Access denied for user 'ann'");
  });
});

describe('what becomes of them', () => {
  test('accounts and grants come along with a restore, and outlive a crash', async () => {
    const from = `FROM '${fixture.uri('backup', 'shop', 'data')},${fixture.uri('backup', 'shop', 'archive')}'`;
    await shop.query('GRANT SELECT ON shop.* TO bob');
    await shop.query('ALTER USER ann ACCOUNT LOCK');
    expect(await restore(sys, 'copy', `${from} WITH ''`)).toMatchObject({ STATUS: 'SUCCESS' });
    await fixture.kill();
    await fixture.startServer();
    sys = await fixture.login('root@sys');
    shop = await fixture.login('root@shop');
    const expected = ["GRANT ALTER SYSTEM ON *.* TO 'bob'@'%'", "GRANT SELECT ON `main`.* TO 'bob'@'%'"];
    for (const tenant of ['shop', 'copy']) {
      const bob = await fixture.login(`bob@${tenant}`, 'pw-bob');
      expect((await query(bob, 'SHOW GRANTS')).map((row) => Object.values(row)[0])).toEqual(expected);
      expect(await ids(bob)).toEqual([1, 2]);
      expect(await loginFails(`ann@${tenant}`, 'pw-ann')).toContain('3118 ');
    }
    await sys.query('DROP TENANT copy FORCE');
  });

  test('the sessions of a dropped user end, and so do his rights', async () => {
    const open = await fixture.login('bob@shop', 'pw-bob');
    const gone = ended(open);
    await shop.query('DROP USER bob');
    await gone;
    expect(await loginFails('bob@shop', 'pw-bob')).toContain('1045 ');
    await shop.query("CREATE USER bob IDENTIFIED BY 'again'");
    const again = await fixture.login('bob@shop', 'again');
    expect(await fails(again, 'SELECT * FROM item')).toBe(denied('SELECT'));
  });
});

describe('the audit', () => {
  const COLUMNS = 'EVENT_TYPE, EVENT_COUNT, USER_NAME, CLIENT_IP, STATEMENT, RESULT';
  const ofShop = (where: string) => `SELECT ${COLUMNS} FROM oceanbase.DBA_HF_AUDIT WHERE ${where}`;

  test('has each statement with who, where, how it ended and how long it took', async () => {
    await fails(shop, 'ALTER SYSTEM CANCEL RESTORE nothing');
    const [row] = await query(
      shop,
      "SELECT * FROM oceanbase.DBA_HF_AUDIT WHERE STATEMENT LIKE '%nothing' AND USER_NAME = 'root'",
    );
    expect(row).toMatchObject({
      ...{ EVENT_TYPE: 'STATEMENT', EVENT_COUNT: '1', USER_NAME: 'root', CLIENT_IP: '127.0.0.1' },
      ...{
        STATEMENT: 'ALTER SYSTEM CANCEL RESTORE nothing',
        RESULT: '1227',
        CONNECTION_ID: expect.stringMatching(/\d/),
      },
      EVENT_TIME: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$/),
    });
    expect(Number(row!.ELAPSED_US)).toBeGreaterThan(0);
    expect(row).not.toHaveProperty('TENANT_ID');
  });

  test('counts what was refused, and log-ins by their outcome', async () => {
    const bob = await fixture.login('bob@shop', 'again');
    for (let i = 0; i < 3; i++) await fails(bob, 'ALTER SYSTEM BACKUP DATABASE');
    for (let i = 0; i < 2; i++) await loginFails('bob@shop', 'wrong');
    // The other one with a name of no account was that of the user who had been dropped.
    await loginFails('my-secret-typed-here@shop', 'wrong');
    const events = await waitFor(shop, ofShop('CONNECTION_ID IS NULL AND RESULT IN (1227, 1045)'), (rows) =>
      rows.some(({ USER_NAME, EVENT_COUNT }) => USER_NAME === '(unknown)' && EVENT_COUNT === '2'),
    );
    const common = { EVENT_TYPE: 'LOGIN', CLIENT_IP: '127.0.0.1', STATEMENT: null, RESULT: '1045' };
    expect(events).toContainEqual({ ...common, EVENT_COUNT: '2', USER_NAME: 'bob' });
    expect(events).toContainEqual({
      ...{ EVENT_TYPE: 'STATEMENT', EVENT_COUNT: '3', USER_NAME: 'bob', CLIENT_IP: '127.0.0.1' },
      ...{ STATEMENT: 'ALTER SYSTEM BACKUP DATABASE', RESULT: '1227' },
    });
    const good = await query(shop, ofShop("EVENT_TYPE = 'LOGIN' AND RESULT = 0 AND USER_NAME = 'root'"));
    expect(good.length).toBeGreaterThan(0);
  });

  test('shows a tenant his own rows, and sys all of them', async () => {
    const statements = (rows: Array<{ STATEMENT?: string | null }>) => rows.map(({ STATEMENT }) => STATEMENT);
    const own = statements(await query(shop, ofShop("EVENT_TYPE = 'STATEMENT'")));
    expect(own).toContain('GRANT SELECT ON shop.* TO bob');
    expect(own.join()).not.toContain('CREATE TENANT shop');
    expect(own).toContain("SET PASSWORD FOR 'root'@'localhost' = '******'");
    const all = statements(await query(sys, 'SELECT STATEMENT FROM oceanbase.CDB_HF_AUDIT'));
    expect(all).toEqual(expect.arrayContaining(['CREATE TENANT shop', 'GRANT SELECT ON shop.* TO bob']));
    const oracle = await fixture.login('SYS@ora');
    const other = statements(await query(oracle, 'SELECT STATEMENT FROM SYS.DBA_HF_AUDIT'));
    expect(other).toContain("CREATE USER 'u'@'%' IDENTIFIED BY '******'");
    expect(other.join()).not.toContain('shop');
  });

  test('holds no password, nor does anything else that the server keeps or prints', async () => {
    await fixture.stop();
    const kept = readdirSync(fixture.dataDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.startsWith('holdfast.db'))
      .map((entry) => readFileSync(`${entry.parentPath ?? entry.path}/${entry.name}`, 'latin1'));
    expect(kept.length).toBeGreaterThan(0);
    for (const secret of ['pw-ann', 'pw-bob', 'pw-new', 'pw-ops', 'my-secret-typed-here']) {
      expect(fixture.output).not.toContain(secret);
      for (const text of kept) expect(text).not.toContain(secret);
    }
  });
});
