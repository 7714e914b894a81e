// Queries over system views, with the real host process.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { listProcesses } from '../../test/e2e/process-list.ts';
import { bigint, datetime, decimal, longtext, type SqlValue, timestamp, varchar } from '../model/result.ts';
import { closeViewHost, runViewQuery, type ViewQueryRequest } from './view-query.ts';

afterAll(() => closeViewHost());

/** Process ids of the hosts that this process has started. */
const viewHosts = (): number[] =>
  listProcesses()
    .filter(({ parentPid, command }) => parentPid === process.pid && command.includes('view-host'))
    .map(({ pid }) => pid);

const SCHEMAS: ViewQueryRequest['schemas'] = [
  {
    schema: 'oceanbase',
    tables: [
      {
        name: 'CDB_OB_BACKUP_JOBS',
        columns: [
          { name: 'TENANT_ID', type: bigint() },
          { name: 'STATUS', type: varchar(64) },
          { name: 'START_SCN', type: bigint(true) },
          { name: 'BYTES', type: decimal(30, 2) },
          { name: 'START_TIME', type: timestamp(6) },
          { name: 'COMMENT', type: longtext() },
        ],
        rows: [
          [1002n, 'COMPLETED', 2n ** 64n - 1n, '1024.00', '2026-11-22 09:00:00.000000', null],
          [1004n, 'FAILED', 1_760_000_000_000_000_001n, '0.50', '2026-11-22 11:30:00.000000', 'disk'],
          [1006n, 'completed', 5n, '123456789012345678901234.25', '2026-11-21 09:00:00.000000', ''],
        ],
      },
      {
        name: 'DBA_OB_TENANTS',
        columns: [
          { name: 'TENANT_ID', type: bigint() },
          { name: 'TENANT_NAME', type: varchar(128) },
        ],
        rows: [
          [1002n, 'mysql_tenant'],
          [1004n, 'oracle_tenant'],
        ],
      },
    ],
  },
  {
    schema: 'information_schema',
    tables: [{ name: 'TABLES', columns: [{ name: 'TABLE_NAME', type: varchar(64) }], rows: [['T1']] }],
  },
];

const NOW_NS = 1_795_348_800_000_000_000n; // 2026-11-22 12:00:00 UTC

function ask(sql: string, over: Partial<ViewQueryRequest> = {}) {
  return runViewQuery({
    schemas: SCHEMAS,
    sql,
    parameters: [],
    mode: 'mysql',
    currentSchema: 'oceanbase',
    facts: {
      nowNs: NOW_NS,
      timeZone: '+00:00',
      user: 'root',
      host: '127.0.0.1',
      connectionId: 7,
      database: 'oceanbase',
    },
    signal: new AbortController().signal,
    ...over,
  });
}

async function rowsOf(sql: string, over: Partial<ViewQueryRequest> = {}): Promise<SqlValue[][]> {
  const rows: SqlValue[][] = [];
  for await (const batch of (await ask(sql, over)).rows) rows.push(...batch);
  return rows;
}

