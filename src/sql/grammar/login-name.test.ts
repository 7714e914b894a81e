import { expect, test } from 'vitest';
import { parseLoginName } from './login-name.ts';

test.each([
  ['root@sys', 'root', 'sys', null],
  ['root', 'root', 'sys', null],
  ['SYS@oracle_tenant', 'SYS', 'oracle_tenant', null],
  ['root@my-tenant', 'root', 'my-tenant', null],
  ['root@a.b', 'root', 'a.b', null],
  ['root@t$1_x', 'root', 't$1_x', null],
  ['root@t#cluster', 'root', 't', 'cluster'],
  ['root@my-t#my-cluster', 'root', 'my-t', 'my-cluster'],
  ['me@home@t', 'me@home', 't', null],
  ['cluster:t:root', 'root', 't', 'cluster'],
  ['my-cluster:my-t:root', 'root', 'my-t', 'my-cluster'],
  ['cluster-t-root', 'root', 't', 'cluster'],
  ['cluster.t.root', 'root', 't', 'cluster'],
  ['some-user', 'some-user', 'sys', null],
  ['a.b', 'a.b', 'sys', null],
  ['a-b-c-d', 'a-b-c-d', 'sys', null],
])('reads %s', (text, user, tenant, cluster) => {
  expect(parseLoginName(text)).toEqual({ user, tenant, cluster });
});

test.each([
  '',
  '@t',
  'root@',
  'root@#c',
  'root@t#',
  'a:b',
  ':t:root',
  'c::root',
  'a:b:c:d',
  '--x',
  'a..b',
  'a\0b',
  'x'.repeat(500),
])('refuses %j', (text) => {
  expect(parseLoginName(text)).toBeUndefined();
});
