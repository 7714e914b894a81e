// CREATE, DROP, RENAME USER and ALTER USER … ACCOUNT: who may log in to the tenant of the session, and GRANT and
// REVOKE: what he may do there.
import { fail } from '../base/errors.ts';
import {
  foldUser,
  type Grant,
  type GrantLevel,
  isAdministrator,
  isSameUser,
  type Privilege,
  withGrant,
  withoutGrant,
} from '../model/privilege.ts';
import { okResult, type StatementResult } from '../model/result.ts';
import { operationFailed, passwordVerifiers, userOf } from './accounts.ts';
import type { SqlDependencies } from './dependencies.ts';
import type { Account, GrantTarget, StatementOf } from './grammar/statement.ts';
import type { Session } from './session.ts';

/** Longest name of a user: what MySQL's clients and tables have room for. */
const USER_CHARS_MAX = 32;

/** Notes of IF [NOT] EXISTS. @source MySQL 5.7, server error message reference */
const USER_EXISTS_NOTE = 3163;
const USER_NOT_EXIST_NOTE = 3162;

/** @throws NOT_SUPPORTED (4007) in an oracle tenant: only SYS can log in there */
function requireMysqlMode(session: Session, what: string): void {
  if (session.mode !== 'oracle') return;
  throw fail('NOT_SUPPORTED', { what: `${what} in an Oracle tenant, where only SYS can log in, is` });
}

function accountOf({ store }: SqlDependencies, { tenantId }: Session, user: string) {
  return store.accounts.get({ tenantId, user });
}

/** @throws NOT_ALLOWED (4179) */
function refuseAdministrator(session: Session, users: readonly string[], what: string): void {
  const user = users.find((one) => isAdministrator(session.mode, one));
  if (user !== undefined) throw fail('NOT_ALLOWED', { what: `${what} of the administrator ${user} is` });
}

function checkUserName(user: string): void {
  if (user !== '' && [...user].length <= USER_CHARS_MAX && !/\p{Cc}/u.test(user)) return;
  throw fail('INVALID_ARGUMENT', { what: `user name: 1 to ${USER_CHARS_MAX} characters, no control characters` });
}

/** Ends the open connections of accounts that are no more; what they ran is interrupted. */
function endSessions({ connections }: SqlDependencies, { tenantId }: Session, users: readonly string[]): void {
  const gone = new Set(users.map(foldUser));
  for (const { id, tenantId: of, user } of connections.list()) {
    if (of === tenantId && gone.has(foldUser(user))) connections.kill(id, 'connection');
  }
}

/**
 * The users of a statement that are as they should be. The others: a note for each with IF [NOT] EXISTS, else an error.
 * @throws USER_OPERATION_FAILED (1396) with all of them; nothing has happened then
 */
function fittingUsers(
  deps: SqlDependencies,
  session: Session,
  {
    accounts,
    mustExist,
    isTolerant,
    operation,
  }: {
    accounts: readonly Account[];
    mustExist: boolean;
    isTolerant: boolean;
    operation: string;
  },
): string[] {
  const users = accounts.map(userOf);
  const isFitting = (user: string) => (accountOf(deps, session, user) !== undefined) === mustExist;
  const others = users.filter((user, at) => !isFitting(user) || isRepeated(users, at));
  if (others.length > 0 && !isTolerant) throw operationFailed(operation, others);
  for (const user of others) {
    const [errno, words] = mustExist ? [USER_NOT_EXIST_NOTE, 'does not exist'] : [USER_EXISTS_NOTE, 'already exists'];
    session.warnings.push({ level: 'Note', errno, message: `Authorization ID '${user}'@'%' ${words}.` });
  }
  return users.filter((user, at) => isFitting(user) && !isRepeated(users, at));
}

function isRepeated(users: readonly string[], at: number): boolean {
  return users.slice(0, at).some((user) => isSameUser(user, users[at]!));
}

const done = (session: Session) => okResult(0n, 0n, session.warnings.length);

export function createUser(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'createUser'>,
): StatementResult {
  requireMysqlMode(session, 'CREATE USER');
  const accounts = statement.users.map(({ account }) => account);
  for (const account of accounts) checkUserName(userOf(account));
  const isTolerant = statement.isIfNotExists;
  const users = fittingUsers(deps, session, { accounts, mustExist: false, isTolerant, operation: 'CREATE USER' });
  const { tenantId } = session;
  deps.store.transaction(() => {
    for (const user of users) {
      const { password } = statement.users.find(({ account }) => account.user === user)!;
      const { isLocked } = statement;
      deps.store.accounts.insert({ tenantId, user, ...passwordVerifiers(password), isLocked, grants: [] });
    }
  });
  deps.log.info('users created', { tenantId, users });
  return done(session);
}

export function dropUser(deps: SqlDependencies, session: Session, statement: StatementOf<'dropUser'>): StatementResult {
  requireMysqlMode(session, 'DROP USER');
  const { accounts, isIfExists: isTolerant } = statement;
  const users = fittingUsers(deps, session, { accounts, mustExist: true, isTolerant, operation: 'DROP USER' });
  refuseAdministrator(session, users, 'dropping the account');
  const { tenantId } = session;
  deps.store.transaction(() => {
    for (const user of users) deps.store.accounts.remove({ tenantId, user });
  });
  endSessions(deps, session, users);
  deps.log.info('users dropped', { tenantId, users });
  return done(session);
}

