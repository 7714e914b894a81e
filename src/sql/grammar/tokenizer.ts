// MySQL's lexical rules: text -> tokens with offsets, one at a time. Never throws: what cannot be read is a `bad`
// token. Executable comments (`/*!40101 … */`) count as text, all other comments as blanks.
import type { TenantMode } from '../../model/tenant.ts';

export type TokenKind =
  /** A keyword or plain identifier; may begin with a digit (`4G`). */
  | 'word'
  /** `identifier`, or "identifier" where double quotes do not make a string. */
  | 'quoted'
  | 'string'
  /** x'4D', b'01'. */
  | 'binary'
  | 'number'
  | 'operator'
  /** @x, @'x', also the `@host` of an account. */
  | 'userVariable'
  /** @@x, @@session.x */
  | 'systemVariable'
  /** The ? of a prepared statement. */
  | 'parameter'
  /** An unterminated string, identifier or comment; the text ends with it. */
  | 'bad'
  | 'end';

export interface Token {
  kind: TokenKind;
  start: number;
  end: number;
}

/** How a session's mode reads a text. */
export interface LexicalRules {
  /** `#` comments, executable comments, and `--` as a comment only before a blank. */
  isMysql: boolean;
  /** `\'` inside of strings. */
  hasBackslashEscapes: boolean;
  /** "x" is a string, not an identifier. */
  isDoubleQuoteString: boolean;
}

const MYSQL: LexicalRules = { isMysql: true, hasBackslashEscapes: true, isDoubleQuoteString: true };
const ORACLE: LexicalRules = { isMysql: false, hasBackslashEscapes: false, isDoubleQuoteString: false };

/** What every entry point of the grammar takes: a tenant's mode, or the rules of a session that changed sql_mode. */
export type Lexical = TenantMode | LexicalRules;

export function rulesOf(lexical: Lexical): LexicalRules {
  if (typeof lexical === 'object') return lexical;
  return lexical === 'oracle' ? ORACLE : MYSQL;
}

/**
 * The rules of a session.
 * @param sqlMode its sql_mode: NO_BACKSLASH_ESCAPES and ANSI_QUOTES (or ANSI) change how a mysql tenant's text is read
 */
export function lexicalRules(mode: TenantMode, sqlMode: string): LexicalRules {
  if (mode === 'oracle') return ORACLE;
  const modes = sqlMode.toUpperCase().split(',');
  return {
    isMysql: true,
    hasBackslashEscapes: !modes.includes('NO_BACKSLASH_ESCAPES'),
    isDoubleQuoteString: !modes.includes('ANSI_QUOTES') && !modes.includes('ANSI'),
  };
}

/** Version that executable comments are compared with: the MySQL release that OceanBase says it is (5.7.25). */
const MYSQL_VERSION_ID = 50_725;

const WORD_MYSQL = /[\w$\u0080-\uffff]+/y;
const WORD_ORACLE = /[\w$#\u0080-\uffff]+/y;
const NUMBER = /0[xX][0-9a-fA-F]+|0[bB][01]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const OPERATOR = /<=>|->>|:=|<>|!=|<=|>=|<<|>>|\|\||&&|->|[\s\S]/y;
const USER_VARIABLE = /@[\w.$\u0080-\uffff]+/y;
const SYSTEM_VARIABLE = /@@(?:[\w$\u0080-\uffff]+|`[^`]*`)(?:\.(?:[\w$\u0080-\uffff]+|`[^`]*`))*/y;
const EXECUTABLE_OPEN = /\/\*!(\d{5,6})?/y;
const BLANKS = /[\s\0]+/y;

const DOUBLE_QUOTE = 0x22;
const HASH = 0x23;
const QUOTE = 0x27;
const STAR = 0x2a;
const DASH = 0x2d;
const DOT = 0x2e;
const SLASH = 0x2f;
const AT = 0x40;
const BACKSLASH = 0x5c;
const BACKTICK = 0x60;

const isDigit = (code: number) => code >= 0x30 && code <= 0x39;
const isWordCode = (code: number) =>
  isDigit(code) ||
  (code >= 0x41 && code <= 0x5a) ||
  (code >= 0x61 && code <= 0x7a) ||
  code === 0x5f ||
  code === 0x24 ||
  code >= 0x80;

