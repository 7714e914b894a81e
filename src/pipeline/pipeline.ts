// The byte workers' service: pages in, sealed blocks out, and back. Workers are child processes without SQLite.
import type { ArchivedPiece } from '../destination/archive-listing.ts';
import type { DestinationSpec } from '../destination/destination.ts';
import type { Snapshot } from '../engine/engine-driver.ts';
import type { PageRun } from '../format/index-pages.ts';
import type { LogSeal, PartSeal } from '../format/tenant-key.ts';
import type { Scn } from '../model/scn.ts';

/** Who a block belongs to; bound into every encrypted block as associated data. */
export interface SetOwner {
  clusterUuid: string;
  tenantId: number;
  setUuid: string;
}

/** Where one block of a set lies. */
export interface BlockEntry {
  /** From 0, in the order of the pages: block n holds the nth run of `pagesPerBlock` pages of the request. */
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
  /** XXH3-128 of the object. */
  checksum: Uint8Array;
}

export interface KnownBlocks {
  blocks: readonly BlockEntry[];
  packs: readonly PackEntry[];
}

/** What a worker needs of a snapshot to read its pages. */
export type SnapshotSource = Omit<Snapshot, 'close' | 'facts' | 'scn' | 'databaseChecksum'>;

export interface BackupRequest {
  source: SnapshotSource;
  /** Only these pages, ascending, without the one to skip (an incremental set); default: all of them. */
  pages?: Uint32Array;
  destination: DestinationSpec;
  /** The set's directory at the destination, without trailing slash. */
  directory: string;
  owner: SetOwner;
  /** 32 bytes; null stores plain blocks. */
  dataKey: Uint8Array | null;
  compressionLevel: number;
  packBytesMax: number;
  /** Packs get the numbers behind it: no other attempt at the set ever had one of them. Default: 0. */
  packNoBefore?: number;
  /**
   * Blocks, and the packs that hold them, that an earlier attempt at the whole database left at the destination. A block
   * whose pages still have the same bytes is not made again.
   */
  known?: KnownBlocks;
  /** Called with each pack once it is durable, and its blocks. */
  onPack?(pack: PackEntry, blocks: readonly BlockEntry[]): void;
  workers: number;
  /** Called as blocks become done (not per block: at most some ten times a second). */
  onProgress(done: { blocks: number; inputBytes: number; outputBytes: number }): void;
  signal: AbortSignal;
}

export interface BackupResult {
  /** Ascending by number, without holes. */
  blocks: BlockEntry[];
  /** `pageHash` of each page read, in the order of the request; NO_PAGE_HASH for the page to skip. */
  pageHashes: BigUint64Array;
  /** Those that hold blocks of the result. */
  packs: PackEntry[];
  /** Blocks that were not made again. */
  knownBlocks: number;
  inputBytes: number;
  outputBytes: number;
}

/** Pages of one block of a set to be written into a restored file. */
export interface SetBlockItem {
  kind: 'set';
  /** Which of the request's sets holds the block. */
  setIndex: number;
  block: BlockEntry;
  /** What of the block is written, ascending; none twice. */
  runs: PageRun[];
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
  /** How an encrypted block is opened; null for a plain one. */
  seal: PartSeal | null;
  /** Pairs (index of the image in the block, page number in the target). */
  images: Array<[index: number, page: number]>;
}

export interface RestoreRequest {
  targetPath: string;
  pageSize: number;
  pageCount: number;
  /** Never written, zeros in the file; 0 for none. */
  skipPage: number;
  sets: Array<{
    destination: DestinationSpec;
    /** Other places of the very same objects: read, one after the other, where an object is damaged, missing or away. */
    elsewhere?: DestinationSpec[];
    directory: string;
    owner: SetOwner;
    dataKey: Uint8Array | null;
  }>;
  logDestination: DestinationSpec | null;
  items: Iterable<SetBlockItem | LogBlockItem>;
  workers: number;
  onProgress(done: { items: number; bytes: number }): void;
  /** Called when every page is written: what looks at the file without changing it, beside the pipeline's own last steps. */
  whenWritten?(): Promise<void>;
  /** Nobody waits for it: its workers make way for everything else. */
  isBackground?: boolean;
  signal: AbortSignal;
}

/** An object of a set that is read whole and compared with what its manifest says. */
export interface VerifyObject {
  kind: 'object';
  object: string;
  sizeBytes: number;
  checksum: Uint8Array;
}

/** The same of a pack whose blocks are known: each is opened too. */
export interface VerifyPack extends Omit<VerifyObject, 'kind'> {
  kind: 'pack';
  packNo: number;
  /** Of this pack, in any order. */
  blocks: readonly BlockEntry[];
}

/** The log of one piece, from its first batch to its last. */
export interface VerifyPiece {
  kind: 'piece';
  piece: ArchivedPiece;
  owner: { clusterUuid: string; tenantId: number };
  /** Without it, headers and tables only. */
  isWithImages: boolean;
  /** What opens encrypted batches of its round; of one that stays closed, the header and the hash of the table are checked. */
  logKeys: readonly LogSeal[];
}

export type VerifyItem = VerifyObject | VerifyPack | VerifyPiece;

/** Where the log of a piece ends. */
export interface VerifiedLog {
  batchCount: number;
  /** Scn of the newest commit, and up to where the log is complete; null without a batch. */
  lastScn: Scn | null;
  checkpointScn: Scn | null;
  /** The end of an append that never finished; '' for none. */
  tornBecause: string;
}

export interface VerifyRequest {
  destination: DestinationSpec;
  /** Whose packs are opened, and with what; null when no item is one. */
  set: { owner: SetOwner; dataKey: Uint8Array | null } | null;
  items: readonly VerifyItem[];
  onProgress(done: { bytes: number }): void;
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
   * Creates `targetPath` (must not exist) with exactly `pageCount` pages, writes each item once; then fsyncs, reads back
   * and waits for `whenWritten`.
   * The items name every page exactly once, but for `skipPage`, which none may name: anything else is a bug in the plan
   * and fails the restore.
   * @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) naming the object; the caller removes the target
   */
  restore(request: RestoreRequest): Promise<{
    /** `pageHash` of every page of the file as it was read back; NO_PAGE_HASH for the skipped page. */
    pageHashes: BigUint64Array;
    /** Objects that were read elsewhere, and why; none twice. */
    remarks: string[];
  }>;
  /** Says that so many workers will be wanted soon: a process takes some tenths of a second to come up. */
  prepare(workers: number, work: 'backup' | 'restore'): void;
  /**
   * Reads objects again, in one worker of low priority, and changes nothing.
   * @returns for each item: the log's end of a piece, null of others
   * @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) naming the first object that is not as it should be
   */
  verify(request: VerifyRequest): Promise<Array<VerifiedLog | null>>;
  /** Reads a whole snapshot. @returns `pageHash` of each page, from 1. @throws as `backup` */
  hashPages(request: { source: SnapshotSource; workers: number; signal: AbortSignal }): Promise<BigUint64Array>;
}
