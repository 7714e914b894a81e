// Goal: only the right password passes, in both plugins, and hashes of the wrong kind never do.
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  isPasswordRight,
  isProofRight,
  maskPassword,
  nativeHashOf,
  nativeProof,
  scrambleFrom,
  sha2HashOf,
  sha2Proof,
} from './auth.ts';
import { NATIVE_PLUGIN, SHA2_PLUGIN } from './constants.ts';

const password = Buffer.from('Geheim ünd läng');
const wrong = Buffer.from('Geheim');
const scramble = scrambleFrom(randomBytes(20));

const plugins = [
  { plugin: NATIVE_PLUGIN, proofOf: nativeProof, hashOf: nativeHashOf, hashBytes: 20 },
  { plugin: SHA2_PLUGIN, proofOf: sha2Proof, hashOf: sha2HashOf, hashBytes: 32 },
] as const;

describe.each(plugins)('$plugin', ({ plugin, proofOf, hashOf, hashBytes }) => {
  const storedHash = hashOf(password);

  test('accepts the proof of the right password', () => {
    expect(isProofRight(plugin, { proof: proofOf(password, scramble), scramble, storedHash })).toBe(true);
  });

  test('refuses another password, another scramble and proofs of another length', () => {
    const other = scrambleFrom(randomBytes(20));
    expect(isProofRight(plugin, { proof: proofOf(wrong, scramble), scramble, storedHash })).toBe(false);
    expect(isProofRight(plugin, { proof: proofOf(password, other), scramble, storedHash })).toBe(false);
    expect(isProofRight(plugin, { proof: new Uint8Array(0), scramble, storedHash })).toBe(false);
    expect(isProofRight(plugin, { proof: new Uint8Array(hashBytes + 1), scramble, storedHash })).toBe(false);
  });

  test('refuses every proof for an account without a hash of this kind', () => {
    const none = new Uint8Array(0);
    for (const proof of [proofOf(password, scramble), proofOf(Buffer.alloc(0), scramble), new Uint8Array(hashBytes)]) {
      expect(isProofRight(plugin, { proof, scramble, storedHash: none })).toBe(false);
    }
  });
});

test('mysql_native_password hashes as PASSWORD() does', () => {
  expect(nativeHashOf(Buffer.from('mypass')).toString('hex').toUpperCase()).toBe(
    '6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4',
  );
});

describe('a password in clear', () => {
  const none = new Uint8Array(0);
  test('is checked against the stronger hash that is stored', () => {
    const both = { nativeHash: nativeHashOf(password), sha2Hash: sha2HashOf(password) };
    expect(isPasswordRight(password, both)).toBe(true);
    expect(isPasswordRight(wrong, both)).toBe(false);
    expect(isPasswordRight(password, { nativeHash: none, sha2Hash: sha2HashOf(password) })).toBe(true);
    expect(isPasswordRight(password, { nativeHash: nativeHashOf(password), sha2Hash: none })).toBe(true);
    expect(isPasswordRight(password, { nativeHash: nativeHashOf(password), sha2Hash: sha2HashOf(wrong) })).toBe(false);
  });

  test('never equals an empty hash', () => {
    expect(isPasswordRight(none, { nativeHash: none, sha2Hash: none })).toBe(false);
  });

  test('is masked and unmasked with the scramble repeated', () => {
    const long = Buffer.alloc(50, 'pw');
    expect(maskPassword(maskPassword(long, scramble), scramble)).toEqual(long);
    expect(maskPassword(long, scramble).equals(long)).toBe(false);
  });
});

test('a scramble has neither zero bytes nor dollar signs nor the eighth bit', () => {
  const all = Array.from({ length: 256 }, (_, byte) => byte);
  for (let at = 0; at < 256; at += 20) {
    const bytes = scrambleFrom(Uint8Array.from(all.slice(at, at + 20)));
    expect(bytes.length).toBe(20);
    expect(bytes.every((byte) => byte > 0 && byte < 128 && byte !== 0x24)).toBe(true);
  }
});
