// One pass over a statement that is not ours: which tables it names, what it asks of the session, where it ends.
import { isSessionFunction, readReference } from './references.ts';
import { SelectList } from './select-list.ts';
import type { Reference, TableName, TextFacts } from './statement.ts';
import { syntaxErrorAt } from './syntax-error.ts';
import { decodeIdentifier, type Lexical, type LexicalRules, rulesOf, type Token, Tokenizer } from './tokenizer.ts';

/** Open parentheses at once; SQLite gives up at 1000 levels of an expression. */
const NESTING_MAX = 2_000;

/** What one level of parentheses is doing. */
interface Frame {
  list: SelectList | null;
  isSelect: boolean;
  isInFrom: boolean;
  isInCtes: boolean;
  /** A name that comes now is a table ('source': a function call is none; 'target': a parenthesis holds columns). */
  expects: 'source' | 'target' | 'cte' | null;
  hasReference: boolean;
}

const newFrame = (isInFrom = false): Frame => ({
  list: null,
  isSelect: false,
  isInFrom,
  isInCtes: false,
  expects: isInFrom ? 'source' : null,
  hasReference: false,
});

const MAIN_VERBS = new Set(['SELECT', 'INSERT', 'REPLACE', 'UPDATE', 'DELETE', 'VALUES', 'TABLE']);
const LIST_ENDS = new Set(
  'FROM WHERE GROUP ORDER HAVING LIMIT UNION EXCEPT INTERSECT MINUS WINDOW FOR INTO SET RETURNING ON'.split(' '),
);
const FROM_ENDS = new Set(
  'WHERE GROUP ORDER HAVING LIMIT UNION EXCEPT INTERSECT MINUS WINDOW FOR SET RETURNING VALUES'.split(' '),
);
/** Words between a verb and its table. */
const BEFORE_NAME = new Set(
  'IF NOT EXISTS LATERAL ONLY IGNORE LOW_PRIORITY HIGH_PRIORITY DELAYED QUICK OR ROLLBACK ABORT FAIL RECURSIVE INTO FROM TABLE'.split(
    ' ',
  ),
);
const DEFINITION_VERBS = new Set(['CREATE', 'DROP', 'ALTER', 'TRUNCATE', 'ANALYZE', 'REINDEX']);

/** What the pass adds to the facts for a caller. */
export interface ScannedText extends TextFacts {
  /** First word, upper case; behind CTEs or parentheses the verb that follows them. '' when there is none. */
  verb: string;
  object: string;
  hasFrom: boolean;
}

