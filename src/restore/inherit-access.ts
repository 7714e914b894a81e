// The access keys of a restore's sources: the sys tenant keeps them while the job runs, and the tenant that it makes gets
// those of the archives, which he may be recovered from.
import { SYS_TENANT_ID } from '../base/limits.ts';
import { findAccess, keepAccess } from '../store/destination-access.ts';
import type { Store } from '../store/store.ts';
import { groupSourceUris } from './source-uris.ts';

/** To the caller's transaction, which records the job. */
export function inheritAccess(
  store: Store,
  of: { tenantId: number; uris: readonly string[]; archiveUris: readonly string[] },
): void {
  for (const { uri, shown } of groupSourceUris(of.uris)) {
    keepAccess(store, SYS_TENANT_ID, uri);
    if (uri.scheme === 'file' || !of.archiveUris.includes(shown)) continue;
    const access = uri.access ?? findAccess(store, SYS_TENANT_ID, uri);
    keepAccess(store, of.tenantId, access ? { ...uri, access } : uri, { isApproved: true });
  }
}
