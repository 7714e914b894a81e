// The rows that a statement of backup makes: what each column holds, in one place.
import { COMMENT_CHARS_MAX, SYS_TENANT_ID } from '../base/limits.ts';
import type { BackupJob, BackupSet, BackupTask, JobKeys } from '../model/backup-job.ts';
import { SCN_NONE } from '../model/scn.ts';
import type { BackupRequest, SkippedTenant } from './backup-service.ts';

/** Why an asked-for incremental backup is a full one; shown in the job's COMMENT. */
const FULL_INSTEAD_OF_INCREMENTAL = 'a FULL backup was taken: incremental sets are not built yet';

/** Cuts a text to what a COMMENT column shows. */
export function commentText(text: string): string {
  return text.length <= COMMENT_CHARS_MAX ? text : `${text.slice(0, COMMENT_CHARS_MAX - 1)}…`;
}

function baseJob(request: BackupRequest, nowNs: bigint): BackupJob {
  return {
    tenantId: SYS_TENANT_ID,
    jobId: 0,
    backupSetId: 0,
    initiatorTenantId: request.initiatorTenantId,
    initiatorJobId: 0,
    executorTenantIds: [],
    isPlusArchivelog: request.isPlusArchivelog,
    // What is really done; the statement may have asked for INCREMENTAL.
    backupType: 'FULL',
    level: 'USER_TENANT',
    encryptionMode: request.password === null ? 'NONE' : 'PASSWORD_ENCRYPTION',
    startNs: nowNs,
    endNs: null,
    status: 'INIT',
    result: 0,
    comment: '',
    description: request.description,
    uri: '',
  };
}

/** The row of the sys tenant: stands for the whole statement. */
export function sysJob(
  request: BackupRequest,
  of: { jobId: number; executorTenantIds: number[]; skipped: readonly SkippedTenant[]; nowNs: bigint },
): BackupJob {
  return {
    ...baseJob(request, of.nowNs),
    jobId: of.jobId,
    initiatorJobId: of.jobId,
    executorTenantIds: of.executorTenantIds,
    level: request.level,
    comment: leftOutText(of.skipped),
  };
}

/** How many tenants a sys-wide backup left out, and why; '' for none. */
function leftOutText(skipped: readonly SkippedTenant[]): string {
  if (skipped.length === 0) return '';
  const list = skipped.map(({ tenantName, because }) => `${tenantName} (${because})`).join(', ');
  return commentText(`${skipped.length} ${skipped.length === 1 ? 'tenant was' : 'tenants were'} left out: ${list}`);
}

/** A tenant's own row. */
export function childJob(
  request: BackupRequest,
  of: {
    tenantId: number;
    jobId: number;
    backupSetId: number;
    initiatorJobId: number;
    uri: string;
    keys: JobKeys | undefined;
    nowNs: bigint;
  },
): BackupJob {
  const { nowNs, keys, ...ids } = of;
  return {
    ...baseJob(request, nowNs),
    ...ids,
    ...(keys ? { keys } : {}),
    executorTenantIds: [of.tenantId],
    comment: request.isIncremental ? FULL_INSTEAD_OF_INCREMENTAL : '',
  };
}

/** The task of a job, before it begins. */
export function newTask(job: BackupJob, taskId: number): BackupTask {
  return {
    tenantId: job.tenantId,
    taskId,
    jobId: job.jobId,
    backupSetId: job.backupSetId,
    startNs: job.startNs,
    endNs: null,
    status: 'INIT',
    startScn: SCN_NONE,
    endScn: SCN_NONE,
    userLsStartScn: SCN_NONE,
    encryptionMode: job.encryptionMode,
    ...NO_FIGURES,
    result: 0,
    comment: '',
    uri: job.uri,
  };
}

/** Figures of a task and of its set before anything was copied. */
export const NO_FIGURES = {
  inputBytes: 0n,
  outputBytes: 0n,
  tabletCount: 0,
  finishTabletCount: 0,
  blockCount: 0,
  finishBlockCount: 0,
  fileCount: 0,
} as const;

/** The set of a job, before it has a state: COPYING until its manifest is there. */
export function newSet(job: BackupJob, of: { destId: number; roundId: number; nowNs: bigint }): BackupSet {
  return {
    tenantId: job.tenantId,
    backupSetId: job.backupSetId,
    destId: of.destId,
    backupType: job.backupType,
    prevFullBackupSetId: 0,
    prevIncBackupSetId: 0,
    startNs: of.nowNs,
    endNs: null,
    status: 'DOING',
    fileStatus: 'COPYING',
    isPlusArchivelog: job.isPlusArchivelog,
    roundId: of.roundId,
    consistentScn: SCN_NONE,
    startReplayScn: SCN_NONE,
    minRestoreScn: SCN_NONE,
    ...NO_FIGURES,
    result: 0,
    comment: '',
    encryptionMode: job.encryptionMode,
    uri: job.uri,
  };
}

/** What a sys row says once all its children have ended. `null` while one has not. */
export function sysOutcome(
  sys: Pick<BackupJob, 'status' | 'comment'>,
  children: readonly BackupJob[],
): { status: 'COMPLETED' | 'FAILED' | 'CANCELED'; result: number; comment: string } | null {
  // Tenants that were left out never began a set; they do not make the statement fail.
  const executed = children.filter(({ backupSetId }) => backupSetId > 0);
  if (executed.some(({ endNs }) => endNs === null)) return null;
  const bad = executed.filter(({ status }) => status !== 'COMPLETED');
  const first = bad.find(({ status }) => status === 'FAILED') ?? bad[0];
  if (sys.status === 'CANCELING') {
    return { status: 'CANCELED', result: first?.result ?? 0, comment: joined([first?.comment, sys.comment]) };
  }
  if (!first) return { status: 'COMPLETED', result: 0, comment: sys.comment };
  const told = `${bad.length} of ${executed.length} tenants failed; tenant ${first.tenantId}: ${first.comment}`;
  return { status: 'FAILED', result: first.result, comment: joined([told, sys.comment]) };
}

function joined(parts: ReadonlyArray<string | undefined>): string {
  return commentText(parts.filter((part) => part !== undefined && part !== '').join('; '));
}
