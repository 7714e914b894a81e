// Backup: jobs, tasks and sets, and their states.
import type { FileStatus } from './archive-round.ts';
import type { Moves } from './moves.ts';
import type { Scn } from './scn.ts';

export type JobStatus = 'INIT' | 'DOING' | 'COMPLETED' | 'FAILED' | 'CANCELING' | 'CANCELED';

/** @source OceanBase 4.3.3 docs, CDB_OB_BACKUP_JOBS. INIT may fail directly: a tenant that a sys-wide backup leaves out. */
export const JOB_MOVES = {
  INIT: ['DOING', 'FAILED', 'CANCELING'],
  DOING: ['COMPLETED', 'FAILED', 'CANCELING'],
  CANCELING: ['CANCELED'],
  COMPLETED: [],
  FAILED: [],
  CANCELED: [],
} as const satisfies Moves<JobStatus>;

/** A job by its row. */
export interface JobRef {
  tenantId: number;
  jobId: number;
}

/** In the order a task goes through them. @source OceanBase 4.3.3 docs, CDB_OB_BACKUP_TASKS */
export type TaskStatus =
  | 'INIT'
  | 'BACKUP_SYS_META'
  | 'BACKUP_USER_META'
  | 'BACKUP_META_FINISH'
  | 'BACKUP_DATA_MINOR'
  | 'BACKUP_DATA_MAJOR'
  | 'BEFORE_BACKUP_LOG'
  | 'BACKUP_LOG'
  | 'COMPLETED'
  | 'FAILED'
  | 'CANCELING'
  | 'CANCELED';

/** A restarted server takes the data phases again from BACKUP_DATA_MINOR: what it had copied is void without its memory. */
export const TASK_MOVES = {
  INIT: ['BACKUP_SYS_META', 'FAILED', 'CANCELING'],
  BACKUP_SYS_META: ['BACKUP_USER_META', 'FAILED', 'CANCELING'],
  BACKUP_USER_META: ['BACKUP_META_FINISH', 'FAILED', 'CANCELING'],
  BACKUP_META_FINISH: ['BACKUP_DATA_MINOR', 'FAILED', 'CANCELING'],
  BACKUP_DATA_MINOR: ['BACKUP_DATA_MAJOR', 'FAILED', 'CANCELING'],
  BACKUP_DATA_MAJOR: ['BEFORE_BACKUP_LOG', 'BACKUP_DATA_MINOR', 'FAILED', 'CANCELING'],
  BEFORE_BACKUP_LOG: ['BACKUP_LOG', 'BACKUP_DATA_MINOR', 'FAILED', 'CANCELING'],
  BACKUP_LOG: ['COMPLETED', 'BACKUP_DATA_MINOR', 'FAILED', 'CANCELING'],
  CANCELING: ['CANCELED'],
  COMPLETED: [],
  FAILED: [],
  CANCELED: [],
} as const satisfies Moves<TaskStatus>;

export type BackupType = 'FULL' | 'INC';
export type JobLevel = 'CLUSTER' | 'SYS_TENANT' | 'USER_TENANT';
export type EncryptionMode = 'NONE' | 'PASSWORD_ENCRYPTION' | 'TRANSPARENT_ENCRYPTION' | 'DUAL_MODE_ENCRYPTION';

/** What opens a set; in dual mode each alone. */
export interface SetOpeners {
  hasPassword: boolean;
  hasTenantKey: boolean;
}

export function encryptionModeOf(of: SetOpeners): EncryptionMode {
  if (of.hasTenantKey) return of.hasPassword ? 'DUAL_MODE_ENCRYPTION' : 'TRANSPARENT_ENCRYPTION';
  return of.hasPassword ? 'PASSWORD_ENCRYPTION' : 'NONE';
}

export function openersOf(mode: EncryptionMode): SetOpeners {
  const isDual = mode === 'DUAL_MODE_ENCRYPTION';
  return {
    hasPassword: isDual || mode === 'PASSWORD_ENCRYPTION',
    hasTenantKey: isDual || mode === 'TRANSPARENT_ENCRYPTION',
  };
}

