// A connection to a Holdfast (or any MySQL) server as the shell and the quick start use it. The wire is mysql2's.
import mysql, { type Connection, type FieldPacket, type ResultSetHeader } from 'mysql2/promise';
import { messageOf } from '../base/errors.ts';
import type { Cell, PrintableResult } from './result-table.ts';

export interface ConnectOptions {
  host: string;
  port: number;
  /** `user@tenant`. */
  user: string;
  password: string;
  database?: string;
}

/** What a statement answered: rows, or the figures of an OK packet. */
export type Answer =
  | { kind: 'rows'; result: PrintableResult; warnings: number }
  | { kind: 'ok'; affectedRows: bigint; info: string; warnings: number };

/** An error of the server as MySQL clients print it. */
export interface ServerError {
  errno: number;
  sqlState: string;
  message: string;
}

const CONNECT_TIMEOUT_MS = 10_000;

/** MySQL type codes of numbers: these columns are aligned to the right. */
const NUMERIC_TYPES = new Set([0, 1, 2, 3, 4, 5, 8, 9, 13, 246]);

export async function connect(options: ConnectOptions): Promise<SqlClient> {
  const connection = await mysql.createConnection({
    ...options,
    connectTimeout: CONNECT_TIMEOUT_MS,
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    rowsAsArray: true,
    charset: 'utf8mb4',
  });
  return new SqlClient(connection);
}

export class SqlClient {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
    // A connection that is lost while idle shows at the next statement; without a listener it would end the process.
    connection.on('error', () => {});
  }

  /** @throws Error whose facts `toServerError` reads */
  async run(sql: string): Promise<Answer> {
    const [rows, fields] = await this.#connection.query({ sql, rowsAsArray: true });
    if (Array.isArray(rows) && Array.isArray(fields)) {
      return { kind: 'rows', result: toPrintable(rows as unknown[][], fields), warnings: 0 };
    }
    const header = rows as ResultSetHeader;
    return {
      kind: 'ok',
      affectedRows: BigInt(header.affectedRows),
      info: header.info ?? '',
      warnings: header.warningStatus ?? 0,
    };
  }

  /** Rows as objects of texts, for callers that read views. */
  async rows(sql: string): Promise<Array<Record<string, string | null>>> {
    const answer = await this.run(sql);
    if (answer.kind === 'ok') return [];
    const { columns, rows } = answer.result;
    return rows.map((row) => Object.fromEntries(columns.map((name, at) => [name, row[at] ?? null])));
  }

  async close(): Promise<void> {
    await this.#connection.end().catch(() => this.#connection.destroy());
  }
}

function toCell(value: unknown): Cell {
  if (value === null || value === undefined) return null;
  if (!Buffer.isBuffer(value)) return String(value);
  const text = value.toString('utf8');
  return Buffer.from(text, 'utf8').equals(value) ? text : `0x${value.toString('hex').toUpperCase()}`;
}

function toPrintable(rows: unknown[][], fields: FieldPacket[]): PrintableResult {
  return {
    columns: fields.map(({ name }) => name),
    isNumeric: fields.map(({ columnType }) => NUMERIC_TYPES.has(columnType ?? -1)),
    rows: rows.map((row) => row.map(toCell)),
  };
}

/** The server's part of an error that `run` or `connect` threw; undefined for an error of the client's own. */
export function toServerError(error: unknown): ServerError | undefined {
  if (!(error instanceof Error) || !('errno' in error) || typeof error.errno !== 'number' || error.errno <= 0)
    return undefined;
  const sqlState = 'sqlState' in error && typeof error.sqlState === 'string' ? error.sqlState : 'HY000';
  const message = 'sqlMessage' in error && typeof error.sqlMessage === 'string' ? error.sqlMessage : error.message;
  return { errno: error.errno, sqlState, message };
}

/** `ERROR 9040 (HY000): …`, as MySQL clients print it. */
export function formatError(error: unknown): string {
  const known = toServerError(error);
  if (known) return `ERROR ${known.errno} (${known.sqlState}): ${known.message}`;
  if (error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED') {
    return 'ERROR 2003 (HY000): nothing listens there. Is the server running? holdfast serve --data-dir DIR starts it.';
  }
  return `ERROR 2000 (HY000): ${messageOf(error)}`;
}
