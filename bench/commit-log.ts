// What the writer and the benchmarks agree on: how commits are marked and logged, and how a writer is run.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './options.ts';
import type { Scratch } from './scratch.ts';

export const LOG_ENTRY_BYTES = 24;
const MARKER_PREFIX = 'bench-commit:';
const MARKER_DIGITS = 10;

/** Always of the same length, so that the row is overwritten in place. */
export function commitMarker(commitNo: number): string {
  return `${MARKER_PREFIX}${String(commitNo).padStart(MARKER_DIGITS, '0')}`;
}

/** The highest commit number in a page image: an older one may be left in its unused bytes. */
export function markedCommit(page: Buffer): number | undefined {
  let highest: number | undefined;
  for (let at = page.indexOf(MARKER_PREFIX); at >= 0; at = page.indexOf(MARKER_PREFIX, at + 1)) {
    const from = at + MARKER_PREFIX.length;
    const digits = page.toString('latin1', from, from + MARKER_DIGITS);
    if (/^\d{10}$/.test(digits)) highest = Math.max(highest ?? 0, Number(digits));
  }
  return highest;
}

/** Nanoseconds of the monotonic clock. Commit number `n` is at index `n - 1`. */
export interface LoggedCommit {
  dueNs: bigint;
  begunNs: bigint;
  committedNs: bigint;
}

/** Runs the writer to its end. @returns its commits in order */
export async function runWriter(
  scratch: Scratch,
  of: { database: string; rate: number; seconds: number; synchronous: string },
): Promise<LoggedCommit[]> {
  const logPath = join(scratch.newDir('writer'), 'commits');
  const { database, rate, seconds, synchronous } = of;
  const args = [database, logPath, String(rate), String(seconds), synchronous];
  const child = scratch.start(['--import', 'tsx', join(ROOT, 'bench', 'writer.ts'), ...args]);
  const ended = once(child, 'exit');
  await Promise.race([once(child.stdout!, 'data'), ended]);
  child.stdin?.end('go\n');
  const [code] = await ended;
  if (code !== 0) throw new Error(`the writer ended with code ${String(code)}`);
  return readCommits(readFileSync(logPath));
}

function readCommits(log: Buffer): LoggedCommit[] {
  const commits: LoggedCommit[] = [];
  for (let at = 0; at < log.length; at += LOG_ENTRY_BYTES) {
    const [dueNs, begunNs, committedNs] = [0, 8, 16].map((offset) => log.readBigInt64LE(at + offset));
    commits.push({ dueNs: dueNs!, begunNs: begunNs!, committedNs: committedNs! });
  }
  return commits;
}
