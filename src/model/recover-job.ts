// Table recovery: a job that restores an auxiliary tenant, and the import job and tasks that bring its tables into the
// target. One recover job is two rows in the views: the sys tenant's and the target's.
import type { Moves } from './moves.ts';
import type { Scn } from './scn.ts';

/**
 * - PREPARE: recorded together with the restore of the auxiliary tenant.
 * - RESTORE_AUX_TENANT: waits for that restore.
 * - PRECHECK_IMPORT: reads what is to be imported and looks for names that the target has already.
 * - GEN_IMPORT_JOB: the import job and a task for each table are recorded.
 * - IMPORTING: one transaction of the target; then the auxiliary tenant is removed. A restarted server begins the
 *   import again, unless the target shows that it was committed.
 * - CANCELING: the auxiliary tenant is removed, then the job fails with 4072.
 * @source OceanBase 4.3.3 docs, CDB_OB_RECOVER_TABLE_JOBS
 */
export type RecoverStatus =
  | 'PREPARE'
  | 'RESTORE_AUX_TENANT'
  | 'PRECHECK_IMPORT'
  | 'GEN_IMPORT_JOB'
  | 'IMPORTING'
  | 'CANCELING'
  | 'COMPLETED'
  | 'FAILED';

export const RECOVER_MOVES = {
  PREPARE: ['RESTORE_AUX_TENANT', 'CANCELING', 'FAILED'],
  RESTORE_AUX_TENANT: ['PRECHECK_IMPORT', 'CANCELING', 'FAILED'],
  PRECHECK_IMPORT: ['GEN_IMPORT_JOB', 'CANCELING', 'FAILED'],
  GEN_IMPORT_JOB: ['IMPORTING', 'PRECHECK_IMPORT', 'CANCELING', 'FAILED'],
  IMPORTING: ['COMPLETED', 'PRECHECK_IMPORT', 'CANCELING', 'FAILED'],
  CANCELING: ['FAILED'],
  COMPLETED: [],
  FAILED: [],
} as const satisfies Moves<RecoverStatus>;

/**
 * - INIT: recorded. IMPORT_TABLE: the target's transaction is open, tables are being copied.
 * - RECONSTRUCT_REF_CONSTRAINT: everything is written; the transaction is being committed, and can no more be cancelled.
 * - IMPORT_FINISH: over, well or not.
 * @source OceanBase 4.3.3 docs, CDB_OB_IMPORT_TABLE_JOBS
 */
export type ImportStatus = 'INIT' | 'IMPORT_TABLE' | 'RECONSTRUCT_REF_CONSTRAINT' | 'IMPORT_FINISH';

export const IMPORT_MOVES = {
  INIT: ['IMPORT_TABLE', 'IMPORT_FINISH'],
  IMPORT_TABLE: ['RECONSTRUCT_REF_CONSTRAINT', 'IMPORT_FINISH'],
  RECONSTRUCT_REF_CONSTRAINT: ['IMPORT_FINISH'],
  IMPORT_FINISH: [],
} as const satisfies Moves<ImportStatus>;

/** @source OceanBase 4.3.3 docs, CDB_OB_IMPORT_TABLE_TASKS */
export type ImportTaskStatus = 'INIT' | 'DOING' | 'FINISH';

export const IMPORT_TASK_MOVES = {
  INIT: ['DOING', 'FINISH'],
  DOING: ['FINISH'],
  FINISH: [],
} as const satisfies Moves<ImportTaskStatus>;

/** Which tables a statement asks for: `*.*`, `db.*`, or some by name. */
export type TableChoice = { kind: 'all' } | { kind: 'database' } | { kind: 'tables'; names: string[] };

export interface RecoverJob {
  /** Of the sys tenant. */
  jobId: number;
  targetTenantId: number;
  targetTenantName: string;
  /** The number of the same job in the target tenant. */
  targetJobId: number;
  auxTenantId: number;
  auxTenantName: string;
  /** The restore of the auxiliary tenant. */
  restoreJobId: number;
  status: RecoverStatus;
  choice: TableChoice;
  /** New names of tables by old. */
  renames: Record<string, string>;
  restoreScn: Scn;
  timeZone: string;
  restoreOption: string;
  /** The uris as given, without credentials. */
  uris: string[];
  backupSetList: string[];
  backupPieceList: string[];
  hasPassword: boolean;
  startNs: bigint;
  endNs: bigint | null;
  /** 0, or the number of the error. */
  result: number;
  comment: string;
  description: string;
}

export interface ImportJob {
  /** The target. */
  tenantId: number;
  jobId: number;
  /** Of the sys tenant's recover job. */
  recoverJobId: number;
  status: ImportStatus;
  tableCount: number;
  finishedTableCount: number;
  failedTableCount: number;
  startNs: bigint;
  endNs: bigint | null;
  result: number;
  comment: string;
}

/** One table. */
export interface ImportTask {
  tenantId: number;
  taskId: number;
  jobId: number;
  sourceTable: string;
  targetTable: string;
  /** The statement that makes it in the target: a restarted server knows it again by that. */
  createSql: string;
  columnCount: number;
  indexCount: number;
  constraintCount: number;
  refConstraintCount: number;
  status: ImportTaskStatus;
  startNs: bigint;
  endNs: bigint | null;
  result: number;
  comment: string;
}
