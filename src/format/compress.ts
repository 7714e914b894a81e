// zstd: one frame for one run of bytes. The plain size is known to the reader from elsewhere and bounds its memory.
import zstd from 'zstd-napi/binding.js';
import { assert } from '../base/assert.ts';
import { MIB } from '../base/limits.ts';

/** Largest scratch buffer kept between calls; larger inputs get one of their own that is freed at once. */
const SCRATCH_BYTES_MAX = 4 * MIB;

const compressor = new zstd.CCtx();
const decompressor = new zstd.DCtx();
let scratch: Uint8Array = new Uint8Array(0);

function scratchOf(sizeBytes: number): Uint8Array {
  if (sizeBytes > SCRATCH_BYTES_MAX) return Buffer.allocUnsafeSlow(sizeBytes);
  if (scratch.length < sizeBytes) scratch = Buffer.allocUnsafeSlow(sizeBytes);
  return scratch;
}

/**
 * Compresses bytes into one zstd frame.
 * @param level 1 to 22, or negative for faster and larger
 * @returns bytes that the next call overwrites, possibly more than were given when they do not shrink
 */
export function compressShared(bytes: Uint8Array, level: number): Uint8Array {
  const target = scratchOf(zstd.compressBound(bytes.length));
  return target.subarray(0, compressor.compress(target, bytes, level));
}

/** Like `compressShared`. @returns bytes of their own */
export function compress(bytes: Uint8Array, level: number): Uint8Array {
  return Uint8Array.prototype.slice.call(compressShared(bytes, level));
}

/**
 * Decompresses what `compress` made into memory of exactly its plain size: no more is taken, whatever the frame says.
 * @throws Error when it is no zstd frame of exactly that many bytes
 */
export function decompressInto(bytes: Uint8Array, plain: Uint8Array): void {
  const length = decompressor.decompress(plain, bytes);
  if (length !== plain.length) throw new Error(`zstd frame holds ${length} bytes instead of ${plain.length}`);
}

/** Like `decompressInto`. @returns bytes of their own */
export function decompress(bytes: Uint8Array, plainBytes: number): Uint8Array {
  assert(Number.isSafeInteger(plainBytes) && plainBytes >= 0, 'a plain size is a whole number');
  const plain = Buffer.allocUnsafeSlow(plainBytes);
  decompressInto(bytes, plain);
  return plain;
}
