// The date and time functions of MySQL and Oracle, as SQL calls them. NOW() is the same throughout a statement.

import type { SqlValue } from '../model/result.ts';
import { formatTime, parseTime } from '../model/time-zone.ts';
import type { SqlFunction } from './mysql-functions.ts';
import {
  addInterval,
  countDays,
  countUnits,
  DAY_NAMES,
  fieldsOf,
  formatByPercent,
  formatByPicture,
  formatNaive,
  MONTH_NAMES,
  type NaiveTime,
  parseByPicture,
  parseNaive,
} from './mysql-time.ts';
import type { SessionFacts } from './session-facts.ts';

const NS_PER_SECOND = 1_000_000_000n;
const FRACTION_DIGITS_MAX = 6;

const define = (min: number, max: number, call: SqlFunction['call']): SqlFunction => ({
  min,
  max,
  call: (args, facts) => (args.includes(null) ? null : call(args, facts)),
});

function timeOf(value: SqlValue | undefined): NaiveTime | undefined {
  if (value === null || value === undefined || value instanceof Uint8Array) return undefined;
  return parseNaive(String(value));
}

function digitsOf(args: SqlValue[]): number {
  return Math.min(FRACTION_DIGITS_MAX, Math.max(0, Math.trunc(Number(args[0] ?? 0))));
}

const now = (args: SqlValue[], facts: SessionFacts) => formatTime(facts.nowNs, facts.timeZone, digitsOf(args));
const utcNow = (args: SqlValue[], facts: SessionFacts) => formatTime(facts.nowNs, '+00:00', digitsOf(args));

/** A function of one time. */
const ofTime = (call: (time: NaiveTime) => SqlValue): SqlFunction =>
  define(1, 1, ([value]) => {
    const time = timeOf(value);
    return time ? call(time) : null;
  });
const ofFields = (call: (fields: ReturnType<typeof fieldsOf>) => number): SqlFunction =>
  ofTime((time) => BigInt(call(fieldsOf(time.micros))));

const shift = (sign: 1 | -1): SqlFunction =>
  define(2, 3, ([value, amount, unit = 'DAY']) => {
    const time = timeOf(value);
    const moved = time && addInterval(time, sign * Number(amount), String(unit));
    return moved ? formatNaive(moved) : null;
  });

function unixTimestamp(args: SqlValue[], facts: SessionFacts): SqlValue {
  if (args.length === 0) return facts.nowNs / NS_PER_SECOND;
  const ns = parseTime(String(args[0]), facts.timeZone);
  if (ns === undefined) return 0n;
  return ns % NS_PER_SECOND === 0n ? ns / NS_PER_SECOND : Number(ns / 1000n) / 1_000_000;
}

function fromUnixTime(args: SqlValue[], facts: SessionFacts): SqlValue {
  const seconds = typeof args[0] === 'bigint' ? args[0] : Number(args[0]);
  if (!(Number(seconds) >= 0 && Number(seconds) < 2 ** 37)) return null;
  const ns = typeof seconds === 'bigint' ? seconds * NS_PER_SECOND : BigInt(Math.round(seconds * 1_000_000)) * 1000n;
  const text = formatTime(ns, facts.timeZone, ns % NS_PER_SECOND === 0n ? 0 : FRACTION_DIGITS_MAX);
  return args.length > 1 ? formatByPercent(parseNaive(text)!.micros, String(args[1])) : text;
}

function toChar(args: SqlValue[]): SqlValue {
  const time = args.length > 1 ? timeOf(args[0]) : undefined;
  return time ? formatByPicture(time.micros, String(args[1])) : String(args[0]);
}

function toDate(args: SqlValue[]): SqlValue {
  const time = args.length > 1 ? parseByPicture(String(args[0]), String(args[1])) : timeOf(args[0]);
  return time ? formatNaive({ ...time, hasTime: true }) : null;
}

function castDate(args: SqlValue[]): SqlValue {
  const time = timeOf(args[0]);
  return time ? formatNaive({ ...time, hasTime: false }) : null;
}

