// What a statement answers: the shapes that travel from an engine or a system view to a client.

/** A value of a row or a parameter. Integers are bigint end to end: an SCN does not fit a number. */
export type SqlValue = null | bigint | number | string | Uint8Array;

/**
 * The MySQL type a column is announced with.
 * `decimal`, `datetime` and `timestamp` values travel as text; `scale` is digits after the point (or of the second).
 */
export interface ColumnType {
  base:
    | 'null'
    | 'tinyint'
    | 'int'
    | 'bigint'
    | 'double'
    | 'decimal'
    | 'varchar'
    | 'longtext'
    | 'longblob'
    | 'date'
    | 'time'
    | 'datetime'
    | 'timestamp';
  unsigned?: boolean;
  /** Characters of a varchar, digits of a decimal. */
  length?: number;
  scale?: number;
}

export interface Column {
  name: string;
  type: ColumnType;
  /** The table column behind it, when it is one. */
  schema?: string;
  table?: string;
  orgName?: string;
  /** False announces NOT NULL to the client; left out means that it may be null. */
  isNullable?: boolean;
}

/** A statement that returns no rows. */
export interface OkResult {
  kind: 'ok';
  affectedRows: bigint;
  lastInsertId: bigint;
  warnings: number;
  info?: string;
}

/** A statement that returns rows, in batches so that a large result never stands in memory whole. */
export interface RowsResult {
  kind: 'rows';
  columns: Column[];
  rows: AsyncIterable<SqlValue[][]>;
  warnings: number;
}

export type StatementResult = OkResult | RowsResult;

export function okResult(affectedRows = 0n, lastInsertId = 0n, warnings = 0): OkResult {
  return { kind: 'ok', affectedRows, lastInsertId, warnings };
}

async function* single(rows: SqlValue[][]): AsyncGenerator<SqlValue[][]> {
  if (rows.length > 0) yield rows;
}

/** A result that is already whole. */
export function rowsResult(columns: Column[], rows: SqlValue[][], warnings = 0): RowsResult {
  return { kind: 'rows', columns, rows: single(rows), warnings };
}

export const bigint = (unsigned = false): ColumnType => ({ base: 'bigint', ...(unsigned ? { unsigned } : {}) });
export const varchar = (length: number): ColumnType => ({ base: 'varchar', length });
export const datetime = (scale: number): ColumnType => ({ base: 'datetime', scale });
export const timestamp = (scale: number): ColumnType => ({ base: 'timestamp', scale });
export const decimal = (length: number, scale: number): ColumnType => ({ base: 'decimal', length, scale });
export const longtext = (): ColumnType => ({ base: 'longtext' });
