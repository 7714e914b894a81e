// How a column is announced to a client: type code, character set, display length, flags, decimals.
import type { Column, ColumnType } from '../model/result.ts';
import type { ByteWriter } from './byte-writer.ts';
import { CHARSET, COLUMN_FLAG, TYPE } from './constants.ts';

/** Type of a column as the protocol says it. */
export interface WireType {
  code: number;
  charset: number;
  /** Display width in bytes. */
  length: number;
  flags: number;
  decimals: number;
}

const BYTES_PER_CHAR_MAX = 4;
/** Characters of a varchar that names none: the most that MySQL allows in utf8mb4. */
const VARCHAR_CHARS_MAX = 16_383;
const LONG_LENGTH = 0xffff_ffff;
const DECIMAL_DIGITS_MAX = 65;
/** "Not fixed": what MySQL says for a double. */
const DECIMALS_NOT_FIXED = 31;
/** MySQL's clients know at most microseconds; finer digits still travel in the text. */
const TEMPORAL_SCALE_MAX = 6;

const INTEGER_TYPES = {
  tinyint: { code: TYPE.TINY, signed: 4, unsigned: 3 },
  int: { code: TYPE.LONG, signed: 11, unsigned: 10 },
  bigint: { code: TYPE.LONGLONG, signed: 20, unsigned: 20 },
} as const;

const TEMPORAL_TYPES = {
  date: { code: TYPE.DATE, length: 10 },
  time: { code: TYPE.TIME, length: 10 },
  datetime: { code: TYPE.DATETIME, length: 19 },
  timestamp: { code: TYPE.TIMESTAMP, length: 19 },
} as const;

function binaryType(code: number, length: number, extra: { flags?: number; decimals?: number } = {}): WireType {
  return {
    code,
    charset: CHARSET.BINARY,
    length,
    flags: COLUMN_FLAG.BINARY | (extra.flags ?? 0),
    decimals: extra.decimals ?? 0,
  };
}

/** The protocol's description of a column type. */
export function wireTypeOf(type: ColumnType): WireType {
  const unsigned = type.unsigned ? COLUMN_FLAG.UNSIGNED : 0;
  switch (type.base) {
    case 'null':
      return binaryType(TYPE.NULL, 0);
    case 'tinyint':
    case 'int':
    case 'bigint': {
      const integer = INTEGER_TYPES[type.base];
      return binaryType(integer.code, type.unsigned ? integer.unsigned : integer.signed, { flags: unsigned });
    }
    case 'double':
      return binaryType(TYPE.DOUBLE, 22, { flags: unsigned, decimals: DECIMALS_NOT_FIXED });
    case 'decimal': {
      const digits = type.length ?? DECIMAL_DIGITS_MAX;
      const scale = type.scale ?? 0;
      const length = digits + (scale > 0 ? 1 : 0) + (type.unsigned ? 0 : 1);
      return binaryType(TYPE.NEWDECIMAL, length, { flags: unsigned, decimals: scale });
    }
    case 'varchar': {
      const length = Math.min((type.length ?? VARCHAR_CHARS_MAX) * BYTES_PER_CHAR_MAX, LONG_LENGTH);
      return { code: TYPE.VAR_STRING, charset: CHARSET.UTF8MB4_GENERAL_CI, length, flags: 0, decimals: 0 };
    }
    case 'longtext':
      return {
        code: TYPE.BLOB,
        charset: CHARSET.UTF8MB4_GENERAL_CI,
        length: LONG_LENGTH,
        flags: COLUMN_FLAG.BLOB,
        decimals: 0,
      };
    case 'longblob':
      return binaryType(TYPE.BLOB, LONG_LENGTH, { flags: COLUMN_FLAG.BLOB });
    case 'date':
    case 'time':
    case 'datetime':
    case 'timestamp': {
      const temporal = TEMPORAL_TYPES[type.base];
      const scale = type.base === 'date' ? 0 : Math.min(type.scale ?? 0, TEMPORAL_SCALE_MAX);
      return binaryType(temporal.code, temporal.length + (scale > 0 ? scale + 1 : 0), { decimals: scale });
    }
  }
}

/** Bytes behind the length 0x0c: fields of fixed length. */
const FIXED_FIELDS_BYTES = 0x0c;

/** @source MySQL documentation, Protocol::ColumnDefinition41 */
export function writeColumnDefinition(writer: ByteWriter, column: Column): void {
  const type = wireTypeOf(column.type);
  const notNull = column.isNullable === false ? COLUMN_FLAG.NOT_NULL : 0;
  writeDefinition(writer, column, { ...type, flags: type.flags | notNull });
}

/** A parameter of a prepared statement: its type is known only when it is executed. */
export function writeParameterDefinition(writer: ByteWriter): void {
  writeDefinition(writer, { name: '?' }, binaryType(TYPE.VAR_STRING, 0));
}

function writeDefinition(writer: ByteWriter, names: Omit<Column, 'type'>, type: WireType): void {
  writer.lenencString('def');
  writer.lenencString(names.schema ?? '');
  writer.lenencString(names.table ?? '');
  writer.lenencString(names.table ?? '');
  writer.lenencString(names.name);
  writer.lenencString(names.orgName ?? '');
  writer.u8(FIXED_FIELDS_BYTES);
  writer.u16(type.charset);
  writer.u32(type.length);
  writer.u8(type.code);
  writer.u16(type.flags);
  writer.u8(type.decimals);
  writer.u16(0);
}
