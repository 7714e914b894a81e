// Writes batches into the segments of one piece. A segment that an append failed in is never appended to again: what it
// holds at its end is unknown, so the batch goes into a new segment, whose header says which batch it continues.
// Where nothing can be appended batches are put as whole objects, one or several in each, and several may be on their way.
import { createHash, type Hash } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { fail, isFailure } from '../base/errors.ts';
import { MIB } from '../base/limits.ts';
import type { LogReader } from '../destination/archive-reader.ts';
import type { ChainPosition } from '../destination/batch-chain.ts';
import type { Destination, ObjectAppender } from '../destination/destination.ts';
import type { CapturedBatch } from '../engine/engine-driver.ts';
import type { SegmentInfo } from '../format/archive-info.ts';
import { FORMAT_FILE_NAME, type PieceRef, pieceDirectory, segmentName } from '../format/layout.ts';
import { encodeSegmentHeader } from '../format/log-batch-header.ts';
import { formatDestinationUri } from '../model/destination-uri.ts';
import { ArchiveDamaged } from './archive-damaged.ts';
import type { PieceContent } from './archive-files.ts';

/** Small enough to be read again at a start in a second, large enough that a busy day has thousands at most. */
const SEGMENT_BYTES_MAX = 64 * MIB;
/** Names taken by earlier, failed attempts that one append passes over before it gives up until later. */
const TAKEN_NAMES_MAX = 1000;

interface OpenSegment {
  segmentNo: number;
  appender: ObjectAppender;
  hash: Hash;
  info: SegmentInfo;
}

/** Whose log it is, and what opens what of it is encrypted. */
export type SegmentOwner = LogReader;

/** A batch that is durable, or several in one object. They count once accepted: everything before them is durable, too. */
export interface WrittenBatch {
  /** The same as `batch` when it is one. */
  first: CapturedBatch;
  batch: CapturedBatch;
  /** Bytes written. */
  bytes: number;
  segment: SegmentInfo;
  /** Of the segment, with this batch. */
  sizeBytes: number;
}

export class SegmentWriter {
  readonly #destination: Destination;
  readonly #owner: SegmentOwner;
  readonly #piece: PieceRef;
  readonly #generation: number;
  #prevGeneration: number;
  #nextSegmentNo: number;
  readonly #spend: (segmentNo: number) => void;
  #position: ChainPosition;
  /** The last batch that is durable or on its way. */
  #begun: ChainPosition;
  #open: OpenSegment | undefined;
  readonly #segments: SegmentInfo[] = [];
  readonly #isWhole: boolean;
  #firstBatchHash: Uint8Array | null = null;
  /** Segments whose size is not known because an append to them failed. */
  readonly #torn = new Set<SegmentInfo>();

  /**
   * @param of.nextSegmentNo greater than that of any segment in the piece
   * @param of.position where the log stands
   * @param of.spend called before an object of that number is put: no later life of the server may give it again
   * @param of.generation of the writer's lease; 0 where there are none
   * @param of.prevGeneration of the segment that the log ends in; left out when that lies in another piece
   */
  constructor(of: {
    destination: Destination;
    owner: SegmentOwner;
    piece: PieceRef;
    nextSegmentNo: number;
    position: ChainPosition;
    spend: (segmentNo: number) => void;
    generation?: number;
    prevGeneration?: number | undefined;
  }) {
    this.#destination = of.destination;
    this.#owner = of.owner;
    this.#piece = of.piece;
    this.#nextSegmentNo = of.nextSegmentNo;
    this.#spend = of.spend;
    this.#position = this.#begun = of.position;
    this.#generation = of.generation ?? 0;
    this.#prevGeneration = of.prevGeneration ?? this.#generation;
    this.#isWhole = of.nextSegmentNo === 1;
  }

  get position(): ChainPosition {
    return this.#position;
  }

  get openSegment(): { segmentNo: number; sizeBytes: number } | undefined {
    const open = this.#open;
    return open && { segmentNo: open.segmentNo, sizeBytes: open.appender.sizeBytes };
  }

