// Views of the paths that tenants use: what was said of each, and when it was last proved that it can be written.
import { formatOptions } from '../model/destination-options.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import type { StoredDestination } from '../store/records.ts';
import { shownUri } from './figures.ts';
import { bigint, deriveDba, NULLABLE, timestamp, type View, type ViewColumns, varchar, view } from './view.ts';
import type { ViewReader } from './view-reader.ts';

const STORAGE_COLUMNS = {
  TENANT_ID: bigint('The tenant.'),
  PATH: varchar(1024, 'The destination, without options and credentials.'),
  ENDPOINT: varchar(256, 'Host of an object store, `host=…`; empty for file://.'),
  DEST_ID: bigint('Number of the destination, from 1001.', NULLABLE),
  DEST_TYPE: varchar(64, 'archive_log or backup_data.', NULLABLE),
  AUTHORIZATION: varchar(
    1024,
    "The access key, masked; empty for file://, which has none, and where the server's own rights are used.",
  ),
  EXTENSION: varchar(512, 'Its options: max_iops, max_bandwidth, s3_region, checksum_type, delete_mode, enable_worm.'),
  CHECK_FILE_NAME: varchar(256, 'Object by which it was proved that it can be written.', NULLABLE),
  LAST_CHECK_TIMESTAMP: timestamp(6, 'When that was last proved; NULL when a catalog told of it.', NULLABLE),
} satisfies ViewColumns;

const MASKED = 'access_id=******&access_key=******';

/** Paths for which an access key is kept, by tenant. */
function keyedPaths({ store, where }: ViewReader): (dest: StoredDestination) => boolean {
  const keyed = store.destinationAccess.find(where).filter(({ sealedAccess }) => sealedAccess !== null);
  const known = new Set(keyed.map(({ tenantId, uri }) => `${tenantId} ${uri}`));
  return ({ tenantId, uri }) => known.has(`${tenantId} ${uri}`);
}

function endpointOf(text: string): string {
  const uri = parseDestinationUri(text);
  return uri.scheme === 'file' ? '' : `host=${uri.host}`;
}

function storageRow(reader: ViewReader, dest: StoredDestination, { isKeyed }: { isKeyed: boolean }) {
  return {
    TENANT_ID: dest.tenantId,
    PATH: shownUri(dest.uri),
    ENDPOINT: endpointOf(dest.uri),
    DEST_ID: dest.destId,
    DEST_TYPE: dest.destType,
    AUTHORIZATION: isKeyed ? MASKED : '',
    EXTENSION: formatOptions(dest.options),
    CHECK_FILE_NAME: dest.checkFileName || null,
    LAST_CHECK_TIMESTAMP: reader.showTime(dest.tenantId, dest.lastCheckNs),
  };
}

const CDB_OB_BACKUP_STORAGE_INFO = view({
  name: 'CDB_OB_BACKUP_STORAGE_INFO',
  source: 'OceanBase 4.3.3 docs, CDB_OB_BACKUP_STORAGE_INFO',
  columns: STORAGE_COLUMNS,
  *rows(reader) {
    const isKeyed = keyedPaths(reader);
    for (const dest of reader.store.destinations.find(reader.where)) {
      // A path that was never claimed is nobody's.
      if (dest.destType !== '') yield storageRow(reader, dest, { isKeyed: isKeyed(dest) });
    }
  },
});

const CDB_OB_BACKUP_STORAGE_INFO_HISTORY = view({
  name: 'CDB_OB_BACKUP_STORAGE_INFO_HISTORY',
  source: 'OceanBase 4.3.3 docs, CDB_OB_BACKUP_STORAGE_INFO_HISTORY',
  columns: STORAGE_COLUMNS,
  *rows(reader) {
    const isKeyed = keyedPaths(reader);
    for (const past of reader.store.destinationHistory.find(reader.where))
      yield storageRow(reader, past, { isKeyed: isKeyed(past) });
  },
});

export const STORAGE_VIEWS: readonly View[] = [CDB_OB_BACKUP_STORAGE_INFO, CDB_OB_BACKUP_STORAGE_INFO_HISTORY].flatMap(
  (cdb) => [cdb, deriveDba(cdb, { keepsTenantId: true })],
);
