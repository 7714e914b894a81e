// XXH3-128: finds damage, at the speed of memory. Who must not be fooled is guarded by tags and hashes with keys.
import xxhash from 'xxhash-addon';
import { asBuffer } from '../base/bytes.ts';

/** Bytes of a checksum. */
export const XXH3_BYTES = 16;
const SEED = Buffer.alloc(8);

/** @returns the checksum of all bytes, 16 bytes */
export function xxh3(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(xxhash.XXHash128.hash(asBuffer(bytes)));
}

/** The same of bytes that come one after the other. */
export class Xxh3 {
  readonly #hash = new xxhash.XXHash128(SEED);

  update(bytes: Uint8Array): this {
    this.#hash.update(asBuffer(bytes));
    return this;
  }

  /** @returns 16 bytes */
  digest(): Uint8Array {
    return new Uint8Array(this.#hash.digest());
  }
}
