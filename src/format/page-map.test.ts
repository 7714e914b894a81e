// Goal: the rolled checksum is that of the state, whatever way led there. Method: commits of a seeded random history laid
// over a map, against a map of the state as a whole and against the definition.
import { describe, expect, it } from 'vitest';
import { PageMap, pageHash } from './page-map.ts';

const hashes = (...values: number[]) => BigUint64Array.from(values.map(BigInt));

/** The definition, in plain arithmetic. */
const definition = (map: PageMap): bigint =>
  map.hashes.reduce((sum, hash, index) => sum + hash * BigInt(2 * (index + 1) + 1), 0n) % 2n ** 64n;

describe('page map', () => {
  const seed = Number(process.hrtime.bigint() % 1_000_000n);
  it.each(Array.from({ length: 40 }, (_, i) => seed + i))('rolls as if made anew (seed %i)', (first) => {
    let state = first;
    const random = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const rolled = new PageMap(4096);
    let model: bigint[] = [];
    for (let commit = 0; commit < 30; commit++) {
      const databasePages = 1 + random(40);
      const pages = Uint32Array.from(Array.from({ length: 45 }, (_, i) => i + 1).filter(() => random(3) === 0));
      const changed = new BigUint64Array(pages.length).map(
        () => (BigInt(random(2 ** 32)) << 32n) | BigInt(random(2 ** 32)),
      );
      const before = rolled.copy();
      rolled.apply({ databasePages, pages, hashes: changed });
      model = Array.from({ length: databasePages }, (_, i) => model[i] ?? 0n);
      for (const [index, page] of pages.entries()) if (page <= databasePages) model[page - 1] = changed[index]!;
      expect([...rolled.hashes]).toEqual(model);
      expect(rolled.checksum).toBe(new PageMap(4096, BigUint64Array.from(model)).checksum);
      expect(rolled.checksum).toBe(definition(rolled));
      const isChanged = (page: number) => page > before.pageCount || before.get(page) !== rolled.get(page);
      const expected = Array.from({ length: databasePages }, (_, i) => i + 1).filter(isChanged);
      expect([...rolled.changedSince(before)]).toEqual(expected);
    }
  });

  it('sums long maps exactly, of the largest hashes too', () => {
    const largest = new BigUint64Array(5000).fill(2n ** 64n - 1n);
    const mixed = largest.map((hash, index) => (hash / 3n) * BigInt(index % 4));
    for (const length of [1023, 1024, 1025, 5000])
      for (const all of [largest, mixed]) {
        const map = new PageMap(4096, all.slice(0, length));
        expect(map.checksum).toBe(definition(map));
      }
  });

  it('notices pages that changed places', () => {
    expect(new PageMap(512, hashes(1, 2)).checksum).not.toBe(new PageMap(512, hashes(2, 1)).checksum);
  });

  it('weighs every page oddly: one changed page always changes the checksum', () => {
    const map = new PageMap(512, new BigUint64Array(3));
    for (const page of [1, 2, 3]) {
      for (let bit = 0n; bit < 64n; bit++) {
        map.set(page, 1n << bit);
        expect(map.checksum).not.toBe(0n);
      }
      map.set(page, 0n);
      expect(map.checksum).toBe(0n);
    }
  });

  it('keeps nothing of pages behind a cut', () => {
    const map = new PageMap(512, hashes(1, 2, 3));
    map.resize(1);
    map.resize(3);
    expect([...map.hashes]).toEqual([1n, 0n, 0n]);
  });

  it('has a copy of its own, and compares only maps of one page size', () => {
    const map = new PageMap(512, hashes(1, 2));
    const copy = map.copy();
    copy.set(1, 9n);
    expect(map.get(1)).toBe(1n);
    expect(() => map.changedSince(new PageMap(4096))).toThrowError('one page size');
    expect(() => map.get(3)).toThrowError('page 3 is in the map');
    expect(() => map.get(0)).toThrowError('page 0 is in the map');
  });

  it('hashes what is in a view, wherever it begins', () => {
    const page = Buffer.from('xholdfast').subarray(1);
    expect(pageHash(page)).toBe(pageHash(new Uint8Array(Buffer.from('holdfast'))));
    expect(pageHash(page)).not.toBe(pageHash(Buffer.from('holdfasT')));
  });
});
