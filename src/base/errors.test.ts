// Goal: what a client, a view and another process see of an error. Method: every row of the table, both modes.
import { describe, expect, test } from 'vitest';
import { AssertionFailure, assert, unreachable } from './assert.ts';
import {
  ERRORS,
  type ErrorName,
  errorFromWire,
  errorToWire,
  fail,
  HoldfastError,
  isFailure,
  messageOf,
  toClientError,
  toComment,
  toResult,
} from './errors.ts';

/** Facts that answer every name with a text that says it. */
const anyFacts = new Proxy({}, { get: (_, name) => `<${String(name)}>` });
const names = Object.keys(ERRORS) as ErrorName[];

describe.each(names)('%s', (name) => {
  const error = new HoldfastError(name, anyFacts);
  const { code, errno, sqlState } = ERRORS[name];

  test('has a message from its facts, a number and an SQLSTATE that clients take', () => {
    expect(error.message).not.toMatch(/undefined|\[object|^\s*$/);
    expect(error.message).not.toContain('\n');
    expect(code).toBeGreaterThan(0);
    expect(errno).toBeGreaterThan(0);
    expect(errno).toBeLessThan(65_536);
    expect(sqlState).toMatch(/^[0-9A-Z]{5}$/);
  });

  test('tells a mysql tenant the documented line first, then the hint', () => {
    const shown = toClientError(error, 'mysql');
    expect([shown.errno, shown.sqlState]).toEqual([errno, sqlState]);
    expect(shown.message.split('\n')).toEqual([error.message, ...(error.hint ? [`HINT: ${error.hint}`] : [])]);
  });

  test('tells an oracle tenant an ORA number and text', () => {
    const shown = toClientError(error, 'oracle');
    expect(shown.message.startsWith(`ORA-${String(shown.errno).padStart(5, '0')}: `)).toBe(true);
    expect(shown.sqlState).toBe(sqlState);
    if (!('oraMessage' in ERRORS[name])) expect(shown.message).toContain(error.message);
    if (!('ora' in ERRORS[name]))
      expect(shown.message).toContain(`ORA-00600: internal error code, arguments: -${code}, ${error.message}`);
    expect(shown.message.split('\n').slice(1)).toEqual(error.hint ? [`HINT: ${error.hint}`] : []);
  });

  test('crosses a process boundary unharmed', () => {
    const back = errorFromWire(structuredClone(errorToWire(new HoldfastError(name, { ...factsOf(error) }))));
    expect(back).toBeInstanceOf(HoldfastError);
    expect(isFailure(back, name)).toBe(true);
    expect((back as HoldfastError).code).toBe(code);
  });
});

/** The proxy's facts as data that can be cloned: those that the message shows. */
function factsOf(error: HoldfastError): Record<string, string> {
  return Object.fromEntries([...error.message.matchAll(/<(\w+)>/g)].map(([text, name]) => [name!, text]));
}

describe('an expected error', () => {
  test('keeps its facts and its cause', () => {
    const cause = new Error('ENOENT');
    const error = fail('BACKUP_FILE_NOT_EXIST', { file: 'a.obbak' }, { cause });
    expect(error.message).toBe('cannot find backup file: a.obbak');
    expect([error.facts, error.cause]).toEqual([{ file: 'a.obbak' }, cause]);
    expect(isFailure(error, 'BACKUP_FILE_NOT_EXIST')).toBe(true);
    expect(isFailure(error, 'INVALID_BACKUP_DEST')).toBe(false);
  });

  test('is told by number and text in views', () => {
    const error = fail('BACKUP_CAN_NOT_START', { because: 'log archive status is not doing.' });
    expect(toComment(error)).toBe('result: -9040(backup can not start, because log archive status is not doing.)');
    expect(toResult(error)).toBe(9040);
  });

  test('with an ORA number of its own uses that in oracle mode', () => {
    expect(toClientError(fail('UNKNOWN_TABLE', { table: 'SYS.t' }), 'oracle')).toEqual({
      errno: 942,
      sqlState: '42S02',
      message: "ORA-00942: table or view 'SYS.T' does not exist",
    });
  });

  test.each([
    [
      fail('ACCESS_DENIED', { user: 'x', host: 'h', withPassword: true }),
      1017,
      'invalid username/password; logon denied',
    ],
    [fail('UNKNOWN_COLUMN', { column: 'X' }), 904, "invalid identifier 'X' in 'field list'"],
    [
      fail('NO_PRIVILEGE', { privilege: 'ALTER SYSTEM' }),
      1031,
      'insufficient privileges: this operation needs ALTER SYSTEM',
    ],
    [
      fail('DUPLICATE_KEY', { message: "Duplicate entry for key 't.a'" }),
      1,
      "unique constraint for key 't.a' violated",
    ],
    [fail('NOT_NULL', { column: 'b' }), 1400, 'cannot insert NULL into (b)'],
    [fail('TABLE_EXISTS', { table: 't' }), 955, "name 't' is already used by an existing object"],
    [fail('USER_OPERATION_FAILED', { operation: 'ALTER USER', users: "'u'@'%'" }), 1918, "user 'u'@'%' does not exist"],
    [fail('ACCOUNT_LOCKED', { user: 'u', host: 'h' }), 28000, 'the account is locked'],
  ])('is %o to an oracle tenant: ORA-%i', (error, ora, text) => {
    const message = `ORA-${String(ora).padStart(5, '0')}: ${text}`;
    expect(toClientError(error, 'oracle')).toMatchObject({ errno: ora, message: expect.stringContaining(message) });
  });

  test('of a password names why only when there is a why', () => {
    expect(fail('BACKUP_INVALID_PASSWORD', { why: '' }).message).toBe('invalid password for backup');
    expect(fail('BACKUP_INVALID_PASSWORD', { why: 'none is set' }).message).toBe(
      'invalid password for backup: none is set',
    );
  });

  test('of a login says whether a password was used', () => {
    const facts = { user: 'root', host: '::1' };
    expect(fail('ACCESS_DENIED', { ...facts, withPassword: true }).message).toContain('(using password: YES)');
    expect(fail('ACCESS_DENIED', { ...facts, withPassword: false }).message).toContain('(using password: NO)');
  });
});

describe('a bug', () => {
  test('shows a client a broken invariant, and of anything else nothing inside', () => {
    const broken = toClientError(new AssertionFailure('assertion failed: a piece has a length'), 'mysql');
    expect(broken.errno).toBe(4016);
    expect(broken.message).toContain('a piece has a length');
    for (const thrown of [new Error('/secret/path'), 'secret text', undefined]) {
      const shown = toClientError(thrown, 'mysql');
      expect(shown.errno).toBe(4016);
      expect(shown.message).not.toContain('secret');
    }
  });

  test('is 4016 in views', () => {
    expect(toResult(new Error('x'))).toBe(4016);
    expect(toComment(new Error('x'))).toBe('result: -4016(x)');
    expect(toComment('x')).toBe('result: -4016(x)');
  });

  test('crosses a process boundary with its stack, whatever was thrown', () => {
    const error = new Error('deep');
    const back = errorFromWire(structuredClone(errorToWire(error)));
    expect([back.message, back.stack]).toEqual(['deep', error.stack]);
    const bare = new Error('bare');
    delete bare.stack;
    expect(errorToWire(bare)).toEqual({ message: 'bare' });
    expect(errorFromWire(errorToWire('a text')).message).toBe('a text');
  });
});

test('anything that was thrown has a message', () => {
  expect([messageOf(new Error('x')), messageOf('y'), messageOf(undefined)]).toEqual(['x', 'y', 'undefined']);
});

test('assert lets the truth pass and stops at anything else', () => {
  expect(() => assert(1, 'it holds')).not.toThrow();
  expect(() => assert(0, 'it holds')).toThrow(new AssertionFailure('assertion failed: it holds'));
  expect(() => unreachable('odd' as never)).toThrow('unreachable value: odd');
});
