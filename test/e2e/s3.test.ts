// Goal: a tenant's whole protection on an object store is as good as on a disk, also when the store and the way to it fail
// at random. Method: a real server and writer, a real S3 server, and a proxy between them that injects faults.
import { randomBytes } from 'node:crypto';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FaultProxy } from '../s3/fault-proxy.ts';
import { hasS3Server, S3Server, SKIPPED } from '../s3/s3-server.ts';
import { backUp, type ClientError, HoldfastFixture, query, type Row, restore, waitFor } from './holdfast-fixture.ts';

const SEED = process.env.HOLDFAST_SEED ?? randomBytes(4).toString('hex');
const FAULT_RATE = 0.1;
const COMMITS_MORE = 100;
/** Every tenth request fails, and is made again after a pause. */
const TIMEOUT_MS = 180_000;

describe.skipIf(!hasS3Server)(`a tenant on an object store ${SKIPPED}`, () => {
  let s3: S3Server;
  let proxy: FaultProxy;
  let fixture: HoldfastFixture;
  let sys: Connection;
  let bucket: string;

  beforeAll(async () => {
    s3 = await S3Server.start();
    proxy = await FaultProxy.start(s3.host, s3.owner);
    bucket = await s3.newBucket();
    // The uris give no key: the server finds it in its environment.
    process.env.AWS_ACCESS_KEY_ID = s3.owner.accessId;
    process.env.AWS_SECRET_ACCESS_KEY = s3.owner.accessKey;
    fixture = await HoldfastFixture.start();
    sys = await fixture.login('root@sys');
  });
  afterAll(async () => {
    await fixture?.[Symbol.asyncDispose]();
    await proxy?.[Symbol.asyncDispose]();
    await s3?.[Symbol.asyncDispose]();
  });

  const checkpoint = `SELECT a.STATUS, a.CHECKPOINT_SCN, a.COMMENT FROM oceanbase.CDB_OB_ARCHIVELOG a
    JOIN oceanbase.DBA_OB_TENANTS t USING (TENANT_ID) WHERE TENANT_NAME = 'shop'`;
  const place = (path: string) => `s3://${bucket}${path}?host=${proxy.host}`;

  /** Waits until everything that the writer has committed by now is archived. */
  async function archiveAll(): Promise<void> {
    const nowNs = BigInt(Date.now()) * 1_000_000n;
    await waitFor(sys, checkpoint, ([row]) => BigInt(row?.CHECKPOINT_SCN ?? 0) > nowNs);
  }

  test(
    `is backed up, archived and restored through faults, seed ${SEED}`,
    async () => {
      const writer = await fixture.startWriter(fixture.path('shop.db'), { rate: 50, churn: 200, size: 2_000 });
      await sys.query(`CREATE TENANT shop LOCATION = '${fixture.path('shop.db')}'`);
      proxy.injectAtRandom({ seed: SEED, rate: FAULT_RATE });
      await sys.query(`ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=${place('/log')}' TENANT = shop`);
      await sys.query(`ALTER SYSTEM SET DATA_BACKUP_DEST='${place('/data')}' TENANT = shop`);
      // Objects are cut by it: the default is longer than anybody waits here.
      await sys.query("ALTER SYSTEM SET archive_lag_target = '1s' TENANT = shop");
      await sys.query('ALTER SYSTEM ARCHIVELOG TENANT = shop');
      await waitFor(sys, checkpoint, ([row]) => row?.STATUS === 'DOING');
      const [full] = await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = shop');
      expect([full!.STATUS, full!.COMMENT]).toEqual(['COMPLETED', full!.COMMENT]);
      const before = writer.committed;
      await waitFor(sys, 'SELECT 1', () => writer.committed >= before + COMMITS_MORE);
      const [increment] = await backUp(sys, 'ALTER SYSTEM BACKUP INCREMENTAL TENANT = shop');
      expect([increment!.STATUS, increment!.COMMENT]).toEqual(['COMPLETED', increment!.COMMENT]);
      const committed = await writer.stop();
      await archiveAll();

      const job = await restore(sys, 'shop_back', `FROM '${place('/data')},${place('/log')}' WITH ''`);
      expect([job.STATUS, job.COMMENT]).toEqual(['SUCCESS', job.COMMENT]);
      const original = await fixture.login('root@shop');
      const restored = await fixture.login('root@shop_back');
      const markers = 'SELECT COUNT(*) AS total, MAX(n) AS top FROM marker';
      const [row] = (await query(restored, markers)) as [Row];
      expect([Number(row.total), Number(row.top)]).toEqual([committed, committed]);
      for (const table of ['marker', 'churn']) {
        const rows = `SELECT * FROM ${table} ORDER BY 1`;
        expect(await query(restored, rows)).toEqual(await query(original, rows));
      }
      process.stdout.write(
        `faults of seed ${SEED} in ${proxy.seen.length} requests: ${JSON.stringify(proxy.counts)}\n`,
      );
      expect(proxy.faultsInjected).toBeGreaterThan(5);
    },
    TIMEOUT_MS,
  );

  test.each([
    ['sets', /pack_\d+/],
    ['log', /\/log\/\d+\.obarc$/],
  ])('whose %s come back altered is not restored, which says so', async (what, key) => {
    proxy.heal();
    const before = proxy.counts.corruptDownload ?? 0;
    proxy.inject({ fault: 'corruptDownload', on: ['GetObject'], key, times: Number.POSITIVE_INFINITY });
    // Damage is found where the restore is planned, or where it is done.
    const said = await restore(sys, `altered_${what}`, `FROM '${place('/data')},${place('/log')}' WITH ''`).then(
      ({ STATUS, COMMENT }) => `${STATUS} ${COMMENT}`,
      ({ errno, sqlMessage }: ClientError) => `${errno} ${sqlMessage}`,
    );
    expect(said).toMatch(/9010.*is damaged/);
    expect(proxy.counts.corruptDownload).toBeGreaterThan(before);
    const tenants = await query(sys, `SELECT * FROM oceanbase.DBA_OB_TENANTS WHERE TENANT_NAME = 'altered_${what}'`);
    expect(tenants).toEqual([]);
  });
});
