import { describe, expect, test } from 'vitest';
import { parseStatement } from './parse.ts';

const parse = (sql: string, mode: 'mysql' | 'oracle' = 'mysql') => parseStatement(sql, mode);
const near = (text: string) => expect.objectContaining({ errorName: 'SYNTAX', facts: { near: text, line: 1 } });

describe('SET ENCRYPTION and DECRYPTION', () => {
  test.each([
    ["SET ENCRYPTION ON IDENTIFIED BY 'p w' ONLY;", { kind: 'setEncryption', password: 'p w' }],
    ['set encryption off', { kind: 'setEncryption', password: null }],
    ["SET DECRYPTION IDENTIFIED BY 'a'", { kind: 'setDecryption', passwords: ['a'] }],
    ["SET DECRYPTION IDENTIFIED BY 'a', \"b\" ,'c'", { kind: 'setDecryption', passwords: ['a', 'b', 'c'] }],
  ])('reads %s', (sql, statement) => {
    expect(parse(sql)).toEqual(statement);
  });

  test('refuses the modes without ONLY with 4007', () => {
    expect(() => parse("SET ENCRYPTION ON IDENTIFIED BY 'pw'")).toThrow(expect.objectContaining({ code: 4007 }));
  });

  test.each([
    ["SET ENCRYPTION ON IDENTIFIED BY 'pw' ONLI", 'ONLI'],
    ["SET ENCRYPTION ON IDENTIFED BY 'pw' ONLY", "IDENTIFED BY '******' ONLY"],
    ["SET ENCRYPTIN ON IDENTIFIED BY 'pw' ONLY", "ENCRYPTIN ON IDENTIFIED BY '******' ONLY"],
    ['SET ENCRYPTION ON IDENTIFIED BY pw ONLY', '****** ONLY'],
    ["SET DECRYPTION IDENTIFIED BY 'a',", ''],
    ["SET DECRYPTION IDENTIFIED BY 'a' 'b'", "'******'"],
  ])('refuses %s without quoting the password', (sql, text) => {
    expect(() => parse(sql)).toThrow(near(text));
  });
});

describe('passwords', () => {
  const plain = { kind: 'setPassword', account: null, password: 'x', replace: null };
  test.each([
    ["ALTER USER root IDENTIFIED BY 'x'", { ...plain, account: { user: 'root', host: null } }],
    [
      "ALTER USER 'root'@'%' IDENTIFIED BY 'x' REPLACE 'old'",
      { ...plain, account: { user: 'root', host: '%' }, replace: 'old' },
    ],
    ["ALTER USER root@localhost IDENTIFIED BY 'x'", { ...plain, account: { user: 'root', host: 'localhost' } }],
    ["ALTER USER root@% IDENTIFIED BY 'x'", { ...plain, account: { user: 'root', host: '%' } }],
    ["ALTER USER IF EXISTS `root` IDENTIFIED BY 'x'", { ...plain, account: { user: 'root', host: null } }],
    ["ALTER USER USER() IDENTIFIED BY 'x'", plain],
    ["ALTER USER CURRENT_USER IDENTIFIED BY 'x'", plain],
    ["ALTER USER IDENTIFIED BY 'x'", plain],
    [
      "ALTER USER root IDENTIFIED WITH mysql_native_password BY 'x'",
      { ...plain, account: { user: 'root', host: null } },
    ],
    ["SET PASSWORD = 'x'", plain],
    ["SET PASSWORD = PASSWORD('x')", plain],
    ["SET PASSWORD FOR 'root'@'%' = PASSWORD('x')", { ...plain, account: { user: 'root', host: '%' } }],
    ["SET PASSWORD FOR root = 'x'", { ...plain, account: { user: 'root', host: null } }],
    ["SET PASSWORD FOR CURRENT_USER() = 'x' REPLACE 'y'", { ...plain, replace: 'y' }],
  ])('reads %s', (sql, statement) => {
    expect(parse(sql)).toEqual(statement);
  });

  test('in oracle mode a password may be a bare word or an identifier', () => {
    const account = { user: 'SYS', host: null };
    expect(parse('ALTER USER SYS IDENTIFIED BY x', 'oracle')).toEqual({ ...plain, account });
    expect(parse('ALTER USER SYS IDENTIFIED BY "x" REPLACE y', 'oracle')).toEqual({ ...plain, account, replace: 'y' });
    expect(() => parse('ALTER USER SYS IDENTIFIED BY x')).toThrow(near('******'));
  });

  test.each([
    ['CREATE ROLE r', 'CREATE ROLE is'],
    ['SET ROLE NONE', 'SET ROLE is'],
    ["ALTER USER u IDENTIFIED BY PASSWORD '*AB'", 'IDENTIFIED BY PASSWORD is'],
    ["ALTER USER u IDENTIFIED WITH sha2 BY 'x'", 'IDENTIFIED WITH this plugin is'],
    ["ALTER USER u IDENTIFIED BY 'x', v IDENTIFIED BY 'y'", 'ALTER USER with several accounts is'],
  ])('knows and refuses %s', (sql, what) => {
    expect(parse(sql)).toEqual({ kind: 'notSupported', what });
  });

  test.each([
    ["ALTER USER root IDENTIFED BY 'x'", "IDENTIFED BY '******'"],
    ["SET PASSWORD 'x'", "'******'"],
    ["SET PASSWORD = PASWORD('x')", "******('******')"],
  ])('refuses %s', (sql, text) => {
    expect(() => parse(sql)).toThrow(near(text));
  });
});

