// Goal: frames become packets however the network cuts them, and packets become frames of at most 16 MiB - 1.
// Method: known packets cut at each byte, joined, sent byte by byte and in random pieces with a printed seed.
import { randomInt } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { KIB } from '../base/limits.ts';
import { FRAME_PAYLOAD_BYTES_MAX, LOGIN_PACKET_BYTES_MAX, MAX_ALLOWED_PACKET_BYTES } from './constants.ts';
import { PacketBuffer } from './packet-buffer.ts';
import { type Packet, PacketSplitter } from './packet-splitter.ts';
import { fromHex, seededRandom } from './wire.fixture.ts';

function framed(payloads: readonly Uint8Array[], firstSequence = 0): Buffer {
  const packets = new PacketBuffer();
  let sequence = firstSequence;
  for (const payload of payloads) sequence = packets.add(sequence, (writer) => writer.bytes(payload));
  return packets.take();
}

function drain(splitter: PacketSplitter): Packet[] {
  const packets: Packet[] = [];
  for (let packet = splitter.next(); packet; packet = splitter.next()) packets.push(packet);
  return packets;
}

const PAYLOADS = [Buffer.from('select 1'), Buffer.alloc(0), Buffer.from([14]), Buffer.alloc(300, 7)];

describe('PacketSplitter', () => {
  test('finds every packet of a stream that is cut in two at each byte', () => {
    const stream = framed(PAYLOADS);
    for (let cut = 0; cut <= stream.length; cut++) {
      const splitter = new PacketSplitter(LOGIN_PACKET_BYTES_MAX);
      splitter.push(stream.subarray(0, cut));
      const found = drain(splitter);
      splitter.push(stream.subarray(cut));
      found.push(...drain(splitter));
      expect(found.map((packet) => packet.payload)).toEqual(PAYLOADS);
      expect(found.map((packet) => packet.sequence)).toEqual([0, 1, 2, 3]);
      expect(found.map((packet) => packet.nextSequence)).toEqual([1, 2, 3, 4]);
      expect(splitter.bufferedBytes).toBe(0);
    }
  });

  test('finds every packet of a stream that comes byte by byte', () => {
    const splitter = new PacketSplitter(LOGIN_PACKET_BYTES_MAX);
    const payloads = [...PAYLOADS, Buffer.alloc(40 * KIB, 9)];
    const found: Packet[] = [];
    for (const byte of framed(payloads)) {
      splitter.push(Uint8Array.of(byte));
      found.push(...drain(splitter));
    }
    expect(found.map((packet) => packet.payload)).toEqual(payloads);
  });

  test('finds every packet of a stream in random pieces, read at random moments', () => {
    const seed = randomInt(2 ** 31);
    console.log(`framing seed ${seed}`);
    const random = seededRandom(seed);
    for (let round = 0; round < 200; round++) {
      const payloads = Array.from({ length: 1 + random(8) }, () => Buffer.alloc(random(5000), random(256)));
      const stream = framed(payloads);
      const splitter = new PacketSplitter(LOGIN_PACKET_BYTES_MAX);
      const found: Packet[] = [];
      for (let at = 0; at < stream.length; ) {
        const length = 1 + random(random(2) === 0 ? 20 : 3000);
        splitter.push(stream.subarray(at, at + length));
        at += length;
        if (random(3) === 0) found.push(...drain(splitter));
      }
      found.push(...drain(splitter));
      expect(found.length).toBe(payloads.length);
      expect(found.every((packet, place) => packet.payload.equals(payloads[place] ?? Buffer.of(0)))).toBe(true);
    }
  });

  test('joins the frames of a payload over 16 MiB and counts their numbers', () => {
    for (const length of [
      FRAME_PAYLOAD_BYTES_MAX - 1,
      FRAME_PAYLOAD_BYTES_MAX,
      FRAME_PAYLOAD_BYTES_MAX + 1,
      40_000_000,
    ]) {
      const payload = Buffer.alloc(length);
      for (let at = 0; at < length; at += 4096) payload[at] = (at / 4096) & 0xff;
      const stream = framed([payload], 254);
      const splitter = new PacketSplitter(MAX_ALLOWED_PACKET_BYTES);
      for (let at = 0; at < stream.length; at += 65_536) splitter.push(stream.subarray(at, at + 65_536));
      const [packet] = drain(splitter);
      expect(packet?.payload.equals(payload)).toBe(true);
      expect(packet?.sequence).toBe(254);
      const frames = Math.floor(length / FRAME_PAYLOAD_BYTES_MAX) + 1;
      expect(packet?.nextSequence).toBe((254 + frames) & 0xff);
    }
  });

  test('refuses a packet that is too large before its body arrives', () => {
    const splitter = new PacketSplitter(LOGIN_PACKET_BYTES_MAX);
    splitter.push(Buffer.from('GET / HTTP/1.1\r\n'));
    expect(() => splitter.next()).toThrow("bigger than 'max_allowed_packet'");
  });

  test('refuses continuation frames that add up to more than the bound', () => {
    const splitter = new PacketSplitter(FRAME_PAYLOAD_BYTES_MAX + 10);
    splitter.push(fromHex('ff ff ff 00'));
    splitter.push(Buffer.alloc(FRAME_PAYLOAD_BYTES_MAX));
    expect(splitter.next()).toBeUndefined();
    expect(splitter.bufferedBytes).toBe(FRAME_PAYLOAD_BYTES_MAX);
    splitter.push(fromHex('0b 00 00 01'));
    expect(() => splitter.next()).toThrow("bigger than 'max_allowed_packet'");
    expect(splitter.answerSequence).toBe(2);
  });

  test('refuses a continuation with the wrong number', () => {
    const splitter = new PacketSplitter(MAX_ALLOWED_PACKET_BYTES);
    splitter.push(fromHex('ff ff ff 00'));
    splitter.push(Buffer.alloc(FRAME_PAYLOAD_BYTES_MAX));
    splitter.push(fromHex('01 00 00 02 00'));
    expect(() => splitter.next()).toThrow('out of order: expected 1, got 2');
  });

  test('gives up the bytes behind a packet to whoever takes over', () => {
    const splitter = new PacketSplitter(LOGIN_PACKET_BYTES_MAX);
    splitter.push(Buffer.concat([framed([Buffer.from('a')]), Buffer.from('rest of ')]));
    splitter.push(Buffer.alloc(0));
    splitter.push(Buffer.from('it'));
    expect(splitter.next()?.payload.toString()).toBe('a');
    expect(splitter.takeRest().toString()).toBe('rest of it');
    expect(splitter.takeRest().length).toBe(0);
  });
});

describe('PacketBuffer', () => {
  test('numbers packets from 0 again after 255', () => {
    const packets = new PacketBuffer();
    expect(packets.add(255, (writer) => writer.u8(1))).toBe(0);
  });

  test('leaves nothing behind of a packet whose writing failed', () => {
    const packets = new PacketBuffer();
    packets.add(0, (writer) => writer.string('kept'));
    const failing = () =>
      packets.add(1, (writer) => {
        writer.string('half');
        throw new Error('no more');
      });
    expect(failing).toThrow('no more');
    expect(packets.length).toBe(8);
    expect(packets.take().toString('latin1')).toBe('\u0004\0\0\0kept');
  });
});
