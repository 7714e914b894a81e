// Reads pages of a frozen database state with plain file reads: from the database file, and from the WAL for the pages
// named in the overlay. Runs where SQLite is never loaded: closing a file here must not drop anyone's locks.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import type { PageRange } from './page-hasher.ts';
import type { SnapshotSource } from './pipeline.ts';

const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
/** Place of the two salts in the WAL header and in each frame header. */
const WAL_SALTS_AT = 16;
const FRAME_SALTS_AT = 8;
const SALTS_BYTES = 8;

export class SnapshotReader {
  readonly #source: SnapshotSource;
  readonly #databaseFd: number;
  readonly #walFd: number | undefined;
  readonly #frame: Buffer;
  /** From then on the database file holds everything. */
  #isWalGone = false;

  /** @throws ENGINE (5099) when the database file is not the one that was frozen */
  constructor(source: SnapshotSource) {
    assert(source.pageCount > 0, 'a database has pages');
    assert(
      source.walHeader.length === WAL_HEADER_BYTES || source.overlay.length === 0,
      'an overlay needs a WAL header',
    );
    this.#source = source;
    this.#frame = Buffer.alloc(FRAME_HEADER_BYTES + source.pageSize);
    this.#databaseFd = openForReading(source.databasePath);
    try {
      const { dev, ino } = fstatSync(this.#databaseFd, { bigint: true });
      if (dev !== source.device || ino !== source.inode) throw unreadable(source.databasePath, 'it was replaced');
      this.#walFd = source.overlay.length > 0 ? this.#openWal() : undefined;
    } catch (error) {
      closeSync(this.#databaseFd);
      throw error;
    }
  }

  /**
   * Reads consecutive pages into `into`.
   * @returns the filled part of `into`; zeros for the page that is never read
   */
  read([firstPage, count]: PageRange, into: Buffer): Buffer {
    const { pageSize, pageCount, skipPage, overlay } = this.#source;
    const lastPage = firstPage + count - 1;
    assert(firstPage >= 1 && count >= 1 && lastPage <= pageCount, 'the pages are in the database');
    assert(count * pageSize <= into.length, 'there is room for the pages');
    const block = into.subarray(0, count * pageSize);
    const pagesRead = this.#readDatabase(block, firstPage);
    // Missing in the file; a page of the overlay fills in for each, or is an error.
    const missing = new Set<number>();
    for (let page = firstPage + pagesRead; page <= lastPage; page++) if (page !== skipPage) missing.add(page);
    if (!this.#isWalGone) {
      const from = lowerBound(overlay, firstPage);
      const to = lowerBound(overlay, lastPage + 1);
      if (from < to && !this.#readOverlay(block, firstPage, { from, to })) {
        // The file was read before the WAL was found reset: only now does it certainly hold everything.
        this.#isWalGone = true;
        return this.read([firstPage, count], into);
      }
      for (let pair = from; pair < to; pair++) missing.delete(overlay[pair * 2]!);
    }
    const [lost] = missing;
    if (lost !== undefined) throw unreadable(this.#source.databasePath, `it ends before its page ${lost}`);
    if (skipPage >= firstPage && skipPage <= lastPage) {
      const at = (skipPage - firstPage) * pageSize;
      block.fill(0, at, at + pageSize);
    }
    return block;
  }

  close(): void {
    closeSync(this.#databaseFd);
    if (this.#walFd !== undefined) closeSync(this.#walFd);
  }

  /** A WAL that is not there any more was removed because the database file holds everything. */
  #openWal(): number | undefined {
    try {
      return openSync(this.#source.walPath, 'r');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT'))
        throw unreadable(this.#source.walPath, String(error), error);
      this.#isWalGone = true;
      return undefined;
    }
  }

  /** @returns how many whole pages the file had */
  #readDatabase(block: Buffer, firstPage: number): number {
    const { pageSize, databasePath } = this.#source;
    return Math.floor(readUpTo(this.#databaseFd, databasePath, block, (firstPage - 1) * pageSize) / pageSize);
  }

  /** Copies overlay pages into the block. @returns false when the WAL was reset meanwhile */
  #readOverlay(block: Buffer, firstPage: number, pairs: { from: number; to: number }): boolean {
    const { overlay, pageSize, walPath, walHeader } = this.#source;
    const salts = Buffer.from(walHeader).subarray(WAL_SALTS_AT, WAL_SALTS_AT + SALTS_BYTES);
    const fd = this.#walFd;
    assert(fd !== undefined, 'the WAL is open while it is needed');
    let wrongFrame: number | undefined;
    for (let pair = pairs.from; pair < pairs.to; pair++) {
      const page = overlay[pair * 2]!;
      const frameNo = overlay[pair * 2 + 1]!;
      const offset = WAL_HEADER_BYTES + (frameNo - 1) * this.#frame.length;
      const length = readUpTo(fd, walPath, this.#frame, offset);
      const isRight =
        length === this.#frame.length &&
        this.#frame.readUInt32BE(0) === page &&
        this.#frame.subarray(FRAME_SALTS_AT, FRAME_SALTS_AT + SALTS_BYTES).equals(salts);
      if (!isRight) wrongFrame = frameNo;
      this.#frame.copy(block, (page - firstPage) * pageSize, FRAME_HEADER_BYTES);
    }
    const header = Buffer.alloc(WAL_HEADER_BYTES);
    readUpTo(fd, walPath, header, 0);
    // The header is written before the frames of a new generation: when it still stands, so did all that we read.
    if (!header.equals(walHeader)) return false;
    if (wrongFrame !== undefined) throw unreadable(walPath, `its frame ${wrongFrame} is not the one that was frozen`);
    return true;
  }
}

/** Index of the first pair whose page is not below `page`. */
function lowerBound(overlay: Uint32Array, page: number): number {
  let low = 0;
  let high = overlay.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (overlay[middle * 2]! < page) low = middle + 1;
    else high = middle;
  }
  return low;
}

function unreadable(path: string, because: string, cause?: unknown): Error {
  const message = `can not read '${path}': ${because}`;
  return fail('ENGINE', { message }, cause === undefined ? undefined : { cause });
}

function openForReading(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw unreadable(path, String(cause), cause);
  }
}

/** Fills `into` from a place in a file. @returns the bytes that there were */
function readUpTo(fd: number, path: string, into: Buffer, position: number): number {
  let done = 0;
  try {
    while (done < into.length) {
      const count = readSync(fd, into, done, into.length - done, position + done);
      if (count === 0) break;
      done += count;
    }
  } catch (cause) {
    throw unreadable(path, String(cause), cause);
  }
  return done;
}
