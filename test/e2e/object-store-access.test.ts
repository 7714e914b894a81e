// Goal: the keys of object stores do what they are for and no more. Method: a real S3 server and a real client; keys that
// are stored, inherited, revoked and replaced, and tenants that try what is not theirs.
import { PutBucketPolicyCommand } from '@aws-sdk/client-s3';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasS3Server, S3Server, SKIPPED } from '../s3/s3-server.ts';
import { backUp, fails, HoldfastFixture, query, restore, waitFor } from './holdfast-fixture.ts';

const TIMEOUT_MS = 120_000;

describe.skipIf(!hasS3Server)(`access to object stores ${SKIPPED}`, () => {
  let server: S3Server;
  let fixture: HoldfastFixture;
  let sys: Connection;
  let shop: Connection;
  let bucket: string;
  /** A place in the bucket, and the same with a key. */
  const place = (path: string) => `s3://${bucket}/${path}?host=${server.host}`;
  const keyText = ({ accessId, accessKey }: { accessId: string; accessKey: string }) =>
    `access_id=${accessId}&access_key=${accessKey}`;
  const keyed = (path: string) => `${place(path)}&${keyText(server.owner)}`;

  beforeAll(async () => {
    server = await S3Server.start();
    bucket = await server.newBucket();
    fixture = await HoldfastFixture.start();
    sys = await fixture.login('root@sys');
    await sys.query('CREATE TENANT shop');
    await sys.query('CREATE TENANT other');
    shop = await fixture.login('root@shop');
    await shop.query('CREATE TABLE t (id INTEGER PRIMARY KEY)');
  }, TIMEOUT_MS);
  afterAll(async () => {
    await fixture?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  /** Takes from the owner of the bucket what lies below a path, and gives it to another user. */
  async function giveAway(path: string): Promise<void> {
    const client = server.client();
    const all = { Action: 's3:*', Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/${path}/*`] };
    const below = { Action: ['s3:GetObject', 's3:PutObject'], Resource: `arn:aws:s3:::${bucket}/${path}/*` };
    const of = (user: string) => ({ Principal: { AWS: [`arn:aws:iam:::user/${user}`] } });
    const Statement = [
      { Effect: 'Allow', ...of('stranger'), ...all },
      { Effect: 'Deny', ...of('owner'), ...below },
    ];
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
    await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }));
    client.destroy();
  }

  const archived = (scn: string) =>
    waitFor(
      sys,
      'SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG',
      ([row]) => BigInt(row?.CHECKPOINT_SCN ?? 0) >= BigInt(scn),
    );
  const now = async () => `${BigInt(Date.now()) * 1_000_000n}`;

  test(
    'a key is kept with what it is for, and shown to nobody',
    async () => {
      await sys.query(`ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION=${keyed('a')}' TENANT = shop`);
      await sys.query("ALTER SYSTEM SET archive_lag_target = '1s' TENANT = shop");
      await sys.query(`ALTER SYSTEM SET DATA_BACKUP_DEST = '${keyed('d')}' TENANT = shop`);
      const shown = await query(sys, 'SELECT * FROM oceanbase.CDB_OB_BACKUP_STORAGE_INFO ORDER BY DEST_ID');
      expect(shown.map(({ PATH, ENDPOINT, AUTHORIZATION }) => ({ PATH, ENDPOINT, AUTHORIZATION }))).toEqual(
        ['a', 'd'].map((path) => ({
          ...{ PATH: place(path), ENDPOINT: `host=${server.host}` },
          AUTHORIZATION: 'access_id=******&access_key=******',
        })),
      );
      await sys.query('ALTER SYSTEM ARCHIVELOG TENANT = shop');
      await waitFor(sys, 'SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG', ([row]) => row?.STATUS === 'DOING');
      await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = shop');
      const [job] = await query(sys, "SELECT * FROM oceanbase.CDB_OB_BACKUP_JOB_HISTORY WHERE PATH <> ''");
      expect(job).toMatchObject({ STATUS: 'COMPLETED', PATH: place('d') });
    },
    TIMEOUT_MS,
  );

  test(
    'a key that is revoked is replaced while the archive runs',
    async () => {
      await giveAway('a');
      await shop.query('INSERT INTO t VALUES (1)');
      await waitFor(sys, 'SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG', ([row]) =>
        /9071|permission/.test(row?.COMMENT ?? ''),
      );
      const change = (info: string) =>
        `ALTER SYSTEM CHANGE EXTERNAL_STORAGE_DEST PATH = '${place('a')}' SET ACCESS_INFO = '${info}' TENANT = shop`;
      expect(await fails(sys, change(keyText({ ...server.stranger, accessKey: 'wrong' })))).toMatch(/^9071 /);
      expect(await fails(sys, change('access_id=x'))).toMatch(/^1210 .*ACCESS_INFO/);
      const scn = await now();
      await sys.query(change(keyText(server.stranger)));
      const [row] = await archived(scn);
      expect(row).toMatchObject({ STATUS: 'DOING', ROUND_ID: '1', COMMENT: '' });
    },
    TIMEOUT_MS,
  );

  test(
    'it is there again after a crash',
    async () => {
      await fixture.kill();
      await fixture.startServer();
      sys = await fixture.login('root@sys');
      shop = await fixture.login('root@shop');
      await shop.query('INSERT INTO t VALUES (2)');
      expect((await archived(await now()))[0]).toMatchObject({ STATUS: 'DOING', ROUND_ID: '1' });
    },
    TIMEOUT_MS,
  );

  test(
    "sys restores with a tenant's key, and leaves the restored one that of the archive",
    async () => {
      const job = await restore(sys, 'back', `FROM '${place('d')},${place('a')}' WITH ''`);
      expect(job).toMatchObject({ STATUS: 'SUCCESS' });
      await shop.query('INSERT INTO t VALUES (3)');
      await archived(await now());
      await sys.query('ALTER SYSTEM RECOVER STANDBY TENANT = back UNTIL UNLIMITED');
      const back = await fixture.login('root@back');
      await waitFor(back, 'SELECT max(id) AS newest FROM t', ([row]) => row?.newest === '3');
      // It is his to follow: he writes nowhere with it, and has no other one.
      const dest = (path: string) => `ALTER SYSTEM SET DATA_BACKUP_DEST = '${place(path)}'`;
      expect(await fails(back, dest('d'))).toMatch(/^9071 .*there is no access key for it/);
      expect(await fails(back, dest('a'))).toMatch(/^9081 /);
    },
    TIMEOUT_MS,
  );

  test(
    'another server restores with the keys that the statement gives, which nothing has kept before',
    async () => {
      await using elsewhere = await HoldfastFixture.start();
      const there = await elsewhere.login('root@sys');
      const job = await restore(
        there,
        'moved',
        `FROM '${keyed('d')},${place('a')}&${keyText(server.stranger)}' WITH ''`,
      );
      expect(job).toMatchObject({ STATUS: 'SUCCESS' });
      const moved = await elsewhere.login('root@moved');
      expect(await query(moved, 'SELECT id FROM t WHERE id = 1')).toEqual([{ id: '1' }]);
    },
    TIMEOUT_MS,
  );

  test(
    "a tenant opens nothing with another one's key, the server's own rights, or at an address inside",
    async () => {
      const other = await fixture.login('root@other');
      const set = (uri: string) => fails(other, `ALTER SYSTEM SET DATA_BACKUP_DEST = '${uri}'`);
      expect(await set(place('d'))).toMatch(/^9071 .*there is no access key for it/);
      expect(await set(place('o'))).toMatch(/^9071 .*there is no access key for it/);
      expect(await set(keyed('o'))).toMatch(
        /^9071 .*its host 127\.0\.0\.1 is a loopback address that no tenant may name/,
      );
      const validate = `ALTER SYSTEM VALIDATE BACKUPSET DATA_BACKUP_DEST = '${place('d')}'`;
      expect(await fails(other, validate)).toMatch(/^9071 .*there is no access key/);
      expect(await fails(other, `ALTER SYSTEM CATALOG BACKUP FROM '${place('d')}'`)).toMatch(
        /^9071 .*there is no access key/,
      );
      await sys.query("ALTER SYSTEM SET destination_hosts_allow = '127.0.0.1'");
      await other.query(`ALTER SYSTEM SET DATA_BACKUP_DEST = '${keyed('o')}'`);
      await sys.query("ALTER SYSTEM SET destination_hosts_allow = ''");
      expect(
        await fails(
          sys,
          `ALTER SYSTEM SET DATA_BACKUP_DEST = 's3://box/p?host=169.254.169.254&${keyText(server.owner)}' TENANT = other`,
        ),
      ).toMatch(/^9071 .*its host 169\.254\.169\.254 is a link-local address/);
      expect(await fails(other, "ALTER SYSTEM SET tenant_destination_allow = 'file:///'")).toMatch(/^1227 /);
    },
    TIMEOUT_MS,
  );

  test(
    'the list of the cluster says what a tenant may name',
    async () => {
      const other = await fixture.login('root@other');
      await sys.query(`ALTER SYSTEM SET tenant_destination_allow = 's3://${bucket}/of/{tenant}?host=${server.host}'`);
      expect(await fails(other, `ALTER SYSTEM SET DATA_BACKUP_DEST = '${keyed('of/shop')}'`)).toMatch(
        /^9071 .*tenant_destination_allow names no place for this tenant/,
      );
      expect(await fails(other, `ALTER SYSTEM SET DATA_BACKUP_DEST = '${fixture.uri('x')}'`)).toMatch(/^9071 /);
      await other.query(`ALTER SYSTEM SET DATA_BACKUP_DEST = '${keyed('of/other/data')}'`);
      await sys.query("ALTER SYSTEM SET tenant_destination_allow = ''");
      expect(await fails(sys, "ALTER SYSTEM SET tenant_destination_allow = '/backup'")).toMatch(/^1210 .*is no uri/);
    },
    TIMEOUT_MS,
  );

  test(
    "new tenants inherit the key of archive_new_tenants, which no one's parameters show",
    async () => {
      await sys.query(`ALTER SYSTEM SET archive_new_tenants = '${keyed('new')}'`);
      await sys.query('CREATE TENANT fresh');
      expect(await query(sys, 'SHOW WARNINGS')).toEqual([]);
      await sys.query("ALTER SYSTEM SET archive_new_tenants = ''");
      const [{ TENANT_ID: id } = {}] = await query(
        sys,
        "SELECT * FROM oceanbase.DBA_OB_TENANTS WHERE TENANT_NAME = 'fresh'",
      );
      const [round] = await waitFor(
        sys,
        `SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG WHERE TENANT_ID = ${id}`,
        ([row]) => row?.STATUS === 'DOING',
      );
      expect(round?.PATH).toBe(place(`new/fresh_${id}/archive`));
    },
    TIMEOUT_MS,
  );

  test(
    "without a key the server's own rights are used, for what sys names",
    async () => {
      await fixture.stop();
      const { accessId, accessKey } = server.owner;
      Object.assign(process.env, { AWS_ACCESS_KEY_ID: accessId, AWS_SECRET_ACCESS_KEY: accessKey });
      try {
        await fixture.startServer();
      } finally {
        delete process.env.AWS_ACCESS_KEY_ID;
        delete process.env.AWS_SECRET_ACCESS_KEY;
      }
      sys = await fixture.login('root@sys');
      const other = await fixture.login('root@other');
      expect(await fails(other, `ALTER SYSTEM SET DATA_BACKUP_DEST = '${place('env')}'`)).toMatch(
        /^9071 .*no access key/,
      );
      await sys.query(`ALTER SYSTEM SET DATA_BACKUP_DEST = '${place('env')}' TENANT = other`);
      // The place is approved of: the tenant may name it again.
      await other.query(`ALTER SYSTEM SET DATA_BACKUP_DEST = '${place('env')}'`);
      await sys.query(`ALTER SYSTEM SET tenant_destination_allow = 's3://${bucket}/env2?host=${server.host}'`);
      await other.query(`ALTER SYSTEM SET DATA_BACKUP_DEST = '${place('env2')}'`);
      const rows = await query(other, 'SELECT * FROM oceanbase.DBA_OB_BACKUP_STORAGE_INFO');
      expect(rows.at(-1)).toMatchObject({ PATH: place('env2'), AUTHORIZATION: '' });
    },
    TIMEOUT_MS,
  );
});
