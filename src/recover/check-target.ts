// Whether a tenant can take recovered tables now.
import { fail } from '../base/errors.ts';
import type { EngineDriver } from '../engine/engine-driver.ts';
import type { Tenant } from '../model/tenant.ts';
import type { Store } from '../store/store.ts';

/** @throws TENANT_NOT_EXIST (5160), TENANT_NOT_NORMAL (5161), NOT_ALLOWED (4179), NOT_SUPPORTED (4007) */
export function usableTarget(
  { store, driver }: { store: Store; driver(engineName: string): EngineDriver },
  { tenantId, name }: { tenantId: number; name: string },
): Tenant {
  const tenant = store.tenants.get({ tenantId });
  if (!tenant) throw fail('TENANT_NOT_EXIST', { tenant: name });
  if (tenant.status !== 'NORMAL') throw fail('TENANT_NOT_NORMAL', { tenant: tenant.name, status: tenant.status });
  if (tenant.role !== 'PRIMARY')
    throw fail('NOT_ALLOWED', { what: `recovering tables into '${tenant.name}', whose role is ${tenant.role}, is` });
  if (!driver(tenant.engine).can.importTables)
    throw fail('NOT_SUPPORTED', { what: `RECOVER TABLE into the engine ${tenant.engine} is` });
  return tenant;
}

/** One error for all names that are in the way. */
export const conflict = (conflicts: readonly string[], tenantName: string) =>
  fail('ENTRY_EXISTS', { what: `${conflicts.join(', ')} in tenant '${tenantName}'` });
