// Statements of tenant keys: BACKUP KEY, the rotation of a tenant's key, and WITH KEY FROM of the statements that restore.
import { clientErrno, fail } from '../base/errors.ts';
import type { ExportedKey } from '../format/key-file.ts';
import { clearKeys } from '../keys/keys.ts';
import { BACKUP_PASSWORD_CHARS_MAX, isBackupPassword } from '../model/backup-password.ts';
import { okResult, type StatementResult } from '../model/result.ts';
import { isSys, type SqlDependencies } from './dependencies.ts';
import type { RestoreSource, StatementOf } from './grammar/statement.ts';
import type { Session } from './session.ts';
import { oneTenant } from './target-tenants.ts';

/** @throws INVALID_ARGUMENT (4002) */
export function checkBackupPassword(password: string, what: string): void {
  if (isBackupPassword(password)) return;
  throw fail('INVALID_ARGUMENT', {
    what: `${what}: the password is empty or longer than ${BACKUP_PASSWORD_CHARS_MAX} characters`,
  });
}

/** @throws INVALID_ARGUMENT (4002): a key never lies anywhere in clear */
function passwordOf(encryptedBy: string | null, what: string): string {
  if (encryptedBy === null) throw fail('INVALID_ARGUMENT', { what: `${what}: ENCRYPTED BY is missing` });
  checkBackupPassword(encryptedBy, what);
  return encryptedBy;
}

export async function backupKey(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'backupKey'>,
): Promise<StatementResult> {
  const { tenants, to, encryptedBy } = statement;
  // @source OceanBase 4.3.3 source: the texts for sys without a name and with several.
  if (isSys(session) && tenants === null) throw fail('NOT_SUPPORTED', { what: 'No tenant name specified' });
  if (isSys(session) && (typeof tenants === 'string' || (tenants?.length ?? 0) > 1))
    throw fail('INVALID_ARGUMENT', { what: 'tenant list, count of tenants must be 1' });
  const { tenantId } = oneTenant(deps, session, tenants, 'ALTER SYSTEM BACKUP KEY');
  if (to === null) throw fail('INVALID_ARGUMENT', { what: "BACKUP KEY: TO 'path' is missing" });
  await deps.keys.exportKeys(tenantId, { path: to, password: passwordOf(encryptedBy, 'BACKUP KEY') });
  return okResult();
}

export async function rotateKey(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'rotateKey'>,
): Promise<StatementResult> {
  const { tenantId } = oneTenant(deps, session, statement.tenants, 'ALTER SYSTEM ROTATE KEY');
  deps.keys.rotate(tenantId);
  await deps.archive.refreshSeal(tenantId);
  session.warnings.push({
    level: 'Warning',
    errno: clientErrno('BACKUP_INVALID_PASSWORD', session.mode),
    message: 'the new version of the key is in no file yet: ALTER SYSTEM BACKUP KEY writes all versions to one',
  });
  return okResult(0n, 0n, session.warnings.length);
}

/** Runs `work` with the keys that WITH KEY FROM names; they are overwritten afterwards. */
export async function withKeysFrom<T>(
  deps: SqlDependencies,
  { withKey }: Pick<RestoreSource, 'withKey'>,
  work: (keys: readonly ExportedKey[]) => Promise<T>,
): Promise<T> {
  if (withKey === null) return await work([]);
  const password = passwordOf(withKey.encryptedBy, 'WITH KEY FROM');
  const keys = await deps.keys.readKeys({ path: withKey.from, password });
  try {
    return await work(keys);
  } finally {
    clearKeys(keys);
  }
}
