// The SQLite connections by which a capture holds and moves a tenant's log: R pins it, W takes the write lock without
// writing, C checkpoints. All other reading of the -shm and the database file goes through one descriptor each that is
// opened once and closed last: closing any descriptor of a file drops the locks that SQLite holds on it in this process.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { assert } from '../../base/assert.ts';
import { fail } from '../../base/errors.ts';
import { DatabaseSync } from '../../base/sqlite.ts';
import { type Checksum, parseWalHeader, WAL_HEADER_BYTES, type WalHeader } from './wal-format.ts';
import { parseWalIndex, WAL_INDEX_BYTES, type WalIndex } from './wal-index.ts';
import { readFully } from './wal-scan.ts';

const SQLITE_BUSY = 5;

export type DatabaseConnection = DatabaseSync;

/** Opens a connection that never waits inside SQLite. */
function openConnection(path: string, options: { readOnly: boolean }): DatabaseConnection {
  const database = new DatabaseSync(path, { readOnly: options.readOnly, timeout: 0 });
  if (!options.readOnly) database.exec('PRAGMA wal_autocheckpoint = 0');
  return database;
}

export function isBusy(error: unknown): boolean {
  const code = error instanceof Error ? (error as Error & { errcode?: number }).errcode : undefined;
  return code !== undefined && (code & 0xff) === SQLITE_BUSY;
}

/** A read transaction, begun by reading the header: an opened but unused connection holds nothing. */
export class PinnedReader {
  readonly #database: DatabaseConnection;
  readonly #touch: ReturnType<DatabaseConnection['prepare']>;

