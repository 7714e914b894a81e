import { describe, expect, test } from 'vitest';
import { parseStatement } from './parse.ts';

const parse = (sql: string) => parseStatement(sql, 'mysql');
const near = (text: string) => expect.objectContaining({ errorName: 'SYNTAX', facts: { near: text, line: 1 } });
const blank = {
  kind: 'show',
  isFull: false,
  scope: null,
  table: null,
  database: null,
  account: null,
  tenant: null,
  filter: null,
  limit: null,
};
const like = (pattern: string) => ({ by: 'LIKE', pattern });
const where = (text: string) => ({ by: 'WHERE', text });
const t = { schema: null, name: 't' };

describe('SHOW', () => {
  test.each([
    ['SHOW VARIABLES', { subject: 'VARIABLES' }],
    ["SHOW GLOBAL VARIABLES LIKE 'a\\_%'", { subject: 'VARIABLES', scope: 'GLOBAL', filter: like('a\\_%') }],
    [
      "show local variables where Variable_name = 'x' or 1;",
      { subject: 'VARIABLES', scope: 'SESSION', filter: where("Variable_name = 'x' or 1") },
    ],
    ["SHOW SESSION STATUS LIKE 'Ssl%'", { subject: 'STATUS', scope: 'SESSION', filter: like('Ssl%') }],
    ["SHOW DATABASES LIKE 'a'", { subject: 'DATABASES', filter: like('a') }],
    ['SHOW SCHEMAS', { subject: 'DATABASES' }],
    ['SHOW TABLES', { subject: 'TABLES' }],
    [
      "SHOW FULL TABLES FROM `d` WHERE Table_type != 'VIEW'",
      { subject: 'TABLES', isFull: true, database: 'd', filter: where("Table_type != 'VIEW'") },
    ],
    ["SHOW TABLES IN d LIKE 'x'", { subject: 'TABLES', database: 'd', filter: like('x') }],
    ["SHOW TABLE STATUS FROM d LIKE 't'", { subject: 'TABLE STATUS', database: 'd', filter: like('t') }],
    ['SHOW FULL COLUMNS FROM t', { subject: 'COLUMNS', isFull: true, table: t }],
    ["SHOW FIELDS IN t IN d LIKE 'c'", { subject: 'COLUMNS', table: { schema: 'd', name: 't' }, filter: like('c') }],
    ['SHOW COLUMNS FROM d.t', { subject: 'COLUMNS', table: { schema: 'd', name: 't' } }],
    ['SHOW INDEX FROM t FROM d', { subject: 'INDEX', table: { schema: 'd', name: 't' } }],
    [
      "SHOW KEYS FROM t WHERE Key_name = 'PRIMARY'",
      { subject: 'INDEX', table: t, filter: where("Key_name = 'PRIMARY'") },
    ],
    ['SHOW INDEXES IN t', { subject: 'INDEX', table: t }],
    ['SHOW CREATE TABLE `d`.`t`', { subject: 'CREATE TABLE', table: { schema: 'd', name: 't' } }],
    ['SHOW CREATE VIEW t', { subject: 'CREATE VIEW', table: t }],
    ['SHOW CREATE DATABASE IF NOT EXISTS d', { subject: 'CREATE DATABASE', database: 'd' }],
    ['SHOW CREATE SCHEMA d', { subject: 'CREATE DATABASE', database: 'd' }],
    ['SHOW CREATE TENANT x', { subject: 'CREATE TENANT', tenant: 'x' }],
    ['SHOW WARNINGS', { subject: 'WARNINGS' }],
    ['SHOW WARNINGS LIMIT 2, 5', { subject: 'WARNINGS', limit: { offset: 2, count: 5 } }],
    ['SHOW ERRORS LIMIT 5 OFFSET 1', { subject: 'ERRORS', limit: { offset: 1, count: 5 } }],
    ['SHOW COUNT(*) WARNINGS', { subject: 'COUNT WARNINGS' }],
    ['SHOW COUNT(*) ERRORS', { subject: 'COUNT ERRORS' }],
    ['SHOW FULL PROCESSLIST', { subject: 'PROCESSLIST', isFull: true }],
    ["SHOW PARAMETERS LIKE '%archive%'", { subject: 'PARAMETERS', filter: like('%archive%') }],
    ["SHOW PARAMETERS LIKE 'x' TENANT = a", { subject: 'PARAMETERS', filter: like('x'), tenant: 'a' }],
    [
      "SHOW PARAMETERS WHERE name = 'x' TENANT = a",
      { subject: 'PARAMETERS', filter: where("name = 'x'"), tenant: 'a' },
    ],
    ['SHOW PARAMETERS TENANT a', { subject: 'PARAMETERS', tenant: 'a' }],
    ['SHOW ENGINES', { subject: 'ENGINES' }],
    ['SHOW STORAGE ENGINES', { subject: 'ENGINES' }],
    ['SHOW ENGINE INNODB STATUS', { subject: 'ENGINE STATUS' }],
    ["SHOW CHARACTER SET LIKE 'utf8%'", { subject: 'CHARSET', filter: like('utf8%') }],
    ['SHOW CHARSET', { subject: 'CHARSET' }],
    ["SHOW COLLATION WHERE Charset = 'utf8'", { subject: 'COLLATION', filter: where("Charset = 'utf8'") }],
    ['SHOW GRANTS', { subject: 'GRANTS' }],
    ["SHOW GRANTS FOR 'root'@'%'", { subject: 'GRANTS', account: { user: 'root', host: '%' } }],
    ['SHOW GRANTS FOR CURRENT_USER()', { subject: 'GRANTS' }],
    ['SHOW PRIVILEGES', { subject: 'PRIVILEGES' }],
    ['SHOW PLUGINS', { subject: 'PLUGINS' }],
    ['SHOW TENANT', { subject: 'TENANT' }],
    ["SHOW TENANT LIKE 'x'", { subject: 'TENANT', filter: like('x') }],
    ['SHOW TENANTS', { subject: 'TENANTS' }],
    ['SHOW MASTER STATUS', { subject: 'MASTER STATUS' }],
    ['SHOW SLAVE STATUS', { subject: 'SLAVE STATUS' }],
    ['SHOW BINARY LOGS', { subject: 'BINARY LOGS' }],
    ['SHOW OPEN TABLES WHERE In_use > 0', { subject: 'OPEN TABLES', filter: where('In_use > 0') }],
    ['SHOW TRIGGERS FROM d', { subject: 'TRIGGERS', database: 'd' }],
    ["SHOW PROCEDURE STATUS WHERE Db = 'x'", { subject: 'PROCEDURE STATUS', filter: where("Db = 'x'") }],
    ['SHOW FUNCTION STATUS', { subject: 'FUNCTION STATUS' }],
    ['SHOW EVENTS', { subject: 'EVENTS' }],
    ['SHOW PROFILES', { subject: 'PROFILES' }],
    ['DESC t', { subject: 'COLUMNS', table: t }],
    ['DESCRIBE d.t;', { subject: 'COLUMNS', table: { schema: 'd', name: 't' } }],
    ['EXPLAIN t c', { subject: 'COLUMNS', table: t, filter: like('c') }],
    ["DESC d.t '%c'", { subject: 'COLUMNS', table: { schema: 'd', name: 't' }, filter: like('%c') }],
  ])('reads %s', (sql, facts) => {
    expect(parse(sql)).toEqual({ ...blank, ...facts });
  });

  test.each([
    ['SHOW TABELS', 'TABELS'],
    ['SHOW', ''],
    ['SHOW FULL DATABASES', 'FULL DATABASES'],
    ['SHOW GLOBAL TABLES', 'GLOBAL TABLES'],
    ['SHOW TABLE STATS', 'STATS'],
    ['SHOW COLUMNS t', 't'],
    ['SHOW VARIABLES LIKE x', 'x'],
    ['SHOW VARIABLES WHERE', ''],
    ['SHOW ENGINES now', 'now'],
    ['SHOW WARNINGS LIMIT x', 'x'],
    ['SHOW COUNT(*) PARAMETERS', 'PARAMETERS'],
  ])('refuses %s', (sql, text) => {
    expect(() => parse(sql)).toThrow(near(text));
  });

  test.each([
    'EXPLAIN SELECT a',
    'EXPLAIN QUERY PLAN SELECT 1',
    'EXPLAIN FORMAT=JSON SELECT 1',
    'DESC SELECT 1 FROM t',
  ])('leaves %s to the engine', (sql) => {
    expect(parse(sql)).toMatchObject({ kind: 'engine', verb: sql.split(' ')[0] });
  });
});

