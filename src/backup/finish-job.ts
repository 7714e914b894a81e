// What changes the rows of a backup job together: it becomes a full one, its set is whole and its copies are planned, and it
// has ended.
import { assert } from '../base/assert.ts';
import { type BackupSet, TASK_MOVES } from '../model/backup-job.ts';
import { checkMove } from '../model/moves.ts';
import { planCopies } from '../store/data-places.ts';
import type { BackupDependencies } from './backup-dependencies.ts';
import { joinRemarks, WITHOUT_KEYS } from './backup-records.ts';
import { becameFull } from './choose-parent.ts';
import { recordBecameFull, recordJobEnd } from './job-events.ts';
import type { CompleteSet } from './whole-set.ts';

type Finishing = Pick<BackupDependencies, 'store' | 'clock'>;

/** The rows of one job. */
export interface KeysOfJob {
  key: { tenantId: number; jobId: number };
  taskKey: { tenantId: number; taskId: number };
  setKey: { tenantId: number; backupSetId: number };
}

/** What was to be an increment is a full backup from now on. */
export function becomeFull(
  { store, log, clock }: Finishing & Pick<BackupDependencies, 'log'>,
  { key, setKey }: KeysOfJob,
  because: string,
): void {
  const job = store.backupJobs.get(key);
  assert(job, 'a job that goes on has a row');
  const comment = joinRemarks([becameFull(because), job.comment]);
  store.transaction(() => {
    recordBecameFull(store, job, { nowNs: clock.nowNs(), because: comment });
    store.backupJobs.change(key, { backupType: 'FULL', comment }, { status: job.status });
    const none = { prevFullBackupSetId: 0, prevIncBackupSetId: 0 };
    if (store.backupSets.get(setKey)) store.backupSets.change(setKey, { ...none, backupType: 'FULL' });
  });
  log.warn('incremental backup became a full one', { ...key, because });
}

/** To the caller's transaction; a server before may have come so far. */
export function publishSet(
  { store }: Finishing,
  { taskKey, setKey }: KeysOfJob,
  { done, state, lockedUntilNs }: CompleteSet & Pick<BackupSet, 'lockedUntilNs'>,
): void {
  if (store.backupSets.get(setKey)?.status !== 'DOING') return;
  store.finishedPacks.remove(setKey);
  const whole = { ...done, ...state, lockedUntilNs, status: 'SUCCESS', fileStatus: 'AVAILABLE' } as const;
  store.backupSets.change(setKey, whole, { status: 'DOING' });
  const task = store.backupTasks.get(taskKey);
  assert(task, 'a set that is being made has a task');
  const { endNs: _, ...figures } = done;
  store.backupTasks.change(taskKey, { ...figures, endScn: state?.minRestoreScn ?? task.endScn });
  planCopies(store, store.backupSets.get(setKey)!);
}

/** @param of.hasWaited for copies: the job ends now then, otherwise with its set */
export function completeJob(
  { store, clock }: Finishing,
  { key, taskKey, setKey }: KeysOfJob,
  of: { remark: string; hasWaited: boolean },
): void {
  const now = clock.nowNs();
  store.transaction(() => {
    const job = store.backupJobs.get(key);
    const task = store.backupTasks.get(taskKey);
    const setEndNs = store.backupSets.get(setKey)?.endNs;
    assert(job && task && setEndNs, 'a job that completes has a whole set');
    const endNs = of.hasWaited && now > setEndNs ? now : setEndNs;
    const status = checkMove('backup task', TASK_MOVES, task.status, 'COMPLETED');
    store.backupTasks.change(taskKey, { status, endNs }, { status: task.status });
    const done = { status: 'COMPLETED', endNs, comment: joinRemarks([of.remark, job.comment]) } as const;
    store.backupJobs.change(key, { ...done, ...WITHOUT_KEYS }, { status: 'DOING' });
    recordJobEnd(store, job, { ...job, ...done });
  });
}

/** The job was cancelled or failed: its set, when it got as far as one, is INCOMPLETE. */
export function endWithoutSet(
  { store }: Finishing,
  { key, taskKey, setKey }: KeysOfJob,
  end: { endNs: bigint; result: number; comment: string; status: 'CANCELED' | 'FAILED' },
): void {
  const { status, ...ended } = end;
  store.transaction(() => {
    const job = store.backupJobs.get(key);
    const task = store.backupTasks.get(taskKey);
    assert(job && task, 'a job that ends has rows');
    if (status === 'CANCELED' && task.status !== 'CANCELING')
      store.backupTasks.change(taskKey, { status: checkMove('backup task', TASK_MOVES, task.status, 'CANCELING') });
    store.backupTasks.change(taskKey, end);
    const set = { ...ended, status: 'FAILED', fileStatus: 'INCOMPLETE' } as const;
    if (store.backupSets.get(setKey)) store.backupSets.change(setKey, set);
    store.backupJobs.change(key, { ...end, ...WITHOUT_KEYS }, { status: job.status });
    recordJobEnd(store, job, { ...job, ...end });
  });
}
