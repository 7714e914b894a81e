// Answers queries over views: an in-memory SQLite holds only the views of one query, so there is nothing to reach and
// nothing to change.
import { assert } from '../base/assert.ts';
import { fail, type HoldfastError, isFailure } from '../base/errors.ts';
import { MIB } from '../base/limits.ts';
import { sqliteConstants as constants, DatabaseSync } from '../base/sqlite.ts';
import type { Column, ColumnType, SqlValue } from '../model/result.ts';
import { registerMysqlFunctions } from './mysql-functions.ts';
import { oracleColumnNamer } from './oracle-sql.ts';
import type { SessionFacts } from './session-facts.ts';
import { quoteName } from './sql-tokens.ts';
import { translateError } from './sqlite/sql-errors.ts';
import type { ViewAnswer, ViewQuery, ViewSchema, ViewTable } from './view-request.ts';
import { translateViewQuery } from './view-sql.ts';
import { declarationOf, fromStored, toStored, typeByValues } from './view-values.ts';

/** Largest answer; it stands whole in the memory of the host and of the server. */
const ANSWER_ROWS_MAX = 200_000;
const ANSWER_BYTES_MAX = 64 * MIB;
/** Largest single value that a query may build. */
const VALUE_BYTES_MAX = 16 * MIB;
const SQL_BYTES_MAX = 4 * MIB;

const READING: ReadonlySet<number> = new Set([
  constants.SQLITE_SELECT,
  constants.SQLITE_READ,
  constants.SQLITE_FUNCTION,
  constants.SQLITE_RECURSIVE,
]);
/** What reaches outside, and what would tell of the queries before. */
const FUNCTIONS_REFUSED = new Set('load_extension fts3_tokenizer last_insert_rowid changes total_changes'.split(' '));

function fillTable(db: DatabaseSync, schema: string, table: ViewTable): void {
  const name = `${quoteName(schema)}.${quoteName(table.name)}`;
  const columns = table.columns.map(
    (column, i) =>
      `${quoteName(column.name)} ${declarationOf(
        column.type,
        table.rows.map((row) => row[i] ?? null),
      )}`,
  );
  db.exec(`CREATE TABLE ${name} (${columns.join(', ')})`);
  if (table.rows.length === 0) return;
  const insert = db.prepare(`INSERT INTO ${name} VALUES (${table.columns.map(() => '?').join(', ')})`);
  for (const row of table.rows) insert.run(...table.columns.map(({ type }, i) => toStored(type, row[i] ?? null)));
}

/** The current schema comes first: SQLite looks for unqualified names in the order of attaching. */
function inOrder(schemas: readonly ViewSchema[], current: string | null): ViewSchema[] {
  const isCurrent = ({ schema }: ViewSchema) => schema.toLowerCase() === current?.toLowerCase();
  return [...schemas.filter(isCurrent), ...schemas.filter((schema) => !isCurrent(schema))];
}

function fill(db: DatabaseSync, query: ViewQuery): void {
  for (const { schema, tables } of inOrder(query.schemas, query.currentSchema)) {
    db.exec(`ATTACH ':memory:' AS ${quoteName(schema)}`);
    for (const table of tables) fillTable(db, schema, table);
  }
}

function readAll(rows: IterableIterator<unknown>): SqlValue[][] {
  const all: SqlValue[][] = [];
  let bytes = 0;
  for (const row of rows as IterableIterator<SqlValue[]>) {
    all.push(row);
    for (const value of row) bytes += typeof value === 'string' || value instanceof Uint8Array ? value.length : 8;
    if (all.length > ANSWER_ROWS_MAX || bytes > ANSWER_BYTES_MAX) {
      const message = `the answer has more than ${ANSWER_ROWS_MAX} rows or ${ANSWER_BYTES_MAX} bytes; add LIMIT or WHERE`;
      throw fail('ENGINE', { message });
    }
  }
  return all;
}

type Origin = ReturnType<ReturnType<DatabaseSync['prepare']>['columns']>[number];

/** The view column behind a result column, when it is one. */
function viewColumnOf(
  query: ViewQuery,
  origin: Origin,
): { schema: string; table: string; name: string; type: ColumnType } | undefined {
  const same = (a: string, b: string | null) => a.toLowerCase() === b?.toLowerCase();
  const schema = query.schemas.find((one) => same(one.schema, origin.database));
  const table = schema?.tables.find((one) => same(one.name, origin.table));
  const column = table?.columns.find((one) => same(one.name, origin.column));
  return schema && table && column && { schema: schema.schema, table: table.name, ...column };
}

