// What an import of tables consists of: statements, in their order, read from the schema of the source. And which of the
// names it takes the target has already.
import { fail } from '../../base/errors.ts';
import type { DatabaseSync } from '../../base/sqlite.ts';
import type { ImportedTable, TableImport } from '../engine-driver.ts';
import { quoteName, quoteString } from '../sql-tokens.ts';
import { isInternal, isVirtual, newName, renameTables, type SchemaRow } from './import-rename.ts';

/** Under this name the source is attached while rows are copied. */
export const SOURCE_SCHEMA = 'holdfast_source';

/** A statement of the target's new schema. */
export interface ImportedObject {
  name: string;
  sql: string;
}

export interface TableWork extends ImportedTable {
  /** Makes the table with its rows and indexes, and sets where AUTOINCREMENT goes on; in this order. */
  statements: string[];
  indexes: ImportedObject[];
  triggers: ImportedObject[];
}

export interface ImportWork {
  tables: TableWork[];
  leftOut: string[];
}

interface ColumnRow {
  name: string;
  pk: number;
  hidden: number;
}

/** Values of `hidden` in table_xinfo: generated columns are made anew. */
const ORDINARY_COLUMN = 0;
const HIDDEN_COLUMN = 1;
/** Names of a row's number; a column may hide each of them. */
const ROWID_NAMES = ['rowid', '_rowid_', 'oid'];

const all = <T>(db: DatabaseSync, sql: string, ...parameters: string[]): T[] =>
  db.prepare(sql).all(...parameters) as unknown as T[];

/**
 * @param db the source, opened as `main`; rows as objects
 * @throws UNKNOWN_TABLE (1146), NOT_SUPPORTED (4007), INVALID_ARGUMENT (1210) when two tables would have one name,
 *         ENTRY_NOT_EXIST (4018) when there is nothing to import
 */
export function readWork(db: DatabaseSync, request: Pick<TableImport, 'tables' | 'renames'>): ImportWork {
  const schema = all<SchemaRow>(db, 'SELECT type, name, tbl_name AS "table", sql FROM sqlite_schema');
  const listed = all<{ name: string; type: string; wr: number }>(
    db,
    "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main'",
  );
  const shadows = new Set(listed.filter(({ type }) => type === 'shadow').map(({ name }) => name));
  const { tables, leftOut } = chooseTables(schema, shadows, request.tables);
  const unknown = Object.keys(request.renames).filter((name) => !tables.includes(name));
  if (unknown.length > 0) throw unknownTables(unknown);
  const targets = tables.map((name) => newName(request.renames, name).toLowerCase());
  const twice = targets.find((name, i) => targets.indexOf(name) < i);
  if (twice !== undefined)
    throw fail('INVALID_ARGUMENT', { what: `RECOVER TABLE: two tables would be named '${twice}'` });
  const rows = renameTables(schema, { tables, shadows, renames: request.renames });
  const withoutRowid = new Set(listed.filter(({ wr }) => wr === 1).map(({ name }) => name));
  return {
    leftOut,
    tables: tables.map((source) => {
      const target = newName(request.renames, source);
      const own = rows.filter(({ table }) => table === target);
      return workOf(db, { source, target, own, hasRowid: !withoutRowid.has(source) });
    }),
  };
}

const unknownTables = (names: readonly string[]) => fail('UNKNOWN_TABLE', { table: names.join("', '") });

/** Plain tables by name, or all of them with what they leave out. */
function chooseTables(
  schema: readonly SchemaRow[],
  shadows: ReadonlySet<string>,
  asked: readonly string[] | 'all',
): { tables: string[]; leftOut: string[] } {
  const kindOf = (row: SchemaRow) => {
    if (row.type === 'view') return 'view';
    if (isVirtual(row)) return 'virtual table';
    return shadows.has(row.name) ? 'part of a virtual table' : 'table';
  };
  const known = new Map(
    schema
      .filter(({ type, name }) => (type === 'table' || type === 'view') && !isInternal(name))
      .map((row) => [row.name, kindOf(row)]),
  );
  if (asked === 'all') {
    const tables = [...known.keys()].filter((name) => known.get(name) === 'table');
    if (tables.length === 0) throw fail('ENTRY_NOT_EXIST', { what: 'a table in the backup' });
    const others = [...known].filter(([, kind]) => kind === 'view' || kind === 'virtual table');
    return { tables, leftOut: others.map(([name, kind]) => `${kind} '${name}'`) };
  }
  const missing = asked.filter((name) => !known.has(name));
  if (missing.length > 0) throw unknownTables(missing);
  for (const name of asked) {
    const kind = known.get(name);
    if (kind !== 'table') throw fail('NOT_SUPPORTED', { what: `RECOVER TABLE of the ${kind} '${name}' is` });
  }
  return { tables: [...asked], leftOut: [] };
}

