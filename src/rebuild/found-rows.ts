// What was found at destinations, as the rows that it makes; nothing is decided yet about who gets them.
import type { ArchivePiece, ArchiveRound } from '../model/archive-round.ts';
import type { BackupSet } from '../model/backup-job.ts';

type Unowned<T> = Omit<T, 'tenantId'>;
export type FoundSet = Unowned<BackupSet>;
export type FoundRound = Unowned<ArchiveRound>;
export type FoundPiece = Unowned<ArchivePiece>;

/** Numbers that are taken there, also by what can not be read. */
export interface TakenIds {
  backupSetId: number;
  roundId: number;
  pieceId: number;
}

export interface FoundRows {
  sets: FoundSet[];
  rounds: FoundRound[];
  pieces: FoundPiece[];
  taken: TakenIds;
  /** Ids of sets and pieces of which anything lies there, readable or not. */
  present: { sets: Set<number>; pieces: Set<number> };
  /** Zone of the tenant, from the newest file that says it; undefined when none could be read. */
  timeZone: string | undefined;
}

export function noRows(): FoundRows {
  return {
    sets: [],
    rounds: [],
    pieces: [],
    taken: { backupSetId: 0, roundId: 0, pieceId: 0 },
    present: { sets: new Set(), pieces: new Set() },
    timeZone: undefined,
  };
}

/** The store keeps signed 64-bit numbers: a file with a greater one was not written by any server. */
const STORED_MAX = (1n << 63n) - 1n;

/** True when every 64-bit number of a row can be kept. */
export function isStorable(row: object): boolean {
  return Object.values(row).every((value) => typeof value !== 'bigint' || value <= STORED_MAX);
}
