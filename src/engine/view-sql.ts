// Turns a SELECT over system views, as MySQL or Oracle clients write it, into one that SQLite runs. Pure.
//
//   'it\'s', "text"          -> SQLite literals          <=>  &&  ||  !   -> IS, AND, OR, NOT  (mysql)
//   a / b                    -> a * 1.0 / b               a DIV b, a MOD b -> /, %
//   x - INTERVAL n unit      -> date_sub(x, n, 'unit')    DATE_ADD(x, INTERVAL n unit) -> date_add(x, n, 'unit')
//   CAST(x AS SIGNED), CONVERT(x, CHAR) …                 LIKE 'a\_b' -> … ESCAPE '\'      RLIKE -> REGEXP
//   GROUP_CONCAT(… SEPARATOR s)                           FROM DUAL, hints, FOR UPDATE, COLLATE, comments: dropped
// A select item that changed keeps its own text as its name.

import { fail } from '../base/errors.ts';
import { TIME_UNITS } from './mysql-time.ts';
import { rewriteOracle } from './oracle-sql.ts';
import { closingOf, drop, dropFromDual, isAt, type Piece, render, rewriteCalls, toPieces } from './sql-rewrite.ts';
import { lineAt, MYSQL_RULES, nameOf, quoteName, quoteString, SQLITE_RULES } from './sql-tokens.ts';

const ESCAPES: Record<string, string> = { b: '\b', n: '\n', r: '\r', t: '\t', Z: '\x1a', '0': '\0' };

/** The value of a MySQL string literal; `\%` and `\_` keep their backslash, as LIKE wants. */
function literalValue(literal: string): string {
  const quote = literal[0]!;
  const isClosed = literal.length > 1 && literal.endsWith(quote);
  return literal
    .slice(1, isClosed ? -1 : undefined)
    .replace(/\\([\s\S])|(''|"")/g, (all, escaped: string | undefined, doubled: string | undefined) => {
      if (doubled !== undefined) return doubled[0] === quote ? quote : doubled;
      if (escaped === '%' || escaped === '_') return all;
      return ESCAPES[escaped!] ?? escaped!;
    });
}

const isHexLiteral = (piece: Piece) => /^[xX]'/.test(piece.token.text);
const TYPED_LITERALS = new Set(['DATE', 'TIME', 'TIMESTAMP']);

/** String literals, and the words that may stand before one. */
function rewriteStrings(sql: string, pieces: Piece[], isMysql: boolean): void {
  for (const [i, piece] of pieces.entries()) {
    if (piece.token.kind !== 'string') continue;
    const before = pieces[i - 1];
    const isIntroducer = before?.token.kind === 'word' && /^_(UTF8|LATIN1|BINARY|ASCII|GBK)/.test(before.key);
    const isNational = before?.key === 'N' && piece.before === '';
    if (before && (isIntroducer || isNational || TYPED_LITERALS.has(before.key))) drop(before);
    if (!isMysql || isHexLiteral(piece)) continue;
    const value = literalValue(piece.token.text);
    if (value.includes('\0'))
      throw fail('SYNTAX', {
        near: sql.slice(piece.token.start, piece.token.start + 80),
        line: lineAt(sql, piece.token.start),
      });
    piece.out = quoteString(value);
    if (isAt(pieces, i - 1, 'LIKE') && value.includes('\\') && !isAt(pieces, i + 1, 'ESCAPE'))
      piece.out += " ESCAPE '\\'";
  }
}

const MYSQL_OPERATORS: Record<string, string> = { '<=>': 'IS', '&&': ' AND ', '||': ' OR ', '!': ' NOT ' };

