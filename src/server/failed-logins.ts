// Counts failed logins for each host, and says how long the next answer to that host waits.
import type { Clock } from '../base/clock.ts';
import { FAILED_LOGIN_HOSTS_MAX, FAILED_LOGIN_MEMORY_MS, type ServerLimits } from './limits.ts';

interface Failures {
  count: number;
  lastMs: number;
}

export class FailedLogins {
  /** In the order of the last failure, oldest first. */
  readonly #hosts = new Map<string, Failures>();
  readonly #clock: Clock;
  readonly #limits: ServerLimits;

  constructor(clock: Clock, limits: ServerLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Failed logins of a host that are not forgotten yet. */
  countOf(host: string): number {
    const failures = this.#hosts.get(host);
    if (!failures || this.#clock.monotonicMs() - failures.lastMs > FAILED_LOGIN_MEMORY_MS) return 0;
    return failures.count;
  }

  /** Counts one more. @returns how long its answer waits, ms */
  record(host: string): number {
    const count = this.countOf(host) + 1;
    this.#hosts.delete(host);
    this.#hosts.set(host, { count, lastMs: this.#clock.monotonicMs() });
    const oldest = this.#hosts.size > FAILED_LOGIN_HOSTS_MAX ? this.#hosts.keys().next().value : undefined;
    if (oldest !== undefined) this.#hosts.delete(oldest);
    const { failedLoginDelayMs, failedLoginDelayMsMax } = this.#limits;
    return Math.min(failedLoginDelayMs * 2 ** (count - 1), failedLoginDelayMsMax);
  }

  /** A login that succeeded: the host's failures were a person's slips. */
  forget(host: string): void {
    this.#hosts.delete(host);
  }
}
