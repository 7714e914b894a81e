// Goal: a delete job takes from copies only what may go, and leaves no hole before what stays. Method: random copies; each
// answer is held against what is said of it.
import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { SeededRandom } from '../../test/proof/seeded-random.ts';
import type { PieceCopy } from '../model/archive-copy.ts';
import { type CopyFacts, chooseCopies } from './choose-copies.ts';

const copyOf = (destId: number, pieceId: number, patch: Partial<PieceCopy> = {}) =>
  ({ destId, pieceId, status: 'FROZEN', fileStatus: 'AVAILABLE', lockedUntilNs: 0n, ...patch }) as PieceCopy;
const facts = (patch: Partial<CopyFacts>): CopyFacts => ({
  ...{ copies: [], doomed: new Set([1, 2, 3]), presentDestIds: new Set([1002, 1003]), inUse: new Set(), nowNs: 5n },
  ...patch,
});
const chosen = (patch: Partial<CopyFacts>) =>
  chooseCopies(facts(patch)).map(({ destId, pieceId }) => `${destId}/${pieceId}`);

test('what copies hold of pieces that go, or have gone, goes; what lies elsewhere stays', () => {
  const copies = [copyOf(1002, 2), copyOf(1002, 1), copyOf(1003, 1, { fileStatus: 'DELETED' }), copyOf(1003, 2)];
  expect(chosen({ copies })).toEqual(['1002/1', '1002/2', '1003/2']);
  expect(chosen({ copies, presentDestIds: new Set([1003]) })).toEqual(['1003/2']);
  expect(chosen({ copies, doomed: new Set([1]) })).toEqual(['1002/1']);
});

test('one that is locked, read or not finished stays at its copy, and what comes behind it', () => {
  const [first, last] = [copyOf(1002, 1), copyOf(1002, 3)];
  expect(chosen({ copies: [first, copyOf(1002, 2, { lockedUntilNs: 6n }), last] })).toEqual(['1002/1']);
  expect(chosen({ copies: [first, copyOf(1002, 2, { lockedUntilNs: 5n }), last] })).toHaveLength(3);
  expect(chosen({ copies: [first, copyOf(1002, 2, { status: 'ACTIVE' }), last] })).toEqual(['1002/1']);
  expect(chosen({ copies: [first, copyOf(1002, 2), last], inUse: new Set([1]) })).toEqual([]);
});

test('whatever there is, nothing goes that must stay, and the rest of each copy is one stretch', () => {
  const seed = randomInt(2 ** 31);
  console.info(`seed ${seed}`);
  const random = new SeededRandom(seed);
  for (let run = 0; run < 300; run++) {
    const copies = [1002, 1003, 1004].flatMap((destId) =>
      [1, 2, 3, 4, 5, 6].map((pieceId) =>
        copyOf(destId, pieceId, {
          status: random.isIn(10) ? 'ACTIVE' : 'FROZEN',
          fileStatus: random.isIn(20) ? 'DELETED' : 'AVAILABLE',
          lockedUntilNs: random.isIn(15) ? 9n : 0n,
        }),
      ),
    );
    const doomed = new Set([1, 2, 3, 4, 5, 6].filter(() => random.isIn(80)));
    const inUse = new Set([1, 2, 3, 4, 5, 6].filter(() => random.isIn(10)));
    const going = new Set(chooseCopies(facts({ copies, doomed, inUse })));
    for (const copy of copies) {
      const mayGo =
        copy.status === 'FROZEN' && copy.lockedUntilNs <= 5n && doomed.has(copy.pieceId) && !inUse.has(copy.pieceId);
      const isThere = copy.fileStatus !== 'DELETED';
      const older = copies.filter(({ destId, pieceId }) => destId === copy.destId && pieceId < copy.pieceId);
      const allOlderGo = older.every((one) => going.has(one) || one.fileStatus === 'DELETED');
      expect(going.has(copy), `${seed}: ${copy.destId}/${copy.pieceId}`).toBe(
        mayGo && isThere && allOlderGo && copy.destId !== 1004,
      );
    }
  }
});
