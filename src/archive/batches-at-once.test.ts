// Goal: several batches in one object are read as often as they came, early or late, and whatever went on from them counts.
// Method: the real writer at a destination where nothing can be appended, some of whose objects land when others lie there.
import { afterEach, describe, expect, test } from 'vitest';
import { listPiece } from '../destination/archive-listing.ts';
import { walkPiece } from '../destination/archive-reader.ts';
import { type ChainPosition, ROUND_START } from '../destination/batch-chain.ts';
import { dropMemoryDestination, MemoryDestination } from '../destination/memory-destination.ts';
import type { CapturedBatch } from '../engine/engine-driver.ts';
import { segmentName } from '../format/layout.ts';
import { encodeLogBatch } from '../format/log-batch.ts';
import { toScn } from '../model/scn.ts';
import { findLogTail } from './log-tail.ts';
import { SegmentWriter } from './segment-writer.ts';

const PIECE = { destId: 1002, roundId: 1, pieceId: 1 };
const ROUND = { ...PIECE, basePieceId: 1, usedPieceId: 1 };
const OWNER = { clusterUuid: '5f3c8f0e-0d0e-4d1c-9a57-1b8a0a3d9d11', tenantId: 1002 };
const SHORT = 'at-once-scratch';
const ID = 'at-once';

/** Batches 1 to 6 of a round. */
const BATCHES: CapturedBatch[] = [];
for (let batchNo = 1; batchNo <= 6; batchNo++) {
  const scn = toScn(1_000_000n * BigInt(batchNo));
  const { bytes, header } = encodeLogBatch({
    owner: { ...OWNER, roundId: 1 },
    ...{ batchNo, prevHash: positionOf(batchNo - 1).hash, checkpointScn: scn, pageSize: 512 },
    ...{ position: new Uint8Array(8), commits: [], compressionLevel: 1 },
  });
  const position = { batchNo, batchHash: header.hash, scn, engine: new Uint8Array(8) };
  const scns = { firstScn: scn, lastScn: scn, checkpointScn: scn };
  BATCHES.push({ bytes, batchNo, position, ...scns, commitCount: 0, pageCount: 0, plainBytes: 0 });
}

function positionOf(batchNo: number): ChainPosition {
  const batch = BATCHES[batchNo - 1];
  return batch ? { batchNo, hash: batch.position.batchHash } : ROUND_START;
}

afterEach(() => {
  for (const id of [ID, SHORT]) dropMemoryDestination(id);
});

/** The object of a number with the batches from one to another. */
async function objectOf(segmentNo: number, [first, last]: readonly [number, number]): Promise<Uint8Array> {
  const destination = new MemoryDestination(SHORT, { append: false });
  const writer = new SegmentWriter({
    ...{ destination, owner: OWNER, piece: PIECE, nextSegmentNo: segmentNo, position: positionOf(first - 1) },
    spend: () => {},
  });
  writer.accept(await writer.writeAtOnce(BATCHES.slice(first - 1, last)));
  expect(writer.position).toEqual(positionOf(last));
  return await destination.get(segmentName('piece_d1002r1p1', segmentNo));
}

describe.each<[string, Array<readonly [number, number]>, last: number]>([
  [
    'one after the other',
    [
      [1, 3],
      [4, 4],
      [5, 6],
    ],
    6,
  ],
  [
    'what landed although it was refused, and came again',
    [
      [1, 3],
      [1, 3],
      [4, 6],
    ],
    6,
  ],
  [
    'and came again with more behind it',
    [
      [1, 3],
      [1, 5],
    ],
    5,
  ],
  [
    'and came again in smaller objects',
    [
      [1, 4],
      [1, 2],
      [3, 3],
      [4, 6],
    ],
    6,
  ],
  [
    'of which the last alone came again',
    [
      [1, 2],
      [2, 2],
      [3, 5],
    ],
    5,
  ],
])('objects: %s', (_, ranges, last) => {
  test('are read as the log that they hold, and it goes on at its end', async () => {
    const destination = new MemoryDestination(ID, { append: false });
    for (const [at, range] of ranges.entries())
      await destination.put(segmentName('piece_d1002r1p1', at + 1), await objectOf(at + 1, range));
    const walk = walkPiece(destination, await listPiece(destination, PIECE), ROUND_START, { owner: OWNER });
    const read: number[] = [];
    for await (const { header } of walk) read.push(header.batchNo);
    expect(read).toEqual(Array.from({ length: last }, (_, at) => at + 1));
    expect((await findLogTail(destination, ROUND, OWNER))?.position.batchNo).toBe(last);
  });
});
