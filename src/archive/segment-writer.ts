// Appends batches to the segments of one piece. A segment that an append failed in is never appended to again: what it
// holds at its end is unknown, so the batch goes into a new segment, whose header says which batch it continues.
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

export class SegmentWriter {
  readonly #destination: Destination;
  readonly #owner: SegmentOwner;
  readonly #piece: PieceRef;
  #nextSegmentNo: number;
  #position: ChainPosition;
  #open: OpenSegment | undefined;
  readonly #segments: SegmentInfo[] = [];
  readonly #isWhole: boolean;
  #firstBatchHash: Uint8Array | null = null;
  /** Segments whose size is not known because an append to them failed. */
  readonly #torn = new Set<SegmentInfo>();

  /**
   * @param of.nextSegmentNo greater than that of any segment in the piece
   * @param of.position where the log stands
   */
  constructor(of: {
    destination: Destination;
    owner: SegmentOwner;
    piece: PieceRef;
    nextSegmentNo: number;
    position: ChainPosition;
  }) {
    this.#destination = of.destination;
    this.#owner = of.owner;
    this.#piece = of.piece;
    this.#nextSegmentNo = of.nextSegmentNo;
    this.#position = of.position;
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
   * Makes one batch durable.
   * @returns bytes written
   * @throws what the destination throws; the same batch, or another of its number, may then be given again
   */
  async append(batch: CapturedBatch): Promise<number> {
    assert(batch.batchNo === this.#position.batchNo + 1, 'a segment gets batches in order');
    const sizeBytes = this.#open?.appender.sizeBytes ?? 0;
    if (this.#open && sizeBytes + batch.bytes.length > SEGMENT_BYTES_MAX) await this.#closeOpen();
    const written = this.#destination.can.append ? await this.#appendTo(batch) : await this.#putWhole([batch]);
    this.#firstBatchHash ??= batch.position.batchHash;
    this.#position = { batchNo: batch.batchNo, hash: batch.position.batchHash };
    return written;
  }

  /** As `append`, of batches that follow each other: where nothing can be appended they are one object. */
  async appendAll(batches: readonly CapturedBatch[]): Promise<number> {
    const last = batches.at(-1);
    if (!last) return 0;
    if (this.#destination.can.append) {
      let written = 0;
      for (const batch of batches) written += await this.append(batch);
      return written;
    }
    assert(batches[0]!.batchNo === this.#position.batchNo + 1, 'a segment gets batches in order');
    const written = await this.#putWhole(batches);
    this.#firstBatchHash ??= batches[0]!.position.batchHash;
    this.#position = { batchNo: last.batchNo, hash: last.position.batchHash };
    return written;
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

  async #appendTo(batch: CapturedBatch): Promise<number> {
    const isNew = this.#open === undefined;
    const open = this.#open ?? (await this.#openNext());
    // Header and first batch in one append: one wait for the disk, and no segment without a batch in ordinary life.
    const bytes = isNew ? Buffer.concat([this.#encodeHeader(open.segmentNo), batch.bytes]) : batch.bytes;
    try {
      await open.appender.append(bytes);
      await this.#checkThere(open.info, open.appender.sizeBytes);
    } catch (error) {
      await this.#giveUp(open);
      throw error;
    }
    open.hash.update(bytes);
    if (isNew) this.#segments.push(open.info);
    record(open.info, batch, open.appender.sizeBytes);
    this.#open = open;
    return bytes.length;
  }

  /** For destinations that cannot append: an object of its own. Its number is spent even when this fails. */
  async #putWhole(batches: readonly CapturedBatch[]): Promise<number> {
    const segmentNo = this.#nextSegmentNo++;
    const bytes = Buffer.concat([this.#encodeHeader(segmentNo), ...batches.map((batch) => batch.bytes)]);
    await this.#destination.put(segmentName(pieceDirectory(this.#piece), segmentNo), bytes);
    const info = this.#newInfo(segmentNo, batches[0]!.batchNo);
    info.sha256 = new Uint8Array(createHash('sha256').update(bytes).digest());
    this.#segments.push(info);
    record(info, batches.at(-1)!, bytes.length);
    return bytes.length;
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

  #encodeHeader(segmentNo: number): Uint8Array {
    const { batchNo, hash } = this.#position;
    return encodeSegmentHeader({
      ...this.#owner,
      ...this.#piece,
      segmentNo,
      firstBatchNo: batchNo + 1,
      prevHash: hash,
    });
  }

  /** A failed append is the cause that is reported; a failure to close on top of it tells nothing more. */
  async #giveUp(open: OpenSegment): Promise<void> {
    this.#open = undefined;
    if (open.info.lastBatchNo > 0) this.#torn.add(open.info);
    await open.appender.close().catch(() => {});
  }

  async #closeOpen(): Promise<void> {
    const open = this.#open;
    if (!open) return;
    this.#open = undefined;
    open.info.sha256 = new Uint8Array(open.hash.digest());
    await open.appender.close();
  }
}

function record(info: SegmentInfo, batch: CapturedBatch, size: number): void {
  info.size = size;
  info.lastBatchNo = batch.batchNo;
  info.lastBatchHash = batch.position.batchHash;
}
