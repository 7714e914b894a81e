import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatDestinationUri, parseDestinationUri } from '../model/destination-uri.ts';
import type { Grant } from '../model/privilege.ts';
import type { SqlValue } from '../model/result.ts';
import { toScn } from '../model/scn.ts';
import { keepAccess } from '../store/destination-access.ts';
import { accountWithoutPassword } from '../store/records.ts';
import {
  addCopies,
  addRows,
  at,
  type CatalogFixture,
  MYSQL_ID,
  ORACLE_ID,
  openCatalogFixture,
  pieceRow,
  restoreRow,
  roundRow,
  SECRET,
  scnAt,
  setRow,
  taskRow,
  tenantRow,
  viewerFor,
} from './catalog.fixture.ts';
import { SYSTEM_VIEWS } from './catalog.ts';

let fixture: CatalogFixture;
beforeEach(() => {
  fixture = openCatalogFixture();
});
afterEach(() => fixture[Symbol.dispose]());

type Row = Record<string, SqlValue>;

/** Every row of a system view as a tenant's administrator sees it. */
async function select(tenantId: number, name: string, schema?: string): Promise<Row[]> {
  const { catalog, store } = fixture;
  const viewer = viewerFor(store, tenantId);
  const table = catalog.find(viewer, schema ?? catalog.systemSchema(viewer), name);
  if (!table) throw new Error(`no view ${name}`);
  const [filled] = await catalog.fill(viewer, [table]);
  return filled!.rows.map((row) => Object.fromEntries(row.map((value, i) => [filled!.columns[i]!.name, value])));
}

const ids = (rows: Row[]) => rows.map((row) => row.TENANT_ID);

describe('who sees what', () => {
  test('a user tenant has no CDB_ views and none of the resource views', () => {
    const { catalog, store } = fixture;
    for (const tenantId of [MYSQL_ID, ORACLE_ID]) {
      const viewer = viewerFor(store, tenantId);
      for (const view of SYSTEM_VIEWS.filter(({ audience }) => audience === 'sys')) {
        expect(catalog.find(viewer, catalog.systemSchema(viewer), view.name), view.name).toBeUndefined();
      }
    }
  });

  test('names are found in any case, in the database of the mode only', () => {
    const { catalog, store } = fixture;
    const [mysql, oracle] = [viewerFor(store, MYSQL_ID), viewerFor(store, ORACLE_ID)];
    expect(catalog.find(mysql, 'OceanBase', 'dba_ob_tenants')?.name).toBe('DBA_OB_TENANTS');
    expect(catalog.find(mysql, 'SYS', 'DBA_OB_TENANTS')).toBeUndefined();
    expect(catalog.find(oracle, 'sys', 'dba_ob_tenants')?.schema).toBe('SYS');
    expect(catalog.find(oracle, 'oceanbase', 'DBA_OB_TENANTS')).toBeUndefined();
  });

  test('sys sees every tenant in CDB_ and only itself in DBA_', async () => {
    addRows(fixture.store);
    expect(ids(await select(1, 'CDB_OB_BACKUP_JOBS'))).toEqual([1n, 1002n, 1004n]);
    expect(ids(await select(1, 'CDB_OB_ARCHIVELOG'))).toEqual([1002n, 1004n]);
    expect(await select(1, 'DBA_OB_ARCHIVELOG')).toEqual([]);
    const own = await select(1, 'DBA_OB_BACKUP_JOBS');
    expect(own).toHaveLength(1);
    expect(own[0]).toMatchObject({ BACKUP_SET_ID: 0n, EXECUTOR_TENANT_ID: '1002,1004', JOB_LEVEL: 'CLUSTER' });
  });

  test.each([MYSQL_ID, ORACLE_ID])('tenant %i sees nothing of the other tenant in any view', async (tenantId) => {
    addRows(fixture.store);
    fixture.store.restoreJobs.insert(restoreRow(1, { restoreTenantId: MYSQL_ID, backupTenantId: MYSQL_ID }));
    fixture.store.restoreJobs.insert(
      restoreRow(2, {
        restoreTenantId: ORACLE_ID,
        backupTenantId: ORACLE_ID,
        backupTenantName: 'oracle_tenant',
        uris: ['file:///backup/1004/data'],
        backupSetList: [],
        backupPieceList: [],
      }),
    );
    const window = { fromScn: scnAt(1), toScn: scnAt(2), roundId: 2, backupSetIds: [1] };
    for (const id of [MYSQL_ID, ORACLE_ID]) fixture.windows.set(id, [window]);
    const other = tenantId === MYSQL_ID ? ORACLE_ID : MYSQL_ID;
    const otherName = tenantId === MYSQL_ID ? 'oracle_tenant' : 'mysql_tenant';
    for (const view of SYSTEM_VIEWS.filter(({ audience }) => audience === 'everyone')) {
      const rows = await select(tenantId, view.name);
      expect(rows.length, view.name).toBeGreaterThan(view.name === 'DBA_OB_RESTORE_HISTORY' ? -1 : 0);
      const text = JSON.stringify(rows, (_, value) => (typeof value === 'bigint' ? value.toString() : value));
      expect(text, view.name).not.toMatch(new RegExp(`\\b${other}\\b`));
      expect(text, view.name).not.toContain(otherName);
    }
  });

  test('no view shows a secret: hashes, keys, seeds', async () => {
    addRows(fixture.store);
    fixture.store.restoreJobs.insert(restoreRow(1));
    for (const view of SYSTEM_VIEWS) {
      const text = JSON.stringify(await select(1, view.name), (_, value) =>
        typeof value === 'bigint' ? value.toString() : value,
      );
      expect(text, view.name).not.toContain(SECRET);
    }
    const users = await select(1, 'user', 'mysql');
    expect(users).toMatchObject([{ Host: '%', User: 'root', Super_priv: 'Y', account_locked: 'N' }]);
    expect(JSON.stringify(users)).not.toContain(SECRET);
  });
});

