// Data keys of encrypted sets for one job: found with the statement's passwords and tenant keys, kept only sealed under the cluster's key.
import { isFailure } from '../base/errors.ts';
import { readManifest, unlockSet } from '../destination/backup-set-reader.ts';
import type { Destination } from '../destination/destination.ts';
import type { SetRef } from '../format/layout.ts';
import type { FindTenantKey } from '../format/tenant-key-slot.ts';
import type { JobRef } from '../model/backup-job.ts';
import type { ValidateJob } from '../model/validate-job.ts';
import type { ClusterKey } from '../store/cluster-key.ts';
import { isDamage } from './damage.ts';
import type { ValidatePasswords } from './validate-service.ts';

/** Data keys by set id. */
export type DataKeys = Map<number, Uint8Array>;

const keyContext = ({ tenantId, jobId }: JobRef, backupSetId: number) =>
  `validate job ${jobId} of tenant ${tenantId}, backup set ${backupSetId}`;

/**
 * Opens the sets that one of the passwords or a tenant key opens. Others stay closed, and so do damaged ones, which the job tells of.
 * @returns keys that the caller clears
 * @throws 9070, 9071 when the destination can not be read
 */
export async function unlockAll(
  destination: Destination,
  refs: readonly SetRef[],
  of: ValidatePasswords & { owner: { clusterUuid: string; tenantId: number }; findKey: FindTenantKey },
): Promise<DataKeys> {
  const keys: DataKeys = new Map();
  for (const ref of refs) {
    try {
      const { manifest, bytes: manifestBytes } = await readManifest(destination, ref, of.owner);
      const dataKey = await unlockSet({ ref, manifest, manifestBytes }, of.passwords, of.derive, of.findKey);
      if (dataKey) keys.set(ref.backupSetId, dataKey);
    } catch (error) {
      const staysClosed = isFailure(error, 'BACKUP_INVALID_PASSWORD') || isFailure(error, 'NOT_SUPPORTED');
      if (staysClosed || isDamage(error)) continue;
      clearKeys(keys);
      throw error;
    }
  }
  return keys;
}

export function clearKeys(keys: DataKeys): void {
  for (const key of keys.values()) key.fill(0);
  keys.clear();
}

export function sealKeys(secrets: ClusterKey, job: JobRef, keys: DataKeys): ValidateJob['sealedDataKeys'] {
  return Object.fromEntries([...keys].map(([id, key]) => [id, secrets.seal(key, keyContext(job, id))]));
}

/** @returns the data key of a set, which the caller clears; null when none was found */
export function openKey(secrets: ClusterKey, job: ValidateJob, backupSetId: number): Uint8Array | null {
  const sealed = job.sealedDataKeys[backupSetId];
  return sealed ? secrets.open(sealed, keyContext(job, backupSetId)) : null;
}
