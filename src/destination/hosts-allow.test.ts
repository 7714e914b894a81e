import { expect, test } from 'vitest';
import { isAllowedHost, parseHostsAllow } from './hosts-allow.ts';

test.each([
  ['', 'minio', '10.0.0.1', false],
  ['minio', 'minio', '10.0.0.1', true],
  ['MINIO.Internal', 'minio.internal', '10.0.0.1', true],
  ['minio', 'xminio', '10.0.0.1', false],
  ['minio', 'minio.evil.example', '10.0.0.1', false],
  ['*.corp.example', 's3.corp.example', '10.0.0.1', true],
  ['*.corp.example', 'corp.example', '10.0.0.1', false],
  ['*.corp.example', 'evilcorp.example', '10.0.0.1', false],
  ['10.1.0.0/16', 'anything', '10.1.2.3', true],
  ['10.1.0.0/16', 'anything', '::ffff:10.1.2.3', true],
  ['10.1.0.0/16', 'anything', '10.2.0.0', false],
  ['a, b  10.0.0.1,fd00::/8', 'x', 'fd12::1', true],
  ['169.254.169.254', '169.254.169.254', '169.254.169.254', true],
])("'%s' and %s at %s: %s", (list, host, address, isAllowed) => {
  expect(isAllowedHost(parseHostsAllow(list), host, address)).toBe(isAllowed);
});

test.each(['10.0.0.0/33', '*', '*.', 'a/b', 'http://a', '-a', 'a:9000', '2130706433', '0x7f.1', '127.1', 'a.0x1'])(
  '%s is no entry',
  (list) => {
    expect(() => parseHostsAllow(list)).toThrow(/is no name, address or range/);
  },
);
