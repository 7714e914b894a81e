// A reader over a statement's tokens with as much look-ahead as a rule asks for. Every complaint is 1064 near a token.
import { fail, type HoldfastError } from '../../base/errors.ts';
import { syntaxErrorAt } from './syntax-error.ts';
import {
  decodeIdentifier,
  decodeString,
  type Lexical,
  type LexicalRules,
  rulesOf,
  type Token,
  Tokenizer,
} from './tokenizer.ts';

/** Names and literals in one list of one statement: far beyond use, and a bound on what a handler has to loop over. */
const LIST_ITEMS_MAX = 10_000;

export class Cursor {
  readonly sql: string;
  readonly rules: LexicalRules;
  readonly #tokenizer: Tokenizer;
  /** Tokens read ahead; the first is the current one. */
  #ahead: Token[] = [];
  #lastEnd = 0;

  constructor(sql: string, lexical: Lexical) {
    this.sql = sql;
    this.rules = rulesOf(lexical);
    this.#tokenizer = new Tokenizer(sql, lexical);
  }

  /** The current token, or one behind it. A place that cannot be read is given as it is; only using it throws. */
  peek(ahead = 0): Token {
    while (this.#ahead.length <= ahead) this.#ahead.push(this.#tokenizer.next());
    return this.#ahead[ahead]!;
  }

  /** Consumes the current token. */
  take(): Token {
    const token = this.peek();
    if (token.kind === 'bad') throw this.error(token);
    this.#ahead.shift();
    this.#lastEnd = token.end;
    return token;
  }

  /** Where the last consumed token ended. */
  get lastEnd(): number {
    return this.#lastEnd;
  }

  error(token: Token = this.peek()): HoldfastError {
    return syntaxErrorAt(this.sql, this.rules, token.start);
  }

  textOf(token: Token): string {
    return this.sql.slice(token.start, token.end);
  }

  /** The upper-case word at a place, '' when there is none. */
  word(ahead = 0): string {
    const token = this.peek(ahead);
    return token.kind === 'word' ? this.textOf(token).toUpperCase() : '';
  }

  /** True when these words come next. */
  at(...words: readonly string[]): boolean {
    return words.every((word, index) => this.word(index) === word);
  }

  /** Consumes these words when all of them come next. */
  accept(...words: readonly string[]): boolean {
    if (!this.at(...words)) return false;
    for (const _ of words) this.take();
    return true;
  }

  expect(...words: readonly string[]): void {
    for (const word of words) if (!this.accept(word)) throw this.error();
  }

  /** Consumes one of some words and returns it. */
  acceptOneOf<W extends string>(words: readonly W[]): W | null {
    const word = this.word() as W;
    if (word === '' || !words.includes(word)) return null;
    this.take();
    return word;
  }

  expectOneOf<W extends string>(words: readonly W[]): W {
    const word = this.acceptOneOf(words);
    if (word === null) throw this.error();
    return word;
  }

  isOperator(operator: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.kind === 'operator' && this.textOf(token) === operator;
  }

  acceptOperator(operator: string): boolean {
    if (!this.isOperator(operator)) return false;
    this.take();
    return true;
  }

  expectOperator(operator: string): void {
    if (!this.acceptOperator(operator)) throw this.error();
  }

  get isAtEnd(): boolean {
    return this.peek().kind === 'end' || this.isOperator(';');
  }

  /** Consumes the end of the statement: nothing but semicolons may follow. */
  end(): void {
    while (this.acceptOperator(';'));
    if (this.peek().kind !== 'end') throw this.error();
  }

  /** Consumes a string literal and returns its value. */
  string(): string {
    if (this.peek().kind !== 'string') throw this.error();
    return decodeString(this.textOf(this.take()), this.rules);
  }

  /** True when a name could stand here. */
  get isAtName(): boolean {
    return ['word', 'quoted', 'string'].includes(this.peek().kind);
  }

  /** Consumes an identifier or a quoted string and returns its value, as written. */
  name(): string {
    const { kind } = this.peek();
    if (kind === 'string') return this.string();
    return this.identifier();
  }

  /** Consumes an identifier, plain or quoted. */
  identifier(): string {
    const { kind } = this.peek();
    if (kind === 'word') return this.textOf(this.take());
    if (kind === 'quoted') return decodeIdentifier(this.textOf(this.take()));
    throw this.error();
  }

  /** Consumes a whole number without sign. */
  digits(): string {
    const token = this.peek();
    const text = token.kind === 'number' ? this.textOf(token) : '';
    if (!/^\d+$/.test(text)) throw this.error();
    this.take();
    return text;
  }

  /** @throws INVALID_ARGUMENT when the number is beyond 2^53 - 1; `what` names it */
  integer(what: string): number {
    const text = this.digits();
    const value = Number(text);
    if (!Number.isSafeInteger(value)) throw fail('INVALID_ARGUMENT', { what });
    return value;
  }

  /** Reads items separated by commas, at least one. */
  list<T>(item: () => T): T[] {
    const items: T[] = [];
    do {
      if (items.length === LIST_ITEMS_MAX) throw fail('INVALID_ARGUMENT', { what: 'list, which is too long' });
      items.push(item());
    } while (this.acceptOperator(','));
    return items;
  }
}
