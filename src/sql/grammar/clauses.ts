// Clauses that several statements share: TENANT, DESCRIPTION, UNTIL, option values.
import { fail } from '../../base/errors.ts';
import { parseScn } from '../../model/scn.ts';
import type { Cursor } from './cursor.ts';
import type { Account, TableName, TenantSelection, Until } from './statement.ts';
import { decodeIdentifier, decodeString } from './tokenizer.ts';

const TENANT_KEYWORDS = ['ALL', 'ALL_USER', 'ALL_META'] as const;

/** `[=] {ALL | ALL_USER | ALL_META | t[,…]}`, the word TENANT already read. */
export function readTenantList(cursor: Cursor): TenantSelection {
  cursor.acceptOperator('=');
  return cursor.acceptOneOf(TENANT_KEYWORDS) ?? cursor.list(() => cursor.name());
}

/** `[TENANT [=] …]` with any number of names. */
export function readTenants(cursor: Cursor): TenantSelection | null {
  return cursor.accept('TENANT') ? readTenantList(cursor) : null;
}

/** `[TENANT [=] t]` where a comma after the name belongs to what follows. */
export function readOneTenant(cursor: Cursor): TenantSelection | null {
  if (!cursor.accept('TENANT')) return null;
  cursor.acceptOperator('=');
  return cursor.acceptOneOf(TENANT_KEYWORDS) ?? [cursor.name()];
}

/** `[WORD [=] 'text']` */
export function readStringOption(cursor: Cursor, ...words: string[]): string | null {
  if (!cursor.accept(...words)) return null;
  cursor.acceptOperator('=');
  return cursor.string();
}

export const readDescription = (cursor: Cursor) => readStringOption(cursor, 'DESCRIPTION');

/** `[WORD [=] n]` */
export function readNumberOption(cursor: Cursor, word: string): number | null {
  if (!cursor.accept(word)) return null;
  cursor.acceptOperator('=');
  return cursor.integer(word);
}

/** `{TIME [=] '…' | SCN [=] n}`, the word UNTIL already read. @throws INVALID_ARGUMENT for an SCN beyond 64 bits */
export function readUntil(cursor: Cursor): Until {
  if (cursor.accept('TIME')) {
    cursor.acceptOperator('=');
    return { by: 'TIME', time: cursor.string() };
  }
  cursor.expect('SCN');
  cursor.acceptOperator('=');
  const scn = parseScn(cursor.digits());
  if (scn === undefined) throw fail('INVALID_ARGUMENT', { what: 'SCN' });
  return { by: 'SCN', scn };
}

/** A value as text without quotes: string, number with sign, or word. */
export function readValue(cursor: Cursor): string {
  const { kind } = cursor.peek();
  if (kind === 'string') return cursor.string();
  const sign = cursor.acceptOperator('-') ? '-' : '';
  if (cursor.peek().kind === 'number') return sign + cursor.textOf(cursor.take());
  if (sign !== '' || kind !== 'word') throw cursor.error();
  return cursor.textOf(cursor.take());
}

/** `name` or `(name, …)`; an empty list in parentheses is refused. */
export function readNameList(cursor: Cursor): string[] {
  if (!cursor.acceptOperator('(')) return [readValue(cursor)];
  const names = cursor.list(() => cursor.name());
  cursor.expectOperator(')');
  return names;
}

/** `[IF NOT EXISTS]` */
export function readIfNotExists(cursor: Cursor): boolean {
  if (!cursor.accept('IF')) return false;
  cursor.expect('NOT', 'EXISTS');
  return true;
}

/** `[IF EXISTS]` */
export function readIfExists(cursor: Cursor): boolean {
  if (!cursor.accept('IF')) return false;
  cursor.expect('EXISTS');
  return true;
}

/** `user` or `user@host`, quoted or not. */
export function readAccount(cursor: Cursor): Account {
  const user = cursor.name();
  const next = cursor.peek();
  if (cursor.acceptOperator('@')) {
    // A bare `%` after the at sign is an operator to the tokenizer.
    return { user, host: cursor.acceptOperator('%') ? '%' : cursor.name() };
  }
  if (next.kind !== 'userVariable') return { user, host: null };
  return { user, host: decodeUserVariable(cursor.textOf(cursor.take()), cursor) };
}

/** Name of a user variable token, as written. */
export function decodeUserVariable(raw: string, cursor: Pick<Cursor, 'rules'>): string {
  const name = raw.slice(1);
  if (name[0] === '`') return decodeIdentifier(name);
  return name[0] === "'" || name[0] === '"' ? decodeString(name, cursor.rules) : name;
}

/** `t`, `schema.t` */
export function readTableName(cursor: Cursor): TableName {
  const first = cursor.identifier();
  if (!cursor.acceptOperator('.')) return { schema: null, name: first };
  return { schema: first, name: cursor.identifier() };
}

/** Uris of one literal, separated by commas; blanks around them do not count, empty ones are dropped. */
export function splitUris(text: string): string[] {
  return text
    .split(',')
    .map((uri) => uri.trim())
    .filter((uri) => uri !== '');
}
