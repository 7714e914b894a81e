// Goal: no secret that an operator ever wrote shows up anywhere but under a key. Method: a full life of a server with planted
// secrets in every statement that takes one, right ones, wrong ones and misspelt ones; then every answer, view, log line,
// process list, file of the server, of the destinations and the output of `inspect` is searched for each of them.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hasS3Server, S3Server, SKIPPED } from '../s3/s3-server.ts';
import { archiveTenant, backUp, CLI, HoldfastFixture, query, restore, waitFor } from './holdfast-fixture.ts';

/** Told in every text that is searched: a search that finds nothing at all has not searched. */
const MARKER = 'plainly-visible-marker';

let fixture: HoldfastFixture;
let sys: Connection;
let shop: Connection;
/** What each secret was written for. */
const planted = new Map<string, string>();
/** Where each text came from. */
const texts: Array<[where: string, text: string]> = [];

function secret(what: string): string {
  const value = `S${randomBytes(9).toString('hex')}t`;
  planted.set(value, what);
  return value;
}

/** Runs a statement; its answer, whatever it is, is searched later. */
async function run(connection: Connection, sql: string): Promise<boolean> {
  try {
    const [answer] = await connection.query(sql);
    texts.push([sql.slice(0, 40), JSON.stringify(answer)]);
    return true;
  } catch (error) {
    const { message, ...rest } = error as Error;
    // The driver itself keeps the statement beside the error; what the server said is searched.
    const { sql: _sql, ...told } = rest as { sql?: string };
    texts.push([`error of ${sql.slice(0, 40)}`, message + JSON.stringify(told)]);
    return false;
  } finally {
    for (const show of ['SHOW WARNINGS', 'SHOW ERRORS']) {
      const [rows] = await connection.query(show);
      texts.push([`${show} behind ${sql.slice(0, 40)}`, JSON.stringify(rows)]);
    }
  }
}

async function must(connection: Connection, sql: string): Promise<void> {
  const isDone = await run(connection, sql);
  if (!isDone) throw new Error(`${sql}: ${texts.findLast(([where]) => where.startsWith('error of'))?.[1]}`);
}

function filesBelow(dir: string): string[] {
  return readdirSync(dir).flatMap((name) => {
    const path = join(dir, name);
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });
}

beforeAll(async () => {
  fixture = await HoldfastFixture.start(['--log-level', 'debug']);
  sys = await fixture.login('root@sys');
  mkdirSync(fixture.path('backup'));
  await sys.query('CREATE TENANT shop');
  shop = await fixture.login('root@shop');
  await shop.query(`CREATE TABLE \`${MARKER}\` (id INTEGER PRIMARY KEY)`);
  await archiveTenant(sys, fixture, 'shop');
}, 60_000);
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