describe('runViewQuery', () => {
  it('keeps the declared types and exact values of view columns', async () => {
    const result = await ask('SELECT * FROM CDB_OB_BACKUP_JOBS ORDER BY TENANT_ID');
    expect(result.columns).toEqual(
      SCHEMAS[0]!.tables[0]!.columns.map(({ name, type }) => ({
        ...{ name, type, schema: 'oceanbase', table: 'CDB_OB_BACKUP_JOBS', orgName: name },
      })),
    );
    expect(await rowsOf('SELECT * FROM CDB_OB_BACKUP_JOBS ORDER BY TENANT_ID')).toEqual(SCHEMAS[0]!.tables[0]!.rows);
  });

  it('keeps types through aliases and subqueries, and types expressions by value', async () => {
    const result = await ask(
      'SELECT j.start_time AS t, x.s, COUNT(*) c, j.BYTES * 2, NULL FROM CDB_OB_BACKUP_JOBS j, (SELECT STATUS s FROM CDB_OB_BACKUP_JOBS LIMIT 1) x',
    );
    expect(result.columns.map(({ name, type }) => [name, type])).toEqual([
      ['t', timestamp(6)],
      ['s', varchar(64)],
      ['c', bigint()],
      ['j.BYTES * 2', { base: 'double' }],
      ['NULL', { base: 'null' }],
    ]);
  });

  it('joins, groups, sorts and compares as MySQL does', async () => {
    expect(
      await rowsOf(
        `SELECT t.TENANT_NAME, j.STATUS FROM oceanbase.cdb_ob_backup_jobs j JOIN dba_ob_tenants t USING (tenant_id)
         WHERE j.status IN ("completed", 'failed') ORDER BY t.tenant_name DESC`,
      ),
    ).toEqual([
      ['oracle_tenant', 'FAILED'],
      ['mysql_tenant', 'COMPLETED'],
    ]);
    expect(await rowsOf('SELECT STATUS, COUNT(*) FROM CDB_OB_BACKUP_JOBS GROUP BY STATUS ORDER BY 2 DESC')).toEqual([
      [expect.stringMatching(/completed/i), 2n],
      ['FAILED', 1n],
    ]);
    expect(await rowsOf("SELECT TENANT_ID FROM CDB_OB_BACKUP_JOBS WHERE TENANT_ID = '1004'")).toEqual([[1004n]]);
    expect(await rowsOf('SELECT TENANT_ID FROM CDB_OB_BACKUP_JOBS WHERE BYTES > 1000 AND BYTES < 2000')).toEqual([
      [1002n],
    ]);
    expect(await rowsOf('SELECT MAX(TENANT_ID) / 4, 7 DIV 2 FROM CDB_OB_BACKUP_JOBS')).toEqual([[251.5, 3n]]);
    expect(await rowsOf('SELECT TENANT_ID FROM CDB_OB_BACKUP_JOBS WHERE START_TIME > NOW() - INTERVAL 1 HOUR')).toEqual(
      [[1004n]],
    );
    expect(await rowsOf("SELECT TABLE_NAME FROM information_schema.tables WHERE table_name LIKE 't\\_%' OR 1")).toEqual(
      [['T1']],
    );
    expect(
      await rowsOf('SELECT TENANT_ID FROM CDB_OB_BACKUP_JOBS WHERE STATUS = ? LIMIT ?', { parameters: ['FAILED', 5] }),
    ).toEqual([[1004n]]);
  });

  it('answers the functions of MySQL', async () => {
    const cases: [string, SqlValue][] = [
      ['NOW()', '2026-11-22 12:00:00'],
      ['CURRENT_TIMESTAMP', '2026-11-22 12:00:00'],
      ['CURDATE()', '2026-11-22'],
      ['UNIX_TIMESTAMP()', NOW_NS / 1_000_000_000n],
      ["DATE_FORMAT('2026-01-02 03:04:05', '%Y/%m/%d %H:%i:%s %W')", '2026/01/02 03:04:05 Friday'],
      ["CONCAT('a', 1, NULL)", null],
      ["CONCAT_WS('-', 'a', NULL, 2)", 'a-2'],
      ["IF(1 > 2, 'x', 'y')", 'y'],
      ["LPAD('7', 3, '0')", '007'],
      ['USER()', 'root@127.0.0.1'],
      ['DATABASE()', 'oceanbase'],
      ['CONNECTION_ID()', 7n],
      ["'abc' REGEXP '^A'", 1n],
      ['FORMAT(1234567.891, 2)', '1,234,567.89'],
      ["LENGTH('é')", 2n],
      ["FIND_IN_SET('b', 'a,b')", 2n],
      ['IFNULL(NULL, 5)', 5n],
      ["TIMESTAMPDIFF(HOUR, '2026-01-01', '2026-01-02')", 24n],
      ["CAST('12' AS UNSIGNED)", 12n],
      ["MD5('a')", '0cc175b9c0f1b6a831c399e269772661'],
    ];
    const [row = []] = await rowsOf(`SELECT ${cases.map(([sql]) => sql).join(', ')}`);
    expect(row).toEqual(cases.map(([, value]) => value));
    const result = await ask(`SELECT ${cases.map(([sql]) => sql).join(', ')} FROM DUAL`);
    expect(result.columns.map((column) => column.name).slice(0, 4)).toEqual([
      'NOW()',
      'CURRENT_TIMESTAMP',
      'CURDATE()',
      'UNIX_TIMESTAMP()',
    ]);
    expect(await rowsOf(`SELECT NVL(NULL, 'x') || TO_CHAR(SYSDATE, 'YYYY') FROM DUAL`, { mode: 'oracle' })).toEqual([
      ['x2026'],
    ]);
  });

  it('looks for unqualified names in the current schema first', async () => {
    const tables = (rows: SqlValue[][]) => [{ name: 'T', columns: [{ name: 'A', type: datetime(0) }], rows }];
    const schemas = [
      { schema: 'SYS', tables: tables([['2026-01-01 00:00:00']]) },
      { schema: 'oceanbase', tables: tables([['2027-01-01 00:00:00']]) },
    ];
    expect(await rowsOf('SELECT a FROM t', { schemas })).toEqual([['2027-01-01 00:00:00']]);
    expect(await rowsOf('SELECT a FROM t', { schemas, currentSchema: 'sys' })).toEqual([['2026-01-01 00:00:00']]);
  });

  it.each([
    ['DELETE FROM DBA_OB_TENANTS', 'SYNTAX'],
    ['WITH x AS (SELECT 1) DELETE FROM DBA_OB_TENANTS', 'ENGINE_STATEMENT_REFUSED'],
    ['SELECT * FROM pragma_database_list', 'ENGINE_STATEMENT_REFUSED'],
    ["SELECT load_extension('x')", 'ENGINE_STATEMENT_REFUSED'],
    ['SELECT * FROM nix', 'UNKNOWN_TABLE'],
    ['SELECT nix FROM DBA_OB_TENANTS', 'UNKNOWN_COLUMN'],
    ['SELECT FROM DBA_OB_TENANTS', 'SYNTAX'],
    ['SELECT ?', 'PARAMETER_COUNT'],
    ['WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 300000) SELECT n FROM c', 'ENGINE'],
  ])('answers %s with %s', async (sql, errorName) => {
    await expect(ask(sql)).rejects.toMatchObject({ errorName });
  });

  it('kills a runaway query by signal or time; a query that waited behind it is answered', async () => {
    const runaway = 'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT COUNT(*) FROM c';
    const killed = ask(runaway, { signal: AbortSignal.timeout(100) }).catch((error: unknown) => error);
    const waiting = rowsOf('SELECT 1');
    expect(await killed).toMatchObject({ errorName: 'QUERY_INTERRUPTED' });
    expect(await waiting).toEqual([[1n]]);
    await expect(ask(runaway, { timeoutMs: 100 })).rejects.toMatchObject({ errorName: 'TIMEOUT' });
    expect(await rowsOf('SELECT 2')).toEqual([[2n]]);
  });

  it('asks the next host when the one that works at it dies', async () => {
    const slow = rowsOf('SELECT SLEEP(1)');
    const before = await vi.waitFor(() => {
      const [pid] = viewHosts();
      expect(pid).toBeDefined();
      return pid!;
    });
    // It is at work by then.
    await sleep(300);
    process.kill(before, 'SIGKILL');
    expect(await slow).toEqual([[0n]]);
    expect(viewHosts()).not.toContain(before);
  });

  it.each(['last_insert_rowid', 'changes', 'total_changes'])(
    'does not tell %s() of the queries before',
    async (name) => {
      await expect(ask(`SELECT ${name}()`)).rejects.toMatchObject({ errorName: 'ENGINE_STATEMENT_REFUSED' });
    },
  );

  it('starts no host again once it was closed, not even for a query that was at work', async () => {
    const slow = rowsOf('SELECT SLEEP(5)').catch((error: unknown) => error);
    await vi.waitFor(() => expect(viewHosts()).toHaveLength(1));
    await sleep(300);
    await closeViewHost();
    expect(await slow).toMatchObject({ errorName: 'ENGINE' });
    expect(viewHosts()).toEqual([]);
  });

  it('ends a query that would fill the memory', async () => {
    const hungry = `WITH RECURSIVE c(n, t) AS (SELECT 1, hex(randomblob(50000)) UNION ALL SELECT n + 1, hex(randomblob(50000)) FROM c)
      SELECT COUNT(*) FROM (SELECT t FROM c ORDER BY t) x`;
    await expect(ask(hungry)).rejects.toThrow(/memory/);
    expect(await rowsOf('SELECT 3')).toEqual([[3n]]);
  });
});