function rewriteOperators(pieces: Piece[], isMysql: boolean): void {
  for (const [i, piece] of pieces.entries()) {
    const isWord = piece.token.kind === 'word';
    if (piece.token.kind === 'operator') {
      if (piece.key === '/') piece.out = '* 1.0 /';
      else if (isMysql && MYSQL_OPERATORS[piece.key]) piece.out = MYSQL_OPERATORS[piece.key]!;
    } else if (isWord && piece.key === 'DIV') piece.out = '/';
    else if (isWord && piece.key === 'MOD' && !isAt(pieces, i + 1, '(') && i > 0 && !isAt(pieces, i - 1, '.')) {
      piece.out = '%';
    } else if (isWord && piece.key === 'RLIKE') piece.out = 'REGEXP';
  }
}

const SELECT_HINTS = new Set([
  'SQL_NO_CACHE',
  'SQL_CACHE',
  'SQL_CALC_FOUND_ROWS',
  'SQL_BIG_RESULT',
  'SQL_SMALL_RESULT',
  'SQL_BUFFER_RESULT',
  'HIGH_PRIORITY',
]);
const SQLITE_COLLATIONS = new Set(['NOCASE', 'BINARY', 'RTRIM']);

function dropIndexHint(pieces: Piece[], at: number): void {
  const open = pieces.findIndex((piece, i) => i > at && piece.key === '(');
  if (open < 0 || open > at + 4) return;
  drop(...pieces.slice(at, closingOf(pieces, open) + 1));
}

function dropLockClause(pieces: Piece[], at: number): void {
  let end = at + 2;
  if (isAt(pieces, at, 'LOCK')) end = at + 4;
  else if (isAt(pieces, end, 'NOWAIT')) end += 1;
  else if (isAt(pieces, end, 'SKIP', 'LOCKED') || isAt(pieces, end, 'WAIT')) end += 2;
  drop(...pieces.slice(at, end));
}

/** Clauses that say nothing about the result. */
function dropClauses(pieces: Piece[]): void {
  for (const [i, piece] of pieces.entries()) {
    if (piece.token.kind !== 'word' || isAt(pieces, i - 1, '.')) continue;
    const isHint = ['USE', 'FORCE', 'IGNORE'].includes(piece.key);
    if (SELECT_HINTS.has(piece.key)) drop(piece);
    else if (piece.key === 'STRAIGHT_JOIN') piece.out = isAt(pieces, i - 1, 'SELECT') ? '' : 'JOIN';
    else if (piece.key === 'DISTINCTROW') piece.out = 'DISTINCT';
    else if (isHint && (isAt(pieces, i + 1, 'INDEX') || isAt(pieces, i + 1, 'KEY'))) dropIndexHint(pieces, i);
    else if (isAt(pieces, i, 'FOR', 'UPDATE') || isAt(pieces, i, 'FOR', 'SHARE')) dropLockClause(pieces, i);
    else if (isAt(pieces, i, 'LOCK', 'IN', 'SHARE', 'MODE')) dropLockClause(pieces, i);
    else if (piece.key === 'COLLATE' && !SQLITE_COLLATIONS.has(pieces[i + 1]?.key ?? '')) drop(piece, pieces[i + 1]);
    else if (piece.key === 'BINARY' && !isAt(pieces, i - 1, 'AS') && !isAt(pieces, i - 1, 'COLLATE')) drop(piece);
  }
}

/** Index of the last piece directly inside the brackets that `test` finds; -1 for none. */
function lastInside(pieces: readonly Piece[], open: number, close: number, test: (at: number) => boolean): number {
  let found = -1;
  for (let i = open + 1; i < close; i++) {
    if (isAt(pieces, i, '(')) i = closingOf(pieces, i);
    else if (test(i)) found = i;
  }
  return found;
}

const CAST_TYPES: [RegExp, string][] = [
  [/^(SIGNED|UNSIGNED|INT|INTEGER|BIGINT)$/, 'INTEGER'],
  [/^(DECIMAL|DEC|NUMERIC|NUMBER|FIXED)$/, 'NUMERIC'],
  [/^(DOUBLE|FLOAT|REAL)$/, 'REAL'],
  [/^(BINARY|BLOB|RAW)$/, 'BLOB'],
];
const CAST_FUNCTIONS: Record<string, string> = {
  DATE: 'cast_date',
  DATETIME: 'cast_datetime',
  TIMESTAMP: 'cast_datetime',
};

