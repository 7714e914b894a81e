// The restore side of a worker: reads stored blocks, checks and opens them, writes pages. Knows nothing of processes.
import { assert } from '../base/assert.ts';
import { sameBytes } from '../base/bytes.ts';
import { addToRuns, type PageRun } from '../format/index-pages.ts';
import { BlockReader } from './block-reader.ts';
import type { Lane } from './lane.ts';
import { PageTarget, type TargetFacts } from './page-target.ts';
import type { LogBlockItem, RestoreRequest, SetBlockItem } from './pipeline.ts';

export type RestoreItem = SetBlockItem | LogBlockItem;

/** What a worker needs to know; crosses to it in one message. */
export interface PlaceJob {
  target: TargetFacts;
  sets: RestoreRequest['sets'];
  logDestination: RestoreRequest['logDestination'];
}

/** A chunk is some items; its answer is how many bytes were written into the target. At its end it says what was read elsewhere. */
export type PlaceLane = Lane<readonly RestoreItem[], number, string[]>;

/** The pages of the target that an item writes, and where they lie in its block. */
export function runsOf(item: RestoreItem): PageRun[] {
  if (item.kind === 'set') return item.runs;
  const runs: PageRun[] = [];
  for (const [index, page] of item.images) addToRuns(runs, index, page);
  return runs;
}

class BlockPlacer implements PlaceLane {
  readonly #target: PageTarget;
  readonly #pageSize: number;
  readonly #blocks: BlockReader;
  readonly #zeros: Uint8Array;

  constructor(job: PlaceJob) {
    this.#pageSize = job.target.pageSize;
    this.#target = new PageTarget(job.target);
    this.#blocks = new BlockReader(job);
    this.#zeros = new Uint8Array(job.target.pageSize);
  }

  async announce(items: readonly RestoreItem[]): Promise<void> {
    await this.#blocks.willRead(items);
  }

  async work(items: readonly RestoreItem[]): Promise<number> {
    let bytes = 0;
    let next = items[0] && this.#blocks.read(items[0]);
    try {
      for (const [index, item] of items.entries()) {
        const open = await settled(next!);
        const following = items[index + 1];
        // The next item is read while this one is unpacked.
        next = following && this.#blocks.read(following);
        // Whoever waits for it hears of its failure.
        next?.catch(() => {});
        bytes += this.#write(item, await this.#opened(item, open));
      }
      return bytes;
    } finally {
      // Nothing is being read when the lane is closed.
      await Promise.allSettled([next]);
    }
  }

  /** The bytes of an item, from another place where they are not what they should be. */
  async #opened(item: RestoreItem, open: () => Uint8Array): Promise<Uint8Array> {
    try {
      return open();
    } catch (error) {
      return await this.#blocks.readElsewhere(item, error);
    }
  }

  async finish(): Promise<string[]> {
    this.#target.close();
    await this.#blocks.close();
    return this.#blocks.remarks;
  }

  async abort(): Promise<void> {
    await this.finish();
  }

  /** Writes the pages of an item that its plan names. @returns their bytes */
  #write(item: RestoreItem, plain: Uint8Array): number {
    let bytes = 0;
    for (const [index, page, count] of runsOf(item)) {
      const end = (index + count) * this.#pageSize;
      assert(Number.isInteger(index) && index >= 0 && end <= plain.length, 'the plan names pages that the block has');
      this.#writeRun(page, plain.subarray(index * this.#pageSize, end));
      bytes += count * this.#pageSize;
    }
    return bytes;
  }

  /** Pages of zeros are left out: the target is new, and has zeros wherever nothing was written. */
  #writeRun(firstPage: number, pages: Uint8Array): void {
    const size = this.#pageSize;
    const write = (from: number, to: number) => {
      if (from < to) this.#target.write(firstPage + from / size, pages.subarray(from, to));
    };
    let from = 0;
    for (let at = 0; at < pages.length; at += size) {
      if (pages[at] !== 0 || !sameBytes(pages.subarray(at, at + size), this.#zeros)) continue;
      write(from, at);
      from = at + size;
    }
    write(from, pages.length);
  }
}

/** What opens an item, also when it could not be read: then opening it fails. */
async function settled(read: Promise<() => Uint8Array>): Promise<() => Uint8Array> {
  try {
    return await read;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

export function createBlockPlacer(job: PlaceJob): PlaceLane {
  return new BlockPlacer(job);
}
