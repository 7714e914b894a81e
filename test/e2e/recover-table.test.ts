// Goal: a table that was dropped by mistake comes back as it was at a moment, beside an application that goes on writing,
// and nothing else of the recovery is left: no tenant, no file, no half table, also after kill -9 at any moment.
// Method: a real server, an adopted database with a writer of its own, the statements of the manual.
import { randomInt } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  archiveTenant,
  backUp,
  fails,
  HoldfastFixture,
  query,
  type Row,
  restore,
  type Writer,
  waitFor,
} from './holdfast-fixture.ts';

const PASSWORD = 'table-recovery-secret';
const ROWS = 60_000;
let fixture: HoldfastFixture;
let writer: Writer;
let sys: Connection;
let shop: Connection;
/** Everything is there, and archived. */
let goodScn: string;

const JOBS = 'SELECT * FROM oceanbase.CDB_OB_RECOVER_TABLE_JOBS';
const LAST =
  'SELECT * FROM oceanbase.CDB_OB_RECOVER_TABLE_JOB_HISTORY WHERE TENANT_ID = 1 ORDER BY JOB_ID DESC LIMIT 1';

const from = () => `FROM '${fixture.uri('backup', 'shop', 'data')},${fixture.uri('backup', 'shop', 'archive')}'`;
const recovery = (what: string, rest = '', until = `UNTIL SCN = ${goodScn}`) =>
  `ALTER SYSTEM RECOVER TABLE ${what} TO TENANT = shop ${from()} ${until} WITH 'pool_list=' ${rest}`;

/** Waits until nothing runs; @returns the newest job of the history */
async function outcome(): Promise<Row> {
  await waitFor(sys, JOBS, (rows) => rows.length === 0);
  return (await query(sys, LAST))[0]!;
}

async function recovered(what: string, rest = ''): Promise<Row> {
  await sys.query(recovery(what, rest));
  return await outcome();
}

async function expectNothingLeft(): Promise<void> {
  expect(await query(sys, "SELECT * FROM oceanbase.DBA_OB_TENANTS WHERE TENANT_NAME LIKE 'AUX%'")).toEqual([]);
  const tenants = `${fixture.dataDir}/tenants`;
  expect(existsSync(tenants) ? readdirSync(tenants).filter((name) => name.startsWith('AUX')) : []).toEqual([]);
}

async function logIn(): Promise<void> {
  sys = await fixture.login('root@sys');
  shop = await fixture.login('root@shop');
  await sys.query(`SET DECRYPTION IDENTIFIED BY '${PASSWORD}'`);
}

const digest = async (connection: Connection, table: string, columns: string) =>
  (
    await query(
      connection,
      `SELECT count(*) AS n, sum(length(${columns})) AS size, min(${columns}) AS low, max(${columns}) AS high FROM ${table}`,
    )
  )[0];

const checkpoint = async () =>
  (await query(sys, 'SELECT CHECKPOINT_SCN FROM oceanbase.CDB_OB_ARCHIVELOG'))[0]!.CHECKPOINT_SCN!;

beforeAll(async () => {
  fixture = await HoldfastFixture.start();
  mkdirSync(fixture.path('app'));
  const app = fixture.path('app', 'app.db');
  writer = await fixture.startWriter(app, { rate: 100 });
  sys = await fixture.login('root@sys');
  await sys.query(`CREATE TENANT shop LOCATION = '${app}'`);
  await sys.query("CREATE TENANT oracle_tenant SET ob_compatibility_mode = 'oracle'");
  await logIn();
  for (const sql of [
    'CREATE TABLE audit (id INTEGER)',
    'CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, customer TEXT NOT NULL, cents INTEGER, euros AS (cents / 100.0))',
    'CREATE UNIQUE INDEX by_customer ON orders (customer)',
    `INSERT INTO orders (customer, cents) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
       SELECT 'customer ' || i, i FROM n`,
    'CREATE TRIGGER noted AFTER INSERT ON orders BEGIN INSERT INTO audit VALUES (new.id); END',
    'CREATE VIEW big AS SELECT * FROM orders WHERE cents > 1000',
  ])
    await shop.query(sql);
  await archiveTenant(sys, fixture, 'shop');
  await sys.query(`SET ENCRYPTION ON IDENTIFIED BY '${PASSWORD}' ONLY`);
  expect((await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = shop')).map((job) => job.STATUS)).toEqual([
    'COMPLETED',
    'COMPLETED',
  ]);
  await shop.query("INSERT INTO orders (customer, cents) VALUES ('behind the backup', 1)");
  const insertedNs = BigInt(Date.now()) * 1_000_000n;
  const archived = 'SELECT CHECKPOINT_SCN FROM oceanbase.CDB_OB_ARCHIVELOG';
  await waitFor(sys, archived, ([row]) => BigInt(row!.CHECKPOINT_SCN!) > insertedNs);
  goodScn = await checkpoint();
}, 180_000);
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

