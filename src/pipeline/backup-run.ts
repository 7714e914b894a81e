// One backup: hands out blocks to lanes, gathers the entries of blocks and packs and the hashes of pages.
import { assert } from '../base/assert.ts';
import { systemClock } from '../base/clock.ts';
import { shareOf } from '../destination/open-destination.ts';
import { pagesPerBlock } from '../format/backup-set-index.ts';
import { type BlockPlan, createBlockPacker, type PackedBlocks, type PackJob, type PackLane } from './block-packer.ts';
import { localLane, openRemoteLanes } from './lane.ts';
import { frozenSource } from './lane-kinds.ts';
import { runLanes, throttled } from './lanes.ts';
import type { PageRange } from './page-hasher.ts';
import type { BackupRequest, BackupResult, BlockEntry, PackEntry } from './pipeline.ts';
import type { WorkerPool } from './worker-pool.ts';

/** Blocks in one message: some 8 MiB, or 20 ms of a worker. */
const BLOCKS_PER_CHUNK = 8;

async function openLanes(pool: WorkerPool, request: BackupRequest, chunkCount: number): Promise<PackLane[]> {
  const { destination, directory, owner, dataKey, compressionLevel, packBytesMax, signal } = request;
  const source = frozenSource(request.source);
  const job: PackJob = { source, destination, directory, owner, dataKey, compressionLevel, packBytesMax };
  let lastPackNo = Math.max(request.packNoBefore ?? 0, ...(request.known?.packs ?? []).map(({ packNo }) => packNo));
  const nextPackNo = () => ++lastPackNo;
  // A memory destination lives in this process, and so does the work on it.
  if (destination.kind === 'memory') return [localLane(createBlockPacker(job, async () => nextPackNo()))];
  const wanted = Math.min(request.workers, chunkCount);
  const ask = (workers: number) =>
    ({ kind: 'pack', job: { ...job, destination: shareOf(destination, workers) } }) as const;
  return openRemoteLanes(pool, { request: ask, wanted, priority: 'low', verbs: { nextPackNo }, signal });
}

/** Ascending pages as ranges that are read at once. */
function rangesOf(pages: Uint32Array): PageRange[] {
  const ranges: PageRange[] = [];
  for (const page of pages) {
    const last = ranges.at(-1);
    if (last && last[0] + last[1] === page) last[1]++;
    else ranges.push([page, 1]);
  }
  return ranges;
}

/** The pages of a request, cut into blocks. */
class BlockCutter {
  readonly pagesPerBlock: number;
  readonly pageCount: number;
  readonly #pages: Uint32Array | undefined;
  readonly #known: Map<number, BlockEntry>;
  #given = 0;

  constructor({ source, pages, known }: BackupRequest) {
    assert(!pages || !known, 'only blocks of the whole database are known by their numbers');
    this.#known = new Map(known?.blocks.map((block) => [block.blockNo, block]));
    this.pagesPerBlock = pagesPerBlock(source.pageSize);
    this.pageCount = pages?.length ?? source.pageCount;
    this.#pages = pages;
    let before = 0;
    for (const page of pages ?? []) {
      if (page <= before || page > source.pageCount || page === source.skipPage)
        assert(false, `page ${page} after page ${before} is one to be stored`);
      before = page;
    }
  }

  get blockCount(): number {
    return Math.ceil(this.pageCount / this.pagesPerBlock);
  }

  /** Pages of a block. */
  pagesOf(blockNo: number): number {
    return Math.min(this.pagesPerBlock, this.pageCount - blockNo * this.pagesPerBlock);
  }

