// SELECTs that only ask the session: constants, @@variables, @variables and functions such as DATABASE(), as clients
// send them when they connect and to see whether a connection lives. Answered here, without another process.
import { oracleItemName } from '../engine/oracle-sql.ts';
import { type Column, type ColumnType, rowsResult, type SqlValue, type StatementResult } from '../model/result.ts';
import type { Reference, Select } from './grammar/statement.ts';
import { decodeIdentifier, decodeString, type Lexical, rulesOf, type Token, Tokenizer } from './grammar/tokenizer.ts';
import type { Session } from './session.ts';
import { readReference, type VariableSources, variableType } from './variables.ts';

const BIGINT_MAX = (1n << 63n) - 1n;
/** Length that text of the session is announced with; longer text gets its own length. */
const TEXT_CHARS = 64;

interface Item {
  column: Column;
  value: SqlValue;
}

const WORDS: Readonly<Record<string, SqlValue>> = { NULL: null, TRUE: 1n, FALSE: 0n };

function typeOfValue(value: SqlValue): ColumnType {
  if (typeof value === 'bigint') return { base: 'bigint' };
  if (typeof value === 'number') return { base: 'double' };
  if (value instanceof Uint8Array) return { base: 'longblob' };
  return { base: 'varchar', length: Math.max(TEXT_CHARS, value?.length ?? 0) };
}

function typeOfReference(reference: Reference, value: SqlValue): ColumnType {
  if (reference.type === 'systemVariable' && variableType(reference.name) !== 'text') return { base: 'bigint' };
  return typeOfValue(value);
}

/** Reads the items of one select list; every `undefined` means "not that simple". */
class SessionSelect {
  readonly #sources: VariableSources;
  readonly #session: Session;
  readonly #sql: string;
  readonly #lexical: Lexical;
  readonly #tokens: Token[] = [];
  readonly #references: ReadonlyMap<number, Reference>;
  #at = 0;

  constructor(sources: VariableSources, session: Session, request: { sql: string; statement: Select }) {
    this.#sources = sources;
    this.#session = session;
    this.#sql = request.sql;
    this.#lexical = session.mode;
    const { references, dual } = request.statement;
    this.#references = new Map(references.map((reference) => [reference.start, reference]));
    const tokenizer = new Tokenizer(request.sql, this.#lexical);
    for (let token = tokenizer.next(); token.kind !== 'end'; token = tokenizer.next()) {
      if (!dual.some(({ start, end }) => token.start >= start && token.end <= end)) this.#tokens.push(token);
      if (token.kind === 'bad') break;
    }
  }

  run(): { items: Item[]; isEmpty: boolean } | undefined {
    if (!this.#accept('SELECT')) return undefined;
    const items: Item[] = [];
    do {
      const item = this.#item();
      if (!item) return undefined;
      items.push(item);
    } while (this.#accept(','));
    const limit = this.#limit();
    while (this.#accept(';'));
    return limit === undefined || this.#peek() ? undefined : { items, isEmpty: limit === 0 };
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#at];
  }

  #text(token: Token | undefined): string {
    return token ? this.#sql.slice(token.start, token.end) : '';
  }

  /** Steps over a word or an operator. */
  #accept(text: string): boolean {
    const token = this.#peek();
    const isMatch = (token?.kind === 'word' || token?.kind === 'operator') && this.#text(token).toUpperCase() === text;
    if (isMatch) this.#at++;
    return isMatch;
  }

  #item(): Item | undefined {
    const start = this.#peek()?.start;
    if (start === undefined) return undefined;
    const read = this.#value();
    if (!read) return undefined;
    const end = this.#tokens[this.#at - 1]!.end;
    const name = this.#alias();
    if (name === undefined) return undefined;
    const isNull = read.value === null;
    return {
      value: read.value,
      column: {
        name: name ?? this.#itemName(read.name, this.#sql.slice(start, end)),
        type: read.type,
        isNullable: isNull,
      },
    };
  }

  /** A reference, a literal or one of the words; `name` where MySQL's differs from the text. */
  #value(): { value: SqlValue; type: ColumnType; name?: string } | undefined {
    const token = this.#peek()!;
    const reference = this.#references.get(token.start);
    if (reference) {
      while (this.#peek() && this.#peek()!.start < reference.end) this.#at++;
      const value = readReference(this.#sources, this.#session, reference);
      return { value, type: typeOfReference(reference, value) };
    }
    this.#at++;
    const text = this.#text(token);
    if (token.kind === 'string' && !/^n'/i.test(text)) {
      const value = decodeString(text, rulesOf(this.#lexical));
      return { value, type: typeOfValue(value), name: value };
    }
    if (token.kind === 'number' && /^\d{1,19}$/.test(text) && BigInt(text) <= BIGINT_MAX) {
      return { value: BigInt(text), type: { base: 'bigint' } };
    }
    const word = text.toUpperCase();
    if (token.kind !== 'word' || !Object.hasOwn(WORDS, word)) return undefined;
    const value = WORDS[word]!;
    return { value, type: value === null ? { base: 'null' } : { base: 'bigint' } };
  }

  /** MySQL names a text by its value. */
  #itemName(value: string | undefined, text: string): string {
    return this.#session.mode === 'oracle' ? oracleItemName(text) : (value ?? text);
  }

  /** The name given to an item; null for none, undefined when what follows is something else. */
  #alias(): string | null | undefined {
    const hasAs = this.#accept('AS');
    const token = this.#peek();
    const text = this.#text(token);
    const isName = token !== undefined && (['quoted', 'string'].includes(token.kind) || this.#isAliasWord(token));
    if (!isName) return hasAs ? undefined : null;
    this.#at++;
    if (token.kind === 'quoted') return decodeIdentifier(text);
    if (token.kind === 'string') return decodeString(text, rulesOf(this.#lexical));
    return this.#session.mode === 'oracle' ? text.toUpperCase() : text;
  }

  #isAliasWord(token: Token): boolean {
    return token.kind === 'word' && !NOT_ALIASES.has(this.#text(token).toUpperCase());
  }

  /** Rows that LIMIT leaves, of one; undefined when it is not a plain one. */
  #limit(): 0 | 1 | undefined {
    if (!this.#accept('LIMIT')) return 1;
    const token = this.#peek();
    const text = this.#text(token);
    if (token?.kind !== 'number' || !/^\d{1,9}$/.test(text)) return undefined;
    this.#at++;
    return Number(text) === 0 ? 0 : 1;
  }
}

/** Words that go on with the statement where an alias could stand. */
const NOT_ALIASES = new Set(
  'LIMIT FROM WHERE UNION EXCEPT INTERSECT MINUS ORDER GROUP HAVING INTO FOR PROCEDURE LOCK COLLATE AND OR XOR NOT IS LIKE IN BETWEEN DIV MOD REGEXP RLIKE WINDOW OFFSET'.split(
    ' ',
  ),
);

/**
 * Answers a SELECT without tables whose items are all constants and what the session knows.
 * @returns undefined when there is more to it
 * @throws UNKNOWN_VARIABLE (1193), VARIABLE_READ_ONLY (1238)
 */
export function selectFromSession(
  sources: VariableSources,
  session: Session,
  request: { sql: string; statement: Select },
): StatementResult | undefined {
  if (request.statement.hasFrom || request.statement.tables.length > 0) return undefined;
  const read = new SessionSelect(sources, session, request).run();
  if (!read) return undefined;
  const columns = read.items.map((item) => item.column);
  return rowsResult(columns, read.isEmpty ? [] : [read.items.map((item) => item.value)]);
}
