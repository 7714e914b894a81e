// Goal: the capture delivers every commit once, in order, and goes on or refuses where it should. Real SQLite, real
// writer processes, a real capture host; each rebuilt state is compared byte for byte.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../base/log.ts';
import {
  createDatabase,
  differences,
  logicalState,
  MemoryArchive,
  makeDirectory,
  readLive,
  readSnapshotPages,
  removeDirectory,
  replay,
  startWriter,
} from './capture.fixture.ts';
import { SqliteCaptureHosts, startSqliteCapture } from './capture.ts';

let directory: string;
let path: string;
let hosts: SqliteCaptureHosts;
let archive: MemoryArchive;

beforeEach(() => {
  directory = makeDirectory();
  path = join(directory, 'data.db');
  hosts = new SqliteCaptureHosts({ log: silentLog });
  archive = new MemoryArchive();
});
afterEach(async () => {
  await hosts[Symbol.asyncDispose]();
  removeDirectory(directory);
});

describe('a capture', () => {
  it('rebuilds the exact database from a snapshot and its batches', async () => {
    createDatabase(path);
    const capture = await startSqliteCapture(hosts, archive.request(path));
    const snapshot = await capture.snapshot();
    const base = readSnapshotPages(snapshot);
    await snapshot.close();
    const writer = await startWriter({ path });
    await sleep(1500);
    const result = await writer.stop();
    const scn = await capture.flush();
    await capture.stop();
    const rebuilt = replay(base, snapshot.scn, archive.commits, scn);
    expect(differences(rebuilt, readLive(path, directory))).toEqual([]);
    expect(archive.commits.length).toBe(result.committed);
    expect(logicalState(rebuilt, directory)).toEqual({
      integrity: 'ok',
      marker: result.committed,
      state: result.committed,
    });
    console.log(result, await hosts.lockFigures(), archive.batches.length);
  });
});
