// Spreads work over time so that it stays below a rate: each operation begins when those before it have had their time.
import { setTimeout as sleep } from 'node:timers/promises';
import type { DestinationLimits } from '../model/destination-options.ts';

const MS_PER_SECOND = 1000;

export interface ThrottleClock {
  monotonicMs(): number;
  sleep(ms: number): Promise<unknown>;
}

const REAL_CLOCK: ThrottleClock = { monotonicMs: () => performance.now(), sleep: (ms) => sleep(ms) };

export class Throttle {
  readonly #limits: () => DestinationLimits | undefined;
  readonly #clock: ThrottleClock;
  /** By which `#freeMs` was reckoned. */
  #known: DestinationLimits | undefined;
  /** When everything that was let through so far has had its time. */
  #freeMs = Number.NEGATIVE_INFINITY;

  /** @param limits as they are now: the same object while they stay the same */
  constructor(limits: () => DestinationLimits | undefined, clock: ThrottleClock = REAL_CLOCK) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get limits(): DestinationLimits | undefined {
    return this.#limits();
  }

  /** Resolves when one more operation of so many bytes may begin. Whoever comes first goes first. */
  async pass(bytes = 0): Promise<void> {
    const limits = this.#limits();
    if (limits !== this.#known) {
      // Nobody waits any longer for what another rate would have cost.
      this.#known = limits;
      this.#freeMs = Number.NEGATIVE_INFINITY;
    }
    if (!limits) return;
    const nowMs = this.#clock.monotonicMs();
    const beginMs = Math.max(nowMs, this.#freeMs);
    const { bytesPerSecond = Number.POSITIVE_INFINITY, operationsPerSecond = Number.POSITIVE_INFINITY } = limits;
    this.#freeMs = beginMs + Math.max(bytes / bytesPerSecond, 1 / operationsPerSecond) * MS_PER_SECOND;
    if (beginMs > nowMs) await this.#clock.sleep(beginMs - nowMs);
  }
}
