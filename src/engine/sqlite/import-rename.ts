// New names for tables that are imported. SQLite itself rewrites them, in a copy of the schema without rows: only it knows
// every place where a name stands in a table's own text, in foreign keys of others, in triggers.
import { fail } from '../../base/errors.ts';
import { DatabaseSync } from '../../base/sqlite.ts';
import { isSignificant, quoteName, SQLITE_RULES, tokenize } from '../sql-tokens.ts';
import { confine } from './sql-confinement.ts';

/** One row of `sqlite_schema`. */
export interface SchemaRow {
  type: 'table' | 'index' | 'trigger' | 'view';
  name: string;
  /** The table that an index or a trigger belongs to; the name itself for a table. */
  table: string;
  /** null for an index that a constraint makes. */
  sql: string | null;
}

export const isVirtual = ({ sql }: SchemaRow) => sql !== null && /^CREATE VIRTUAL/i.test(sql);

/** Where indexes and triggers have one name space per database, those of a renamed table can not keep their names. */
export const nameInRenamed = (table: string, name: string): string => `${table}_${name}`;

/**
 * Gives an index or a trigger another name.
 * @param sql as `sqlite_schema` has it: always `CREATE [UNIQUE] INDEX name` or `CREATE TRIGGER name`
 */
export function renameObject(sql: string, name: string): string {
  const words = tokenize(sql, SQLITE_RULES).filter(isSignificant);
  const place = words[1]?.key === 'UNIQUE' ? 3 : 2;
  const old = words[place]!;
  return sql.slice(0, old.start) + quoteName(name) + sql.slice(old.start + old.text.length);
}

/** Makes what it can of a schema: what does not work there did not work in the source either. */
class SchemaCopy {
  readonly #db = new DatabaseSync(':memory:');

  constructor(rows: readonly SchemaRow[], shadows: ReadonlySet<string>) {
    this.#db.exec('PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF; PRAGMA legacy_alter_table = OFF');
    confine(this.#db, { isVacuum: false, refusal: null, insertsInto: null, isStateful: false });
    const tables = rows.filter(({ type, name }) => type === 'table' && !isInternal(name) && !shadows.has(name));
    for (const row of tables) if (!isVirtual(row)) this.run(row.sql!);
    // A virtual table makes its shadow tables itself. One of a module that is not here is not needed by most triggers.
    for (const row of tables) if (isVirtual(row)) this.#tries(row.sql!);
    for (const row of rows) if (row.type === 'view') this.#tries(row.sql!);
  }

  run(sql: string): void {
    this.#db.prepare(sql).run();
  }

  #tries(sql: string): boolean {
    try {
      this.run(sql);
      return true;
    } catch {
      return false;
    }
  }

  rows(): SchemaRow[] {
    return this.#db.prepare('SELECT type, name, tbl_name AS "table", sql FROM sqlite_schema').all() as never;
  }

  /** A view over something that is not there would keep SQLite from renaming anything. */
  dropBrokenViews(): void {
    for (const { type, name } of this.rows()) {
      if (type === 'view' && !this.#tries(`SELECT 1 FROM ${quoteName(name)} LIMIT 0`))
        this.run(`DROP VIEW ${quoteName(name)}`);
    }
  }

  close(): void {
    this.#db.close();
  }
}

export const isInternal = (name: string): boolean => /^sqlite_/i.test(name);

/**
 * The rows of the schema that belong to some tables, as they are under their new names: tables first, then indexes and
 * triggers in their order.
 * @param tables names as they are stored
 * @param renames new names by old; tables without one keep theirs, and so do their indexes and triggers
 * @throws NOT_SUPPORTED (4007) when SQLite can not rename one, because a trigger of it does not work
 */
export function renameTables(
  schema: readonly SchemaRow[],
  of: { tables: readonly string[]; shadows: ReadonlySet<string>; renames: Readonly<Record<string, string>> },
): SchemaRow[] {
  const chosen = new Set(of.tables);
  const own = schema.filter(({ type, table }) => type !== 'view' && chosen.has(table));
  const renamed = of.tables.filter((table) => newName(of.renames, table) !== table);
  if (renamed.length === 0) return own;
  const copy = new SchemaCopy(schema, of.shadows);
  try {
    for (const { type, sql } of own) if (type !== 'table' && sql !== null) copy.run(sql);
    const taken = new Set(renamed.map((table) => newName(of.renames, table).toLowerCase()));
    for (const { type, name } of copy.rows()) {
      const isOther = !chosen.has(name) && taken.has(name.toLowerCase());
      if (isOther && (type === 'table' || type === 'view')) copy.run(`DROP ${type} ${quoteName(name)}`);
    }
    copy.dropBrokenViews();
    // In two steps, so that tables may swap their names.
    for (const [i, table] of renamed.entries()) alter(copy, table, `holdfast_renamed_${i}`);
    for (const [i, table] of renamed.entries()) alter(copy, `holdfast_renamed_${i}`, newName(of.renames, table));
    const targets = new Set(of.tables.map((table) => newName(of.renames, table)));
    const fresh = new Set(renamed.map((table) => newName(of.renames, table)));
    return copy
      .rows()
      .filter(({ type, table }) => type !== 'view' && targets.has(table))
      .map((row) => (fresh.has(row.table) ? renameWithTable(row) : row));
  } finally {
    copy.close();
  }
}

/** The name that a table gets. */
export function newName(renames: Readonly<Record<string, string>>, table: string): string {
  return Object.hasOwn(renames, table) ? renames[table]! : table;
}

function alter(copy: SchemaCopy, from: string, to: string): void {
  try {
    copy.run(`ALTER TABLE ${quoteName(from)} RENAME TO ${quoteName(to)}`);
  } catch (error) {
    const because = (error as Error).message;
    throw fail(
      'NOT_SUPPORTED',
      { what: `REMAP of a table that SQLite can not rename (${because}) is` },
      { cause: error },
    );
  }
}

function renameWithTable(row: SchemaRow): SchemaRow {
  if (row.type === 'table' || row.sql === null) return row;
  const name = nameInRenamed(row.table, row.name);
  return { ...row, name, sql: renameObject(row.sql, name) };
}
