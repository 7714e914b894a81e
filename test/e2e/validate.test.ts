// Goal: whoever knows the manual's pages on validation finds every statement, view and error of them, on real databases, and
// a drill restores while nobody sees a tenant of it.
// Method: a real server; damage on disk; a server that is killed during a drill.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { archiveTenant, backUp, fails, HoldfastFixture, query, waitFor } from './holdfast-fixture.ts';

let fixture: HoldfastFixture;
let sys: Connection;
let shop: Connection;
let oracle: Connection;

const rows = (sql: string) => query(sys, sql);
const jobsEnd = () =>
  waitFor(sys, 'SELECT * FROM oceanbase.CDB_OB_BACKUP_VALIDATE_JOBS', (found) => found.length === 0);
/** A validation, waited for. @returns the rows of its job and tasks */
async function validate(connection: Connection, rest: string) {
  await connection.query(`ALTER SYSTEM VALIDATE ${rest}`);
  await jobsEnd();
  const [job] = await rows(
    'SELECT * FROM oceanbase.CDB_OB_BACKUP_VALIDATE_JOB_HISTORY ORDER BY START_TIMESTAMP DESC LIMIT 1',
  );
  const tasks = await rows(
    `SELECT * FROM oceanbase.CDB_OB_BACKUP_VALIDATE_TASK_HISTORY WHERE TENANT_ID = ${job!.TENANT_ID} AND JOB_ID = ${job!.JOB_ID} ORDER BY TASK_ID`,
  );
  return { job: job!, tasks };
}
const protection = async (name: string) =>
  (await rows(`SELECT * FROM oceanbase.CDB_HF_PROTECTION WHERE TENANT_NAME = '${name}'`))[0]!;

