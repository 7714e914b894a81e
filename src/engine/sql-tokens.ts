// Splits SQL text into tokens, in SQLite's or MySQL's lexical rules. Nothing is lost: joined together, the tokens are
// the text again. Pure; it never throws, an unfinished string or comment simply reaches to the end.

export type TokenKind =
  /** Blanks. */
  | 'space'
  | 'comment'
  /** Keyword or bare identifier. */
  | 'word'
  /** Identifier in quotes of some kind. */
  | 'quoted'
  /** String literal. */
  | 'string'
  | 'number'
  /** `?` */
  | 'placeholder'
  /** `?1`, `:name`, `@name`, `$name` */
  | 'named'
  | 'operator';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Offset of the first character. */
  readonly start: number;
  /** Upper-case text of a word; the text itself for all others. */
  readonly key: string;
}

export interface LexicalRules {
  /** `\'` escapes in strings, `#` comments, `--` only before a blank, no `[name]`. */
  isMysql: boolean;
  /** `"x"` is a string, not an identifier. */
  hasDoubleQuotedStrings: boolean;
}

export const SQLITE_RULES: LexicalRules = { isMysql: false, hasDoubleQuotedStrings: false };
export const MYSQL_RULES: LexicalRules = { isMysql: true, hasDoubleQuotedStrings: true };

/** How a tenant of a mode writes a query over views. */
export const viewRulesOf = (mode: 'mysql' | 'oracle'): LexicalRules => (mode === 'mysql' ? MYSQL_RULES : SQLITE_RULES);

const SPACE = /[ \t\n\r\f\v\u00a0]+/y;
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const NUMBER = /(?:0[xX][0-9a-fA-F]+|(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/y;
const NAMED = /[?]\d+|[:@$][A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const VARIABLE = /@@?[\w.$`]*/y;
const OPERATOR = /<=>|->>|\|\||&&|<<|>>|<=|>=|<>|!=|==|:=|->|./suy;
const BLOCK_COMMENT = /\/\*[\s\S]*?(?:\*\/|$)/y;
const LINE_COMMENT = /--[^\n]*/y;
const MYSQL_LINE_COMMENT = /(?:--(?=\s|$)|#)[^\n]*/y;

function match(pattern: RegExp, sql: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(sql)?.[0];
}

/** End (exclusive) of a quoted run that starts at `at`; a doubled quote stands for itself. */
function quotedEnd(sql: string, at: number, close: string, hasBackslash: boolean): number {
  let i = at + 1;
  while (i < sql.length) {
    if (hasBackslash && sql[i] === '\\') i += 2;
    else if (sql[i] !== close) i += 1;
    else if (sql[i + 1] === close && close !== ']') i += 2;
    else return i + 1;
  }
  return sql.length;
}

function quotedToken(sql: string, at: number, rules: LexicalRules): { kind: TokenKind; end: number } | undefined {
  const open = sql[at];
  if (open === "'") return { kind: 'string', end: quotedEnd(sql, at, "'", rules.isMysql) };
  if (open === '"') {
    const kind = rules.hasDoubleQuotedStrings ? 'string' : 'quoted';
    return { kind, end: quotedEnd(sql, at, '"', rules.hasDoubleQuotedStrings && rules.isMysql) };
  }
  if (open === '`') return { kind: 'quoted', end: quotedEnd(sql, at, '`', false) };
  if (open === '[' && !rules.isMysql) return { kind: 'quoted', end: quotedEnd(sql, at, ']', false) };
  if ((open === 'x' || open === 'X') && sql[at + 1] === "'")
    return { kind: 'string', end: quotedEnd(sql, at + 1, "'", false) };
  return undefined;
}

const ATTEMPTS: [TokenKind, (rules: LexicalRules) => RegExp][] = [
  ['space', () => SPACE],
  ['comment', () => BLOCK_COMMENT],
  ['comment', (rules) => (rules.isMysql ? MYSQL_LINE_COMMENT : LINE_COMMENT)],
  ['word', () => WORD],
  ['number', () => NUMBER],
  ['named', (rules) => (rules.isMysql ? VARIABLE : NAMED)],
];

/** The tokens of a text, blanks and comments included. */
export function tokenize(sql: string, rules: LexicalRules): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const push = (kind: TokenKind, text: string) => {
    tokens.push({ kind, text, start: at, key: kind === 'word' ? text.toUpperCase() : text });
    at += text.length;
  };
  while (at < sql.length) {
    const quoted = quotedToken(sql, at, rules);
    if (quoted) {
      push(quoted.kind, sql.slice(at, quoted.end));
      continue;
    }
    let isFound = false;
    for (const [kind, pattern] of ATTEMPTS) {
      const text = match(pattern(rules), sql, at);
      if (!text) continue;
      push(kind, text);
      isFound = true;
      break;
    }
    if (isFound) continue;
    if (sql[at] === '?') push('placeholder', '?');
    else push('operator', match(OPERATOR, sql, at) ?? sql.slice(at, at + 1));
  }
  return tokens;
}

/** True for tokens that the grammar sees. */
export function isSignificant(token: Token): boolean {
  return token.kind !== 'space' && token.kind !== 'comment';
}

/** Line of an offset, from 1. */
export function lineAt(sql: string, offset: number): number {
  let line = 1;
  for (let i = sql.indexOf('\n'); i >= 0 && i < offset; i = sql.indexOf('\n', i + 1)) line += 1;
  return line;
}

/** A string as a literal that SQLite reads. */
export function quoteString(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** A name as an identifier that SQLite reads. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The same as a MySQL client writes it; SQLite reads this form as well. */
export function quoteNameMysql(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** The name that an identifier token stands for. */
export function nameOf(token: Token): string {
  if (token.kind !== 'quoted') return token.text;
  const close = token.text.at(-1) ?? '';
  return token.text.slice(1, -1).replaceAll(close + close, close);
}
