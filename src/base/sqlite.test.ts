import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DatabaseSync, isSafeSqliteVersion, sqliteBindingPath } from './sqlite.ts';

test.each([
  ['3.51.3', true],
  ['3.51.4', true],
  ['3.53.0', true],
  ['4.0.0', true],
  ['3.50.7', true],
  ['3.50.8', true],
  ['3.51.2', false],
  ['3.51.0', false],
  ['3.50.6', false],
  ['3.49.9', false],
  ['2.60.0', false],
  ['3', false],
  ['', false],
  ['nonsense', false],
])('SQLite %s: without the WAL-reset bug is %s', (version, isSafe) => {
  expect(isSafeSqliteVersion(version)).toBe(isSafe);
});

test('the binding that comes along is safe, and lies where threads can load it', () => {
  const db = new DatabaseSync(':memory:');
  const { version } = db.prepare('SELECT sqlite_version() AS version').get() as { version: string };
  db.close();
  expect(isSafeSqliteVersion(version)).toBe(true);
  expect(existsSync(sqliteBindingPath)).toBe(true);
});
