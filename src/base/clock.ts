// The only place that reads the wall clock; tests and simulations hand in their own `Clock`.

export interface Clock {
  /** Wall clock in nanoseconds since 1970 (resolution: microseconds). */
  nowNs(): bigint;
  /** Monotonic milliseconds, for intervals and deadlines. */
  monotonicMs(): number;
}

const NS_PER_MS = 1_000_000n;
const NS_PER_US = 1_000n;

/** How far the interpolated clock may stray from the wall clock before it is set again (a stepped clock). */
const DRIFT_NS_MAX = 2n * NS_PER_MS;

/** Where the process began, by both clocks: Node.js reads the wall clock to the microsecond, so that processes agree to some ten. */
let anchorWallNs = BigInt(Math.round(performance.timeOrigin * 1000)) * NS_PER_US;
let anchorMonotonicNs = process.hrtime.bigint() - BigInt(Math.round(performance.now() * 1000)) * NS_PER_US;

/** Milliseconds of the wall clock, refined to microseconds by the monotonic clock between two settings. */
function wallNs(): bigint {
  const wallMsNs = BigInt(Date.now()) * NS_PER_MS;
  const monotonicNs = process.hrtime.bigint();
  const interpolatedNs = anchorWallNs + (monotonicNs - anchorMonotonicNs);
  const driftNs = interpolatedNs - wallMsNs;
  if (driftNs > DRIFT_NS_MAX || driftNs < -DRIFT_NS_MAX) {
    anchorWallNs = wallMsNs;
    anchorMonotonicNs = monotonicNs;
    return wallMsNs;
  }
  return interpolatedNs - (interpolatedNs % NS_PER_US);
}

export const systemClock: Clock = {
  nowNs: wallNs,
  monotonicMs() {
    return Number(process.hrtime.bigint() / NS_PER_US) / 1000;
  },
};
