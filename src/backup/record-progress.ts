// Writes the progress of a backup into its rows, now and then: figures for views, nothing depends on them.
import type { BackupDependencies } from './backup-dependencies.ts';

/** Progress is written at most four times a second. */
const PROGRESS_INTERVAL_MS = 250;

/** @returns to be called as blocks become done */
export function progressRecorder(
  { store, clock, log }: Pick<BackupDependencies, 'store' | 'clock' | 'log'>,
  of: {
    task: { tenantId: number; taskId: number };
    set: { tenantId: number; backupSetId: number };
    signal: AbortSignal;
  },
): (done: { blocks: number; inputBytes: number; outputBytes: number }) => void {
  let nextMs = 0;
  return ({ blocks, inputBytes, outputBytes }) => {
    if (of.signal.aborted || clock.monotonicMs() < nextMs) return;
    nextMs = clock.monotonicMs() + PROGRESS_INTERVAL_MS;
    const figures = {
      finishBlockCount: blocks,
      inputBytes: BigInt(inputBytes),
      outputBytes: BigInt(outputBytes),
    };
    try {
      // A late call finds the task in its next state and changes nothing.
      if (store.backupTasks.update(of.task, figures, { status: 'BACKUP_DATA_MAJOR' }))
        store.backupSets.update(of.set, figures, { status: 'DOING' });
    } catch (error) {
      // Only figures for a view are lost; the next state change meets the same store and decides.
      log.error('backup progress was not recorded', { ...of.task, error });
    }
  };
}
