// Which pages of a restore's target are planned: each must be exactly once, or the result would depend on chance.
import { assert } from '../base/assert.ts';
import { PageSet } from '../format/page-set.ts';

export class PageCoverage {
  readonly #pageCount: number;
  readonly #skipPage: number;
  readonly #planned: PageSet;

  /** @param of.skipPage never written; 0 for none */
  constructor(of: { pageCount: number; skipPage: number }) {
    this.#pageCount = of.pageCount;
    this.#skipPage = of.skipPage <= of.pageCount ? of.skipPage : 0;
    this.#planned = new PageSet(of.pageCount);
  }

  /** @throws AssertionFailure when one of the pages is not in the target, is never written or was planned before */
  plan(first: number, count: number): void {
    const isInside =
      Number.isInteger(first) &&
      Number.isInteger(count) &&
      first >= 1 &&
      count >= 1 &&
      first + count - 1 <= this.#pageCount;
    assert(isInside, `the pages ${first} to ${first + count - 1} are in the target`);
    for (let page = first; page < first + count; page++) {
      if (page === this.#skipPage) assert(false, `page ${page} of the target is never written`);
      if (!this.#planned.add(page)) assert(false, `page ${page} of the target is planned once`);
    }
  }

  /** @throws AssertionFailure naming the first page that nothing writes */
  checkComplete(): void {
    if (this.#planned.size === this.#pageCount - (this.#skipPage === 0 ? 0 : 1)) return;
    for (let page = 1; page <= this.#pageCount; page++)
      if (!this.#planned.has(page) && page !== this.#skipPage) assert(false, `page ${page} of the target is planned`);
  }
}
