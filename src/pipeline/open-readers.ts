// Objects that a lane reads from, a few kept open: however many sets and segments it takes its pages from.
import type { ObjectReader } from '../destination/destination.ts';

/** Open objects in one worker: a bound on file descriptors. Those of two chunks, one being placed and one asked for ahead, fit. */
const OPEN_OBJECTS_MAX = 32;

export class OpenReaders<T extends { reader: ObjectReader }> {
  /** In the order of last use. */
  readonly #open = new Map<string, Promise<T>>();

  /**
   * The caller is done with it before so many others are asked for that it is closed.
   * @param open called when it is not open
   */
  async get(key: string, open: () => Promise<T>): Promise<T> {
    const opening = this.#open.get(key) ?? open();
    this.#open.delete(key);
    this.#open.set(key, opening);
    // Its failure is heard below; until then it is not "unhandled".
    opening.catch(() => {});
    if (this.#open.size > OPEN_OBJECTS_MAX) {
      const [oldestKey, oldest] = this.#open.entries().next().value!;
      this.#open.delete(oldestKey);
      // One that could not be opened has failed whoever asked for it.
      await oldest.then(
        ({ reader }) => reader.close(),
        () => {},
      );
    }
    try {
      return await opening;
    } catch (error) {
      if (this.#open.get(key) === opening) this.#open.delete(key);
      throw error;
    }
  }

  async close(): Promise<void> {
    const all = [...this.#open.values()];
    this.#open.clear();
    for (const opened of await Promise.allSettled(all))
      if (opened.status === 'fulfilled') await opened.value.reader.close();
  }
}
