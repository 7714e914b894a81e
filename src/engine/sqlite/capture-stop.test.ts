// Goal: what a capture says of itself is so: how much of the log waits, and whether all of it was archived when it ends.
// Real SQLite, a real capture host, applications in processes of their own.
import { statSync } from 'node:fs';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { MIB } from '../../base/limits.ts';
import { type CaptureBench, openCaptureBench, WAIT } from './capture.fixture.ts';

let bench: CaptureBench;

beforeEach(async () => {
  bench = await openCaptureBench();
});
afterEach(() => bench[Symbol.asyncDispose]());

const commit = () => bench.application.exec('UPDATE state SET g = g + 1');

it('has archived everything when it ends in order', async () => {
  const capture = await bench.hosts.start(bench.archive.request(bench.path));
  await commit();
  const { isComplete, ...position } = await capture.stop();
  expect(isComplete).toBe(true);
  expect(position).toEqual(bench.archive.position);
  expect(bench.archive.commits).toHaveLength(1);
});

it('says that it has not when the destination refuses the rest', async () => {
  const capture = await bench.hosts.start(bench.archive.request(bench.path));
  bench.archive.beforeAccept = () => {
    throw new Error('unreachable');
  };
  await commit();
  expect(await capture.stop()).toEqual({ ...bench.archive.position, isComplete: false });
});

it('says that it has not when its host died before', async () => {
  const capture = await bench.hosts.start(bench.archive.request(bench.path));
  await commit();
  await capture.flush();
  process.kill(bench.hosts.hostPid!, 'SIGKILL');
  await commit();
  expect(await capture.stop()).toEqual({ ...bench.archive.position, isComplete: false });
  expect(bench.archive.commits).toHaveLength(1);
});

it('counts what waits in the log, not what a large commit has left of its file', async () => {
  const capture = await bench.hosts.start(bench.archive.request(bench.path));
  await bench.application.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
    INSERT INTO data (g, body) SELECT i, randomblob(900) FROM n`);
  await vi.waitFor(() => expect(capture.status().logBytes).toBeGreaterThan(4 * MIB), WAIT);
  // The capture moves on and the next writer begins the log anew, in the same file.
  await vi.waitFor(async () => {
    await commit();
    expect(capture.status().logBytes).toBeLessThan(1 * MIB);
  }, WAIT);
  expect(statSync(`${bench.path}-wal`).size).toBeGreaterThan(4 * MIB);
  await capture.stop();
});
