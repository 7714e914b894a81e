import { describe, expect, test } from 'vitest';
import { parseStatement } from './parse.ts';

const parse = (sql: string) => parseStatement(sql, 'mysql');
const near = (text: string) => expect.objectContaining({ errorName: 'SYNTAX', facts: { near: text, line: 1 } });

describe('CREATE TENANT', () => {
  const plain = {
    kind: 'createTenant',
    name: 't',
    isIfNotExists: false,
    engine: null,
    location: null,
    poolList: [],
    comment: null,
    attributes: {},
    variables: {},
  };
  test.each([
    ['CREATE TENANT t', plain],
    ["CREATE TENANT IF NOT EXISTS 't';", { ...plain, isIfNotExists: true }],
    [
      "create tenant t engine = 'sqlite' location = '/data/app.db'",
      { ...plain, engine: 'sqlite', location: '/data/app.db' },
    ],
    [
      "CREATE TENANT t RESOURCE_POOL_LIST=('p1','p2'), ENGINE sqlite SET ob_compatibility_mode = 'oracle', ob_tcp_invited_nodes='%'",
      {
        ...plain,
        poolList: ['p1', 'p2'],
        engine: 'sqlite',
        variables: { ob_compatibility_mode: 'oracle', ob_tcp_invited_nodes: '%' },
      },
    ],
    [
      `CREATE TENANT t REPLICA_NUM = 1 DEFAULT CHARACTER SET utf8mb4, COLLATE = utf8mb4_bin LOCALITY 'F@z1'
       PRIMARY_ZONE='z1;z2' ZONE_LIST ('z1','z2') COMMENT 'c' DEFAULT TABLEGROUP = NULL READ WRITE, RESOURCE_POOL_LIST ('p')`,
      {
        ...plain,
        poolList: ['p'],
        comment: 'c',
        attributes: {
          REPLICA_NUM: '1',
          CHARSET: 'utf8mb4',
          COLLATE: 'utf8mb4_bin',
          LOCALITY: 'F@z1',
          PRIMARY_ZONE: 'z1;z2',
          ZONE_LIST: 'z1,z2',
          'DEFAULT TABLEGROUP': 'NULL',
          READ: 'WRITE',
        },
      },
    ],
  ])('reads %s', (sql, statement) => {
    expect(parse(sql)).toEqual(statement);
  });

  test.each([
    ['CREATE TENANT', ''],
    ['CREATE TENANT t LOCTION = x', 'LOCTION = x'],
    ["CREATE TENANT t ENGINE = 'a' ENGINE = 'b'", "ENGINE = 'b'"],
    ['CREATE TENANT t RESOURCE_POOL_LIST = ()', ')'],
    ["CREATE TENANT t COMMENT = 'x',", ''],
    ['CREATE TENANT t SET a', ''],
    ['CREATE TENANT IF EXISTS t', 'EXISTS t'],
  ])('refuses %s', (sql, text) => {
    expect(() => parse(sql)).toThrow(near(text));
  });
});

describe('other tenant statements', () => {
  test.each([
    ['DROP TENANT t', { kind: 'dropTenant', name: 't', isIfExists: false, option: null }],
    ['DROP TENANT IF EXISTS t FORCE', { kind: 'dropTenant', name: 't', isIfExists: true, option: 'FORCE' }],
    ['drop tenant `t` purge', { kind: 'dropTenant', name: 't', isIfExists: false, option: 'PURGE' }],
    [
      "ALTER TENANT t SET VARIABLES time_zone = '+08:00', x = 1",
      {
        kind: 'alterTenant',
        name: 't',
        poolList: [],
        comment: null,
        attributes: {},
        variables: { time_zone: '+08:00', x: '1' },
      },
    ],
    [
      "ALTER TENANT t PRIMARY_ZONE = 'z1', COMMENT = 'c' RESOURCE_POOL_LIST = ('p')",
      {
        kind: 'alterTenant',
        name: 't',
        poolList: ['p'],
        comment: 'c',
        attributes: { PRIMARY_ZONE: 'z1' },
        variables: {},
      },
    ],
    ['ALTER TENANT t RENAME GLOBAL_NAME TO u', { kind: 'notSupported', what: 'ALTER TENANT RENAME is' }],
    ['ALTER TENANT t LOCK', { kind: 'notSupported', what: 'ALTER TENANT LOCK is' }],
    ['CREATE STANDBY TENANT t', { kind: 'notSupported', what: 'CREATE STANDBY TENANT is' }],
    [
      "CREATE RESOURCE UNIT u MAX_CPU 1, MIN_CPU = 0.5, MEMORY_SIZE '1G', LOG_DISK_SIZE = 2G;",
      {
        kind: 'createUnit',
        name: 'u',
        isIfNotExists: false,
        attributes: { MAX_CPU: '1', MIN_CPU: '0.5', MEMORY_SIZE: '1G', LOG_DISK_SIZE: '2G' },
      },
    ],
    [
      'CREATE RESOURCE UNIT IF NOT EXISTS u MAX_CPU 1',
      { kind: 'createUnit', name: 'u', isIfNotExists: true, attributes: { MAX_CPU: '1' } },
    ],
    ['ALTER RESOURCE UNIT u MAX_CPU 2', { kind: 'alterUnit', name: 'u', attributes: { MAX_CPU: '2' } }],
    ['DROP RESOURCE UNIT IF EXISTS u', { kind: 'dropUnit', name: 'u', isIfExists: true }],
    [
      "CREATE RESOURCE POOL p UNIT='u', UNIT_NUM=1, ZONE_LIST=('z1', 'z2')",
      { kind: 'createPool', name: 'p', isIfNotExists: false, unit: 'u', unitNum: 1, zones: ['z1', 'z2'] },
    ],
    [
      'CREATE RESOURCE POOL p',
      { kind: 'createPool', name: 'p', isIfNotExists: false, unit: null, unitNum: null, zones: null },
    ],
    ['ALTER RESOURCE POOL p UNIT u', { kind: 'alterPool', name: 'p', unit: 'u', unitNum: null, zones: null }],
    ['DROP RESOURCE POOL p', { kind: 'dropPool', name: 'p', isIfExists: false }],
  ])('reads %s', (sql, statement) => {
    expect(parse(sql)).toEqual(statement);
  });

  test.each([
    ['DROP TENANT t NOW', 'NOW'],
    ['ALTER TENANT t', ''],
    ["ALTER TENANT t ENGINE = 'x'", "ENGINE = 'x'"],
    ['CREATE RESOURCE UNT u', 'UNT u'],
    ['CREATE RESOURCE UNIT u MAX_CPUS 1', 'MAX_CPUS 1'],
    ['CREATE RESOURCE UNIT u', ''],
    ['CREATE RESOURCE UNIT u MAX_CPU 1, MAX_CPU 2', 'MAX_CPU 2'],
    ['CREATE RESOURCE POOL p UNIT_NUM = x', 'x'],
    ['ALTER RESOURCE POOL p', ''],
    ["CREATE RESOURCE POOL p UNIT='u',", ''],
  ])('refuses %s', (sql, text) => {
    expect(() => parse(sql)).toThrow(near(text));
  });
});
