import { describe, expect, it } from 'vitest';
import { DatabaseSync } from '../base/sqlite.ts';
import type { SqlValue } from '../model/result.ts';
import { MYSQL_FUNCTIONS, registerMysqlFunctions } from './mysql-functions.ts';
import { completeFacts } from './session-facts.ts';

const NOW_NS = 1_795_348_800_123_456_789n; // 2026-11-22 12:00:00.123456789 UTC
const facts = completeFacts(
  {
    user: 'root',
    host: 'h',
    database: 'd',
    connectionId: 7,
    timeZone: '+08:00',
    version: 'v',
    lastInsertId: 5n,
    rowCount: 2n,
  },
  NOW_NS,
);

function connection(overridesBuiltIns: boolean): DatabaseSync {
  const db = new DatabaseSync(':memory:', { readBigInts: true, returnArrays: true });
  registerMysqlFunctions(db, { facts: () => facts, overridesBuiltIns });
  return db;
}
const mysql = connection(true);
const value = (sql: string, db = mysql) => (db.prepare(`SELECT ${sql}`).all() as unknown as SqlValue[][])[0]![0];

describe('functions of MySQL', () => {
  it.each<[string, SqlValue]>([
    ["concat('a', 1, 2.5)", 'a12.5'],
    ["concat('a', NULL)", null],
    ["concat_ws(',', 'a', NULL, 'b')", 'a,b'],
    ["concat_ws(NULL, 'a')", null],
    ["left('é😀x', 2)", 'é😀'],
    ["right('abc', 2)", 'bc'],
    ["right('abc', 0)", ''],
    ["lpad('abc', 6, 'xy')", 'xyxabc'],
    ["rpad('abc', 2, 'x')", 'ab'],
    ["lpad('a', -1, 'x')", null],
    ["repeat('ab', 3)", 'ababab'],
    ["reverse('abc')", 'cba'],
    ["mid('abcdef', 2, 3)", 'bcd'],
    ["mid('abcdef', -2)", 'ef'],
    ["substring_index('a.b.c', '.', -2)", 'b.c'],
    ["char_length('é😀')", 2n],
    ["length('é')", 2n],
    ["length(x'000102')", 3n],
    ["locate('b', 'abcb', 3)", 4n],
    ["find_in_set('B', 'a,b')", 2n],
    ["field('b', 'a', 'b')", 2n],
    ["elt(2, 'a', 'b')", 'b'],
    ["strcmp('a', 'b')", -1n],
    ["sha1('a')", '86f7e437faa5a7fce15d1ddcb9eaeaea377667b8'],
    ["length(sha2('a', 512))", 128n],
    ["sha2('a', 1)", null],
    ["'Abc' REGEXP '^a.c$'", 1n],
    ["regexp_like('abc', 'x')", 0n],
    ['length(uuid())', 36n],
    ['format(12345.678, 1)', '12,345.7'],
    ["if(NULL, 'a', 'b')", 'b'],
    ["if('1x', 'a', 'b')", 'a'],
    ['is_null(NULL)', 1n],
    ["nvl(NULL, 'x')", 'x'],
    ["nvl2(1, 'x', 'y')", 'x'],
    ["decode(2, 1, 'a', 2, 'b', 'c')", 'b'],
    ["decode(9, 1, 'a', 'c')", 'c'],
    ['greatest(1, 3, 2)', 3n],
    ["least('b', 'a')", 'a'],
    ['greatest(1, NULL)', null],
    ['truncate(-1.99, 1)', -1.9],
    ['sleep(0)', 0n],
    ['version()', 'v'],
    ['database()', 'd'],
    ['schema()', 'd'],
    ['user()', 'root@h'],
    ['current_user()', 'root@%'],
    ['connection_id()', 7n],
    ['last_insert_id()', 5n],
    ['row_count()', 2n],
    ['now()', '2026-11-22 20:00:00'],
    ['now(3)', '2026-11-22 20:00:00.123'],
    ['utc_timestamp()', '2026-11-22 12:00:00'],
    ['curdate()', '2026-11-22'],
    ['curtime()', '20:00:00'],
    ['unix_timestamp()', 1_795_348_800n],
    ["unix_timestamp('1970-01-01 08:00:01')", 1n],
    ['from_unixtime(0)', '1970-01-01 08:00:00'],
    ["from_unixtime(1.5, '%s.%f')", '01.500000'],
    [
      "date_format('2026-03-01 13:05:09', '%a %b %D %j %h:%i %p %r %T %y %c %e %k %%')",
      'Sun Mar 1st 060 01:05 PM 01:05:09 PM 13:05:09 26 3 1 13 %',
    ],
    ["date_format('nonsense', '%Y')", null],
    ["date_add('2026-01-31', 1, 'MONTH')", '2026-02-28'],
    ["date_add('2026-01-31', 1, 'HOUR')", '2026-01-31 01:00:00'],
    ["date_sub('2026-03-01 00:00:00', 1, 'SECOND')", '2026-02-28 23:59:59'],
    ["date_add('9999-12-31', 1, 'DAY')", null],
    ["date_add('2026-01-01', 1, 'NONSENSE')", null],
    ["timestampadd('DAY', 2, '2026-01-01')", '2026-01-03'],
    ["timestampdiff('MONTH', '2026-01-31', '2026-02-28')", 1n],
    ["timestampdiff('MONTH', '2026-01-15', '2026-02-14')", 0n],
    ["timestampdiff('YEAR', '2026-01-01', '2020-01-01')", -6n],
    ["timestampdiff('SECOND', '2026-01-01', '2026-01-01 00:01:00')", 60n],
    ["datediff('2026-01-02 00:00:01', '2026-01-01 23:59:59')", 1n],
    ["last_day('2024-02-05')", '2024-02-29'],
    ["year('2026-02-03')", 2026n],
    ["dayofweek('2026-11-22')", 1n],
    ["weekday('2026-11-22')", 6n],
    ["dayname('2026-11-22')", 'Sunday'],
    ["monthname('2026-11-22')", 'November'],
    ["extract_unit('MINUTE', '2026-01-01 10:20:30')", 20n],
    ["cast_date('2026-01-01 10:20:30')", '2026-01-01'],
    ["cast_datetime('2026-01-01')", '2026-01-01 00:00:00'],
    ["to_char('2026-01-02 13:04:05', 'YYYY-MM-DD HH24:MI:SS')", '2026-01-02 13:04:05'],
    ["to_char('2026-01-02 13:04:05', 'DD-MON-YY HH12:MI AM \"at\"')", '02-JAN-26 01:04 PM at'],
    ['to_char(5)', '5'],
    ["to_date('02.01.2026', 'DD.MM.YYYY')", '2026-01-02 00:00:00'],
    ["to_date('x', 'DD.MM.YYYY')", null],
    ['systimestamp()', '2026-11-22 20:00:00.123456'],
  ])('%s', (sql, expected) => {
    expect(value(sql)).toEqual(expected);
  });

  it("leaves SQLite's own functions alone unless told otherwise", () => {
    const tenant = connection(false);
    expect(value("concat('a', NULL)", tenant)).toBe('a');
    expect(value("length('é')", tenant)).toBe(1n);
    expect(value("format('%d', 5)", tenant)).toBe('5');
    expect(value("left('abc', 1)", tenant)).toBe('a');
  });

  it('bounds what a call can cost and counts its arguments', () => {
    expect(() => value("repeat('abc', 1000000000)")).toThrow(/longer than/);
    expect(() => value(`'x' REGEXP '${'a'.repeat(5000)}'`)).toThrow(/4096/);
    expect(() => value("left('a')")).toThrow('wrong number of arguments to function left()');
  });

  it('can not be used by the schema of a database', () => {
    const db = connection(false);
    db.exec('CREATE TABLE t (a)');
    db.exec('CREATE VIEW v AS SELECT sleep(0)');
    expect(() => db.prepare('SELECT * FROM v').all()).toThrow(/unsafe use/);
  });

  it('has the names that clients use', () => {
    const names = 'now curdate unix_timestamp from_unixtime date_format concat concat_ws if left right lpad rpad sleep';
    const session =
      'version database schema user current_user session_user connection_id last_insert_id row_count found_rows';
    for (const name of `${names} ${session}`.split(' ')) expect(Object.keys(MYSQL_FUNCTIONS)).toContain(name);
  });
});
