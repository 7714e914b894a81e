// Goal: an archive destination that is full or read-only costs the application nothing and the archive no commit.
// Method: a real file system of some MiB as destination; the application writes on; its database is compared byte for
// byte with a restore once there is room again. Needs the right to mount.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Connection } from 'mysql2/promise';
import { afterEach, beforeEach, describe, expect, type TestContext, test } from 'vitest';
import { backUp, failure, HoldfastFixture, query, restore, waitFor } from '../e2e/holdfast-fixture.ts';
import { FileApplication } from './application.ts';
import { readChain } from './chain.ts';
import { compareFiles } from './reference.ts';
import { archivedScn, isArchived, ofTenant, restoreWindows, roundOf } from './tenant-queries.ts';

const DISK_MIB = 24;
const CHUNK_BYTES = 64 * 1024;
/** Commits that the application makes while the destination takes none. */
const COMMITS = 60;

let fixture: HoldfastFixture;
let sys: Connection;
let application: FileApplication;
let disk: string;

beforeEach(async () => {
  fixture = await HoldfastFixture.start();
  sys = await fixture.login('root@sys');
  disk = fixture.path('disk');
  for (const name of ['disk', 'app', 'backup']) mkdirSync(fixture.path(name));
  application = new FileApplication(fixture.path('app'), {
    name: 't',
    database: { pageSize: 4096, shape: { slots: 100, changesMax: 2, bodyMax: 900 } },
    writers: 1,
    options: { ratePerSecond: 40 },
  });
  await application.start();
});
afterEach(async () => {
  await application.stop();
  spawnSync('umount', ['-l', disk]);
  await fixture[Symbol.asyncDispose]();
});

/** Mounts the small disk, and archives to it; sets go to another. */
async function protect(context: TestContext, binding: 'OPTIONAL' | 'MANDATORY'): Promise<void> {
  const options = ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', disk];
  if (spawnSync('mount', options).status !== 0) context.skip('this user may not mount a small file system');
  await sys.query(`CREATE TENANT t LOCATION = '${application.path}'`);
  await sys.query(`ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=file://${disk}/archive BINDING=${binding}' TENANT = t`);
  await sys.query(`ALTER SYSTEM SET DATA_BACKUP_DEST='${fixture.uri('backup', 'data')}' TENANT = t`);
  await sys.query('ALTER SYSTEM ARCHIVELOG TENANT = t');
  await waitFor(sys, roundOf('t'), ([row]) => isArchived(row));
  const [job] = await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = t');
  expect(job).toMatchObject({ STATUS: 'COMPLETED' });
}

const FROM = () => `FROM '${fixture.uri('backup', 'data')},file://${disk}/archive'`;

