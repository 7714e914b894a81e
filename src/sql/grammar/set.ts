// SET: variables, names, transactions, and the passwords of backup sets.
import { fail } from '../../base/errors.ts';
import type { Cursor } from './cursor.ts';
import { readReference } from './references.ts';
import { parseUse } from './session.ts';
import type {
  NotSupported,
  SetDecryption,
  SetEncryption,
  SetItem,
  SetPassword,
  SetStatement,
  SetTransaction,
  SetValue,
  Use,
  VariableScope,
} from './statement.ts';
import { parseSetPassword, refuse } from './user.ts';

type AnySet = SetStatement | SetTransaction | SetEncryption | SetDecryption | SetPassword | NotSupported;

const SCOPES: Record<string, VariableScope> = {
  GLOBAL: 'GLOBAL',
  PERSIST: 'GLOBAL',
  PERSIST_ONLY: 'GLOBAL',
  SESSION: 'SESSION',
  LOCAL: 'SESSION',
};

const scopeOf = (word: string): VariableScope | null => (Object.hasOwn(SCOPES, word) ? SCOPES[word]! : null);

/** What follows SET, to the end of the statement. */
export function parseSet(cursor: Cursor): AnySet {
  if (cursor.accept('ENCRYPTION')) return parseSetEncryption(cursor);
  if (cursor.accept('DECRYPTION')) return parseSetDecryption(cursor);
  if (cursor.accept('PASSWORD')) return parseSetPassword(cursor);
  if (cursor.at('ROLE') || cursor.at('DEFAULT', 'ROLE')) return refuse(cursor, 'SET ROLE');
  const isScoped = scopeOf(cursor.word()) !== null;
  if (cursor.at('TRANSACTION') || (isScoped && cursor.word(1) === 'TRANSACTION')) return parseSetTransaction(cursor);
  const items = cursor.list(() => readItem(cursor));
  cursor.end();
  return { kind: 'set', items };
}

/** @throws NOT_SUPPORTED (4007) without ONLY: those are modes that encrypt by another key */
function parseSetEncryption(cursor: Cursor): SetEncryption {
  if (cursor.accept('OFF')) {
    cursor.end();
    return { kind: 'setEncryption', password: null };
  }
  cursor.expect('ON', 'IDENTIFIED', 'BY');
  const password = cursor.string();
  if (cursor.isAtEnd) {
    cursor.end();
    throw fail('NOT_SUPPORTED', { what: 'SET ENCRYPTION ON IDENTIFIED BY without ONLY is' });
  }
  cursor.expect('ONLY');
  cursor.end();
  return { kind: 'setEncryption', password };
}

function parseSetDecryption(cursor: Cursor): SetDecryption {
  cursor.expect('IDENTIFIED', 'BY');
  const passwords = cursor.list(() => cursor.string());
  cursor.end();
  return { kind: 'setDecryption', passwords };
}

const ISOLATIONS = [['READ', 'UNCOMMITTED'], ['READ', 'COMMITTED'], ['REPEATABLE', 'READ'], ['SERIALIZABLE']] as const;

function parseSetTransaction(cursor: Cursor): SetTransaction {
  const scope = scopeOf(cursor.word());
  if (scope !== null) cursor.take();
  cursor.expect('TRANSACTION');
  const statement: SetTransaction = { kind: 'setTransaction', scope, isolation: null, isReadOnly: null };
  cursor.list(() => {
    if (cursor.accept('ISOLATION')) {
      cursor.expect('LEVEL');
      const isolation = ISOLATIONS.find((words) => cursor.accept(...words));
      if (!isolation) throw cursor.error();
      statement.isolation = isolation.join(' ');
    } else {
      cursor.expect('READ');
      statement.isReadOnly = cursor.expectOneOf(['ONLY', 'WRITE']) === 'ONLY';
    }
  });
  cursor.end();
  return statement;
}

/** `name` or DEFAULT (null). */
function readCharset(cursor: Cursor): string | null {
  return cursor.accept('DEFAULT') ? null : cursor.name();
}

function readItem(cursor: Cursor): SetItem {
  if (cursor.accept('NAMES')) {
    const charset = readCharset(cursor);
    return { set: 'names', charset, collation: cursor.accept('COLLATE') ? readCharset(cursor) : null };
  }
  if (cursor.accept('CHARACTER', 'SET') || (!cursor.isOperator('=', 1) && cursor.accept('CHARSET'))) {
    return { set: 'names', charset: readCharset(cursor), collation: null };
  }
  const { kind } = cursor.peek();
  if (kind === 'userVariable' || kind === 'systemVariable') return readVariableItem(cursor);
  const word = cursor.word();
  // A variable may be called like a scope; then the sign of assignment follows at once.
  const scope = isAssignment(cursor, 1) ? null : scopeOf(word);
  if (scope !== null) cursor.take();
  const start = cursor.peek();
  let name = cursor.identifier();
  if (cursor.acceptOperator('.')) name += `.${cursor.identifier()}`;
  // Two words in a row: it is the first that is no statement of ours (`SET ENCRYPTIN ON …`), not the second.
  if (!isAssignment(cursor, 0)) throw cursor.error(cursor.peek().kind === 'word' && scope === null ? start : undefined);
  cursor.take();
  return { set: 'systemVariable', scope, name: name.toLowerCase(), value: readSetValue(cursor) };
}