describe('archive views', () => {
  test('ARCHIVE_DEST has one row per attribute', async () => {
    addRows(fixture.store);
    const rows = await select(MYSQL_ID, 'DBA_OB_ARCHIVE_DEST');
    expect(rows.map(({ NAME, VALUE }) => `${NAME}=${VALUE}`)).toEqual([
      'binding=OPTIONAL',
      'dest_id=1001',
      'path=file:///backup/1002/archive?max_iops=100',
      'piece_switch_interval=1d',
      'state=ENABLE',
    ]);
  });

  test('copies have rows of their own, and the MANDATORY one holds up what counts as archived', async () => {
    addRows(fixture.store);
    addCopies(fixture.store);
    const ahead = { ...figures, checkpointScn: scnAt(170), pendingCommits: 0, maxScn: scnAt(160) };
    const live = { destId: 1002, destNo: 2, roundId: 2, status: 'BEGINNING' as const, comment: 'no answer' };
    const copy = { ...live, checkpointScn: scnAt(150), inputBytes: 1n, outputBytes: 1n };
    fixture.figures.set(MYSQL_ID, { ...ahead, copies: [copy] });
    const attributes = await select(MYSQL_ID, 'DBA_OB_ARCHIVE_DEST');
    expect(attributes.filter(({ DEST_NO }) => DEST_NO === 2n).map(({ NAME, VALUE }) => `${NAME}=${VALUE}`)).toEqual([
      'binding=MANDATORY',
      'dest_id=1002',
      'path=file:///backup/1002/copy',
      'piece_switch_interval=1d',
      'state=ENABLE',
    ]);
    const own = { DEST_ID: 1002n, DEST_NO: 2n, PATH: 'file:///backup/1002/copy' };
    const behind = { ...own, STATUS: 'BEGINNING', COMMENT: 'no answer', CHECKPOINT_SCN: scnAt(150) };
    expect(await select(MYSQL_ID, 'DBA_OB_ARCHIVELOG')).toMatchObject([
      { DEST_ID: 1001n, DEST_NO: 0n, CHECKPOINT_SCN: scnAt(150) },
      behind,
    ]);
    const { DEST_NO: _, ...status } = behind;
    expect(await select(MYSQL_ID, 'V$OB_ARCHIVE_DEST_STATUS')).toMatchObject([
      { DEST_ID: 1001n, CHECKPOINT_SCN: scnAt(170), SYNCHRONIZED: 'YES' },
      { ...status, SYNCHRONIZED: 'NO' },
    ]);
    expect(
      (await select(MYSQL_ID, 'DBA_OB_ARCHIVELOG_PIECE_FILES')).filter(({ DEST_NO }) => DEST_NO === 2n),
    ).toMatchObject([{ ...own, PIECE_ID: 2n }]);
    expect(await select(MYSQL_ID, 'DBA_HF_PROTECTION')).toMatchObject([
      { PROBLEMS: expect.stringContaining('archive copy 2 (file:///backup/1002/copy) is') },
    ]);
    // The other tenant's are his own, and sys sees both.
    const paths = (rows: Array<Record<string, unknown>>) => rows.map(({ PATH }) => PATH);
    expect(paths(await select(ORACLE_ID, 'DBA_OB_ARCHIVELOG'))).toEqual(
      ['archive', 'copy'].map((name) => `file:///backup/${ORACLE_ID}/${name}`),
    );
    expect(await select(1, 'CDB_OB_ARCHIVELOG')).toHaveLength(4);
  });

  test('ARCHIVELOG shows the newest round, in the time zone of its tenant; SUMMARY shows all', async () => {
    addRows(fixture.store);
    const rows = await select(1, 'CDB_OB_ARCHIVELOG');
    expect(rows[0]).toMatchObject({
      TENANT_ID: 1002n,
      ROUND_ID: 2n,
      STATUS: 'DOING',
      START_SCN: 1_740_790_800_120_000_000n,
      START_SCN_DISPLAY: '2025-03-01 09:00:00.120000',
      CHECKPOINT_SCN: scnAt(100),
      PIECE_SWITCH_INTERVAL: 86_400_000_000n,
      INPUT_BYTES_DISPLAY: '700.00MB',
      COMPRESSION_RATIO: '2.00',
      COMMENT: '',
      PATH: 'file:///backup/1002/archive',
    });
    expect(rows[1]).toMatchObject({ TENANT_ID: 1004n, START_SCN_DISPLAY: '2025-03-01 01:00:00.120000' });
    expect((await select(1, 'CDB_OB_ARCHIVELOG_SUMMARY')).map((row) => [row.TENANT_ID, row.ROUND_ID])).toEqual([
      [1002n, 1n],
      [1002n, 2n],
      [1004n, 1n],
      [1004n, 2n],
    ]);
  });

  test('the bytes of deleted pieces belong to their round', async () => {
    addRows(fixture.store);
    const [first, second] = await select(MYSQL_ID, 'DBA_OB_ARCHIVELOG_SUMMARY');
    expect(first).toMatchObject({ DELETED_INPUT_BYTES: 1000n, DELETED_OUTPUT_BYTES: 250n });
    expect(second).toMatchObject({ DELETED_INPUT_BYTES: 0n, DELETED_OUTPUT_BYTES_DISPLAY: '0.00MB' });
  });

  const figures = {
    checkpointScn: scnAt(150),
    maxScn: scnAt(160),
    inputBytes: 800_000_000n,
    outputBytes: 400_000_000n,
    pendingCommits: 3,
    logBytes: 0,
    isAttached: true,
    comment: 'the destination does not answer',
  };

  test('live figures go ahead of the stored row, and a piece counts only what is durable', async () => {
    addRows(fixture.store);
    fixture.figures.set(MYSQL_ID, figures);
    expect(await select(MYSQL_ID, 'DBA_OB_ARCHIVELOG')).toMatchObject([
      { CHECKPOINT_SCN: scnAt(150), INPUT_BYTES: 800_000_000n, COMMENT: 'the destination does not answer' },
    ]);
    const pieces = await select(MYSQL_ID, 'DBA_OB_ARCHIVELOG_PIECE_FILES');
    expect(pieces[0]).toMatchObject({ PIECE_ID: 1n, FILE_STATUS: 'DELETED', CHECKPOINT_SCN: scnAt(100) });
    expect(pieces[1]).toMatchObject({ CHECKPOINT_SCN: scnAt(150), MAX_SCN: scnAt(150), END_SCN: scnAt(86_400) });
    expect(pieces[1]!.END_SCN_DISPLAY).toBe('2025-03-02 09:00:00.120000');
    expect(await select(MYSQL_ID, 'V$OB_ARCHIVE_DEST_STATUS')).toMatchObject([
      { STATUS: 'DOING', SYNCHRONIZED: 'NO', CHECKPOINT_SCN: scnAt(150), WAL_BYTES: BigInt(figures.logBytes) },
    ]);
  });

  test('a checkpoint is never shown smaller than the stored one', async () => {
    addRows(fixture.store);
    fixture.figures.set(MYSQL_ID, { ...figures, checkpointScn: scnAt(90), maxScn: scnAt(90), inputBytes: 1n });
    expect(await select(MYSQL_ID, 'DBA_OB_ARCHIVELOG')).toMatchObject([
      { CHECKPOINT_SCN: scnAt(100), INPUT_BYTES: 734_003_200n },
    ]);
    const pieces = await select(MYSQL_ID, 'DBA_OB_ARCHIVELOG_PIECE_FILES');
    expect(pieces[1]).toMatchObject({ CHECKPOINT_SCN: scnAt(100), MAX_SCN: scnAt(99) });
  });

  test('figures of a round that has stopped are not shown', async () => {
    fixture.store.rounds.insert(roundRow(MYSQL_ID, 1, { status: 'STOP' }));
    fixture.figures.set(MYSQL_ID, figures);
    expect(await select(MYSQL_ID, 'DBA_OB_ARCHIVELOG')).toMatchObject([{ CHECKPOINT_SCN: scnAt(100), COMMENT: '' }]);
  });

  test('a round that has not begun has no times', async () => {
    fixture.store.rounds.insert(
      roundRow(MYSQL_ID, 1, { status: 'PREPARE', startScn: toScn(0n), checkpointScn: toScn(0n), outputBytes: 0n }),
    );
    expect(await select(MYSQL_ID, 'DBA_OB_ARCHIVELOG')).toMatchObject([
      { START_SCN: 0n, START_SCN_DISPLAY: null, CHECKPOINT_SCN_DISPLAY: null, COMPRESSION_RATIO: '0.00' },
    ]);
  });

  test('LAG_MS is the age of the checkpoint, never negative, and NULL without a round that runs', async () => {
    const lag = async () => (await select(MYSQL_ID, 'V$OB_ARCHIVE_DEST_STATUS'))[0]!.LAG_MS;
    const key = { tenantId: MYSQL_ID, roundId: 1 };
    fixture.store.rounds.insert(roundRow(MYSQL_ID, 1, { checkpointScn: scnAt(900) }));
    expect(await lag()).toBe(100_000n);
    fixture.store.rounds.update(key, { checkpointScn: scnAt(2000) });
    expect(await lag()).toBe(0n);
    fixture.store.rounds.update(key, { status: 'STOP' });
    expect(await lag()).toBeNull();
  });

  test('SYNCHRONIZED is YES when nothing waits', async () => {
    addRows(fixture.store);
    fixture.figures.set(MYSQL_ID, { ...figures, pendingCommits: 0, checkpointScn: scnAt(160) });
    expect(await select(MYSQL_ID, 'V$OB_ARCHIVE_DEST_STATUS')).toMatchObject([{ SYNCHRONIZED: 'YES' }]);
  });
});

