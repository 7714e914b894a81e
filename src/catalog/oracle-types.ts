// The types that columns have in an oracle tenant, made from their MySQL types by rule, and how Oracle writes them. On
// the wire they are the nearest types that every MySQL client knows: OceanBase's own type codes would break most. Pure.
//
//   integers -> NUMBER(38)   bigint(21), decimal -> NUMBER   varchar(n) -> VARCHAR2(n)   longtext -> CLOB
//   …_SCN_DISPLAY -> TIMESTAMP(9)   other times -> TIMESTAMP(6), DATE without a fraction
//   START_, END_, FINISH_, COMPLETION_, LAST_CHECK_TIMESTAMP -> VARCHAR2(256)   …_BYTES_DISPLAY -> VARCHAR2(42)
import type { ColumnType } from '../model/result.ts';

/** Digits of Oracle's widest number; a NUMBER that names none has no bound. */
const NUMBER_DIGITS = 38;
/** Digits of the second of an SCN; six of them travel. */
const SCN_DIGITS = 9;
const TIME_CHARS = 256;
const BYTES_CHARS = 42;

const TIME_AS_TEXT = /^(START|END|FINISH|COMPLETION|LAST_CHECK)_TIMESTAMP$/;

/** The type in an oracle tenant of what has this type in a mysql tenant. */
export function oracleType(type: ColumnType): ColumnType {
  switch (type.base) {
    case 'tinyint':
    case 'int':
      return { base: 'decimal', length: NUMBER_DIGITS, scale: 0 };
    case 'bigint':
      return type.length === undefined
        ? { base: 'decimal', length: NUMBER_DIGITS, scale: 0 }
        : { base: 'decimal', scale: 0 };
    default:
      return type;
  }
}

/** The same for a column of a system view, where OceanBase goes by what the column is. */
export function oracleColumnType(name: string, type: ColumnType): ColumnType {
  if (name.endsWith('_SCN_DISPLAY')) return { base: 'datetime', scale: SCN_DIGITS };
  if (TIME_AS_TEXT.test(name)) return { base: 'varchar', length: TIME_CHARS };
  if (name.endsWith('_BYTES_DISPLAY')) return { base: 'varchar', length: BYTES_CHARS };
  // A number that is computed has no bound of its own.
  if (type.base === 'decimal') return { base: 'decimal', scale: type.scale ?? 0 };
  return oracleType(type);
}

/** `NUMBER(38)`, `VARCHAR2(64)`, `TIMESTAMP(9)`: of a type of either mode. */
export function oracleTypeText(type: ColumnType): string {
  const { base, length, scale } = oracleType(type);
  switch (base) {
    case 'decimal':
      return length === undefined ? 'NUMBER' : `NUMBER(${length}${scale ? `,${scale}` : ''})`;
    case 'varchar':
      return `VARCHAR2(${length ?? 255})`;
    case 'datetime':
      return scale ? `TIMESTAMP(${scale})` : 'DATE';
    case 'timestamp':
      return `TIMESTAMP(${scale ?? 0}) WITH LOCAL TIME ZONE`;
    case 'longtext':
      return 'CLOB';
    case 'longblob':
      return 'BLOB';
    case 'double':
      return 'BINARY_DOUBLE';
    case 'date':
      return 'DATE';
    default:
      return 'VARCHAR2(255)';
  }
}
