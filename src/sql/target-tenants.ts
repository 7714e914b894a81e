// Whom a statement means: the TENANT clause against the tenant of the session.
import { fail } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import type { Tenant } from '../model/tenant.ts';
import { isSys, ownTenant, type SqlDependencies } from './dependencies.ts';
import type { TenantSelection } from './grammar/statement.ts';
import type { Session } from './session.ts';

function refuseInUserTenant(selection: TenantSelection | null): void {
  if (selection !== null) throw fail('NO_PRIVILEGE', { privilege: 'SUPER (a tenant names no other tenant)' });
}

/** User tenants by name, in the order written, each once. @throws 5160 unknown; 4016-class for sys, which holds no data */
export function tenantsNamed(deps: SqlDependencies, names: readonly string[]): Tenant[] {
  const found = new Map<number, Tenant>();
  for (const name of names) {
    const tenant = deps.store.tenantNamed(name);
    if (tenant.tenantId === SYS_TENANT_ID)
      throw fail('NOT_SUPPORTED', { what: 'this operation on the sys tenant, which holds no user data,' });
    found.set(tenant.tenantId, tenant);
  }
  return [...found.values()];
}

/**
 * The one tenant of a statement: sys must name it, a user tenant means itself and must not.
 * @throws 4007 from sys without exactly one name, 1227 for a TENANT clause in a user tenant
 */
export function oneTenant(
  deps: SqlDependencies,
  session: Session,
  selection: TenantSelection | null,
  what: string,
): Tenant {
  if (!isSys(session)) {
    refuseInUserTenant(selection);
    return ownTenant(deps, session);
  }
  if (selection === null) throw fail('NOT_SUPPORTED', { what: `${what} for the sys tenant (add TENANT = name)` });
  if (typeof selection === 'string') throw fail('NOT_SUPPORTED', { what: `${what} with TENANT = ${selection}` });
  const [tenant, ...others] = tenantsNamed(deps, selection);
  if (!tenant || others.length > 0) throw fail('NOT_SUPPORTED', { what: `${what} for more than one tenant` });
  return tenant;
}

/** All user tenants, or those named; a user tenant means itself. */
export function someTenants(
  deps: SqlDependencies,
  session: Session,
  selection: TenantSelection | null,
  what: string,
): { tenants: Tenant[]; isAll: boolean } {
  if (!isSys(session)) {
    refuseInUserTenant(selection);
    return { tenants: [ownTenant(deps, session)], isAll: false };
  }
  if (selection === null || selection === 'ALL') return { tenants: deps.store.userTenants(), isAll: true };
  if (typeof selection === 'string') {
    throw fail('NOT_SUPPORTED', { what: `use all_user/all_meta in '${what}' syntax is` });
  }
  return { tenants: tenantsNamed(deps, selection), isAll: false };
}
