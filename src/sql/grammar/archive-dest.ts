// The attribute string of LOG_ARCHIVE_DEST: `LOCATION=<uri> [BINDING=…] [PIECE_SWITCH_INTERVAL=…]`, in any order.
import { fail, type HoldfastError } from '../../base/errors.ts';
import type { Binding } from '../../model/archive-round.ts';
import { parseDurationUs } from '../../model/size-text.ts';

/** Below a minute a piece would cost more objects than log. OceanBase allows whole days only. */
const PIECE_SWITCH_INTERVAL_US_MIN = 60_000_000n;
const PIECE_SWITCH_INTERVAL_US_MAX = 7n * 86_400_000_000n;

const DEFAULT_INTERVAL = { pieceSwitchIntervalText: '1d', pieceSwitchIntervalUs: 86_400_000_000n };

/** What the string says; an attribute that is not named has its default, whatever was set before. */
export interface ArchiveDestAttributes {
  /** As written; `parseDestinationUri` checks it. */
  location: string;
  binding: Binding;
  /** Lower case, for example `1d`, `6h`, `30m`. */
  pieceSwitchIntervalText: string;
  pieceSwitchIntervalUs: bigint;
}

type Invalid = () => HoldfastError;
type Interval = Pick<ArchiveDestAttributes, 'pieceSwitchIntervalText' | 'pieceSwitchIntervalUs'>;

function parseInterval(text: string, invalid: Invalid): Interval {
  const us = /^\d+(us|ms|s|m|h|d)$/i.test(text) ? parseDurationUs(text) : undefined;
  if (us === undefined) throw invalid();
  if (us < PIECE_SWITCH_INTERVAL_US_MIN || us > PIECE_SWITCH_INTERVAL_US_MAX) {
    throw fail('NOT_SUPPORTED', { what: 'invalid piece_switch_interval out of range [1m,7d] is' });
  }
  return { pieceSwitchIntervalText: text.toLowerCase(), pieceSwitchIntervalUs: us };
}

function parseBinding(text: string, invalid: Invalid): Binding {
  const binding = text.toUpperCase();
  if (binding !== 'OPTIONAL' && binding !== 'MANDATORY') throw invalid();
  return binding;
}

/**
 * Parses the attribute string of LOG_ARCHIVE_DEST.
 * @returns null for an empty string, which removes the destination
 * @throws NOT_SUPPORTED (4007) without LOCATION, for an unknown key and for an interval outside of 1m to 7d;
 *         INVALID_ARGUMENT (4002) for a binding or interval that cannot be read, blanks around `=`, a repeated key
 * @source OceanBase 4.3.3 docs, LOG_ARCHIVE_DEST; intervals below a day are our extension
 */
export function parseArchiveDest(text: string): ArchiveDestAttributes | null {
  return parseAttributes(text, 'LOG_ARCHIVE_DEST');
}

/**
 * Parses the attribute string of LOG_ARCHIVE_DEST_1 to _3: LOCATION and BINDING. Pieces are as long as those of
 * LOG_ARCHIVE_DEST.
 * @param name as the statement names it
 * @throws as `parseArchiveDest`; NOT_SUPPORTED (4007) for PIECE_SWITCH_INTERVAL
 */
export function parseArchiveCopyDest(
  text: string,
  name: string,
): Pick<ArchiveDestAttributes, 'location' | 'binding'> | null {
  return parseAttributes(text, name);
}

function parseAttributes(text: string, name: string): ArchiveDestAttributes | null {
  const invalid = () => fail('INVALID_ARGUMENT', { what: name });
  const takesInterval = name === 'LOG_ARCHIVE_DEST';
  const parts = text.split(/\s+/).filter((part) => part !== '');
  if (parts.length === 0) return null;
  const seen = new Set<string>();
  let location = '';
  let binding: Binding = 'OPTIONAL';
  let interval = DEFAULT_INTERVAL;
  for (const part of parts) {
    const equals = part.indexOf('=');
    const key = part.slice(0, equals).toUpperCase();
    const value = part.slice(equals + 1);
    if (equals <= 0 || seen.has(key)) throw invalid();
    seen.add(key);
    if (key === 'LOCATION') location = value;
    else if (key === 'BINDING') binding = parseBinding(value, invalid);
    else if (key === 'PIECE_SWITCH_INTERVAL' && takesInterval) interval = parseInterval(value, invalid);
    else throw fail('NOT_SUPPORTED', { what: `${name} attribute ${key.replace(/\W[\s\S]*/, '')} is` });
  }
  if (location === '') throw fail('NOT_SUPPORTED', { what: 'set archive dest without location is' });
  return { location, binding, ...interval };
}
