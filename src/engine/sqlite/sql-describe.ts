// Tables, columns and indexes of a database, for information_schema and SHOW.

import type { DatabaseSync } from '../../base/sqlite.ts';
import type { EngineColumn, EngineIndex, EngineTable } from '../engine-driver.ts';
import { isBusy } from './sql-errors.ts';

interface TableRow {
  name: string;
  type: 'table' | 'view' | 'virtual' | 'shadow';
  sql: string | null;
}

/** Hidden columns of virtual tables; 2 and 3 are generated columns, which are seen. */
const HIDDEN = 1n;

function columnsOf(db: DatabaseSync, table: string): EngineColumn[] {
  const rows = db.prepare('SELECT * FROM pragma_table_xinfo(?)').all(table) as {
    name: string;
    type: string;
    notnull: bigint;
    dflt_value: string | null;
    pk: bigint;
    hidden: bigint;
  }[];
  return rows
    .filter((row) => row.hidden !== HIDDEN)
    .map((row) => ({
      name: row.name,
      declaredType: row.type,
      isNullable: row.notnull === 0n && row.pk === 0n,
      defaultSql: row.dflt_value,
      primaryKeyPlace: Number(row.pk),
    }));
}

function indexesOf(db: DatabaseSync, table: string): EngineIndex[] {
  const rows = db.prepare('SELECT name, "unique" AS isUnique FROM pragma_index_list(?)').all(table) as {
    name: string;
    isUnique: bigint;
  }[];
  return rows.map(({ name, isUnique }) => {
    const columns = db.prepare('SELECT name FROM pragma_index_info(?) ORDER BY seqno').all(name) as {
      name: string | null;
    }[];
    return { name, isUnique: isUnique === 1n, columns: columns.map((column) => column.name ?? '(expression)') };
  });
}

/** A view over a table that is gone, or over a function of the application's own, has no columns to tell of. */
function viewColumnsOf(db: DatabaseSync, view: string): EngineColumn[] {
  try {
    return columnsOf(db, view);
  } catch (error) {
    if (isBusy(error)) throw error;
    return [];
  }
}

/** Everything a client may see; SQLite's own tables and the inner tables of virtual ones are left out. */
export function describeDatabase(db: DatabaseSync): EngineTable[] {
  const tables = db
    .prepare(
      `SELECT l.name, l.type, s.sql FROM pragma_table_list l JOIN main.sqlite_schema s ON s.name = l.name
       AND s.type IN ('table', 'view')
       WHERE l.schema = 'main' AND l.type <> 'shadow' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY l.name`,
    )
    .all() as unknown as TableRow[];
  return tables.map(({ name, type, sql }) => ({
    name,
    kind: type === 'view' ? 'VIEW' : 'BASE TABLE',
    columns: type === 'view' ? viewColumnsOf(db, name) : columnsOf(db, name),
    indexes: type === 'view' ? [] : indexesOf(db, name),
    createSql: sql ?? '',
  }));
}