describe('variables', () => {
  const system = (name: string, value: unknown, scope: string | null = null) => ({
    set: 'systemVariable',
    scope,
    name,
    value,
  });
  const literal = (value: unknown) => ({ is: 'literal', value });
  test.each([
    ['SET NAMES utf8mb4', [{ set: 'names', charset: 'utf8mb4', collation: null }]],
    ["SET NAMES 'utf8' COLLATE utf8_bin", [{ set: 'names', charset: 'utf8', collation: 'utf8_bin' }]],
    ['SET NAMES DEFAULT', [{ set: 'names', charset: null, collation: null }]],
    ['SET CHARACTER SET utf8', [{ set: 'names', charset: 'utf8', collation: null }]],
    ['SET CHARSET utf8', [{ set: 'names', charset: 'utf8', collation: null }]],
    ['SET autocommit=0', [system('autocommit', literal(0n))]],
    ['set AutoCommit := ON', [system('autocommit', { is: 'word', word: 'ON' })]],
    ['SET SESSION sql_mode = DEFAULT', [system('sql_mode', { is: 'default' }, 'SESSION')]],
    ['SET GLOBAL max_connections = 10', [system('max_connections', literal(10n), 'GLOBAL')]],
    [
      'SET @@session.x = -5, @@global.y = +1.5, @@z = NULL',
      [system('x', literal(-5n), 'SESSION'), system('y', literal(1.5), 'GLOBAL'), system('z', literal(null))],
    ],
    ['SET a = TRUE, LOCAL b = false', [system('a', literal(1n)), system('b', literal(0n), 'SESSION')]],
    [
      "SET time_zone = '+08:00', tz = SYSTEM",
      [system('time_zone', literal('+08:00')), system('tz', { is: 'word', word: 'SYSTEM' })],
    ],
    ['SET @X = 1', [{ set: 'userVariable', name: 'x', value: literal(1n) }]],
    ["SET @`a b` := 'c'", [{ set: 'userVariable', name: 'a b', value: literal('c') }]],
    [
      "SET a = (SELECT 1, 2), b = concat(@@sql_mode, ',X') ;",
      [
        system('a', { is: 'expression', text: '(SELECT 1, 2)' }),
        system('b', { is: 'expression', text: "concat(@@sql_mode, ',X')" }),
      ],
    ],
    [
      '/*!40101 SET @old=@@SQL_MODE */;',
      [
        {
          set: 'userVariable',
          name: 'old',
          value: {
            is: 'reference',
            reference: { type: 'systemVariable', scope: null, name: 'sql_mode', start: 18, end: 28 },
          },
        },
      ],
    ],
    [
      "SET NAMES utf8mb4, @@SESSION.sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), @@SESSION.wait_timeout = 2147483",
      [
        { set: 'names', charset: 'utf8mb4', collation: null },
        system('sql_mode', { is: 'expression', text: "CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')" }, 'SESSION'),
        system('wait_timeout', literal(2147483n), 'SESSION'),
      ],
    ],
    [
      "ALTER SESSION SET NLS_DATE_FORMAT='YYYY' x = 1",
      [system('nls_date_format', literal('YYYY'), 'SESSION'), system('x', literal(1n), 'SESSION')],
    ],
  ])('reads %s', (sql, items) => {
    expect(parse(sql)).toEqual({ kind: 'set', items });
  });

  test('reads the choice of a schema as USE', () => {
    expect(parse('ALTER SESSION SET CURRENT_SCHEMA = app')).toEqual({ kind: 'use', database: 'app' });
  });

  test.each([
    ['SET TRANSACTION READ ONLY', { scope: null, isolation: null, isReadOnly: true }],
    [
      'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE',
      { scope: 'SESSION', isolation: 'REPEATABLE READ', isReadOnly: false },
    ],
    [
      'SET GLOBAL TRANSACTION ISOLATION LEVEL SERIALIZABLE',
      { scope: 'GLOBAL', isolation: 'SERIALIZABLE', isReadOnly: null },
    ],
  ])('reads %s', (sql, facts) => {
    expect(parse(sql)).toEqual({ kind: 'setTransaction', ...facts });
  });

  test.each([
    ['SET', ''],
    ['SET a', ''],
    ['SET a 1', '1'],
    ['SET a =', ''],
    ['SET a = 1,', ''],
    ['SET a = (1', ''],
    ['SET a = 1)', ')'],
    ['SET NAMS utf8', 'NAMS utf8'],
    ['SET TRANSACTION ISOLATION LEVEL REPEATABLE', 'REPEATABLE'],
    ['SET @a', ''],
    ['SET SESSION TRANSACTON READ ONLY', 'READ ONLY'],
  ])('refuses %s', (sql, text) => {
    expect(() => parse(sql)).toThrow(near(text));
  });
});