  constructor(path: string) {
    this.#database = openConnection(path, { readOnly: true });
    try {
      this.#touch = this.#database.prepare('PRAGMA schema_version');
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  begin(): void {
    this.#database.exec('BEGIN');
    try {
      this.#touch.get();
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  end(): void {
    this.#database.exec('ROLLBACK');
  }

  /** One value of the state that is pinned. */
  number(sql: string): number {
    return Number(this.#value(sql));
  }

  text(sql: string): string {
    return String(this.#value(sql));
  }

  #value(sql: string): unknown {
    return Object.values(this.#database.prepare(sql).get() as Record<string, unknown>)[0];
  }

  close(): void {
    this.#database.close();
  }
}

export interface CheckpointResult {
  isBusy: boolean;
  /** Frames in the WAL, and how many of them are in the database file now. */
  log: number;
  checkpointed: number;
}

/** PASSIVE only, ever: every other mode makes applications wait. */
function passiveCheckpoint(database: DatabaseConnection): CheckpointResult {
  const row = database.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() as Record<string, number>;
  return { isBusy: row.busy !== 0, log: Number(row.log), checkpointed: Number(row.checkpointed) };
}

/** Everything of one tenant that must be closed in a certain order. */
export class CaptureConnections {
  readonly #path: string;
  readonly #shm: number;
  readonly #shmBytes = Buffer.allocUnsafeSlow(WAL_INDEX_BYTES);
  readonly #headerBytes = Buffer.allocUnsafeSlow(WAL_HEADER_BYTES);
  readonly #wal: number;
  #database: number | undefined;
  #reader: PinnedReader;
  #spare: PinnedReader | undefined;
  #writer: DatabaseConnection | undefined;
  #checkpointer: DatabaseConnection | undefined;
  #isClosed = false;

  /**
   * Pins the log, through a read-only connection from the first moment on: should this fail half-way, no closing
   * connection checkpoints and deletes the WAL that a round still needs.
   * @param path of the database file, without symbolic links: SQLite names its files after that one
   * @throws CANNOT_START_LOG_ARCHIVE when the database is not in WAL mode
   */
  constructor(path: string) {
    this.#path = path;
    this.#reader = new PinnedReader(path);
    const opened: number[] = [];
    try {
      this.#reader.begin();
      const mode = this.#reader.text('PRAGMA journal_mode');
      if (mode !== 'wal')
        throw fail('CANNOT_START_LOG_ARCHIVE', { because: `the journal mode of ${path} is ${mode}, not wal` });
      this.#wal = openSync(`${path}-wal`, 'r');
      opened.push(this.#wal);
      this.#shm = openSync(`${path}-shm`, 'r');
    } catch (error) {
      this.#reader.close();
      for (const fd of opened) closeSync(fd);
      throw error;
    }
  }

  get pageSize(): number {
    return this.#reader.number('PRAGMA page_size');
  }

  get walFd(): number {
    return this.#wal;
  }

  /** For reading pages; opened when it is needed first, and only by a tenant whose pages are read. */
  get databaseFd(): number {
    assert(!this.#isClosed, 'a closed capture opens nothing');
    this.#database ??= openSync(this.#path, 'r');
    return this.#database;
  }

  /** Inode of the -wal file that is open, and its size. */
  walStat(): { inode: bigint; sizeBytes: bigint; links: bigint } {
    const { ino, size, nlink } = fstatSync(this.#wal, { bigint: true });
    return { inode: ino, sizeBytes: size, links: nlink };
  }

  get shmInode(): bigint {
    return fstatSync(this.#shm, { bigint: true }).ino;
  }

  /** The raw bytes of the wal-index header; the buffer is reused. */
  indexBytes(): Buffer {
    const bytes = readSync(this.#shm, this.#shmBytes, 0, WAL_INDEX_BYTES, 0);
    if (bytes < WAL_INDEX_BYTES) this.#shmBytes.fill(0, bytes);
    return this.#shmBytes;
  }

  /** undefined while the index is being changed. */
  index(): WalIndex | undefined {
    return parseWalIndex(this.indexBytes());
  }

  /** undefined when the WAL is empty or its header is being changed. */
  walHeader(): WalHeader | undefined {
    const bytes = readFully(this.#wal, this.#headerBytes, WAL_HEADER_BYTES, 0);
    return bytes < WAL_HEADER_BYTES ? undefined : parseWalHeader(this.#headerBytes);
  }

  /** The checksum that a frame carries in the file; undefined when the frame is not there or has other salts. */
  storedChecksum(header: WalHeader, offset: number): Checksum | undefined {
    const bytes = Buffer.alloc(24);
    if (readFully(this.#wal, bytes, 24, offset) < 24) return undefined;
    if (bytes.compare(header.salts, 0, 8, 8, 16) !== 0) return undefined;
    return { s1: bytes.readUInt32BE(16), s2: bytes.readUInt32BE(20) };
  }

  /** Opened before the write lock is taken, so that nothing is opened under it. */
  prepareWindow(options: { checkpoint: boolean }): void {
    assert(!this.#isClosed, 'a closed capture opens nothing');
    this.#writer ??= openConnection(this.#path, { readOnly: false });
    this.#spare ??= new PinnedReader(this.#path);
    if (options.checkpoint) this.#checkpointer ??= openConnection(this.#path, { readOnly: false });
  }

  /** Takes the write lock. @returns false when another connection has it */
  tryLock(): boolean {
    assert(this.#writer, 'the window was prepared');
    try {
      this.#writer.exec('BEGIN IMMEDIATE');
      return true;
    } catch (error) {
      if (isBusy(error)) return false;
      throw error;
    }
  }

  /** Gives the write lock back; closing everything has done so already. */
  unlock(): void {
    if (this.#writer?.isTransaction) this.#writer.exec('ROLLBACK');
  }

  /** Moves the pin to the present end: the new reader begins before the old one ends. Only under the write lock. */
  roll(): void {
    assert(this.#spare, 'the window was prepared');
    this.#spare.begin();
    this.#reader.end();
    [this.#reader, this.#spare] = [this.#spare, this.#reader];
  }

  checkpoint(): CheckpointResult {
    assert(this.#checkpointer, 'the window was prepared');
    return passiveCheckpoint(this.#checkpointer);
  }

  /** A further reader, for a snapshot; the caller closes it before these connections are closed. */
  openReader(): PinnedReader {
    assert(!this.#isClosed, 'a closed capture opens nothing');
    const reader = new PinnedReader(this.#path);
    try {
      reader.begin();
      return reader;
    } catch (error) {
      reader.close();
      throw error;
    }
  }

  /** Gives back what an idle tenant does not need. */
  relax(): void {
    this.#writer?.close();
    this.#checkpointer?.close();
    this.#spare?.close();
    this.#writer = this.#checkpointer = this.#spare = undefined;
  }

  /** Closes W and C first and R last: a read-only last connection neither checkpoints nor deletes the WAL. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.relax();
    this.#reader.close();
    closeSync(this.#wal);
    closeSync(this.#shm);
    if (this.#database !== undefined) closeSync(this.#database);
  }
}
