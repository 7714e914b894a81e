// Statements of backup: SET ENCRYPTION, BACKUP, CANCEL BACKUP.
import { becameFull } from '../backup/choose-parent.ts';
import { clientErrno, fail } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { okResult, type StatementResult } from '../model/result.ts';
import { keyInUse } from '../store/tenant-keys.ts';
import { isSys, type SqlDependencies } from './dependencies.ts';
import type { StatementOf } from './grammar/statement.ts';
import { checkBackupPassword } from './key-statements.ts';
import type { Session } from './session.ts';
import { someTenants, tenantsNamed } from './target-tenants.ts';

/** Said once where a password is set: it must not be taken for more than it is. */
const LOG_IS_PLAIN =
  "the password encrypts the backup sets of this session; the archived log is not encrypted unless the tenant's tde_method is 'internal': keep its destination as you keep the database";

/** Whatever was derived from the password before goes with it. */
export function setEncryptionPassword(session: Session, password: string | null): void {
  session.encryptionPassword = password;
  session.encryptionKeys.clear();
}

/** Whether somebody's sets could have a password while his log has nothing. */
function hasPlainLog({ store }: SqlDependencies, session: Session): boolean {
  const ids = isSys(session) ? store.userTenants().map(({ tenantId }) => tenantId) : [session.tenantId];
  return ids.length === 0 || ids.some((tenantId) => keyInUse(store, tenantId) === undefined);
}

export function setEncryption(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'setEncryption'>,
): StatementResult {
  const { password } = statement;
  if (password !== null) checkBackupPassword(password, 'SET ENCRYPTION');
  setEncryptionPassword(session, password);
  if (password === null || !hasPlainLog(deps, session)) return okResult();
  session.warnings.push({ level: 'Note', errno: clientErrno('NOT_SUPPORTED', session.mode), message: LOG_IS_PLAIN });
  return okResult(0n, 0n, session.warnings.length);
}

/** What the statement covers; the rules of the reference for sys and user tenants. */
function scopeOf(deps: SqlDependencies, session: Session, statement: StatementOf<'backup'>) {
  if (statement.to !== null) throw fail('NOT_SUPPORTED', { what: 'backup do not support using specify path' });
  if (!isSys(session)) {
    if (statement.scope === 'TENANT') throw fail('NOT_SUPPORTED', { what: 'user tenant cannot specify tenant names' });
    return { tenants: [session.tenantId], level: 'USER_TENANT' as const };
  }
  if (statement.scope === null) throw fail('NOT_SUPPORTED', { what: 'No tenant name specified' });
  if (statement.scope === 'DATABASE' || statement.tenants === 'ALL')
    return { tenants: 'all' as const, level: 'CLUSTER' as const };
  if (typeof statement.tenants === 'string' || statement.tenants === null) {
    throw fail('NOT_SUPPORTED', { what: `backup with TENANT = ${statement.tenants ?? ''} is` });
  }
  const tenants = tenantsNamed(deps, statement.tenants).map(({ tenantId }) => tenantId);
  return { tenants, level: 'SYS_TENANT' as const };
}

export async function startBackup(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'backup'>,
): Promise<StatementResult> {
  const { tenants, level } = scopeOf(deps, session, statement);
  const { skipped, full, unexported } = await deps.backup.startBackup({
    initiatorTenantId: isSys(session) ? SYS_TENANT_ID : session.tenantId,
    tenants,
    level,
    isIncremental: statement.isIncremental,
    isPlusArchivelog: statement.isPlusArchivelog,
    description: statement.description ?? '',
    password: session.encryptionPassword,
    derivedKeys: session.encryptionKeys,
  });
  for (const { tenantName, because } of skipped) {
    session.warnings.push({
      level: 'Warning',
      errno: clientErrno('BACKUP_CAN_NOT_START', session.mode),
      message: `tenant '${tenantName}' is left out of this backup, because ${because}`,
    });
  }
  for (const { tenantName, because } of full) {
    session.warnings.push({
      level: 'Note',
      errno: clientErrno('BACKUP_CAN_NOT_START', session.mode),
      message: `the backup of tenant '${tenantName}' ${becameFull(because)}`,
    });
  }
  for (const { tenantName, because } of unexported) {
    session.warnings.push({
      level: 'Warning',
      errno: clientErrno('BACKUP_INVALID_PASSWORD', session.mode),
      message: `tenant '${tenantName}': ${because}`,
    });
  }
  return okResult(0n, 0n, session.warnings.length);
}

export function cancelBackup(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'cancelBackup'>,
): StatementResult {
  const { tenants, isAll } = someTenants(deps, session, statement.tenants, 'ALTER SYSTEM CANCEL BACKUP');
  deps.backup.cancel(isAll ? 'all' : tenants.map(({ tenantId }) => tenantId));
  return okResult();
}
