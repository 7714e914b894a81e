// Makes log batches of captured commits: newest image of each page per commit, read from the WAL and proved against its
// checksum chain once more, so that an archive holds exactly what SQLite wrote; with the hash of each image and the
// checksum of the whole database, where it is known. A commit too large for one batch is handed out in parts.
import { assert } from '../../base/assert.ts';
import { MIB } from '../../base/limits.ts';
import { encodeLogBatch, type LogCommitSpec } from '../../format/log-batch.ts';
import { pageHash } from '../../format/page-map.ts';
import type { LogSeal } from '../../format/tenant-key.ts';
import { type Scn, toScn } from '../../model/scn.ts';
import type { CapturedBatch, LogOwner } from '../engine-driver.ts';
import type { CaptureLog, PendingCommit } from './capture-log.ts';
import type { CapturePageMap } from './capture-page-map.ts';
import { encodePosition } from './capture-position.ts';
import { FRAME_HEADER_BYTES, frameBytes, sameChecksum, sameHeader } from './wal-format.ts';
import { scanFrames, sortedPairs } from './wal-scan.ts';

/** Frames in one batch of many commits: large enough to compress well, small enough to be quick at the destination. */
export const BATCH_FRAMES_BYTES = 4 * MIB;
/** Images in one part of a huge commit: what the host and the server hold in memory for it at most. */
const PART_BYTES = 16 * MIB;
/** Measured: the fastest level that compresses pages well. */
const COMPRESSION_LEVEL = 1;

/** Chain state: what the last batch at the destination was. */
export interface BatchChain {
  batchNo: number;
  batchHash: Uint8Array;
  /** Everything up to here is in the batches so far. */
  checkpointScn: Scn;
  engine: Uint8Array;
}

/** Thrown when frames are not any more what was captured. */
class FramesLost extends Error {
  override readonly name = 'FramesLost';
}

/** A commit that no log holds: it goes into the round's first batches, before everything that is captured. */
export interface LeadCommit {
  scn: Scn;
  databasePages: number;
  checksum: bigint;
  /** Ascending, may be empty. */
  pages: Uint32Array;
  hashes: BigUint64Array;
  /** Images of some of its pages, exactly as they were hashed. */
  read(pages: Uint32Array): Buffer[];
}

/** Images of one commit, before they are hashed. */
type CommitImages = Omit<LogCommitSpec, 'hashes' | 'checksum'>;

/** What a batch holds besides its commits. */
interface BatchEnd {
  /** The last commit in it; undefined when it holds none. */
  lastScn?: Scn;
  /** What it completes of the pending ones. */
  pendingCount: number;
  cutScn?: Scn;
  /** A commit goes on in the next batch: the position to be recorded meanwhile. */
  openPosition?: Uint8Array;
  isContinued?: boolean;
}

/** A huge commit that is being handed out. */
interface Parts {
  commit: PendingCommit;
  /** Pairs (page, frame). */
  newest: Uint32Array;
  /** Pairs handed out so far. */
  done: number;
}

/** One batch with how many pending commits it completes. */
export interface BuiltBatch {
  batch: CapturedBatch;
  pendingCount: number;
  /** It completes the lead commit. */
  endsLead: boolean;
}

export class BatchBuilder {
  readonly #log: CaptureLog;
  readonly #pageMap: CapturePageMap;
  readonly #owner: LogOwner;
  readonly #partBytes: number;
  /** Encrypts what is built from now on; null leaves it plain. */
  seal: LogSeal | null;
  #parts: Parts | undefined;
  /** Pending commits that are in earlier batches. */
  #skip = 0;
  #lead: { commit: LeadCommit; done: number } | undefined;

  constructor(of: {
    log: CaptureLog;
    pageMap: CapturePageMap;
    owner: LogOwner;
    seal: LogSeal | null;
    partBytes?: number;
  }) {
    this.#log = of.log;
    this.#pageMap = of.pageMap;
    this.#owner = of.owner;
    this.#partBytes = of.partBytes ?? PART_BYTES;
    this.seal = of.seal;
  }

  /** True between the parts of one commit. */
  get isInParts(): boolean {
    return this.#parts !== undefined || this.#lead !== undefined;
  }

  /** The next batches hold this commit. */
  lead(commit: LeadCommit): void {
    this.#lead = { commit, done: 0 };
  }

