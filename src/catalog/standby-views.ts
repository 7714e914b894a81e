// Views of restored tenants that are not activated yet: where their log comes from, and how far it is replayed.
import { shownUri } from './figures.ts';
import { bigint, deriveDba, longtext, ubigint, type View, varchar, view } from './view.ts';
import type { ViewReader } from './view-reader.ts';

/** A tenant has one source. */
const SOURCE_ID = 1;
/** A tenant has one log here. */
const LS_ID = 1;
/** Length of the column. */
const COMMENT_CHARS = 2048;
/** Our log is not counted in bytes from its beginning. */
const LSN_UNKNOWN = 0;

/** Standbys with their tenants. */
function* standbys(reader: ViewReader) {
  for (const standby of reader.store.standbys.find(reader.where)) {
    const tenant = reader.tenant(standby.tenantId);
    if (tenant) yield { standby, tenant };
  }
}

const CDB_OB_LOG_RESTORE_SOURCE = view({
  name: 'CDB_OB_LOG_RESTORE_SOURCE',
  source: 'OceanBase 4.3.3 docs, CDB_OB_LOG_RESTORE_SOURCE',
  columns: {
    TENANT_ID: bigint('The tenant.'),
    ID: bigint('Always 1.'),
    TYPE: varchar(32, 'Always LOCATION.'),
    VALUE: longtext('Destination of the log archive, without credentials.', { oracle: { base: 'longtext' } }),
    RECOVERY_UNTIL_SCN: ubigint('Up to where the tenant is recovered; 4611686018427387903 for no limit.'),
  },
  *rows(reader) {
    for (const { standby, tenant } of standbys(reader)) {
      if (standby.sourceUri === '') continue;
      yield {
        TENANT_ID: tenant.tenantId,
        ID: SOURCE_ID,
        TYPE: 'LOCATION',
        VALUE: shownUri(standby.sourceUri),
        RECOVERY_UNTIL_SCN: tenant.recoveryUntilScn,
      };
    }
  },
});

const V_OB_LS_LOG_RESTORE_STATUS = view(
  {
    name: 'V$OB_LS_LOG_RESTORE_STATUS',
    source: 'OceanBase 4.3.3 docs, V$OB_LS_LOG_RESTORE_STATUS',
    columns: {
      TENANT_ID: bigint('The tenant.'),
      LS_ID: bigint('Always 1.'),
      SYNC_LSN: ubigint('Always 0.'),
      SYNC_SCN: ubigint('Every commit up to here is in the database.'),
      SYNC_STATUS: varchar(128, 'NORMAL while log is replayed, RESTORE SUSPEND at the limit; else what is the matter.'),
      ERR_CODE: bigint('Number of the error; 0 when all is well.'),
      COMMENT: varchar(COMMENT_CHARS, 'Its text.'),
    },
    *rows(reader) {
      for (const { standby, tenant } of standbys(reader)) {
        const status = reader.standbyStatus(tenant.tenantId);
        if (!status) continue;
        yield {
          TENANT_ID: tenant.tenantId,
          LS_ID,
          SYNC_LSN: LSN_UNKNOWN,
          SYNC_SCN: standby.scn,
          SYNC_STATUS: status.syncStatus,
          ERR_CODE: status.errorCode,
          COMMENT: status.comment.slice(0, COMMENT_CHARS),
        };
      }
    },
  },
  { audience: 'everyone', reach: 'fleet' },
);

export const STANDBY_VIEWS: readonly View[] = [
  CDB_OB_LOG_RESTORE_SOURCE,
  deriveDba(CDB_OB_LOG_RESTORE_SOURCE, { keepsTenantId: true }),
  V_OB_LS_LOG_RESTORE_STATUS,
];