function castDateTime(args: SqlValue[]): SqlValue {
  const time = timeOf(args[0]);
  return time ? formatNaive({ ...time, hasTime: true }) : null;
}

function lastDay(time: NaiveTime): SqlValue {
  const next = addInterval(time, 1, 'MONTH')!;
  return formatNaive({ micros: addInterval(next, -fieldsOf(next.micros).day, 'DAY')!.micros, hasTime: false });
}

function difference(args: SqlValue[]): SqlValue {
  const [from, to] = [timeOf(args[1]), timeOf(args[2])];
  return (from && to && countUnits(String(args[0]), from.micros, to.micros)) ?? null;
}

function extract(args: SqlValue[]): SqlValue {
  const time = timeOf(args[1]);
  if (!time) return null;
  const fields = fieldsOf(time.micros);
  const value = {
    YEAR: fields.year,
    QUARTER: Math.ceil(fields.month / 3),
    MONTH: fields.month,
    DAY: fields.day,
    HOUR: fields.hour,
    MINUTE: fields.minute,
    SECOND: fields.second,
    MICROSECOND: fields.micros,
  }[String(args[0]).toUpperCase()];
  return value === undefined ? null : BigInt(value);
}

export const TIME_FUNCTIONS: Record<string, SqlFunction> = {
  now: define(0, 1, now),
  localtime: define(0, 1, now),
  localtimestamp: define(0, 1, now),
  sysdate: define(0, 1, now),
  systimestamp: define(0, 1, (_args, facts) => now([6n], facts)),
  utc_timestamp: define(0, 1, utcNow),
  curdate: define(0, 0, (_args, facts) => now([], facts).slice(0, 10)),
  curtime: define(0, 1, (args, facts) => now(args, facts).slice(11)),
  utc_date: define(0, 0, (_args, facts) => utcNow([], facts).slice(0, 10)),
  utc_time: define(0, 1, (args, facts) => utcNow(args, facts).slice(11)),
  unix_timestamp: define(0, 1, unixTimestamp),
  from_unixtime: define(1, 2, fromUnixTime),
  date_format: define(2, 2, (args) => {
    const time = timeOf(args[0]);
    return time ? formatByPercent(time.micros, String(args[1])) : null;
  }),
  date_add: shift(1),
  adddate: shift(1),
  date_sub: shift(-1),
  subdate: shift(-1),
  timestampadd: define(3, 3, ([unit, amount, value]) => {
    const time = timeOf(value);
    const moved = time && addInterval(time, Number(amount), String(unit));
    return moved ? formatNaive(moved) : null;
  }),
  timestampdiff: define(3, 3, difference),
  datediff: define(2, 2, (args) => {
    const [to, from] = [timeOf(args[0]), timeOf(args[1])];
    return to && from ? countDays(from.micros, to.micros) : null;
  }),
  extract_unit: define(2, 2, extract),
  cast_date: define(1, 1, castDate),
  cast_datetime: define(1, 1, castDateTime),
  last_day: ofTime(lastDay),
  year: ofFields((f) => f.year),
  quarter: ofFields((f) => Math.ceil(f.month / 3)),
  month: ofFields((f) => f.month),
  day: ofFields((f) => f.day),
  dayofmonth: ofFields((f) => f.day),
  hour: ofFields((f) => f.hour),
  minute: ofFields((f) => f.minute),
  second: ofFields((f) => f.second),
  dayofweek: ofFields((f) => f.weekday + 1),
  weekday: ofFields((f) => (f.weekday + 6) % 7),
  dayofyear: ofFields((f) => f.yearDay),
  dayname: ofTime((time) => DAY_NAMES[fieldsOf(time.micros).weekday]!),
  monthname: ofTime((time) => MONTH_NAMES[fieldsOf(time.micros).month - 1]!),
  to_char: define(1, 2, toChar),
  to_date: define(1, 2, toDate),
  to_timestamp: define(1, 2, toDate),
};
