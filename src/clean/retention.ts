// How long an object must not be deletable in a bucket that locks objects: as long as the tenant's policy can need it. Pure.
import type { DeletePolicy } from '../model/delete-job.ts';
import { parseDurationUs } from '../model/size-text.ts';

const DAY_MS = 86_400_000;
const US_PER_MS = 1000;
const NS_PER_MS = 1_000_000n;
/** Without a policy nothing is deleted by itself; so long a mistake, or a thief of keys, finds everything still there. */
export const RETENTION_DEFAULT_MS = 30 * DAY_MS;
/** Nobody can take a lock back: a slip of the pen must not cost room for a century. */
export const RETENTION_MAX_MS = 3650 * DAY_MS;

/**
 * How long objects that are written now are to be locked, in ms.
 * What an increment or the log leans on is needed until the window has gone past the next full set: longer than the window
 * by the time between full sets, the longest that there was. A number of sets to keep is that many times as long. Who asks
 * for both gets the longer one. Before there is history, full sets are taken to be a window apart.
 * @param fullNs when the full sets that are there were made, in ns since 1970, in any order
 */
export function retentionMs(policy: DeletePolicy | undefined, fullNs: readonly bigint[], nowNs: bigint): number {
  const { policyName, redundancy = null } = policy ?? {};
  const windowMs = Number(parseDurationUs(policy?.recoveryWindow ?? '0s') ?? 0n) / US_PER_MS;
  const { apartMs, historyMs } = spacing(fullNs, nowNs);
  const needs: number[] = [];
  // Log without sets leans on nothing.
  if (policyName === 'log_only') needs.push(windowMs);
  else if (windowMs > 0) needs.push(windowMs + (historyMs < windowMs ? Math.max(apartMs, windowMs) : apartMs));
  if (redundancy !== null && redundancy > 0) {
    const isKnown = fullNs.length > redundancy;
    needs.push(isKnown ? redundancy * apartMs : Math.max(redundancy * apartMs, RETENTION_DEFAULT_MS));
  }
  const neededMs = needs.length === 0 ? 0 : Math.max(...needs);
  return Math.min(RETENTION_MAX_MS, Math.ceil(neededMs || RETENTION_DEFAULT_MS));
}

/** The longest time between two full sets one after the other, also since the last one, and that since the first. */
function spacing(fullNs: readonly bigint[], nowNs: bigint): { apartMs: number; historyMs: number } {
  const moments = [...fullNs, nowNs].sort((a, b) => (a < b ? -1 : Number(a > b)));
  const msBetween = (from: bigint, to: bigint) => Number((to - from) / NS_PER_MS);
  const apart = moments.slice(1).map((moment, i) => msBetween(moments[i]!, moment));
  return { apartMs: Math.max(0, ...apart), historyMs: msBetween(moments[0]!, nowNs) };
}
