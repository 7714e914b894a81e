// Goal: what a capture says of itself is so: how much of the log waits, and whether all of it was archived when it ends.
// Real SQLite, a real capture host, applications in processes of their own.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { MIB } from '../../base/limits.ts';
import { silentLog } from '../../base/log.ts';
import {
  type Application,
  createDatabase,
  MemoryArchive,
  makeDirectory,
  removeDirectory,
  startApplication,
} from './capture.fixture.ts';
import { SqliteCaptureHosts } from './capture.ts';

/** A condition that other processes bring about is looked at so often before the test fails. */
const WAIT = { timeout: 20_000, interval: 20 };

let directory: string;
let path: string;
let hosts: SqliteCaptureHosts;
let archive: MemoryArchive;
let application: Application;

beforeEach(async () => {
  directory = makeDirectory();
  path = join(directory, 'data.db');
  createDatabase(path);
  hosts = new SqliteCaptureHosts({ log: silentLog });
  archive = new MemoryArchive();
  application = await startApplication(path);
});
afterEach(async () => {
  await application.kill();
  await hosts[Symbol.asyncDispose]();
  removeDirectory(directory);
});

const commit = () => application.exec('UPDATE state SET g = g + 1');

it('has archived everything when it ends in order', async () => {
  const capture = await hosts.start(archive.request(path));
  await commit();
  const { isComplete, ...position } = await capture.stop();
  expect(isComplete).toBe(true);
  expect(position).toEqual(archive.position);
  expect(archive.commits).toHaveLength(1);
});

it('says that it has not when the destination refuses the rest', async () => {
  const capture = await hosts.start(archive.request(path));
  archive.beforeAccept = () => {
    throw new Error('unreachable');
  };
  await commit();
  expect(await capture.stop()).toEqual({ ...archive.position, isComplete: false });
});

it('says that it has not when its host died before', async () => {
  const capture = await hosts.start(archive.request(path));
  await commit();
  await capture.flush();
  process.kill(hosts.hostPid!, 'SIGKILL');
  await commit();
  expect(await capture.stop()).toEqual({ ...archive.position, isComplete: false });
  expect(archive.commits).toHaveLength(1);
});

it('counts what waits in the log, not what a large commit has left of its file', async () => {
  const capture = await hosts.start(archive.request(path));
  await application.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
    INSERT INTO data (g, body) SELECT i, randomblob(900) FROM n`);
  await vi.waitFor(() => expect(capture.status().logBytes).toBeGreaterThan(4 * MIB), WAIT);
  // The capture moves on and the next writer begins the log anew, in the same file.
  await vi.waitFor(async () => {
    await commit();
    expect(capture.status().logBytes).toBeLessThan(1 * MIB);
  }, WAIT);
  expect(statSync(`${path}-wal`).size).toBeGreaterThan(4 * MIB);
  await capture.stop();
});
