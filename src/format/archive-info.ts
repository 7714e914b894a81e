// Descriptive files of an archive destination: starts and ends of rounds and pieces. Checked JSON, one kind each.
// Together with the segments they are enough to restore on an empty machine.
import { KIB, MIB } from '../base/limits.ts';
import type { Scn } from '../model/scn.ts';
import { type CheckedJson, checkedJson } from './checked-json.ts';
import {
  type ClusterFacts,
  cluster,
  comment,
  id,
  objectName,
  size,
  type TenantFacts,
  tenant,
  version,
} from './fact-codecs.ts';
import { hex, list, nullable, oneOf, record, scn, uint64 } from './json-codec.ts';

export const ARCHIVE_INFO_VERSION = 2;
/** Files with a fixed number of short fields. */
export const ARCHIVE_FACTS_BYTES_MAX = 64 * KIB;
/** A piece of 100,000 segments of some 300 bytes each. */
export const PIECE_INFO_BYTES_MAX = 32 * MIB;
const SEGMENTS_MAX = 100_000;
const HASH_BYTES = 32;

/** Who wrote the archive and what it holds. */
export interface ArchiveOwner {
  cluster: ClusterFacts;
  tenant: TenantFacts;
  engine: { engine: string; version: string };
}

/**
 * End of an earlier round that a round goes on from: its first commit holds every page that differs from the state
 * there, so that log of both leads from sets of the earlier round to points behind that commit. Between them is a hole.
 */
export interface RoundBase {
  destId: number;
  roundId: number;
  /** The last batch of the earlier round. */
  batchNo: number;
  batchHash: Uint8Array;
  /** Everything of the earlier round up to here is in its log. */
  scn: Scn;
}

/** `rounds/round_d<dest>r<round>_start.obarc` */
export interface RoundStartInfo extends ArchiveOwner {
  destId: number;
  roundId: number;
  startScn: Scn;
  basePieceId: number;
  pieceSwitchIntervalUs: bigint;
  createdNs: bigint;
  /** What the round repairs; null for one that stands alone. */
  base: RoundBase | null;
}

/** `rounds/round_d<dest>r<round>_end.obarc` */
export interface RoundEndInfo extends ArchiveOwner {
  destId: number;
  roundId: number;
  startScn: Scn;
  /** Everything of the round up to here is in its pieces; the round holds nothing later. */
  checkpointScn: Scn;
  basePieceId: number;
  lastPieceId: number;
  endedNs: bigint;
  status: 'STOP' | 'INTERRUPTED';
  comment: string;
}

interface PieceFacts extends ArchiveOwner {
  destId: number;
  roundId: number;
  pieceId: number;
  startScn: Scn;
  /** Planned end, exclusive. */
  endScn: Scn;
}

/** `pieces/piece_d<dest>r<round>p<piece>_start_<ts>.obarc` */
export interface PieceStartInfo extends PieceFacts {
  createdNs: bigint;
  /** Hash of the batch before this piece; null in the first piece of a round that stands alone. */
  prevBatchHash: Uint8Array | null;
}

export interface SegmentInfo {
  /** Below the piece's directory. */
  name: string;
  size: number;
  /** SHA-256 of the object; null when it was not computed (a segment that was appended to across restarts). */
  sha256: Uint8Array | null;
  firstBatchNo: number;
  lastBatchNo: number;
  lastBatchHash: Uint8Array;
}

/** `piece_d<dest>r<round>p<piece>/single_piece_info.obarc`, written when the piece is frozen. */
export interface PieceInfo extends PieceFacts {
  /** Everything of the piece up to here is in its segments. */
  checkpointScn: Scn;
  /** Newest commit in the piece. */
  maxScn: Scn;
  /** In order. */
  segments: SegmentInfo[];
  inputBytes: bigint;
  outputBytes: bigint;
  /** First and last batch of the piece; null when it has none. */
  firstBatchHash: Uint8Array | null;
  lastBatchHash: Uint8Array | null;
  createdNs: bigint;
  frozenNs: bigint;
}

const owner = { cluster, tenant, engine: record({ engine: version, version }) };
const pieceFacts = { ...owner, destId: id, roundId: id, pieceId: id, startScn: scn, endScn: scn };
const batchHash = nullable(hex(HASH_BYTES));

export const roundStartFile: CheckedJson<RoundStartInfo> = checkedJson<RoundStartInfo>({
  kind: 'round-start',
  version: ARCHIVE_INFO_VERSION,
  bytesMax: ARCHIVE_FACTS_BYTES_MAX,
  codec: record<RoundStartInfo>({
    ...owner,
    destId: id,
    roundId: id,
    startScn: scn,
    basePieceId: id,
    pieceSwitchIntervalUs: uint64,
    createdNs: uint64,
    base: nullable(record<RoundBase>({ destId: id, roundId: id, batchNo: id, batchHash: hex(HASH_BYTES), scn })),
  }),
});

export const roundEndFile: CheckedJson<RoundEndInfo> = checkedJson<RoundEndInfo>({
  kind: 'round-end',
  version: ARCHIVE_INFO_VERSION,
  bytesMax: ARCHIVE_FACTS_BYTES_MAX,
  codec: record<RoundEndInfo>({
    ...owner,
    destId: id,
    roundId: id,
    startScn: scn,
    checkpointScn: scn,
    basePieceId: id,
    lastPieceId: id,
    endedNs: uint64,
    status: oneOf('STOP', 'INTERRUPTED'),
    comment,
  }),
});

export const pieceStartFile: CheckedJson<PieceStartInfo> = checkedJson<PieceStartInfo>({
  kind: 'piece-start',
  version: ARCHIVE_INFO_VERSION,
  bytesMax: ARCHIVE_FACTS_BYTES_MAX,
  codec: record<PieceStartInfo>({ ...pieceFacts, createdNs: uint64, prevBatchHash: batchHash }),
});

const segment = record<SegmentInfo>({
  name: objectName,
  size,
  sha256: nullable(hex(HASH_BYTES)),
  firstBatchNo: id,
  lastBatchNo: id,
  lastBatchHash: hex(HASH_BYTES),
});

export const pieceInfoFile: CheckedJson<PieceInfo> = checkedJson<PieceInfo>({
  kind: 'piece-info',
  version: ARCHIVE_INFO_VERSION,
  bytesMax: PIECE_INFO_BYTES_MAX,
  codec: record<PieceInfo>({
    ...pieceFacts,
    checkpointScn: scn,
    maxScn: scn,
    segments: list(segment, SEGMENTS_MAX),
    inputBytes: uint64,
    outputBytes: uint64,
    firstBatchHash: batchHash,
    lastBatchHash: batchHash,
    createdNs: uint64,
    frozenNs: uint64,
  }),
});
