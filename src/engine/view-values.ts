// How view columns are stored in SQLite so that comparing and sorting mean what they do in MySQL, and how they come
// back exactly as they were. Pure.

import type { ColumnType, SqlValue } from '../model/result.ts';
import { fitValue, typeOfValues } from './sqlite/sql-types.ts';

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** Longest text that is announced as varchar where only values tell the type. */
const VARCHAR_CHARS_MAX = 4096;

export const isInteger = (type: ColumnType) => type.base === 'bigint' || type.base === 'int' || type.base === 'tinyint';
const fits = (value: bigint) => value >= INT64_MIN && value <= INT64_MAX;

/** The column as CREATE TABLE declares it. Texts compare without case, as MySQL's default collation does. */
export function declarationOf(type: ColumnType, values: readonly SqlValue[]): string {
  if (isInteger(type)) return values.every((value) => typeof value !== 'bigint' || fits(value)) ? 'INTEGER' : '';
  if (type.base === 'varchar' || type.base === 'longtext') return 'TEXT COLLATE NOCASE';
  if (type.base === 'double') return 'REAL';
  // Decimals are stored as whatever number keeps them exactly, so no affinity may touch them.
  if (type.base === 'decimal' || type.base === 'null' || type.base === 'longblob') return '';
  return 'TEXT';
}

function decimalToStored(type: ColumnType, value: string): SqlValue {
  if (/^-?\d+$/.test(value) && fits(BigInt(value))) return BigInt(value);
  const number = Number(value);
  return value.trim() !== '' && number.toFixed(type.scale ?? 0) === value ? number : value;
}

/** A value as it is stored. */
export function toStored(type: ColumnType, value: SqlValue): SqlValue {
  if (value === null) return null;
  if (type.base === 'decimal') return typeof value === 'string' ? decimalToStored(type, value) : value;
  if (typeof value === 'number' && isInteger(type) && Number.isSafeInteger(value)) return BigInt(value);
  // An unsigned value beyond SQLite's integers stays exact as text.
  if (typeof value === 'bigint' && !fits(value)) return String(value);
  return value;
}

/** A value of a column that is a view's own, as the view has it; undefined when the value is no such thing. */
export function fromStored(type: ColumnType, value: SqlValue): SqlValue | undefined {
  if (value === null) return null;
  if (isInteger(type)) {
    if (typeof value === 'string' && /^-?\d+$/.test(value)) return BigInt(value);
    return typeof value === 'bigint' ? value : undefined;
  }
  if (type.base === 'decimal') return fitValue(type, value);
  if (type.base === 'double') return typeof value === 'number' ? value : undefined;
  if (type.base === 'longblob') return value;
  return typeof value === 'string' ? value : undefined;
}

/** The type of a column that only its values tell. */
export function typeByValues(values: readonly SqlValue[]): ColumnType {
  const type = typeOfValues(values, true);
  if (type.base !== 'longtext') return type;
  const longest = values.reduce<number>((most, value) => Math.max(most, value === null ? 0 : String(value).length), 1);
  return longest <= VARCHAR_CHARS_MAX ? { base: 'varchar', length: longest } : type;
}
