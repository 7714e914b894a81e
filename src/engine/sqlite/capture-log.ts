// What a capture has seen of a tenant's WAL: a cursor and the commits behind it that are not delivered yet.
// `poll` takes in whatever SQLite has published as committed and proves that nothing was missed: the cursor must equal the
// wal-index afterwards, and a generation may only end when the capture stood exactly where the reader was last rolled.
import { statSync } from 'node:fs';
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { nextScn, type Scn, toScn } from '../../model/scn.ts';
import type { CaptureConnections } from './capture-connections.ts';
import type { CapturePosition, FileIdentity } from './capture-position.ts';
import { type Checksum, frameBytes, frameOffset, sameChecksum, sameHeader, type WalHeader } from './wal-format.ts';
import type { WalIndex } from './wal-index.ts';
import { copiedFrames, type FrameSource, fileFrames, scanFrames } from './wal-scan.ts';

/** A change time this much older than now can not be shared by a later change: kernels stamp every 10 ms at worst. */
export const CHANGE_PROOF_NS = 50_000_000n;

export interface PendingCommit {
  scn: Scn;
  firstFrame: number;
  lastFrame: number;
  databasePages: number;
  /** Size of the database before it. */
  pagesBefore: number;
  /** Checksum of the frame before the first, and of the last. */
  from: Checksum;
  checksum: Checksum;
  source: FrameSource;
  seenMs: number;
}

/** The last captured frame; everything up to it has its scn. */
export interface Cursor {
  header: WalHeader | undefined;
  frame: number;
  checksum: Checksum;
  databasePages: number;
}

const NO_CHECKSUM: Checksum = { s1: 0, s2: 0 };

export const startOf = (header: WalHeader | undefined, databasePages: number): Cursor => ({
  header,
  frame: 0,
  checksum: header?.seed ?? NO_CHECKSUM,
  databasePages,
});

/** Where a generation ends if it is reset: a reader has held it since it was wholly in the database file. */
export interface HeldEnd {
  header: WalHeader;
  frame: number;
  checksum: Checksum;
  /** Its frames from the first on; undefined when they were not copied. */
  copy: FrameSource | undefined;
}

export class CaptureLog {
  readonly pageSize: number;
  readonly #connections: CaptureConnections;
  readonly #path: string;
  readonly #clock: Clock;
  #file: FileIdentity;
  #cursor: Cursor;
  /** Frame of the cursor's generation at which the reader was rolled under the write lock; 0 in a later generation. */
  #rollFrame: number;
  /** Newest scn given to a commit or announced: later commits get greater ones. */
  #lastScn: Scn;
  #maxScn: Scn;
  #pending: PendingCommit[] = [];
  #pendingFrames = 0;

  constructor(of: {
    connections: CaptureConnections;
    path: string;
    clock: Clock;
    file: FileIdentity;
    cursor: Cursor;
    pageSize: number;
    lastScn: Scn;
  }) {
    this.#connections = of.connections;
    this.#path = of.path;
    this.#clock = of.clock;
    this.#file = of.file;
    this.#cursor = of.cursor;
    this.#rollFrame = of.cursor.frame;
    this.pageSize = of.pageSize;
    this.#lastScn = of.lastScn;
    this.#maxScn = of.lastScn;
  }

  get cursor(): Cursor {
    return this.#cursor;
  }

  get pending(): readonly PendingCommit[] {
    return this.#pending;
  }

  get pendingBytes(): number {
    return this.#pendingFrames * frameBytes(this.pageSize);
  }

  get maxScn(): Scn {
    return this.#maxScn;
  }

  get lastScn(): Scn {
    return this.#lastScn;
  }

  get file(): FileIdentity {
    return this.#file;
  }

  /** Frame of the present generation that the reader pins. */
  get rollFrame(): number {
    return this.#rollFrame;
  }

  /** True when commits were captured since the reader was last rolled. */
  get isPastRoll(): boolean {
    return this.#cursor.frame !== this.#rollFrame;
  }

