// The batches of a capture on their way to whoever archives them, in order: several at once, and after a failure again from
// the failed one on, until they are durable or the capture is over. After a failure one goes alone: a store that is away
// is asked for no more than that.
import type { CapturedBatch } from '../engine-driver.ts';

/** Pause before batches are delivered again: doubles, but a destination that is back is noticed within a second. */
const RETRY_MS_FIRST = 100;
const RETRY_MS_MAX = 1000;

export interface DeliveryLineParts {
  send(batch: CapturedBatch): Promise<void>;
  onDurable(batch: CapturedBatch): void;
  onFailed(batch: CapturedBatch, error: unknown): void;
  /** Whether no further attempt is made. */
  isLast(attempt: number): boolean;
  sleep(ms: number): Promise<void>;
}

interface Item {
  batch: CapturedBatch;
  /** How the latest attempt ended; never rejects. */
  sent: Promise<{ error: unknown } | undefined>;
  resolve: () => void;
  reject: (error: unknown) => void;
}

export class DeliveryLine {
  readonly #of: DeliveryLineParts;
  /** Not durable, in order. */
  #items: Item[] = [];
  /** The first of them goes alone. */
  #isProbing = false;
  #running: Promise<void> | undefined;

  constructor(of: DeliveryLineParts) {
    this.#of = of;
  }

  /** Resolves, never rejecting, when nothing is on its way. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** Batches are given in order. Resolves when this one and all before it are durable; rejects when it is given up. */
  deliver(batch: CapturedBatch): Promise<void> {
    return new Promise((resolve, reject) => {
      const sent = this.#isProbing ? Promise.resolve(undefined) : this.#send(batch);
      this.#items.push({ batch, sent, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  #send(batch: CapturedBatch): Item['sent'] {
    return this.#of.send(batch).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
  }

  async #run(): Promise<void> {
    let attempt = 1;
    for (let head = this.#items[0]; head; head = this.#items[0]) {
      const failed = await head.sent;
      if (failed) {
        await this.#again(head, failed.error, attempt++);
        continue;
      }
      attempt = 1;
      this.#items.shift();
      this.#of.onDurable(head.batch);
      head.resolve();
      if (this.#isProbing) this.#sendOthers();
    }
    this.#running = undefined;
  }

  /** Delivers the first again after a pause, or gives everything up. */
  async #again(head: Item, error: unknown, attempt: number): Promise<void> {
    this.#isProbing = true;
    // Those behind it have failed, or are about to: nothing of this attempt may be on its way when the next begins.
    await Promise.all(this.#items.map(({ sent }) => sent));
    this.#of.onFailed(head.batch, error);
    if (this.#of.isLast(attempt)) {
      for (const item of this.#items.splice(0)) item.reject(error);
      this.#isProbing = false;
      return;
    }
    await this.#of.sleep(Math.min(RETRY_MS_FIRST * 2 ** (attempt - 1), RETRY_MS_MAX));
    head.sent = this.#send(head.batch);
  }

  #sendOthers(): void {
    this.#isProbing = false;
    for (const item of this.#items) item.sent = this.#send(item.batch);
  }
}
