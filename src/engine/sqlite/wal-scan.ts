// Reads frames of one WAL generation, from the file or from a copy in memory, and proves their checksum chain.
import { readSync } from 'node:fs';
import { assert } from '../../base/assert.ts';
import { MIB } from '../../base/limits.ts';
import {
  type Checksum,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  frameBytes,
  frameOffset,
  readFrame,
  type WalHeader,
} from './wal-format.ts';

/** Read at once while scanning: large enough for few calls, small enough to stay in the processor's cache. */
const SCAN_BYTES = 1 * MIB;

/** Where frames of one generation come from. */
export interface FrameSource {
  readonly header: WalHeader;
  /** True when the frames stay readable whatever happens to the file. */
  readonly isCopy: boolean;
  /**
   * Fills `into` with whole frames from `firstFrame` on.
   * @returns how many whole frames there were; fewer than fit when the source ends
   */
  read(firstFrame: number, into: Buffer): number;
}

/** Frames of the -wal file behind a descriptor. */
export function fileFrames(fd: number, header: WalHeader): FrameSource {
  const size = frameBytes(header.pageSize);
  return {
    header,
    isCopy: false,
    read(firstFrame, into) {
      const length = into.length - (into.length % size);
      return Math.floor(readFully(fd, into, length, frameOffset(firstFrame, header.pageSize)) / size);
    },
  };
}

/** Frames that were copied while they could still be read. */
export function copiedFrames(header: WalHeader, firstFrame: number, bytes: Buffer): FrameSource {
  const size = frameBytes(header.pageSize);
  return {
    header,
    isCopy: true,
    read(first, into) {
      assert(first >= firstFrame, 'a copied frame is asked for');
      const start = (first - firstFrame) * size;
      const length = Math.max(0, Math.min(into.length - (into.length % size), bytes.length - start));
      bytes.copy(into, 0, start, start + length);
      return Math.floor(length / size);
    },
  };
}

/** Reads until `length` bytes or the end of the file. @returns bytes read */
export function readFully(fd: number, into: Uint8Array, length: number, position: number): number {
  let done = 0;
  while (done < length) {
    const bytes = readSync(fd, into, done, length - done, position + done);
    if (bytes === 0) break;
    done += bytes;
  }
  return done;
}

/** Called for each valid frame. `bytes` is reused: the page at `pageStart` must be copied to be kept. */
export type OnFrame = (frameNo: number, frame: FrameHeader, bytes: Buffer, pageStart: number) => void;

/**
 * Walks frames `firstFrame` to `lastFrame` in order.
 * @param from checksum of the frame before
 * @returns undefined when all are valid, otherwise the number of the first frame that is not
 */
export function scanFrames(
  source: FrameSource,
  range: { firstFrame: number; lastFrame: number; from: Checksum },
  onFrame: OnFrame,
): number | undefined {
  const size = frameBytes(source.header.pageSize);
  const total = range.lastFrame - range.firstFrame + 1;
  const perRead = Math.max(1, Math.min(total, Math.floor(SCAN_BYTES / size)));
  const buffer = Buffer.allocUnsafeSlow(perRead * size);
  let checksum = range.from;
  for (let first = range.firstFrame; first <= range.lastFrame; ) {
    const wanted = Math.min(perRead, range.lastFrame - first + 1);
    const count = source.read(first, buffer.subarray(0, wanted * size));
    for (let i = 0; i < count; i++) {
      const frame = readFrame(buffer, i * size, source.header, checksum);
      if (frame === undefined) return first + i;
      checksum = frame.checksum;
      onFrame(first + i, frame, buffer, i * size + FRAME_HEADER_BYTES);
    }
    if (count < wanted) return first + count;
    first += count;
  }
  return undefined;
}

/**
 * Newest frame of each page over a range of frames; page contents are not read.
 * Only for frames known to be committed and valid.
 * @returns pairs (page, frame) ascending by page, pages past `databasePages` left out
 */
export function newestFrames(fd: number, header: WalHeader, lastFrame: number, databasePages: number): Uint32Array {
  const size = frameBytes(header.pageSize);
  const perRead = Math.max(1, Math.floor(SCAN_BYTES / size));
  const buffer = Buffer.allocUnsafeSlow(Math.min(perRead, lastFrame) * size);
  const source = fileFrames(fd, header);
  const newest = new Map<number, number>();
  for (let first = 1; first <= lastFrame; ) {
    const wanted = Math.min(perRead, lastFrame - first + 1);
    const count = source.read(first, buffer.subarray(0, wanted * size));
    assert(count === wanted, 'committed frames can be read');
    for (let i = 0; i < count; i++) {
      assert(buffer.compare(header.salts, 0, 8, i * size + 8, i * size + 16) === 0, 'a committed frame has its salts');
      newest.set(buffer.readUInt32BE(i * size), first + i);
    }
    first += count;
  }
  return sortedPairs(newest, databasePages);
}

/** @returns pairs (key, value) ascending by key, keys above `keyMax` left out */
export function sortedPairs(map: ReadonlyMap<number, number>, keyMax: number): Uint32Array {
  const keys = Uint32Array.from(map.keys())
    .filter((key) => key <= keyMax)
    .sort();
  const pairs = new Uint32Array(keys.length * 2);
  for (const [i, key] of keys.entries()) {
    pairs[2 * i] = key;
    pairs[2 * i + 1] = map.get(key)!;
  }
  return pairs;
}
