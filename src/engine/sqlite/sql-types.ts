// Which MySQL type a column of a result is announced with, and how each value is made to fit it. SQLite types values,
// not columns: the declaration is a promise only, so the first batch of rows decides, and a later value that fits
// neither way fails the query instead of arriving wrong. Pure.

import { fail } from '../../base/errors.ts';
import type { ColumnType, SqlValue } from '../../model/result.ts';

const INT_BITS: Record<string, number> = { TINYINT: 8, BOOLEAN: 8, BOOL: 8, SMALLINT: 16, MEDIUMINT: 24, YEAR: 16 };
const DECIMAL_DIGITS_MAX = 65;
const DECIMAL_SCALE_MAX = 30;
const VARCHAR_LENGTH_MAX = 16_383;
const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

const DECLARED = /^\s*([A-Za-z_]+)(?:\s+[A-Za-z_ ]*)?(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?/;
const TEXTS = new Set(['TEXT', 'CLOB', 'TINYTEXT', 'MEDIUMTEXT', 'LONGTEXT', 'JSON', 'NCLOB']);
const VARCHARS = new Set(['VARCHAR', 'VARCHAR2', 'NVARCHAR', 'NVARCHAR2', 'CHAR', 'NCHAR', 'CHARACTER', 'VARYING']);
const BLOBS = new Set(['BLOB', 'TINYBLOB', 'MEDIUMBLOB', 'LONGBLOB', 'BINARY', 'VARBINARY', 'RAW']);
const INTEGERS = new Set(['INTEGER', 'INT', 'BIGINT', 'INT2', 'INT4', 'INT8', 'UNSIGNED']);
const REALS = new Set(['REAL', 'DOUBLE', 'FLOAT']);
const DECIMALS = new Set(['DECIMAL', 'NUMERIC', 'NUMBER', 'DEC', 'FIXED']);

/** The type that a declaration promises; undefined when it says nothing we know. */
export function typeOfDeclaration(declared: string | null): ColumnType | undefined {
  const found = declared === null ? null : DECLARED.exec(declared);
  if (!found) return undefined;
  const name = found[1]!.toUpperCase();
  const length = found[2] === undefined ? undefined : Number(found[2]);
  const scale = Number(found[3] ?? 0);
  if (INTEGERS.has(name)) return { base: 'bigint' };
  if (INT_BITS[name] !== undefined) return { base: INT_BITS[name] === 8 ? 'tinyint' : 'int' };
  if (REALS.has(name)) return { base: 'double' };
  if (DECIMALS.has(name)) {
    if (length === undefined) return undefined;
    return { base: 'decimal', length: Math.min(length, DECIMAL_DIGITS_MAX), scale: Math.min(scale, DECIMAL_SCALE_MAX) };
  }
  if (VARCHARS.has(name))
    return length === undefined || length > VARCHAR_LENGTH_MAX ? { base: 'longtext' } : { base: 'varchar', length };
  if (TEXTS.has(name)) return { base: 'longtext' };
  if (BLOBS.has(name)) return { base: 'longblob' };
  if (name === 'DATE') return { base: 'date' };
  if (name === 'TIME' || name === 'DATETIME' || name === 'TIMESTAMP') {
    return { base: name.toLowerCase() as 'time' | 'datetime' | 'timestamp', scale: Math.min(length ?? 0, 6) };
  }
  return undefined;
}

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const DATETIME = /^(\d{4})-(\d\d)-(\d\d) ([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.(\d{1,6}))?$/;
const TIME = /^-?\d{1,3}:[0-5]\d:[0-5]\d(?:\.(\d{1,6}))?$/;
const DECIMAL_TEXT = /^-?\d+(?:\.\d+)?$/;

function isDay(found: RegExpExecArray | null): boolean {
  return found !== null && Number(found[2]) <= 12 && Number(found[3]) <= 31;
}

/** A number as decimal text without exponent; undefined when it has none that is exact enough. */
function decimalText(value: bigint | number, scale: number): string | undefined {
  const text = String(value);
  if (!DECIMAL_TEXT.test(text)) return undefined;
  const digits = text.split('.')[1] ?? '';
  if (digits.length > scale) return text;
  return scale === 0 ? text : `${text.split('.')[0]}.${digits.padEnd(scale, '0')}`;
}

const INT_RANGES: Record<string, bigint> = { tinyint: 1n << 7n, int: 1n << 31n, bigint: 1n << 63n };

function fitInteger(type: ColumnType, value: SqlValue): SqlValue | undefined {
  const whole = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
  const bound = INT_RANGES[type.base]!;
  return typeof whole === 'bigint' && whole >= -bound && whole < bound ? whole : undefined;
}

function fitDouble(value: SqlValue): SqlValue | undefined {
  if (typeof value === 'number') return value;
  return typeof value === 'bigint' && value <= SAFE && value >= -SAFE ? Number(value) : undefined;
}

function fitDecimal(type: ColumnType, value: SqlValue): SqlValue | undefined {
  if (typeof value === 'bigint' || typeof value === 'number') return decimalText(value, type.scale ?? 0);
  return typeof value === 'string' && DECIMAL_TEXT.test(value) ? value : undefined;
}

function fitText(value: SqlValue): SqlValue {
  if (typeof value === 'number')
    return Number.isInteger(value) && Math.abs(value) < 1e15 ? value.toFixed(1) : String(value);
  // Bytes pass as they are: a text column carries them unharmed.
  return typeof value === 'bigint' ? String(value) : value;
}

function fitTime(type: ColumnType, value: SqlValue): SqlValue | undefined {
  if (typeof value !== 'string') return undefined;
  if (type.base === 'date') return isDay(DATE.exec(value)) ? value : undefined;
  const found = type.base === 'time' ? TIME.exec(value) : DATETIME.exec(value);
  if (!found || (type.base !== 'time' && !isDay(found))) return undefined;
  return (found.at(-1)?.length ?? 0) <= (type.scale ?? 0) ? value : undefined;
}

/** The value as a column of this type carries it; undefined when it cannot. NULL always fits. */
export function fitValue(type: ColumnType, value: SqlValue): SqlValue | undefined {
  if (value === null) return null;
  switch (type.base) {
    case 'tinyint':
    case 'int':
    case 'bigint':
      return fitInteger(type, value);
    case 'double':
      return fitDouble(value);
    case 'decimal':
      return fitDecimal(type, value);
    case 'varchar':
    case 'longtext':
    case 'longblob':
      return fitText(value);
    case 'null':
      return undefined;
    default:
      return fitTime(type, value);
  }
}

/** Fits the declaration exactly: what `fitValue` would turn into text does not. */
function keepsDeclaration(type: ColumnType, value: SqlValue): boolean {
  if (value === null) return true;
  if (type.base === 'longblob') return value instanceof Uint8Array;
  if (type.base === 'longtext') return typeof value === 'string';
  if (type.base === 'varchar') return typeof value === 'string' && [...value].length <= type.length!;
  if (type.base === 'decimal') {
    const text = fitDecimal(type, value);
    return typeof text === 'string' && (text.split('.')[1]?.length ?? 0) <= (type.scale ?? 0);
  }
  return fitValue(type, value) !== undefined;
}

/** The type by values alone. @param isWhole no further value follows */
export function typeOfValues(values: readonly SqlValue[], isWhole: boolean): ColumnType {
  const given = values.filter((value) => value !== null);
  if (given.length === 0) return values.length > 0 && isWhole ? { base: 'null' } : { base: 'longtext' };
  if (given.some((value) => value instanceof Uint8Array)) return { base: 'longblob' };
  if (given.every((value) => typeof value === 'bigint')) return { base: 'bigint' };
  if (given.every((value) => typeof value !== 'string' && fitDouble(value) !== undefined)) return { base: 'double' };
  return { base: 'longtext' };
}

function withFraction(type: ColumnType, values: readonly SqlValue[]): ColumnType {
  if (type.base !== 'datetime' && type.base !== 'timestamp' && type.base !== 'time') return type;
  const digits = values.map((value) =>
    typeof value === 'string' ? (/\.(\d{1,6})$/.exec(value)?.[1]?.length ?? 0) : 0,
  );
  return { ...type, scale: Math.max(type.scale ?? 0, ...digits) };
}

/** Texts in a time column that are no times, for example with a zone: still short. */
const TIME_TEXT_CHARS_MAX = 64;
const TIMES = new Set(['date', 'time', 'datetime', 'timestamp']);

/**
 * The announced type of a column: the declaration when the first batch keeps it, the values otherwise.
 * @param values the column's values in the first batch
 * @param isWhole the first batch is the whole result
 */
export function announceType(declared: string | null, values: readonly SqlValue[], isWhole: boolean): ColumnType {
  const promised = typeOfDeclaration(declared);
  if (!promised) return typeOfValues(values, isWhole);
  const type = withFraction(promised, values);
  if (values.every((value) => keepsDeclaration(type, value))) return type;
  const isShortText = (value: SqlValue) =>
    value === null || (typeof value === 'string' && value.length <= TIME_TEXT_CHARS_MAX);
  if (TIMES.has(type.base) && values.every(isShortText)) return { base: 'varchar', length: TIME_TEXT_CHARS_MAX };
  return typeOfValues(values, isWhole);
}

/** Makes a row fit its announced types, in place. @throws ENGINE (1105) when a value cannot */
export function fitRow(types: readonly ColumnType[], names: readonly string[], row: SqlValue[]): SqlValue[] {
  for (const [i, type] of types.entries()) {
    const fitted = fitValue(type, row[i]!);
    if (fitted === undefined) {
      const message = `a value of column '${names[i]}' does not fit the type ${type.base} of the rows before it; write CAST(${names[i]} AS TEXT)`;
      throw fail('ENGINE', { message });
    }
    row[i] = fitted;
  }
  return row;
}
