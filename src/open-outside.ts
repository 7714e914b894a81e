// Opens destinations for tenants: with the options, access keys and limits that the store has for them, as they are at
// each moment, and with the rules that their connections go by.
import { systemClock } from './base/clock.ts';
import { fail } from './base/errors.ts';
import { SYS_TENANT_ID } from './base/limits.ts';
import { retentionMs } from './clean/retention.ts';
import type { OpenDestination } from './destination/destination.ts';
import { openDestination } from './destination/open-destination.ts';
import { refuseOwnFiles } from './destination/real-place.ts';
import { limitsOf } from './model/destination-options.ts';
import { formatDestinationUri, type ObjectStoreUri } from './model/destination-uri.ts';
import { findAccess, isApprovedPlace, isListedPlace } from './store/destination-access.ts';
import type { Store } from './store/store.ts';

/** A delete policy that was changed holds for what is written so much later. */
const RETENTION_FRESH_MS = 60_000;

/** What the store says, read again only when it may say another thing. */
function live<T>(store: Store, read: () => T): () => T {
  let seen = -1;
  let value: T;
  return () => {
    if (seen !== store.destinationsVersion) {
      value = read();
      seen = store.destinationsVersion;
    }
    return value;
  };
}

/** As the tenant's delete policy and his full sets say: asked for with every object, looked up now and then. */
function liveRetention(store: Store, tenantId: number): () => number {
  let lookedMs = Number.NEGATIVE_INFINITY;
  let ms = 0;
  return () => {
    const nowMs = systemClock.monotonicMs();
    if (nowMs - lookedMs < RETENTION_FRESH_MS) return ms;
    lookedMs = nowMs;
    const fulls = store.backupSets.find({ tenantId, backupType: 'FULL', status: 'SUCCESS' });
    const fullNs = fulls.map(({ startNs }) => startNs);
    ms = retentionMs(store.deletePolicies.get({ tenantId }), fullNs, systemClock.nowNs());
    return ms;
  };
}

/** @throws BACKUP_PERMISSION_DENIED (9071) when only the server's own rights would open it, which are not the tenant's */
function withAccess(store: Store, uri: ObjectStoreUri, tenantId: number): ObjectStoreUri {
  const isOfCluster =
    tenantId === SYS_TENANT_ID || isApprovedPlace(store, tenantId, uri) || isListedPlace(store, tenantId, uri) === true;
  const access = uri.access ?? findAccess(store, tenantId, uri);
  if (!access && !isOfCluster) {
    const because =
      "there is no access key for it, and the server's own rights are not for tenants: write access_id and access_key, or let root@sys name it or put it into tenant_destination_allow";
    throw fail('BACKUP_PERMISSION_DENIED', { uri: formatDestinationUri(uri), because });
  }
  const network = {
    isOfTenant: !isOfCluster,
    hostsAllow: store.parameter(SYS_TENANT_ID, 'destination_hosts_allow'),
    caFile: store.parameter(SYS_TENANT_ID, 'destination_ca'),
  };
  return { ...uri, ...(access ? { access } : {}), network };
}

/** Options that a uri does not name are those that its destination was set with. */
export function destinationOpener(dataDir: string, store: Store): OpenDestination {
  return (uri, tenantId) => {
    refuseOwnFiles(dataDir, uri);
    const shown = formatDestinationUri(uri);
    const isSaid = Object.keys(uri.options).length > 0;
    const options = isSaid ? uri.options : store.destinationOptions(shown);
    const limits = isSaid ? undefined : live(store, () => limitsOf({ options: store.destinationOptions(shown) }));
    if (uri.scheme === 'file') return openDestination(uri, limits);
    const opened = withAccess(store, { ...uri, options }, tenantId);
    const access = uri.access ? undefined : live(store, () => findAccess(store, tenantId, uri));
    return openDestination(opened, limits, { access, retainMs: liveRetention(store, tenantId) });
  };
}