describe('backup views', () => {
  test('a job is in JOBS while it runs and in JOB_HISTORY afterwards, never in both', async () => {
    addRows(fixture.store);
    expect(await select(MYSQL_ID, 'DBA_OB_BACKUP_JOBS')).toMatchObject([
      { JOB_ID: 2n, STATUS: 'DOING', END_TIMESTAMP: null },
    ]);
    const history = await select(MYSQL_ID, 'DBA_OB_BACKUP_JOB_HISTORY');
    expect(history).toMatchObject([
      {
        JOB_ID: 1n,
        INCARNATION: 1n,
        STATUS: 'COMPLETED',
        PLUS_ARCHIVELOG: 'OFF',
        START_TIMESTAMP: '2025-03-01 09:03:20.120000',
        END_TIMESTAMP: '2025-03-01 09:04:54.120000',
        ENCRYPTION_MODE: 'PASSWORD_ENCRYPTION',
        PASSWD: '******',
        DESCRIPTION: 'weekly',
        PATH: 'file:///backup/1002/data',
      },
    ]);
    expect(history[0]).not.toHaveProperty('TENANT_ID');
  });

  test.each(['INIT', 'DOING', 'CANCELING'] as const)('a job that is %s is live', async (status) => {
    fixture.store.backupTasks.insert(taskRow(MYSQL_ID, 1, { status: status === 'DOING' ? 'BACKUP_LOG' : status }));
    expect(await select(MYSQL_ID, 'DBA_OB_BACKUP_TASKS')).toHaveLength(1);
    expect(await select(MYSQL_ID, 'DBA_OB_BACKUP_TASK_HISTORY')).toHaveLength(0);
  });

  test('a running task shows percent, rate until now and no end', async () => {
    addRows(fixture.store);
    expect(await select(MYSQL_ID, 'DBA_OB_BACKUP_TASKS')).toMatchObject([
      {
        TASK_ID: 2n,
        DATA_PROGRESS: '62.20',
        OUTPUT_RATE_BYTES: '26214.4000',
        END_TIMESTAMP: null,
        PASSWD: '',
        DATA_TURN_ID: 0n,
      },
    ]);
    const [finished] = await select(MYSQL_ID, 'DBA_OB_BACKUP_TASK_HISTORY');
    expect(finished).toMatchObject({ TASK_ID: 1n, OUTPUT_RATE_BYTES: '223101.2766', END_SCN: scnAt(290) });
    expect(finished).not.toHaveProperty('DATA_PROGRESS');
  });

  test('SET_FILES keeps every set, with times, seconds and rate', async () => {
    addRows(fixture.store);
    fixture.store.backupSets.insert(setRow(MYSQL_ID, 3, { status: 'FAILED', fileStatus: 'INCOMPLETE', result: 4072 }));
    const rows = await select(MYSQL_ID, 'DBA_OB_BACKUP_SET_FILES');
    expect(rows.map((row) => `${row.STATUS}/${row.FILE_STATUS}`)).toEqual([
      'SUCCESS/AVAILABLE',
      'DOING/COPYING',
      'FAILED/INCOMPLETE',
    ]);
    expect(rows[0]).toMatchObject({
      BACKUP_TYPE: 'FULL',
      ELAPSED_SECONDES: '94',
      OUTPUT_RATE_BYTES: '278876.5957',
      MIN_RESTORE_SCN_DISPLAY: '2025-03-01 09:04:50.120000',
      TENANT_COMPATIBLE: '4.3.3.0',
      CONSISTENT_SCN: scnAt(250),
    });
    expect(rows[1]!.END_TIMESTAMP).toBeNull();
  });

  test('rows of a dropped tenant stay, in the time zone of the cluster', async () => {
    fixture.store.backupSets.insert(setRow(1008, 1));
    expect(await select(1, 'CDB_OB_BACKUP_SET_FILES')).toMatchObject([
      { TENANT_ID: 1008n, START_TIMESTAMP: '2025-03-01 09:03:20.120000' },
    ]);
  });
});

