// The wal-index header in the -shm file: what SQLite itself holds for committed. Native byte order.
// SQLite publishes a commit here after its frames are written, so nothing in the WAL counts before it is counted here.
import { endianness } from 'node:os';
import { type Checksum, sameChecksum, walChecksum } from './wal-format.ts';

/** Two copies of the header, then nBackfill. */
export const WAL_INDEX_BYTES = 136;
const HEADER_BYTES = 48;
/** Both copies of the header: cleared, they make whoever reads next count the frames again. */
export const WAL_INDEX_HEADERS_BYTES = 2 * HEADER_BYTES;
const INDEX_VERSION = 3007000;
const HOST_IS_BIG = endianness() === 'BE';

export interface WalIndex {
  /** Frames 1 to here are committed. */
  maxFrame: number;
  /** Cumulative checksum of frame `maxFrame`; stale while that is 0. */
  frameChecksum: Checksum;
  /** As in the WAL header, bytes 16 to 23. */
  salts: Buffer;
  pageSize: number;
  /** Size of the database; 0 when the WAL was empty at recovery. */
  pageCount: number;
  /** Frames that checkpoints have copied into the database file. */
  backfilled: number;
}

/**
 * @param bytes the first WAL_INDEX_BYTES of the -shm file
 * @returns undefined while the header is being changed (its copies differ) or is not set up
 */
export function parseWalIndex(bytes: Buffer): WalIndex | undefined {
  if (bytes.length < WAL_INDEX_BYTES) return undefined;
  if (bytes.compare(bytes, HEADER_BYTES, 2 * HEADER_BYTES, 0, HEADER_BYTES) !== 0) return undefined;
  const u32 = (at: number) => (HOST_IS_BIG ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at));
  const u16 = (at: number) => (HOST_IS_BIG ? bytes.readUInt16BE(at) : bytes.readUInt16LE(at));
  if (u32(0) !== INDEX_VERSION || bytes[12] !== 1) return undefined;
  const sum = walChecksum(bytes, { start: 0, length: 40 }, { s1: 0, s2: 0 }, HOST_IS_BIG);
  if (!sameChecksum(sum, { s1: u32(40), s2: u32(44) })) return undefined;
  const pageSize = u16(14);
  return {
    maxFrame: u32(16),
    pageCount: u32(20),
    frameChecksum: { s1: u32(24), s2: u32(28) },
    salts: Buffer.from(bytes.subarray(32, 40)),
    pageSize: pageSize === 1 ? 65536 : pageSize,
    backfilled: u32(96),
  };
}
