// States that a reader holds: for processes that copy them, and for the capture's own scans. What is told of one is which
// pages come from the WAL, and what the files must be.
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { fail } from '../../base/errors.ts';
import type { Scn } from '../../model/scn.ts';
import type { Snapshot } from '../engine-driver.ts';
import type { CaptureConnections, PinnedReader } from './capture-connections.ts';
import type { CaptureLog, Cursor } from './capture-log.ts';
import { type CapturePageMap, lockBytePage, type StateMark } from './capture-page-map.ts';
import type { FileIdentity } from './capture-position.ts';
import { WAL_HEADER_BYTES } from './wal-format.ts';
import type { WalIndex } from './wal-index.ts';
import { newestFrames } from './wal-scan.ts';

/** States of one tenant held at a time: backup, validation, a gap repair and a scan are four. */
const SNAPSHOTS_MAX = 8;

/** What the files say of a held state. */
export type SnapshotContents = Omit<Snapshot, 'close' | 'scn' | 'databaseChecksum'>;

/** A state that a reader holds and that is not described yet. */
export interface FrozenState {
  snapshotId: number;
  /** Every commit up to here is in it. */
  scn: Scn;
  /** The last commit in it that was not durable then; undefined for none. */
  includedScn: Scn | undefined;
  /** Gets its checksum once everything in it is in batches. */
  mark: StateMark;
  index: WalIndex;
  cursor: Cursor;
}

export class Snapshots {
  readonly #of: {
    connections: CaptureConnections;
    captureLog: CaptureLog;
    pageMap: CapturePageMap;
    clock: Clock;
    path: string;
  };
  readonly #readers = new Map<number, PinnedReader>();
  #nextSnapshotId = 1;

  constructor(of: {
    connections: CaptureConnections;
    captureLog: CaptureLog;
    pageMap: CapturePageMap;
    clock: Clock;
    path: string;
  }) {
    this.#of = of;
  }

  has(snapshotId: number): boolean {
    return this.#readers.has(snapshotId);
  }

  /** Holds the present state. Only under the write lock, with every commit seen. @throws SERVER_BUSY */
  freeze(): FrozenState {
    if (this.#readers.size >= SNAPSHOTS_MAX) throw fail('SERVER_BUSY', { what: 'Too many snapshots of one tenant' });
    const { connections, captureLog, pageMap, clock } = this.#of;
    const snapshotId = this.#nextSnapshotId++;
    this.#readers.set(snapshotId, connections.openReader());
    // Read after the reader began: frames that are not in the file yet then prove that it stands on a mark.
    const index = connections.index();
    assert(index, 'the wal-index is at rest under the write lock');
    const includedScn = captureLog.pending.at(-1)?.scn;
    const mark = pageMap.mark(includedScn);
    const scn = captureLog.announce(clock.nowNs());
    return { snapshotId, scn, includedScn, mark, index, cursor: captureLog.cursor };
  }

  /** Describes a held state; needs no lock. When it fails, the state is held no longer. */
  describe(frozen: FrozenState): SnapshotContents {
    const reader = this.#readers.get(frozen.snapshotId);
    if (!reader) throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
    try {
      const { connections, path, captureLog } = this.#of;
      return describe({ reader, connections, path, file: captureLog.file, ...frozen });
    } catch (error) {
      this.close(frozen.snapshotId);
      throw error;
    }
  }

  close(snapshotId: number): void {
    this.#readers.get(snapshotId)?.close();
    this.#readers.delete(snapshotId);
  }

  closeAll(): void {
    for (const snapshotId of [...this.#readers.keys()]) this.close(snapshotId);
  }
}

/** @param of.index the wal-index as it was under the write lock, after `reader` began */
function describe(of: {
  reader: PinnedReader;
  connections: CaptureConnections;
  path: string;
  file: FileIdentity;
  index: WalIndex;
  cursor: Cursor;
}): SnapshotContents {
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
