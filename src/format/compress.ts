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
 * @returns bytes of their own, possibly more than were given when they do not shrink
 */
export function compress(bytes: Uint8Array, level: number): Uint8Array {
  const target = scratchOf(zstd.compressBound(bytes.length));
  const length = compressor.compress(target, bytes, level);
  return Uint8Array.prototype.slice.call(target, 0, length);
}

/**
 * Decompresses what `compress` made.
 * @param plainBytes size of the result; no more memory than that is taken, whatever the frame says
 * @throws Error when it is no zstd frame of exactly that many bytes
 */
export function decompress(bytes: Uint8Array, plainBytes: number): Uint8Array {
  assert(Number.isSafeInteger(plainBytes) && plainBytes >= 0, 'a plain size is a whole number');
  const plain = Buffer.allocUnsafeSlow(plainBytes);
  const length = decompressor.decompress(plain, bytes);
  if (length !== plainBytes) throw new Error(`zstd frame holds ${length} bytes instead of ${plainBytes}`);
  return plain;
}