describe('restore views', () => {
  test('a job is two rows with their own words; bytes stand on the tenant row', async () => {
    fixture.store.restoreJobs.insert(restoreRow(1));
    const rows = await select(1, 'CDB_OB_RESTORE_PROGRESS');
    expect(rows.map((row) => [row.TENANT_ID, row.STATUS, row.TOTAL_BYTES, row.TOTAL_BYTES_DISPLAY])).toEqual([
      [1n, 'WAIT_TENANT_RESTORE_FINISH', null, null],
      [1006n, 'RESTORING', 157_286_400n, '150.00MB'],
    ]);
    expect(rows[0]).toMatchObject({
      BACKUP_TENANT_ID: '1002',
      BACKUP_DEST: 'file:///backup/1002/data,file:///backup/1002/archive',
      RESTORE_SCN_DISPLAY: '2025-03-01 10:05:00.120000',
      BACKUP_SET_LIST: 'file:///backup/1002/data/backup_set_1_full',
    });
    expect(await select(1, 'DBA_OB_RESTORE_PROGRESS')).toMatchObject([
      { STATUS: 'WAIT_TENANT_RESTORE_FINISH', RESTORE_TENANT_ID: '1006' },
    ]);
    expect(await select(1, 'CDB_OB_RESTORE_HISTORY')).toEqual([]);
  });

  test('both rows move to the history when it is over', async () => {
    fixture.store.restoreJobs.insert(
      restoreRow(1, { status: 'RESTORE_FAIL', endNs: at(500), comment: 'result: -4072' }),
    );
    fixture.store.restoreJobs.insert(restoreRow(2, { status: 'RESTORE_SUCCESS', endNs: at(500) }));
    expect(await select(1, 'CDB_OB_RESTORE_PROGRESS')).toEqual([]);
    const rows = await select(1, 'CDB_OB_RESTORE_HISTORY');
    expect(rows.map((row) => [row.JOB_ID, row.TENANT_ID, row.STATUS, row.FINISH_TABLET_COUNT, row.COMMENT])).toEqual([
      [1n, 1n, 'FAILED', 0n, 'result: -4072'],
      [1n, 1006n, 'FAILED', 0n, 'result: -4072'],
      [2n, 1n, 'SUCCESS', 10n, null],
      [2n, 1006n, 'SUCCESS', 10n, null],
    ]);
    expect(rows[0]!.BACKUP_CLUSTER_VERSION).toBe(17_180_066_560n);
  });

  test('the source tenant sees nothing of it, the new tenant its own row', async () => {
    fixture.store.tenants.insert(tenantRow(1006, 'restored', { role: 'STANDBY' }));
    fixture.store.restoreJobs.insert(restoreRow(1, { status: 'RESTORE_SUCCESS', endNs: at(500) }));
    expect(await select(MYSQL_ID, 'DBA_OB_RESTORE_HISTORY')).toEqual([]);
    expect(await select(1006, 'DBA_OB_RESTORE_HISTORY')).toMatchObject([
      { STATUS: 'SUCCESS', TOTAL_BYTES: 157_286_400n },
    ]);
  });

  test('a tenant has a row for each unbroken range and none when nothing can be restored', async () => {
    fixture.store.rounds.insert(roundRow(MYSQL_ID, 1, { status: 'INTERRUPTED', comment: 'log recycled' }));
    fixture.store.pieces.insert(pieceRow(MYSQL_ID, 1));
    fixture.store.rounds.insert(roundRow(MYSQL_ID, 2));
    fixture.windows.set(MYSQL_ID, [
      { fromScn: scnAt(10), toScn: scnAt(20), roundId: 1, backupSetIds: [1] },
      { fromScn: scnAt(40), toScn: scnAt(60), roundId: 2, backupSetIds: [2, 3] },
    ]);
    const rows = await select(1, 'CDB_HF_RESTORE_WINDOW');
    expect(
      rows.map((row) => [row.TENANT_NAME, row.ROUND_ID, row.BACKUP_SET_LIST, row.PIECE_LIST, row.COMMENT]),
    ).toEqual([
      ['mysql_tenant', 1n, '1', '1', 'round 1 is INTERRUPTED: log recycled'],
      ['mysql_tenant', 2n, '2,3', '', ''],
    ]);
    expect(rows[0]).toMatchObject({ FROM_SCN: scnAt(10), TO_SCN_DISPLAY: '2025-03-01 09:00:20.120000' });
    expect(await select(ORACLE_ID, 'DBA_HF_RESTORE_WINDOW')).toEqual([]);
  });
});

