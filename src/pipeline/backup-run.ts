// One backup: hands out ranges of blocks to lanes, gathers entries of blocks and packs.
import { assert } from '../base/assert.ts';
import { systemClock } from '../base/clock.ts';
import { fail } from '../base/errors.ts';
import { pagesPerBlock } from '../format/backup-set-index.ts';
import { createBlockPacker, type PackedBlocks, type PackJob, type PackLane } from './block-packer.ts';
import { runLanes, throttled } from './lanes.ts';
import type { BackupRequest, BackupResult, BlockEntry, PackEntry } from './pipeline.ts';
import { SerialQueue } from './serial-queue.ts';
import type { HeldWorker, WorkerPool } from './worker-pool.ts';

/** Blocks in one message: some 8 MiB, or 20 ms of a worker. */
const BLOCKS_PER_CHUNK = 8;

function remoteLane(worker: HeldWorker): PackLane {
  return {
    pack: (blockNos) => worker.call('pack', blockNos),
    async finish() {
      const rest = await worker.call<PackedBlocks>('finishBackup');
      worker.release();
      return rest;
    },
    abort: () => worker.discard(),
  };
}

/** The same work in this process. */
function localLane(lane: PackLane): PackLane {
  const queue = new SerialQueue();
  return {
    pack: (blockNos) => queue.run(() => lane.pack(blockNos)),
    finish: () => queue.run(() => lane.finish()),
    async abort() {
      await queue.end(fail('CANCELED', {}));
      await lane.abort();
    },
  };
}

async function openLanes(pool: WorkerPool, request: BackupRequest, chunkCount: number): Promise<PackLane[]> {
  const { source, destination, directory, owner, dataKey, compressionLevel, packBytesMax } = request;
  // Named one by one: nothing else of the request (functions, say) can or should cross.
  const { pageSize, pageCount, skipPage, databasePath, walPath, device, inode, walHeader, overlay } = source;
  const frozen = { pageSize, pageCount, skipPage, databasePath, walPath, device, inode, walHeader, overlay };
  const job: PackJob = { source: frozen, destination, directory, owner, dataKey, compressionLevel, packBytesMax };
  let lastPackNo = 0;
  const nextPackNo = () => ++lastPackNo;
  // A memory destination lives in this process, and so does the work on it.
  if (destination.kind === 'memory') return [localLane(createBlockPacker(job, async () => nextPackNo()))];
  const workers = await pool.acquire(Math.min(request.workers, chunkCount), { nextPackNo }, request.signal);
  try {
    await Promise.all(workers.map((worker) => worker.call('openBackup', job)));
  } catch (error) {
    await Promise.all(workers.map((worker) => worker.discard()));
    throw error;
  }
  return workers.map(remoteLane);
}

/** Cuts the blocks of a request into chunks. */
function chunksOf(request: BackupRequest): { blockCount: number; nextChunk: () => number[] | undefined } {
  const total = Math.ceil(request.source.pageCount / pagesPerBlock(request.source.pageSize));
  const { blockNos } = request;
  const blockCount = blockNos?.length ?? total;
  let given = 0;
  return {
    blockCount,
    nextChunk() {
      if (given >= blockCount) return undefined;
      const length = Math.min(BLOCKS_PER_CHUNK, blockCount - given);
      const chunk = Array.from({ length }, (_, i) => (blockNos ? blockNos[given + i]! : given + i));
      given += length;
      return chunk;
    },
  };
}

/** Every block that was asked for is there, once; every pack that a block names is there, once. */
function checkResult(request: BackupRequest, blocks: BlockEntry[], packs: PackEntry[], blockCount: number): void {
  assert(blocks.length === blockCount, 'every block was packed once');
  for (const [index, block] of blocks.entries())
    assert(block.blockNo === (request.blockNos?.[index] ?? index), `block ${block.blockNo} was packed once`);
  const packNos = new Set(packs.map((pack) => pack.packNo));
  assert(packNos.size === packs.length, 'every pack was finished once');
  for (const block of blocks) assert(packNos.has(block.packNo), `pack ${block.packNo} is finished`);
}

/** @see Pipeline.backup */
export async function runBackup(pool: WorkerPool, request: BackupRequest): Promise<BackupResult> {
  const { blockCount, nextChunk } = chunksOf(request);
  const blocks: BlockEntry[] = [];
  const packs: PackEntry[] = [];
  const done = { blocks: 0, inputBytes: 0, outputBytes: 0 };
  const progress = throttled(systemClock, () => request.onProgress({ ...done }));
  const gather = (packed: PackedBlocks) => {
    for (const block of packed.blocks) {
      blocks.push(block);
      done.blocks++;
      done.inputBytes += block.plainBytes;
      done.outputBytes += block.storedBytes;
    }
    packs.push(...packed.packs);
    progress();
  };
  if (blockCount > 0) {
    const lanes = await openLanes(pool, request, Math.ceil(blockCount / BLOCKS_PER_CHUNK));
    const { signal } = request;
    const work = async (lane: number, chunk: number[]) => gather(await lanes[lane]!.pack(chunk));
    const finish = async (lane: number) => gather(await lanes[lane]!.finish());
    await runLanes({ lanes, nextChunk, work, finish, signal });
  }
  blocks.sort((a, b) => a.blockNo - b.blockNo);
  packs.sort((a, b) => a.packNo - b.packNo);
  checkResult(request, blocks, packs, blockCount);
  done.outputBytes = packs.reduce((sum, pack) => sum + pack.sizeBytes, 0);
  progress(true);
  return { blocks, packs, inputBytes: done.inputBytes, outputBytes: done.outputBytes };
}
