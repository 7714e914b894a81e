// Dates and times: the binary form of prepared statements from and to the text that values travel as.
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';

const MICROS_DIGITS = 6;
const HOURS_PER_DAY = 24;

const two = (value: number) => String(value).padStart(2, '0');
/** `.ffffff`, or nothing when it is zero: what MySQL shows for a value without a fraction. */
const fraction = (micros: number) => (micros === 0 ? '' : `.${String(micros).padStart(MICROS_DIGITS, '0')}`);

/** Microseconds of the digits behind the point; further digits are cut off, as the binary form has no place for them. */
function microsOf(digits: string | undefined): number {
  return Number((digits ?? '').slice(0, MICROS_DIGITS).padEnd(MICROS_DIGITS, '0'));
}

/** Reads a DATE, DATETIME or TIMESTAMP parameter as text. @throws MALFORMED_PACKET for impossible figures */
export function readDateTime(reader: ByteReader, shape: 'date' | 'datetime'): string {
  const length = reader.u8();
  if (![0, 4, 7, 11].includes(length)) throw reader.malformed();
  const [year, month, day] = length >= 4 ? [reader.u16(), reader.u8(), reader.u8()] : [0, 0, 0];
  const [hour, minute, second] = length >= 7 ? [reader.u8(), reader.u8(), reader.u8()] : [0, 0, 0];
  const micros = length === 11 ? reader.u32() : 0;
  const isPossible = year <= 9999 && month <= 12 && day <= 31 && hour <= 23 && minute <= 59 && second <= 59;
  if (!isPossible || micros > 999_999) throw reader.malformed();
  const date = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`;
  return shape === 'date' ? date : `${date} ${two(hour)}:${two(minute)}:${two(second)}${fraction(micros)}`;
}

/** Reads a TIME parameter as text: `[-]HH:MM:SS[.ffffff]`, hours beyond 24 for days. */
export function readTime(reader: ByteReader): string {
  const length = reader.u8();
  if (![0, 8, 12].includes(length)) throw reader.malformed();
  if (length === 0) return '00:00:00';
  const sign = reader.u8() === 1 ? '-' : '';
  const days = reader.u32();
  const [hour, minute, second] = [reader.u8(), reader.u8(), reader.u8()];
  const micros = length === 12 ? reader.u32() : 0;
  if (days > 9999 || hour > 23 || minute > 59 || second > 59 || micros > 999_999) throw reader.malformed();
  return `${sign}${two(days * HOURS_PER_DAY + hour)}:${two(minute)}:${two(second)}${fraction(micros)}`;
}

const DATE_TIME = /^(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?$/;
const TIME = /^(-?)(\d{1,5}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?$/;

/**
 * Writes a date or time of day of a binary row.
 * @returns false, with nothing written, when the text is not of that form
 */
export function writeDateTime(writer: ByteWriter, text: string): boolean {
  const match = DATE_TIME.exec(text);
  if (!match) return false;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (month > 12 || day > 31 || hour > 23 || minute > 59 || second > 59) return false;
  const micros = microsOf(match[7]);
  const hasTime = hour + minute + second + micros > 0;
  const length = micros > 0 ? 11 : hasTime ? 7 : year + month + day > 0 ? 4 : 0;
  writer.u8(length);
  if (length >= 4) {
    writer.u16(year);
    writer.u8(month);
    writer.u8(day);
  }
  if (length >= 7) {
    writer.u8(hour);
    writer.u8(minute);
    writer.u8(second);
  }
  if (length === 11) writer.u32(micros);
  return true;
}

/** Writes a TIME of a binary row; false, with nothing written, when the text is not of that form. */
export function writeTime(writer: ByteWriter, text: string): boolean {
  const match = TIME.exec(text);
  if (!match) return false;
  const hours = Number(match[2]);
  const minute = Number(match[3]);
  const second = Number(match[4] ?? 0);
  if (minute > 59 || second > 59) return false;
  const micros = microsOf(match[5]);
  const length = micros > 0 ? 12 : hours + minute + second > 0 ? 8 : 0;
  writer.u8(length);
  if (length === 0) return true;
  writer.u8(match[1] === '-' ? 1 : 0);
  writer.u32(Math.floor(hours / HOURS_PER_DAY));
  writer.u8(hours % HOURS_PER_DAY);
  writer.u8(minute);
  writer.u8(second);
  if (length === 12) writer.u32(micros);
  return true;
}