describe('tenant views', () => {
  test('DBA_OB_TENANTS shows all to sys and a tenant itself', async () => {
    const rows = await select(1, 'DBA_OB_TENANTS');
    expect(rows.map((row) => [row.TENANT_NAME, row.TENANT_TYPE, row.COMPATIBILITY_MODE, row.LOG_MODE])).toEqual([
      ['sys', 'SYS', 'MYSQL', 'NOARCHIVELOG'],
      ['mysql_tenant', 'USER', 'MYSQL', 'ARCHIVELOG'],
      ['oracle_tenant', 'USER', 'ORACLE', 'ARCHIVELOG'],
    ]);
    expect(await select(ORACLE_ID, 'DBA_OB_TENANTS')).toMatchObject([
      { TENANT_ID: '1004', RECOVERY_UNTIL_SCN: '4611686018427387903', CREATE_TIME: '2025-03-01 01:00:00.120000' },
    ]);
  });

  test('pools and units are shown with what was given', async () => {
    fixture.store.units.insert({
      name: 'u1',
      unitId: 1001,
      maxCpu: 2,
      minCpu: 0.5,
      memoryBytes: 1_073_741_824n,
      attributes: { MAX_IOPS: '1024' },
    });
    fixture.store.pools.insert({
      name: 'p1',
      poolId: 1001,
      unitName: 'u1',
      unitNum: 1,
      zones: ['z1', 'z2'],
      tenantId: MYSQL_ID,
    });
    expect(await select(1, 'DBA_OB_UNIT_CONFIGS')).toMatchObject([
      { NAME: 'u1', MAX_CPU: 2, MEMORY_SIZE: 1_073_741_824n, MAX_IOPS: 1024n, MIN_IOPS: null },
    ]);
    expect(await select(1, 'DBA_OB_RESOURCE_POOLS')).toMatchObject([
      { NAME: 'p1', UNIT_CONFIG_ID: 1001n, ZONE_LIST: 'z1;z2', TENANT_ID: 1002n },
    ]);
    expect(await select(1, 'DBA_OB_TENANTS')).toMatchObject([{}, { PRIMARY_ZONE: 'z1;z2' }, {}]);
  });
});

