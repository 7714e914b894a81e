// Goal: an operator finds out what happened, what a destination is allowed, and how far each log got, as the manual says.
// Method: a real server and clients of sys, a mysql and an oracle tenant; one run of the runbook, then every view of it.
import { mkdirSync } from 'node:fs';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  archiveTenant,
  backUp,
  fails,
  failure,
  HoldfastFixture,
  query,
  type Row,
  restore,
  waitFor,
} from './holdfast-fixture.ts';

let fixture: HoldfastFixture;
let sys: Connection;
let shop: Connection;
let oracle: Connection;

const SECRET = 'correct-horse-battery';
const rows = (sql: string) => query(sys, sql);
/** An event as `event name=value …`. */
const told = (row: Row) => {
  const pairs = [1, 2, 3, 4, 5, 6].filter((at) => row[`NAME${at}`] !== '');
  return [row.EVENT, ...pairs.map((at) => `${row[`NAME${at}`]}=${row[`VALUE${at}`]}`)].join(' ');
};
const eventsOf = async (module: string) =>
  (await rows(`SELECT * FROM oceanbase.DBA_OB_ROOTSERVICE_EVENT_HISTORY WHERE MODULE = '${module}'`)).map(told);
const change = (rest: string) => `ALTER SYSTEM CHANGE EXTERNAL_STORAGE_DEST ${rest}`;

beforeAll(async () => {
  fixture = await HoldfastFixture.start();
  sys = await fixture.login('root@sys');
  for (const name of ['shop', 'ora']) mkdirSync(fixture.path('backup', name), { recursive: true });
  await sys.query('CREATE TENANT shop');
  await sys.query("CREATE TENANT ora SET ob_compatibility_mode = 'oracle'");
  shop = await fixture.login('root@shop');
  oracle = await fixture.login('SYS@ora');
  await shop.query('CREATE TABLE item (id INTEGER PRIMARY KEY, body BLOB)');
  for (const name of ['shop', 'ora']) await archiveTenant(sys, fixture, name);
  await sys.query(`SET ENCRYPTION ON IDENTIFIED BY '${SECRET}' ONLY`);
  await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = shop');
  await sys.query(`SET DECRYPTION IDENTIFIED BY '${SECRET}'`);
}, 120_000);
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

describe('the event history', () => {
  test('tells the life of a round and of a backup in order', async () => {
    const path = fixture.uri('backup', 'shop', 'archive');
    expect((await eventsOf('log_archive')).filter((event) => event.includes('tenant_id=1002 '))).toEqual([
      expect.stringContaining(`change_lease tenant_id=1002 path=${path} status=HELD generation=1 `),
      `set_log_archive_dest tenant_id=1002 dest_id=1001 path=${path} binding=OPTIONAL piece_switch_interval=1d`,
      'set_log_mode tenant_id=1002 log_mode=ARCHIVELOG',
      'change_status tenant_id=1002 dest_id=1001 round_id=1 from= status=PREPARE result=0',
      'change_status tenant_id=1002 dest_id=1001 round_id=1 from=PREPARE status=BEGINNING result=0',
      'change_status tenant_id=1002 dest_id=1001 round_id=1 from=BEGINNING status=DOING result=0',
    ]);
    const backups = (await eventsOf('backup_data')).filter((event) => !/^(set_|change_lease )/.test(event));
    const initiator = 'initiator_tenant_id=1 initiator_job_id=1';
    expect(backups).toEqual([
      `start_backup_data tenant_id=1 job_id=1 backup_set_id=0 backup_type=FULL ${initiator}`,
      `start_backup_data tenant_id=1002 job_id=1 backup_set_id=1 backup_type=FULL ${initiator}`,
      'end_backup_data tenant_id=1002 job_id=1 backup_set_id=1 status=COMPLETED result=0',
      'end_backup_data tenant_id=1 job_id=1 backup_set_id=0 status=COMPLETED result=0',
    ]);
    expect(await eventsOf('tenant')).toEqual([
      'create_tenant tenant_id=1002 tenant_name=shop is_adopted=NO',
      'create_tenant tenant_id=1004 tenant_name=ora is_adopted=NO',
    ]);
  });

  test('tells failures with number and words, and restores; a statement that is refused is no event', async () => {
    const from = `FROM '${fixture.uri('backup', 'shop', 'data')},${fixture.uri('backup', 'shop', 'archive')}'`;
    await restore(sys, 'back', `${from} WITH ''`);
    const other = await fixture.login('root@sys');
    await failure(other.query(`ALTER SYSTEM RESTORE nothing ${from} WITH ''`));
    await shop.query('ALTER SYSTEM NOARCHIVELOG');
    await waitFor(
      sys,
      'SELECT STATUS FROM oceanbase.CDB_OB_ARCHIVELOG WHERE TENANT_ID = 1002',
      ([r]) => r?.STATUS === 'STOP',
    );
    await backUp(sys, 'ALTER SYSTEM BACKUP DATABASE');
    const [skipped] = await rows(
      "SELECT * FROM oceanbase.DBA_OB_ROOTSERVICE_EVENT_HISTORY WHERE VALUE4 = 'FAILED' AND VALUE1 = '1002'",
    );
    expect(told(skipped!)).toBe('end_backup_data tenant_id=1002 job_id=2 backup_set_id=0 status=FAILED result=9040');
    expect(skipped!.EXTRA_INFO).toContain('log archive status is not doing');
    expect(skipped!.RS_SVR_PORT).toBe(String(fixture.port));
    const restores = await eventsOf('physical_restore');
    expect(restores[0]).toMatch(
      /^restore_start tenant_id=\d+ job_id=\d+ tenant_name=back backup_tenant_id=1002 restore_scn=\d+$/,
    );
    expect(restores.slice(1).map((event) => event.split(' ')[0])).toEqual(['restore_success']);
    expect(await eventsOf('log_archive')).toContainEqual(
      expect.stringMatching(/^freeze_piece tenant_id=1002 round_id=1 piece_id=1 file_status=AVAILABLE/),
    );
    await shop.query('ALTER SYSTEM ARCHIVELOG');
    await waitFor(
      sys,
      "SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG WHERE STATUS = 'DOING'",
      (found) => found.length === 2,
    );
  });

  test('survives a crash, is for sys alone, and holds no secret', async () => {
    const all = await rows('SELECT * FROM oceanbase.DBA_OB_ROOTSERVICE_EVENT_HISTORY');
    await fixture.kill();
    await fixture.startServer();
    [sys, shop, oracle] = await Promise.all([
      fixture.login('root@sys'),
      fixture.login('root@shop'),
      fixture.login('SYS@ora'),
    ]);
    const again = await rows('SELECT * FROM oceanbase.DBA_OB_ROOTSERVICE_EVENT_HISTORY');
    expect(again.slice(0, all.length)).toEqual(all);
    expect(JSON.stringify(again)).not.toContain(SECRET);
    expect(await fails(shop, 'SELECT * FROM oceanbase.DBA_OB_ROOTSERVICE_EVENT_HISTORY')).toContain('1146 ');
    expect(await fails(oracle, 'SELECT * FROM SYS.DBA_OB_ROOTSERVICE_EVENT_HISTORY')).toContain('942');
  });
});

