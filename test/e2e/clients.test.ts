// Goal: ordinary clients work against the real server. Method: the mysql2 and mariadb npm clients and the mariadb
// command-line client (skipped, with its reason, where it is not installed).
import { spawnSync } from 'node:child_process';
import mariadb from 'mariadb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failure, HoldfastFixture, query } from './holdfast-fixture.ts';

const hasMariadbCli = spawnSync('mariadb', ['--version']).status === 0;
let fixture: HoldfastFixture;

beforeAll(async () => {
  fixture = await HoldfastFixture.start();
  const sys = await fixture.login('root@sys');
  await sys.query('CREATE TENANT mysql_tenant');
  await sys.query("CREATE TENANT oracle_tenant SET ob_compatibility_mode = 'oracle'");
  const tenant = await fixture.login('root@mysql_tenant');
  await tenant.query(
    'CREATE TABLE items (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL, price DECIMAL(10,2), data BLOB, at DATETIME)',
  );
  await tenant.query(
    "INSERT INTO items VALUES (1, 'Füße 🦶', '12.50', x'00ff', '2026-01-31 09:15:00'), (9007199254740993, 'big', NULL, NULL, NULL)",
  );
});
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

function cli(user: string, args: string[], input?: string) {
  const all = ['--protocol=tcp', '-h127.0.0.1', `-P${fixture.port}`, `-u${user}`, ...args];
  const { status, stdout, stderr } = spawnSync('mariadb', all, {
    encoding: 'utf8',
    timeout: 30_000,
    ...(input === undefined ? {} : { input }),
  });
  return { status, out: stdout, err: stderr };
}

describe('mysql2', () => {
  test('gets exact values of every type, by text and by prepared statement', async () => {
    const tenant = await fixture.login('root@mysql_tenant');
    const expected = [
      { id: 1, name: 'Füße 🦶', price: '12.50', data: Buffer.from([0, 255]), at: '2026-01-31 09:15:00' },
      { id: '9007199254740993', name: 'big', price: null, data: null, at: null },
    ];
    const [text] = await tenant.query('SELECT * FROM items ORDER BY id');
    const [binary] = await tenant.execute('SELECT * FROM items WHERE id >= ? ORDER BY id', [0]);
    const plain = (rows: unknown) =>
      (rows as Array<Record<string, unknown>>).map((row) => ({ ...row, id: String(row.id) }));
    expect(plain(text)).toEqual(plain(expected));
    expect(plain(binary)).toEqual(plain(expected));
  });

  test('writes through prepared statements and learns affected rows and the last insert id', async () => {
    const tenant = await fixture.login('root@mysql_tenant');
    await tenant.query('CREATE TABLE w (id INTEGER PRIMARY KEY, v TEXT)');
    const [first] = await tenant.execute('INSERT INTO w (v) VALUES (?), (?)', ['a', "it's"]);
    expect(first).toMatchObject({ affectedRows: 2, insertId: 2 });
    const [second] = await tenant.execute('UPDATE w SET v = ? WHERE id < ?', ['c', 10]);
    expect(second).toMatchObject({ affectedRows: 2 });
  });

  test('runs transactions, each in its own session', async () => {
    const one = await fixture.login('root@mysql_tenant');
    const two = await fixture.login('root@mysql_tenant');
    await one.query('CREATE TABLE tx (a INTEGER)');
    await one.beginTransaction();
    await one.query('INSERT INTO tx VALUES (1)');
    expect(await query(two, 'SELECT COUNT(*) AS n FROM tx')).toEqual([{ n: '0' }]);
    await one.commit();
    expect(await query(two, 'SELECT COUNT(*) AS n FROM tx')).toEqual([{ n: '1' }]);
    await two.beginTransaction();
    await two.query('DELETE FROM tx');
    await two.rollback();
    expect(await query(two, 'SELECT COUNT(*) AS n FROM tx')).toEqual([{ n: '1' }]);
  });

  test('logs in by every form of the user name, over TLS when it asks', async () => {
    for (const user of [
      'root@sys',
      'root',
      'root@mysql_tenant',
      'SYS@oracle_tenant',
      'root@mysql_tenant#holdfast',
      'holdfast:mysql_tenant:root',
      'holdfast.mysql_tenant.root',
      'holdfast-mysql_tenant-root',
    ]) {
      const connection = await fixture.login(user);
      await connection.ping();
      await connection.end();
    }
    const secure = await fixture.login('root@sys', '', { ssl: { rejectUnauthorized: false } });
    expect(await query(secure, 'SELECT 1 AS one')).toEqual([{ one: '1' }]);
    expect((await failure(fixture.login('nobody@sys'))).errno).toBe(1045);
    expect((await failure(fixture.login('root@nowhere'))).errno).toBe(5160);
    expect((await failure(fixture.login('root@sys', 'wrong'))).errno).toBe(1045);
  });

  test('maps engine errors to MySQL numbers', async () => {
    const tenant = await fixture.login('root@mysql_tenant');
    const errno = async (sql: string) => (await failure(tenant.query(sql))).errno;
    expect(await errno("INSERT INTO items (id, name) VALUES (1, 'x')")).toBe(1062);
    expect(await errno('INSERT INTO items (id) VALUES (77)')).toBe(1048);
    expect(await errno('SELECT * FROM nothing_here')).toBe(1146);
    expect(await errno('SELECT nope FROM items')).toBe(1054);
    expect(await errno('CREATE TABLE items (a INTEGER)')).toBe(1050);
    expect(await errno('SELEKT 1')).toBe(1064);
  });

  test('is refused what would escape the tenant or break the capture, with a reason', async () => {
    const tenant = await fixture.login('root@mysql_tenant');
    for (const sql of [
      "ATTACH '/etc/passwd' AS other",
      `VACUUM INTO '${fixture.path('copy.db')}'`,
      "SELECT load_extension('/tmp/x')",
      'PRAGMA journal_mode = DELETE',
      'PRAGMA wal_checkpoint(TRUNCATE)',
      'PRAGMA wal_autocheckpoint = 1',
      'PRAGMA locking_mode = EXCLUSIVE',
      'PRAGMA writable_schema = 1',
    ]) {
      const error = await failure(tenant.query(sql));
      expect([sql, error.errno]).toEqual([sql, 1235]);
      expect(error.sqlMessage.length).toBeGreaterThan(20);
    }
  });

  test('moves more than 16 MiB in one statement and one row', async () => {
    const tenant = await fixture.login('root@mysql_tenant');
    const text = 'x'.repeat(18 * 1024 * 1024);
    await tenant.query('CREATE TABLE large (t TEXT)');
    await tenant.query('INSERT INTO large VALUES (?)', [text]);
    const [row] = (await query(tenant, 'SELECT t FROM large')) as [{ t: string }];
    expect(row.t === text).toBe(true);
  });

  test('resets its session: passwords for backups are gone', async () => {
    const sys = await fixture.login('root@sys');
    await sys.query("SET ENCRYPTION ON IDENTIFIED BY 'x' ONLY");
    await sys.query('SET @a = 5');
    expect(await query(sys, 'SELECT @a AS a')).toEqual([{ a: '5' }]);
    await sys.reset();
    expect(await query(sys, 'SELECT @a AS a')).toEqual([{ a: null }]);
  });
});

