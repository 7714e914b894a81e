// The jobs that have not ended, by tenant: history grows for years, and no statement should read through it.
import { SYS_TENANT_ID } from '../base/limits.ts';
import { type BackupJob, JOB_MOVES } from '../model/backup-job.ts';
import { isFinal, unfinished } from '../model/moves.ts';
import type { Store } from '../store/store.ts';

/** What identifies a job and the statement it belongs to; none of it ever changes. */
export type OpenJob = Pick<BackupJob, 'tenantId' | 'jobId' | 'backupSetId' | 'initiatorTenantId' | 'initiatorJobId'>;

export class OpenJobs {
  readonly #store: Store;
  readonly #byTenant = new Map<number, Map<number, OpenJob>>();
  /** Unfinished children by the sys tenant's job. */
  readonly #children = new Map<number, Set<OpenJob>>();

  /** Reads the unfinished jobs once; afterwards whoever inserts one adds it. */
  constructor(store: Store) {
    this.#store = store;
    for (const status of unfinished(JOB_MOVES)) for (const job of store.backupJobs.find({ status })) this.add(job);
  }

  add({ tenantId, jobId, backupSetId, initiatorTenantId, initiatorJobId }: BackupJob): void {
    const job = { tenantId, jobId, backupSetId, initiatorTenantId, initiatorJobId };
    const jobs = this.#byTenant.get(tenantId) ?? new Map<number, OpenJob>();
    this.#byTenant.set(tenantId, jobs.set(jobId, job));
    if (tenantId === SYS_TENANT_ID || initiatorTenantId !== SYS_TENANT_ID) return;
    const children = this.#children.get(initiatorJobId) ?? new Set<OpenJob>();
    this.#children.set(initiatorJobId, children.add(job));
  }

  /** The tenant's unfinished jobs as they stand in the store, by id. */
  of(tenantId: number): BackupJob[] {
    const rows: BackupJob[] = [];
    for (const job of [...(this.#byTenant.get(tenantId)?.values() ?? [])]) {
      const row = this.#store.backupJobs.get({ tenantId, jobId: job.jobId });
      if (row && !isFinal(JOB_MOVES, row.status)) rows.push(row);
      else this.#drop(job);
    }
    return rows;
  }

  /** Every unfinished job: the sys tenant's first. */
  all(): BackupJob[] {
    return [...this.#byTenant.keys()].sort((a, b) => a - b).flatMap((tenantId) => this.of(tenantId));
  }

  /** True while a child of the sys tenant's job has not ended. */
  hasChildren(sysJobId: number): boolean {
    const children = this.#children.get(sysJobId);
    for (const child of [...(children ?? [])]) {
      this.of(child.tenantId);
      if (children?.has(child)) return true;
    }
    return false;
  }

  #drop(job: OpenJob): void {
    const jobs = this.#byTenant.get(job.tenantId);
    jobs?.delete(job.jobId);
    if (jobs?.size === 0) this.#byTenant.delete(job.tenantId);
    const children = this.#children.get(job.initiatorJobId);
    if (!children?.delete(job)) return;
    if (children.size === 0) this.#children.delete(job.initiatorJobId);
  }
}

/** Cancelled jobs first, then in the order of their statements. */
export function byTurn(a: BackupJob, b: BackupJob): number {
  const isCanceling = (job: BackupJob) => (job.status === 'CANCELING' ? 0 : 1);
  if (isCanceling(a) !== isCanceling(b)) return isCanceling(a) - isCanceling(b);
  if (a.startNs !== b.startNs) return a.startNs < b.startNs ? -1 : 1;
  return a.tenantId - b.tenantId || a.jobId - b.jobId;
}