describe('session statements', () => {
  const plain = {
    kind: 'transaction',
    isReadOnly: null,
    isConsistentSnapshot: false,
    behaviour: null,
    isChain: false,
    isRelease: false,
  };
  test.each([
    ['USE `d b`;', { kind: 'use', database: 'd b' }],
    ['KILL 5', { kind: 'kill', target: 'CONNECTION', connectionId: 5 }],
    ['KILL QUERY 5', { kind: 'kill', target: 'QUERY', connectionId: 5 }],
    ['KILL CONNECTION 5', { kind: 'kill', target: 'CONNECTION', connectionId: 5 }],
    ['BEGIN', { ...plain, verb: 'BEGIN' }],
    ['BEGIN WORK;', { ...plain, verb: 'BEGIN' }],
    ['BEGIN IMMEDIATE TRANSACTION', { ...plain, verb: 'BEGIN', behaviour: 'IMMEDIATE' }],
    ['START TRANSACTION', { ...plain, verb: 'BEGIN' }],
    ['START TRANSACTION WITH CONSISTENT SNAPSHOT', { ...plain, verb: 'BEGIN', isConsistentSnapshot: true }],
    [
      'START TRANSACTION READ ONLY, WITH CONSISTENT SNAPSHOT',
      { ...plain, verb: 'BEGIN', isReadOnly: true, isConsistentSnapshot: true },
    ],
    ['START TRANSACTION READ WRITE', { ...plain, verb: 'BEGIN', isReadOnly: false }],
    ['COMMIT', { ...plain, verb: 'COMMIT' }],
    ['COMMIT WORK AND CHAIN NO RELEASE', { ...plain, verb: 'COMMIT', isChain: true }],
    ['END TRANSACTION', { ...plain, verb: 'COMMIT' }],
    ['ROLLBACK AND NO CHAIN RELEASE', { ...plain, verb: 'ROLLBACK', isRelease: true }],
  ])('reads %s', (sql, statement) => {
    expect(parse(sql)).toEqual(statement);
  });

  test.each(['ROLLBACK TO SAVEPOINT s', 'ROLLBACK WORK TO s', 'SAVEPOINT s', 'RELEASE SAVEPOINT s'])(
    'leaves %s to the engine',
    (sql) => {
      expect(parse(sql)).toMatchObject({ kind: 'engine' });
    },
  );

  test.each([
    ['USE', ''],
    ['USE a b', 'b'],
    ['KILL x', 'x'],
    ['START SLAVE', 'SLAVE'],
    ['COMMIT AND CHAN', 'CHAN'],
    ['BEGIN NOW', 'NOW'],
  ])('refuses %s', (sql, text) => {
    expect(() => parse(sql)).toThrow(near(text));
  });
});
