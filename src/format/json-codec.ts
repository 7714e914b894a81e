// Codecs between typed values and canonical JSON: one declaration checks strictly when read and renders when written.
// Keys are sorted, no field is optional, unknown fields are refused: one value has exactly one text.
import { type Scn, toScn } from '../model/scn.ts';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Both directions of one kind of value. `at` is the path of the field, for the error. */
export interface Codec<T> {
  encode(value: T): Json;
  /** @throws Malformed when it is not exactly such a value */
  decode(json: unknown, at: string): T;
}

/** Untrusted bytes were not what they should be; the file's decoder turns it into an error that names the object. */
export class Malformed extends Error {
  override readonly name = 'Malformed';
}

function reject(at: string, expected: string): never {
  throw new Malformed(`${at || 'it'} is not ${expected}`);
}

/** Half of a UTF-16 pair: it has no UTF-8 form of its own. */
const LONE_SURROGATE = /\p{Surrogate}/u;
const DECIMAL = /^(?:0|[1-9]\d{0,19})$/;
const UINT64_MAX = (1n << 64n) - 1n;

/** Text of at most so many UTF-16 units. */
export function text(charsMax: number): Codec<string> {
  return {
    encode: (value) => value,
    decode: (json, at) =>
      typeof json === 'string' && json.length <= charsMax && !LONE_SURROGATE.test(json)
        ? json
        : reject(at, `a text of at most ${charsMax} characters`),
  };
}

/** Text of a fixed shape. */
export function textLike(pattern: RegExp, expected: string): Codec<string> {
  return {
    encode: (value) => value,
    decode: (json, at) => (typeof json === 'string' && pattern.test(json) ? json : reject(at, expected)),
  };
}

export function integer(least: number, most: number): Codec<number> {
  return {
    encode: (value) => value,
    decode: (json, at) =>
      typeof json === 'number' && Number.isSafeInteger(json) && json >= least && json <= most && !Object.is(json, -0)
        ? json
        : reject(at, `a whole number from ${least} to ${most}`),
  };
}

export const flag: Codec<boolean> = {
  encode: (value) => value,
  decode: (json, at) => (typeof json === 'boolean' ? json : reject(at, 'true or false')),
};

/** Unsigned 64-bit number as decimal text: JSON readers elsewhere would round it. */
export const uint64: Codec<bigint> = {
  encode: (value) => value.toString(),
  decode(json, at) {
    if (typeof json !== 'string' || !DECIMAL.test(json)) return reject(at, 'a decimal number as text');
    const value = BigInt(json);
    return value <= UINT64_MAX ? value : reject(at, 'a 64-bit number');
  },
};

export const scn: Codec<Scn> = {
  encode: (value) => value.toString(),
  decode: (json, at) => toScn(uint64.decode(json, at)),
};

/** Bytes of a fixed length as lower-case hex. */
export function hex(lengthBytes: number): Codec<Uint8Array> {
  const pattern = new RegExp(`^[0-9a-f]{${lengthBytes * 2}}$`);
  return {
    encode: (value) => Buffer.from(value).toString('hex'),
    decode: (json, at) =>
      typeof json === 'string' && pattern.test(json)
        ? new Uint8Array(Buffer.from(json, 'hex'))
        : reject(at, `${lengthBytes} bytes in hex`),
  };
}

export function oneOf<const T extends string>(...values: T[]): Codec<T> {
  return {
    encode: (value) => value,
    decode: (json, at) => values.find((value) => value === json) ?? reject(at, `one of ${values.join(', ')}`),
  };
}

export function nullable<T>(codec: Codec<T>): Codec<T | null> {
  return {
    encode: (value) => (value === null ? null : codec.encode(value)),
    decode: (json, at) => (json === null ? null : codec.decode(json, at)),
  };
}

export function list<T>(codec: Codec<T>, countMax: number): Codec<T[]> {
  return {
    encode: (values) => values.map((value) => codec.encode(value)),
    decode: (json, at) =>
      Array.isArray(json) && json.length <= countMax
        ? json.map((value, index) => codec.decode(value, `${at}[${index}]`))
        : reject(at, `a list of at most ${countMax}`),
  };
}

/** An object with exactly these fields. */
export function record<T extends object>(fields: { [K in keyof T]: Codec<T[K]> }): Codec<T> {
  const names = Object.keys(fields) as Array<keyof T & string>;
  return {
    encode: (value) => Object.fromEntries(names.map((name) => [name, fields[name].encode(value[name])])),
    decode(json, at) {
      if (typeof json !== 'object' || json === null || Array.isArray(json)) return reject(at, 'an object');
      const given = Object.keys(json);
      const stray = given.find((name) => !Object.hasOwn(fields, name));
      if (stray !== undefined) return reject(at, `without the field ${stray.slice(0, 40)}`);
      const missing = names.find((name) => !Object.hasOwn(json, name));
      if (missing !== undefined) return reject(at, `complete: ${missing} is missing`);
      const source = json as Record<string, unknown>;
      const pairs = names.map((name) => [name, fields[name].decode(source[name], at ? `${at}.${name}` : name)]);
      return Object.fromEntries(pairs) as T;
    },
  };
}

/** The one text of a JSON value: keys sorted, no blanks. */
export function canonicalText(json: Json): string {
  if (Array.isArray(json)) return `[${json.map(canonicalText).join(',')}]`;
  if (typeof json === 'object' && json !== null) {
    const pairs = Object.keys(json)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${canonicalText(json[key]!)}`);
    return `{${pairs.join(',')}}`;
  }
  return JSON.stringify(json);
}
