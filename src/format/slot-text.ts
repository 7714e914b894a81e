// The text of a key slot of whatever kind: canonical JSON with its own checksum, so that damage and a wrong key are told
// apart.
import { createHash, timingSafeEqual } from 'node:crypto';
import { fail, type HoldfastError } from '../base/errors.ts';
import { KIB } from '../base/limits.ts';
import { type Codec, canonicalText, hex, Malformed, record } from './json-codec.ts';

export const KEY_SLOT_VERSION = 1;
/** A slot has nine short fields at the most. */
export const KEY_SLOT_BYTES_MAX = 4 * KIB;

/** What a slot of every kind says. */
interface AnySlot {
  slotVersion: number;
  setUuid: string;
}

export const damagedSlot = (object: string, because: string, cause?: unknown): HoldfastError =>
  fail('BACKUP_DATA_CORRUPT', { object, because: `key slot: ${because}` }, cause === undefined ? undefined : { cause });

type Fields<S> = { [K in keyof S]: Codec<S[K]> };
type Checked<S> = S & { sha256: Uint8Array };

/** @param fields the codec of each field */
export function slotText<S extends AnySlot>(fields: Fields<S>) {
  const slotCodec = record<S>(fields);
  const checkedCodec = record<Checked<S>>({ ...fields, sha256: hex(32) } as Fields<Checked<S>>);
  const checksum = (slot: S): Buffer =>
    createHash('sha256')
      .update(canonicalText(slotCodec.encode(slot)))
      .digest();
  const write = (slot: S): string =>
    canonicalText(checkedCodec.encode({ ...slot, sha256: new Uint8Array(checksum(slot)) }));

  function parse(encoded: string, setUuid: string, object: string): S {
    if (encoded.length > KEY_SLOT_BYTES_MAX) throw damagedSlot(object, 'it is too long');
    try {
      const { sha256, ...facts } = checkedCodec.decode(JSON.parse(encoded), '');
      const slot = facts as unknown as S;
      if (canonicalText(checkedCodec.encode({ ...slot, sha256 })) !== encoded)
        throw new Malformed('it is not canonical');
      if (!timingSafeEqual(checksum(slot), sha256)) throw new Malformed('its checksum does not match');
      if (slot.slotVersion !== KEY_SLOT_VERSION) throw new Malformed(`its version is ${slot.slotVersion}`);
      if (slot.setUuid !== setUuid) throw new Malformed(`it belongs to the set ${slot.setUuid}`);
      return slot;
    } catch (cause) {
      if (!(cause instanceof Malformed || cause instanceof SyntaxError)) throw cause;
      throw damagedSlot(object, cause instanceof Malformed ? cause.message : 'it is not JSON', cause);
    }
  }

  return {
    /** @throws BACKUP_DATA_CORRUPT (9010) when the slot is damaged or of another set */
    parse,
    /** The slot's text, which was read back. */
    encode(slot: S): string {
      const encoded = write(slot);
      parse(encoded, slot.setUuid, 'new key slot');
      return encoded;
    },
  };
}
