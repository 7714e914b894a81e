// SCN: a tenant's logical time. Unsigned 64-bit nanoseconds since 1970, strictly increasing per tenant.
import { assert } from '../base/assert.ts';

declare const brand: unique symbol;
/** Nanoseconds since 1970; only this module makes one. */
export type Scn = bigint & { readonly [brand]: 'Scn' };

/** The moment before every commit. */
export const SCN_NONE = 0n as Scn;

const SCN_MAX = (1n << 64n) - 1n;

/**
 * Commits get whole microseconds, because MySQL clients can write no finer time:
 * `UNTIL TIME = 'x.ffffff'` then names every commit exactly.
 */
const SCN_STEP_NS = 1000n;

/** @throws AssertionFailure outside of 64 bits */
export function toScn(ns: bigint): Scn {
  assert(ns >= 0n && ns <= SCN_MAX, `scn ${ns} fits 64 bits`);
  return ns as Scn;
}

export const later = (a: Scn, b: Scn): Scn => (a > b ? a : b);

/** The scn of the next commit: the wall clock, or one step past the last one when the clock stands or runs back. */
export function nextScn(last: Scn, nowNs: bigint): Scn {
  const now = nowNs - (nowNs % SCN_STEP_NS);
  const next = last - (last % SCN_STEP_NS) + SCN_STEP_NS;
  return toScn(now > next ? now : next);
}

/** Rounds up to a whole microsecond, as OceanBase does with MIN_RESTORE_SCN. */
export function ceilToMicrosecond(scn: Scn): Scn {
  const rest = scn % 1000n;
  return rest === 0n ? scn : toScn(scn - rest + 1000n);
}

/**
 * Parses the decimal text of an scn.
 * @returns undefined when it is not a 64-bit unsigned integer
 */
export function parseScn(text: string): Scn | undefined {
  if (!/^\d{1,20}$/.test(text)) return undefined;
  const value = BigInt(text);
  return value <= SCN_MAX ? (value as Scn) : undefined;
}
