// Goal: commits of any size arrive whole. Method: a capture in this process, whose parts are small; the archive joins
// them and is compared with the database. The application is a process of its own, as SQLite's locks demand.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { toScn } from '../../model/scn.ts';
import type { CapturedBatch } from '../engine-driver.ts';
import {
  type Application,
  createDatabase,
  differences,
  type Image,
  MemoryArchive,
  makeDirectory,
  readLive,
  removeDirectory,
  replay,
  startApplication,
} from './capture.fixture.ts';
import { flagsOf, InProcessCaptures } from './capture-attach.fixture.ts';
import { decodePosition } from './capture-position.ts';

let directory: string;
let path: string;
let archive: MemoryArchive;
let application: Application;
let base: Image;
const captures = new InProcessCaptures();

beforeEach(async () => {
  directory = makeDirectory();
  path = join(directory, 'data.db');
  createDatabase(path);
  archive = new MemoryArchive();
  base = readLive(path, directory);
  application = await startApplication(path);
});
afterEach(async () => {
  await captures.closeAll();
  await application.kill();
  removeDirectory(directory);
});

const attach = (deliver: (batch: CapturedBatch) => Promise<void> = (batch) => archive.accept(batch)) =>
  captures.attach({ path, archive }, { deliver });

const insertMany = (rows: number): Promise<void> =>
  application.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
    INSERT INTO data (g, body) SELECT i, randomblob(900) FROM n`);

it('hands out a huge commit in parts that count only together', async () => {
  const capture = await attach();
  await insertMany(600);
  await application.exec('INSERT INTO marker (writer) VALUES (1)');
  await capture.flush();
  const [first, ...rest] = archive.batches;
  const withImages = rest.filter((batch) => batch.pageCount > 0);
  const flags = flagsOf(withImages);
  expect(flagsOf([first!])).toEqual(['0']);
  expect(flags[0]).toBe('0>');
  expect(flags.slice(1, -2).every((text) => text === '>0>')).toBe(true);
  expect(flags.length).toBeGreaterThan(5);
  expect(flags.at(-2)).toBe('>1');
  expect(flags.at(-1)).toBe('1');
  // Until the last part, the batches say that capture would start over before the commit, in its own generation.
  const parts = withImages.slice(0, -2);
  const { header } = decodePosition(withImages.at(-1)!.position.engine);
  for (const { position } of parts) {
    const { frame, header: own } = decodePosition(position.engine);
    expect([frame, own?.bytes]).toEqual([0, header!.bytes]);
  }
  expect(parts.every((batch) => batch.checkpointScn === first!.checkpointScn)).toBe(true);
  await capture.stop();
  await capture.closed;
  await application.close();
  const rebuilt = replay(base, toScn(0n), archive.commits, archive.position!.scn);
  expect(differences(rebuilt, readLive(path, directory))).toEqual([]);
});

it('joins commits that come one by one into few batches', async () => {
  const capture = await captures.attach({ path, archive }, { lagTargetMs: 120_000 });
  for (let n = 0; n < 20; n++) {
    await application.exec(`INSERT INTO marker (writer) VALUES (${n})`);
    await sleep(10);
  }
  await capture.flush();
  const counts = archive.batches.map((batch) => batch.commitCount).filter((count) => count > 0);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(20);
  expect(counts.length).toBeLessThan(10);
  await capture.stop();
  await capture.closed;
});

it('starts a huge commit over when it was left in the middle', async () => {
  let left = 4;
  const capture = await attach(async (batch) => {
    if (left-- === 0) throw new Error('the server has gone');
    await archive.accept(batch);
  });
  await insertMany(600);
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
  await insertMany(200);
  await application.exec('DELETE FROM data; VACUUM');
  await application.exec('BEGIN; UPDATE state SET g = 1; UPDATE state SET g = 2; COMMIT');
  await capture.flush();
  for (const commit of archive.commits)
    for (const page of commit.pages.keys()) expect(page).toBeLessThanOrEqual(commit.databasePages);
  expect(archive.commits.at(-1)!.pages.size).toBe(1);
  expect(archive.commits.at(-1)!.databasePages).toBeLessThan(archive.commits[0]!.databasePages);
});