/** `CAST(x AS type)` and `CONVERT(x, type)` with MySQL's types; `CONVERT(x USING charset)` is x. */
function rewriteCast(pieces: Piece[], at: number): void {
  const close = closingOf(pieces, at + 1);
  const isConvert = pieces[at]!.key === 'CONVERT';
  const using = lastInside(pieces, at + 1, close, (i) => isAt(pieces, i, 'USING'));
  if (isConvert && using > 0) {
    drop(pieces[at], ...pieces.slice(using, close));
    return;
  }
  const as = lastInside(pieces, at + 1, close, (i) => isAt(pieces, i, isConvert ? ',' : 'AS'));
  const type = pieces[as + 1];
  if (as < 0 || !type || as + 1 >= close) return;
  const asFunction = CAST_FUNCTIONS[type.key];
  drop(...pieces.slice(as + 2, close));
  pieces[at]!.out = asFunction ?? 'CAST';
  if (asFunction) drop(pieces[as], type);
  else {
    pieces[as]!.out = ' AS';
    type.before ||= ' ';
    type.out = CAST_TYPES.find(([pattern]) => pattern.test(type.key))?.[1] ?? 'TEXT';
  }
}

/** `GROUP_CONCAT(a, b ORDER BY c SEPARATOR s)`: several values are joined, the separator is an argument. */
function rewriteGroupConcat(pieces: Piece[], at: number): void {
  const close = closingOf(pieces, at + 1);
  const find = (key: string) => lastInside(pieces, at + 1, close, (i) => isAt(pieces, i, key));
  const [order, separator] = [find('ORDER'), find('SEPARATOR')];
  const valuesEnd = order > 0 ? order : separator > 0 ? separator : close;
  for (let i = at + 2; i < valuesEnd; i++) {
    if (isAt(pieces, i, '(')) i = closingOf(pieces, i);
    else if (isAt(pieces, i, ',')) pieces[i]!.out = ' ||';
  }
  if (separator < 0) return;
  const mark = pieces[separator + 1];
  const isDefault = mark?.out === "','";
  if (order > 0) {
    if (!isDefault) pieces[order]!.out = `, ${mark?.out} ORDER`;
    drop(pieces[separator], mark);
  } else if (isDefault) drop(pieces[separator], mark);
  else pieces[separator]!.out = ',';
}

/** Words that brackets may follow without a call. */
const NO_FUNCTIONS = new Set(
  'SELECT WHERE HAVING ON AND OR XOR NOT IN IS LIKE BETWEEN BY CASE WHEN THEN ELSE FROM AS LIMIT INTERVAL'.split(' '),
);

/** First piece of the operand that ends at `end`. */
function operandStart(pieces: readonly Piece[], end: number, wrapped: ReadonlyMap<number, number>): number {
  const known = wrapped.get(end);
  if (known !== undefined) return known;
  let start = end;
  if (isAt(pieces, end, ')')) {
    let depth = 0;
    for (; start >= 0; start--) {
      if (isAt(pieces, start, ')')) depth += 1;
      else if (isAt(pieces, start, '(')) depth -= 1;
      if (depth === 0) break;
    }
    const name = pieces[start - 1];
    if (name?.token.kind === 'word' && !NO_FUNCTIONS.has(name.key)) start -= 1;
  }
  while (isAt(pieces, start - 1, '.')) start -= 2;
  return Math.max(0, start);
}

