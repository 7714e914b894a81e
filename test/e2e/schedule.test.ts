// Goal: nobody needs cron: what is scheduled happens, also when the server was killed before its time, encrypted as asked.
// Method: a real server; a schedule of each minute, kill -9 before it is due, a start behind it; new tenants by themselves.
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fails, HoldfastFixture, query, restore, waitFor } from './holdfast-fixture.ts';

const PASSWORD = 'a-schedule-s-secret';
let fixture: HoldfastFixture;
let sys: Connection;
let shop: Connection;

const SCHEDULES = 'SELECT * FROM oceanbase.CDB_HF_BACKUP_SCHEDULES';
const isArchiving = (found: unknown[]) => found.length === 1;

beforeAll(async () => {
  fixture = await HoldfastFixture.start();
  sys = await fixture.login('root@sys');
  await sys.query(`ALTER SYSTEM SET archive_new_tenants = '${fixture.uri('backup')}'`);
  await sys.query('CREATE TENANT shop');
  shop = await fixture.login('root@shop');
  await shop.query('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
  await waitFor(sys, "SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG WHERE STATUS = 'DOING'", isArchiving);
}, 120_000);
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

describe('archive_new_tenants', () => {
  test('gives a new tenant destinations of its own and an archive that runs', async () => {
    const dests = await query(shop, "SELECT VALUE FROM oceanbase.DBA_OB_ARCHIVE_DEST WHERE NAME = 'path'");
    expect(dests).toEqual([{ VALUE: fixture.uri('backup', 'shop_1002', 'archive') }]);
    expect(await query(shop, 'SELECT VALUE FROM oceanbase.DBA_OB_BACKUP_PARAMETER')).toEqual([
      { VALUE: fixture.uri('backup', 'shop_1002', 'data') },
    ]);
    expect(await fails(shop, "ALTER SYSTEM SET archive_new_tenants = ''")).toContain('1227 ');
    expect(await fails(sys, "ALTER SYSTEM SET archive_new_tenants = 'somewhere'")).toContain('9026 ');
  });

  test('never keeps a tenant from being made', async () => {
    await sys.query("ALTER SYSTEM SET archive_new_tenants = 'file:///dev/null/backup'");
    await sys.query('CREATE TENANT unprotected');
    const [warning] = await query(sys, 'SHOW WARNINGS');
    expect(warning?.Message).toContain("tenant 'unprotected' is not archived as archive_new_tenants asks");
    await sys.query('DROP TENANT unprotected FORCE');
    await sys.query("ALTER SYSTEM SET archive_new_tenants = ''");
  });
});

describe('schedules', () => {
  test('are refused with the cause, and belong to who made them', async () => {
    const add = (rest: string) => `ALTER SYSTEM ADD BACKUP SCHEDULE ${rest}`;
    expect(await fails(sys, add("'w' TYPE = FULL CRON = 'soon'"))).toContain("1210 Incorrect arguments to CRON 'soon'");
    expect(await fails(sys, add("'w' TYPE = FULL CRON = '@daily' TENANT = nobody"))).toContain('5160 ');
    expect(await fails(sys, add("'w' TYPE = FULL CRON = '@daily' BUDGET = '1G'"))).toContain('1210 ');
    expect(await fails(shop, add("'w' TYPE = FULL CRON = '@daily' TENANT = shop"))).toContain('1227 ');
    expect(await fails(sys, "ALTER SYSTEM PAUSE BACKUP SCHEDULE 'w'")).toContain(
      "4018 Entry not exist: the schedule 'w'",
    );
    await shop.query(add("'own' TYPE = INCREMENTAL CRON = '0 3 * * *' DESCRIPTION = 'mine'"));
    await sys.query(add("'weekly' TYPE = FULL CRON = '0 2 * * 0' TENANT = ALL"));
    expect(await fails(shop, add("'OWN' TYPE = FULL CRON = '@daily'"))).toContain('4017 ');
    expect(await fails(shop, "ALTER SYSTEM DROP BACKUP SCHEDULE 'weekly'")).toContain('4018 ');
    const seen = await query(shop, 'SELECT SCHEDULE_NAME, TYPE, TARGET_TENANTS FROM oceanbase.DBA_HF_BACKUP_SCHEDULES');
    expect(seen).toEqual([{ SCHEDULE_NAME: 'own', TYPE: 'INCREMENTAL', TARGET_TENANTS: 'shop' }]);
    expect(await query(sys, `${SCHEDULES} ORDER BY TENANT_ID`)).toMatchObject([
      {
        TENANT_ID: '1',
        TARGET_TENANTS: 'ALL',
        STATUS: 'ACTIVE',
        LAST_STATUS: null,
        NEXT_RUN: expect.stringMatching(/ 02:00:00/),
      },
      { TENANT_ID: '1002', DESCRIPTION: 'mine', NEXT_RUN: expect.stringMatching(/ 03:00:00/) },
    ]);
    await sys.query("ALTER SYSTEM PAUSE BACKUP SCHEDULE 'weekly'");
    expect(await query(sys, `${SCHEDULES} WHERE TENANT_ID = 1`)).toMatchObject([{ STATUS: 'PAUSED', NEXT_RUN: null }]);
    await sys.query("ALTER SYSTEM RESUME BACKUP SCHEDULE 'weekly'");
    await sys.query("ALTER SYSTEM DROP BACKUP SCHEDULE 'weekly'");
    await shop.query("ALTER SYSTEM DROP BACKUP SCHEDULE 'own'");
    expect(await query(sys, SCHEDULES)).toEqual([]);
  });

  test('happen when they are due, once for the time that the server was down, and can be restored', async () => {
    await shop.query("INSERT INTO item VALUES (1, 'one')");
    const untilNextMinuteMs = () => 60_000 - (Date.now() % 60_000);
    if (untilNextMinuteMs() < 5_000) await sleep(untilNextMinuteMs() + 100);
    await sys.query(
      `ALTER SYSTEM ADD BACKUP SCHEDULE 'minutely' TYPE = FULL CRON = '* * * * *' TENANT = shop PASSWORD = '${PASSWORD}'`,
    );
    expect(await query(sys, SCHEDULES)).toMatchObject([{ RUN_COUNT: '0', IS_ENCRYPTED: 'YES' }]);
    await fixture.kill();
    await sleep(untilNextMinuteMs() + 500);
    await fixture.startServer();
    sys = await fixture.login('root@sys');
    const [done] = await waitFor(sys, SCHEDULES, ([row]) => row?.LAST_STATUS === 'COMPLETED');
    expect(done).toMatchObject({ LAST_RESULT: '0', FAILED_COUNT: '0', SKIPPED_COUNT: '0' });
    await sys.query("ALTER SYSTEM PAUSE BACKUP SCHEDULE 'minutely'");
    const jobs = await query(sys, 'SELECT * FROM oceanbase.DBA_OB_BACKUP_JOB_HISTORY');
    expect(jobs[0]).toMatchObject({ JOB_ID: done!.LAST_JOB_ID, STATUS: 'COMPLETED', DESCRIPTION: 'schedule minutely' });
    expect(jobs[0]).toMatchObject({ ENCRYPTION_MODE: 'PASSWORD_ENCRYPTION', JOB_LEVEL: 'SYS_TENANT' });
    const from = `FROM '${fixture.uri('backup', 'shop_1002', 'data')},${fixture.uri('backup', 'shop_1002', 'archive')}'`;
    expect(await fails(sys, `ALTER SYSTEM RESTORE back ${from} WITH ''`)).toContain('9047 ');
    await sys.query(`SET DECRYPTION IDENTIFIED BY '${PASSWORD}'`);
    expect(await restore(sys, 'back', `${from} WITH ''`)).toMatchObject({ STATUS: 'SUCCESS' });
    const back = await fixture.login('root@back');
    expect(await query(back, 'SELECT * FROM item')).toEqual([{ id: '1', name: 'one' }]);
    // What is opened for writing is protected as what is new.
    await sys.query(`ALTER SYSTEM SET archive_new_tenants = '${fixture.uri('backup')}'`);
    await sys.query('ALTER SYSTEM ACTIVATE STANDBY TENANT = back');
    expect(await query(sys, 'SHOW WARNINGS')).toEqual([]);
    await waitFor(
      sys,
      "SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG WHERE STATUS = 'DOING'",
      (found) => found.length === 2,
    );
    // The password is nowhere but under the cluster's key.
    for (const name of ['holdfast.db', 'holdfast.db-wal']) {
      const path = `${fixture.dataDir}/${name}`;
      if (existsSync(path)) expect(readFileSync(path).includes(PASSWORD)).toBe(false);
    }
    expect(fixture.output).not.toContain(PASSWORD);
  }, 150_000);
});
