// One session's connection inside a SQL host: runs one statement at a time, hands its rows out in batches.
// Everything here is synchronous; a statement that meets a lock answers `busy` and is tried again when the server asks.

import { assert } from '../../base/assert.ts';
import { systemClock } from '../../base/clock.ts';
import { fail } from '../../base/errors.ts';
import { KIB, MIB } from '../../base/limits.ts';
import type { DatabaseSync } from '../../base/sqlite.ts';
import type { Column, ColumnType, SqlValue } from '../../model/result.ts';
import { registerMysqlFunctions } from '../mysql-functions.ts';
import { completeFacts, type SessionFacts } from '../session-facts.ts';
import { confine, type Guard, openConfined, setAutocheckpoint } from './sql-confinement.ts';
import { isBusy, translateError } from './sql-errors.ts';
import { readStatement, type StatementKind, type TenantStatement } from './sql-statement.ts';
import { announceType, fitRow, typeOfDeclaration } from './sql-types.ts';
import type { Answer, Batch, ExecuteStatement, OpenSession, Prepared, SessionState } from './sql-verbs.ts';

/** A batch ends at the first of these: enough to amortise the way to the server, little enough to share a host. */
const BATCH_ROWS_MAX = 1000;
const BATCH_BYTES_MAX = 256 * KIB;
const BATCH_MS_MAX = 25;
/** Largest row of an answer: MySQL's max_allowed_packet, as SHOW VARIABLES tells it. The server holds a row whole. */
const ROW_BYTES_MAX = 64 * MIB;

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

type Compiled = ReturnType<DatabaseSync['prepare']>;

interface Running {
  statement: TenantStatement;
  parameters: SqlValue[];
  /** Kept only to be kept: the binding's iterator does not hold its statement, and reads freed memory without it. */
  compiled: Compiled | null;
  rows: Iterator<SqlValue[]> | null;
  types: ColumnType[];
  names: string[];
}

/** A parameter as SQLite takes it. Whole numbers become integers: MySQL clients send every number as a double. */
function toBound(value: SqlValue, place: number): SqlValue {
  const what = `statement: parameter ${place}`;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  if (typeof value === 'bigint' && (value < INT64_MIN || value > INT64_MAX))
    throw fail('INVALID_ARGUMENT', { what: `${what} does not fit a 64-bit integer` });
  // The binding would cut the text there.
  if (typeof value === 'string' && value.includes('\0'))
    throw fail('INVALID_ARGUMENT', { what: `${what} is a text with a NUL character; send it as bytes` });
  return value;
}

function sizeOf(row: readonly SqlValue[]): number {
  let bytes = 0;
  for (const value of row) bytes += typeof value === 'string' || value instanceof Uint8Array ? value.length : 8;
  return bytes;
}

const COUNTED: ReadonlySet<StatementKind> = new Set(['INSERT', 'UPDATE', 'DELETE']);

export class SqlConnection {
  readonly #tenant: OpenSession;
  readonly #db: DatabaseSync;
  readonly #guard: Guard;
  #facts: SessionFacts = completeFacts(undefined, 0n);
  #running: Running | null = null;
  #lastRowid = 0n;
  #keepsLog = false;

