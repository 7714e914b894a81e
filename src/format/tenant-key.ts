// Tenant keys: 32 random bytes of a tenant, from which everything that encrypts for him is derived. A key is named by an
// id that follows from it: whoever holds some keys knows at once whether the right one is among them.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { lengthPrefixed } from './object-key.ts';

export const TENANT_KEY_BYTES = 32;
export const KEY_ID_BYTES = 8;
/** Only encodings of the same batch of the same round could meet in one: some attempts, not billions. */
export const BATCH_SALT_BYTES = 8;
export const TAG_BYTES = 16;

/** What a batch's number in its round and the salt of its encoding are mixed into: the key of one round's log. */
export interface LogSeal {
  /** Id of the tenant key that it was derived from. */
  keyId: Uint8Array;
  key: Uint8Array;
}

/** Whose log a key is for. */
export interface LogOfRound {
  clusterUuid: string;
  tenantId: number;
  roundId: number;
}

/** Gives the key of a round's log; undefined when the tenant key by that id is not at hand. */
export type FindLogKey = (keyId: Uint8Array, of: LogOfRound) => Uint8Array | undefined;

/** How one part of a batch is sealed: its key is used for this encoding of this batch only. */
export interface PartSeal {
  key: Uint8Array;
  /** 0 is the table, n the nth image block. */
  partNo: number;
}

export function newTenantKey(): Uint8Array {
  return new Uint8Array(randomBytes(TENANT_KEY_BYTES));
}

function derive(key: Uint8Array, parts: Array<string | number | Uint8Array>, lengthBytes = TENANT_KEY_BYTES) {
  assert(key.length === TENANT_KEY_BYTES, `a key has ${TENANT_KEY_BYTES} bytes`);
  return new Uint8Array(hkdfSync('sha256', key, new Uint8Array(0), lengthPrefixed(parts), lengthBytes));
}

/** The id of a tenant key, which tells nothing of the key. */
export function tenantKeyId(key: Uint8Array): Uint8Array {
  return derive(key, ['holdfast tenant key id'], KEY_ID_BYTES);
}

/** The key of one round's log, which the caller clears. */
export function roundLogKey(tenantKey: Uint8Array, of: LogOfRound): Uint8Array {
  return derive(tenantKey, ['holdfast log', of.clusterUuid, of.tenantId, of.roundId]);
}

/** The key of one slot of a backup set, which the caller clears: the salt makes it a key of its own. */
export function setWrappingKey(tenantKey: Uint8Array, of: { setUuid: string; salt: Uint8Array }): Uint8Array {
  return derive(tenantKey, ['holdfast set', of.setUuid, of.salt]);
}

/**
 * The key of one encoding of one batch. A batch that is encoded again after a crash draws a new salt and so gets a new
 * key: no key ever seals two different texts under one nonce.
 */
export function batchKey(logKey: Uint8Array, of: { batchNo: number; salt: Uint8Array }): Uint8Array {
  assert(of.salt.length === BATCH_SALT_BYTES, `a batch's salt has ${BATCH_SALT_BYTES} bytes`);
  return derive(logKey, ['holdfast log batch', of.batchNo, of.salt]);
}

function nonceOf(partNo: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(partNo, 8);
  return nonce;
}

/** @returns the encrypted bytes, then the tag: `TAG_BYTES` more than `plain` */
export function sealPart(plain: Uint8Array, { key, partNo }: PartSeal, associated: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(partNo)).setAAD(associated);
  const sealed = cipher.update(plain);
  cipher.final();
  return Buffer.concat([sealed, cipher.getAuthTag()]);
}

/** @returns undefined when the bytes were not sealed so */
export function openPart(sealed: Uint8Array, { key, partNo }: PartSeal, associated: Uint8Array): Buffer | undefined {
  if (sealed.length < TAG_BYTES) return undefined;
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(partNo), { authTagLength: TAG_BYTES });
  decipher.setAAD(associated).setAuthTag(sealed.subarray(end));
  try {
    const plain = decipher.update(sealed.subarray(0, end));
    // GCM holds nothing back: this only compares the tag.
    decipher.final();
    return plain;
  } catch {
    return undefined;
  }
}
