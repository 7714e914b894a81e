import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MYSQL_ID, ORACLE_ID } from '../catalog/catalog.fixture.ts';
import type { SqlValue } from '../model/result.ts';
import type { VariableScope } from './grammar/statement.ts';
import { openSqlFixture, type SqlFixture } from './select.fixture.ts';
import type { Session } from './session.ts';
import { ALIASES, VARIABLES } from './variable-table.ts';
import { listVariables, readVariable, sessionTimeZone, setVariable } from './variables.ts';

let fixture: SqlFixture;
let session: Session;
beforeEach(() => {
  fixture = openSqlFixture();
  session = fixture.session(MYSQL_ID);
});
afterEach(() => fixture[Symbol.dispose]());

const read = (name: string, scope: VariableScope | null = null, of = session) =>
  readVariable(fixture.deps, of, scope, name);
const set = (name: string, value: SqlValue | undefined, scope: VariableScope | null = null, of = session) =>
  setVariable(fixture.deps, of, scope, name, value);

describe('the table of variables', () => {
  test('every default is a value of its own variable', () => {
    for (const name of Object.keys(VARIABLES)) {
      const value = read(name);
      expect(value, name).not.toBeNull();
      if (VARIABLES[name]!.isReadOnly) continue;
      const scope = VARIABLES[name]!.scope === 'global' ? 'GLOBAL' : 'SESSION';
      expect(() => set(name, value, scope), name).not.toThrow();
      expect(read(name, scope), name).toEqual(value);
      expect(session.warnings, name).toEqual([]);
    }
  });

  test('aliases name variables that exist', () => {
    for (const name of Object.values(ALIASES)) expect(VARIABLES).toHaveProperty(name);
  });

  test('SHOW VARIABLES lists them by name, once each', () => {
    const names = listVariables(fixture.deps, session, 'SESSION').map((variable) => variable.name);
    expect(names).toEqual([...new Set(names)].sort());
    expect(names).toEqual(expect.arrayContaining(['tx_isolation', 'transaction_isolation', 'version']));
  });
});

describe('setting', () => {
  test('a session keeps its own values; DEFAULT gives the default back', () => {
    set('wait_timeout', 60n);
    expect(read('wait_timeout')).toBe(60n);
    expect(read('wait_timeout', null, fixture.session(MYSQL_ID))).toBe(28800n);
    set('wait_timeout', undefined);
    expect(read('wait_timeout')).toBe(28800n);
  });

  test('GLOBAL is the tenant’s, for its sessions to come', () => {
    set('wait_timeout', '100', 'GLOBAL');
    expect(read('wait_timeout', 'GLOBAL')).toBe(100n);
    expect(read('wait_timeout', null, fixture.session(MYSQL_ID))).toBe(100n);
    expect(read('wait_timeout', null, fixture.session(ORACLE_ID))).toBe(28800n);
  });

  test.each<[name: string, given: SqlValue, taken: SqlValue]>([
    ['autocommit', 'OFF', 0n],
    ['autocommit', 1n, 1n],
    ['autocommit', 'true', 1n],
    ['tx_isolation', 'read-committed', 'READ-COMMITTED'],
    ['sql_mode', 'strict_trans_tables, ansi_quotes', 'STRICT_TRANS_TABLES,ANSI_QUOTES'],
    ['sql_mode', '', ''],
    ['character_set_results', null, null],
    ['character_set_client', 'UTF8MB3', 'utf8'],
    ['time_zone', '+09:00', '+09:00'],
    ['time_zone', 'Asia/Shanghai', 'Asia/Shanghai'],
    ['ob_query_timeout', 100_000_000n, 100_000_000n],
  ])('%s = %s', (name, given, taken) => {
    set(name, given);
    expect(read(name)).toBe(taken);
  });

  test('another name of a variable is the same variable', () => {
    set('tx_isolation', 'REPEATABLE-READ');
    expect(read('transaction_isolation')).toBe('REPEATABLE-READ');
  });

  test('character set and collation of the connection go together', () => {
    set('character_set_connection', 'utf8');
    expect(read('collation_connection')).toBe('utf8_general_ci');
    set('collation_connection', 'utf8mb4_bin');
    expect(read('character_set_connection')).toBe('utf8mb4');
  });

  test('a number out of bounds is cut to them, with a warning', () => {
    set('auto_increment_increment', 0n);
    expect(read('auto_increment_increment')).toBe(1n);
    expect(session.warnings).toEqual([
      { level: 'Warning', errno: 1292, message: "Truncated incorrect auto_increment_increment value: '0'" },
    ]);
  });

  test('the time zone: a session’s own, and GLOBAL the tenant’s, which lasts', () => {
    set('time_zone', '+01:00');
    expect(sessionTimeZone(fixture.deps, session)).toBe('+01:00');
    set('time_zone', '+02:00', 'GLOBAL');
    expect(fixture.catalog.store.tenants.get({ tenantId: MYSQL_ID })?.timeZone).toBe('+02:00');
    expect(read('time_zone', 'GLOBAL')).toBe('+02:00');
    expect(sessionTimeZone(fixture.deps, session)).toBe('+01:00');
  });

  test.each<[name: string, value: SqlValue, scope: VariableScope | null, message: RegExp]>([
    ['nothing', 1n, null, /Unknown system variable 'nothing'/],
    ['version', 'x', 'GLOBAL', /'version' is a read only variable/],
    ['init_connect', 'x', null, /GLOBAL variable and should be set with SET GLOBAL/],
    ['sql_log_bin', 1n, 'GLOBAL', /SESSION variable and can't be used with SET GLOBAL/],
    ['autocommit', 'maybe', null, /can't be set to the value of 'maybe'/],
    ['wait_timeout', 'soon', null, /Incorrect argument type to variable 'wait_timeout'/],
    ['sql_mode', 'SLOPPY', null, /can't be set to the value of 'SLOPPY'/],
    ['character_set_client', 'gbk', null, /Unknown character set: 'gbk'/],
    ['collation_connection', 'klingon_ci', null, /Unknown collation/],
    ['time_zone', 'Mars/Olympus', null, /Unknown or incorrect time zone/],
    ['transaction_isolation', 'SNAPSHOT', null, /can't be set to the value of 'SNAPSHOT'/],
  ])('%s = %s (%s) is refused', (name, value, scope, message) => {
    expect(() => set(name, value, scope)).toThrow(message);
  });
});
