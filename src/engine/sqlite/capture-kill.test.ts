// Goal: a capture host that is killed costs neither a commit nor, for long, the checksums. Method: real hosts killed in the
// middle of what they do; every state is compared byte for byte, every checksum computed again.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { toScn } from '../../model/scn.ts';
import type { Capture } from '../engine-driver.ts';
import {
  type CaptureBench,
  checkChecksums,
  differences,
  type Image,
  openCaptureBench,
  readLive,
  readSnapshotPages,
  replay,
  startApplication,
  startWriter,
  WAIT,
} from './capture.fixture.ts';
import { startSqliteCapture } from './capture.ts';
import { flagsOf } from './capture-attach.fixture.ts';
import { decodePosition } from './capture-position.ts';
import { WAL_INDEX_HEADERS_BYTES } from './wal-index.ts';

const NO_SCN = toScn(0n);

let bench: CaptureBench;
let gaps: string[];

beforeEach(async () => {
  bench = await openCaptureBench();
  gaps = [];
});
afterEach(() => bench[Symbol.asyncDispose]());

const start = (): Promise<Capture> => {
  const onGap = (because: string) => void gaps.push(because);
  return startSqliteCapture(
    bench.hosts,
    bench.archive.request(bench.path, { onGap, pageMapPath: join(bench.directory, 'own.map') }),
  );
};

async function copy(capture: Capture): Promise<Image> {
  const snapshot = await capture.snapshot();
  const image = readSnapshotPages(snapshot);
  await snapshot.close();
  return image;
}

/** Zero-filled rows: large in pages, small in the archive. */
const insertLarge = (rows: number): Promise<void> =>
  bench.application.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
    INSERT INTO data (g, body) SELECT i, zeroblob(100000) FROM n`);

async function expectExact(capture: Capture, base: Image): Promise<void> {
  const scn = await capture.flush();
  await capture.stop();
  expect(differences(replay(base, NO_SCN, bench.archive.commits, scn), readLive(bench.path, bench.directory))).toEqual(
    [],
  );
  expect(checkChecksums(base, NO_SCN, bench.archive.commits).wrong).toEqual([]);
  expect(gaps).toEqual([]);
}

it('goes on when its host is killed between the parts of a commit that follows a reset of the log', async () => {
  const capture = await start();
  const base = await copy(capture);
  await insertLarge(50);
  await capture.flush();
  const before = decodePosition(bench.archive.position!.engine).header;
  await vi.waitFor(async () => expect((await bench.hosts.lockFigures())?.seals).toBeGreaterThan(0), WAIT);
  let isKilled = false;
  bench.archive.beforeAccept = (batch) => {
    if (isKilled || batch.commitCount > 0 || batch.pageCount === 0 || bench.archive.batches.at(-1)!.commitCount > 0)
      return;
    isKilled = true;
    process.kill(bench.hosts.hostPid!, 'SIGKILL');
    throw new Error('the host was killed');
  };
  await insertLarge(500);
  await vi.waitFor(() => expect(bench.archive.commits.length).toBe(2), WAIT);
  expect(isKilled).toBe(true);
  const flags = flagsOf(bench.archive.batches).filter((text) => text !== '0');
  expect(flags.slice(1, 2)).toEqual(['0>']);
  expect(flags.lastIndexOf('0>')).toBeGreaterThan(1);
  const part = bench.archive.batches.find(({ pageCount, commitCount }) => pageCount > 0 && commitCount === 0)!;
  expect(decodePosition(part.position.engine)).toMatchObject({ frame: 0 });
  expect(decodePosition(part.position.engine).header!.bytes.equals(before!.bytes)).toBe(false);
  await expectExact(capture, base);
});

it('knows the checksums of commits, and soon again when its host was killed', async () => {
  const capture = await start();
  const base = await copy(capture);
  // Nobody resets the log while the host is down: that would be a gap.
  const writer = await startWriter({
    path: bench.path,
    vacuumOneIn: 60,
    autocheckpoint: 100_000,
    rowsMax: 3,
    pauseMs: 5,
  });
  const isKnown = () => expect(bench.archive.commits.at(-1)?.checksum ?? 0n).not.toBe(0n);
  await vi.waitFor(isKnown, WAIT);
  const pid = bench.hosts.hostPid!;
  process.kill(pid, 'SIGKILL');
  await vi.waitFor(() => expect([undefined, pid]).not.toContain(bench.hosts.hostPid), WAIT);
  const before = bench.archive.commits.length;
  await vi.waitFor(() => {
    expect(bench.archive.commits.length).toBeGreaterThan(before);
    isKnown();
  }, WAIT);
  await writer.stop();
  const { checked } = checkChecksums(base, NO_SCN, bench.archive.commits);
  expect(checked).toBeGreaterThan(0);
  await expectExact(capture, base);
});

/** Both copies of the header of the shared-memory index: what says how far the log is committed. */
const indexHeader = (): Buffer => readFileSync(`${bench.path}-shm`).subarray(0, WAL_INDEX_HEADERS_BYTES);

/** A commit whose writer dies behind its last frame, before it publishes them: the log holds it, its index does not. */
async function commitAndDieUnpublished(body: string): Promise<void> {
  const published = Buffer.from(indexHeader());
  process.kill(bench.hosts.hostPid!, 'SIGSTOP');
  try {
    await bench.application.exec(`INSERT INTO data (g, body) VALUES (1, '${body}')`);
    await bench.application.kill();
    expect(indexHeader()).not.toEqual(published);
    const index = openSync(`${bench.path}-shm`, 'r+');
    writeSync(index, published, 0, published.length, 0);
    closeSync(index);
  } finally {
    process.kill(bench.hosts.hostPid!, 'SIGCONT');
  }
}

it('takes a commit whose writer died before it published it when a recovery of the log brings it to light', async () => {
  let capture = await start();
  const base = await copy(capture);
  await bench.application.exec("INSERT INTO data (g, body) VALUES (1, 'published')");
  await capture.flush();
  await commitAndDieUnpublished('unpublished');
  await capture.flush();
  expect(bench.archive.commits.length).toBe(1);
  await capture.stop();

  // Nobody is connected: the next one recovers the index from the log, and with it the commit.
  capture = await start();
  await capture.flush();
  expect(bench.archive.commits.length).toBe(2);
  await expectExact(capture, base);
});

it('never takes a commit that a later one wrote over before it was published', async () => {
  const capture = await start();
  const base = await copy(capture);
  await bench.application.exec("INSERT INTO data (g, body) VALUES (1, 'published')");
  await capture.flush();
  await commitAndDieUnpublished('unpublished');
  const application = await startApplication(bench.path);
  await application.exec("INSERT INTO data (g, body) VALUES (2, 'later')");
  await capture.flush();
  expect(bench.archive.commits.length).toBe(2);
  await application.kill();
  await expectExact(capture, base);
});
