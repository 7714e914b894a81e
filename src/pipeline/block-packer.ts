// The backup side of a worker: reads blocks, seals them, writes packs. Knows nothing of processes.
import { BLOCK_PLAIN_BYTES } from '../base/limits.ts';
import { openDestinationSpec } from '../destination/open-destination.ts';
import { type PackFacts, PackWriter } from './pack-writer.ts';
import type { BlockEntry, PackEntry } from './pipeline.ts';
import { SnapshotReader, type SnapshotSource } from './snapshot-reader.ts';

/** What a worker needs to know; crosses to it in one message. */
export interface PackJob extends PackFacts {
  source: SnapshotSource;
}

export interface PackedBlocks {
  blocks: BlockEntry[];
  /** Packs that became complete. */
  packs: PackEntry[];
}

/** One worker's share of a backup, wherever it runs. */
export interface PackLane {
  pack(blockNos: readonly number[]): Promise<PackedBlocks>;
  /** Completes the last pack and ends the lane. */
  finish(): Promise<PackedBlocks>;
  /** Ends the lane at once; what it had begun is not complete. */
  abort(): Promise<void>;
}

/** @param nextPackNo hands out numbers that no other lane of the set gets */
export function createBlockPacker(job: PackJob, nextPackNo: () => Promise<number>): PackLane {
  const reader = new SnapshotReader(job.source);
  const destination = openDestinationSpec(job.destination);
  const packs = new PackWriter(destination, job, nextPackNo);
  const buffer = Buffer.allocUnsafeSlow(BLOCK_PLAIN_BYTES);
  const end = async () => {
    reader.close();
    await destination[Symbol.asyncDispose]();
  };
  return {
    async pack(blockNos) {
      const blocks: BlockEntry[] = [];
      for (const blockNo of blockNos) blocks.push(await packs.add(blockNo, reader.readBlock(blockNo, buffer)));
      return { blocks, packs: packs.takeFinished() };
    },
    async finish() {
      await packs.finish();
      await end();
      return { blocks: [], packs: packs.takeFinished() };
    },
    async abort() {
      await packs.abort();
      await end();
    },
  };
}
