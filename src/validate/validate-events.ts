// What the event history tells of validation. Each is called in the transaction that makes the change it tells of.
import type { NewEvent } from '../model/event.ts';
import type { ValidateJob } from '../model/validate-job.ts';
import type { Store } from '../store/store.ts';
import type { DamagedPlace } from './damage.ts';

function record(
  store: Store,
  nowNs: bigint,
  event: string,
  { extraInfo, facts }: Pick<NewEvent, 'facts' | 'extraInfo'>,
) {
  store.recordEvent(nowNs, { module: 'backup_validate', event, facts, extraInfo: extraInfo ?? '' });
}

export function recordJobStart(store: Store, job: ValidateJob): void {
  const { tenantId, jobId, type, level, taskCount, initiatorTenantId, startNs, description } = job;
  const ids = { tenant_id: tenantId, job_id: jobId, initiator_tenant_id: initiatorTenantId };
  const facts = { ...ids, type, level, task_count: taskCount };
  record(store, startNs, 'start_backup_validate', { facts, extraInfo: description });
}

/** @param job as its row stands from now on */
export function recordJobEnd(store: Store, nowNs: bigint, job: ValidateJob): void {
  const { tenantId, jobId, status, successTaskCount, result, comment } = job;
  const facts = { tenant_id: tenantId, job_id: jobId, status, success_task_count: successTaskCount, result };
  record(store, nowNs, 'end_backup_validate', { facts, extraInfo: comment });
}

/** A set or piece was found broken, or mended. */
export function recordFinding(
  store: Store,
  nowNs: bigint,
  { tenantId, uri, place, fileStatus }: { tenantId: number; uri: string; place: DamagedPlace; fileStatus: string },
): void {
  const object =
    'set' in place
      ? { task_type: 'BACKUP SET', id: place.set.backupSetId }
      : { task_type: 'BACKUP PIECE', id: place.piece.pieceId };
  const facts = { tenant_id: tenantId, ...object, file_status: fileStatus };
  record(store, nowNs, 'change_file_status', { facts, extraInfo: uri });
}
