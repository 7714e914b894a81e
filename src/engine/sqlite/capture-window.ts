// A window in which the tenant's write lock is held: nobody commits, so the capture must have seen everything there is.
import type { Clock } from '../../base/clock.ts';
import { fail } from '../../base/errors.ts';
import { MIB } from '../../base/limits.ts';
import type { CaptureConnections } from './capture-connections.ts';
import type { Delivery } from './capture-delivery.ts';
import { acquireLock, type LockWindows } from './capture-locks.ts';
import type { CaptureLog } from './capture-log.ts';

/** What may be scanned under the write lock: about a millisecond. Larger tails are read before it is taken again. */
const WINDOW_SCAN_BYTES = 2 * MIB;

export interface WindowParts {
  connections: CaptureConnections;
  captureLog: CaptureLog;
  delivery: Delivery;
  clock: Clock;
  windows: LockWindows;
  /** Takes in commits, without the lock. */
  poll: () => void;
  /** The same, telling what does not fit. */
  look: () => string | undefined;
  /** What does not fit under the lock is a gap. */
  onMisfit: (because: string) => void;
  isEnded: () => boolean;
}

export class WriteWindow {
  readonly #of: WindowParts;
  #lockedMs = 0;

  constructor(of: WindowParts) {
    this.#of = of;
  }

  /**
   * Takes the write lock with every commit seen; `leave` gives it back.
   * @returns false when the lock could not be had in time
   * @throws CLOG_RECYCLE_BEFORE_ARCHIVE when the log is not the one that was captured
   */
  async enter(waitMs: number): Promise<boolean> {
    const { connections, captureLog, clock, poll, look, isEnded } = this.#of;
    if (isEnded()) return false;
    connections.prepareWindow({ checkpoint: true });
    const deadlineMs = clock.monotonicMs() + waitMs;
    const tryLock = () => !isEnded() && connections.tryLock();
    for (;;) {
      poll();
      const leftMs = Math.max(0, deadlineMs - clock.monotonicMs());
      if (!(await acquireLock(tryLock, { waitMs: leftMs, isStopped: isEnded }))) return false;
      this.#lockedMs = clock.monotonicMs();
      if (captureLog.unseenBytes() <= WINDOW_SCAN_BYTES) break;
      this.leave();
    }
    const misfit = look();
    if (misfit === undefined) return true;
    this.leave();
    this.#of.onMisfit(misfit);
    throw fail('CLOG_RECYCLE_BEFORE_ARCHIVE', { because: misfit });
  }

  leave(): void {
    const { connections, windows, clock, delivery } = this.#of;
    connections.unlock();
    windows.add(clock.monotonicMs() - this.#lockedMs);
    delivery.kick();
  }
}
