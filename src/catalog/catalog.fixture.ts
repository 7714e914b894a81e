// A store with two user tenants in different zones and modes, each with rows of its own, for tests of views.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ArchiveFigures } from '../archive/archive-service.ts';
import type { EngineTable } from '../engine/engine-driver.ts';
import type { ArchivePiece, ArchiveRound } from '../model/archive-round.ts';
import type { BackupJob, BackupSet, BackupTask } from '../model/backup-job.ts';
import type { RestoreJob } from '../model/restore-job.ts';
import { SCN_NONE, toScn } from '../model/scn.ts';
import { nextFields, type Standby } from '../model/standby.ts';
import type { Tenant } from '../model/tenant.ts';
import type { RestoreWindow } from '../restore/restore-service.ts';
import { accountWithoutPassword } from '../store/records.ts';
import { openStore, type Store } from '../store/store.ts';
import { addTenantKey } from '../store/tenant-keys.ts';
import { type Catalog, createCatalog } from './catalog.ts';
import type { ConnectionFacts } from './information-schema-table.ts';
import type { Viewer } from './viewer.ts';

const SECOND_NS = 1_000_000_000n;
/** 2025-03-01 09:00:00.120000 at +08:00. */
const START_NS = 1_740_790_800_120_000_000n;
export const at = (seconds: number) => START_NS + BigInt(seconds) * SECOND_NS;
export const scnAt = (seconds: number) => toScn(at(seconds));

export const MYSQL_ID = 1002;
export const ORACLE_ID = 1004;
/** Must never be seen in any view. */
export const SECRET = 'hf-secret-7f3a';

export function tenantRow(tenantId: number, name: string, more: Partial<Tenant> = {}): Tenant {
  return {
    tenantId,
    name,
    mode: 'mysql',
    role: 'PRIMARY',
    status: 'NORMAL',
    engine: 'sqlite',
    location: tenantId === 1 ? '' : `/data/${name}.db`,
    isAdopted: false,
    timeZone: '+08:00',
    isArchiveMode: tenantId !== 1,
    lastScn: scnAt(50),
    recoveryUntilScn: SCN_NONE,
    poolName: null,
    comment: '',
    createdNs: START_NS,
    ...more,
  };
}

export function roundRow(tenantId: number, roundId: number, more: Partial<ArchiveRound> = {}): ArchiveRound {
  return {
    tenantId,
    destId: 1001,
    roundId,
    status: 'DOING',
    startScn: scnAt(0),
    checkpointScn: scnAt(100),
    basePieceId: roundId,
    usedPieceId: roundId,
    pieceSwitchIntervalUs: 86_400_000_000n,
    inputBytes: 734_003_200n,
    outputBytes: 367_001_600n,
    comment: '',
    uri: `file:///backup/${tenantId}/archive`,
    ...more,
  };
}

export function pieceRow(tenantId: number, pieceId: number, more: Partial<ArchivePiece> = {}): ArchivePiece {
  return {
    tenantId,
    destId: 1001,
    roundId: pieceId,
    pieceId,
    status: 'ACTIVE',
    fileStatus: 'AVAILABLE',
    lockedUntilNs: 0n,
    createdUs: START_NS / 1000n,
    startScn: scnAt(0),
    checkpointScn: scnAt(100),
    maxScn: scnAt(99),
    endScn: scnAt(86_400),
    inputBytes: 1000n,
    outputBytes: 250n,
    uri: `file:///backup/${tenantId}/archive`,
    ...more,
  };
}

