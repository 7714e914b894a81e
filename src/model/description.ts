// DESCRIPTION of a statement: the operator's own words, kept in the rows of its jobs.
import { fail } from '../base/errors.ts';
import { COMMENT_CHARS_MAX } from '../base/limits.ts';

/** @throws INVALID_ARGUMENT (4002) for a text that no column holds */
export function checkDescription(text: string): void {
  if (text.length <= COMMENT_CHARS_MAX) return;
  throw fail('INVALID_ARGUMENT', { what: `DESCRIPTION: longer than ${COMMENT_CHARS_MAX} characters` });
}
