// Turns a stream of bytes into packets: frames over many reads, many frames in one read, payloads over 16 MiB.
// A pure state machine: bytes in, packets out; it never holds more than the bound allows plus one read.
import { fail } from '../base/errors.ts';
import { KIB } from '../base/limits.ts';
import { FRAME_HEADER_BYTES, FRAME_PAYLOAD_BYTES_MAX } from './constants.ts';

/** Reads smaller than this are gathered, so that a client that sends byte by byte does not cost an object per byte. */
const SMALL_CHUNK_BYTES = 1 * KIB;
/** Size of the buffer that gathers them. */
const TAIL_BYTES = 16 * KIB;

/** A whole payload, joined from its frames. */
export interface Packet {
  payload: Buffer;
  /** Sequence id of its first frame. */
  sequence: number;
  /** Sequence id that the next packet of the conversation must have. */
  nextSequence: number;
}

export class PacketSplitter {
  /** Largest payload; raised when the login is complete. */
  payloadBytesMax: number;
  readonly #chunks: Buffer[] = [];
  #bufferedBytes = 0;
  /** Free bytes behind the last chunk, when that chunk is our own copy. */
  #tailRoomBytes = 0;
  /** Frames of the packet that is being joined: all of the full length. */
  #parts: Buffer[] = [];
  #partsBytes = 0;
  #firstSequence = 0;
  #nextSequence = 0;
  /** Header of the frame whose body is not complete yet. */
  #header: { length: number } | null = null;

  constructor(payloadBytesMax: number) {
    this.payloadBytesMax = payloadBytesMax;
  }

  /** Bytes that were pushed and have not left in a packet. */
  get bufferedBytes(): number {
    return this.#bufferedBytes + this.#partsBytes;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#bufferedBytes += chunk.length;
    const last = this.#chunks.at(-1);
    if (last && chunk.length <= this.#tailRoomBytes) {
      const extended = Buffer.from(last.buffer, last.byteOffset, last.length + chunk.length);
      extended.set(chunk, last.length);
      this.#chunks[this.#chunks.length - 1] = extended;
      this.#tailRoomBytes -= chunk.length;
      return;
    }
    if (last && chunk.length < SMALL_CHUNK_BYTES) {
      const tail = Buffer.allocUnsafeSlow(TAIL_BYTES);
      tail.set(chunk);
      this.#chunks.push(tail.subarray(0, chunk.length));
      this.#tailRoomBytes = TAIL_BYTES - chunk.length;
      return;
    }
    this.#chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    this.#tailRoomBytes = 0;
  }

  /**
   * The next whole packet, or undefined until more bytes are pushed.
   * @throws PACKET_TOO_LARGE (1153) as soon as the headers announce it, before the body is awaited
   * @throws PACKETS_OUT_OF_ORDER (1156) when a continuation has the wrong number
   */
  next(): Packet | undefined {
    for (;;) {
      if (!this.#header) {
        if (this.#bufferedBytes < FRAME_HEADER_BYTES) return undefined;
        this.#header = this.#takeHeader();
      }
      const { length } = this.#header;
      if (this.#bufferedBytes < length) return undefined;
      this.#header = null;
      const body = this.#takeBytes(length);
      if (length < FRAME_PAYLOAD_BYTES_MAX) return this.#finish(body);
      this.#parts.push(body);
      this.#partsBytes += length;
    }
  }

  /** Bytes that belong to no packet yet, for whoever takes over the stream (TLS). */
  takeRest(): Buffer {
    return this.#takeBytes(this.#bufferedBytes);
  }

  /** Sequence id that an answer to the bytes seen so far would carry. */
  get answerSequence(): number {
    return this.#nextSequence;
  }

  #takeHeader(): { length: number } {
    const header = this.#takeBytes(FRAME_HEADER_BYTES);
    const length = header.readUIntLE(0, 3);
    const sequence = header.readUInt8(3);
    const isContinuation = this.#parts.length > 0;
    if (isContinuation && sequence !== this.#nextSequence) {
      throw fail('PACKETS_OUT_OF_ORDER', { expected: this.#nextSequence, given: sequence });
    }
    if (!isContinuation) this.#firstSequence = sequence;
    this.#nextSequence = (sequence + 1) & 0xff;
    const total = this.#partsBytes + length;
    if (total > this.payloadBytesMax) throw fail('PACKET_TOO_LARGE', { bytes: total });
    return { length };
  }

  #finish(body: Buffer): Packet {
    const payload = this.#parts.length === 0 ? body : Buffer.concat([...this.#parts, body]);
    this.#parts = [];
    this.#partsBytes = 0;
    return { payload, sequence: this.#firstSequence, nextSequence: this.#nextSequence };
  }

  /** Removes the first `count` buffered bytes; a view when they lie in one chunk, a copy otherwise. */
  #takeBytes(count: number): Buffer {
    this.#bufferedBytes -= count;
    const first = this.#chunks[0];
    if (first && first.length > count) {
      this.#chunks[0] = first.subarray(count);
      return first.subarray(0, count);
    }
    const taken: Buffer[] = [];
    let missing = count;
    let used = 0;
    while (missing > 0) {
      const chunk = this.#chunks[used] as Buffer;
      taken.push(chunk.subarray(0, missing));
      if (chunk.length > missing) this.#chunks[used] = chunk.subarray(missing);
      else used++;
      missing -= Math.min(missing, chunk.length);
    }
    this.#chunks.splice(0, used);
    if (this.#chunks.length === 0) this.#tailRoomBytes = 0;
    return taken.length === 1 ? (taken[0] as Buffer) : Buffer.concat(taken);
  }
}