/** Fills what is left of the disk, to the last byte that it gives. */
function fillDisk(): void {
  const fd = openSync(join(disk, 'ballast'), 'w');
  try {
    for (let bytes = CHUNK_BYTES; bytes > 0; bytes = Math.floor(bytes / 2)) {
      try {
        for (;;) writeSync(fd, Buffer.alloc(bytes));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(fd);
  }
}

function committed(): number {
  application.model.refresh();
  return application.model.committedBy(application.life, Number.MAX_SAFE_INTEGER);
}

const walBytes = (): number => statSync(`${application.path}-wal`).size;

/** The application commits on while nothing can be archived: the log is the spool, and the views say so. */
async function writeOn(): Promise<void> {
  const [standing] = await query(sys, roundOf('t'));
  const [from, walBefore] = [committed(), walBytes()];
  await waitFor(sys, 'SELECT 1', () => committed() > from + COMMITS);
  expect(walBytes()).toBeGreaterThan(walBefore);
  const [now] = await query(sys, roundOf('t'));
  expect(now).toMatchObject({ STATUS: 'DOING', CHECKPOINT_SCN: standing!.CHECKPOINT_SCN });
  const [status] = await query(sys, `SELECT v.SYNCHRONIZED, v.COMMENT ${ofTenant('V$OB_ARCHIVE_DEST_STATUS', 't')}`);
  expect(status!.SYNCHRONIZED).toBe('NO');
}

/** A restore to now is the live database, byte for byte. */
async function compareWithLive(): Promise<void> {
  const { copy, result } = await application.copyLive(fixture.path('live.db'), () => archivedScn(sys, 't', Date.now()));
  const location = fixture.path('restored.db');
  const job = await restore(sys, 'back', `${FROM()} UNTIL SCN = ${result.scn} WITH 'location=${location}'`);
  expect([job.STATUS, job.COMMENT]).toEqual(['SUCCESS', job.COMMENT]);
  expect(compareFiles(location, copy.path)).toBe(statSync(copy.path).size);
  expect(readChain(copy.path)).toMatchObject({ problems: [], n: copy.n });
}

describe('an archive destination', () => {
  test('that is full holds the log back, and takes it all once there is room', async (context) => {
    await protect(context, 'MANDATORY');
    fillDisk();
    const [full] = await waitFor(sys, roundOf('t'), ([row]) => row!.COMMENT !== '');
    expect(full!.COMMENT).toContain('-9082');
    await writeOn();
    rmSync(join(disk, 'ballast'));
    await waitFor(sys, roundOf('t'), ([row]) => row!.COMMENT === '');
    await compareWithLive();
    expect(await restoreWindows(sys, 't')).toHaveLength(1);
  });

  test('that turns read-only holds the log back, and takes it all when it can be written again', async (context) => {
    await protect(context, 'MANDATORY');
    // A file that is open for writing keeps a file system from turning read-only: the lazy way is what a fault does.
    const options = ['-o', 'remount,ro', disk];
    if (spawnSync('mount', options).status !== 0) {
      await fixture.kill();
      expect(spawnSync('mount', options).status).toBe(0);
      await fixture.startServer();
      sys = await fixture.login('root@sys');
    }
    await waitFor(sys, roundOf('t'), ([row]) => row!.COMMENT !== '' && !row!.COMMENT!.includes('being attached'));
    await writeOn();
    spawnSync('mount', ['-o', 'remount,rw', disk]);
    await waitFor(sys, roundOf('t'), ([row]) => isArchived(row) && row!.COMMENT === '');
    await compareWithLive();
  });

  test('that is full and optional costs a round at the limit of the log; the next one needs no full backup', async (context) => {
    await protect(context, 'OPTIONAL');
    await sys.query("ALTER SYSTEM SET log_archive_wal_limit = '6M' TENANT = t");
    const [before] = await query(sys, roundOf('t'));
    fillDisk();
    const [ended] = await waitFor(sys, roundOf('t'), ([row]) => row!.STATUS === 'INTERRUPTED');
    expect(ended!.COMMENT).toContain('log_archive_wal_limit');
    const from = committed();
    await waitFor(sys, 'SELECT 1', () => committed() > from + COMMITS);
    rmSync(join(disk, 'ballast'));
    await waitFor(sys, roundOf('t'), ([row]) => isArchived(row) && row!.ROUND_ID !== before!.ROUND_ID);
    await waitFor(sys, 'SELECT 1 FROM oceanbase.CDB_HF_RESTORE_WINDOW', ({ length }) => length === 2);
    await compareWithLive();
    const [first, second] = await restoreWindows(sys, 't');
    const hole = await failure(
      sys.query(`ALTER SYSTEM RESTORE hole ${FROM()} UNTIL SCN = ${first!.to + 1000n} WITH ''`),
    );
    expect(hole.sqlMessage).toContain(String(first!.to));
    expect(hole.sqlMessage).toContain(String(second!.from));
    const sets = await query(sys, 'SELECT BACKUP_SET_ID FROM oceanbase.CDB_OB_BACKUP_SET_FILES');
    expect(sets).toHaveLength(1);
  });
});
