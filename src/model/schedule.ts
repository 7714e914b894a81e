// Schedules: work that a statement of backup, validation or drill would start, started at times of a cron expression.
import type { JobRef } from './backup-job.ts';
import type { Moves } from './moves.ts';

/** FULL, INCREMENTAL: backups. VALIDATE: of what was not verified for longest. DRILL: a restore that is checked and dropped. */
export const SCHEDULE_TYPES = ['FULL', 'INCREMENTAL', 'VALIDATE', 'DRILL'] as const;
export type ScheduleType = (typeof SCHEDULE_TYPES)[number];

/**
 * - STARTING: due, and no job is recorded yet; tried again while what stands in the way may pass.
 * - RUNNING: its jobs are recorded.
 */
export type RunStatus = 'STARTING' | 'RUNNING' | 'COMPLETED' | 'FAILED';

/** A run that was given up, and one that ended, make room for the next. */
export const RUN_MOVES = {
  STARTING: ['RUNNING', 'FAILED'],
  RUNNING: ['COMPLETED', 'FAILED'],
  COMPLETED: [],
  FAILED: [],
} as const satisfies Moves<RunStatus>;

export interface Schedule {
  /** Whose it is: the sys tenant's covers several tenants, a user tenant's himself. */
  tenantId: number;
  name: string;
  type: ScheduleType;
  /** Five fields, or a nickname such as @daily; in the zone of its owner. */
  cron: string;
  /** Whom it is for; null: every user tenant there is when it runs. */
  targets: number[] | null;
  /** Password of its backup sets, sealed under the cluster key; null for none. */
  sealedPassword: Uint8Array | null;
  /** VALIDATE: how deep; null for the statement's default. */
  level: string | null;
  /** VALIDATE: what a run may read, bytes; null for everything. */
  budgetBytes: bigint | null;
  isPaused: boolean;
  description: string;
  createdNs: bigint;
  /** When it runs next. */
  nextNs: bigint;
  /** The newest run; null before the first. */
  runStatus: RunStatus | null;
  /** When it was due. */
  runDueNs: bigint | null;
  runStartNs: bigint | null;
  runEndNs: bigint | null;
  /** What it started; empty before. */
  runJobs: JobRef[];
  /** 0 or the positive number of an error. */
  runResult: number;
  runComment: string;
  runCount: number;
  failedCount: number;
  /** Times at which the run before had not ended. */
  skippedCount: number;
}
