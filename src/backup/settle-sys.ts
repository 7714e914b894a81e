// The end of a sys-wide backup: the row of the sys tenant ends once all its children have.
import { SYS_TENANT_ID } from '../base/limits.ts';
import { JOB_MOVES } from '../model/backup-job.ts';
import { checkMove, isFinal } from '../model/moves.ts';
import type { BackupDependencies } from './backup-dependencies.ts';
import { sysOutcome } from './backup-records.ts';
import { recordJobEnd } from './job-events.ts';

/** Ends the row, unless a child has not ended. */
export function settleSys(
  { store, clock, log }: Pick<BackupDependencies, 'store' | 'clock' | 'log'>,
  jobId: number,
): void {
  store.transaction(() => {
    const key = { tenantId: SYS_TENANT_ID, jobId };
    const sys = store.backupJobs.get(key);
    if (!sys || isFinal(JOB_MOVES, sys.status)) return;
    const children = store.backupJobs
      .find({ initiatorTenantId: SYS_TENANT_ID, initiatorJobId: jobId })
      .filter(({ tenantId }) => tenantId !== SYS_TENANT_ID);
    const outcome = sysOutcome(sys, children);
    if (!outcome) return;
    // Children that were all cancelled before they began leave it in INIT; it did stand for work all the same.
    if (sys.status === 'INIT') store.backupJobs.change(key, { status: 'DOING' }, { status: 'INIT' });
    const from = sys.status === 'INIT' ? 'DOING' : sys.status;
    const status = checkMove('backup job', JOB_MOVES, from, outcome.status);
    const ended = { ...outcome, status, endNs: clock.nowNs() };
    store.backupJobs.change(key, ended);
    recordJobEnd(store, sys, ended);
    log.info('backup statement ended', { jobId, status, result: outcome.result });
  });
}
