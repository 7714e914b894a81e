// Cleaning: what a tenant promises to keep, and the jobs and tasks that delete the rest.
import type { FileStatus } from './archive-round.ts';
import type { JobLevel, JobStatus } from './backup-job.ts';

/**
 * - default: sets, and the log before them.
 * - log_only: the log of a tenant that makes no backup sets.
 */
export type DeletePolicyName = 'default' | 'log_only';

/** What stays: everything that either of the two needs. At least one is given. */
export interface DeletePolicy {
  tenantId: number;
  policyName: DeletePolicyName;
  /** As it was written, `7d`; null when only the number of sets counts. */
  recoveryWindow: string | null;
  /** Newest full sets to keep; null when only the time counts. */
  redundancy: number | null;
}

/** @source OceanBase 4.4.2 docs, CDB_OB_BACKUP_DELETE_JOBS */
export type DeleteType = 'DELETE BACKUPSET' | 'DELETE ARCHIVELOG_PIECE' | 'DELETE OBSOLETE BACKUP';

export interface DeleteJob {
  tenantId: number;
  jobId: number;
  initiatorTenantId: number;
  initiatorJobId: number;
  executorTenantIds: number[];
  type: DeleteType;
  /** When what a policy deletes ended at the latest; null for objects that were named. */
  expiryNs: bigint | null;
  /** The objects that were named; empty for a policy. */
  ids: number[];
  level: JobLevel;
  startNs: bigint;
  endNs: bigint | null;
  status: JobStatus;
  taskCount: number;
  successTaskCount: number;
  result: number;
  comment: string;
  description: string;
}

export type DeleteTaskType = 'BACKUP SET' | 'BACKUP PIECE';

/** One set or one piece. It moves as its job does. */
export interface DeleteTask {
  tenantId: number;
  taskId: number;
  jobId: number;
  taskType: DeleteTaskType;
  /** Of the set or the piece. */
  objectId: number;
  /** 0 for a set. */
  roundId: number;
  destId: number;
  /** State of its files before the job took it: it has it again when the job ends without it. */
  fileStatusBefore: FileStatus;
  startNs: bigint;
  endNs: bigint | null;
  status: JobStatus;
  totalBytes: bigint;
  deletedBytes: bigint;
  totalFiles: number;
  deletedFiles: number;
  result: number;
  comment: string;
  uri: string;
}
