// Statements of log archive and destinations.
import { fail, HoldfastError, isFailure, toClientError } from '../base/errors.ts';
import { FIRST_DEST_NO } from '../model/archive-copy.ts';
import { okResult, type StatementResult } from '../model/result.ts';
import { isSys, type SqlDependencies } from './dependencies.ts';
import { parseArchiveCopyDest, parseArchiveDest } from './grammar/archive-dest.ts';
import { parseDataDestCopy } from './grammar/data-dest.ts';
import type { StatementOf } from './grammar/statement.ts';
import type { Session } from './session.ts';
import { oneTenant, someTenants } from './target-tenants.ts';

/** Whose a directory is, is for the cluster's administrator to know. */
async function withoutOwner(session: Session, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (isSys(session) || !isFailure(error, 'BACKUP_FORMAT_FILE_NOT_MATCH')) throw error;
    const { uri } = error.facts as { uri: string };
    throw fail('BACKUP_FORMAT_FILE_NOT_MATCH', { uri, because: 'it belongs to another owner or purpose' });
  }
}

export async function setArchiveDest(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'setArchiveDest'>,
): Promise<StatementResult> {
  const { destNo } = statement;
  const name = destNo === FIRST_DEST_NO ? 'LOG_ARCHIVE_DEST' : `LOG_ARCHIVE_DEST_${destNo}`;
  const tenant = oneTenant(deps, session, statement.tenants, `setting ${name.toLowerCase()}`);
  if (destNo !== FIRST_DEST_NO) {
    const copy = parseArchiveCopyDest(statement.attributes, name);
    const request = copy && { uri: copy.location, binding: copy.binding };
    await withoutOwner(session, deps.archive.setCopyDest(tenant.tenantId, destNo, request));
    return okResult();
  }
  const dest = parseArchiveDest(statement.attributes);
  const request = dest && {
    uri: dest.location,
    binding: dest.binding,
    pieceSwitchIntervalUs: dest.pieceSwitchIntervalUs,
    pieceSwitchIntervalText: dest.pieceSwitchIntervalText,
  };
  await withoutOwner(session, deps.archive.setDest(tenant.tenantId, request));
  return okResult();
}

export function setArchiveDestState(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'setArchiveDestState'>,
): StatementResult {
  const { destNo, state } = statement;
  const name = `log_archive_dest_state${destNo === FIRST_DEST_NO ? '' : `_${destNo}`}`;
  const tenant = oneTenant(deps, session, statement.tenants, `setting ${name}`);
  deps.archive.setDestState(tenant.tenantId, state, destNo);
  return okResult();
}

export async function setDataBackupDest(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'setDataBackupDest'>,
): Promise<StatementResult> {
  const tenant = oneTenant(deps, session, statement.tenants, 'setting data_backup_dest');
  const { destNo, value } = statement;
  const setting =
    destNo === 0
      ? deps.backup.setDataDest(tenant.tenantId, value === '' ? null : value)
      : deps.backup.setDataDestCopy(tenant.tenantId, destNo, parseDataDestCopy(value));
  await withoutOwner(session, setting);
  return okResult();
}

/**
 * ARCHIVELOG and NOARCHIVELOG. From sys for all, or for a list, a tenant that is already there is no error but a
 * warning, so that one of them does not keep the others from being switched.
 */
export function setArchiveMode(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'setArchiveMode'>,
): StatementResult {
  const words = `ALTER SYSTEM ${statement.isOn ? '' : 'NO'}ARCHIVELOG`;
  const { tenants, isAll } = someTenants(deps, session, statement.tenants, words);
  const flip = (tenantId: number) => (statement.isOn ? deps.archive.enable(tenantId) : deps.archive.disable(tenantId));
  if (!isSys(session) || (!isAll && tenants.length === 1)) {
    for (const tenant of tenants) flip(tenant.tenantId);
    return okResult();
  }
  const failures: HoldfastError[] = [];
  // One write for all of them; what the modes ask for begins afterwards.
  deps.store.transaction(() => {
    for (const tenant of tenants) {
      try {
        flip(tenant.tenantId);
      } catch (error) {
        if (!(error instanceof HoldfastError)) throw error;
        failures.push(error);
        const { errno, message } = toClientError(error, session.mode);
        session.warnings.push({ level: 'Warning', errno, message: `${tenant.name}: ${message}` });
      }
    }
  });
  if (tenants.length > 0 && failures.length === tenants.length) {
    // "Already" is said only when it is true of all of them.
    const already = statement.isOn ? 'ALREADY_IN_ARCHIVE_MODE' : 'ALREADY_IN_NOARCHIVE_MODE';
    throw failures.find((failure) => failure.errorName !== already) ?? fail(already, {});
  }
  return okResult(0n, 0n, session.warnings.length);
}
