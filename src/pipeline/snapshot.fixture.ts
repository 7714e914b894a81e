// For tests: frozen states of real SQLite databases, with and without a WAL, and what a copy of them must be.
import { copyFile, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from '../base/sqlite.ts';
import type { SnapshotSource } from './pipeline.ts';

export interface FrozenDatabase {
  source: SnapshotSource;
  /** Every byte of the frozen state. */
  expected: Buffer;
}

const FRAME_HEADER_BYTES = 24;
const WAL_HEADER_BYTES = 32;

/** Newest committed frame of each page, and the size that the last commit gave the database. */
function readWal(wal: Buffer, pageSize: number): { frames: Map<number, number>; pageCount: number } {
  const frames = new Map<number, number>();
  let pending = new Map<number, number>();
  let pageCount = 0;
  const salts = wal.subarray(16, 24);
  for (let frameNo = 1; ; frameNo++) {
    const at = WAL_HEADER_BYTES + (frameNo - 1) * (FRAME_HEADER_BYTES + pageSize);
    if (at + FRAME_HEADER_BYTES + pageSize > wal.length || !wal.subarray(at + 8, at + 16).equals(salts)) break;
    pending.set(wal.readUInt32BE(at), frameNo);
    const size = wal.readUInt32BE(at + 4);
    if (size === 0) continue;
    pageCount = size;
    for (const [page, frame] of pending) frames.set(page, frame);
    pending = new Map();
  }
  return { frames, pageCount };
}

/** Describes database and WAL files that nobody writes. */
export async function freeze(databasePath: string, pageSize: number): Promise<FrozenDatabase> {
  const walPath = `${databasePath}-wal`;
  const file = await readFile(databasePath);
  const wal = await readFile(walPath).catch(() => Buffer.alloc(0));
  const { frames, pageCount: walPages } = readWal(wal, pageSize);
  const pageCount = frames.size > 0 ? walPages : file.length / pageSize;
  const pairs = [...frames].filter(([page]) => page <= pageCount).sort(([a], [b]) => a - b);
  const expected = Buffer.alloc(pageCount * pageSize);
  file.copy(expected);
  for (const [page, frameNo] of pairs) {
    const at = WAL_HEADER_BYTES + (frameNo - 1) * (FRAME_HEADER_BYTES + pageSize) + FRAME_HEADER_BYTES;
    wal.copy(expected, (page - 1) * pageSize, at, at + pageSize);
  }
  const { dev: device, ino: inode } = await stat(databasePath, { bigint: true });
  const overlay = Uint32Array.from(pairs.flat());
  const walHeader = wal.length > 0 ? new Uint8Array(wal.subarray(0, WAL_HEADER_BYTES)) : new Uint8Array(32);
  const source = { pageSize, pageCount, skipPage: 0, databasePath, walPath, device, inode, walHeader, overlay };
  return { source, expected };
}

export interface DatabaseShape {
  pageSize: number;
  rowCount: number;
  /** Bytes of each row. */
  rowBytes: number;
  /** True leaves changes of old rows and many new rows in the WAL only. */
  hasWal: boolean;
}

/** Makes a real database and freezes it. */
export async function makeDatabase(directory: string, shape: DatabaseShape): Promise<FrozenDatabase> {
  const path = join(directory, 'original.db');
  const frozenPath = join(directory, 'frozen.db');
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA page_size=${shape.pageSize}; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;`);
    database.exec('CREATE TABLE t(id INTEGER PRIMARY KEY, body TEXT)');
    const fill = (count: number) =>
      database.exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
         INSERT INTO t(body) SELECT substr(hex(randomblob(${shape.rowBytes})) || 'holdfast', 1, ${shape.rowBytes}) FROM n`,
      );
    fill(shape.rowCount);
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    if (shape.hasWal) {
      database.exec("UPDATE t SET body = replace(body, 'A', 'b') WHERE id % 7 = 0");
      fill(shape.rowCount);
      database.exec('DELETE FROM t WHERE id % 11 = 0');
    }
    await copyFile(path, frozenPath);
    if (shape.hasWal) await copyFile(`${path}-wal`, `${frozenPath}-wal`);
  } finally {
    database.close();
  }
  return freeze(frozenPath, shape.pageSize);
}
