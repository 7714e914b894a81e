// Which destination a backup writes its set to: DATA_BACKUP_DEST when it answers, else the first copy that does.

import { isFailure } from '../base/errors.ts';
import { proveOwner } from '../destination/claim-destination.ts';
import { isAway } from '../destination/fall-over.ts';
import type { BackupJob } from '../model/backup-job.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import type { DataPlace } from '../model/set-copy.ts';
import { dataPlaces } from '../store/data-places.ts';
import type { BackupDependencies } from './backup-dependencies.ts';
import { joinRemarks } from './backup-records.ts';

/** Whether a destination is not there; an empty mount has no format file. */
export function isNotThere(error: unknown): error is Error {
  return isAway(error) || isFailure(error, 'BACKUP_FORMAT_FILE_NOT_EXIST');
}

/**
 * @param uri where the job was to write
 * @returns another place that answers while that does not, and why; null when it does, or none does: the job tells then
 */
async function choosePlace(
  { store, openDestination }: Pick<BackupDependencies, 'store' | 'openDestination'>,
  { tenantId, uri }: { tenantId: number; uri: string },
): Promise<{ place: DataPlace; because: string } | null> {
  const others = dataPlaces(store, tenantId).filter((place) => place.uri !== uri);
  if (others.length === 0) return null;
  const owner = { clusterUuid: store.cluster.uuid, tenantId, destKind: 'backup_data' } as const;
  const obstacleAt = async (text: string): Promise<string | null> => {
    await using destination = openDestination(parseDestinationUri(text), tenantId);
    try {
      await proveOwner(destination, owner);
      return null;
    } catch (error) {
      if (!isNotThere(error)) throw error;
      return error.message;
    }
  };
  const because = await obstacleAt(uri);
  if (because === null) return null;
  for (const place of others) if ((await obstacleAt(place.uri)) === null) return { place, because };
  return null;
}

/**
 * Makes a job write to another destination than it was to, where that does not answer. Its rows say so.
 * @returns the other destination; null when the job stays where it is
 */
export async function moveJob(
  deps: Pick<BackupDependencies, 'store' | 'openDestination' | 'log'>,
  { tenantId, jobId, uri, comment }: Pick<BackupJob, 'tenantId' | 'jobId' | 'uri' | 'comment'>,
  taskKey: { tenantId: number; taskId: number },
): Promise<DataPlace | null> {
  const chosen = await choosePlace(deps, { tenantId, uri });
  if (!chosen) return null;
  const { place, because } = chosen;
  const remark = `the set was written to ${place.uri}, because ${because}`;
  deps.store.transaction(() => {
    deps.store.backupJobs.change({ tenantId, jobId }, { uri: place.uri, comment: joinRemarks([remark, comment]) });
    deps.store.backupTasks.change(taskKey, { uri: place.uri });
  });
  deps.log.warn('backup is written to a copy', { tenantId, jobId, uri: place.uri, because });
  return place;
}
