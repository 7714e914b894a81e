// Accounts: finding the one behind a login, and setting passwords. Only verifiers are kept, never passwords.
import { fail } from '../base/errors.ts';
import { administratorOf } from '../model/tenant.ts';
import type { Account } from '../store/records.ts';
import { nativeHashOf, sha2HashOf } from '../wire/auth.ts';
import { isSys, ownTenant, type SqlDependencies } from './dependencies.ts';
import { parseLoginName } from './grammar/login-name.ts';
import type { StatementOf } from './grammar/statement.ts';
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
function passwordVerifiers(password: string): Pick<Account, 'nativeHash' | 'sha2Hash'> {
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

/** ALTER USER … IDENTIFIED BY and SET PASSWORD, for an account of the session's own tenant. */
export function setPassword(deps: SqlDependencies, session: Session, statement: StatementOf<'setPassword'>): void {
  const tenant = ownTenant(deps, session);
  const user = statement.account?.user ?? session.user;
  const key = { tenantId: tenant.tenantId, user };
  const account = deps.store.accounts.get(key);
  if (!account) throw fail('USER_NOT_EXIST', { user });
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