export function jobRow(tenantId: number, jobId: number, more: Partial<BackupJob> = {}): BackupJob {
  return {
    tenantId,
    jobId,
    backupSetId: tenantId === 1 ? 0 : jobId,
    initiatorTenantId: 1,
    initiatorJobId: 1,
    executorTenantIds: tenantId === 1 ? [MYSQL_ID, ORACLE_ID] : [tenantId],
    isPlusArchivelog: false,
    backupType: 'FULL',
    level: tenantId === 1 ? 'CLUSTER' : 'USER_TENANT',
    encryptionMode: 'PASSWORD_ENCRYPTION',
    keys: { slot: SECRET, sealedDataKey: Buffer.from(SECRET) },
    startNs: at(200),
    endNs: null,
    status: 'DOING',
    result: 0,
    comment: '',
    description: 'weekly',
    uri: tenantId === 1 ? '' : `file:///backup/${tenantId}/data`,
    ...more,
  };
}

export function taskRow(tenantId: number, taskId: number, more: Partial<BackupTask> = {}): BackupTask {
  return {
    tenantId,
    taskId,
    jobId: taskId,
    backupSetId: taskId,
    attempt: 1,
    startNs: at(200),
    endNs: null,
    status: 'BACKUP_DATA_MAJOR',
    startScn: scnAt(201),
    endScn: SCN_NONE,
    userLsStartScn: scnAt(202),
    encryptionMode: 'NONE',
    inputBytes: 120_586_240n,
    outputBytes: 20_971_520n,
    tabletCount: 540,
    finishTabletCount: 402,
    blockCount: 82,
    finishBlockCount: 51,
    fileCount: 0,
    result: 0,
    comment: '',
    uri: `file:///backup/${tenantId}/data`,
    ...more,
  };
}

export function setRow(tenantId: number, backupSetId: number, more: Partial<BackupSet> = {}): BackupSet {
  return {
    tenantId,
    backupSetId,
    destId: 1003,
    backupType: 'FULL',
    prevFullBackupSetId: 0,
    prevIncBackupSetId: 0,
    startNs: at(200),
    endNs: at(294),
    status: 'SUCCESS',
    fileStatus: 'AVAILABLE',
    lockedUntilNs: 0n,
    isPlusArchivelog: false,
    roundId: 1,
    consistentScn: scnAt(250),
    startReplayScn: scnAt(190),
    minRestoreScn: scnAt(290),
    inputBytes: 157_286_400n,
    outputBytes: 26_214_400n,
    tabletCount: 10,
    finishTabletCount: 10,
    blockCount: 20,
    finishBlockCount: 20,
    fileCount: 2,
    result: 0,
    comment: '',
    encryptionMode: 'PASSWORD_ENCRYPTION',
    uri: `file:///backup/${tenantId}/data`,
    ...more,
  };
}

export function restoreRow(jobId: number, more: Partial<RestoreJob> = {}): RestoreJob {
  return {
    jobId,
    restoreTenantName: 'restored',
    restoreTenantId: 1006,
    backupTenantName: 'mysql_tenant',
    backupTenantId: MYSQL_ID,
    backupClusterName: 'c1',
    uris: ['file:///backup/1002/data', 'file:///backup/1002/archive'],
    restoreOption: 'pool_list=p2',
    restoreScn: scnAt(300),
    timeZone: '+09:00',
    status: 'WAIT_TENANT_RESTORE_FINISH',
    startNs: at(400),
    endNs: null,
    backupSetList: ['file:///backup/1002/data/backup_set_1_full'],
    backupPieceList: ['file:///backup/1002/archive/piece_d1001r1p1'],
    planSeed: SECRET,
    sealedDataKeys: { 1: Buffer.from(SECRET) },
    totalBytes: 157_286_400n,
    finishBytes: 0n,
    tabletCount: 10,
    description: '',
    comment: '',
    ...more,
  };
}

export function standbyRow(tenantId: number, more: Partial<Standby> = {}): Standby {
  return {
    ...{ tenantId, clusterUuid: SECRET, sourceTenantId: 1010, sourceUri: `file:///backup/${tenantId}/from` },
    ...{ scn: scnAt(40), commitScn: scnAt(39), roundId: 1, checksum: SECRET },
    ...nextFields(null),
    isReplayed: true,
    ...more,
  };
}

