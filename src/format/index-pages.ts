// Which block of a backup set's index each page comes from, and the index of the set that follows. Pure.
import { assert } from '../base/assert.ts';
import { type BackupSetIndex, type IndexEntry, pageAt, pagesPerBlock } from './backup-set-index.ts';
import { PageSet } from './page-set.ts';

/** Consecutive pages of a block: place of the first in the block, its number, how many. */
export type PageRun = [index: number, page: number, count: number];

/** What a backup says of a block that it has written. */
export type WrittenBlock = Omit<IndexEntry, 'source' | 'firstPage' | 'pageCount' | 'pages'>;

/** Appends a page to runs, joined to the last one when it follows it in the block and in the database. */
export function addToRuns(runs: PageRun[], index: number, page: number): void {
  const last = runs.at(-1);
  if (last && last[0] + last[2] === index && last[1] + last[2] === page) last[2]++;
  else runs.push([index, page, 1]);
}

/**
 * Entries for blocks of one backup.
 * @param of.pages what the backup was asked for, ascending; null for the whole database
 * @param of.source place of the backup's own set: the number of its sources
 */
export function entriesOf(
  blocks: readonly WrittenBlock[],
  of: { pageSize: number; pages: Uint32Array | null; source: number },
): IndexEntry[] {
  const perBlock = pagesPerBlock(of.pageSize);
  return blocks.map((block) => {
    const from = block.blockNo * perBlock;
    const pageCount = block.plainBytes / of.pageSize;
    const list = of.pages?.slice(from, from + pageCount);
    assert(!list || list.length === pageCount, 'a block holds pages that were asked for');
    const firstPage = list ? list[0]! : from + 1;
    const isRun = !list || list[pageCount - 1] === firstPage + pageCount - 1;
    return { ...block, source: of.source, firstPage, pageCount, pages: isRun ? null : list };
  });
}

/**
 * The pages that a restore takes from each entry: those that no later entry names.
 * @returns for each entry, in their order, its runs, ascending; none for an entry that holds nothing of the database
 */
export function liveRuns({ pageCount, skipPage, entries }: Omit<BackupSetIndex, 'sourceCount'>): PageRun[][] {
  const taken = new PageSet(pageCount);
  if (skipPage <= pageCount) taken.add(skipPage);
  const live: PageRun[][] = entries.map(() => []);
  for (let place = entries.length - 1; place >= 0; place--) {
    const entry = entries[place]!;
    for (let index = 0; index < entry.pageCount; index++) {
      const page = pageAt(entry, index);
      if (page > pageCount) break;
      if (taken.add(page)) addToRuns(live[place]!, index, page);
    }
  }
  return live;
}

/**
 * Index of an incremental set: its parent's blocks as far as they are still needed, and its own.
 * @param parent index of the parent; places of its sources, and one more for the parent itself, are the parent's places
 * @param own entries of the new set's blocks; their `source` is set here
 * @returns the index, and the parent's places that it still needs, ascending: `sources` of the new set's manifest are
 *          the sets at these places, in this order
 */
export function successorIndex(
  parent: BackupSetIndex,
  own: readonly IndexEntry[],
  { pageSize, pageCount, skipPage }: { pageSize: number; pageCount: number; skipPage: number },
): { index: BackupSetIndex; usedPlaces: number[] } {
  assert(parent.pageSize === pageSize, 'an increment has the page size of its parent');
  checkGrowth(parent, own, { pageCount, skipPage });
  const ownPlace = parent.sourceCount + 1;
  const all = [...parent.entries, ...own.map((entry) => ({ ...entry, source: ownPlace }))];
  const live = liveRuns({ pageSize, pageCount, skipPage, entries: all });
  const kept = all.filter((entry, place) => entry.source === ownPlace || live[place]!.length > 0);
  const usedPlaces = [...new Set(kept.map(({ source }) => source))].filter((place) => place !== ownPlace);
  const newPlaces = new Map([...usedPlaces, ownPlace].map((place, index) => [place, index]));
  const entries = kept.map((entry) => ({ ...entry, source: newPlaces.get(entry.source)! }));
  return { index: { pageSize, pageCount, skipPage, sourceCount: usedPlaces.length, entries }, usedPlaces };
}

/**
 * Pages that the parent's database did not have must be the increment's own: an earlier set's block may still name
 * them, from a time when the database was longer.
 */
function checkGrowth(
  parent: BackupSetIndex,
  own: readonly IndexEntry[],
  { pageCount, skipPage }: { pageCount: number; skipPage: number },
): void {
  let added = 0;
  for (const entry of own)
    for (let index = 0; index < entry.pageCount; index++) if (pageAt(entry, index) > parent.pageCount) added++;
  const isSkipAdded = skipPage > parent.pageCount && skipPage <= pageCount;
  const expected = Math.max(0, pageCount - parent.pageCount) - (isSkipAdded ? 1 : 0);
  assert(added === expected, `an increment holds the ${expected} pages past its parent's end, but has ${added}`);
}
