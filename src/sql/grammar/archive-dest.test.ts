import { describe, expect, test } from 'vitest';
import { parseArchiveDest } from './archive-dest.ts';

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
