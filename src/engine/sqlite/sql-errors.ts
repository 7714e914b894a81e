// SQLite's errors in MySQL's words: by result code where the binding gives one, by SQLite's fixed texts otherwise.

import { fail, HoldfastError } from '../../base/errors.ts';
import { syntaxError } from './sql-statement.ts';

/** SQLite result codes. @source sqlite.org/rescode.html */
const BUSY = 5;
const BUSY_SNAPSHOT = 517;
const FULL = 13;

const TRIES_MAX = 64;

/** What the translation needs to know. */
export interface FailedStatement {
  /** As SQLite saw it. */
  sql: string;
  tenantName: string;
  isReadOnly: boolean;
  /** What the authorizer refused, if it did. */
  refusal: { what: string; because: string } | null;
  /** Compiles a text and gives SQLite's message; undefined when it compiles. */
  compile: (sql: string) => string | undefined;
}

interface SqliteError extends Error {
  errcode?: number;
}

function codeOf(error: unknown): number {
  return (error as SqliteError).errcode ?? 0;
}

/** Another connection holds the lock: waiting may help. */
export function isBusy(error: unknown): boolean {
  const code = codeOf(error);
  if (code === BUSY_SNAPSHOT) return false;
  return (code & 0xff) === BUSY || (code === 0 && (error as Error).message === 'database is locked');
}

/** Another connection wrote after this transaction began to read: only a new transaction helps. */
function isStaleSnapshot(error: unknown): boolean {
  return codeOf(error) === BUSY_SNAPSHOT;
}

/**
 * Where SQLite's parser gave up: the first place of the word where the text up to it already fails with the same
 * word. (The binding gives no offset, and a word may stand in a text many times.)
 */
function offsetOf(word: string, failed: FailedStatement, message: string): number {
  let tries = 0;
  for (let at = failed.sql.indexOf(word); at >= 0 && tries < TRIES_MAX; at = failed.sql.indexOf(word, at + 1)) {
    tries += 1;
    if (failed.compile(failed.sql.slice(0, at + word.length)) === message) return at;
  }
  return Math.max(0, failed.sql.indexOf(word));
}

type Translate = (match: RegExpExecArray, failed: FailedStatement, error: Error) => HoldfastError;

const nearWord: Translate = ([, word], failed, error) =>
  syntaxError(failed.sql, offsetOf(word!, failed, error.message));
const lastPart = (name: string) => name.slice(name.lastIndexOf('.') + 1);

function duplicate([, columns]: RegExpExecArray): HoldfastError {
  return fail('DUPLICATE_KEY', { message: `Duplicate entry for key '${columns}'` });
}

const TRANSLATIONS: [RegExp, Translate][] = [
  [/^UNIQUE constraint failed: (.*)$/s, duplicate],
  [/^PRIMARY KEY must be unique()$/, duplicate],
  [/^NOT NULL constraint failed: (.*)$/s, ([, name]) => fail('NOT_NULL', { column: lastPart(name!) })],
  [/^FOREIGN KEY constraint failed$/, () => fail('FOREIGN_KEY', {})],
  [
    /^CHECK constraint failed: (.*)$/s,
    ([, name]) => fail('CHECK_CONSTRAINT', { message: `Check constraint '${name}' is violated.` }),
  ],
  [/^no such table: (.*)$/s, ([, table]) => fail('UNKNOWN_TABLE', { table: table! })],
  [/no such column: "?([^"]*)"?/s, ([, column]) => fail('UNKNOWN_COLUMN', { column: column! })],
  [/has no column named (.*)$/s, ([, column]) => fail('UNKNOWN_COLUMN', { column: column! })],
  [/^(?:table|view) "?(.*?)"? already exists$/s, ([, table]) => fail('TABLE_EXISTS', { table: table! })],
  [/^near "(.*)": syntax error$/s, nearWord],
  [/^unrecognized token: "(.*)"$/s, nearWord],
  [/^incomplete input$/, (_match, failed) => syntaxError(failed.sql, failed.sql.length)],
  [/^attempt to write a readonly database/, (_match, failed, error) => readOnly(failed, error)],
  [/^database or disk is full$/, () => fail('OUT_OF_DISK', { what: 'the disk that holds the tenant' })],
  [/^interrupted$/, () => fail('QUERY_INTERRUPTED', {})],
  [/^database is locked$/, () => fail('LOCK_WAIT_TIMEOUT', {})],
  [/^(?:database disk image is malformed|file is not a database)/, damaged],
];

function readOnly(failed: FailedStatement, error: Error): HoldfastError {
  return failed.isReadOnly
    ? fail('READ_ONLY_STANDBY', { tenant: failed.tenantName })
    : fail('ENGINE', { message: error.message });
}

function damaged(_match: RegExpExecArray, failed: FailedStatement, error: Error): HoldfastError {
  const message = `the database of tenant '${failed.tenantName}' is damaged (${error.message}); restore it from a backup set`;
  return fail('ENGINE', { message }, { cause: error });
}

/** The expected error for what SQLite (or a function of ours) threw. */
export function translateError(error: unknown, failed: FailedStatement): HoldfastError {
  if (error instanceof HoldfastError) return error;
  if (failed.refusal) return fail('ENGINE_STATEMENT_REFUSED', failed.refusal);
  const thrown = error instanceof Error ? error : new Error(String(error));
  if (codeOf(error) === FULL) return fail('OUT_OF_DISK', { what: 'the disk that holds the tenant' });
  if (isStaleSnapshot(error)) return fail('LOCK_WAIT_TIMEOUT', {});
  for (const [pattern, translate] of TRANSLATIONS) {
    const match = pattern.exec(thrown.message);
    if (match) return translate(match, failed, thrown);
  }
  return fail('ENGINE', { message: thrown.message }, { cause: error });
}
