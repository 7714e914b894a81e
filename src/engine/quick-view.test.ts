// Goal: only what is certainly short is called quick.
import { describe, expect, it } from 'vitest';
import { bigint, type SqlValue, varchar } from '../model/result.ts';
import { isQuick } from './quick-view.ts';

const COLUMNS = [
  { name: 'TENANT_ID', type: bigint() },
  { name: 'COMMENT', type: varchar(4096) },
];
const schemaOf = (rows: SqlValue[][]) => [{ schema: 'oceanbase', tables: [{ name: 'V', columns: COLUMNS, rows }] }];
const FEW = schemaOf([
  [1n, 'a'],
  [2n, null],
]);
const isQuickSql = (sql: string, mode: 'mysql' | 'oracle' = 'mysql') => isQuick({ sql, mode, schemas: FEW });

describe('a query is quick', () => {
  it.each([
    'SELECT TENANT_ID FROM oceanbase.V WHERE TENANT_ID = 1',
    'select * from V',
    'select * from `V`;',
    "SELECT TENANT_ID, COMMENT AS c FROM V WHERE COMMENT <> '(' AND TENANT_ID >= ? ORDER BY 1 DESC LIMIT 5",
    'SELECT DISTINCT COMMENT FROM V GROUP BY COMMENT',
    "SELECT TENANT_ID FROM V WHERE COMMENT = 'LIKE JOIN SELECT'",
  ])('when it compares and sorts: %s', (sql) => {
    expect(isQuickSql(sql)).toBe(true);
  });

  it.each([
    'SELECT COUNT(*) FROM V',
    'SELECT SLEEP(5) FROM V',
    'SELECT * FROM V a, V b, V c',
    'SELECT * FROM V JOIN V AS b',
    'SELECT * FROM V AS a',
    'SELECT * FROM V WHERE TENANT_ID IN (SELECT 1)',
    "SELECT * FROM V WHERE COMMENT LIKE '%a%b%c%d%'",
    "SELECT * FROM V WHERE COMMENT REGEXP '(a+)+$'",
    'SELECT COMMENT || COMMENT FROM V',
    'SELECT 1 FROM V UNION ALL SELECT 1 FROM V',
    'WITH x AS (SELECT 1) SELECT * FROM V',
    'SELECT * FROM V -- AS',
    'SELECT /*+ hint */ * FROM V',
    'SELECT 1',
    'DELETE FROM V',
    '',
    `SELECT ${'TENANT_ID, '.repeat(100)} 1 FROM V`,
  ])('but not: %s', (sql) => {
    expect(isQuickSql(sql)).toBe(false);
  });

  it('only over few rows of little text, of one view', () => {
    const sql = 'SELECT * FROM V';
    const mode = 'mysql';
    const rows = (count: number, text: string) => schemaOf(Array.from({ length: count }, () => [1n, text]));
    expect(isQuick({ sql, mode, schemas: rows(100, 'a') })).toBe(true);
    expect(isQuick({ sql, mode, schemas: rows(101, 'a') })).toBe(false);
    expect(isQuick({ sql, mode, schemas: rows(2, 'a'.repeat(40_000)) })).toBe(false);
    expect(isQuick({ sql, mode, schemas: [...FEW, { ...FEW[0]!, schema: 'other' }] })).toBe(false);
    expect(isQuick({ sql, mode, schemas: [] })).toBe(false);
  });
});
