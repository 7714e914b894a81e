// Goal: nothing altered, cut or moved in a log batch goes unnoticed. Method: every byte flip and every truncation of a
// small batch, and random batches that must come back as they were.
import { randomBytes, randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isFailure } from '../base/errors.ts';
import { MIB } from '../base/limits.ts';
import { toScn } from '../model/scn.ts';
import { encodeLogBatch, type LogBatchSpec, type LogCommitSpec, verifyLogBatch } from './log-batch.ts';
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  LOG_BATCH_HEADER_BYTES,
  LOG_SEGMENT_HEADER_BYTES,
  readLogBatchHeader,
} from './log-batch-header.ts';
import { decodeImageBlock } from './log-batch-table.ts';
import { pageHash } from './page-map.ts';

const OWNER = { clusterUuid: '0b5cf2d4-8f5e-4f5c-9d6a-0a8a5a3c9e11', tenantId: 1002, roundId: 3 };
const ZERO_HASH = new Uint8Array(32);

const commit = (scn: number, pages: number[], pageSize: number): LogCommitSpec => {
  const images = pages.map(() => randomBytes(pageSize));
  return {
    scn: toScn(BigInt(scn) * 1000n),
    databasePages: 200_000,
    checksum: randomBytes(8).readBigUInt64BE(),
    pages: Uint32Array.from(pages),
    hashes: BigUint64Array.from(images, pageHash),
    images,
  };
};

const spec = (over: Partial<LogBatchSpec> = {}): LogBatchSpec => ({
  owner: OWNER,
  batchNo: 7,
  prevHash: new Uint8Array(randomBytes(32)),
  checkpointScn: toScn(9_000_000n),
  pageSize: 512,
  position: new Uint8Array(randomBytes(88)),
  commits: [commit(1, [1, 5], 512), commit(2, [2], 512)],
  compressionLevel: 1,
  ...over,
});

const placeOf = (of: LogBatchSpec) => ({ owner: of.owner, batchNo: of.batchNo, prevHash: of.prevHash });

function isCorrupt(run: () => unknown): boolean {
  try {
    run();
    return false;
  } catch (error) {
    if (isFailure(error, 'BACKUP_DATA_CORRUPT')) return true;
    throw error;
  }
}

