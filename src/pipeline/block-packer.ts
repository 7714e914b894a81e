// The backup side of a worker: reads the pages of blocks, hashes and seals them, writes packs. Knows nothing of processes.
import { sameBytes } from '../base/bytes.ts';
import { BLOCK_PLAIN_BYTES } from '../base/limits.ts';
import { openDestinationSpec } from '../destination/open-destination.ts';
import { blockChecksum } from '../format/block.ts';
import type { Lane } from './lane.ts';
import { type PackFacts, PackWriter } from './pack-writer.ts';
import { hashRange, type PageRange } from './page-hasher.ts';
import type { BlockEntry, PackEntry, SnapshotSource } from './pipeline.ts';
import { SnapshotReader } from './snapshot-reader.ts';

/** What a worker needs to know; crosses to it in one message. */
export interface PackJob extends PackFacts {
  source: SnapshotSource;
}

/** A block to be made: its number, and its pages, ascending. */
export interface BlockPlan {
  blockNo: number;
  ranges: PageRange[];
  /** The block as it lies at the destination already; it stays when the pages still have its bytes. */
  known?: BlockEntry;
}

export interface PackedBlocks {
  blocks: BlockEntry[];
  /** `pageHash` of the pages of these blocks, one block after the other. */
  pageHashes: BigUint64Array;
  /** Packs that became complete. */
  packs: PackEntry[];
}

/** A chunk is some blocks. */
export type PackLane = Lane<readonly BlockPlan[], PackedBlocks, PackedBlocks>;

const pagesIn = (ranges: readonly PageRange[]): number => ranges.reduce((sum, [, count]) => sum + count, 0);

const isBlock = ({ plainBytes, checksum }: BlockEntry, plain: Buffer): boolean =>
  plainBytes === plain.length && sameBytes(checksum, blockChecksum(plain));

/** @param nextPackNo hands out numbers that no other lane of the set gets */
export function createBlockPacker(job: PackJob, nextPackNo: () => Promise<number>): PackLane {
  const { source } = job;
  const reader = new SnapshotReader(source);
  const destination = openDestinationSpec(job.destination);
  const packs = new PackWriter(destination, job, nextPackNo);
  const buffer = Buffer.allocUnsafeSlow(BLOCK_PLAIN_BYTES);
  const end = async () => {
    reader.close();
    await destination[Symbol.asyncDispose]();
  };
  return {
    async work(plans) {
      const blocks: BlockEntry[] = [];
      const pageHashes = new BigUint64Array(plans.reduce((sum, { ranges }) => sum + pagesIn(ranges), 0));
      let hashed = 0;
      for (const { blockNo, ranges, known } of plans) {
        let filled = 0;
        for (const range of ranges) {
          const plain = reader.read(range, buffer.subarray(filled));
          hashRange(plain, range, source, { into: pageHashes, at: hashed });
          filled += plain.length;
          hashed += range[1];
        }
        const plain = buffer.subarray(0, filled);
        blocks.push(known && isBlock(known, plain) ? known : await packs.add(blockNo, plain));
      }
      return { blocks, pageHashes, packs: packs.takeFinished() };
    },
    async finish() {
      await packs.finish();
      await end();
      return { blocks: [], pageHashes: new BigUint64Array(0), packs: packs.takeFinished() };
    },
    async abort() {
      await packs.abort();
      await end();
    },
  };
}
