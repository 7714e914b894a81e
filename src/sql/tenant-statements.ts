// CREATE, ALTER and DROP TENANT.
import { fail } from '../base/errors.ts';
import { okResult, type StatementResult } from '../model/result.ts';
import type { TenantMode } from '../model/tenant.ts';
import { isTimeZone } from '../model/time-zone.ts';
import { requireSys, type SqlDependencies } from './dependencies.ts';
import type { StatementOf } from './grammar/statement.ts';
import { protectNewTenant } from './protect-new-tenant.ts';
import type { Session } from './session.ts';

/** Engine of a tenant that names none. */
const ENGINE_DEFAULT = 'sqlite';

/** Tenant variables that mean something here; the others of the manual are accepted and kept as they are. */
function modeOf(variables: Record<string, string>): TenantMode {
  const text = variables.ob_compatibility_mode ?? 'mysql';
  const mode = text.toLowerCase();
  if (mode !== 'mysql' && mode !== 'oracle')
    throw fail('INVALID_ARGUMENT', { what: `ob_compatibility_mode '${text}'` });
  return mode;
}

function timeZoneOf(variables: Record<string, string>, fallback: string): string {
  const zone = variables.time_zone;
  if (zone === undefined || zone.toUpperCase() === 'SYSTEM') return fallback;
  if (!isTimeZone(zone))
    throw fail('INVALID_ARGUMENT', { what: `time_zone '${zone}': write +08:00 or a name such as Asia/Shanghai` });
  return zone;
}

export async function createTenant(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'createTenant'>,
): Promise<StatementResult> {
  requireSys(session, 'CREATE TENANT');
  const isThere = deps.store.tenantByName(statement.name) !== undefined;
  await deps.tenants.create({
    name: statement.name,
    isIfNotExists: statement.isIfNotExists,
    engine: statement.engine ?? ENGINE_DEFAULT,
    location: statement.location,
    mode: modeOf(statement.variables),
    timeZone: timeZoneOf(statement.variables, deps.store.cluster.timeZone),
    poolNames: statement.poolList,
    comment: statement.comment ?? '',
  });
  if (!isThere) await protectNewTenant(deps, session, deps.store.tenantNamed(statement.name));
  return okResult(0n, 0n, session.warnings.length);
}

export function alterTenant(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'alterTenant'>,
): StatementResult {
  requireSys(session, 'ALTER TENANT');
  const tenant = deps.store.tenantNamed(statement.name);
  const { ob_compatibility_mode: mode, time_zone: zone } = statement.variables;
  if (mode !== undefined && mode.toLowerCase() !== tenant.mode) {
    throw fail('NOT_SUPPORTED', { what: 'changing ob_compatibility_mode of an existing tenant is' });
  }
  if (statement.poolList.length > 0)
    throw fail('NOT_SUPPORTED', { what: 'changing the resource pools of a tenant is' });
  const patch = {
    ...(zone === undefined ? {} : { timeZone: timeZoneOf(statement.variables, deps.store.cluster.timeZone) }),
    ...(statement.comment === null ? {} : { comment: statement.comment }),
  };
  if (Object.keys(patch).length > 0) deps.store.tenants.change({ tenantId: tenant.tenantId }, patch);
  return okResult();
}

export async function dropTenant(
  deps: SqlDependencies,
  session: Session,
  statement: StatementOf<'dropTenant'>,
): Promise<StatementResult> {
  requireSys(session, 'DROP TENANT');
  if (statement.isIfExists && !deps.store.tenantByName(statement.name)) return okResult();
  await deps.tenants.drop(deps.store.tenantNamed(statement.name), { isForced: statement.option !== null });
  return okResult();
}
