// Pack: one object of a backup set, `pack_<n>.obbak`: a header, then stored blocks back to back.
//   header  0 magic "HFPACK\r\n" · 8 version u16 · 10 flags u16 (1 encrypted) · 12 pack number u32 · 16 salt 16 bytes
//          32 owner binding 32 bytes · 64 SHA-256 of the 64 bytes before     (numbers big-endian; 96 bytes)
import { createHash } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import { UINT32_MAX } from './fact-codecs.ts';
import { OBJECT_SALT_BYTES, type ObjectOwner, ownerBinding } from './object-key.ts';
import { versionFault } from './version-fault.ts';

export const PACK_VERSION = 1;
export const PACK_HEADER_BYTES = 96;
const MAGIC = Buffer.from('HFPACK\r\n', 'latin1');
const FLAG_ENCRYPTED = 1;
const CHECKED_BYTES = 64;

export interface PackHeader {
  packNo: number;
  isEncrypted: boolean;
  /** Random per pack: makes its key. */
  salt: Uint8Array;
}

export function encodePackHeader(header: PackHeader, owner: ObjectOwner): Uint8Array {
  assert(header.packNo >= 0 && header.packNo <= UINT32_MAX, 'a pack number fits 32 bits');
  assert(header.salt.length === OBJECT_SALT_BYTES, `a salt has ${OBJECT_SALT_BYTES} bytes`);
  const bytes = Buffer.alloc(PACK_HEADER_BYTES);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt16BE(PACK_VERSION, 8);
  bytes.writeUInt16BE(header.isEncrypted ? FLAG_ENCRYPTED : 0, 10);
  bytes.writeUInt32BE(header.packNo, 12);
  bytes.set(header.salt, 16);
  bytes.set(ownerBinding(owner), 32);
  bytes.set(createHash('sha256').update(bytes.subarray(0, CHECKED_BYTES)).digest(), CHECKED_BYTES);
  return new Uint8Array(bytes);
}

/**
 * Reads a pack's header and checks that it is this pack of this set, encrypted or not as expected.
 * @throws BACKUP_DATA_CORRUPT (9010) naming `object`
 */
export function decodePackHeader(
  bytes: Uint8Array,
  expected: { object: string; owner: ObjectOwner; packNo: number; isEncrypted: boolean },
): PackHeader {
  const damaged = (because: string) => fail('BACKUP_DATA_CORRUPT', { object: expected.object, because });
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (header.length !== PACK_HEADER_BYTES) throw damaged('its header is cut off');
  if (!header.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged('it is not a pack');
  const checksum = createHash('sha256').update(header.subarray(0, CHECKED_BYTES)).digest();
  if (!checksum.equals(header.subarray(CHECKED_BYTES))) throw damaged("its header's checksum does not match");
  const version = header.readUInt16BE(8);
  if (version !== PACK_VERSION) throw damaged(versionFault(version, PACK_VERSION));
  const flags = header.readUInt16BE(10);
  if (flags !== (expected.isEncrypted ? FLAG_ENCRYPTED : 0))
    throw damaged(`it is ${flags & FLAG_ENCRYPTED ? '' : 'not '}encrypted, against what its set says`);
  if (!header.subarray(32, 64).equals(ownerBinding(expected.owner))) throw damaged('it belongs to another set');
  const packNo = header.readUInt32BE(12);
  if (packNo !== expected.packNo) throw damaged(`it is the pack ${packNo} instead of ${expected.packNo}`);
  return { packNo, isEncrypted: expected.isEncrypted, salt: new Uint8Array(header.subarray(16, 32)) };
}