describe('a log batch', () => {
  it('comes back as it was written, whatever the page size', () => {
    for (const pageSize of [512, 1024, 4096, 65536]) {
      const commits: LogCommitSpec[] = [];
      for (let i = 1; i <= randomInt(1, 12); i++) {
        const pages = [...new Set(Array.from({ length: randomInt(0, 60) }, () => randomInt(1, 200_000)))];
        commits.push(
          commit(
            i,
            pages.sort((a, b) => a - b),
            pageSize,
          ),
        );
      }
      const of = spec({ commits, pageSize });
      const { bytes, header, plainBytes } = encodeLogBatch(of);
      const read = verifyLogBatch(bytes, placeOf(of), 'segment');
      expect(read.header).toEqual(header);
      expect(plainBytes).toBe(header.pageCount * pageSize);
      const images: Buffer[] = [];
      for (const block of read.table.blocks) {
        expect(block.plainBytes).toBeLessThanOrEqual(MIB);
        const stored = bytes.subarray(block.offset, block.offset + block.storedBytes);
        const plain = decodeImageBlock(stored, block, 'segment');
        for (let i = 0; i < block.imageCount; i++) {
          expect(images.length).toBe(block.firstImage + i);
          images.push(Buffer.from(plain.subarray(i * pageSize, (i + 1) * pageSize)));
        }
      }
      expect(read.table.commits.map((c) => c.scn)).toEqual(commits.map((c) => c.scn));
      for (const [i, c] of read.table.commits.entries()) {
        const range = [c.firstImage, c.firstImage + c.imageCount] as const;
        expect([...read.table.pages.subarray(...range)]).toEqual([...commits[i]!.pages]);
        expect([...read.table.hashes.subarray(...range)]).toEqual([...commits[i]!.hashes]);
        expect(c.checksum).toBe(commits[i]!.checksum);
        expect(Buffer.concat(images.slice(...range)).equals(Buffer.concat(commits[i]!.images as Buffer[]))).toBe(true);
      }
    }
  });

  it('notices every flipped byte', () => {
    const of = spec();
    const { bytes } = encodeLogBatch(of);
    const damaged = new Uint8Array(bytes);
    for (let at = 0; at < bytes.length; at++) {
      damaged[at]! ^= 1 << (at % 8);
      expect(
        isCorrupt(() => verifyLogBatch(damaged, placeOf(of), 'segment')),
        `byte ${at}`,
      ).toBe(true);
      damaged[at] = bytes[at]!;
    }
    verifyLogBatch(damaged, placeOf(of), 'segment');
  });

  it('notices every truncation and any byte too many', () => {
    const of = spec();
    const { bytes } = encodeLogBatch(of);
    for (let length = 0; length < bytes.length; length++)
      expect(
        isCorrupt(() => verifyLogBatch(bytes.subarray(0, length), placeOf(of), 'segment')),
        `length ${length}`,
      ).toBe(true);
    expect(isCorrupt(() => verifyLogBatch(Buffer.concat([bytes, Buffer.alloc(1)]), placeOf(of), 'segment'))).toBe(true);
  });

  it('refuses a batch of another owner or place', () => {
    const of = spec();
    const { bytes } = encodeLogBatch(of);
    const place = placeOf(of);
    const wrong = [
      { ...place, batchNo: 8 },
      { ...place, prevHash: ZERO_HASH },
      { ...place, owner: { ...OWNER, tenantId: 1004 } },
      { ...place, owner: { ...OWNER, roundId: 4 } },
      { ...place, owner: { ...OWNER, clusterUuid: '0b5cf2d4-8f5e-4f5c-9d6a-0a8a5a3c9e12' } },
    ];
    for (const expected of wrong) expect(isCorrupt(() => verifyLogBatch(bytes, expected, 'segment'))).toBe(true);
  });

  it('may hold no commit at all', () => {
    const of = spec({ commits: [] });
    const { bytes, header } = encodeLogBatch(of);
    expect(bytes.length).toBe(LOG_BATCH_HEADER_BYTES);
    expect([header.firstScn, header.lastScn]).toEqual([of.checkpointScn, of.checkpointScn]);
    expect(verifyLogBatch(bytes, placeOf(of), 'segment').table.blocks).toEqual([]);
  });

  it('marks a commit that goes on in the next batch as incomplete', () => {
    const first = spec({ continues: true });
    const read = verifyLogBatch(encodeLogBatch(first).bytes, placeOf(first), 'segment');
    expect(read.header.commitCount).toBe(1);
    expect(read.table.commits.map((c) => c.isComplete)).toEqual([true, false]);
    const only = spec({ commits: [commit(2, [9], 512)], continues: true, isContinued: true });
    expect(encodeLogBatch(only).header).toMatchObject({ commitCount: 0, firstScn: only.checkpointScn });
  });

  it('refuses an image that is not the one its hash was taken of', () => {
    const wrong = commit(2, [9, 12], 512);
    wrong.hashes[1]!++;
    const of = spec({ commits: [wrong] });
    const { bytes } = encodeLogBatch(of);
    expect(() => verifyLogBatch(bytes, placeOf(of), 'segment')).toThrow(/the hash of page 12 does not match/);
  });

  it('refuses to encode scns or pages out of order', () => {
    expect(() => encodeLogBatch(spec({ commits: [1, 3, 2].map((scn) => commit(scn, [1], 512)) }))).toThrow(/ascend/);
    expect(() => encodeLogBatch(spec({ commits: [commit(2, [3, 2], 512)] }))).toThrow(/out of place/);
    expect(() => encodeLogBatch(spec({ checkpointScn: toScn(1n) }))).toThrow(/impossible/);
  });

  it('bounds what a header may claim before anything is allocated', () => {
    const { bytes } = encodeLogBatch(spec());
    expect(() => readLogBatchHeader(bytes.subarray(0, 100), 'segment')).toThrow(/header has 100 bytes/);
  });
});

describe('a segment header', () => {
  const prevHash = new Uint8Array(randomBytes(32));
  const header = { ...OWNER, destId: 1001, pieceId: 5, segmentNo: 12, firstBatchNo: 7, prevHash, inFlight: 0 };

  it('keeps whose lease it was written with beside the batches on their way', () => {
    const led = { ...header, inFlight: 2, generation: 9, prevGeneration: 8 };
    expect(decodeSegmentHeader(encodeSegmentHeader(led), 's')).toEqual(led);
  });

  it('comes back as it was written, and notices every flipped byte and every truncation', () => {
    const bytes = encodeSegmentHeader(header);
    expect(bytes.length).toBe(LOG_SEGMENT_HEADER_BYTES);
    expect(decodeSegmentHeader(bytes, 's')).toEqual(header);
    const damaged = new Uint8Array(bytes);
    for (let at = 0; at < bytes.length; at++) {
      damaged[at]! ^= 0x80;
      expect(isCorrupt(() => decodeSegmentHeader(damaged, 's'))).toBe(true);
      damaged[at] = bytes[at]!;
      expect(isCorrupt(() => decodeSegmentHeader(bytes.subarray(0, at), 's'))).toBe(true);
    }
  });
});
