// Goal: times mean the moment that the zone says, in and around clock changes. Method: moments with known UTC readings.
import { describe, expect, test } from 'vitest';
import { formatTime, isTimeZone, localTimeZone, parseTime } from './time-zone.ts';

const ns = (iso: string) => BigInt(Date.parse(iso)) * 1_000_000n;

describe('a zone', () => {
  test.each([
    '+00:00',
    '-00:00',
    '+8:00',
    '+08:00',
    '-12:00',
    '+14:00',
    '+05:45',
    'UTC',
    'Asia/Shanghai',
    'Europe/Berlin',
  ])('is %s', (zone) => {
    expect(isTimeZone(zone)).toBe(true);
  });

  test.each(['', '08:00', '+15:00', '+08:60', '+8', '+08:0', 'Asia/Nowhere', 'SYSTEM', '+08:00 '])(
    'is not "%s"',
    (zone) => {
      expect(isTimeZone(zone)).toBe(false);
    },
  );

  test('of this machine is one', () => {
    expect(isTimeZone(localTimeZone())).toBe(true);
  });
});

describe('formatTime', () => {
  test.each([
    ['+00:00', '2026-01-31 09:15:00.120000'],
    ['+08:00', '2026-01-31 17:15:00.120000'],
    ['-03:30', '2026-01-31 05:45:00.120000'],
    ['+05:45', '2026-01-31 15:00:00.120000'],
    ['Asia/Shanghai', '2026-01-31 17:15:00.120000'],
    ['America/New_York', '2026-01-31 04:15:00.120000'],
  ])('shows a moment in %s', (zone, text) => {
    expect(formatTime(ns('2026-01-31T09:15:00.120Z'), zone)).toBe(text);
  });

  test.each([
    ['2026-03-29T00:59:59Z', '2026-03-29 01:59:59'],
    ['2026-03-29T01:00:00Z', '2026-03-29 03:00:00'],
    ['2026-10-25T00:30:00Z', '2026-10-25 02:30:00'],
    ['2026-10-25T01:30:00Z', '2026-10-25 02:30:00'],
    ['2026-10-25T02:00:00Z', '2026-10-25 03:00:00'],
  ])('follows the clock changes of Berlin at %s', (iso, text) => {
    expect(formatTime(ns(iso), 'Europe/Berlin', 0)).toBe(text);
  });

  test('cuts the fraction to the digits that were asked for, and never rounds up', () => {
    const moment = ns('2026-01-31T23:59:59Z') + 999_999_999n;
    expect(formatTime(moment, '+00:00', 0)).toBe('2026-01-31 23:59:59');
    expect(formatTime(moment, '+00:00', 3)).toBe('2026-01-31 23:59:59.999');
    expect(formatTime(moment, '+00:00')).toBe('2026-01-31 23:59:59.999999');
    expect(formatTime(moment, '+00:00', 9)).toBe('2026-01-31 23:59:59.999999999');
  });

  test('shows midnight as 00 and crosses the year with the zone', () => {
    expect(formatTime(ns('2025-12-31T16:00:00Z'), 'Asia/Shanghai', 0)).toBe('2026-01-01 00:00:00');
    expect(formatTime(0n, '-01:00', 0)).toBe('1969-12-31 23:00:00');
  });

  test('refuses a moment before 1970: no scn is one', () => {
    expect(() => formatTime(-1n, '+00:00')).toThrow('a moment is not before 1970');
  });
});

describe('parseTime', () => {
  test.each([
    ['2026-01-31 09:15:00.120000', '+00:00', '2026-01-31T09:15:00.120Z'],
    ['2026-01-31T09:15:00', '+00:00', '2026-01-31T09:15:00Z'],
    ['  2026-1-3 9:5  ', '+00:00', '2026-01-03T09:05:00Z'],
    ['2026-01-31', '+08:00', '2026-01-30T16:00:00Z'],
    ['2028-02-29 12:00:00', 'Asia/Shanghai', '2028-02-29T04:00:00Z'],
    ['2026-07-01 12:00:00', 'Europe/Berlin', '2026-07-01T10:00:00Z'],
    ['2026-12-01 12:00:00', 'Europe/Berlin', '2026-12-01T11:00:00Z'],
    ['2026-03-29 03:00:00', 'Europe/Berlin', '2026-03-29T01:00:00Z'],
    ['2026-10-25 01:59:59', 'Europe/Berlin', '2026-10-24T23:59:59Z'],
    ['2026-11-01 01:30:00', 'America/New_York', '2026-11-01T05:30:00Z'],
    ['2026-03-08 02:30:00', 'America/New_York', '2026-03-08T06:30:00Z'],
  ])('reads %s in %s', (text, zone, iso) => {
    expect(parseTime(text, zone)).toBe(ns(iso));
  });

  test('keeps nine digits of a fraction', () => {
    const second = ns('2026-01-31T09:15:00Z');
    expect(parseTime('2026-01-31 09:15:00.1', '+00:00')).toBe(second + 100_000_000n);
    expect(parseTime('2026-01-31 09:15:00.000000001', '+00:00')).toBe(second + 1n);
  });

  test.each([
    '',
    'yesterday',
    '2026',
    '2026-02-29',
    '2026-02-30 00:00:00',
    '2026-13-01',
    '2026-00-01',
    '2026-01-00',
    '2026-01-32',
    '2026-01-31 24:00:00',
    '2026-01-31 23:60:00',
    '2026-01-31 23:59:60',
    '2026-01-31 09',
    '2026-01-31 09:15:00.',
    '2026-01-31 09:15:00.1234567890',
    '2026-01-31 09:15:00 Z',
    '1969-12-31 23:59:59',
  ])('refuses "%s"', (text) => {
    expect(parseTime(text, '+00:00')).toBeUndefined();
  });

  test('gives back every moment that formatTime showed, outside of a repeated hour', () => {
    for (const zone of ['+00:00', '-09:30', 'Asia/Shanghai', 'Europe/Berlin', 'Australia/Lord_Howe']) {
      // An odd step in days and hours, so that all seasons and hours of the day come by.
      for (
        let moment = ns('2024-01-01T00:10:00Z');
        moment < ns('2027-01-01T00:00:00Z');
        moment += ns('1970-01-06T05:00:00Z')
      ) {
        expect(parseTime(formatTime(moment, zone), zone)).toBe(moment);
      }
    }
  });
});

describe('a time that a clock change repeats or skips', () => {
  const utc = (text: string) => BigInt(Date.parse(text)) * 1_000_000n;

  test('means the earlier of its two readings, on both sides of Greenwich', () => {
    expect(parseTime('2026-10-25 02:30:00', 'Europe/Berlin')).toBe(utc('2026-10-25T00:30:00Z'));
    expect(parseTime('2026-11-01 01:30:00', 'America/New_York')).toBe(utc('2026-11-01T05:30:00Z'));
  });

  test('of the first century is not one of the last', () => {
    expect(parseTime('0099-01-01 00:00:00', '+00:00')).toBeUndefined();
  });
});

test('an offset goes up to 14:00', () => {
  expect(isTimeZone('+14:00')).toBe(true);
  expect(isTimeZone('+14:01')).toBe(false);
});
