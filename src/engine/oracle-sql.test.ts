// Queries of oracle tenants over views and DUAL, run by the engine that answers them.
import { describe, expect, test } from 'vitest';
import { isFailure } from '../base/errors.ts';
import type { SqlValue } from '../model/result.ts';
import { completeFacts } from './session-facts.ts';
import { ViewEngine } from './view-engine.ts';
import { translateViewQuery } from './view-sql.ts';

const NOW_NS = 1_795_348_800_000_000_000n; // 2026-11-22 12:00:00 UTC
const NUMBER = { base: 'decimal', length: 38, scale: 0 } as const;
const TEXT = { base: 'varchar', length: 64 } as const;

const engine = new ViewEngine();

function ask(sql: string, parameters: SqlValue[] = []) {
  return engine.run({
    schemas: [
      {
        schema: 'SYS',
        tables: [
          {
            name: 'DBA_OB_JOBS',
            columns: [
              { name: 'JOB_ID', type: NUMBER },
              { name: 'STATUS', type: TEXT },
            ],
            rows: [
              ['3', 'DOING'],
              ['1', 'COMPLETED'],
              ['2', 'FAILED'],
            ],
          },
        ],
      },
    ],
    sql,
    parameters,
    mode: 'oracle',
    currentSchema: 'SYS',
    facts: completeFacts(
      { user: 'SYS', host: '10.0.0.9', database: 'SYS', connectionId: 7, timeZone: '+00:00' },
      NOW_NS,
    ),
  });
}

const names = (sql: string) => ask(sql).columns.map((column) => column.name);
const rows = (sql: string) => ask(sql).rows;

describe('names of columns', () => {
  test.each([
    ['SELECT job_id, j.status FROM dba_ob_jobs j', ['JOB_ID', 'STATUS']],
    ['SELECT job_id AS id, status "The status" FROM dba_ob_jobs', ['ID', 'The status']],
    ['SELECT * FROM (SELECT job_id x FROM dba_ob_jobs)', ['X']],
    ["SELECT count(*), nvl( status, 'x' ) FROM dba_ob_jobs", ['COUNT(*)', "NVL(STATUS,'X')"]],
    ["SELECT to_char(sysdate, 'YYYY-MM-DD HH24:MI:SS') FROM dual", ["TO_CHAR(SYSDATE,'YYYY-MM-DDHH24:MI:SS')"]],
    ['SELECT sysdate, user FROM dual', ['SYSDATE', 'USER']],
  ])('of %s', (sql, expected) => {
    expect(names(sql)).toEqual(expected);
  });

  test('a column keeps its type under any name', () => {
    expect(ask('SELECT job_id AS "id" FROM dba_ob_jobs').columns[0]).toMatchObject({ name: 'id', type: NUMBER });
  });
});

describe('names in quotes', () => {
  test('find what is written alike', () => {
    expect(rows('SELECT "STATUS" FROM "SYS"."DBA_OB_JOBS" WHERE "JOB_ID" = 1')).toEqual([['COMPLETED']]);
  });

  test.each(['SELECT "status" FROM dba_ob_jobs', 'SELECT 1 FROM dba_ob_jobs j WHERE j."job_id" = 1'])(
    'find no column otherwise: %s',
    (sql) => {
      expect(() => ask(sql)).toThrow(expect.toSatisfy((error) => isFailure(error, 'UNKNOWN_COLUMN')));
    },
  );

  test('find no view otherwise', () => {
    const isUnknown = expect.toSatisfy((error) => isFailure(error, 'UNKNOWN_TABLE'));
    expect(() => ask('SELECT * FROM "dba_ob_jobs"')).toThrow(isUnknown);
  });

  test('of what there is not are told as Oracle reads them', () => {
    expect(() => ask('SELECT j.nosuch FROM dba_ob_jobs j')).toThrow("Unknown column 'J.NOSUCH'");
  });

  test('may be given to columns and queries', () => {
    expect(rows('SELECT job_id "id" FROM dba_ob_jobs ORDER BY "id"')).toEqual([['1'], ['2'], ['3']]);
    expect(rows('WITH "w" AS (SELECT job_id AS "i" FROM dba_ob_jobs) SELECT MAX("i") FROM "w"')).toEqual([[3n]]);
  });
});

