import { describe, expect, test } from 'vitest';
import { HoldfastError } from '../base/errors.ts';
import type { BackupSetIndex, IndexEntry } from '../format/backup-set-index.ts';
import type { LogBlock, LogCommit } from '../format/log-batch-table.ts';
import { type Scn, toScn } from '../model/scn.ts';
import { type BatchInObject, LogOverlay, restoreItems, writerOf } from './merge-log.ts';

const PAGE = 4096;
const PAGES_PER_BLOCK = 4;
const IMAGES_PER_BLOCK = 3;
const scn = (n: number): Scn => toScn(BigInt(n) * 1000n);

interface CommitSpec {
  at: number;
  databasePages: number;
  pages: number[];
  isComplete?: boolean;
}

/** A batch as a reader would yield it; `object:offset:index` names each image. */
function batch(
  batchNo: number,
  specs: CommitSpec[],
  options: { isContinued?: boolean; roundId?: number } = {},
): BatchInObject {
  const commits: LogCommit[] = [];
  const pages: number[] = [];
  for (const { at, databasePages, pages: changed, isComplete = true } of specs) {
    const firstImage = pages.length;
    commits.push({ scn: scn(at), databasePages, checksum: 0n, firstImage, imageCount: changed.length, isComplete });
    pages.push(...changed);
  }
  const blocks: LogBlock[] = [];
  for (let firstImage = 0; firstImage < pages.length; firstImage += IMAGES_PER_BLOCK) {
    const imageCount = Math.min(IMAGES_PER_BLOCK, pages.length - firstImage);
    const plainBytes = imageCount * PAGE;
    const none = new Uint8Array(0);
    blocks.push({
      offset: firstImage,
      storedBytes: 9,
      plainBytes,
      firstImage,
      imageCount,
      checksum: none,
      sha256: none,
      seal: null,
    });
  }
  const continues = commits.at(-1)?.isComplete === false;
  const checkpoint = commits.filter((commit) => commit.isComplete).at(-1)?.scn ?? scn(0);
  const facts = { roundId: 1, batchNo, pageSize: PAGE, continues, isContinued: false, checkpointScn: checkpoint };
  const header = { ...facts, ...options };
  const hashes = new BigUint64Array(pages.length);
  const object = header.roundId === 1 ? `log/${batchNo}` : `log${header.roundId}/${batchNo}`;
  return { object, header, table: { commits, pages: Uint32Array.from(pages), hashes, blocks } };
}

/** A block of a set; what `pages` names lies in it in that order. */
function entry(source: number, blockNo: number, pages: number[]): IndexEntry {
  const firstPage = pages[0]!;
  const isRun = pages.at(-1) === firstPage + pages.length - 1;
  return {
    ...{ source, blockNo, packNo: 1, offset: 96 + blockNo, storedBytes: 99, plainBytes: pages.length * PAGE },
    ...{ checksum: new Uint8Array(16), firstPage, pageCount: pages.length },
    pages: isRun ? null : Uint32Array.from(pages),
  };
}

/** Index of a full set. */
function fullIndex(pageCount: number, skipPage = 0): BackupSetIndex {
  const entries: IndexEntry[] = [];
  for (let page = 1; page <= pageCount; page += PAGES_PER_BLOCK) {
    const count = Math.min(PAGES_PER_BLOCK, pageCount - page + 1);
    const pages = Array.from({ length: count }, (_, n) => page + n);
    entries.push(entry(0, entries.length, pages));
  }
  return { pageSize: PAGE, pageCount, skipPage, sourceCount: 0, entries };
}

/** Where each page of the target is written from; throws when a page is written twice. */
function placesOf(overlay: LogOverlay, set: number | BackupSetIndex, skipPage = 0): Map<number, string> {
  const index = typeof set === 'number' ? fullIndex(set) : set;
  const places = new Map<number, string>();
  const write = (page: number, from: string) => {
    expect(places.has(page), `page ${page} is written once`).toBe(false);
    places.set(page, from);
  };
  for (const item of restoreItems({ overlay, index, skipPage })) {
    if (item.kind === 'log') {
      for (const [image, page] of item.images) write(page, `${item.object}:${item.offset + image}`);
      continue;
    }
    const from = index.entries.find((e) => e.source === item.setIndex && e.blockNo === item.block.blockNo)!;
    for (const [at, first, count] of item.runs) {
      for (let step = 0; step < count; step++) {
        expect((from.pages ?? [])[at + step] ?? from.firstPage + at + step).toBe(first + step);
        write(first + step, typeof set === 'number' ? 'set' : `set${item.setIndex}:${item.block.blockNo}`);
      }
    }
  }
  return places;
}

