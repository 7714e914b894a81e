// Goal: a data directory that was copied does not tear an archive apart: one of the two servers writes, the other is told who,
// an operator decides which, and whatever either called archived is there after a restore. Method: two real servers on copies
// of one data directory and on the same destinations.
import { mkdirSync } from 'node:fs';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archiveTenant, backUp, fails, HoldfastFixture, query, restore, waitFor } from './holdfast-fixture.ts';

const ARCHIVE = 'SELECT STATUS, COMMENT, ROUND_ID FROM oceanbase.CDB_OB_ARCHIVELOG';
const LEASES = 'SELECT * FROM oceanbase.CDB_HF_LEASES ORDER BY DEST_TYPE';
const TAKE_OVER = 'ALTER SYSTEM TAKE OVER DESTINATION TENANT = shop';

/** A commit's scn is taken where its log is read, which is a little later. */
const COMMIT_LATE_MS = 20;

let original: HoldfastFixture;
let copy: HoldfastFixture;
let sys: Connection;
let shop: Connection;
let copySys: Connection;
let copyShop: Connection;
const statuses = async (connection: Connection) => (await query(connection, LEASES)).map((row) => row.STATUS);

/** Everything committed by now is archived: whoever restores to the newest point has it. */
async function archived(connection: Connection): Promise<void> {
  const nowScn = BigInt(Date.now() + COMMIT_LATE_MS) * 1_000_000n;
  const sql = 'SELECT MAX(CHECKPOINT_SCN) SCN FROM oceanbase.CDB_OB_ARCHIVELOG';
  await waitFor(connection, sql, ([row]) => BigInt(row!.SCN!) > nowScn);
}

