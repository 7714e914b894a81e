// Goal: with tde_method = 'internal' nothing of a tenant lies readable at his destinations, and his key file or the cluster
// brings everything back, also on an empty machine. Method: a real server; every statement, error and view of keys; the
// server is killed and its directory wiped; all files are searched for planted texts, keys and passwords.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeKeyFile } from '../../src/format/key-file.ts';
import { archiveTenant, backUp, fails, HoldfastFixture, query, restore, waitFor } from './holdfast-fixture.ts';

const PLANTED = 'planted-secret-of-the-shop';
const FILE_PASSWORD = 'key-file-password-93';
const SET_PASSWORD = 'set-password-17';
/** Written at some point: random text, so that it would stand in a compressed page as it is. */
const planted: string[] = [];

let fixture: HoldfastFixture;
let sys: Connection;
let shop: Connection;
let oracle: Connection;

const KEYS = 'SELECT * FROM oceanbase.CDB_HF_TENANT_KEYS ORDER BY TENANT_ID, VERSION';
const keyFile = (name: string) => fixture.path('safe', name);
const sources = () => `FROM '${fixture.uri('backup', 'shop', 'data')},${fixture.uri('backup', 'shop', 'archive')}'`;
const withKey = (name: string, password = FILE_PASSWORD) =>
  `WITH KEY FROM '${keyFile(name)}' ENCRYPTED BY '${password}'`;
const messages = async (connection: Connection) => (await query(connection, 'SHOW WARNINGS')).map((row) => row.Message);

async function insert(id: number): Promise<void> {
  const text = `${PLANTED}-${crypto.randomUUID()}`;
  planted.push(text);
  await shop.query(`INSERT INTO item VALUES (${id}, '${text}')`);
}

