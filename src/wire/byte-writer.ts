// A growing buffer with the protocol's basic types; packets are written straight into it.
import { assert } from '../base/assert.ts';
import { KIB } from '../base/limits.ts';
import { HEADER } from './constants.ts';

/** First size: nearly every answer fits, so nothing is copied while it grows. */
const INITIAL_BYTES = 16 * KIB;

/** Up to here `take` copies and keeps its buffer; above, it gives the buffer away and starts a new one. */
const COPY_BYTES_MAX = 4 * KIB;

const U64_MAX = 0xffff_ffff_ffff_ffffn;

export class ByteWriter {
  #bytes = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Forgets everything from `length` on. */
  truncate(length: number): void {
    assert(length <= this.#length, 'a writer is only ever shortened');
    this.#length = length;
  }

  /** Everything written so far; the writer is empty afterwards. */
  take(): Buffer {
    const written = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    if (written.length <= COPY_BYTES_MAX) return Buffer.from(written);
    this.#bytes = Buffer.allocUnsafe(INITIAL_BYTES);
    return written;
  }

  /** The bytes from `start` on, copied. */
  copyFrom(start: number): Buffer {
    return Buffer.from(this.#bytes.subarray(start, this.#length));
  }

  u8(value: number): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  u16(value: number): void {
    const at = this.#reserve(2);
    this.#bytes.writeUInt16LE(value, at);
  }

  u24(value: number): void {
    const at = this.#reserve(3);
    this.#bytes.writeUIntLE(value, at, 3);
  }

  u32(value: number): void {
    const at = this.#reserve(4);
    this.#bytes.writeUInt32LE(value, at);
  }

  /** The low 64 bits; negative values in two's complement. */
  u64(value: bigint): void {
    const at = this.#reserve(8);
    this.#bytes.writeBigUInt64LE(BigInt.asUintN(64, value), at);
  }

  double(value: number): void {
    const at = this.#reserve(8);
    this.#bytes.writeDoubleLE(value, at);
  }

  zeros(count: number): void {
    const at = this.#reserve(count);
    this.#bytes.fill(0, at, at + count);
  }

  bytes(value: Uint8Array): void {
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
  }

  /** A string up to the packet's end: no length, no terminator. */
  string(value: string): void {
    const length = Buffer.byteLength(value);
    const at = this.#reserve(length);
    this.#bytes.write(value, at, 'utf8');
  }

  nulString(value: string): void {
    this.string(value);
    this.u8(0);
  }

  lenencInt(value: number | bigint): void {
    assert(value >= 0 && value <= U64_MAX, 'a length-encoded integer has 64 bits and no sign');
    if (value < HEADER.NULL_VALUE) {
      this.u8(Number(value));
    } else if (value <= 0xffff) {
      this.u8(0xfc);
      this.u16(Number(value));
    } else if (value <= 0xff_ffff) {
      this.u8(0xfd);
      this.u24(Number(value));
    } else {
      this.u8(0xfe);
      this.u64(BigInt(value));
    }
  }

  lenencString(value: string): void {
    this.lenencInt(Buffer.byteLength(value));
    this.string(value);
  }

  lenencBytes(value: Uint8Array): void {
    this.lenencInt(value.length);
    this.bytes(value);
  }

  /** Sets one byte that was already written. */
  setU8(at: number, value: number): void {
    assert(at < this.#length, 'the byte to set was written before');
    this.#bytes[at] = value;
  }

  /** Sets bits of a byte that was already written. */
  orU8(at: number, bits: number): void {
    assert(at < this.#length, 'the byte to set was written before');
    this.#bytes[at] = (this.#bytes[at] ?? 0) | bits;
  }

  #reserve(count: number): number {
    const start = this.#length;
    const needed = start + count;
    if (needed > this.#bytes.length) this.#grow(needed);
    this.#length = needed;
    return start;
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
