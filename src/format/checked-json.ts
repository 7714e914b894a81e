// Checked JSON: small descriptive files of a destination. A magic line, one line of canonical JSON, a checksum line;
// a kind that is authenticated has a MAC line before the checksum.
//   holdfast <kind> <version>\n  <canonical json>\n  [hmac-sha256 <64 hex | none>\n]  sha256 <64 hex>\n
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { AssertionFailure, assert } from '../base/assert.ts';
import { fail, type HoldfastError } from '../base/errors.ts';
import { type Codec, canonicalText, Malformed } from './json-codec.ts';
import { versionFault } from './version-fault.ts';

export interface CheckedJsonKind<T> {
  /** Word in the magic line, for example `set-manifest`. */
  kind: string;
  version: number;
  codec: Codec<T>;
  /** A reader refuses more before it looks inside. */
  bytesMax: number;
  /** True for kinds with a MAC line. */
  isAuthenticated?: boolean;
}

export interface CheckedJson<T> {
  /** @throws AssertionFailure when the value would not be read back the same */
  encode(value: T, macKey?: Uint8Array): Uint8Array;
  /** @throws BACKUP_DATA_CORRUPT (9010) naming `object` */
  decode(bytes: Uint8Array, object: string): T;
  /** True when the MAC line was made with this key over these very bytes. The bytes must have been decoded before. */
  isAuthentic(bytes: Uint8Array, macKey: Uint8Array): boolean;
}

const CHECKSUM_LINE = /^sha256 ([0-9a-f]{64})\n$/;
const CHECKSUM_LINE_BYTES = 7 + 64 + 1;
const MAC_LINE = /\nhmac-sha256 (none|[0-9a-f]{64})\n$/;

const damaged = (object: string, because: string, cause?: unknown): HoldfastError =>
  fail('BACKUP_DATA_CORRUPT', { object, because }, cause === undefined ? undefined : { cause });

function checksumLine(body: Uint8Array): string {
  return `sha256 ${createHash('sha256').update(body).digest('hex')}\n`;
}

function macOf(text: string, key: Uint8Array): Buffer {
  return createHmac('sha256', key).update(text, 'utf8').digest();
}

/** Splits off and checks the checksum line; returns the lines before it. */
function checkedBody(bytes: Uint8Array, object: string, bytesMax: number): string {
  if (bytes.length > bytesMax) throw damaged(object, `it has ${bytes.length} bytes, more than ${bytesMax}`);
  if (bytes.length < CHECKSUM_LINE_BYTES) throw damaged(object, 'it is too short');
  const body = bytes.subarray(0, bytes.length - CHECKSUM_LINE_BYTES);
  const given = Buffer.from(bytes.subarray(body.length)).toString('latin1');
  if (!CHECKSUM_LINE.test(given)) throw damaged(object, 'it does not end with a checksum');
  if (checksumLine(body) !== given) throw damaged(object, 'its checksum does not match');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch (cause) {
    throw damaged(object, 'it is not UTF-8', cause);
  }
}

function splitMac(body: string, object: string): { signed: string; mac: string } {
  const match = MAC_LINE.exec(body);
  if (!match) throw damaged(object, 'it has no line for its MAC');
  return { signed: body.slice(0, match.index + 1), mac: match[1]! };
}

/** Declares one kind of checked JSON file. */
export function checkedJson<T>(of: CheckedJsonKind<T>): CheckedJson<T> {
  const magic = `holdfast ${of.kind} ${of.version}\n`;

  function parse(signed: string, object: string): T {
    const [, kind, version] = /^holdfast ([a-z-]{1,40}) (\d{1,9})\n/.exec(signed) ?? [];
    if (kind !== of.kind) throw damaged(object, `it is not a ${of.kind} file`);
    if (version !== String(of.version)) throw damaged(object, versionFault(Number(version), of.version));
    const text = signed.slice(magic.length, -1);
    try {
      const value = of.codec.decode(JSON.parse(text), '');
      // One value, one text: no doubled key or other reading can hide in bytes that we accept.
      if (canonicalText(of.codec.encode(value)) !== text) throw new Malformed('it is not canonical');
      return value;
    } catch (cause) {
      if (!(cause instanceof Malformed || cause instanceof SyntaxError)) throw cause;
      throw damaged(object, cause instanceof Malformed ? cause.message : 'it is not JSON', cause);
    }
  }

  function decode(bytes: Uint8Array, object: string): T {
    const body = checkedBody(bytes, object, of.bytesMax);
    const signed = of.isAuthenticated ? splitMac(body, object).signed : body;
    if (!signed.endsWith('\n')) throw damaged(object, 'its last line is not whole');
    return parse(signed, object);
  }

  return {
    encode(value, macKey) {
      assert(of.isAuthenticated || macKey === undefined, `${of.kind} files carry no MAC`);
      const signed = `${magic}${canonicalText(of.codec.encode(value))}\n`;
      const mac = macKey ? macOf(signed, macKey).toString('hex') : 'none';
      const body = Buffer.from(of.isAuthenticated ? `${signed}hmac-sha256 ${mac}\n` : signed, 'utf8');
      const bytes = new Uint8Array(Buffer.concat([body, Buffer.from(checksumLine(body), 'latin1')]));
      try {
        decode(bytes, `new ${of.kind}`);
      } catch (cause) {
        throw new AssertionFailure(`assertion failed: a ${of.kind} file reads back as it was written: ${cause}`);
      }
      return bytes;
    },
    decode,
    isAuthentic(bytes, macKey) {
      const { signed, mac } = splitMac(checkedBody(bytes, of.kind, of.bytesMax), of.kind);
      return mac !== 'none' && timingSafeEqual(Buffer.from(mac, 'hex'), macOf(signed, macKey));
    },
  };
}
