// Sizes and intervals as people read and write them in views and statements.

const UNITS = ['', 'KB', 'MB', 'GB', 'TB', 'PB'] as const;

/** `25.00GB`: two decimals, MB at the least. @source OceanBase 4.3.3 docs, *_DISPLAY columns */
export function formatBytes(bytes: bigint): string {
  let value = Number(bytes) / (1024 * 1024);
  let unit = 2;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(2)}${UNITS[unit]}`;
}

const UNIT_US: Record<string, bigint> = {
  us: 1n,
  ms: 1_000n,
  s: 1_000_000n,
  m: 60_000_000n,
  h: 3_600_000_000n,
  d: 86_400_000_000n,
};

/**
 * Parses a time length: `120s`, `0ms`, `1d`; a bare number is seconds.
 * @returns microseconds; undefined when it is none
 */
export function parseDurationUs(text: string): bigint | undefined {
  const match = /^(\d{1,15})\s*(us|ms|s|m|h|d)?$/i.exec(text.trim());
  if (!match) return undefined;
  return BigInt(match[1]!) * UNIT_US[(match[2] ?? 's').toLowerCase()]!;
}
