// Goal: commits of any size arrive whole. Method: a capture in this process, whose parts are small; the archive joins
// them and is compared with the database. Nothing here opens the database file besides SQLite.
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { KIB } from '../../base/limits.ts';
import { silentLog } from '../../base/log.ts';
import { DatabaseSync } from '../../base/sqlite.ts';
import { readLogBatchHeader } from '../../format/log-batch-header.ts';
import { toScn } from '../../model/scn.ts';
import type { CapturedBatch } from '../engine-driver.ts';
import {
  createDatabase,
  differences,
  type Image,
  MemoryArchive,
  makeDirectory,
  readLive,
  removeDirectory,
  replay,
} from './capture.fixture.ts';
import { attachCapture, identify } from './capture-attach.ts';
import { LockWindows } from './capture-locks.ts';
import type { TenantCapture } from './capture-tenant.ts';
import { CheckpointThread } from './checkpoint-thread.ts';

let directory: string;
let path: string;
let archive: MemoryArchive;
let application: DatabaseSync;
let base: Image;
const captures: TenantCapture[] = [];

beforeEach(() => {
  directory = makeDirectory();
  path = join(directory, 'data.db');
  createDatabase(path);
  archive = new MemoryArchive();
  base = readLive(path, directory);
  application = new DatabaseSync(path, { timeout: 5000 });
});
afterEach(async () => {
  for (const capture of captures.splice(0)) {
    capture.close();
    await capture.closed;
  }
  if (application.isOpen) application.close();
  removeDirectory(directory);
});

async function attach(send: (batch: CapturedBatch) => Promise<void> = (batch) => archive.accept(batch)) {
  const { owner, resume, afterScn, lagTargetMs, cutScn } = archive.request(path);
  const thread = new CheckpointThread();
  const { capture } = await attachCapture(
    { captureId: 1, location: path, owner, resume, afterScn, lagTargetMs, cutScn },
    identify(path),
    {
      clock: systemClock,
      log: silentLog,
      windows: new LockWindows(),
      fill: (of) => thread.run(of),
      send,
      onGap: (because) => {
        throw new Error(because);
      },
      checkLocks: true,
      partBytes: 64 * KIB,
    },
  );
  captures.push(capture);
  return capture;
}

const insertMany = (rows: number) =>
  application.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
    INSERT INTO data (g, body) SELECT i, randomblob(900) FROM n`);

const flagsOf = (batches: readonly CapturedBatch[]) =>
  batches.map((batch) => {
    const { isContinued, continues, commitCount } = readLogBatchHeader(batch.bytes, 'batch');
    return `${isContinued ? '>' : ''}${commitCount}${continues ? '>' : ''}`;
  });

it('hands out a huge commit in parts that count only together', async () => {
  const capture = await attach();
  insertMany(600);
  application.exec('INSERT INTO marker (writer) VALUES (1)');
  await capture.flush();
  const flags = flagsOf(archive.batches);
  expect(flags[0]).toBe('0');
  expect(flags[1]).toBe('0>');
  expect(flags.slice(2, -2).every((text) => text === '>0>')).toBe(true);
  expect(flags.length).toBeGreaterThan(6);
  expect(flags.at(-2)).toBe('>1');
  expect(flags.at(-1)).toBe('1');
  // Until the last part, the batches say that capture would start over before the commit.
  const [first, ...rest] = archive.batches;
  const parts = rest.slice(0, -2);
  expect(parts.every((batch) => Buffer.from(batch.position.engine).equals(first!.position.engine))).toBe(true);
  expect(parts.every((batch) => batch.checkpointScn === first!.checkpointScn)).toBe(true);
  await capture.stop();
  await capture.closed;
  application.close();
  const rebuilt = replay(base, toScn(0n), archive.commits, archive.position!.scn);
  expect(differences(rebuilt, readLive(path, directory))).toEqual([]);
});

it('starts a huge commit over when it was left in the middle', async () => {
  let left = 4;
  const capture = await attach(async (batch) => {
    if (left-- === 0) throw new Error('the server has gone');
    await archive.accept(batch);
  });
  insertMany(600);
  await expect(capture.flush()).rejects.toThrow(/the server has gone/);
  expect(flagsOf(archive.batches)).toEqual(['0', '0>', '>0>', '>0>']);
  capture.close();
  await capture.closed;
  const again = await attach();
  await again.flush();
  expect(flagsOf(archive.batches)[4]).toBe('0>');
  expect(archive.commits.length).toBe(1);
  expect(archive.commits[0]!.pages.size).toBeGreaterThan(150);
});

it('writes each page of a commit once, and none past the end of the database', async () => {
  const capture = await attach();
  insertMany(200);
  application.exec('DELETE FROM data; VACUUM');
  application.exec('BEGIN; UPDATE state SET g = 1; UPDATE state SET g = 2; COMMIT');
  await capture.flush();
  for (const commit of archive.commits)
    for (const page of commit.pages.keys()) expect(page).toBeLessThanOrEqual(commit.databasePages);
  expect(archive.commits.at(-1)!.pages.size).toBe(1);
  expect(archive.commits.at(-1)!.databasePages).toBeLessThan(archive.commits[0]!.databasePages);
});
