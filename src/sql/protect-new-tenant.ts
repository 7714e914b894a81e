// What `archive_new_tenants` does for a tenant that was just made: its destinations, and its log archive.
import { HoldfastError, toClientError } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import {
  type DestinationUri,
  formatDestinationUri,
  formatWithOptions,
  parseDestinationUri,
} from '../model/destination-uri.ts';
import type { Tenant } from '../model/tenant.ts';
import { findAccess } from '../store/destination-access.ts';
import type { Store } from '../store/store.ts';
import type { SqlDependencies } from './dependencies.ts';
import { parseArchiveDest } from './grammar/archive-dest.ts';
import type { Session } from './session.ts';

/** A directory of its own for each tenant that ever was: names come again, numbers do not. */
function placeOf(base: DestinationUri, { name, tenantId }: Tenant, purpose: 'archive' | 'data'): DestinationUri {
  return { ...base, path: `${base.path}/${name}_${tenantId}/${purpose}` };
}

/** A place as a statement names it, with the access key of the one that it lies below: it becomes the tenant's own. */
function textOf(store: Store, base: DestinationUri, place: DestinationUri): string {
  const access = findAccess(store, SYS_TENANT_ID, base);
  const key = access ? `&access_id=${access.accessId}&access_key=${access.accessKey}` : '';
  return `${formatWithOptions(place)}${key}`;
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
  const { store } = deps;
  try {
    const uri = parseDestinationUri(base);
    const [log, data] = [placeOf(uri, tenant, 'archive'), placeOf(uri, tenant, 'data')];
    await store.approving.during(tenantId, [log, data].map(formatDestinationUri), async () => {
      const dest = parseArchiveDest(`LOCATION=${textOf(store, uri, log)}`);
      await deps.archive.setDest(tenantId, dest && { ...dest, uri: dest.location });
      await deps.backup.setDataDest(tenantId, textOf(store, uri, data));
    });
    deps.archive.enable(tenantId);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    const { errno, message } = toClientError(error, session.mode);
    const warning = `tenant '${tenant.name}' is not archived as archive_new_tenants asks: ${message}`;
    session.warnings.push({ level: 'Warning', errno, message: warning });
  }
}
