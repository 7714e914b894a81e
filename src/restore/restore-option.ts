// The WITH string of RESTORE: `pool_list=p1,p2&location=/abs/path&concurrency=4&check=quick&locality=…&primary_zone=…`.
import { isAbsolute, normalize } from 'node:path';
import { fail } from '../base/errors.ts';
import { CHECK_LEVELS, type CheckLevel } from '../model/check-level.ts';

/** Longest WITH string: the RESTORE_OPTION column of the history view. */
const OPTION_CHARS_MAX = 4096;
/** Most workers that a statement may ask for. */
const CONCURRENCY_MAX = 100;
/** Longest path of a database file. */
const LOCATION_CHARS_MAX = 1024;

export interface RestoreOption {
  pools: string[];
  /** Absolute path for the database file; null places it under the data directory. */
  location: string | null;
  /** Workers; null leaves it to `workersOf`. */
  concurrency: number | null;
  /** How the engine checks the file; its pages are compared with the recorded checksum in any case. */
  check: CheckLevel;
}

/** Keys that are read and kept in RESTORE_OPTION, but decide nothing on a single machine. */
const KEYS_WITHOUT_EFFECT = ['locality', 'primary_zone'];

/** @throws INVALID_ARGUMENT (4002) for an unknown key or a bad value; NOT_SUPPORTED (4007) for kms_encrypt */
export function parseRestoreOption(text: string): RestoreOption {
  const wrong = (what: string) => fail('INVALID_ARGUMENT', { what: `RESTORE … WITH: ${what}` });
  if (text.length > OPTION_CHARS_MAX) throw wrong(`it is longer than ${OPTION_CHARS_MAX} characters`);
  const option: RestoreOption = { pools: [], location: null, concurrency: null, check: 'quick' };
  const seen = new Set<string>();
  for (const part of text.split('&').map((item) => item.trim())) {
    if (part === '') continue;
    const at = part.indexOf('=');
    const key = part.slice(0, Math.max(0, at)).trim().toLowerCase();
    const value = part.slice(at + 1).trim();
    if (key === '') throw wrong(`'${part}' is not key=value`);
    if (seen.has(key)) throw wrong(`${key} is given twice`);
    seen.add(key);
    if (key === 'pool_list') option.pools = parsePools(value, wrong);
    else if (key === 'location') option.location = parseLocation(value, wrong);
    else if (key === 'concurrency') option.concurrency = parseConcurrency(value, wrong);
    else if (key === 'check') option.check = parseCheck(value, wrong);
    else if (key === 'kms_encrypt') refuseKms(value);
    else if (!KEYS_WITHOUT_EFFECT.includes(key)) throw wrong(`unknown option ${key}`);
  }
  return option;
}

/**
 * Workers of a restore: as many as the statement says, else as `ha_high_thread_score` says (0: all) within the pool's
 * MAX_CPU; at most one per core.
 */
export function workersOf(of: { concurrency: number | null; score: number; maxCpu: number; cores: number }): number {
  const { concurrency, score, cores } = of;
  const ofPool = Math.ceil(of.maxCpu);
  return Math.max(1, Math.min(concurrency ?? Math.min(score || ofPool, ofPool), cores));
}

type Wrong = (what: string) => Error;

/** An empty list is fine: a pool is optional here. */
function parsePools(value: string, wrong: Wrong): string[] {
  if (value === '') return [];
  const pools = value.split(',').map((pool) => pool.trim().replace(/^'(.*)'$/, '$1'));
  if (pools.includes('')) throw wrong(`pool_list '${value}'`);
  return [...new Set(pools)];
}

function parseLocation(value: string, wrong: Wrong): string {
  const isPath = isAbsolute(value) && normalize(value) === value && !value.endsWith('/') && !value.includes('\0');
  if (!isPath || value.length > LOCATION_CHARS_MAX) throw wrong(`location '${value}' is not an absolute, normal path`);
  // The engine would take the file for part of the database beside it, and write over it.
  if (/-(?:wal|shm|journal)$/.test(value)) throw wrong(`location '${value}' is the name of a database's own side file`);
  return value;
}

function parseConcurrency(value: string, wrong: Wrong): number {
  const count = /^\d{1,3}$/.test(value) ? Number(value) : 0;
  if (count < 1 || count > CONCURRENCY_MAX) throw wrong(`concurrency '${value}' is not 1 to ${CONCURRENCY_MAX}`);
  return count;
}

function parseCheck(value: string, wrong: Wrong): CheckLevel {
  const level = CHECK_LEVELS.find((known) => known === value.toLowerCase());
  if (!level) throw wrong(`check '${value}' is not ${CHECK_LEVELS.join(', ')}`);
  return level;
}

function refuseKms(value: string): void {
  if (/^(true|1)$/i.test(value)) throw fail('NOT_SUPPORTED', { what: 'kms_encrypt (no key management service) is' });
}
