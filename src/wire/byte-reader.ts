// Reads the protocol's basic types from one packet; every length is checked against what is really there.
import { isUtf8 } from 'node:buffer';
import { fail, type HoldfastError } from '../base/errors.ts';

/** A place in a packet's payload. Every read throws MALFORMED_PACKET (1835) when the packet ends before it. */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #at = 0;

  /** @param what the packet's name, for the error of a packet that is cut short */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#step(1));
  }

  i8(): number {
    return this.#bytes.readInt8(this.#step(1));
  }

  u16(): number {
    return this.#bytes.readUInt16LE(this.#step(2));
  }

  i16(): number {
    return this.#bytes.readInt16LE(this.#step(2));
  }

  u24(): number {
    return this.#bytes.readUIntLE(this.#step(3), 3);
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#step(4));
  }

  i32(): number {
    return this.#bytes.readInt32LE(this.#step(4));
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#step(8));
  }

  i64(): bigint {
    return this.#bytes.readBigInt64LE(this.#step(8));
  }

  float(): number {
    return this.#bytes.readFloatLE(this.#step(4));
  }

  double(): number {
    return this.#bytes.readDoubleLE(this.#step(8));
  }

  /** A length-encoded integer; bigint because its longest form has 64 bits. */
  lenencInt(): bigint {
    const first = this.u8();
    if (first < 0xfb) return BigInt(first);
    if (first === 0xfc) return BigInt(this.u16());
    if (first === 0xfd) return BigInt(this.u24());
    if (first === 0xfe) return this.u64();
    throw this.malformed();
  }

  /** Bytes behind their length-encoded length; a view of the packet, not a copy. */
  lenencBytes(): Buffer {
    const length = this.lenencInt();
    if (length > BigInt(this.remaining)) throw this.malformed();
    return this.bytes(Number(length));
  }

  lenencString(): string {
    return this.#text(this.lenencBytes());
  }

  bytes(length: number): Buffer {
    const start = this.#step(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Bytes up to a zero byte, which is skipped. */
  nulBytes(): Buffer {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw this.malformed();
    const value = this.#bytes.subarray(this.#at, end);
    this.#at = end + 1;
    return value;
  }

  /** Bytes up to a zero byte, or all that is left when there is none. */
  nulBytesOrRest(): Buffer {
    return this.#bytes.indexOf(0, this.#at) < 0 ? this.rest() : this.nulBytes();
  }

  nulString(): string {
    return this.#text(this.nulBytes());
  }

  /** All that is left. */
  rest(): Buffer {
    return this.bytes(this.remaining);
  }

  restString(): string {
    return this.#text(this.rest());
  }

  malformed(): HoldfastError {
    return fail('MALFORMED_PACKET', { what: this.#what });
  }

  /** Refuses bytes that are not utf8mb4: a silent replacement would run another statement than the one sent. */
  #text(bytes: Buffer): string {
    if (!isUtf8(bytes)) throw fail('INVALID_CHARACTERS', { what: this.#what });
    return bytes.toString('utf8');
  }

  #step(length: number): number {
    const start = this.#at;
    if (length > this.#bytes.length - start) throw this.malformed();
    this.#at = start + length;
    return start;
  }
}