describe('information_schema', () => {
  const info = (name: string, tenantId = MYSQL_ID) => select(tenantId, name, 'information_schema');

  test('SCHEMATA lists the databases of the mode', async () => {
    expect((await info('SCHEMATA')).map((row) => row.SCHEMA_NAME)).toEqual([
      'information_schema',
      'main',
      'mysql',
      'oceanbase',
    ]);
    expect((await info('SCHEMATA', 1)).map((row) => row.SCHEMA_NAME)).toEqual([
      'information_schema',
      'mysql',
      'oceanbase',
    ]);
    expect(fixture.catalog.databases(viewerFor(fixture.store, ORACLE_ID))).toEqual(['main', 'SYS']);
  });

  test('the data database is also found by the name of its tenant', () => {
    const viewer = viewerFor(fixture.store, MYSQL_ID);
    expect(fixture.catalog.resolveDatabase(viewer, 'MYSQL_TENANT')).toBe('main');
    expect(fixture.catalog.resolveDatabase(viewer, 'OCEANBASE')).toBe('oceanbase');
    expect(fixture.catalog.resolveDatabase(viewer, 'oracle_tenant')).toBeUndefined();
    expect(fixture.catalog.resolveDatabase(viewerFor(fixture.store, 1), 'sys')).toBeUndefined();
  });

  test('TABLES and COLUMNS describe the tenant and the system views', async () => {
    const tables = await info('TABLES');
    expect(tables.filter((row) => row.TABLE_SCHEMA === 'main')).toMatchObject([
      { TABLE_NAME: 'orders', TABLE_TYPE: 'BASE TABLE', ENGINE: 'sqlite' },
      { TABLE_NAME: 'big_orders', TABLE_TYPE: 'VIEW', ENGINE: null },
    ]);
    expect(tables.find((row) => row.TABLE_NAME === 'DBA_OB_BACKUP_JOBS')).toMatchObject({ TABLE_TYPE: 'SYSTEM VIEW' });
    expect(tables.some((row) => String(row.TABLE_NAME).startsWith('CDB_'))).toBe(false);
    const columns = (await info('COLUMNS')).filter((row) => row.TABLE_NAME === 'orders');
    expect(columns).toMatchObject([
      { COLUMN_NAME: 'id', COLUMN_TYPE: 'bigint', COLUMN_KEY: 'PRI', IS_NULLABLE: 'NO', EXTRA: 'auto_increment' },
      {
        COLUMN_NAME: 'customer',
        DATA_TYPE: 'varchar',
        CHARACTER_MAXIMUM_LENGTH: 20n,
        COLUMN_DEFAULT: "it's",
        COLUMN_KEY: 'UNI',
      },
      { COLUMN_NAME: 'paid', NUMERIC_PRECISION: 10n, NUMERIC_SCALE: 2n, IS_NULLABLE: 'YES' },
    ]);
  });

  test('keys, constraints and view texts', async () => {
    expect((await info('STATISTICS')).map((row) => [row.INDEX_NAME, row.COLUMN_NAME])).toEqual([
      ['PRIMARY', 'id'],
      ['by_customer', 'customer'],
    ]);
    expect((await info('TABLE_CONSTRAINTS')).map((row) => row.CONSTRAINT_TYPE)).toEqual(['PRIMARY KEY', 'UNIQUE']);
    expect((await info('KEY_COLUMN_USAGE')).map((row) => row.COLUMN_NAME)).toEqual(['id', 'customer']);
    expect(await info('VIEWS')).toMatchObject([{ VIEW_DEFINITION: 'SELECT id FROM orders WHERE paid > 1000' }]);
  });

  test('PROCESSLIST shows a tenant its own connections, sys all', async () => {
    const connection = {
      ...{ id: 7, user: 'root', host: '127.0.0.1:1', database: null, command: 'Sleep', elapsedMs: 1500, info: null },
      tenantId: MYSQL_ID,
      tenantName: 'mysql_tenant',
    };
    fixture.connections.push(connection, { ...connection, id: 8, tenantId: ORACLE_ID });
    expect(await info('PROCESSLIST')).toMatchObject([{ ID: 7n, TIME: 1n, STATE: '' }]);
    expect(await info('PROCESSLIST', 1)).toHaveLength(2);
  });

  test('shows an account what it may read, and of others nothing', async () => {
    const { store, catalog, connections } = fixture;
    const connection = {
      ...{ id: 7, user: 'ann', host: '127.0.0.1:1', database: null, command: 'Sleep', elapsedMs: 0, info: null },
      ...{ tenantId: MYSQL_ID, tenantName: 'mysql_tenant' },
    };
    connections.push(connection, { ...connection, id: 8, user: 'root' }, { ...connection, id: 9, tenantId: ORACLE_ID });
    store.accounts.insert({
      ...accountWithoutPassword(MYSQL_ID, 'ann'),
      grants: [{ privilege: 'ALL', level: 'DATA' }],
    });
    const seen = async (grants: Grant[]) => {
      const viewer = viewerFor(store, MYSQL_ID, { user: 'ANN', rights: { isAdministrator: false, grants } });
      const table = (schema: string, name: string) => catalog.find(viewer, schema, name)!;
      const [schemata, users, ofSchemas, processes] = await catalog.fill(viewer, [
        table('information_schema', 'SCHEMATA'),
        table('information_schema', 'USER_PRIVILEGES'),
        table('information_schema', 'SCHEMA_PRIVILEGES'),
        table('information_schema', 'PROCESSLIST'),
      ]);
      return {
        databases: schemata!.rows.map(([, name]) => name),
        tables: [...new Set((await catalog.tables(viewer)).map(({ schema }) => schema))],
        grantees: users!.rows.map(([grantee]) => grantee),
        granted: ofSchemas!.rows.map(([grantee, , schema, privilege]) => [grantee, schema, privilege].join(' ')),
        connections: processes!.rows.map(([id]) => id),
        ownTables: (await catalog.engineTables(viewer)).length,
      };
    };
    const none = {
      databases: ['information_schema'],
      tables: ['information_schema'],
      grantees: ["'ann'@'%'"],
      granted: ["'ann'@'%' main ALL"],
      connections: [7n],
      ownTables: 0,
    };
    expect(await seen([])).toEqual(none);
    const data = ['information_schema', 'main'];
    expect(await seen([{ privilege: 'SELECT', level: 'DATA' }])).toEqual({
      ...none,
      ...{ databases: data, tables: data, ownTables: 2 },
    });
    const views = ['information_schema', 'oceanbase'];
    expect(await seen([{ privilege: 'SELECT', level: 'SYSTEM' }])).toEqual({
      ...none,
      ...{ databases: views, tables: views },
    });
    expect(await seen([{ privilege: 'ALTER SYSTEM', level: 'GLOBAL' }])).toEqual({ ...none, connections: [7n, 8n] });
    const all = ['information_schema', 'main', 'mysql', 'oceanbase'];
    expect(await seen([{ privilege: 'ALL', level: 'GLOBAL' }])).toEqual({
      ...{ databases: all, tables: all, connections: [7n, 8n], ownTables: 2 },
      ...{ grantees: ["'ann'@'%'", "'root'@'%'"], granted: none.granted },
    });
  });

  test('variables, engines, character sets and collations', async () => {
    expect(await info('SESSION_VARIABLES')).toEqual([{ VARIABLE_NAME: 'autocommit', VARIABLE_VALUE: 'ON' }]);
    expect(await info('ENGINES')).toMatchObject([{ ENGINE: 'sqlite', SUPPORT: 'DEFAULT' }]);
    expect((await info('CHARACTER_SETS')).map((row) => row.CHARACTER_SET_NAME)).toContain('utf8mb4');
    expect((await info('COLLATIONS')).filter((row) => row.IS_DEFAULT === 'Yes')).toHaveLength(4);
  });

  test.each(['ROUTINES', 'EVENTS', 'PARAMETERS', 'PLUGINS', 'TRIGGERS', 'REFERENTIAL_CONSTRAINTS', 'PARTITIONS'])(
    '%s is empty',
    async (name) => {
      expect(await info(name)).toEqual([]);
    },
  );
});

