// What stands in a text for a value that the session knows: @@x, @x, DATABASE().
import { decodeUserVariable } from './clauses.ts';
import {
  type Reference,
  SESSION_FUNCTIONS,
  type SessionFunctionName,
  type SystemVariableReference,
  type VariableScope,
} from './statement.ts';
import { decodeIdentifier, type LexicalRules, type Token } from './tokenizer.ts';

const SCOPE_PREFIXES: Record<string, VariableScope> = {
  session: 'SESSION',
  local: 'SESSION',
  global: 'GLOBAL',
  persist: 'GLOBAL',
};

/** @param token of kind systemVariable or userVariable */
export function readReference(text: { sql: string; rules: LexicalRules }, token: Token): Reference {
  const { start, end } = token;
  const raw = text.sql.slice(start, end);
  if (token.kind === 'systemVariable') return { type: 'systemVariable', ...readSystemName(raw), start, end };
  return { type: 'userVariable', name: decodeUserVariable(raw, text).toLowerCase(), start, end };
}

function readSystemName(raw: string): Pick<SystemVariableReference, 'name' | 'scope'> {
  const parts = raw.slice(2).match(/`[^`]*`|[^.`]+/g) ?? [];
  const names = parts.map((part) => (part[0] === '`' ? decodeIdentifier(part) : part).toLowerCase());
  const prefix = names.length > 1 ? names[0]! : '';
  const scope = Object.hasOwn(SCOPE_PREFIXES, prefix) ? SCOPE_PREFIXES[prefix]! : null;
  return { scope, name: (scope === null ? names : names.slice(1)).join('.') };
}

const FUNCTIONS: ReadonlySet<string> = new Set(SESSION_FUNCTIONS);

/** @param word upper case */
export function isSessionFunction(word: string): word is SessionFunctionName {
  return FUNCTIONS.has(word);
}
