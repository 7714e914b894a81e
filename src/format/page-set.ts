// A set of page numbers, one bit a page: JavaScript's own sets end at 16 million numbers.

export class PageSet {
  #bits: Uint8Array;
  #size = 0;

  /** @param pageCount greatest page number that is expected; greater ones make it larger */
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
    const at = page >>> 3;
    if (at >= this.#bits.length) this.#grow(at + 1);
    const bit = 1 << (page & 7);
    if ((this.#bits[at]! & bit) !== 0) return false;
    this.#bits[at]! |= bit;
    this.#size++;
    return true;
  }

  /** The pages up to `last`, ascending. */
  upTo(last: number): Uint32Array {
    const pages = new Uint32Array(this.#size);
    let count = 0;
    for (let at = 0; at < this.#bits.length; at++) {
      for (let rest = this.#bits[at]!, page = at * 8; rest !== 0 && page <= last; rest >>>= 1, page++)
        if ((rest & 1) !== 0) pages[count++] = page;
    }
    return pages.slice(0, count);
  }

  #grow(bytes: number): void {
    const grown = new Uint8Array(Math.max(bytes, 2 * this.#bits.length));
    grown.set(this.#bits);
    this.#bits = grown;
  }
}
