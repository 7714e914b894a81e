import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addRows, MYSQL_ID, ORACLE_ID, ORDERS, scnAt } from '../catalog/catalog.fixture.ts';
import { closeViewHost } from '../engine/view-query.ts';
import type { SqlValue } from '../model/result.ts';
import { parseStatement } from './grammar/parse.ts';
import { openSqlFixture, rowsByName, type SqlFixture, table } from './select.fixture.ts';
import { prepareSelect, runSelect } from './select.ts';
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

const run = (session: Session, sql: string, parameters: readonly SqlValue[] = []) =>
  fixture.run(session, sql, parameters);
const select = async (session: Session, sql: string, parameters: readonly SqlValue[] = []) =>
  table(await run(session, sql, parameters));
const rows = async (session: Session, sql: string, parameters: readonly SqlValue[] = []) =>
  (await select(session, sql, parameters)).rows;

describe('what clients ask when they connect', () => {
  const VERSION = '5.7.25-OceanBase-v4.3.3.0-Holdfast-0.1.0';

  test.each<[client: string, sql: string, names: string[], row: SqlValue[]]>([
    [
      'mysql',
      'select @@version_comment limit 1',
      ['@@version_comment'],
      [expect.stringContaining('Holdfast') as never],
    ],
    ['mysql \\s', 'select DATABASE(), USER() limit 1', ['DATABASE()', 'USER()'], ['main', 'root@127.0.0.1']],
    ['mysql USE', 'SELECT DATABASE()', ['DATABASE()'], ['main']],
    ['mysql2 ping', 'SELECT 1', ['1'], [1n]],
    [
      'mariadb',
      'SELECT @@max_allowed_packet,@@wait_timeout',
      ['@@max_allowed_packet', '@@wait_timeout'],
      [67108864n, 28800n],
    ],
    ['mariadb', 'select @@SQL_MODE', ['@@SQL_MODE'], ['STRICT_ALL_TABLES']],
    ['mycli', 'SELECT CONNECTION_ID()', ['CONNECTION_ID()'], [42n]],
    ['mycli', 'SELECT VERSION()', ['VERSION()'], [VERSION]],
    ['mycli', 'select current_user()', ['current_user()'], ['root@%']],
    ['DBeaver', 'SELECT @@lower_case_table_names', ['@@lower_case_table_names'], [2n]],
    ['DBeaver', "SELECT 'x' as a, NULL b, TRUE", ['a', 'b', 'TRUE'], ['x', null, 1n]],
    ['PyMySQL', 'SELECT @@tx_isolation', ['@@tx_isolation'], ['SERIALIZABLE']],
    ['SQLAlchemy', 'select @@session.transaction_isolation', ['@@session.transaction_isolation'], ['SERIALIZABLE']],
    ['JDBC', 'SELECT @@session.tx_read_only', ['@@session.tx_read_only'], [0n]],
    ['JDBC', '/* ping */ SELECT 1 FROM DUAL', ['1'], [1n]],
  ])('%s: %s', async (_client, sql, names, row) => {
    expect(await select(tenant, sql)).toEqual({ names, rows: [row] });
  });

  test('the long question of mysql-connector-j', async () => {
    const sql =
      '/* mysql-connector-j-8.3.0 (Revision: 805f872a) */SELECT  @@session.auto_increment_increment AS ' +
      'auto_increment_increment, @@character_set_client AS character_set_client, @@character_set_connection AS ' +
      'character_set_connection, @@character_set_results AS character_set_results, @@character_set_server AS ' +
      'character_set_server, @@collation_server AS collation_server, @@collation_connection AS collation_connection, ' +
      '@@init_connect AS init_connect, @@interactive_timeout AS interactive_timeout, @@license AS license, ' +
      '@@lower_case_table_names AS lower_case_table_names, @@max_allowed_packet AS max_allowed_packet, ' +
      '@@net_write_timeout AS net_write_timeout, @@performance_schema AS performance_schema, @@query_cache_size AS ' +
      'query_cache_size, @@query_cache_type AS query_cache_type, @@sql_mode AS sql_mode, @@system_time_zone AS ' +
      'system_time_zone, @@time_zone AS time_zone, @@transaction_isolation AS transaction_isolation, @@wait_timeout ' +
      'AS wait_timeout';
    const [row] = await rowsByName(await run(tenant, sql));
    expect(row).toMatchObject({
      auto_increment_increment: 1n,
      character_set_client: 'utf8mb4',
      collation_server: 'utf8mb4_general_ci',
      init_connect: '',
      performance_schema: 0n,
      query_cache_type: 'OFF',
      time_zone: '+08:00',
      wait_timeout: 28800n,
    });
    expect(Object.keys(row!)).toHaveLength(21);
  });

  test('announces numbers as numbers and text as text', async () => {
    const result = await run(tenant, "SELECT 1, @@autocommit, @@version, 'ab', NULL, @missing");
    if (result === 'engine' || result.kind !== 'rows') throw new Error('no rows');
    expect(result.columns.map((column) => [column.name, column.type.base])).toEqual([
      ['1', 'bigint'],
      ['@@autocommit', 'bigint'],
      ['@@version', 'varchar'],
      ['ab', 'varchar'],
      ['NULL', 'null'],
      ['@missing', 'varchar'],
    ]);
  });

  test('user variables, limits and aliases in quotes', async () => {
    tenant.userVariables.set('x', 5n);
    expect(await select(tenant, 'SELECT @X `my x`, @x AS "y" LIMIT 1;')).toEqual({
      names: ['my x', 'y'],
      rows: [[5n, 5n]],
    });
    expect(await rows(tenant, 'SELECT 1 LIMIT 0')).toEqual([]);
    expect((await select(oracle, 'SELECT 1 as x FROM DUAL')).names).toEqual(['X']);
  });

  test('an unknown variable is 1193, a scope it has not 1238', async () => {
    await expect(run(tenant, 'SELECT @@no_such_thing')).rejects.toThrow("Unknown system variable 'no_such_thing'");
    await expect(run(tenant, 'SELECT @@session.hostname')).rejects.toThrow("Variable 'hostname' is a GLOBAL variable");
  });
});

