// Time as people write it: conversion between nanoseconds since 1970 and 'YYYY-MM-DD HH:MM:SS.ffffff' in a zone.
// A zone is an offset ('+08:00') or a name of the IANA database ('Asia/Shanghai').
import { assert } from '../base/assert.ts';

const NS_PER_SECOND = 1_000_000_000n;
const MS_PER_MINUTE = 60_000;
const MS_PER_DAY = 86_400_000;
/** Kiribati's, and MySQL's bound. */
const OFFSET_MINUTES_MAX = 14 * 60;
const OFFSET = /^([+-])(\d{1,2}):(\d{2})$/;

/** True when the zone is an offset up to 14:00 or a name this machine knows. */
export function isTimeZone(zone: string): boolean {
  const offset = OFFSET.exec(zone);
  if (offset) return Number(offset[3]) < 60 && Number(offset[2]) * 60 + Number(offset[3]) <= OFFSET_MINUTES_MAX;
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** It stays the same while a process lives, and takes a millisecond to find out. */
let knownLocalZone: string | undefined;

/** The zone of this machine: an IANA name where known, `+00:00` otherwise. */
export function localTimeZone(): string {
  knownLocalZone ??= new Intl.DateTimeFormat('en-US').resolvedOptions().timeZone || '+00:00';
  return knownLocalZone;
}

const formatters = new Map<string, Intl.DateTimeFormat>();

/** Minutes east of Greenwich that the zone keeps at a moment. */
function offsetMinutes(zone: string, epochMs: number): number {
  const fixed = OFFSET.exec(zone);
  if (fixed) return (fixed[1] === '-' ? -1 : 1) * (Number(fixed[2]) * 60 + Number(fixed[3]));
  let formatter = formatters.get(zone);
  if (!formatter) {
    formatter = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formatters.set(zone, formatter);
  }
  const part: Record<string, number> = {};
  for (const { type, value } of formatter.formatToParts(epochMs)) part[type] = Number(value);
  const asUtc = Date.UTC(part.year!, part.month! - 1, part.day!, part.hour!, part.minute!, part.second!);
  return Math.round((asUtc - Math.floor(epochMs / 1000) * 1000) / MS_PER_MINUTE);
}

/**
 * Renders a moment as MySQL's DATETIME text.
 * @param fractionDigits 0 to 9 (default 6)
 */
export function formatTime(ns: bigint, zone: string, fractionDigits = 6): string {
  assert(ns >= 0n, 'a moment is not before 1970');
  const epochMs = Number(ns / 1_000_000n);
  const local = new Date(epochMs + offsetMinutes(zone, epochMs) * MS_PER_MINUTE).toISOString();
  const seconds = `${local.slice(0, 10)} ${local.slice(11, 19)}`;
  if (fractionDigits === 0) return seconds;
  const fraction = (ns % NS_PER_SECOND).toString().padStart(9, '0').slice(0, fractionDigits);
  return `${seconds}.${fraction}`;
}

const TIME_TEXT = /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,9}))?)?)?$/;

/**
 * Parses `YYYY-MM-DD[ HH:MM[:SS[.fraction]]]` as a moment in a zone.
 * @returns nanoseconds since 1970; undefined when it is no such time. A time that a clock change skips or repeats
 * means the earlier of the two readings.
 */
export function parseTime(text: string, zone: string): bigint | undefined {
  const match = TIME_TEXT.exec(text.trim());
  if (!match) return undefined;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = ''] = match;
  const asUtcMs = Date.UTC(+year!, +month! - 1, +day!, +hour, +minute, +second);
  const check = new Date(asUtcMs);
  const isReal =
    // Date.UTC takes the years 0 to 99 for 1900 to 1999.
    check.getUTCFullYear() === +year! &&
    check.getUTCMonth() === +month! - 1 &&
    check.getUTCDate() === +day! &&
    +hour < 24 &&
    +minute < 60 &&
    +second < 60;
  if (!isReal) return undefined;
  // The offsets a day before and after are those on the two sides of a clock change. Both readings hold for a repeated
  // time, neither for a skipped one: then the earlier is meant. Otherwise exactly one shows the same local time again.
  const readings = [asUtcMs - MS_PER_DAY, asUtcMs + MS_PER_DAY].map(
    (nearMs) => asUtcMs - offsetMinutes(zone, nearMs) * MS_PER_MINUTE,
  );
  const fitting = readings.filter((ms) => ms + offsetMinutes(zone, ms) * MS_PER_MINUTE === asUtcMs);
  const epochMs = Math.min(...(fitting.length > 0 ? fitting : readings));
  if (epochMs < 0) return undefined;
  return BigInt(epochMs) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}
