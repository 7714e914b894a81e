// A statement as it may be shown in a process list, a log or an error: passwords and access keys replaced by ******.
// Works on tokens, on any text however wrong, and hides too much rather than too little.
import type { Span } from './statement.ts';
import { decodeString, type Lexical, rulesOf, type Token, Tokenizer } from './tokenizer.ts';

const MASK = '******';

/** What is looked at and shown of one statement: a process list needs no more, and redaction stays cheap. */
export const REDACTED_CHARS_MAX = 64 * 1024;

/**
 * A word that is or resembles a secret's name: from there on, every literal of the text is hidden. The fragments of
 * PASSWORD, ENCRYPTED and IDENTIFIED find them with a letter missing or too many.
 */
export const TRIGGER_WORD =
  /pass|assw|sswo|swor|pwd|encr|cryp|rypt|ypte|secret|identi|entif|ntifi|tified|credential|access_|token/i;
/** Words that may stand where a bare word would be the password. */
const NOT_A_SECRET = new Set(['PASSWORD', 'RANDOM', 'ON', 'OFF', 'ONLY', 'FOR', 'OLD_PASSWORD', 'DEFAULT', 'NULL']);

/** Words after SET that are followed by another word or a literal. */
const PLAIN_SET = new Set(['GLOBAL', 'SESSION', 'LOCAL', 'PERSIST', 'NAMES', 'CHARACTER', 'CHARSET', 'TRANSACTION']);

/** What separates the options of a destination: query, next uri, next attribute. */
const SEPARATOR =
  /([?&]|,\s*(?=\w+:\/\/)|\s+(?=(?:location|binding|piece_switch_interval|service|user|password)\s*=))/i;
/** Options that hold no secret; in the query of a uri, and behind a secret, every other one is taken for one. */
const PLAIN_OPTION =
  /^\s*(host|region|s3_region|appid|delete_mode|checksum_type|max_iops|max_bandwidth|enable_worm|zone|idc)\s*=/i;

/** One piece of text to replace. */
export interface Redaction extends Span {
  by: string;
}

const isStringLike = (token: Token) => token.kind === 'string' || token.kind === 'binary';

const isQuoted = (token: Token) => isStringLike(token) || token.kind === 'quoted';
const isBare = (token: Token) => token.kind === 'word' || token.kind === 'number';

/** One option with its value hidden: `access_key=******`; all of it when a secret's name stands in a strange place. */
function maskOption(option: string): string {
  const from = TRIGGER_WORD.exec(option)?.index ?? 0;
  const name = /^\w+\s*=/.exec(option.slice(from))?.[0] ?? '';
  return option.slice(0, from) + name + MASK;
}

/** The text of a literal with the values of its secret options hidden. */
function maskOptions(value: string): string {
  let isDoubtful = false;
  const parts = value.split(SEPARATOR).map((part, index) => {
    const isSeparator = index % 2 === 1;
    if (isSeparator) {
      // A question mark opens the query of a uri; a comma or blank begins something new.
      if (part !== '&') isDoubtful = part === '?' && value.includes('://');
      return part;
    }
    const isSecret = TRIGGER_WORD.test(part) || (isDoubtful && !PLAIN_OPTION.test(part));
    isDoubtful ||= isSecret;
    return isSecret ? maskOption(part) : part;
  });
  return parts.join('');
}

/** Walks the tokens of a text and collects what to hide. */
class Redactor {
  readonly #sql: string;
  readonly #lexical: Lexical;
  readonly found: Redaction[] = [];
  #triggerEnd = -1;
  #isAfterBy = false;
  #last = '';
  #hiddenEnd = -1;
  /** Number of tokens seen. */
  #index = 0;
  #isOddSet = false;

  constructor(sql: string, lexical: Lexical) {
    this.#sql = sql;
    this.#lexical = lexical;
  }

  run(): Redaction[] {
    // A comment may quote what the statement says; where nothing resembles a secret it is left for the operator to read.
    const isDoubtful = TRIGGER_WORD.test(this.#sql);
    const tokenizer = new Tokenizer(this.#sql, this.#lexical, ({ kind, start, end }) => {
      if (!isDoubtful) return;
      if (kind === 'comment') this.#hide(start, end, `/* ${MASK} */`);
      else if (kind === 'hashComment') this.#hide(start, end, `# ${MASK}`);
    });
    let last: Token | undefined;
    for (let token = tokenizer.next(); token.kind !== 'end'; token = tokenizer.next()) {
      if (token.kind === 'bad' || (isDoubtful && this.#hasSlipped(token, last))) return this.#hideRest(token);
      this.#see(token);
      last = token;
    }
    return this.found;
  }

  #hide(start: number, end: number, by: string): void {
    this.found.push({ start, end, by });
  }

  /** True where a quote too many has turned literals inside out: one touches a word, or a backslash stands outside. */
  #hasSlipped(token: Token, last: Token | undefined): boolean {
    if (token.kind === 'operator') return this.#sql[token.start] === '\\';
    if (last?.end !== token.start) return false;
    return (isBare(last) && isQuoted(token)) || (isQuoted(last) && isBare(token));
  }

