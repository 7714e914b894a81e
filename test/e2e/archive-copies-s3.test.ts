// Goal: a copy of the log in an object store is as good as one on a disk: it holds what was gathered for it, leads when the
// disk is away, and gives everything back alone. Method: the built server, a real S3 server, and a proxy between them that
// injects faults.
import { randomBytes } from 'node:crypto';
import { renameSync } from 'node:fs';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FaultProxy } from '../s3/fault-proxy.ts';
import { hasS3Server, S3Server, SKIPPED } from '../s3/s3-server.ts';
import { archiveTenant, backUp, HoldfastFixture, query, restore, waitFor } from './holdfast-fixture.ts';

const SEED = process.env.HOLDFAST_SEED ?? randomBytes(4).toString('hex');
const FAULT_RATE = 0.1;
const STATUS = 'SELECT * FROM oceanbase.V$OB_ARCHIVE_DEST_STATUS ORDER BY DEST_ID';
const ARCHIVE = 'SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG ORDER BY DEST_NO';

describe.skipIf(!hasS3Server)(`a copy of the log in an object store ${SKIPPED}`, () => {
  let s3: S3Server;
  let proxy: FaultProxy;
  let fixture: HoldfastFixture;
  let sys: Connection;
  let shop: Connection;
  let place: string;

  beforeAll(async () => {
    s3 = await S3Server.start();
    proxy = await FaultProxy.start(s3.host, s3.owner);
    place = `s3://${await s3.newBucket()}/log?host=${proxy.host}`;
    // The uri gives no key: the server finds it in its environment.
    process.env.AWS_ACCESS_KEY_ID = s3.owner.accessId;
    process.env.AWS_SECRET_ACCESS_KEY = s3.owner.accessKey;
    fixture = await HoldfastFixture.start();
    sys = await fixture.login('root@sys');
    await sys.query('CREATE TENANT shop');
    shop = await fixture.login('root@shop');
    await shop.query('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
    await archiveTenant(sys, fixture, 'shop');
    await sys.query("ALTER SYSTEM SET archive_lag_target = '1s' TENANT = shop");
  }, 120_000);
  afterAll(async () => {
    await fixture?.[Symbol.asyncDispose]();
    await proxy?.[Symbol.asyncDispose]();
    await s3?.[Symbol.asyncDispose]();
  });

  const path = (name: string) => fixture.path('backup', 'shop', name);
  const allInStep = (count: number) =>
    waitFor(sys, STATUS, (rows) => rows.filter((row) => row.SYNCHRONIZED === 'YES').length === count);

  test(`follows, leads and is restored from alone, seed ${SEED}`, { timeout: 240_000 }, async () => {
    proxy.injectAtRandom({ seed: SEED, rate: FAULT_RATE });
    await sys.query(`ALTER SYSTEM SET LOG_ARCHIVE_DEST_1 = 'LOCATION=${place} BINDING=OPTIONAL' TENANT = shop`);
    await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = shop');
    for (let id = 1; id <= 40; id++) await shop.query(`INSERT INTO item VALUES (${id}, 'before')`);
    await allInStep(2);
    renameSync(path('archive'), path('gone'));
    for (let id = 41; id <= 60; id++) await shop.query(`INSERT INTO item VALUES (${id}, 'while it is away')`);
    await waitFor(sys, ARCHIVE, (rows) => rows.some((row) => row.DEST_NO === '0' && row.STATUS === 'BEGINNING'));
    await allInStep(1);
    await restoresAll('from_copy', 60);
    renameSync(path('gone'), path('archive'));
    await shop.query("INSERT INTO item VALUES (61, 'back')");
    await allInStep(2);
    await sys.query('ALTER SYSTEM NOARCHIVELOG TENANT = shop');
    await waitFor(sys, ARCHIVE, (rows) => rows.length === 2 && rows.every((row) => row.STATUS === 'STOP'));
    await restoresAll('from_both', 61, `,${fixture.uri('backup', 'shop', 'archive')}`);
  });

  /** All rows come back from the copy, and from what is named besides. */
  async function restoresAll(name: string, count: number, further = ''): Promise<void> {
    const from = `${fixture.uri('backup', 'shop', 'data')},${place}${further}`;
    await restore(sys, name, `FROM '${from}' WITH 'pool_list='`);
    const restored = await fixture.login(`root@${name}`);
    expect(await query(restored, 'SELECT id FROM item')).toHaveLength(count);
    await restored.end();
  }
});
