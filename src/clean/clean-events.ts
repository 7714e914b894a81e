// What the event history tells of cleaning. Each is called in the transaction that makes the change it tells of.
import type { DeleteJob, DeletePolicy, DeleteTask } from '../model/delete-job.ts';
import type { NewEvent } from '../model/event.ts';
import type { CleanDependencies } from './clean-worker.ts';

type Context = Pick<CleanDependencies, 'store' | 'clock'>;

function record({ store, clock }: Context, event: string, facts: NewEvent['facts'], extraInfo = ''): void {
  store.recordEvent(clock.nowNs(), { module: 'backup_clean', event, facts, extraInfo });
}

export function recordPolicyAdded(of: Context, policy: DeletePolicy): void {
  const { tenantId, policyName, recoveryWindow, redundancy } = policy;
  const promise = { recovery_window: recoveryWindow ?? '', redundancy: redundancy ?? '' };
  record(of, 'add_delete_policy', { tenant_id: tenantId, policy_name: policyName, ...promise });
}

export function recordPolicyDropped(of: Context, tenantId: number, policyName: string): void {
  record(of, 'drop_delete_policy', { tenant_id: tenantId, policy_name: policyName });
}

export function recordJobStart(of: Context, job: DeleteJob): void {
  const { tenantId, jobId, type, taskCount, initiatorTenantId, initiatorJobId } = job;
  const initiator = { initiator_tenant_id: initiatorTenantId, initiator_job_id: initiatorJobId };
  const facts = { tenant_id: tenantId, job_id: jobId, type, task_count: taskCount, ...initiator };
  record(of, 'start_backup_clean', facts, job.description);
}

export function recordJobCancel(of: Context, { tenantId, jobId }: Pick<DeleteJob, 'tenantId' | 'jobId'>): void {
  record(of, 'cancel_backup_clean', { tenant_id: tenantId, job_id: jobId });
}

/** @param job as its row stands from now on */
export function recordJobEnd(of: Context, job: DeleteJob): void {
  const { tenantId, jobId, status, successTaskCount, result } = job;
  const facts = { tenant_id: tenantId, job_id: jobId, status, success_task_count: successTaskCount, result };
  record(of, 'end_backup_clean', facts, job.comment);
}

export function recordDeleted(of: Context, task: DeleteTask): void {
  const ids = { tenant_id: task.tenantId, job_id: task.jobId, task_type: task.taskType, id: task.objectId };
  record(of, 'delete_backup_file', { ...ids, round_id: task.roundId, dest_id: task.destId }, task.uri);
}