describe('RECOVER TABLE is refused', () => {
  test('in a user tenant, and for targets that can not take tables', async () => {
    expect(await fails(shop, recovery('main.orders'))).toBe('4179 user tenant recover table is not allowed');
    expect(await fails(shop, 'ALTER SYSTEM CANCEL RECOVER TABLE shop')).toBe(
      '4179 user tenant cancel recover table is not allowed',
    );
    const to = (tenant: string) => recovery('main.orders').replace('TO TENANT = shop', tenant);
    expect(await fails(sys, to('TO TENANT = sys'))).toContain('1235 ');
    expect(await fails(sys, to('TO nobody'))).toContain("5160 tenant 'nobody' not exist");
    expect(await fails(sys, to(''))).toContain('1235 RECOVER TABLE without TO TENANT is not supported');
    expect(await fails(sys, to('TO oracle_tenant'))).toBe(
      '1235 RECOVER TABLE from mode mysql to mode oracle is not supported',
    );
    expect(await fails(sys, 'ALTER SYSTEM CANCEL RECOVER TABLE shop')).toContain('4018 ');
    await expectNothingLeft();
  });

  test('for names that mean nothing, or that the target has already', async () => {
    expect(await fails(sys, recovery('shop.orders'))).toBe(
      "1210 Incorrect arguments to RECOVER TABLE: there is no database 'shop', the tables of a tenant are in 'main'",
    );
    expect(await fails(sys, recovery('main.orders, main.big'))).toBe(
      "4017 Entry already exist: view 'big', table 'orders' in tenant 'shop'",
    );
    expect(await fails(sys, recovery('main.orders', 'REMAP TABLE main.orders:AUDIT'))).toBe(
      "4017 Entry already exist: table 'audit' in tenant 'shop'",
    );
    expect(await fails(sys, recovery('main.orders', 'REMAP TABLE main.orders:o2 REMAP TABLEGROUP a:b'))).toContain(
      '1235 ',
    );
  });

  test('with a wrong password, or none', async () => {
    const old = 'REMAP TABLE main.orders:orders_old';
    await sys.query("SET DECRYPTION IDENTIFIED BY 'wrong'");
    expect(await fails(sys, recovery('main.orders', old))).toContain('9047 ');
    const other = await fixture.login('root@sys');
    expect(await fails(other, recovery('main.orders', old))).toContain('9047 ');
    await sys.query(`SET DECRYPTION IDENTIFIED BY '${PASSWORD}'`);
    expect(await query(sys, JOBS)).toEqual([]);
    expect(await query(sys, LAST)).toEqual([]);
    await expectNothingLeft();
  });
});

