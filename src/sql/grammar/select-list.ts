// Watches the items of one select list and tells which need an alias, because substitution would change their names.
import type { LexicalRules, Token } from './tokenizer.ts';

/** Longest name that is made of an expression's text. @source MySQL: names of expressions are cut at 255 */
const NAME_CHARS_MAX = 255;

/** What may stand between SELECT and its first item. */
const MODIFIERS = new Set([
  'ALL',
  'DISTINCT',
  'DISTINCTROW',
  'HIGH_PRIORITY',
  'STRAIGHT_JOIN',
  'SQL_CACHE',
  'SQL_NO_CACHE',
  'SQL_CALC_FOUND_ROWS',
  'SQL_BUFFER_RESULT',
  'SQL_BIG_RESULT',
  'SQL_SMALL_RESULT',
]);
/** A word behind one of these is an operand, not an alias. */
const OPERATOR_WORDS = new Set(
  'IS NOT AND OR XOR LIKE RLIKE REGEXP GLOB MATCH BETWEEN IN DIV MOD COLLATE ESCAPE CASE WHEN THEN ELSE BINARY INTERVAL DATE TIME TIMESTAMP EXISTS OVER'.split(
    ' ',
  ),
);
/** Words that end an expression themselves. */
const CLOSING_WORDS = new Set(['END', 'NULL', 'TRUE', 'FALSE', 'ISNULL', 'NOTNULL']);

interface Seen {
  token: Token;
  /** Upper-case word, the operator, or ''. */
  text: string;
}

const isOperand = ({ token, text }: Seen) =>
  token.kind === 'operator' ? text === ')' : token.kind !== 'word' || !OPERATOR_WORDS.has(text);

export class SelectList {
  readonly #sql: string;
  #first: Seen | undefined;
  #beforeLast: Seen | undefined;
  #last: Seen | undefined;
  #hasAs = false;
  hasReference = false;

  constructor(text: { sql: string; rules: LexicalRules }) {
    this.#sql = text.sql;
  }

  /** @param text upper-case word, the operator, or '' */
  see(token: Token, text: string): void {
    if (!this.#first && token.kind === 'word' && MODIFIERS.has(text)) return;
    if (text === 'AS' && token.kind === 'word') this.#hasAs = true;
    const seen = { token, text };
    this.#first ??= seen;
    this.#beforeLast = this.#last;
    this.#last = seen;
  }

  /** The end of a closed parenthesis counts as the item's newest token; what stood inside does not. */
  closeParenthesis(token: Token, hasReference: boolean): void {
    this.see(token, ')');
    this.hasReference ||= hasReference;
  }

  #hasAlias(): boolean {
    if (this.#hasAs) return true;
    const { token, text } = this.#last!;
    if (!this.#beforeLast || !['word', 'quoted', 'string'].includes(token.kind)) return false;
    if (token.kind === 'word' && CLOSING_WORDS.has(text)) return false;
    // A character set before a literal: _utf8'x'.
    if (token.kind === 'string' && this.#beforeLast.text.startsWith('_')) return false;
    return isOperand(this.#beforeLast);
  }

  /** Ends the current item. Returns the alias that it needs. */
  endItem(): { offset: number; name: string } | undefined {
    const { start } = this.#first?.token ?? { start: 0 };
    const end = this.#last?.token.end ?? 0;
    const needsAlias = this.#last !== undefined && this.hasReference && !this.#hasAlias();
    this.#first = undefined;
    this.#last = undefined;
    this.#beforeLast = undefined;
    this.#hasAs = false;
    this.hasReference = false;
    return needsAlias ? { offset: end, name: this.#sql.slice(start, end).slice(0, NAME_CHARS_MAX) } : undefined;
  }
}
