// What an operator is told while log waits for its destination, and when an Optional archive gives up. Pure.
import { formatBytes } from '../model/size-text.ts';
import { formatTime } from '../model/time-zone.ts';

export interface Pressure {
  /** Why nothing moves; '' when all is well. */
  because: string;
  /** How often in a row the destination has refused what waits. */
  attempts: number;
  /** undefined while nobody reads the log. */
  pendingCommits: number | undefined;
  /** Size of the engine's log. */
  logBytes: number;
  /** When it began; undefined when all is well. */
  sinceNs: bigint | undefined;
  checkpointNs: bigint;
  nowNs: bigint;
  timeZone: string;
}

const NS_PER_TENTH = 100_000_000n;
const SECONDS_DIGITS = 0;

/** Milliseconds as seconds with one digit; a clock that was set back counts as no time. */
function secondsText(ns: bigint): string {
  const tenths = ns > 0n ? ns / NS_PER_TENTH : 0n;
  return `${tenths / 10n}.${tenths % 10n} s`;
}

/**
 * The reason, then what waits: `…: No space left on device (7 attempts); 12 commits (5.0MB of WAL) wait since …; lag 12.3 s`, or while
 * nobody knows how many commits that are `…; 5.0MB of WAL is held since …; lag 12.3 s`.
 */
export function pressureComment(of: Pressure): string {
  const { because, pendingCommits, logBytes, sinceNs } = of;
  if (because === '') return '';
  const size = `${formatBytes(BigInt(logBytes))} of WAL`;
  const since = sinceNs === undefined ? '' : ` since ${formatTime(sinceNs, of.timeZone, SECONDS_DIGITS)}`;
  const isOne = pendingCommits === 1;
  const commits = `${pendingCommits} commit${isOne ? '' : 's'} (${size}) ${isOne ? 'waits' : 'wait'}`;
  const waiting = `${pendingCommits === undefined ? `${size} is held` : commits}${since}`;
  const tried = of.attempts > 1 ? ` (${of.attempts} attempts)` : '';
  return `${because}${tried}; ${waiting}; lag ${secondsText(of.nowNs - of.checkpointNs)}`;
}

/** Whether an archive gives up before its tenant's log fills the disk. Log that is archived already holds nothing up. */
export function isBeyondLimit(of: {
  binding: 'OPTIONAL' | 'MANDATORY';
  /** 0 for none. */
  limitBytes: bigint;
  logBytes: number;
  isWaiting: boolean;
}): boolean {
  return of.binding === 'OPTIONAL' && of.isWaiting && of.limitBytes > 0n && BigInt(of.logBytes) > of.limitBytes;
}
