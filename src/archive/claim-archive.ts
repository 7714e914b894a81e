// Takes a destination for a tenant's archive, or finds that it is his already.
import { claimDestination } from '../destination/claim-destination.ts';
import { type FormatFile, newFormatFile } from '../format/format-file.ts';
import { type DestinationUri, formatDestinationUri } from '../model/destination-uri.ts';
import type { Tenant } from '../model/tenant.ts';
import type { ArchiveContext } from './archive-context.ts';
import { leaseArchive } from './archive-owner.ts';

/** @throws what `claimDestination` throws; DESTINATION_HELD (4038) when another server writes there */
export async function claimArchive(
  context: ArchiveContext,
  tenant: Tenant,
  { uri, destId }: { uri: DestinationUri; destId: number },
): Promise<FormatFile> {
  const { store, clock } = context;
  const { tenantId } = tenant;
  await using destination = context.openDestination(uri, tenantId);
  const claimed = { destKind: 'archive_log', destId, createdNs: clock.nowNs() } as const;
  const format = await claimDestination(destination, newFormatFile(store.cluster, tenant, claimed));
  await leaseArchive(context, destination, { tenantId, uri: formatDestinationUri(uri) });
  return format;
}
