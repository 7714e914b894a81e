// The unfinished jobs of a kind of work of which a tenant has one at a time. What has ended is never looked through: history
// grows for years.
import { assert } from '../base/assert.ts';
import { type BackupJob, JOB_MOVES, type JobRef } from '../model/backup-job.ts';
import { isFinal } from '../model/moves.ts';
import type { Table } from './table.ts';

export class TenantJobs<J extends JobRef & Pick<BackupJob, 'status'>> implements Iterable<JobRef> {
  readonly #table: Table<J>;
  /** In their turn. An ended job may still be in it. */
  readonly #byTenant = new Map<number, number>();

  /** @param unfinished read once; afterwards whoever inserts one adds it */
  constructor(table: Table<J>, unfinished: readonly JobRef[]) {
    this.#table = table;
    for (const job of unfinished) this.add(job);
  }

  add({ tenantId, jobId }: JobRef): void {
    this.#byTenant.set(tenantId, jobId);
  }

  *[Symbol.iterator](): Generator<JobRef> {
    for (const [tenantId, jobId] of this.#byTenant) {
      if (this.isOpen({ tenantId, jobId })) yield { tenantId, jobId };
      else this.#byTenant.delete(tenantId);
    }
  }

  isBusy(tenantId: number): boolean {
    const jobId = this.#byTenant.get(tenantId);
    return jobId !== undefined && this.isOpen({ tenantId, jobId });
  }

  isOpen(job: JobRef): boolean {
    return !isFinal(JOB_MOVES, this.row(job).status);
  }

  /** A job as it stands. */
  row({ tenantId, jobId }: JobRef): J {
    const row = this.#table.get({ tenantId, jobId } as Partial<J>);
    assert(row, 'a job that was recorded has a row');
    return row;
  }
}
