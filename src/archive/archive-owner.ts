// Whose log it is: what every object of an archive says of that.
import { fail } from '../base/errors.ts';
import type { Destination } from '../destination/destination.ts';
import type { ArchiveOwner } from '../format/archive-info.ts';
import type { Lease } from '../lease/lease-service.ts';
import { storedLogKeys } from '../store/tenant-keys.ts';
import type { ArchiveContext } from './archive-context.ts';
import type { SegmentOwner } from './segment-writer.ts';

export function archiveOwner(context: ArchiveContext, tenantId: number): ArchiveOwner {
  const { cluster, tenants } = context.store;
  const tenant = tenants.get({ tenantId });
  if (!tenant) throw fail('TENANT_NOT_EXIST', { tenant: String(tenantId) });
  return {
    cluster: { name: cluster.name, id: cluster.clusterId, uuid: cluster.uuid },
    tenant: { id: tenantId, name: tenant.name, mode: tenant.mode, timeZone: tenant.timeZone },
    engine: { engine: tenant.engine, version: '' },
  };
}

/**
 * The right to write an archive that was claimed.
 * @throws DESTINATION_HELD (4038) when another server has it
 */
export async function leaseArchive(
  { leases }: ArchiveContext,
  destination: Destination,
  { tenantId, uri }: { tenantId: number; uri: string },
): Promise<Lease> {
  return await leases.hold(destination, { tenantId, uri, destKind: 'archive_log' });
}

/** Why nothing is added to a round where `Leases.isForeignRound`. */
export const FOREIGN_ROUND =
  'the destination was taken over from another server, which may have gone on with this round';

/** With the keys of the store: the tenant's own log can always be read. */
export function segmentOwner({ store }: ArchiveContext, tenantId: number): SegmentOwner {
  return { clusterUuid: store.cluster.uuid, tenantId, findKey: storedLogKeys(store) };
}
