// Goal: a log that is pinned loses nothing, whatever the application does before a capture goes on from it, and one that
// is released is the application's again. Real SQLite, a real capture host, an application in a process of its own; every
// state that is rebuilt is compared byte for byte.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isFailure } from '../../base/errors.ts';
import { DatabaseSync } from '../../base/sqlite.ts';
import type { Capture, LogPin, LogPosition } from '../engine-driver.ts';
import {
  type CaptureBench,
  differences,
  type Image,
  openCaptureBench,
  readLive,
  readSnapshotPages,
  replay,
  startWriter,
  WAIT,
} from './capture.fixture.ts';
import { CHANGE_PROOF_NS } from './capture-log.ts';
import { decodePosition } from './capture-position.ts';

/** Of 100 kB each: more than is copied. */
const LARGE_ROWS = 250;

let bench: CaptureBench;
let base: { scn: bigint; image: Image };

beforeEach(async () => {
  bench = await openCaptureBench();
});
afterEach(() => bench[Symbol.asyncDispose]());

const start = (): Promise<Capture> => bench.hosts.start(bench.archive.request(bench.path));
const pin = (): Promise<LogPin> => bench.hosts.pin(bench.archive.request(bench.path).tenant);
const checkpoint = () => bench.application.exec('PRAGMA wal_checkpoint(PASSIVE)');
const update = (g: number) => bench.application.exec(`UPDATE state SET g = ${g}`);

/** A round whose capture has stopped; the last commits are not archived when the destination refused them. */
async function stoppedRound(of: { isComplete: boolean }): Promise<LogPosition> {
  const capture = await start();
  const snapshot = await capture.snapshot();
  base = { scn: snapshot.scn, image: readSnapshotPages(snapshot) };
  await snapshot.close();
  await update(1);
  await capture.flush();
  if (!of.isComplete) {
    bench.archive.beforeAccept = () => {
      throw new Error('unreachable');
    };
    await update(2);
    await update(3);
  }
  await capture.stop({ isAbandoned: !of.isComplete });
  bench.archive.beforeAccept = () => {};
  return bench.archive.position!;
}

/** What the application does when it recycles its log as soon as it may. */
async function recycle(from: number): Promise<void> {
  for (let g = from; g < from + 3; g++) {
    await checkpoint();
    await update(g);
  }
}

async function expectExact(capture: Capture): Promise<void> {
  const scn = await capture.flush();
  await capture.stop();
  const rebuilt = replay(base.image, base.scn as typeof scn, bench.archive.commits, scn);
  expect(differences(rebuilt, readLive(bench.path, bench.directory))).toEqual([]);
}

describe.each([
  ['everything is archived', true],
  ['its last commits are not archived', false],
])('when %s', (_, isComplete) => {
  it('loses nothing of a log that is not in the database yet', async () => {
    await stoppedRound({ isComplete });
    const held = await pin();
    await recycle(4);
    expect(held.status()).toMatchObject({ isHeld: true });
    await expectExact(await start());
  });

  it('loses nothing of a log that was wholly in the database, and is reset under the pin', async () => {
    const position = await stoppedRound({ isComplete });
    await checkpoint();
    const held = await pin();
    expect(held.status()).toMatchObject({ isHeld: false });
    expect(held.status().logBytes).toBeGreaterThan(0);
    await recycle(4);
    await vi.waitFor(() => expect(held.status().isHeld).toBe(true), WAIT);
    const capture = await start();
    await expectExact(capture);
    const [before, after] = [position, bench.archive.position!].map(({ engine }) => decodePosition(engine).header!);
    expect(after!.bytes.equals(before!.bytes)).toBe(false);
  });

  it('loses nothing of a log that was cut off under the pin, whether or not something follows', async () => {
    await stoppedRound({ isComplete });
    await checkpoint();
    // With an empty log only a change time that is not too young tells where it was left.
    await sleep(Number(CHANGE_PROOF_NS / 500_000n));
    await pin();
    await bench.application.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    await (await start()).stop();
    await pin();
    await bench.application.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    await update(4);
    await expectExact(await start());
  });

  it('loses nothing of a log whose reset was rolled back under the pin', async () => {
    await stoppedRound({ isComplete });
    await checkpoint();
    await pin();
    // Spills into the log before it is rolled back.
    await bench.application.exec(`PRAGMA cache_size = 10; BEGIN;
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
      INSERT INTO data (g, body) SELECT i, randomblob(9000) FROM n; ROLLBACK`);
    await (await start()).stop();
    await update(4);
    await expectExact(await start());
  });
});

it('gives the log back when it is released', async () => {
  const resume = await stoppedRound({ isComplete: true });
  const held = await pin();
  await held.release();
  await held.release();
  await recycle(4);
  await expect(start()).rejects.toSatisfy((error) => isFailure(error, 'CLOG_RECYCLE_BEFORE_ARCHIVE'));
  expect(bench.archive.position).toEqual(resume);
});

it('is one for each log, and none while a capture has it', async () => {
  await stoppedRound({ isComplete: true });
  const held = await pin();
  await expect(pin()).rejects.toSatisfy((error) => isFailure(error, 'ENTRY_EXISTS'));
  const capture = await start();
  await expect(pin()).rejects.toSatisfy((error) => isFailure(error, 'ENTRY_EXISTS'));
  await held.release();
  await update(4);
  await expectExact(capture);
});

it('is left as it was by an attachment that fails', async () => {
  const resume = await stoppedRound({ isComplete: false });
  await checkpoint();
  await pin();
  const engine = resume.engine.slice();
  engine[7]! ^= 1;
  const failing = bench.hosts.start(bench.archive.request(bench.path, { resume: { ...resume, engine } }));
  await expect(failing).rejects.toSatisfy((error) => isFailure(error, 'CLOG_RECYCLE_BEFORE_ARCHIVE'));
  await recycle(4);
  await expectExact(await start());
});

it('says so when what is not archived was too large to be copied', async () => {
  await stoppedRound({ isComplete: true });
  await bench.application.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${LARGE_ROWS})
    INSERT INTO data (g, body) SELECT i, zeroblob(100000) FROM n`);
  await checkpoint();
  await pin();
  await update(4);
  await expect(start()).rejects.toThrow('could not be copied before');
});

it('is held again by the next host', async () => {
  await stoppedRound({ isComplete: false });
  const held = await pin();
  const pid = bench.hosts.hostPid!;
  process.kill(pid, 'SIGKILL');
  await vi.waitFor(() => expect([undefined, pid]).not.toContain(bench.hosts.hostPid), WAIT);
  const before = held.status().logBytes;
  await update(4);
  await vi.waitFor(() => expect(held.status().logBytes).toBeGreaterThan(before), WAIT);
  await recycle(5);
  await expectExact(await start());
});

it('loses nothing of a steady writer that recycles its log all the time', async () => {
  await stoppedRound({ isComplete: true });
  await bench.application.kill();
  await pin();
  const writer = await startWriter({
    path: bench.path,
    autocheckpoint: 10,
    pauseMs: 2,
    vacuumOneIn: 200,
    rollbackPercent: 20,
  });
  // Between a stop and the next pin nobody of ours holds the log: there somebody of the application's does.
  const reader = new DatabaseSync(bench.path);
  for (let i = 0; i < 5; i++) {
    const capture = await start();
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM sqlite_schema').get();
    await capture.stop();
    await pin();
    reader.exec('COMMIT');
    await sleep(300);
  }
  const capture = await start();
  reader.close();
  await writer.stop();
  await expectExact(capture);
});
