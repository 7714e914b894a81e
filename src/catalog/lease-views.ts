// View of the leases: who writes each path of a tenant, as this server knows it.
import { shownUri } from './figures.ts';
import { bigint, deriveDba, NULLABLE, ORACLE_TIME, timestamp, type View, varchar, view } from './view.ts';

const CDB_HF_LEASES = view({
  name: 'CDB_HF_LEASES',
  source: 'Holdfast: one row per path that this server writes, or was refused',
  columns: {
    TENANT_ID: bigint('The tenant.'),
    PATH: varchar(1024, 'The destination, without options and credentials.'),
    DEST_TYPE: varchar(64, 'archive_log or backup_data.'),
    STATUS: varchar(
      64,
      'HELD: this server writes there; TAKING: it takes the path over, and learns what is there; REFUSED: another one writes there; LOST: another one has taken it over.',
    ),
    GENERATION: bigint('Of the newest lease known; each new writer has the next one.'),
    HOLDER_HOST: varchar(256, 'Host of its holder.'),
    HOLDER_DATA_DIR: varchar(4096, 'Data directory of its holder.'),
    SINCE_TIMESTAMP: timestamp(6, 'When it was taken; NULL when that is not known.', { ...ORACLE_TIME, ...NULLABLE }),
    COMMENT: varchar(4096, 'Why this server does not write there; empty when it does.'),
  },
  *rows(reader) {
    for (const lease of reader.store.leases.find(reader.where)) {
      yield {
        TENANT_ID: lease.tenantId,
        PATH: shownUri(lease.uri),
        DEST_TYPE: lease.destType,
        STATUS: lease.status,
        GENERATION: lease.generation,
        HOLDER_HOST: lease.hostName,
        HOLDER_DATA_DIR: lease.dataDir,
        SINCE_TIMESTAMP: reader.showTime(lease.tenantId, lease.acquiredNs),
        COMMENT: lease.comment,
      };
    }
  },
});

export const LEASE_VIEWS: readonly View[] = [CDB_HF_LEASES, deriveDba(CDB_HF_LEASES)];
