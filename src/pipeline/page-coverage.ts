// Which pages of a restore's target are planned: each must be exactly once, or the result would depend on chance.
import { assert } from '../base/assert.ts';
import { GIB } from '../base/limits.ts';

/** SQLite keeps its lock bytes at this offset; the page that holds them is never written, so no source need have it. */
const LOCK_BYTE_OFFSET = 1 * GIB;

export class PageCoverage {
  readonly #pageCount: number;
  readonly #lockPage: number;
  /** One bit a page. */
  readonly #planned: Uint8Array;
  #plannedCount = 0;

  constructor(pageCount: number, pageSize: number) {
    this.#pageCount = pageCount;
    this.#lockPage = LOCK_BYTE_OFFSET / pageSize + 1;
    this.#planned = new Uint8Array(Math.ceil((pageCount + 1) / 8));
  }

  /** @throws AssertionFailure when one of the pages is not in the target or was planned before */
  plan(first: number, count: number): void {
    const isInside = Number.isInteger(first) && first >= 1 && first + count - 1 <= this.#pageCount;
    assert(isInside, `the pages ${first} to ${first + count - 1} are in the target`);
    for (let page = first; page < first + count; page++) {
      if (this.#isPlanned(page)) assert(false, `page ${page} of the target is planned once`);
      this.#planned[page >>> 3]! |= 1 << (page & 7);
    }
    this.#plannedCount += count;
  }

  /** @throws AssertionFailure naming the first page that nothing writes */
  checkComplete(): void {
    if (this.#plannedCount === this.#pageCount) return;
    for (let page = 1; page <= this.#pageCount; page++)
      if (!this.#isPlanned(page) && page !== this.#lockPage) assert(false, `page ${page} of the target is planned`);
  }

  #isPlanned(page: number): boolean {
    return (this.#planned[page >>> 3]! & (1 << (page & 7))) !== 0;
  }
}