describe('the mariadb npm client', () => {
  test('logs in, reads views and tables, prepares', async () => {
    const connection = await mariadb.createConnection({
      host: '127.0.0.1',
      port: fixture.port,
      user: 'root@mysql_tenant',
      bigIntAsNumber: false,
    });
    const rows = await connection.query('SELECT id, name FROM items ORDER BY id');
    expect(rows.map((row: { id: bigint }) => BigInt(row.id))).toEqual([1n, 9_007_199_254_740_993n]);
    const result = await connection.execute('SELECT name FROM items WHERE id = ?', [1]);
    expect(result[0].name).toBe('Füße 🦶');
    expect(await connection.query('SELECT * FROM oceanbase.DBA_OB_ARCHIVELOG')).toHaveLength(0);
    await connection.end();
  });
});

describe.skipIf(!hasMariadbCli)('the mariadb command-line client (skipped where it is not installed)', () => {
  test('logs in and prints tables', () => {
    const { status, out, err } = cli('root@sys', ['-t', '-e', 'SELECT TENANT_NAME FROM oceanbase.DBA_OB_TENANTS']);
    expect([status, err]).toEqual([0, '']);
    expect(out).toContain('mysql_tenant');
  });

  test('answers what it asks at the prompt: USE, SHOW, status, DESCRIBE', () => {
    const { out, err, status } = cli(
      'root@mysql_tenant',
      ['-t'],
      "SHOW DATABASES; USE main; SHOW TABLES; DESCRIBE items; SHOW CREATE TABLE items; SHOW VARIABLES LIKE 'version%';\n\\s\n",
    );
    expect([status, err]).toEqual([0, '']);
    for (const text of ['information_schema', 'items', 'price', 'CREATE TABLE', 'version_comment'])
      expect(out).toContain(text);
  });

  test('shows errors with number, state and text', () => {
    const { err, status } = cli('root@sys', ['-e', 'ALTER SYSTEM BACKUP TENANT = mysql_tenant']);
    expect(status).toBe(1);
    expect(err).toContain(
      'ERROR 9040 (HY000) at line 1: backup can not start, because log archive status is not doing.',
    );
    expect(cli('SYS@oracle_tenant', ['-e', 'ALTER SYSTEM BACKUP DATABASE']).err).toContain(
      'ORA-00600: internal error code, arguments: -9040',
    );
  });

  test('uses TLS and passwords', async () => {
    const sys = await fixture.login('root@sys');
    await sys.query('CREATE TENANT guarded');
    const guarded = await fixture.login('root@guarded');
    await guarded.query("ALTER USER root IDENTIFIED BY 's3cret'");
    expect(cli('root@guarded', ['-ps3cret', '--ssl', '-e', 'SELECT 42']).out).toContain('42');
    expect(cli('root@guarded', ['-ps3cret', '--skip-ssl', '-e', 'SELECT 43']).out).toContain('43');
    expect(cli('root@guarded', ['-pwrong', '-e', 'SELECT 42']).err).toContain('ERROR 1045 (28000)');
  });
});
