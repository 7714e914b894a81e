// Calls whose work overlaps and that end in order. When one fails, those behind it fail too, whatever their work came to:
// what they built upon is not there. The next attempt begins when nothing of the failed one is on its way any more.

/** One call: `prepare` runs alone, `work` overlaps with that of others, `accept` comes in order. */
export interface OrderedCall<T> {
  /** @param before resolves when everything before this call was accepted; rejects with what failed before it */
  prepare(before: () => Promise<void>): Promise<void>;
  work(): Promise<T>;
  accept(result: T): void;
}

/** What a call came to; undefined when it was accepted. */
type Outcome = { error: unknown } | undefined;

interface Running {
  askedMs: number;
  outcome: Promise<Outcome>;
  /** Its work has begun, or never will. */
  begun: Promise<void>;
}

export class OrderedCalls {
  readonly #callsMax: number;
  readonly #nowMs: () => number;
  readonly #onFailedAttempt: () => void;
  /** Without an answer, in order. */
  #running: Running[] = [];
  #hasFailed = false;
  #failedAttempts = 0;

  /**
   * @param of.callsMax how many pieces of work may overlap
   * @param of.onFailedAttempt called after a failure, when nothing is on its way any more
   */
  constructor(of: { callsMax: number; nowMs: () => number; onFailedAttempt: () => void }) {
    this.#callsMax = of.callsMax;
    this.#nowMs = of.nowMs;
    this.#onFailedAttempt = of.onFailedAttempt;
  }

  /** Attempts that failed since a call was accepted. */
  get failedAttempts(): number {
    return this.#failedAttempts;
  }

  /** Settles, never rejecting, when every call so far is answered; undefined when none is unanswered. */
  get pending(): Promise<void> | undefined {
    return this.#running.at(-1)?.outcome.then(() => {});
  }

  /** How long the oldest call has had no answer; 0 when there is none. */
  get pendingMs(): number {
    const [oldest] = this.#running;
    return oldest ? this.#nowMs() - oldest.askedMs : 0;
  }

  /** @throws what the call fails with, or what an earlier one failed with */
  async run<T>(call: OrderedCall<T>): Promise<void> {
    const before = this.#running.slice();
    let noteBegun = () => {};
    const begun = new Promise<void>((resolve) => {
      noteBegun = resolve;
    });
    const outcome = this.#carryOut(call, before, noteBegun);
    const running = { askedMs: this.#nowMs(), outcome, begun };
    this.#running.push(running);
    const end = await outcome;
    if (end) throw end.error;
  }

  async #carryOut<T>(call: OrderedCall<T>, before: readonly Running[], noteBegun: () => void): Promise<Outcome> {
    const previous = before.at(-1);
    let result: { value: T } | { error: unknown };
    try {
      await previous?.begun;
      await before.at(-this.#callsMax)?.outcome;
      this.#checkAttempt();
      await call.prepare(async () => {
        const failed = await previous?.outcome;
        if (failed) throw failed.error;
      });
      this.#checkAttempt();
      const working = call.work();
      noteBegun();
      result = { value: await working };
    } catch (error) {
      this.#hasFailed = true;
      result = { error };
    } finally {
      noteBegun();
    }
    const end = (await previous?.outcome) ?? this.#accept(call, result);
    this.#running.shift();
    if (this.#running.length === 0 && this.#hasFailed) this.#endAttempt();
    return end;
  }

  /** Of an attempt that has failed nothing more is begun. */
  #checkAttempt(): void {
    if (this.#hasFailed) throw new Error('an earlier call has failed');
  }

  #accept<T>(call: OrderedCall<T>, result: { value: T } | { error: unknown }): Outcome {
    if ('error' in result) return result;
    try {
      call.accept(result.value);
      this.#failedAttempts = 0;
      return undefined;
    } catch (error) {
      this.#hasFailed = true;
      return { error };
    }
  }

  #endAttempt(): void {
    this.#hasFailed = false;
    this.#failedAttempts++;
    this.#onFailedAttempt();
  }
}