describe('a table', () => {
  test('comes back beside the one that was spoilt, with indexes and triggers of its own, while the application writes', async () => {
    await shop.query('UPDATE orders SET cents = 0');
    const row = await recovered('main.orders', "REMAP TABLE main.orders:orders_then DESCRIPTION = 'spoilt'");
    expect(row).toMatchObject({
      STATUS: 'COMPLETED',
      RESULT: 'SUCCESS',
      COMMENT: null,
      TABLE_LIST: '`main`.`orders`',
      REMAP_TABLE_LIST: '`main`.`orders`:`main`.`orders_then`',
      RESTORE_SCN: goodScn,
      BACKUP_PASSWD: '******',
      DESCRIPTION: 'spoilt',
    });
    expect(await query(shop, 'SELECT count(*) AS n, sum(cents) AS total FROM orders_then')).toEqual([
      { n: String(ROWS + 1), total: String((ROWS * (ROWS + 1)) / 2 + 1) },
    ]);
    const [plan] = await query(shop, "EXPLAIN QUERY PLAN SELECT * FROM orders_then WHERE customer = 'customer 7'");
    expect(JSON.stringify(plan)).toContain('USING INDEX orders_then_by_customer');
    expect(await fails(shop, "INSERT INTO orders_then (customer) VALUES ('customer 7')")).toContain('1062 ');
    await shop.query("INSERT INTO orders_then (customer, cents) VALUES ('new', 250)");
    expect(await query(shop, "SELECT id, euros FROM orders_then WHERE customer = 'new'")).toEqual([
      { id: String(ROWS + 2), euros: 2.5 },
    ]);
    expect((await query(shop, 'SELECT max(id) AS id FROM audit'))[0]!.id).toBe(String(ROWS + 2));
    await expectNothingLeft();
  });

  test('comes back under its own name, and the views of both tenants tell', async () => {
    await shop.query('DROP TABLE orders');
    await recovered('main.orders');
    expect((await query(shop, 'SELECT count(*) AS n FROM big'))[0]!.n).toBe(String(ROWS - 1000));
    const [own] = await query(
      shop,
      'SELECT * FROM oceanbase.DBA_OB_RECOVER_TABLE_JOB_HISTORY ORDER BY JOB_ID DESC LIMIT 1',
    );
    const [ofSys] = await query(
      sys,
      'SELECT * FROM oceanbase.DBA_OB_RECOVER_TABLE_JOB_HISTORY ORDER BY JOB_ID DESC LIMIT 1',
    );
    expect(ofSys).toMatchObject({ INITIATOR_TENANT_ID: '1', INITIATOR_JOB_ID: '0', STATUS: 'COMPLETED' });
    expect(own).toMatchObject({ INITIATOR_TENANT_ID: '1', INITIATOR_JOB_ID: ofSys!.JOB_ID, STATUS: 'COMPLETED' });
    const [job] = await query(
      shop,
      'SELECT * FROM oceanbase.DBA_OB_IMPORT_TABLE_JOB_HISTORY ORDER BY JOB_ID DESC LIMIT 1',
    );
    expect(job).toMatchObject({
      ...{ INITIATOR_TENANT_ID: '1002', INITIATOR_JOB_ID: own!.JOB_ID, SRC_TENANT_NAME: own!.AUX_TENANT_NAME },
      ...{ STATUS: 'IMPORT_FINISH', TOTAL_TABLE_COUNT: '1', FINISHED_TABLE_COUNT: '1', FAILED_TABLE_COUNT: '0' },
      RESULT: 'SUCCESS',
    });
    const [task] = await query(
      shop,
      `SELECT * FROM oceanbase.DBA_OB_IMPORT_TABLE_TASK_HISTORY WHERE JOB_ID = ${job!.JOB_ID}`,
    );
    expect(task).toMatchObject({
      ...{ SRC_DATABASE: 'main', SRC_TABLE: 'orders', TARGET_TABLE: 'orders', TABLE_COLUMN: '4', STATUS: 'FINISH' },
      ...{ TOTAL_INDEX_COUNT: '1', IMPORTED_INDEX_COUNT: '1', TOTAL_CONSTRAINT_COUNT: '1', RESULT: 'SUCCESS' },
    });
    await expectNothingLeft();
  });

  test('that the application was writing has exactly the rows of a restore to the same point', async () => {
    await recovered('main.marker, main.churn', 'REMAP TABLE main.marker:marker_then, main.churn:main.churn_then');
    const row = await restore(sys, 'copy', `${from()} UNTIL SCN = ${goodScn} WITH 'pool_list='`);
    expect(row.STATUS).toBe('SUCCESS');
    const copy = await fixture.login('root@copy');
    const expected = await query(copy, 'SELECT n, body FROM marker ORDER BY n');
    expect(expected.length).toBeGreaterThan(100);
    expect(await query(shop, 'SELECT n, body FROM marker_then ORDER BY n')).toEqual(expected);
    expect(await fails(sys, recovery('main.marker').replace('TENANT = shop', 'copy'))).toBe(
      "4179 recovering tables into 'copy', whose role is STANDBY, is not allowed",
    );
    await sys.query('DROP TENANT copy FORCE');
  });

  test('is in the log and in the backups of its tenant from then on', async () => {
    const expected = await digest(shop, 'orders', 'customer');
    await sys.query(`SET ENCRYPTION ON IDENTIFIED BY '${PASSWORD}' ONLY`);
    const jobs = await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = shop');
    expect(jobs.map((job) => job.STATUS)).toEqual(['COMPLETED', 'COMPLETED']);
    const set = jobs.at(-1)!.BACKUP_SET_ID;
    const first = `${fixture.uri('backup', 'shop', 'data')}/backup_set_1_full`;
    const [second] = await query(
      sys,
      `SELECT PATH FROM oceanbase.CDB_OB_BACKUP_SET_FILES WHERE BACKUP_SET_ID = ${set}`,
    );
    expect(second).toBeDefined();
    // From the log that came after the first set, and from the set that came after the import.
    for (const [name, data] of [
      ['by_log', first],
      ['by_set', fixture.uri('backup', 'shop', 'data')],
    ] as const) {
      const row = await restore(
        sys,
        name,
        `FROM '${data},${fixture.uri('backup', 'shop', 'archive')}' WITH 'pool_list='`,
      );
      expect(row).toMatchObject({ STATUS: 'SUCCESS' });
      const copy = await fixture.login(`root@${name}`);
      expect(await digest(copy, 'orders', 'customer')).toEqual(expected);
      expect(await query(copy, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
      await sys.query(`DROP TENANT ${name} FORCE`);
    }
  }, 120_000);
});

describe('a job that can not end well', () => {
  test('names every index and trigger that is in the way, and leaves nothing', async () => {
    await shop.query('CREATE TABLE third (id INTEGER)');
    await shop.query('CREATE INDEX o3_by_customer ON third (id)');
    await shop.query('CREATE TRIGGER o3_noted AFTER INSERT ON third BEGIN SELECT 1; END');
    const row = await recovered('main.orders, main.audit', 'REMAP TABLE main.orders:o3, main.audit:a3');
    expect(row).toMatchObject({ STATUS: 'FAILED', RESULT: 'FAIL' });
    expect(row.COMMENT).toBe(
      "result: -4017(Entry already exist: index 'o3_by_customer', trigger 'o3_noted' in tenant 'shop')",
    );
    expect(await fails(shop, 'SELECT * FROM a3')).toContain('1146 ');
    await expectNothingLeft();
  });

  test('says which tables the backup does not have', async () => {
    const row = await recovered('main.nothing');
    expect(row.COMMENT).toBe("result: -5019(Table 'nothing' doesn't exist)");
    expect((await recovered('main.big', 'REMAP TABLE main.big:b2')).COMMENT).toContain(
      "-4007(RECOVER TABLE of the view 'big'",
    );
    await expectNothingLeft();
  });

  test('ends when it is cancelled, at any moment', async () => {
    for (const delayMs of [0, 200, randomInt(1000)]) {
      await sys.query(recovery('main.*', ''));
      expect(await fails(sys, recovery('main.*', ''))).toContain('9014 ');
      await sleep(delayMs);
      const error = await sys.query('ALTER SYSTEM CANCEL RECOVER TABLE shop').then(() => undefined, String);
      const row = await outcome();
      // Too late is told; everything is in the way of `main.*`, so it fails in any case.
      expect([row.STATUS, row.RESULT], String(delayMs)).toEqual(['FAILED', 'FAIL']);
      if (error === undefined) expect(row.COMMENT, String(delayMs)).toContain('-4072(Operation canceled)');
      await expectNothingLeft();
    }
  });

  test('ends with the tenant that it was for', async () => {
    await sys.query('CREATE TENANT passing');
    await sys.query(recovery('*.*').replace('TENANT = shop', 'passing'));
    await sys.query('DROP TENANT passing FORCE');
    expect((await outcome()).STATUS).toMatch(/FAILED|COMPLETED/);
    await expectNothingLeft();
  });
});

describe('all tables', () => {
  test('come into another tenant, and what can not come is named', async () => {
    await sys.query('CREATE TENANT fresh');
    await sys.query(recovery('*.*').replace('TENANT = shop', 'fresh'));
    expect(await outcome()).toMatchObject({
      ...{ STATUS: 'COMPLETED', IMPORT_ALL: 1, TABLE_LIST: null, TARGET_TENANT_NAME: 'fresh' },
      COMMENT: "left out: view 'big'",
    });
    const fresh = await fixture.login('root@fresh');
    const tables = await query(fresh, 'SHOW TABLES');
    expect(tables.map((row) => Object.values(row)[0]).sort()).toEqual(['audit', 'churn', 'marker', 'orders']);
  });
});

describe('kill -9', () => {
  test('during restore and import: the job goes on, and nothing is left', async () => {
    const found = new Set<string>();
    for (let round = 0; round < 5; round++) {
      await shop.query('DROP TABLE orders');
      await sys.query(recovery('main.orders'));
      const delayMs = randomInt(1200);
      await sleep(delayMs);
      await fixture.kill();
      await fixture.startServer();
      await logIn();
      const [job] = await query(sys, `${JOBS} WHERE TENANT_ID <> 1`);
      found.add(job?.STATUS ?? 'over');
      const row = await outcome();
      expect([row.STATUS, row.COMMENT], `killed after ${delayMs} ms`).toEqual(['COMPLETED', null]);
      expect((await digest(shop, 'orders', 'customer'))!.n, `killed after ${delayMs} ms`).toBe(String(ROWS + 1));
      expect(await query(shop, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
      await expectNothingLeft();
    }
    console.info(`states after kill -9: ${[...found].join(', ')}`);
    await writer.stop();
  }, 240_000);

  test('leaves no secret in the log', () => {
    expect(fixture.output).not.toContain(PASSWORD);
  });
});