/** Index of the unit that ends the interval begun at `at`; -1 when there is none. */
function unitOf(pieces: readonly Piece[], at: number): number {
  for (let i = at + 1; i < pieces.length; i++) {
    if (isAt(pieces, i, '(')) i = closingOf(pieces, i);
    else if (isAt(pieces, i, ',') || isAt(pieces, i, ')')) return -1;
    else if (i > at + 1 && pieces[i]!.token.kind === 'word' && TIME_UNITS.includes(pieces[i]!.key)) return i;
  }
  return -1;
}

function rewriteIntervals(pieces: Piece[]): void {
  const wrapped = new Map<number, number>();
  for (const [i, piece] of pieces.entries()) {
    const unit = isAt(pieces, i, 'INTERVAL') ? unitOf(pieces, i) : -1;
    if (unit < 0) continue;
    const sign = pieces[i - 1]?.key;
    if (sign === ',') {
      drop(piece);
      pieces[unit]!.out = `, '${pieces[unit]!.key}'`;
    } else if ((sign === '+' || sign === '-') && i >= 2) {
      const start = operandStart(pieces, i - 2, wrapped);
      pieces[start]!.out = `${sign === '+' ? 'date_add' : 'date_sub'}(${pieces[start]!.out}`;
      pieces[i - 1]!.out = ',';
      drop(piece);
      pieces[unit]!.out = `, '${pieces[unit]!.key}')`;
      wrapped.set(unit, start);
    }
  }
}

function rewriteFunctions(pieces: Piece[]): void {
  for (const [i, piece] of pieces.entries()) {
    if (piece.token.kind !== 'word' || !isAt(pieces, i + 1, '(')) continue;
    if (piece.key === 'CAST' || piece.key === 'CONVERT') rewriteCast(pieces, i);
    else if (piece.key === 'GROUP_CONCAT') rewriteGroupConcat(pieces, i);
  }
}

const BARE_TIMES: Record<string, string> = {
  CURRENT_TIMESTAMP: 'now()',
  LOCALTIME: 'now()',
  LOCALTIMESTAMP: 'now()',
  CURRENT_DATE: 'curdate()',
  CURRENT_TIME: 'curtime()',
  UTC_TIMESTAMP: 'utc_timestamp()',
  UTC_DATE: 'utc_date()',
  UTC_TIME: 'utc_time()',
};

/** SQLite has some of these as keywords, in UTC; MySQL tells them in the session's zone. */
function rewriteBareTimes(pieces: Piece[]): void {
  for (const [i, piece] of pieces.entries()) {
    const call =
      piece.token.kind === 'word' && Object.hasOwn(BARE_TIMES, piece.key) ? BARE_TIMES[piece.key] : undefined;
    if (call && !isAt(pieces, i + 1, '(') && !isAt(pieces, i - 1, '.') && !isAt(pieces, i - 1, 'AS')) piece.out = call;
  }
}

const ITEMS_END = new Set(['FROM', 'WHERE', 'GROUP', 'HAVING', 'ORDER', 'LIMIT', 'UNION', 'INTERSECT', 'EXCEPT', ';']);
const ITEM_PREFIXES = new Set(['DISTINCT', 'DISTINCTROW', 'ALL', 'STRAIGHT_JOIN', ...SELECT_HINTS]);
const OPERATOR_WORDS = new Set(
  'DIV MOD AND OR XOR NOT IS LIKE RLIKE REGEXP IN BETWEEN BINARY COLLATE INTERVAL ESCAPE'.split(' '),
);
const VALUE_WORDS = new Set(['NULL', 'END', 'TRUE', 'FALSE']);