describe('the number of rows', () => {
  test.each([
    ['SELECT job_id FROM dba_ob_jobs WHERE ROWNUM <= 2', 2],
    ['SELECT job_id FROM dba_ob_jobs WHERE ROWNUM < 2', 1],
    ['SELECT job_id FROM dba_ob_jobs WHERE rownum = 1', 1],
    ['SELECT job_id FROM dba_ob_jobs WHERE ROWNUM = 2', 0],
    ['SELECT job_id FROM dba_ob_jobs WHERE job_id > 1 AND ROWNUM <= 5', 2],
    ['SELECT 1 FROM DUAL WHERE ROWNUM <= 1', 1],
    ['SELECT 1 FROM DUAL WHERE ROWNUM < 1', 0],
    ['SELECT job_id FROM dba_ob_jobs FETCH FIRST 2 ROWS ONLY', 2],
    ['SELECT job_id FROM dba_ob_jobs FETCH FIRST ROW ONLY', 1],
    ['SELECT job_id FROM dba_ob_jobs OFFSET 1 ROW', 2],
    ['SELECT job_id FROM dba_ob_jobs OFFSET 2 ROWS FETCH NEXT 5 ROWS ONLY', 1],
  ])('of %s', (sql, count) => {
    expect(rows(sql)).toHaveLength(count);
  });

  test('is cut behind the order that a query inside gives', () => {
    expect(rows('SELECT * FROM (SELECT job_id FROM dba_ob_jobs ORDER BY job_id) WHERE ROWNUM <= 2')).toEqual([
      ['1'],
      ['2'],
    ]);
    expect(rows('SELECT job_id FROM dba_ob_jobs ORDER BY job_id DESC FETCH FIRST 1 ROWS ONLY')).toEqual([['3']]);
  });

  test('stands in a query of its own, inside another or beside it', () => {
    const newest = '(SELECT MAX(job_id) FROM dba_ob_jobs WHERE job_id > 0)';
    expect(rows(`SELECT ${newest}, ROWNUM FROM dba_ob_jobs WHERE ROWNUM <= 1`)).toEqual([[3n, 1n]]);
    expect(
      rows('SELECT job_id FROM dba_ob_jobs WHERE job_id IN (SELECT job_id FROM dba_ob_jobs WHERE ROWNUM <= 1)'),
    ).toEqual([['3']]);
  });

  test('is not asked for a thousand times', () => {
    const many = Array(1000).fill('ROWNUM').join(', ');
    expect(() => rows(`SELECT ${many} FROM dba_ob_jobs`)).toThrow('ROWNUM more than 16 times is not supported');
  });

  test('ROWNUM among the items counts', () => {
    expect(rows('SELECT ROWNUM FROM dba_ob_jobs')).toEqual([[1n], [2n], [3n]]);
  });

  test.each([
    'SELECT job_id FROM dba_ob_jobs WHERE ROWNUM <= 2 ORDER BY job_id',
    'SELECT COUNT(*) FROM dba_ob_jobs WHERE ROWNUM <= 2',
    'SELECT job_id FROM dba_ob_jobs WHERE ROWNUM > 2',
    'SELECT job_id FROM dba_ob_jobs WHERE ROWNUM <= 1 OR job_id = 2',
    'SELECT job_id FROM dba_ob_jobs WHERE ROWNUM <= job_id',
  ])('is never wrong silently: %s', (sql) => {
    expect(() => translateViewQuery(sql, 'oracle')).toThrow(expect.toSatisfy((e) => isFailure(e, 'NOT_SUPPORTED')));
  });
});

describe('words of Oracle', () => {
  test.each<[string, SqlValue]>([
    ['SYSDATE', '2026-11-22 12:00:00'],
    ['SYSDATE - 1', '2026-11-21 12:00:00'],
    ['SYSDATE + 1/24', '2026-11-22 13:00:00'],
    ['SYSDATE - 30/24/60', '2026-11-22 11:30:00'],
    ['SYSDATE - (1 + 1)', '2026-11-20 12:00:00'],
    ["SYSDATE - INTERVAL '1' DAY", '2026-11-21 12:00:00'],
    ["TO_CHAR(SYSDATE - 1, 'YYYY-MM-DD')", '2026-11-21'],
    ['TRUNC(SYSDATE)', '2026-11-22 00:00:00'],
    ["TRUNC(SYSDATE, 'MM')", '2026-11-01 00:00:00'],
    ['TRUNC(2.7)', 2],
    ["TO_DATE('2026-03-01', 'YYYY-MM-DD')", '2026-03-01 00:00:00'],
    ['USER', 'SYS'],
    ["SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')", 'SYS'],
    ["sys_context('userenv', 'session_user')", 'SYS'],
    ["SYS_CONTEXT('USERENV', 'SID')", '7'],
    ["SYS_CONTEXT('OTHER', 'SID')", null],
    ["LENGTH('数据')", 2n],
    ["NVL(NULL, 'x') || 'y'", 'xy'],
    ["DECODE(2, 1, 'one', 2, 'two')", 'two'],
  ])('%s', (expression, expected) => {
    expect(rows(`SELECT ${expression} FROM DUAL`)).toEqual([[expected]]);
  });

  test.each([
    ['SELECT * FROM DUAL', 'X'],
    ['SELECT d.dummy FROM dual d WHERE d.dummy IS NOT NULL', 'X'],
    ['SELECT COUNT(*) FROM dual', 1n],
    ['SELECT MAX(job_id) + 1 FROM dba_ob_jobs, (SELECT 1 FROM dual)', 4n],
  ])('DUAL has its one row: %s', (sql, value) => {
    expect(rows(sql)).toEqual([[value]]);
  });

  test('MINUS takes rows away', () => {
    const sql = 'SELECT job_id FROM dba_ob_jobs MINUS SELECT job_id FROM dba_ob_jobs WHERE job_id > 1';
    expect(rows(sql)).toEqual([['1']]);
  });
});
