// Takes a destination for a tenant's archive, or finds that it is his already.
import { claimDestination } from '../destination/claim-destination.ts';
import { FORMAT_FILE_VERSION, type FormatFile } from '../format/format-file.ts';
import { type DestinationUri, formatDestinationUri } from '../model/destination-uri.ts';
import type { Tenant } from '../model/tenant.ts';
import type { ArchiveContext } from './archive-context.ts';
import { leaseArchive } from './archive-owner.ts';

/** @throws what `claimDestination` throws; DESTINATION_HELD (4038) when another server writes there */
export async function claimArchive(
  context: ArchiveContext,
  { tenantId, name }: Tenant,
  { uri, destId }: { uri: DestinationUri; destId: number },
): Promise<FormatFile> {
  const { store, clock } = context;
  await using destination = context.openDestination(uri, tenantId);
  const format = await claimDestination(destination, {
    formatVersion: FORMAT_FILE_VERSION,
    clusterName: store.cluster.name,
    clusterId: store.cluster.clusterId,
    clusterUuid: store.cluster.uuid,
    tenantId,
    tenantName: name,
    destKind: 'archive_log',
    destId,
    createdNs: clock.nowNs(),
  });
  await leaseArchive(context, destination, { tenantId, uri: formatDestinationUri(uri) });
  return format;
}
