// TAKE OVER DESTINATION: makes this server the writer of every path of a tenant that another one holds.
import { proveOwner } from '../destination/claim-destination.ts';
import type { OpenDestination } from '../destination/destination.ts';
import type { DestKind } from '../format/format-file.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import { dataPlaces } from '../store/data-places.ts';
import type { Store } from '../store/store.ts';
import type { Leases } from './lease-service.ts';

/** What is open to statements. */
export interface TakeOverService {
  /**
   * Takes what a tenant's archive and backups go to, and whatever else was refused or lost. May be repeated.
   * @returns how many paths this server did not hold before
   * @throws 9070, 9071, 9080, 9081 of the first path that can not be taken: those before it are
   */
  takeOver(tenantId: number): Promise<number>;
}

export function createTakeOver(deps: {
  store: Store;
  leases: Leases;
  openDestination: OpenDestination;
  /** Something that stood in the archive's way is gone. */
  onTaken(tenantId: number): void;
}): TakeOverService {
  return {
    async takeOver(tenantId) {
      let taken = 0;
      try {
        for (const [uri, destKind] of pathsOf(deps.store, tenantId)) {
          await using destination = deps.openDestination(parseDestinationUri(uri), tenantId);
          // Nothing is written where another tenant's, or nothing at all, is mounted by now.
          await proveOwner(destination, { clusterUuid: deps.store.cluster.uuid, tenantId, destKind });
          if (await deps.leases.takeOver(destination, { tenantId, uri, destKind })) taken++;
        }
      } finally {
        if (taken > 0) deps.onTaken(tenantId);
      }
      return taken;
    },
  };
}

function pathsOf(store: Store, tenantId: number): Map<string, DestKind> {
  const paths = new Map<string, DestKind>();
  for (const { uri } of store.archiveDests.find({ tenantId })) paths.set(uri, 'archive_log');
  for (const { uri } of store.archiveCopyDests.find({ tenantId })) paths.set(uri, 'archive_log');
  for (const { uri } of dataPlaces(store, tenantId)) paths.set(uri, 'backup_data');
  for (const { uri, destType, status } of store.leases.find({ tenantId })) {
    if (status !== 'HELD') paths.set(uri, destType);
  }
  return paths;
}
