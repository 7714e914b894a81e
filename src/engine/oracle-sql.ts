// What Oracle clients write in queries over views and over DUAL, as SQLite reads it, and how Oracle names columns. Pure.
//
//   WHERE … AND ROWNUM <= n      -> LIMIT n               ROWNUM among the items -> row_number() OVER ()
//   FETCH FIRST n ROWS ONLY      -> LIMIT n               OFFSET m ROWS FETCH … -> LIMIT n OFFSET m
//   SYSDATE - 1/24               -> moved by so many days MINUS -> EXCEPT
//   LENGTH(x), TRUNC(x)          -> in characters, by day USER -> the user's name alone
//   "name"                       -> matches only as written
import { fail } from '../base/errors.ts';
import { closingOf, drop, isAt, type Piece } from './sql-rewrite.ts';
import { nameOf, SQLITE_RULES, tokenize } from './sql-tokens.ts';

/** The name that Oracle gives an item without alias: its text in upper case, without blanks. */
export function oracleItemName(text: string): string {
  return text.replace(/\s+/g, '').toUpperCase();
}

/**
 * Names the columns of a result: upper case, unless the query itself says it in quotes.
 * @param sql the query as the client wrote it
 */
export function oracleColumnNamer(sql: string): (name: string) => string {
  const quoted = new Set(
    tokenize(sql, SQLITE_RULES)
      .filter((token) => token.kind === 'quoted')
      .map(nameOf),
  );
  return (name) => (quoted.has(name) ? name : oracleItemName(name));
}

// ## Names in quotes

const NO_OPERANDS = new Set(
  'SELECT DISTINCT ALL UNIQUE FROM JOIN ON USING WHERE AND OR NOT IN IS LIKE BETWEEN CASE WHEN THEN ELSE BY HAVING UNION MINUS INTERSECT EXCEPT WITH ESCAPE'.split(
    ' ',
  ),
);

/** True for a name in quotes that is given here: an alias, or a query of WITH. */
function isGiven(pieces: readonly Piece[], at: number): boolean {
  const before = pieces[at - 1];
  if (!before || isAt(pieces, at + 1, 'AS', '(')) return true;
  if (before.token.kind === 'operator') return before.key === ')';
  return !(before.token.kind === 'word' && NO_OPERANDS.has(before.key));
}

/**
 * Names of views and columns are upper case: in quotes they match nothing else.
 * @throws UNKNOWN_TABLE (ORA-00942), UNKNOWN_COLUMN (ORA-00904)
 */
function checkQuotedNames(pieces: readonly Piece[]): void {
  const isQuoted = (piece: Piece) => piece.token.kind === 'quoted';
  const given = new Set(
    pieces.filter((piece, at) => isQuoted(piece) && isGiven(pieces, at)).map((piece) => nameOf(piece.token)),
  );
  for (const [at, piece] of pieces.entries()) {
    const name = nameOf(piece.token);
    if (!isQuoted(piece) || name === name.toUpperCase() || given.has(name)) continue;
    if (isAt(pieces, at - 1, 'FROM') || isAt(pieces, at - 1, 'JOIN')) throw fail('UNKNOWN_TABLE', { table: name });
    throw fail('UNKNOWN_COLUMN', { column: name });
  }
}

// ## How many rows

const isCount = (piece: Piece | undefined) => piece?.token.kind === 'number' && /^\d{1,15}$/.test(piece.token.text);

/** Where the query that a piece stands in begins and ends: its brackets, or the text's. */
function levelOf(pieces: readonly Piece[], at: number): { start: number; end: number } {
  const edge = (step: 1 | -1, inwards: string, outwards: string) => {
    let depth = 0;
    let i = at;
    for (; i >= 0 && i < pieces.length; i += step) {
      if (isAt(pieces, i, inwards)) depth++;
      else if (isAt(pieces, i, outwards) && depth-- === 0) break;
    }
    return i;
  };
  return { start: edge(-1, ')', '(') + 1, end: edge(1, '(', ')') };
}

/** Keys of a level itself; what stands in brackets inside it is left out. */
function keysOf(pieces: readonly Piece[], { start, end }: { start: number; end: number }): Set<string> {
  const keys = new Set<string>();
  for (let i = start; i < end; i++) {
    if (pieces[i]!.token.kind === 'word') keys.add(pieces[i]!.key);
    if (isAt(pieces, i, '(')) i = closingOf(pieces, i);
  }
  return keys;
}

/** What is done before a LIMIT cuts, and in Oracle only after ROWNUM has; and what makes a condition none of every row. */
const AFTER_ROWNUM = 'ORDER GROUP DISTINCT UNION MINUS INTERSECT COUNT SUM MIN MAX AVG OR'.split(' ');

/** Each is looked at with the whole text around it: more are a mistake. */
const ROWNUMS_MAX = 16;

