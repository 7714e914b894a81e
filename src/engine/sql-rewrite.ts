// Small changes of SQL text, token by token, before SQLite sees it: what tenants' SQL and view queries have in common.

import { isSignificant, type LexicalRules, type Token, tokenize } from './sql-tokens.ts';

/** A token that the grammar sees, what stands before it, and what it becomes. */
export interface Piece {
  token: Token;
  key: string;
  /** Blanks before it; comments are left out but their line ends stay, so that line numbers hold. */
  before: string;
  out: string;
}

/** The pieces of a text. Comments, hints and `/*! … *\/` sections vanish. */
export function toPieces(sql: string, rules: LexicalRules): Piece[] {
  const pieces: Piece[] = [];
  let before = '';
  for (const token of tokenize(sql, rules)) {
    if (isSignificant(token)) {
      pieces.push({ token, key: token.key, before, out: token.text });
      before = '';
    } else if (token.kind === 'space') {
      before += token.text;
    } else {
      before += ` ${token.text.replace(/[^\n]/g, '')}`;
    }
  }
  return pieces;
}

export function render(pieces: readonly Piece[]): string {
  return pieces.map((piece) => piece.before + piece.out).join('');
}

export function drop(...pieces: (Piece | undefined)[]): void {
  for (const piece of pieces) {
    if (!piece) continue;
    piece.out = '';
    piece.before = piece.before || ' ';
  }
}

/** Keys of the pieces from `at` on equal `keys`. */
export function isAt(pieces: readonly Piece[], at: number, ...keys: string[]): boolean {
  return keys.every((key, i) => {
    const piece = pieces[at + i];
    return piece !== undefined && piece.token.kind !== 'string' && piece.token.kind !== 'quoted' && piece.key === key;
  });
}

/** Index of the bracket that closes the one at `open`; the end of the text when none does. */
export function closingOf(pieces: readonly Piece[], open: number): number {
  let depth = 0;
  for (let i = open; i < pieces.length; i++) {
    if (isAt(pieces, i, '(')) depth += 1;
    else if (isAt(pieces, i, ')')) depth -= 1;
    if (depth === 0) return i;
  }
  return pieces.length;
}

const CALLS: Record<string, string> = {
  CURRENT_TIMESTAMP: 'now',
  CURRENT_DATE: 'curdate',
  CURRENT_TIME: 'curtime',
  ISNULL: 'is_null',
};
const BARE_CALLS = new Set(['CURRENT_USER', 'SESSION_USER']);
const ORACLE_BARE_CALLS = new Set(['SYSDATE', 'SYSTIMESTAMP', 'CURRENT_USER', 'USER']);
const UNIT_FIRST = new Set(['TIMESTAMPDIFF', 'TIMESTAMPADD']);

/** Calls that SQLite's grammar would not take as functions. */
export function rewriteCalls(pieces: Piece[], mode: 'mysql' | 'oracle'): void {
  const bare = mode === 'oracle' ? ORACLE_BARE_CALLS : BARE_CALLS;
  for (const [i, piece] of pieces.entries()) {
    if (piece.token.kind !== 'word' || isAt(pieces, i - 1, '.')) continue;
    const isCall = isAt(pieces, i + 1, '(');
    const next = pieces[i + 2];
    if (!isCall) {
      if (!bare.has(piece.key) || isAt(pieces, i + 1, '.') || isAt(pieces, i - 1, 'AS')) continue;
      if (mode === 'oracle' && piece.key === 'USER') piece.out = 'oracle_user';
      piece.out += '()';
    } else if (CALLS[piece.key]) {
      piece.out = CALLS[piece.key]!;
    } else if (UNIT_FIRST.has(piece.key) && next?.token.kind === 'word') {
      next.out = `'${next.key}'`;
    } else if (piece.key === 'EXTRACT' && next?.token.kind === 'word' && isAt(pieces, i + 3, 'FROM')) {
      piece.out = 'extract_unit';
      next.out = `'${next.key}'`;
      pieces[i + 3]!.out = ',';
    }
  }
}

/** `FROM DUAL` says "no table" to MySQL and Oracle. */
export function dropFromDual(pieces: Piece[]): void {
  for (const i of pieces.keys()) {
    if (!isAt(pieces, i, 'FROM', 'DUAL') || isAt(pieces, i + 2, '.')) continue;
    drop(pieces[i], pieces[i + 1]);
  }
}