  nextChunk(): BlockPlan[] | undefined {
    if (this.#given >= this.blockCount) return undefined;
    const length = Math.min(BLOCKS_PER_CHUNK, this.blockCount - this.#given);
    const chunk = Array.from({ length }, (_, i) => this.#plan(this.#given + i));
    this.#given += length;
    return chunk;
  }

  #plan(blockNo: number): BlockPlan {
    const from = blockNo * this.pagesPerBlock;
    const count = this.pagesOf(blockNo);
    if (this.#pages) return { blockNo, ranges: rangesOf(this.#pages.subarray(from, from + count)) };
    const known = this.#known.get(blockNo);
    return { blockNo, ranges: [[from + 1, count]], ...(known ? { known } : {}) };
  }
}

/** What the lanes of one backup have made so far. */
class Gathering {
  readonly #cutter: BlockCutter;
  readonly #pageSize: number;
  readonly #request: BackupRequest;
  /** Blocks of packs that are being written, and of those that were there before. */
  readonly #ofPacks = new Map<number, BlockEntry[]>();
  readonly blocks: BlockEntry[] = [];
  readonly packs: PackEntry[] = [];
  readonly pageHashes: BigUint64Array;
  readonly done = { blocks: 0, inputBytes: 0, outputBytes: 0 };

  constructor(cutter: BlockCutter, request: BackupRequest) {
    this.#cutter = cutter;
    this.#request = request;
    this.#pageSize = request.source.pageSize;
    this.pageHashes = new BigUint64Array(cutter.pageCount);
  }

  add({ blocks, pageHashes, packs }: PackedBlocks): void {
    let at = 0;
    for (const block of blocks) {
      const count = block.plainBytes / this.#pageSize;
      assert(count === this.#cutter.pagesOf(block.blockNo), `block ${block.blockNo} holds the pages asked for`);
      this.pageHashes.set(pageHashes.subarray(at, at + count), block.blockNo * this.#cutter.pagesPerBlock);
      at += count;
      this.blocks.push(block);
      const ofPack = this.#ofPacks.get(block.packNo);
      if (ofPack) ofPack.push(block);
      else this.#ofPacks.set(block.packNo, [block]);
      this.done.blocks++;
      this.done.inputBytes += block.plainBytes;
      this.done.outputBytes += block.storedBytes;
    }
    assert(at === pageHashes.length, 'each page of the blocks was hashed');
    for (const pack of packs) {
      this.packs.push(pack);
      this.#request.onPack?.(pack, this.#ofPacks.get(pack.packNo) ?? []);
      this.#ofPacks.delete(pack.packNo);
    }
  }

  /**
   * Every block that was asked for is there, once; every pack that a block names is there, once.
   * @returns blocks that lay at the destination before
   */
  finish(): number {
    const { blocks, packs, done } = this;
    const known = new Map(this.#request.known?.packs.map((pack) => [pack.packNo, pack]));
    const used = [...this.#ofPacks].filter(([packNo]) => known.has(packNo));
    packs.push(...used.map(([packNo]) => known.get(packNo)!));
    blocks.sort((a, b) => a.blockNo - b.blockNo);
    packs.sort((a, b) => a.packNo - b.packNo);
    assert(blocks.length === this.#cutter.blockCount, 'every block was packed');
    for (const [index, { blockNo }] of blocks.entries()) assert(blockNo === index, `block ${index} was packed once`);
    const packNos = new Set(packs.map((pack) => pack.packNo));
    assert(packNos.size === packs.length, 'every pack was finished once');
    for (const block of blocks) assert(packNos.has(block.packNo), `pack ${block.packNo} is finished`);
    done.outputBytes = packs.reduce((sum, pack) => sum + pack.sizeBytes, 0);
    return used.reduce((sum, [, ofPack]) => sum + ofPack.length, 0);
  }
}

/** @see Pipeline.backup */
export async function runBackup(pool: WorkerPool, request: BackupRequest): Promise<BackupResult> {
  const cutter = new BlockCutter(request);
  const gathering = new Gathering(cutter, request);
  const { done, blocks, packs, pageHashes } = gathering;
  const progress = throttled(systemClock, () => request.onProgress({ ...done }));
  const gather = (packed: PackedBlocks) => {
    gathering.add(packed);
    progress();
  };
  if (cutter.blockCount > 0) {
    const lanes = await openLanes(pool, request, Math.ceil(cutter.blockCount / BLOCKS_PER_CHUNK));
    const { signal } = request;
    const nextChunk = () => cutter.nextChunk();
    const work = async (lane: number, chunk: BlockPlan[]) => gather(await lanes[lane]!.work(chunk));
    const finish = async (lane: number) => gather(await lanes[lane]!.finish());
    await runLanes({ lanes, nextChunk, work, finish, signal });
  }
  const knownBlocks = gathering.finish();
  progress(true);
  return { blocks, packs, pageHashes, knownBlocks, inputBytes: done.inputBytes, outputBytes: done.outputBytes };
}
