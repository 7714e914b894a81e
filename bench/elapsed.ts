// How long something took.

/** @param startNs of `process.hrtime.bigint` */
export const secondsSince = (startNs: bigint): number => Number(process.hrtime.bigint() - startNs) / 1e9;
