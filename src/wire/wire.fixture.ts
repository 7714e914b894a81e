// For tests: packets as the hexadecimal text of the protocol's documentation, and seeded random numbers.

import type { ByteWriter } from './byte-writer.ts';
import { PacketBuffer } from './packet-buffer.ts';

/** Bytes of a dump: two digits each, with any white space. */
export function fromHex(text: string): Buffer {
  return Buffer.from(text.replace(/\s+/g, ''), 'hex');
}

/** One framed packet as a dump. */
export function packetHex(sequence: number, write: (writer: ByteWriter) => void): string {
  const packets = new PacketBuffer();
  packets.add(sequence, write);
  return toHex(packets.take());
}

export function toHex(bytes: Uint8Array): string {
  return (Buffer.from(bytes).toString('hex').match(/../g) ?? []).join(' ');
}

/** A small seeded generator of numbers in [0, bound): a failing run can be repeated. */
export function seededRandom(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}
