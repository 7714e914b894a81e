// The byte workers' service: pages in, sealed blocks out, and back. Workers are child processes without SQLite.
import type { DestinationSpec } from '../destination/destination.ts';
import type { Snapshot } from '../engine/engine-driver.ts';

/** Who a block belongs to; bound into every encrypted block as associated data. */
export interface SetOwner {
  clusterUuid: string;
  tenantId: number;
  setUuid: string;
}

/** Where one block of a set lies. */
export interface BlockEntry {
  /** From 0; block n holds the pages from n * pagesPerBlock + 1. */
  blockNo: number;
  /** Number of the pack (`pack_<packNo>.obbak`) and place in it. */
  packNo: number;
  offset: number;
  storedBytes: number;
  plainBytes: number;
  /** XXH3-128 of the plain bytes. */
  checksum: Uint8Array;
}

export interface PackEntry {
  packNo: number;
  /** Object name below the set's directory. */
  name: string;
  sizeBytes: number;
  /** SHA-256 of the object. */
  sha256: Uint8Array;
}

export interface BackupRequest {
  source: Omit<Snapshot, 'close' | 'facts' | 'scn'>;
  /** Only these blocks, ascending (an incremental set); default: all. */
  blockNos?: readonly number[];
  destination: DestinationSpec;
  /** The set's directory at the destination, without trailing slash. */
  directory: string;
  owner: SetOwner;
  /** 32 bytes; null stores plain blocks. */
  dataKey: Uint8Array | null;
  compressionLevel: number;
  packBytesMax: number;
  workers: number;
  /** Called as blocks become done (not per block: at most some ten times a second). */
  onProgress(done: { blocks: number; inputBytes: number; outputBytes: number }): void;
  signal: AbortSignal;
}

export interface BackupResult {
  blocks: BlockEntry[];
  packs: PackEntry[];
  inputBytes: number;
  outputBytes: number;
}

/** One block of a set to be written into a restored file. */
export interface SetBlockItem {
  kind: 'set';
  setIndex: number;
  block: BlockEntry;
  /** First page in the block, from 1, and how many the target still has (the rest lies past its end). */
  firstPage: number;
  pageCount: number;
  /** Pages of the block that a newer version replaces: not written. Ascending. */
  skipPages: number[];
}

/** Page images of one log block to be written into a restored file. */
export interface LogBlockItem {
  kind: 'log';
  /** Segment object and place of the stored image block in it. */
  object: string;
  offset: number;
  storedBytes: number;
  plainBytes: number;
  checksum: Uint8Array;
  /** Pairs (index of the image in the block, page number in the target). */
  images: Array<[index: number, page: number]>;
}

export interface RestoreRequest {
  targetPath: string;
  pageSize: number;
  pageCount: number;
  sets: Array<{ destination: DestinationSpec; directory: string; owner: SetOwner; dataKey: Uint8Array | null }>;
  logDestination: DestinationSpec | null;
  items: Iterable<SetBlockItem | LogBlockItem>;
  workers: number;
  onProgress(done: { items: number; bytes: number }): void;
  signal: AbortSignal;
}

export interface Pipeline extends AsyncDisposable {
  /**
   * Aborting `signal` fails with CANCELED (4072). Any failure leaves objects that `Destination.removeAll(directory)`
   * clears.
   * @throws WORKER_LOST (4123) when a worker process dies; ENGINE (5099) when the source can not be read as promised;
   *         whatever the destination says
   */
  backup(request: BackupRequest): Promise<BackupResult>;
  /**
   * Creates `targetPath` (must not exist) with exactly `pageCount` pages, writes each item once, fsyncs.
   * The items name every page exactly once, but for SQLite's lock-byte page, which no source need hold: anything
   * else is a bug in the plan and fails the restore.
   * @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) naming the object; the caller removes the target
   */
  restore(request: RestoreRequest): Promise<void>;
}
