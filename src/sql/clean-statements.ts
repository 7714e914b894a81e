// Statements of cleaning: delete policies, DELETE BACKUPSET, ARCHIVELOG_PIECE and OBSOLETE BACKUP, CANCEL DELETE BACKUP.
import { fail } from '../base/errors.ts';
import type { JobLevel } from '../model/backup-job.ts';
import type { DeletePolicyName } from '../model/delete-job.ts';
import {
  bigint,
  type Column,
  okResult,
  rowsResult,
  type SqlValue,
  type StatementResult,
  varchar,
} from '../model/result.ts';
import { toScn } from '../model/scn.ts';
import { parseDurationUs } from '../model/size-text.ts';
import { formatTime } from '../model/time-zone.ts';
import { isSys, type SqlDependencies } from './dependencies.ts';
import type { StatementOf, TenantSelection } from './grammar/statement.ts';
import type { Session } from './session.ts';
import { oneTenant, someTenants } from './target-tenants.ts';

/** Full sets that a policy may ask for: a bound, and far beyond any use. */
const REDUNDANCY_MAX = 1000;

const notSupported = (what: string) => fail('NOT_SUPPORTED', { what });

/** @source OceanBase 4.3.3, §2.10: sys names exactly one tenant */
function tenantOfPolicy(deps: SqlDependencies, session: Session, tenants: TenantSelection | null): number {
  if (isSys(session)) {
    const few = 'Too little tenant names specified, only one tenant name can be specified';
    if (tenants === null) throw notSupported(few);
    if (typeof tenants === 'string' || tenants.length > 1)
      throw notSupported('Too many tenant names specified, only one tenant name can be specified');
  }
  return oneTenant(deps, session, tenants, 'a delete policy').tenantId;
}

function policyName(text: string): DeletePolicyName {
  const name = text.toLowerCase();
  if (name !== 'default' && name !== 'log_only')
    throw notSupported("The policy name is not 'default', it is not supported");
  return name;
}

/** @throws INVALID_ARGUMENT (4002) for a window that is no length of time */
function checkWindow(recoveryWindow: string | null): void {
  if (recoveryWindow === null) return;
  if (parseDurationUs(recoveryWindow) === undefined)
    throw fail('INVALID_ARGUMENT', {
      what: `RECOVERY_WINDOW '${recoveryWindow}': recovery window is not be time string`,
    });
}

export function addDeletePolicy(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'addDeletePolicy'>,
): StatementResult {
  const tenantId = tenantOfPolicy(deps, session, statement.tenants);
  const { recoveryWindow, redundancy, backupCopies } = statement;
  const name = policyName(statement.policy);
  checkWindow(recoveryWindow);
  if (recoveryWindow === null && redundancy === null)
    throw notSupported('Neither recovery_window nor redundancy is set');
  if (redundancy !== null && (redundancy < 1 || redundancy > REDUNDANCY_MAX))
    throw fail('INVALID_ARGUMENT', { what: `REDUNDANCY ${redundancy}: not from 1 to ${REDUNDANCY_MAX}` });
  if (name === 'log_only' && (recoveryWindow === null || redundancy !== null))
    throw notSupported("the policy 'log_only' with anything but RECOVERY_WINDOW");
  if (backupCopies !== null && backupCopies > 1) throw notSupported('BACKUP_COPIES');
  deps.clean.addPolicy({ tenantId, policyName: name, recoveryWindow, redundancy });
  return okResult();
}

export function dropDeletePolicy(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'dropDeletePolicy'>,
): StatementResult {
  const tenantId = tenantOfPolicy(deps, session, statement.tenants);
  deps.clean.dropPolicy(tenantId, policyName(statement.policy));
  return okResult();
}

export function deleteBackup(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'deleteBackup'>,
): StatementResult {
  const what = `DELETE ${statement.object}`;
  if (statement.copy !== null) throw notSupported(`${what} with COPY`);
  const { tenantId } = oneTenant(deps, session, statement.tenants, what);
  const level = isSys(session) ? ('SYS_TENANT' as const) : ('USER_TENANT' as const);
  const by = { initiatorTenantId: session.tenantId, level, description: statement.description ?? '' };
  if (statement.object === 'BACKUPSET') deps.clean.deleteSets(tenantId, statement.ids, by);
  else deps.clean.deletePieces(tenantId, statement.ids, by);
  return okResult();
}

/** From sys for all: those with a policy. Every tenant that is named needs one. */
function tenantsToClean(
  deps: SqlDependencies,
  session: Session,
  tenants: TenantSelection | null,
): { tenantIds: number[]; level: JobLevel } {
  const { tenants: found, isAll } = someTenants(deps, session, tenants, 'ALTER SYSTEM DELETE OBSOLETE BACKUP');
  const ids = found.map(({ tenantId }) => tenantId);
  if (!isAll) return { tenantIds: ids, level: isSys(session) ? 'SYS_TENANT' : 'USER_TENANT' };
  const cleaned = ids.filter((tenantId) => deps.store.deletePolicies.get({ tenantId }));
  if (cleaned.length === 0) throw fail('ENTRY_NOT_EXIST', { what: 'a delete policy for any tenant' });
  return { tenantIds: cleaned, level: 'CLUSTER' };
}

export function deleteObsolete(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'deleteObsolete'>,
): StatementResult {
  const { tenantIds, level } = tenantsToClean(deps, session, statement.tenants);
  if (statement.isPreview) return rowsResult(PREVIEW_COLUMNS, previewRows(deps, tenantIds));
  deps.clean.deleteObsolete(tenantIds, {
    initiatorTenantId: session.tenantId,
    level,
    description: statement.description ?? '',
  });
  return okResult();
}

const PREVIEW_COLUMNS: Column[] = [
  { name: 'TENANT_ID', type: bigint() },
  { name: 'TENANT_NAME', type: varchar(128) },
  { name: 'OBJECT_TYPE', type: varchar(64) },
  { name: 'ID', type: bigint() },
  { name: 'ACTION', type: varchar(16) },
  { name: 'REASON', type: varchar(4096) },
  { name: 'END_SCN', type: bigint(true) },
  { name: 'END_SCN_DISPLAY', type: varchar(26) },
  { name: 'OUTPUT_BYTES', type: bigint() },
  { name: 'PATH', type: varchar(2048) },
];

/** What would go comes first, in the order in which it would go. */
function previewRows(deps: SqlDependencies, tenantIds: readonly number[]): SqlValue[][] {
  const zones = deps.store.timeZones();
  return deps.clean
    .previewObsolete(tenantIds)
    .map((object) => [
      BigInt(object.tenantId),
      object.tenantName,
      object.objectType,
      BigInt(object.objectId),
      object.isDeleted ? 'DELETE' : 'KEEP',
      object.because,
      object.endScn,
      formatTime(toScn(object.endScn), zones.get(object.tenantId) ?? deps.store.cluster.timeZone),
      object.bytes,
      object.uri,
    ]);
}

export function cancelDelete(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'cancelDelete'>,
): StatementResult {
  const { tenants, isAll } = someTenants(deps, session, statement.tenants, 'ALTER SYSTEM CANCEL DELETE BACKUP');
  deps.clean.cancel(isAll ? 'all' : tenants.map(({ tenantId }) => tenantId));
  return okResult();
}