/** A table of a tenant, as an engine describes it. */
export const ORDERS: EngineTable = {
  name: 'orders',
  kind: 'BASE TABLE',
  createSql: 'CREATE TABLE orders (id INTEGER PRIMARY KEY, customer VARCHAR(20) NOT NULL, paid DECIMAL(10,2))',
  columns: [
    { name: 'id', declaredType: 'INTEGER', isNullable: true, defaultSql: null, primaryKeyPlace: 1 },
    { name: 'customer', declaredType: 'VARCHAR(20)', isNullable: false, defaultSql: "'it''s'", primaryKeyPlace: 0 },
    { name: 'paid', declaredType: 'DECIMAL(10,2)', isNullable: true, defaultSql: null, primaryKeyPlace: 0 },
  ],
  indexes: [{ name: 'by_customer', isUnique: true, columns: ['customer'] }],
};
const BIG_ORDERS: EngineTable = {
  name: 'big_orders',
  kind: 'VIEW',
  createSql: 'CREATE VIEW big_orders AS SELECT id FROM orders WHERE paid > 1000',
  columns: [{ name: 'id', declaredType: 'INTEGER', isNullable: true, defaultSql: null, primaryKeyPlace: 0 }],
  indexes: [],
};

export interface CatalogFixture extends Disposable {
  store: Store;
  catalog: Catalog;
  figures: Map<number, ArchiveFigures>;
  windows: Map<number, RestoreWindow[]>;
  tables: Map<number, EngineTable[]>;
  connections: ConnectionFacts[];
}

