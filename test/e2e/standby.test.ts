// Goal: a restored tenant is a warm copy of a database that goes on changing: whole at every moment for who reads it, never
// behind what it once showed, through servers that are killed; and a database of its own once it is activated.
// Method: a real server, an application that writes all the while, sessions that look, SIGKILL at random moments.
import { randomInt } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DatabaseSync } from '../../src/base/sqlite.ts';
import {
  archiveTenant,
  backUp,
  fails,
  HoldfastFixture,
  query,
  readBytes,
  restore,
  type Writer,
  waitFor,
} from './holdfast-fixture.ts';

const KILLS = 6;

let fixture: HoldfastFixture;
let sys: Connection;
let writer: Writer;
/** A point that is archived: it can be restored whether or not the source is archived just now. */
let point = '';
const seed = randomInt(2 ** 31);

const from = () => `FROM '${fixture.uri('backup', 'app', 'data')},${fixture.uri('backup', 'app', 'archive')}'`;
const tenantOf = (name: string) =>
  `SELECT SYNC_SCN, READABLE_SCN, RECOVERY_UNTIL_SCN, TENANT_ROLE FROM oceanbase.DBA_OB_TENANTS WHERE TENANT_NAME = '${name}'`;
const syncOf = (name: string) =>
  `SELECT s.SYNC_STATUS, s.ERR_CODE, s.COMMENT, s.SYNC_SCN FROM oceanbase.V$OB_LS_LOG_RESTORE_STATUS s
   JOIN oceanbase.DBA_OB_TENANTS t USING (TENANT_ID) WHERE TENANT_NAME = '${name}'`;

/** A tenant's database as one file: its log is taken in, in a copy. */
function wholeFile(name: string): Buffer {
  const tenants = join(fixture.dataDir, 'tenants');
  const location = join(
    tenants,
    readdirSync(tenants).find((directory) => directory.startsWith(`${name}-`))!,
    'data.db',
  );
  const copy = fixture.path(`${name}-copy.db`);
  for (const ending of ['', '-wal']) if (existsSync(location + ending)) copyFileSync(location + ending, copy + ending);
  const db = new DatabaseSync(copy);
  expect(Object.values(db.prepare('PRAGMA integrity_check').get() as object)).toEqual(['ok']);
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
  expect(dirname(location)).toContain(tenants);
  return readBytes(copy);
}

beforeAll(async () => {
  fixture = await HoldfastFixture.start();
  sys = await fixture.login('root@sys');
  mkdirSync(fixture.path('backup', 'app'), { recursive: true });
  writer = await fixture.startWriter(fixture.path('app.db'), { rate: 40, churn: 300, size: 400 });
  await sys.query(`CREATE TENANT app LOCATION = '${fixture.path('app.db')}'`);
  await archiveTenant(sys, fixture, 'app');
  await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = app');
  expect(await restore(sys, 'warm', `${from()} WITH ''`)).toMatchObject({ STATUS: 'SUCCESS' });
}, 120_000);
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

/** What a session sees: rows without a hole, and how many. */
async function look(session: Connection): Promise<number> {
  const [row] = await query(session, 'SELECT COUNT(*) AS total, MAX(n) AS top FROM marker');
  expect(row!.total, 'commits without a hole').toBe(row!.top);
  return Number(row!.top);
}