  constructor(tenant: OpenSession) {
    this.#tenant = tenant;
    const { db, guard } = openConfined(tenant.location, tenant);
    registerMysqlFunctions(db, { facts: () => this.#facts, overridesBuiltIns: false });
    confine(db, guard);
    this.#db = db;
    this.#guard = guard;
  }

  get #state(): SessionState {
    return { isInTransaction: this.#db.isTransaction, isStateful: this.#guard.isStateful };
  }

  /** Starts a statement; an earlier one's unread rows are abandoned. */
  execute({ sql, parameters, facts, keepsLog }: Omit<ExecuteStatement, 'session'>): Answer {
    this.abandon();
    this.#keepLog(keepsLog);
    this.#facts = facts;
    this.#guard.refusal = null;
    const statement = readStatement(sql, this.#tenant.mode);
    if (statement.parameterCount !== parameters.length)
      throw fail('PARAMETER_COUNT', { expected: statement.parameterCount, given: parameters.length });
    const bound = parameters.map((value, i) => toBound(value, i + 1));
    this.#running = { statement, parameters: bound, compiled: null, rows: null, types: [], names: [] };
    return this.retry();
  }

  /** A change of the mode in the middle of a transaction counts from the next on. */
  #keepLog(keepsLog: boolean): void {
    if (keepsLog === this.#keepsLog || this.#db.isTransaction) return;
    this.#keepsLog = keepsLog;
    this.#db.setAuthorizer(null);
    setAutocheckpoint(this.#db, { keepsLog });
    confine(this.#db, this.#guard);
  }

  /** Tries the current statement (again). */
  retry(): Answer {
    const running = this.#running;
    assert(running && running.rows === null, 'a statement waits to be tried');
    try {
      const answer = this.#attempt(running);
      if (answer.kind === 'ok' || (answer.kind === 'rows' && answer.batch.isLast)) this.#running = null;
      return answer;
    } catch (error) {
      this.#endRows(running);
      if (isBusy(error)) return { kind: 'busy' };
      this.#running = null;
      throw this.#translate(error, running.statement.sql);
    }
  }

  /** The next rows of the current statement. */
  fetch(): { batch: Batch; state: SessionState } {
    const running = this.#running;
    assert(running?.rows, 'the statement has rows left');
    try {
      const batch = this.#collect(running);
      for (const row of batch.rows) fitRow(running.types, running.names, row);
      if (batch.isLast) this.#running = null;
      return { batch, state: this.#state };
    } catch (error) {
      this.abandon();
      throw this.#translate(error, running.statement.sql);
    }
  }

  /** Forgets the current statement: rows not read, or a lock waited for. */
  abandon(): void {
    if (this.#running) this.#endRows(this.#running);
    this.#running = null;
  }

  prepare(sql: string): Prepared {
    const statement = readStatement(sql, this.#tenant.mode);
    try {
      const columns = this.#compile(statement).columns();
      const types = columns.map((column) => typeOfDeclaration(column.type) ?? ({ base: 'longtext' } as const));
      return { parameterCount: statement.parameterCount, columns: toColumns(columns, types) };
    } catch (error) {
      throw this.#translate(error, statement.sql);
    }
  }

  /** Only while another connection of this process keeps the file open. */
  close(): void {
    this.abandon();
    this.#db.close();
  }

  #compile(statement: TenantStatement): Compiled {
    Object.assign(this.#guard, { isVacuum: statement.kind === 'VACUUM', refusal: null, insertsInto: null });
    return this.#db.prepare(statement.sql);
  }

  #attempt(running: Running): Answer {
    const { statement, parameters } = running;
    const { kind } = statement;
    if ((kind === 'COMMIT' || kind === 'ROLLBACK') && !this.#db.isTransaction)
      return { kind: 'ok', state: this.#state, affectedRows: 0n, lastInsertId: 0n };
    if (kind === 'BEGIN' && this.#db.isTransaction) this.#db.exec('COMMIT');
    const compiled = this.#compile(statement);
    if (compiled.columns().length === 0) return this.#run(compiled, parameters, kind);
    running.compiled = compiled;
    running.rows = compiled.iterate(...parameters) as Iterator<SqlValue[]>;
    const batch = this.#collect(running);
    // After the first step: a schema change by someone else may have made SQLite compile the statement anew.
    const columns = compiled.columns();
    if (kind === 'PRAGMA' && batch.rows.length === 0)
      return { kind: 'ok', state: this.#state, affectedRows: 0n, lastInsertId: 0n };
    running.names = columns.map((column) => column.name);
    running.types = columns.map((column, i) =>
      announceType(
        column.type,
        batch.rows.map((row) => row[i]!),
        batch.isLast,
      ),
    );
    for (const row of batch.rows) fitRow(running.types, running.names, row);
    return { kind: 'rows', state: this.#state, columns: toColumns(columns, running.types), batch };
  }

  #run(compiled: Compiled, parameters: SqlValue[], kind: StatementKind): Answer {
    const result = compiled.run(...parameters) as unknown as { changes: bigint; lastInsertRowid: bigint };
    const affectedRows = COUNTED.has(kind) ? result.changes : 0n;
    const isInsert = kind === 'INSERT' && affectedRows > 0n;
    const lastInsertId = isInsert && this.#isNewRowid(result.lastInsertRowid) ? result.lastInsertRowid : 0n;
    this.#lastRowid = result.lastInsertRowid;
    return { kind: 'ok', state: this.#state, affectedRows, lastInsertId };
  }

  /** An insert into a table without row ids leaves SQLite's figure as an earlier statement set it. */
  #isNewRowid(rowid: bigint): boolean {
    if (rowid !== this.#lastRowid || this.#guard.insertsInto === null) return true;
    const found = this.#db
      .prepare('SELECT wr FROM pragma_table_list WHERE name = ? COLLATE NOCASE')
      .all(this.#guard.insertsInto) as unknown as bigint[][];
    return found[0]?.[0] !== 1n;
  }

  #collect(running: Running): Batch {
    const { rows } = running;
    assert(rows, 'the statement has rows');
    const batch: SqlValue[][] = [];
    const endMs = systemClock.monotonicMs() + BATCH_MS_MAX;
    let bytes = 0;
    while (batch.length < BATCH_ROWS_MAX && bytes < BATCH_BYTES_MAX) {
      const next = rows.next();
      if (next.done) {
        running.rows = null;
        return { rows: batch, isLast: true };
      }
      const rowBytes = sizeOf(next.value);
      if (rowBytes > ROW_BYTES_MAX) throw fail('PACKET_TOO_LARGE', { bytes: rowBytes });
      batch.push(next.value);
      bytes += rowBytes;
      if (systemClock.monotonicMs() > endMs) break;
    }
    return { rows: batch, isLast: false };
  }

  #endRows(running: Running): void {
    running.rows?.return?.();
    running.rows = null;
  }

  #translate(error: unknown, sql: string) {
    const compile = (text: string) => {
      try {
        this.#db.prepare(text);
        return undefined;
      } catch (failure) {
        return (failure as Error).message;
      }
    };
    const { refusal } = this.#guard;
    const { tenantName, isReadOnly } = this.#tenant;
    return translateError(error, { sql, tenantName, isReadOnly, refusal, compile });
  }
}

function toColumns(columns: ReturnType<Compiled['columns']>, types: readonly ColumnType[]): Column[] {
  return columns.map((column, i) => ({
    name: column.name,
    type: types[i]!,
    ...(column.table === null ? {} : { table: column.table, orgName: column.column ?? column.name }),
  }));
}
