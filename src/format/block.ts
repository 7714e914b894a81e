// Block: one run of pages in a pack.   stored block := flags u8 (1 = zstd) · payload · 16-byte tag
// The payload is the plain bytes, or one zstd frame of them when that is shorter. In an encrypted pack it is sealed with
// AES-256-GCM under the pack's key, nonce = the block's offset in the pack (never used twice: blocks do not overlap).
// In a plain pack the tag is XXH3-128 over the same associated data and the payload: it finds damage and mix-ups.
import { type Cipher, createCipheriv, createDecipheriv, type Decipher, type KeyObject } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { sameBytes } from '../base/bytes.ts';
import { fail } from '../base/errors.ts';
import { BLOCK_PLAIN_BYTES, KIB } from '../base/limits.ts';
import { compressShared, decompressInto } from './compress.ts';
import { type ObjectOwner, ownerBinding } from './object-key.ts';
import { XXH3_BYTES, Xxh3, xxh3 } from './xxh3.ts';

export const BLOCK_VERSION = 1;
export const BLOCK_CHECKSUM_BYTES = XXH3_BYTES;
const TAG_BYTES = 16;
const FLAG_BYTES = 1;
const FLAG_ZSTD = 1;
/** What a stored block has beside its payload. */
export const BLOCK_OVERHEAD_BYTES = FLAG_BYTES + TAG_BYTES;
/** A stored block is never longer. */
export const BLOCK_STORED_BYTES_MAX = BLOCK_PLAIN_BYTES + BLOCK_OVERHEAD_BYTES;
/**
 * Node gives each result of a cipher memory of its own. Pieces of this size get what was used before; a whole block gets
 * fresh pages from the kernel, and that takes longer than the cipher (1.25 instead of 1.95 GB/s).
 */
const CIPHER_STEP_BYTES = 64 * KIB;

/** Associated data: 32 owner binding · version u16 · kind u16 · pack u32 · offset u64 · block u64 · plain u32 · flags u8 */
const ASSOCIATED_BYTES = 32 + 2 + 2 + 4 + 8 + 8 + 4 + 1;
/** Kind of object in the associated data. */
const KIND_PACK = 1;

/** The pack that blocks are sealed into or opened from. */
export interface BlockContext {
  /** Name for errors. */
  object: string;
  packNo: number;
  /** Key of the pack; null stores plain. */
  key: KeyObject | null;
  /** Made once per pack: the owner does not change within it. */
  associated: Buffer;
}

export interface BlockPlace {
  blockNo: number;
  /** Where the stored block begins in its pack. */
  offset: number;
  plainBytes: number;
}

export function blockContext(of: {
  object: string;
  owner: ObjectOwner;
  packNo: number;
  key: KeyObject | null;
}): BlockContext {
  const associated = Buffer.alloc(ASSOCIATED_BYTES);
  associated.set(ownerBinding(of.owner), 0);
  associated.writeUInt16BE(BLOCK_VERSION, 32);
  associated.writeUInt16BE(KIND_PACK, 34);
  associated.writeUInt32BE(of.packNo, 36);
  return { object: of.object, packNo: of.packNo, key: of.key, associated };
}

/** XXH3-128 of the plain bytes. */
export function blockChecksum(plain: Uint8Array): Uint8Array {
  return xxh3(plain);
}

/** Fills in what differs from block to block; the buffer is the context's own. */
function associate(context: BlockContext, place: BlockPlace, flags: number): Buffer {
  context.associated.writeBigUInt64BE(BigInt(place.offset), 40);
  context.associated.writeBigUInt64BE(BigInt(place.blockNo), 48);
  context.associated.writeUInt32BE(place.plainBytes, 56);
  context.associated.writeUInt8(flags, 60);
  return context.associated;
}

function nonceOf(place: BlockPlace): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(place.offset), 4);
  return nonce;
}

function plainTag(associated: Buffer, payload: Uint8Array): Uint8Array {
  return new Xxh3().update(associated).update(payload).digest();
}

/** Runs bytes through a cipher. @returns where the result ends in `into` */
function throughCipher(cipher: Cipher | Decipher, bytes: Uint8Array, into: Uint8Array, at: number): number {
  let end = at;
  for (let from = 0; from < bytes.length; from += CIPHER_STEP_BYTES) {
    const done = cipher.update(bytes.subarray(from, from + CIPHER_STEP_BYTES));
    into.set(done, end);
    end += done.length;
  }
  return end;
}

