// Log-ins: finding the account behind one, and recording it. Passwords: only verifiers are kept, never passwords.
import { fail, toClientError } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { UNKNOWN_USER } from '../model/audit-event.ts';
import { administratorOf } from '../model/tenant.ts';
import type { Account } from '../store/records.ts';
import { nativeHashOf, sha2HashOf } from '../wire/auth.ts';
import { isSys, ownTenant, type SqlDependencies } from './dependencies.ts';
import { parseLoginName } from './grammar/login-name.ts';
import type { Account as NamedAccount, StatementOf } from './grammar/statement.ts';
import type { LoginAccount, LoginRequest, Session } from './session.ts';

/** Longest password in characters: a bound before hashing. */
const PASSWORD_CHARS_MAX = 1024;

const EMPTY = new Uint8Array(0);

/** What the two login methods check a password against. */
function verifiersOf(password: string): Pick<Account, 'nativeHash' | 'sha2Hash'> {
  const bytes = Buffer.from(password, 'utf8');
  return { nativeHash: nativeHashOf(bytes), sha2Hash: sha2HashOf(bytes) };
}

/** The verifiers of a password: both empty for an empty one. */
export function passwordVerifiers(password: string): Pick<Account, 'nativeHash' | 'sha2Hash'> {
  if (password.length > PASSWORD_CHARS_MAX) throw fail('INVALID_ARGUMENT', { what: 'password: it is too long' });
  if (password === '') return { nativeHash: EMPTY, sha2Hash: EMPTY };
  return verifiersOf(password);
}

/**
 * The account behind a login. An unknown user gets an account that no password fits, so that the answer and its timing
 * tell nothing.
 */
export function findAccount(deps: SqlDependencies, request: LoginRequest): LoginAccount {
  const name = parseLoginName(request.userText);
  const denied = () => fail('ACCESS_DENIED', { user: request.userText, host: request.host, withPassword: true });
  if (!name) throw denied();
  if (name.cluster !== null && name.cluster.toLowerCase() !== deps.store.cluster.name.toLowerCase()) throw denied();
  const tenant = deps.store.tenantNamed(name.tenant);
  if (tenant.status !== 'NORMAL') throw fail('TENANT_NOT_NORMAL', { tenant: tenant.name, status: tenant.status });
  const account = deps.store.accounts.get({ tenantId: tenant.tenantId, user: name.user });
  if (account && account.nativeHash.length === 0 && !request.isLoopback)
    throw fail('PASSWORD_REQUIRED', { user: name.user });
  const verifiers = account ?? verifiersOf(request.userText);
  return {
    user: account?.user ?? name.user,
    tenantId: tenant.tenantId,
    tenantName: tenant.name,
    mode: tenant.mode,
    nativeHash: verifiers.nativeHash,
    sha2Hash: verifiers.sha2Hash,
    isReal: account !== undefined,
  };
}

/**
 * The account may still log in as it was found: nobody has dropped it, locked it or given it another password.
 * @throws ACCESS_DENIED (1045), ACCOUNT_LOCKED (3118)
 */
export function checkStillAllowed(deps: SqlDependencies, found: LoginAccount, { host }: LoginRequest): void {
  const { user, tenantId } = found;
  const account = deps.store.accounts.get({ tenantId, user });
  if (!account || Buffer.compare(account.nativeHash, found.nativeHash) !== 0)
    throw fail('ACCESS_DENIED', { user, host, withPassword: true });
  if (account.isLocked) throw fail('ACCOUNT_LOCKED', { user, host });
}

/** Records a log-in, whatever became of it. @param error null for one that succeeded */
export function noteLogin(deps: SqlDependencies, { userText, host }: LoginRequest, error: unknown): void {
  const name = parseLoginName(userText);
  const tenantId = name && deps.store.tenantByName(name.tenant)?.tenantId;
  const account = name && tenantId ? deps.store.accounts.get({ tenantId, user: name.user }) : undefined;
  const errno = error === null ? 0 : toClientError(error, 'mysql').errno;
  deps.audit.logIn({ tenantId: tenantId ?? SYS_TENANT_ID, user: account?.user ?? UNKNOWN_USER, host }, errno);
}

/** The user that a statement names: `user` or `user@'%'`. @throws NOT_SUPPORTED (4007) for another host */
export function userOf({ user, host }: NamedAccount): string {
  if (host === null || host === '%') return user;
  throw fail('NOT_SUPPORTED', { what: `the host '${host}' of an account (write '%' or none) is` });
}

/** The complaint about accounts that are not there, or are already. */
export function operationFailed(operation: string, users: readonly string[]) {
  return fail('USER_OPERATION_FAILED', { operation, users: users.map((user) => `'${user}'@'%'`).join(',') });
}

/** ALTER USER … IDENTIFIED BY and SET PASSWORD, for an account of the session's own tenant. */
export function setPassword(deps: SqlDependencies, session: Session, statement: StatementOf<'setPassword'>): void {
  const tenant = ownTenant(deps, session);
  const user = statement.account ? userOf(statement.account) : session.user;
  const key = { tenantId: tenant.tenantId, user };
  const account = deps.store.accounts.get(key);
  if (!account) throw operationFailed('ALTER USER', [user]);
  if (statement.replace !== null) checkCurrent(account, statement.replace);
  deps.store.accounts.change(key, passwordVerifiers(statement.password));
  deps.log.info('password changed', { tenantId: tenant.tenantId, user: account.user, isSys: isSys(session) });
}

function checkCurrent(account: Account, password: string): void {
  const { sha2Hash } = passwordVerifiers(password);
  if (Buffer.compare(sha2Hash, account.sha2Hash) !== 0) {
    throw fail('ACCESS_DENIED', { user: account.user, host: 'localhost', withPassword: true });
  }
}

/** True while the cluster's administrator has no password: then the server listens on loopback only. */
export function isSysPasswordEmpty(store: SqlDependencies['store'], sysTenantId: number): boolean {
  const account = store.accounts.get({ tenantId: sysTenantId, user: administratorOf('mysql') });
  return account === undefined || account.nativeHash.length === 0;
}
