// The functions of MySQL (and a few of Oracle) that ordinary clients use and SQLite lacks, for every connection that
// runs a client's SQL: tenants' engine hosts and the host of the system views. They are direct-only: nothing in a
// database's schema may depend on them.

import { createHash, randomInt, randomUUID } from 'node:crypto';

import { MIB } from '../base/limits.ts';
import type { DatabaseSync } from '../base/sqlite.ts';
import type { SqlValue } from '../model/result.ts';
import { TIME_FUNCTIONS } from './mysql-time-functions.ts';
import { ORACLE_FUNCTIONS } from './oracle-functions.ts';
import type { SessionFacts } from './session-facts.ts';

/** Longest text that LPAD, REPEAT and the like make: more is a mistake, and would only fill memory. */
const MADE_TEXT_CHARS_MAX = 16 * MIB;

/** Longest pattern of REGEXP: clients write short ones. */
const PATTERN_CHARS_MAX = 4096;

/** Longest SLEEP: tests and probes need seconds; a killed connection ends it anyway. */
const SLEEP_MS_MAX = 3_600_000;
const SLEEP_STEP_MS = 1000;

/** One function: how many arguments it takes, and what it answers. */
export interface SqlFunction {
  min: number;
  max: number;
  call: (args: SqlValue[], facts: SessionFacts) => SqlValue;
}

const MANY = 127;
const decoder = new TextDecoder();

/** The text of a value, as CONCAT and LENGTH see it. */
export function textOf(value: SqlValue | undefined): string {
  if (value === null || value === undefined) return '';
  return value instanceof Uint8Array ? decoder.decode(value) : String(value);
}

/** The number of a value: leading digits of a text, 0 otherwise. */
function numberOf(value: SqlValue | undefined): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  const number = Number.parseFloat(textOf(value));
  return Number.isNaN(number) ? 0 : number;
}

const isTrue = (value: SqlValue | undefined) => value !== null && value !== undefined && numberOf(value) !== 0;

/** A function that answers NULL when any argument is NULL. */
export const strict = (min: number, max: number, call: SqlFunction['call']): SqlFunction => ({
  min,
  max,
  call: (args, facts) => (args.includes(null) ? null : call(args, facts)),
});
const free = (min: number, max: number, call: SqlFunction['call']): SqlFunction => ({ min, max, call });
const about = (call: (facts: SessionFacts) => SqlValue): SqlFunction => free(0, 0, (_args, facts) => call(facts));

function repeat(text: string, count: number): string {
  if (text.length * count > MADE_TEXT_CHARS_MAX) throw new Error(`the result is longer than ${MADE_TEXT_CHARS_MAX}`);
  return text.repeat(Math.max(0, count));
}

function pad(args: SqlValue[], isLeft: boolean): SqlValue {
  const characters = [...textOf(args[0])];
  const length = Math.trunc(numberOf(args[1]));
  const filler = args.length > 2 ? textOf(args[2]) : ' ';
  if (length < 0) return null;
  if (length <= characters.length) return characters.slice(0, length).join('');
  if (filler === '') return '';
  const missing = length - characters.length;
  const fill = [...repeat(filler, Math.ceil(missing / [...filler].length))].slice(0, missing).join('');
  return isLeft ? fill + characters.join('') : characters.join('') + fill;
}

