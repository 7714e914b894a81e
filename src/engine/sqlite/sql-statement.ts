// Looks at one statement of a tenant before SQLite does: what kind it is, how many parameters it has, and the few
// conveniences of MySQL whose meaning is obvious. Everything else is the engine's own dialect. Pure.
//
//   START TRANSACTION …, BEGIN WORK  -> BEGIN          (inside a transaction: commits it first, as MySQL does)
//   COMMIT, ROLLBACK outside a transaction             -> nothing to do
//   TRUNCATE [TABLE] t -> DELETE FROM t                INSERT IGNORE -> INSERT OR IGNORE
//   FROM DUAL, SYSDATE, SYSTIMESTAMP (oracle tenants)  CURRENT_TIMESTAMP() and the like -> NOW()

import { fail } from '../../base/errors.ts';
import { closingOf, drop, dropFromDual, isAt, type Piece, render, rewriteCalls, toPieces } from '../sql-rewrite.ts';
import { lineAt, SQLITE_RULES } from '../sql-tokens.ts';

export type StatementKind =
  | 'BEGIN'
  | 'COMMIT'
  | 'ROLLBACK'
  | 'INSERT'
  | 'UPDATE'
  | 'DELETE'
  | 'TRUNCATE'
  | 'VACUUM'
  | 'PRAGMA'
  | 'OTHER';

export interface TenantStatement {
  kind: StatementKind;
  /** What SQLite gets. */
  sql: string;
  parameterCount: number;
}

/** Characters of the text that a syntax error shows, as MySQL does. */
const NEAR_CHARS_MAX = 80;

/** The error of a text that goes wrong at `offset`. */
export function syntaxError(sql: string, offset: number) {
  return fail('SYNTAX', { near: sql.slice(offset, offset + NEAR_CHARS_MAX), line: lineAt(sql, offset) });
}

/** Index after the last piece of the first statement; a trigger's body holds semicolons of its own. */
function endOfStatement(pieces: readonly Piece[]): number {
  const isTrigger = isAt(pieces, 0, 'CREATE') && (isAt(pieces, 1, 'TRIGGER') || isAt(pieces, 2, 'TRIGGER'));
  let isInBody = false;
  let cases = 0;
  for (const i of pieces.keys()) {
    if (isTrigger && isAt(pieces, i, 'BEGIN')) isInBody = true;
    else if (isInBody && isAt(pieces, i, 'CASE')) cases += 1;
    else if (isInBody && isAt(pieces, i, 'END')) {
      if (cases > 0) cases -= 1;
      else isInBody = false;
    } else if (!isInBody && isAt(pieces, i, ';')) return i;
  }
  return pieces.length;
}

const MAIN_KINDS: Record<string, StatementKind> = {
  INSERT: 'INSERT',
  REPLACE: 'INSERT',
  UPDATE: 'UPDATE',
  DELETE: 'DELETE',
  SELECT: 'OTHER',
  VALUES: 'OTHER',
};

/** What the statement behind a WITH clause is. */
function kindAfterWith(pieces: readonly Piece[]): StatementKind {
  for (let i = 1; i < pieces.length; i++) {
    if (isAt(pieces, i, '(')) {
      i = closingOf(pieces, i);
      continue;
    }
    const kind = pieces[i]?.token.kind === 'word' ? MAIN_KINDS[pieces[i]!.key] : undefined;
    if (kind) return kind;
  }
  return 'OTHER';
}

function kindOf(pieces: readonly Piece[]): StatementKind {
  const first = pieces[0]?.key ?? '';
  const isLone = pieces.length === 1 || isAt(pieces, 1, 'WORK') || isAt(pieces, 1, 'TRANSACTION');
  if (isAt(pieces, 0, 'START', 'TRANSACTION') || first === 'BEGIN') return 'BEGIN';
  if ((first === 'COMMIT' || first === 'END') && isLone) return 'COMMIT';
  if (first === 'ROLLBACK' && isLone && !isAt(pieces, 2, 'TO')) return 'ROLLBACK';
  if (first === 'TRUNCATE') return 'TRUNCATE';
  if (first === 'VACUUM' || first === 'PRAGMA') return first;
  if (first === 'WITH') return kindAfterWith(pieces);
  return MAIN_KINDS[first] ?? 'OTHER';
}

/** BEGIN and its like take words in MySQL that SQLite does not know. */
function rewriteTransaction(pieces: Piece[]): void {
  if (isAt(pieces, 0, 'START', 'TRANSACTION')) {
    pieces[0]!.out = 'BEGIN';
    drop(...pieces.slice(1));
  } else if (isAt(pieces, 1, 'WORK')) {
    drop(pieces[1]);
  }
}

function rewrite(pieces: Piece[], kind: StatementKind, mode: 'mysql' | 'oracle'): void {
  if (kind === 'BEGIN' || kind === 'COMMIT' || kind === 'ROLLBACK') rewriteTransaction(pieces);
  if (kind === 'TRUNCATE') {
    pieces[0]!.out = 'DELETE FROM';
    if (isAt(pieces, 1, 'TABLE')) drop(pieces[1]);
  }
  if (kind === 'INSERT' && isAt(pieces, 0, 'INSERT', 'IGNORE')) pieces[1]!.out = 'OR IGNORE';
  if (mode === 'oracle') dropFromDual(pieces);
  rewriteCalls(pieces, mode);
}

/**
 * Reads one statement.
 * @throws SYNTAX (1064) for an empty text, a second statement or a NUL; NOT_SUPPORTED for named parameters;
 * ENGINE_STATEMENT_REFUSED for VACUUM INTO
 */
export function readStatement(sql: string, mode: 'mysql' | 'oracle'): TenantStatement {
  const nul = sql.indexOf('\0');
  if (nul >= 0) throw syntaxError(sql, nul);
  const all = toPieces(sql, SQLITE_RULES);
  const end = endOfStatement(all);
  if (end === 0) throw syntaxError(sql, all[0]?.token.start ?? sql.length);
  const second = all.slice(end).find((piece) => piece.key !== ';');
  if (second) throw syntaxError(sql, second.token.start);
  const pieces = all.slice(0, end);
  if (pieces.some((piece) => piece.token.kind === 'named'))
    throw fail('NOT_SUPPORTED', { what: 'A named or numbered parameter (write ? instead)' });
  const kind = kindOf(pieces);
  if (kind === 'VACUUM' && pieces.some((piece) => piece.key === 'INTO'))
    throw fail('ENGINE_STATEMENT_REFUSED', { what: 'VACUUM INTO', because: 'it writes a file outside the tenant' });
  rewrite(pieces, kind, mode);
  const parameterCount = pieces.filter((piece) => piece.token.kind === 'placeholder').length;
  return { kind, sql: render(pieces), parameterCount };
}
