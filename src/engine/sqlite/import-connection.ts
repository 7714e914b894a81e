// The import of tables inside its host process: reads the source, and writes the target in one transaction, step by step as
// the server asks, so that what takes long can be ended between and within. It never closes the target's file.
import { pathToFileURL } from 'node:url';
import { assert } from '../../base/assert.ts';
import { fail } from '../../base/errors.ts';
import { DatabaseSync } from '../../base/sqlite.ts';
import type { ImportedTable, ImportPlan, TableImport } from '../engine-driver.ts';
import { quoteName, quoteString } from '../sql-tokens.ts';
import { conflictsOf, type ImportWork, readWork, SOURCE_SCHEMA, type TableWork } from './import-plan.ts';
import { confine, type Guard, openConfined, setAutocheckpoint } from './sql-confinement.ts';
import { isBusy, translateError } from './sql-errors.ts';

/** Pages kept in memory while rows and indexes are written, 64 MiB: those beyond go into the log before the commit. */
const CACHE_KIB = 65_536;

/** A trigger that does not compile for this reason is left out; a function may be one of the application's own. */
const LACKS_OBJECT = /no such (?:table|column|module)/;

export interface OpenImport extends TableImport {
  /** The log is to be archived: this connection does not checkpoint it. */
  keepsLog: boolean;
}

/** The source, which nobody has open and nobody writes: nothing is left beside it. */
const sourceUri = (path: string) => `${pathToFileURL(path).href}?immutable=1`;

function readSource(request: TableImport): ImportWork {
  const db = new DatabaseSync(sourceUri(request.sourcePath), { readOnly: true });
  try {
    return readWork(db, request);
  } finally {
    db.close();
  }
}

const shown = ({ source, target, createSql, ...of }: TableWork): ImportedTable => {
  const { columnCount, indexCount, constraintCount, foreignKeyCount } = of;
  return { source, target, createSql, columnCount, indexCount, constraintCount, foreignKeyCount };
};

export class ImportConnection {
  readonly #request: OpenImport;
  readonly #db: DatabaseSync;
  readonly #guard: Guard;
  readonly #notes: string[] = [];
  #work: ImportWork | null = null;

  constructor(request: OpenImport) {
    this.#request = request;
    const { db, guard } = openConfined(request.tenant.location, { isReadOnly: false });
    this.#db = db;
    this.#guard = guard;
  }

  /** What is to be done; undefined when another connection's lock is in the way, and then it may be asked again. */
  plan(): ImportPlan | undefined {
    return this.#unlessBusy(() => {
      this.#work ??= this.#prepare();
      const { tables, leftOut } = this.#work;
      return { tables: tables.map(shown), leftOut, conflicts: this.#conflicts() };
    });
  }

  /** Opens the way to the source, and closes every other: texts of the backup are compiled from then on. */
  #prepare(): ImportWork {
    const work = readSource(this.#request);
    const attached = this.#all('SELECT name FROM pragma_database_list').flat();
    if (!attached.includes(SOURCE_SCHEMA))
      this.#db.exec(`ATTACH ${quoteString(sourceUri(this.#request.sourcePath))} AS ${SOURCE_SCHEMA}`);
    // Rows are those of the backup, whatever checks and foreign keys would say of them in the target.
    this.#db.exec(`PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA cache_size = -${CACHE_KIB}`);
    setAutocheckpoint(this.#db, this.#request);
    confine(this.#db, this.#guard);
    return work;
  }

  /**
   * Takes the target's write lock.
   * @returns undefined when another connection has it
   * @throws ENTRY_EXISTS (4017), and nothing is written
   */
  begin(): true | undefined {
    return this.#unlessBusy(() => {
      this.#db.exec('BEGIN IMMEDIATE');
      const conflicts = this.#conflicts();
      if (conflicts.length === 0) return true;
      this.#db.exec('ROLLBACK');
      throw fail('ENTRY_EXISTS', { what: `${conflicts.join(', ')} in tenant '${this.#request.tenant.name}'` });
    });
  }

  /** Makes a table with its rows and indexes, and the point where AUTOINCREMENT goes on. */
  copyTable(index: number): void {
    const table = this.#tables[index];
    assert(table, 'the plan has this table');
    this.#told(() => {
      for (const sql of table.statements) this.#run(sql);
    });
  }

  /** Behind all rows, which must not fire them, and all tables, which they may name. */
  makeTriggers(): void {
    this.#told(() => {
      for (const { target, triggers } of this.#tables)
        for (const { name, sql } of triggers) {
          this.#run(sql);
          const because = this.#faultOfTriggers(target);
          if (because === undefined) continue;
          this.#run(`DROP TRIGGER main.${quoteName(name)}`);
          this.#notes.push(`trigger '${name}' is left out, it does not work in the target: ${because}`);
        }
    });
  }

  commit(): void {
    this.#told(() => this.#db.exec('COMMIT'));
  }

  /** After the commit, when nobody waits any more. @returns what a user should know */
  notes(): string[] {
    for (const { target, foreignKeyCount } of this.#tables) {
      const note = foreignKeyCount > 0 ? this.#foreignKeyNote(target) : undefined;
      if (note !== undefined) this.#notes.push(note);
    }
    return this.#notes;
  }

  get #tables(): readonly TableWork[] {
    assert(this.#work, 'an import is planned first');
    return this.#work.tables;
  }

  #conflicts(): string[] {
    const rows = this.#all('SELECT type, name FROM main.sqlite_schema');
    const names = rows.map(([type, name]) => ({ type: String(type), name: String(name) }));
    return conflictsOf(this.#tables, names);
  }

  #all(sql: string, ...parameters: string[]): unknown[][] {
    return this.#db.prepare(sql).all(...parameters) as unknown as unknown[][];
  }

  #run(sql: string): void {
    this.#db.prepare(sql).run();
  }

  /** Whether writes of a table still compile with its triggers: one that does not would stop the application. */
  #faultOfTriggers(table: string): string | undefined {
    const name = quoteName(table);
    const columns = this.#all('SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0', table).map(String);
    const set = columns.map((column) => `${quoteName(column)} = ${quoteName(column)}`).join(', ');
    for (const sql of [`INSERT INTO ${name} DEFAULT VALUES`, `UPDATE ${name} SET ${set}`, `DELETE FROM ${name}`]) {
      try {
        this.#db.prepare(sql);
      } catch (error) {
        const { message } = error as Error;
        if (LACKS_OBJECT.test(message)) return message;
      }
    }
    return undefined;
  }

  #foreignKeyNote(table: string): string | undefined {
    try {
      const count = this.#all('SELECT count(*) FROM pragma_foreign_key_check(?)', table)[0]![0] as bigint;
      return count > 0n ? `${count} references of table '${table}' lead to no row` : undefined;
    } catch (error) {
      return `references of table '${table}' were not checked: ${(error as Error).message}`;
    }
  }

  #unlessBusy<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (isBusy(error)) return undefined;
      throw this.#translate(error);
    }
  }

  #told<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#translate(error);
    }
  }

  #translate(error: unknown) {
    const { refusal } = this.#guard;
    const tenantName = this.#request.tenant.name;
    return translateError(error, { sql: '', tenantName, isReadOnly: false, refusal, compile: () => undefined });
  }
}
