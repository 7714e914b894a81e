// What the backup room offers to statements and views.
import type { Capture } from '../engine/engine-driver.ts';
import type { DerivedKeys } from '../format/derived-keys.ts';
import type { Binding, RoundStatus } from '../model/archive-round.ts';
import type { BackupJob, JobLevel } from '../model/backup-job.ts';
import type { Scn } from '../model/scn.ts';

/** What a backup needs of the archive (kept by the archive room). */
export interface BackupArchive {
  capture(tenantId: number): Capture | undefined;
  flush(tenantId: number): Promise<Scn>;
  /** The log was proved not to be that of the database: the running round becomes INTERRUPTED. None running is fine. */
  interrupt(tenantId: number, because: string): void | Promise<void>;
}

export interface BackupRequest {
  /** Who ran the statement: 1 for sys. */
  initiatorTenantId: number;
  /** Tenants named by the statement; 'all' for a sys-wide backup. */
  tenants: readonly number[] | 'all';
  level: JobLevel;
  isIncremental: boolean;
  isPlusArchivelog: boolean;
  description: string;
  /** Session password of SET ENCRYPTION; null for none. */
  password: string | null;
  /** What the session has derived from it already; left out: nothing is kept for the next statement. */
  derivedKeys?: DerivedKeys;
  /** Called in the transaction that records the jobs, with the one that stands for the statement. */
  onRecord?(job: Pick<BackupJob, 'tenantId' | 'jobId'>): void;
}

/** A tenant that a sys-wide backup left out: it has a FAILED child row and is a warning of the statement. */
export interface SkippedTenant {
  tenantName: string;
  because: string;
}

/** A tenant whose backup was to be incremental and is full. */
export type FullInstead = SkippedTenant;

/** A tenant whose key nothing but this server has. */
export interface UnexportedKey {
  tenantName: string;
  because: string;
}

/** What the session is told of a backup that was begun. */
export interface StartedBackup {
  skipped: SkippedTenant[];
  full: FullInstead[];
  unexported: UnexportedKey[];
}

export interface BackupService {
  /** Goes on with, or fails with a reason, every job a previous server left unfinished. */
  start(): void;
  /** Stops workers; unfinished jobs are taken up at the next start. */
  stop(): Promise<void>;
  /** DATA_BACKUP_DEST: checks and claims the destination; null clears. @throws 9036 while a backup runs; 9026, 9070, 9071, 9080, 9081 */
  setDataDest(tenantId: number, uri: string | null): Promise<void>;
  /**
   * DATA_BACKUP_DEST_1 to _3: another destination that gets each set too, and those that are there; null takes it away.
   * @throws 4179 for a path that is one of the tenant's destinations already; 9026, 9070, 9071, 9080, 9081
   */
  setDataDestCopy(tenantId: number, destNo: number, dest: { uri: string; binding: Binding } | null): Promise<void>;
  /** Copies may have been planned, or are to go: whoever changed their rows says so. */
  pumpCopies(): void;
  /**
   * Records the jobs and returns; the work goes on in the background.
   * @throws BACKUP_CAN_NOT_START (9040), BACKUP_IN_PROGRESS (9036)
   */
  startBackup(request: BackupRequest): Promise<StartedBackup>;
  /** CANCEL BACKUP: nothing running is fine. Resolves when the jobs are marked. */
  cancel(tenants: readonly number[] | 'all'): void;
  /** True while the tenant has an unfinished job. */
  isBusy(tenantId: number): boolean;
  /** Cancels and waits: the tenant is being dropped. */
  forget(tenantId: number): Promise<void>;
}

/** Why a tenant can not be backed up now; the texts of error 9040. @source OceanBase 4.3.3 docs, §2.7 */
export type BackupObstacle =
  | 'tenant status is not normal.'
  | 'log archive status is not doing.'
  | 'backup dest is not set.';

/** Pure precondition check. */
export function backupObstacle(facts: {
  tenantStatus: string;
  roundStatus: RoundStatus | null;
  hasDataDest: boolean;
}): BackupObstacle | null {
  if (facts.tenantStatus !== 'NORMAL') return 'tenant status is not normal.';
  if (facts.roundStatus !== 'DOING') return 'log archive status is not doing.';
  if (!facts.hasDataDest) return 'backup dest is not set.';
  return null;
}
