// Goal: a walk tells a torn tail from damage. Method: a segment of a few batches, cut and damaged everywhere.
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isFailure } from '../base/errors.ts';
import { type Scn, toScn } from '../model/scn.ts';
import { encodeLogBatch } from './log-batch.ts';
import { encodeSegmentHeader, LOG_BATCH_HEADER_BYTES, LOG_SEGMENT_HEADER_BYTES } from './log-batch-header.ts';
import { decodeImageBlock } from './log-batch-table.ts';
import { type SegmentItem, scanSegment } from './log-segment.ts';
import { pageHash } from './page-map.ts';

const OWNER = { clusterUuid: '0b5cf2d4-8f5e-4f5c-9d6a-0a8a5a3c9e11', tenantId: 1002, roundId: 3 };

const commitOf = (scn: Scn, page: number, image: Buffer) => ({
  scn,
  databasePages: 9,
  checksum: 0n,
  pages: Uint32Array.of(page),
  hashes: BigUint64Array.of(pageHash(image)),
  images: [image],
});

function makeSegment(batchCount: number) {
  let prevHash: Uint8Array = new Uint8Array(32);
  const header = { ...OWNER, destId: 1001, pieceId: 1, segmentNo: 1, firstBatchNo: 1, prevHash };
  const parts: Uint8Array[] = [encodeSegmentHeader(header)];
  const offsets: number[] = [];
  const images: Buffer[] = [];
  let offset = LOG_SEGMENT_HEADER_BYTES;
  for (let batchNo = 1; batchNo <= batchCount; batchNo++) {
    const image = randomBytes(512);
    images.push(image);
    const scn = toScn(BigInt(batchNo) * 1000n);
    const { bytes, header: batch } = encodeLogBatch({
      owner: OWNER,
      batchNo,
      prevHash,
      checkpointScn: scn,
      pageSize: 512,
      position: new Uint8Array(8),
      commits: [commitOf(scn, batchNo, image)],
      compressionLevel: 1,
    });
    parts.push(bytes);
    offsets.push(offset);
    offset += bytes.length;
    prevHash = batch.hash;
  }
  return { bytes: Buffer.concat(parts), offsets, images };
}

async function scan(bytes: Uint8Array, verifyImages: 'none' | 'last' | 'all' = 'none') {
  const items: SegmentItem[] = [];
  const reads: number[] = [];
  const readRange = async (offset: number, length: number) => {
    expect(offset + length).toBeLessThanOrEqual(bytes.length);
    reads.push(length);
    return bytes.subarray(offset, offset + length);
  };
  for await (const item of scanSegment({ object: 's', sizeBytes: bytes.length, readRange, verifyImages }))
    items.push(item);
  const batches = items.filter((item) => item.kind === 'batch');
  const end = items.at(-1)!;
  if (end.kind !== 'end') throw new Error('a walk ends with an end');
  return { batches, end, reads };
}

const isCorrupt = (error: unknown) => isFailure(error, 'BACKUP_DATA_CORRUPT');

describe('a walk over a segment', () => {
  it('yields every batch, with block offsets that count from the start of the segment', async () => {
    const { bytes, offsets, images } = makeSegment(4);
    const { batches, end, reads } = await scan(bytes);
    expect(batches.map((b) => b.offset)).toEqual(offsets);
    expect(end).toEqual({ kind: 'end', offset: bytes.length, tornBecause: undefined });
    for (const [i, { table }] of batches.entries()) {
      const block = table.blocks[0]!;
      const stored = bytes.subarray(block.offset, block.offset + block.storedBytes);
      expect(Buffer.from(decodeImageBlock(stored, block, 's')).equals(images[i]!)).toBe(true);
    }
    expect(reads.reduce((sum, length) => sum + length, 0)).toBeLessThan(bytes.length - 4 * 512);
  });

  it('ends at the last whole batch, wherever the tail is torn', async () => {
    const { bytes, offsets } = makeSegment(3);
    for (let length = offsets[2]! + 1; length < bytes.length; length++) {
      const { batches, end } = await scan(bytes.subarray(0, length));
      expect(batches.length).toBe(2);
      expect(end.offset).toBe(offsets[2]);
      expect(end.tornBecause).toBeTruthy();
    }
    const zeroTail = Buffer.concat([bytes, Buffer.alloc(5000)]);
    expect((await scan(zeroTail)).end).toMatchObject({ offset: bytes.length });
    expect((await scan(zeroTail)).end.tornBecause).toContain('magic');
  });

  it('reports damage before a valid batch as corruption, byte by byte', async () => {
    const { bytes, offsets } = makeSegment(3);
    for (let at = 0; at < offsets[2]!; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 0x40;
      await expect(
        scan(damaged, 'all').then(
          () => undefined,
          (error) => isCorrupt(error),
        ),
        `byte ${at}`,
      ).resolves.toBe(true);
    }
  });

  it('takes damage in the last batch for a torn tail, and sees damaged images only when asked to read them', async () => {
    const { bytes, offsets } = makeSegment(3);
    const damaged = Buffer.from(bytes);
    damaged[bytes.length - 1]! ^= 1;
    expect((await scan(damaged)).end.tornBecause).toBeUndefined();
    for (const verifyImages of ['last', 'all'] as const)
      expect((await scan(damaged, verifyImages)).end).toMatchObject({ offset: offsets[2] });
    const header = Buffer.from(bytes);
    header[offsets[2]! + LOG_BATCH_HEADER_BYTES - 1]! ^= 1;
    expect((await scan(header)).end).toMatchObject({ offset: offsets[2] });
  });

  it('refuses a batch that is missing or out of order', async () => {
    const { bytes, offsets } = makeSegment(4);
    const without = Buffer.concat([bytes.subarray(0, offsets[1]), bytes.subarray(offsets[2])]);
    await expect(scan(without)).rejects.toSatisfy(isCorrupt);
    const swapped = Buffer.concat([
      bytes.subarray(0, offsets[1]),
      bytes.subarray(offsets[2], offsets[3]),
      bytes.subarray(offsets[1], offsets[2]),
      bytes.subarray(offsets[3]),
    ]);
    await expect(scan(swapped)).rejects.toSatisfy(isCorrupt);
  });
});
