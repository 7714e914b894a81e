import { describe, expect, test } from 'vitest';
import { parseArchiveDest } from './archive-dest.ts';
import { parseRestoreOptions } from './restore-options.ts';

describe('parseArchiveDest', () => {
  const plain = {
    location: 'file:///a',
    binding: 'OPTIONAL',
    pieceSwitchIntervalText: '1d',
    pieceSwitchIntervalUs: 86_400_000_000n,
  };
  test.each([
    ['', null],
    ['  ', null],
    ['LOCATION=file:///a', plain],
    ['  location=file:///a  ', plain],
    ['BINDING=Mandatory LOCATION=file:///a', { ...plain, binding: 'MANDATORY' }],
    [
      'piece_switch_interval=7D binding=optional LOCATION=file:///a',
      { ...plain, pieceSwitchIntervalText: '7d', pieceSwitchIntervalUs: 604_800_000_000n },
    ],
    [
      'LOCATION=file:///a PIECE_SWITCH_INTERVAL=1m',
      { ...plain, pieceSwitchIntervalText: '1m', pieceSwitchIntervalUs: 60_000_000n },
    ],
    ['LOCATION=s3://b/p?host=h&access_id=a', { ...plain, location: 's3://b/p?host=h&access_id=a' }],
  ])('reads %j', (text, dest) => {
    expect(parseArchiveDest(text)).toEqual(dest);
  });

  test.each([
    ['BINDING=Optional', 4007, 'set archive dest without location is not supported'],
    ['LOCATION=', 4007, 'set archive dest without location is not supported'],
    [
      'LOCATION=file:///a PIECE_SWITCH_INTERVAL=8d',
      4007,
      'invalid piece_switch_interval out of range [1m,7d] is not supported',
    ],
    [
      'LOCATION=file:///a PIECE_SWITCH_INTERVAL=59s',
      4007,
      'invalid piece_switch_interval out of range [1m,7d] is not supported',
    ],
    ['LOCATION=file:///a COMPRESSION=zstd', 4007, 'LOG_ARCHIVE_DEST attribute COMPRESSION is not supported'],
    ['LOCATION=file:///a BINDING=Sometimes', 4002, 'Incorrect arguments to LOG_ARCHIVE_DEST'],
    ['LOCATION=file:///a PIECE_SWITCH_INTERVAL=daily', 4002, 'Incorrect arguments to LOG_ARCHIVE_DEST'],
    ['LOCATION=file:///a PIECE_SWITCH_INTERVAL=1', 4002, 'Incorrect arguments to LOG_ARCHIVE_DEST'],
    ['LOCATION = file:///a', 4002, 'Incorrect arguments to LOG_ARCHIVE_DEST'],
    ['LOCATION=file:///a LOCATION=file:///b', 4002, 'Incorrect arguments to LOG_ARCHIVE_DEST'],
    ['file:///a', 4002, 'Incorrect arguments to LOG_ARCHIVE_DEST'],
    ['=x', 4002, 'Incorrect arguments to LOG_ARCHIVE_DEST'],
  ])('refuses %j', (text, code, message) => {
    expect(() => parseArchiveDest(text)).toThrow(expect.objectContaining({ code, message }));
  });
});

describe('parseRestoreOptions', () => {
  const none = { poolList: [], locality: null, primaryZone: null, concurrency: null, kmsEncrypt: false };
  test.each([
    ['', none],
    ['pool_list=p1,p2', { ...none, poolList: ['p1', 'p2'] }],
    [
      'POOL_LIST=p&locality=F@z1,F@z2&primary_zone=z1;z2&concurrency=50&kms_encrypt=true',
      { poolList: ['p'], locality: 'F@z1,F@z2', primaryZone: 'z1;z2', concurrency: 50, kmsEncrypt: true },
    ],
  ])('reads %j', (text, options) => {
    expect(parseRestoreOptions(text)).toEqual(options);
  });

  test.each(['pool=p', 'pool_list', 'pool_list=', 'pool_list=a,,b', 'concurrency=0', 'concurrency=x', 'kms_encrypt=1'])(
    'refuses %j',
    (text) => {
      expect(() => parseRestoreOptions(text)).toThrow(expect.objectContaining({ code: 4002 }));
    },
  );

  test('refuses an option that comes twice', () => {
    expect(() => parseRestoreOptions('locality=a&locality=b')).toThrow(expect.objectContaining({ code: 4002 }));
  });
});
