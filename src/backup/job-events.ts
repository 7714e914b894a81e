// What the event history tells of backup jobs. Called in the transactions that insert and end their rows.
import type { BackupJob } from '../model/backup-job.ts';
import type { Store } from '../store/store.ts';

export function recordJobStart(store: Store, job: BackupJob): void {
  const { tenantId, jobId, backupSetId, backupType, initiatorTenantId, initiatorJobId } = job;
  store.recordEvent(job.startNs, {
    module: 'backup_data',
    event: 'start_backup_data',
    facts: {
      tenant_id: tenantId,
      job_id: jobId,
      backup_set_id: backupSetId,
      backup_type: backupType,
      initiator_tenant_id: initiatorTenantId,
      initiator_job_id: initiatorJobId,
    },
    extraInfo: job.description,
  });
}

/** @param ended what the job's row says from now on */
export function recordJobEnd(
  store: Store,
  { tenantId, jobId, backupSetId }: Pick<BackupJob, 'tenantId' | 'jobId' | 'backupSetId'>,
  ended: Pick<BackupJob, 'status' | 'result' | 'comment'> & { endNs: bigint },
): void {
  const { status, result, comment } = ended;
  store.recordEvent(ended.endNs, {
    module: 'backup_data',
    event: 'end_backup_data',
    facts: { tenant_id: tenantId, job_id: jobId, backup_set_id: backupSetId, status, result },
    extraInfo: comment,
  });
}

/** An increment that became a full backup. */
export function recordBecameFull(store: Store, job: BackupJob, of: { nowNs: bigint; because: string }): void {
  const { tenantId, jobId, backupSetId } = job;
  store.recordEvent(of.nowNs, {
    module: 'backup_data',
    event: 'change_backup_type',
    facts: { tenant_id: tenantId, job_id: jobId, backup_set_id: backupSetId, backup_type: 'FULL' },
    extraInfo: of.because,
  });
}

export function recordJobCancel(store: Store, { tenantId, jobId, backupSetId }: BackupJob, nowNs: bigint): void {
  const facts = { tenant_id: tenantId, job_id: jobId, backup_set_id: backupSetId };
  store.recordEvent(nowNs, { module: 'backup_data', event: 'cancel_backup_data', facts });
}
