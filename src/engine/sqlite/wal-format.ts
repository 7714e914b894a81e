// SQLite's WAL file: header, frames and the cumulative checksum that chains them. Pure; all numbers big-endian.
import { endianness } from 'node:os';

export const WAL_HEADER_BYTES = 32;
export const FRAME_HEADER_BYTES = 24;
const MAGIC_LITTLE = 0x377f0682;
const MAGIC_BIG = 0x377f0683;
const WAL_VERSION = 3007000;
const PAGE_SIZE_MIN = 512;
const PAGE_SIZE_MAX = 65536;
const HOST_IS_BIG = endianness() === 'BE';

/** Cumulative checksum pair, each an unsigned 32-bit number. */
export interface Checksum {
  readonly s1: number;
  readonly s2: number;
}

export const sameChecksum = (a: Checksum, b: Checksum): boolean => a.s1 === b.s1 && a.s2 === b.s2;

/** One generation of a WAL: all 32 bytes together are its identity, the salts alone are not. */
export interface WalHeader {
  readonly bytes: Buffer;
  readonly pageSize: number;
  /** Words of the checksum are big-endian. */
  readonly isBigEndian: boolean;
  readonly sequence: number;
  /** Bytes 16 to 23, repeated in every frame and in the wal-index. */
  readonly salts: Buffer;
  /** Seed of the first frame's checksum. */
  readonly seed: Checksum;
}

export interface FrameHeader {
  pageNo: number;
  /** Database size in pages when this frame ends a commit, else 0. */
  commitPages: number;
  checksum: Checksum;
}

export const frameBytes = (pageSize: number): number => FRAME_HEADER_BYTES + pageSize;

/** Where a frame begins in the file. @param frameNo from 1 */
export const frameOffset = (frameNo: number, pageSize: number): number =>
  WAL_HEADER_BYTES + (frameNo - 1) * frameBytes(pageSize);

/**
 * Carries a checksum on over some bytes.
 * @param length a multiple of 8
 * @param isBigEndian order of the words, from the WAL's magic
 */
export function walChecksum(
  bytes: Uint8Array,
  range: { start: number; length: number },
  from: Checksum,
  isBigEndian: boolean,
): Checksum {
  const start = bytes.byteOffset + range.start;
  if (start % 4 === 0 && isBigEndian === HOST_IS_BIG)
    return sumWords(new Uint32Array(bytes.buffer, start, range.length / 4), from);
  const view = new DataView(bytes.buffer, start, range.length);
  let s1 = from.s1 | 0;
  let s2 = from.s2 | 0;
  for (let at = 0; at < range.length; at += 8) {
    s1 = (s1 + view.getInt32(at, !isBigEndian) + s2) | 0;
    s2 = (s2 + view.getInt32(at + 4, !isBigEndian) + s1) | 0;
  }
  return { s1: s1 >>> 0, s2: s2 >>> 0 };
}

function sumWords(words: Uint32Array, from: Checksum): Checksum {
  let s1 = from.s1 | 0;
  let s2 = from.s2 | 0;
  for (let i = 0; i < words.length; i += 2) {
    s1 = (s1 + words[i]! + s2) | 0;
    s2 = (s2 + words[i + 1]! + s1) | 0;
  }
  return { s1: s1 >>> 0, s2: s2 >>> 0 };
}

const readChecksum = (bytes: Buffer, at: number): Checksum => ({
  s1: bytes.readUInt32BE(at),
  s2: bytes.readUInt32BE(at + 4),
});

/** @returns undefined when the bytes are no valid WAL header */
export function parseWalHeader(given: Uint8Array): WalHeader | undefined {
  if (given.length < WAL_HEADER_BYTES) return undefined;
  const bytes = Buffer.from(given.subarray(0, WAL_HEADER_BYTES));
  const magic = bytes.readUInt32BE(0);
  if (magic !== MAGIC_LITTLE && magic !== MAGIC_BIG) return undefined;
  if (bytes.readUInt32BE(4) !== WAL_VERSION) return undefined;
  const pageSize = bytes.readUInt32BE(8);
  if (pageSize < PAGE_SIZE_MIN || pageSize > PAGE_SIZE_MAX || (pageSize & (pageSize - 1)) !== 0) return undefined;
  const isBigEndian = magic === MAGIC_BIG;
  const seed = readChecksum(bytes, 24);
  const sum = walChecksum(bytes, { start: 0, length: 24 }, { s1: 0, s2: 0 }, isBigEndian);
  if (!sameChecksum(sum, seed)) return undefined;
  return { bytes, pageSize, isBigEndian, sequence: bytes.readUInt32BE(12), salts: bytes.subarray(16, 24), seed };
}

/**
 * Checks one frame against its generation and its predecessor.
 * @param bytes holds the frame, header and page, at `start`
 * @returns undefined when the frame is not the valid successor
 */
export function readFrame(bytes: Buffer, start: number, header: WalHeader, from: Checksum): FrameHeader | undefined {
  const pageNo = bytes.readUInt32BE(start);
  if (pageNo === 0) return undefined;
  if (bytes.compare(header.salts, 0, 8, start + 8, start + 16) !== 0) return undefined;
  const checksum = readChecksum(bytes, start + 16);
  const own = walChecksum(bytes, { start, length: 8 }, from, header.isBigEndian);
  const page = { start: start + FRAME_HEADER_BYTES, length: header.pageSize };
  if (!sameChecksum(walChecksum(bytes, page, own, header.isBigEndian), checksum)) return undefined;
  return { pageNo, commitPages: bytes.readUInt32BE(start + 4), checksum };
}

/** Of one generation: all 32 bytes are the same. */
export const sameHeader = (a: WalHeader | undefined, b: WalHeader | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.bytes.equals(b.bytes));

/** The header of a new generation, with its checksum over words in the order of this machine, as SQLite writes it. */
export function encodeWalHeader(of: { pageSize: number; sequence: number; salts: Uint8Array }): Buffer {
  const bytes = Buffer.alloc(WAL_HEADER_BYTES);
  bytes.writeUInt32BE(HOST_IS_BIG ? MAGIC_BIG : MAGIC_LITTLE, 0);
  bytes.writeUInt32BE(WAL_VERSION, 4);
  bytes.writeUInt32BE(of.pageSize, 8);
  bytes.writeUInt32BE(of.sequence, 12);
  bytes.set(of.salts, 16);
  const { s1, s2 } = walChecksum(bytes, { start: 0, length: 24 }, { s1: 0, s2: 0 }, HOST_IS_BIG);
  bytes.writeUInt32BE(s1, 24);
  bytes.writeUInt32BE(s2, 28);
  return bytes;
}

/**
 * Writes the header of a frame whose page stands behind it already.
 * @param start where the frame begins in `bytes`
 * @returns the frame's checksum, which the next one continues
 */
export function sealFrame(
  bytes: Buffer,
  start: number,
  frame: Pick<FrameHeader, 'pageNo' | 'commitPages'>,
  of: { header: WalHeader; from: Checksum },
): Checksum {
  const { header, from } = of;
  bytes.writeUInt32BE(frame.pageNo, start);
  bytes.writeUInt32BE(frame.commitPages, start + 4);
  bytes.set(header.salts, start + 8);
  const own = walChecksum(bytes, { start, length: 8 }, from, header.isBigEndian);
  const page = { start: start + FRAME_HEADER_BYTES, length: header.pageSize };
  const checksum = walChecksum(bytes, page, own, header.isBigEndian);
  bytes.writeUInt32BE(checksum.s1, start + 16);
  bytes.writeUInt32BE(checksum.s2, start + 20);
  return checksum;
}
