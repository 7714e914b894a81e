// Lays page images over a database that sessions have open for reading, one whole state after another.
// SQLite has no call for that, so this does what a writer of SQLite does, up to the moment before it tells the others: it
// appends frames to the log, the last of them with the size of the database, and syncs. Then it clears the header of the
// wal-index, as a writer leaves it that dies while it changes it: whoever reads next takes the recovery lock and counts
// the frames again, which is how SQLite itself comes back from such a death, also beside readers that are at work.
// - The last frame makes all the others count: a reader sees all of a step or nothing of it, a crash leaves either.
// - A reader that is in a transaction keeps its mark, and what lies behind it: frames are only ever appended, and what
//   makes room again is SQLite's own checkpoint, which respects marks.
// - Nobody else writes: a tenant that is replayed is a STANDBY, and its sessions are opened read-only. SQLite's own write
//   lock is held while frames are appended, against a process of a server that has died and does not know it yet.
// The process that runs this never closes a descriptor of the database or of its -shm: POSIX locks would go with it.
import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { assert } from '../../base/assert.ts';
import { fail } from '../../base/errors.ts';
import { GIB, MIB } from '../../base/limits.ts';
import { DatabaseSync } from '../../base/sqlite.ts';
import { NO_PAGE_HASH, pageHash } from '../../format/page-map.ts';
import type { ReplayState, ReplayStep } from '../engine-driver.ts';
import { isBusy } from './sql-errors.ts';
import {
  type Checksum,
  encodeWalHeader,
  FRAME_HEADER_BYTES,
  frameBytes,
  frameOffset,
  parseWalHeader,
  sameChecksum,
  sealFrame,
  WAL_HEADER_BYTES,
  type WalHeader,
} from './wal-format.ts';
import { parseWalIndex, WAL_INDEX_BYTES, WAL_INDEX_HEADERS_BYTES } from './wal-index.ts';
import { fileFrames, readFully, scanFrames } from './wal-scan.ts';

/** Frames are copied and written so many bytes at a time. */
const COPY_BYTES = 1 * MIB;
/** The log is taken into the database beyond this size: about SQLite's own bound of 1000 pages. */
const CHECKPOINT_BYTES = 4 * MIB;
/** A reader that counts the frames again has the locks for as long as that takes; longer, and it hangs. */
const LOCK_WAIT_MS_MAX = 30_000;
const LOCK_RETRY_MS = 2;
/** SQLite keeps its lock bytes there; the page that holds them has no content. */
const LOCK_BYTE_OFFSET = 1 * GIB;

/** Blocks this process, which has nothing else to do. */
function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Where the committed frames of the log end. */
interface LogEnd {
  /** undefined for a log that is empty. */
  header: WalHeader | undefined;
  lastFrame: number;
  checksum: Checksum;
}

export class ReplayLog {
  readonly #location: string;
  readonly #db: DatabaseSync;
  readonly #dbFd: number;
  readonly #shmFd: number;
  readonly #walFd: number;
  readonly #pageSize: number;
  /** Newest committed frame of each page in the log. */
  readonly #frames = new Map<number, number>();
  #end: LogEnd;
  #sequence = 0;

