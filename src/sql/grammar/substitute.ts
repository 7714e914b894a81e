// The text of a statement as an engine can read it: session values in place of @@x, @x and DATABASE(), MySQL's
// lexical rules turned into those of the SQL standard. One pass of edits over the original text.

import { fail } from '../../base/errors.ts';
import { quoteName, quoteString } from '../../engine/sql-tokens.ts';
import type { SqlValue } from '../../model/result.ts';
import type { Reference, TextFacts } from './statement.ts';
import { decodeString, type Lexical, type LexicalRules, rulesOf, type Token, Tokenizer } from './tokenizer.ts';

interface Edit {
  start: number;
  end: number;
  by: string;
}

/** Gives the value of a reference; undefined leaves the text as it is. */
export type ResolveReference = (reference: Reference) => SqlValue | undefined;

/** Texts without any of these read the same under MySQL's rules and the engine's. */
const NEEDS_REWRITING = /[\\#]|\/\*!|--/;

function toHex(bytes: Uint8Array): string {
  return `x'${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}'`;
}

/**
 * A value as a literal. Text with a NUL, which no literal can hold, becomes an expression.
 * @throws INVALID_ARGUMENT (4002) for a number that is not finite
 */
export function toLiteral(value: SqlValue): string {
  if (value === null) return 'NULL';
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw fail('INVALID_ARGUMENT', { what: 'number' });
    return String(value);
  }
  if (typeof value !== 'string') return toHex(value);
  return value.includes('\0') ? `CAST(${toHex(Buffer.from(value))} AS TEXT)` : quoteString(value);
}

/** A literal in the place of a reference; a sign must not meet the one before it and make a comment. */
function substitutionEdits(facts: TextFacts, resolve: ResolveReference): Edit[] {
  const edits: Edit[] = [];
  for (const reference of facts.references) {
    const value = resolve(reference);
    if (value === undefined) continue;
    const literal = toLiteral(value);
    edits.push({ start: reference.start, end: reference.end, by: literal.startsWith('-') ? `(${literal})` : literal });
  }
  return edits;
}

/** Names of columns that substitution would change. */
function aliasEdits(facts: TextFacts): Edit[] {
  return facts.aliases.map(({ offset, name }) => ({
    start: offset,
    end: offset,
    by: ` AS ${quoteName(name.replaceAll('\0', ''))}`,
  }));
}

/** True for a literal that the standard's rules would read otherwise. */
function literalEdit(sql: string, token: Token, rules: LexicalRules): Edit | undefined {
  const raw = sql.slice(token.start, token.end);
  if (token.kind === 'string' && raw.includes('\\')) {
    return { start: token.start, end: token.end, by: toLiteral(decodeString(raw, rules)) };
  }
  return undefined;
}

/** Backslash escapes, executable comments, `#` comments and `--` that is two signs, for a text in MySQL's rules. */
function lexicalEdits(sql: string, lexical: Lexical): Edit[] {
  const rules = rulesOf(lexical);
  if (!rules.isMysql || !NEEDS_REWRITING.test(sql)) return [];
  const edits: Edit[] = [];
  const tokenizer = new Tokenizer(sql, lexical, ({ kind, start, end }) => {
    if (kind !== 'comment') edits.push({ start, end, by: ' ' });
  });
  let last: Token | undefined;
  for (let token = tokenizer.next(); token.kind !== 'end' && token.kind !== 'bad'; token = tokenizer.next()) {
    const isSign = token.kind === 'operator' && sql[token.start] === '-';
    if (isSign && last?.kind === 'operator' && last.end === token.start && sql[last.start] === '-') {
      edits.push({ start: token.start, end: token.start, by: ' ' });
    }
    const edit = rules.hasBackslashEscapes ? literalEdit(sql, token, rules) : undefined;
    if (edit) edits.push(edit);
    last = token;
  }
  return edits;
}

function applyEdits(sql: string, edits: Edit[]): string {
  edits.sort((a, b) => a.start - b.start || a.end - b.end);
  let text = '';
  let at = 0;
  for (const { start, end, by } of edits) {
    // An edit inside of one that was applied (a comment in the parentheses of a call) has nothing left to change.
    if (start < at) continue;
    text += sql.slice(at, start) + by;
    at = end;
  }
  return text + sql.slice(at);
}

/**
 * The text of a `select` or `engine` statement as an engine can read it.
 *
 * - References are replaced by the literals that `resolve` gives; an item that loses its text that way gets it back as
 *   an alias, so that the column is called `@@version_comment` as in MySQL.
 * - `FROM DUAL` goes.
 * - Of a mysql tenant, literals with backslash escapes are written without them, so that what a driver has escaped
 *   (`'it\'s'`) cannot end early in an engine that knows no such escapes.
 * @throws INVALID_ARGUMENT (4002) when a value cannot be a literal
 */
export function substituteReferences(
  sql: string,
  facts: TextFacts,
  lexical: Lexical,
  resolve: ResolveReference = () => undefined,
): string {
  const dual = facts.dual.map(({ start, end }) => ({ start, end, by: '' }));
  const replaced = substitutionEdits(facts, resolve);
  const aliases = replaced.length > 0 ? aliasEdits(facts) : [];
  return applyEdits(sql, [...replaced, ...aliases, ...dual, ...lexicalEdits(sql, lexical)]);
}
