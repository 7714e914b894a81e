import { describe, expect, test } from 'vitest';
import { allowedRoots, checkAllowList, isAtOrBelow } from './destination-allow.ts';
import { parseDestinationUri } from './destination-uri.ts';

const TENANT = { tenantId: 1004, name: 'shop' };

function isAllowed(list: string, text: string, tenant = TENANT): boolean | undefined {
  const uri = parseDestinationUri(text);
  return allowedRoots(list, tenant)?.some((root) => isAtOrBelow(uri, root));
}

describe('what a list allows', () => {
  test.each([
    ['file:///backup', 'file:///backup', true],
    ['file:///backup', 'file:///backup/shop', true],
    ['file:///backup/', 'file:///backup/shop', true],
    ['file:///backup', 'file:///backup-evil', false],
    ['file:///backup', 'file:///backup-evil/backup', false],
    ['file:///backup', 'file:///Backup/x', false],
    ['file:///backup', 'file:///back', false],
    ['file:///backup', 'file:////backup//x/', true],
    ['file:///backup/a', 'file:///backup', false],
    ['file:///', 'file:///anywhere/at/all', true],
    ['file:///', 's3://box/a?host=h', false],
    ['file:///backup/{tenant}', 'file:///backup/shop/archive', true],
    ['file:///backup/{tenant}', 'file:///backup/shop2', false],
    ['file:///backup/{tenant}', 'file:///backup/other', false],
    ['file:///backup/{tenant}_{tenant_id}', 'file:///backup/shop_1004/data', true],
    ['file:///backup/{tenant}_{tenant_id}', 'file:///backup/shop_1002/data', false],
    ['s3://box?host=h', 's3://box/any/where?host=h', true],
    ['s3://box/?host=h', 's3://box/any/where?host=h', true],
    ['s3://box/a?host=h', 's3://box/a/b?host=h&access_id=i&access_key=k&s3_region=x', true],
    ['s3://box/a?host=h', 's3://box/ab?host=h', false],
    ['s3://box/a?host=h', 's3://boxa/a?host=h', false],
    ['s3://box/a?host=h', 's3://box/a?host=h2', false],
    ['s3://box/a?host=h', 's3://box/a?host=H', true],
    ['s3://box/a?host=H:443', 's3://box/a?host=https://h', true],
    ['s3://box/a?host=h', 's3://box/a?host=h:0443', true],
    ['s3://box/a?host=h', 's3://box/a?host=h:9000', false],
    ['s3://box/a?host=h', 's3://box/a?host=http://h', false],
    ['s3://box/a?host=http://h', 's3://box/a?host=http://h:80', true],
    ['s3://box/a?host=h', 'oss://box/a?host=h', false],
    ['file:///a, s3://box/b?host=h\tfile:///c', 's3://box/b/c?host=h', true],
    ['file:///a, s3://box/b?host=h\tfile:///c', 'file:///c/d', true],
    ['file:///a, s3://box/b?host=h\tfile:///c', 'file:///b', false],
    ['none', 'file:///a', false],
    [' NONE ', 's3://box/a?host=h', false],
    ['', 'file:///a', undefined],
  ])("'%s': %s is %s", (list, uri, is) => {
    expect(isAllowed(list, uri)).toBe(is);
  });
});

test.each([
  ['/backup', /is no uri/],
  ['file:///a/../b', /is not a valid uri/],
  ['file://a', /is not a valid uri/],
  ['s3://box/a', /is not a valid uri/],
  ['file:///backup/{user}', /another placeholder/],
  ['file:///backup?max_iops=5', /says more than a place/],
  ['s3://box/a?host=h&access_id=a&access_key=topsecret', /says more than a place/],
  ['ftp://a/b', /is not a valid uri/],
])('%s is refused as an entry, and tells no secret', (list, message) => {
  const check = () => checkAllowList(`file:///fine,${list}`);
  expect(check).toThrow(message);
  expect(check).not.toThrow(/topsecret/);
});

test.each(['', 'none', 'file:///', 'file:///a/{tenant} s3://box?host=h:9000'])("'%s' is a list", (list) => {
  expect(() => checkAllowList(list)).not.toThrow();
});
