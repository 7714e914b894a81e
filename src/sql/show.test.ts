import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addRows, MYSQL_ID, ORACLE_ID } from '../catalog/catalog.fixture.ts';
import { closeViewHost } from '../engine/view-query.ts';
import type { SqlValue } from '../model/result.ts';
import { SHOW_SUBJECTS } from './grammar/statement.ts';
import { likeMatcher } from './like-pattern.ts';
import { openSqlFixture, type SqlFixture, table } from './select.fixture.ts';
import type { Session } from './session.ts';

let fixture: SqlFixture;
let sys: Session;
let tenant: Session;
let oracle: Session;
beforeEach(() => {
  fixture = openSqlFixture();
  sys = fixture.session(1);
  tenant = fixture.session(MYSQL_ID);
  oracle = fixture.session(ORACLE_ID);
});
afterEach(() => fixture[Symbol.dispose]());
afterAll(() => closeViewHost());

const show = async (session: Session, sql: string) => table(await fixture.run(session, sql));
const column = async (session: Session, sql: string): Promise<SqlValue[]> =>
  (await show(session, sql)).rows.map((row) => row[0]!);

describe('likeMatcher', () => {
  test.each([
    ['%archive%', 'LOG_ARCHIVE_lag', true],
    ['a_c', 'abc', true],
    ['a_c', 'abbc', false],
    ['a\\_c', 'abc', false],
    ['a\\_c', 'A_C', true],
    ['%', '', true],
    ['', 'x', false],
    ['%a%b', 'xaxbxb', true],
    ['%a%b', 'xaxbx', false],
    ['x%%', 'x', true],
    ['.*', 'abc', false],
  ])('%s on %s: %s', (pattern, text, expected) => {
    expect(likeMatcher(pattern)(text)).toBe(expected);
  });

  test('stays quick however many wildcards there are', () => {
    expect(likeMatcher(`${'%a'.repeat(500)}b`)('a'.repeat(5000))).toBe(false);
  });
});

describe('SHOW in every tenant', () => {
  const REFUSED = new Set(['CREATE TABLE', 'CREATE VIEW', 'COLUMNS', 'INDEX', 'CREATE DATABASE', 'CREATE TENANT']);
  test.each(SHOW_SUBJECTS.filter((subject) => !REFUSED.has(subject)))('%s answers with columns', async (subject) => {
    addRows(fixture.catalog.store);
    const words = subject.replace('COUNT ', 'COUNT(*) ').replace('ENGINE STATUS', 'ENGINE innodb STATUS');
    for (const session of [sys, tenant, oracle]) {
      const { names, rows } = await show(session, `SHOW ${words}`);
      expect(names.length).toBeGreaterThan(0);
      for (const row of rows) expect(row).toHaveLength(names.length);
    }
  });
});

