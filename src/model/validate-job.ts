// Validation: the jobs and tasks that read backups again, and the ledger of what each reading found.
import type { JobStatus } from './backup-job.ts';
import type { CheckLevel } from './check-level.ts';
import type { Moves } from './moves.ts';
import type { Scn } from './scn.ts';

/**
 * - basic: what describes an object, that everything it names is there, and the chain of the log.
 * - physical: every byte.
 * - restore: a drill. A database is restored to a scratch file, checked and removed. Not in OceanBase.
 */
export const VALIDATE_LEVELS = ['basic', 'physical', 'restore'] as const;
export type ValidateLevel = (typeof VALIDATE_LEVELS)[number];

/** @source OceanBase 4.6.0 docs, CDB_OB_BACKUP_VALIDATE_JOBS */
export type ValidateType = 'DATABASE' | 'BACKUPSET' | 'ARCHIVELOG_PIECE';
export type ValidatePathType = 'BACKUP_DEST' | 'BACKUP_SET_DEST' | 'ARCHIVELOG_DEST' | 'ARCHIVELOG_PIECE_DEST';

/** Its states and moves are those of a backup job. */
export interface ValidateJob {
  tenantId: number;
  jobId: number;
  initiatorTenantId: number;
  initiatorJobId: number;
  executorTenantIds: number[];
  type: ValidateType;
  uri: string;
  pathType: ValidatePathType;
  /** The objects that were named; empty for everything. */
  ids: number[];
  level: ValidateLevel;
  /** How the engine checks what a drill restored. */
  checkLevel: CheckLevel;
  startNs: bigint;
  endNs: bigint | null;
  status: JobStatus;
  taskCount: number;
  successTaskCount: number;
  result: number;
  comment: string;
  description: string;
  /** Data keys of encrypted sets sealed under the cluster's key file, by set id; empty when the job has ended. */
  sealedDataKeys: Record<string, Uint8Array>;
}

/** TENANT: a drill at the newest point, of whatever sets and log lead there. */
export type ValidateTaskType = 'BACKUP SET' | 'BACKUP PIECE' | 'TENANT';

/** BASIC, PHYSICAL and RESTORE say what is being done. */
export type ValidateTaskStatus = 'INIT' | 'BASIC' | 'PHYSICAL' | 'RESTORE' | 'COMPLETED' | 'FAILED' | 'CANCELED';

/** A restarted server begins the object again; a piece that was frozen while it was read is read once more. */
export const VALIDATE_TASK_MOVES = {
  INIT: ['BASIC', 'RESTORE', 'FAILED', 'CANCELED'],
  BASIC: ['BASIC', 'PHYSICAL', 'COMPLETED', 'FAILED', 'CANCELED'],
  PHYSICAL: ['BASIC', 'PHYSICAL', 'COMPLETED', 'FAILED', 'CANCELED'],
  RESTORE: ['RESTORE', 'COMPLETED', 'FAILED', 'CANCELED'],
  COMPLETED: [],
  FAILED: [],
  CANCELED: [],
} as const satisfies Moves<ValidateTaskStatus>;

/** One set, one piece or one drill. */
export interface ValidateTask {
  tenantId: number;
  taskId: number;
  jobId: number;
  taskType: ValidateTaskType;
  /** Of the set or the piece; 0 for a tenant. */
  objectId: number;
  /** Its directory below the destination; '' for a tenant. */
  directory: string;
  uri: string;
  pathType: ValidatePathType;
  /** The log that a drill may use; '' for none. */
  archiveUri: string;
  destId: number;
  /** Of a piece; 0 otherwise. */
  roundId: number;
  level: ValidateLevel;
  startNs: bigint;
  endNs: bigint | null;
  status: ValidateTaskStatus;
  totalBytes: bigint;
  validatedBytes: bigint;
  result: number;
  comment: string;
}

/** What is known of one object at one level: a row is written over by the next reading. */
export interface Verification {
  tenantId: number;
  objectType: ValidateTaskType;
  objectId: number;
  level: ValidateLevel;
  /** Path of a copy; '' for what lies where its own row says. */
  uri: string;
  /** Of the last reading. */
  jobId: number;
  lastNs: bigint;
  /** 0, or the number of the error that it ended with. */
  result: number;
  comment: string;
  /** Everything that the level promises was proved: false for damage, and for what only the password could prove. */
  isProved: boolean;
  /** When that was so the last time; null for never. */
  provedNs: bigint | null;
  /** The point that was proved then: of a set its own, of a piece the end of its log, of a drill the restored one. */
  provedScn: Scn;
}
