// Further copies of a tenant's log archive: LOG_ARCHIVE_DEST_1..3, and what each of them holds of rounds and pieces.
import type { ArchivePiece, ArchiveRound, Binding, DestState } from './archive-round.ts';

/** The slot of LOG_ARCHIVE_DEST itself. */
export const FIRST_DEST_NO = 0;
/** LOG_ARCHIVE_DEST_1 to LOG_ARCHIVE_DEST_3. */
export const COPY_DEST_NO_MAX = 3;

/** What LOG_ARCHIVE_DEST_n says. Pieces are as long as those of LOG_ARCHIVE_DEST. */
export interface ArchiveCopyDest {
  tenantId: number;
  /** 1 to 3. */
  destNo: number;
  destId: number;
  uri: string;
  binding: Binding;
  state: DestState;
}

/**
 * A round as one copy holds it. `destId` and `uri` are the copy's; figures count what is at the copy.
 * - PREPARE: nothing of it is there yet.
 * - BEGINNING: it takes what the leading destination has.
 * - DOING: it had everything when it was looked at last; each batch follows as it is archived.
 * - SUSPEND: LOG_ARCHIVE_DEST_STATE_n = DEFER.
 * - INTERRUPTED: what it holds is not a part of the leading destination's log, or damaged.
 * - STOP: the round is over, and all of it is there, or the copy was taken away: the comment says which.
 */
export interface RoundCopy extends ArchiveRound {
  destNo: number;
  /** The last batch there, as far as the store was told; 0 for none. */
  batchNo: number;
  /** Its hash; null for none. */
  batchHash: Uint8Array | null;
  /**
   * Proves that the copy holds every batch that was ever acknowledged: set when the server let go of the tenant in order,
   * gone before anything more is written.
   */
  isComplete: boolean;
}

/** A piece as one copy holds it; ACTIVE or FROZEN. */
export type PieceCopy = ArchivePiece;
