// Goal: bugs that other replicators of SQLite had are not in the capture. docs/proof.md says which test is for which bug.
// Method: the situation that led to each, with real SQLite, applications in processes of their own and a real capture
// host; what was archived is compared byte for byte with the live database.
import { closeSync, fstatSync, ftruncateSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isFailure } from '../../src/base/errors.ts';
import { GIB } from '../../src/base/limits.ts';
import type { Capture } from '../../src/engine/engine-driver.ts';
import {
  type CaptureBench,
  checkChecksums,
  differences,
  type Image,
  openCaptureBench,
  readLive,
  replay,
  startApplication,
  startWriter,
} from '../../src/engine/sqlite/capture.fixture.ts';
import { startSqliteCapture } from '../../src/engine/sqlite/capture.ts';
import { decodePosition } from '../../src/engine/sqlite/capture-position.ts';
import { frameBytes, frameOffset, parseWalHeader, walChecksum } from '../../src/engine/sqlite/wal-format.ts';
import { fileFrames, scanFrames } from '../../src/engine/sqlite/wal-scan.ts';
import { toScn } from '../../src/model/scn.ts';
import { PageTarget } from '../../src/pipeline/page-target.ts';
import { SnapshotReader } from '../../src/pipeline/snapshot-reader.ts';

/** A condition that other processes bring about is looked at so often before the test fails. */
const WAIT = { timeout: 40_000, interval: 20 };
/** So many rows make more frames than the log may have before it is recycled. */
const MANY_ROWS = 5000;
const PAGE_BYTES = 4096;

let bench: CaptureBench;
let base: Image;
let gaps: string[];

beforeEach(async () => {
  bench = await openCaptureBench();
  gaps = [];
  base = readLive(bench.path, bench.directory);
});
afterEach(() => bench[Symbol.asyncDispose]());

