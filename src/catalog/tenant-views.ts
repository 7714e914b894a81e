// Views of tenants and what they are made of.
import { SYS_TENANT_ID } from '../base/limits.ts';
import { SCN_UNLIMITED } from '../model/standby.ts';
import type { ResourcePool, ResourceUnit, Tenant } from '../model/tenant.ts';
import { CLUSTER_VERSION } from './figures.ts';
import { bigint, double, NULLABLE, timestamp, ubigint, type View, varchar, view } from './view.ts';
import type { ViewReader } from './view-reader.ts';

/** A tenant without a pool is a single unit in this zone. */
const DEFAULT_ZONE = 'zone1';
/** A tenant has one log here: the system log stream. */
const MAX_LS_ID = 1;

function tenantRow(reader: ViewReader, tenant: Tenant, pool: ResourcePool | undefined) {
  const created = reader.showTime(tenant.tenantId, tenant.createdNs);
  const zones = pool && pool.zones.length > 0 ? pool.zones : [DEFAULT_ZONE];
  const isSys = tenant.tenantId === SYS_TENANT_ID;
  // A capture that runs knows the newest commit before the store does.
  const seenScn = reader.figures(tenant.tenantId)?.maxScn ?? tenant.lastScn;
  const scn = seenScn > tenant.lastScn ? seenScn : tenant.lastScn;
  return {
    TENANT_ID: tenant.tenantId,
    TENANT_NAME: tenant.name,
    TENANT_TYPE: isSys ? 'SYS' : 'USER',
    CREATE_TIME: created,
    MODIFY_TIME: created,
    PRIMARY_ZONE: zones.join(';'),
    LOCALITY: zones.map((zone) => `FULL{1}@${zone}`).join(', '),
    PREVIOUS_LOCALITY: null,
    COMPATIBILITY_MODE: tenant.mode.toUpperCase(),
    STATUS: tenant.status,
    IN_RECYCLEBIN: 'NO',
    LOCKED: 'NO',
    TENANT_ROLE: tenant.role,
    SWITCHOVER_STATUS: 'NORMAL',
    SWITCHOVER_EPOCH: 0,
    SYNC_SCN: scn,
    REPLAYABLE_SCN: scn,
    READABLE_SCN: scn,
    RECOVERY_UNTIL_SCN: tenant.recoveryUntilScn === 0n ? SCN_UNLIMITED : tenant.recoveryUntilScn,
    LOG_MODE: tenant.isArchiveMode ? 'ARCHIVELOG' : 'NOARCHIVELOG',
    ARBITRATION_SERVICE_STATUS: 'DISABLED',
    UNIT_NUM: pool?.unitNum ?? 1,
    COMPATIBLE: CLUSTER_VERSION,
    MAX_LS_ID,
  };
}

export const DBA_OB_TENANTS = view(
  {
    name: 'DBA_OB_TENANTS',
    source: 'OceanBase 4.3.3 docs, DBA_OB_TENANTS',
    columns: {
      TENANT_ID: bigint('The tenant.'),
      TENANT_NAME: varchar(128, 'Its name.'),
      TENANT_TYPE: varchar(4, 'SYS or USER.'),
      CREATE_TIME: timestamp(6, 'When it was created, adopted or restored.'),
      MODIFY_TIME: timestamp(6, 'The same.'),
      PRIMARY_ZONE: varchar(128, 'Its zones.'),
      LOCALITY: varchar(4096, 'Its replicas: always one.'),
      PREVIOUS_LOCALITY: varchar(4096, 'Always NULL.', NULLABLE),
      COMPATIBILITY_MODE: varchar(6, 'MYSQL or ORACLE.'),
      STATUS: varchar(64, 'CREATING, NORMAL, RESTORE or DROPPING.'),
      IN_RECYCLEBIN: varchar(3, 'Always NO.'),
      LOCKED: varchar(3, 'Always NO.'),
      TENANT_ROLE: varchar(64, 'PRIMARY, STANDBY or RESTORE.'),
      SWITCHOVER_STATUS: varchar(64, 'Always NORMAL.'),
      SWITCHOVER_EPOCH: bigint('Always 0.'),
      SYNC_SCN: ubigint('Newest commit that is known.'),
      REPLAYABLE_SCN: ubigint('The same.'),
      READABLE_SCN: ubigint('The same.'),
      RECOVERY_UNTIL_SCN: ubigint('Up to where a restored tenant was recovered; 4611686018427387903 for no limit.'),
      LOG_MODE: varchar(64, 'ARCHIVELOG or NOARCHIVELOG.'),
      ARBITRATION_SERVICE_STATUS: varchar(64, 'Always DISABLED.'),
      UNIT_NUM: bigint('Units in its pool.'),
      COMPATIBLE: varchar(2048, 'Data version.'),
      MAX_LS_ID: bigint('Always 1.'),
    },
    *rows(reader) {
      const pools = new Map(reader.store.pools.find().map((pool) => [pool.tenantId, pool]));
      for (const tenant of reader.tenants()) yield tenantRow(reader, tenant, pools.get(tenant.tenantId));
    },
  },
  { audience: 'everyone', reach: 'fleet' },
);

