// Rolls a page map forward over the log: what each page is after every commit, and whether the log agrees with itself.
// Only tables are looked at, never page images. Each commit's recorded database checksum is compared with the rolled one,
// so that the batch where the chain of states broke is named.
import type { HashedBatchHeader } from '../format/log-batch-header.ts';
import { damagedLog, type LogBatchTable, type LogCommit } from '../format/log-batch-table.ts';
import { PAGE_HASH_BYTES, type PageMap } from '../format/page-map.ts';
import { PAGE_MAP_BYTES_MAX } from '../format/page-map-file.ts';
import { PageSet } from '../format/page-set.ts';
import type { Scn } from '../model/scn.ts';
import { CommitParts, type JoinedBatch } from './commit-parts.ts';

/** What of a read batch the roll looks at. */
export interface RolledBatch extends JoinedBatch {
  header: JoinedBatch['header'] & Pick<HashedBatchHeader, 'pageSize' | 'checkpointScn'>;
  table: Pick<LogBatchTable, 'commits' | 'pages' | 'hashes'>;
}

/** Pages of a commit, or of a part of it. */
interface ChangedPages {
  pages: Uint32Array;
  hashes: BigUint64Array;
}

/** As many as a set's page map may have: whoever writes a great number into a log gets no memory for it. */
const PAGES_MAX = PAGE_MAP_BYTES_MAX / PAGE_HASH_BYTES;

/** Database checksums as they are shown. */
export function checksumText(checksum: bigint): string {
  return checksum.toString(16).padStart(16, '0');
}

export class PageMapRoll {
  readonly #map: PageMap;
  readonly #sinceScn: Scn;
  readonly #untilScn: Scn | null;
  #scn: Scn;
  #changed: PageSet | undefined;
  readonly #parts: CommitParts<ChangedPages>;
  #commitCount = 0;
  #isAtEnd = false;
  /** The newest commit seen that the map holds already, and the batch it lies in. */
  #inMap: { batch: RolledBatch; commit: LogCommit } | undefined;
  #isProved = false;

  /**
   * @param of.map the state after every commit up to `of.scn`; brought forward in place
   * @param of.untilScn the last commit that counts, inclusive; left out: all
   * @param of.collectsChanges remember the numbers of all pages that commits changed
   */
  constructor(of: { map: PageMap; scn: Scn; untilScn?: Scn; collectsChanges?: boolean }) {
    this.#map = of.map;
    this.#sinceScn = of.scn;
    this.#parts = new CommitParts(of.scn);
    this.#scn = of.scn;
    this.#untilScn = of.untilScn ?? null;
    if (of.collectsChanges) this.#changed = new PageSet(of.map.pageCount);
  }

  get map(): PageMap {
    return this.#map;
  }

  /** The map is the state after every commit up to here. */
  get scn(): Scn {
    return this.#scn;
  }

  /** Commits laid over the map. */
  get commitCount(): number {
    return this.#commitCount;
  }

  /** True once no later batch matters. */
  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }

  /** True when the log recorded the checksum of a state that the map had at first or since. */
  get isProved(): boolean {
    return this.#isProved;
  }

  /** Numbers of the pages that commits changed and that the database still has, ascending. */
  changedPages(): Uint32Array {
    return this.#changed?.upTo(this.#map.pageCount) ?? new Uint32Array(0);
  }

  /**
   * Lays the commits of the next batch over the map. Batches come in the order of the log; those of a round that
   * repairs a gap follow those of the round that it goes on from.
   * @throws BACKUP_DATA_CORRUPT (9010) naming object, batch and scn where the log does not agree with the map
   */
  add(batch: RolledBatch): void {
    const { object, header, table } = batch;
    if (this.#isAtEnd) return;
    if (header.pageSize !== this.#map.pageSize) {
      const because = `batch ${header.batchNo} has pages of ${header.pageSize} bytes, the page map of ${this.#map.pageSize}`;
      throw damagedLog(object, because);
    }
    this.#parts.join(batch);
    for (const commit of table.commits) {
      if (this.#untilScn !== null && commit.scn > this.#untilScn) {
        this.#end();
        return;
      }
      if (commit.scn <= this.#sinceScn) {
        if (commit.isComplete) this.#inMap = { batch, commit };
        continue;
      }
      this.checkStart();
      this.#stage(table, commit);
      if (commit.isComplete) this.#apply(batch, commit);
    }
    if (header.checkpointScn > this.#scn) this.#scn = header.checkpointScn;
    if (this.#untilScn !== null && this.#scn >= this.#untilScn) this.#end();
  }

  /**
   * Compares the map as it was at first with the newest commit that it holds, when the walk has seen that. Done by itself
   * before another commit is laid over it; at the end of a walk it tells when there was none.
   * @throws BACKUP_DATA_CORRUPT (9010)
   */
  checkStart(): void {
    if (!this.#inMap) return;
    const { batch, commit } = this.#inMap;
    this.#inMap = undefined;
    this.#compare(batch, commit);
  }

  #end(): void {
    this.#isAtEnd = true;
    this.#parts.take();
    if (this.#untilScn !== null) this.#scn = this.#untilScn;
  }

  #stage(table: RolledBatch['table'], commit: LogCommit): void {
    const end = commit.firstImage + commit.imageCount;
    const pages = table.pages.subarray(commit.firstImage, end);
    this.#parts.add({ pages, hashes: table.hashes.subarray(commit.firstImage, end) });
  }

  #apply(batch: RolledBatch, commit: LogCommit): void {
    const { databasePages, scn } = commit;
    if (databasePages > PAGES_MAX) {
      const because = `batch ${batch.header.batchNo}: a database of ${databasePages} pages after the commit with scn ${scn}`;
      throw damagedLog(batch.object, because);
    }
    for (const part of this.#parts.take()) {
      this.#map.apply({ databasePages, ...part });
      if (this.#changed) for (const pageNo of part.pages) this.#changed.add(pageNo);
    }
    this.#commitCount++;
    this.#scn = scn;
    this.#compare(batch, commit);
  }

  #compare({ object, header }: RolledBatch, { scn, checksum }: LogCommit): void {
    if (checksum === 0n) return;
    if (checksum === this.#map.checksum) {
      this.#isProved = true;
      return;
    }
    const found = checksumText(this.#map.checksum);
    const because = `batch ${header.batchNo}: after the commit with scn ${scn} the database has the checksum ${found}, not ${checksumText(checksum)} as recorded`;
    throw damagedLog(object, because);
  }
}
