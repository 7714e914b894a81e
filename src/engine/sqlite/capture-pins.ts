// The logs that the capture host holds for rounds that are not attached yet. A pin is on a file, as a capture is: whoever
// attaches to the file takes the pin's connections over.
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { fail } from '../../base/errors.ts';
import { MIB } from '../../base/limits.ts';
import type { LogPinStatus } from '../engine-driver.ts';
import { isBusy } from './capture-connections.ts';
import type { PinReport } from './capture-messages.ts';
import { COPY_BYTES_MAX, PinnedLog } from './capture-pin.ts';
import { Turns } from './turns.ts';

/** A connection that closes last, or recovers the log, has a file to itself for some milliseconds. */
const BUSY_TRIES = 200;
const BUSY_PAUSE_MS = 5;
/** Copies of all pins together; a log that finds no place is held without one. */
const COPIES_BYTES_MAX = 128 * MIB;

export class LogPins {
  /** By file. */
  readonly #pins = new Map<string, PinnedLog>();
  /** Pins of captures that are attaching. */
  readonly #taken = new Set<PinnedLog>();
  /** Thousands may come at once: others get their turn in between. */
  readonly #turns = new Turns(1);
  readonly #isFree: (key: string) => Promise<boolean>;

  /** @param isFree resolves when no capture that has ended holds the file any more; false when one lives */
  constructor(isFree: (key: string) => Promise<boolean>) {
    this.#isFree = isFree;
  }

  /** @throws ENTRY_EXISTS when the log is held already; CANNOT_START_LOG_ARCHIVE */
  async pin(of: { pinId: number; path: string; key: string }): Promise<LogPinStatus> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#turns.run(() => this.#pinNow(of));
      } catch (error) {
        if (!(error instanceof Error) || !isBusy(error.cause) || tries === BUSY_TRIES) throw error;
      }
      await sleep(BUSY_PAUSE_MS);
    }
  }

  async #pinNow(of: { pinId: number; path: string; key: string }): Promise<LogPinStatus> {
    const { pinId, path, key } = of;
    await nextTurn();
    if (!(await this.#isFree(key)) || this.#pins.has(key)) throw fail('ENTRY_EXISTS', { what: `a pin of ${path}` });
    let copied = 0;
    for (const { copiedBytes } of this.#pins.values()) copied += copiedBytes;
    const copyBytesMax = Math.min(COPY_BYTES_MAX, COPIES_BYTES_MAX - copied);
    const pinned = new PinnedLog({ pinId, path, copyBytesMax });
    this.#pins.set(key, pinned);
    return pinned.status;
  }

  /** Nothing happens when a capture has taken it over for good. */
  release(pinId: number): void {
    for (const [key, pinned] of this.#pins) {
      if (pinned.pinId !== pinId) continue;
      this.#pins.delete(key);
      pinned.connections.close();
    }
    for (const pinned of this.#taken) if (pinned.pinId === pinId) pinned.isReleased = true;
  }

  /**
   * Attaches with the connections of the file's pin. When that fails the pin is as before.
   * @param attach gets undefined when there is no pin
   */
  async hand<T>(key: string, attach: (pinned: PinnedLog | undefined) => Promise<T>): Promise<T> {
    const pinned = this.#pins.get(key);
    if (!pinned) return await attach(undefined);
    this.#pins.delete(key);
    this.#taken.add(pinned);
    try {
      return await attach(pinned);
    } catch (error) {
      if (pinned.isReleased) pinned.connections.close();
      else this.#pins.set(key, pinned);
      throw error;
    } finally {
      this.#taken.delete(pinned);
    }
  }

  /** Figures that have changed. */
  look(): PinReport[] {
    const reports: PinReport[] = [];
    for (const pinned of this.#pins.values())
      if (pinned.look()) reports.push({ pinId: pinned.pinId, ...pinned.status });
    return reports;
  }
}
