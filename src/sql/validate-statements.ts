// Statements of validation: VALIDATE BACKUP, BACKUPSET and ARCHIVELOG_PIECE at three levels, CANCEL VALIDATE.
import { clientErrno, fail } from '../base/errors.ts';
import type { DeriveKey } from '../destination/backup-set-reader.ts';
import { CHECK_LEVELS, type CheckLevel } from '../model/check-level.ts';
import { parseCapacityBytes } from '../model/parameter.ts';
import { okResult, type StatementResult } from '../model/result.ts';
import type { ValidateLevel, ValidateType } from '../model/validate-job.ts';
import type { ValidatePasswords } from '../validate/validate-service.ts';
import type { SqlDependencies } from './dependencies.ts';
import type { StatementOf } from './grammar/statement.ts';
import type { Session } from './session.ts';
import { oneTenant, someTenants } from './target-tenants.ts';

type Validate = StatementOf<'validate'>;

const LEVEL_DEFAULT: ValidateLevel = 'basic';
const CHECK_DEFAULT: CheckLevel = 'quick';
const TYPES: Record<Validate['object'], ValidateType> = {
  BACKUP: 'DATABASE',
  BACKUPSET: 'BACKUPSET',
  ARCHIVELOG_PIECE: 'ARCHIVELOG_PIECE',
};

const wrong = (what: string) => fail('INVALID_ARGUMENT', { what: `VALIDATE: ${what}` });

/** The path whose kind is that of the objects. @source OceanBase 4.6.0, §2.15 */
function pathOf({ object, dataBackupDest, logArchiveDest }: Validate): string | null {
  if (object === 'BACKUP' && (dataBackupDest ?? logArchiveDest) !== null)
    throw wrong('BACKUP means the present destinations and takes no path');
  if (object === 'BACKUPSET' && logArchiveDest !== null) throw wrong('BACKUPSET takes DATA_BACKUP_DEST');
  if (object === 'ARCHIVELOG_PIECE' && dataBackupDest !== null) throw wrong('ARCHIVELOG_PIECE takes LOG_ARCHIVE_DEST');
  return dataBackupDest ?? logArchiveDest;
}

function checkLevelOf({ check, level, object }: Validate): CheckLevel {
  if (level === 'restore' && object === 'ARCHIVELOG_PIECE') throw wrong("LEVEL 'restore' of ARCHIVELOG_PIECE");
  if (check === null) return CHECK_DEFAULT;
  if (level !== 'restore') throw wrong("CHECK without LEVEL 'restore'");
  const known = CHECK_LEVELS.find((name) => name === check);
  if (!known || known === 'none') throw wrong(`CHECK '${check}' is not quick or full`);
  return known;
}

function budgetOf({ budget, ids, level }: Validate): bigint | null {
  if (budget === null) return null;
  if (ids !== null || level === 'restore') throw wrong('BUDGET is for everything at a destination, to be read');
  const bytes = parseCapacityBytes(budget);
  if (bytes === undefined) throw wrong(`BUDGET '${budget}' is no number of bytes`);
  return bytes;
}

/** A set is opened with the passwords of SET DECRYPTION, or the one that this session makes sets with. */
export function passwordsOf(session: Session): ValidatePasswords {
  const { encryptionPassword, decryptionPasswords } = session;
  const own = encryptionPassword === null ? [] : [encryptionPassword];
  const derive: DeriveKey = (password, salt, cost) => {
    const keys = password === encryptionPassword ? session.encryptionKeys : session.decryptionKeys;
    return keys.derive(password, salt, cost);
  };
  return { passwords: [...new Set([...decryptionPasswords, ...own])], derive };
}

export async function validateBackups(
  deps: SqlDependencies,
  session: Session,
  statement: Validate,
): Promise<StatementResult> {
  const path = pathOf(statement);
  const { ids, object } = statement;
  const [checkLevel, budgetBytes] = [checkLevelOf(statement), budgetOf(statement)];
  const what = `ALTER SYSTEM VALIDATE ${object}`;
  const isOfOne = ids !== null || path !== null;
  const { tenants, isAll } = isOfOne
    ? { tenants: [oneTenant(deps, session, statement.tenants, what)], isAll: false }
    : someTenants(deps, session, statement.tenants, what);
  const { busy } = await deps.validate.validate({
    initiatorTenantId: session.tenantId,
    tenants: tenants.filter(({ status }) => !isAll || status === 'NORMAL').map(({ tenantId }) => tenantId),
    ...{ isAll, type: TYPES[object], ids, path, level: statement.level ?? LEVEL_DEFAULT, checkLevel, budgetBytes },
    description: statement.description ?? '',
    ...passwordsOf(session),
  });
  for (const name of busy)
    session.warnings.push({
      level: 'Warning',
      errno: clientErrno('NOT_ALLOWED', session.mode),
      message: `tenant '${name}' is left out of this validation, because another one of it runs`,
    });
  return okResult(0n, 0n, session.warnings.length);
}

export function cancelValidate(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'cancelValidate'>,
): StatementResult {
  const { tenants, isAll } = someTenants(deps, session, statement.tenants, 'ALTER SYSTEM CANCEL VALIDATE');
  deps.validate.cancel(isAll ? 'all' : tenants.map(({ tenantId }) => tenantId));
  return okResult();
}
