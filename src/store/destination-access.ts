// The access keys of destinations as the store keeps them: each under the cluster's key, for one tenant and one place.
import { fail } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { allowedRoots, isAtOrBelow } from '../model/destination-allow.ts';
import { type AccessKey, type DestinationUri, formatDestinationUri } from '../model/destination-uri.ts';
import type { DestinationAccess } from './records.ts';
import type { Store } from './store.ts';

const sealContext = (tenantId: number, uri: string) => `access key of tenant ${tenantId} for ${uri}`;

export interface KeepAccess {
  /** False: a key that is there already stays, as what was given served to read only. */
  isReplacing?: boolean;
  /** The cluster's administration named the place, or approved of it before. */
  isApproved?: boolean;
}

/**
 * Keeps how a place is accessed, in the caller's transaction, which also records what the place is used for. A uri without
 * a key leaves the one that is there. Paths of files have none.
 */
export function keepAccess(store: Store, tenantId: number, uri: DestinationUri, of: KeepAccess = {}): void {
  if (uri.scheme === 'file') return;
  const shown = formatDestinationUri(uri);
  const known = store.destinationAccess.get({ tenantId, uri: shown });
  const isTaken = uri.access !== undefined && (of.isReplacing !== false || !known?.sealedAccess);
  const isApproved = of.isApproved === true || known?.isApproved === true || isSysPlace(store, tenantId, shown);
  const sealedAccess = isTaken
    ? store.secrets.seal(Buffer.from(JSON.stringify(uri.access)), sealContext(tenantId, shown))
    : (known?.sealedAccess ?? null);
  store.destinationAccess.remove({ tenantId, uri: shown });
  store.destinationAccess.insert({ tenantId, uri: shown, isApproved, sealedAccess });
  store.noteDestinationChange();
}

function isSysPlace(store: Store, tenantId: number, uri: string): boolean {
  return tenantId === SYS_TENANT_ID || store.approving.has(tenantId, uri);
}

/** Whether the cluster's administration named a place for the tenant, once or just now. */
export function isApprovedPlace(store: Store, tenantId: number, uri: DestinationUri): boolean {
  const shown = formatDestinationUri(uri);
  if (isSysPlace(store, tenantId, shown)) return true;
  return store.destinationAccess.get({ tenantId, uri: shown })?.isApproved === true;
}

/**
 * Whether `tenant_destination_allow` names a place for a tenant.
 * @returns undefined when the list is empty: it says nothing of any place
 */
export function isListedPlace(store: Store, tenantId: number, uri: DestinationUri): boolean | undefined {
  const list = store.parameter(SYS_TENANT_ID, 'tenant_destination_allow');
  const tenant = store.tenants.get({ tenantId });
  if (!tenant) return undefined;
  return allowedRoots(list, tenant)?.some((root) => isAtOrBelow(uri, root));
}

/**
 * The key that a tenant opens a place with: his own one. The sys tenant, whose work is that of all, may use that of the
 * tenant whose place it is.
 * @throws BACKUP_PERMISSION_DENIED (9071) when the cluster's key file is not the one that it was kept under
 */
export function findAccess(store: Store, tenantId: number, uri: DestinationUri): AccessKey | undefined {
  const shown = formatDestinationUri(uri);
  const own = store.destinationAccess.get({ tenantId, uri: shown });
  if (own?.sealedAccess) return openAccess(store, own, own.sealedAccess);
  if (tenantId !== SYS_TENANT_ID) return undefined;
  for (const record of store.destinationAccess.find({ uri: shown }))
    if (record.sealedAccess) return openAccess(store, record, record.sealedAccess);
  return undefined;
}

function openAccess(store: Store, { tenantId, uri }: DestinationAccess, sealed: Uint8Array): AccessKey {
  try {
    return JSON.parse(Buffer.from(store.secrets.open(sealed, sealContext(tenantId, uri))).toString()) as AccessKey;
  } catch (cause) {
    const because =
      'its access key was kept under another cluster.key than the one in the data directory; name the place again with a key';
    throw fail('BACKUP_PERMISSION_DENIED', { uri, because }, { cause });
  }
}