  /** @throws ENGINE (5099) for a database that is not in WAL mode */
  constructor(location: string) {
    this.#location = location;
    this.#db = new DatabaseSync(location, { timeout: 0 });
    this.#db.exec('PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL');
    if (this.#read('PRAGMA journal_mode') !== 'wal')
      throw fail('ENGINE', { message: `'${location}' is not in WAL mode` });
    // A connection that has read has made the log and its index, and holds them.
    this.#read('SELECT count(*) FROM sqlite_schema');
    this.#pageSize = Number(this.#read('PRAGMA page_size'));
    this.#dbFd = openSync(location, 'r');
    this.#shmFd = openSync(`${location}-shm`, 'r+');
    this.#walFd = openSync(`${location}-wal`, 'r+');
    this.#end = this.#locked(() => this.#findEnd());
    // Frames that an earlier process wrote and did not tell of count now, for everybody.
    this.#publish();
  }

  /** Hashes every page of the state that readers see now. */
  readState(): ReplayState {
    const pageCount = this.#pageCount;
    const hashes = new BigUint64Array(pageCount);
    const skipPage = LOCK_BYTE_OFFSET / this.#pageSize + 1;
    const page = Buffer.alloc(this.#pageSize);
    for (let pageNo = 1; pageNo <= pageCount; pageNo++) {
      if (pageNo === skipPage) {
        hashes[pageNo - 1] = NO_PAGE_HASH;
        continue;
      }
      const frame = this.#frames.get(pageNo);
      const [fd, at] =
        frame === undefined
          ? [this.#dbFd, (pageNo - 1) * this.#pageSize]
          : [this.#walFd, frameOffset(frame, this.#pageSize) + FRAME_HEADER_BYTES];
      if (readFully(fd, page, page.length, at) !== page.length)
        throw fail('BACKUP_DATA_CORRUPT', { object: this.#location, because: `page ${pageNo} is not there` });
      hashes[pageNo - 1] = pageHash(page);
    }
    return { pageSize: this.#pageSize, hashes };
  }

  /** Makes the database the state after a step: durable, and seen by every transaction that begins from now on. */
  apply({ pagesPath, pages, databasePages }: ReplayStep): void {
    if (pages.length > 0) {
      this.#locked(() => {
        this.#checkEnd();
        this.#append(pagesPath, pages, databasePages);
      });
      this.#publish();
    }
    assert(this.#pageCount === databasePages, 'the database has as many pages as the step says');
    if (this.#end.lastFrame * frameBytes(this.#pageSize) > CHECKPOINT_BYTES) this.#checkpoint();
  }

  get #pageCount(): number {
    return Number(this.#read('PRAGMA page_count'));
  }

  /** One value. */
  #read(sql: string): unknown {
    return this.#patiently(() => Object.values(this.#db.prepare(sql).get() as Record<string, unknown>)[0]);
  }

  /** Does what needs a lock that another process may have for a moment. */
  #patiently<T>(work: () => T): T {
    for (let waitedMs = 0; ; waitedMs += LOCK_RETRY_MS) {
      try {
        return work();
      } catch (error) {
        if (!isBusy(error) || waitedMs > LOCK_WAIT_MS_MAX) throw error;
        sleep(LOCK_RETRY_MS);
      }
    }
  }

  /** Keeps every other writer away meanwhile. */
  #locked<T>(work: () => T): T {
    this.#patiently(() => this.#db.exec('BEGIN IMMEDIATE'));
    try {
      return work();
    } finally {
      this.#db.exec('ROLLBACK');
    }
  }

  /** What SQLite counts as committed must be what this process knows of: else its picture of the database is old. */
  #checkEnd(): void {
    const bytes = Buffer.alloc(WAL_INDEX_BYTES);
    readFully(this.#shmFd, bytes, bytes.length, 0);
    const index = parseWalIndex(bytes);
    const { header, lastFrame, checksum } = this.#end;
    const isSame =
      index?.maxFrame === lastFrame &&
      (lastFrame === 0 || (sameChecksum(index.frameChecksum, checksum) && header?.salts.equals(index.salts)));
    if (!isSame) throw fail('ENGINE', { message: `somebody else has written to '${this.#location}'` });
  }

  /** Counts the committed frames, as SQLite's recovery does. */
  #findEnd(): LogEnd {
    this.#frames.clear();
    const bytes = Buffer.alloc(WAL_HEADER_BYTES);
    readFully(this.#walFd, bytes, bytes.length, 0);
    const header = parseWalHeader(bytes);
    if (header?.pageSize !== this.#pageSize) return { header: undefined, lastFrame: 0, checksum: { s1: 0, s2: 0 } };
    this.#sequence = header.sequence;
    const end: LogEnd = { header, lastFrame: 0, checksum: header.seed };
    const lastFrame = Math.floor((fstatSync(this.#walFd).size - WAL_HEADER_BYTES) / frameBytes(this.#pageSize));
    let open: Array<[page: number, frame: number]> = [];
    scanFrames(fileFrames(this.#walFd, header), { firstFrame: 1, lastFrame, from: header.seed }, (frameNo, frame) => {
      open.push([frame.pageNo, frameNo]);
      if (frame.commitPages === 0) return;
      for (const [page, at] of open) this.#frames.set(page, at);
      open = [];
      Object.assign(end, { lastFrame: frameNo, checksum: frame.checksum });
    });
    return end;
  }

  #append(pagesPath: string, pages: Uint32Array, databasePages: number): void {
    const size = this.#pageSize;
    const header = this.#end.header ?? this.#beginLog();
    let { checksum } = this.#end.header ? this.#end : { checksum: header.seed };
    const perCopy = Math.max(1, Math.floor(COPY_BYTES / frameBytes(size)));
    const bytes = Buffer.allocUnsafeSlow(Math.min(perCopy, pages.length) * frameBytes(size));
    const source = openSync(pagesPath, 'r');
    try {
      for (let first = 0; first < pages.length; first += perCopy) {
        const count = Math.min(perCopy, pages.length - first);
        for (let i = 0; i < count; i++) {
          const at = i * frameBytes(size);
          const page = bytes.subarray(at + FRAME_HEADER_BYTES, at + frameBytes(size));
          const slot = first + i;
          assert(readSync(source, page, 0, size, slot * size) === size, 'each page of a step is in its file');
          const commitPages = slot === pages.length - 1 ? databasePages : 0;
          checksum = sealFrame(bytes, at, { pageNo: pages[slot]!, commitPages }, { header, from: checksum });
        }
        this.#write(bytes.subarray(0, count * frameBytes(size)), frameOffset(this.#end.lastFrame + 1 + first, size));
      }
    } finally {
      closeSync(source);
    }
    fsyncSync(this.#walFd);
    for (const [slot, page] of pages.entries()) this.#frames.set(page, this.#end.lastFrame + 1 + slot);
    this.#end = { header, lastFrame: this.#end.lastFrame + pages.length, checksum };
  }

  /** A new generation: with salts of its own, so that no frame of an earlier one can count. */
  #beginLog(): WalHeader {
    const bytes = encodeWalHeader({ pageSize: this.#pageSize, sequence: this.#sequence + 1, salts: randomBytes(8) });
    this.#write(bytes, 0);
    const directory = openSync(dirname(this.#location), 'r');
    fsyncSync(directory);
    closeSync(directory);
    const header = parseWalHeader(bytes);
    assert(header, 'a header that was just made is one');
    this.#sequence = header.sequence;
    return header;
  }

  #write(bytes: Buffer, position: number): void {
    try {
      for (let done = 0; done < bytes.length; )
        done += writeSync(this.#walFd, bytes, done, bytes.length - done, position + done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
      throw fail('OUT_OF_DISK', { what: `${this.#location}-wal` }, { cause: error });
    }
  }

  /** Lets everybody count the frames again, and counts them first. */
  #publish(): void {
    const cleared = Buffer.alloc(WAL_INDEX_HEADERS_BYTES);
    assert(writeSync(this.#shmFd, cleared, 0, cleared.length, 0) === cleared.length, 'the header is cleared at once');
    this.#read('SELECT count(*) FROM sqlite_schema');
  }

  /** Takes the log into the database and cuts it off; a reader that still needs it makes it stay, until the next time. */
  #checkpoint(): void {
    const { busy } = this.#db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
    if (busy === 0) this.#end = this.#findEnd();
  }
}
