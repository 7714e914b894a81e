// Percentiles and medians, nothing smoothed.

/** Nearest-rank percentile of values in ascending order: a value that was really measured. */
function percentile(ascending: readonly number[], percent: number): number {
  if (ascending.length === 0) return Number.NaN;
  const rank = Math.ceil((percent / 100) * ascending.length);
  return ascending[Math.max(0, rank - 1)]!;
}

export function ascending(values: Iterable<number>): number[] {
  return [...values].sort((a, b) => a - b);
}

export function median(values: readonly number[]): number {
  const sorted = ascending(values);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export interface Spread {
  p50: number;
  p99: number;
  max: number;
}

export function spread(values: Iterable<number>): Spread {
  const sorted = ascending(values);
  return { p50: percentile(sorted, 50), p99: percentile(sorted, 99), max: sorted.at(-1) ?? Number.NaN };
}

/** Three significant digits, whole numbers in full. */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return 'n/a';
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
