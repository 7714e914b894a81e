// Spreads work over time so that it stays below a rate: each operation begins when those before it have had their time.
import { setTimeout as sleep } from 'node:timers/promises';
import type { DestinationLimits } from '../model/destination-uri.ts';

const MS_PER_SECOND = 1000;

export interface ThrottleClock {
  monotonicMs(): number;
  sleep(ms: number): Promise<unknown>;
}

const REAL_CLOCK: ThrottleClock = { monotonicMs: () => performance.now(), sleep: (ms) => sleep(ms) };

export class Throttle {
  readonly #msPerByte: number;
  readonly #msPerOperation: number;
  readonly #clock: ThrottleClock;
  /** When everything that was let through so far has had its time. */
  #freeMs = Number.NEGATIVE_INFINITY;

  constructor({ bytesPerSecond, operationsPerSecond }: DestinationLimits, clock: ThrottleClock = REAL_CLOCK) {
    this.#msPerByte = bytesPerSecond === undefined ? 0 : MS_PER_SECOND / bytesPerSecond;
    this.#msPerOperation = operationsPerSecond === undefined ? 0 : MS_PER_SECOND / operationsPerSecond;
    this.#clock = clock;
  }

  /** Resolves when one more operation of so many bytes may begin. Whoever comes first goes first. */
  async pass(bytes = 0): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const beginMs = Math.max(nowMs, this.#freeMs);
    this.#freeMs = beginMs + Math.max(bytes * this.#msPerByte, this.#msPerOperation);
    if (beginMs > nowMs) await this.#clock.sleep(beginMs - nowMs);
  }
}