function filesBelow(path: string): string[] {
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Files that hold one of the texts, in whatever file. */
function filesWith(root: string, texts: readonly (string | Buffer)[]): string[] {
  return filesBelow(root).filter((path) => {
    const bytes = readFileSync(path);
    return texts.some((text) => bytes.includes(text));
  });
}

async function loginAll(): Promise<void> {
  sys = await fixture.login('root@sys');
}

beforeAll(async () => {
  fixture = await HoldfastFixture.start();
  await loginAll();
  for (const name of ['shop', 'ora']) mkdirSync(fixture.path('backup', name), { recursive: true });
  await sys.query('CREATE TENANT shop');
  await sys.query("CREATE TENANT ora SET ob_compatibility_mode = 'oracle'");
  shop = await fixture.login('root@shop');
  oracle = await fixture.login('SYS@ora');
  await shop.query('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
  for (const name of ['shop', 'ora']) await archiveTenant(sys, fixture, name);
}, 120_000);
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

test('a tenant without encryption has no key, and statements of keys say so', async () => {
  expect(await query(sys, KEYS)).toEqual([]);
  expect(await fails(shop, 'ALTER INSTANCE ROTATE INNODB MASTER KEY')).toBe(
    "1235 a new key for a tenant with tde_method = 'none' is not supported",
  );
  expect(await fails(shop, `ALTER SYSTEM BACKUP KEY TO '${keyFile('k')}' ENCRYPTED BY 'x'`)).toContain('4018 ');
  expect(await fails(sys, "ALTER SYSTEM SET tde_method = 'bkmi' TENANT = shop")).toContain('1210 ');
  expect(await fails(sys, "ALTER SYSTEM SET tde_method = 'internal'")).toContain('1235 ');
  // It is told once that a password leaves the log as it is; with encryption there is nothing to tell.
  await shop.query(`SET ENCRYPTION ON IDENTIFIED BY '${SET_PASSWORD}' ONLY`);
  expect((await messages(shop)).join()).toContain('the archived log is not encrypted unless');
  await shop.query('SET ENCRYPTION OFF');
});

test('a tenant gets a key of his own, which he sees and others do not', async () => {
  await insert(1);
  await sys.query("ALTER SYSTEM SET tde_method = 'internal' TENANT = shop");
  await oracle.query("ALTER SYSTEM SET tde_method = 'internal'");
  const rows = await query(sys, KEYS);
  expect(rows.map((row) => [row.VERSION, row.IN_USE, row.EXPORTED_TIMESTAMP])).toEqual([
    ['1', 'YES', null],
    ['1', 'YES', null],
  ]);
  expect(new Set(rows.map((row) => row.KEY_ID)).size).toBe(2);
  const own = await query(shop, 'SELECT * FROM oceanbase.DBA_HF_TENANT_KEYS');
  expect(own.map((row) => row.KEY_ID)).toEqual([rows[0]!.KEY_ID]);
  const ofOracle = await query(oracle, 'SELECT * FROM SYS.DBA_HF_TENANT_KEYS');
  expect(ofOracle.map((row) => row.KEY_ID)).toEqual([rows[1]!.KEY_ID]);
  const other = await fixture.login('root@shop');
  await other.query(`SET ENCRYPTION ON IDENTIFIED BY '${SET_PASSWORD}' ONLY`);
  expect(await messages(other)).toEqual([]);
});

test('what is committed after the answer is encrypted, and what was there stays', async () => {
  for (let id = 2; id < 6; id++) await insert(id);
  await sys.query('ALTER SYSTEM BACKUP TENANT = shop, ora');
  expect((await messages(sys)).filter((message) => message?.includes('never exported'))).toHaveLength(2);
  await waitFor(sys, 'SELECT JOB_ID FROM oceanbase.CDB_OB_BACKUP_JOBS', (rows) => rows.length === 0);
  const jobs = await query(sys, 'SELECT * FROM oceanbase.CDB_OB_BACKUP_JOB_HISTORY ORDER BY TENANT_ID');
  const modes = jobs.map(({ ENCRYPTION_MODE, PASSWD, STATUS }) => [ENCRYPTION_MODE, PASSWD, STATUS]);
  expect(modes).toEqual(Array.from({ length: 3 }, () => ['TRANSPARENT_ENCRYPTION', '', 'COMPLETED']));
  expect(jobs.at(-1)!.COMMENT).toContain("version 1 of the tenant's key was never exported");
  await insert(6);
}, 60_000);

test('a key is rotated in the words of both modes, and from sys by name', async () => {
  await shop.query('ALTER INSTANCE ROTATE INNODB MASTER KEY');
  expect((await messages(shop)).join()).toContain('in no file yet');
  await oracle.query('ADMINISTER KEY MANAGEMENT SET ENCRYPTION KEY');
  expect(await fails(oracle, "ADMINISTER KEY MANAGEMENT SET KEY IDENTIFIED BY 'x'")).toContain('not supported');
  await sys.query('ALTER SYSTEM ROTATE KEY TENANT = shop');
  expect(await fails(sys, 'ALTER INSTANCE ROTATE INNODB MASTER KEY')).toContain('1235 ');
  expect(await fails(shop, 'ALTER SYSTEM ROTATE KEY TENANT = ora')).toContain('1227 ');
  const used = (await query(sys, KEYS)).map((row) => `${row.VERSION} ${row.IN_USE}`);
  expect(used).toEqual(['1 NO', '2 NO', '3 YES', '1 NO', '2 YES']);
  await insert(7);
});

test('BACKUP KEY writes all versions to one new file, under a password', async () => {
  const to = (name: string) => `TO '${keyFile(name)}'`;
  expect(await fails(sys, `ALTER SYSTEM BACKUP KEY ${to('k')} ENCRYPTED BY 'x'`)).toBe(
    '1235 No tenant name specified not supported',
  );
  expect(await fails(sys, `ALTER SYSTEM BACKUP KEY TENANT = shop, ora ${to('k')} ENCRYPTED BY 'x'`)).toBe(
    '1210 Incorrect arguments to tenant list, count of tenants must be 1',
  );
  expect(await fails(shop, `ALTER SYSTEM BACKUP KEY ${to('k')}`)).toContain('1210 ');
  expect(await fails(shop, `ALTER SYSTEM BACKUP KEY ${to('k')} ENCRYPTED BY ''`)).toContain('1210 ');
  expect(await fails(shop, "ALTER SYSTEM BACKUP KEY ENCRYPTED BY 'x'")).toContain('1210 ');
  expect(await fails(shop, "ALTER SYSTEM BACKUP KEY TO 'safe/k' ENCRYPTED BY 'x'")).toContain('9026 ');
  expect(await fails(shop, `ALTER SYSTEM BACKUP KEY TO '${fixture.dataDir}/k' ENCRYPTED BY 'x'`)).toContain('9071 ');
  await sys.query(
    `ALTER SYSTEM BACKUP KEY TENANT = shop TO 'file://${keyFile('shop')}' ENCRYPTED BY '${FILE_PASSWORD}'`,
  );
  expect(await fails(shop, `ALTER SYSTEM BACKUP KEY ${to('shop')} ENCRYPTED BY 'x'`)).toContain('4017 ');
  const exported = (await query(sys, KEYS)).map((row) => row.EXPORTED_TIMESTAMP !== null);
  expect(exported).toEqual([true, true, true, false, false]);
  expect((await decodeKeyFile(readFileSync(keyFile('shop')), FILE_PASSWORD, 'k')).keys).toHaveLength(3);
});

test('an increment continues an encrypted set; a password beside the key opens a set of its own', async () => {
  const encrypted = await backUp(sys, 'ALTER SYSTEM BACKUP INCREMENTAL TENANT = shop');
  expect(encrypted.at(-1)).toMatchObject({
    BACKUP_TYPE: 'INC',
    ENCRYPTION_MODE: 'TRANSPARENT_ENCRYPTION',
    COMMENT: '',
  });
  await insert(8);
  await sys.query(`SET ENCRYPTION ON IDENTIFIED BY '${SET_PASSWORD}' ONLY`);
  const dual = await backUp(sys, 'ALTER SYSTEM BACKUP INCREMENTAL TENANT = shop');
  expect(dual.at(-1)).toMatchObject({ BACKUP_TYPE: 'FULL', ENCRYPTION_MODE: 'DUAL_MODE_ENCRYPTION', PASSWD: '******' });
  expect(dual.at(-1)!.COMMENT).toContain('no password opens');
}, 60_000);

test('nothing of it lies readable anywhere', async () => {
  await insert(9);
  const backup = fixture.path('backup', 'shop');
  // The first text was committed before encryption began: the search finds it, so it would find the others.
  expect(filesWith(backup, [planted[0]!]).every((path) => path.endsWith('.obarc'))).toBe(true);
  expect(filesWith(backup, planted.slice(1))).toEqual([]);
  const { keys } = await decodeKeyFile(readFileSync(keyFile('shop')), FILE_PASSWORD, 'k');
  const secrets = keys.flatMap(({ key }) => [
    Buffer.from(key),
    ...(['hex', 'base64'] as const).map((as) => Buffer.from(key).toString(as)),
  ]);
  expect(filesWith(fixture.dir, [...secrets, FILE_PASSWORD, SET_PASSWORD])).toEqual([]);
  for (const secret of [...secrets, FILE_PASSWORD, SET_PASSWORD])
    expect(fixture.output.includes(String(secret))).toBe(false);
  const list = JSON.stringify(await query(sys, 'SHOW FULL PROCESSLIST'));
  expect(list).not.toContain(FILE_PASSWORD);
});

test('what is encrypted is validated and rehearsed without a word about keys', async () => {
  for (const level of ['physical', 'restore']) {
    await sys.query(`ALTER SYSTEM VALIDATE BACKUP LEVEL = '${level}' TENANT = shop`);
    await waitFor(sys, 'SELECT JOB_ID FROM oceanbase.CDB_OB_BACKUP_VALIDATE_JOBS', (rows) => rows.length === 0);
  }
  const jobs = await query(sys, 'SELECT * FROM oceanbase.CDB_OB_BACKUP_VALIDATE_JOB_HISTORY WHERE TENANT_ID <> 1');
  expect(jobs.map(({ STATUS, RESULT }) => [STATUS, RESULT])).toEqual([
    ['COMPLETED', '0'],
    ['COMPLETED', '0'],
  ]);
}, 60_000);

test('the same cluster restores with what it has', async () => {
  const row = await restore(sys, 'again', sources());
  expect(row.STATUS).toBe('SUCCESS');
  const again = await fixture.login('root@again');
  const names = async () => (await query(again, 'SELECT name FROM item ORDER BY id')).map(({ name }) => name);
  expect(await names()).toEqual(planted);
  // A standby follows encrypted log.
  await sys.query('ALTER SYSTEM RECOVER STANDBY TENANT = again UNTIL UNLIMITED');
  await insert(40);
  await waitFor(again, 'SELECT name FROM item', (rows) => rows.length === planted.length);
  expect(await names()).toEqual(planted);
  await sys.query('ALTER SYSTEM RECOVER STANDBY TENANT = again CANCEL');
  await sys.query('DROP TENANT again FORCE');
}, 90_000);

test('an empty machine needs the key file or the password, and says what is missing', async () => {
  await fixture.kill();
  rmSync(fixture.dataDir, { recursive: true });
  await fixture.startServer();
  await loginAll();
  // Recording what lies there opens nothing.
  await sys.query(`ALTER SYSTEM CATALOG BACKUP ${sources()}`);
  expect(await messages(sys)).toEqual([]);
  const attempt = (rest = '') => `ALTER SYSTEM RESTORE shop ${sources()} ${rest}`;
  expect(await fails(sys, attempt())).toMatch(
    /^9047 .*backup_set_\d+_full is encrypted and no password was given, and the tenant key [0-9a-f]{16} is not at hand/,
  );
  expect(await fails(sys, attempt(withKey('nothing')))).toContain('9011 ');
  expect(await fails(sys, attempt(withKey('shop', 'wrong')))).toContain('9047 ');
  expect(await fails(sys, attempt(`WITH KEY FROM '${keyFile('shop')}'`))).toContain('1210 ');
  const bytes = readFileSync(keyFile('shop'));
  bytes[200]! ^= 1;
  writeFileSync(keyFile('bad'), bytes);
  expect(await fails(sys, attempt(withKey('bad')))).toContain('9010 ');
  // The password alone opens the set, but not the log behind it.
  await sys.query(`SET DECRYPTION IDENTIFIED BY '${SET_PASSWORD}'`);
  expect(await fails(sys, attempt())).toMatch(/^9047 .*the log in piece_\S+ is encrypted with the tenant key/);
  expect(await query(sys, "SELECT * FROM oceanbase.DBA_OB_TENANTS WHERE TENANT_NAME = 'shop'")).toEqual([]);
  const [point] = (await query(sys, `ALTER SYSTEM RESTORE ${sources()} PREVIEW`)).filter(
    (row) => row.ITEM === 'BACKUP SET',
  );
  const bySet = await restore(sys, 'by_password', `${sources()} UNTIL SCN = ${point!.TO_SCN}`);
  expect(bySet.STATUS).toBe('SUCCESS');
  const copy = await fixture.login('root@by_password');
  expect((await query(copy, 'SELECT name FROM item ORDER BY id')).map(({ name }) => name)).toEqual(planted.slice(0, 8));
}, 60_000);

test('with the key file everything comes back, and the new tenant goes on encrypting', async () => {
  const fresh = await fixture.login('root@sys');
  const row = await restore(fresh, 'shop', `${sources()} ${withKey('shop')}`);
  expect(row.STATUS).toBe('SUCCESS');
  shop = await fixture.login('root@shop');
  expect((await query(shop, 'SELECT name FROM item ORDER BY id')).map(({ name }) => name)).toEqual(planted);
  const rows = await query(shop, 'SELECT * FROM oceanbase.DBA_HF_TENANT_KEYS ORDER BY VERSION');
  expect(rows.map((key) => [key.VERSION, key.IN_USE, key.EXPORTED_TIMESTAMP !== null])).toEqual([
    ['1', 'NO', true],
    ['2', 'NO', true],
    ['3', 'YES', true],
  ]);
  await sys.query('ALTER SYSTEM ACTIVATE STANDBY TENANT = shop');
  const before = planted.length;
  mkdirSync(fixture.path('backup', 'second'));
  await sys.query(
    `ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=${fixture.uri('backup', 'second', 'archive')}' TENANT = shop`,
  );
  await sys.query(`ALTER SYSTEM SET DATA_BACKUP_DEST='${fixture.uri('backup', 'second', 'data')}' TENANT = shop`);
  await sys.query('ALTER SYSTEM ARCHIVELOG TENANT = shop');
  await waitFor(sys, "SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG WHERE STATUS = 'DOING'", (rows) => rows.length === 1);
  shop = await fixture.login('root@shop');
  await insert(100);
  const jobs = await backUp(fresh, 'ALTER SYSTEM BACKUP TENANT = shop');
  expect(jobs.at(-1)!.ENCRYPTION_MODE).toBe('TRANSPARENT_ENCRYPTION');
  expect(filesWith(fixture.path('backup', 'second'), planted.slice(before))).toEqual([]);
  expect(filesWith(fixture.path('backup', 'second'), [PLANTED])).toEqual([]);
}, 60_000);
