import { DatabaseSync } from '@photostructure/sqlite';
import { afterAll, describe, expect, test } from 'vitest';
import type { SqlValue } from '../../model/result.ts';
import { parseStatement } from './parse.ts';
import type { EngineStatement, Reference, Select } from './statement.ts';
import { substituteReferences, toLiteral } from './substitute.ts';
import type { Lexical } from './tokenizer.ts';

const db = new DatabaseSync(':memory:');
db.exec('CREATE TABLE t (a TEXT)');
afterAll(() => db.close());

const VALUES: Record<string, SqlValue> = {
  version_comment: 'Holdfast',
  'GLOBAL.x': 7n,
  x: -1n,
  f: 1.5,
  n: null,
  quoted: 'it\'s \\ "',
  nul: 'a\0b',
  DATABASE: 'app',
  CONNECTION_ID: 12n,
};

function resolve(reference: Reference): SqlValue | undefined {
  const isGlobal = reference.type === 'systemVariable' && reference.scope === 'GLOBAL';
  return VALUES[isGlobal ? `GLOBAL.${reference.name}` : reference.name];
}

function rewrite(sql: string, lexical: Lexical = 'mysql'): string {
  return substituteReferences(sql, parseStatement(sql, lexical) as Select | EngineStatement, lexical, resolve);
}

/** Column names and the first row that SQLite gives for the rewritten text. */
function run(sql: string): [string[], unknown[]] {
  const statement = db.prepare(rewrite(sql));
  const row = statement.get() as Record<string, unknown>;
  return [statement.columns().map(({ name }) => name), Object.values(row)];
}

describe('what a client asks becomes what SQLite answers', () => {
  test.each<[string, string[], unknown[]]>([
    ['select @@version_comment limit 1', ['@@version_comment'], ['Holdfast']],
    ['SELECT @@version_comment AS v, @@GLOBAL.x', ['v', '@@GLOBAL.x'], ['Holdfast', 7]],
    ['SELECT @@version_comment v', ['v'], ['Holdfast']],
    ["SELECT @@version_comment 'v w'", ['v w'], ['Holdfast']],
    ['SELECT DISTINCT @@x, @n', ['@@x', '@n'], [-1, null]],
    ['SELECT 1-@@x', ['1-@@x'], [2]],
    ['SELECT 1 - -@@x', ['1 - -@@x'], [0]],
    ["SELECT concat('a', @@version_comment) , 2 b", ["concat('a', @@version_comment)", 'b'], ['aHoldfast', 2]],
    ['SELECT CAST(@f AS TEXT)', ['CAST(@f AS TEXT)'], ['1.5']],
    ['SELECT CASE WHEN @@x < 0 THEN 1 END', ['CASE WHEN @@x < 0 THEN 1 END'], [1]],
    ['SELECT @@x IS NULL', ['@@x IS NULL'], [0]],
    ['SELECT (SELECT @@x)', ['(SELECT @@x)'], [-1]],
    ['SELECT DATABASE(), connection_id( ) AS id', ['DATABASE()', 'id'], ['app', 12]],
    ['SELECT @quoted', ['@quoted'], ['it\'s \\ "']],
    ['SELECT @nul = @nul', ['@nul = @nul'], [1]],
    ['SELECT 1 FROM DUAL', ['1'], [1]],
    ['SELECT @@x FROM dual WHERE 1 = 1', ['@@x'], [-1]],
    ["SELECT 'it\\'s' AS a, \"a\\\\b\" AS b, 'x' AS c", ['a', 'b', 'c'], ["it's", 'a\\b', 'x']],
    ['SELECT 5--3 AS a # comment', ['a'], [8]],
    ['/*!40101 SELECT 1 AS a */', ['a'], [1]],
    ['SELECT 1 /*!50001 + 1 */ AS a', ['a'], [2]],
    ['SELECT count(*) AS n FROM t WHERE a = @@version_comment', ['n'], [0]],
    ['SELECT @@version_comment UNION ALL SELECT @@x ORDER BY 1 DESC', ['@@version_comment'], ['Holdfast']],
    ['WITH v AS (SELECT @@x) SELECT * FROM v', ['@@x'], [-1]],
  ])('%s', (sql, names, row) => {
    expect(run(sql)).toEqual([names, row]);
  });
});

test('an escaped quote of a driver cannot end a literal', () => {
  const sql = String.raw`INSERT INTO t VALUES ('\' ), (1); DROP TABLE t; -- ')`;
  db.exec(rewrite(sql));
  expect(db.prepare('SELECT a FROM t').all()).toEqual([{ a: "' ), (1); DROP TABLE t; -- " }]);
});

test('an oracle text is left as it is but for its references', () => {
  expect(rewrite(`SELECT 'a\\', "b", 1--2`, 'oracle')).toBe(`SELECT 'a\\', "b", 1--2`);
  expect(rewrite(`SELECT 'a\\', DATABASE()`, 'oracle')).toBe(`SELECT 'a\\', 'app' AS "DATABASE()"`);
});

test('what the resolver does not know stays, and long aliases are cut', () => {
  expect(rewrite('SELECT @@unknown, user()')).toBe('SELECT @@unknown, user()');
  const long = `SELECT ${'1 + '.repeat(500)}@@x`;
  expect(rewrite(long).split(' AS ')[1]).toHaveLength(257);
});

test('literals', () => {
  expect(toLiteral(new Uint8Array([0, 255]))).toBe("x'00ff'");
  expect(toLiteral(18446744073709551615n)).toBe('18446744073709551615');
  expect(() => toLiteral(Number.NaN)).toThrow(expect.objectContaining({ code: 4002 }));
});
