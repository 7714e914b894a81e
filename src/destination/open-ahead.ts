// Opens objects that are read one after another some ahead of the reading, where each opening is a request to a store that
// may be far: the log of a day may lie in hundreds of small objects.
import { assert } from '../base/assert.ts';
import type { Destination, ObjectReader } from './destination.ts';

/** Objects that are open besides the one that is read: each has some 16 KiB of its beginning in memory. */
const OPEN_AHEAD_MAX = 8;

export class OpenAhead implements AsyncDisposable {
  readonly #destination: Destination;
  readonly #names: readonly string[];
  readonly #ahead: number;
  #begun = 0;
  /** By place in the list; those that nobody has taken. */
  readonly #opening = new Map<number, Promise<ObjectReader>>();

  /** @param names in the order in which they are read */
  constructor(destination: Destination, names: readonly string[]) {
    this.#destination = destination;
    this.#names = names;
    // What can be appended to lies in few and large objects, or near.
    this.#ahead = destination.can.append ? 0 : OPEN_AHEAD_MAX;
  }

  /**
   * The object at a place of the list, which may be left out but not be asked for again. The caller closes it.
   * @throws what opening it threw
   */
  async open(at: number): Promise<ObjectReader> {
    const end = Math.min(at + this.#ahead + 1, this.#names.length);
    for (this.#begun = Math.max(this.#begun, at); this.#begun < end; this.#begun++) {
      const opening = this.#destination.openRead(this.#names[this.#begun]!);
      // Whoever asks for it hears of its failure; until then it is not "unhandled".
      opening.catch(() => {});
      this.#opening.set(this.#begun, opening);
    }
    const opening = this.#opening.get(at);
    assert(opening, 'an object is opened once, and in order');
    this.#opening.delete(at);
    return await opening;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const left = await Promise.allSettled(this.#opening.values());
    for (const result of left) if (result.status === 'fulfilled') await result.value.close();
  }
}