/** A catalog over a store in a temporary directory; disposing of it removes both. */
export function openCatalogFixture(): CatalogFixture {
  const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-catalog-'));
  const store = openStore(dataDir, { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' });
  const fixture = {
    figures: new Map<number, ArchiveFigures>(),
    windows: new Map<number, RestoreWindow[]>(),
    tables: new Map([[MYSQL_ID, [ORDERS, BIG_ORDERS]]]),
    connections: [] as ConnectionFacts[],
  };
  const catalog = createCatalog({
    store,
    clock: { nowNs: () => at(1000), monotonicMs: () => 0 },
    archive: { figures: (tenantId) => fixture.figures.get(tenantId) },
    restore: { windows: (tenantId) => fixture.windows.get(tenantId) ?? [] },
    standby: { status: () => ({ syncStatus: 'NORMAL', errorCode: 0, comment: '' }) },
    driver: () => ({ describe: async (tenant) => fixture.tables.get(tenant.tenantId) ?? [] }),
    engineTenant: ({ tenantId, name, mode, location }) => ({
      ...{ tenantId, name, mode, location },
      isReadOnly: false,
      maxCpu: 1,
    }),
    connections: () => fixture.connections,
    serverVersion: '5.7.25-OceanBase-v4.3.3.0-Holdfast-0.1.0',
    listenAddress: { host: '127.0.0.1', port: 2881 },
  });
  addTenants(store);
  return {
    ...fixture,
    store,
    catalog,
    [Symbol.dispose]() {
      store[Symbol.dispose]();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

function addTenants(store: Store): void {
  store.tenants.insert(tenantRow(1, 'sys'));
  store.tenants.insert(tenantRow(MYSQL_ID, 'mysql_tenant'));
  store.tenants.insert(tenantRow(ORACLE_ID, 'oracle_tenant', { mode: 'oracle', timeZone: '+00:00' }));
  for (const [tenantId, user] of [
    [1, 'root'],
    [MYSQL_ID, 'root'],
    [ORACLE_ID, 'SYS'],
  ] as const) {
    const hash = Buffer.from(`${SECRET}-${tenantId}`);
    store.accounts.insert({ ...accountWithoutPassword(tenantId, user), nativeHash: hash, sha2Hash: hash });
  }
}

/** One row of every kind for each user tenant, and the sys tenant's own. */
export function addRows(store: Store): void {
  for (const tenantId of [MYSQL_ID, ORACLE_ID]) {
    const uri = `file:///backup/${tenantId}`;
    store.archiveDests.insert({
      tenantId,
      destId: 1001,
      uri: `${uri}/archive`,
      binding: 'OPTIONAL',
      pieceSwitchIntervalUs: 86_400_000_000n,
      pieceSwitchIntervalText: '1d',
      state: 'ENABLE',
    });
    store.dataDests.insert({ tenantId, destId: 1003, uri: `${uri}/data` });
    const copied = { destId: 1005, uri: `${uri}/copy` };
    store.dataDestCopies.insert({ tenantId, destNo: 1, ...copied, binding: 'OPTIONAL' });
    store.setCopies.insert({
      ...{ tenantId, backupSetId: 1, ...copied, status: 'AVAILABLE', totalBytes: 5n, copiedBytes: 5n },
      ...{ startNs: at(290), endNs: at(294), result: 0, comment: '' },
    });
    addDestinations(store, tenantId, uri);
    store.rounds.insert(roundRow(tenantId, 1, { status: 'STOP' }));
    store.rounds.insert(roundRow(tenantId, 2));
    store.pieces.insert(pieceRow(tenantId, 1, { status: 'FROZEN', fileStatus: 'DELETED' }));
    store.pieces.insert(pieceRow(tenantId, 2));
    store.backupJobs.insert(jobRow(tenantId, 1, { status: 'COMPLETED', endNs: at(294) }));
    store.backupJobs.insert(jobRow(tenantId, 2));
    store.backupTasks.insert(taskRow(tenantId, 1, { status: 'COMPLETED', endNs: at(294), endScn: scnAt(290) }));
    store.backupTasks.insert(taskRow(tenantId, 2));
    store.backupSets.insert(setRow(tenantId, 1));
    store.backupSets.insert(setRow(tenantId, 2, { status: 'DOING', fileStatus: 'COPYING', endNs: null }));
    addCleaning(store, tenantId, uri);
    addSchedule(store, tenantId);
    addAudit(store, tenantId);
    addValidation(store, tenantId, uri);
    store.standbys.insert(standbyRow(tenantId));
    addTenantKey(store, tenantId, at(300));
    addRecovery(store, tenantId);
  }
  store.backupJobs.insert(jobRow(1, 1, { encryptionMode: 'NONE' }));
  store.recordEvent(at(300), {
    module: 'backup_data',
    event: 'end_backup_data',
    facts: { tenant_id: MYSQL_ID, job_id: 2, backup_set_id: 2, status: 'FAILED', result: 4016 },
    extraInfo: 'Internal error',
  });
}

/** A second archive destination of each tenant, which follows in the running round. */
export function addCopies(store: Store): void {
  for (const tenantId of [MYSQL_ID, ORACLE_ID]) {
    const copy = { destId: 1002, uri: `file:///backup/${tenantId}/copy` };
    store.archiveCopyDests.insert({ ...copy, tenantId, destNo: 2, binding: 'MANDATORY', state: 'ENABLE' });
    const batch = { batchNo: 7, batchHash: new Uint8Array(32).fill(7), isComplete: false };
    store.roundCopies.insert({ ...roundRow(tenantId, 2), ...copy, ...batch, destNo: 2 });
    store.pieceCopies.insert({ ...pieceRow(tenantId, 2), ...copy });
  }
}

/** Two paths as they were claimed; the limits of the first have been changed since. */
function addDestinations(store: Store, tenantId: number, uri: string): void {
  const claimed = { options: {}, checkFileName: `check_file/${tenantId}_connect_file_x.obbak`, lastCheckNs: at(0) };
  store.destinations.insert({ ...claimed, tenantId, destId: 1001, uri: `${uri}/archive`, destType: 'archive_log' });
  store.destinations.insert({ ...claimed, tenantId, destId: 1003, uri: `${uri}/data`, destType: 'backup_data' });
  const holder = { generation: 3, hostName: 'db1', dataDir: '/var/lib/holdfast', acquiredNs: at(0) };
  const held = { ...holder, foreignRoundId: 0, status: 'HELD', comment: '' } as const;
  store.leases.insert({ ...held, tenantId, uri: `${uri}/archive`, destType: 'archive_log' });
  store.changeDestination(tenantId, `${uri}/archive`, { options: { max_iops: '100' } });
}

/** A statement that ended, one that runs, and log-ins that failed. */
function addAudit(store: Store, tenantId: number): void {
  const common = { tenantId, user: 'root', host: '10.0.0.7', count: 1, firstNs: at(10), lastNs: at(10) };
  const statement = {
    ...common,
    kind: 'STATEMENT',
    statement: 'ALTER SYSTEM BACKUP DATABASE',
    connectionId: 7,
  } as const;
  const failed = {
    kind: 'LOGIN',
    statement: null,
    connectionId: null,
    count: 3,
    errno: 1045,
    elapsedUs: null,
  } as const;
  const ids = () => ({ eventId: store.nextId(1, 'audit') });
  store.auditEvents.insert({ ...statement, ...ids(), errno: 9040, elapsedUs: 1500 });
  store.auditEvents.insert({ ...statement, ...ids(), errno: null, elapsedUs: null });
  store.auditEvents.insert({ ...common, ...failed, ...ids(), lastNs: at(20) });
}

/** A policy, and a delete job and its task that have ended, and others that have not. */
function addCleaning(store: Store, tenantId: number, uri: string): void {
  store.deletePolicies.insert({ tenantId, policyName: 'default', recoveryWindow: '7d', redundancy: null });
  for (const [id, status] of [[3, 'COMPLETED'] as const, [4, 'DOING'] as const]) {
    const isOver = status === 'COMPLETED';
    const common = {
      tenantId,
      jobId: id,
      startNs: at(300),
      endNs: isOver ? at(301) : null,
      status,
      result: 0,
      comment: '',
    };
    store.deleteJobs.insert({
      ...{ ...common, initiatorTenantId: tenantId, initiatorJobId: id, executorTenantIds: [tenantId] },
      ...{ type: 'DELETE OBSOLETE BACKUP', expiryNs: at(1), ids: [], level: 'USER_TENANT', description: '' },
      ...{ taskCount: 1, successTaskCount: isOver ? 1 : 0 },
    });
    store.deleteTasks.insert({
      ...{ ...common, taskId: id, taskType: 'BACKUP SET', objectId: 1, roundId: 0, destId: 1003, uri: `${uri}/data` },
      ...{ fileStatusBefore: 'AVAILABLE', totalBytes: 10n, deletedBytes: 10n, totalFiles: 1, deletedFiles: 1 },
    });
  }
}

function addSchedule(store: Store, tenantId: number): void {
  store.schedules.insert({
    ...{ tenantId, name: 'nightly', type: 'FULL', cron: '0 2 * * *', targets: [tenantId], sealedPassword: null },
    ...{ level: null, budgetBytes: null, isPaused: false, description: '', createdNs: at(1), nextNs: at(400) },
    ...{
      runStatus: 'RUNNING',
      runDueNs: at(300),
      runStartNs: at(300),
      runEndNs: null,
      runJobs: [{ tenantId, jobId: 2 }],
    },
    ...{ runResult: 0, runComment: '', runCount: 1, failedCount: 0, skippedCount: 0 },
  });
}

/** A validate job and its task that have ended, others that have not, and what the first one found. */
function addValidation(store: Store, tenantId: number, uri: string): void {
  for (const [id, status] of [[5, 'COMPLETED'] as const, [6, 'DOING'] as const]) {
    const isOver = status === 'COMPLETED';
    const common = {
      ...{ tenantId, jobId: id, startNs: at(310), endNs: isOver ? at(311) : null, result: 0, comment: '' },
      ...{ uri: `${uri}/data`, pathType: 'BACKUP_DEST' as const, level: 'physical' as const },
    };
    store.validateJobs.insert({
      ...{ ...common, status, initiatorTenantId: tenantId, initiatorJobId: id, executorTenantIds: [tenantId] },
      ...{ type: 'BACKUPSET', ids: [1], checkLevel: 'quick', taskCount: 1, successTaskCount: isOver ? 1 : 0 },
      ...{ description: '', sealedDataKeys: isOver ? {} : { 1: Buffer.from(SECRET) } },
    });
    store.validateTasks.insert({
      ...{ ...common, status: isOver ? 'COMPLETED' : 'PHYSICAL', taskId: id, taskType: 'BACKUP SET', objectId: 1 },
      ...{ directory: 'backup_set_1_full', archiveUri: '', destId: 1003, roundId: 0 },
      ...{ totalBytes: 26_214_400n, validatedBytes: 10n },
    });
  }
  store.verifications.insert({
    ...{
      tenantId,
      objectType: 'BACKUP SET',
      objectId: 1,
      level: 'physical',
      uri: '',
      jobId: 5,
      lastNs: at(311),
      result: 0,
    },
    ...{ comment: '', isProved: true, provedNs: at(311), provedScn: scnAt(290) },
  });
}

/** A table recovery that has ended, and one that has not, each with its import of one table. */
function addRecovery(store: Store, tenantId: number): void {
  for (const [id, isOver] of [[10, true] as const, [20, false] as const]) {
    const jobId = tenantId + id;
    const common = { startNs: at(500), endNs: isOver ? at(501) : null, result: 0, comment: '' };
    store.recoverJobs.insert({
      ...{ ...common, jobId, targetTenantId: tenantId, targetTenantName: `t${tenantId}`, targetJobId: id },
      ...{ auxTenantId: jobId + 1000, auxTenantName: `AUX_RECOVER$${jobId}`, restoreJobId: id },
      ...{ status: isOver ? 'COMPLETED' : 'IMPORTING', choice: { kind: 'tables', names: ['orders'] } },
      ...{ renames: { orders: 'orders_old' }, restoreScn: scnAt(300), timeZone: '+09:00', restoreOption: '' },
      ...{ uris: [`file:///backup/${tenantId}/data`], backupSetList: [], backupPieceList: [], hasPassword: true },
      description: 'by mistake',
    });
    store.importJobs.insert({
      ...{ ...common, tenantId, jobId: id + 1, recoverJobId: jobId, status: isOver ? 'IMPORT_FINISH' : 'INIT' },
      ...{ tableCount: 1, finishedTableCount: isOver ? 1 : 0, failedTableCount: 0 },
    });
    store.importTasks.insert({
      ...{ ...common, tenantId, taskId: id, jobId: id + 1, sourceTable: 'orders', targetTable: 'orders_old' },
      ...{ createSql: 'CREATE TABLE orders_old (id)', status: isOver ? 'FINISH' : 'INIT' },
      ...{ columnCount: 1, indexCount: 2, constraintCount: 1, refConstraintCount: 0 },
    });
  }
}

/** Who looks: the administrator of a tenant. */
export function viewerFor(store: Store, tenantId: number, more: Partial<Viewer> = {}): Viewer {
  const tenant = store.tenants.get({ tenantId })!;
  return {
    tenantId,
    tenantName: tenant.name,
    mode: tenant.mode,
    user: tenant.mode === 'oracle' ? 'SYS' : 'root',
    rights: { isAdministrator: true, grants: [] },
    database: null,
    variables: () => [{ name: 'autocommit', value: 'ON' }],
    ...more,
  };
}