  /**
   * Encodes the next batch: as many pending commits as fit, a part of the first one, or none when nothing is pending.
   * The pending commits are left in place; the caller takes them out once the batch is durable. Whatever was built is
   * delivered next or never: the page map has counted it.
   * @param chain of the last batch that was built
   * @param skip pending commits that are in batches on their way
   * @throws FramesLost when the WAL does not hold them any more
   */
  next(chain: BatchChain, { cutScn, skip }: { cutScn: Scn; skip: number }): BuiltBatch {
    this.#skip = skip;
    if (this.#lead) return this.#nextOfLead(chain, this.#lead, cutScn);
    const first = this.#log.pending[skip];
    if (first === undefined) return this.#encode(chain, [], { pendingCount: 0 });
    const bytes = (first.lastFrame - first.firstFrame + 1) * this.#log.pageSize;
    if (this.#parts || bytes > this.#partBytes) return this.#nextPart(chain, first, cutScn);
    const commits = this.#commitsOfOneBatch(first, cutScn);
    const specs = readCommits(commits, this.#log.pageSize).map((images) => this.#count(images, true));
    return this.#encode(chain, specs, { lastScn: commits.at(-1)!.scn, pendingCount: commits.length, cutScn });
  }

  #commitsOfOneBatch(first: PendingCommit, cutScn: Scn): PendingCommit[] {
    const size = frameBytes(this.#log.pageSize);
    const commits: PendingCommit[] = [];
    let bytes = 0;
    for (let i = this.#skip; i < this.#log.pending.length; i++) {
      const commit = this.#log.pending[i]!;
      bytes += (commit.lastFrame - commit.firstFrame + 1) * size;
      // Each look at the log has its own source, with the header as it read it.
      const fits = bytes <= BATCH_FRAMES_BYTES && sameHeader(commit.source.header, first.source.header);
      if (commits.length > 0 && (!fits || commit.source.isCopy !== first.source.isCopy)) break;
      if (commit.scn < cutScn !== first.scn < cutScn) break;
      commits.push(commit);
    }
    return commits;
  }

  /** Hashes the images and brings the page map up to date. */
  #count(of: CommitImages, isComplete: boolean): LogCommitSpec {
    const hashes = BigUint64Array.from(of.images, pageHash);
    const { scn, databasePages, pages } = of;
    const checksum = this.#pageMap.add({ scn, databasePages, pages, hashes, isComplete });
    return { ...of, hashes, checksum };
  }

  #nextPart(chain: BatchChain, commit: PendingCommit, cutScn: Scn): BuiltBatch {
    this.#parts ??= { commit, newest: newestOf(commit), done: 0 };
    const { newest, done } = this.#parts;
    const { pageSize } = this.#log;
    const count = Math.min(newest.length / 2 - done, Math.floor(this.#partBytes / pageSize));
    const pairs = newest.subarray(2 * done, 2 * (done + count));
    const isLast = done + count === newest.length / 2;
    const spec = this.#count(readPairs(commit, pairs, pageSize), isLast);
    // Until its last part is durable a commit does not count, so capture would start over before it.
    const end: BatchEnd = isLast
      ? { lastScn: commit.scn, pendingCount: 1, cutScn }
      : { pendingCount: 0, openPosition: encodePosition(this.#log.positionBefore(commit)) };
    const built = this.#encode(chain, [spec], { ...end, isContinued: done > 0 });
    if (isLast) this.#parts = undefined;
    else this.#parts.done += count;
    return built;
  }

  #nextOfLead(chain: BatchChain, lead: { commit: LeadCommit; done: number }, cutScn: Scn): BuiltBatch {
    const { commit, done } = lead;
    const { scn, databasePages, checksum } = commit;
    const count = Math.min(commit.pages.length - done, Math.floor(this.#partBytes / this.#log.pageSize));
    const pages = commit.pages.slice(done, done + count);
    const hashes = commit.hashes.slice(done, done + count);
    const isLast = done + count === commit.pages.length;
    const spec = { scn, databasePages, checksum, pages, hashes, images: commit.read(pages) };
    for (const [i, image] of spec.images.entries())
      assert(pageHash(image) === hashes[i], 'a held state does not change');
    // Without a position the round holds no whole commit yet: a resume begins this one anew.
    const end: BatchEnd = isLast
      ? { lastScn: scn, pendingCount: 0, cutScn }
      : { pendingCount: 0, openPosition: new Uint8Array(0) };
    const built = this.#encode(chain, [spec], { ...end, isContinued: done > 0 });
    lead.done += count;
    if (isLast) this.#lead = undefined;
    return { ...built, endsLead: isLast };
  }

  #encode(chain: BatchChain, commits: readonly LogCommitSpec[], of: BatchEnd): BuiltBatch {
    const { openPosition, pendingCount } = of;
    const isPart = openPosition !== undefined;
    const checkpointScn = isPart ? chain.checkpointScn : this.#checkpoint(of);
    const engine = openPosition ?? this.#positionAfter(pendingCount);
    const { bytes, header, plainBytes } = encodeLogBatch({
      owner: this.#owner,
      batchNo: chain.batchNo + 1,
      prevHash: chain.batchHash,
      checkpointScn,
      pageSize: this.#log.pageSize,
      position: engine,
      commits,
      continues: isPart,
      isContinued: of.isContinued ?? false,
      compressionLevel: COMPRESSION_LEVEL,
      seal: this.seal,
    });
    const position = { batchNo: header.batchNo, batchHash: header.hash, scn: checkpointScn, engine };
    const { batchNo, pageCount, commitCount } = header;
    // A part belongs where its commit does: a piece that ends before the commit ends before its first part.
    const ofCommit = isPart ? commits[0]?.scn : undefined;
    const firstScn = ofCommit ?? header.firstScn;
    const lastScn = ofCommit ?? header.lastScn;
    const batch = { bytes, batchNo, firstScn, lastScn, checkpointScn, commitCount, pageCount, plainBytes, position };
    return { batch, pendingCount, endsLead: false };
  }

  /** Before what is pending behind the batch, else the cursor itself: either may stand in a newer generation. */
  #positionAfter(pendingCount: number): Uint8Array {
    const next = this.#log.pending[this.#skip + pendingCount];
    return encodePosition(next ? this.#log.positionBefore(next) : this.#log.position());
  }

  #checkpoint({ lastScn, pendingCount, cutScn }: BatchEnd): Scn {
    const isAll = this.#skip + pendingCount === this.#log.pending.length;
    if (lastScn === undefined || cutScn === undefined) return this.#log.lastScn;
    const upTo = isAll ? this.#log.lastScn : lastScn;
    // A batch of the active piece does not reach into the next one.
    const isBefore = lastScn < cutScn;
    return isBefore && upTo >= cutScn ? toScn(cutScn - 1n) : upTo;
  }
}

/** Reads commits that follow one another in one generation. */
function readCommits(commits: readonly PendingCommit[], pageSize: number): CommitImages[] {
  const specs: CommitImages[] = [];
  for (const commit of commits) {
    const images = new Map<number, Buffer>();
    scanCommit(commit, (_frameNo, pageNo, bytes, pageStart) => {
      const image = images.get(pageNo) ?? Buffer.allocUnsafe(pageSize);
      bytes.copy(image, 0, pageStart, pageStart + pageSize);
      images.set(pageNo, image);
    });
    const pages = Uint32Array.from(images.keys())
      .filter((page) => page <= commit.databasePages)
      .sort();
    const { scn, databasePages } = commit;
    specs.push({ scn, databasePages, pages, images: Array.from(pages, (page) => images.get(page)!) });
  }
  return specs;
}

function newestOf(commit: PendingCommit): Uint32Array {
  const newest = new Map<number, number>();
  scanCommit(commit, (frameNo, pageNo) => newest.set(pageNo, frameNo));
  return sortedPairs(newest, commit.databasePages);
}

/** Walks the frames of a commit and proves that they are the captured ones. */
function scanCommit(
  commit: PendingCommit,
  onPage: (frameNo: number, pageNo: number, bytes: Buffer, pageStart: number) => void,
): void {
  let end = commit.from;
  const invalid = scanFrames(commit.source, commit, (frameNo, frame, bytes, pageStart) => {
    end = frame.checksum;
    onPage(frameNo, frame.pageNo, bytes, pageStart);
  });
  if (invalid !== undefined || !sameChecksum(end, commit.checksum))
    throw new FramesLost(`frame ${invalid ?? commit.lastFrame} was overwritten before it was archived`);
}

/** Images of some pages of a commit whose frames were proved before. */
function readPairs(commit: PendingCommit, pairs: Uint32Array, pageSize: number): CommitImages {
  const frame = Buffer.allocUnsafeSlow(frameBytes(pageSize));
  const pages = new Uint32Array(pairs.length / 2);
  const images: Buffer[] = [];
  for (let i = 0; i < pages.length; i++) {
    pages[i] = pairs[2 * i]!;
    const count = commit.source.read(pairs[2 * i + 1]!, frame);
    if (
      count !== 1 ||
      frame.readUInt32BE(0) !== pages[i] ||
      frame.compare(commit.source.header.salts, 0, 8, 8, 16) !== 0
    )
      throw new FramesLost(`frame ${pairs[2 * i + 1]} was overwritten before it was archived`);
    images.push(Buffer.from(frame.subarray(FRAME_HEADER_BYTES)));
  }
  return { scn: commit.scn, databasePages: commit.databasePages, pages, images };
}
