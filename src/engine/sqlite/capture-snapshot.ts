// What a snapshot tells the processes that copy it: which pages come from the WAL, and what the files must be.
import { fail } from '../../base/errors.ts';
import type { CaptureConnections, PinnedReader } from './capture-connections.ts';
import type { Cursor } from './capture-log.ts';
import type { SnapshotAnswer } from './capture-messages.ts';
import type { FileIdentity } from './capture-position.ts';
import { WAL_HEADER_BYTES } from './wal-format.ts';
import type { WalIndex } from './wal-index.ts';
import { newestFrames } from './wal-scan.ts';

/** SQLite locks this byte of a database file; the page that holds it is never used. */
const LOCK_BYTE = 0x40000000;

/** The lock-byte page of a database of that size; 0 when it is too small to have one. */
function lockBytePage(pageSize: number, pageCount: number): number {
  const page = Math.floor(LOCK_BYTE / pageSize) + 1;
  return pageCount >= page ? page : 0;
}

/**
 * Describes a state that `reader` pins.
 * @param of.index the wal-index as it was under the write lock, after `reader` began
 */
export function readSnapshot(of: {
  reader: PinnedReader;
  connections: CaptureConnections;
  path: string;
  file: FileIdentity;
  index: WalIndex;
  cursor: Cursor;
}): Omit<SnapshotAnswer, 'snapshotId' | 'scn'> {
  const { reader, connections, path, file, index, cursor } = of;
  const pageSize = reader.number('PRAGMA page_size');
  const pageCount = reader.number('PRAGMA page_count');
  // With every frame in the database file no checkpoint writes there while the reader is held: the file alone will do.
  // Otherwise the reader stands on a mark, and the WAL can not be reset while its frames are listed here.
  const isFilled = index.maxFrame === 0 || index.backfilled >= index.maxFrame;
  if (!isFilled && cursor.databasePages !== pageCount)
    throw fail('INTERNAL', { what: `a snapshot of ${pageCount} pages, but the log says ${cursor.databasePages}` });
  const overlay =
    isFilled || !cursor.header
      ? new Uint32Array(0)
      : newestFrames(connections.walFd, cursor.header, cursor.frame, pageCount);
  return {
    pageSize,
    pageCount,
    skipPage: lockBytePage(pageSize, pageCount),
    databasePath: path,
    walPath: `${path}-wal`,
    device: file.device,
    inode: file.inode,
    walHeader: cursor.header?.bytes ?? new Uint8Array(WAL_HEADER_BYTES),
    overlay,
    facts: {
      pageSize,
      pageCount,
      engineVersion: `SQLite ${reader.text('SELECT sqlite_version()')}`,
      tableCount: reader.number(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
      ),
    },
  };
}