describe('CHANGE EXTERNAL_STORAGE_DEST', () => {
  const info = async (connection: Connection, schema: string, history = '') =>
    (await query(connection, `SELECT * FROM ${schema}.DBA_OB_BACKUP_STORAGE_INFO${history}`)).map((row) => [
      row.DEST_TYPE,
      row.EXTENSION,
    ]);

  test('is refused in the words of the manual', async () => {
    const path = `PATH '${fixture.uri('backup', 'shop', 'archive')}'`;
    expect(await fails(sys, change(`${path} SET ATTRIBUTE 'max_iops=5'`))).toBe(
      '1235 CHANGE EXTERNAL_STORAGE_DEST for the sys tenant (add TENANT = name) not supported',
    );
    expect(await fails(shop, change(`${path} SET ATTRIBUTE 'max_iops=5' TENANT = shop`))).toContain('1227 ');
    expect(await fails(shop, change("PATH 'file:///nowhere' SET ATTRIBUTE 'max_iops=5'"))).toContain(
      '4018 Entry not exist: the path does not exist',
    );
    // A path of another tenant does not exist for this one.
    expect(await fails(oracle, change(`${path} SET ATTRIBUTE 'max_iops=5'`))).toContain('the path does not exist');
    const access = `${path} SET ACCESS_INFO = 'access_id=me&access_key=${SECRET}'`;
    expect(await fails(shop, change(access))).toContain('1235 ACCESS_INFO');
    expect(await fails(shop, change(access))).not.toContain(SECRET);
    expect(await fails(shop, change(`${path} SET ATTRIBUTE 'max_iops=lots'`))).toContain('1210 ');
    expect(await fails(shop, change("PATH 'nfs://x' SET ATTRIBUTE 'max_iops=5'"))).toContain('9026 ');
    expect(fixture.output).not.toContain(SECRET);
  });

  test('changes what is named, for the tenant or by sys, and keeps what was before', async () => {
    const path = `PATH = '${fixture.uri('backup', 'ora', 'archive')}'`;
    await oracle.query(change(`${path} SET ATTRIBUTE = 'max_iops=500&max_bandwidth=80m'`));
    await sys.query(`ALTER SYSTEM MODIFY EXTERNAL_STORAGE_DEST ${path} SET ATTRIBUTE = 'max_iops=0' TENANT = ora`);
    expect(await info(oracle, 'SYS')).toEqual([
      ['archive_log', 'max_bandwidth=80M'],
      ['backup_data', ''],
    ]);
    expect(await info(oracle, 'SYS', '_HISTORY')).toEqual([
      ['archive_log', ''],
      ['archive_log', 'max_iops=500&max_bandwidth=80M'],
    ]);
    expect(await info(shop, 'oceanbase', '_HISTORY')).toEqual([]);
    const [row] = await rows('SELECT * FROM oceanbase.CDB_OB_BACKUP_STORAGE_INFO WHERE TENANT_ID = 1004');
    expect(row).toMatchObject({ DEST_ID: '1001', AUTHORIZATION: '', ENDPOINT: '' });
    expect(row!.LAST_CHECK_TIMESTAMP).toMatch(/^\d{4}-\d\d-\d\d /);
    expect(row!.CHECK_FILE_NAME).toMatch(/^check_file\/1004_connect_file_.*\.obbak$/);
  });

  test('reaches an archive that is running', async () => {
    const path = `PATH '${fixture.uri('backup', 'shop', 'archive')}'`;
    const status = 'SELECT SYNCHRONIZED, COMMENT FROM oceanbase.V$OB_ARCHIVE_DEST_STATUS';
    await waitFor(shop, status, ([row]) => row?.SYNCHRONIZED === 'YES');
    await shop.query(change(`${path} SET ATTRIBUTE 'max_iops=1&max_bandwidth=1M'`));
    for (let id = 1; id <= 8; id++) await shop.query('INSERT INTO item VALUES (?, randomblob(1000000))', [id]);
    // Eight megabytes at one a second: it is behind, and stays so for many looks, until it is allowed more.
    let behind = 0;
    await waitFor(shop, status, ([row]) => {
      behind = row?.SYNCHRONIZED === 'NO' ? behind + 1 : 0;
      return behind === 20;
    });
    await shop.query(change(`${path} SET ATTRIBUTE 'max_iops=0&max_bandwidth=0'`));
    await waitFor(shop, status, ([row]) => row?.SYNCHRONIZED === 'YES' && row.COMMENT === '');
    expect(await eventsOf('log_archive')).toContainEqual(
      expect.stringMatching(/^change_external_storage_dest tenant_id=1002 .* attribute=max_iops=1&max_bandwidth=1M$/),
    );
  });
});

