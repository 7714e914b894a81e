// What schedules start, in the rooms that do it: the same calls that statements make.
import type { BackupService } from './backup/backup-service.ts';
import { assert } from './base/assert.ts';
import { fail } from './base/errors.ts';
import { SYS_TENANT_ID } from './base/limits.ts';
import { JOB_MOVES, type JobLevel } from './model/backup-job.ts';
import { isFinal } from './model/moves.ts';
import type { ScheduleType } from './model/schedule.ts';
import type { ScheduledRequest, ScheduledWork } from './schedule/schedule-service.ts';
import type { Store } from './store/store.ts';
import type { ValidateService } from './validate/validate-service.ts';

function levelOf({ ownerTenantId, tenants }: ScheduledRequest): JobLevel {
  if (ownerTenantId !== SYS_TENANT_ID) return 'USER_TENANT';
  return tenants === 'all' ? 'CLUSTER' : 'SYS_TENANT';
}

/** BACKUP DATABASE, BACKUP TENANT, INCREMENTAL or not. */
function scheduledBackups(store: Store, backup: BackupService): ScheduledWork {
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

/** VALIDATE BACKUP within the budget, and drills. */
function scheduledReadings(store: Store, validate: ValidateService): ScheduledWork {
  return {
    async start(request, record) {
      const { ownerTenantId, type, tenants, password, level, budgetBytes, description } = request;
      const isAll = tenants === 'all';
      const readable = store.userTenants().filter(({ status }) => status === 'NORMAL');
      const checkLevel = 'quick';
      await validate.validate({
        ...{
          initiatorTenantId: ownerTenantId,
          isAll,
          type: 'DATABASE',
          ids: null,
          path: null,
          checkLevel,
          description,
        },
        tenants: isAll ? readable.map(({ tenantId }) => tenantId) : tenants,
        level: type === 'DRILL' ? 'restore' : readingLevel(level),
        budgetBytes: type === 'DRILL' ? null : budgetBytes,
        passwords: password === null ? [] : [password],
        onRecord: (jobs) => record([...jobs]),
      });
    },
    outcome(jobs) {
      const found = jobs.map((job) => validate.outcome(job));
      if (found.some((outcome) => outcome && !outcome.isOver)) return null;
      const failed = found.find((outcome) => outcome && outcome.status !== 'COMPLETED');
      return { isSuccess: !failed, result: failed?.result ?? 0, comment: failed?.comment ?? '' };
    },
  };
}

/** @throws INVALID_ARGUMENT (4002) */
function readingLevel(level: string | null): 'basic' | 'physical' {
  const name = level?.toLowerCase() ?? 'basic';
  if (name !== 'basic' && name !== 'physical')
    throw fail('INVALID_ARGUMENT', { what: `LEVEL '${name}' of a schedule` });
  return name;
}

/** By the type of a schedule, what it starts. */
export function scheduledWorks(
  store: Store,
  { backup, validate }: { backup: BackupService; validate: ValidateService },
): Record<ScheduleType, ScheduledWork> {
  const backups = scheduledBackups(store, backup);
  const readings = scheduledReadings(store, validate);
  return { FULL: backups, INCREMENTAL: backups, VALIDATE: readings, DRILL: readings };
}