  /**
   * Makes one batch durable. Where nothing can be appended it may be called again before it resolves; otherwise only after
   * the batch before was accepted. When it throws, nothing behind the batch may be accepted: see `rewind`.
   * @throws what the destination throws
   */
  async write(batch: CapturedBatch): Promise<WrittenBatch> {
    assert(batch.batchNo === this.#begun.batchNo + 1, 'a segment gets batches in order');
    if (!this.#destination.can.append) return await this.#putWhole([batch]);
    await this.#leaveUnaccepted();
    const sizeBytes = this.#open?.appender.sizeBytes ?? 0;
    if (this.#open && sizeBytes + batch.bytes.length > SEGMENT_BYTES_MAX) await this.#closeOpen();
    return await this.#appendTo(batch);
  }

  /**
   * As `write`, of batches that follow each other, in one object: only where nothing can be appended.
   * @param batches one at least
   */
  async writeAtOnce(batches: readonly CapturedBatch[]): Promise<WrittenBatch> {
    assert(!this.#destination.can.append, 'batches at once are a whole object');
    assert(batches[0]?.batchNo === this.#begun.batchNo + 1, 'a segment gets batches in order');
    return await this.#putWhole(batches);
  }

  /** Batches are accepted in order. */
  accept({ first, batch, segment, sizeBytes }: WrittenBatch): void {
    assert(first.batchNo === this.#position.batchNo + 1, 'batches are accepted in order');
    if (segment.lastBatchNo === 0) this.#segments.push(segment);
    segment.size = sizeBytes;
    segment.lastBatchNo = batch.batchNo;
    segment.lastBatchHash = batch.position.batchHash;
    this.#firstBatchHash ??= first.position.batchHash;
    this.#position = positionOf(batch);
    this.#prevGeneration = this.#generation;
    if (this.#begun.batchNo < batch.batchNo) this.#begun = this.#position;
  }

  /** After a failure, when nothing is on its way any more: the next batch follows the last accepted one. */
  rewind(): void {
    this.#begun = this.#position;
  }

  async close(): Promise<void> {
    await this.#closeOpen();
  }

  /** What this writer wrote, when that is all there is in the piece; undefined otherwise. The writer is closed. */
  async content(): Promise<PieceContent | undefined> {
    assert(this.#open === undefined, 'the writer is closed');
    if (!this.#isWhole) return undefined;
    for (const info of this.#segments) {
      const file = this.#nameOf(info);
      const size = await this.#destination.size(file);
      if (size === undefined) throw fail('BACKUP_FILE_NOT_EXIST', { file });
      if (size < info.size) throw fail('BACKUP_DATA_CORRUPT', { object: file, because: 'it is shorter than it was' });
      if (this.#torn.delete(info)) info.size = size;
    }
    return { segments: this.#segments.slice(), firstBatchHash: this.#firstBatchHash };
  }

  #nameOf(info: SegmentInfo): string {
    return `${pieceDirectory(this.#piece)}/${info.name}`;
  }

  /**
   * An open object takes bytes also after somebody has removed or replaced it: then they are not at the destination.
   * @throws ArchiveDamaged; BACKUP_DEST_NOT_CONNECT (9070) when the whole destination is away
   */
  async #checkThere(info: SegmentInfo, sizeBytes: number): Promise<void> {
    const name = this.#nameOf(info);
    const found = await this.#destination.size(name);
    if (found !== undefined && found >= sizeBytes) return;
    if ((await this.#destination.size(FORMAT_FILE_NAME)) === undefined) {
      const because = 'its format file is gone: another directory may be mounted there';
      throw fail('BACKUP_DEST_NOT_CONNECT', { uri: formatDestinationUri(this.#destination.uri), because });
    }
    const what = found === undefined ? 'was removed' : `is cut to ${found} of ${sizeBytes} bytes`;
    throw new ArchiveDamaged(`archived log is missing at the destination: ${name} ${what}`);
  }

  async #appendTo(batch: CapturedBatch): Promise<WrittenBatch> {
    const isNew = this.#open === undefined;
    const open = this.#open ?? (await this.#openNext());
    // Header and first batch in one append: one wait for the disk, and no segment without a batch in ordinary life.
    const bytes = isNew
      ? Buffer.concat([this.#encodeHeader(open.segmentNo, this.#position), batch.bytes])
      : batch.bytes;
    try {
      await open.appender.append(bytes);
      await this.#checkThere(open.info, open.appender.sizeBytes);
    } catch (error) {
      await this.#giveUp(open);
      throw error;
    }
    open.hash.update(bytes);
    this.#open = open;
    return { first: batch, batch, bytes: bytes.length, segment: open.info, sizeBytes: open.appender.sizeBytes };
  }

  /** Whole as an object. Its number is spent even when this fails. */
  async #putWhole(batches: readonly CapturedBatch[]): Promise<WrittenBatch> {
    const before = this.#begun;
    const first = batches[0]!;
    const batch = batches.at(-1)!;
    const isAtOnce = batches.length > 1;
    this.#begun = positionOf(batch);
    for (let tries = 0; ; tries++) {
      const segmentNo = this.#nextSegmentNo++;
      this.#spend(segmentNo);
      const header = this.#encodeHeader(segmentNo, before, { isAtOnce });
      const bytes = Buffer.concat([header, ...batches.map((one) => one.bytes)]);
      try {
        await this.#destination.put(segmentName(pieceDirectory(this.#piece), segmentNo), bytes);
        const segment = this.#newInfo(segmentNo, first.batchNo);
        segment.sha256 = new Uint8Array(createHash('sha256').update(bytes).digest());
        return { first, batch, bytes: bytes.length, segment, sizeBytes: bytes.length };
      } catch (error) {
        // Segments are read in the order of their numbers: with another batch behind it, it can not have a later one.
        const isLast = this.#begun.batchNo === batch.batchNo;
        if (!isFailure(error, 'ENTRY_EXISTS') || !isLast || tries >= TAKEN_NAMES_MAX) throw error;
      }
    }
  }

  async #openNext(): Promise<OpenSegment> {
    for (let tries = 0; ; tries++) {
      const segmentNo = this.#nextSegmentNo++;
      try {
        const appender = await this.#destination.openAppend(segmentName(pieceDirectory(this.#piece), segmentNo));
        const info = this.#newInfo(segmentNo, this.#position.batchNo + 1);
        return { segmentNo, appender, info, hash: createHash('sha256') };
      } catch (error) {
        if (!isFailure(error, 'ENTRY_EXISTS') || tries >= TAKEN_NAMES_MAX) throw error;
      }
    }
  }

  #newInfo(segmentNo: number, firstBatchNo: number): SegmentInfo {
    const directory = pieceDirectory(this.#piece);
    const name = segmentName(directory, segmentNo).slice(directory.length + 1);
    return { name, size: 0, sha256: null, firstBatchNo, lastBatchNo: 0, lastBatchHash: new Uint8Array(0) };
  }

  /** @param before the batch that its first one continues */
  #encodeHeader(segmentNo: number, before: ChainPosition, { isAtOnce = false } = {}): Uint8Array {
    return encodeSegmentHeader({
      ...this.#owner,
      ...this.#piece,
      segmentNo,
      firstBatchNo: before.batchNo + 1,
      prevHash: before.hash,
      inFlight: before.batchNo - this.#position.batchNo,
      isAtOnce,
      generation: this.#generation,
      prevGeneration: this.#prevGeneration,
    });
  }

  /** A failed append is the cause that is reported; a failure to close on top of it tells nothing more. */
  async #giveUp(open: OpenSegment): Promise<void> {
    this.#open = undefined;
    if (open.info.lastBatchNo > 0) this.#torn.add(open.info);
    await open.appender.close().catch(() => {});
  }

  /** A batch at its end that was not accepted comes again, in the next segment. */
  async #leaveUnaccepted(): Promise<void> {
    const open = this.#open;
    if (open && open.appender.sizeBytes > open.info.size) await this.#giveUp(open);
  }

  async #closeOpen(): Promise<void> {
    await this.#leaveUnaccepted();
    const open = this.#open;
    if (!open) return;
    this.#open = undefined;
    open.info.sha256 = new Uint8Array(open.hash.digest());
    await open.appender.close();
  }
}

const positionOf = ({ batchNo, position }: CapturedBatch): ChainPosition => ({ batchNo, hash: position.batchHash });
