// Numbers as views show them: ratios, percentages, rates and seconds as decimals with a fixed scale.
import { maskUri } from '../model/destination-uri.ts';

/** Format version of rounds, pieces and sets, the COMPATIBLE columns. */
export const FORMAT_COMPATIBLE = 1;
/** The data version that tenants and the cluster declare: the release whose interface this is. */
export const CLUSTER_VERSION = '4.3.3.0';
/** `INCARNATION` is constant in 4.x. */
export const INCARNATION = 1;
const NS_PER_SECOND = 1_000_000_000n;

/** `numerator / denominator` rounded half up to `scale` digits; 0 when the denominator is. */
export function quotient(numerator: bigint, denominator: bigint, scale: number): string {
  const factor = 10n ** BigInt(scale);
  const scaled = denominator === 0n ? 0n : (2n * numerator * factor + denominator) / (2n * denominator);
  const text = scaled.toString().padStart(scale + 1, '0');
  return scale === 0 ? text : `${text.slice(0, -scale)}.${text.slice(-scale)}`;
}

/** Share in percent, two digits. */
export function percent(done: number, total: number): string {
  return quotient(100n * BigInt(done), BigInt(total), 2);
}

/** Bytes a second over a stretch of time, four digits. */
export function bytesPerSecond(bytes: bigint, fromNs: bigint, toNs: bigint): string {
  return toNs > fromNs ? quotient(bytes * NS_PER_SECOND, toNs - fromNs, 4) : '0.0000';
}

/** Whole seconds. */
export function seconds(fromNs: bigint, toNs: bigint): string {
  return toNs > fromNs ? quotient(toNs - fromNs, NS_PER_SECOND, 0) : '0';
}

/** `4.3.3.0` as the integer that OceanBase keeps: 16, 16, 8 and 8 bits. */
export function versionNumber(version: string): bigint {
  const [major = 0, minor = 0, patch = 0, build = 0] = version.split('.').map(Number);
  return (BigInt(major) << 32n) | (BigInt(minor) << 16n) | (BigInt(patch) << 8n) | BigInt(build);
}

/** An uri as it may be shown. */
export const shownUri = maskUri;

/**
 * What stands in PASSWD: never a hash, unlike OceanBase. Where the password encrypts, its hash would let a reader of
 * the view try passwords offline.
 */
export function shownPassword(encryptionMode: string): string {
  return encryptionMode === 'PASSWORD_ENCRYPTION' || encryptionMode === 'DUAL_MODE_ENCRYPTION' ? '******' : '';
}
