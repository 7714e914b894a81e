// What the event history tells of restores. Called in the transactions that change their rows.
import type { NewEvent } from '../model/event.ts';
import type { RestoreJob } from '../model/restore-job.ts';
import type { Store } from '../store/store.ts';

/** @param event as the manual writes it: `restore_start` */
export function recordRestore(store: Store, nowNs: bigint, event: string, facts: NewEvent['facts']): void {
  store.recordEvent(nowNs, { module: 'physical_restore', event, facts });
}

export function idsOf({ restoreTenantId, jobId, restoreTenantName }: RestoreJob) {
  return { tenant_id: restoreTenantId, job_id: jobId, tenant_name: restoreTenantName };
}

export function recordRestoreEnd(
  store: Store,
  job: RestoreJob,
  { nowNs, result, comment }: { nowNs: bigint; result: number; comment: string },
): void {
  store.recordEvent(nowNs, {
    module: 'physical_restore',
    event: result === 0 ? 'restore_success' : 'restore_failed',
    facts: { ...idsOf(job), result },
    extraInfo: comment,
  });
}
