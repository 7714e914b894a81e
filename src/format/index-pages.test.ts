// Goal: chains of increments give each page from the newest block that has it. Method: a model that keeps, for every set,
// which block of which set each page comes from, against indexes made by `successorIndex` and read by `liveRuns`.
import { describe, expect, it } from 'vitest';
import { type BackupSetIndex, encodeIndex, type IndexEntry, pagesPerBlock } from './backup-set-index.ts';
import { addToRuns, entriesOf, liveRuns, type PageRun, successorIndex, type WrittenBlock } from './index-pages.ts';

const PAGE_SIZE = 65536;
const PER_BLOCK = pagesPerBlock(PAGE_SIZE);
const OWNER = { clusterUuid: 'c', tenantId: 1002, setUuid: 's' };

/** A small generator of numbers that a seed names. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** What a backup of these many pages writes; the pack number names the set, to be recognised. */
function blocksOf(setNo: number, pageCount: number): WrittenBlock[] {
  return Array.from({ length: Math.ceil(pageCount / PER_BLOCK) }, (_, blockNo) => {
    const plainBytes = Math.min(PER_BLOCK, pageCount - blockNo * PER_BLOCK) * PAGE_SIZE;
    return { blockNo, packNo: setNo, offset: 96, storedBytes: 100, plainBytes, checksum: new Uint8Array(16) };
  });
}

function fullIndex(setNo: number, pageCount: number, skipPage = 0): BackupSetIndex {
  const entries = entriesOf(blocksOf(setNo, pageCount), { pageSize: PAGE_SIZE, pages: null, source: 0 });
  return { pageSize: PAGE_SIZE, pageCount, skipPage, sourceCount: 0, entries };
}

function ownOf(setNo: number, pages: readonly number[]): IndexEntry[] {
  const of = { pageSize: PAGE_SIZE, pages: Uint32Array.from(pages), source: 0 };
  return entriesOf(blocksOf(setNo, pages.length), of);
}

/** Page to `set/block/place in the block`. */
function placesOf(index: BackupSetIndex): Map<number, string> {
  const places = new Map<number, string>();
  for (const [at, runs] of liveRuns(index).entries()) {
    const { packNo, blockNo } = index.entries[at]!;
    for (const [from, first, count] of runs) {
      for (let i = 0; i < count; i++) {
        expect(places.has(first + i), `page ${first + i} comes from one block`).toBe(false);
        places.set(first + i, `${packNo}/${blockNo}/${from + i}`);
      }
    }
  }
  return new Map([...places].sort(([a], [b]) => a - b));
}

describe('pages of an index', () => {
  const seed = Number(process.hrtime.bigint() % 1_000_000n);
  it.each(Array.from({ length: 60 }, (_, i) => seed + i))(
    'come from the newest block, as in the model (seed %i)',
    (s) => {
      const random = randomOf(s);
      let pageCount = 1 + random(60);
      const skipPage = random(2) ? 1 + random(40) : 0;
      let index = fullIndex(1, pageCount, skipPage);
      let sets = [1];
      let model = new Map<number, string>();
      for (let page = 1; page <= pageCount; page++)
        if (page !== skipPage) model.set(page, `1/${Math.floor((page - 1) / PER_BLOCK)}/${(page - 1) % PER_BLOCK}`);
      for (let setNo = 2; setNo < 8; setNo++) {
        const before = pageCount;
        pageCount = Math.max(1, pageCount + random(40) - 20);
        const isChanged = (page: number) => page !== skipPage && (page > before || random(5) === 0);
        const changed = Array.from({ length: pageCount }, (_, i) => i + 1).filter(isChanged);
        const facts = { pageSize: PAGE_SIZE, pageCount, skipPage };
        const { index: next, usedPlaces } = successorIndex(index, ownOf(setNo, changed), facts);
        sets = [...usedPlaces.map((place) => sets[place]!), setNo];
        model = new Map([...model].filter(([page]) => page <= pageCount));
        for (const [at, page] of changed.entries())
          model.set(page, `${setNo}/${Math.floor(at / PER_BLOCK)}/${at % PER_BLOCK}`);
        index = next;
        expect(placesOf(index)).toEqual(new Map([...model].sort(([a], [b]) => a - b)));
        expect(index.sourceCount).toBe(sets.length - 1);
        for (const { source, packNo } of index.entries) expect(sets[source]).toBe(packNo);
        expect(liveRuns(index).every((runs) => runs.length > 0)).toBe(true);
        expect(() => encodeIndex(index, OWNER, null)).not.toThrow();
      }
    },
  );

  it('makes lists only of pages that are not one run', () => {
    const [first, second] = ownOf(2, [...Array.from({ length: PER_BLOCK }, (_, i) => i + 5), 30, 31, 33]);
    expect(first).toMatchObject({ firstPage: 5, pageCount: PER_BLOCK, pages: null });
    expect(second).toMatchObject({ firstPage: 30, pageCount: 3, pages: Uint32Array.of(30, 31, 33) });
  });

  it('are of the parent alone in an increment that changed nothing, and of none that it needs no more', () => {
    const facts = { pageSize: PAGE_SIZE, pageCount: 20, skipPage: 0 };
    const none = successorIndex(fullIndex(1, 20), [], facts);
    expect(none.usedPlaces).toEqual([0]);
    expect(placesOf(none.index)).toEqual(placesOf(fullIndex(1, 20)));
    const all = successorIndex(none.index, ownOf(3, [...placesOf(none.index).keys()]), facts);
    expect(all.usedPlaces).toEqual([]);
    expect(all.index).toMatchObject({ sourceCount: 0, entries: [{ source: 0 }, { source: 0 }] });
  });

  it('are never those of an earlier set when the database grew again', () => {
    const short = successorIndex(fullIndex(1, 12), [], { pageSize: PAGE_SIZE, pageCount: 3, skipPage: 0 }).index;
    const longer = { pageSize: PAGE_SIZE, pageCount: 6, skipPage: 5 };
    expect(() => successorIndex(short, ownOf(3, [2, 4]), longer)).toThrowError('past its parent');
    const { index } = successorIndex(short, ownOf(3, [2, 4, 6]), longer);
    expect([...placesOf(index).keys()]).toEqual([1, 2, 3, 4, 6]);
  });

  it('refuses a parent of another page size', () => {
    expect(() => successorIndex(fullIndex(1, 3), [], { pageSize: 4096, pageCount: 3, skipPage: 0 })).toThrowError(
      'size',
    );
  });

  it('join to runs only where they follow in block and database', () => {
    const runs: PageRun[] = [];
    for (const [index, page] of [
      [0, 4],
      [1, 5],
      [2, 7],
      [4, 8],
    ] as const)
      addToRuns(runs, index, page);
    expect(runs).toEqual([
      [0, 4, 2],
      [2, 7, 1],
      [4, 8, 1],
    ]);
  });
});
