// Block: one run of pages in a pack.   stored block := flags u8 (1 = zstd) · payload · 16-byte tag
// The payload is the plain bytes, or one zstd frame of them when that is shorter. In an encrypted pack it is sealed with
// AES-256-GCM under the pack's key, nonce = the block's offset in the pack (never used twice: blocks do not overlap).
// In a plain pack the tag is XXH3-128 over the same associated data and the payload: it finds damage and mix-ups.
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import xxhash from 'xxhash-addon';
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import { BLOCK_PLAIN_BYTES } from '../base/limits.ts';
import { compress, decompress } from './compress.ts';
import { type ObjectOwner, ownerBinding } from './object-key.ts';

export const BLOCK_VERSION = 1;
export const BLOCK_CHECKSUM_BYTES = 16;
const TAG_BYTES = 16;
const FLAG_BYTES = 1;
const FLAG_ZSTD = 1;
/** What a stored block has beside its payload. */
export const BLOCK_OVERHEAD_BYTES = FLAG_BYTES + TAG_BYTES;

/** Associated data: 32 owner binding · version u16 · kind u16 · pack u32 · offset u64 · block u64 · plain u32 · flags u8 */
const ASSOCIATED_BYTES = 32 + 2 + 2 + 4 + 8 + 8 + 4 + 1;
/** Kind of object in the associated data. */
const KIND_PACK = 1;
const SEED = Buffer.alloc(8);

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
  return new Uint8Array(xxhash.XXHash128.hash(asBuffer(plain)));
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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

function plainTag(associated: Buffer, payload: Uint8Array): Buffer {
  const hash = new xxhash.XXHash128(SEED);
  hash.update(associated);
  hash.update(asBuffer(payload));
  return hash.digest();
}

/**
 * Seals one block for a place in a pack.
 * @param at where it will lie; a pack never seals two blocks for one offset
 * @param compressionLevel of zstd; 0 leaves the bytes as they are
 * @returns the parts of the stored block, in order, and its checksum; `plain` may be reused once they are written
 */
export function sealBlock(
  context: BlockContext,
  at: { blockNo: number; offset: number },
  plain: Uint8Array,
  compressionLevel: number,
): { parts: Uint8Array[]; storedBytes: number; checksum: Uint8Array } {
  assert(plain.length > 0 && plain.length <= BLOCK_PLAIN_BYTES, 'a block has 1 byte to 1 MiB');
  const checksum = blockChecksum(plain);
  const packed = compressionLevel === 0 ? plain : compress(plain, compressionLevel);
  const isPacked = packed.length < plain.length;
  const payload = isPacked ? packed : plain;
  const flags = isPacked ? FLAG_ZSTD : 0;
  const associated = associate(context, { ...at, plainBytes: plain.length }, flags);
  const storedBytes = payload.length + BLOCK_OVERHEAD_BYTES;
  if (context.key === null)
    return { parts: [Uint8Array.of(flags), payload, plainTag(associated, payload)], storedBytes, checksum };
  const nonce = nonceOf({ ...at, plainBytes: plain.length });
  const cipher = createCipheriv('aes-256-gcm', context.key, nonce).setAAD(associated);
  const sealed = cipher.update(payload);
  cipher.final();
  return { parts: [Uint8Array.of(flags), sealed, cipher.getAuthTag()], storedBytes, checksum };
}

/**
 * Opens one stored block and checks it: tag, place, owner, length and the checksum of the plain bytes.
 * @throws BACKUP_DATA_CORRUPT (9010) naming the pack
 */
export function openBlock(
  context: BlockContext,
  place: BlockPlace,
  stored: Uint8Array,
  checksum: Uint8Array,
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
  let plain = payload;
  if (isPacked) {
    try {
      plain = decompress(payload, plainBytes);
    } catch (cause) {
      throw damaged('it does not decompress', cause);
    }
  }
  if (plain.length !== plainBytes || !asBuffer(blockChecksum(plain)).equals(checksum))
    throw damaged('its checksum does not match');
  return plain;
}

/** Checks the tag and, in an encrypted pack, decrypts; undefined when the tag does not match. */
function openPayload(context: BlockContext, place: BlockPlace, stored: Uint8Array): Uint8Array | undefined {
  const associated = associate(context, place, stored[0]!);
  const payload = stored.subarray(FLAG_BYTES, stored.length - TAG_BYTES);
  const tag = stored.subarray(stored.length - TAG_BYTES);
  if (context.key === null) return plainTag(associated, payload).equals(tag) ? payload : undefined;
  const decipher = createDecipheriv('aes-256-gcm', context.key, nonceOf(place), { authTagLength: TAG_BYTES });
  decipher.setAAD(associated).setAuthTag(tag);
  const plain = decipher.update(payload);
  try {
    decipher.final();
    return plain;
  } catch {
    return undefined;
  }
}