export interface BackupJob {
  tenantId: number;
  jobId: number;
  /** 0 on the row of the sys tenant. */
  backupSetId: number;
  initiatorTenantId: number;
  initiatorJobId: number;
  executorTenantIds: number[];
  isPlusArchivelog: boolean;
  backupType: BackupType;
  level: JobLevel;
  encryptionMode: EncryptionMode;
  /**
   * The wrapped data key of the set (goes to the destination) and the same key under the cluster's key, so that a
   * restarted server can go on. The password itself is nowhere. Undefined without encryption.
   */
  keys?: JobKeys;
  /**
   * What an incremental set is built on. It stays on a job that became a full backup when it ran: files of the increment
   * may have been begun. Undefined for every other full backup, and for a job that has ended.
   */
  parent?: JobParent;
  startNs: bigint;
  endNs: bigint | null;
  status: JobStatus;
  result: number;
  comment: string;
  description: string;
  uri: string;
}

export interface JobKeys {
  /** Key slot as it stands in the manifest (JSON of `format/key-slot` or `format/tenant-key-slot`). */
  slot: string;
  /** The slot beside it in dual mode: that of the tenant's key. */
  dualSlot?: string;
  /** Data key sealed under the cluster's key file. */
  sealedDataKey: Uint8Array;
}

/** The set that an increment is built on, as the statement found it. */
export interface JobParent {
  backupSetId: number;
  backupType: BackupType;
  /** Of its manifest: nothing else may have taken its place when the work begins. */
  manifestSha256: Uint8Array;
  /** Its data key sealed under the cluster's key file; null for a set without encryption. */
  sealedDataKey: Uint8Array | null;
}

export interface BackupTask {
  tenantId: number;
  taskId: number;
  jobId: number;
  backupSetId: number;
  startNs: bigint;
  endNs: bigint | null;
  status: TaskStatus;
  /** Attempts at the data phases that were begun: each writes objects with names of its own. */
  attempt: number;
  startScn: Scn;
  endScn: Scn;
  userLsStartScn: Scn;
  encryptionMode: EncryptionMode;
  inputBytes: bigint;
  outputBytes: bigint;
  /** Tables and indexes, the field's tablets. */
  tabletCount: number;
  finishTabletCount: number;
  /** Data blocks, the field's macroblocks. */
  blockCount: number;
  finishBlockCount: number;
  fileCount: number;
  result: number;
  comment: string;
  uri: string;
}

export type BackupSetStatus = 'DOING' | 'SUCCESS' | 'FAILED';

export interface BackupSet {
  tenantId: number;
  backupSetId: number;
  destId: number;
  backupType: BackupType;
  prevFullBackupSetId: number;
  prevIncBackupSetId: number;
  startNs: bigint;
  endNs: bigint | null;
  status: BackupSetStatus;
  fileStatus: FileStatus;
  /** When the locks on its objects end, as far as known; 0 for none. */
  lockedUntilNs: bigint;
  isPlusArchivelog: boolean;
  /** Archive round that continues this set; 0 when none does: its log was proved wrong. */
  roundId: number;
  /** The state in the set: every commit up to and including this scn. */
  consistentScn: Scn;
  startReplayScn: Scn;
  /** `consistentScn` rounded up to a whole microsecond. */
  minRestoreScn: Scn;
  inputBytes: bigint;
  outputBytes: bigint;
  tabletCount: number;
  finishTabletCount: number;
  blockCount: number;
  finishBlockCount: number;
  fileCount: number;
  result: number;
  comment: string;
  encryptionMode: EncryptionMode;
  uri: string;
}

/** Name of a set's directory at its destination. */
export function backupSetDirectory(backupSetId: number, type: BackupType): string {
  return `backup_set_${backupSetId}_${type === 'FULL' ? 'full' : 'inc'}`;
}