beforeAll(async () => {
  original = await HoldfastFixture.start();
  sys = await original.login('root@sys');
  mkdirSync(original.path('backup', 'shop'), { recursive: true });
  await sys.query('CREATE TENANT shop');
  await archiveTenant(sys, original, 'shop');
  shop = await original.login('root@shop');
  await shop.query('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
  await shop.query("INSERT INTO item VALUES (1, 'before the copy')");
  await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = shop');
  await original.stop();
  copy = await HoldfastFixture.startCopy(original);
  copySys = await copy.login('root@sys');
  copyShop = await copy.login('root@shop');
}, 120_000);
afterAll(async () => {
  await copy?.[Symbol.asyncDispose]();
  await original?.[Symbol.asyncDispose]();
});

test('the copy is refused, and told who writes', async () => {
  await copyShop.query("INSERT INTO item VALUES (100, 'in the copy')");
  const [row] = await waitFor(copySys, ARCHIVE, ([found]) => found?.COMMENT?.includes('data directory') === true);
  expect(row!.STATUS).toBe('DOING');
  expect(row!.COMMENT).toContain(`the data directory '${original.dataDir}'`);
  expect(row!.COMMENT).toContain('the newest commit there is of 20');
  const [job] = await backUp(copySys, 'ALTER SYSTEM BACKUP TENANT = shop');
  expect(job).toMatchObject({ STATUS: 'FAILED', RESULT: '4038' });
  expect(job!.COMMENT).toContain("is not the one that writes 'file:");
  expect(
    await fails(copySys, `ALTER SYSTEM SET DATA_BACKUP_DEST='${original.uri('backup', 'shop', 'data')}' TENANT = shop`),
  ).toMatch(/^4038 this server is not the one that writes 'file:.*data'/);
  expect(await statuses(copySys)).toContain('REFUSED');
});

test('the original starts again in its place, and goes on silently', async () => {
  await original.startServer();
  [sys, shop] = [await original.login('root@sys'), await original.login('root@shop')];
  await shop.query("INSERT INTO item VALUES (2, 'after the copy')");
  await archived(sys);
  expect((await query(sys, ARCHIVE))[0]).toMatchObject({ STATUS: 'DOING', COMMENT: '', ROUND_ID: '1' });
  await original.kill();
  await original.startServer();
  [sys, shop] = [await original.login('root@sys'), await original.login('root@shop')];
  await shop.query("INSERT INTO item VALUES (3, 'after a crash')");
  await archived(sys);
  const [lease] = await query(sys, LEASES);
  expect(lease).toMatchObject({ STATUS: 'HELD', HOLDER_DATA_DIR: original.dataDir, COMMENT: '' });
  expect(Number(lease!.GENERATION)).toBeGreaterThan(2);
});

test('when the copy takes over, the original stops by itself', async () => {
  expect(await fails(copyShop, TAKE_OVER)).toContain('1227 ');
  expect(await fails(copySys, 'ALTER SYSTEM TAKE OVER DESTINATION')).toContain('1235 ');
  await copySys.query(TAKE_OVER);
  const [round] = await waitFor(copySys, ARCHIVE, ([row]) => row?.STATUS === 'DOING' && Number(row.ROUND_ID) > 1);
  // Ten numbers are left free.
  expect(Number(round!.ROUND_ID)).toBeGreaterThan(10);
  await shop.query("INSERT INTO item VALUES (4, 'too late')");
  const [lost] = await waitFor(sys, ARCHIVE, ([row]) => row?.STATUS === 'INTERRUPTED');
  expect(lost!.COMMENT).toContain(`the data directory '${copy.dataDir}'`);
  expect(await statuses(sys)).toContain('LOST');
  expect(await statuses(copySys)).toEqual(['HELD', 'HELD']);
  const events = await query(
    sys,
    "SELECT * FROM oceanbase.DBA_OB_ROOTSERVICE_EVENT_HISTORY WHERE EVENT = 'change_lease' AND VALUE3 = 'LOST'",
  );
  expect(events).toHaveLength(1);
});

test('whatever either of them called archived can be restored', async () => {
  await copyShop.query("INSERT INTO item VALUES (101, 'after taking over')");
  await backUp(copySys, 'ALTER SYSTEM BACKUP TENANT = shop');
  await copyShop.query("INSERT INTO item VALUES (102, 'behind the set')");
  await archived(copySys);
  const from = `FROM '${original.uri('backup', 'shop', 'data')},${original.uri('backup', 'shop', 'archive')}'`;
  await restore(copySys, 'newest', from);
  const newest = await copy.login('root@newest');
  expect((await query(newest, 'SELECT id FROM item ORDER BY id')).map((row) => row.id)).toEqual([
    '1',
    '100',
    '101',
    '102',
  ]);
  // The original's commits up to the end of its round.
  const [end] = await query(sys, 'SELECT CHECKPOINT_SCN FROM oceanbase.CDB_OB_ARCHIVELOG_SUMMARY WHERE ROUND_ID = 1');
  await restore(copySys, 'earlier', `${from} UNTIL SCN = ${end!.CHECKPOINT_SCN}`);
  const earlier = await copy.login('root@earlier');
  expect((await query(earlier, 'SELECT id FROM item ORDER BY id')).map((row) => row.id)).toEqual(['1', '2', '3']);
}, 60_000);

test('the original takes it back, and says so where it is not needed', async () => {
  await sys.query(TAKE_OVER);
  const [{ ROUND_ID: theirs } = {}] = await query(copySys, ARCHIVE);
  const [round] = await waitFor(sys, ARCHIVE, ([row]) => row?.STATUS === 'DOING');
  expect(Number(round!.ROUND_ID)).toBeGreaterThan(Number(theirs));
  await sys.query(TAKE_OVER);
  expect(await query(sys, 'SHOW WARNINGS')).toMatchObject([{ Message: 'this server holds every destination already' }]);
  await copyShop.query("INSERT INTO item VALUES (103, 'too late')");
  await waitFor(copySys, ARCHIVE, ([row]) => row?.STATUS === 'INTERRUPTED');
});
