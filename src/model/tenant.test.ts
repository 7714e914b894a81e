import { expect, test } from 'vitest';
import { NAME_CHARS_MAX } from '../base/limits.ts';
import { administratorOf, isName, isReservedTenantName } from './tenant.ts';

test('the administrator is root, in an oracle tenant SYS', () => {
  expect([administratorOf('mysql'), administratorOf('oracle')]).toEqual(['root', 'SYS']);
});

test.each(['a', '_a', 'mysql_tenant', 'T$1', 'a-b', 'a'.repeat(NAME_CHARS_MAX)])('%s is a name', (name) => {
  expect(isName(name)).toBe(true);
});

test.each(['', '1a', '-a', 'a.b', 'a/b', '..', 'a b', 'a@b', '租户', 'a'.repeat(NAME_CHARS_MAX + 1)])(
  '"%s" is no name: it would name a directory or break a connection string',
  (name) => {
    expect(isName(name)).toBe(false);
  },
);

test.each(['sys', 'SYS', 'all', 'All_User', 'all_meta', 'meta', 'META$1002', 'aux_recover$1'])(
  '%s is taken by the system',
  (name) => {
    expect(isReservedTenantName(name)).toBe(true);
  },
);

test('other names are free, also those that only begin alike', () => {
  for (const name of ['system', 'alls', 'metadata', 'aux']) expect(isReservedTenantName(name)).toBe(false);
});
