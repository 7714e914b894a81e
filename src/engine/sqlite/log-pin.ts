// A pin of a tenant's log as the server sees it: held by the capture host, and again by the next one when that died.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from '../../base/child-process.ts';
import type { Log } from '../../base/log.ts';
import type { EngineTenant, LogPin, LogPinStatus } from '../engine-driver.ts';
import type { PinArgument } from './capture-messages.ts';

/** Pause before a log is pinned again after an attempt that failed: an application may have it to itself for a moment. */
const HOLD_MS_FIRST = 100;
const HOLD_MS_MAX = 5000;

/** A running capture host. */
export interface CaptureHost {
  child: Child;
  isGone: boolean;
}

export interface SqliteLogPinParts {
  tenant: EngineTenant;
  log: Log;
  host: () => CaptureHost;
  register: (pin: SqliteLogPin) => number;
  forget: (pinId: number) => void;
}

export class SqliteLogPin implements LogPin {
  readonly #of: SqliteLogPinParts;
  #host: CaptureHost | undefined;
  #pinId = 0;
  #isHeld = false;
  /** Released, or taken over by a capture. */
  #isOver = false;
  #status: LogPinStatus = { logBytes: 0, isHeld: false };
  readonly #pause = new AbortController();

  constructor(of: SqliteLogPinParts) {
    this.#of = of;
  }

  get tenantId(): number {
    return this.#of.tenant.tenantId;
  }

  get location(): string {
    return this.#of.tenant.location;
  }

  /** The host holds the log now. */
  get isHeld(): boolean {
    return this.#isHeld && !this.#isOver && this.#host?.isGone === false;
  }

  status(): LogPinStatus {
    return this.#status;
  }

  /** Holds the log. @throws what `EngineDriver.pinLog` throws; ChannelClosed when the host dies meanwhile */
  async hold(): Promise<void> {
    this.#of.forget(this.#pinId);
    this.#host = this.#of.host();
    this.#pinId = this.#of.register(this);
    const argument: PinArgument = { pinId: this.#pinId, location: this.location };
    try {
      this.#status = await this.#host.child.call<LogPinStatus>('pin', argument);
      this.#isHeld = true;
    } catch (error) {
      this.#of.forget(this.#pinId);
      throw error;
    }
    if (!this.#isOver) return;
    // Nobody wants it any more, but the host could not know when it was asked.
    this.#of.forget(this.#pinId);
    this.#host.child.tell('unpin', { pinId: this.#pinId });
  }

  /** What was held is held by no one: it is held again, until it is over. */
  hostLost(host: CaptureHost): void {
    if (host !== this.#host || !this.#isHeld || this.#isOver) return;
    this.#isHeld = false;
    void this.#holdAgain();
  }

  async #holdAgain(): Promise<void> {
    for (let pauseMs = HOLD_MS_FIRST; !this.#isOver; pauseMs = Math.min(2 * pauseMs, HOLD_MS_MAX)) {
      try {
        return await this.hold();
      } catch (error) {
        if (this.#isOver) return;
        this.#of.log.warn('log not pinned', { tenantId: this.tenantId, error });
        await sleep(pauseMs, undefined, { signal: this.#pause.signal }).catch(() => undefined);
      }
    }
  }

  report(status: LogPinStatus): void {
    this.#status = status;
  }

  /** A capture has taken it over, or there is no host any more. */
  end(): void {
    this.#isOver = true;
    this.#pause.abort();
    this.#of.forget(this.#pinId);
  }

  async release(): Promise<void> {
    if (this.#isOver) return;
    const wasHeld = this.isHeld;
    this.end();
    // A host that dies meanwhile holds nothing either.
    if (wasHeld) await this.#host?.child.call('unpin', { pinId: this.#pinId }).catch(() => undefined);
  }
}
