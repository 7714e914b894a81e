// Calendar arithmetic on MySQL's time texts (`2026-11-22 09:15:00.123456`), without a time zone. Pure.

/** A time of the calendar, in microseconds since 1970 as if it were UTC. */
export type NaiveMicros = bigint;

const US_PER_MS = 1000n;
const US_PER_SECOND = 1_000_000n;
const US_PER_DAY = 86_400n * US_PER_SECOND;

const DATE_TIME = /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{0,9}))?)?)?$/;
const COMPACT = /^(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2}))?$/;

export interface NaiveTime {
  micros: NaiveMicros;
  /** False for a date alone. */
  hasTime: boolean;
}

/** Reads a date or date and time; undefined when it is none. */
export function parseNaive(text: string): NaiveTime | undefined {
  const found = DATE_TIME.exec(text.trim()) ?? COMPACT.exec(text.trim());
  if (!found) return undefined;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = ''] = found;
  const ms = Date.UTC(+year!, +month! - 1, +day!, +hour, +minute, +second);
  const made = new Date(ms);
  const isReal =
    made.getUTCMonth() === +month! - 1 && made.getUTCDate() === +day! && +hour < 24 && +minute < 60 && +second < 60;
  if (!isReal || +year! < 100) return undefined;
  const micros = BigInt(ms) * US_PER_MS + BigInt(fraction.slice(0, 6).padEnd(6, '0'));
  return { micros, hasTime: found[4] !== undefined };
}

function floorDiv(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value % by < 0n ? quotient - 1n : quotient;
}

function parts(micros: NaiveMicros): { date: Date; fraction: bigint } {
  const seconds = floorDiv(micros, US_PER_SECOND);
  return { date: new Date(Number(seconds) * 1000), fraction: micros - seconds * US_PER_SECOND };
}

const two = (value: number) => String(value).padStart(2, '0');