/** The select items of the outermost SELECT, each as its pieces. */
function selectItems(pieces: readonly Piece[]): Piece[][] {
  let at = 0;
  while (at < pieces.length && !isAt(pieces, at, 'SELECT'))
    at = isAt(pieces, at, '(') ? closingOf(pieces, at) + 1 : at + 1;
  const items: Piece[][] = [];
  let item: Piece[] = [];
  for (at += 1; at < pieces.length; at++) {
    const piece = pieces[at]!;
    if (piece.token.kind === 'word' && ITEMS_END.has(piece.key) && !isAt(pieces, at - 1, '.')) break;
    if (piece.key === ';') break;
    if (item.length === 0 && ITEM_PREFIXES.has(piece.key)) continue;
    if (isAt(pieces, at, ',')) {
      items.push(item);
      item = [];
      continue;
    }
    const end = isAt(pieces, at, '(') ? Math.min(closingOf(pieces, at), pieces.length - 1) : at;
    item.push(...pieces.slice(at, end + 1));
    at = end;
  }
  return [...items, item];
}

function hasAlias(item: readonly Piece[]): boolean {
  let depth = 0;
  for (const piece of item) {
    if (piece.key === '(') depth += 1;
    if (piece.key === ')') depth -= 1;
    if (depth === 0 && piece.token.kind === 'word' && piece.key === 'AS') return true;
  }
  const [before, last] = [item.at(-2), item.at(-1)];
  if (!before || !last || before.token.kind === 'operator')
    return before?.key === ')' && last?.token.kind !== 'operator';
  if (last.token.kind === 'operator' || (last.token.kind === 'word' && VALUE_WORDS.has(last.key))) return false;
  return !(before.token.kind === 'word' && OPERATOR_WORDS.has(before.key));
}

/** The name MySQL gives an item without alias: its text, or a literal's value. */
function itemName(sql: string, item: readonly Piece[], isMysql: boolean): string {
  const [first, last] = [item[0]!, item.at(-1)!];
  if (isMysql && item.length === 1 && first.token.kind === 'string' && !isHexLiteral(first))
    return literalValue(first.token.text);
  return sql.slice(first.token.start, last.token.start + last.token.text.length);
}

function nameItems(sql: string, items: readonly Piece[][], isMysql: boolean): void {
  for (const item of items) {
    const last = item.at(-1);
    if (!last || hasAlias(item)) continue;
    if (
      last.key === '*' ||
      (item.length === 1 && nameOf(last.token) !== last.token.text && last.token.kind === 'quoted')
    )
      continue;
    const name = itemName(sql, item, isMysql);
    if (render(item).trim() !== name && name !== '') last.out += ` AS ${quoteName(name)}`;
  }
}

/**
 * Translates one query.
 * @throws SYNTAX (1064) when it is none or more than one; what `rewriteOracle` throws
 */
export function translateViewQuery(sql: string, mode: 'mysql' | 'oracle'): { sql: string; parameterCount: number } {
  const isMysql = mode === 'mysql';
  const syntax = (offset: number) =>
    fail('SYNTAX', { near: sql.slice(offset, offset + 80), line: lineAt(sql, offset) });
  const nul = sql.indexOf('\0');
  if (nul >= 0) throw syntax(nul);
  const all = toPieces(sql, isMysql ? MYSQL_RULES : SQLITE_RULES);
  const end = all.findIndex((piece) => piece.key === ';');
  const pieces = end < 0 ? all : all.slice(0, end);
  const second = end < 0 ? undefined : all.slice(end).find((piece) => piece.key !== ';');
  if (second) throw syntax(second.token.start);
  if (!['SELECT', 'WITH', 'VALUES'].includes(pieces[0]?.key ?? '')) throw syntax(pieces[0]?.token.start ?? 0);
  const items = selectItems(pieces);
  rewriteStrings(sql, pieces, isMysql);
  rewriteOperators(pieces, isMysql);
  dropClauses(pieces);
  rewriteFunctions(pieces);
  rewriteIntervals(pieces);
  if (isMysql) dropFromDual(pieces);
  rewriteCalls(pieces, mode);
  rewriteBareTimes(pieces);
  if (!isMysql) rewriteOracle(pieces);
  nameItems(sql, items, isMysql);
  return { sql: render(pieces), parameterCount: pieces.filter((piece) => piece.token.kind === 'placeholder').length };
}
