// Key slot of the second kind: the data key of a set under a key of its tenant. Names that key by its id, never holds it.
// It may stand beside the slot of a password: either opens the set.
import { randomBytes } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { hexOf } from '../base/bytes.ts';
import { id, uuid } from './fact-codecs.ts';
import { hex, oneOf } from './json-codec.ts';
import { DATA_KEY_BYTES, lengthPrefixed } from './object-key.ts';
import { damagedSlot, KEY_SLOT_VERSION, slotText } from './slot-text.ts';
import { KEY_ID_BYTES, openPart, sealPart, setWrappingKey, TAG_BYTES, tenantKeyId } from './tenant-key.ts';

const KIND = 'tenant-key';
const SALT_BYTES = 16;

interface Slot {
  slotVersion: number;
  setUuid: string;
  kdf: typeof KIND;
  keyId: Uint8Array;
  salt: Uint8Array;
  /** Encrypted data key, then the tag. */
  wrapped: Uint8Array;
}

const slotCodec = slotText<Slot>({
  slotVersion: id,
  setUuid: uuid,
  kdf: oneOf(KIND),
  keyId: hex(KEY_ID_BYTES),
  salt: hex(SALT_BYTES),
  wrapped: hex(DATA_KEY_BYTES + TAG_BYTES),
});

/** Gives a tenant key by its id in hex, as a copy that the caller clears; undefined when it is not at hand. */
export type FindTenantKey = (keyId: string) => Uint8Array | undefined;

const associatedData = ({ slotVersion, setUuid, kdf, keyId, salt }: Omit<Slot, 'wrapped'>): Buffer =>
  lengthPrefixed(['holdfast key slot', slotVersion, setUuid, kdf, keyId, salt]);

/** True for a slot of this kind; whether it is whole is told when it is opened. */
export function isTenantKeySlot(encoded: string): boolean {
  try {
    return (JSON.parse(encoded) as { kdf?: unknown } | null)?.kdf === KIND;
  } catch {
    return false;
  }
}

/** Runs `work` with the key that wraps one slot: derived from its salt too, so that it wraps nothing else. */
function withSlotKey<T>(tenantKey: Uint8Array, slot: Omit<Slot, 'wrapped'>, work: (key: Uint8Array) => T): T {
  const key = setWrappingKey(tenantKey, { setUuid: slot.setUuid, salt: slot.salt });
  try {
    return work(key);
  } finally {
    key.fill(0);
  }
}

/** Wraps a set's data key under a tenant key. @returns the slot's text, as it goes into the manifest */
export function wrapUnderTenantKey(dataKey: Uint8Array, tenantKey: Uint8Array, setUuid: string): string {
  assert(dataKey.length === DATA_KEY_BYTES, `a data key has ${DATA_KEY_BYTES} bytes`);
  const salt = new Uint8Array(randomBytes(SALT_BYTES));
  const facts = { slotVersion: KEY_SLOT_VERSION, setUuid, kdf: KIND, keyId: tenantKeyId(tenantKey), salt } as const;
  const wrapped = withSlotKey(tenantKey, facts, (key) => sealPart(dataKey, { key, partNo: 0 }, associatedData(facts)));
  return slotCodec.encode({ ...facts, wrapped });
}

/**
 * The id, in hex, of the tenant key that a slot names.
 * @throws BACKUP_DATA_CORRUPT (9010) when the slot is damaged or of another set
 */
export function slotKeyId(encoded: string, options: { setUuid: string; object: string }): string {
  return hexOf(slotCodec.parse(encoded, options.setUuid, options.object).keyId);
}

/**
 * Unwraps a set's data key.
 * @param options.object the file that holds the slot, for errors
 * @returns the data key, which the caller clears; undefined when the tenant key is not at hand
 * @throws BACKUP_DATA_CORRUPT (9010) when the slot is damaged, of another set, or was not made with the key that it names
 */
export function unwrapWithTenantKey(
  encoded: string,
  findKey: FindTenantKey,
  options: { setUuid: string; object: string },
): Uint8Array | undefined {
  const slot = slotCodec.parse(encoded, options.setUuid, options.object);
  const tenantKey = findKey(hexOf(slot.keyId));
  if (!tenantKey) return undefined;
  try {
    const dataKey = withSlotKey(tenantKey, slot, (key) =>
      openPart(slot.wrapped, { key, partNo: 0 }, associatedData(slot)),
    );
    if (!dataKey) throw damagedSlot(options.object, 'it was not made with the tenant key that it names');
    return new Uint8Array(dataKey);
  } finally {
    tenantKey.fill(0);
  }
}
