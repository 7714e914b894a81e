import { describe, expect, test } from 'vitest';
import { HoldfastError } from '../base/errors.ts';
import { URI_CHARS_MAX } from '../base/limits.ts';
import { formatDestinationUri, formatWithOptions, limitsOf, maskUri, parseDestinationUri } from './destination-uri.ts';

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

  test.each(['s3://bucket/a', 'OSS://bucket/a?host=h', 'cos://bucket', 'azblob://box/a'])(
    'of a scheme that is known but not built is not supported: %s',
    (text) => {
      expect(refusalOf(text).errorName).toBe('NOT_SUPPORTED');
    },
  );

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
