import { describe, expect, it } from 'vitest';
import { translateViewQuery } from './view-sql.ts';

const mysql = (sql: string) => translateViewQuery(sql, 'mysql').sql.replace(/\s+/g, ' ').trim();
const oracle = (sql: string) => translateViewQuery(sql, 'oracle').sql.replace(/\s+/g, ' ').trim();

describe('view queries of mysql clients', () => {
  it.each([
    ['SELECT `a` FROM t LIMIT 1, 2', 'SELECT `a` FROM t LIMIT 1, 2'],
    [
      String.raw`SELECT a FROM t WHERE b = "it's" AND c = 'x\'y\n'`,
      "SELECT a FROM t WHERE b = 'it''s' AND c = 'x''y '",
    ],
    ['SELECT a FROM t WHERE b = \'a\'\'b\' OR c = "d""e"', `SELECT a FROM t WHERE b = 'a''b' OR c = 'd"e'`],
    ["SELECT a FROM t WHERE b = _utf8mb4'x' AND c = N'y'", "SELECT a FROM t WHERE b = 'x' AND c = 'y'"],
    ['SELECT a FROM t WHERE a <=> NULL && b || !c', 'SELECT a FROM t WHERE a IS NULL AND b OR NOT c'],
    ['SELECT a / b / 2 AS r FROM t', 'SELECT a * 1.0 / b * 1.0 / 2 AS r FROM t'],
    ['SELECT a DIV b AS d, a MOD b AS m, MOD(a, b) FROM t', 'SELECT a / b AS d, a % b AS m, MOD(a, b) FROM t'],
    ["SELECT a FROM t WHERE b RLIKE '^x'", "SELECT a FROM t WHERE b REGEXP '^x'"],
    [String.raw`SELECT a FROM t WHERE b LIKE 'x\_%'`, String.raw`SELECT a FROM t WHERE b LIKE 'x\_%' ESCAPE '\'`],
    ["SELECT a FROM t WHERE b LIKE 'x|_' ESCAPE '|'", "SELECT a FROM t WHERE b LIKE 'x|_' ESCAPE '|'"],
    ['SELECT SQL_NO_CACHE a FROM t FOR UPDATE', 'SELECT a FROM t'],
    ['SELECT a FROM t FOR UPDATE SKIP LOCKED', 'SELECT a FROM t'],
    ['SELECT a FROM t LOCK IN SHARE MODE', 'SELECT a FROM t'],
    ['SELECT STRAIGHT_JOIN a FROM t STRAIGHT_JOIN u USE INDEX (i, j) ON 1', 'SELECT a FROM t JOIN u ON 1'],
    [
      'SELECT a COLLATE utf8mb4_general_ci AS a FROM t ORDER BY a COLLATE NOCASE',
      'SELECT a AS a FROM t ORDER BY a COLLATE NOCASE',
    ],
    ['SELECT a FROM t WHERE BINARY a = 1', 'SELECT a FROM t WHERE a = 1'],
    ['SELECT /*+ hint */ a /*!40001 SQL_NO_CACHE */ FROM t -- end', 'SELECT a FROM t'],
    ['SELECT a FROM t # end\nWHERE 1', 'SELECT a FROM t WHERE 1'],
    ['SELECT 1 FROM DUAL', 'SELECT 1'],
    [
      'SELECT CAST(a AS SIGNED INTEGER) AS n, CAST(b AS CHAR(10)) AS c FROM t',
      'SELECT CAST(a AS INTEGER ) AS n, CAST(b AS TEXT ) AS c FROM t',
    ],
    [
      'SELECT CAST(a AS DATETIME(6)) AS n, CAST(b AS DECIMAL(10, 2)) AS c FROM t',
      'SELECT cast_datetime(a ) AS n, CAST(b AS NUMERIC ) AS c FROM t',
    ],
    [
      'SELECT CONVERT(a, UNSIGNED) AS n, CONVERT(b USING utf8) AS c FROM t',
      'SELECT CAST(a AS INTEGER) AS n, (b ) AS c FROM t',
    ],
    ['SELECT a FROM t WHERE b > NOW() - INTERVAL 1 HOUR', "SELECT a FROM t WHERE b > date_sub(NOW() , 1 , 'HOUR')"],
    [
      'SELECT a FROM t WHERE t.b + INTERVAL 2 DAY - INTERVAL 1 HOUR > 0',
      "SELECT a FROM t WHERE date_sub(date_add(t.b , 2 , 'DAY') , 1 , 'HOUR') > 0",
    ],
    [
      'SELECT a FROM t WHERE b > DATE_SUB(CURDATE(), INTERVAL 7 DAY)',
      "SELECT a FROM t WHERE b > DATE_SUB(CURDATE(), 7 , 'DAY')",
    ],
    ["SELECT a FROM t WHERE b > TIMESTAMP '2026-01-01 00:00:00'", "SELECT a FROM t WHERE b > '2026-01-01 00:00:00'"],
    ['SELECT TIMESTAMPDIFF(SECOND, a, b) AS s FROM t', "SELECT TIMESTAMPDIFF('SECOND', a, b) AS s FROM t"],
    ['SELECT EXTRACT(YEAR FROM a) AS y FROM t', "SELECT extract_unit('YEAR' , a) AS y FROM t"],
    [
      "SELECT GROUP_CONCAT(a, b ORDER BY c SEPARATOR ';') AS g FROM t",
      "SELECT GROUP_CONCAT(a || b , ';' ORDER BY c ) AS g FROM t",
    ],
    ["SELECT GROUP_CONCAT(DISTINCT a SEPARATOR ',') AS g FROM t", 'SELECT GROUP_CONCAT(DISTINCT a ) AS g FROM t'],
    ['SELECT ISNULL(a) AS n, CURRENT_TIMESTAMP() AS t', 'SELECT is_null(a) AS n, now() AS t'],
  ])('%s', (from, to) => {
    expect(mysql(from)).toBe(to);
  });

  it('keeps the text of a changed item as its name, and an alias as it is', () => {
    expect(mysql('SELECT a/b, a / b q, (a/b) AS z, count(*) FROM t')).toBe(
      'SELECT a* 1.0 /b AS "a/b", a * 1.0 / b q, (a* 1.0 /b) AS z, count(*) FROM t',
    );
    expect(mysql('SELECT \'x\', "y" FROM t')).toBe(`SELECT 'x' AS "x", 'y' AS "y" FROM t`);
    expect(mysql('SELECT CURRENT_USER, a IS NULL, *, t.* FROM t')).toBe(
      'SELECT CURRENT_USER() AS "CURRENT_USER", a IS NULL, *, t.* FROM t',
    );
    expect(mysql('WITH c AS (SELECT 1/2 AS x) SELECT x DIV 2 FROM c')).toBe(
      'WITH c AS (SELECT 1* 1.0 /2 AS x) SELECT x / 2 AS "x DIV 2" FROM c',
    );
  });

  it.each(['', ';', 'DELETE FROM t', 'SELECT 1; SELECT 2', 'SELECT \0', String.raw`SELECT 'a\0b'`])(
    'refuses %j',
    (sql) => {
      expect(() => mysql(sql)).toThrow(/syntax/);
    },
  );
});

describe('view queries of oracle clients', () => {
  it('reads double quotes as names and || as concatenation', () => {
    expect(oracle(`SELECT "A" || 'it''s \\' FROM t`)).toBe(`SELECT "A" || 'it''s \\' FROM t`);
    expect(oracle('SELECT SYSDATE FROM DUAL')).toBe(`SELECT SYSDATE() AS "SYSDATE" FROM (SELECT 'X' AS "DUMMY")`);
  });
});