  /**
   * A text that cannot be read keeps nothing from its first quote or secret's name on: a literal that ended too early
   * may have left its secret outside.
   */
  #hideRest(bad: Token): Redaction[] {
    const places = [bad.start, this.#sql.search(/['"`]/), this.#sql.search(TRIGGER_WORD)];
    let from = Math.min(...places.filter((at) => at >= 0));
    while (from > 0 && /\w/.test(this.#sql[from]!) && /\w/.test(this.#sql[from - 1]!)) from--;
    const opening = /['"`]/.exec(this.#sql[from]!)?.[0] ?? '';
    const kept = this.found.filter((each) => each.end <= from);
    return [...kept, { start: from, end: this.#sql.length, by: opening + MASK }];
  }

  #see(token: Token): void {
    const text = this.#sql.slice(token.start, Math.min(token.end, token.start + REDACTED_CHARS_MAX));
    const word = token.kind === 'word' ? text.toUpperCase() : '';
    if (this.#index === 2 && this.#isOddSet && isStringLike(token)) this.#triggerEnd = token.start;
    if (isStringLike(token) || (token.kind === 'quoted' && this.#triggerEnd < 0)) this.#seeString(token, text);
    else if (this.#isBareSecret(token, word)) {
      this.#hide(token.start, token.end, MASK);
      this.#hiddenEnd = token.end;
    } else if (this.#triggerEnd < 0 && this.#isTrigger(token, text, word)) this.#triggerEnd = token.end;
    if (word !== '') this.#isAfterBy = word === 'BY' || (this.#isAfterBy && word === 'PASSWORD');
    // SET and a word that is neither a scope nor a form that we know: perhaps a misspelt PASSWORD or ENCRYPTION.
    if (this.#index === 1) this.#isOddSet = this.#last === 'SET' && word !== '' && !PLAIN_SET.has(word);
    this.#index++;
    this.#last = word === '' ? text : word;
  }

  #isTrigger(token: Token, text: string, word: string): boolean {
    if (token.kind === 'number') return false;
    if (this.#index === 2 && this.#isOddSet && !/^(:?=|\.)$/.test(text)) return true;
    // In a statement about users every literal may be a password, however its keywords are misspelt.
    if (word === 'USER' && ['ALTER', 'CREATE', 'REPLACE'].includes(this.#last)) return true;
    return TRIGGER_WORD.test(text);
  }

  #seeString(token: Token, text: string): void {
    if (this.#triggerEnd >= 0 || this.#isAfterBy) {
      this.#hide(token.start, token.end, `'${MASK}'`);
      // What touches the literal may be the rest of it, read under the wrong rules.
      this.#hiddenEnd = token.end;
      return;
    }
    const value = token.kind === 'string' ? decodeString(text, rulesOf(this.#lexical)) : text.slice(1, -1);
    const masked = maskOptions(value);
    if (masked === value) return;
    // A secret's name out of place: literals have slipped, and what follows cannot be trusted either.
    if (/(^|[^=\s])\*{6}/.test(masked)) this.#triggerEnd = token.end;
    const quote = token.kind === 'quoted' ? text[0]! : "'";
    this.#hide(token.start, token.end, quote + masked.replaceAll(quote, quote + quote) + quote);
  }

  /** IDENTIFIED BY pw (a word, as oracle writes it), my-pw, "pw", 123; not the ? of a driver: it holds nothing. */
  #isBareSecret(token: Token, word: string): boolean {
    if (this.#triggerEnd < 0) return false;
    if (token.kind === 'quoted' || token.kind === 'number') return true;
    if (this.#hiddenEnd === token.start) return !/^[,;()]$/.test(this.#sql.slice(token.start, token.end));
    if (token.kind !== 'word' || NOT_A_SECRET.has(word)) return false;
    if (this.#last === 'PASSWORD') return this.#isAfterBy;
    return ['BY', 'REPLACE', '=', ':='].includes(this.#last);
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
