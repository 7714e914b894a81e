// Goal: a segment's header tells how many batches before it were on their way, and nothing that contradicts itself is read.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  BATCHES_IN_FLIGHT_MAX,
  decodeSegmentHeader,
  durableBatchNoOf,
  encodeSegmentHeader,
} from './log-batch-header.ts';

const VERSION_AT = 8;
const IN_FLIGHT_AT = 136;
const AT_ONCE_AT = 140;
const HASH_AT = 160;
const header = {
  ...{ clusterUuid: '0b5cf2d4-8f5e-4f5c-9d6a-0a8a5a3c9e11', tenantId: 1002, roundId: 3, destId: 1001, pieceId: 1 },
  ...{ segmentNo: 7, firstBatchNo: 40, prevHash: new Uint8Array(32).fill(9) },
};

/** With other bytes, and the checksum that fits them. */
function altered(inFlight: number, change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(encodeSegmentHeader({ ...header, inFlight }));
  change(bytes);
  bytes.set(createHash('sha256').update(bytes.subarray(0, HASH_AT)).digest(), HASH_AT);
  return bytes;
}

test('a header names the last batch that was durable; without any on their way it is what earlier releases wrote', () => {
  for (const inFlight of [0, 1, BATCHES_IN_FLIGHT_MAX]) {
    const bytes = Buffer.from(encodeSegmentHeader({ ...header, inFlight }));
    expect(bytes.readUInt32BE(VERSION_AT)).toBe(inFlight === 0 ? 2 : 3);
    const read = decodeSegmentHeader(bytes, 'x');
    expect(read).toEqual({ ...header, inFlight });
    expect(durableBatchNoOf(read)).toBe(39 - inFlight);
  }
});

test('a header tells whether its batches became durable at once', () => {
  const bytes = Buffer.from(encodeSegmentHeader({ ...header, isAtOnce: true }));
  expect(bytes.readUInt32BE(VERSION_AT)).toBe(3);
  expect(bytes.readUInt32BE(AT_ONCE_AT)).toBe(1);
  expect(decodeSegmentHeader(bytes, 'x')).toEqual({ ...header, inFlight: 0, isAtOnce: true });
  const unknown = altered(1, (of) => of.writeUInt32BE(2, AT_ONCE_AT));
  expect(() => decodeSegmentHeader(unknown, 'x')).toThrow('its header has 2 at byte 140');
});

test('a header whose count does not fit its version or its batch is refused', () => {
  const cases = [
    altered(0, (bytes) => bytes.writeUInt32BE(1, IN_FLIGHT_AT)),
    altered(0, (bytes) => bytes.writeUInt32BE(1, AT_ONCE_AT)),
    altered(1, (bytes) => bytes.writeUInt32BE(0, IN_FLIGHT_AT)),
    altered(1, (bytes) => bytes.writeUInt32BE(BATCHES_IN_FLIGHT_MAX + 1, IN_FLIGHT_AT)),
    altered(2, (bytes) => bytes.writeBigUInt64BE(2n, 96)),
  ];
  for (const bytes of cases) expect(() => decodeSegmentHeader(bytes, 'x')).toThrow('on their way before batch');
});
