// Goal: in buckets that lock objects, or remove them by a rule of their own, cleaning ends, says what it waits for, and
// nobody takes for whole what is deleted.
// Method: the built server over a real S3 server; locks of seconds, one of which somebody else has made longer.
import {
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasS3Server, S3Server, SKIPPED } from '../s3/s3-server.ts';
import { backUp, fails, HoldfastFixture, query, restore, waitFor, waitForDoing } from './holdfast-fixture.ts';

/** Long enough to be seen waiting. */
const LONGER_MS = 20_000;

describe.skipIf(!hasS3Server)(`cleaning in an object store ${SKIPPED}`, () => {
  let server: S3Server;
  let client: S3Client;
  let fixture: HoldfastFixture;
  let sys: Connection;

  beforeAll(async () => {
    server = await S3Server.start();
    client = server.client();
    fixture = await HoldfastFixture.start();
    sys = await fixture.login('root@sys');
  }, 120_000);
  afterAll(async () => {
    await fixture?.[Symbol.asyncDispose]();
    client?.destroy();
    await server?.[Symbol.asyncDispose]();
  });

  /** Keys of what lies in a bucket, those of hidden versions too. */
  async function keysOf(Bucket: string, Prefix = ''): Promise<string[]> {
    const { Versions = [], DeleteMarkers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket, Prefix }));
    return [...Versions, ...DeleteMarkers].map(({ Key }) => Key!).sort();
  }

  /** A tenant with two full sets, both destinations in one bucket. */
  async function begin(name: string, of: { bucket: string; options: string; policy?: string }): Promise<void> {
    const uri = (path: string) => `${server.uriText(of.bucket, path)}&${of.options}`;
    await sys.query(`CREATE TENANT ${name}`);
    if (of.policy) await sys.query(`ALTER SYSTEM ADD DELETE BACKUP POLICY 'default' ${of.policy} TENANT ${name}`);
    await sys.query(`ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION=${uri('/log')}' TENANT = ${name}`);
    await sys.query(`ALTER SYSTEM SET DATA_BACKUP_DEST = '${uri('/data')}' TENANT = ${name}`);
    await sys.query(`ALTER SYSTEM ARCHIVELOG TENANT = ${name}`);
    await waitForDoing(sys, name);
    const tenant = await fixture.login(`root@${name}`);
    await tenant.query('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
    await backUp(sys, `ALTER SYSTEM BACKUP TENANT = ${name}`);
    await tenant.query("INSERT INTO item VALUES (1, 'one')");
    await backUp(sys, `ALTER SYSTEM BACKUP TENANT = ${name}`);
  }

  const statesOf = async (name: string) =>
    (
      await query(
        sys,
        `SELECT FILE_STATUS FROM oceanbase.CDB_OB_BACKUP_SET_FILES s JOIN oceanbase.DBA_OB_TENANTS t USING (TENANT_ID)
          WHERE t.TENANT_NAME = '${name}' ORDER BY BACKUP_SET_ID`,
      )
    ).map((row) => row.FILE_STATUS);
  const preview = (name: string) => `ALTER SYSTEM DELETE OBSOLETE BACKUP TENANT ${name} PREVIEW`;
  const jobsEnd = () =>
    waitFor(sys, 'SELECT * FROM oceanbase.CDB_OB_BACKUP_DELETE_JOBS', (found) => found.length === 0);

  test('everything is locked, and goes when its lock has ended', async () => {
    const bucket = await server.newBucket({ isLockable: true });
    await begin('locked', { bucket, options: 'enable_worm=true', policy: "RECOVERY_WINDOW '4s'" });
    const manifest = { Bucket: bucket, Key: 'data/backup_set_1_full/single_backup_set_info.obbak' };
    for (const Key of await keysOf(bucket)) {
      const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key }));
      expect([Key, head.ObjectLockMode]).toEqual([Key, 'COMPLIANCE']);
      expect(head.ObjectLockRetainUntilDate!.getTime()).toBeGreaterThan(head.LastModified!.getTime() + 4000);
    }
    expect((await keysOf(bucket)).filter((key) => key.includes('_access_'))).toEqual([]);
    // What the policy lets go, it knows to be unlocked.
    await waitFor(sys, preview('locked'), (found) => found.some(({ ID, ACTION }) => ID === '1' && ACTION === 'DELETE'));
    const { ObjectLockRetainUntilDate: lockedUntil } = await client.send(new HeadObjectCommand(manifest));
    expect(lockedUntil!.getTime()).toBeLessThan(Date.now());
    // Somebody has locked it again meanwhile.
    const RetainUntilDate = new Date(Math.ceil((Date.now() + LONGER_MS) / 1000) * 1000);
    await client.send(
      new PutObjectRetentionCommand({ ...manifest, Retention: { Mode: 'COMPLIANCE', RetainUntilDate } }),
    );
    await sys.query('ALTER SYSTEM DELETE OBSOLETE BACKUP TENANT locked');
    const waits = `the objects of set 1 are locked until ${RetainUntilDate.toISOString()}: deleting goes on then`;
    // The other row is that of the statement.
    const jobs = 'SELECT * FROM oceanbase.CDB_OB_BACKUP_DELETE_JOBS WHERE TENANT_ID <> 1';
    await waitFor(sys, jobs, (found) => found[0]?.COMMENT === waits);
    expect((await query(sys, 'SELECT STATUS, COMMENT FROM oceanbase.CDB_OB_BACKUP_DELETE_TASKS'))[0]).toEqual({
      STATUS: 'INIT',
      COMMENT: waits,
    });
    expect(await statesOf('locked')).toEqual(['EXPIRED', 'AVAILABLE']);
    expect(await keysOf(bucket, 'data/backup_set_1_full/')).toHaveLength(5);
    await jobsEnd();
    expect(Date.now()).toBeGreaterThanOrEqual(RetainUntilDate.getTime());
    expect(await statesOf('locked')).toEqual(['DELETED', 'AVAILABLE']);
    expect((await keysOf(bucket, 'data/')).filter((key) => key.includes('backup_set_1_'))).toEqual([]);
    const from = ['/data', '/log'].map((path) => server.uriText(bucket, path)).join();
    await restore(sys, 'again', `FROM '${from}' WITH 'pool_list='`);
    const again = await fixture.login('root@again');
    expect(await query(again, 'SELECT * FROM item')).toEqual([{ id: '1', name: 'one' }]);
  }, 180_000);

  test('a bucket that locks by itself has to be named as one', async () => {
    const bucket = await server.newBucket({ isLockable: true });
    await client.send(
      new PutObjectLockConfigurationCommand({
        Bucket: bucket,
        ObjectLockConfiguration: {
          ObjectLockEnabled: 'Enabled',
          Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 1 } },
        },
      }),
    );
    await sys.query('CREATE TENANT unsaid');
    const set = (options: string) =>
      `ALTER SYSTEM SET DATA_BACKUP_DEST = '${server.uriText(bucket, '/data')}${options}' TENANT = unsaid`;
    expect(await fails(sys, set(''))).toBe(
      '1210 Incorrect arguments to set backup dest: parameter enable_worm=true is required for bucket with worm',
    );
    await sys.query(set('&enable_worm=true'));
  }, 60_000);

  test('where a rule of the bucket deletes, objects are labelled, and lists pass them over', async () => {
    const bucket = await server.newBucket();
    await begin('labelled', { bucket, options: 'delete_mode=tagging' });
    await sys.query('ALTER SYSTEM DELETE BACKUPSET 1 TENANT labelled');
    await jobsEnd();
    expect(await statesOf('labelled')).toEqual(['DELETED', 'AVAILABLE']);
    const keys = await keysOf(bucket, 'data/backup_set');
    const labelled: string[] = [];
    for (const Key of keys) {
      const { TagSet = [] } = await client.send(new GetObjectTaggingCommand({ Bucket: bucket, Key }));
      if (TagSet.some(({ Key: tag, Value }) => tag === 'delete_mode' && Value === 'tagging')) labelled.push(Key);
    }
    expect(labelled).toEqual(keys.filter((key) => key.includes('backup_set_1_')));
    expect(labelled).toContain('data/backup_sets/backup_set_1_full_deleted.obbak');
    expect(labelled).toContain('data/backup_set_1_full/single_backup_set_info.obbak');
    const from = ['/data', '/log'].map((path) => server.uriText(bucket, path)).join();
    const items = await query(sys, `ALTER SYSTEM RESTORE FROM '${from}' PREVIEW`);
    expect(items.filter(({ ITEM }) => ITEM === 'BACKUP SET').map(({ NAME }) => NAME)).toEqual(['backup_set_2_full']);
  }, 120_000);
});