describe('databases, tables, columns', () => {
  test('SHOW DATABASES and TABLES name their columns as MySQL does', async () => {
    expect(await show(tenant, 'SHOW DATABASES')).toEqual({
      names: ['Database'],
      rows: [['information_schema'], ['main'], ['mysql'], ['oceanbase']],
    });
    expect(await show(oracle, 'SHOW DATABASES')).toMatchObject({ rows: [['main'], ['SYS']] });
    expect(await show(tenant, "SHOW DATABASES LIKE 'm%'")).toEqual({
      names: ['Database (m%)'],
      rows: [['main'], ['mysql']],
    });
    expect(await show(tenant, 'SHOW FULL TABLES')).toEqual({
      names: ['Tables_in_main', 'Table_type'],
      rows: [
        ['big_orders', 'VIEW'],
        ['orders', 'BASE TABLE'],
      ],
    });
    expect(await show(tenant, "SHOW FULL TABLES FROM `mysql_tenant` WHERE Table_type = 'BASE TABLE'")).toMatchObject({
      rows: [['orders', 'BASE TABLE']],
    });
  });

  test('sys sees the CDB_ views in oceanbase, a tenant does not', async () => {
    expect(await column(sys, "SHOW TABLES LIKE 'CDB\\_OB\\_ARCHIVELOG%'")).toEqual([
      'CDB_OB_ARCHIVELOG',
      'CDB_OB_ARCHIVELOG_PIECE_FILES',
      'CDB_OB_ARCHIVELOG_SUMMARY',
    ]);
    expect(await column(tenant, "SHOW TABLES FROM oceanbase LIKE 'CDB%'")).toEqual([]);
    expect(await column(oracle, "SHOW TABLES FROM SYS LIKE 'DBA_OB_TEN%'")).toEqual(['DBA_OB_TENANTS']);
    for (const filter of ["LIKE 'ob_compatibility_mode'", "WHERE variable_name = 'ob_compatibility_mode'"])
      expect(await show(oracle, `SHOW VARIABLES ${filter}`)).toEqual({
        names: ['VARIABLE_NAME', 'VALUE'],
        rows: [['ob_compatibility_mode', 'ORACLE']],
      });
  });

  test('an unknown database is 1049, none at all 1046', async () => {
    await expect(show(tenant, 'SHOW TABLES FROM nowhere')).rejects.toThrow("Unknown database 'nowhere'");
    await expect(show({ ...tenant, database: null }, 'SHOW TABLES')).rejects.toThrow('No database selected');
  });

  test('DESCRIBE, SHOW COLUMNS and SHOW INDEX', async () => {
    expect(await show(tenant, 'DESC orders')).toEqual({
      names: ['Field', 'Type', 'Null', 'Key', 'Default', 'Extra'],
      rows: [
        ['id', 'bigint', 'NO', 'PRI', null, 'auto_increment'],
        ['customer', 'varchar(20)', 'NO', 'UNI', "it's", ''],
        ['paid', 'decimal(10,2)', 'YES', '', null, ''],
      ],
    });
    expect(await show(tenant, "SHOW FULL COLUMNS FROM orders LIKE 'cust%'")).toMatchObject({
      names: ['Field', 'Type', 'Collation', 'Null', 'Key', 'Default', 'Extra', 'Privileges', 'Comment'],
      rows: [['customer', 'varchar(20)', 'utf8mb4_general_ci', 'NO', 'UNI', "it's", '', expect.anything(), '']],
    });
    expect(await column(sys, 'DESCRIBE CDB_OB_BACKUP_JOBS')).toContain('EXECUTOR_TENANT_ID');
    expect(await column(tenant, 'DESC oceanbase.dba_ob_backup_jobs STATUS')).toEqual(['STATUS']);
    expect((await show(tenant, "SHOW INDEX FROM orders WHERE Key_name = 'PRIMARY'")).rows).toHaveLength(1);
    await expect(show(tenant, 'DESC nothing')).rejects.toThrow("Table 'main.nothing' doesn't exist");
  });

  test('SHOW CREATE TABLE gives the text of the engine, of a view its own columns', async () => {
    expect(await show(tenant, 'SHOW CREATE TABLE orders')).toMatchObject({
      names: ['Table', 'Create Table'],
      rows: [['orders', expect.stringContaining('CREATE TABLE orders')]],
    });
    expect((await show(tenant, 'SHOW CREATE TABLE big_orders')).names[0]).toBe('View');
    expect((await show(sys, 'SHOW CREATE TABLE oceanbase.CDB_OB_BACKUP_PARAMETER')).rows[0]![1]).toBe(
      'CREATE TABLE `CDB_OB_BACKUP_PARAMETER` (\n  `TENANT_ID` bigint NOT NULL,\n  `NAME` varchar(1024) NOT NULL,\n' +
        '  `VALUE` longtext NOT NULL\n)',
    );
    await expect(show(tenant, 'SHOW CREATE VIEW orders')).rejects.toThrow("'main.orders' is not VIEW");
    expect(await show(tenant, 'SHOW CREATE DATABASE mysql_tenant')).toMatchObject({
      rows: [['main', expect.anything()]],
    });
  });
});

