// A rehearsal: a restore to a scratch file that is checked like any other and then removed. The restore room does it for
// whoever wants to know that backups restore.
import type { CheckLevel } from './check-level.ts';
import type { Scn } from './scn.ts';

export interface RehearsalRequest {
  /** Destinations, or single sets and pieces below them, as RESTORE takes them. */
  uris: readonly string[];
  /** null for the newest restorable point. */
  untilScn: Scn | null;
  checkLevel: CheckLevel;
  /** Must not exist; its directory must. Whatever comes of it, the caller removes it. */
  targetPath: string;
  /** @returns a copy of a set's data key, which is cleared here; null when there is none */
  dataKeyOf(backupSetId: number): Uint8Array | null;
  /** Called before anything is written; may throw. */
  onTotal(bytes: bigint): void;
  onProgress(done: { bytes: number }): void;
  signal: AbortSignal;
}

/** What was restored, and from what. */
export interface Rehearsal {
  restoreScn: Scn;
  backupSetIds: number[];
  pieceIds: number[];
  totalBytes: bigint;
  pageCount: number;
  tableCount: number;
  commitCount: number;
  /** What the operator should know although the restore was exact; '' for nothing. */
  comment: string;
}
