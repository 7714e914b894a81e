// Goal: whoever knows the manual's pages on cleaning finds every statement, view and error of them, on real databases.
// Method: a real server and an application's SQLite file; policies, deletion by hand, preview, the automatic check.
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { archiveTenant, backUp, fails, HoldfastFixture, query, restore, waitFor } from './holdfast-fixture.ts';

let fixture: HoldfastFixture;
let sys: Connection;
let shop: Connection;
let oracle: Connection;

const rows = (sql: string) => query(sys, sql);
const HISTORY = 'SELECT * FROM oceanbase.CDB_OB_BACKUP_DELETE_JOB_HISTORY ORDER BY TENANT_ID, JOB_ID';
const jobsEnd = () => waitFor(sys, 'SELECT * FROM oceanbase.CDB_OB_BACKUP_DELETE_JOBS', (found) => found.length === 0);
const setStates = async () =>
  (
    await rows(`SELECT FILE_STATUS FROM oceanbase.CDB_OB_BACKUP_SET_FILES s JOIN oceanbase.DBA_OB_TENANTS t
      USING (TENANT_ID) WHERE t.TENANT_NAME = 'shop' ORDER BY BACKUP_SET_ID`)
  ).map((row) => row.FILE_STATUS);

beforeAll(async () => {
  fixture = await HoldfastFixture.start();
  sys = await fixture.login('root@sys');
  for (const name of ['shop', 'ora']) mkdirSync(fixture.path('backup', name), { recursive: true });
  await sys.query('CREATE TENANT shop');
  await sys.query("CREATE TENANT ora SET ob_compatibility_mode = 'oracle'");
  shop = await fixture.login('root@shop');
  oracle = await fixture.login('SYS@ora');
  await shop.query('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
  for (const name of ['shop', 'ora']) await archiveTenant(sys, fixture, name);
  await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = shop, ora');
  await shop.query("INSERT INTO item VALUES (1, 'one')");
  await backUp(sys, 'ALTER SYSTEM BACKUP INCREMENTAL TENANT = shop');
  // The first round ends, and with it its piece.
  await sys.query('ALTER SYSTEM NOARCHIVELOG TENANT = shop');
  await waitFor(sys, "SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG WHERE STATUS = 'STOP'", (found) => found.length === 1);
  await archiveTenant(sys, fixture, 'shop').catch(() => sys.query('ALTER SYSTEM ARCHIVELOG TENANT = shop'));
  await waitFor(sys, "SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG WHERE STATUS = 'DOING'", (found) => found.length === 2);
  await shop.query("INSERT INTO item VALUES (2, 'two')");
  await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = shop');
}, 120_000);
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

describe('delete policies', () => {
  test('are refused in the words of the manual', async () => {
    const add = (rest: string) => `ALTER SYSTEM ADD DELETE BACKUP POLICY ${rest}`;
    expect(await fails(sys, add("'default' RECOVERY_WINDOW '7d'"))).toBe(
      '1235 Too little tenant names specified, only one tenant name can be specified not supported',
    );
    expect(await fails(sys, add("'default' RECOVERY_WINDOW '7d' TENANT shop, ora"))).toContain(
      '1235 Too many tenant names',
    );
    expect(await fails(sys, add("'weekly' RECOVERY_WINDOW '7d' TENANT shop"))).toContain(
      "1235 The policy name is not 'default', it is not supported",
    );
    expect(await fails(sys, add("'default' TENANT shop"))).toContain(
      '1235 Neither recovery_window nor redundancy is set',
    );
    expect(await fails(sys, add("'default' RECOVERY_WINDOW 'soon' TENANT shop"))).toContain(
      'recovery window is not be time string',
    );
    expect(await fails(sys, add("'default' REDUNDANCY 0 TENANT shop"))).toContain('1210 ');
    expect(await fails(sys, add("'log_only' REDUNDANCY 2 TENANT shop"))).toContain('1235 ');
    expect(await fails(sys, add("'default' RECOVERY_WINDOW '7d' TENANT nobody"))).toContain('5160 ');
    expect(await fails(shop, add("'default' RECOVERY_WINDOW '7d' TENANT shop"))).toContain('1227 ');
    expect(await fails(sys, "ALTER SYSTEM DROP DELETE BACKUP POLICY 'default' TENANT shop")).toContain('4018 ');
    expect(await rows('SELECT * FROM oceanbase.CDB_OB_BACKUP_DELETE_POLICY')).toEqual([]);
  });

  test('belong to a tenant: sys names one, a tenant means itself', async () => {
    await sys.query(
      "ALTER SYSTEM ADD DELETE BACKUP POLICY = 'default' RECOVERY_WINDOW = '7d' REDUNDANCY = 1 TENANT = ora",
    );
    expect(await fails(oracle, "ALTER SYSTEM ADD DELETE BACKUP POLICY 'default' RECOVERY_WINDOW '1d'")).toContain(
      '4017',
    );
    expect(await query(oracle, 'SELECT * FROM SYS.DBA_OB_BACKUP_DELETE_POLICY')).toEqual([
      { POLICY_NAME: 'default', RECOVERY_WINDOW: '7d', REDUNDANCY: expect.anything() },
    ]);
    await oracle.query("ALTER SYSTEM DROP DELETE BACKUP POLICY 'default'");
    await shop.query("ALTER SYSTEM ADD DELETE BACKUP POLICY 'default' RECOVERY_WINDOW '7d'");
    expect(await query(shop, 'SELECT * FROM oceanbase.DBA_OB_BACKUP_DELETE_POLICY')).toEqual([
      { POLICY_NAME: 'default', RECOVERY_WINDOW: '7d', REDUNDANCY: null },
    ]);
    expect(await fails(shop, "ALTER SYSTEM DROP DELETE BACKUP POLICY 'log_only'")).toContain('4018 ');
    await shop.query("ALTER SYSTEM DROP DELETE BACKUP POLICY 'default'");
    expect(await rows('SELECT * FROM oceanbase.CDB_OB_BACKUP_DELETE_POLICY')).toEqual([]);
  });

  test('are needed to delete what is obsolete', async () => {
    expect(await fails(sys, 'ALTER SYSTEM DELETE OBSOLETE BACKUP')).toContain('4018 ');
    expect(await fails(sys, 'ALTER SYSTEM DELETE OBSOLETE BACKUP TENANT = shop')).toContain(
      "4018 Entry not exist: a delete policy for tenant 'shop'",
    );
    expect(await fails(shop, 'ALTER SYSTEM DELETE OBSOLETE BACKUP PREVIEW')).toContain('4018 ');
  });
});

describe('deletion by hand', () => {
  test('is refused with each id and its reason', async () => {
    expect(await fails(sys, 'ALTER SYSTEM DELETE BACKUPSET 1')).toContain('1235 ');
    expect(await fails(shop, 'ALTER SYSTEM DELETE BACKUPSET 1, 3, 7')).toBe(
      '9045 delete backup set do not allow: id=1(dependent by backup set id=2), id=3(newer than latest full backupset id=3), id=7(get set failed)',
    );
    expect(await fails(sys, 'ALTER SYSTEM DELETE ARCHIVELOG_PIECE 1, 2 TENANT = shop')).toBe(
      '9069 deleting backup piece is not allowed: id=1(dependent by backup set id=1), id=2(is active piece)',
    );
    expect(await fails(oracle, 'ALTER SYSTEM DELETE BACKUPSET 4')).toContain('-9045');
    expect(await rows(HISTORY)).toEqual([]);
    await sys.query('ALTER SYSTEM CANCEL DELETE BACKUP');
    await shop.query('ALTER SYSTEM CANCEL DELETE BACKUP');
  });
});

describe('DELETE OBSOLETE BACKUP', () => {
  test('PREVIEW shows what would go and what stays, and why, and changes nothing', async () => {
    await sys.query("ALTER SYSTEM ADD DELETE BACKUP POLICY 'default' REDUNDANCY = 1 TENANT = shop");
    const preview = await rows('ALTER SYSTEM DELETE OBSOLETE BACKUP TENANT = shop PREVIEW');
    expect(preview.map((row) => [row.OBJECT_TYPE, row.ID, row.ACTION, row.REASON])).toEqual([
      ['BACKUP SET', '2', 'DELETE', 'set 3 makes it obsolete'],
      ['BACKUP SET', '1', 'DELETE', 'set 3 makes it obsolete'],
      ['BACKUP SET', '3', 'KEEP', 'everything that is promised goes on from it'],
      ['BACKUP PIECE', '1', 'DELETE', 'the log that is kept begins behind it'],
      ['BACKUP PIECE', '2', 'KEEP', 'it is ACTIVE'],
    ]);
    expect(await setStates()).toEqual(['AVAILABLE', 'AVAILABLE', 'AVAILABLE']);
    await sys.query("ALTER SYSTEM DROP DELETE BACKUP POLICY 'default' TENANT = shop");
  });

  test('happens by itself, is shown while it lasts and afterwards, and keeps what it promised', async () => {
    await sys.query("ALTER SYSTEM SET backup_clean_interval = '1s'");
    await shop.query("ALTER SYSTEM ADD DELETE BACKUP POLICY 'default' RECOVERY_WINDOW '1s'");
    await waitFor(sys, HISTORY, ([job]) => job?.STATUS === 'COMPLETED');
    await sys.query("ALTER SYSTEM SET backup_clean_interval = '1h'");
    await jobsEnd();
    expect(await setStates()).toEqual(['DELETED', 'DELETED', 'AVAILABLE']);
    expect((await rows(HISTORY))[0]).toMatchObject({
      TYPE: 'DELETE OBSOLETE BACKUP',
      JOB_LEVEL: 'USER_TENANT',
      TASK_COUNT: '3',
      SUCCESS_TASK_COUNT: '3',
      RESULT: '0',
      COMMENT: '',
      PARAMETER: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$/),
    });
    const tasks = await query(shop, 'SELECT * FROM oceanbase.DBA_OB_BACKUP_DELETE_TASK_HISTORY ORDER BY TASK_ID');
    expect(tasks.map(({ TASK_TYPE, ID, STATUS }) => [TASK_TYPE, ID, STATUS])).toEqual([
      ['BACKUP SET', '2', 'COMPLETED'],
      ['BACKUP SET', '1', 'COMPLETED'],
      ['BACKUP PIECE', '1', 'COMPLETED'],
    ]);
    for (const task of tasks) expect(task.DELETE_FILES_COUNT).toBe(task.TOTAL_FILES_COUNT);
    expect(
      await rows("SELECT FILE_STATUS FROM oceanbase.CDB_OB_ARCHIVELOG_PIECE_FILES WHERE PATH LIKE '%shop%'"),
    ).toEqual([{ FILE_STATUS: 'DELETED' }, { FILE_STATUS: 'AVAILABLE' }]);
    expect(existsSync(fixture.path('backup', 'shop', 'data', 'backup_set_1_full'))).toBe(false);
    // The first round went with its last piece.
    const rounds = readdirSync(fixture.path('backup', 'shop', 'archive', 'rounds'));
    expect(rounds).toEqual([expect.stringMatching(/^round_d\d+r2_start\.obarc$/)]);
    await shop.query("INSERT INTO item VALUES (3, 'three')");
    await backUp(sys, 'ALTER SYSTEM BACKUP INCREMENTAL TENANT = shop');
    const from = `FROM '${fixture.uri('backup', 'shop', 'data')},${fixture.uri('backup', 'shop', 'archive')}'`;
    expect(await restore(sys, 'back', `${from} WITH ''`)).toMatchObject({ STATUS: 'SUCCESS' });
    const back = await fixture.login('root@back');
    expect((await query(back, 'SELECT id FROM item ORDER BY id')).map(({ id }) => String(id))).toEqual(['1', '2', '3']);
  });

  test('from sys has a row of the sys tenant, and one of each tenant that names it', async () => {
    await sys.query('ALTER SYSTEM DELETE OBSOLETE BACKUP');
    await jobsEnd();
    await sys.query('ALTER SYSTEM DELETE OBSOLETE BACKUP TENANT = shop');
    await jobsEnd();
    const [first, second] = await rows('SELECT * FROM oceanbase.DBA_OB_BACKUP_DELETE_JOB_HISTORY ORDER BY JOB_ID');
    expect([first, second].map((row) => [row!.JOB_LEVEL, row!.STATUS, row!.EXECUTOR_TENANT_ID])).toEqual([
      ['CLUSTER', 'COMPLETED', '1002'],
      ['SYS_TENANT', 'COMPLETED', '1002'],
    ]);
    const children = await query(
      shop,
      'SELECT * FROM oceanbase.DBA_OB_BACKUP_DELETE_JOB_HISTORY WHERE INITIATOR_TENANT_ID = 1 ORDER BY JOB_ID',
    );
    expect(children.map((row) => [row.INITIATOR_JOB_ID, row.JOB_LEVEL])).toEqual([
      [first!.JOB_ID, 'USER_TENANT'],
      [second!.JOB_ID, 'USER_TENANT'],
    ]);
  });

  test('leaves a destination that a new server can take over', async () => {
    await fixture.kill();
    await fixture.startServer();
    sys = await fixture.login('root@sys');
    expect((await setStates()).slice(0, 3)).toEqual(['DELETED', 'DELETED', 'AVAILABLE']);
    expect(await fails(sys, 'ALTER SYSTEM DELETE BACKUPSET 1 TENANT = shop')).toContain('id=1(already deleted)');
  });
});
