// Accounts: passwords are changed, everything else is known and refused.
import { readAccount } from './clauses.ts';
import type { Cursor } from './cursor.ts';
import type { Account, NotSupported, SetPassword } from './statement.ts';

/** Verifiers for both are kept of every password, so the choice makes no difference. */
const PLUGINS = ['mysql_native_password', 'caching_sha2_password'];

/** Reads to the end of a statement about accounts that we do not build. */
export function refuse(cursor: Cursor, what: string): NotSupported {
  while (!cursor.isAtEnd) cursor.take();
  cursor.end();
  return { kind: 'notSupported', what: `${what} is` };
}

/** The session's own account: `USER()`, `CURRENT_USER`, `CURRENT_USER()`. */
function acceptOwnAccount(cursor: Cursor): boolean {
  const isCall = (cursor.at('USER') || cursor.at('CURRENT_USER')) && cursor.isOperator('(', 1);
  if (!isCall && !cursor.at('CURRENT_USER')) return false;
  cursor.take();
  if (isCall) {
    cursor.expectOperator('(');
    cursor.expectOperator(')');
  }
  return true;
}

/** A password: a literal, or as oracle writes it a bare word or "identifier". */
function readPassword(cursor: Cursor): string {
  return cursor.rules.isMysql ? cursor.string() : cursor.name();
}

/** ALTER USER …, both words already read. */
export function parseAlterUser(cursor: Cursor): SetPassword | NotSupported {
  if (cursor.accept('IF')) cursor.expect('EXISTS');
  // Without an account the statement is about the session's own, as in SET PASSWORD.
  const isOwn = cursor.at('IDENTIFIED') || acceptOwnAccount(cursor);
  const account: Account | null = isOwn ? null : readAccount(cursor);
  if (!cursor.at('IDENTIFIED')) {
    const words = ['ACCOUNT', 'PASSWORD', 'DEFAULT', 'REQUIRE', 'WITH', 'QUOTA', 'PROFILE', 'PRIMARY_ZONE', 'GRANT'];
    if (words.includes(cursor.word())) return refuse(cursor, `ALTER USER ${cursor.word()}`);
    throw cursor.error();
  }
  cursor.expect('IDENTIFIED');
  if (cursor.accept('WITH')) {
    const plugin = cursor.name();
    if (!PLUGINS.includes(plugin.toLowerCase()) || cursor.at('AS'))
      return refuse(cursor, 'IDENTIFIED WITH this plugin');
  }
  cursor.expect('BY');
  if (cursor.rules.isMysql && cursor.accept('PASSWORD')) return refuse(cursor, 'IDENTIFIED BY PASSWORD');
  const password = readPassword(cursor);
  const replace = cursor.accept('REPLACE') ? readPassword(cursor) : null;
  if (cursor.isOperator(',')) return refuse(cursor, 'ALTER USER with several accounts');
  cursor.end();
  return { kind: 'setPassword', account, password, replace };
}

/** SET PASSWORD …, both words already read: `[FOR u] = 'x'` or `= PASSWORD('x')`. */
export function parseSetPassword(cursor: Cursor): SetPassword {
  let account: Account | null = null;
  if (cursor.accept('FOR') && !acceptOwnAccount(cursor)) account = readAccount(cursor);
  if (!cursor.acceptOperator('=')) cursor.expectOperator(':=');
  const isCall = cursor.accept('PASSWORD');
  if (isCall) cursor.expectOperator('(');
  const password = cursor.string();
  if (isCall) cursor.expectOperator(')');
  const replace = cursor.accept('REPLACE') ? cursor.string() : null;
  cursor.end();
  return { kind: 'setPassword', account, password, replace };
}
