// Choices that follow from a seed, so that a run can be made again as far as its own choices go.

export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** From 0 to less than 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to less than `count`. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** So many different ones, in their order. */
  pickSome<T>(values: readonly T[], count: number): T[] {
    const chosen = new Set<T>();
    while (chosen.size < Math.min(count, values.length)) chosen.add(this.pick(values));
    return values.filter((value) => chosen.has(value));
  }

  isIn(percent: number): boolean {
    return this.next() * 100 < percent;
  }

  /** A whole number from `from` to `to`, both included. */
  bigBetween(from: bigint, to: bigint): bigint {
    return from + BigInt(Math.floor(this.next() * Number(to - from + 1n)));
  }
}
