// Key slot: the data key of a set, wrapped under a password. scrypt makes the wrapping key, AES-256-GCM wraps and binds version and set.
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import { MIB } from '../base/limits.ts';
import { id, uuid } from './fact-codecs.ts';
import { type Codec, hex, integer, Malformed, oneOf } from './json-codec.ts';
import { DATA_KEY_BYTES, lengthPrefixed } from './object-key.ts';
import { KEY_SLOT_VERSION, slotText } from './slot-text.ts';

export const SALT_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Half a second and 128 MiB on a 2020s server: the recommended floor for scrypt. */
export const SCRYPT_DEFAULT = { n: 2 ** 17, r: 8, p: 1 } as const;
/** Bounds of what a reader accepts: above them a slot is an attack on memory or time, below them a downgrade. */
const SCRYPT_N_MIN = 2 ** 15;
const SCRYPT_N_MAX = 2 ** 20;
const SCRYPT_R_MIN = 8;
const SCRYPT_R_MAX = 16;
const SCRYPT_P_MAX = 4;
/** Least and most of each cost. */
export const SCRYPT_BOUNDS = {
  n: [SCRYPT_N_MIN, SCRYPT_N_MAX],
  r: [SCRYPT_R_MIN, SCRYPT_R_MAX],
  p: [1, SCRYPT_P_MAX],
} as const;

export interface ScryptCost {
  n: number;
  r: number;
  p: number;
}

/** A key made from a password; wraps the data keys of any number of sets. */
export interface PasswordKey {
  salt: Uint8Array;
  cost: ScryptCost;
  key: Uint8Array;
}

interface Slot {
  slotVersion: number;
  setUuid: string;
  kdf: 'scrypt';
  n: number;
  r: number;
  p: number;
  salt: Uint8Array;
  nonce: Uint8Array;
  /** Encrypted data key, then the tag. */
  wrapped: Uint8Array;
}

export const powerOfTwo = (least: number, most: number): Codec<number> => ({
  encode: (value) => value,
  decode(json, at) {
    const value = integer(least, most).decode(json, at);
    if (!Number.isInteger(Math.log2(value))) throw new Malformed(`${at} is not a power of two`);
    return value;
  },
});

const slotCodec = slotText<Slot>({
  slotVersion: id,
  setUuid: uuid,
  kdf: oneOf('scrypt'),
  n: powerOfTwo(...SCRYPT_BOUNDS.n),
  r: integer(...SCRYPT_BOUNDS.r),
  p: integer(...SCRYPT_BOUNDS.p),
  salt: hex(SALT_BYTES),
  nonce: hex(NONCE_BYTES),
  wrapped: hex(DATA_KEY_BYTES + TAG_BYTES),
});

// One derivation at a time: each takes 128 MiB or more, and they come in bursts (a restore tries several passwords).
let lastDerivation: Promise<unknown> = Promise.resolve();

/**
 * Makes the wrapping key of a password. Takes about half a second and 128 MiB, off the main thread, one at a time.
 * @param salt 32 bytes; default: random
 */
export function derivePasswordKey(
  password: string,
  salt: Uint8Array = randomBytes(SALT_BYTES),
  cost: ScryptCost = SCRYPT_DEFAULT,
): Promise<PasswordKey> {
  assert(salt.length === SALT_BYTES, `a salt has ${SALT_BYTES} bytes`);
  const { n, r, p } = cost;
  // The same password typed on two systems may be composed differently.
  const secret = Buffer.from(password.normalize('NFC'), 'utf8');
  const maxmem = 128 * r * (n + p) + MIB;
  const derive = () =>
    new Promise<PasswordKey>((resolve, reject) => {
      scrypt(secret, salt, DATA_KEY_BYTES, { N: n, r, p, maxmem }, (error, key) => {
        secret.fill(0);
        if (error) reject(error);
        else resolve({ salt: new Uint8Array(salt), cost: { n, r, p }, key: new Uint8Array(key) });
      });
    });
  const result = lastDerivation.then(derive, derive);
  // The next one waits for the end of this one; its failure is this caller's alone.
  lastDerivation = result.catch(() => {});
  return result;
}

/** Everything of the slot but the wrapped key. */
function associatedData(slot: Omit<Slot, 'wrapped'>): Buffer {
  const { slotVersion, setUuid, kdf, n, r, p, salt, nonce } = slot;
  return lengthPrefixed(['holdfast key slot', slotVersion, setUuid, kdf, n, r, p, salt, nonce]);
}

/** Wraps a set's data key. @returns the slot's text, as it goes into the manifest */
export function wrapDataKey(dataKey: Uint8Array, passwordKey: PasswordKey, setUuid: string): string {
  assert(dataKey.length === DATA_KEY_BYTES, `a data key has ${DATA_KEY_BYTES} bytes`);
  const facts = {
    slotVersion: KEY_SLOT_VERSION,
    setUuid,
    kdf: 'scrypt' as const,
    ...passwordKey.cost,
    salt: passwordKey.salt,
    nonce: new Uint8Array(randomBytes(NONCE_BYTES)),
  };
  const cipher = createCipheriv('aes-256-gcm', passwordKey.key, facts.nonce).setAAD(associatedData(facts));
  const wrapped = new Uint8Array(Buffer.concat([cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]));
  return slotCodec.encode({ ...facts, wrapped });
}

/** What of a slot decides its wrapping key: two slots with equal answers open with one derivation. */
export function keySlotParameters(
  encoded: string,
  options: { setUuid: string; object: string },
): { salt: Uint8Array; cost: ScryptCost } {
  const { salt, n, r, p } = slotCodec.parse(encoded, options.setUuid, options.object);
  return { salt, cost: { n, r, p } };
}

/**
 * Unwraps a set's data key with a password.
 * @param options.object the file that holds the slot, for errors
 * @throws BACKUP_INVALID_PASSWORD (9047) when the slot is whole but this is not its password;
 *         BACKUP_DATA_CORRUPT (9010) when it is damaged, of another set, or asks for refused costs
 */
export async function unwrapDataKey(
  encoded: string,
  password: string,
  options: { setUuid: string; object: string },
): Promise<Uint8Array> {
  const { salt, cost } = keySlotParameters(encoded, options);
  const passwordKey = await derivePasswordKey(password, salt, cost);
  try {
    return unwrapWithPasswordKey(encoded, passwordKey, options);
  } finally {
    passwordKey.key.fill(0);
  }
}

/** As `unwrapDataKey`, with a key that was derived from the password before. */
export function unwrapWithPasswordKey(
  encoded: string,
  passwordKey: PasswordKey,
  options: { setUuid: string; object: string },
): Uint8Array {
  const slot = slotCodec.parse(encoded, options.setUuid, options.object);
  const decipher = createDecipheriv('aes-256-gcm', passwordKey.key, slot.nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(associatedData(slot)).setAuthTag(slot.wrapped.subarray(DATA_KEY_BYTES));
  try {
    const dataKey = Buffer.concat([decipher.update(slot.wrapped.subarray(0, DATA_KEY_BYTES)), decipher.final()]);
    return new Uint8Array(dataKey);
  } catch (cause) {
    throw fail('BACKUP_INVALID_PASSWORD', { why: '' }, { cause });
  }
}
