// Goal: a restore that begins in one piece finds the beginning of a commit that only ends there.
import { afterEach, describe, expect, test } from 'vitest';
import { type LogCopies, listCopies } from '../destination/list-copies.ts';
import { dropMemoryDestination, MemoryDestination } from '../destination/memory-destination.ts';
import { pieceDirectory, segmentName } from '../format/layout.ts';
import { encodeLogBatch } from '../format/log-batch.ts';
import { encodeSegmentHeader } from '../format/log-batch-header.ts';
import { type Scn, toScn } from '../model/scn.ts';
import { LogOverlay } from './merge-log.ts';
import { findPieces, walkStretches } from './walk-log.ts';

const PAGE_BYTES = 512;
const DESTINATION = 'read-log';
const owner = { clusterUuid: '5f3c8f0e-0d0e-4d1c-9a57-1b8a0a3d9d11', tenantId: 1002 };
const scn = (n: number): Scn => toScn(1_000_000n * BigInt(n));
const ref = (pieceId: number) => ({ destId: 1001, roundId: 1, pieceId });

interface Part {
  at: number;
  checkpoint: number;
  page: number;
  continues?: boolean;
  isContinued?: boolean;
}

/** One piece for each list of batches, chained over all of them. */
async function writePieces(pieces: Part[][]): Promise<LogCopies> {
  const destination = new MemoryDestination(DESTINATION);
  let tip: { batchNo: number; hash: Uint8Array } = { batchNo: 0, hash: new Uint8Array(32) };
  for (const [index, parts] of pieces.entries()) {
    const place = ref(index + 1);
    const { batchNo, hash } = tip;
    const bytes = [
      encodeSegmentHeader({ ...owner, ...place, segmentNo: 1, firstBatchNo: batchNo + 1, prevHash: hash }),
    ];
    for (const { at, checkpoint, page, ...flags } of parts) {
      const images = [Buffer.alloc(PAGE_BYTES, page)];
      const batch = encodeLogBatch({
        owner: { ...owner, roundId: 1 },
        batchNo: tip.batchNo + 1,
        prevHash: tip.hash,
        checkpointScn: scn(checkpoint),
        pageSize: PAGE_BYTES,
        position: new Uint8Array(8),
        commits: [
          {
            scn: scn(at),
            databasePages: 4,
            checksum: 0n,
            pages: Uint32Array.of(page),
            hashes: BigUint64Array.of(1n),
            images,
          },
        ],
        compressionLevel: 1,
        ...flags,
      });
      tip = { batchNo: batch.header.batchNo, hash: batch.header.hash };
      bytes.push(batch.bytes);
    }
    await destination.put(segmentName(pieceDirectory(place), 1), new Uint8Array(Buffer.concat(bytes)));
  }
  return await listCopies([{ destination, shown: 'memory', only: null }]);
}

describe('the pieces of a restore', () => {
  afterEach(() => dropMemoryDestination(DESTINATION));

  test('reach back to the beginning of a commit in parts that ends in the first of them', async () => {
    // The tenant was idle past the end of its piece: the set stands behind that end, the parts before it.
    const log = await writePieces([
      [
        { at: 10, checkpoint: 10, page: 1 },
        { at: 120, checkpoint: 10, page: 2, continues: true },
      ],
      [
        { at: 120, checkpoint: 120, page: 3, isContinued: true },
        { at: 130, checkpoint: 130, page: 4 },
      ],
    ]);
    const pieces = await findPieces(log, [ref(2)], { owner });
    expect(pieces.map(({ pieceId }) => pieceId)).toEqual([1, 2]);
    const scns = { consistentScn: scn(110), restoreScn: scn(130) };
    const overlay = new LogOverlay({ pageSize: PAGE_BYTES, setPageCount: 4, ...scns });
    const stretches = [{ pieces: [ref(2)], until: null }];
    for await (const batch of walkStretches(log, stretches, { owner })) overlay.add(batch);
    expect([1, 2, 3, 4].map((page) => overlay.isReplaced(page))).toEqual([false, true, true, true]);
  });

  test('are those that were planned when the first begins with a commit of its own', async () => {
    const log = await writePieces([[{ at: 10, checkpoint: 10, page: 1 }], [{ at: 120, checkpoint: 120, page: 3 }]]);
    expect((await findPieces(log, [ref(2)], { owner })).map(({ pieceId }) => pieceId)).toEqual([2]);
  });
});