/** Announces a column and turns its values back, in place. */
function toColumn(query: ViewQuery, origin: Origin, rows: SqlValue[][], at: number): Column {
  const source = viewColumnOf(query, origin);
  const values = rows.map((row) => row[at]!);
  const restored = source && values.map((value) => fromStored(source.type, value));
  if (!source || !restored || restored.includes(undefined)) return { name: origin.name, type: typeByValues(values) };
  for (const [i, value] of restored.entries()) rows[i]![at] = value!;
  return { name: origin.name, type: source.type, schema: source.schema, table: source.table, orgName: source.name };
}

function answer(db: DatabaseSync, query: ViewQuery, sql: string): ViewAnswer {
  const statement = db.prepare(sql);
  const bound = query.parameters.map((value) =>
    typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value,
  );
  const rows = readAll(statement.iterate(...bound) as IterableIterator<unknown>);
  const columns = statement.columns().map((origin, at) => toColumn(query, origin, rows, at));
  if (query.mode === 'mysql') return { columns, rows };
  const nameColumn = oracleColumnNamer(query.sql);
  return { columns: columns.map((column) => ({ ...column, name: nameColumn(column.name) })), rows };
}

/** The error of a column that there is not, by the name that the client's mode reads. */
function namedByMode(error: HoldfastError, { mode, sql }: ViewQuery): HoldfastError {
  if (mode === 'mysql' || !isFailure(error, 'UNKNOWN_COLUMN')) return error;
  const { column } = error.facts as { column: string };
  return fail('UNKNOWN_COLUMN', { column: oracleColumnNamer(sql)(column) });
}

/** The query that runs: what functions such as USER() answer in it, and what it was refused. */
interface Running {
  facts: SessionFacts;
  refusal: { what: string; because: string } | null;
}

/** One query at a time. */
export class ViewEngine {
  #running: Running | undefined;
  /** Kept from one query to the next, empty: to make one, with its functions and rules, takes longer than most queries. */
  #kept: DatabaseSync | undefined;

  /**
   * Answers one query.
   * @throws SYNTAX (1064), UNKNOWN_TABLE (1146), UNKNOWN_COLUMN (1054), PARAMETER_COUNT, ENGINE (5099) for too large an
   *         answer, ENGINE_STATEMENT_REFUSED for what does not only read
   */
  run(query: ViewQuery): ViewAnswer {
    const { sql, parameterCount } = translateViewQuery(query.sql, query.mode);
    if (parameterCount !== query.parameters.length)
      throw fail('PARAMETER_COUNT', { expected: parameterCount, given: query.parameters.length });
    const db = this.#kept ?? this.#open();
    this.#kept = undefined;
    const running: Running = { facts: query.facts, refusal: null };
    try {
      fill(db, query);
      this.#running = running;
      const answered = answer(db, query, sql);
      this.#running = undefined;
      for (const { schema } of query.schemas) db.exec(`DETACH ${quoteName(schema)}`);
      this.#kept = db;
      return answered;
    } catch (error) {
      const compile = (text: string) => {
        try {
          db.prepare(text);
          return undefined;
        } catch (failure) {
          return (failure as Error).message;
        }
      };
      const failed = { sql, tenantName: '', isReadOnly: false, refusal: running.refusal, compile };
      throw namedByMode(translateError(error, failed), query);
    } finally {
      this.#running = undefined;
      // What a query that failed has left in it is nobody's concern.
      if (this.#kept !== db) db.close();
    }
  }

  #open(): DatabaseSync {
    const db = new DatabaseSync(':memory:', {
      ...{ readBigInts: true, returnArrays: true, defensive: true, enableForeignKeyConstraints: false },
      limits: { length: VALUE_BYTES_MAX, sqlLength: SQL_BYTES_MAX },
    });
    // Sorting must not spill into files: the memory bound is the bound.
    db.exec('PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF');
    const facts = () => {
      assert(this.#running, 'functions are called by a query');
      return this.#running.facts;
    };
    registerMysqlFunctions(db, { facts, overridesBuiltIns: true });
    db.setAuthorizer((action, _first, second) => {
      const isRefusedFunction =
        action === constants.SQLITE_FUNCTION && FUNCTIONS_REFUSED.has((second ?? '').toLowerCase());
      // Between queries the views are filled and emptied.
      if (!this.#running || (READING.has(action) && !isRefusedFunction)) return constants.SQLITE_OK;
      this.#running.refusal = { what: 'This statement', because: 'system views can only be read' };
      return constants.SQLITE_DENY;
    });
    return db;
  }
}
