import { describe, expect, test } from 'vitest';
import { parseStatement } from './parse.ts';
import type { EngineStatement, Select } from './statement.ts';

/** Tables of a statement as `schema.name`. */
function tablesOf(sql: string): string[] {
  const { tables } = parseStatement(sql, 'mysql') as Select | EngineStatement;
  return tables.map(({ schema, name }) => (schema === null ? name : `${schema}.${name}`));
}

describe('tables', () => {
  test.each([
    ['SELECT 1', []],
    ['SELECT * FROM oceanbase.CDB_OB_BACKUP_JOBS', ['oceanbase.CDB_OB_BACKUP_JOBS']],
    [
      'select a.x from `A b`.`c``d` as a, t2 b join t3 on (t3.x, 1) = (f(a.y, 2), 1), t4 where x in (1, y)',
      ['A b.c`d', 't2', 't3', 't4'],
    ],
    [
      "SELECT (SELECT max(x) FROM u), EXTRACT(YEAR FROM d), TRIM(LEADING 'x' FROM n) FROM v WHERE EXISTS (SELECT 1 FROM w)",
      ['u', 'v', 'w'],
    ],
    ['SELECT * FROM (SELECT * FROM a, b) x, (c JOIN (d, e)) LEFT JOIN f USING (g, h)', ['a', 'b', 'c', 'd', 'e', 'f']],
    ['SELECT a IS DISTINCT FROM b FROM c', ['c']],
    ["SELECT * FROM json_each('[]') j, t", ['t']],
    ['SELECT a FROM t ORDER BY b, c LIMIT 1, 2', ['t']],
    ['SELECT a FROM t UNION SELECT b FROM u, t', ['t', 'u']],
    ['WITH a AS (SELECT * FROM x), b (c, d) AS (SELECT * FROM a, y) SELECT * FROM a, b, z.a', ['x', 'y', 'z.a']],
    ['WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT * FROM n', []],
    ['(SELECT * FROM a) UNION (SELECT * FROM b)', ['a', 'b']],
    ['TABLE t', ['t']],
    ['VALUES (1), (2)', []],
    ['SELECT 1 FROM DUAL', []],
    ['SELECT * FROM information_schema.tables t WHERE t.`from` = 1', ['information_schema.tables']],
    ['SELECT * FROM V$OB_ARCHIVE_DEST_STATUS', ['V$OB_ARCHIVE_DEST_STATUS']],
    ['INSERT INTO d.t (a, b) SELECT x, y FROM u', ['d.t', 'u']],
    ['INSERT OR IGNORE INTO t VALUES (1, 2)', ['t']],
    ['REPLACE t VALUES (1)', ['t']],
    ['UPDATE IGNORE t SET a = (SELECT b FROM u), c = 1', ['t', 'u']],
    ['DELETE FROM t WHERE a IN (SELECT b FROM u)', ['t', 'u']],
    ['CREATE TABLE IF NOT EXISTS t (a INT, b INT)', ['t']],
    ['DROP TABLE IF EXISTS a, d.b', ['a', 'd.b']],
    ['ALTER TABLE t ADD COLUMN x', ['t']],
    ['TRUNCATE TABLE t', ['t']],
    ['TRUNCATE t', ['t']],
    ['EXPLAIN SELECT * FROM t', ['t']],
    ['CREATE VIEW v AS SELECT * FROM t', ['v', 't']],
  ])('of %s', (sql, tables) => {
    expect(tablesOf(sql)).toEqual(tables);
  });
});

describe('classification', () => {
  test.each([
    ['SELECT 1', 'select', false],
    ['  /* c */ (SELECT 1);', 'select', false],
    ['SELECT 1 FROM dual', 'select', false],
    ['SELECT (SELECT 1 FROM t)', 'select', true],
    ['SELECT * FROM (SELECT 1) x', 'select', true],
    ['WITH a AS (SELECT 1) SELECT * FROM a', 'select', true],
    ['TABLE t', 'select', true],
    ['VALUES (1)', 'select', false],
    ['((((SELECT 1))))', 'select', false],
    ['SELECT 1 LIMIT 1 OFFSET 0;;', 'select', false],
  ])('%s is a select', (sql, kind, hasFrom) => {
    expect(parseStatement(sql, 'mysql')).toMatchObject({ kind, hasFrom });
  });

  test.each([
    ['WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a', 'INSERT', 'A'],
    ['WITH a AS (SELECT 1), b AS (SELECT 2) DELETE FROM t', 'DELETE', 'A'],
    ['create index i on t(a)', 'CREATE', 'INDEX'],
    ['CREATE TABLE t (a)', 'CREATE', 'TABLE'],
    ['PRAGMA user_version', 'PRAGMA', 'USER_VERSION'],
    ['CALL p()', 'CALL', 'P'],
    ['HELP me', 'HELP', 'ME'],
    ['DELIMITER //', 'DELIMITER', ''],
    ['VACUUM', 'VACUUM', ''],
    ['ALTER SYSTM SET a = 1', 'ALTER', 'SYSTM'],
    ['CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE u SET a = 1; END;', 'CREATE', 'TRIGGER'],
  ])('%s is for the engine', (sql, verb, object) => {
    expect(parseStatement(sql, 'mysql')).toMatchObject({ kind: 'engine', verb, object });
  });

  test.each(['', ' ; ', '-- only a comment', '/* x */;'])('%j is empty', (sql) => {
    expect(parseStatement(sql, 'mysql')).toEqual({ kind: 'empty' });
  });

  test.each([
    ['SELECT 1; SELECT 2', 'SELECT 2', 1],
    ["SELECT\n 'a", "'******", 2],
    ['SELECT 1)', ')', 1],
    ['SELECT 1 /* x', '******', 1],
    ['123', '123', 1],
    ["'x'", "'x'", 1],
    ['CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END; ALTER SYSTEM X', 'ALTER SYSTEM X', 1],
    ['INSERT INTO t VALUES (1); ALTER SYSTEM BACKUP DATABASE', 'ALTER SYSTEM BACKUP DATABASE', 1],
  ])('%j is a syntax error', (sql, near, line) => {
    expect(() => parseStatement(sql, 'mysql')).toThrow(expect.objectContaining({ facts: { near, line } }));
  });
});

test('references are found where they stand, outside of strings, accounts and INTO', () => {
  const sql =
    "SELECT @@Global.X, @`My v`, database(), CURRENT_USER, version(1), user, t.@@x, '@a' INTO @b FROM t WHERE user () = @c";
  const { references } = parseStatement(sql, 'mysql') as Select;
  expect(references.map(({ start, end, ...facts }) => ({ ...facts, text: sql.slice(start, end) }))).toEqual([
    { type: 'systemVariable', scope: 'GLOBAL', name: 'x', text: '@@Global.X' },
    { type: 'userVariable', name: 'my v', text: '@`My v`' },
    { type: 'function', name: 'DATABASE', text: 'database()' },
    { type: 'function', name: 'CURRENT_USER', text: 'CURRENT_USER' },
    { type: 'function', name: 'USER', text: 'user ()' },
    { type: 'userVariable', name: 'c', text: '@c' },
  ]);
  const account = parseStatement('CREATE DEFINER=`root`@`%` VIEW v AS SELECT 1', 'mysql') as EngineStatement;
  expect(account.references).toEqual([]);
});
