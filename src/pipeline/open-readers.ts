// Objects that a lane reads from, a few kept open: however many sets and segments it takes its pages from.
import type { ObjectReader } from '../destination/destination.ts';

/** Open objects in one worker: a bound on file descriptors. */
const OPEN_OBJECTS_MAX = 32;

export class OpenReaders<T extends { reader: ObjectReader }> {
  /** In the order of last use. */
  readonly #open = new Map<string, T>();

  /** The caller reads from it before it asks for another one. @param open called when it is not open */
  async get(key: string, open: () => Promise<T>): Promise<T> {
    const found = this.#open.get(key) ?? (await open());
    this.#open.delete(key);
    this.#open.set(key, found);
    if (this.#open.size > OPEN_OBJECTS_MAX) {
      const [oldestKey, oldest] = this.#open.entries().next().value!;
      this.#open.delete(oldestKey);
      await oldest.reader.close();
    }
    return found;
  }

  async close(): Promise<void> {
    const all = [...this.#open.values()];
    this.#open.clear();
    for (const { reader } of all) await reader.close();
  }
}
