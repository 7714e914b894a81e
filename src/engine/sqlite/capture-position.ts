// Where a capture stands in a tenant's WAL, as opaque bytes inside each batch: the last valid batch at the destination
// says where to go on.   version u32 · frame u32 · WAL header 32 (zeros: empty WAL) · checksum 2*u32 · page size u32 ·
// database pages u32 · inode u64 · device u64 · database ctime ns u64 · database bytes u64, big-endian
import { fail } from '../../base/errors.ts';
import { type Checksum, parseWalHeader, WAL_HEADER_BYTES, type WalHeader } from './wal-format.ts';

const VERSION = 1;
const POSITION_BYTES = 88;

export interface CapturePosition {
  /** undefined while the WAL is empty (0 bytes). */
  header: WalHeader | undefined;
  /** Last captured frame of that generation; 0 before the first. */
  frame: number;
  /** Checksum of that frame; the header's seed when `frame` is 0. */
  checksum: Checksum;
  pageSize: number;
  /** Size of the database after it. */
  databasePages: number;
  file: FileIdentity;
}

/** The database file as it was; time and size only prove something while the WAL is empty. */
export interface FileIdentity {
  inode: bigint;
  device: bigint;
  /** Last change in nanoseconds; 0 when it proves nothing. */
  changedNs: bigint;
  sizeBytes: bigint;
}

export function encodePosition(position: CapturePosition): Uint8Array {
  const bytes = Buffer.alloc(POSITION_BYTES);
  bytes.writeUInt32BE(VERSION, 0);
  bytes.writeUInt32BE(position.frame, 4);
  if (position.header) bytes.set(position.header.bytes, 8);
  bytes.writeUInt32BE(position.checksum.s1, 40);
  bytes.writeUInt32BE(position.checksum.s2, 44);
  bytes.writeUInt32BE(position.pageSize, 48);
  bytes.writeUInt32BE(position.databasePages, 52);
  bytes.writeBigUInt64BE(position.file.inode, 56);
  bytes.writeBigUInt64BE(position.file.device, 64);
  bytes.writeBigUInt64BE(position.file.changedNs, 72);
  bytes.writeBigUInt64BE(position.file.sizeBytes, 80);
  return new Uint8Array(bytes);
}

/** @throws CLOG_RECYCLE_BEFORE_ARCHIVE (9087) when the bytes are no position of this engine */
export function decodePosition(given: Uint8Array): CapturePosition {
  const bytes = Buffer.from(given);
  const unknown = () => fail('CLOG_RECYCLE_BEFORE_ARCHIVE', { because: 'the recorded position can not be read' });
  if (bytes.length !== POSITION_BYTES || bytes.readUInt32BE(0) !== VERSION) throw unknown();
  const headerBytes = bytes.subarray(8, 8 + WAL_HEADER_BYTES);
  const isEmpty = headerBytes.every((byte) => byte === 0);
  const header = isEmpty ? undefined : parseWalHeader(headerBytes);
  const frame = bytes.readUInt32BE(4);
  if ((!isEmpty && !header) || (isEmpty && frame !== 0)) throw unknown();
  return {
    header,
    frame,
    checksum: { s1: bytes.readUInt32BE(40), s2: bytes.readUInt32BE(44) },
    pageSize: bytes.readUInt32BE(48),
    databasePages: bytes.readUInt32BE(52),
    file: {
      inode: bytes.readBigUInt64BE(56),
      device: bytes.readBigUInt64BE(64),
      changedNs: bytes.readBigUInt64BE(72),
      sizeBytes: bytes.readBigUInt64BE(80),
    },
  };
}