const DBA_OB_RESOURCE_POOLS = view({
  name: 'DBA_OB_RESOURCE_POOLS',
  source: 'OceanBase 4.3.3 docs, DBA_OB_RESOURCE_POOLS',
  columns: {
    RESOURCE_POOL_ID: bigint('The pool.'),
    NAME: varchar(128, 'Its name.'),
    TENANT_ID: bigint('The tenant it is granted to; NULL for none.', NULLABLE),
    CREATE_TIME: timestamp(6, 'Not recorded.', NULLABLE),
    MODIFY_TIME: timestamp(6, 'Not recorded.', NULLABLE),
    UNIT_COUNT: bigint('Units in it.'),
    UNIT_CONFIG_ID: bigint('What a unit of it is.'),
    ZONE_LIST: varchar(8192, 'Its zones.'),
    REPLICA_TYPE: varchar(4, 'Always FULL.'),
  },
  *rows({ store }) {
    const unitIds = new Map(store.units.find().map((unit) => [unit.name.toUpperCase(), unit.unitId]));
    for (const pool of store.pools.find({}, { orderBy: 'poolId' })) {
      yield {
        RESOURCE_POOL_ID: pool.poolId,
        NAME: pool.name,
        TENANT_ID: pool.tenantId,
        CREATE_TIME: null,
        MODIFY_TIME: null,
        UNIT_COUNT: pool.unitNum,
        UNIT_CONFIG_ID: unitIds.get(pool.unitName.toUpperCase()) ?? null,
        ZONE_LIST: pool.zones.join(';'),
        REPLICA_TYPE: 'FULL',
      };
    }
  },
});

/** An attribute of a unit that is a whole number; null when it was not written as one. */
function wholeNumber(unit: ResourceUnit, name: string): bigint | null {
  const text = unit.attributes[name];
  return text !== undefined && /^\d{1,18}$/.test(text) ? BigInt(text) : null;
}

const DBA_OB_UNIT_CONFIGS = view({
  name: 'DBA_OB_UNIT_CONFIGS',
  source: 'OceanBase 4.3.3 docs, DBA_OB_UNIT_CONFIGS',
  columns: {
    UNIT_CONFIG_ID: bigint('The unit.'),
    NAME: varchar(128, 'Its name.'),
    CREATE_TIME: timestamp(6, 'Not recorded.', NULLABLE),
    MODIFY_TIME: timestamp(6, 'Not recorded.', NULLABLE),
    MAX_CPU: double('Statements of a tenant that may run at once.'),
    MIN_CPU: double('Shown as given.'),
    MEMORY_SIZE: bigint('Shown as given, bytes.'),
    LOG_DISK_SIZE: bigint('Shown as given.', NULLABLE),
    DATA_DISK_SIZE: bigint('Shown as given.', NULLABLE),
    MAX_IOPS: bigint('Shown as given.', NULLABLE),
    MIN_IOPS: bigint('Shown as given.', NULLABLE),
    IOPS_WEIGHT: bigint('Shown as given.', NULLABLE),
    MAX_NET_BANDWIDTH: bigint('Shown as given.', NULLABLE),
    NET_BANDWIDTH_WEIGHT: bigint('Shown as given.', NULLABLE),
  },
  *rows({ store }) {
    for (const unit of store.units.find({}, { orderBy: 'unitId' })) {
      yield {
        UNIT_CONFIG_ID: unit.unitId,
        NAME: unit.name,
        CREATE_TIME: null,
        MODIFY_TIME: null,
        MAX_CPU: unit.maxCpu,
        MIN_CPU: unit.minCpu,
        MEMORY_SIZE: unit.memoryBytes,
        LOG_DISK_SIZE: wholeNumber(unit, 'LOG_DISK_SIZE'),
        DATA_DISK_SIZE: wholeNumber(unit, 'DATA_DISK_SIZE'),
        MAX_IOPS: wholeNumber(unit, 'MAX_IOPS'),
        MIN_IOPS: wholeNumber(unit, 'MIN_IOPS'),
        IOPS_WEIGHT: wholeNumber(unit, 'IOPS_WEIGHT'),
        MAX_NET_BANDWIDTH: wholeNumber(unit, 'MAX_NET_BANDWIDTH'),
        NET_BANDWIDTH_WEIGHT: wholeNumber(unit, 'NET_BANDWIDTH_WEIGHT'),
      };
    }
  },
});

export const TENANT_VIEWS: readonly View[] = [DBA_OB_TENANTS, DBA_OB_RESOURCE_POOLS, DBA_OB_UNIT_CONFIGS];
