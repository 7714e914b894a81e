// What `archive_new_tenants` does for a tenant that was just made: its destinations, and its log archive.
import { HoldfastError, toClientError } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { formatWithOptions, parseDestinationUri } from '../model/destination-uri.ts';
import type { Tenant } from '../model/tenant.ts';
import type { SqlDependencies } from './dependencies.ts';
import { parseArchiveDest } from './grammar/archive-dest.ts';
import type { Session } from './session.ts';

/** A directory of its own for each tenant that ever was: names come again, numbers do not. */
function placeOf(base: string, { name, tenantId }: Tenant, purpose: 'archive' | 'data'): string {
  const uri = parseDestinationUri(base);
  return formatWithOptions({ ...uri, path: `${uri.path}/${name}_${tenantId}/${purpose}` });
}

/** The tenant is there whatever becomes of this: what can not be done is a warning of the statement. */
export async function protectNewTenant(
  deps: Pick<SqlDependencies, 'store' | 'archive' | 'backup'>,
  session: Session,
  tenant: Tenant,
): Promise<void> {
  const base = deps.store.parameter(SYS_TENANT_ID, 'archive_new_tenants');
  if (base === '') return;
  const { tenantId } = tenant;
  try {
    const dest = parseArchiveDest(`LOCATION=${placeOf(base, tenant, 'archive')}`);
    await deps.archive.setDest(tenantId, dest && { ...dest, uri: dest.location });
    await deps.backup.setDataDest(tenantId, placeOf(base, tenant, 'data'));
    deps.archive.enable(tenantId);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    const { errno, message } = toClientError(error, session.mode);
    const warning = `tenant '${tenant.name}' is not archived as archive_new_tenants asks: ${message}`;
    session.warnings.push({ level: 'Warning', errno, message: warning });
  }
}
