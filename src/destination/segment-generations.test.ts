// Goal: of what several writers left in a piece exactly the log of the last ones counts. Method: a model that gives every batch
// number to the latest writer who wrote it or one before it, compared over random leftovers.

import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { chooseSegments, type SegmentHead } from './segment-generations.ts';

const SEED = randomBytes(4).readUInt32BE();
let state = SEED;
/** @source Numerical Recipes, a linear congruential generator */
const below = (count: number) => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * count);
};

const head = (
  segmentNo: number,
  generation: number,
  firstBatchNo: number,
  prevGeneration = generation,
  inFlight = 0,
): SegmentHead => ({
  segment: { segmentNo, name: `s${segmentNo}`, sizeBytes: 1000 },
  head: { generation, prevGeneration, firstBatchNo, inFlight },
});
const shown = (heads: SegmentHead[], floor = 0) =>
  chooseSegments(heads, floor).map(({ segment, beforeBatchNo }) => [segment.segmentNo, beforeBatchNo]);

test('one writer: all of them, in their order', () => {
  expect(shown([head(1, 3, 1), head(2, 3, 9), head(5, 3, 8)])).toEqual([
    [1, Infinity],
    [2, Infinity],
    [5, Infinity],
  ]);
});

test('what an earlier writer put in late does not count, wherever its number lies', () => {
  expect(shown([head(1, 1, 1), head(2, 1, 5), head(3, 2, 5, 1), head(4, 1, 6), head(5, 2, 6)])).toEqual([
    [1, 5],
    [3, Infinity],
    [5, Infinity],
  ]);
});

test('what a writer in between put in late does not count either: the last one went on from the first', () => {
  expect(shown([head(1, 1, 1), head(2, 2, 2, 1), head(3, 3, 3, 1)])).toEqual([
    [1, 3],
    [3, Infinity],
  ]);
});

test('a writer whose first batch has not come yet ends the log of the one before where he found its end', () => {
  expect(shown([head(1, 1, 1), head(2, 1, 2), head(4, 2, 3, 1, 1)])).toEqual([
    [1, 2],
    [4, Infinity],
  ]);
});

test('the latest of several attempts to go on decides, also when an earlier one comes late', () => {
  expect(shown([head(1, 1, 1), head(2, 1, 2), head(3, 2, 2, 1), head(4, 2, 3, 1)])).toEqual([
    [1, 3],
    [2, 3],
    [3, Infinity],
    [4, Infinity],
  ]);
});

test('nothing counts of a writer before those that were met in earlier pieces', () => {
  expect(shown([head(1, 1, 7), head(2, 2, 6)], 2)).toEqual([[2, Infinity]]);
  expect(shown([head(1, 1, 7)], 2)).toEqual([]);
  // What nobody can say of is looked at.
  const nameless = (segmentNo: number): SegmentHead => ({ ...head(segmentNo, 0, 0), head: undefined });
  expect(shown([nameless(1), nameless(2)], 2)).toEqual([
    [1, Infinity],
    [2, Infinity],
  ]);
  expect(shown([head(1, 1, 7), nameless(2)], 2)).toEqual([[2, Infinity]]);
});

test('a segment without a header stays where it lies, for the chain to judge', () => {
  const torn = { segment: { segmentNo: 2, name: 's2', sizeBytes: 3 }, head: undefined };
  expect(shown([head(1, 1, 1), torn, head(3, 2, 4, 1)])).toEqual([
    [1, 4],
    [2, 4],
    [3, Infinity],
  ]);
});

interface Batch {
  id: number;
  batchNo: number;
  /** The batch before; 0 for none. */
  prev: number;
}
interface Written {
  generation: number;
  prevGeneration: number;
  batches: Batch[];
}

/** What counts: the last batch of the latest writer, and what leads up to it. */
function modelOf(landed: readonly Written[]): { tail: Batch | undefined; generation: number; ids: Set<number> } {
  const generation = landed.reduce((a, b) => Math.max(a, b.generation), 0);
  const all = new Map(landed.flatMap(({ batches }) => batches).map((batch) => [batch.id, batch]));
  const tail = landed.findLast((of) => of.generation === generation)?.batches.at(-1);
  const ids = new Set<number>();
  for (let batch = tail; batch; batch = all.get(batch.prev)) ids.add(batch.id);
  return { tail, generation, ids };
}

test(`random writers, each of which lands late what it likes: those of the model (seed ${SEED})`, () => {
  for (let round = 0; round < 3000; round++) {
    const landed: Written[] = [];
    const late: Written[][] = [];
    let id = 0;
    for (let generation = 1; generation <= 1 + below(5); generation++) {
      const found = modelOf(landed);
      let tail = found.tail ?? { id: 0, batchNo: 0, prev: 0 };
      let prevGeneration = found.generation;
      const own: Written[] = [];
      for (let count = below(4); count > 0; count--) {
        const batches: Batch[] = [];
        for (let more = 1 + below(3); more > 0; more--) {
          tail = { id: ++id, batchNo: tail.batchNo + 1, prev: tail.id };
          batches.push(tail);
        }
        own.push({ generation, prevGeneration, batches });
        prevGeneration = generation;
      }
      landed.push(...own.splice(0, below(own.length + 1)));
      late.push(own);
      for (const rest of late) if (below(2) === 0) landed.push(...rest.splice(0, below(rest.length + 1)));
    }
    const heads = landed.map((of, at) => head(at + 1, of.generation, of.batches[0]!.batchNo, of.prevGeneration));
    const counted = chooseSegments(heads, 0).flatMap(({ segment, beforeBatchNo }) =>
      landed[segment.segmentNo - 1]!.batches.filter(({ batchNo }) => batchNo < beforeBatchNo),
    );
    expect(
      counted.map(({ batchNo }) => batchNo),
      `seed ${SEED}: in order, each once`,
    ).toEqual(counted.map((_, at) => at + 1));
    expect(new Set(counted.map((batch) => batch.id)), `seed ${SEED}`).toEqual(modelOf(landed).ids);
  }
});