describe('a standby', () => {
  test('says where its log comes from, and rests until it is told to go on', async () => {
    const [tenant] = await query(sys, tenantOf('warm'));
    expect(tenant).toMatchObject({ TENANT_ROLE: 'STANDBY', SYNC_SCN: tenant!.RECOVERY_UNTIL_SCN });
    expect(await query(sys, syncOf('warm'))).toMatchObject([{ SYNC_STATUS: 'RESTORE SUSPEND', ERR_CODE: '0' }]);
    expect(await query(sys, 'SELECT ID, TYPE, VALUE FROM oceanbase.CDB_OB_LOG_RESTORE_SOURCE')).toEqual([
      { ID: '1', TYPE: 'LOCATION', VALUE: fixture.uri('backup', 'app', 'archive') },
    ]);
    const warm = await fixture.login('root@warm');
    expect(await query(warm, 'SELECT TYPE FROM oceanbase.DBA_OB_LOG_RESTORE_SOURCE')).toEqual([{ TYPE: 'LOCATION' }]);
    const app = await fixture.login('root@app');
    expect(await query(app, 'SELECT * FROM oceanbase.DBA_OB_LOG_RESTORE_SOURCE')).toEqual([]);
    expect(await query(app, 'SELECT * FROM oceanbase.V$OB_LS_LOG_RESTORE_STATUS')).toEqual([]);
  });

  test('refuses what can not be, with numbers', async () => {
    const app = await fixture.login('root@app');
    const recover = (rest: string) => `ALTER SYSTEM RECOVER STANDBY ${rest}`;
    expect(await fails(sys, recover('TENANT = app UNTIL UNLIMITED'))).toContain(
      "4179 RECOVER STANDBY for the tenant 'app'",
    );
    expect(await fails(app, recover('CANCEL'))).toContain('4179 ');
    expect(await fails(app, recover('TENANT = warm UNLIMITED'))).toContain('1064 ');
    expect(await fails(app, recover('TENANT = warm UNTIL UNLIMITED'))).toContain('1227 ');
    expect(await fails(sys, recover('UNTIL UNLIMITED'))).toContain('1235 ');
    expect(await fails(sys, recover('TENANT = nobody UNTIL UNLIMITED'))).toContain('5160 ');
    expect(await fails(sys, recover("TENANT = warm UNTIL TIME = '2020-01-01 00:00:00'"))).toContain('4179 ');
    expect(await fails(sys, recover("TENANT = warm UNTIL TIME = 'soon'"))).toContain('1210 ');
    const source = (value: string) => `ALTER SYSTEM SET LOG_RESTORE_SOURCE = '${value}' TENANT = warm`;
    expect(await fails(sys, source('SERVICE=10.0.0.1:2881 USER=rep@t PASSWORD=hidden'))).toContain('1235 ');
    expect(await fails(sys, source('somewhere'))).toContain('1210 ');
    expect(await fails(sys, source(`LOCATION=${fixture.uri('backup', 'app', 'data')}`))).toContain('9081 ');
    expect(await fails(sys, source(`LOCATION=${fixture.uri('backup', 'nothing')}`))).toMatch(/^90(70|80) /);
    expect(await fails(sys, 'ALTER SYSTEM SWITCHOVER TO PRIMARY TENANT = warm')).toContain('1235 SWITCHOVER');
    await sys.query(source(''));
    expect(await fails(sys, recover('TENANT = warm UNTIL UNLIMITED'))).toContain('no log restore source');
    expect(await query(sys, syncOf('warm'))).toMatchObject([{ SYNC_STATUS: 'NOT AVAILABLE' }]);
    await sys.query(source(`LOCATION=${fixture.uri('backup', 'app', 'archive')}`));
    expect(fixture.output).not.toContain('hidden');
  });

  test(`follows its source through ${KILLS} kills of the server, whole at every look (seed ${seed})`, async () => {
    await sys.query('ALTER SYSTEM RECOVER STANDBY TENANT = warm UNTIL UNLIMITED');
    expect(await fails(sys, 'ALTER SYSTEM ARCHIVELOG TENANT = warm')).toContain('9023 ');
    let seen = 0;
    for (let kill = 0; kill <= KILLS; kill++) {
      const session = await fixture.login('root@warm');
      const endMs = 1500 + ((seed >> kill) % 1500);
      for (let ms = 0; ms < endMs; ms += 100) {
        const top = await look(session);
        expect(top).toBeGreaterThanOrEqual(seen);
        seen = top;
        await sleep(100);
      }
      if (kill === KILLS) break;
      await fixture.kill();
      await fixture.startServer();
    }
    sys = await fixture.login('root@sys');
    const session = await fixture.login('root@warm');
    const wanted = writer.committed;
    while ((await look(session)) < wanted) await sleep(100);
    expect(await query(sys, syncOf('warm'))).toMatchObject([{ SYNC_STATUS: 'NORMAL', ERR_CODE: '0' }]);
    // The session has been there all the while: it was not ended for any of the steps.
    expect(await look(session)).toBeGreaterThanOrEqual(wanted);
  }, 120_000);

  test('comes to a limit, and is then byte for byte what a restore to the same scn yields', async () => {
    await sys.query('ALTER SYSTEM RECOVER STANDBY TENANT = warm CANCEL');
    const [stopped] = await query(sys, tenantOf('warm'));
    expect(stopped!.SYNC_SCN).toBe(stopped!.RECOVERY_UNTIL_SCN);
    await sleep(1500);
    expect(await query(sys, tenantOf('warm'))).toEqual([stopped]);
    const [{ scn }] = (await query(
      sys,
      `SELECT CHECKPOINT_SCN AS scn FROM oceanbase.CDB_OB_ARCHIVELOG a JOIN oceanbase.DBA_OB_TENANTS t USING (TENANT_ID)
       WHERE TENANT_NAME = 'app'`,
    )) as [{ scn: string }];
    point = scn;
    await sys.query(`ALTER SYSTEM RECOVER STANDBY TENANT = warm UNTIL SCN = ${scn}`);
    await waitFor(sys, syncOf('warm'), ([row]) => row?.SYNC_STATUS === 'RESTORE SUSPEND' && row.SYNC_SCN === scn);
    expect(await query(sys, tenantOf('warm'))).toEqual([
      { SYNC_SCN: scn, READABLE_SCN: scn, RECOVERY_UNTIL_SCN: scn, TENANT_ROLE: 'STANDBY' },
    ]);
    expect(await restore(sys, 'cold', `${from()} UNTIL SCN = ${scn} WITH ''`)).toMatchObject({ STATUS: 'SUCCESS' });
    expect(wholeFile('warm').equals(wholeFile('cold'))).toBe(true);
  });

  test('is opened by ACTIVATE STANDBY, once it is proved', async () => {
    const warm = await fixture.login('root@warm');
    expect(await fails(warm, "INSERT INTO marker VALUES (0, 'too early')")).toContain('1290 ');
    await sys.query('ALTER SYSTEM ACTIVATE STANDBY TENANT = warm VERIFY');
    expect(await query(sys, tenantOf('warm'))).toMatchObject([{ TENANT_ROLE: 'STANDBY' }]);
    await warm.query('ALTER SYSTEM ACTIVATE STANDBY');
    expect(await query(sys, tenantOf('warm'))).toMatchObject([{ TENANT_ROLE: 'PRIMARY' }]);
    expect(await query(sys, syncOf('warm'))).toEqual([]);
    const own = await fixture.login('root@warm');
    await own.query("INSERT INTO marker VALUES (0, 'mine')");
    expect(await query(own, 'SELECT body FROM marker WHERE n = 0')).toEqual([{ body: 'mine' }]);
    expect(await query(own, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
    mkdirSync(fixture.path('backup', 'warm'), { recursive: true });
    await archiveTenant(sys, fixture, 'warm');
    const jobs = await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = warm');
    expect(jobs.at(-1)).toMatchObject({ STATUS: 'COMPLETED' });
  });

  test('is whole or not there at all when the server is killed while it is restored', async () => {
    for (let n = 0; n < 4; n++) {
      const name = `half${n}`;
      await sys.query(`ALTER SYSTEM RESTORE ${name} ${from()} UNTIL SCN = ${point} WITH ''`);
      await sleep((seed >> (3 * n)) % 250);
      await fixture.kill();
      await fixture.startServer();
      sys = await fixture.login('root@sys');
      const cancelled = n % 2 === 0 ? await sys.query(`ALTER SYSTEM CANCEL RESTORE ${name}`).catch(() => null) : null;
      await waitFor(sys, 'SELECT JOB_ID FROM oceanbase.CDB_OB_RESTORE_PROGRESS', (rows) => rows.length === 0);
      const history = `SELECT STATUS, COMMENT FROM oceanbase.CDB_OB_RESTORE_HISTORY WHERE RESTORE_TENANT_NAME = '${name}'`;
      const rows = await query(sys, history);
      expect(rows).toHaveLength(2);
      const isThere = cancelled === null;
      for (const row of rows) expect([row.STATUS, row.COMMENT]).toEqual([isThere ? 'SUCCESS' : 'FAILED', row.COMMENT]);
      expect(await query(sys, tenantOf(name))).toHaveLength(isThere ? 1 : 0);
      const directories = readdirSync(join(fixture.dataDir, 'tenants')).filter((found) => found.startsWith(`${name}-`));
      expect(directories).toHaveLength(isThere ? 1 : 0);
      if (isThere) await look(await fixture.login(`root@${name}`));
      if (isThere) await sys.query(`DROP TENANT ${name} FORCE`);
    }
  }, 120_000);

  test('takes single directories, and sources that are added one by one', async () => {
    const set = `${fixture.uri('backup', 'app', 'data')}/backup_set_1_full`;
    const archive = readdirSync(fixture.path('backup', 'app', 'archive'));
    const pieces = archive
      .filter((found) => /^piece_d\d+r\d+p\d+$/.test(found))
      .map((piece) => `${fixture.uri('backup', 'app', 'archive')}/${piece}`);
    const preview = await query(
      sys,
      `ALTER SYSTEM RESTORE FROM '${[set, ...pieces].join(',')}' UNTIL SCN = ${point} PREVIEW`,
    );
    const shown = (item: string) => preview.filter((row) => row.ITEM === item);
    expect(shown('BACKUP SET').map(({ NAME }) => NAME)).toEqual(['backup_set_1_full']);
    expect(shown('PIECE')[0]!.COMMENT).toBe(fixture.uri('backup', 'app', 'archive'));
    expect(shown('RESTORE POINT')[0]!.TO_SCN).toBe(point);
    for (const source of [set, ...pieces]) await sys.query(`ALTER SYSTEM ADD RESTORE SOURCE '${source}'`);
    expect(await restore(sys, 'parts', `UNTIL SCN = ${point} WITH ''`)).toMatchObject({ STATUS: 'SUCCESS' });
    await look(await fixture.login('root@parts'));
    await sys.query('ALTER SYSTEM CLEAR RESTORE SOURCE');
    expect(await fails(sys, "ALTER SYSTEM RESTORE more WITH ''")).toContain('1210 ');
    const twice = `${fixture.uri('backup', 'app', 'data')},${fixture.uri('backup', 'warm', 'data')}`;
    expect(await fails(sys, `ALTER SYSTEM RESTORE more FROM '${twice}' WITH ''`)).toContain(
      '4179 restore from sources of different tenants is not allowed',
    );
  });

  test('leaves nothing when it is dropped while log is replayed', async () => {
    expect(await restore(sys, 'brief', `${from()} UNTIL SCN = ${point} WITH ''`)).toMatchObject({ STATUS: 'SUCCESS' });
    await sys.query('ALTER SYSTEM RECOVER STANDBY TENANT = brief UNTIL UNLIMITED');
    await sleep(700);
    await sys.query('DROP TENANT brief FORCE');
    expect(await query(sys, tenantOf('brief'))).toEqual([]);
    expect(readdirSync(join(fixture.dataDir, 'tenants')).filter((name) => name.startsWith('brief'))).toEqual([]);
  });
});
