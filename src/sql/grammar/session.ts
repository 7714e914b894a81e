// USE, transactions, KILL.
import type { Cursor } from './cursor.ts';
import type { Kill, Transaction, Use } from './statement.ts';

/** USE …, the word already read. */
export function parseUse(cursor: Cursor): Use {
  const database = cursor.identifier();
  cursor.end();
  return { kind: 'use', database };
}

/** KILL …, the word already read. */
export function parseKill(cursor: Cursor): Kill {
  const target = cursor.acceptOneOf(['QUERY', 'CONNECTION']) ?? 'CONNECTION';
  const connectionId = cursor.integer('KILL');
  cursor.end();
  return { kind: 'kill', target, connectionId };
}

function transaction(verb: Transaction['verb']): Transaction {
  return {
    kind: 'transaction',
    verb,
    isReadOnly: null,
    isConsistentSnapshot: false,
    behaviour: null,
    isChain: false,
    isRelease: false,
  };
}

/** BEGIN …, the word already read; the words after it are those of SQLite, too. */
export function parseBegin(cursor: Cursor): Transaction {
  const statement = transaction('BEGIN');
  statement.behaviour = cursor.acceptOneOf(['DEFERRED', 'IMMEDIATE', 'EXCLUSIVE']);
  if (!cursor.accept('WORK')) cursor.accept('TRANSACTION');
  cursor.end();
  return statement;
}

/** START TRANSACTION …, the word START already read. */
export function parseStart(cursor: Cursor): Transaction {
  cursor.expect('TRANSACTION');
  const statement = transaction('BEGIN');
  if (!cursor.isAtEnd) {
    cursor.list(() => {
      if (cursor.accept('WITH')) {
        cursor.expect('CONSISTENT', 'SNAPSHOT');
        statement.isConsistentSnapshot = true;
      } else {
        cursor.expect('READ');
        statement.isReadOnly = cursor.expectOneOf(['ONLY', 'WRITE']) === 'ONLY';
      }
    });
  }
  cursor.end();
  return statement;
}

/** COMMIT, ROLLBACK or END …, the word already read. ROLLBACK TO a savepoint is for the engine: see `parseStatement`. */
export function parseFinish(cursor: Cursor, verb: 'COMMIT' | 'ROLLBACK'): Transaction {
  const statement = transaction(verb);
  if (!cursor.accept('WORK')) cursor.accept('TRANSACTION');
  if (cursor.accept('AND')) {
    statement.isChain = !cursor.accept('NO');
    cursor.expect('CHAIN');
  }
  if (cursor.accept('NO')) cursor.expect('RELEASE');
  else statement.isRelease = cursor.accept('RELEASE');
  cursor.end();
  return statement;
}
