import { describe, expect, it } from 'vitest';
import { readStatement } from './sql-statement.ts';

const read = (sql: string, mode: 'mysql' | 'oracle' = 'mysql') => {
  const { kind, sql: out, parameterCount } = readStatement(sql, mode);
  return [kind, out.replace(/\s+/g, ' ').trim(), parameterCount];
};

describe('readStatement', () => {
  it.each([
    ['START TRANSACTION', 'BEGIN', 'BEGIN'],
    ['start transaction WITH CONSISTENT SNAPSHOT, READ ONLY', 'BEGIN', 'BEGIN'],
    ['BEGIN WORK', 'BEGIN', 'BEGIN'],
    ['BEGIN IMMEDIATE', 'BEGIN', 'BEGIN IMMEDIATE'],
    ['COMMIT WORK', 'COMMIT', 'COMMIT'],
    ['END', 'COMMIT', 'END'],
    ['ROLLBACK', 'ROLLBACK', 'ROLLBACK'],
    ['ROLLBACK TO SAVEPOINT s', 'OTHER', 'ROLLBACK TO SAVEPOINT s'],
    ['ROLLBACK TRANSACTION TO s', 'OTHER', 'ROLLBACK TRANSACTION TO s'],
    ['TRUNCATE TABLE t', 'TRUNCATE', 'DELETE FROM t'],
    ['truncate t', 'TRUNCATE', 'DELETE FROM t'],
    ['INSERT IGNORE INTO t VALUES (1)', 'INSERT', 'INSERT OR IGNORE INTO t VALUES (1)'],
    ['REPLACE INTO t VALUES (1)', 'INSERT', 'REPLACE INTO t VALUES (1)'],
    [
      'WITH x AS (SELECT 1), y AS (SELECT 2) UPDATE t SET a = 1',
      'UPDATE',
      'WITH x AS (SELECT 1), y AS (SELECT 2) UPDATE t SET a = 1',
    ],
    ['WITH x AS (SELECT 1) SELECT * FROM x', 'OTHER', 'WITH x AS (SELECT 1) SELECT * FROM x'],
    ['/* c */ DELETE FROM t; -- done', 'DELETE', 'DELETE FROM t'],
    ['SELECT \';\' AS "a;b"', 'OTHER', 'SELECT \';\' AS "a;b"'],
    ['SELECT CURRENT_TIMESTAMP(), ISNULL(a) FROM t', 'OTHER', 'SELECT now(), is_null(a) FROM t'],
    ['SELECT CURRENT_TIMESTAMP', 'OTHER', 'SELECT CURRENT_TIMESTAMP'],
    ['SELECT 1 FROM DUAL', 'OTHER', 'SELECT 1 FROM DUAL'],
    ['VACUUM', 'VACUUM', 'VACUUM'],
  ])('reads %s', (sql, kind, out) => {
    expect(read(sql)).toEqual([kind, out, 0]);
  });

  it('drops FROM DUAL and calls SYSDATE in oracle tenants', () => {
    expect(read('SELECT SYSDATE FROM dual', 'oracle')).toEqual(['OTHER', 'SELECT SYSDATE()', 0]);
  });

  it('counts placeholders outside strings, names and comments', () => {
    expect(read(`SELECT ?, '?', "?" /* ? */ FROM t WHERE a = ? -- ?`)[2]).toBe(2);
  });

  it('keeps the semicolons of a trigger body inside the statement', () => {
    const trigger =
      'CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET a = CASE WHEN 1 THEN 2 END; DELETE FROM u; END';
    expect(read(`${trigger};`)[1]).toBe(trigger);
    expect(read(trigger.replace('CREATE', 'CREATE TEMP'))[1]).toContain('DELETE FROM u; END');
    expect(() => read(`${trigger}; SELECT 1`)).toThrow(/near 'SELECT 1'/);
  });

  it.each(['', ' ', ';', '-- x', 'SELECT 1; SELECT 2', 'SELECT 1;; DROP TABLE t', 'SELECT 1\0'])(
    'refuses %j',
    (sql) => {
      expect(() => read(sql)).toThrow(/syntax/);
    },
  );

  it('refuses VACUUM INTO and named parameters', () => {
    expect(() => read("VACUUM INTO 'x'")).toThrow(/refused/);
    expect(() => read('SELECT :a')).toThrow(/named/);
  });
});
