// Overlay of the log over a backup set: for each page of the target the one place that it is written from.
// Memory follows the distinct pages that the log changed, not the length of the log.
import { fail } from '../base/errors.ts';
import { CommitParts } from '../destination/commit-parts.ts';
import type { BackupSetIndex } from '../format/backup-set-index.ts';
import { addToRuns, liveRuns, type PageRun } from '../format/index-pages.ts';
import type { HashedBatchHeader } from '../format/log-batch-header.ts';
import type { LogBatchTable, LogBlock, LogCommit } from '../format/log-batch-table.ts';
import type { Scn } from '../model/scn.ts';
import type { LogBlockItem, SetBlockItem } from '../pipeline/pipeline.ts';

/** A verified batch and the segment object that holds it; block offsets count from the object's start. */
export interface BatchInObject {
  object: string;
  header: Pick<HashedBatchHeader, 'roundId' | 'batchNo' | 'pageSize' | 'continues' | 'isContinued' | 'checkpointScn'>;
  table: LogBatchTable;
}

export interface MergeFrame {
  pageSize: number;
  /** Pages of the set. */
  setPageCount: number;
  /** Commits up to here are in the set. */
  consistentScn: Scn;
  /** The last commit that counts, inclusive. */
  restoreScn: Scn;
}

/** An image block with images that are still the newest of their pages. */
interface LiveBlock {
  object: string;
  block: LogBlock;
  liveCount: number;
}

/** Where a page's newest image is. */
interface ImagePlace {
  blockNo: number;
  /** Place of the image in its block. */
  index: number;
}

/** An image of the commit that is being read. */
interface StagedImage {
  page: number;
  object: string;
  block: LogBlock;
  index: number;
}

/** Blocks hold at most 2048 images (1 MiB of 512-byte pages): a place fits one number. */
const IMAGES_PER_BLOCK_MAX = 2048;

export class LogOverlay {
  readonly #frame: MergeFrame;
  readonly #places = new Map<number, number>();
  readonly #blocks = new Map<number, LiveBlock>();
  #blockCount = 0;
  #pageCount: number;
  /** Pages of the set above this were cut off at some moment: later pages of that number are new ones. */
  #keptSetPages: number;
  readonly #staged: CommitParts<StagedImage>;
  #commitCount = 0;
  #commitScn: Scn;
  #isAtEnd = false;

  constructor(frame: MergeFrame) {
    this.#frame = frame;
    this.#staged = new CommitParts(frame.consistentScn);
    this.#pageCount = frame.setPageCount;
    this.#keptSetPages = frame.setPageCount;
    this.#commitScn = frame.consistentScn;
  }

  /** Pages of the target. */
  get pageCount(): number {
    return this.#pageCount;
  }

  /** Commits laid over the set. */
  get commitCount(): number {
    return this.#commitCount;
  }

  /** The newest commit that was laid over the set; the set's own point before there is one. */
  get commitScn(): Scn {
    return this.#commitScn;
  }

  /** Pages that the log has written. */
  get changedPageCount(): number {
    return this.#places.size;
  }

