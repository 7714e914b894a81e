// Rows of the binary protocol (COM_STMT_EXECUTE): every value in the form its column announces.
// A value that has no such form is an error, never a guess: engines with loose types can hold any value anywhere.
import { fail } from '../base/errors.ts';
import type { Column, SqlValue } from '../model/result.ts';
import type { ByteWriter } from './byte-writer.ts';
import { valueText } from './row-text.ts';
import { writeDateTime, writeTime } from './temporal.ts';

/** The first two bits of a row's NULL bitmap are reserved. */
const BITMAP_OFFSET = 2;

/** @source MySQL documentation, Binary Protocol Resultset Row */
export function writeBinaryRow(writer: ByteWriter, columns: readonly Column[], row: readonly SqlValue[]): void {
  writer.u8(0);
  const bitmapAt = writer.length;
  writer.zeros((columns.length + 7 + BITMAP_OFFSET) >> 3);
  for (let i = 0; i < columns.length; i++) {
    const value = row[i] ?? null;
    if (value === null) {
      const bit = i + BITMAP_OFFSET;
      writer.orU8(bitmapAt + (bit >> 3), 1 << (bit & 7));
    } else if (!writeValue(writer, columns[i] as Column, value)) {
      throw doesNotFit(columns[i] as Column, value);
    }
  }
}

type NotNull = Exclude<SqlValue, null>;

/** @returns false, with nothing written, when the value has no form in the column's type */
function writeValue(writer: ByteWriter, column: Column, value: NotNull): boolean {
  switch (column.type.base) {
    case 'null':
      return false;
    case 'tinyint':
      return writeInteger(writer, value, { bits: 8, isUnsigned: column.type.unsigned === true });
    case 'int':
      return writeInteger(writer, value, { bits: 32, isUnsigned: column.type.unsigned === true });
    case 'bigint':
      return writeInteger(writer, value, { bits: 64, isUnsigned: column.type.unsigned === true });
    case 'double':
      return writeDouble(writer, value);
    case 'date':
    case 'datetime':
    case 'timestamp':
      return typeof value === 'string' && writeDateTime(writer, value);
    case 'time':
      return typeof value === 'string' && writeTime(writer, value);
    case 'decimal':
    case 'varchar':
    case 'longtext':
    case 'longblob':
      if (value instanceof Uint8Array) writer.lenencBytes(value);
      else writer.lenencString(valueText(value));
      return true;
  }
}

const INTEGER = /^-?\d{1,20}$/;

function integerOf(value: NotNull): bigint | null {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : null;
  return typeof value === 'string' && INTEGER.test(value) ? BigInt(value) : null;
}

function writeInteger(
  writer: ByteWriter,
  value: NotNull,
  { bits, isUnsigned }: { bits: 8 | 32 | 64; isUnsigned: boolean },
): boolean {
  const integer = integerOf(value);
  if (integer === null) return false;
  const wrapped = isUnsigned ? BigInt.asUintN(bits, integer) : BigInt.asIntN(bits, integer);
  if (wrapped !== integer) return false;
  if (bits === 64) writer.u64(integer);
  else if (bits === 32) writer.u32(Number(BigInt.asUintN(32, integer)));
  else writer.u8(Number(BigInt.asUintN(8, integer)));
  return true;
}

function writeDouble(writer: ByteWriter, value: NotNull): boolean {
  if (value instanceof Uint8Array || value === '') return false;
  const double = Number(value);
  if (Number.isNaN(double) && typeof value !== 'number') return false;
  if (typeof value === 'bigint' && BigInt(double) !== value) return false;
  writer.double(double);
  return true;
}

/** Characters of a value that an error shows. */
const SHOWN_CHARS_MAX = 64;

function doesNotFit(column: Column, value: NotNull): Error {
  const text = value instanceof Uint8Array ? `${value.length} bytes` : valueText(value).slice(0, SHOWN_CHARS_MAX);
  return fail('VALUE_DOES_NOT_FIT', { value: text, column: column.name, type: column.type.base });
}
