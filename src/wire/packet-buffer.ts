// Collects packets that are to be sent, framed and numbered; payloads over 16 MiB are continued in further frames.
import { fail } from '../base/errors.ts';
import { ByteWriter } from './byte-writer.ts';
import { FRAME_HEADER_BYTES, FRAME_PAYLOAD_BYTES_MAX, SENT_PACKET_BYTES_MAX } from './constants.ts';

export class PacketBuffer {
  readonly #writer = new ByteWriter();

  /** Bytes waiting to be taken. */
  get length(): number {
    return this.#writer.length;
  }

  /** Everything that was added, framed; the buffer is empty afterwards. */
  take(): Buffer {
    return this.#writer.take();
  }

  /**
   * Adds one packet. When `write` throws, nothing of it stays behind, so that an error packet can take its place.
   * @returns the sequence id after it
   */
  add(sequence: number, write: (writer: ByteWriter) => void): number {
    const start = this.#writer.length;
    this.#writer.zeros(FRAME_HEADER_BYTES);
    try {
      write(this.#writer);
      const length = this.#writer.length - start - FRAME_HEADER_BYTES;
      if (length > SENT_PACKET_BYTES_MAX) throw fail('PACKET_TOO_LARGE', { bytes: length });
      if (length >= FRAME_PAYLOAD_BYTES_MAX) return this.#split(start, sequence);
      this.#setHeader(start, { length, sequence });
    } catch (error) {
      this.#writer.truncate(start);
      throw error;
    }
    return (sequence + 1) & 0xff;
  }

  /** Writes a large payload again as full frames and a shorter, perhaps empty, last one. */
  #split(start: number, firstSequence: number): number {
    const payload = this.#writer.copyFrom(start + FRAME_HEADER_BYTES);
    this.#writer.truncate(start);
    let sequence = firstSequence;
    for (let from = 0; from <= payload.length; from += FRAME_PAYLOAD_BYTES_MAX) {
      const body = payload.subarray(from, from + FRAME_PAYLOAD_BYTES_MAX);
      const at = this.#writer.length;
      this.#writer.zeros(FRAME_HEADER_BYTES);
      this.#writer.bytes(body);
      this.#setHeader(at, { length: body.length, sequence });
      sequence = (sequence + 1) & 0xff;
    }
    return sequence;
  }

  #setHeader(at: number, { length, sequence }: { length: number; sequence: number }): void {
    this.#writer.setU8(at, length & 0xff);
    this.#writer.setU8(at + 1, (length >> 8) & 0xff);
    this.#writer.setU8(at + 2, (length >> 16) & 0xff);
    this.#writer.setU8(at + 3, sequence);
  }
}