/** As in MySQL, sessions that are open go on: KILL ends them. */
export function lockUser(deps: SqlDependencies, session: Session, statement: StatementOf<'lockUser'>): StatementResult {
  requireMysqlMode(session, 'ALTER USER … ACCOUNT');
  const { accounts, isIfExists: isTolerant, isLocked } = statement;
  const users = fittingUsers(deps, session, { accounts, mustExist: true, isTolerant, operation: 'ALTER USER' });
  refuseAdministrator(session, users, 'locking the account');
  const { tenantId } = session;
  deps.store.transaction(() => {
    for (const user of users) deps.store.accounts.change({ tenantId, user }, { isLocked });
  });
  deps.log.info(isLocked ? 'users locked' : 'users unlocked', { tenantId, users });
  return done(session);
}

/** Grants and password go along. @throws USER_OPERATION_FAILED (1396); nothing has happened then */
export function renameUser(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'renameUser'>,
): StatementResult {
  requireMysqlMode(session, 'RENAME USER');
  const renames = statement.renames.map(({ from, to }) => ({ from: userOf(from), to: userOf(to) }));
  for (const { to } of renames) checkUserName(to);
  const olds = renames.map(({ from }) => from);
  refuseAdministrator(session, olds, 'renaming the account');
  const { tenantId } = session;
  deps.store.transaction(() => {
    for (const { from, to } of renames) {
      const account = accountOf(deps, session, from);
      if (!account || (!isSameUser(from, to) && accountOf(deps, session, to)))
        throw operationFailed('RENAME USER', [from]);
      deps.store.accounts.remove({ tenantId, user: from });
      deps.store.accounts.insert({ ...account, user: to });
    }
  });
  endSessions(deps, session, olds);
  deps.log.info('users renamed', { tenantId, renames });
  return done(session);
}

/** @throws UNKNOWN_DATABASE (1049); NOT_SUPPORTED (4007) for the databases whose rows nobody grants */
function levelOf({ catalog }: SqlDependencies, session: Session, on: GrantTarget): GrantLevel {
  if (on === 'ALL') return 'GLOBAL';
  const database = catalog.resolveDatabase(session, on.database);
  if (database === undefined) throw fail('UNKNOWN_DATABASE', { database: on.database });
  if (database === catalog.dataDatabase) return 'DATA';
  if (database === catalog.systemSchema(session)) return 'SYSTEM';
  throw fail('NOT_SUPPORTED', { what: `a grant on ${database} (only on *.* and the other databases) is` });
}

/** @throws WRONG_USAGE (1221) for ALTER SYSTEM on a database: it holds everywhere or not at all */
function grantsOf(privileges: readonly Privilege[], level: GrantLevel): Grant[] {
  if (level !== 'GLOBAL' && privileges.includes('ALTER SYSTEM'))
    throw fail('WRONG_USAGE', { one: 'DB GRANT', other: 'GLOBAL PRIVILEGES' });
  return privileges.map((privilege) => ({ privilege, level }));
}

/** What the administrator has is everything already. @throws NO_SUCH_USER (1133) */
export function grantPrivileges(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'grant'>,
): StatementResult {
  requireMysqlMode(session, 'GRANT');
  const added = grantsOf(statement.privileges, levelOf(deps, session, statement.on));
  const { tenantId } = session;
  const users = statement.accounts.map(userOf);
  deps.store.transaction(() => {
    for (const user of users) {
      const account = accountOf(deps, session, user);
      if (!account) throw fail('NO_SUCH_USER', {});
      if (isAdministrator(session.mode, user)) continue;
      deps.store.accounts.change({ tenantId, user }, { grants: added.reduce(withGrant, account.grants) });
    }
  });
  deps.log.info('privileges granted', { tenantId, users, grants: added });
  return okResult();
}

/** @throws NO_SUCH_GRANT (1141); nothing has happened then */
export function revokePrivileges(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'revoke'>,
): StatementResult {
  requireMysqlMode(session, 'REVOKE');
  const { privileges, on } = statement;
  const removed = on === null ? null : grantsOf(privileges, levelOf(deps, session, on));
  const { tenantId } = session;
  const users = statement.accounts.map(userOf);
  refuseAdministrator(session, users, 'revoking privileges');
  deps.store.transaction(() => {
    for (const user of users) {
      const grants = remainingGrants(accountOf(deps, session, user)?.grants, removed);
      if (!grants) throw fail('NO_SUCH_GRANT', { user, host: '%' });
      deps.store.accounts.change({ tenantId, user }, { grants });
    }
  });
  deps.log.info('privileges revoked', { tenantId, users, grants: removed ?? 'all' });
  return okResult();
}

/** @param removed null takes whatever there is. @returns undefined where there is no account, or no such grant */
function remainingGrants(grants: Grant[] | undefined, removed: readonly Grant[] | null): Grant[] | undefined {
  if (!grants || removed === null) return grants && [];
  let left: Grant[] | undefined = grants;
  for (const grant of removed) left = left && withoutGrant(left, grant);
  return left;
}
