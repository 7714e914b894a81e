// When a cron expression is due, in a time zone. Pure; the expression is read by the library.
import { Cron } from 'croner';
import { fail } from '../base/errors.ts';

const NS_PER_MS = 1_000_000n;
const OFFSET = /^([+-])(\d{1,2}):(\d{2})$/;
/** Longer texts are no expression anybody wrote. */
const CRON_CHARS_MAX = 256;

/** The library takes a name of a zone, or minutes east of Greenwich. */
function zoneOption(zone: string): { timezone: string } | { utcOffset: number } {
  const offset = OFFSET.exec(zone);
  if (!offset) return { timezone: zone };
  const minutes = Number(offset[2]) * 60 + Number(offset[3]);
  return { utcOffset: offset[1] === '-' ? -minutes : minutes };
}

/**
 * The first moment behind `afterNs` at which an expression is due: five fields (minute, hour, day of month, month, day of
 * week), or a nickname such as @daily. A time that a clock change skips means the moment of the change, one that it repeats the first.
 * @param zone an offset (`+08:00`) or an IANA name
 * @throws INVALID_ARGUMENT (4002) for a text that is no expression, or is never due
 */
export function nextDueNs(cron: string, zone: string, afterNs: bigint): bigint {
  const wrong = (because: string) => fail('INVALID_ARGUMENT', { what: `CRON '${cron}': ${because}` });
  if (cron.length > CRON_CHARS_MAX) throw wrong(`longer than ${CRON_CHARS_MAX} characters`);
  let next: Date | null;
  try {
    const expression = new Cron(cron, { paused: true, mode: '5-part', ...zoneOption(zone) });
    next = expression.nextRun(new Date(Number(afterNs / NS_PER_MS)));
  } catch (error) {
    throw wrong(error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error));
  }
  if (!next) throw wrong('it is never due');
  return BigInt(next.getTime()) * NS_PER_MS;
}
