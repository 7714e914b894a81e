// Cuts typed text into statements at `;`, `\g` and `\G`, respecting strings and comments.

export interface TypedStatement {
  sql: string;
  /** Ended by `\G`: one column a line. */
  isVertical: boolean;
}

interface ScanResult {
  statement: TypedStatement | null;
  /** Where the rest begins. */
  end: number;
}

/** Index after a quoted part that begins at `at`, or -1 when its end is not typed yet. */
function skipQuoted(text: string, at: number): number {
  const quote = text[at]!;
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === '\\' && quote !== '`') i++;
    else if (text[i] === quote) return i + 1;
  }
  return -1;
}

/** Index after a comment that begins at `at`; `at` when there is none; -1 when it is still open. */
function skipComment(text: string, at: number): number {
  if (text.startsWith('/*', at)) {
    const end = text.indexOf('*/', at + 2);
    return end < 0 ? -1 : end + 2;
  }
  if (text[at] === '#' || /^--(\s|$)/.test(text.slice(at, at + 3))) {
    const end = text.indexOf('\n', at);
    return end < 0 ? text.length : end + 1;
  }
  return at;
}

function scan(text: string): ScanResult | null {
  let i = 0;
  while (i < text.length) {
    const character = text[i]!;
    if (character === "'" || character === '"' || character === '`') {
      i = skipQuoted(text, i);
      if (i < 0) return null;
      continue;
    }
    const afterComment = skipComment(text, i);
    if (afterComment < 0) return null;
    if (afterComment > i) {
      i = afterComment;
      continue;
    }
    const isVertical = text.startsWith('\\G', i);
    if (character === ';' || isVertical || text.startsWith('\\g', i)) {
      const sql = text.slice(0, i).trim();
      return { statement: sql === '' ? null : { sql, isVertical }, end: i + (character === ';' ? 1 : 2) };
    }
    i++;
  }
  return null;
}

/** Collects typed lines; `take` returns the statements that are complete. */
export class StatementReader {
  #pending = '';

  /** True in the middle of a statement. */
  get isPending(): boolean {
    return this.#pending.trim() !== '';
  }

  take(text: string): TypedStatement[] {
    this.#pending += text;
    const statements: TypedStatement[] = [];
    for (let found = scan(this.#pending); found; found = scan(this.#pending)) {
      if (found.statement) statements.push(found.statement);
      this.#pending = this.#pending.slice(found.end);
    }
    if (this.#pending.trim() === '') this.#pending = '';
    return statements;
  }

  /** What was typed after the last terminator, as a statement of its own: for `-e` and the end of a file. */
  rest(): TypedStatement[] {
    const sql = this.#pending.trim();
    this.#pending = '';
    return sql === '' ? [] : [{ sql, isVertical: false }];
  }

  clear(): void {
    this.#pending = '';
  }
}
