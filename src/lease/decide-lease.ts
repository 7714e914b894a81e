// Who may write a destination, decided from the newest lease there. Pure.
import { sameBytes } from '../base/bytes.ts';
import type { FoundLease } from '../destination/lease-objects.ts';
import type { LeaseHolder } from '../format/lease-file.ts';

/**
 * - hold: the newest lease is this very process's.
 * - take: the next generation. `isSure` is false when whoever wrote before may still live, or have written what this server
 *   does not know of.
 * - refuse: somebody else holds it.
 */
export type LeaseClaim = { kind: 'hold' } | { kind: 'take'; isSure: boolean } | { kind: 'refuse' };

/**
 * A server that starts again in its own place takes over silently: the data directory has a lock, so the process before is
 * dead. Whoever has the same id elsewhere is a copy.
 * @param of.isRetired this process has given up what it holds, for another generation of its own
 * @param of.hasLost this server has lost the lease before, to whomever: only a statement gives it back
 * @param of.isForced a statement of an operator: whoever held it before does so no more
 */
export function decideLease(
  newest: FoundLease | undefined,
  me: LeaseHolder,
  of: { hasLost: boolean; isForced: boolean; isRetired?: boolean },
): LeaseClaim {
  if (!newest) return { kind: 'take', isSure: true };
  const { file } = newest;
  if (file && sameBytes(file.process, me.process))
    return of.isRetired ? { kind: 'take', isSure: true } : { kind: 'hold' };
  if (of.isForced) return { kind: 'take', isSure: false };
  if (of.hasLost || !file || !isSamePlace(file, me)) return { kind: 'refuse' };
  return { kind: 'take', isSure: isSame(file.life, me.life) && me.life !== null };
}

/** The same data directory at the same path of the same machine. */
function isSamePlace(a: LeaseHolder, b: LeaseHolder): boolean {
  return sameBytes(a.instanceId, b.instanceId) && isSame(a.machine, b.machine) && a.dataDir === b.dataDir;
}

function isSame(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : sameBytes(a, b);
}
