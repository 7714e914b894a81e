// Goal: destinations that go away, lose objects, fill up or lie are noticed, said, and never cost a commit that was
// called archived. Method: a real server and writer; the test plays the operator who removes, moves and mounts.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  archiveTenant,
  backUp,
  failure,
  HoldfastFixture,
  query,
  type Row,
  restore,
  type Writer,
  waitFor,
} from './holdfast-fixture.ts';

let fixture: HoldfastFixture;
let sys: Connection;

beforeAll(async () => {
  fixture = await HoldfastFixture.start();
  sys = await fixture.login('root@sys');
});
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

async function adopt(tenant: string): Promise<Writer> {
  mkdirSync(fixture.path('backup', tenant), { recursive: true });
  const writer = await fixture.startWriter(fixture.path(`${tenant}.db`), { rate: 50 });
  await sys.query(`CREATE TENANT ${tenant} LOCATION = '${fixture.path(`${tenant}.db`)}'`);
  return writer;
}

const archiveOf = (tenant: string) =>
  `SELECT a.STATUS, a.CHECKPOINT_SCN, a.COMMENT FROM oceanbase.CDB_OB_ARCHIVELOG a JOIN oceanbase.DBA_OB_TENANTS t USING (TENANT_ID) WHERE TENANT_NAME = '${tenant}'`;

/** Restores to the newest point and compares with what the writer has committed. */
async function checkNewest(tenant: string, writer: Writer, from: string): Promise<void> {
  const committed = writer.committed;
  const job = await restore(sys, `${tenant}_back`, `${from} WITH ''`);
  expect([job.STATUS, job.COMMENT]).toEqual(['SUCCESS', job.COMMENT]);
  const restored = await fixture.login(`root@${tenant}_back`);
  const [row] = (await query(restored, 'SELECT COUNT(*) AS total, MAX(n) AS top FROM marker')) as [Row];
  expect(Number(row.total)).toBe(Number(row.top));
  expect(Number(row.top)).toBeGreaterThanOrEqual(committed);
}

describe('a destination', () => {
  test('that loses an archived object interrupts the round, which says which one', async () => {
    const writer = await adopt('lossy');
    await archiveTenant(sys, fixture, 'lossy');
    await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = lossy');
    const archive = fixture.path('backup', 'lossy', 'archive');
    const piece = readdirSync(archive).find((name) => name.startsWith('piece_'))!;
    rmSync(join(archive, piece), { recursive: true });
    // The next round may be there as soon as this one is over: the rounds are told apart by their numbers.
    const rounds = archiveOf('lossy').replace('CDB_OB_ARCHIVELOG', 'CDB_OB_ARCHIVELOG_SUMMARY');
    const [first] = await waitFor(sys, `${rounds} AND ROUND_ID = 1`, ([at]) => at?.STATUS === 'INTERRUPTED');
    expect(first!.COMMENT).toContain('archived log is missing at the destination');
    expect(first!.COMMENT).toContain(piece);
    // Nothing is left that the next round could go on from: it stands alone, and says what that means.
    const [next] = await waitFor(sys, archiveOf('lossy'), ([at]) => at?.STATUS === 'DOING');
    expect(next!.COMMENT).toContain('a full backup is needed');
    await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = lossy');
    await waitFor(sys, archiveOf('lossy'), ([at]) => at?.COMMENT === '');
    await writer.stop();
  });

  test('that goes away and comes back costs nothing: the round waits, says why, and catches up', async () => {
    const writer = await adopt('moved');
    await archiveTenant(sys, fixture, 'moved');
    await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = moved');
    const archive = fixture.path('backup', 'moved', 'archive');
    renameSync(archive, `${archive}.away`);
    const [away] = await waitFor(sys, archiveOf('moved'), ([at]) => at?.COMMENT !== '');
    expect(away).toMatchObject({ STATUS: 'DOING' });
    const standing = BigInt(away!.CHECKPOINT_SCN!);
    await sleep(1500);
    const [still] = await query(sys, archiveOf('moved'));
    expect(BigInt(still!.CHECKPOINT_SCN!)).toBe(standing);
    renameSync(`${archive}.away`, archive);
    await waitFor(sys, archiveOf('moved'), ([at]) => at?.COMMENT === '' && BigInt(at.CHECKPOINT_SCN!) > standing);
    await checkNewest(
      'moved',
      writer,
      `FROM '${fixture.uri('backup', 'moved', 'data')},${fixture.uri('backup', 'moved', 'archive')}'`,
    );
    await writer.stop();
  });

  test('that is full is said; a backup there fails with 9082 and the archive goes on once there is room (needs mount)', async (context) => {
    const small = fixture.path('small');
    mkdirSync(small);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]).status === 0;
    if (!mounted) return context.skip('this user may not mount a small file system');
    try {
      const writer = await adopt('full');
      await sys.query(`ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=file://${small}/archive' TENANT = full`);
      await sys.query(`ALTER SYSTEM SET DATA_BACKUP_DEST='file://${small}/data' TENANT = full`);
      await sys.query('ALTER SYSTEM ARCHIVELOG TENANT = full');
      await waitFor(sys, archiveOf('full'), ([at]) => at?.STATUS === 'DOING');
      const own = await fixture.login('root@full');
      await own.query('CREATE TABLE big (b BLOB)');
      await own.query(
        'INSERT INTO big WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) SELECT randomblob(8000) FROM n',
      );
      const [row] = await waitFor(sys, archiveOf('full'), ([at]) => at?.COMMENT !== '');
      expect(row!.COMMENT).toContain('-9082');
      expect(row!.STATUS).toBe('DOING');
      spawnSync('mount', ['-o', 'remount,size=64m', small]);
      await waitFor(sys, archiveOf('full'), ([at]) => at?.COMMENT === '');
      const [job] = await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = full');
      expect(job).toMatchObject({ STATUS: 'COMPLETED' });
      await checkNewest('full', writer, `FROM 'file://${small}/data,file://${small}/archive'`);
      await writer.stop();
      await sys.query('DROP TENANT full FORCE');
    } finally {
      spawnSync('umount', ['-l', small]);
    }
  });

  test('where no directory can be made is refused at once', async () => {
    await sys.query('CREATE TENANT IF NOT EXISTS plain');
    const error = await failure(
      sys.query("ALTER SYSTEM SET DATA_BACKUP_DEST='file:///proc/nothing/here' TENANT = plain"),
    );
    expect([9070, 9071]).toContain(error.errno);
  });
});

