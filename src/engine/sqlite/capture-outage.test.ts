// Goal: a capture host that dies while the destination is away costs nothing: the log is pinned again at once, not only
// when the destination is back. Real SQLite, a real capture host, an application in a process of its own.
import { expect, it, vi } from 'vitest';
import { differences, openCaptureBench, readLive, readSnapshotPages, replay, WAIT } from './capture.fixture.ts';

it('holds the log again while its destination is away', async () => {
  await using bench = await openCaptureBench();
  const { directory, path, hosts, archive, application } = bench;
  const gaps: string[] = [];
  const capture = await hosts.start(archive.request(path, { onGap: (because) => void gaps.push(because) }));
  const snapshot = await capture.snapshot();
  const base = { scn: snapshot.scn, image: readSnapshotPages(snapshot) };
  await snapshot.close();
  let refused = 0;
  archive.beforeAccept = () => {
    refused++;
    throw new Error('unreachable');
  };
  await application.exec('UPDATE state SET g = 1');
  await vi.waitFor(() => expect(refused).toBeGreaterThan(0), WAIT);
  const pid = hosts.hostPid!;
  process.kill(pid, 'SIGKILL');
  await vi.waitFor(() => expect(hosts.hostPid ?? pid).not.toBe(pid), WAIT);
  await vi.waitFor(() => expect(capture.status().comment).toContain('the log is held meanwhile'), WAIT);
  await application.exec('PRAGMA wal_checkpoint(PASSIVE); UPDATE state SET g = 2');
  await application.exec('PRAGMA wal_checkpoint(PASSIVE); UPDATE state SET g = 3');
  archive.beforeAccept = () => {};
  const scn = await capture.flush();
  expect(gaps).toEqual([]);
  expect(archive.commits).toHaveLength(3);
  await capture.stop();
  expect(differences(replay(base.image, base.scn, archive.commits, scn), readLive(path, directory))).toEqual([]);
}, 60_000);
