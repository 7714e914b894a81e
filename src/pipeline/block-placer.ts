// The restore side of a worker: reads stored blocks, checks and opens them, writes pages. Knows nothing of processes.
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import { BLOCK_PLAIN_BYTES } from '../base/limits.ts';
import type { Destination, ObjectReader } from '../destination/destination.ts';
import { openDestinationSpec } from '../destination/open-destination.ts';
import { decodeImageBlock, storedBytesMax } from '../format/log-batch-table.ts';
import { PackReader } from './pack-reader.ts';
import { PageTarget, type TargetFacts } from './page-target.ts';
import type { LogBlockItem, RestoreRequest, SetBlockItem } from './pipeline.ts';

/** Open segments in one worker: a bound on file descriptors. */
const OPEN_SEGMENTS_MAX = 16;

export type RestoreItem = SetBlockItem | LogBlockItem;

/** What a worker needs to know; crosses to it in one message. */
export interface PlaceJob {
  target: TargetFacts;
  sets: RestoreRequest['sets'];
  logDestination: RestoreRequest['logDestination'];
}

/** One worker's share of a restore, wherever it runs. */
export interface PlaceLane {
  /** @returns bytes written into the target */
  place(items: readonly RestoreItem[]): Promise<number>;
  finish(): Promise<void>;
  abort(): Promise<void>;
}

/** A run of consecutive pages of a target, and where its bytes lie in a plain block. */
interface PageRun {
  page: number;
  index: number;
  count: number;
}

/** The pages of the target that an item writes, joined where they follow each other in the block and in the target. */
export function runsOf(item: RestoreItem): PageRun[] {
  const runs: PageRun[] = [];
  const add = (index: number, page: number, count: number) => {
    const last = runs.at(-1);
    if (last && last.page + last.count === page && last.index + last.count === index) last.count += count;
    else if (count > 0) runs.push({ page, index, count });
  };
  if (item.kind === 'log') {
    for (const [index, page] of item.images) add(index, page, 1);
    return runs;
  }
  const end = item.firstPage + item.pageCount;
  let page = item.firstPage;
  for (const skipped of [...item.skipPages, end]) {
    assert(skipped >= page && skipped <= end, 'skipped pages are in the block, ascending');
    add(page - item.firstPage, page, skipped - page);
    page = skipped + 1;
  }
  return runs;
}

/** Segments of the archive, a few kept open. */
class SegmentReaders {
  readonly #destination: Destination;
  readonly #open = new Map<string, ObjectReader>();

  constructor(destination: Destination) {
    this.#destination = destination;
  }

  async read(item: LogBlockItem): Promise<Uint8Array> {
    const { object, offset, storedBytes, plainBytes } = item;
    const damaged = (because: string) => fail('BACKUP_DATA_CORRUPT', { object, because });
    if (!(plainBytes > 0 && plainBytes <= BLOCK_PLAIN_BYTES && storedBytes <= storedBytesMax(plainBytes)))
      throw damaged(`an image block of ${storedBytes} stored and ${plainBytes} plain bytes`);
    const reader = this.#open.get(object) ?? (await this.#destination.openRead(object));
    this.#open.delete(object);
    this.#open.set(object, reader);
    if (this.#open.size > OPEN_SEGMENTS_MAX) {
      const [oldestName, oldest] = this.#open.entries().next().value!;
      this.#open.delete(oldestName);
      await oldest.close();
    }
    return reader.read(offset, storedBytes);
  }

  async close(): Promise<void> {
    const readers = [...this.#open.values()];
    this.#open.clear();
    for (const reader of readers) await reader.close();
    await this.#destination[Symbol.asyncDispose]();
  }
}

class BlockPlacer implements PlaceLane {
  readonly #target: PageTarget;
  readonly #pageSize: number;
  readonly #destinations: Destination[];
  readonly #sets: PackReader[];
  readonly #segments: SegmentReaders | undefined;

  constructor(job: PlaceJob) {
    this.#pageSize = job.target.pageSize;
    this.#target = new PageTarget(job.target);
    this.#destinations = job.sets.map((set) => openDestinationSpec(set.destination));
    this.#sets = job.sets.map((set, index) => new PackReader(this.#destinations[index]!, set));
    this.#segments = job.logDestination ? new SegmentReaders(openDestinationSpec(job.logDestination)) : undefined;
  }

  async place(items: readonly RestoreItem[]): Promise<number> {
    let bytes = 0;
    let next = items[0] && this.#read(items[0]);
    for (const [index, item] of items.entries()) {
      const open = await next!;
      const following = items[index + 1];
      // The next item is read while this one is unpacked.
      next = following && this.#read(following);
      next?.catch(() => {});
      bytes += this.#write(item, open());
    }
    return bytes;
  }

  async finish(): Promise<void> {
    this.#target.close();
    for (const set of this.#sets) await set.close();
    for (const destination of this.#destinations) await destination[Symbol.asyncDispose]();
    await this.#segments?.close();
  }

  abort(): Promise<void> {
    return this.finish();
  }

  /** Reads the stored bytes of an item. @returns what checks and unpacks them */
  async #read(item: RestoreItem): Promise<() => Uint8Array> {
    if (item.kind === 'log') {
      assert(this.#segments, 'a restore with log has a log destination');
      const stored = await this.#segments.read(item);
      return () => decodeImageBlock(stored, item, item.object);
    }
    const set = this.#sets[item.setIndex];
    assert(set, `the restore has a set ${item.setIndex}`);
    return (await set.read(item.block)).open;
  }

  /** Writes the pages of an item that its plan names. */
  #write(item: RestoreItem, plain: Uint8Array): number {
    let bytes = 0;
    for (const { page, index, count } of runsOf(item)) {
      const end = (index + count) * this.#pageSize;
      assert(end <= plain.length, 'the plan names pages that the block has');
      this.#target.write(page, plain.subarray(index * this.#pageSize, end));
      bytes += count * this.#pageSize;
    }
    return bytes;
  }
}

export function createBlockPlacer(job: PlaceJob): PlaceLane {
  return new BlockPlacer(job);
}
