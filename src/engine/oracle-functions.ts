// The functions that only Oracle's clients call, beside those that MySQL has as well.
import type { SqlValue } from '../model/result.ts';
import type { SqlFunction } from './mysql-functions.ts';
import { addInterval, formatNaive, parseNaive } from './mysql-time.ts';
import type { SessionFacts } from './session-facts.ts';

const SECONDS_PER_DAY = 86_400;

/** What SYS_CONTEXT tells of the session; null for what there is not. */
const USERENV: Record<string, (facts: SessionFacts) => SqlValue> = {
  CURRENT_SCHEMA: ({ database }) => database,
  CURRENT_USER: ({ user }) => user,
  HOST: ({ host }) => host,
  IP_ADDRESS: ({ host }) => host,
  LANGUAGE: () => 'AMERICAN_AMERICA.AL32UTF8',
  SESSION_SCHEMA: ({ database }) => database,
  SESSION_USER: ({ user }) => user,
  SESSIONID: ({ connectionId }) => String(connectionId),
  SID: ({ connectionId }) => String(connectionId),
};

function sysContext([namespace, parameter]: SqlValue[], facts: SessionFacts): SqlValue {
  const name = String(parameter).toUpperCase();
  const isKnown = String(namespace).toUpperCase() === 'USERENV' && Object.hasOwn(USERENV, name);
  return isKnown ? USERENV[name]!(facts) : null;
}

/** A moment so many days later; days may be broken. */
function addDays([moment, days]: SqlValue[]): SqlValue {
  const time = parseNaive(String(moment));
  if (!time || moment === null || days === null) return null;
  const moved = addInterval(time, Number(days) * SECONDS_PER_DAY, 'SECOND');
  return moved ? formatNaive({ ...moved, hasTime: true }) : null;
}

/** How many characters of `YYYY-MM-DD HH24:MI:SS` a unit keeps, and what follows them. */
const TRUNCATED: [RegExp, number, string][] = [
  [/^(YYYY|YEAR|YY|SYYYY)$/, 4, '-01-01 00:00:00'],
  [/^(MM|MON|MONTH|RM)$/, 7, '-01 00:00:00'],
  [/^(DD|DDD|J)$/, 10, ' 00:00:00'],
  [/^HH(12|24)?$/, 13, ':00:00'],
  [/^MI$/, 16, ':00'],
];

/** TRUNC of a moment to its day or another unit, or of a number to its digits. */
function truncate([value = null, by = null]: SqlValue[]): SqlValue {
  const time = typeof value === 'string' ? parseNaive(value) : undefined;
  if (time) {
    const unit = String(by ?? 'DD').toUpperCase();
    const rule = TRUNCATED.find(([pattern]) => pattern.test(unit));
    const text = formatNaive({ ...time, hasTime: true });
    return rule && text ? text.slice(0, rule[1]) + rule[2] : null;
  }
  if (value === null || (typeof value === 'bigint' && by === null)) return value;
  const scale = 10 ** Number(by ?? 0);
  return Math.trunc(Number(value) * scale) / scale;
}

export const ORACLE_FUNCTIONS: Record<string, SqlFunction> = {
  add_days: { min: 2, max: 2, call: addDays },
  // USER of a mysql tenant tells the host as well.
  oracle_user: { min: 0, max: 0, call: (_args, facts) => facts.user },
  oracle_trunc: { min: 1, max: 2, call: truncate },
  sys_context: { min: 2, max: 3, call: sysContext },
};
