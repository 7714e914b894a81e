// Tables and views as information_schema and SHOW describe them, whichever room they come from.
import type { EngineColumn, EngineTable } from '../engine/engine-driver.ts';
import type { ColumnType } from '../model/result.ts';
import { typeOfDeclared, typeText } from './type-text.ts';
import type { ShownColumn } from './view.ts';

export interface ColumnFacts {
  name: string;
  type: ColumnType;
  isNullable: boolean;
  /** The default as MySQL shows it; null for none. */
  defaultText: string | null;
  key: '' | 'PRI' | 'UNI' | 'MUL';
  extra: '' | 'auto_increment';
}

export interface IndexFacts {
  name: string;
  isUnique: boolean;
  columns: string[];
}

export interface TableFacts {
  schema: string;
  name: string;
  kind: 'BASE TABLE' | 'VIEW' | 'SYSTEM VIEW';
  columns: ColumnFacts[];
  /** The primary key first, as PRIMARY. */
  indexes: IndexFacts[];
  /** Empty for system views. */
  createSql: string;
  /** Name of the engine driver; null for views. */
  engine: string | null;
}

export const PRIMARY = 'PRIMARY';

function indexesOf(table: EngineTable): IndexFacts[] {
  const keyColumns = table.columns
    .filter((column) => column.primaryKeyPlace > 0)
    .sort((a, b) => a.primaryKeyPlace - b.primaryKeyPlace)
    .map((column) => column.name);
  // The engine may list the index behind the primary key a second time, under a name of its own.
  const isPrimary = (columns: string[]) => columns.join('\0') === keyColumns.join('\0');
  const others = table.indexes.filter((index) => !(index.isUnique && isPrimary(index.columns)));
  return keyColumns.length > 0 ? [{ name: PRIMARY, isUnique: true, columns: keyColumns }, ...others] : others;
}

function keyOf(column: EngineColumn, indexes: readonly IndexFacts[]): ColumnFacts['key'] {
  if (column.primaryKeyPlace > 0) return 'PRI';
  const leading = indexes.filter((index) => index.columns[0] === column.name);
  if (leading.some((index) => index.isUnique && index.columns.length === 1)) return 'UNI';
  return leading.length > 0 ? 'MUL' : '';
}

const QUOTED = /^'((?:[^']|'')*)'$/;

/** The text of a default: strings without their quotes, expressions as written. */
function defaultText(sql: string | null): string | null {
  if (sql === null || sql.toUpperCase() === 'NULL') return null;
  const quoted = QUOTED.exec(sql);
  return quoted ? quoted[1]!.replaceAll("''", "'") : sql;
}

/** A lone INTEGER primary key is numbered by the engine when it is left out. */
function isNumbered(table: EngineTable, column: EngineColumn): boolean {
  const keys = table.columns.filter((other) => other.primaryKeyPlace > 0);
  return keys.length === 1 && keys[0] === column && /^\s*integer\s*$/i.test(column.declaredType);
}

/** A table or view of a tenant's engine. */
export function factsOfEngineTable(schema: string, engine: string, table: EngineTable): TableFacts {
  const indexes = indexesOf(table);
  return {
    schema,
    name: table.name,
    kind: table.kind,
    indexes,
    createSql: table.createSql,
    engine: table.kind === 'VIEW' ? null : engine,
    columns: table.columns.map((column) => ({
      name: column.name,
      type: typeOfDeclared(column.declaredType),
      isNullable: column.isNullable && column.primaryKeyPlace === 0,
      defaultText: defaultText(column.defaultSql),
      key: keyOf(column, indexes),
      extra: isNumbered(table, column) ? 'auto_increment' : '',
    })),
  };
}

/** A system view. */
export function factsOfView(schema: string, name: string, columns: readonly ShownColumn[]): TableFacts {
  return {
    schema,
    name,
    kind: 'SYSTEM VIEW',
    indexes: [],
    createSql: '',
    engine: null,
    columns: columns.map((column) => ({ ...column, defaultText: null, key: '', extra: '' })),
  };
}

/** What information_schema.COLUMNS says of a type; null where it does not apply. */
export interface TypeFacts {
  dataType: string;
  columnType: string;
  characters: number | null;
  octets: number | null;
  precision: number | null;
  scale: number | null;
  fraction: number | null;
  hasCharset: boolean;
}

const OCTETS_PER_CHARACTER = 4;
const LONG_OCTETS = 4_294_967_295;
const PRECISION: Record<string, number> = { tinyint: 3, int: 10, bigint: 19, double: 22 };

export function factsOfType(type: ColumnType): TypeFacts {
  const isText = type.base === 'varchar' || type.base === 'longtext';
  const isLong = type.base === 'longtext' || type.base === 'longblob';
  const characters = type.base === 'varchar' ? (type.length ?? 0) : isLong ? LONG_OCTETS : null;
  const precision = type.base === 'decimal' ? (type.length ?? null) : (PRECISION[type.base] ?? null);
  const hasFraction = ['time', 'datetime', 'timestamp'].includes(type.base);
  return {
    dataType: type.base,
    columnType: typeText(type),
    characters,
    octets: type.base === 'varchar' ? (type.length ?? 0) * OCTETS_PER_CHARACTER : characters,
    precision,
    scale: precision === null || type.base === 'double' ? null : (type.scale ?? 0),
    fraction: hasFraction ? (type.scale ?? 0) : null,
    hasCharset: isText,
  };
}
