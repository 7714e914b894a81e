// Goal: an encrypted log batch shows nothing of its pages, opens with its tenant's key only, and nothing altered, cut or
// moved in it goes unnoticed, also by whoever makes every unkeyed checksum right again. Method: every byte flip and cut of
// a small batch, headers that were made anew, and random batches.
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { sameBytes } from '../base/bytes.ts';
import { isFailure } from '../base/errors.ts';
import { toScn } from '../model/scn.ts';
import { decodeTableIfOpen, encodeLogBatch, type LogBatchSpec, verifyLogBatch } from './log-batch.ts';
import {
  encodeBatchHeader,
  encodeSegmentHeader,
  LOG_BATCH_HEADER_BYTES,
  readLogBatchHeader,
} from './log-batch-header.ts';
import { decodeImageBlock } from './log-batch-table.ts';
import { scanSegment } from './log-segment.ts';
import { acceptedMutations } from './mutations.fixture.ts';
import { pageHash } from './page-map.ts';
import { findKeyOf } from './tenant-key.fixture.ts';
import { newTenantKey, roundLogKey, tenantKeyId } from './tenant-key.ts';

const OWNER = { clusterUuid: '0b5cf2d4-8f5e-4f5c-9d6a-0a8a5a3c9e11', tenantId: 1002, roundId: 3 };
const PLANTED = 'the applicant lives at 12 Rosewood Lane ';
const PAGE = 512;

function keyed(key = newTenantKey()) {
  return { key, findKey: findKeyOf(key), seal: { keyId: tenantKeyId(key), key: roundLogKey(key, OWNER) } };
}

const mine = keyed();

function spec(over: Partial<LogBatchSpec> = {}, pages = [3, 0x7a7b7c7d]): LogBatchSpec {
  // Half of a page does not compress, so that the planted text would stand there readable if it were not encrypted.
  const images = pages.map(() => Buffer.concat([Buffer.from(PLANTED.repeat(6)), randomBytes(PAGE)]).subarray(0, PAGE));
  const hashes = BigUint64Array.from(images, pageHash);
  const change = { scn: toScn(1000n), databasePages: 0x7fffffff, checksum: 5n, pages: Uint32Array.from(pages), hashes };
  return {
    owner: OWNER,
    batchNo: 7,
    prevHash: new Uint8Array(randomBytes(32)),
    checkpointScn: toScn(9000n),
    pageSize: PAGE,
    position: new Uint8Array(randomBytes(88)),
    commits: [{ ...change, images }],
    compressionLevel: -7,
    seal: mine.seal,
    ...over,
  };
}

const placeOf = ({ owner, batchNo, prevHash }: LogBatchSpec, findKey = mine.findKey) => ({
  ...{ owner, batchNo, prevHash, findKey },
});
const isCorrupt = (error: unknown) => isFailure(error, 'BACKUP_DATA_CORRUPT');

function errorOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('an encrypted batch', () => {
  it('comes back as it was written', () => {
    for (let round = 0; round < 20; round++) {
      const pages = [...new Set(Array.from({ length: randomInt(0, 40) }, () => randomInt(1, 1000)))].sort(
        (a, b) => a - b,
      );
      const of = spec({}, pages);
      const { bytes, header } = encodeLogBatch(of);
      const read = verifyLogBatch(bytes, placeOf(of), 'segment');
      expect(read.header).toEqual(header);
      expect([...read.table.pages]).toEqual(pages);
      const images = read.table.blocks.map((block) =>
        Buffer.from(decodeImageBlock(bytes.subarray(block.offset, block.offset + block.storedBytes), block, 'segment')),
      );
      expect(Buffer.concat(images).equals(Buffer.concat(of.commits[0]!.images as Buffer[]))).toBe(true);
    }
  });

  it('shows neither pages nor their numbers nor the key; a plain one does show them', () => {
    const of = spec();
    const sealed = Buffer.from(encodeLogBatch(of).bytes);
    const plain = Buffer.from(encodeLogBatch({ ...of, seal: null }).bytes);
    const number = Buffer.from([0x7a, 0x7b, 0x7c, 0x7d]);
    expect([plain.includes(PLANTED.slice(0, 20)), sealed.includes(PLANTED.slice(0, 20))]).toEqual([true, false]);
    expect([plain.includes(number), sealed.includes(number)]).toEqual([true, false]);
    expect([mine.key, mine.seal.key].map((key) => sealed.includes(Buffer.from(key)))).toEqual([false, false]);
  });

  it('is another one each time it is encoded: no key stream is used twice, also after a crash', () => {
    const of = spec();
    const encodings = Array.from({ length: 8 }, () => Buffer.from(encodeLogBatch(of).bytes));
    const bodies = encodings.map((bytes) => bytes.subarray(LOG_BATCH_HEADER_BYTES));
    for (const [i, a] of bodies.entries())
      for (const b of bodies.slice(i + 1)) {
        // Equal texts under one key stream would be equal bytes.
        const equal = a.filter((byte, at) => byte === b[at]).length;
        expect(equal / a.length).toBeLessThan(0.1);
      }
  });

  it('notices every flipped byte, cut and addition', () => {
    const of = spec();
    const { bytes } = encodeLogBatch(of);
    // A flipped id names another key, which nobody has.
    const isExpected = (error: unknown) => isCorrupt(error) || isFailure(error, 'BACKUP_INVALID_PASSWORD');
    expect(acceptedMutations(bytes, (mutated) => verifyLogBatch(mutated, placeOf(of), 'segment'), isExpected)).toEqual(
      [],
    );
  });

  it('can not be given another header by somebody without the key', () => {
    const of = spec();
    const { bytes } = encodeLogBatch(of);
    const header = readLogBatchHeader(bytes, 'segment');
    const forged = [
      { ...header, checkpointScn: toScn(header.checkpointScn + 1n) },
      { ...header, batchNo: 8 },
      { ...header, prevHash: new Uint8Array(32) },
      { ...header, position: new Uint8Array(randomBytes(88)) },
      { ...header, owner: undefined, tenantId: 1004 },
      { ...header, roundId: 4 },
      { ...header, continues: true, commitCount: 0, firstScn: header.checkpointScn, lastScn: header.checkpointScn },
      { ...header, seal: { ...header.seal!, salt: new Uint8Array(randomBytes(8)) } },
    ];
    for (const facts of forged) {
      const { clusterUuid, tenantId, roundId, batchNo, prevHash } = facts;
      const changed = Buffer.concat([encodeBatchHeader(facts).bytes, bytes.subarray(LOG_BATCH_HEADER_BYTES)]);
      const expected = { owner: { clusterUuid, tenantId, roundId }, batchNo, prevHash, findKey: mine.findKey };
      const error = errorOf(() => verifyLogBatch(changed, expected, 'segment'));
      expect(isCorrupt(error), String(error)).toBe(true);
      expect(String(error)).toContain('does not decrypt');
    }
  });

  it('without commits binds its header all the same', () => {
    const of = spec({ commits: [] });
    const { bytes } = encodeLogBatch(of);
    verifyLogBatch(bytes, placeOf(of), 'segment');
    const header = readLogBatchHeader(bytes, 'segment');
    const scn = toScn(header.checkpointScn + 1000n);
    const facts = { ...header, firstScn: scn, lastScn: scn, checkpointScn: scn };
    const changed = Buffer.concat([encodeBatchHeader(facts).bytes, bytes.subarray(LOG_BATCH_HEADER_BYTES)]);
    expect(isCorrupt(errorOf(() => verifyLogBatch(changed, placeOf(of), 'segment')))).toBe(true);
  });

  it('has its blocks in their order: one can not stand for another', () => {
    const pages = Array.from({ length: 4096 }, (_, i) => i + 1);
    const of = spec({ compressionLevel: 1 }, pages);
    const { bytes } = encodeLogBatch(of);
    const { table } = verifyLogBatch(bytes, placeOf(of), 'segment');
    const [first, second] = table.blocks;
    const stored = bytes.subarray(first!.offset, first!.offset + first!.storedBytes);
    expect(isCorrupt(errorOf(() => decodeImageBlock(stored, { ...first!, seal: second!.seal }, 'segment')))).toBe(true);
  });

  it('with another key is no damage, but an error that names the key', () => {
    const of = spec();
    const { bytes } = encodeLogBatch(of);
    for (const findKey of [keyed().findKey, () => undefined]) {
      const error = errorOf(() => verifyLogBatch(bytes, placeOf(of, findKey), 'log/1'));
      expect(isFailure(error, 'BACKUP_INVALID_PASSWORD')).toBe(true);
      expect(String(error)).toContain(Buffer.from(mine.seal.keyId).toString('hex'));
    }
    // A key that only calls itself so is damage of one or the other.
    const wrong = errorOf(() =>
      verifyLogBatch(
        bytes,
        placeOf(of, () => new Uint8Array(32)),
        'log/1',
      ),
    );
    expect(isCorrupt(wrong)).toBe(true);
  });

  it('is walked by its header where nobody has the key, and its table is still compared with the hash there', () => {
    const of = spec();
    const { bytes, header } = encodeLogBatch(of);
    const body = bytes.subarray(LOG_BATCH_HEADER_BYTES);
    expect(decodeTableIfOpen(header, body, 0, 'segment').commits).toEqual([]);
    expect(decodeTableIfOpen(header, body, 0, 'segment', mine.findKey).commits.length).toBe(1);
    const damaged = Uint8Array.from(body);
    damaged[3]! ^= 1;
    expect(isCorrupt(errorOf(() => decodeTableIfOpen(header, damaged, 0, 'segment')))).toBe(true);
  });

  it('stands in one chain with plain ones and those of other keys', async () => {
    const other = keyed();
    const parts: Uint8Array[] = [];
    let prevHash: Uint8Array = new Uint8Array(32);
    const first = encodeSegmentHeader({ ...OWNER, destId: 1001, pieceId: 1, segmentNo: 1, firstBatchNo: 1, prevHash });
    for (const [i, seal] of [null, mine.seal, other.seal, null, mine.seal].entries()) {
      const scn = toScn(BigInt(i + 1) * 1000n);
      const of = spec({ seal, batchNo: i + 1, prevHash, checkpointScn: scn });
      const batch = encodeLogBatch({ ...of, commits: [{ ...of.commits[0]!, scn }] });
      parts.push(batch.bytes);
      prevHash = batch.header.hash;
    }
    const bytes = Buffer.concat([first, ...parts]);
    const findKey = (keyId: Uint8Array, of: typeof OWNER) =>
      (sameBytes(keyId, mine.seal.keyId) ? mine : other).findKey(keyId, of);
    const readRange = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
    const source = { object: 'log/1', sizeBytes: bytes.length, readRange, verifyImages: 'all' as const };
    const numbers: number[] = [];
    for await (const item of scanSegment({ ...source, findKey }))
      if (item.kind === 'batch') numbers.push(item.table.commits.length);
    expect(numbers).toEqual([1, 1, 1, 1, 1]);
    const closed: number[] = [];
    for await (const item of scanSegment({ ...source, acceptsClosed: true }))
      if (item.kind === 'batch') closed.push(item.table.commits.length);
    expect(closed).toEqual([1, 0, 0, 1, 0]);
    const walk = async () => {
      for await (const _ of scanSegment(source));
    };
    await expect(walk()).rejects.toThrow('which is not at hand');
  });

  it('keeps the keys of rounds, batches, sets and tenants apart', () => {
    const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    const rounds = [OWNER, { ...OWNER, roundId: 4 }, { ...OWNER, tenantId: 1004 }].map((of) =>
      roundLogKey(mine.key, of),
    );
    expect(new Set([mine.key, ...rounds].map(hash)).size).toBe(4);
  });
});
