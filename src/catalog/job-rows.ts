// What the rows of jobs and tasks of every kind of work tell alike.
import type { BackupJob } from '../model/backup-job.ts';
import { INCARNATION } from './figures.ts';
import type { ViewReader } from './view-reader.ts';

type Outcome = Pick<BackupJob, 'tenantId' | 'jobId' | 'startNs' | 'endNs' | 'result' | 'comment'> & { status: string };
type Job = Outcome & Pick<BackupJob, 'initiatorTenantId' | 'initiatorJobId' | 'executorTenantIds'>;

function outcome(reader: ViewReader, { tenantId, jobId, startNs, endNs, status, result, comment }: Outcome) {
  return {
    TENANT_ID: tenantId,
    JOB_ID: jobId,
    INCARNATION,
    START_TIMESTAMP: reader.showTime(tenantId, startNs),
    END_TIMESTAMP: reader.showTime(tenantId, endNs),
    STATUS: status,
    RESULT: result,
    COMMENT: comment,
  };
}

export function jobFields(reader: ViewReader, job: Job) {
  return {
    ...outcome(reader, job),
    INITIATOR_TENANT_ID: job.initiatorTenantId,
    INITIATOR_JOB_ID: job.initiatorJobId,
    EXECUTOR_TENANT_ID: job.executorTenantIds.join(','),
  };
}

export function taskFields(reader: ViewReader, task: Outcome & { taskId: number }) {
  return { ...outcome(reader, task), TASK_ID: task.taskId };
}
