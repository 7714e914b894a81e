// Which sets lean on which: an increment takes blocks from any set between it and its full one. Pure.
import type { BackupSet } from '../model/backup-job.ts';

/** There and whole, and no job has chosen it for deletion. */
export function isUsable({ status, fileStatus }: BackupSet): boolean {
  return status === 'SUCCESS' && fileStatus === 'AVAILABLE';
}

/** The given sets and every set that they lean on, by id of the set: the set that needs it, itself for a given one. */
export function withAncestors(given: readonly BackupSet[], all: readonly BackupSet[]): Map<number, number> {
  const byId = new Map(all.map((set) => [set.backupSetId, set]));
  const neededBy = new Map<number, number>();
  for (const set of given) neededBy.set(set.backupSetId, set.backupSetId);
  for (const of of given) {
    let set: BackupSet | undefined = of;
    while (set && set.backupType === 'INC') {
      const before: BackupSet | undefined = byId.get(set.prevIncBackupSetId || set.prevFullBackupSetId);
      if (before && !neededBy.has(before.backupSetId)) neededBy.set(before.backupSetId, of.backupSetId);
      set = before;
    }
  }
  return neededBy;
}
