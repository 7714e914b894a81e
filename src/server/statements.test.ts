// Goal: what a connection may keep between commands is bounded, and failed logins are counted and forgotten.
import { describe, expect, test } from 'vitest';
import type { Clock } from '../base/clock.ts';
import { FailedLogins } from './failed-logins.ts';
import {
  DEFAULT_LIMITS,
  FAILED_LOGIN_HOSTS_MAX,
  FAILED_LOGIN_MEMORY_MS,
  PREPARED_BYTES_MAX,
  PREPARED_STATEMENTS_MAX,
} from './limits.ts';
import { isLoopback } from './login.ts';
import { PreparedStatements } from './statements.ts';

describe('PreparedStatements', () => {
  test('refuses more statements than the bound and takes one again when one was closed', () => {
    const statements = new PreparedStatements();
    for (let i = 0; i < PREPARED_STATEMENTS_MAX; i++) statements.add('SELECT 1', 0);
    expect(() => statements.add('SELECT 1', 0)).toThrow('more than 16382 statements');
    statements.close(1);
    expect(statements.add('SELECT 1', 0).id).toBe(PREPARED_STATEMENTS_MAX + 1);
  });

  test('refuses more text than the bound, and forgets the text of closed statements', () => {
    const statements = new PreparedStatements();
    const half = 'x'.repeat(PREPARED_BYTES_MAX / 2);
    const first = statements.add(half, 0);
    statements.add(half, 0);
    expect(() => statements.add('x', 0)).toThrow('bytes of statements');
    statements.close(first.id);
    statements.add('x', 0);
    statements.clear();
    statements.add(half, 0);
  });

  test('refuses long parameters beyond the bound of all together', () => {
    const statements = new PreparedStatements();
    const { id } = statements.add('x'.repeat(PREPARED_BYTES_MAX - 10), 2);
    statements.addLongData({ statementId: id, parameter: 0, bytes: Buffer.alloc(6) });
    statements.addLongData({ statementId: id, parameter: 1, bytes: Buffer.alloc(6) });
    statements.addLongData({ statementId: id, parameter: 1, bytes: Buffer.alloc(6) });
    expect(() => statements.takeLongData(id)).toThrow('max_allowed_packet');
    statements.addLongData({ statementId: id, parameter: 1, bytes: Buffer.from('abcdef') });
    expect(statements.takeLongData(id)).toEqual(new Map([[1, Buffer.from('abcdef')]]));
    expect(statements.takeLongData(id).size).toBe(0);
  });
});

describe('FailedLogins', () => {
  let nowMs = 0;
  const clock: Clock = { nowNs: () => 0n, monotonicMs: () => nowMs };

  test('doubles the wait up to its bound, and starts anew after a good login or a long rest', () => {
    const failures = new FailedLogins(clock, DEFAULT_LIMITS);
    const waits = Array.from({ length: 8 }, () => failures.record('a'));
    expect(waits).toEqual([50, 100, 200, 400, 800, 1600, 2000, 2000]);
    expect(failures.record('b')).toBe(50);
    failures.forget('a');
    expect(failures.record('a')).toBe(50);
    nowMs += FAILED_LOGIN_MEMORY_MS + 1;
    expect(failures.countOf('a')).toBe(0);
    expect(failures.record('a')).toBe(50);
  });

  test('remembers a bounded number of hosts, the latest', () => {
    const failures = new FailedLogins(clock, DEFAULT_LIMITS);
    for (let i = 0; i <= FAILED_LOGIN_HOSTS_MAX; i++) failures.record(`host ${i}`);
    expect(failures.countOf('host 0')).toBe(0);
    expect(failures.countOf('host 1')).toBe(1);
  });
});

test('only addresses of this machine are loopback', () => {
  expect(['127.0.0.1', '127.9.9.9', '::1'].every(isLoopback)).toBe(true);
  expect(['10.0.0.1', '128.0.0.1', '127.0.0.1.example', '::2', ''].some(isLoopback)).toBe(false);
});