/** Writes a time; the fraction only when it is not zero or `fractionDigits` asks for it. null outside years 1 to 9999. */
export function formatNaive(time: NaiveTime, fractionDigits?: number): string | null {
  const { date, fraction } = parts(time.micros);
  const year = date.getUTCFullYear();
  if (!(year >= 1 && year <= 9999)) return null;
  const day = `${String(year).padStart(4, '0')}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
  if (!time.hasTime) return day;
  const clock = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  const digits = fractionDigits ?? (fraction === 0n ? 0 : 6);
  const tail = digits === 0 ? '' : `.${String(fraction).padStart(6, '0').slice(0, digits)}`;
  return `${day} ${clock}${tail}`;
}

const UNIT_MICROS: Record<string, bigint> = {
  MICROSECOND: 1n,
  SECOND: US_PER_SECOND,
  MINUTE: 60n * US_PER_SECOND,
  HOUR: 3600n * US_PER_SECOND,
  DAY: US_PER_DAY,
  WEEK: 7n * US_PER_DAY,
};
const UNIT_MONTHS: Record<string, number> = { MONTH: 1, QUARTER: 3, YEAR: 12 };

/** The units that INTERVAL, DATE_ADD and TIMESTAMPDIFF take here. */
export const TIME_UNITS: readonly string[] = [...Object.keys(UNIT_MICROS), ...Object.keys(UNIT_MONTHS)];

/** Adds `amount` units; a day that the month does not have becomes its last. undefined for an unknown unit. */
export function addInterval(time: NaiveTime, amount: number, unitText: string): NaiveTime | undefined {
  const unit = unitText.toUpperCase();
  const months = UNIT_MONTHS[unit];
  if (months !== undefined) {
    const { date, fraction } = parts(time.micros);
    const first = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + Math.round(amount) * months, 1));
    const lastDay = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 0)).getUTCDate();
    const clockMs = date.getTime() - Math.floor(date.getTime() / 86_400_000) * 86_400_000;
    const ms = first.getTime() + (Math.min(date.getUTCDate(), lastDay) - 1) * 86_400_000 + clockMs;
    if (Number.isNaN(ms)) return undefined;
    return { micros: BigInt(ms) * US_PER_MS + fraction, hasTime: time.hasTime };
  }
  const each = UNIT_MICROS[unit];
  if (each === undefined || !Number.isFinite(amount)) return undefined;
  const whole = unit === 'SECOND' ? amount : Math.round(amount);
  const step = Number.isInteger(whole) ? BigInt(whole) * each : BigInt(Math.round(whole * Number(each)));
  return { micros: time.micros + step, hasTime: time.hasTime || each < US_PER_DAY };
}

/** Whole units from `from` to `to`, as TIMESTAMPDIFF counts them. undefined for an unknown unit. */
export function countUnits(unitText: string, from: NaiveMicros, to: NaiveMicros): bigint | undefined {
  const unit = unitText.toUpperCase();
  const each = UNIT_MICROS[unit];
  if (each !== undefined) return (to - from) / each;
  const months = UNIT_MONTHS[unit];
  if (months === undefined) return undefined;
  if (to < from) return -countUnits(unit, to, from)!;
  const a = parts(from).date;
  const b = parts(to).date;
  let count = (b.getUTCFullYear() - a.getUTCFullYear()) * 12 + b.getUTCMonth() - a.getUTCMonth();
  const reached = addInterval({ micros: from, hasTime: true }, count, 'MONTH');
  if (reached && reached.micros > to) count -= 1;
  return BigInt(Math.trunc(count / months));
}

/** Days between the calendar days of two times. */
export function countDays(from: NaiveMicros, to: NaiveMicros): bigint {
  return floorDiv(to, US_PER_DAY) - floorDiv(from, US_PER_DAY);
}

export const MONTH_NAMES = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July'],
  ...['August', 'September', 'October', 'November', 'December'],
];
export const DAY_NAMES = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** The calendar fields of a time. `weekday` counts from Sunday 0, `yearDay` from 1. */
export function fieldsOf(micros: NaiveMicros) {
  const { date, fraction } = parts(micros);
  const yearStart = Date.UTC(date.getUTCFullYear(), 0, 1);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    micros: Number(fraction),
    weekday: date.getUTCDay(),
    yearDay: Math.floor((date.getTime() - yearStart) / 86_400_000) + 1,
  };
}

type Fields = ReturnType<typeof fieldsOf>;

const suffix = (day: number) =>
  day % 100 > 10 && day % 100 < 14
    ? 'th'
    : (({ 1: 'st', 2: 'nd', 3: 'rd' } as Record<number, string>)[day % 10] ?? 'th');
const hour12 = (f: Fields) => f.hour % 12 || 12;
const half = (f: Fields) => (f.hour < 12 ? 'AM' : 'PM');

const DATE_FORMAT_CODES: Record<string, (f: Fields) => string | number> = {
  Y: (f) => String(f.year).padStart(4, '0'),
  y: (f) => two(f.year % 100),
  m: (f) => two(f.month),
  c: (f) => f.month,
  M: (f) => MONTH_NAMES[f.month - 1]!,
  b: (f) => MONTH_NAMES[f.month - 1]!.slice(0, 3),
  d: (f) => two(f.day),
  e: (f) => f.day,
  D: (f) => `${f.day}${suffix(f.day)}`,
  H: (f) => two(f.hour),
  k: (f) => f.hour,
  h: (f) => two(hour12(f)),
  I: (f) => two(hour12(f)),
  l: (f) => hour12(f),
  i: (f) => two(f.minute),
  s: (f) => two(f.second),
  S: (f) => two(f.second),
  f: (f) => String(f.micros).padStart(6, '0'),
  p: half,
  r: (f) => `${two(hour12(f))}:${two(f.minute)}:${two(f.second)} ${half(f)}`,
  T: (f) => `${two(f.hour)}:${two(f.minute)}:${two(f.second)}`,
  W: (f) => DAY_NAMES[f.weekday]!,
  a: (f) => DAY_NAMES[f.weekday]!.slice(0, 3),
  w: (f) => f.weekday,
  j: (f) => String(f.yearDay).padStart(3, '0'),
};

/** MySQL's DATE_FORMAT. */
export function formatByPercent(micros: NaiveMicros, format: string): string {
  const fields = fieldsOf(micros);
  return format.replace(/%([\s\S])/g, (_all, code: string) => String(DATE_FORMAT_CODES[code]?.(fields) ?? code));
}

const ORACLE_CODES: [RegExp, (f: Fields) => string][] = [
  [/^YYYY/i, (f) => String(f.year).padStart(4, '0')],
  [/^YY/i, (f) => two(f.year % 100)],
  [/^MONTH/i, (f) => MONTH_NAMES[f.month - 1]!.toUpperCase()],
  [/^MON/i, (f) => MONTH_NAMES[f.month - 1]!.slice(0, 3).toUpperCase()],
  [/^MM/i, (f) => two(f.month)],
  [/^MI/i, (f) => two(f.minute)],
  [/^DD/i, (f) => two(f.day)],
  [/^DAY/i, (f) => DAY_NAMES[f.weekday]!.toUpperCase()],
  [/^HH24/i, (f) => two(f.hour)],
  [/^HH(?:12)?/i, (f) => two(hour12(f))],
  [/^SS/i, (f) => two(f.second)],
  [/^FF(?:[1-9])?/i, (f) => String(f.micros).padStart(6, '0')],
  [/^(?:AM|PM)/i, half],
  [/^"[^"]*"/, () => ''],
];

/** Oracle's TO_CHAR of a date. */
export function formatByPicture(micros: NaiveMicros, picture: string): string {
  const fields = fieldsOf(micros);
  let text = '';
  let rest = picture;
  while (rest !== '') {
    const found = ORACLE_CODES.find(([code]) => code.test(rest));
    const taken = found ? found[0].exec(rest)![0] : rest.slice(0, 1);
    text += found ? (taken.startsWith('"') ? taken.slice(1, -1) : found[1](fields)) : taken;
    rest = rest.slice(taken.length);
  }
  return text;
}

const PICTURE_FIELDS: [RegExp, string, keyof Fields][] = [
  [/^YYYY/i, '(\\d{4})', 'year'],
  [/^MM/i, '(\\d{1,2})', 'month'],
  [/^DD/i, '(\\d{1,2})', 'day'],
  [/^HH24/i, '(\\d{1,2})', 'hour'],
  [/^MI/i, '(\\d{1,2})', 'minute'],
  [/^SS/i, '(\\d{1,2})', 'second'],
  [/^FF(?:[1-9])?/i, '(\\d{1,9})', 'micros'],
];

/** Oracle's TO_DATE: reads `text` as `picture` says; undefined when it does not fit. */
export function parseByPicture(text: string, picture: string): NaiveTime | undefined {
  let pattern = '';
  const names: (keyof Fields)[] = [];
  let rest = picture;
  while (rest !== '') {
    const found = PICTURE_FIELDS.find(([code]) => code.test(rest));
    const taken = found ? found[0].exec(rest)![0] : rest.slice(0, 1);
    pattern += found ? found[1] : taken.replace(/[^\w\s]/, '\\$&');
    if (found) names.push(found[2]);
    rest = rest.slice(taken.length);
  }
  const values = new RegExp(`^${pattern}$`).exec(text.trim());
  if (!values) return undefined;
  const of = (name: keyof Fields, otherwise: string) => {
    const place = names.indexOf(name);
    return place < 0 ? otherwise : values[place + 1]!;
  };
  const day = `${of('year', '1970')}-${of('month', '1')}-${of('day', '1')}`;
  return parseNaive(`${day} ${of('hour', '0')}:${of('minute', '0')}:${of('second', '0')}.${of('micros', '0')}`);
}