describe('the event history', () => {
  test('has names and values in order, and empty ones behind them', async () => {
    addRows(fixture.store);
    const [row] = await select(1, 'DBA_OB_ROOTSERVICE_EVENT_HISTORY');
    expect(Object.values(row!)).toEqual([
      '2025-03-01 09:05:00.120000',
      ...['backup_data', 'end_backup_data'],
      ...['tenant_id', '1002', 'job_id', '2', 'backup_set_id', '2', 'status', 'FAILED', 'result', '4016', '', ''],
      ...['Internal error', '127.0.0.1', 2881n],
    ]);
  });

  test('belongs to sys alone', () => {
    const { catalog, store } = fixture;
    for (const tenantId of [MYSQL_ID, ORACLE_ID]) {
      const viewer = viewerFor(store, tenantId);
      expect(catalog.find(viewer, catalog.systemSchema(viewer), 'DBA_OB_ROOTSERVICE_EVENT_HISTORY')).toBeUndefined();
    }
  });
});

describe('storage views', () => {
  test('show each path once with what is true now, and in the history what was before', async () => {
    addRows(fixture.store);
    expect(await select(MYSQL_ID, 'DBA_OB_BACKUP_STORAGE_INFO')).toEqual([
      {
        TENANT_ID: 1002n,
        PATH: 'file:///backup/1002/archive',
        ENDPOINT: '',
        DEST_ID: 1001n,
        DEST_TYPE: 'archive_log',
        AUTHORIZATION: '',
        EXTENSION: 'max_iops=100',
        CHECK_FILE_NAME: 'check_file/1002_connect_file_x.obbak',
        LAST_CHECK_TIMESTAMP: '2025-03-01 09:00:00.120000',
      },
      expect.objectContaining({ PATH: 'file:///backup/1002/data', DEST_TYPE: 'backup_data', EXTENSION: '' }),
    ]);
    const history = await select(1, 'CDB_OB_BACKUP_STORAGE_INFO_HISTORY');
    expect(history.map(({ TENANT_ID, DEST_ID, EXTENSION }) => [TENANT_ID, DEST_ID, EXTENSION])).toEqual([
      [1002n, 1001n, ''],
      [1004n, 1001n, ''],
    ]);
  });

  test('say of an object store whether a key is kept, to nobody which', async () => {
    const { store } = fixture;
    const uri = parseDestinationUri('s3://box/p?host=h:9000&access_id=PLANTED&access_key=PLANTED');
    for (const tenantId of [MYSQL_ID, ORACLE_ID]) {
      store.destIdFor(tenantId, formatDestinationUri(uri));
      store.changeDestination(tenantId, formatDestinationUri(uri), { destType: 'backup_data' });
    }
    keepAccess(store, MYSQL_ID, uri);
    const rows = await select(1, 'CDB_OB_BACKUP_STORAGE_INFO');
    expect(rows.map(({ TENANT_ID, ENDPOINT, AUTHORIZATION }) => [TENANT_ID, ENDPOINT, AUTHORIZATION])).toEqual([
      [1002n, 'host=h:9000', 'access_id=******&access_key=******'],
      [1004n, 'host=h:9000', ''],
    ]);
    const [row] = await select(MYSQL_ID, 'DBA_OB_BACKUP_STORAGE_INFO');
    expect(row).toMatchObject({ PATH: 's3://box/p?host=h:9000' });
    expect(Object.values(row!).join()).not.toContain('PLANTED');
  });

  test('keep a bounded history of a path, and say nothing of one that was never claimed', async () => {
    const { store } = fixture;
    store.destIdFor(MYSQL_ID, 'file:///wanted');
    expect(await select(1, 'CDB_OB_BACKUP_STORAGE_INFO')).toEqual([]);
    store.changeDestination(MYSQL_ID, 'file:///wanted', { destType: 'archive_log' });
    for (let iops = 1; iops <= 150; iops++)
      store.changeDestination(MYSQL_ID, 'file:///wanted', { options: { max_iops: String(iops) } });
    store.changeDestination(MYSQL_ID, 'file:///wanted', { options: { max_iops: '150' }, lastCheckNs: at(1) });
    const history = await select(1, 'CDB_OB_BACKUP_STORAGE_INFO_HISTORY');
    expect(history).toHaveLength(100);
    expect(history.at(-1)).toMatchObject({ EXTENSION: 'max_iops=149' });
    expect(await select(1, 'CDB_OB_BACKUP_STORAGE_INFO')).toMatchObject([{ EXTENSION: 'max_iops=150' }]);
  });
});

