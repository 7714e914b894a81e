// Goal: whatever fails, every acknowledged batch is in the log of the destination that leads. Method: random lives of a model
// in which destinations are lists, the decision is the real one, and only what a server really knows goes into it.
import { randomInt } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../../test/proof/seeded-random.ts';
import type { ChainPosition } from '../../destination/batch-chain.ts';
import { type CopyFacts, chooseLead } from './choose-lead.ts';

const PATIENCE_MS = 10;
const at = (batchNo: number, mark = 0): ChainPosition => ({ batchNo, hash: new Uint8Array([batchNo, mark]) });
const copy = (destNo: number, over: Partial<CopyFacts> = {}): CopyFacts => ({
  ...{ destNo, destId: 1000 + destNo, binding: 'OPTIONAL', state: 'ENABLE', position: at(5) },
  ...over,
});
const decide = (copies: CopyFacts[], over: { awayMs?: number; acknowledged?: ChainPosition | undefined } = {}) =>
  chooseLead({ awayMs: PATIENCE_MS, patienceMs: PATIENCE_MS, acknowledged: at(5), copies, ...over });

describe('who leads', () => {
  test('nobody before the patience is over', () => {
    expect(decide([copy(1)], { awayMs: PATIENCE_MS - 1 })).toBeUndefined();
    expect(decide([copy(1)])).toBe(1001);
  });

  test('a MANDATORY copy before others, then the lowest number', () => {
    expect(decide([copy(3), copy(2)])).toBe(1002);
    expect(decide([copy(1), copy(2), copy(3, { binding: 'MANDATORY' })])).toBe(1003);
  });

  test('no copy that is deferred, behind, ahead, at another batch of the same number, or not known', () => {
    const others = [copy(1, { state: 'DEFER' }), copy(1, { position: at(4) }), copy(1, { position: at(6) })];
    for (const other of [...others, copy(1, { position: at(5, 1) }), copy(1, { position: undefined })])
      expect(decide([other])).toBeUndefined();
    expect(decide([copy(1)], { acknowledged: undefined })).toBeUndefined();
  });
});

interface ModelDest {
  batches: number[];
  isAway: boolean;
}

/** One cluster: batches are numbers of their own, so that two of one place differ. */
class Model {
  readonly random: SeededRandom;
  readonly dests: ModelDest[];
  readonly acknowledged: number[] = [];
  lead = 0;
  /** What the running server knows to be acknowledged: how many batches. */
  known: number | undefined = 0;
  /** What the store proves after a stop in order. */
  proved: number | undefined;
  isAttached = true;
  #made = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.dests = Array.from({ length: 1 + this.random.below(4) }, () => ({ batches: [], isAway: false }));
  }

  get #leading(): ModelDest {
    return this.dests[this.lead]!;
  }

  /** The capture goes on behind what the leading destination holds: all of that counts from then on. */
  #attach(): void {
    if (this.#leading.isAway) return;
    this.isAttached = true;
    this.proved = undefined;
    this.acknowledged.splice(0, this.acknowledged.length, ...this.#leading.batches);
    this.known = this.acknowledged.length;
  }

  #write(): void {
    if (!this.isAttached) {
      this.#attach();
      return;
    }
    const { batches, isAway } = this.#leading;
    const batch = ++this.#made;
    // A write that failed may have happened all the same, and a later one takes its place.
    batches.length = this.acknowledged.length;
    if (isAway || this.random.isIn(20)) {
      if (this.random.isIn(50)) batches.push(batch);
      return;
    }
    batches.push(batch);
    this.acknowledged.push(batch);
    this.known = this.acknowledged.length;
  }

  /** One batch at a time; what the leading destination does not have goes first. */
  #follow(place: number): void {
    const dest = this.dests[place]!;
    if (place === this.lead || dest.isAway || this.#leading.isAway) return;
    const source = this.#leading.batches.slice(0, this.known ?? this.#leading.batches.length);
    const common = dest.batches.findIndex((batch, i) => source[i] !== batch);
    if (common >= 0) dest.batches.length = common;
    else if (source.length > dest.batches.length) dest.batches.push(source[dest.batches.length]!);
  }

  #change(): void {
    const count = this.known ?? this.proved;
    const positionOf = (batches: readonly number[]) =>
      batches.length === 0 ? undefined : { batchNo: batches.length, hash: new Uint8Array([batches.at(-1)! & 255]) };
    const copies = this.dests.flatMap(({ batches, isAway }, place) =>
      place === this.lead ? [] : [copy(place, { destId: place, position: isAway ? undefined : positionOf(batches) })],
    );
    const acknowledged = count === undefined ? undefined : positionOf(this.acknowledged.slice(0, count));
    const awayMs = this.#leading.isAway ? PATIENCE_MS : 0;
    const next = chooseLead({ awayMs, patienceMs: PATIENCE_MS, acknowledged, copies });
    if (next === undefined) return;
    this.lead = next;
    this.isAttached = false;
  }

  #restart(isInOrder: boolean): void {
    const hasProof = isInOrder && this.known !== undefined;
    this.proved = hasProof ? this.known : this.isAttached ? undefined : this.proved;
    this.known = undefined;
    this.isAttached = false;
    this.#attach();
  }

  step(): void {
    const dest = this.random.pick(this.dests);
    const act = this.random.below(15);
    if (act < 4) this.#write();
    else if (act < 9) for (const place of this.dests.keys()) this.#follow(place);
    else if (act === 9) dest.isAway = !dest.isAway;
    else if (act < 13) this.#change();
    else if (this.random.isIn(20)) this.#restart(act === 13);
  }

  check(): void {
    expect(this.#leading.batches.slice(0, this.acknowledged.length)).toEqual(this.acknowledged);
  }
}

test('every acknowledged batch is in the log that leads, in random lives', () => {
  const seed = randomInt(2 ** 31);
  console.info(`seed ${seed}`);
  let changes = 0;
  for (let life = 0; life < 300; life++) {
    const model = new Model(seed + life);
    for (let i = 0; i < 120; i++) {
      const { lead } = model;
      model.step();
      if (lead !== model.lead) changes++;
      model.check();
    }
  }
  expect(changes).toBeGreaterThan(50);
});