/** What lies between tokens, for those who rewrite a text. */
export interface Trivia {
  kind: 'comment' | 'hashComment' | 'executableOpen' | 'executableClose';
  start: number;
  end: number;
}

export class Tokenizer {
  readonly sql: string;
  readonly rules: LexicalRules;
  readonly #onTrivia: ((trivia: Trivia) => void) | undefined;
  #at = 0;
  #executableStart = -1;

  constructor(sql: string, lexical: Lexical, onTrivia?: (trivia: Trivia) => void) {
    this.sql = sql;
    this.rules = rulesOf(lexical);
    this.#onTrivia = onTrivia;
  }

  /** The next token. After a `bad` token, and at the end of the text, every further call gives `end`. */
  next(): Token {
    const bad = this.#skipTrivia();
    if (bad) return bad;
    const start = this.#at;
    if (start >= this.sql.length) {
      if (this.#executableStart < 0) return { kind: 'end', start, end: start };
      const opened = this.#executableStart;
      this.#executableStart = -1;
      return { kind: 'bad', start: opened, end: start };
    }
    const token = this.#read(start);
    this.#at = token.end;
    if (token.kind === 'bad') this.#executableStart = -1;
    return token;
  }

  #match(pattern: RegExp, at: number): number {
    pattern.lastIndex = at;
    return pattern.test(this.sql) ? pattern.lastIndex : -1;
  }

  #read(start: number): Token {
    const code = this.sql.charCodeAt(start);
    if (code === QUOTE) return this.#readQuoted('string', start, start, this.rules.hasBackslashEscapes);
    if (code === DOUBLE_QUOTE) {
      const isString = this.rules.isDoubleQuoteString;
      const hasEscapes = isString && this.rules.hasBackslashEscapes;
      return this.#readQuoted(isString ? 'string' : 'quoted', start, start, hasEscapes);
    }
    if (code === BACKTICK) return this.#readQuoted('quoted', start, start, false);
    if (code === AT) return this.#readVariable(start);
    if (isDigit(code) || (code === DOT && isDigit(this.sql.charCodeAt(start + 1)) && !this.#followsName(start))) {
      return this.#readNumber(start);
    }
    const end = this.#match(this.rules.isMysql ? WORD_MYSQL : WORD_ORACLE, start);
    if (end > 0) return this.#readWord(start, end);
    if (this.sql[start] === '?') return { kind: 'parameter', start, end: start + 1 };
    return { kind: 'operator', start, end: this.#match(OPERATOR, start) };
  }

  #followsName(at: number): boolean {
    const before = at > 0 ? this.sql.charCodeAt(at - 1) : 0;
    return before === BACKTICK || isWordCode(before);
  }

