// Under which tenant id the rows of a source are kept. A TENANT_ID never mixes two tenants' backups: an id that stands for
// somebody else here is refused, and rows of another cluster say in `recorded_source` whose they are.
import { fail } from '../base/errors.ts';
import type { RecordedSource } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { OTHER_OWNER, type SourceOwner } from './identify-sources.ts';
import type { RowReceiver } from './rebuild-service.ts';

/** Pure but for reads of the store. @throws BACKUP_FORMAT_FILE_NOT_MATCH (9081), NOT_ALLOWED (4179) */
export function chooseReceiver(store: Store, owner: SourceOwner, of: { receiver: RowReceiver; uri: string }): number {
  const { receiver, uri } = of;
  const isOwnCluster = owner.clusterUuid === store.cluster.uuid;
  if (receiver.kind === 'own') {
    if (isOwnCluster && owner.tenantId === receiver.tenantId) return receiver.tenantId;
    throw fail('BACKUP_FORMAT_FILE_NOT_MATCH', { uri, because: `it belongs to ${OTHER_OWNER}` });
  }
  if (isOwnCluster) {
    if (receiver.kind === 'source' || receiver.tenantId === owner.tenantId) return owner.tenantId;
    const because = `it belongs to the tenant '${owner.tenantName}' (id ${owner.tenantId}) of this cluster`;
    throw fail('BACKUP_FORMAT_FILE_NOT_MATCH', { uri, because });
  }
  const isSource = (known: RecordedSource) =>
    known.sourceClusterUuid === owner.clusterUuid && known.sourceTenantId === owner.tenantId;
  if (receiver.kind === 'source') {
    const known = store.recordedSources.find({ sourceTenantId: owner.tenantId }).find(isSource);
    if (known) return known.tenantId;
  }
  const tenantId = receiver.kind === 'named' ? receiver.tenantId : owner.tenantId;
  const known = store.recordedSources.get({ tenantId });
  if (known ? isSource(known) : isFree(store, tenantId, receiver)) return tenantId;
  const holder = known
    ? `'${known.sourceTenantName}' of the cluster '${known.sourceClusterName}'`
    : nameOf(store, tenantId);
  const advice = 'CREATE TENANT one for them and add TENANT = …';
  throw fail('NOT_ALLOWED', {
    what: `recording backups of another cluster under the tenant id ${tenantId}, which stands for ${holder} (${advice}),`,
  });
}

/** A tenant that was named may be here, but has no backups of his own; an id that nobody named stands for nobody. */
function isFree(
  { tenants, backupSets, rounds, pieces, backupJobs }: Store,
  tenantId: number,
  of: RowReceiver,
): boolean {
  if (of.kind !== 'named' && tenants.get({ tenantId })) return false;
  return [backupSets, rounds, pieces, backupJobs].every((table) => table.find({ tenantId }).length === 0);
}

function nameOf(store: Store, tenantId: number): string {
  const tenant = store.tenants.get({ tenantId });
  return tenant ? `the tenant '${tenant.name}'` : 'a tenant that was dropped';
}