describe('LS_LOG_ARCHIVE_PROGRESS', () => {
  test('has a row for each piece, and counts bytes through a round', async () => {
    addRows(fixture.store);
    fixture.store.pieces.insert(pieceRow(MYSQL_ID, 3, { roundId: 2 }));
    fixture.store.rounds.change({ tenantId: MYSQL_ID, roundId: 2 }, { usedPieceId: 3 });
    const figures = { checkpointScn: scnAt(150), maxScn: scnAt(150), inputBytes: 0n, outputBytes: 0n };
    const openSegment = { segmentNo: 2, sizeBytes: 777 };
    const idle = { pendingCommits: 0, logBytes: 0, isAttached: true, comment: '' };
    fixture.figures.set(MYSQL_ID, { ...figures, ...idle, openSegment });
    const rows = await select(MYSQL_ID, 'DBA_OB_LS_LOG_ARCHIVE_PROGRESS');
    const shown = rows.map((row) => [row.ROUND_ID, row.PIECE_ID, row.STATUS, row.MIN_LSN, row.MAX_LSN, row.FILE_ID]);
    const bytes = fixture.store.pieces.get({ tenantId: MYSQL_ID, pieceId: 2 })!.inputBytes;
    expect(shown).toEqual([
      [1n, 1n, 'STOP', 0n, 1000n, null],
      [2n, 2n, 'STOP', 0n, bytes, null],
      [2n, 3n, 'DOING', bytes, 2n * bytes, 2n],
    ]);
    expect(rows[2]).toMatchObject({ FILE_OFFSET: 777n, CHECKPOINT_SCN: scnAt(150), LS_ID: 1n });
  });
});

describe('V$OB_PARAMETERS', () => {
  test('has cluster parameters once and for sys alone, and those of a tenant for each that the viewer may see', async () => {
    const { store } = fixture;
    store.setParameter(MYSQL_ID, 'archive_lag_target', '7s');
    store.setParameter(1, 'backup_clean_interval', '2h');
    const shown = async (tenantId: number, name: string) =>
      (await select(tenantId, 'GV$OB_PARAMETERS'))
        .filter((row) => row.NAME === name)
        .map(({ SCOPE, TENANT_ID, VALUE, ISDEFAULT }) => [SCOPE, TENANT_ID, VALUE, ISDEFAULT]);
    expect(await shown(1, 'archive_lag_target')).toEqual([
      ['TENANT', 1n, '120s', 'YES'],
      ['TENANT', 1002n, '7s', 'NO'],
      ['TENANT', 1004n, '120s', 'YES'],
    ]);
    expect(await shown(MYSQL_ID, 'archive_lag_target')).toEqual([['TENANT', 1002n, '7s', 'NO']]);
    expect(await shown(1, 'backup_clean_interval')).toEqual([['CLUSTER', null, '2h', 'NO']]);
    for (const tenantId of [MYSQL_ID, ORACLE_ID]) expect(await shown(tenantId, 'backup_clean_interval')).toEqual([]);
  });

  test('shows no destination: those are no parameters', async () => {
    addRows(fixture.store);
    const names = (await select(1, 'V$OB_PARAMETERS')).map(({ NAME }) => NAME);
    expect(names.filter((name) => /dest(_|$)/.test(String(name)))).toEqual([]);
  });
});
