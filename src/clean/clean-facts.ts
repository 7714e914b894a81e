// What cleaning decides upon, and what it decides.
import type { ArchivePiece } from '../model/archive-round.ts';
import type { BackupSet } from '../model/backup-job.ts';
import type { DeletePolicy } from '../model/delete-job.ts';
import type { Scn } from '../model/scn.ts';

/** An unbroken range of points that can be restored. */
export interface RestorableRange {
  fromScn: Scn;
  toScn: Scn;
}

/** Points that given sets and pieces lead to, among everything else that the tenant has. */
export type RestorableRanges = (sets: readonly BackupSet[], pieces: readonly ArchivePiece[]) => RestorableRange[];

export interface CleanFacts {
  /** Every set and piece of the tenant, in any state. */
  sets: readonly BackupSet[];
  pieces: readonly ArchivePiece[];
  /** Present destinations, copies among them. Nothing that lies elsewhere is cleaned by a policy. */
  dataUris: ReadonlySet<string>;
  /** Of the log: any of them may lead a round. */
  archiveUris: ReadonlySet<string>;
  /** What unfinished backups and restores read, and for whom, and what is locked until when, in words. */
  setsInUse: ReadonlyMap<number, string>;
  piecesInUse: ReadonlyMap<number, string>;
  ranges: RestorableRanges;
}

/** A policy, with the moment that its recovery window begins at; null without a window. */
export interface PolicyAt extends DeletePolicy {
  windowStartScn: Scn | null;
}

/** What becomes of one set or piece, and why, in words. */
export interface Verdict<T> {
  of: T;
  isDeleted: boolean;
  because: string;
}

export interface CleanPlan {
  /** Those to be deleted in the order of deletion: no set goes before the sets that take blocks from it. */
  sets: Verdict<BackupSet>[];
  /** By id: the log shrinks from its beginning on. */
  pieces: Verdict<ArchivePiece>[];
}