/** @throws NOT_SUPPORTED (4007) for a condition on ROWNUM that is no plain bound, and for very many of them */
function rewriteRownum(pieces: Piece[]): void {
  const places = [...pieces.keys()].filter((at) => isAt(pieces, at, 'ROWNUM') && !isAt(pieces, at - 1, '.'));
  if (places.length > ROWNUMS_MAX) throw fail('NOT_SUPPORTED', { what: `ROWNUM more than ${ROWNUMS_MAX} times is` });
  for (const at of places) {
    const piece = pieces[at]!;
    const level = levelOf(pieces, at);
    const isCondition = keysOf(pieces, { start: level.start, end: at }).has('WHERE');
    if (!isCondition) {
      piece.out = 'row_number() OVER ()';
      continue;
    }
    const [operator, count] = [pieces[at + 1]?.key, pieces[at + 2]];
    const isFirst = isAt(pieces, at - 1, 'WHERE') || isAt(pieces, at - 1, 'AND');
    const isLast = at + 3 >= level.end || isAt(pieces, at + 3, 'AND');
    const isBound = operator === '<' || operator === '<=' || operator === '=';
    const keys = keysOf(pieces, level);
    if (!isFirst || !isLast || !isBound || !isCount(count) || AFTER_ROWNUM.some((key) => keys.has(key)))
      throw fail('NOT_SUPPORTED', {
        what: 'ROWNUM other than as WHERE … AND ROWNUM <= n of a plain query (write FETCH FIRST n ROWS ONLY) is',
      });
    const bound = BigInt(count!.token.text);
    const rows = operator === '<=' ? bound : operator === '<' ? bound - 1n : bound === 1n ? 1n : 0n;
    piece.out = '1';
    drop(pieces[at + 1], count);
    const last = pieces[level.end - 1]!;
    last.out += ` LIMIT ${rows < 0n ? 0n : rows}`;
  }
}

/** Index behind ROW or ROWS; undefined when neither stands there. */
const afterRows = (pieces: readonly Piece[], at: number) =>
  isAt(pieces, at, 'ROW') || isAt(pieces, at, 'ROWS') ? at + 1 : undefined;

/** `FETCH {FIRST|NEXT} [n] ROWS ONLY` at `at`; undefined for anything else. */
function fetchAt(pieces: readonly Piece[], at: number): { count: string; end: number } | undefined {
  if (!isAt(pieces, at, 'FETCH', 'FIRST') && !isAt(pieces, at, 'FETCH', 'NEXT')) return undefined;
  const isOne = afterRows(pieces, at + 2) !== undefined;
  const only = afterRows(pieces, at + (isOne ? 2 : 3));
  if (only === undefined || !isAt(pieces, only, 'ONLY')) return undefined;
  return { count: isOne ? '1' : pieces[at + 2]!.out, end: only + 1 };
}

/** `[OFFSET m ROWS] [FETCH …]` */
function rewriteFetch(pieces: Piece[]): void {
  for (let at = 0; at < pieces.length; at++) {
    const behindOffset = isAt(pieces, at, 'OFFSET') ? afterRows(pieces, at + 2) : undefined;
    const offset = behindOffset === undefined ? '' : ` OFFSET ${pieces[at + 1]!.out}`;
    const fetch = fetchAt(pieces, behindOffset ?? at);
    const end = fetch?.end ?? behindOffset;
    if (end === undefined) continue;
    drop(...pieces.slice(at, end));
    pieces[at]!.out = `LIMIT ${fetch?.count ?? '-1'}${offset}`;
    at = end - 1;
  }
}

// ## Moments and functions

/** End (exclusive) of the number or brackets at `at`, and of what multiplies or divides them. */
function endOfDays(pieces: readonly Piece[], at: number): number | undefined {
  const endOfOne = (start: number) =>
    isAt(pieces, start, '(')
      ? closingOf(pieces, start) + 1
      : pieces[start]?.token.kind === 'number' || pieces[start]?.token.kind === 'placeholder'
        ? start + 1
        : undefined;
  let end = endOfOne(at);
  while (end !== undefined && (isAt(pieces, end, '/') || isAt(pieces, end, '*'))) {
    const next = endOfOne(end + 1);
    if (next === undefined) break;
    end = next;
  }
  return end;
}

const MOMENTS = new Set(['SYSDATE', 'SYSTIMESTAMP', 'CURRENT_DATE', 'CURRENT_TIMESTAMP']);

/** A number added to a moment counts days. */
function rewriteDays(pieces: Piece[]): void {
  for (const [at, piece] of pieces.entries()) {
    const isMoment = piece.token.kind === 'word' && MOMENTS.has(piece.key) && !isAt(pieces, at - 1, '.');
    const sign = pieces[at + 1];
    if (!isMoment || !(isAt(pieces, at + 1, '+') || isAt(pieces, at + 1, '-'))) continue;
    const end = endOfDays(pieces, at + 2);
    if (end === undefined) continue;
    piece.out = `add_days(${piece.out}`;
    sign!.out = `, ${sign!.key} (`;
    pieces[end - 1]!.out += '))';
  }
}

const FUNCTIONS: Record<string, string> = { LENGTH: 'char_length', TRUNC: 'oracle_trunc' };

function rewriteFunctions(pieces: Piece[]): void {
  for (const [at, piece] of pieces.entries()) {
    if (piece.token.kind !== 'word' || isAt(pieces, at - 1, '.')) continue;
    if (piece.key === 'MINUS') piece.out = 'EXCEPT';
    else if (isAt(pieces, at + 1, '(') && Object.hasOwn(FUNCTIONS, piece.key)) piece.out = FUNCTIONS[piece.key]!;
  }
}

/** DUAL is a table of one row and one column. */
function rewriteDual(pieces: Piece[]): void {
  for (const at of pieces.keys())
    if (isAt(pieces, at, 'FROM', 'DUAL') && !isAt(pieces, at + 2, '.')) pieces[at + 1]!.out = `(SELECT 'X' AS "DUMMY")`;
}

/** Changes the pieces of a query of an oracle tenant, calls already rewritten. @throws UNKNOWN_TABLE, UNKNOWN_COLUMN, NOT_SUPPORTED */
export function rewriteOracle(pieces: Piece[]): void {
  checkQuotedNames(pieces);
  rewriteRownum(pieces);
  rewriteFetch(pieces);
  rewriteDays(pieces);
  rewriteDual(pieces);
  rewriteFunctions(pieces);
}
