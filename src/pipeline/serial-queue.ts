// Work of one lane, one piece after the other, however many were asked for at once.

export class SerialQueue {
  #tail: Promise<unknown> = Promise.resolve();
  #end: { reason: Error } | undefined;

  /** Runs `work` after all that was asked for before; after a failure, what waits fails with the same error. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(() => {
      if (this.#end) throw this.#end.reason;
      return work();
    });
    this.#tail = result;
    // Who asked for it hears of the failure; the queue's own reference to it must not count as unheard.
    result.catch(() => {});
    return result;
  }

  /** What waits fails with `reason`; resolves when what runs is over. */
  async end(reason: Error): Promise<void> {
    this.#end = { reason };
    await Promise.allSettled([this.#tail]);
  }
}
