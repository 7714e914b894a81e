// The COMMENT of a restore: what whoever runs it should know although its result is exact.
import { COMMENT_CHARS_MAX } from '../base/limits.ts';

/** What there is to say, each once, cut to what a COMMENT shows. */
export function joinRemarks(parts: readonly string[]): string {
  return [...new Set(parts.filter((part) => part !== ''))].join('; ').slice(0, COMMENT_CHARS_MAX);
}
