// The arithmetic of both password plugins: scrambles, and checks against stored hashes in constant time. Pure.
// Source: MySQL documentation, "Native Authentication" and "Caching SHA-2 Pluggable Authentication".
import { createHash, timingSafeEqual } from 'node:crypto';
import { type AuthPlugin, NATIVE_PLUGIN, SCRAMBLE_BYTES, SHA2_PLUGIN } from './constants.ts';

const SHA1_BYTES = 20;
const SHA256_BYTES = 32;

/** Length of a proof of each plugin, for a password that is not empty. */
export const PROOF_BYTES: Record<AuthPlugin, number> = { [NATIVE_PLUGIN]: SHA1_BYTES, [SHA2_PLUGIN]: SHA256_BYTES };

function hash(name: 'sha1' | 'sha256', ...parts: Uint8Array[]): Buffer {
  const digest = createHash(name);
  for (const part of parts) digest.update(part);
  return digest.digest();
}

function xor(left: Uint8Array, right: Uint8Array): Buffer {
  const result = Buffer.alloc(left.length);
  for (let i = 0; i < left.length; i++) result[i] = (left[i] ?? 0) ^ (right[i % right.length] ?? 0);
  return result;
}

/** Equal bytes, in a time that depends on the lengths only. */
function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}

/** SHA1(SHA1(password)): what mysql_native_password is checked against. */
export function nativeHashOf(password: Uint8Array): Buffer {
  return hash('sha1', hash('sha1', password));
}

/** SHA256(SHA256(password)): what the fast path of caching_sha2_password is checked against. */
export function sha2HashOf(password: Uint8Array): Buffer {
  return hash('sha256', hash('sha256', password));
}

/** What a client sends for mysql_native_password. */
export function nativeProof(password: Uint8Array, scramble: Uint8Array): Buffer {
  const first = hash('sha1', password);
  return xor(first, hash('sha1', scramble, hash('sha1', first)));
}

/** What a client sends for the fast path of caching_sha2_password. */
export function sha2Proof(password: Uint8Array, scramble: Uint8Array): Buffer {
  const first = hash('sha256', password);
  return xor(first, hash('sha256', hash('sha256', first), scramble));
}

/**
 * Checks a proof against the stored double hash. A hash of the wrong length (an empty password, or one stored for the
 * other plugin only) goes through the same motions and fails.
 */
export function isProofRight(
  plugin: AuthPlugin,
  facts: { proof: Uint8Array; scramble: Uint8Array; storedHash: Uint8Array },
): boolean {
  const [name, hashBytes] =
    plugin === NATIVE_PLUGIN ? (['sha1', SHA1_BYTES] as const) : (['sha256', SHA256_BYTES] as const);
  if (facts.proof.length !== hashBytes) return false;
  const stored = facts.storedHash.length === hashBytes ? facts.storedHash : new Uint8Array(hashBytes);
  const mask = plugin === NATIVE_PLUGIN ? hash(name, facts.scramble, stored) : hash(name, stored, facts.scramble);
  const isRight = isEqual(hash(name, xor(facts.proof, mask)), stored);
  return isRight && facts.storedHash.length === hashBytes;
}

/** Checks a password that came in clear; the stronger hash decides, the native one only when it is all there is. */
export function isPasswordRight(
  password: Uint8Array,
  stored: { nativeHash: Uint8Array; sha2Hash: Uint8Array },
): boolean {
  const sha2Right = isEqual(sha2HashOf(password), stored.sha2Hash);
  const nativeRight = isEqual(nativeHashOf(password), stored.nativeHash);
  return stored.sha2Hash.length > 0 ? sha2Right : nativeRight;
}

/** Undoes the XOR with the scramble under the RSA encryption of a password (and, being its own inverse, does it). */
export function maskPassword(password: Uint8Array, scramble: Uint8Array): Buffer {
  return xor(password, scramble);
}

/**
 * Makes a scramble of random bytes: seven bits each, never zero and never `$`, because clients handle it as C text.
 * @param random at least 20 bytes from a cryptographic source
 */
export function scrambleFrom(random: Uint8Array): Buffer {
  const scramble = Buffer.alloc(SCRAMBLE_BYTES);
  for (let i = 0; i < SCRAMBLE_BYTES; i++) {
    const byte = (random[i] ?? 0) & 0x7f;
    scramble[i] = byte === 0 || byte === 0x24 ? byte + 1 : byte;
  }
  return scramble;
}
