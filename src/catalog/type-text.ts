// Column types as MySQL writes them, and the types that an engine's declared types stand for.
import type { ColumnType } from '../model/result.ts';

/** `bigint unsigned`, `varchar(64)`, `datetime(6)`, `decimal(24,2)`. */
export function typeText(type: ColumnType): string {
  const unsigned = type.unsigned ? ' unsigned' : '';
  switch (type.base) {
    case 'decimal':
      return `decimal(${type.length ?? 10},${type.scale ?? 0})`;
    case 'datetime':
    case 'timestamp':
    case 'time':
      return type.scale ? `${type.base}(${type.scale})` : type.base;
    case 'varchar':
      return `varchar(${type.length ?? 255})`;
    default:
      return `${type.base}${type.length === undefined ? '' : `(${type.length})`}${unsigned}`;
  }
}

/** Longest varchar that MySQL describes as one; beyond it a declared length says nothing. */
const VARCHAR_CHARS_MAX = 65_535;

const DECLARED = /^\s*([a-z ]*?)\s*(?:\(\s*(\d{1,9})\s*(?:,\s*(\d{1,9})\s*)?\))?\s*(unsigned)?\s*$/i;

const BY_NAME: Record<string, ColumnType> = {
  BOOL: { base: 'tinyint' },
  BOOLEAN: { base: 'tinyint' },
  TINYINT: { base: 'tinyint' },
  SMALLINT: { base: 'int' },
  MEDIUMINT: { base: 'int' },
  DATE: { base: 'date' },
  TIME: { base: 'time' },
  DATETIME: { base: 'datetime' },
  TIMESTAMP: { base: 'timestamp' },
};

/** Types whose length is the digits of the second. */
const SCALED = new Set(['TIME', 'DATETIME', 'TIMESTAMP']);

/**
 * The MySQL type that describes a column of a tenant's table, by SQLite's rules of affinity.
 * @param declared as written in CREATE TABLE; may be empty
 */
export function typeOfDeclared(declared: string): ColumnType {
  const match = DECLARED.exec(declared);
  const name = (match?.[1] ?? declared).toUpperCase();
  const length = match?.[2] === undefined ? undefined : Number(match[2]);
  const scale = match?.[3] === undefined ? 0 : Number(match[3]);
  const known = BY_NAME[name];
  if (known) return { ...known, ...(length !== undefined && SCALED.has(name) ? { scale: Math.min(length, 6) } : {}) };
  if (name.includes('INT')) return { base: 'bigint', ...(match?.[4] ? { unsigned: true } : {}) };
  if (/CHAR|CLOB|TEXT|ENUM|JSON/.test(name)) {
    const isVarchar = length !== undefined && length > 0 && length <= VARCHAR_CHARS_MAX;
    return isVarchar ? { base: 'varchar', length } : { base: 'longtext' };
  }
  if (name === '' || /BLOB|BINARY/.test(name)) return { base: 'longblob' };
  if (/REAL|FLOA|DOUB/.test(name)) return { base: 'double' };
  if (/DEC|NUM/.test(name) && length !== undefined) return { base: 'decimal', length, scale };
  return { base: 'double' };
}
