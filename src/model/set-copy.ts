// Copies of backup sets at further destinations, and their states.
import type { Binding } from './archive-round.ts';
import type { BackupSet } from './backup-job.ts';
import type { Moves } from './moves.ts';

/** WAITING: nothing is copied yet, or the next try is to come. A copy exists as long as its manifest does. */
export type SetCopyStatus = 'WAITING' | 'COPYING' | 'AVAILABLE' | 'BROKEN' | 'DELETING' | 'DELETED';

/**
 * WAITING and COPYING are entered by the server that copies; a failure leads back to WAITING. BROKEN says VALIDATE, and
 * AVAILABLE again once everything was read and is sound. DELETING begins with the deletion of the set.
 */
export const SET_COPY_MOVES = {
  WAITING: ['COPYING', 'DELETING'],
  COPYING: ['AVAILABLE', 'WAITING', 'DELETING'],
  AVAILABLE: ['BROKEN', 'DELETING'],
  BROKEN: ['AVAILABLE', 'DELETING'],
  DELETING: ['DELETED'],
  DELETED: [],
} as const satisfies Moves<SetCopyStatus>;

/** One copy of one set at one destination. */
export interface SetCopy {
  tenantId: number;
  backupSetId: number;
  destId: number;
  uri: string;
  status: SetCopyStatus;
  /** Bytes of the set's objects; 0 before its manifest was read. */
  totalBytes: bigint;
  copiedBytes: bigint;
  /** First try; null before. */
  startNs: bigint | null;
  endNs: bigint | null;
  /** Number of the error of the last try; 0 for none. */
  result: number;
  comment: string;
}

/** An additional destination of a tenant's sets: DATA_BACKUP_DEST_1 to _3. */
export interface DataDestCopy {
  tenantId: number;
  /** 1 to 3. */
  destNo: number;
  destId: number;
  uri: string;
  binding: Binding;
}

/** A destination of a tenant's sets; number 0 is DATA_BACKUP_DEST. */
export type DataPlace = Omit<DataDestCopy, 'tenantId'>;

/** The order in which a backup asks who answers: DATA_BACKUP_DEST, MANDATORY copies, OPTIONAL ones. */
export function byWriting(a: DataPlace, b: DataPlace): number {
  const rank = ({ destNo, binding }: DataPlace) => (destNo === 0 ? 0 : binding === 'MANDATORY' ? 1 : 2);
  return rank(a) - rank(b) || a.destNo - b.destNo;
}

/** A copy that nobody has begun. */
export function newCopy({ tenantId, backupSetId }: BackupSet, { destId, uri }: DataPlace): SetCopy {
  return {
    ...{ tenantId, backupSetId, destId, uri, status: 'WAITING', totalBytes: 0n, copiedBytes: 0n },
    ...{ startNs: null, endNs: null, result: 0, comment: '' },
  };
}

type SetOfCopy = Pick<BackupSet, 'backupSetId' | 'backupType' | 'prevFullBackupSetId'>;

/**
 * Which copy is made or removed next: copies of the newest full set and what is built on it come first, each behind what
 * it takes blocks from; then older sets; then what is to be deleted, increments before what they lean on.
 * @param isDue false for what was tried and waits for its time; nothing is deleted before what leans on it there
 */
export function nextCopy(
  copies: readonly SetCopy[],
  sets: readonly SetOfCopy[],
  isDue: (copy: SetCopy) => boolean,
): SetCopy | undefined {
  const newestFull = Math.max(0, ...sets.filter((set) => set.backupType === 'FULL').map((set) => set.backupSetId));
  const rank = ({ status, backupSetId }: SetCopy) => (status === 'DELETING' ? 2 : backupSetId >= newestFull ? 0 : 1);
  const byTurn = (a: SetCopy, b: SetCopy) =>
    rank(a) - rank(b) || (rank(a) === 2 ? b.backupSetId - a.backupSetId : a.backupSetId - b.backupSetId);
  const open = copies.filter(({ status }) => isOpenCopy(status));
  const kept = open.filter((copy) => copy.status === 'DELETING' && !isDue(copy));
  const isNeeded = ({ status, backupSetId, destId }: SetCopy) =>
    status === 'DELETING' &&
    kept.some((copy) => {
      const set = sets.find((candidate) => candidate.backupSetId === copy.backupSetId);
      const leansOnIt = set?.backupType === 'INC' && set.prevFullBackupSetId <= backupSetId;
      return copy.destId === destId && leansOnIt && backupSetId < copy.backupSetId;
    });
  const due = open.filter((copy) => isDue(copy) && !isNeeded(copy));
  return due.toSorted((a, b) => byTurn(a, b) || a.destId - b.destId)[0];
}

/** Whether there is work to be done for a copy. */
export function isOpenCopy(status: SetCopyStatus): boolean {
  return status === 'WAITING' || status === 'COPYING' || status === 'DELETING';
}
