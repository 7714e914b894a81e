// Rows of the sys tenant: each stands for one statement of root@sys, and ends after the jobs of its tenants.
import { assert } from '../base/assert.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { JOB_MOVES } from '../model/backup-job.ts';
import type { DeleteJob } from '../model/delete-job.ts';
import { checkMove } from '../model/moves.ts';
import { recordJobCancel, recordJobEnd, recordJobStart } from './clean-events.ts';
import type { CleanDependencies } from './clean-worker.ts';
import { isChild, sysOutcome } from './sys-outcome.ts';

export class SysJobs {
  readonly #deps: CleanDependencies;
  /** Tenants whose jobs have not ended, by the number of their statement. */
  readonly #open = new Map<number, Set<number>>();

  /** @param unfinished every job that has not ended */
  constructor(deps: CleanDependencies, unfinished: readonly DeleteJob[]) {
    this.#deps = deps;
    for (const { tenantId, jobId } of unfinished) if (tenantId === SYS_TENANT_ID) this.#open.set(jobId, new Set());
    for (const job of unfinished) if (isChild(job)) this.#open.get(job.initiatorJobId)?.add(job.tenantId);
  }

  /** A server may have died between the end of the last tenant's job and that of the statement. */
  start(): void {
    for (const [jobId, tenantIds] of this.#open) if (tenantIds.size === 0) this.#settle(jobId);
  }

  /** To the caller's transaction. */
  insert(job: DeleteJob): void {
    this.#deps.store.deleteJobs.insert(job);
    recordJobStart(this.#deps, job);
  }

  /** The rows of a statement are durable. */
  add(jobId: number, tenantIds: readonly number[]): void {
    this.#open.set(jobId, new Set(tenantIds));
  }

  /** A tenant's job has ended. */
  noteEnd(child: DeleteJob): void {
    const tenantIds = isChild(child) ? this.#open.get(child.initiatorJobId) : undefined;
    if (!tenantIds) return;
    tenantIds.delete(child.tenantId);
    if (tenantIds.size === 0) this.#settle(child.initiatorJobId);
  }

  /** To the caller's transaction: a statement is cancelled when all that is left of it is. */
  noteCancel(): void {
    const { store } = this.#deps;
    for (const jobId of this.#open.keys()) {
      const { status } = this.#row(jobId);
      const left = this.#children(jobId).filter(({ endNs }) => endNs === null);
      if (status === 'CANCELING' || left.length === 0 || left.some((child) => child.status !== 'CANCELING')) continue;
      const canceling = checkMove('delete job', JOB_MOVES, status, 'CANCELING');
      store.deleteJobs.change({ tenantId: SYS_TENANT_ID, jobId }, { status: canceling }, { status });
      recordJobCancel(this.#deps, { tenantId: SYS_TENANT_ID, jobId });
    }
  }

  #row(jobId: number): DeleteJob {
    const row = this.#deps.store.deleteJobs.get({ tenantId: SYS_TENANT_ID, jobId });
    assert(row, 'a statement that has not ended has a row');
    return row;
  }

  #children(jobId: number): DeleteJob[] {
    const of = { initiatorTenantId: SYS_TENANT_ID, initiatorJobId: jobId };
    return this.#deps.store.deleteJobs.find(of).filter(isChild);
  }

  #settle(jobId: number): void {
    const { store, clock, log } = this.#deps;
    const key = { tenantId: SYS_TENANT_ID, jobId };
    store.transaction(() => {
      const row = this.#row(jobId);
      const outcome = sysOutcome(row, this.#children(jobId));
      assert(outcome, 'the jobs of all tenants have ended');
      // Those that were all cancelled before they began leave it in INIT; it did stand for work all the same.
      if (row.status === 'INIT') store.deleteJobs.change(key, { status: 'DOING' }, { status: 'INIT' });
      const from = row.status === 'INIT' ? 'DOING' : row.status;
      const ended = { ...outcome, status: checkMove('delete job', JOB_MOVES, from, outcome.status) };
      store.deleteJobs.change(key, { ...ended, endNs: clock.nowNs() });
      recordJobEnd(this.#deps, { ...row, ...ended });
    });
    this.#open.delete(jobId);
    log.info('delete statement ended', { jobId, status: this.#row(jobId).status });
  }
}
