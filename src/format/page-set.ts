// A set of page numbers, one bit a page.

export class PageSet {
  readonly #bits: Uint8Array;
  #size = 0;

  /** @param pageCount greatest page number that it may hold */
  constructor(pageCount: number) {
    this.#bits = new Uint8Array(Math.ceil((pageCount + 1) / 8));
  }

  /** How many pages are in it. */
  get size(): number {
    return this.#size;
  }

  has(page: number): boolean {
    return (this.#bits[page >>> 3]! & (1 << (page & 7))) !== 0;
  }

  /** @returns false when the page was in it before */
  add(page: number): boolean {
    const bit = 1 << (page & 7);
    if ((this.#bits[page >>> 3]! & bit) !== 0) return false;
    this.#bits[page >>> 3]! |= bit;
    this.#size++;
    return true;
  }
}
