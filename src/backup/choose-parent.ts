// Which earlier set an increment is built on, and when none can be. Pure.
import { type BackupSetManifest, SOURCES_MAX } from '../format/backup-set-manifest.ts';
import { type BackupSet, backupSetDirectory, openersOf } from '../model/backup-job.ts';

/** The newest whole set of a tenant at one destination: sets at earlier destinations do not count. */
export function chooseParent(sets: readonly BackupSet[], uri: string): BackupSet | undefined {
  const usable = sets.filter((set) => set.uri === uri && set.status === 'SUCCESS' && set.fileStatus === 'AVAILABLE');
  return usable.toSorted((a, b) => b.backupSetId - a.backupSetId)[0];
}

/** Why nothing can be built on a set, as far as its manifest tells; undefined when something can. */
export function parentObstacle(
  { set, engine, encryptionMode, sources }: BackupSetManifest,
  of: { engine: string; hasPassword: boolean; hasTenantKey: boolean },
): string | undefined {
  const name = backupSetDirectory(set.backupSetId, set.backupType);
  if (engine.engine !== of.engine) return `${name} is of the engine ${engine.engine}`;
  const isEncrypted = of.hasPassword || of.hasTenantKey;
  if (encryptionMode === 'NONE' && isEncrypted) return `${name} is not encrypted, and this backup is`;
  if (encryptionMode !== 'NONE' && !isEncrypted) return `${name} is encrypted, and the session has no password`;
  // Whatever opens the new set must open all that it takes blocks from.
  const openers = openersOf(encryptionMode);
  if (of.hasPassword && !openers.hasPassword) return `no password opens ${name}, and one is to open this backup`;
  if (of.hasTenantKey && !openers.hasTenantKey)
    return `${name} is not encrypted with the tenant's key, and this backup is`;
  if (sources.length >= SOURCES_MAX) return `${name} already takes blocks from ${sources.length} sets`;
  return undefined;
}

/** What the set that follows says of those before it: the full set below the chain, and the one just before. */
export function predecessorIds(parent: Pick<BackupSetManifest, 'set'>): {
  prevFullBackupSetId: number;
  prevIncBackupSetId: number;
} {
  const { backupSetId, backupType, prevFullBackupSetId } = parent.set;
  return {
    prevFullBackupSetId: backupType === 'FULL' ? backupSetId : prevFullBackupSetId,
    prevIncBackupSetId: backupSetId,
  };
}

/** Said in COMMENT and to the session of a backup that was to be incremental. */
export const becameFull = (because: string): string => `became a full backup, because ${because}`;
