// Cuts a multi-statement text at its semicolons; strings, comments and trigger bodies are respected.
import { type Lexical, type Token, Tokenizer } from './tokenizer.ts';

const TRIGGER_HEAD = new Set(['CREATE', 'EXPLAIN', 'TEMP', 'TEMPORARY', 'OR', 'REPLACE', 'DEFINER']);

/**
 * Follows one statement and knows whether a semicolon ends it: the body of CREATE TRIGGER holds semicolons and ends
 * only with `END`.
 */
class StatementEnd {
  #head: 'open' | 'trigger' | 'other' = 'open';
  #isFirst = true;
  #last = '';
  #beforeLast = '';

  see(token: Token, sql: string): void {
    this.#beforeLast = this.#last;
    this.#last = token.kind === 'word' ? sql.slice(token.start, token.end).toUpperCase() : '';
    if (token.kind === 'operator' && sql[token.start] === ';') this.#last = ';';
    if (this.#head !== 'open') return;
    // What stands between CREATE and TRIGGER besides words is a DEFINER account.
    if (this.#last === 'TRIGGER' && !this.#isFirst) this.#head = 'trigger';
    else if (this.#isFirst || this.#last !== '') this.#head = TRIGGER_HEAD.has(this.#last) ? 'open' : 'other';
    this.#isFirst = false;
  }

  /** Call before `see` of the semicolon itself. */
  get isOver(): boolean {
    return this.#head !== 'trigger' || (this.#last === 'END' && this.#beforeLast === ';');
  }
}

/** Half-open range of one statement, without its semicolon, from its first token to its last. */
export interface StatementRange {
  start: number;
  end: number;
}

/** The ranges of the statements of a text; empty ones and comments alone are left out. Never throws. */
export function statementRanges(sql: string, lexical: Lexical): StatementRange[] {
  const ranges: StatementRange[] = [];
  let opened = -1;
  // A statement begins at an executable comment that its first token lies in, and ends behind its last one.
  let executableOpen = -1;
  let end = 0;
  const tokenizer = new Tokenizer(sql, lexical, (trivia) => {
    if (trivia.kind === 'executableOpen') executableOpen = trivia.start;
    if (trivia.kind === 'executableClose') {
      executableOpen = -1;
      if (opened >= 0) end = trivia.end;
    }
  });
  let state = new StatementEnd();
  for (;;) {
    const token = tokenizer.next();
    if (token.kind === 'end') break;
    const isSemicolon = token.kind === 'operator' && sql[token.start] === ';';
    if (isSemicolon && executableOpen < 0 && (opened < 0 || state.isOver)) {
      if (opened >= 0) ranges.push({ start: opened, end });
      opened = -1;
      state = new StatementEnd();
      continue;
    }
    if (opened < 0) opened = executableOpen >= 0 ? executableOpen : token.start;
    end = token.end;
    state.see(token, sql);
  }
  if (opened >= 0) ranges.push({ start: opened, end });
  return ranges;
}

/**
 * The statements of a text in order, each without its semicolon; empty ones are dropped.
 * Never throws: a text that cannot be read to its end yields its rest as one statement, which then fails to parse.
 */
export function splitStatements(sql: string, lexical: Lexical = 'mysql'): string[] {
  return statementRanges(sql, lexical).map(({ start, end }) => sql.slice(start, end));
}