test('LS_LOG_ARCHIVE_PROGRESS follows a log through its pieces', async () => {
  const progress = await query(shop, 'SELECT * FROM oceanbase.DBA_OB_LS_LOG_ARCHIVE_PROGRESS');
  expect(progress.map((row) => [row.ROUND_ID, row.PIECE_ID, row.STATUS])).toEqual([
    ['1', '1', 'STOP'],
    ['2', '2', 'DOING'],
  ]);
  const [round] = await query(shop, 'SELECT * FROM oceanbase.DBA_OB_ARCHIVELOG');
  expect(progress[1]).toMatchObject({ START_SCN: round!.START_SCN, MIN_LSN: '0', MAX_LSN: progress[1]!.INPUT_BYTES });
  expect(Number(progress[1]!.FILE_ID)).toBeGreaterThan(0);
  expect(Number(progress[1]!.FILE_OFFSET)).toBeGreaterThan(0);
});

test('parameters are listed with all columns, to a tenant his own', async () => {
  await sys.query("ALTER SYSTEM SET archive_lag_target = '7s' TENANT = shop");
  const [shown] = await query(shop, "SHOW PARAMETERS LIKE 'archive_lag_target'");
  expect(Object.keys(shown!).join(' ')).toBe(
    'zone svr_type svr_ip svr_port name data_type value info section scope source edit_level default_value isdefault',
  );
  expect(shown).toMatchObject({ value: '7s', scope: 'TENANT', default_value: '120s', isdefault: 'NO' });
  expect(await rows("SHOW PARAMETERS WHERE name = 'archive_lag_target' TENANT = shop")).toMatchObject([
    { value: '7s' },
  ]);
  expect(await rows("SHOW PARAMETERS LIKE '%dest'")).toEqual([]);
  expect(await fails(shop, "SHOW PARAMETERS LIKE 'archive%' TENANT = ora")).toContain('1227 ');
  const lag =
    "SELECT TENANT_ID, VALUE FROM oceanbase.GV$OB_PARAMETERS WHERE NAME = 'archive_lag_target' AND TENANT_ID > 1";
  expect(await query(shop, lag)).toEqual([{ TENANT_ID: expect.anything(), VALUE: '7s' }]);
  expect((await rows(lag)).map(({ VALUE }) => VALUE)).toEqual(['7s', '120s', '120s']);
  expect(await eventsOf('parameter')).toEqual(['set_parameter tenant_id=1002 name=archive_lag_target value=7s']);
});
