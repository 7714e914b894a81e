// Reads the pages of a state that a reader holds, in this process: from the database file, and from the WAL where the
// state has newer ones. Both through descriptors that are closed last (see capture-connections).
import { fstatSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fail } from '../../base/errors.ts';
import { MIB } from '../../base/limits.ts';
import { PageMap, pageHash } from '../../format/page-map.ts';
import type { CaptureConnections } from './capture-connections.ts';
import type { SnapshotContents } from './capture-snapshot.ts';
import { FRAME_HEADER_BYTES, frameOffset, WAL_HEADER_BYTES } from './wal-format.ts';
import { readFully } from './wal-scan.ts';

/** Read and hashed before others have their turn: less than a millisecond from memory, some from a disk. */
const SLICE_BYTES = 1 * MIB;

export class HeldPages {
  readonly #contents: SnapshotContents;
  readonly #database: number;
  readonly #wal: number;

  /** @throws ENGINE when the file at the path is another than the captured one */
  constructor(contents: SnapshotContents, connections: CaptureConnections) {
    this.#contents = contents;
    this.#database = connections.databaseFd;
    this.#wal = connections.walFd;
    const { ino, dev } = fstatSync(this.#database, { bigint: true });
    if (ino !== contents.inode || dev !== contents.device)
      throw fail('ENGINE', { message: `the database file ${contents.databasePath} was replaced by another` });
  }

  get contents(): SnapshotContents {
    return this.#contents;
  }

  /** Fills `into` with whole pages from `firstPage` on; the page to skip is zeros. */
  read(firstPage: number, into: Buffer): void {
    const { pageSize, skipPage } = this.#contents;
    const endPage = firstPage + into.length / pageSize;
    // Pages that only the WAL has may lie past the end of the file.
    const bytes = readFully(this.#database, into, into.length, (firstPage - 1) * pageSize);
    if (this.#overlayTo(firstPage, into)) this.#checkRead(firstPage, Math.floor(bytes / pageSize), endPage);
    else if (readFully(this.#database, into, into.length, (firstPage - 1) * pageSize) < into.length)
      throw this.#short(endPage - 1);
    if (skipPage >= firstPage && skipPage < endPage)
      into.fill(0, (skipPage - firstPage) * pageSize, (skipPage - firstPage + 1) * pageSize);
  }

  /** Lays newer pages of the WAL over those of the file. @returns false when the WAL was reset: the file has them all */
  #overlayTo(firstPage: number, into: Buffer): boolean {
    const { overlay, pageSize, walHeader } = this.#contents;
    const endPage = firstPage + into.length / pageSize;
    let hasRead = false;
    for (let i = this.#placeOf(firstPage); i < overlay.length && overlay[i]! < endPage; i += 2) {
      const at = (overlay[i]! - firstPage) * pageSize;
      const offset = frameOffset(overlay[i + 1]!, pageSize) + FRAME_HEADER_BYTES;
      readFully(this.#wal, into.subarray(at, at + pageSize), pageSize, offset);
      hasRead = true;
    }
    if (!hasRead) return true;
    const header = Buffer.alloc(WAL_HEADER_BYTES);
    readFully(this.#wal, header, WAL_HEADER_BYTES, 0);
    return header.equals(walHeader);
  }

  /** Every page that was not in the file must have come from the WAL. */
  #checkRead(firstPage: number, fromFile: number, endPage: number): void {
    const { overlay } = this.#contents;
    let i = this.#placeOf(firstPage + fromFile);
    for (let page = firstPage + fromFile; page < endPage; page++) {
      if (overlay[i] === page) i += 2;
      else if (page !== this.#contents.skipPage) throw this.#short(page);
    }
  }

  #short(page: number): Error {
    return fail('ENGINE', { message: `page ${page} of ${this.#contents.databasePath} can not be read` });
  }

  /** Place of the first pair of the overlay at or after a page. */
  #placeOf(page: number): number {
    const { overlay } = this.#contents;
    let [low, high] = [0, overlay.length / 2];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (overlay[2 * middle]! < page) low = middle + 1;
      else high = middle;
    }
    return 2 * low;
  }
}

/**
 * Reads and hashes a whole state, a slice at a time.
 * @returns undefined when it was stopped
 */
export async function scanPages(pages: HeldPages, isStopped: () => boolean): Promise<PageMap | undefined> {
  const { pageSize, pageCount, skipPage } = pages.contents;
  const map = new PageMap(pageSize);
  map.resize(pageCount);
  const perSlice = Math.max(1, Math.floor(SLICE_BYTES / pageSize));
  const buffer = Buffer.allocUnsafeSlow(Math.min(perSlice, pageCount) * pageSize);
  for (let first = 1; first <= pageCount; first += perSlice) {
    await nextTurn();
    if (isStopped()) return undefined;
    const count = Math.min(perSlice, pageCount - first + 1);
    pages.read(first, buffer.subarray(0, count * pageSize));
    for (let i = 0; i < count; i++) {
      if (first + i === skipPage) continue;
      map.set(first + i, pageHash(buffer.subarray(i * pageSize, (i + 1) * pageSize)));
    }
  }
  return map;
}