describe('what goes where', () => {
  test.each([
    'SELECT * FROM orders',
    'SELECT * FROM main.orders',
    'SELECT 7/2',
    'SELECT changes()',
    'SELECT * FROM no_such_table',
    'WITH t AS (SELECT 1) SELECT * FROM t',
  ])('a user tenant: the engine answers %s', async (sql) => {
    expect(await run(tenant, sql)).toBe('engine');
  });

  test('the value of a SET is never the engine’s', async () => {
    const sql = "SELECT CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')";
    const statement = parseStatement(sql, 'mysql');
    if (statement.kind !== 'select') throw new Error('no select');
    const { signal } = new AbortController();
    const result = await runSelect(fixture.deps, tenant, { sql, statement, parameters: [], signal, isSetValue: true });
    expect((await table(result)).rows).toEqual([['STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO']]);
  });

  test('sys has no engine: computed values come from the view host', async () => {
    expect(await select(sys, 'SELECT 1 + 1, @@autocommit + 1, UPPER(DATABASE()) AS d')).toEqual({
      names: ['1 + 1', '@@autocommit + 1', 'd'],
      rows: [[2n, 2n, 'OCEANBASE']],
    });
  });

  test('sys: an unknown table is 1146, an unknown database 1049', async () => {
    await expect(run(sys, 'SELECT * FROM t')).rejects.toThrow("Table 'oceanbase.t' doesn't exist");
    await expect(run(sys, 'SELECT * FROM oceanbase.t')).rejects.toThrow("Table 'oceanbase.t' doesn't exist");
    await expect(run(sys, 'SELECT * FROM nowhere.t')).rejects.toThrow("Unknown database 'nowhere'");
  });

  test('a CDB_ view does not exist in a user tenant', async () => {
    await expect(run(tenant, 'SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG')).rejects.toThrow(
      "Table 'oceanbase.CDB_OB_ARCHIVELOG' doesn't exist",
    );
    await expect(run(oracle, 'SELECT * FROM SYS.CDB_OB_ARCHIVELOG')).rejects.toThrow(/CDB_OB_ARCHIVELOG/);
    expect(await run(tenant, 'SELECT * FROM CDB_OB_ARCHIVELOG')).toBe('engine');
  });

  test('a system view needs no database, unless the tenant has a table of that name', async () => {
    addRows(fixture.catalog.store);
    expect(await rows(tenant, 'SELECT STATUS FROM dba_ob_archivelog')).toEqual([['DOING']]);
    fixture.catalog.tables.set(MYSQL_ID, [{ ...ORDERS, name: 'DBA_OB_ARCHIVELOG' }]);
    expect(await run(tenant, 'SELECT STATUS FROM dba_ob_archivelog')).toBe('engine');
    expect(await rows({ ...tenant, database: 'oceanbase' }, 'SELECT STATUS FROM dba_ob_archivelog')).toEqual([
      ['DOING'],
    ]);
  });

  test('one query cannot span system views and tables of the tenant', async () => {
    await expect(run(tenant, 'SELECT * FROM oceanbase.DBA_OB_TENANTS, orders')).rejects.toThrow(/not supported/);
    await expect(run(tenant, 'SELECT * FROM oceanbase.DBA_OB_TENANTS, absent')).rejects.toThrow(/doesn't exist/);
  });
});

describe('queries over system views', () => {
  beforeEach(() => addRows(fixture.catalog.store));

  test('the runbook: SELECT * in each kind of tenant', async () => {
    const inSys = await select(sys, 'SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG');
    expect(inSys.names.slice(0, 3)).toEqual(['TENANT_ID', 'DEST_ID', 'ROUND_ID']);
    expect(inSys.rows.map((row) => row[0])).toEqual([1002n, 1004n]);
    const inTenant = await select(tenant, 'SELECT * FROM oceanbase.DBA_OB_BACKUP_JOBS');
    expect(inTenant.names[0]).toBe('JOB_ID');
    expect(inTenant.rows).toHaveLength(1);
    const inOracle = await select(oracle, 'SELECT * FROM SYS.DBA_OB_BACKUP_JOBS');
    expect(inOracle.names).toEqual(inTenant.names);
    expect(inOracle.rows[0]!.at(-1)).toBe('file:///backup/1004/data');
  });

  test('joins, conditions, groups, order, limits, functions, parameters', async () => {
    expect(
      await rows(
        sys,
        `SELECT t.TENANT_NAME, COUNT(*) n, MAX(s.BACKUP_SET_ID) FROM CDB_OB_BACKUP_SET_FILES s
         JOIN oceanbase.DBA_OB_TENANTS t ON t.TENANT_ID = s.TENANT_ID
         WHERE s.STATUS IN ('success', 'DOING') GROUP BY t.TENANT_NAME HAVING n > 1 ORDER BY 1 DESC LIMIT 1`,
      ),
    ).toEqual([['oracle_tenant', 2n, 2n]]);
    expect(
      await rows(sys, 'SELECT TENANT_ID, CHECKPOINT_SCN FROM CDB_OB_ARCHIVELOG WHERE TENANT_ID = ? AND STATUS LIKE ?', [
        1004n,
        'DO%',
      ]),
    ).toEqual([[1004n, scnAt(100)]]);
    expect(
      await rows(
        sys,
        "SELECT CONCAT(STATUS, '-', ROUND_ID) FROM CDB_OB_ARCHIVELOG WHERE CHECKPOINT_SCN_DISPLAY > '2025'",
      ),
    ).toEqual([['DOING-2'], ['DOING-2']]);
  });

  test('decimals and scns arrive exactly', async () => {
    const result = await run(tenant, 'SELECT DATA_PROGRESS, START_SCN FROM oceanbase.DBA_OB_BACKUP_TASKS');
    if (result === 'engine' || result.kind !== 'rows') throw new Error('no rows');
    expect(result.columns.map((column) => column.type)).toEqual([
      { base: 'decimal', length: 26, scale: 2 },
      { base: 'bigint', unsigned: true },
    ]);
    expect((await table(result)).rows).toEqual([['62.20', scnAt(201)]]);
  });

  test('values of the session stand in a query over views, backslashes unharmed', async () => {
    tenant.userVariables.set('d', "a\\b'c");
    expect(await select(tenant, 'SELECT @d, JOB_ID FROM oceanbase.DBA_OB_BACKUP_JOBS WHERE @d = @d')).toEqual({
      names: ['@d', 'JOB_ID'],
      rows: [["a\\b'c", 2n]],
    });
  });

  test('a column that is not there is 1054', async () => {
    await expect(run(sys, 'SELECT NOPE FROM CDB_OB_ARCHIVELOG')).rejects.toThrow("Unknown column 'NOPE'");
  });

  test('subqueries and views of two databases in one query', async () => {
    expect(
      await rows(
        tenant,
        `SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
         AND EXISTS (SELECT 1 FROM oceanbase.DBA_OB_ARCHIVELOG) ORDER BY TABLE_NAME`,
      ),
    ).toEqual([['big_orders'], ['orders']]);
  });

  test('a tenant sees nothing of another through a query either', async () => {
    expect(await rows(tenant, 'SELECT TENANT_NAME FROM oceanbase.DBA_OB_TENANTS')).toEqual([['mysql_tenant']]);
    expect(await rows(oracle, 'SELECT TENANT_ID FROM V$OB_ARCHIVE_DEST_STATUS')).toEqual([['1004']]);
  });

  test('what DBeaver and JDBC ask of information_schema', async () => {
    expect(
      await rows(
        tenant,
        "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA='main' AND " +
          "TABLE_NAME LIKE 'orders' ORDER BY ORDINAL_POSITION",
      ),
    ).toEqual([
      ['orders', 'id', 'bigint'],
      ['orders', 'customer', 'varchar(20)'],
      ['orders', 'paid', 'decimal(10,2)'],
    ]);
    expect(
      await rows(
        tenant,
        "SELECT TABLE_SCHEMA TABLE_CAT, NULL TABLE_SCHEM, TABLE_NAME, IF(TABLE_TYPE='BASE TABLE' or " +
          "TABLE_TYPE='SYSTEM VERSIONED', 'TABLE', TABLE_TYPE) as TABLE_TYPE, TABLE_COMMENT REMARKS FROM " +
          "INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'main' AND TABLE_TYPE IN ('BASE TABLE') ORDER BY TABLE_TYPE",
      ),
    ).toEqual([['main', null, 'orders', 'TABLE', '']]);
  });
});

describe('prepareSelect', () => {
  const prepare = (session: Session, sql: string) => {
    const statement = parseStatement(sql, session.mode);
    if (statement.kind !== 'select') throw new Error('no select');
    return prepareSelect(fixture.deps, session, { sql, statement });
  };

  test('tells parameters and columns of a view query without its rows', async () => {
    addRows(fixture.catalog.store);
    const prepared = await prepare(sys, 'SELECT JOB_ID, STATUS FROM CDB_OB_BACKUP_JOBS WHERE TENANT_ID = ? LIMIT ?');
    expect(prepared?.parameterCount).toBe(2);
    expect(prepared?.columns.map((column) => [column.name, column.type.base])).toEqual([
      ['JOB_ID', 'bigint'],
      ['STATUS', 'varchar'],
    ]);
  });

  test('answers null for the engine, and the session’s questions at once', async () => {
    expect(await prepare(tenant, 'SELECT * FROM orders WHERE id = ?')).toBeNull();
    expect(await prepare(tenant, 'SELECT ?')).toBeNull();
    expect(await prepare(tenant, 'SELECT @@version')).toMatchObject({
      parameterCount: 0,
      columns: [{ name: '@@version' }],
    });
    expect((await prepare(sys, 'SELECT ? + 1 AS x'))?.parameterCount).toBe(1);
  });
});
