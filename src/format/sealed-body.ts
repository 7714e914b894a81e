// The body of an object that is read and written as a whole (index, page map), behind its header:
//   encrypted: body under AES-256-GCM with the header as associated data, tag 16 bytes
//   plain:     body, SHA-256 of header and body 32 bytes
import { createCipheriv, createDecipheriv, createHash, type KeyObject } from 'node:crypto';
import { runAtOnce, type Slices } from '../base/in-turns.ts';
import { MIB } from '../base/limits.ts';

const TAG_BYTES = 16;
const SHA256_BYTES = 32;
/** Hashed or enciphered at once: a millisecond, and more would only hold the body in memory once more. */
const STEP_BYTES = 1 * MIB;
/** The key's nonce may be constant because each encoding draws a new salt and so a new key. */
const NONCE = Buffer.alloc(12);

function* hashSlices(bytes: Buffer): Slices<Buffer> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += STEP_BYTES) {
    hash.update(bytes.subarray(at, at + STEP_BYTES));
    yield;
  }
  return hash.digest();
}

/** Bytes behind the body. */
export function endBytes(isEncrypted: boolean): number {
  return isEncrypted ? TAG_BYTES : SHA256_BYTES;
}

/**
 * Closes an object in place.
 * @param object header, plain body, and room for the end
 * @param key used for this object only; null leaves the body plain
 */
export function sealBody(object: Buffer, headerBytes: number, key: KeyObject | null): void {
  runAtOnce(sealSlices(object, headerBytes, key));
}

/** `sealBody` in slices. */
export function* sealSlices(object: Buffer, headerBytes: number, key: KeyObject | null): Slices<void> {
  const bodyEnd = object.length - endBytes(key !== null);
  if (key === null) {
    (yield* hashSlices(object.subarray(0, bodyEnd))).copy(object, bodyEnd);
    return;
  }
  const cipher = createCipheriv('aes-256-gcm', key, NONCE).setAAD(object.subarray(0, headerBytes));
  for (let at = headerBytes; at < bodyEnd; at += STEP_BYTES) {
    cipher.update(object.subarray(at, Math.min(at + STEP_BYTES, bodyEnd))).copy(object, at);
    yield;
  }
  cipher.final();
  cipher.getAuthTag().copy(object, bodyEnd);
}

/** @returns the plain body, not a view of `object` when it was encrypted; undefined when hash or tag do not match */
export function openBody(object: Buffer, headerBytes: number, key: KeyObject | null): Buffer | undefined {
  return runAtOnce(openSlices(object, headerBytes, key));
}

/** `openBody` in slices. */
export function* openSlices(object: Buffer, headerBytes: number, key: KeyObject | null): Slices<Buffer | undefined> {
  const bodyEnd = object.length - endBytes(key !== null);
  const sealed = object.subarray(headerBytes, bodyEnd);
  const end = object.subarray(bodyEnd);
  if (key === null) return (yield* hashSlices(object.subarray(0, bodyEnd))).equals(end) ? sealed : undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, NONCE, { authTagLength: TAG_BYTES });
  decipher.setAAD(object.subarray(0, headerBytes)).setAuthTag(end);
  const body = Buffer.allocUnsafeSlow(sealed.length);
  for (let at = 0; at < sealed.length; at += STEP_BYTES) {
    decipher.update(sealed.subarray(at, at + STEP_BYTES)).copy(body, at);
    yield;
  }
  try {
    decipher.final();
    return body;
  } catch {
    return undefined;
  }
}
