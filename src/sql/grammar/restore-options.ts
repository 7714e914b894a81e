// The option string of RESTORE and RECOVER TABLE: `pool_list=p1,p2&locality=…&primary_zone=…&concurrency=n`.
import { fail } from '../../base/errors.ts';

export interface RestoreOptions {
  /** Empty when the option was not written. */
  poolList: string[];
  locality: string | null;
  primaryZone: string | null;
  /** Null: the unit's MAX_CPU decides. */
  concurrency: number | null;
  kmsEncrypt: boolean;
}

const invalid = (what: string) => fail('INVALID_ARGUMENT', { what });

function readConcurrency(value: string): number {
  if (!/^\d{1,6}$/.test(value) || Number(value) === 0) throw invalid('concurrency');
  return Number(value);
}

/**
 * Parses the text of `WITH '…'`; keys are case-insensitive, order is free.
 * @throws INVALID_ARGUMENT (4002) for an unknown, repeated or unreadable option
 * @source OceanBase 4.3.3 docs, RESTORE
 */
export function parseRestoreOptions(text: string): RestoreOptions {
  const options: RestoreOptions = {
    poolList: [],
    locality: null,
    primaryZone: null,
    concurrency: null,
    kmsEncrypt: false,
  };
  const seen = new Set<string>();
  for (const part of text.split('&')) {
    if (part.trim() === '') continue;
    const equals = part.indexOf('=');
    const key = part.slice(0, Math.max(equals, 0)).trim().toLowerCase();
    const value = part.slice(equals + 1).trim();
    if (seen.has(key)) throw invalid(key);
    seen.add(key);
    if (key === 'pool_list') options.poolList = value.split(',').map((name) => name.trim());
    else if (key === 'locality') options.locality = value;
    else if (key === 'primary_zone') options.primaryZone = value;
    else if (key === 'concurrency') options.concurrency = readConcurrency(value);
    else if (key === 'kms_encrypt' && /^(true|false)$/i.test(value)) options.kmsEncrypt = /^true$/i.test(value);
    else throw invalid('restore option');
    if (value === '' || options.poolList.includes('')) throw invalid(key);
  }
  return options;
}
