// What schedules start, in the rooms that do it: the same calls that statements make.
import type { BackupService } from './backup/backup-service.ts';
import { assert } from './base/assert.ts';
import { SYS_TENANT_ID } from './base/limits.ts';
import { JOB_MOVES, type JobLevel } from './model/backup-job.ts';
import { isFinal } from './model/moves.ts';
import type { ScheduledRequest, ScheduledWork } from './schedule/schedule-service.ts';
import type { Store } from './store/store.ts';

function levelOf({ ownerTenantId, tenants }: ScheduledRequest): JobLevel {
  if (ownerTenantId !== SYS_TENANT_ID) return 'USER_TENANT';
  return tenants === 'all' ? 'CLUSTER' : 'SYS_TENANT';
}

/** BACKUP DATABASE, BACKUP TENANT, INCREMENTAL or not. */
export function scheduledBackups(store: Store, backup: BackupService): ScheduledWork {
  return {
    async start(request, record) {
      const { ownerTenantId, type, tenants, password, description } = request;
      await backup.startBackup({
        ...{ initiatorTenantId: ownerTenantId, tenants, level: levelOf(request), password, description },
        isIncremental: type === 'INCREMENTAL',
        isPlusArchivelog: false,
        onRecord: ({ tenantId, jobId }) => record([{ tenantId, jobId }]),
      });
    },
    outcome([ref]) {
      const job = ref && store.backupJobs.get(ref);
      assert(job, 'a job that was started has a row');
      const { status, result, comment } = job;
      return isFinal(JOB_MOVES, status) ? { isSuccess: status === 'COMPLETED', result, comment } : null;
    },
  };
}