  /** True once a commit after the target was seen: no later batch matters. */
  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }

  /** Set pages that the target still has, unless the log replaces them. */
  get keptSetPages(): number {
    return Math.min(this.#keptSetPages, this.#pageCount);
  }

  isReplaced(page: number): boolean {
    return this.#places.has(page);
  }

  /** The first page of the target that neither the set nor the log has; 0 when none is missing. */
  firstMissingPage(skipPage: number): number {
    for (let page = this.keptSetPages + 1; page <= this.#pageCount; page++) {
      if (page !== skipPage && !this.#places.has(page)) return page;
    }
    return 0;
  }

  /**
   * Lays the commits of the next batch over what came before; batches of a round that repairs a gap come after those of
   * the round that it goes on from.
   * @throws BACKUP_DATA_CORRUPT when they do not fit
   */
  add(batch: BatchInObject): void {
    if (batch.header.pageSize !== this.#frame.pageSize)
      throw fail('BACKUP_DATA_CORRUPT', {
        object: batch.object,
        because: `batch ${batch.header.batchNo} has pages of ${batch.header.pageSize} bytes, the set of ${this.#frame.pageSize}`,
      });
    this.#staged.join(batch);
    const numbers = new Map<LogBlock, number>();
    for (const commit of batch.table.commits) {
      if (commit.scn > this.#frame.restoreScn) {
        this.#isAtEnd = true;
        this.#staged.take();
        return;
      }
      if (commit.scn <= this.#frame.consistentScn) continue;
      this.#stage(batch, commit);
      if (commit.isComplete) this.#apply(commit, numbers);
    }
    if (batch.header.checkpointScn >= this.#frame.restoreScn) this.#isAtEnd = true;
  }

  #stage({ object, table }: BatchInObject, commit: LogCommit): void {
    const end = commit.firstImage + commit.imageCount;
    for (const block of table.blocks) {
      const first = Math.max(block.firstImage, commit.firstImage);
      const last = Math.min(block.firstImage + block.imageCount, end);
      for (let image = first; image < last; image++) {
        this.#staged.add({ page: table.pages[image]!, object, block, index: image - block.firstImage });
      }
    }
  }

  #apply(commit: LogCommit, numbers: Map<LogBlock, number>): void {
    for (const { page, object, block, index } of this.#staged.take()) {
      let blockNo = numbers.get(block);
      if (blockNo === undefined) {
        blockNo = this.#blockCount++;
        numbers.set(block, blockNo);
      }
      this.#release(page);
      this.#places.set(page, blockNo * IMAGES_PER_BLOCK_MAX + index);
      const live = this.#blocks.get(blockNo);
      if (live) live.liveCount++;
      else this.#blocks.set(blockNo, { object, block, liveCount: 1 });
    }
    this.#commitCount++;
    this.#commitScn = commit.scn;
    if (commit.databasePages < this.#pageCount) this.#cut(commit.databasePages);
    this.#pageCount = commit.databasePages;
  }

  /** The database became shorter: what lay behind its new end is gone, also if it grows again. */
  #cut(databasePages: number): void {
    this.#keptSetPages = Math.min(this.#keptSetPages, databasePages);
    const isMoreThanKnown = this.#pageCount - databasePages > this.#places.size;
    // Whichever are fewer: a database may shrink with each of its commits.
    for (const page of isMoreThanKnown ? this.#places.keys() : pagesFrom(databasePages + 1, this.#pageCount)) {
      if (page <= databasePages) continue;
      this.#release(page);
      this.#places.delete(page);
    }
  }

  /** Forgets a page's image, and its block with the last one. */
  #release(page: number): void {
    const place = this.#places.get(page);
    if (place === undefined) return;
    const { blockNo } = placeOf(place);
    const live = this.#blocks.get(blockNo)!;
    live.liveCount--;
    if (live.liveCount === 0) this.#blocks.delete(blockNo);
  }

  /** Items that write every page which the log replaces, in the order of the log. */
  *logItems(skipPage: number): Generator<LogBlockItem> {
    const images = new Map<number, Array<[index: number, page: number]>>();
    for (const [page, place] of this.#places) {
      if (page > this.#pageCount || page === skipPage) continue;
      const { blockNo, index } = placeOf(place);
      const list = images.get(blockNo);
      if (list) list.push([index, page]);
      else images.set(blockNo, [[index, page]]);
    }
    for (const blockNo of [...images.keys()].sort((a, b) => a - b)) {
      const { object, block } = this.#blocks.get(blockNo)!;
      const { offset, storedBytes, plainBytes, checksum, seal } = block;
      const pairs = images.get(blockNo)!.sort((a, b) => a[0] - b[0]);
      yield { kind: 'log', object, offset, storedBytes, plainBytes, checksum, seal, images: pairs };
    }
  }
}

function* pagesFrom(first: number, last: number): Generator<number> {
  for (let page = first; page <= last; page++) yield page;
}

function placeOf(place: number): ImagePlace {
  return { blockNo: Math.floor(place / IMAGES_PER_BLOCK_MAX), index: place % IMAGES_PER_BLOCK_MAX };
}

/**
 * Everything that a restore writes, each page exactly once: the blocks of the chosen set and of its sources without the
 * pages that the log replaces or that are gone, then the log's images. Pages that neither has stay zeros.
 * @param of.index of the chosen set; an item's `setIndex` counts in its sources, and the set itself comes last
 * @param of.skipPage never written; 0 for none
 */
export function* restoreItems(of: {
  overlay: LogOverlay;
  index: BackupSetIndex;
  skipPage: number;
}): Generator<SetBlockItem | LogBlockItem> {
  const { overlay, index, skipPage } = of;
  const live = liveRuns(index);
  for (const [place, entry] of index.entries.entries()) {
    const runs = keptRuns(live[place]!, (page) => {
      return page <= overlay.keptSetPages && page !== skipPage && !overlay.isReplaced(page);
    });
    if (runs.length === 0) continue;
    const { source, blockNo, packNo, offset, storedBytes, plainBytes, checksum } = entry;
    const block = { blockNo, packNo, offset, storedBytes, plainBytes, checksum };
    yield { kind: 'set', setIndex: source, block, runs };
  }
  yield* overlay.logItems(skipPage);
}

function keptRuns(runs: readonly PageRun[], isKept: (page: number) => boolean): PageRun[] {
  const kept: PageRun[] = [];
  for (const [index, page, count] of runs) {
    for (let step = 0; step < count; step++) if (isKept(page + step)) addToRuns(kept, index + step, page + step);
  }
  return kept;
}

/** Where a page of the target was written from; undefined for one that nothing wrote. */
export function writerOf(
  page: number,
  items: Iterable<SetBlockItem | LogBlockItem>,
): SetBlockItem | LogBlockItem | undefined {
  for (const item of items) {
    const has =
      item.kind === 'log'
        ? item.images.some(([, image]) => image === page)
        : item.runs.some(([, first, count]) => first <= page && page < first + count);
    if (has) return item;
  }
  return undefined;
}
