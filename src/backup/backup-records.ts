// The rows that a statement of backup makes: what each column holds, in one place.
import { COMMENT_CHARS_MAX, SYS_TENANT_ID } from '../base/limits.ts';
import {
  type BackupJob,
  type BackupSet,
  type BackupTask,
  type EncryptionMode,
  encryptionModeOf,
  type JobKeys,
  type JobParent,
} from '../model/backup-job.ts';
import { SCN_NONE } from '../model/scn.ts';
import type { TenantKeyRecord } from '../store/records.ts';
import type { BackupRequest, SkippedTenant } from './backup-service.ts';
import { becameFull } from './choose-parent.ts';

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
    backupType: 'FULL',
    level: 'USER_TENANT',
    encryptionMode: encryptionModeOf({ hasPassword: request.password !== null, hasTenantKey: false }),
    startNs: nowNs,
    endNs: null,
    status: 'INIT',
    result: 0,
    comment: '',
    description: request.description,
    uri: '',
  };
}

/** What is said of a key that nothing but this server has; null when BACKUP KEY has written it to a file. */
export function neverExported({ version, exportedNs }: TenantKeyRecord): string | null {
  if (exportedNs !== null) return null;
  return `version ${version} of the tenant's key was never exported: without this server nothing opens what it encrypts, unless BACKUP KEY writes it to a file`;
}

/** The row of the sys tenant: stands for the whole statement. */
export function sysJob(
  request: BackupRequest,
  of: {
    jobId: number;
    executorTenantIds: number[];
    skipped: readonly SkippedTenant[];
    isIncremental: boolean;
    /** Of all tenants' sets; undefined when they differ. */
    mode: EncryptionMode | undefined;
    nowNs: bigint;
  },
): BackupJob {
  const base = baseJob(request, of.nowNs);
  return {
    ...base,
    encryptionMode: of.mode ?? base.encryptionMode,
    jobId: of.jobId,
    initiatorJobId: of.jobId,
    executorTenantIds: of.executorTenantIds,
    level: request.level,
    backupType: of.isIncremental ? 'INC' : 'FULL',
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
    /** The tenant's key opens the set; null when his encryption is off. */
    tenantKey: TenantKeyRecord | null;
    /** What an increment is built on; undefined for a full backup. */
    parent: JobParent | undefined;
    /** Why a backup that was to be incremental is full; undefined when it is what was asked for. */
    fullBecause: string | undefined;
    nowNs: bigint;
  },
): BackupJob {
  const { nowNs, keys, parent, fullBecause, tenantKey, ...ids } = of;
  const openers = { hasPassword: request.password !== null, hasTenantKey: tenantKey !== null };
  return {
    ...baseJob(request, nowNs),
    ...ids,
    ...(keys ? { keys } : {}),
    ...(parent ? { parent } : {}),
    // What is really done; the statement may have asked for INCREMENTAL.
    backupType: parent ? 'INC' : 'FULL',
    executorTenantIds: [of.tenantId],
    encryptionMode: encryptionModeOf(openers),
    comment: joinRemarks([fullBecause && becameFull(fullBecause), tenantKey && neverExported(tenantKey)]),
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
    attempt: 0,
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

/** An ended job needs no data keys any more: the slots at the destination are the only way to them. */
export const WITHOUT_KEYS = { keys: undefined, parent: undefined } as unknown as Partial<BackupJob>;

/** Round of a set that no log continues. */
export const NO_ROUND = 0;

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
    lockedUntilNs: 0n,
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
    return { status: 'CANCELED', result: first?.result ?? 0, comment: joinRemarks([first?.comment, sys.comment]) };
  }
  if (!first) return { status: 'COMPLETED', result: 0, comment: sys.comment };
  const told = `${bad.length} of ${executed.length} tenants failed; tenant ${first.tenantId}: ${first.comment}`;
  return { status: 'FAILED', result: first.result, comment: joinRemarks([told, sys.comment]) };
}

/** What there is to say, as one COMMENT; once, also when work that is begun again says it again. */
export function joinRemarks(parts: ReadonlyArray<string | null | undefined>): string {
  let joined = '';
  for (const part of parts) if (part && !joined.includes(part)) joined += joined === '' ? part : `; ${part}`;
  return commentText(joined);
}
