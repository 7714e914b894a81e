// View of tenant keys: what each version is called, and whether anything but this server has it. Never the key itself.
import { keyInUse } from '../store/tenant-keys.ts';
import { bigint, deriveDba, NULLABLE, ORACLE_TIME, timestamp, type View, varchar, view } from './view.ts';

const CDB_HF_TENANT_KEYS = view({
  name: 'CDB_HF_TENANT_KEYS',
  source: 'Holdfast: one row per version of a tenant key',
  columns: {
    TENANT_ID: bigint('The tenant.'),
    VERSION: bigint('From 1; each rotation makes the next one.'),
    KEY_ID: varchar(16, 'Names the key at destinations and in errors; follows from the key and tells nothing of it.'),
    IN_USE: varchar(
      3,
      'YES for the version that encrypts what is new; NO for earlier ones, and while tde_method is none.',
    ),
    CREATED_TIMESTAMP: timestamp(6, 'When the version was made.', ORACLE_TIME),
    EXPORTED_TIMESTAMP: timestamp(6, 'When BACKUP KEY wrote it to a file last; NULL: never.', {
      ...ORACLE_TIME,
      ...NULLABLE,
    }),
  },
  *rows(reader) {
    const { store } = reader;
    for (const { tenantId, version, keyId, createdNs, exportedNs } of store.tenantKeys.find(reader.where)) {
      yield {
        TENANT_ID: tenantId,
        VERSION: version,
        KEY_ID: keyId,
        IN_USE: keyInUse(store, tenantId)?.version === version ? 'YES' : 'NO',
        CREATED_TIMESTAMP: reader.showTime(tenantId, createdNs),
        EXPORTED_TIMESTAMP: reader.showTime(tenantId, exportedNs),
      };
    }
  },
});

export const KEY_VIEWS: readonly View[] = [CDB_HF_TENANT_KEYS, deriveDba(CDB_HF_TENANT_KEYS)];
