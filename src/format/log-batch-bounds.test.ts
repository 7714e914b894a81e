// Goal: a header or table that is sealed rightly but says something impossible is refused before memory is taken for it.
// Method: change one field of a real batch, make its hashes fit again, read it.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { toScn } from '../model/scn.ts';
import { compress, decompress } from './compress.ts';
import { decodeLogBatchTable, encodeLogBatch } from './log-batch.ts';
import { LOG_BATCH_HEADER_BYTES, readLogBatchHeader } from './log-batch-header.ts';
import { pageHash } from './page-map.ts';

const OWNER = { clusterUuid: '0b5cf2d4-8f5e-4f5c-9d6a-0a8a5a3c9e11', tenantId: 1002, roundId: 3 };
const PAGE_BYTES = 512;
const LEVEL = 1;
/** Offsets of docs/formats/log-segment.md. */
const HASHED_BYTES = 352;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

function batchOf(pages: number[]) {
  const { bytes, header } = encodeLogBatch({
    owner: OWNER,
    batchNo: 1,
    prevHash: new Uint8Array(32),
    checkpointScn: toScn(1000n),
    pageSize: PAGE_BYTES,
    position: new Uint8Array(8),
    commits: [
      {
        scn: toScn(1000n),
        databasePages: 9,
        checksum: 5n,
        pages: Uint32Array.from(pages),
        hashes: BigUint64Array.from(pages, (page) => pageHash(Buffer.alloc(PAGE_BYTES, page))),
        images: pages.map((page) => Buffer.alloc(PAGE_BYTES, page)),
      },
    ],
    compressionLevel: LEVEL,
  });
  return { bytes: Buffer.from(bytes), header };
}

/** Reads header and table of a batch whose header fields `change` has set, with the hash made right again. */
function readChanged(change: (header: Buffer) => void): void {
  const { bytes } = batchOf([2, 3]);
  change(bytes);
  sha256(bytes.subarray(0, HASHED_BYTES)).copy(bytes, HASHED_BYTES);
  readLogBatchHeader(bytes.subarray(0, LOG_BATCH_HEADER_BYTES), 's');
}

describe('a sealed batch header', () => {
  test('is read when nothing was changed', () => {
    expect(() => readChanged(() => {})).not.toThrow();
  });

  test.each<[string, (header: Buffer) => void, RegExp]>([
    ['another version', (h) => h.writeUInt32BE(1, 8), /version is 1/],
    ['unknown flags', (h) => h.writeUInt32BE(4, 12), /flags/],
    ['another header length', (h) => h.writeUInt32BE(385, 16), /header length of 385/],
    ['a page size that is no power of two', (h) => h.writeUInt32BE(1000, 124), /page size of 1000/],
    ['a page size below the least', (h) => h.writeUInt32BE(256, 124), /page size of 256/],
    ['more images than a batch may have', (h) => h.writeUInt32BE(2 ** 31, 120), /2147483648 page images/],
    ['more blocks than images', (h) => h.writeUInt32BE(3, 128), /3 blocks for 2 images/],
    ['a table past its bound', (h) => h.writeUInt32BE(2 ** 25, 136), /a table of 33554432 bytes/],
    ['a stored table that zstd can not have made', (h) => h.writeUInt32BE(2 ** 20, 132), /a stored table of 1048576/],
    ['a length that is too small', (h) => h.writeBigUInt64BE(384n, 24), /a length of 384 bytes/],
    ['a length past the bound', (h) => h.writeBigUInt64BE(2n ** 40n, 24), /a length of 1099511627776 bytes/],
    ['a count past 2^53', (h) => h.writeBigUInt64BE(2n ** 60n, 32), /a count of/],
    ['the batch number 0', (h) => h.writeBigUInt64BE(0n, 32), /its number or its scns/],
    ['scns out of order', (h) => h.writeBigUInt64BE(2000n, 96), /its number or its scns/],
    ['a position past its bound', (h) => h.writeUInt32BE(129, 140), /position/],
  ])('with %s is damaged', (_what, change, message) => {
    expect(() => readChanged(change)).toThrow(message);
  });
});

describe('a table whose hash fits', () => {
  /** The table of a batch of two images, changed. Entry 0 to 23, page numbers 24 to 31, hashes 32 to 47, block from 48. */
  function readTable(change: (table: Buffer) => void): void {
    const { bytes, header } = batchOf([2, 3]);
    const packed = bytes.subarray(LOG_BATCH_HEADER_BYTES, LOG_BATCH_HEADER_BYTES + header.tableStoredBytes);
    const plain = Buffer.from(decompress(packed, header.tablePlainBytes));
    change(plain);
    const stored = Buffer.from(compress(plain, LEVEL));
    const told = { ...header, tableStoredBytes: stored.length, tableSha256: sha256(stored) };
    const totalBytes = header.totalBytes - header.tableStoredBytes + stored.length;
    decodeLogBatchTable({ ...told, totalBytes }, stored, 0, 's');
  }

  test('is read when nothing was changed', () => {
    expect(() => readTable(() => {})).not.toThrow();
  });

  test.each<[string, (table: Buffer) => void]>([
    ['a page 0', (t) => t.writeUInt32BE(0, 24)],
    ['pages that do not ascend', (t) => t.writeUInt32BE(3, 24)],
    ['a page past the end of the database', (t) => t.writeUInt32BE(10, 28)],
    ['another count of images', (t) => t.writeUInt32BE(1, 20)],
    ['an scn that its header does not say', (t) => t.writeBigUInt64BE(999n, 0)],
    ['a block without stored bytes', (t) => t.writeUInt32BE(0, 48)],
    ['a block larger than zstd makes it', (t) => t.writeUInt32BE(2 ** 24, 48)],
    ['a block of another plain length', (t) => t.writeUInt32BE(PAGE_BYTES, 52)],
    ['a block without images', (t) => t.writeUInt32BE(0, 56)],
    ['a block of more images than fit', (t) => t.writeUInt32BE(2049, 56)],
    [
      'blocks that do not hold all images',
      (t) => {
        t.writeUInt32BE(PAGE_BYTES, 52);
        t.writeUInt32BE(1, 56);
      },
    ],
    ['something where nothing is', (t) => t.writeUInt32BE(1, 60)],
  ])('with %s is damaged', (_what, change) => {
    expect(() => readTable(change)).toThrow(/is damaged/);
  });
});
