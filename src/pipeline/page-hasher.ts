// The lane that hashes runs of pages: of a snapshot, or of a finished file. Knows nothing of processes.
import { BLOCK_PLAIN_BYTES } from '../base/limits.ts';
import { pagesPerBlock } from '../format/backup-set-index.ts';
import { NO_PAGE_HASH, pageHash } from '../format/page-map.ts';
import type { Lane } from './lane.ts';
import type { SnapshotSource } from './pipeline.ts';
import { SnapshotReader } from './snapshot-reader.ts';

/** Consecutive pages: number of the first, how many. */
export type PageRange = [page: number, count: number];

/** Hashes the pages in `plain` into `into` from place `at` on; NO_PAGE_HASH for the page to skip. */
export function hashRange(
  plain: Buffer,
  [firstPage, count]: PageRange,
  { pageSize, skipPage }: { pageSize: number; skipPage: number },
  { into, at }: { into: BigUint64Array; at: number },
): void {
  for (let i = 0; i < count; i++) {
    const isSkipped = firstPage + i === skipPage;
    into[at + i] = isSkipped ? NO_PAGE_HASH : pageHash(plain.subarray(i * pageSize, (i + 1) * pageSize));
  }
}

/** One chunk is one range; its answer has the hash of each page of it. */
export type HashLane = Lane<PageRange, BigUint64Array>;

export function createPageHasher(source: SnapshotSource): HashLane {
  const reader = new SnapshotReader(source);
  const perBlock = pagesPerBlock(source.pageSize);
  const buffer = Buffer.allocUnsafeSlow(BLOCK_PLAIN_BYTES);
  return {
    async work([firstPage, count]) {
      const hashes = new BigUint64Array(count);
      for (let at = 0; at < count; at += perBlock) {
        const range: PageRange = [firstPage + at, Math.min(perBlock, count - at)];
        hashRange(reader.read(range, buffer), range, source, { into: hashes, at });
      }
      return hashes;
    },
    async finish() {
      reader.close();
    },
    async abort() {
      reader.close();
    },
  };
}