beforeAll(async () => {
  fixture = await HoldfastFixture.start();
  sys = await fixture.login('root@sys');
  for (const name of ['shop', 'ora']) mkdirSync(fixture.path('backup', name), { recursive: true });
  await sys.query('CREATE TENANT shop');
  await sys.query("CREATE TENANT ora SET ob_compatibility_mode = 'oracle'");
  shop = await fixture.login('root@shop');
  oracle = await fixture.login('SYS@ora');
  await shop.query('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
}, 60_000);
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

describe('protection', () => {
  test('says in words what is missing, and that all is well', async () => {
    expect(await protection('shop')).toMatchObject({
      STATUS: 'CRITICAL',
      PROBLEMS: 'no full backup; no archive destination; no data backup destination',
      NEWEST_RESTORABLE_SCN: null,
      LAST_DRILL: null,
    });
    for (const name of ['shop', 'ora']) await archiveTenant(sys, fixture, name);
    await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = shop, ora');
    const [own] = await query(shop, 'SELECT * FROM oceanbase.DBA_HF_PROTECTION');
    expect(own).toMatchObject({
      TENANT_NAME: 'shop',
      STATUS: 'WARNING',
      PROBLEMS: 'no drill yet',
      NEWEST_PROVED_SCN: null,
    });
    await validate(sys, "BACKUP LEVEL = 'restore' TENANT = shop");
    expect(await protection('shop')).toMatchObject({ STATUS: 'OK', PROBLEMS: '', LAST_DRILL_RESULT: '0' });
    expect(await query(oracle, 'SELECT TENANT_NAME, PROBLEMS FROM SYS.DBA_HF_PROTECTION')).toEqual([
      { TENANT_NAME: 'ora', PROBLEMS: 'no drill yet' },
    ]);
  });
});

describe('VALIDATE', () => {
  test('refuses what the manual refuses', async () => {
    expect(await fails(sys, "ALTER SYSTEM VALIDATE BACKUP DATA_BACKUP_DEST = 'file:///x'")).toContain('1210 ');
    expect(await fails(shop, "ALTER SYSTEM VALIDATE BACKUPSET LOG_ARCHIVE_DEST = 'file:///x'")).toContain('1210 ');
    expect(await fails(shop, "ALTER SYSTEM VALIDATE ARCHIVELOG_PIECE DATA_BACKUP_DEST = 'file:///x'")).toContain(
      '1210 ',
    );
    expect(await fails(shop, "ALTER SYSTEM VALIDATE ARCHIVELOG_PIECE LEVEL = 'restore'")).toContain('1210 ');
    expect(await fails(shop, "ALTER SYSTEM VALIDATE BACKUP LEVEL = 'deep'")).toContain('1210 ');
    expect(await fails(shop, "ALTER SYSTEM VALIDATE BACKUP CHECK = 'full'")).toContain('1210 ');
    expect(await fails(shop, "ALTER SYSTEM VALIDATE BACKUP LEVEL = 'restore' CHECK = 'none'")).toContain('1210 ');
    expect(await fails(shop, "ALTER SYSTEM VALIDATE BACKUP BUDGET = 'much'")).toContain('1210 ');
    expect(await fails(shop, 'ALTER SYSTEM VALIDATE BACKUP TENANT = ora')).toContain('1227 ');
    expect(await fails(sys, 'ALTER SYSTEM VALIDATE BACKUP TENANT = nobody')).toContain('5160 ');
    expect(await fails(sys, "ALTER SYSTEM VALIDATE BACKUPSET = '1'")).toContain('1235 ');
    expect(await fails(shop, "ALTER SYSTEM VALIDATE BACKUPSET = '1,9'")).toBe('9046 backup set id is not valid: 9');
    expect(await fails(oracle, "ALTER SYSTEM VALIDATE BACKUPSET = '9'")).toContain('-9046');
    expect(await fails(shop, 'ALTER SYSTEM VALIDATE ARCHIVELOG_PIECE = 9')).toContain('4018 ');
    expect(
      await fails(shop, `ALTER SYSTEM VALIDATE BACKUPSET DATA_BACKUP_DEST = '${fixture.uri('backup', 'ora', 'data')}'`),
    ).toContain('9081 ');
    expect(await fails(shop, 'ALTER SYSTEM CANCEL VALIDATE 1')).toContain('1235 ');
    await shop.query('ALTER SYSTEM CANCEL VALIDATE');
    await sys.query('ALTER SYSTEM CANCEL VALIDATE TENANT = shop');
  });

  test('reads everything of every tenant, and each sees his own', async () => {
    await sys.query("ALTER SYSTEM VALIDATE BACKUP LEVEL = 'physical' DESCRIPTION = 'weekly'");
    await jobsEnd();
    const own = await query(oracle, 'SELECT * FROM SYS.DBA_OB_BACKUP_VALIDATE_JOB_HISTORY');
    expect(own).toMatchObject([
      {
        TYPE: 'DATABASE',
        VALIDATE_LEVEL: 'physical',
        STATUS: 'COMPLETED',
        TASK_COUNT: '2',
        SUCCESS_TASK_COUNT: '2',
        DESCRIPTION: 'weekly',
      },
    ]);
    expect(own[0]).not.toHaveProperty('TENANT_ID');
    const tasks = await query(
      oracle,
      'SELECT TASK_TYPE, ID, STATUS, PATH FROM SYS.DBA_OB_BACKUP_VALIDATE_TASK_HISTORY ORDER BY TASK_ID',
    );
    expect(tasks).toEqual([
      { TASK_TYPE: 'BACKUP SET', ID: '1', STATUS: 'COMPLETED', PATH: fixture.uri('backup', 'ora', 'data') },
      { TASK_TYPE: 'BACKUP PIECE', ID: '1', STATUS: 'COMPLETED', PATH: fixture.uri('backup', 'ora', 'archive') },
    ]);
    const verified = await query(
      oracle,
      "SELECT OBJECT_TYPE, ID, PROVED FROM SYS.DBA_HF_VERIFIED WHERE VALIDATE_LEVEL = 'physical'",
    );
    expect(verified.map((row) => `${row.OBJECT_TYPE} ${row.ID} ${row.PROVED}`)).toEqual([
      'BACKUP SET 1 YES',
      'BACKUP PIECE 1 YES',
    ]);
    // Every byte that a restore needs was read: that proves a point without any drill.
    expect((await protection('ora')).NEWEST_PROVED_SCN).not.toBeNull();
  });

  test('names damage, breaks the set, and finds it mended', async () => {
    const directory = fixture.path('backup', 'shop', 'data', 'backup_set_1_full');
    const pack = join(directory, readdirSync(directory).find((name) => name.startsWith('pack_'))!);
    copyFileSync(pack, fixture.path('kept'));
    const bytes = readFileSync(pack);
    bytes[statSync(pack).size >> 1]! ^= 1;
    writeFileSync(pack, bytes);
    const { job, tasks } = await validate(shop, "BACKUPSET = '1' LEVEL = 'physical'");
    expect(job).toMatchObject({ STATUS: 'FAILED', RESULT: '9010', ID: '1', TASK_COUNT: '1', SUCCESS_TASK_COUNT: '0' });
    expect(tasks[0]).toMatchObject({
      STATUS: 'FAILED',
      RESULT: '9010',
      COMMENT: expect.stringContaining('backup_set_1_full/pack_'),
    });
    const status = () =>
      query(shop, 'SELECT FILE_STATUS FROM oceanbase.DBA_OB_BACKUP_SET_FILES WHERE BACKUP_SET_ID = 1');
    expect(await status()).toEqual([{ FILE_STATUS: 'BROKEN' }]);
    expect(await protection('shop')).toMatchObject({
      STATUS: 'CRITICAL',
      PROBLEMS: 'no backup set can be restored; backup set 1 is broken',
      NEWEST_PROVED_SCN: null,
    });
    copyFileSync(fixture.path('kept'), pack);
    await validate(shop, "BACKUPSET = '1' LEVEL = 'physical'");
    expect(await status()).toEqual([{ FILE_STATUS: 'AVAILABLE' }]);
    expect(await protection('shop')).toMatchObject({ STATUS: 'OK' });
  });
});

describe('a drill', () => {
  test('of an encrypted set needs its password, which stays nowhere', async () => {
    const secret = 'planted-secret-of-a-drill';
    await sys.query(`SET ENCRYPTION ON IDENTIFIED BY '${secret}' ONLY`);
    await shop.query("INSERT INTO item VALUES (1, 'one')");
    await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = shop');
    await sys.query('SET ENCRYPTION OFF');
    expect(await fails(sys, "ALTER SYSTEM VALIDATE BACKUP LEVEL = 'restore' TENANT = shop")).toContain('9047 ');
    const { tasks } = await validate(sys, "BACKUPSET LEVEL = 'physical' TENANT = shop");
    expect(tasks.map(({ COMMENT }) => COMMENT !== '')).toEqual([false, true]);
    await sys.query(`SET DECRYPTION IDENTIFIED BY '${secret}'`);
    const drill = await validate(sys, "BACKUP LEVEL = 'restore' CHECK = 'full' TENANT = shop");
    expect(drill.job).toMatchObject({ STATUS: 'COMPLETED', VALIDATE_LEVEL: 'restore' });
    expect(drill.tasks).toMatchObject([{ TASK_TYPE: 'TENANT', COMMENT: expect.stringContaining('from sets 2') }]);
    expect(await rows('SELECT TENANT_NAME FROM oceanbase.DBA_OB_TENANTS ORDER BY TENANT_ID')).toEqual(
      ['sys', 'shop', 'ora'].map((TENANT_NAME) => ({ TENANT_NAME })),
    );
    expect(await rows('SELECT * FROM oceanbase.CDB_OB_RESTORE_HISTORY')).toEqual([]);
    const kept = readdirSync(fixture.dataDir, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    for (const entry of kept)
      expect(readFileSync(join(entry.parentPath, entry.name)).includes(secret), entry.name).toBe(false);
    expect(fixture.output).not.toContain(secret);
  });

  test('that a crash interrupts is done by the next server, and its leftovers go', async () => {
    await shop.query(
      'WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) INSERT INTO item SELECT i, hex(randomblob(200)) FROM n',
    );
    await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = shop');
    const drills = join(fixture.dataDir, 'drills');
    await shop.query("ALTER SYSTEM VALIDATE BACKUP LEVEL = 'restore'");
    await waitFor(
      sys,
      'SELECT STATUS FROM oceanbase.CDB_OB_BACKUP_VALIDATE_TASKS',
      (found) => found[0]?.STATUS === 'RESTORE',
    );
    await fixture.kill();
    mkdirSync(drills, { recursive: true });
    writeFileSync(join(drills, '1002-1.db'), 'half a database');
    await fixture.startServer();
    sys = await fixture.login('root@sys');
    await jobsEnd();
    const history = 'SELECT * FROM oceanbase.CDB_OB_BACKUP_VALIDATE_JOB_HISTORY ORDER BY START_TIMESTAMP DESC LIMIT 1';
    expect(await rows(history)).toMatchObject([{ STATUS: 'COMPLETED', VALIDATE_LEVEL: 'restore' }]);
    expect(existsSync(drills) ? readdirSync(drills) : []).toEqual([]);
  });
});
