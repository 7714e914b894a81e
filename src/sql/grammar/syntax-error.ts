// The one error of the grammar: 1064 with the text from the offending token on, as MySQL words it, without secrets.
import { fail, type HoldfastError } from '../../base/errors.ts';
import { findSecrets, REDACTED_CHARS_MAX, sliceRedacted, TRIGGER_WORD } from './redact.ts';
import type { Lexical } from './tokenizer.ts';

/** Characters of the statement that an error quotes. @source MySQL: MAX_ERRMSG text is cut at 80 */
export const NEAR_CHARS_MAX = 80;

function lineAt(sql: string, offset: number): number {
  let line = 1;
  for (let at = sql.indexOf('\n'); at >= 0 && at < offset; at = sql.indexOf('\n', at + 1)) line++;
  return line;
}

/**
 * SYNTAX (1064) near an offset.
 * @param offset start of the offending token; the text's length for an unexpected end
 */
export function syntaxErrorAt(sql: string, lexical: Lexical, offset: number): HoldfastError {
  const end = Math.min(sql.length, offset + NEAR_CHARS_MAX);
  // Far inside a long text only the quoted part is looked at: whatever it holds, its literals are then hidden.
  const isFar = end > REDACTED_CHARS_MAX;
  const scanned = isFar ? sql.slice(offset, end) : sql.slice(0, REDACTED_CHARS_MAX);
  const span = isFar ? { start: 0, end: scanned.length } : { start: offset, end };
  const secrets = isFar
    ? [{ start: firstDoubt(scanned), end: scanned.length, by: '******' }]
    : findSecrets(scanned, lexical);
  const near = sliceRedacted(scanned, secrets, span).slice(0, NEAR_CHARS_MAX);
  return fail('SYNTAX', { near, line: lineAt(sql, offset) });
}

function firstDoubt(text: string): number {
  const places = [text.search(/['"`]/), text.search(TRIGGER_WORD), text.length];
  return Math.min(...places.filter((at) => at >= 0));
}