  #readWord(start: number, end: number): Token {
    if (end === start + 1 && this.sql.charCodeAt(end) === QUOTE) {
      const letter = this.sql[start]!.toLowerCase();
      if (letter === 'x' || letter === 'b') return this.#readQuoted('binary', start, end, false);
      if (letter === 'n') return this.#readQuoted('string', start, end, this.rules.hasBackslashEscapes);
    }
    return { kind: 'word', start, end };
  }

  #readNumber(start: number): Token {
    const end = this.#match(NUMBER, start);
    if (!isWordCode(this.sql.charCodeAt(end)) || this.sql.slice(start, end).includes('.')) {
      return { kind: 'number', start, end };
    }
    return { kind: 'word', start, end: this.#match(WORD_MYSQL, start) };
  }

  #readVariable(start: number): Token {
    const system = this.#match(SYSTEM_VARIABLE, start);
    if (system > 0) return { kind: 'systemVariable', start, end: system };
    const user = this.#match(USER_VARIABLE, start);
    if (user > 0) return { kind: 'userVariable', start, end: user };
    const next = this.sql.charCodeAt(start + 1);
    if (next === QUOTE || next === DOUBLE_QUOTE || next === BACKTICK) {
      const hasEscapes = next !== BACKTICK && this.rules.hasBackslashEscapes;
      return this.#readQuoted('userVariable', start, start + 1, hasEscapes);
    }
    return { kind: 'operator', start, end: start + 1 };
  }

  /** @param open offset of the opening quote; `start` lies before it when the token has a prefix */
  #readQuoted(kind: TokenKind, start: number, open: number, hasEscapes: boolean): Token {
    const { sql } = this;
    const quote = sql.charCodeAt(open);
    for (let at = open + 1; at < sql.length; at++) {
      const code = sql.charCodeAt(at);
      if (code === BACKSLASH && hasEscapes) at++;
      else if (code === quote) {
        if (sql.charCodeAt(at + 1) !== quote) return { kind, start, end: at + 1 };
        at++;
      }
    }
    return { kind: 'bad', start, end: sql.length };
  }

  /** Moves to the next token; returns a bad token for a comment without end. */
  #skipTrivia(): Token | undefined {
    for (;;) {
      const blanks = this.#match(BLANKS, this.#at);
      if (blanks > 0) this.#at = blanks;
      const start = this.#at;
      const code = this.sql.charCodeAt(start);
      const next = this.sql.charCodeAt(start + 1);
      if (code === DASH && next === DASH && this.#isDashComment(start)) this.#skipLine('comment', start);
      else if (code === HASH && this.rules.isMysql) this.#skipLine('hashComment', start);
      else if (code === SLASH && next === STAR) {
        const bad = this.#skipBlock(start);
        if (bad) return bad;
      } else if (code === STAR && next === SLASH && this.#executableStart >= 0) {
        this.#executableStart = -1;
        this.#note('executableClose', start, start + 2);
      } else return undefined;
    }
  }

  #isDashComment(start: number): boolean {
    const after = this.sql.charCodeAt(start + 2);
    return !this.rules.isMysql || Number.isNaN(after) || after <= 0x20;
  }

  #note(kind: Trivia['kind'], start: number, end: number): void {
    this.#at = end;
    this.#onTrivia?.({ kind, start, end });
  }

  #skipLine(kind: Trivia['kind'], start: number): void {
    const newline = this.sql.indexOf('\n', start);
    this.#note(kind, start, newline < 0 ? this.sql.length : newline);
  }

  #skipBlock(start: number): Token | undefined {
    if (this.rules.isMysql && this.#executableStart < 0 && this.sql[start + 2] === '!') {
      EXECUTABLE_OPEN.lastIndex = start;
      const version = EXECUTABLE_OPEN.exec(this.sql)?.[1];
      if (version === undefined || Number(version) <= MYSQL_VERSION_ID) {
        this.#executableStart = start;
        this.#note('executableOpen', start, EXECUTABLE_OPEN.lastIndex);
        return undefined;
      }
    }
    const close = this.sql.indexOf('*/', start + 2);
    if (close >= 0) {
      this.#note('comment', start, close + 2);
      return undefined;
    }
    this.#at = this.sql.length;
    this.#executableStart = -1;
    return { kind: 'bad', start, end: this.sql.length };
  }
}

const ESCAPES: Record<string, string> = { '0': '\0', b: '\b', n: '\n', r: '\r', t: '\t', Z: '\x1a' };

/** Value of a string token, prefix and quotes included in `raw`. `\%` and `\_` keep their backslash, for LIKE. */
export function decodeString(raw: string, rules: LexicalRules): string {
  const open = raw[0] === "'" || raw[0] === '"' ? 0 : 1;
  const quote = raw[open]!;
  const inner = raw.slice(open + 1, -1);
  if (!rules.hasBackslashEscapes) return inner.replaceAll(quote + quote, quote);
  return inner.replace(/\\([\s\S])|''|""/g, (match, escaped: string | undefined) => {
    if (escaped === undefined) return match[0] === quote ? quote : match;
    if (escaped === '%' || escaped === '_') return match;
    return ESCAPES[escaped] ?? escaped;
  });
}

/** Value of a quoted identifier. */
export function decodeIdentifier(raw: string): string {
  const quote = raw[0]!;
  return raw.slice(1, -1).replaceAll(quote + quote, quote);
}

/** Number of `?` parameters of a statement. */
export function countParameters(sql: string, lexical: Lexical): number {
  const tokenizer = new Tokenizer(sql, lexical);
  let count = 0;
  for (let token = tokenizer.next(); token.kind !== 'end' && token.kind !== 'bad'; token = tokenizer.next()) {
    if (token.kind === 'parameter') count++;
  }
  return count;
}