/** Order of two values as MySQL compares them: as numbers when both are, else as text. */
function compare(a: SqlValue, b: SqlValue): number {
  const areNumbers = [a, b].every((value) => typeof value === 'bigint' || typeof value === 'number');
  const [x, y] = areNumbers ? [a as number, b as number] : [textOf(a), textOf(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

function decode(args: SqlValue[]): SqlValue {
  for (let i = 1; i + 1 < args.length; i += 2) {
    const isSame = args[i] === null || args[0] === null ? args[i] === args[0] : compare(args[0]!, args[i]!) === 0;
    if (isSame) return args[i + 1]!;
  }
  return args.length % 2 === 0 ? args.at(-1)! : null;
}

function sleep(seconds: number): bigint {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  let leftMs = Math.min(Math.max(0, seconds * 1000), SLEEP_MS_MAX);
  while (leftMs > 0) {
    Atomics.wait(cell, 0, 0, Math.min(leftMs, SLEEP_STEP_MS));
    leftMs -= SLEEP_STEP_MS;
  }
  return 0n;
}

function digest(algorithm: string, value: SqlValue): string {
  return createHash(algorithm)
    .update(value instanceof Uint8Array ? value : textOf(value))
    .digest('hex');
}

function sha2(args: SqlValue[]): SqlValue {
  const bits = numberOf(args[1]) || 256;
  return [224, 256, 384, 512].includes(bits) ? digest(`sha${bits}`, args[0]!) : null;
}

const expressions = new Map<string, RegExp>();
const EXPRESSIONS_KEPT_MAX = 64;

function matches(pattern: string, value: string): bigint {
  if (pattern.length > PATTERN_CHARS_MAX) throw new Error(`a pattern has at most ${PATTERN_CHARS_MAX} characters`);
  let expression = expressions.get(pattern);
  if (!expression) {
    if (expressions.size >= EXPRESSIONS_KEPT_MAX) expressions.clear();
    expression = new RegExp(pattern, 'isu');
    expressions.set(pattern, expression);
  }
  return expression.test(value) ? 1n : 0n;
}

function formatNumber(args: SqlValue[]): string {
  const digits = Math.min(30, Math.max(0, Math.trunc(numberOf(args[1]))));
  const value = typeof args[0] === 'bigint' ? args[0] : numberOf(args[0]);
  return new Intl.NumberFormat('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

function truncate(args: SqlValue[]): SqlValue {
  const digits = Math.trunc(numberOf(args[1]));
  if (typeof args[0] === 'bigint' && digits >= 0) return args[0];
  const scale = 10 ** digits;
  return Math.trunc(numberOf(args[0]) * scale) / scale;
}

function substringIndex(args: SqlValue[]): string {
  const [text, mark, count] = [textOf(args[0]), textOf(args[1]), Math.trunc(numberOf(args[2]))];
  if (mark === '' || count === 0) return '';
  const pieces = text.split(mark);
  return (count > 0 ? pieces.slice(0, count) : pieces.slice(count)).join(mark);
}

function substring(args: SqlValue[]): string {
  const characters = [...textOf(args[0])];
  const from = Math.trunc(numberOf(args[1]));
  if (from === 0 || Math.abs(from) > characters.length) return '';
  const start = from > 0 ? from - 1 : characters.length + from;
  const length = args.length > 2 ? Math.max(0, Math.trunc(numberOf(args[2]))) : characters.length;
  return characters.slice(start, start + length).join('');
}

function locate(args: SqlValue[]): bigint {
  const from = Math.max(1, args.length > 2 ? Math.trunc(numberOf(args[2])) : 1);
  return BigInt(
    textOf(args[1])
      .toLowerCase()
      .indexOf(textOf(args[0]).toLowerCase(), from - 1) + 1,
  );
}

const placeOf = (needle: string, list: string[]) => BigInt(list.findIndex((one) => one.toLowerCase() === needle) + 1);

const TEXT_FUNCTIONS: Record<string, SqlFunction> = {
  concat: strict(1, MANY, (args) => args.map(textOf).join('')),
  concat_ws: free(2, MANY, ([mark, ...rest]) =>
    mark === null
      ? null
      : rest
          .filter((one) => one !== null)
          .map(textOf)
          .join(textOf(mark)),
  ),
  left: strict(2, 2, (args) => [...textOf(args[0])].slice(0, Math.max(0, Math.trunc(numberOf(args[1])))).join('')),
  right: strict(2, 2, (args) => {
    const count = Math.trunc(numberOf(args[1]));
    return count <= 0 ? '' : [...textOf(args[0])].slice(-count).join('');
  }),
  lpad: strict(2, 3, (args) => pad(args, true)),
  rpad: strict(2, 3, (args) => pad(args, false)),
  repeat: strict(2, 2, (args) => repeat(textOf(args[0]), Math.trunc(numberOf(args[1])))),
  space: strict(1, 1, (args) => repeat(' ', Math.trunc(numberOf(args[0])))),
  reverse: strict(1, 1, (args) => [...textOf(args[0])].reverse().join('')),
  mid: strict(2, 3, substring),
  substring_index: strict(3, 3, substringIndex),
  char_length: strict(1, 1, (args) => BigInt([...textOf(args[0])].length)),
  character_length: strict(1, 1, (args) => BigInt([...textOf(args[0])].length)),
  length: strict(1, 1, ([value]) =>
    BigInt(value instanceof Uint8Array ? value.length : Buffer.byteLength(textOf(value))),
  ),
  locate: strict(2, 3, locate),
  find_in_set: strict(2, 2, (args) => placeOf(textOf(args[0]).toLowerCase(), textOf(args[1]).split(','))),
  field: free(2, MANY, ([needle, ...list]) =>
    needle === null ? 0n : placeOf(textOf(needle).toLowerCase(), list.map(textOf)),
  ),
  elt: free(2, MANY, ([place, ...list]) => list[Math.trunc(numberOf(place)) - 1] ?? null),
  strcmp: strict(2, 2, (args) => BigInt(compare(textOf(args[0]), textOf(args[1])))),
  lcase: strict(1, 1, (args) => textOf(args[0]).toLowerCase()),
  ucase: strict(1, 1, (args) => textOf(args[0]).toUpperCase()),
  ascii: strict(1, 1, (args) => BigInt(Buffer.from(textOf(args[0]))[0] ?? 0)),
  md5: strict(1, 1, (args) => digest('md5', args[0]!)),
  sha: strict(1, 1, (args) => digest('sha1', args[0]!)),
  sha1: strict(1, 1, (args) => digest('sha1', args[0]!)),
  sha2: strict(2, 2, sha2),
  regexp: strict(2, 2, (args) => matches(textOf(args[0]), textOf(args[1]))),
  regexp_like: strict(2, 3, (args) => matches(textOf(args[1]), textOf(args[0]))),
  uuid: free(0, 0, () => randomUUID()),
  format: strict(2, 3, formatNumber),
};

const VALUE_FUNCTIONS: Record<string, SqlFunction> = {
  if: free(3, 3, (args) => (isTrue(args[0]) ? args[1]! : args[2]!)),
  // `ISNULL` itself is an operator of SQLite; the text is changed to this name before SQLite sees it.
  is_null: free(1, 1, (args) => (args[0] === null ? 1n : 0n)),
  nvl: free(2, 2, (args) => args[0] ?? args[1]!),
  nvl2: free(3, 3, (args) => (args[0] === null ? args[2]! : args[1]!)),
  decode: free(3, MANY, decode),
  greatest: strict(2, MANY, (args) => args.reduce((best, one) => (compare(one, best) > 0 ? one : best))),
  least: strict(2, MANY, (args) => args.reduce((best, one) => (compare(one, best) < 0 ? one : best))),
  truncate: strict(2, 2, truncate),
  to_number: strict(1, 1, (args) => numberOf(args[0])),
  rand: free(0, 1, () => randomInt(2 ** 47) / 2 ** 47),
  sleep: strict(1, 1, (args) => sleep(numberOf(args[0]))),
};

const SESSION_FUNCTIONS: Record<string, SqlFunction> = {
  version: about((facts) => facts.version),
  database: about((facts) => facts.database),
  schema: about((facts) => facts.database),
  user: about((facts) => `${facts.user}@${facts.host}`),
  session_user: about((facts) => `${facts.user}@${facts.host}`),
  system_user: about((facts) => `${facts.user}@${facts.host}`),
  current_user: about((facts) => `${facts.user}@%`),
  connection_id: about((facts) => BigInt(facts.connectionId)),
  last_insert_id: free(0, 1, (args, facts) => (args.length > 0 ? args[0]! : facts.lastInsertId)),
  row_count: about((facts) => facts.rowCount),
  found_rows: about((facts) => facts.foundRows),
};

/** Every function by its lower-case name. */
export const MYSQL_FUNCTIONS: Record<string, SqlFunction> = {
  ...TEXT_FUNCTIONS,
  ...VALUE_FUNCTIONS,
  ...SESSION_FUNCTIONS,
  ...TIME_FUNCTIONS,
  ...ORACLE_FUNCTIONS,
};

/**
 * Makes the functions known to a connection.
 * @param facts asked at each call: what the running session knows
 * @param overridesBuiltIns also replaces SQLite's own functions of the same name (`concat`, `length`, `format`, …) by
 * MySQL's; never on a tenant's database, whose views and indexes may use SQLite's
 */
export function registerMysqlFunctions(
  db: DatabaseSync,
  { facts, overridesBuiltIns }: { facts: () => SessionFacts; overridesBuiltIns: boolean },
): void {
  const builtIns = new Set(
    (db.prepare('SELECT DISTINCT name AS name FROM pragma_function_list').all() as ({ name: string } | [string])[]).map(
      (row) => (Array.isArray(row) ? row[0] : row.name),
    ),
  );
  for (const [name, definition] of Object.entries(MYSQL_FUNCTIONS)) {
    if (builtIns.has(name) && !overridesBuiltIns) continue;
    const { min, max, call } = definition;
    db.function(name, { directOnly: true, varargs: true, useBigIntArguments: true }, (...args: SqlValue[]) => {
      if (args.length < min || args.length > max) throw new Error(`wrong number of arguments to function ${name}()`);
      return call(args, facts());
    });
  }
}
