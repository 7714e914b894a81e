// Key slot of the second kind: the data key of a set under a key of its tenant. Names that key by its id, never holds it.
// Canonical JSON text with its own checksum, as the slot of a password, beside which it may stand: either opens the set.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { hexOf } from '../base/bytes.ts';
import { fail, type HoldfastError } from '../base/errors.ts';
import { id, uuid } from './fact-codecs.ts';
import { canonicalText, hex, Malformed, oneOf, record } from './json-codec.ts';
import { KEY_SLOT_BYTES_MAX, KEY_SLOT_VERSION } from './key-slot.ts';
import { DATA_KEY_BYTES, lengthPrefixed } from './object-key.ts';
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

const fields = {
  slotVersion: id,
  setUuid: uuid,
  kdf: oneOf(KIND),
  keyId: hex(KEY_ID_BYTES),
  salt: hex(SALT_BYTES),
  wrapped: hex(DATA_KEY_BYTES + TAG_BYTES),
};
const slotCodec = record<Slot>(fields);
const checkedCodec = record<Slot & { sha256: Uint8Array }>({ ...fields, sha256: hex(32) });

/** Gives a tenant key by its id in hex, as a copy that the caller clears; undefined when it is not at hand. */
export type FindTenantKey = (keyId: string) => Uint8Array | undefined;

const damaged = (object: string, because: string, cause?: unknown): HoldfastError =>
  fail('BACKUP_DATA_CORRUPT', { object, because: `key slot: ${because}` }, cause === undefined ? undefined : { cause });

const checksum = (slot: Slot): Buffer =>
  createHash('sha256')
    .update(canonicalText(slotCodec.encode(slot)))
    .digest();

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
  const slot: Slot = { ...facts, wrapped };
  const encoded = canonicalText(checkedCodec.encode({ ...slot, sha256: new Uint8Array(checksum(slot)) }));
  parse(encoded, setUuid, 'new key slot');
  return encoded;
}

function parse(encoded: string, setUuid: string, object: string): Slot {
  if (encoded.length > KEY_SLOT_BYTES_MAX) throw damaged(object, 'it is too long');
  try {
    const { sha256, ...slot } = checkedCodec.decode(JSON.parse(encoded), '');
    if (canonicalText(checkedCodec.encode({ ...slot, sha256 })) !== encoded) throw new Malformed('it is not canonical');
    if (!timingSafeEqual(checksum(slot), sha256)) throw new Malformed('its checksum does not match');
    if (slot.slotVersion !== KEY_SLOT_VERSION) throw new Malformed(`its version is ${slot.slotVersion}`);
    if (slot.setUuid !== setUuid) throw new Malformed(`it belongs to the set ${slot.setUuid}`);
    return slot;
  } catch (cause) {
    if (!(cause instanceof Malformed || cause instanceof SyntaxError)) throw cause;
    throw damaged(object, cause instanceof Malformed ? cause.message : 'it is not JSON', cause);
  }
}

/**
 * The id, in hex, of the tenant key that a slot names.
 * @throws BACKUP_DATA_CORRUPT (9010) when the slot is damaged or of another set
 */
export function slotKeyId(encoded: string, options: { setUuid: string; object: string }): string {
  return hexOf(parse(encoded, options.setUuid, options.object).keyId);
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
  const slot = parse(encoded, options.setUuid, options.object);
  const tenantKey = findKey(hexOf(slot.keyId));
  if (!tenantKey) return undefined;
  try {
    const dataKey = withSlotKey(tenantKey, slot, (key) =>
      openPart(slot.wrapped, { key, partNo: 0 }, associatedData(slot)),
    );
    if (!dataKey) throw damaged(options.object, 'it was not made with the tenant key that it names');
    return new Uint8Array(dataKey);
  } finally {
    tenantKey.fill(0);
  }
}
