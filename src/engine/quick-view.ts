// Tells the queries over views that are certainly short: some rows of one view, filtered and sorted by plain comparisons,
// as monitoring asks for them all the time. Pure; in doubt a query is not quick.
import { MYSQL_RULES, SQLITE_RULES, type Token, tokenize } from './sql-tokens.ts';
import type { ViewQuery } from './view-request.ts';

const SQL_CHARS_MAX = 1000;
/** To fill and sort so many rows takes about a millisecond. */
const ROWS_MAX = 100;
/** Of all their texts: a select list can name each column many times. */
const TEXT_CHARS_MAX = 65_536;
/**
 * What may take long or grow: calls, lists and subqueries (brackets), patterns, joined texts; and what leads to other
 * tables.
 */
const SLOW = new Set(
  '( ) || LIKE RLIKE REGEXP GLOB MATCH JOIN UNION INTERSECT EXCEPT MINUS WITH VALUES INTERVAL'.split(' '),
);
/** What may stand behind the one table. */
const CLAUSES = new Set(['WHERE', 'GROUP', 'ORDER', 'LIMIT', ';']);

/** Whether a query may be answered at once, in the thread that serves everybody. */
export function isQuick({ sql, mode, schemas }: Pick<ViewQuery, 'sql' | 'mode' | 'schemas'>): boolean {
  const tables = schemas.flatMap((schema) => schema.tables);
  if (sql.length > SQL_CHARS_MAX || tables.length !== 1) return false;
  const { rows } = tables[0]!;
  if (rows.length > ROWS_MAX) return false;
  let chars = 0;
  for (const row of rows)
    for (const value of row) if (typeof value === 'string' || value instanceof Uint8Array) chars += value.length;
  return chars <= TEXT_CHARS_MAX && isPlain(sql, mode);
}

function isPlain(sql: string, mode: ViewQuery['mode']): boolean {
  const all = tokenize(sql, mode === 'mysql' ? MYSQL_RULES : SQLITE_RULES);
  if (all.some(({ kind }) => kind === 'comment' || kind === 'named')) return false;
  const tokens = all.filter(({ kind }) => kind !== 'space');
  const keyAt = (at: number) => keyOf(tokens[at]);
  if (
    keyAt(0) !== 'SELECT' ||
    tokens.some((token, at) => at > 0 && (keyOf(token) === 'SELECT' || SLOW.has(keyOf(token))))
  )
    return false;
  const from = tokens.findIndex((token) => keyOf(token) === 'FROM');
  if (from < 0) return false;
  const end = keyAt(from + 2) === '.' ? from + 4 : from + 2;
  return end >= tokens.length || CLAUSES.has(keyAt(end));
}

/** A word or an operator; nothing for what only looks like one. */
function keyOf(token: Token | undefined): string {
  return token && (token.kind === 'word' || token.kind === 'operator') ? token.key : '';
}
