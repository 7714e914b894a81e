// Holds a tenant's log before it is known how much of it is archived. While frames are not in the database file yet, the
// pinned reader alone does. A log that is wholly in it may be reset once all the same: its end is remembered, and its
// frames are copied, so that a capture goes on from there and into the next generation. Nobody is made to wait.
// How it is proved: the reader has begun when the wal-index is read.
// - Frames that are not in the database file then: the reader stands on a mark before or at them, or on lock 0, where
//   nothing more can be copied into the file. Either way SQLite can not reset the log.
// - All frames in the file: should the log be reset later, then the reader stands on lock 0, nothing was copied since, and
//   so nothing was committed behind these frames before. A second reset needs a copying that lock 0 forbids.
// What stays a hole: a wholly copied log of more than COPY_BYTES_MAX whose tail is not archived, and a copy that dies with
// the host before it is delivered, each only when a writer resets the log meanwhile.
import { fail } from '../../base/errors.ts';
import { MIB } from '../../base/limits.ts';
import type { LogPinStatus } from '../engine-driver.ts';
import { CaptureConnections, isBusy } from './capture-connections.ts';
import { type Cursor, type HeldEnd, startOf } from './capture-log.ts';
import type { CapturePosition } from './capture-position.ts';
import { type Checksum, frameBytes, frameOffset, sameChecksum, type WalHeader } from './wal-format.ts';
import type { WalIndex } from './wal-index.ts';
import { copiedFrames, type FrameSource, fileFrames, scanFrames } from './wal-scan.ts';

/** Frames that the next writer could overwrite are copied up to here: some 10 ms. */
export const COPY_BYTES_MAX = 16 * MIB;
/** The wal-index is read so often while it is being changed: far longer than SQLite takes to write 96 bytes. */
const INDEX_READS_MAX = 1000;

/**
 * The connections that hold a log.
 * @throws CANNOT_START_LOG_ARCHIVE when the database is not in WAL mode, or another connection has it to itself
 */
export function openConnections(path: string): CaptureConnections {
  try {
    return new CaptureConnections(path);
  } catch (error) {
    if (!isBusy(error)) throw error;
    const because = `another connection has ${path} to itself`;
    throw fail('CANNOT_START_LOG_ARCHIVE', { because }, { cause: error });
  }
}

/** Whether the generation whose end is held is over. Under the write lock. */
export function isReset(end: HeldEnd, now: { header: WalHeader | undefined; index: WalIndex }): boolean {
  const { header, index } = now;
  const isThere = header?.bytes.equals(end.header.bytes) === true && index.salts.equals(header.salts);
  return !isThere || index.maxFrame < end.frame;
}

/** The recorded position in a generation whose end is held; whether it leads there is proved by `leaveReset`. */
export function resumeHeld({ frame, checksum, databasePages }: CapturePosition, { header }: HeldEnd): Cursor {
  return { ...startOf(header, databasePages), frame, checksum };
}

export class PinnedLog {
  readonly pinId: number;
  readonly connections: CaptureConnections;
  /** Set when the log could be reset at the moment when it was pinned. */
  readonly end: HeldEnd | undefined;
  /** It is not wanted any more. */
  isReleased = false;
  #status: LogPinStatus = { logBytes: 0, isHeld: false };
  #seenIndex: Buffer = Buffer.alloc(0);

  /**
   * @param of.copyBytesMax frames of a log that could be reset are copied up to here
   * @throws what `openConnections` throws
   */
  constructor(of: { pinId: number; path: string; copyBytesMax: number }) {
    this.pinId = of.pinId;
    this.connections = openConnections(of.path);
    try {
      this.end = endOf(this.connections, of.copyBytesMax);
    } catch (error) {
      this.connections.close();
      throw error;
    }
    this.look();
  }

  get copiedBytes(): number {
    return this.end?.copy ? this.end.frame * frameBytes(this.end.header.pageSize) : 0;
  }

  get status(): LogPinStatus {
    return this.#status;
  }

  /** Brings the figures up to date. @returns whether they have changed */
  look(): boolean {
    const bytes = this.connections.indexBytes();
    if (bytes.equals(this.#seenIndex)) return false;
    const index = this.connections.index();
    if (!index) return false;
    this.#seenIndex = Buffer.from(this.connections.indexBytes());
    const { end } = this;
    const isAtEnd = end !== undefined && index.maxFrame === end.frame && index.salts.equals(end.header.salts);
    const before = this.#status;
    this.#status = {
      logBytes: index.maxFrame === 0 ? 0 : frameOffset(index.maxFrame + 1, index.pageSize),
      isHeld: index.maxFrame > 0 && !isAtEnd,
    };
    return before.logBytes !== this.#status.logBytes || before.isHeld !== this.#status.isHeld;
  }
}

/** The end of a log that is wholly in the database file; undefined of any other, which can not be reset any more. */
function endOf(connections: CaptureConnections, copyBytesMax: number): HeldEnd | undefined {
  let index = connections.index();
  for (let reads = 1; !index && reads < INDEX_READS_MAX; reads++) index = connections.index();
  if (!index || index.maxFrame === 0 || index.backfilled < index.maxFrame) return undefined;
  const header = connections.walHeader();
  // The next writer was faster.
  if (!header?.salts.equals(index.salts)) return undefined;
  const end = { header, frame: index.maxFrame, checksum: index.frameChecksum };
  const isSmall = end.frame * frameBytes(header.pageSize) <= copyBytesMax;
  return { ...end, copy: isSmall ? copyOf(end, connections.walFd) : undefined };
}

/** A copy that is proved to be whole: the checksums chain from the header to what the wal-index says. */
function copyOf(end: { header: WalHeader; frame: number; checksum: Checksum }, walFd: number): FrameSource | undefined {
  const { header, frame } = end;
  const bytes = Buffer.allocUnsafeSlow(frame * frameBytes(header.pageSize));
  if (fileFrames(walFd, header).read(1, bytes) < frame) return undefined;
  const copy = copiedFrames(header, 1, bytes);
  let last: Checksum = header.seed;
  const invalid = scanFrames(copy, { firstFrame: 1, lastFrame: frame, from: header.seed }, (_, { checksum }) => {
    last = checksum;
  });
  return invalid === undefined && sameChecksum(last, end.checksum) ? copy : undefined;
}