class TextScanner {
  readonly sql: string;
  readonly rules: LexicalRules;
  readonly #lexical: Lexical;
  readonly #tokenizer: Tokenizer;
  readonly #frames: Frame[] = [newFrame()];
  readonly #ctes = new Set<string>();
  readonly #tables = new Map<string, TableName>();
  readonly #found: Omit<ScannedText, 'tables'> = {
    references: [],
    aliases: [],
    dual: [],
    verb: '',
    object: '',
    hasFrom: false,
  };
  readonly #ahead: Token[] = [];
  #name: string[] = [];
  #isTrigger = false;
  /** The token before the current one, and its upper-case word or operator. */
  #last: Token | undefined;
  #lastText = '';
  #beforeLastText = '';
  #words = 0;

  constructor(sql: string, lexical: Lexical) {
    this.sql = sql;
    this.#lexical = lexical;
    this.rules = rulesOf(lexical);
    this.#tokenizer = new Tokenizer(sql, lexical);
  }

  run(): ScannedText {
    for (;;) {
      const token = this.#next();
      if (token.kind === 'end') break;
      const text = this.#textOf(token);
      // The body of a trigger holds semicolons; the one behind its END is the statement's.
      const isBodyEnd = this.#lastText === 'END' && this.#beforeLastText === ';';
      if (text === ';' && (!this.#isTrigger || isBodyEnd)) {
        this.#expectEnd();
        break;
      }
      this.#see(token, text);
      this.#last = token;
      this.#beforeLastText = this.#lastText;
      this.#lastText = text;
    }
    while (this.#frames.length > 0) this.#endList(this.#frames.pop()!);
    const isCte = ({ schema, name }: TableName) => schema === null && this.#ctes.has(name.toLowerCase());
    return { ...this.#found, tables: [...this.#tables.values()].filter((table) => !isCte(table)) };
  }

  get #frame(): Frame {
    return this.#frames.at(-1)!;
  }

  #peek(ahead: number): Token {
    while (this.#ahead.length <= ahead) this.#ahead.push(this.#tokenizer.next());
    return this.#ahead[ahead]!;
  }

  #next(): Token {
    const token = this.#ahead.shift() ?? this.#tokenizer.next();
    if (token.kind === 'bad') throw syntaxErrorAt(this.sql, this.#lexical, token.start);
    return token;
  }

  /** Upper-case word, the operator, or ''. */
  #textOf(token: Token): string {
    if (token.kind === 'word') return this.sql.slice(token.start, token.end).toUpperCase();
    return token.kind === 'operator' ? this.sql.slice(token.start, token.end) : '';
  }

  #expectEnd(): void {
    let token = this.#next();
    while (this.#textOf(token) === ';') token = this.#next();
    if (token.kind !== 'end') throw syntaxErrorAt(this.sql, this.#lexical, token.start);
  }

  #see(token: Token, text: string): void {
    const isPart = this.#lastText === '.';
    const reference = isPart ? undefined : this.#referenceAt(token, text);
    if (reference) this.#addReference(reference, token);
    else if (text === '(') this.#open(token);
    else if (text === ')') this.#close(token);
    else {
      const isKeyword = token.kind === 'word' && !isPart && this.#seeKeyword(token, text);
      if (text === ',') this.#seeComma();
      else if (!isKeyword) this.#seeName(token, text);
      if (!isKeyword && text !== ',') this.#frame.list?.see(token, text);
    }
  }

  // ## References

  /** INTO @x writes the variable and is none. */
  #referenceAt(token: Token, text: string): Reference | undefined {
    if (token.kind === 'userVariable' && (this.#lastText === 'INTO' || this.#isHost(token))) return undefined;
    if (token.kind === 'userVariable' || token.kind === 'systemVariable') return readReference(this, token);
    if (token.kind !== 'word' || !isSessionFunction(text)) return undefined;
    const { start } = token;
    const isCall = this.#textOf(this.#peek(0)) === '(' && this.#textOf(this.#peek(1)) === ')';
    if (isCall) return { type: 'function', name: text, start, end: this.#peek(1).end };
    if (text !== 'CURRENT_USER' || this.#textOf(this.#peek(0)) === '(') return undefined;
    return { type: 'function', name: text, start, end: token.end };
  }

  /** True for the host of an account, `user`@`host`. */
  #isHost(token: Token): boolean {
    const last = this.#last;
    return last !== undefined && last.end === token.start && ['word', 'quoted', 'string'].includes(last.kind);
  }

  #addReference(reference: Reference, token: Token): void {
    // The parentheses of a call belong to it.
    if (reference.end > token.end) this.#ahead.splice(0, 2);
    this.#found.references.push(reference);
    const { list } = this.#frame;
    this.#frame.hasReference = true;
    this.#frame.expects = null;
    if (!list) return;
    list.see({ kind: 'userVariable', start: reference.start, end: reference.end }, '');
    list.hasReference = true;
  }

  // ## Parentheses and lists

  #open(token: Token): void {
    const { expects } = this.#frame;
    if (this.#frames.length >= NESTING_MAX) throw syntaxErrorAt(this.sql, this.#lexical, token.start);
    this.#frame.list?.see(token, '(');
    if (expects !== null) this.#frame.expects = null;
    this.#frames.push(newFrame(expects === 'source'));
  }

  #close(token: Token): void {
    if (this.#frames.length === 1) throw syntaxErrorAt(this.sql, this.#lexical, token.start);
    const closed = this.#frames.pop()!;
    this.#endList(closed);
    this.#frame.hasReference ||= closed.hasReference;
    this.#frame.list?.closeParenthesis(token, closed.hasReference);
  }

  #endList(frame: Frame): void {
    const alias = frame.list?.endItem();
    if (alias) this.#found.aliases.push(alias);
    frame.list = null;
  }

  #seeComma(): void {
    const frame = this.#frame;
    const alias = frame.list?.endItem();
    if (alias) this.#found.aliases.push(alias);
    if (frame.isInCtes) frame.expects = 'cte';
    else if (frame.isInFrom) frame.expects = 'source';
  }

  // ## Words

  /** True when the word was a keyword that belongs to no item and names nothing. */
  #seeKeyword(token: Token, text: string): boolean {
    const frame = this.#frame;
    const isVerb = this.#seeVerb(frame, text);
    if (text === 'FROM' && !this.#seeFrom(frame)) return false;
    if (LIST_ENDS.has(text)) this.#endList(frame);
    if (FROM_ENDS.has(text)) frame.isInFrom = false;
    if (text === 'FROM') return true;
    if (text === 'SELECT') {
      this.#endList(frame);
      Object.assign(frame, { isSelect: true, isInFrom: false, expects: null, list: new SelectList(this) });
      return true;
    }
    if ((text === 'JOIN' || text === 'STRAIGHT_JOIN') && frame.isInFrom) frame.expects = 'source';
    else if (text === 'DUAL' && frame.expects === 'source' && this.#lastText === 'FROM') this.#seeDual(frame, token);
    else return isVerb || LIST_ENDS.has(text) || (frame.expects !== null && BEFORE_NAME.has(text));
    return true;
  }

  /** Follows the first words: the verb, what it is about, and where its table comes. */
  #seeVerb(frame: Frame, text: string): boolean {
    const { verb } = this.#found;
    this.#words++;
    if (this.#words === 2) this.#found.object = text;
    if (text === 'WITH' && (this.#words === 1 || this.#lastText === '(')) {
      Object.assign(frame, { isInCtes: true, expects: 'cte' });
      if (verb === '') this.#found.verb = text;
      return true;
    }
    if (verb === '' || (frame.isInCtes && MAIN_VERBS.has(text) && this.#lastText !== '(')) {
      if (this.#frames.length === 1 || verb === '') this.#found.verb = text;
      Object.assign(frame, { isInCtes: false, expects: this.#targetOf(text) });
      return true;
    }
    if (this.#frames.length > 1) return false;
    if (text === 'TRIGGER' && verb === 'CREATE') this.#isTrigger = true;
    const isTarget =
      (text === 'INTO' && (verb === 'INSERT' || verb === 'REPLACE')) ||
      ((text === 'TABLE' || text === 'VIEW') && DEFINITION_VERBS.has(verb) && this.#words <= 4);
    if (isTarget) Object.assign(frame, { expects: 'target', isInFrom: verb === 'DROP' });
    return isTarget;
  }

  #targetOf(verb: string): Frame['expects'] {
    if (verb === 'TABLE') this.#found.hasFrom = true;
    return ['UPDATE', 'TRUNCATE', 'TABLE', 'INSERT', 'REPLACE'].includes(verb) ? 'target' : null;
  }

  /** False for the FROM of EXTRACT(x FROM y) and IS DISTINCT FROM. */
  #seeFrom(frame: Frame): boolean {
    const isDelete = this.#frames.length === 1 && ['DELETE', 'UPDATE'].includes(this.#found.verb);
    if (this.#lastText === 'DISTINCT' || !(frame.isSelect || isDelete)) return false;
    frame.isInFrom = true;
    frame.expects = 'source';
    this.#found.hasFrom = true;
    return true;
  }

  #seeDual(frame: Frame, token: Token): void {
    this.#found.dual.push({ start: this.#last!.start, end: token.end });
    frame.expects = null;
    this.#found.hasFrom = this.#tables.size > 0;
  }

  // ## Names

  #seeName(token: Token, text: string): void {
    const frame = this.#frame;
    if (frame.expects === null || text === '.') return;
    if (token.kind !== 'word' && token.kind !== 'quoted') {
      frame.expects = null;
      return;
    }
    const raw = this.sql.slice(token.start, token.end);
    this.#name.push(token.kind === 'word' ? raw : decodeIdentifier(raw));
    const next = this.#textOf(this.#peek(0));
    if (next === '.') return;
    const [schema, name] = this.#name.length > 1 ? this.#name.slice(-2) : [null, this.#name[0]];
    this.#name = [];
    const isTable = frame.expects === 'target' || (frame.expects === 'source' && next !== '(');
    if (frame.expects === 'cte') this.#ctes.add(name!.toLowerCase());
    if (isTable) this.#tables.set(JSON.stringify([schema, name]), { schema: schema ?? null, name: name! });
    frame.expects = null;
  }
}

/**
 * Scans a whole statement.
 * @throws SYNTAX for a string or comment without end, a parenthesis too many, and anything behind a semicolon
 */
export function scanText(sql: string, lexical: Lexical): ScannedText {
  return new TextScanner(sql, lexical).run();
}