describe('server and session', () => {
  test('SHOW PARAMETERS has the documented columns and the values of the tenant', async () => {
    fixture.catalog.store.setParameter(MYSQL_ID, 'archive_lag_target', '0ms');
    const { names, rows } = await show(tenant, "SHOW PARAMETERS LIKE 'archive_lag%'");
    expect(names.join(' ')).toBe(
      'zone svr_type svr_ip svr_port name data_type value info section scope source edit_level default_value isdefault',
    );
    expect(rows).toMatchObject([
      [
        'zone1',
        'observer',
        '127.0.0.1',
        2881n,
        'archive_lag_target',
        'TIME',
        '0ms',
        {},
        {},
        'TENANT',
        {},
        {},
        '120s',
        'NO',
      ],
    ]);
    expect((await show(sys, "SHOW PARAMETERS LIKE 'archive_lag%' TENANT = mysql_tenant")).rows[0]![6]).toBe('0ms');
    expect((await show(sys, "SHOW PARAMETERS WHERE name = 'archive_lag_target'")).rows[0]![6]).toBe('120s');
    await expect(show(tenant, 'SHOW PARAMETERS TENANT = oracle_tenant')).rejects.toThrow(/Access denied/);
  });

  test('SHOW VARIABLES by pattern and condition', async () => {
    expect((await show(tenant, "SHOW VARIABLES LIKE 'character_set_cl%'")).rows).toEqual([
      ['character_set_client', 'utf8mb4'],
    ]);
    expect(
      (
        await show(
          tenant,
          "SHOW SESSION VARIABLES WHERE Variable_name IN ('wait_timeout', 'autocommit') OR Variable_name = 'tx_isolation'",
        )
      ).rows,
    ).toEqual([
      ['autocommit', 'ON'],
      ['tx_isolation', 'SERIALIZABLE'],
      ['wait_timeout', '28800'],
    ]);
    expect((await show(tenant, "SHOW VARIABLES WHERE Value = 'it\\'s'")).rows).toEqual([]);
    expect((await show(tenant, "SHOW GLOBAL VARIABLES LIKE 'insert_id'")).rows).toEqual([]);
  });

  test('SHOW WARNINGS, its limit, ERRORS and the counts', async () => {
    tenant.warnings.push(
      { level: 'Warning', errno: 1292, message: 'a' },
      { level: 'Error', errno: 9040, message: 'b' },
      { level: 'Note', errno: 1003, message: 'c' },
    );
    expect(await show(tenant, 'SHOW WARNINGS LIMIT 1, 2')).toEqual({
      names: ['Level', 'Code', 'Message'],
      rows: [
        ['Error', 9040n, 'b'],
        ['Note', 1003n, 'c'],
      ],
    });
    expect((await show(tenant, 'SHOW ERRORS')).rows).toEqual([['Error', 9040n, 'b']]);
    expect(await show(tenant, 'SHOW COUNT(*) WARNINGS')).toEqual({ names: ['@@session.warning_count'], rows: [[3n]] });
    expect((await show(tenant, 'SHOW COUNT(*) ERRORS')).rows).toEqual([[1n]]);
  });

  test('SHOW PROCESSLIST: own connections, statements cut unless FULL', async () => {
    const connection = {
      ...{ id: 7, user: 'root', host: '127.0.0.1:50000', database: 'main', command: 'Query', elapsedMs: 2999 },
      ...{ tenantId: MYSQL_ID, tenantName: 'mysql_tenant', info: `SELECT '${'x'.repeat(200)}'` },
    };
    fixture.catalog.connections.push(connection, { ...connection, id: 9, tenantId: ORACLE_ID, info: null });
    const { names, rows } = await show(tenant, 'SHOW PROCESSLIST');
    expect(names).toEqual(['Id', 'User', 'Host', 'db', 'Command', 'Time', 'State', 'Info']);
    expect(rows).toEqual([
      [7n, 'root', '127.0.0.1:50000', 'main', 'Query', 2n, 'executing', connection.info.slice(0, 100)],
    ]);
    expect((await show(sys, 'SHOW FULL PROCESSLIST')).rows.map((row) => row[7])).toEqual([connection.info, null]);
  });

  test('SHOW GRANTS, TENANT, TENANTS, CREATE TENANT', async () => {
    expect(await show(tenant, 'SHOW GRANTS')).toEqual({
      names: ['Grants for root@%'],
      rows: [["GRANT ALL PRIVILEGES ON *.* TO 'root'@'%' WITH GRANT OPTION"]],
    });
    await expect(show(tenant, "SHOW GRANTS FOR 'joe'@'%'")).rejects.toThrow('There is no such grant');
    expect((await show(oracle, 'SHOW TENANT')).rows).toEqual([['oracle_tenant']]);
    expect((await show(sys, 'SHOW TENANTS')).rows.map((row) => row[1])).toEqual([
      'sys',
      'mysql_tenant',
      'oracle_tenant',
    ]);
    expect((await show(tenant, 'SHOW TENANTS')).rows).toHaveLength(1);
    expect((await show(sys, 'SHOW CREATE TENANT oracle_tenant')).rows[0]![1]).toContain(
      "ob_compatibility_mode = 'oracle'",
    );
    await expect(show(tenant, 'SHOW CREATE TENANT oracle_tenant')).rejects.toThrow(/Access denied/);
  });

  test('a condition that is none is a syntax error', async () => {
    await expect(show(tenant, 'SHOW VARIABLES WHERE Variable_name = ')).rejects.toThrow(/error in your SQL syntax/);
    await expect(show(tenant, 'SHOW VARIABLES WHERE nope = 1')).rejects.toThrow("Unknown column 'nope'");
  });
});
