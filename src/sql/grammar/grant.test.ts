import { describe, expect, test } from 'vitest';
import { parseStatement } from './parse.ts';

const parse = (sql: string, mode: 'mysql' | 'oracle' = 'mysql') => parseStatement(sql, mode);
const u = { user: 'u', host: null };
const v = { user: 'v', host: '%' };

describe('users', () => {
  const created = { kind: 'createUser', isIfNotExists: false, isLocked: false };
  test.each([
    ["CREATE USER u IDENTIFIED BY 'x'", { ...created, users: [{ account: u, password: 'x' }] }],
    [
      "CREATE USER IF NOT EXISTS u, 'v'@'%' IDENTIFIED WITH caching_sha2_password BY 'y' ACCOUNT LOCK;",
      {
        ...{ ...created, isIfNotExists: true, isLocked: true },
        users: [
          { account: u, password: '' },
          { account: v, password: 'y' },
        ],
      },
    ],
    ["DROP USER u, 'v'@'%'", { kind: 'dropUser', isIfExists: false, accounts: [u, v] }],
    ['drop user if exists u', { kind: 'dropUser', isIfExists: true, accounts: [u] }],
    ['ALTER USER u, v@% ACCOUNT LOCK', { kind: 'lockUser', isIfExists: false, accounts: [u, v], isLocked: true }],
    ['ALTER USER IF EXISTS u ACCOUNT UNLOCK', { kind: 'lockUser', isIfExists: true, accounts: [u], isLocked: false }],
    ['RENAME USER u TO v@%, a TO b', { kind: 'renameUser', renames: expect.arrayContaining([{ from: u, to: v }]) }],
  ])('%s', (sql, statement) => {
    expect(parse(sql)).toEqual(statement);
  });

  test('in oracle mode a password may be a bare word', () => {
    expect(parse('CREATE USER u IDENTIFIED BY x', 'oracle')).toEqual({
      ...created,
      users: [{ account: u, password: 'x' }],
    });
    expect(() => parse('CREATE USER u IDENTIFIED BY x')).toThrow('syntax');
  });

  test.each([
    ["CREATE USER u IDENTIFIED BY PASSWORD '*AB'", 'IDENTIFIED BY PASSWORD is'],
    ["CREATE USER u IDENTIFIED WITH sha256_password BY 'x'", 'IDENTIFIED WITH this plugin is'],
    ["CREATE USER u IDENTIFIED BY 'x' REQUIRE SSL", 'CREATE USER … REQUIRE is'],
    ["CREATE USER u IDENTIFIED BY 'x' PASSWORD EXPIRE", 'CREATE USER … PASSWORD is'],
    ['ALTER USER u PASSWORD EXPIRE', 'ALTER USER PASSWORD is'],
    ["ALTER USER u IDENTIFIED BY 'x' ACCOUNT LOCK", 'ALTER USER with both a password and ACCOUNT is'],
  ])('knows and refuses %s', (sql, what) => {
    expect(parse(sql)).toEqual({ kind: 'notSupported', what });
  });

  test.each([
    'CREATE USER',
    'CREATE USER IF u',
    'DROP USER',
    'RENAME USER a b',
    'ALTER USER u ACCOUNT',
    'DROP USER u x',
  ])('%s is no statement', (sql) => {
    expect(() => parse(sql)).toThrow('syntax');
  });
});

describe('GRANT and REVOKE', () => {
  test.each([
    ['GRANT ALTER SYSTEM TO u', { privileges: ['ALTER SYSTEM'], on: 'ALL', accounts: [u] }],
    [
      'GRANT SELECT, ALTER SYSTEM ON *.* TO u, v@%',
      { privileges: ['SELECT', 'ALTER SYSTEM'], on: 'ALL', accounts: [u, v] },
    ],
    ['GRANT ALL ON `shop`.* TO u', { privileges: ['ALL'], on: { database: 'shop' }, accounts: [u] }],
    [
      'grant all privileges on table oceanbase.* to u',
      { privileges: ['ALL'], on: { database: 'oceanbase' }, accounts: [u] },
    ],
    ['GRANT USAGE ON *.* TO u', { privileges: [], on: 'ALL', accounts: [u] }],
  ])('%s', (sql, grant) => {
    expect(parse(sql)).toEqual({ kind: 'grant', ...grant });
  });

  test.each([
    ['REVOKE ALTER SYSTEM FROM u', { privileges: ['ALTER SYSTEM'], on: 'ALL', accounts: [u] }],
    ['REVOKE SELECT ON oceanbase.* FROM u', { privileges: ['SELECT'], on: { database: 'oceanbase' }, accounts: [u] }],
    ['REVOKE ALL PRIVILEGES, GRANT OPTION FROM u, v@%', { privileges: ['ALL'], on: null, accounts: [u, v] }],
  ])('%s', (sql, revoke) => {
    expect(parse(sql)).toEqual({ kind: 'revoke', ...revoke });
  });

  test.each([
    ['GRANT INSERT, SELECT ON *.* TO u', 'the privilege INSERT (there are SELECT, ALTER SYSTEM and ALL) is'],
    [
      'GRANT CREATE TEMPORARY TABLES ON *.* TO u',
      'the privilege CREATE TEMPORARY TABLES (there are SELECT, ALTER SYSTEM and ALL) is',
    ],
    [
      'GRANT SELECT (a, b) ON shop.t TO u',
      'the privilege SELECT of columns (there are SELECT, ALTER SYSTEM and ALL) is',
    ],
    ["GRANT 'reader' TO u", 'a role (there are SELECT, ALTER SYSTEM and ALL) is'],
    ['GRANT SELECT ON shop.orders TO u', 'a grant on anything but *.* and database.* is'],
    ['GRANT SELECT ON orders TO u', 'a grant on anything but *.* and database.* is'],
    ['GRANT SELECT ON * TO u', 'a grant on anything but *.* and database.* is'],
    ['GRANT ALL ON PROCEDURE shop.p TO u', 'a grant on anything but *.* and database.* is'],
    ["GRANT SELECT ON *.* TO u IDENTIFIED BY 'x'", 'GRANT … IDENTIFIED BY (CREATE USER makes users) is'],
    ['GRANT ALL ON *.* TO u WITH GRANT OPTION', 'WITH GRANT OPTION (only the administrator grants) is'],
    ['REVOKE GRANT OPTION ON *.* FROM u', 'the privilege GRANT OPTION (only the administrator grants) is'],
  ])('knows and refuses %s', (sql, what) => {
    expect(parse(sql)).toEqual({ kind: 'notSupported', what });
  });

  test.each([
    'GRANT',
    'GRANT SELECT TO u',
    'GRANT SELECT ON *.* u',
    'REVOKE SELECT ON *.* TO u',
    'GRANT ALTER SYSTEM TO u x',
    'GRANT SELECT ON *.t TO u',
  ])('%s is no statement', (sql) => {
    expect(() => parse(sql)).toThrow('syntax');
  });
});