describe("the server's own directory", () => {
  test('is no destination, and a tenant is not told whose a directory is', async () => {
    const error = await failure(
      sys.query(`ALTER SYSTEM SET DATA_BACKUP_DEST='file://${fixture.dataDir}/x' TENANT = plain`),
    );
    expect([error.errno, error.sqlMessage]).toEqual([9071, expect.stringContaining("the server's own data directory")]);
    const own = await fixture.login('root@plain');
    const foreign = await failure(
      own.query(`ALTER SYSTEM SET DATA_BACKUP_DEST='${fixture.uri('backup', 'moved', 'data')}'`),
    );
    expect(foreign.errno).toBe(9081);
    expect(foreign.sqlMessage).not.toContain("'moved'");
  });

  test('keeps nothing of a dropped tenant', async () => {
    await sys.query('CREATE TENANT passing');
    await sys.query('DROP TENANT passing');
    expect(readdirSync(join(fixture.dataDir, 'tenants')).filter((name) => name.startsWith('passing'))).toEqual([]);
  });
});

describe('one file', () => {
  test('is one tenant, whatever links lead to it', async () => {
    const writer = await adopt('linked');
    symlinkSync(fixture.path('linked.db'), fixture.path('alias.db'));
    const error = await failure(sys.query(`CREATE TENANT twice LOCATION = '${fixture.path('alias.db')}'`));
    expect(error.sqlMessage).toContain('it already belongs to the tenant linked');
    await writer.stop();
  });
});

describe('a password', () => {
  test('is said to cover the backup sets, not the archived log', async () => {
    await sys.query("SET ENCRYPTION ON IDENTIFIED BY 'x' ONLY");
    const [note] = await query(sys, 'SHOW WARNINGS');
    expect(note).toMatchObject({ Level: 'Note' });
    expect(note!.Message).toContain('the archived log is not encrypted');
  });

  test('is in no log, no view and no file that the server keeps', async () => {
    const secret = 'Sesam-öffne-dich-42';
    await sys.query(`SET ENCRYPTION ON IDENTIFIED BY '${secret}' ONLY`);
    await adopt('secret').then(() => archiveTenant(sys, fixture, 'secret'));
    await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = secret');
    await sys.query(`SET DECRYPTION IDENTIFIED BY '${secret}'`);
    await failure(sys.query(`SET DECRYPTION IDENTIFIED BY '${secret}' WRONG`));
    await sys.query(`ALTER USER root IDENTIFIED BY '${secret}'`);
    await sys.query("ALTER USER root IDENTIFIED BY ''");
    expect(fixture.output).not.toContain(secret);
    const found = spawnSync('grep', ['-rlF', secret, fixture.dir], { encoding: 'utf8' });
    expect(found.stdout).toBe('');
    for (const view of ['CDB_OB_BACKUP_JOB_HISTORY', 'CDB_OB_BACKUP_TASK_HISTORY', 'CDB_OB_BACKUP_SET_FILES'])
      expect(JSON.stringify(await query(sys, `SELECT * FROM oceanbase.${view}`))).not.toContain(secret);
  });
});
