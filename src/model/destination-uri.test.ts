import { describe, expect, test } from 'vitest';
import { HoldfastError } from '../base/errors.ts';
import { URI_CHARS_MAX } from '../base/limits.ts';
import { limitsOf } from './destination-options.ts';
import { formatDestinationUri, formatWithOptions, maskUri, parseDestinationUri } from './destination-uri.ts';

function refusalOf(text: string): HoldfastError {
  try {
    parseDestinationUri(text);
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
  throw new Error(`${text} should have been refused`);
}

describe('a destination uri', () => {
  test.each([
    ['file:///backup', 'file:///backup'],
    ['FILE:///backup/archive', 'file:///backup/archive'],
    ['file:///backup//a/', 'file:///backup/a'],
    ['file:///backup/备份/..a', 'file:///backup/备份/..a'],
  ])('%s has the normal form %s', (text, normal) => {
    expect(formatDestinationUri(parseDestinationUri(text))).toBe(normal);
  });

  test.each([
    '',
    '/backup',
    'file://backup',
    'file:/backup',
    'file://',
    'file:///',
    'file:///a/../b',
    'file:///a/./b',
    'file:///a b',
    'file:///a\0b',
    'file:///a?x=1',
    'file:///a?',
    'file:///a?max_iops=0',
    'file:///a?max_iops=1.5',
    'file:///a?max_iops=10&max_iops=20',
    'file:///a?max_iops=10&',
    'file:///a?max_bandwidth=1K',
    'file:///a?max_bandwidth=fast',
    'file:///a?max_bandwidth=2000000000G',
    'ftp://host/a',
    `file:///${'a'.repeat(URI_CHARS_MAX)}`,
  ])('is not "%s"', (text) => {
    expect(refusalOf(text).errorName).toBe('INVALID_BACKUP_DEST');
  });

  test('of a scheme that is known but not built is not supported', () => {
    expect(refusalOf('azblob://box/a?host=h').errorName).toBe('NOT_SUPPORTED');
  });

  test.each([
    ['s3://box/a?host=h.example', 's3://box/a?host=h.example', {}],
    ['S3://box/a//b/?host=HTTPS://H.example:9000', 's3://box/a/b?host=h.example:9000', {}],
    ['s3://box/a?HOST=http://127.0.0.1:9000', 's3://box/a?host=http://127.0.0.1:9000', {}],
    ['s3://box/a?host=http://[::1]:9000', 's3://box/a?host=http://[::1]:9000', {}],
    [
      'oss://box/a?delete_mode=TAGGING&host=h&enable_worm=True&checksum_type=crc32&s3_region=eu-west-1&max_iops=9',
      'oss://box/a?host=h',
      {
        ...{ delete_mode: 'tagging', enable_worm: 'true', checksum_type: 'crc32' },
        ...{ s3_region: 'eu-west-1', max_iops: '9' },
      },
    ],
    ['cos://box/a?host=h&appid=1250', 'cos://box-1250/a?host=h', {}],
    ['cos://box-1250/a?host=h&appid=1250', 'cos://box-1250/a?host=h', {}],
    ['cos://box-1250/a?host=h', 'cos://box-1250/a?host=h', {}],
  ])('%s has the normal form %s', (text, normal, options) => {
    const uri = parseDestinationUri(text);
    expect(formatDestinationUri(uri)).toBe(normal);
    expect(uri.options).toEqual(options);
    expect(parseDestinationUri(formatWithOptions(uri))).toEqual(uri);
  });

  test('may give an access key, which is in no form of it', () => {
    const uri = parseDestinationUri('s3://box/a?access_key=s3cr/t+=&host=h&access_id=AKID');
    expect(uri).toMatchObject({ access: { accessId: 'AKID', accessKey: 's3cr/t+=' } });
    expect(formatWithOptions(uri)).toBe('s3://box/a?host=h');
  });

  test.each([
    's3://box?host=h',
    's3://box/?host=h',
    's3://box/a',
    's3:///a?host=h',
    's3://B_x/a?host=h',
    's3://box/../a?host=h',
    's3://box/a%20b?host=h',
    's3://box/备份?host=h',
    's3://box/a?host=h&host=h',
    's3://box/a?host=h/path',
    's3://box/a?host=user@h',
    's3://box/a?host=ftp://h',
    's3://box/a?host=h&access_id=AKID',
    's3://box/a?host=h&access_key=KEY1',
    's3://box/a?host=h&access_id=AK&access_key=a%20b',
    's3://box/a?host=h&appid=1',
    's3://box/a?host=h&delete_mode=never',
    's3://box/a?host=h&enable_worm=maybe',
    's3://box/a?host=h&s3_region=eu_west',
    's3://box/a?host=h&zone=z1',
    'cos://box/a?host=h',
    'cos://box/a?host=h&appid=x',
    'file:///a?enable_worm=true',
  ])('of an object store is not "%s"', (text) => {
    expect(refusalOf(text).errorName).toBe('INVALID_BACKUP_DEST');
    expect(refusalOf(text).message).not.toContain('KEY1');
  });

  test.each([
    ['file:///a?max_bandwidth=50M', { bytesPerSecond: 50 * 2 ** 20 }, 'file:///a?max_bandwidth=50M'],
    ['file:///a?max_bandwidth=2097152', { bytesPerSecond: 2 ** 21 }, 'file:///a?max_bandwidth=2097152'],
    ['file:///a/?MAX_IOPS=100', { operationsPerSecond: 100 }, 'file:///a?max_iops=100'],
    [
      'file:///a?max_iops=7&max_bandwidth=1gb',
      { operationsPerSecond: 7, bytesPerSecond: 2 ** 30 },
      'file:///a?max_iops=7&max_bandwidth=1GB',
    ],
    ['file:///a', undefined, 'file:///a'],
  ])('%s is limited as it says', (text, limits, normal) => {
    const uri = parseDestinationUri(text);
    expect(limitsOf(uri)).toEqual(limits);
    expect(formatWithOptions(uri)).toBe(normal);
    expect(parseDestinationUri(formatWithOptions(uri))).toEqual(uri);
    expect(formatDestinationUri(uri)).toBe('file:///a');
  });

  test('never shows a secret, not even in its refusal', () => {
    const text = 'ftp://h/a?access_id=ID1&access_key=KEY1&Password=PW1&host=h';
    expect(maskUri(text)).toBe('ftp://h/a?access_id=******&access_key=******&Password=******&host=h');
    expect(refusalOf(text).message).not.toMatch(/ID1|KEY1|PW1/);
  });
});
