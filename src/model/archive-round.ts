// Log archive: destination attributes, rounds and pieces, and their states.
import { assert } from '../base/assert.ts';
import { checkMove, type Moves } from './moves.ts';
import { later, type Scn, toScn } from './scn.ts';

const NS_PER_US = 1000n;

/**
 * - PREPARE: the round has an id; its start is not chosen yet.
 * - BEGINNING: destination and start are fixed; the capture is attaching.
 * - DOING: commits are being archived.
 * - INTERRUPTED: the log could not be continued; COMMENT says why. With `gap_repair` = auto another round follows and this
 *   one stays as it is; otherwise an operator must act.
 * - SUSPENDING, SUSPEND: paused by DEFER; the round and its piece go on after ENABLE.
 * - STOPPING, STOP: ended by NOARCHIVELOG; the active piece is frozen.
 * @source OceanBase 4.3.3 docs, CDB_OB_ARCHIVELOG
 */
export type RoundStatus =
  | 'PREPARE'
  | 'BEGINNING'
  | 'DOING'
  | 'INTERRUPTED'
  | 'SUSPENDING'
  | 'SUSPEND'
  | 'STOPPING'
  | 'STOP';

export const ROUND_MOVES = {
  PREPARE: ['BEGINNING'],
  BEGINNING: ['DOING', 'INTERRUPTED', 'STOPPING'],
  DOING: ['INTERRUPTED', 'SUSPENDING', 'STOPPING'],
  INTERRUPTED: ['SUSPENDING', 'STOPPING'],
  SUSPENDING: ['SUSPEND', 'STOPPING'],
  SUSPEND: ['BEGINNING', 'STOPPING'],
  STOPPING: ['STOP'],
  STOP: [],
} as const satisfies Moves<RoundStatus>;

export type Binding = 'OPTIONAL' | 'MANDATORY';
export type DestState = 'ENABLE' | 'DEFER';

/** What LOG_ARCHIVE_DEST says; `null` in the store when it is not set. */
export interface ArchiveDest {
  destId: number;
  uri: string;
  binding: Binding;
  /** Length of a piece, µs. */
  pieceSwitchIntervalUs: bigint;
  /** The interval as it was written, `1d`. */
  pieceSwitchIntervalText: string;
  state: DestState;
}

export interface ArchiveRound {
  tenantId: number;
  destId: number;
  roundId: number;
  status: RoundStatus;
  startScn: Scn;
  /** Everything up to here is durable at the destination. */
  checkpointScn: Scn;
  basePieceId: number;
  usedPieceId: number;
  pieceSwitchIntervalUs: bigint;
  inputBytes: bigint;
  outputBytes: bigint;
  comment: string;
  uri: string;
  /** The round that it goes on from behind a gap; null or left out for one that stands alone. */
  baseRoundId?: number | null;
  /** Everything of that round up to here is in its log. */
  baseScn?: Scn | null;
  /** Scn of the commit that repairs the gap; null until that is durable. The gap lies between the two. */
  repairedScn?: Scn | null;
}

/** Whether anything of the round may still be written. */
export function isRoundRunning(status: RoundStatus): boolean {
  return status !== 'STOP';
}

export function moveRound(round: ArchiveRound, to: RoundStatus): ArchiveRound {
  return { ...round, status: checkMove('archive round', ROUND_MOVES, round.status, to) };
}

export type PieceStatus = 'ACTIVE' | 'FREEZING' | 'FROZEN';
export const PIECE_MOVES = {
  ACTIVE: ['FREEZING'],
  FREEZING: ['FROZEN'],
  FROZEN: [],
} as const satisfies Moves<PieceStatus>;

/** States of the files behind a piece or a set. @source OceanBase 4.3.3 docs */
export type FileStatus = 'AVAILABLE' | 'COPYING' | 'INCOMPLETE' | 'DELETING' | 'DELETED' | 'EXPIRED' | 'BROKEN';

/** A time slice of a round: the half-open interval [startScn, endScn). */
export interface ArchivePiece {
  tenantId: number;
  destId: number;
  roundId: number;
  pieceId: number;
  status: PieceStatus;
  fileStatus: FileStatus;
  /** When the locks on its objects end, as far as known; 0 for none, and until it is frozen. */
  lockedUntilNs: bigint;
  createdUs: bigint;
  startScn: Scn;
  checkpointScn: Scn;
  maxScn: Scn;
  endScn: Scn;
  inputBytes: bigint;
  outputBytes: bigint;
  uri: string;
}

/** What is known of a piece when it begins and nothing lies in it. */
export function pieceAtStart({ startScn, createdNs }: { startScn: Scn; createdNs: bigint }) {
  return {
    status: 'ACTIVE',
    fileStatus: 'AVAILABLE',
    lockedUntilNs: 0n,
    createdUs: createdNs / NS_PER_US,
    checkpointScn: startScn,
    maxScn: startScn,
    inputBytes: 0n,
    outputBytes: 0n,
  } as const satisfies Partial<ArchivePiece>;
}

/** The last point that a piece says anything of. */
export function lastScnOf({ maxScn, checkpointScn }: ArchivePiece): Scn {
  return later(maxScn, checkpointScn);
}

/** The planned end (exclusive) of a piece that starts at `startScn`. */
export function pieceEndScn(startScn: Scn, pieceSwitchIntervalUs: bigint): Scn {
  assert(pieceSwitchIntervalUs > 0n, 'a piece has a length');
  return toScn(startScn + pieceSwitchIntervalUs * NS_PER_US);
}
