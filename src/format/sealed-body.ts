// The body of an object that is read and written as a whole (index, page map), behind its header:
//   encrypted: body under AES-256-GCM with the header as associated data, tag 16 bytes
//   plain:     body, SHA-256 of header and body 32 bytes
import { createCipheriv, createDecipheriv, createHash, type KeyObject } from 'node:crypto';
import { MIB } from '../base/limits.ts';

const TAG_BYTES = 16;
const SHA256_BYTES = 32;
/** A cipher's input at once: more would only hold the body in memory once more. */
const STEP_BYTES = 1 * MIB;
/** The key's nonce may be constant because each encoding draws a new salt and so a new key. */
const NONCE = Buffer.alloc(12);

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
  const bodyEnd = object.length - endBytes(key !== null);
  if (key === null) {
    createHash('sha256').update(object.subarray(0, bodyEnd)).digest().copy(object, bodyEnd);
    return;
  }
  const cipher = createCipheriv('aes-256-gcm', key, NONCE).setAAD(object.subarray(0, headerBytes));
  for (let at = headerBytes; at < bodyEnd; at += STEP_BYTES)
    cipher.update(object.subarray(at, Math.min(at + STEP_BYTES, bodyEnd))).copy(object, at);
  cipher.final();
  cipher.getAuthTag().copy(object, bodyEnd);
}

/** @returns the plain body, not a view of `object` when it was encrypted; undefined when hash or tag do not match */
export function openBody(object: Buffer, headerBytes: number, key: KeyObject | null): Buffer | undefined {
  const bodyEnd = object.length - endBytes(key !== null);
  const sealed = object.subarray(headerBytes, bodyEnd);
  const end = object.subarray(bodyEnd);
  if (key === null)
    return createHash('sha256').update(object.subarray(0, bodyEnd)).digest().equals(end) ? sealed : undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, NONCE, { authTagLength: TAG_BYTES });
  decipher.setAAD(object.subarray(0, headerBytes)).setAuthTag(end);
  const body = decipher.update(sealed);
  try {
    decipher.final();
    return body;
  } catch {
    return undefined;
  }
}
