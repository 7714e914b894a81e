// The rows of a set that a job begins.

import { SYS_TENANT_ID } from '../base/limits.ts';
import type { BackupJob } from '../model/backup-job.ts';
import type { BackupDependencies } from './backup-dependencies.ts';
import { newSet } from './backup-records.ts';
import { predecessorIds } from './choose-parent.ts';
import type { OpenParent } from './open-parent.ts';

/** To the caller's transaction: the job works, and has a set of its own. @param parent null for a full backup */
export function beginSet(
  { store, clock }: Pick<BackupDependencies, 'store' | 'clock'>,
  job: BackupJob,
  parent: OpenParent | null,
): void {
  const { tenantId, jobId, initiatorJobId, uri } = job;
  const destId = store.destIdFor(tenantId, uri);
  const roundId = store.currentRound(tenantId)?.roundId ?? 0;
  const begun = { status: 'DOING' } as const;
  store.backupJobs.change({ tenantId, jobId }, begun, { status: 'INIT' });
  store.backupJobs.update({ tenantId: SYS_TENANT_ID, jobId: initiatorJobId }, begun, { status: 'INIT' });
  const set = newSet(job, { destId, roundId, nowNs: clock.nowNs() });
  store.backupSets.insert(parent ? { ...set, ...predecessorIds(parent.manifest) } : set);
}
