// A statement as it may be shown in a process list, a log or an error: passwords and access keys replaced by ******.
// Works on tokens, on any text however wrong, and hides too much rather than too little.
import type { Span } from './statement.ts';
import { decodeString, type Lexical, rulesOf, type Token, Tokenizer } from './tokenizer.ts';

const MASK = '******';

/** What is looked at and shown of one statement: a process list needs no more, and redaction stays cheap. */
export const REDACTED_CHARS_MAX = 64 * 1024;

/** A word that is or resembles a secret's name: from there on, every literal of the statement is hidden. */
export const TRIGGER_WORD = /pass|pasw|pwd|crypt|secret|identif|credential|access_|token/i;
/** After one of these (or `=`), and once a trigger was seen, even a bare word or number can be the password. */
const SECRET_FOLLOWS = new Set(['BY', 'REPLACE', 'PASSWORD']);
/** Words that may stand there without being one. */
const NOT_A_SECRET = new Set(['PASSWORD', 'RANDOM', 'ON', 'OFF', 'ONLY', 'FOR', 'OLD_PASSWORD', 'DEFAULT', 'NULL']);
/** `access_key=…` and the like inside of a literal: up to the next option, uri, keyword or the end. */
const SECRET_OPTION =
  /((?:access_?(?:key|id)|passw(?:or)?d|pwd|secret\w*|token|credential\w*)\s*=)(?!\*{6}(?:&|$))(?:(?!&|,\s*\w+:\/\/|\s\w+\s*=)[\s\S])*/gi;

/** One piece of text to replace. */
export interface Redaction extends Span {
  by: string;
}

const isStringLike = (token: Token) => token.kind === 'string' || token.kind === 'binary';

/** Walks the tokens of a text and collects what to hide. */
class Redactor {
  readonly #sql: string;
  readonly #lexical: Lexical;
  readonly found: Redaction[] = [];
  #triggerEnd = -1;
  #isAfterBy = false;
  #last = '';
  #bareSecretEnd = -1;

  constructor(sql: string, lexical: Lexical) {
    this.#sql = sql;
    this.#lexical = lexical;
  }

  run(): Redaction[] {
    const strings: Redaction[] = [];
    // A comment may quote what the statement says; where nothing resembles a secret it is left for the operator to read.
    const isDoubtful = TRIGGER_WORD.test(this.#sql);
    const tokenizer = new Tokenizer(this.#sql, this.#lexical, ({ kind, start, end }) => {
      if (!isDoubtful) return;
      if (kind === 'comment') this.#hide(start, end, `/* ${MASK} */`);
      else if (kind === 'hashComment') this.#hide(start, end, `# ${MASK}`);
    });
    for (;;) {
      const token = tokenizer.next();
      if (token.kind === 'end') return this.found;
      if (token.kind === 'bad') return this.#hideRest(token, strings);
      if (isStringLike(token)) strings.push({ start: token.start, end: token.end, by: `'${MASK}'` });
      this.#see(token);
    }
  }

  #hide(start: number, end: number, by: string): void {
    this.found.push({ start, end, by });
  }

  /** A text that cannot be read keeps no literal, and nothing behind the first doubtful place. */
  #hideRest(bad: Token, strings: Redaction[]): Redaction[] {
    const from = this.#triggerEnd >= 0 ? this.#triggerEnd : bad.start;
    const kept = [...strings, ...this.found].filter((each) => each.end <= from);
    kept.sort((a, b) => a.start - b.start || b.end - a.end);
    const unique = kept.filter((each, index) => index === 0 || each.start !== kept[index - 1]!.start);
    const opening = /['"`]/.exec(this.#sql[from]!)?.[0] ?? ' ';
    return [...unique, { start: from, end: this.#sql.length, by: `${opening}${MASK}` }];
  }

  #see(token: Token): void {
    const text = this.#sql.slice(token.start, Math.min(token.end, token.start + REDACTED_CHARS_MAX));
    const word = token.kind === 'word' ? text.toUpperCase() : '';
    if (text === ';') {
      this.#triggerEnd = -1;
      this.#isAfterBy = false;
    } else if (isStringLike(token)) this.#seeString(token, text);
    else if (this.#isBareSecret(token, word)) {
      this.#hide(token.start, token.end, MASK);
      this.#bareSecretEnd = token.end;
    } else if (this.#triggerEnd < 0 && this.#isTrigger(token, text, word)) this.#triggerEnd = token.end;
    if (word !== '') this.#isAfterBy = word === 'BY';
    this.#last = word === '' ? text : word;
  }

  #isTrigger(token: Token, text: string, word: string): boolean {
    if (token.kind === 'number') return false;
    // In a statement about users every literal may be a password, however its keywords are misspelt.
    if (word === 'USER' && ['ALTER', 'CREATE', 'REPLACE'].includes(this.#last)) return true;
    return TRIGGER_WORD.test(text);
  }

  #seeString(token: Token, text: string): void {
    if (this.#triggerEnd >= 0 || this.#isAfterBy) {
      this.#hide(token.start, token.end, `'${MASK}'`);
      return;
    }
    const value = token.kind === 'binary' ? text : decodeString(text, rulesOf(this.#lexical));
    const masked = value.replace(SECRET_OPTION, `$1${MASK}`);
    if (masked !== value) this.#hide(token.start, token.end, `'${masked.replaceAll("'", "''")}'`);
  }

  /** IDENTIFIED BY pw (a word, as oracle writes it), my-pw, "pw", 123; not the ? of a driver: it holds nothing. */
  #isBareSecret(token: Token, word: string): boolean {
    if (this.#triggerEnd < 0) return false;
    if (token.kind === 'quoted' || token.kind === 'number') return true;
    if (this.#bareSecretEnd === token.start) return !/^[,;()]$/.test(this.#sql.slice(token.start, token.end));
    if (token.kind !== 'word' || NOT_A_SECRET.has(word)) return false;
    return SECRET_FOLLOWS.has(this.#last) || this.#last === '=' || this.#last === ':=';
  }
}

/** What to hide in a text, ascending, without overlaps. */
export function findSecrets(sql: string, lexical: Lexical): Redaction[] {
  return new Redactor(sql, lexical).run();
}

/** The slice [start, end) of a text with its secrets hidden; a secret that the slice cuts is hidden whole. */
export function sliceRedacted(sql: string, redactions: readonly Redaction[], { start, end }: Span): string {
  let text = '';
  let at = start;
  for (const each of redactions) {
    if (each.end <= at || each.start >= end) continue;
    text += sql.slice(at, Math.max(at, each.start)) + each.by;
    at = each.end;
  }
  return at < end ? text + sql.slice(at, end) : text;
}

/**
 * The statement as it may be shown; texts beyond `REDACTED_CHARS_MAX` are cut there.
 * Hidden: every literal after BY and after a word that resembles a secret's name, values of access_key= and the like
 * in literals, comments, and (where the text cannot be read) every literal and the rest.
 */
export function redactSecrets(sql: string, lexical: Lexical): string {
  const shown = sql.length > REDACTED_CHARS_MAX ? sql.slice(0, REDACTED_CHARS_MAX) : sql;
  const text = sliceRedacted(shown, findSecrets(shown, lexical), { start: 0, end: shown.length });
  return shown.length < sql.length ? `${text}…` : text;
}
