// Goal: the WAL is read exactly as SQLite means it. Method: WALs written by SQLite itself, with spilled, rolled back and
// restarted transactions; every flipped byte must be noticed.
import { spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { DatabaseSync, sqliteBindingPath } from '../../base/sqlite.ts';
import { toScn } from '../../model/scn.ts';
import { makeDirectory, removeDirectory } from './capture.fixture.ts';
import { identify } from './capture-attach.ts';
import { CaptureConnections } from './capture-connections.ts';
import { isLockLost, readHeldLocks } from './capture-locks.ts';
import { CaptureLog, startOf } from './capture-log.ts';
import { frameBytes, parseWalHeader, readFrame, WAL_HEADER_BYTES, walChecksum } from './wal-format.ts';
import { parseWalIndex, WAL_INDEX_BYTES } from './wal-index.ts';
import { fileFrames, newestFrames, scanFrames } from './wal-scan.ts';

/** What another process does: checkpoint everything, then write. */
const RESET = `const { DatabaseSync } = require(process.argv[1]); const d = new DatabaseSync(process.argv[2]);
  d.exec('PRAGMA wal_checkpoint(PASSIVE)'); d.exec('INSERT INTO t (body) VALUES (1)'); process.kill(process.pid, 'SIGKILL')`;

let directory: string;
let path: string;
const open: { close(): void }[] = [];

beforeEach(() => {
  directory = makeDirectory();
  path = join(directory, 'data.db');
});
afterEach(() => {
  for (const each of open.splice(0)) each.close();
  removeDirectory(directory);
});

function connect(): DatabaseSync {
  const database = new DatabaseSync(path);
  open.push(database);
  return database;
}

function create(pageSize = 4096): DatabaseSync {
  const database = connect();
  database.exec(`PRAGMA page_size = ${pageSize}; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
    CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)`);
  return database;
}

const insert = (database: DatabaseSync, bytes = 100) =>
  database.exec(`INSERT INTO t (body) VALUES (zeroblob(${bytes}))`);

/** A log whose cursor stands before the first frame of the present generation. */
function openLog(): CaptureLog {
  const { path: real, file } = identify(path);
  const connections = new CaptureConnections(real);
  open.unshift(connections);
  const { pageSize } = connections;
  const cursor = startOf(connections.walHeader(), 0);
  return new CaptureLog({ connections, path: real, clock: systemClock, file, cursor, pageSize, lastScn: toScn(1n) });
}

describe('a WAL written by SQLite', () => {
  it.each([512, 1024, 2048, 4096, 8192, 16384, 32768, 65536])('is read whole with pages of %i bytes', (pageSize) => {
    const database = create(pageSize);
    for (let i = 0; i < 20; i++) insert(database, i * 300);
    const log = openLog();
    expect(log.poll()).toBeUndefined();
    expect(log.pending.length).toBe(21);
    const index = parseWalIndex(readFileSync(`${path}-shm`).subarray(0, WAL_INDEX_BYTES))!;
    expect(log.cursor).toMatchObject({ frame: index.maxFrame, checksum: index.frameChecksum });
    expect(log.cursor.databasePages).toBe(index.pageCount);
    expect(index.pageSize).toBe(pageSize);
    const scns = log.pending.map((commit) => commit.scn);
    expect([...scns].sort((a, b) => (a < b ? -1 : 1))).toEqual(scns);
    expect(new Set(scns).size).toBe(scns.length);
  });

  it('takes nothing from a transaction that spilled, and all of it once it commits', () => {
    const database = create();
    const log = openLog();
    log.poll();
    const before = log.cursor.frame;
    database.exec('PRAGMA cache_size = 2; BEGIN');
    for (let i = 0; i < 50; i++) insert(database, 3000);
    expect(readFileSync(`${path}-wal`).length).toBeGreaterThan(WAL_HEADER_BYTES + (before + 20) * frameBytes(4096));
    expect(log.poll()).toBeUndefined();
    expect(log.cursor.frame).toBe(before);
    database.exec('ROLLBACK');
    insert(database);
    expect(log.poll()).toBeUndefined();
    expect(log.pending.length).toBe(2);
    database.exec('BEGIN');
    for (let i = 0; i < 50; i++) insert(database, 3000);
    database.exec('COMMIT');
    expect(log.poll()).toBeUndefined();
    expect(log.pending.length).toBe(3);
  });

  it('is followed through a reset that was rolled back and a header that was written again', () => {
    const database = create();
    const log = openLog();
    log.poll();
    log.take(log.pending.length);
    database.exec('PRAGMA wal_checkpoint(PASSIVE)');
    // The reader stands on a mark; moved to read lock 0 it allows one reset.
    const connections = open[0] as CaptureConnections;
    connections.prepareWindow({ checkpoint: true });
    expect(connections.tryLock()).toBe(true);
    expect(log.poll()).toBeUndefined();
    connections.checkpoint();
    log.roll();
    connections.unlock();
    const first = parseWalHeader(readFileSync(`${path}-wal`))!;
    database.exec('PRAGMA cache_size = 2; BEGIN');
    for (let i = 0; i < 50; i++) insert(database, 3000);
    database.exec('ROLLBACK');
    const second = parseWalHeader(readFileSync(`${path}-wal`))!;
    expect(second.bytes.equals(first.bytes)).toBe(false);
    expect(log.poll()).toBeUndefined();
    expect(log.cursor).toMatchObject({ frame: 0 });
    insert(connect());
    const third = parseWalHeader(readFileSync(`${path}-wal`))!;
    expect(third.bytes.equals(second.bytes)).toBe(false);
    expect(log.poll()).toBeUndefined();
    expect(log.cursor.header?.bytes.equals(third.bytes)).toBe(true);
    expect(log.pending.length).toBe(1);
    insert(database);
    expect(log.poll()).toBeUndefined();
    expect(log.pending.length).toBe(2);
  });

  it('reports a reset that the reader should have prevented', () => {
    create();
    const log = openLog();
    expect(log.poll()).toBeUndefined();
    log.take(log.pending.length);
    // Reading the -shm file drops the locks of this process; another process checkpoints and starts the log over.
    const { shmInode } = open[0] as CaptureConnections;
    expect(isLockLost(readHeldLocks()!, log.file.inode, shmInode)).toBe(false);
    readFileSync(`${path}-shm`);
    readFileSync(path);
    expect(isLockLost({ ...readHeldLocks()!, any: new Set([String(shmInode)]) }, log.file.inode, shmInode)).toBe(true);
    spawnSync(process.execPath, ['-e', RESET, sqliteBindingPath, path]);
    expect(log.poll()).toMatch(/the log was reset after frame 0/);
  });

  it('names the newest frame of each page within the size of the database', () => {
    const database = create();
    for (let i = 0; i < 10; i++) insert(database);
    const log = openLog();
    log.poll();
    const fd = openSync(`${path}-wal`, 'r');
    open.push({ close: () => closeSync(fd) });
    const { header, frame } = log.cursor;
    const pairs = newestFrames(fd, header!, frame, 2);
    expect([...pairs]).toEqual([1, expect.any(Number), 2, frame]);
    expect([...newestFrames(fd, header!, frame, 1)]).toEqual([1, pairs[1]]);
  });

  it('notices every flipped byte of its header and of a frame', () => {
    const database = create(512);
    insert(database);
    const bytes = readFileSync(`${path}-wal`);
    const header = parseWalHeader(bytes)!;
    for (let at = 0; at < WAL_HEADER_BYTES; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1;
      expect(parseWalHeader(damaged), `byte ${at}`).toBeUndefined();
    }
    expect(readFrame(bytes, WAL_HEADER_BYTES, header, header.seed)).toBeDefined();
    for (let at = WAL_HEADER_BYTES; at < WAL_HEADER_BYTES + frameBytes(512); at++) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 0x10;
      expect(readFrame(damaged, WAL_HEADER_BYTES, header, header.seed), `byte ${at}`).toBeUndefined();
    }
  });

  it('is read in either byte order of its checksums', () => {
    const database = create(1024);
    for (let i = 0; i < 5; i++) insert(database);
    const other = join(directory, 'other.db');
    copyFileSync(path, other);
    const bytes = bigEndianCopy(readFileSync(`${path}-wal`));
    writeFileSync(`${other}-wal`, bytes);
    const fd = openSync(`${other}-wal`, 'r');
    const header = parseWalHeader(bytes)!;
    expect(header.isBigEndian).toBe(true);
    const lastFrame = (bytes.length - WAL_HEADER_BYTES) / frameBytes(1024);
    let frames = 0;
    const range = { firstFrame: 1, lastFrame, from: header.seed };
    expect(scanFrames(fileFrames(fd, header), range, () => frames++)).toBeUndefined();
    expect(frames).toBe(lastFrame);
    closeSync(fd);
    // SQLite agrees that this is a valid WAL.
    const reopened = new DatabaseSync(other);
    expect(reopened.prepare('SELECT count(*) AS n FROM t').get()).toEqual({ n: 5 });
    reopened.close();
  });
});

/** The same WAL with big-endian checksums, as a machine of that kind writes it. */
function bigEndianCopy(wal: Buffer): Buffer {
  const bytes = Buffer.from(wal);
  const pageSize = bytes.readUInt32BE(8);
  bytes.writeUInt32BE(0x377f0683, 0);
  let sum = walChecksum(bytes, { start: 0, length: 24 }, { s1: 0, s2: 0 }, true);
  bytes.writeUInt32BE(sum.s1, 24);
  bytes.writeUInt32BE(sum.s2, 28);
  for (let at = WAL_HEADER_BYTES; at < bytes.length; at += frameBytes(pageSize)) {
    sum = walChecksum(bytes, { start: at, length: 8 }, sum, true);
    sum = walChecksum(bytes, { start: at + 24, length: pageSize }, sum, true);
    bytes.writeUInt32BE(sum.s1, at + 16);
    bytes.writeUInt32BE(sum.s2, at + 20);
  }
  return bytes;
}