function workOf(
  db: DatabaseSync,
  of: { source: string; target: string; own: readonly SchemaRow[]; hasRowid: boolean },
): TableWork {
  const { source, target, own } = of;
  const columns = all<ColumnRow>(db, 'SELECT name, pk, hidden FROM pragma_table_xinfo(?)', source);
  const indexes = all<{ origin: string }>(db, 'SELECT origin FROM pragma_index_list(?)', source);
  const foreignKeys = all<{ id: number }>(db, 'SELECT DISTINCT id FROM pragma_foreign_key_list(?)', source);
  const objects = (kind: 'index' | 'trigger') =>
    own.flatMap(({ type, name, sql }) => (type === kind && sql !== null ? [{ name, sql }] : []));
  const createSql = own.find(({ type }) => type === 'table')!.sql!;
  const made = objects('index');
  const makeIndexes = made.map(({ sql }) => sql);
  const isRaw = canCopyRaw(of, columns, indexes.length);
  const copySql = isRaw
    ? `INSERT INTO main.${quoteName(target)} SELECT * FROM ${SOURCE_SCHEMA}.${quoteName(source)}`
    : copySqlOf(of, columns);
  return {
    source,
    target,
    createSql,
    columnCount: columns.filter(({ hidden }) => hidden !== HIDDEN_COLUMN).length,
    indexCount: indexes.filter(({ origin }) => origin === 'c').length,
    constraintCount: indexes.filter(({ origin }) => origin === 'u').length + (columns.some(({ pk }) => pk > 0) ? 1 : 0),
    foreignKeyCount: foreignKeys.length,
    statements: [
      createSql,
      ...(isRaw ? [...makeIndexes, copySql] : [copySql, ...makeIndexes]),
      ...sequenceSqlOf(db, of),
    ],
    indexes: made,
    triggers: objects('trigger'),
  };
}

/**
 * Whether SQLite copies rows and indexes as they are, in the order that they have, several times as fast: into an empty
 * table of the same definition, by `SELECT *`. A row without a number of its own or an index would get a new number.
 * @source sqlite.org/lang_insert.html, insert.c: xferOptimization
 */
function canCopyRaw({ hasRowid }: { hasRowid: boolean }, columns: readonly ColumnRow[], indexCount: number): boolean {
  if (columns.some(({ hidden }) => hidden !== ORDINARY_COLUMN)) return false;
  return !hasRowid || indexCount > 0 || columns.some(({ pk }) => pk > 0);
}

/** A row keeps its number also where no column shows it: others may have noted it. */
function copySqlOf(
  { source, target, hasRowid }: { source: string; target: string; hasRowid: boolean },
  columns: readonly ColumnRow[],
): string {
  const names = columns.map(({ name }) => name.toLowerCase());
  const rowid = hasRowid ? ROWID_NAMES.find((name) => !names.includes(name)) : undefined;
  const written = columns.filter(({ hidden }) => hidden === ORDINARY_COLUMN).map(({ name }) => quoteName(name));
  const list = [...(rowid === undefined ? [] : [rowid]), ...written].join(', ');
  return `INSERT INTO main.${quoteName(target)} (${list}) SELECT ${list} FROM ${SOURCE_SCHEMA}.${quoteName(source)}`;
}

function sequenceSqlOf(db: DatabaseSync, { source, target }: { source: string; target: string }): string[] {
  const [hasSome] = all<object>(db, "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'");
  const [known] = hasSome ? all<object>(db, 'SELECT 1 FROM sqlite_sequence WHERE name = ?', source) : [];
  if (!known) return [];
  const [from, to] = [quoteString(source), quoteString(target)];
  return [
    `DELETE FROM main.sqlite_sequence WHERE name = ${to}`,
    `INSERT INTO main.sqlite_sequence (name, seq) SELECT ${to}, seq FROM ${SOURCE_SCHEMA}.sqlite_sequence WHERE name = ${from}`,
  ];
}

/**
 * What stands in the way in the target. Tables, views and indexes share their names, triggers have theirs.
 * @param taken names of the target by type
 */
export function conflictsOf(
  tables: readonly TableWork[],
  taken: ReadonlyArray<{ type: string; name: string }>,
): string[] {
  const spaceOf = (type: string) => (type === 'trigger' ? 'trigger' : 'table');
  const key = (type: string, name: string) => `${spaceOf(type)} ${name.toLowerCase()}`;
  const known = new Map(taken.map(({ type, name }) => [key(type, name), `${type} '${name}'`]));
  const conflicts: string[] = [];
  const take = (type: string, name: string) => {
    const found = known.get(key(type, name));
    if (found) conflicts.push(found);
    else known.set(key(type, name), `${type} '${name}' twice`);
  };
  for (const { target } of tables) take('table', target);
  for (const { indexes } of tables) for (const { name } of indexes) take('index', name);
  for (const { triggers } of tables) for (const { name } of triggers) take('trigger', name);
  return conflicts;
}