/**
 * Seals one block for a place in a pack.
 * @param at where it will lie; a pack never seals two blocks for one offset
 * @param compressionLevel of zstd; 0 leaves the bytes as they are
 * @param into gets the stored block; has room for the longest that these bytes can give
 * @returns length of the stored block, and checksum of the plain bytes
 */
export function sealBlock(
  context: BlockContext,
  at: { blockNo: number; offset: number },
  plain: Uint8Array,
  compressionLevel: number,
  into: Uint8Array,
): { storedBytes: number; checksum: Uint8Array } {
  assert(plain.length > 0 && plain.length <= BLOCK_PLAIN_BYTES, 'a block has 1 byte to 1 MiB');
  assert(into.length >= plain.length + BLOCK_OVERHEAD_BYTES, 'there is room for the stored block');
  const checksum = blockChecksum(plain);
  const packed = compressionLevel === 0 ? plain : compressShared(plain, compressionLevel);
  const isPacked = packed.length < plain.length;
  const payload = isPacked ? packed : plain;
  const flags = isPacked ? FLAG_ZSTD : 0;
  const place = { ...at, plainBytes: plain.length };
  const associated = associate(context, place, flags);
  into[0] = flags;
  if (context.key === null) {
    into.set(payload, FLAG_BYTES);
    into.set(plainTag(associated, payload), FLAG_BYTES + payload.length);
  } else {
    const cipher = createCipheriv('aes-256-gcm', context.key, nonceOf(place)).setAAD(associated);
    const end = throughCipher(cipher, payload, into, FLAG_BYTES);
    cipher.final();
    into.set(cipher.getAuthTag(), end);
  }
  return { storedBytes: payload.length + BLOCK_OVERHEAD_BYTES, checksum };
}

/** What a block was before it was decrypted is of no use afterwards. */
const decrypted = Buffer.allocUnsafeSlow(BLOCK_PLAIN_BYTES);

/**
 * Opens one stored block and checks it: tag, place, owner, length and the checksum of the plain bytes.
 * @param into gets the plain bytes; memory of their own when absent
 * @throws BACKUP_DATA_CORRUPT (9010) naming the pack
 */
export function openBlock(
  context: BlockContext,
  place: BlockPlace,
  stored: Uint8Array,
  checksum: Uint8Array,
  into?: Uint8Array,
): Uint8Array {
  const damaged = (because: string, cause?: unknown) =>
    fail(
      'BACKUP_DATA_CORRUPT',
      { object: context.object, because: `block ${place.blockNo} at ${place.offset}: ${because}` },
      cause === undefined ? undefined : { cause },
    );
  const { plainBytes } = place;
  if (!(plainBytes > 0 && plainBytes <= BLOCK_PLAIN_BYTES)) throw damaged(`a plain length of ${plainBytes}`);
  const payloadBytes = stored.length - BLOCK_OVERHEAD_BYTES;
  if (payloadBytes <= 0 || payloadBytes > plainBytes) throw damaged(`a stored length of ${stored.length}`);
  const flags = stored[0]!;
  if (flags > FLAG_ZSTD) throw damaged(`unknown flags ${flags}`);
  const isPacked = flags === FLAG_ZSTD;
  if (!isPacked && payloadBytes !== plainBytes) throw damaged('a length that does not fit');
  const payload = openPayload(context, place, stored);
  if (payload === undefined) throw damaged('its tag does not match');
  const plain = into?.subarray(0, plainBytes) ?? Buffer.allocUnsafeSlow(plainBytes);
  if (isPacked) {
    try {
      decompressInto(payload, plain);
    } catch (cause) {
      throw damaged('it does not decompress', cause);
    }
  } else plain.set(payload);
  if (!sameBytes(blockChecksum(plain), checksum)) throw damaged('its checksum does not match');
  return plain;
}

/** Checks the tag and, in an encrypted pack, decrypts; undefined when the tag does not match. */
function openPayload(context: BlockContext, place: BlockPlace, stored: Uint8Array): Uint8Array | undefined {
  const associated = associate(context, place, stored[0]!);
  const payload = stored.subarray(FLAG_BYTES, stored.length - TAG_BYTES);
  const tag = stored.subarray(stored.length - TAG_BYTES);
  if (context.key === null) return sameBytes(plainTag(associated, payload), tag) ? payload : undefined;
  const decipher = createDecipheriv('aes-256-gcm', context.key, nonceOf(place), { authTagLength: TAG_BYTES });
  decipher.setAAD(associated).setAuthTag(tag);
  const end = throughCipher(decipher, payload, decrypted, 0);
  try {
    decipher.final();
    return decrypted.subarray(0, end);
  } catch {
    return undefined;
  }
}