const onGap = (because: string) => {
  gaps.push(because);
};
const start = (): Promise<Capture> => startSqliteCapture(bench.hosts, bench.archive.request(bench.path, { onGap }));
const insert = (rows: number): Promise<void> =>
  bench.application.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
    INSERT INTO data (g, body) SELECT i, randomblob(900) FROM n`);
const seals = async () => (await bench.hosts.lockFigures())?.seals ?? 0;
const walBytes = () => readFileSync(`${bench.path}-wal`);

/** Waits until the capture has let go of the log once more, after what `work` does: the next commit begins it anew. */
async function recycled(work: () => Promise<unknown>): Promise<void> {
  const before = await seals();
  await work();
  await vi.waitFor(async () => expect(await seals()).toBeGreaterThan(before), WAIT);
}

/** The base and everything archived since must be the live database, with a right checksum at every commit. */
async function expectExact(capture: Capture): Promise<void> {
  const scn = await capture.flush();
  await capture.stop();
  await bench.application.close();
  expect(
    differences(replay(base, toScn(0n), bench.archive.commits, scn), readLive(bench.path, bench.directory)),
  ).toEqual([]);
  expect(checkChecksums(base, toScn(0n), bench.archive.commits).wrong).toEqual([]);
  expect(gaps).toEqual([]);
}

/** Waits until the checkpoint has moved so often: each time the host has looked at everything it has. */
async function sweeps(capture: Capture, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const { checkpointScn } = capture.status();
    await vi.waitFor(() => expect(capture.status().checkpointScn).toBeGreaterThan(checkpointScn), WAIT);
  }
}

describe('the application', () => {
  /** @returns what ends the hindrance */
  const HINDRANCES: Record<string, (capture: Capture) => Promise<() => Promise<unknown>>> = {
    'a reader of its own that does not end': async () => {
      const reader = await startApplication(bench.path);
      await reader.exec('BEGIN; SELECT count(*) FROM data');
      await insert(MANY_ROWS);
      await vi.waitFor(async () => expect((await bench.hosts.lockFigures())?.rotations).toBeGreaterThan(0), WAIT);
      expect(await seals()).toBe(0);
      return () => reader.kill();
    },
    'a backup that reads for long': async (capture) => {
      const snapshot = await capture.snapshot();
      return () => snapshot.close();
    },
    'a destination that does not answer': async () => {
      let open: () => void = () => {};
      const opened = new Promise<void>((resolve) => {
        open = resolve;
      });
      bench.archive.beforeAccept = () => opened;
      return async () => open();
    },
  };

  test.each(Object.keys(HINDRANCES))(
    'is not kept from committing by %s, and the log is recycled afterwards',
    async (name) => {
      // Less than a checkpoint that waits for readers would hold it up for.
      await bench.application.exec('PRAGMA busy_timeout = 4000');
      const capture = await start();
      await insert(10);
      await capture.flush();
      const release = await HINDRANCES[name]!(capture);
      for (let i = 0; i < 30; i++) await insert(200);
      await recycled(release);
      const header = walBytes().subarray(0, 32);
      await insert(1);
      expect(walBytes().subarray(0, 32).equals(header)).toBe(false);
      await expectExact(capture);
    },
  );

  test('keeps a log of bounded size while it checkpoints by itself and commits steadily', async () => {
    const capture = await start();
    const writer = await startWriter({
      path: bench.path,
      autocheckpoint: 1000,
      rowsMax: 6,
      bodyMax: 4000,
      commitsMax: 4000,
      pauseMs: 1,
    });
    await vi.waitFor(() => expect(bench.archive.commits.length).toBe(4000), { ...WAIT, timeout: 100_000 });
    await writer.stop();
    const frames = bench.archive.commits.reduce((sum, commit) => sum + commit.pages.size, 0);
    // The file never gets shorter, so its size is the most that it ever had.
    const framesMax = statSync(`${bench.path}-wal`).size / frameBytes(PAGE_BYTES);
    console.log(`${frames} frames were committed, the log had ${Math.round(framesMax)} at most`);
    expect(frames).toBeGreaterThan(15_000);
    expect(framesMax).toBeLessThan(frames / 2);
    await expectExact(capture);
  }, 120_000);

  test('finds nothing of ours in its database, and no file beside it', async () => {
    const capture = await start();
    await (await capture.snapshot()).close();
    await insert(3);
    await capture.flush();
    expect(bench.archive.commits.length).toBe(1);
    expect(readdirSync(bench.directory).sort()).toEqual(['data.db', 'data.db-shm', 'data.db-wal']);
    await expectExact(capture);
  });

  test('is never made to wait by a kind of checkpoint that waits', () => {
    const room = fileURLToPath(new URL('../../src/engine/sqlite', import.meta.url));
    const modes = readdirSync(room)
      // A standby has no application that writes, and is not archived.
      .filter((name) => name.endsWith('.ts') && !/\.(test|fixture)\.ts$|^replay-log\.ts$/.test(name))
      .flatMap((name) => readFileSync(join(room, name), 'utf8').match(/wal_checkpoint\s*\(\s*\w+/gi) ?? []);
    expect(new Set(modes)).toEqual(new Set(['wal_checkpoint(PASSIVE']));
  });
});

describe('an idle tenant', () => {
  test('costs no byte, neither at the destination nor beside the database, also after checkpoints', async () => {
    const capture = await start();
    await recycled(() => insert(MANY_ROWS));
    // A single commit is moved into the database file when the tenant has rested for a while.
    await recycled(() => insert(1));
    await sweeps(capture, 2);
    const look = async () => ({
      batches: bench.archive.batches.length,
      log: walBytes().toString('base64'),
      database: statSync(bench.path, { bigint: true }).mtimeNs,
      rotations: (await bench.hosts.lockFigures())?.rotations,
    });
    const before = await look();
    await sweeps(capture, 3);
    expect(await look()).toEqual(before);
    await bench.application.exec('PRAGMA wal_checkpoint(PASSIVE)');
    await sweeps(capture, 3);
    expect(await look()).toEqual(before);
    expect(bench.archive.commits.length).toBe(2);
    await expectExact(capture);
  });
});

describe('a commit', () => {
  test('is seen although neither the size nor the header of the log changes', async () => {
    const capture = await start();
    await recycled(() => insert(MANY_ROWS));
    await insert(1);
    let unchanged = 0;
    const look = () => [walBytes().length, walBytes().subarray(0, 32).toString('hex')].join(' ');
    for (let i = 0; i < 20; i++) {
      const before = look();
      await bench.application.exec(`UPDATE state SET g = ${i + 1}`);
      if (look() === before) unchanged++;
      // Nobody asks for it.
      await vi.waitFor(() => expect(bench.archive.commits.length).toBe(3 + i), WAIT);
    }
    expect(unchanged).toBeGreaterThan(15);
    await expectExact(capture);
  });
});

describe('a start', () => {
  test('goes on from the very header of a log that holds no commit yet', async () => {
    const first = await start();
    await recycled(() => insert(MANY_ROWS));
    const header = walBytes().subarray(0, 32);
    await bench.application.exec('PRAGMA cache_size = 2; BEGIN');
    await insert(200);
    await bench.application.exec('ROLLBACK');
    expect(walBytes().subarray(0, 32).equals(header)).toBe(false);
    await first.flush();
    const { engine } = await first.stop();
    const position = decodePosition(engine);
    expect([position.frame, position.header?.bytes.equals(walBytes().subarray(0, 32))]).toEqual([0, true]);
    await insert(2);
    const second = await start();
    await second.flush();
    expect(bench.archive.commits.length).toBe(2);
    await expectExact(second);
  });

  test('does not go on when the log was begun anew and is shorter now, although the last archived frame still stands', async () => {
    const first = await start();
    for (let i = 0; i < 30; i++) await insert(2);
    await first.flush();
    const { engine } = await first.stop();
    const { frame } = decodePosition(engine);
    const frameOf = () => walBytes().subarray(frameOffset(frame, PAGE_BYTES), frameOffset(frame + 1, PAGE_BYTES));
    const archived = frameOf();
    const header = walBytes().subarray(0, 32);
    // Commits that nobody archives, all of them moved away, and one in a new log that ends before that frame.
    await insert(10);
    await bench.application.exec('PRAGMA wal_checkpoint(PASSIVE)');
    await bench.application.exec('UPDATE state SET g = 1');
    expect(walBytes().subarray(0, 32).equals(header)).toBe(false);
    expect(frameOf().equals(archived)).toBe(true);
    await expect(start()).rejects.toSatisfy((error) => isFailure(error, 'CLOG_RECYCLE_BEFORE_ARCHIVE'));
  });
});

describe('places beyond 4 GiB', () => {
  const LARGE_PAGE_BYTES = 65_536;
  const FRAME = 70_000;
  const PAGE = 80_000;

  /** A log whose only valid frames lie far behind its header: the rest of the file is a hole. */
  function makeSparseLog(): { header: Buffer; from: { s1: number; s2: number }; pages: Buffer[] } {
    const header = Buffer.alloc(32);
    for (const [i, value] of [0x377f0682, 3_007_000, LARGE_PAGE_BYTES, 1, 11, 12].entries())
      header.writeUInt32BE(value, 4 * i);
    const seed = walChecksum(header, { start: 0, length: 24 }, { s1: 0, s2: 0 }, false);
    header.writeUInt32BE(seed.s1, 24);
    header.writeUInt32BE(seed.s2, 28);
    const fd = openSync(`${bench.directory}/sparse-wal`, 'w');
    writeSync(fd, header, 0, 32, 0);
    const from = { s1: 5, s2: 6 };
    let sum = from;
    const pages = [1, 2, 3].map((value) => Buffer.alloc(LARGE_PAGE_BYTES, value));
    for (const [i, page] of pages.entries()) {
      const frame = Buffer.concat([Buffer.alloc(24), page]);
      frame.writeUInt32BE(PAGE + i, 0);
      frame.writeUInt32BE(PAGE + 2, 4);
      header.copy(frame, 8, 16, 24);
      sum = walChecksum(frame, { start: 0, length: 8 }, sum, false);
      sum = walChecksum(frame, { start: 24, length: LARGE_PAGE_BYTES }, sum, false);
      frame.writeUInt32BE(sum.s1, 16);
      frame.writeUInt32BE(sum.s2, 20);
      // Written here as a product of its own, not by the function under test.
      writeSync(fd, frame, 0, frame.length, 32 + (FRAME - 1 + i) * (LARGE_PAGE_BYTES + 24));
    }
    closeSync(fd);
    return { header, from, pages };
  }

  test('of the log are found by the capture', () => {
    const { header, from, pages } = makeSparseLog();
    expect(frameOffset(FRAME, LARGE_PAGE_BYTES)).toBeGreaterThan(4 * GIB);
    const fd = openSync(`${bench.directory}/sparse-wal`, 'r');
    const found: Array<[number, number, number]> = [];
    const range = { firstFrame: FRAME, lastFrame: FRAME + 2, from };
    const invalid = scanFrames(fileFrames(fd, parseWalHeader(header)!), range, (frameNo, { pageNo }, bytes, at) =>
      found.push([frameNo, pageNo, bytes[at]!]),
    );
    closeSync(fd);
    expect(invalid).toBeUndefined();
    expect(found).toEqual(pages.map((page, i) => [FRAME + i, PAGE + i, page[0]!]));
  });

  test('of log and database are read by a backup, and written by a restore', () => {
    const { header, pages } = makeSparseLog();
    const database = join(bench.directory, 'sparse.db');
    const fd = openSync(database, 'w+');
    ftruncateSync(fd, (PAGE + 2) * LARGE_PAGE_BYTES);
    const { dev: device, ino: inode } = fstatSync(fd, { bigint: true });
    const pageCount = PAGE + 2;
    const target = new PageTarget({ path: database, device, inode, pageSize: LARGE_PAGE_BYTES, pageCount });
    const own = Buffer.alloc(LARGE_PAGE_BYTES, 9);
    target.write(PAGE - 1, own);
    target.close();
    closeSync(fd);
    const reader = new SnapshotReader({
      ...{ pageSize: LARGE_PAGE_BYTES, pageCount, skipPage: 0, device, inode, databasePath: database },
      walPath: `${bench.directory}/sparse-wal`,
      walHeader: header,
      overlay: Uint32Array.from([PAGE, FRAME, PAGE + 1, FRAME + 1, PAGE + 2, FRAME + 2]),
    });
    const read = reader.read([PAGE - 1, 4], Buffer.alloc(4 * LARGE_PAGE_BYTES));
    reader.close();
    expect(read.equals(Buffer.concat([own, ...pages]))).toBe(true);
  });
});
