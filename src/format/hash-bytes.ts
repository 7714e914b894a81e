// Page hashes as files hold them: u64, the highest byte first. Whole arrays are turned at once by native code.
import { endianness } from 'node:os';
import { assert } from '../base/assert.ts';
import { PAGE_HASH_BYTES } from './page-map.ts';

const IS_LITTLE_ENDIAN = endianness() === 'LE';

/** Between a file's byte order and that of this machine's memory; the same both ways. */
function reorder(bytes: Buffer): void {
  if (IS_LITTLE_ENDIAN) bytes.swap64();
}

/** Writes hashes into a file's bytes. @returns where they end */
export function putHashes(hashes: BigUint64Array, into: Buffer, at: number): number {
  const end = at + hashes.length * PAGE_HASH_BYTES;
  const place = into.subarray(at, end);
  place.set(new Uint8Array(hashes.buffer, hashes.byteOffset, hashes.byteLength));
  reorder(place);
  return end;
}

/** @returns hashes of their own memory */
export function takeHashes(from: Buffer, at: number, count: number): BigUint64Array {
  const hashes = new BigUint64Array(count);
  const bytes = Buffer.from(hashes.buffer);
  const copied = from.copy(bytes, 0, at, at + count * PAGE_HASH_BYTES);
  assert(copied === bytes.length, 'the hashes are there');
  reorder(bytes);
  return hashes;
}