test('statements with secrets, right and wrong', async () => {
  const backupPassword = secret('SET ENCRYPTION');
  await must(sys, `SET ENCRYPTION ON IDENTIFIED BY '${backupPassword}' ONLY`);
  await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = shop');
  await must(sys, 'ALTER SYSTEM BACKUP INCREMENTAL TENANT = shop');
  const from = `FROM '${fixture.uri('backup', 'shop', 'data')},${fixture.uri('backup', 'shop', 'archive')}'`;
  await must(sys, `SET DECRYPTION IDENTIFIED BY '${secret('wrong SET DECRYPTION')}'`);
  expect(await run(sys, `ALTER SYSTEM RESTORE back ${from} WITH ''`)).toBe(false);
  await must(sys, `SET DECRYPTION IDENTIFIED BY '${secret('a second password')}', '${backupPassword}'`);
  expect(await restore(sys, 'back', `${from} WITH '' DESCRIPTION '${MARKER}'`)).toMatchObject({ STATUS: 'SUCCESS' });
  const schedule = `CRON = '0 2 * * *' TENANT = shop PASSWORD = '${secret('a schedule')}'`;
  await must(sys, `ALTER SYSTEM ADD BACKUP SCHEDULE 'nightly' TYPE = FULL ${schedule}`);
  await must(shop, `ALTER USER root IDENTIFIED BY '${secret('ALTER USER')}'`);
  await must(shop, `SET PASSWORD = '${secret('SET PASSWORD')}'`);
  const others = [
    `ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION=s3://b/p?host=h&access_id=${secret('access_id')}&access_key=${secret('access_key')}' TENANT = shop`,
    `ALTER SYSTEM SET DATA_BACKUP_DEST = 'oss://box/p?host=http://127.0.0.1:1&access_id=${secret('id of nobody')}&access_key=${secret('data dest')}' TENANT = shop`,
    `ALTER SYSTEM SET DATA_BACKUP_DEST = 's3://box/p?host=169.254.169.254&access_id=${secret('a refused id')}&access_key=${secret('a refused host')}' TENANT = shop`,
    `ALTER SYSTEM SET archive_new_tenants = 's3://box/p?host=h&access_key=${secret('half a base')}'`,
    `ALTER SYSTEM SET tenant_destination_allow = 's3://box/p?host=h&access_id=a&access_key=${secret('a list')}'`,
    `ALTER SYSTEM VALIDATE BACKUPSET DATA_BACKUP_DEST = 's3://box/p?host=http://169.254.0.1&access_id=a&access_key=${secret('VALIDATE')}' TENANT = shop`,
    `ALTER SYSTEM CHANGE EXTERNAL_STORAGE_DEST PATH = 's3://b' SET ACCESS_INFO = 'access_id=a&access_key=${secret('ACCESS_INFO')}'`,
    `ALTER SYSTEM CHANGE EXTERNAL_STORAGE_DEST PATH = 's3://box/p?host=h&access_id=a&access_key=${secret('PATH')}' SET ATTRIBUTE = 'max_iops=5' TENANT = shop`,
    `ALTER SYSTEM SET LOG_RESTORE_SOURCE = 'SERVICE=1.2.3.4:2881 USER=r@t PASSWORD=${secret('SERVICE')}' TENANT = back`,
    `ALTER SYSTEM BACKUP KEY TENANT = shop TO '${fixture.path('keys')}' ENCRYPTED BY '${secret('BACKUP KEY')}'`,
    `ALTER SYSTEM RESTORE other ${from} WITH '' WITH KEY FROM '${fixture.path('keys')}' ENCRYPTED BY '${secret('WITH KEY')}'`,
    `ALTER SYSTEM RESTORE other FROM 's3://b/p?access_key=${secret('RESTORE FROM')}' WITH ''`,
    `ALTER SYSTEM CATALOG BACKUP FROM 's3://b/p?access_key=${secret('CATALOG')}'`,
    `CREATE USER eve IDENTIFIED BY '${secret('CREATE USER')}'`,
    `GRANT SELECT ON *.* TO eve IDENTIFIED BY '${secret('GRANT')}'`,
    `SET ENCRYPTON ON IDENTIFED BY '${secret('misspelt')}' ONLY`,
    `SET ENCRYPTION ON IDENTIFIED BY '${secret('unclosed')}`,
    `SELECT 1 /* IDENTIFIED BY '${secret('comment')}' */ FRM x`,
    `ALTER SYSTEM ADD BACKUP SCHEDULE 'w' TYPE = HOURLY PASSWORD = '${secret('refused schedule')}'`,
    `SET @password = '${secret('a user variable')}'`,
  ];
  // Some are refused, some are for one of the two alone: whatever the answer is, it shows no secret.
  for (const sql of others) {
    await run(sys, sql);
    await run(shop, sql);
  }
  const wrong = secret('a wrong login');
  await fixture.login('root@shop', wrong).catch((error: Error) => texts.push(['login', error.message]));
}, 120_000);

