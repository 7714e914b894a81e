// A job with MANDATORY copies ends when they are complete, or when nothing of one was copied for too long: then its COMMENT
// says so, and the copy is made in the background as OPTIONAL ones are.
import { setTimeout as pause } from 'node:timers/promises';
import { type BackupSet, backupSetDirectory } from '../model/backup-job.ts';
import { isOpenCopy } from '../model/set-copy.ts';
import { dataPlaces } from '../store/data-places.ts';
import type { BackupDependencies } from './backup-dependencies.ts';

/** Longer than a destination's pauses between two tries; the set itself is complete meanwhile, and no place is taken up. */
const STALL_MS_MAX = 600_000;
/** Between two looks at the rows of copies. */
const POLL_MS = 100;

type Awaiting = Pick<BackupDependencies, 'store' | 'clock' | 'copyTiming'>;

/** MANDATORY copies of a set that are not complete. DATA_BACKUP_DEST that was away is caught up with later. */
export function lackingCopies(
  { store }: Pick<Awaiting, 'store'>,
  { tenantId, backupSetId }: Pick<BackupSet, 'tenantId' | 'backupSetId'>,
) {
  const mandatory = dataPlaces(store, tenantId).filter(({ destNo, binding }) => destNo > 0 && binding === 'MANDATORY');
  return store.setCopies
    .find({ tenantId, backupSetId })
    .filter(({ status, uri }) => isOpenCopy(status) && status !== 'DELETING' && mandatory.some((at) => at.uri === uri));
}

/** @returns what is to be said of copies that are not complete; '' when all are */
export async function awaitCopies(deps: Awaiting, set: BackupSet, signal: AbortSignal): Promise<string> {
  const { clock, copyTiming } = deps;
  const stallMsMax = copyTiming?.stallMsMax ?? STALL_MS_MAX;
  let seen = '';
  let movedMs = clock.monotonicMs();
  for (;;) {
    const lacking = lackingCopies(deps, set);
    if (lacking.length === 0) return '';
    const figures = lacking.map(({ destId, copiedBytes }) => `${destId}:${copiedBytes}`).join(' ');
    if (figures !== seen) movedMs = clock.monotonicMs();
    seen = figures;
    if (clock.monotonicMs() - movedMs > stallMsMax) {
      const directory = backupSetDirectory(set.backupSetId, set.backupType);
      const named = lacking.map(({ uri, comment }) => `${uri} (${comment === '' ? 'not begun' : comment})`);
      return `MANDATORY copy of ${directory} is not complete at ${named.join(', ')}; it is made when that answers`;
    }
    await pause(POLL_MS, undefined, { signal });
  }
}
