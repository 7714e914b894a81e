// What a backup waits for at its tenant's log archive: that it is attached, and that it has reached the set's own point.
import { setTimeout as sleep } from 'node:timers/promises';
import { fail, isFailure } from '../base/errors.ts';
import type { Capture } from '../engine/engine-driver.ts';
import type { ArchiveRound } from '../model/archive-round.ts';
import type { BackupSet } from '../model/backup-job.ts';
import type { Scn } from '../model/scn.ts';
import type { BackupDependencies } from './backup-dependencies.ts';

type Watched = Pick<BackupDependencies, 'store' | 'clock' | 'archive'>;

/** Between two looks at an archive that is attaching or has not reached the set's scn. */
const ARCHIVE_POLL_MS = 100;
/** How long a frozen state waits for the log to name its pages; all of them are read instead. */
const REACH_MS_MAX = 10_000;
/** How long an archive may take to attach after a start of the server; a huge log is read from its end in less. */
const ATTACH_WAIT_MS_MAX = 10 * 60_000;

/** @throws LOG_ARCHIVE_INTERRUPTED (9027), LOG_ARCHIVE_NOT_RUNNING (9029) */
function runningRound({ store }: Watched, tenantId: number): ArchiveRound {
  const round = store.currentRound(tenantId);
  if (round?.status === 'INTERRUPTED') throw fail('LOG_ARCHIVE_INTERRUPTED', { because: round.comment });
  if (round?.status === 'DOING' || round?.status === 'BEGINNING') return round;
  throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
}

/**
 * The capture of the running round; after a start of the server it may still be attaching.
 * @throws LOG_ARCHIVE_INTERRUPTED (9027), LOG_ARCHIVE_NOT_RUNNING (9029), TIMEOUT (4012), the signal's reason
 */
export async function attachedCapture(
  deps: Watched,
  tenantId: number,
  signal: AbortSignal,
): Promise<{ capture: Capture; round: ArchiveRound }> {
  const untilMs = deps.clock.monotonicMs() + ATTACH_WAIT_MS_MAX;
  while (deps.clock.monotonicMs() < untilMs) {
    const round = runningRound(deps, tenantId);
    const capture = deps.archive.capture(tenantId);
    if (capture) return { capture, round };
    await sleep(ARCHIVE_POLL_MS, undefined, { signal });
  }
  throw fail('TIMEOUT', { what: 'the log archive did not attach' });
}

type LogPoint = Pick<BackupSet, 'tenantId' | 'roundId' | 'minRestoreScn'>;

/**
 * Waits until the log has reached the set's own point: only then no hole is between the set and the log after it.
 * @param of.isLogReached true when it is known to have: only that its round still runs is looked at
 * @throws LOG_ARCHIVE_INTERRUPTED (9027), LOG_ARCHIVE_NOT_RUNNING (9029), the signal's reason
 */
export async function awaitLog(
  deps: Watched,
  { tenantId, roundId, minRestoreScn, isLogReached }: LogPoint & { isLogReached: boolean },
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const { round } = await attachedCapture(deps, tenantId, signal);
    if (round.roundId !== roundId)
      throw fail('LOG_ARCHIVE_INTERRUPTED', { because: `round ${roundId}, in which the backup began, has ended` });
    if (isLogReached) return;
    // A destination that hangs must not keep a cancelled job alive.
    const reached = await unlessAborted(flushed(deps, tenantId), signal);
    if (reached !== null && reached >= minRestoreScn) return;
    await sleep(ARCHIVE_POLL_MS, undefined, { signal });
  }
}

/**
 * Makes the log reach a point, for as long as may be waited with a state frozen.
 * @returns false when it did not in time
 * @throws as `awaitLog`
 */
export async function reachLog(deps: Watched, point: LogPoint, signal: AbortSignal): Promise<boolean> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new LogIsLate()), REACH_MS_MAX);
  try {
    await awaitLog(deps, { ...point, isLogReached: false }, AbortSignal.any([signal, late.signal]));
    return true;
  } catch (error) {
    // A pause that was cut short tells of it with an error of its own.
    if (late.signal.aborted && !signal.aborted) return false;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

class LogIsLate extends Error {}

/** null when the archive has let go of the tenant for a moment: its round says whether it comes back. */
async function flushed({ archive }: Watched, tenantId: number): Promise<Scn | null> {
  try {
    return await archive.flush(tenantId);
  } catch (error) {
    if (isFailure(error, 'LOG_ARCHIVE_NOT_RUNNING')) return null;
    throw error;
  }
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