function isAssignment(cursor: Cursor, ahead: number): boolean {
  return cursor.isOperator('=', ahead) || cursor.isOperator(':=', ahead);
}

function readVariableItem(cursor: Cursor): SetItem {
  const reference = readReference(cursor, cursor.take());
  if (!isAssignment(cursor, 0)) throw cursor.error();
  cursor.take();
  const value = readSetValue(cursor);
  if (reference.type === 'userVariable') return { set: 'userVariable', name: reference.name, value };
  const { name, scope } = reference as Extract<typeof reference, { type: 'systemVariable' }>;
  return { set: 'systemVariable', scope, name, value };
}

/** True when the value ends before the token at `ahead`. */
function isValueEnd(cursor: Cursor, ahead: number): boolean {
  const { kind } = cursor.peek(ahead);
  return kind === 'end' || cursor.isOperator(',', ahead) || cursor.isOperator(';', ahead);
}

const CONSTANTS: Record<string, SetValue> = {
  DEFAULT: { is: 'default' },
  NULL: { is: 'literal', value: null },
  TRUE: { is: 'literal', value: 1n },
  FALSE: { is: 'literal', value: 0n },
};

function readNumber(text: string): SetValue {
  return { is: 'literal', value: /^[+-]?\d+$/.test(text) ? BigInt(text.replace('+', '')) : Number(text) };
}

/** A value that is one token (or a signed number); undefined for anything longer. */
function readSimpleValue(cursor: Cursor): SetValue | undefined {
  const isSigned = cursor.isOperator('-') || cursor.isOperator('+');
  if (isSigned && cursor.peek(1).kind === 'number' && isValueEnd(cursor, 2)) {
    const sign = cursor.textOf(cursor.take());
    return readNumber(sign + cursor.textOf(cursor.take()));
  }
  if (isValueEnd(cursor, 0)) throw cursor.error();
  if (!isValueEnd(cursor, 1)) return undefined;
  const token = cursor.peek();
  if (token.kind === 'string') return { is: 'literal', value: cursor.string() };
  if (token.kind === 'number') return readNumber(cursor.textOf(cursor.take()));
  if (token.kind === 'userVariable' || token.kind === 'systemVariable') {
    return { is: 'reference', reference: readReference(cursor, cursor.take()) };
  }
  if (token.kind === 'quoted') return { is: 'word', word: cursor.identifier() };
  if (token.kind !== 'word') return undefined;
  const word = cursor.textOf(cursor.take());
  const upper = word.toUpperCase();
  return Object.hasOwn(CONSTANTS, upper) ? CONSTANTS[upper]! : { is: 'word', word };
}

function readSetValue(cursor: Cursor): SetValue {
  const simple = readSimpleValue(cursor);
  if (simple) return simple;
  const { start } = cursor.peek();
  let depth = 0;
  while (cursor.peek().kind !== 'end' && (depth > 0 || !isValueEnd(cursor, 0))) {
    if (cursor.isOperator('(')) depth++;
    if (cursor.isOperator(')')) depth--;
    if (depth < 0) throw cursor.error();
    cursor.take();
  }
  if (depth > 0) throw cursor.error();
  return { is: 'expression', text: cursor.sql.slice(start, cursor.lastEnd) };
}

/** ALTER SESSION SET name = value …: how oracle drivers set theirs. Blanks stand between items. */
export function parseAlterSession(cursor: Cursor): SetStatement | Use {
  cursor.expect('SET');
  if (cursor.accept('CURRENT_SCHEMA')) {
    cursor.expectOperator('=');
    return parseUse(cursor);
  }
  const items: SetItem[] = [];
  do {
    const name = cursor.identifier().toLowerCase();
    cursor.expectOperator('=');
    const { kind } = cursor.peek();
    const value: SetValue =
      kind === 'string'
        ? { is: 'literal', value: cursor.string() }
        : kind === 'number'
          ? readNumber(cursor.textOf(cursor.take()))
          : { is: 'word', word: cursor.identifier() };
    items.push({ set: 'systemVariable', scope: 'SESSION', name, value });
    cursor.acceptOperator(',');
  } while (!cursor.isAtEnd);
  cursor.end();
  return { kind: 'set', items };
}