function overlayOf(setPageCount: number, of: { from: number; to: number }): LogOverlay {
  return new LogOverlay({
    pageSize: PAGE,
    setPageCount,
    consistentScn: scn(of.from),
    restoreScn: scn(of.to),
  });
}

describe('LogOverlay', () => {
  test('takes the newest image of a page up to and including the target, and nothing later', () => {
    const overlay = overlayOf(6, { from: 10, to: 30 });
    overlay.add(batch(1, [{ at: 10, databasePages: 6, pages: [1, 2] }]));
    overlay.add(batch(2, [{ at: 20, databasePages: 6, pages: [2, 3] }]));
    overlay.add(
      batch(3, [
        { at: 30, databasePages: 7, pages: [2, 7] },
        { at: 31, databasePages: 9, pages: [1, 8, 9] },
      ]),
    );
    expect(overlay.isAtEnd).toBe(true);
    expect(overlay.pageCount).toBe(7);
    expect(overlay.commitCount).toBe(2);
    expect([...placesOf(overlay, 6)].sort(([a], [b]) => a - b)).toEqual([
      [1, 'set'],
      [2, 'log/3:0'],
      [3, 'log/2:1'],
      [4, 'set'],
      [5, 'set'],
      [6, 'set'],
      [7, 'log/3:1'],
    ]);
  });

  test('forgets what lay behind the end of a database that shrank, also when it grows again', () => {
    const overlay = overlayOf(6, { from: 0, to: 90 });
    overlay.add(batch(1, [{ at: 1, databasePages: 8, pages: [7, 8] }]));
    overlay.add(batch(2, [{ at: 2, databasePages: 4, pages: [1] }]));
    overlay.add(batch(3, [{ at: 3, databasePages: 7, pages: [5, 6, 7] }]));
    expect(Object.fromEntries(placesOf(overlay, 6))).toEqual({
      1: 'log/2:0',
      2: 'set',
      3: 'set',
      4: 'set',
      5: 'log/3:0',
      6: 'log/3:1',
      7: 'log/3:2',
    });
    expect(overlay.firstMissingPage(0)).toBe(0);
    overlay.add(batch(4, [{ at: 4, databasePages: 9, pages: [9] }]));
    expect(overlay.firstMissingPage(0)).toBe(8);
    expect(overlay.firstMissingPage(8)).toBe(0);
  });

  test('counts a commit of several batches only when its last part is there', () => {
    const part = batch(1, [
      { at: 1, databasePages: 4, pages: [1] },
      { at: 2, databasePages: 4, pages: [2, 3], isComplete: false },
    ]);
    const alone = overlayOf(4, { from: 0, to: 1 });
    alone.add(part);
    expect(placesOf(alone, 4).get(2)).toBe('set');
    const whole = overlayOf(4, { from: 0, to: 2 });
    whole.add(part);
    whole.add(batch(2, [{ at: 2, databasePages: 4, pages: [4] }], { isContinued: true }));
    expect(placesOf(whole, 4).get(3)).toBe('log/1:2');
    expect(placesOf(whole, 4).get(4)).toBe('log/2:0');
  });

  test('forgets the parts of a commit that capture began anew, and refuses parts without their beginning', () => {
    const parts = batch(1, [{ at: 2, databasePages: 6, pages: [2, 5, 6], isComplete: false }]);
    const anew = overlayOf(4, { from: 0, to: 9 });
    anew.add(parts);
    anew.add(batch(2, [{ at: 3, databasePages: 4, pages: [4] }]));
    expect(anew.commitCount).toBe(1);
    expect(Object.fromEntries(placesOf(anew, 4))).toEqual({ 1: 'set', 2: 'set', 3: 'set', 4: 'log/2:0' });
    const other = overlayOf(4, { from: 0, to: 9 });
    other.add(parts);
    const strange = batch(2, [{ at: 3, databasePages: 4, pages: [4] }], { isContinued: true });
    expect(() => other.add(strange)).toThrow(HoldfastError);
    expect(() => overlayOf(4, { from: 0, to: 9 }).add(strange)).toThrow(HoldfastError);
    const inSet = overlayOf(4, { from: 3, to: 9 });
    inSet.add(strange);
    expect(inSet.commitCount).toBe(0);
  });

  test('goes on in the round that repairs the end of the one before, whose open parts are void', () => {
    const overlay = overlayOf(4, { from: 0, to: 9 });
    overlay.add(batch(1, [{ at: 1, databasePages: 4, pages: [1] }]));
    overlay.add(batch(2, [{ at: 2, databasePages: 4, pages: [2], isComplete: false }]));
    overlay.add(batch(1, [{ at: 5, databasePages: 5, pages: [3, 5], isComplete: false }], { roundId: 2 }));
    overlay.add(batch(2, [{ at: 5, databasePages: 5, pages: [4] }], { roundId: 2, isContinued: true }));
    expect(Object.fromEntries(placesOf(overlay, 4))).toEqual({
      1: 'log/1:0',
      2: 'set',
      3: 'log2/1:0',
      4: 'log2/2:0',
      5: 'log2/1:1',
    });
    const torn = overlayOf(4, { from: 0, to: 9 });
    torn.add(batch(1, [{ at: 2, databasePages: 4, pages: [2], isComplete: false }]));
    const strange = batch(1, [{ at: 2, databasePages: 4, pages: [4] }], { roundId: 2, isContinued: true });
    expect(() => torn.add(strange)).toThrow(HoldfastError);
  });

  test('takes each page of an increment from the last set that names it', () => {
    const index: BackupSetIndex = {
      ...{ pageSize: PAGE, pageCount: 9, skipPage: 0, sourceCount: 2 },
      entries: [
        entry(0, 0, [1, 2, 3, 4]),
        entry(0, 1, [5, 6, 7, 8]),
        // When it was written the database was longer.
        entry(1, 0, [2, 5, 9, 11]),
        entry(2, 3, [3, 5, 9]),
      ],
    };
    const overlay = overlayOf(9, { from: 0, to: 9 });
    expect(Object.fromEntries(placesOf(overlay, index))).toEqual({
      ...{ 1: 'set0:0', 2: 'set1:0', 3: 'set2:3', 4: 'set0:0', 5: 'set2:3' },
      ...{ 6: 'set0:1', 7: 'set0:1', 8: 'set0:1', 9: 'set2:3' },
    });
    overlay.add(batch(1, [{ at: 1, databasePages: 5, pages: [3] }]));
    overlay.add(batch(2, [{ at: 2, databasePages: 6, pages: [6] }]));
    const places = { 1: 'set0:0', 2: 'set1:0', 3: 'log/1:0', 4: 'set0:0', 5: 'set2:3', 6: 'log/2:0' };
    expect(Object.fromEntries(placesOf(overlay, index))).toEqual(places);
    const items = () => restoreItems({ overlay, index, skipPage: 0 });
    expect(writerOf(2, items())).toMatchObject({ kind: 'set', setIndex: 1 });
    expect(writerOf(6, items())).toMatchObject({ kind: 'log', object: 'log/2' });
    expect(writerOf(7, items())).toBeUndefined();
  });

  test('never writes the page that is to be left alone', () => {
    const overlay = overlayOf(6, { from: 0, to: 9 });
    overlay.add(batch(1, [{ at: 1, databasePages: 6, pages: [3] }]));
    expect(placesOf(overlay, 6, 5).has(5)).toBe(false);
  });

  test('refuses pages of another size', () => {
    const overlay = new LogOverlay({ pageSize: 512, setPageCount: 4, consistentScn: scn(0), restoreScn: scn(9) });
    expect(() => overlay.add(batch(1, [{ at: 1, databasePages: 4, pages: [1] }]))).toThrow(/pages of 4096 bytes/);
  });

  const seed = Number(process.hrtime.bigint() % 1_000_000_000n);
  test(`agrees with applying every commit to a copy, page by page (seed ${seed})`, () => {
    let state = seed >>> 0;
    const random = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let round = 0; round < 200; round++) {
      const setPages = 1 + random(20);
      const target = random(30);
      let model = Array.from({ length: setPages }, () => 'set');
      const overlay = overlayOf(setPages, { from: 0, to: target });
      let at = 0;
      for (let batchNo = 1; batchNo <= 6 && !overlay.isAtEnd; batchNo++) {
        const specs: CommitSpec[] = [];
        let image = 0;
        for (let i = random(4); i >= 0; i--) {
          at += 1 + random(3);
          const before = specs.at(-1)?.databasePages ?? model.length;
          const databasePages = Math.max(1, before + random(7) - 3);
          const pages = Array.from({ length: databasePages }, (_, n) => n + 1).filter(
            (page) => page > before || random(4) === 0,
          );
          specs.push({ at, databasePages, pages });
          if (at > target) continue;
          model = model.slice(0, databasePages);
          for (const [n, page] of pages.entries()) model[page - 1] = `log/${batchNo}:${image + n}`;
          image += pages.length;
        }
        overlay.add(batch(batchNo, specs));
      }
      const places = placesOf(overlay, setPages);
      expect(overlay.pageCount).toBe(model.length);
      expect(overlay.firstMissingPage(0)).toBe(0);
      expect(Array.from({ length: model.length }, (_, n) => places.get(n + 1))).toEqual(model);
    }
  });
});
