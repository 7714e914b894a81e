// Goal: whenever a checksum is given it is that of the database. Method: random commits, whole and in parts, against a map
// that was known from the start, with the base state told at a random moment.
import { randomInt } from 'node:crypto';
import { expect, it } from 'vitest';
import { NO_PAGE_HASH, PageMap } from '../../format/page-map.ts';
import { type Scn, toScn } from '../../model/scn.ts';
import { type BuiltCommit, CapturePageMap, lockBytePage } from './capture-page-map.ts';
import { seededRandom } from './capture-storm.fixture.ts';

const PAGE_BYTES = 4096;
const SEED = Number(process.env.HOLDFAST_SEED ?? randomInt(1, 2 ** 30));
const ROUNDS = 300;

const scnOf = (n: number): Scn => toScn(BigInt(n));

function fill(pageCount: number, random: (below: number) => number): PageMap {
  return new PageMap(
    PAGE_BYTES,
    BigUint64Array.from({ length: pageCount }, () => BigInt(1 + random(1 << 30))),
  );
}

/** A commit that writes every page it adds. */
function commitOf(n: number, before: number, random: (below: number) => number): BuiltCommit {
  const databasePages = Math.max(1, before + random(7) - 3);
  const pages: number[] = [];
  for (let page = 1; page <= databasePages; page++) if (page > before || random(4) === 0) pages.push(page);
  const hashes = BigUint64Array.from(pages, () => BigInt(1 + random(1 << 30)));
  return { scn: scnOf(n), databasePages, pages: Uint32Array.from(pages), hashes, isComplete: true };
}

/** The commit, or two parts of it. */
function partsOf(commit: BuiltCommit, isInParts: boolean): BuiltCommit[] {
  if (!isInParts || commit.pages.length < 2) return [commit];
  const half = commit.pages.length >> 1;
  const part = (from: number, to: number, isComplete: boolean) => ({
    ...commit,
    pages: commit.pages.slice(from, to),
    hashes: commit.hashes.slice(from, to),
    isComplete,
  });
  return [part(0, half, false), part(half, commit.pages.length, true)];
}

it(`gives the checksum of the database or none (seed ${SEED})`, () => {
  const random = seededRandom(SEED);
  let known = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const truth = fill(1 + random(30), random);
    const own = new CapturePageMap(PAGE_BYTES);
    const total = 1 + random(12);
    // The state is held at one moment and told at a later one; commits up to the first are in it already.
    const heldAt = random(total + 1);
    const told = { at: heldAt + random(total + 1 - heldAt), isInside: random(2) === 0 };
    const commits: BuiltCommit[] = [];
    const states: PageMap[] = [truth.copy()];
    for (let n = 1; n <= total; n++) {
      commits.push(commitOf(n, truth.pageCount, random));
      truth.apply(commits.at(-1)!);
      states.push(truth.copy());
    }
    // Of the commits in the state some may not have gone into a batch when it is told.
    const behind = random(heldAt + 1);
    const tell = () => own.settle(states[heldAt]!.copy(), heldAt > 0 ? scnOf(heldAt) : undefined);
    for (const [i, commit] of commits.entries()) {
      if (i === Math.max(told.at - behind, 0) && !told.isInside) tell();
      const mark = random(3) === 0 ? own.mark(commit.scn) : undefined;
      for (const part of partsOf(commit, random(2) === 0)) {
        const checksum = own.add(part);
        if (!part.isComplete && told.isInside && i === told.at - behind) tell();
        if (checksum === 0n) continue;
        known++;
        expect(checksum).toBe(states[i + 1]!.checksum);
      }
      expect([undefined, states[i + 1]!.checksum]).toContain(mark?.checksum);
    }
    if (own.isKnown) expect(own.map!.checksum).toBe(truth.checksum);
  }
  expect(known).toBeGreaterThan(ROUNDS);
});

it('refuses a commit that adds pages without writing them, but not the lock-byte page', () => {
  const random = seededRandom(1);
  const grow = (databasePages: number, pages: number[]): BuiltCommit => ({
    scn: scnOf(databasePages),
    databasePages,
    pages: Uint32Array.from(pages),
    hashes: BigUint64Array.from(pages, () => 5n),
    isComplete: true,
  });
  const own = new CapturePageMap(PAGE_BYTES);
  own.settle(fill(3, random), undefined);
  expect(() => own.add(grow(6, [4, 6]))).toThrow(/page 5 was added/);
  const late = new CapturePageMap(PAGE_BYTES);
  late.add(grow(5, [1, 5]));
  expect(() => late.settle(fill(3, random), undefined)).toThrow(/page 4 was added/);
  const pageSize = 65536;
  const lockPage = lockBytePage(pageSize, 1 << 20);
  const large = new CapturePageMap(pageSize);
  large.settle(new PageMap(pageSize, new BigUint64Array(lockPage - 1).fill(3n)), undefined);
  expect(large.add(grow(lockPage + 1, [lockPage + 1]))).not.toBe(0n);
  expect(large.map!.get(lockPage)).toBe(NO_PAGE_HASH);
});
