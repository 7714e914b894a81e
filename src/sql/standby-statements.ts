// Statements of restored tenants: LOG_RESTORE_SOURCE, RECOVER STANDBY, ACTIVATE STANDBY, RUN UPGRADE JOB.
import { fail } from '../base/errors.ts';
import { okResult, type StatementResult } from '../model/result.ts';
import type { RecoveryLimit } from '../restore/standby-service.ts';
import { requireSys, type SqlDependencies } from './dependencies.ts';
import type { StatementOf } from './grammar/statement.ts';
import { protectNewTenant } from './protect-new-tenant.ts';
import type { Session } from './session.ts';
import { oneTenant, someTenants } from './target-tenants.ts';

/** The uri in `LOCATION=<uri>`; null for an empty text. @throws NOT_SUPPORTED (4007) for SERVICE */
function sourceUri(text: string): string | null {
  const source = text.trim();
  if (source === '') return null;
  const [, key = '', value = ''] = /^(\w+)=(\S+)$/.exec(source) ?? [];
  if (key.toUpperCase() === 'LOCATION') return value;
  if (/^SERVICE\s*=/i.test(source))
    throw fail('NOT_SUPPORTED', {
      what: 'LOG_RESTORE_SOURCE with SERVICE (log comes from an archive: LOCATION=<uri of a log archive destination>) is',
    });
  throw fail('INVALID_ARGUMENT', { what: "LOG_RESTORE_SOURCE: it is 'LOCATION=<uri>'" });
}

export async function setLogRestoreSource(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'setLogRestoreSource'>,
): Promise<StatementResult> {
  const tenant = oneTenant(deps, session, statement.tenants, 'setting log_restore_source');
  await deps.standby.setSource(tenant.tenantId, sourceUri(statement.source));
  return okResult();
}

function limitOf(until: Exclude<StatementOf<'recoverStandby'>['until'], 'CANCEL'>): RecoveryLimit {
  if (until === null || until === 'UNLIMITED') return { kind: 'unlimited' };
  return until.by === 'SCN' ? { kind: 'scn', scn: until.scn } : { kind: 'time', text: until.time };
}

export async function recoverStandby(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'recoverStandby'>,
): Promise<StatementResult> {
  const { tenantId } = oneTenant(deps, session, statement.tenants, 'RECOVER STANDBY');
  if (statement.until === 'CANCEL') await deps.standby.cancel(tenantId);
  else await deps.standby.recover(tenantId, limitOf(statement.until));
  return okResult();
}

export async function activateStandby(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'activateStandby'>,
): Promise<StatementResult> {
  const tenant = oneTenant(deps, session, statement.tenants, 'ACTIVATE STANDBY');
  await deps.standby.activate(tenant.tenantId, { isVerifyOnly: statement.isVerify });
  const hasDest = deps.store.archiveDests.get({ tenantId: tenant.tenantId }) !== undefined;
  if (!statement.isVerify && !hasDest) await protectNewTenant(deps, session, tenant);
  return okResult(0n, 0n, session.warnings.length);
}

/** Tenants have no version of their own: scripts that run the job after a restore find it done, and are told so. */
export function runUpgradeJob(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'runUpgradeJob'>,
): StatementResult {
  requireSys(session, 'RUN UPGRADE JOB');
  someTenants(deps, session, statement.tenants, 'RUN UPGRADE JOB');
  const message = 'nothing is to be upgraded: a restored tenant has the version of this server';
  session.warnings.push({ level: 'Note', errno: 0, message });
  return okResult(0n, 0n, session.warnings.length);
}
