// Statements about accounts: made, dropped, renamed, locked, their passwords; what else MySQL knows of them is refused.
import { readAccount, readIfExists, readIfNotExists } from './clauses.ts';
import type { Cursor } from './cursor.ts';
import type { Account, CreateUser, DropUser, LockUser, NotSupported, RenameUser, SetPassword } from './statement.ts';

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
export function parseAlterUser(cursor: Cursor): SetPassword | LockUser | NotSupported {
  const isIfExists = readIfExists(cursor);
  // Without an account the statement is about the session's own, as in SET PASSWORD.
  const isOwn = cursor.at('IDENTIFIED') || acceptOwnAccount(cursor);
  const accounts = isOwn ? [] : cursor.list(() => readAccount(cursor));
  const isLocked = readLock(cursor);
  if (isLocked !== null && !isOwn) {
    cursor.end();
    return { kind: 'lockUser', isIfExists, accounts, isLocked };
  }
  if (!cursor.at('IDENTIFIED')) {
    const option = optionOf(cursor);
    if (option !== null) return refuse(cursor, `ALTER USER ${option}`);
    throw cursor.error();
  }
  if (accounts.length > 1) return refuse(cursor, 'ALTER USER … IDENTIFIED BY with several accounts');
  const password = readIdentified(cursor);
  if (typeof password !== 'string') return password;
  const replace = cursor.accept('REPLACE') ? readPassword(cursor) : null;
  if (cursor.isOperator(',')) return refuse(cursor, 'ALTER USER with several accounts');
  if (cursor.at('ACCOUNT')) return refuse(cursor, 'ALTER USER with both a password and ACCOUNT');
  cursor.end();
  return { kind: 'setPassword', account: accounts[0] ?? null, password, replace };
}

/** Options of accounts that MySQL and OceanBase know and we do not keep. */
const OPTIONS = ['ACCOUNT', 'PASSWORD', 'DEFAULT', 'REQUIRE', 'WITH', 'QUOTA', 'PROFILE', 'PRIMARY_ZONE', 'GRANT'];

function optionOf(cursor: Cursor): string | null {
  return OPTIONS.includes(cursor.word()) ? cursor.word() : null;
}

/** `[ACCOUNT {LOCK | UNLOCK}]` */
function readLock(cursor: Cursor): boolean | null {
  return cursor.accept('ACCOUNT') ? cursor.expectOneOf(['LOCK', 'UNLOCK']) === 'LOCK' : null;
}

/** `IDENTIFIED [WITH plugin] BY 'x'`. @returns the password, or the refusal of another way to give one */
function readIdentified(cursor: Cursor): string | NotSupported {
  cursor.expect('IDENTIFIED');
  if (cursor.accept('WITH')) {
    const plugin = cursor.name();
    if (!PLUGINS.includes(plugin.toLowerCase()) || cursor.at('AS'))
      return refuse(cursor, 'IDENTIFIED WITH this plugin');
  }
  cursor.expect('BY');
  if (cursor.rules.isMysql && (cursor.accept('PASSWORD') || cursor.accept('RANDOM', 'PASSWORD')))
    return refuse(cursor, 'IDENTIFIED BY PASSWORD');
  return readPassword(cursor);
}

/** CREATE USER [IF NOT EXISTS] u [IDENTIFIED …][, …] [ACCOUNT {LOCK | UNLOCK}], both words already read. */
export function parseCreateUser(cursor: Cursor): CreateUser | NotSupported {
  const isIfNotExists = readIfNotExists(cursor);
  const users: CreateUser['users'] = [];
  do {
    const account = readAccount(cursor);
    const password = cursor.at('IDENTIFIED') ? readIdentified(cursor) : '';
    if (typeof password !== 'string') return password;
    users.push({ account, password });
  } while (cursor.acceptOperator(','));
  const isLocked = readLock(cursor) ?? false;
  const option = optionOf(cursor);
  if (option !== null) return refuse(cursor, `CREATE USER … ${option}`);
  cursor.end();
  return { kind: 'createUser', isIfNotExists, users, isLocked };
}

/** DROP USER [IF EXISTS] u[, …], both words already read. */
export function parseDropUser(cursor: Cursor): DropUser {
  const isIfExists = readIfExists(cursor);
  const accounts = cursor.list(() => readAccount(cursor));
  cursor.end();
  return { kind: 'dropUser', isIfExists, accounts };
}

/** RENAME USER a TO b[, …], both words already read. */
export function parseRenameUser(cursor: Cursor): RenameUser {
  const renames = cursor.list(() => {
    const from = readAccount(cursor);
    cursor.expect('TO');
    return { from, to: readAccount(cursor) };
  });
  cursor.end();
  return { kind: 'renameUser', renames };
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