test.skipIf(!hasS3Server)(
  `keys of an object store that are in use ${SKIPPED}`,
  async () => {
    await using server = await S3Server.start();
    const { accessId, accessKey } = server.owner;
    planted.set(accessKey, 'the key of an object store');
    const key = `access_id=${accessId}&access_key=${accessKey}`;
    const bucket = await server.newBucket();
    const place = (path: string) => `s3://${bucket}/${path}?host=${server.host}`;
    await must(sys, `ALTER SYSTEM SET archive_new_tenants = '${place('new')}&${key}'`);
    await must(sys, 'CREATE TENANT cloud');
    await must(sys, "ALTER SYSTEM SET archive_new_tenants = ''");
    await must(sys, "ALTER SYSTEM SET tde_method = 'internal' TENANT = cloud");
    await must(sys, `ALTER SYSTEM BACKUP KEY TENANT = cloud TO '${place('k/file')}&${key}' ENCRYPTED BY 'p'`);
    await must(sys, `ALTER SYSTEM SET DATA_BACKUP_DEST = '${place('d')}&${key}' TENANT = cloud`);
    const [archive] = await query(sys, `SELECT PATH FROM oceanbase.CDB_OB_ARCHIVELOG WHERE PATH LIKE 's3%'`);
    const log = archive?.PATH ?? '';
    await must(
      sys,
      `ALTER SYSTEM CHANGE EXTERNAL_STORAGE_DEST PATH = '${log}' SET ACCESS_INFO = '${key}' TENANT = cloud`,
    );
    await waitFor(
      sys,
      `SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG WHERE PATH LIKE 's3%'`,
      ([row]) => row?.STATUS === 'DOING',
    );
    await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = cloud');
    const from = `FROM '${place('d')}&${key},${log}&${key}'`;
    await must(sys, `ALTER SYSTEM RESTORE ${from} PREVIEW`);
    expect(await restore(sys, 'cloud_back', `${from} WITH '' DESCRIPTION '${MARKER}'`)).toMatchObject({
      STATUS: 'SUCCESS',
    });
    await must(sys, `ALTER SYSTEM SET LOG_RESTORE_SOURCE = 'LOCATION=${log}&${key}' TENANT = cloud_back`);
    await must(sys, `ALTER SYSTEM VALIDATE BACKUPSET DATA_BACKUP_DEST = '${place('d')}&${key}' TENANT = cloud`);
    await must(sys, `ALTER SYSTEM CATALOG BACKUP FROM '${place('d')}&${key}' TENANT = cloud`);
    // The workers that wrote and read there are children of the server.
    const children = execFileSync('ps', ['--ppid', String(fixture.pid), '-o', 'args=']).toString();
    expect(children).toContain('node');
    texts.push(['command lines', children]);
    const inspected = execFileSync(process.execPath, [CLI, 'inspect', `${place('d')}&${key}`]);
    texts.push(['inspect of an object store', inspected.toString()]);
    await must(sys, 'DROP TENANT cloud FORCE');
  },
  240_000,
);

test('a statement that runs shows none in the process list', async () => {
  const running = shop.query(`SELECT sleep(2), '${MARKER}' /* IDENTIFIED BY '${secret('a running statement')}' */`);
  await sleep(500);
  for (const show of ['SHOW FULL PROCESSLIST', 'SELECT * FROM information_schema.PROCESSLIST']) {
    const rows = JSON.stringify((await sys.query(show))[0]);
    expect(rows).toContain('sleep(2)');
    texts.push([show, rows]);
  }
  await running;
});

test('none of them shows anywhere', async () => {
  const views = await query(
    sys,
    "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS n FROM information_schema.TABLES WHERE TABLE_TYPE LIKE '%VIEW%'",
  );
  expect(views.length).toBeGreaterThan(40);
  for (const { s, n } of views) {
    const rows = await query(sys, `SELECT * FROM \`${s}\`.\`${n}\``);
    texts.push([`${s}.${n}`, JSON.stringify(rows)]);
  }
  for (const show of [
    'SHOW VARIABLES',
    'SHOW PARAMETERS',
    'SHOW PARAMETERS TENANT = shop',
    'SHOW GRANTS',
    'SHOW TENANTS',
  ])
    texts.push([show, JSON.stringify((await sys.query(show))[0])]);
  for (const name of ['data', 'archive']) {
    const inspected = execFileSync(process.execPath, [CLI, 'inspect', fixture.uri('backup', 'shop', name)]);
    texts.push([`inspect ${name}`, inspected.toString()]);
  }
  await fixture.stop();
  texts.push(['the log', fixture.output]);
  const found: string[] = [];
  for (const [value, what] of planted)
    for (const [where, text] of texts) if (text.includes(value)) found.push(`the secret of ${what} in ${where}`);
  for (const path of filesBelow(fixture.dir)) {
    const bytes = readFileSync(path);
    for (const [value, what] of planted)
      if (bytes.includes(value)) found.push(`the secret of ${what} in ${path.slice(fixture.dir.length)}`);
  }
  expect(found).toEqual([]);
  expect(texts.filter(([, text]) => text.includes(MARKER)).length).toBeGreaterThan(1);
  expect(filesBelow(fixture.dir).some((path) => readFileSync(path).includes(MARKER))).toBe(true);
}, 120_000);
