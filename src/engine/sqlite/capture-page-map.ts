// What a capture knows of a tenant's pages: the hash of each, brought up to date by every commit as it goes into a batch.
// It begins unknown. While the state of some moment is read from a file or from the database, commits go on; what they
// changed is laid over that state afterwards, and from then on each commit gets the checksum of the whole database.
import { NO_PAGE_HASH, PageMap } from '../../format/page-map.ts';
import type { Scn } from '../../model/scn.ts';

/** SQLite locks this byte of a database file; the page that holds it is never used. */
const LOCK_BYTE = 0x40000000;

/** The lock-byte page of a database of that size; 0 when it is too small to have one. */
export function lockBytePage(pageSize: number, pageCount: number): number {
  const page = Math.floor(LOCK_BYTE / pageSize) + 1;
  return pageCount >= page ? page : 0;
}

/** Thrown when a commit counts pages that it did not write: its log does not lead to its state. */
export class PagesMissing extends Error {
  override readonly name = 'PagesMissing';
}

/** A commit, or a part of one, that goes into a batch. */
export interface BuiltCommit {
  scn: Scn;
  databasePages: number;
  pages: Uint32Array;
  hashes: BigUint64Array;
  /** False for a part that is not the last. */
  isComplete: boolean;
}

/** A state that somebody waits for; its checksum stays undefined when it was not known. */
export interface StateMark {
  readonly scn: Scn | undefined;
  checksum: bigint | undefined;
}

export class CapturePageMap {
  readonly #pageSize: number;
  /** After every commit that is in a batch; undefined while it is unknown. */
  #map: PageMap | undefined;
  /** While it is unknown: pages of the commits so far; those that none of them wrote have no hash. */
  #overlay: PageMap | undefined;
  #base: { map: PageMap; includedScn: Scn | undefined } | undefined;
  #builtScn: Scn | undefined;
  /** Between the parts of a commit: the size of the database before it. */
  #open: { pagesBefore: number } | undefined;
  #marks: StateMark[] = [];

  constructor(pageSize: number) {
    this.#pageSize = pageSize;
  }

  get isKnown(): boolean {
    return this.#map !== undefined;
  }

  /** A whole state was told: the map is known, or will be once the commits in that state are in batches. */
  get isSettled(): boolean {
    return this.#map !== undefined || this.#base !== undefined;
  }

  /** The state after the last commit in a batch; undefined while it is unknown or a commit is in parts. */
  get map(): PageMap | undefined {
    return this.#open ? undefined : this.#map;
  }

  /**
   * Takes in the next commit or part. Each exactly once: a batch that was built is delivered, or the capture ends.
   * @returns checksum of the database after it; 0 when that is not known, or between parts
   * @throws PagesMissing when pages that the commit adds are not among its images
   */
  add(commit: BuiltCommit): bigint {
    const isFirst = this.#map === undefined && this.#overlay === undefined;
    if (isFirst) this.#overlay = new PageMap(this.#pageSize);
    const state = this.#map ?? this.#overlay!;
    // The first of all says nothing of the pages before it: `#merge` looks at them.
    const { pagesBefore } = this.#open ?? { pagesBefore: isFirst ? commit.databasePages : state.pageCount };
    state.apply(commit);
    this.#open = commit.isComplete ? undefined : { pagesBefore };
    if (!commit.isComplete) return 0n;
    this.#checkPages(state, pagesBefore);
    this.#builtScn = commit.scn;
    this.#merge();
    const checksum = this.#map?.checksum;
    this.#marks = this.#marks.filter((mark) => {
      if (mark.scn !== commit.scn) return true;
      mark.checksum = checksum;
      return false;
    });
    return checksum ?? 0n;
  }

  /**
   * Tells a whole state, which becomes the map with the later commits laid over it.
   * @param includedScn last commit that the state holds already; undefined for none since the capture began
   */
  settle(map: PageMap, includedScn: Scn | undefined): void {
    if (this.isSettled) return;
    this.#base = { map, includedScn };
    if (!this.#open) this.#merge();
  }

  /** @param scn the last commit seen that is not durable yet; undefined when there is none. Its checksum is noted. */
  mark(scn: Scn | undefined): StateMark {
    const isBuilt = scn === undefined || (this.#builtScn !== undefined && this.#builtScn >= scn);
    const mark: StateMark = { scn, checksum: isBuilt ? this.map?.checksum : undefined };
    if (!isBuilt) this.#marks.push(mark);
    return mark;
  }

  /** Once every commit that the told state holds has gone through the overlay, that is nowhere behind the state. */
  #merge(): void {
    if (!this.#base) return;
    const { map, includedScn } = this.#base;
    if (includedScn !== undefined && (this.#builtScn === undefined || this.#builtScn < includedScn)) return;
    const overlay = this.#overlay;
    if (overlay) {
      const pagesBefore = map.pageCount;
      map.resize(overlay.pageCount);
      const { hashes } = overlay;
      // Halves of hashes: looking at whole ones would make a large number of each.
      const halves = new Uint32Array(hashes.buffer, hashes.byteOffset, 2 * hashes.length);
      for (let i = 0; i < hashes.length; i++)
        if (halves[2 * i] !== 0 || halves[2 * i + 1] !== 0) map.set(i + 1, hashes[i]!);
      this.#checkPages(map, pagesBefore);
    }
    this.#map = map;
    this.#overlay = this.#base = undefined;
  }

  #checkPages(state: PageMap, pagesBefore: number): void {
    const { pageCount } = state;
    const skipPage = lockBytePage(this.#pageSize, pageCount);
    for (let page = pagesBefore + 1; page <= pageCount; page++) {
      if (page !== skipPage && state.get(page) === NO_PAGE_HASH)
        throw new PagesMissing(`page ${page} was added to the database, but no commit wrote it`);
    }
  }
}
