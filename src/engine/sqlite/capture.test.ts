// Goal: the capture delivers every commit once, in order, and goes on or refuses where it should. Real SQLite, real
// writer processes, a real capture host; each rebuilt state is compared byte for byte.
import { spawnSync } from 'node:child_process';
import { copyFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { isFailure } from '../../base/errors.ts';
import { silentLog } from '../../base/log.ts';
import { DatabaseSync, sqliteBindingPath } from '../../base/sqlite.ts';
import { type Scn, toScn } from '../../model/scn.ts';
import type { Capture } from '../engine-driver.ts';
import {
  createDatabase,
  differences,
  type Image,
  logicalState,
  MemoryArchive,
  makeDirectory,
  readLive,
  readSnapshotPages,
  removeDirectory,
  replay,
  startWriter,
  WAIT,
} from './capture.fixture.ts';
import { SqliteCaptureHosts, startSqliteCapture } from './capture.ts';

/** The capture host has a clock of its own. */
const CLOCKS_DIFFER_NS = 2_000_000n;
let directory: string;
let path: string;
let hosts: SqliteCaptureHosts;
let archive: MemoryArchive;
let gaps: string[];

beforeEach(() => {
  directory = makeDirectory();
  path = join(directory, 'data.db');
  hosts = new SqliteCaptureHosts({ log: silentLog });
  archive = new MemoryArchive();
  gaps = [];
});
afterEach(async () => {
  await hosts[Symbol.asyncDispose]();
  removeDirectory(directory);
});

const onGap = (because: string) => {
  gaps.push(because);
};

const start = (over: Parameters<MemoryArchive['request']>[1] = {}): Promise<Capture> =>
  startSqliteCapture(hosts, archive.request(path, { onGap, ...over }));

/** What an application does: statements in a process of their own, then an end that may be a kill. */
function application(sql: string, end: 'close' | 'kill' = 'kill'): void {
  const script = `const { DatabaseSync } = require(process.argv[1]);
    const database = new DatabaseSync(process.argv[2], { timeout: 5000 });
    for (const sql of JSON.parse(process.argv[3])) database.prepare(sql).all();
    ${end === 'close' ? 'database.close()' : "process.kill(process.pid, 'SIGKILL')"}`;
  const result = spawnSync(process.execPath, ['-e', script, sqliteBindingPath, path, JSON.stringify(sql.split(';'))]);
  expect(result.stderr.toString()).toBe('');
}

let marker = 0;
/** One more commit. */
function commit(end: 'close' | 'kill' = 'kill', more = ''): void {
  application(`INSERT INTO marker (writer) VALUES (${++marker})${more}`, end);
}

async function copy(capture: Capture): Promise<{ scn: Scn; image: Image }> {
  const snapshot = await capture.snapshot();
  try {
    return { scn: snapshot.scn, image: readSnapshotPages(snapshot) };
  } finally {
    await snapshot.close();
  }
}

/** Stops and compares the archive's end with the live database. */
async function expectExact(capture: Capture, base: { scn: Scn; image: Image }): Promise<void> {
  const scn = await capture.flush();
  await capture.stop();
  const rebuilt = replay(base.image, base.scn, archive.commits, scn);
  expect(differences(rebuilt, readLive(path, directory))).toEqual([]);
}

function inMemory(sql: string): Record<string, unknown> {
  const database = new DatabaseSync(':memory:');
  const row = database.prepare(sql).get() as Record<string, unknown>;
  database.close();
  return row;
}

describe('a capture', () => {
  it('rebuilds the exact database from a snapshot and its batches', async () => {
    createDatabase(path);
    const capture = await start();
    const base = await copy(capture);
    const writer = await startWriter({ path, commitsMax: 1500 });
    await vi.waitFor(() => expect(archive.commits.length).toBeGreaterThan(1000), WAIT);
    const result = await writer.stop();
    const scn = await capture.flush();
    expect(archive.commits.length).toBe(result.committed);
    const rebuilt = replay(base.image, base.scn, archive.commits, scn);
    const { committed } = result;
    expect(logicalState(rebuilt, directory)).toEqual({ integrity: 'ok', marker: committed, state: committed });
    await expectExact(capture, base);
    expect(gaps).toEqual([]);
  });

  it('begins a round with an empty batch, and every commit has an scn of its own after it', async () => {
    createDatabase(path);
    application('INSERT INTO marker (writer) VALUES (1)');
    const afterScn = toScn(systemClock.nowNs() + 3_600_000_000_000n);
    const capture = await start({ afterScn });
    expect(archive.batches).toMatchObject([{ batchNo: 1, commitCount: 0, pageCount: 0 }]);
    expect(capture.startScn).toBeGreaterThan(afterScn);
    expect(archive.batches[0]!.checkpointScn).toBe(capture.startScn);
    application('INSERT INTO marker (writer) VALUES (2);INSERT INTO marker (writer) VALUES (3)');
    await capture.flush();
    const scns = archive.commits.map((each) => each.scn);
    expect(scns.length).toBe(2);
    expect(scns[0]).toBeGreaterThan(capture.startScn);
    expect(scns[1]).toBeGreaterThan(scns[0]!);
    expect(scns.every((scn) => scn % 1000n === 0n)).toBe(true);
  });

  it('proves by an empty batch that nothing was committed, and later commits exceed what was announced', async () => {
    createDatabase(path);
    const capture = await start();
    const before = systemClock.nowNs();
    const scn = await capture.flush();
    expect(scn).toBeGreaterThanOrEqual(before - CLOCKS_DIFFER_NS);
    expect(archive.batches.at(-1)).toMatchObject({ commitCount: 0, firstScn: scn, lastScn: scn, checkpointScn: scn });
    commit();
    await capture.flush();
    expect(archive.commits[0]!.scn).toBeGreaterThan(scn);
  });

  it('moves the checkpoint with the clock while the tenant rests, and writes nothing', async () => {
    createDatabase(path);
    const capture = await start();
    const first = capture.startScn;
    await vi.waitFor(() => expect(capture.status().checkpointScn).toBeGreaterThan(first), WAIT);
    const second = capture.status().checkpointScn;
    await vi.waitFor(() => expect(capture.status().checkpointScn).toBeGreaterThan(second), WAIT);
    expect(archive.batches.length).toBe(1);
    const announced = capture.status().checkpointScn;
    commit();
    await capture.flush();
    expect(archive.commits[0]!.scn).toBeGreaterThan(announced);
  });

  it('lets commits wait for company as long as the lag target allows, unless somebody waits for them', async () => {
    createDatabase(path);
    const capture = await start({ lagTargetMs: 7_200_000 });
    const before = archive.batches.length;
    for (let i = 0; i < 3; i++) {
      commit();
      await vi.waitFor(() => expect(capture.status().pendingCommits).toBe(i + 1), WAIT);
    }
    expect(archive.batches.length).toBe(before);
    await capture.flush();
    expect(archive.batches.length).toBe(before + 1);
    expect(archive.commits.length).toBe(3);
    commit();
    capture.setLagTargetMs(0);
    await vi.waitFor(() => expect(archive.commits.length).toBe(4), WAIT);
  });

  it('delivers the same bytes again when the destination refused them, and says so meanwhile', async () => {
    createDatabase(path);
    const capture = await start();
    const refused: Buffer[] = [];
    let isOpen = false;
    archive.beforeAccept = (batch) => {
      if (isOpen) return;
      refused.push(Buffer.from(batch.bytes));
      throw new Error('the disk is full');
    };
    commit();
    await vi.waitFor(() => expect(refused.length).toBeGreaterThan(1), WAIT);
    expect(capture.status().comment).toBe('the disk is full');
    commit();
    await vi.waitFor(() => expect(capture.status().pendingCommits).toBe(2), WAIT);
    isOpen = true;
    await vi.waitFor(() => expect(archive.commits.length).toBe(2), WAIT);
    expect(refused.every((bytes) => bytes.equals(archive.batches[1]!.bytes))).toBe(true);
    expect(capture.status().comment).toBe('');
  });

  it('puts no batch across the end of a piece', async () => {
    createDatabase(path);
    const capture = await start();
    const writer = await startWriter({ path, pauseMs: 5 });
    await vi.waitFor(() => expect(archive.commits.length).toBeGreaterThan(0), WAIT);
    const cutScn = toScn(systemClock.nowNs() + 500_000_000n);
    capture.setCutScn(cutScn);
    await vi.waitFor(() => expect(archive.commits.at(-1)?.scn ?? 0n).toBeGreaterThan(cutScn + 300_000_000n), WAIT);
    await writer.stop();
    await capture.flush();
    const withCommits = archive.batches.filter((batch) => batch.commitCount > 0);
    expect(withCommits.every((batch) => batch.lastScn < cutScn || batch.firstScn >= cutScn)).toBe(true);
    expect(withCommits.every((batch) => batch.lastScn >= cutScn || batch.checkpointScn < cutScn)).toBe(true);
    expect(withCommits.some((batch) => batch.lastScn < cutScn)).toBe(true);
  });

  it('refuses a database that is not in WAL mode, and a second capture of the same file', async () => {
    createDatabase(path);
    await start();
    await expect(start()).rejects.toSatisfy((error) => isFailure(error, 'ENTRY_EXISTS'));
    const other = join(directory, 'other.db');
    const database = new DatabaseSync(other);
    database.exec('CREATE TABLE t (a)');
    database.close();
    await expect(startSqliteCapture(hosts, archive.request(other, { resume: null }))).rejects.toSatisfy((error) =>
      isFailure(error, 'CANNOT_START_LOG_ARCHIVE'),
    );
  });

  it('serves several tenants from one process', async () => {
    const each = await Promise.all(
      [1, 2, 3].map(async (n) => {
        const of = { path: join(directory, `t${n}.db`), archive: new MemoryArchive() };
        createDatabase(of.path);
        const capture = await startSqliteCapture(hosts, of.archive.request(of.path, { onGap }));
        return { ...of, capture, writer: await startWriter({ path: of.path, writer: n, commitsMax: 200 }) };
      }),
    );
    for (const { archive: own, capture, writer } of each) {
      await vi.waitFor(() => expect(own.commits.length).toBe(200), WAIT);
      await writer.stop();
      await capture.stop();
    }
  });
});

describe('a stopped capture', () => {
  it('goes on where it stopped, with what was committed meanwhile', async () => {
    createDatabase(path);
    const first = await start();
    const base = await copy(first);
    commit();
    const { isComplete, ...position } = await first.stop();
    expect(position).toEqual(archive.position);
    commit();
    commit();
    const second = await start();
    expect(second.startScn).toBe(position.scn);
    await second.flush();
    expect(archive.commits.length).toBe(3);
    commit();
    await expectExact(second, base);
    expect(archive.commits.length).toBe(4);
  });

  it('goes on when the next writer resets the log at once, although all of it was checkpointed', async () => {
    createDatabase(path);
    const first = await start();
    const base = await copy(first);
    commit();
    await first.stop();
    // Everything committed meanwhile is in the database file, so no reader can hold the log.
    commit('kill', ';PRAGMA wal_checkpoint(PASSIVE)');
    archive.beforeAccept = () => sleep(100);
    const second = await start();
    for (let i = 0; i < 5; i++) commit();
    await expectExact(second, base);
    expect(archive.commits.length).toBe(7);
    expect(gaps).toEqual([]);
  });

  it('goes on from an empty log, when the database file proves that nothing was lost', async () => {
    createDatabase(path);
    const first = await start();
    const base = await copy(first);
    await first.stop();
    commit();
    const second = await start();
    await expectExact(second, base);
    expect(archive.commits.length).toBe(1);
  });

  it.each([
    ['checkpointed and reset the log', () => commit('kill', ';PRAGMA wal_checkpoint(PASSIVE);DELETE FROM data')],
    ['truncated the log', () => commit('kill', ';PRAGMA wal_checkpoint(TRUNCATE)')],
    ['closed the database and so deleted the log', () => commit('close')],
  ])('can not go on when the application %s', async (_what, change) => {
    for (const isEmpty of [true, false]) {
      archive = new MemoryArchive();
      path = join(directory, `data-${isEmpty}.db`);
      createDatabase(path);
      const first = await start();
      if (!isEmpty) commit();
      await first.stop();
      change();
      if (isEmpty) change();
      await expect(start()).rejects.toSatisfy((error) => isFailure(error, 'CLOG_RECYCLE_BEFORE_ARCHIVE'));
    }
  });

  it('can not go on with another file, or with a file that went another way', async () => {
    createDatabase(path);
    const first = await start();
    commit();
    await first.stop();
    for (const ending of ['', '-wal']) copyFileSync(path + ending, `${path}.old${ending}`);
    const position = archive.position!;
    commit();
    const second = await start();
    await second.stop();
    // The same generation of the log, one commit back, and another commit in the place of the archived one.
    for (const ending of ['', '-wal']) copyFileSync(`${path}.old${ending}`, path + ending);
    commit('kill', ';UPDATE state SET g = 77');
    await expect(start()).rejects.toThrow(/is not the one that was archived|was archived/);
    expect(position.batchNo).toBeLessThan(archive.position!.batchNo);
    renameSync(`${path}.old`, path);
    await expect(start()).rejects.toThrow(/is not the one that was archived/);
  });
});

describe('a capture that loses something', () => {
  it('is attached again when its host is killed, and misses nothing', async () => {
    createDatabase(path);
    const capture = await start();
    const base = await copy(capture);
    commit();
    await capture.flush();
    process.kill(hosts.hostPid!, 'SIGKILL');
    commit();
    await capture.flush();
    expect(archive.commits.length).toBe(2);
    await expectExact(capture, base);
    expect(gaps).toEqual([]);
  });

  it('reports a gap when the log was recycled while its host was dead', async () => {
    createDatabase(path);
    const capture = await start();
    commit();
    await capture.flush();
    process.kill(hosts.hostPid!, 'SIGKILL');
    commit('kill', ';PRAGMA wal_checkpoint(PASSIVE);DELETE FROM marker WHERE g < 0;UPDATE state SET g = 5');
    await vi.waitFor(() => expect(gaps).toHaveLength(1), WAIT);
    expect(gaps[0]).toMatch(/the log was reset while it was not captured/);
    const batches = archive.batches.length;
    await expect(capture.flush()).rejects.toThrow();
    expect(archive.batches.length).toBe(batches);
  });

  it('reports a gap when the database file is replaced', async () => {
    createDatabase(path);
    await start();
    const other = join(directory, 'other.db');
    createDatabase(other);
    renameSync(other, path);
    await vi.waitFor(() => expect(gaps).toHaveLength(1), WAIT);
    expect(gaps[0]).toMatch(/was replaced by another/);
  });

  it('says that a snapshot is of no use when its host died', async () => {
    createDatabase(path);
    const capture = await start();
    const snapshot = await capture.snapshot();
    process.kill(hosts.hostPid!, 'SIGKILL');
    await expect(snapshot.close()).rejects.toThrow(/the snapshot was lost/);
    await (await capture.snapshot()).close();
  });

  it('ends a stop with the last durable position when the destination refuses everything', async () => {
    createDatabase(path);
    const capture = await start();
    const position = archive.position;
    archive.beforeAccept = () => {
      throw new Error('unreachable');
    };
    commit();
    expect(await capture.stop()).toEqual({ ...position, isComplete: false });
    archive.beforeAccept = () => {};
    const second = await start();
    await second.flush();
    expect(archive.commits.length).toBe(1);
  });
});

describe('a snapshot', () => {
  it('stays exact while writers commit and the log is recycled, several at once', async () => {
    createDatabase(path);
    const capture = await start();
    const base = await copy(capture);
    const writer = await startWriter({ path, autocheckpoint: 10, rowsMax: 20, pauseMs: 2 });
    const held: Awaited<ReturnType<Capture['snapshot']>>[] = [];
    for (let i = 0; i < 3; i++) {
      await sleep(150);
      held.push(await capture.snapshot());
    }
    await sleep(300);
    for (const snapshot of held) {
      const image = readSnapshotPages(snapshot);
      await snapshot.close();
      expect(differences(replay(base.image, base.scn, archive.commits, snapshot.scn), image)).toEqual([]);
    }
    await writer.stop();
    await expectExact(capture, base);
  });

  it('tells the facts of the database', async () => {
    createDatabase(path, { pageSize: 1024 });
    const capture = await start();
    const snapshot = await capture.snapshot();
    const { version } = inMemory('SELECT sqlite_version() AS version') as { version: string };
    expect(snapshot.facts).toEqual({
      pageSize: 1024,
      pageCount: snapshot.pageCount,
      tableCount: 3,
      engineVersion: `SQLite ${version}`,
    });
    expect(snapshot.skipPage).toBe(0);
    await snapshot.close();
  });
});
