// Goal: every statement of the manual's runbook works word for word on real data that another process is writing.
// Method: one server, one writer, the mysql2 client; the tests build on each other in the runbook's order.
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DatabaseSync } from '../../src/base/sqlite.ts';
import { failure, HoldfastFixture, query, type Row, type Writer, waitFor } from './holdfast-fixture.ts';

let fixture: HoldfastFixture;
let writer: Writer;
let sys: Connection;
let app: string;

beforeAll(async () => {
  fixture = await HoldfastFixture.start();
  mkdirSync(fixture.path('app'));
  mkdirSync(fixture.path('backup'));
  app = fixture.path('app', 'app.db');
  writer = await fixture.startWriter(app, { rate: 50, churn: 500 });
  sys = await fixture.login('root@sys');
});
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

const uri = (...parts: string[]) => fixture.uri('backup', ...parts);
const finished = (rows: Row[]) => rows.length === 0;

describe('the runbook', () => {
  test('CREATE RESOURCE UNIT and POOL are kept', async () => {
    await sys.query("CREATE RESOURCE UNIT unit1 MAX_CPU 2, MIN_CPU 1, MEMORY_SIZE '1G'");
    await sys.query("CREATE RESOURCE POOL pool1 UNIT = 'unit1', UNIT_NUM = 1, ZONE_LIST = ('zone1')");
    expect((await failure(sys.query("CREATE RESOURCE POOL pool1 UNIT = 'unit1', UNIT_NUM = 1"))).errno).toBe(4649);
    expect((await failure(sys.query('DROP RESOURCE UNIT unit1'))).errno).toBe(4635);
  });

  test('CREATE TENANT adopts a database while its application goes on writing', async () => {
    await sys.query(`CREATE TENANT mysql_tenant RESOURCE_POOL_LIST = ('pool1') LOCATION = '${app}'`);
    await sys.query("CREATE TENANT oracle_tenant ENGINE = 'sqlite' SET ob_compatibility_mode = 'oracle'");
    await sys.query('CREATE TENANT IF NOT EXISTS oracle_tenant');
    expect((await failure(sys.query('CREATE TENANT mysql_tenant'))).errno).toBe(5156);
    const tenants = await query(sys, 'SELECT * FROM oceanbase.DBA_OB_TENANTS ORDER BY TENANT_ID');
    expect(
      tenants.map((row) => [String(row.TENANT_ID), row.TENANT_NAME, row.COMPATIBILITY_MODE, row.STATUS, row.LOG_MODE]),
    ).toEqual([
      ['1', 'sys', 'MYSQL', 'NORMAL', 'NOARCHIVELOG'],
      ['1002', 'mysql_tenant', 'MYSQL', 'NORMAL', 'NOARCHIVELOG'],
      ['1004', 'oracle_tenant', 'ORACLE', 'NORMAL', 'NOARCHIVELOG'],
    ]);
  });

  test('a backup without archive is refused with 9040 and the documented text', async () => {
    const error = await failure(sys.query('ALTER SYSTEM BACKUP TENANT = mysql_tenant'));
    expect(error.errno).toBe(9040);
    expect(error.sqlState).toBe('HY000');
    expect(error.sqlMessage).toContain('backup can not start, because log archive status is not doing.');
    const all = await failure(sys.query('ALTER SYSTEM BACKUP DATABASE'));
    expect(all.sqlMessage).toContain('no tenant meets the backup condition, please check the tenant status');
  });

  test('LOG_ARCHIVE_DEST and DATA_BACKUP_DEST are set by sys and by the tenant itself', async () => {
    await sys.query(
      `ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=${uri('m', 'archive')} PIECE_SWITCH_INTERVAL=1d BINDING=Optional' TENANT = mysql_tenant`,
    );
    await sys.query(`ALTER SYSTEM SET DATA_BACKUP_DEST='${uri('m', 'data')}' TENANT = mysql_tenant`);
    const oracle = await fixture.login('SYS@oracle_tenant');
    await oracle.query(`ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=${uri('o', 'archive')}'`);
    await oracle.query(`ALTER SYSTEM SET DATA_BACKUP_DEST='${uri('o', 'data')}'`);
    expect(
      await query(sys, 'SELECT NAME, VALUE FROM oceanbase.CDB_OB_ARCHIVE_DEST WHERE TENANT_ID = 1002 ORDER BY NAME'),
    ).toEqual([
      { NAME: 'binding', VALUE: 'OPTIONAL' },
      { NAME: 'dest_id', VALUE: '1001' },
      { NAME: 'path', VALUE: uri('m', 'archive') },
      { NAME: 'piece_switch_interval', VALUE: '1d' },
      { NAME: 'state', VALUE: 'ENABLE' },
    ]);
    expect(await query(oracle, 'SELECT * FROM SYS.DBA_OB_BACKUP_PARAMETER')).toEqual([
      { NAME: 'data_backup_dest', VALUE: uri('o', 'data') },
    ]);
    expect(
      (await failure(sys.query(`ALTER SYSTEM SET DATA_BACKUP_DEST='${uri('m', 'data')}' TENANT = oracle_tenant`)))
        .errno,
    ).toBe(9081);
  });

  test('ARCHIVELOG goes through to DOING; twice is 9091', async () => {
    await sys.query('ALTER SYSTEM ARCHIVELOG TENANT = mysql_tenant');
    await waitFor(sys, 'SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG', ([row]) => row?.STATUS === 'DOING');
    expect((await failure(sys.query('ALTER SYSTEM ARCHIVELOG TENANT = mysql_tenant'))).errno).toBe(9091);
    const [row] = await query(sys, 'SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG');
    expect(row).toMatchObject({ STATUS: 'DOING', COMMENT: '', PATH: uri('m', 'archive') });
    expect(BigInt(row!.CHECKPOINT_SCN!)).toBeGreaterThanOrEqual(BigInt(row!.START_SCN!));
  });

  test('BACKUP DATABASE from sys encrypts with the session password, shows who was left out, and is in the history', async () => {
    await sys.query("SET ENCRYPTION ON IDENTIFIED BY 'manual' ONLY");
    const [header] = await sys.query('ALTER SYSTEM BACKUP DATABASE');
    expect((header as unknown as { warningStatus: number }).warningStatus).toBe(1);
    const [warning] = await query(sys, 'SHOW WARNINGS');
    expect(warning).toMatchObject({ Level: 'Warning' });
    expect(warning!.Message).toContain(
      "'oracle_tenant' is left out of this backup, because log archive status is not doing.",
    );
    await waitFor(sys, 'SELECT * FROM oceanbase.CDB_OB_BACKUP_JOBS', finished);
    const history = await query(sys, 'SELECT * FROM oceanbase.CDB_OB_BACKUP_JOB_HISTORY ORDER BY TENANT_ID');
    expect(history.map((row) => [String(row.TENANT_ID), row.STATUS, row.JOB_LEVEL, String(row.RESULT)])).toEqual([
      ['1', 'COMPLETED', 'CLUSTER', '0'],
      ['1002', 'COMPLETED', expect.any(String), '0'],
      ['1004', 'FAILED', expect.any(String), '9040'],
    ]);
    const [set] = await query(sys, 'SELECT * FROM oceanbase.CDB_OB_BACKUP_SET_FILES WHERE TENANT_ID = 1002');
    expect(set).toMatchObject({
      BACKUP_TYPE: 'FULL',
      STATUS: 'SUCCESS',
      FILE_STATUS: 'AVAILABLE',
      ENCRYPTION_MODE: 'PASSWORD_ENCRYPTION',
    });
    expect(set!.PASSWD).not.toContain('manual');
  });

  test('the password is gone on reconnect', async () => {
    const again = await fixture.login('root@sys');
    await again.query("ALTER SYSTEM BACKUP TENANT = mysql_tenant DESCRIPTION = 'weekly'");
    await waitFor(sys, 'SELECT * FROM oceanbase.CDB_OB_BACKUP_JOBS', finished);
    const [job] = await query(
      sys,
      'SELECT * FROM oceanbase.CDB_OB_BACKUP_JOB_HISTORY WHERE TENANT_ID = 1002 ORDER BY JOB_ID DESC LIMIT 1',
    );
    expect(job).toMatchObject({
      STATUS: 'COMPLETED',
      ENCRYPTION_MODE: 'NONE',
      DESCRIPTION: 'weekly',
      JOB_LEVEL: 'USER_TENANT',
    });
  });

  test('a tenant backs itself up and sees only its own rows', async () => {
    const tenant = await fixture.login('root@mysql_tenant');
    await tenant.query('ALTER SYSTEM BACKUP DATABASE');
    await waitFor(tenant, 'SELECT * FROM oceanbase.DBA_OB_BACKUP_JOBS', finished);
    const history = await query(tenant, 'SELECT * FROM oceanbase.DBA_OB_BACKUP_JOB_HISTORY ORDER BY JOB_ID');
    expect(history.at(-1)).toMatchObject({
      STATUS: 'COMPLETED',
      INITIATOR_TENANT_ID: expect.anything(),
      JOB_LEVEL: 'USER_TENANT',
    });
    expect(String(history.at(-1)!.INITIATOR_JOB_ID)).toBe('0');
    expect(Object.keys(history[0]!)).not.toContain('TENANT_ID');
    expect((await failure(tenant.query('SELECT * FROM oceanbase.CDB_OB_BACKUP_JOBS'))).errno).toBe(1146);
    expect((await failure(tenant.query('ALTER SYSTEM BACKUP TENANT = oracle_tenant'))).errno).toBe(1235);
  });

  test('SYS@oracle_tenant does the same, with ORA texts for errors', async () => {
    const oracle = await fixture.login('SYS@oracle_tenant');
    const error = await failure(oracle.query('ALTER SYSTEM BACKUP DATABASE'));
    expect(error.sqlMessage).toContain('ORA-00600: internal error code, arguments: -9040, backup can not start');
    await oracle.query('CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(20))');
    await oracle.query("INSERT INTO t VALUES (1, 'x')");
    await oracle.query('ALTER SYSTEM ARCHIVELOG');
    await waitFor(oracle, 'SELECT * FROM SYS.DBA_OB_ARCHIVELOG', ([row]) => row?.STATUS === 'DOING');
    await oracle.query('ALTER SYSTEM BACKUP DATABASE');
    await waitFor(oracle, 'SELECT * FROM SYS.DBA_OB_BACKUP_JOBS', finished);
    const [job] = await query(oracle, 'SELECT STATUS FROM DBA_OB_BACKUP_JOB_HISTORY ORDER BY JOB_ID DESC LIMIT 1');
    expect(job).toEqual({ STATUS: 'COMPLETED' });
  });

  test('restores to the moment before a mistake; a wrong or missing password is refused and leaves nothing', async () => {
    const tenant = await fixture.login('root@mysql_tenant');
    await sys.query("SET ENCRYPTION ON IDENTIFIED BY 'manual' ONLY");
    await sys.query('ALTER SYSTEM BACKUP TENANT = mysql_tenant');
    await waitFor(sys, 'SELECT * FROM oceanbase.CDB_OB_BACKUP_JOBS', finished);
    const [before] = await query(tenant, 'SELECT COUNT(*) AS n, MAX(n) AS top FROM marker');
    await sleep(300);
    const [{ t: untilTime }] = (await query(tenant, 'SELECT NOW(6) AS t')) as [Row];
    await sleep(300);
    await tenant.query('DELETE FROM marker WHERE n % 2 = 0');
    await sleep(300);
    const from = `FROM '${uri('m', 'data')},${uri('m', 'archive')}' UNTIL TIME='${untilTime}' WITH 'pool_list='`;
    expect((await failure(sys.query(`ALTER SYSTEM RESTORE back1 ${from}`))).errno).toBe(9047);
    await sys.query("SET DECRYPTION IDENTIFIED BY 'wrong'");
    expect((await failure(sys.query(`ALTER SYSTEM RESTORE back1 ${from}`))).errno).toBe(9047);
    expect(await query(sys, "SELECT * FROM oceanbase.DBA_OB_TENANTS WHERE TENANT_NAME = 'back1'")).toEqual([]);
    await sys.query("SET DECRYPTION IDENTIFIED BY 'wrong', 'manual'");
    await sys.query(`ALTER SYSTEM RESTORE back1 ${from}`);
    await waitFor(sys, 'SELECT * FROM oceanbase.CDB_OB_RESTORE_PROGRESS', finished);
    const rows = await query(sys, "SELECT * FROM oceanbase.CDB_OB_RESTORE_HISTORY WHERE RESTORE_TENANT_NAME = 'back1'");
    expect(rows.map(({ STATUS }) => STATUS)).toEqual(['SUCCESS', 'SUCCESS']);
    const restored = await fixture.login('root@back1');
    const [{ evens, total }] = (await query(
      restored,
      'SELECT SUM(n % 2 = 0) AS evens, COUNT(*) AS total FROM marker',
    )) as [Row];
    expect(Number(evens)).toBeGreaterThanOrEqual(Math.floor(Number(before!.n) / 2));
    expect(Number(total)).toBeGreaterThanOrEqual(Number(before!.n));
    expect(Number(total)).toBe(2 * Number(evens) + (Number(total) % 2));
  });

  test('the restored tenant is a read-only STANDBY until it is activated', async () => {
    const restored = await fixture.login('root@back1');
    expect((await failure(restored.query('INSERT INTO marker VALUES (-1, 1)'))).errno).toBe(1290);
    expect(await query(sys, "SELECT TENANT_ROLE FROM oceanbase.DBA_OB_TENANTS WHERE TENANT_NAME = 'back1'")).toEqual([
      { TENANT_ROLE: 'STANDBY' },
    ]);
    await sys.query('ALTER SYSTEM ACTIVATE STANDBY TENANT = back1 VERIFY');
    await sys.query('ALTER SYSTEM ACTIVATE STANDBY TENANT = back1');
    expect(await query(sys, "SELECT TENANT_ROLE FROM oceanbase.DBA_OB_TENANTS WHERE TENANT_NAME = 'back1'")).toEqual([
      { TENANT_ROLE: 'PRIMARY' },
    ]);
    const opened = await fixture.login('root@back1');
    await opened.query('INSERT INTO marker VALUES (-1, 1)');
  });

  test('PREVIEW names sets, pieces and the restore window', async () => {
    const rows = await query(sys, `ALTER SYSTEM RESTORE FROM '${uri('m', 'data')},${uri('m', 'archive')}' PREVIEW`);
    expect(rows.map(({ ITEM }) => ITEM)).toEqual(
      expect.arrayContaining(['RESTORE POINT', 'BACKUP SET', 'PIECE', 'RESTORE WINDOW']),
    );
    const window = await query(sys, 'SELECT * FROM oceanbase.CDB_HF_RESTORE_WINDOW WHERE TENANT_ID = 1002');
    expect(window).toHaveLength(1);
    expect(BigInt(window[0]!.TO_SCN!)).toBeGreaterThan(BigInt(window[0]!.FROM_SCN!));
  });

  test('a target outside of the window is refused and the nearest points are named', async () => {
    const from = `FROM '${uri('m', 'data')},${uri('m', 'archive')}'`;
    const early = await failure(
      sys.query(`ALTER SYSTEM RESTORE early ${from} UNTIL TIME='2001-01-01 00:00:00' WITH ''`),
    );
    expect(early.errno).toBe(9119);
    expect(early.sqlMessage).toMatch(/20\d\d-\d\d-\d\d/);
    const late = await failure(sys.query(`ALTER SYSTEM RESTORE late ${from} UNTIL TIME='2101-01-01 00:00:00' WITH ''`));
    expect([9119, 4018, 9077]).toContain(late.errno);
    expect(late.sqlMessage).toMatch(/20\d\d-\d\d-\d\d/);
  });

  test('the application never noticed, and its file is sound', async () => {
    const committed = await writer.stop();
    expect(committed).toBeGreaterThan(50);
    const db = new DatabaseSync(app, { readOnly: true });
    expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
    expect(db.prepare("SELECT COUNT(*) AS n FROM sqlite_schema WHERE name LIKE '%holdfast%'").get()).toEqual({ n: 0 });
    db.close();
  });

  test('NOARCHIVELOG stops the round; the next one has the next number', async () => {
    await sys.query('ALTER SYSTEM NOARCHIVELOG TENANT = mysql_tenant');
    await waitFor(
      sys,
      'SELECT STATUS FROM oceanbase.CDB_OB_ARCHIVELOG WHERE TENANT_ID = 1002',
      ([row]) => row?.STATUS === 'STOP',
    );
    expect((await failure(sys.query('ALTER SYSTEM NOARCHIVELOG TENANT = mysql_tenant'))).errno).toBe(9092);
    await sys.query('ALTER SYSTEM ARCHIVELOG TENANT = mysql_tenant');
    const [round] = await waitFor(
      sys,
      'SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG WHERE TENANT_ID = 1002',
      ([row]) => row?.STATUS === 'DOING',
    );
    expect([String(round!.ROUND_ID), String(round!.BASE_PIECE_ID)]).toEqual(['2', '2']);
    expect(
      await query(
        sys,
        'SELECT ROUND_ID, STATUS FROM oceanbase.CDB_OB_ARCHIVELOG_SUMMARY WHERE TENANT_ID = 1002 ORDER BY ROUND_ID',
      ),
    ).toHaveLength(2);
  });

  test('DROP TENANT leaves an adopted database alone and removes a created one', async () => {
    await sys.query('DROP TENANT mysql_tenant FORCE');
    await sys.query('DROP TENANT oracle_tenant FORCE');
    const db = new DatabaseSync(app, { readOnly: true });
    expect(Number(db.prepare('SELECT COUNT(*) AS n FROM marker').get()!.n)).toBeGreaterThan(0);
    db.close();
    expect((await failure(fixture.login('root@oracle_tenant'))).errno).toBe(5160);
  });
});
