// Keys of single objects: HKDF-SHA256 from a set's data key, so that no two objects ever share one.
// A rewritten object draws a new salt and so gets a new key: one key never seals two different texts under one nonce.
import { createHash, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { assert } from '../base/assert.ts';

export const DATA_KEY_BYTES = 32;
export const OBJECT_SALT_BYTES = 16;

/** Whom the objects of a set belong to; bound into every one of them. */
export interface ObjectOwner {
  clusterUuid: string;
  tenantId: number;
  setUuid: string;
}

/** Length before content: no two lists of parts make the same bytes. */
export function lengthPrefixed(parts: ReadonlyArray<string | number | Uint8Array>): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = part instanceof Uint8Array ? part : Buffer.from(String(part), 'utf8');
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}

/** SHA-256 over cluster, tenant and set: what an object says of its owner. */
export function ownerBinding(owner: ObjectOwner): Buffer {
  const parts = ['holdfast owner', owner.clusterUuid, owner.tenantId, owner.setUuid];
  return createHash('sha256').update(lengthPrefixed(parts)).digest();
}

function derive(dataKey: Uint8Array, info: Uint8Array): Uint8Array {
  assert(dataKey.length === DATA_KEY_BYTES, `a data key has ${DATA_KEY_BYTES} bytes`);
  return new Uint8Array(hkdfSync('sha256', dataKey, new Uint8Array(0), info, DATA_KEY_BYTES));
}

/**
 * The AES-256 key of one object.
 * @param salt random, stored in the object's header
 */
export function objectKey(
  dataKey: Uint8Array,
  object: { kind: 'pack' | 'index' | 'page-map'; setUuid: string; objectNo: number; salt: Uint8Array },
): KeyObject {
  assert(object.salt.length === OBJECT_SALT_BYTES, `an object's salt has ${OBJECT_SALT_BYTES} bytes`);
  const info = lengthPrefixed(['holdfast object', object.kind, object.setUuid, object.objectNo, object.salt]);
  const bytes = derive(dataKey, info);
  const key = createSecretKey(bytes);
  bytes.fill(0);
  return key;
}

/** The key of the manifest's MAC. */
export function manifestMacKey(dataKey: Uint8Array, setUuid: string): Uint8Array {
  return derive(dataKey, lengthPrefixed(['holdfast manifest', setUuid]));
}