  /** Announces an scn: every commit that is captured later exceeds it. @returns the newest scn so far */
  announce(ns: bigint): Scn {
    if (ns > this.#lastScn) this.#lastScn = toScn(ns);
    return this.#lastScn;
  }

  /** Drops commits that went into a durable batch. */
  take(count: number): void {
    for (const commit of this.#pending.splice(0, count))
      this.#pendingFrames -= commit.lastFrame - commit.firstFrame + 1;
  }

  /** Bytes between the cursor and what is committed; the next poll has to read so much. */
  unseenBytes(): number {
    const index = this.#connections.index();
    if (!index) return 0;
    const isSame = this.#cursor.header?.salts.equals(index.salts) ?? false;
    return Math.max(0, index.maxFrame - (isSame ? this.#cursor.frame : 0)) * frameBytes(this.pageSize);
  }

  /** What the log holds; its file stays as large as it once was. undefined while the wal-index is being changed. */
  usedBytes(): number | undefined {
    const index = this.#connections.index();
    return index && frameOffset(index.maxFrame + 1, this.pageSize);
  }

  /** Frames that are committed but not in the database file yet. */
  unfilledFrames(): number {
    const index = this.#connections.index();
    return index ? Math.max(0, index.maxFrame - index.backfilled) : 0;
  }

  /**
   * Takes in every commit that SQLite has published.
   * @returns undefined when the cursor now equals the wal-index; otherwise what does not fit: a race when it passes,
   * and a gap when it is still so under the write lock
   */
  poll(): string | undefined {
    const index = this.#connections.index();
    if (!index) return 'the wal-index is being changed';
    if (index.maxFrame === 0) return this.#pollEmpty(index);
    const header = this.#connections.walHeader();
    if (!header?.salts.equals(index.salts)) return 'the header of the -wal file does not fit the wal-index';
    if (header.pageSize !== this.pageSize) return `the page size changed to ${header.pageSize}`;
    const fault = sameHeader(header, this.#cursor.header) ? undefined : this.#endGeneration(header);
    return fault ?? this.#scanOn(index, fileFrames(this.#connections.walFd, header));
  }

  /**
   * Goes on from a generation that was reset, to the start of the present one. Only for a cursor in a generation whose end
   * was held, and under the write lock.
   * @returns undefined when the cursor stands at the start of the present log; otherwise what does not fit
   */
  leaveReset(end: HeldEnd): string | undefined {
    if (this.#cursor.frame < end.frame && !end.copy)
      return `the log was reset after frame ${end.frame}, and could not be copied before`;
    const source = end.copy ?? fileFrames(this.#connections.walFd, end.header);
    const fault = this.#scanOn({ maxFrame: end.frame, frameChecksum: end.checksum }, source);
    if (fault !== undefined) return fault;
    // The reader has held just this: nothing was committed behind it before the reset.
    this.#rollFrame = this.#cursor.frame;
    const index = this.#connections.index();
    assert(index, 'the wal-index is at rest under the write lock');
    if (index.maxFrame === 0) return this.#pollEmpty(index);
    const header = this.#connections.walHeader();
    if (!header?.salts.equals(index.salts)) return 'the header of the -wal file does not fit the wal-index';
    return this.#endGeneration(header);
  }

  /** Nothing is committed in the WAL: it is empty, or it was reset and the first commit has not come yet. */
  #pollEmpty(index: WalIndex): string | undefined {
    if (this.isPastRoll) return 'the log was reset although commits were captured since the reader was rolled';
    const header = this.#connections.walHeader();
    if (header === undefined) {
      // Bytes that are no header are one just being written: the old generation stays until there is a new one.
      if (this.#connections.walStat().sizeBytes > 0n) return undefined;
      return this.#cursor.header === undefined ? undefined : this.#endGeneration(undefined);
    }
    // A reset is announced in the index before the new header is written; the header of the old one proves nothing.
    if (sameHeader(header, this.#cursor.header) || !header.salts.equals(index.salts)) return undefined;
    return this.#endGeneration(header);
  }

  /** The only place where a generation may follow another. */
  #endGeneration(header: WalHeader | undefined): string | undefined {
    if (this.isPastRoll)
      return `the log was reset after frame ${this.#rollFrame}, where the reader stood, but frame ${this.#cursor.frame} was the last captured`;
    if (this.#pending.some((commit) => !commit.source.isCopy))
      return 'the log was reset before its last commits were archived';
    this.#cursor = startOf(header, this.#cursor.databasePages);
    this.#rollFrame = 0;
    return undefined;
  }

  #scanOn(index: Pick<WalIndex, 'maxFrame' | 'frameChecksum'>, source: FrameSource): string | undefined {
    const { header, frame, checksum } = this.#cursor;
    assert(header, 'a generation with frames has a header');
    if (index.maxFrame < frame)
      return `the log went back to frame ${index.maxFrame}, frame ${frame} was captured already`;
    if (index.maxFrame === frame)
      return sameChecksum(checksum, index.frameChecksum) ? undefined : `frame ${frame} was changed after its capture`;
    const found: Omit<PendingCommit, 'scn' | 'seenMs'>[] = [];
    let first = frame + 1;
    let from = checksum;
    let pagesBefore = this.#cursor.databasePages;
    const range = { firstFrame: first, lastFrame: index.maxFrame, from: checksum };
    const invalid = scanFrames(source, range, (lastFrame, { commitPages, checksum: now }) => {
      if (commitPages === 0) return;
      const databasePages = commitPages;
      found.push({ firstFrame: first, lastFrame, databasePages, pagesBefore, from, checksum: now, source });
      first = lastFrame + 1;
      pagesBefore = databasePages;
      from = now;
    });
    if (invalid !== undefined) return `frame ${invalid} of ${index.maxFrame} committed ones is not valid`;
    const last = found.at(-1);
    if (last?.lastFrame !== index.maxFrame || !sameChecksum(last.checksum, index.frameChecksum))
      return `the checksum of frame ${index.maxFrame} does not fit the wal-index`;
    this.#accept(found, header);
    return undefined;
  }

  #accept(found: Omit<PendingCommit, 'scn' | 'seenMs'>[], header: WalHeader): void {
    const seenMs = this.#clock.monotonicMs();
    for (const commit of found) {
      this.#lastScn = nextScn(this.#lastScn, this.#clock.nowNs());
      this.#pending.push({ ...commit, scn: this.#lastScn, seenMs });
      this.#pendingFrames += commit.lastFrame - commit.firstFrame + 1;
    }
    this.#maxScn = this.#lastScn;
    const { lastFrame, checksum, databasePages } = found.at(-1)!;
    this.#cursor = { header, frame: lastFrame, checksum, databasePages };
  }

  /**
   * Rolls the reader to the cursor. Only under the write lock, after a poll that settled.
   * @param rollFrame the last committed frame, when the cursor has not reached it yet (resume)
   */
  roll(rollFrame: number = this.#cursor.frame): void {
    this.#connections.roll();
    this.#rollFrame = rollFrame;
  }

  /** Copies the pending frames into memory: they stay readable when the next writer resets the log. */
  copyPending(): void {
    const [first, last] = [this.#pending[0], this.#pending.at(-1)];
    if (!first || !last) return;
    const count = last.lastFrame - first.firstFrame + 1;
    const bytes = Buffer.allocUnsafeSlow(count * frameBytes(this.pageSize));
    assert(first.source.read(first.firstFrame, bytes) === count, 'committed frames can be read');
    const copy = copiedFrames(first.source.header, first.firstFrame, bytes);
    for (const commit of this.#pending) commit.source = copy;
  }

  /** The position of the cursor. */
  position(): CapturePosition {
    return this.#positionAt(this.#cursor);
  }

  /** The position before a commit that is not archived yet: in its own generation, which is the one a resume finds. */
  positionBefore(commit: PendingCommit): CapturePosition {
    return this.#positionAt({
      header: commit.source.header,
      frame: commit.firstFrame - 1,
      checksum: commit.from,
      databasePages: commit.pagesBefore,
    });
  }

  #positionAt(at: Cursor): CapturePosition {
    return { ...at, pageSize: this.pageSize, file: this.#identity(at.header) };
  }

  /** While the WAL is empty everything is in the database file, and its change time shows whether that is still so. */
  #identity(header: WalHeader | undefined): FileIdentity {
    if (header !== undefined || this.#connections.walStat().sizeBytes > 0n) return { ...this.#file, changedNs: 0n };
    const { ctimeNs, size } = statSync(this.#path, { bigint: true });
    const isOld = this.#clock.nowNs() - ctimeNs > CHANGE_PROOF_NS;
    return { ...this.#file, sizeBytes: size, changedNs: isOld ? ctimeNs : 0n };
  }

  /** @returns why the files can not be the captured ones any more */
  lostFiles(): string | undefined {
    const file = statSync(this.#path, { bigint: true, throwIfNoEntry: false });
    if (!file) return `the database file ${this.#path} is gone`;
    if (file.ino !== this.#file.inode || file.dev !== this.#file.device)
      return `the database file ${this.#path} was replaced by another`;
    const wal = statSync(`${this.#path}-wal`, { bigint: true, throwIfNoEntry: false });
    if (!wal) return `the file ${this.#path}-wal is gone`;
    if (wal.ino !== this.#connections.walStat().inode) return `the file ${this.#path}-wal was replaced by another`;
    return undefined;
  }
}
