// Whose log it is: what every object of an archive says of that.
import { fail } from '../base/errors.ts';
import type { ArchiveOwner } from '../format/archive-info.ts';
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

/** With the keys of the store: the tenant's own log can always be read. */
export function segmentOwner({ store }: ArchiveContext, tenantId: number): SegmentOwner {
  return { clusterUuid: store.cluster.uuid, tenantId, findKey: storedLogKeys(store) };
}
