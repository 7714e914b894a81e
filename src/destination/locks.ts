// Objects that may not be deleted before a moment, and removing what nobody reads where that is refused.
import { type ErrorName, fail, isFailure, messageOf } from '../base/errors.ts';
import { formatObject } from '../model/destination-uri.ts';
import type { Destination, DestinationSpec } from './destination.ts';

const NS_PER_MS = 1_000_000n;
const REFUSALS: readonly ErrorName[] = ['OBJECT_LOCKED_BY_WORM', 'BACKUP_PERMISSION_DENIED'];

/**
 * When the lock ends that a failure tells of.
 * @returns ns since 1970; undefined when it names no time (a legal hold); null for another failure
 */
export function lockEndOf(error: unknown): bigint | undefined | null {
  if (!isFailure(error, 'OBJECT_LOCKED_BY_WORM')) return null;
  const untilMs = Date.parse((error.facts as { until: string }).until);
  return Number.isFinite(untilMs) ? BigInt(untilMs) * NS_PER_MS : undefined;
}

/**
 * Before the first object of a set or a piece is deleted.
 * @param head the object that goes first
 * @throws OBJECT_LOCKED_BY_WORM (4124) when nothing of it may go yet: then nothing of it is touched
 */
export async function checkUnlocked(destination: Destination, head: string): Promise<void> {
  // A label may be put on what is locked.
  if (destination.can.tagsRemoved) return;
  const untilNs = await destination.lockedUntilNs?.(head);
  if (untilNs === undefined) return;
  const object = formatObject(destination.uri, head);
  throw fail('OBJECT_LOCKED_BY_WORM', { object, until: lockEndText(untilNs) });
}

/** `2026-11-23T07:32:27.001Z`: the millisecond in which a lock has ended. */
export function lockEndText(untilNs: bigint): string {
  return new Date(Number((untilNs + NS_PER_MS - 1n) / NS_PER_MS)).toISOString();
}

/** Whether each object that is put there is locked for some time: nothing is put that is to be removed at once. */
export function locksObjects({ spec }: Pick<Destination, 'spec'>): boolean {
  return retainMsOf(spec) !== undefined;
}

/** When the locks end of objects that were written up to a moment; 0 for a destination that locks none. */
export function lockedUntil({ spec }: Pick<Destination, 'spec'>, writtenNs: bigint): bigint {
  const retainMs = retainMsOf(spec);
  return retainMs === undefined ? 0n : writtenNs + BigInt(retainMs) * NS_PER_MS;
}

function retainMsOf(spec: DestinationSpec): number | undefined {
  return spec.kind === 'memory' || spec.kind === 'objectStore' ? spec.retainMs : undefined;
}

/** Locks objects anew that are needed as long as what is written now, however old they are. */
export async function extendLocks(destination: Destination, names: readonly string[]): Promise<void> {
  if (locksObjects(destination)) for (const name of names) await destination.extendLock?.(name);
}

/** For a wrapper: the verbs that only some destinations have. */
export function lockVerbs(
  inner: Destination,
  wrap: <T>(call: () => Promise<T>) => Promise<T>,
): Pick<Destination, 'lockedUntilNs' | 'extendLock'> {
  return {
    ...(inner.lockedUntilNs ? { lockedUntilNs: (name) => wrap(async () => await inner.lockedUntilNs?.(name)) } : {}),
    ...(inner.extendLock ? { extendLock: (name) => wrap(async () => await inner.extendLock?.(name)) } : {}),
  };
}

/**
 * Removes what nobody reads. Where a lock or a right forbids it, it stays: it costs room and nothing else.
 * @returns why it stays; undefined when it has gone
 * @throws the destination's other errors
 */
export async function removeIfAllowed(remove: () => Promise<void>): Promise<string | undefined> {
  try {
    await remove();
    return undefined;
  } catch (error) {
    if (!REFUSALS.some((name) => isFailure(error, name))) throw error;
    return messageOf(error);
  }
}
