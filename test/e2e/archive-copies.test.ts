// Goal: a copy of the log is as good as the log: it takes the lead when the first destination goes away, loses nothing, and
// is enough for a restore. Method: a real server; the directory of a destination is moved away and back.
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archiveTenant, backUp, fails, HoldfastFixture, query, restore, waitFor } from './holdfast-fixture.ts';

let fixture: HoldfastFixture;
let sys: Connection;
let shop: Connection;

const place = (name: string) => fixture.path('backup', 'shop', name);
const uriOf = (name: string) => `file://${place(name)}`;
const STATUS = 'SELECT * FROM oceanbase.V$OB_ARCHIVE_DEST_STATUS ORDER BY DEST_ID';
const ARCHIVE = 'SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG ORDER BY DEST_NO';
const PIECES = 'SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG_PIECE_FILES ORDER BY PIECE_ID, DEST_NO';
const allInStep = () => waitFor(sys, STATUS, (rows) => rows.every((row) => row.SYNCHRONIZED === 'YES'));

beforeAll(async () => {
  fixture = await HoldfastFixture.start();
  sys = await fixture.login('root@sys');
  await sys.query('CREATE TENANT shop');
  shop = await fixture.login('root@shop');
  await shop.query('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
}, 60_000);
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

test('copies are named by sys or by the tenant himself, while archive runs or before', {
  timeout: 60_000,
}, async () => {
  const copy = `LOCATION=${uriOf('copy1')}`;
  expect(await fails(shop, `ALTER SYSTEM SET LOG_ARCHIVE_DEST_1 = '${copy}'`)).toContain('4018 ');
  await archiveTenant(sys, fixture, 'shop');
  expect(await fails(sys, `ALTER SYSTEM SET LOG_ARCHIVE_DEST_4 = '${copy}' TENANT = shop`)).toContain('1235 ');
  expect(await fails(shop, `ALTER SYSTEM SET LOG_ARCHIVE_DEST_1 = '${copy} PIECE_SWITCH_INTERVAL=1d'`)).toContain(
    '1235 LOG_ARCHIVE_DEST_1 attribute PIECE_SWITCH_INTERVAL is not supported',
  );
  await sys.query(`ALTER SYSTEM SET LOG_ARCHIVE_DEST_1 = '${copy} BINDING=MANDATORY' TENANT = shop`);
  await shop.query(`ALTER SYSTEM SET LOG_ARCHIVE_DEST_2 = 'LOCATION=${uriOf('copy2')}'`);
  expect(await fails(shop, `ALTER SYSTEM SET LOG_ARCHIVE_DEST_3 = '${copy}'`)).toContain(
    '1235 a copy at the path of LOG_ARCHIVE_DEST_1 is not supported',
  );
  await shop.query("INSERT INTO item VALUES (1, 'one')");
  await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = shop');
  await allInStep();
  expect(await query(sys, ARCHIVE)).toMatchObject([
    { DEST_NO: '0', STATUS: 'DOING', COMMENT: '' },
    { DEST_NO: '1', STATUS: 'DOING', COMMENT: '', PATH: uriOf('copy1') },
    { DEST_NO: '2', STATUS: 'DOING', COMMENT: '', PATH: uriOf('copy2') },
  ]);
  const settings = await query(shop, "SELECT * FROM oceanbase.DBA_OB_ARCHIVE_DEST WHERE NAME = 'binding'");
  expect(settings.map(({ DEST_NO, VALUE }) => `${DEST_NO} ${VALUE}`)).toEqual([
    '0 OPTIONAL',
    '1 MANDATORY',
    '2 OPTIONAL',
  ]);
});

test('a copy that is deferred or away is named, and holds nothing up', { timeout: 60_000 }, async () => {
  await shop.query("ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE_1 = 'DEFER'");
  renameSync(place('copy2'), place('gone'));
  await shop.query("INSERT INTO item VALUES (2, 'two')");
  await waitFor(sys, ARCHIVE, (rows) => rows[1]?.STATUS === 'SUSPEND' && rows[2]?.STATUS === 'BEGINNING');
  const problems = (await query(sys, 'SELECT PROBLEMS FROM oceanbase.CDB_HF_PROTECTION'))[0]?.PROBLEMS;
  expect(problems).toContain(`archive copy 1 (${uriOf('copy1')}) is suspended`);
  expect(problems).toContain(`archive copy 2 (${uriOf('copy2')}) is behind: `);
  await waitFor(sys, STATUS, (rows) => rows[0]?.SYNCHRONIZED === 'YES');
  await shop.query("ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE_1 = 'ENABLE'");
  renameSync(place('gone'), place('copy2'));
  await allInStep();
});

test('the MANDATORY copy leads when the first destination is away, and is enough for a restore', async () => {
  renameSync(place('archive'), place('gone'));
  await shop.query("INSERT INTO item VALUES (3, 'three')");
  await waitFor(sys, ARCHIVE, (rows) => rows.some((row) => row.DEST_NO === '0' && row.STATUS === 'BEGINNING'));
  await shop.query("INSERT INTO item VALUES (4, 'four')");
  await waitFor(sys, STATUS, (rows) => rows.filter((row) => row.SYNCHRONIZED === 'YES').length === 2);
  const events = await query(
    sys,
    "SELECT * FROM oceanbase.DBA_OB_ROOTSERVICE_EVENT_HISTORY WHERE EVENT = 'change_lead'",
  );
  expect(events).toHaveLength(1);
  expect(await fails(shop, "ALTER SYSTEM SET LOG_ARCHIVE_DEST_1 = ''")).toContain(
    '1235 change archive dest when archive is running is not supported',
  );
  expect((await query(sys, PIECES)).map(({ DEST_NO, STATUS: status }) => `${DEST_NO} ${status}`)).toEqual([
    '0 ACTIVE',
    '1 ACTIVE',
    '2 ACTIVE',
  ]);
  for (const copy of ['copy1', 'copy2']) {
    const name = `from_${copy}`;
    await restore(sys, name, `FROM '${uriOf('data')},${uriOf(copy)}' WITH 'pool_list='`);
    const restored = await fixture.login(`root@${name}`);
    expect(await query(restored, 'SELECT id FROM item ORDER BY id')).toHaveLength(4);
    await restored.end();
  }
}, 120_000);

test('what led before follows when it is back, and obsolete pieces go everywhere', { timeout: 120_000 }, async () => {
  renameSync(place('gone'), place('archive'));
  await allInStep();
  await sys.query('ALTER SYSTEM NOARCHIVELOG TENANT = shop');
  await waitFor(sys, ARCHIVE, (rows) => rows.every((row) => row.STATUS === 'STOP'));
  await sys.query('ALTER SYSTEM ARCHIVELOG TENANT = shop');
  await waitFor(sys, ARCHIVE, (rows) => rows.length === 3 && rows.every((row) => row.STATUS === 'DOING'));
  expect((await query(sys, ARCHIVE))[0]).toMatchObject({ DEST_NO: '0', PATH: uriOf('archive') });
  await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = shop');
  await validatesEachCopy();
  await shop.query("ALTER SYSTEM ADD DELETE BACKUP POLICY 'default' REDUNDANCY 1");
  const clean = async () => {
    await shop.query('ALTER SYSTEM DELETE OBSOLETE BACKUP');
    await waitFor(sys, 'SELECT * FROM oceanbase.CDB_OB_BACKUP_DELETE_JOBS', (found) => found.length === 0);
    const states = await query(sys, `${PIECES.replace('ORDER', 'WHERE PIECE_ID = 1 ORDER')}`);
    return states.map(({ DEST_NO, FILE_STATUS }) => `${DEST_NO} ${FILE_STATUS}`);
  };
  renameSync(place('copy1'), place('gone'));
  expect(await clean()).toEqual(['0 DELETED', '1 AVAILABLE', '2 DELETED']);
  renameSync(place('gone'), place('copy1'));
  expect(await clean()).toEqual(['0 DELETED', '1 DELETED', '2 DELETED']);
  for (const name of ['archive', 'copy1', 'copy2'])
    expect(readdirSync(place(name)).filter((entry) => /^piece_d\d+r1p/.test(entry))).toEqual([]);
});

/** VALIDATE reads each copy for itself, and one that is damaged is BROKEN until it was mended. */
async function validatesEachCopy(): Promise<void> {
  const validate = async () => {
    await shop.query("ALTER SYSTEM VALIDATE ARCHIVELOG_PIECE = 1 LEVEL = 'physical'");
    await waitFor(sys, 'SELECT * FROM oceanbase.CDB_OB_BACKUP_VALIDATE_JOBS', (found) => found.length === 0);
  };
  const states = async () =>
    (await query(sys, PIECES.replace('ORDER', 'WHERE PIECE_ID = 1 ORDER'))).map((row) => row.FILE_STATUS);
  const [piece] = readdirSync(place('copy2')).filter((entry) => /^piece_d\d+r1p1$/.test(entry));
  const log = fixture.path('backup', 'shop', 'copy2', piece!, 'logstream_1', 'log');
  const segment = join(log, readdirSync(log)[0]!);
  const bytes = readFileSync(segment);
  const damaged = Buffer.from(bytes);
  damaged[damaged.length - 20]! ^= 1;
  writeFileSync(segment, damaged);
  await validate();
  expect(await states()).toEqual(['AVAILABLE', 'AVAILABLE', 'BROKEN']);
  const tasks = await query(sys, 'SELECT * FROM oceanbase.CDB_OB_BACKUP_VALIDATE_TASK_HISTORY');
  expect(tasks).toHaveLength(3);
  const problems = (await query(sys, 'SELECT PROBLEMS FROM oceanbase.CDB_HF_PROTECTION'))[0]?.PROBLEMS;
  expect(problems).toContain(`the copy of archive piece 1 at ${uriOf('copy2')} is broken`);
  writeFileSync(segment, bytes);
  await validate();
  expect(await states()).toEqual(['AVAILABLE', 'AVAILABLE', 'AVAILABLE']);
}
