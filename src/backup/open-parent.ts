// When a job runs: everything an increment takes from the set that it is built on. Whatever of it or of the sets below it
// is gone or damaged makes the backup a full one, with that reason.
import { assert } from '../base/assert.ts';
import { sameBytes } from '../base/bytes.ts';
import { fail, isFailure } from '../base/errors.ts';
import { readManifest, readPageMap, readSetIndex } from '../destination/backup-set-reader.ts';
import { checkObjects } from '../destination/check-objects.ts';
import type { Destination } from '../destination/destination.ts';
import type { BackupSetIndex } from '../format/backup-set-index.ts';
import { type BackupSetManifest, manifestSha256, verifyManifestMac } from '../format/backup-set-manifest.ts';
import { manifestName, setDirectory } from '../format/layout.ts';
import type { PageMap } from '../format/page-map.ts';
import type { BackupJob, JobParent } from '../model/backup-job.ts';
import type { BackupDependencies } from './backup-dependencies.ts';
import { openSealedKey } from './backup-keys.ts';

/** Sets below a chain whose manifests are read at once. */
const READS_MAX = 8;

/** A set as one builds on it. */
export interface OpenParent {
  manifest: BackupSetManifest;
  manifestSha256: Uint8Array;
  index: BackupSetIndex;
  /** The state in the set. */
  map: PageMap;
}

type Opening = Pick<BackupDependencies, 'store'>;

/** What is wrong with a set, when it is the set and not the way to it; undefined for other failures. */
export function damageText(error: unknown): string | undefined {
  const isDamage = isFailure(error, 'BACKUP_DATA_CORRUPT') || isFailure(error, 'BACKUP_FILE_NOT_EXIST');
  return isDamage ? error.message : undefined;
}

/**
 * Reads and checks the set that a job is built on.
 * @throws BACKUP_FILE_NOT_EXIST (9011), BACKUP_DATA_CORRUPT (9010) naming what makes it unusable; the destination's errors
 */
export async function openParent(
  { store }: Opening,
  destination: Destination,
  { tenantId, parent }: Pick<BackupJob, 'tenantId' | 'parent'>,
): Promise<OpenParent> {
  assert(parent, 'an increment is built on a set');
  const { backupSetId, backupType } = parent;
  const ref = { backupSetId, type: backupType };
  const row = store.backupSets.get({ tenantId, backupSetId });
  // Without a row it was made known by nobody who could say more; with one, retention may have begun to remove it.
  if (row && row.fileStatus !== 'AVAILABLE') throw fail('BACKUP_FILE_NOT_EXIST', { file: setDirectory(ref) });
  const owner = { clusterUuid: store.cluster.uuid, tenantId };
  const { manifest, bytes } = await readManifest(destination, ref, owner);
  checkSame(manifestName(ref), bytes, parent.manifestSha256);
  const dataKey = openSealedKey(store.secrets, parent.sealedDataKey, manifest.set.uuid);
  try {
    if (dataKey) verifyManifestMac(bytes, dataKey, manifestName(ref));
    const set = { ref, manifest };
    const [index, { map }] = await Promise.all([
      readSetIndex(destination, set, dataKey),
      readPageMap(destination, set, dataKey),
      checkSources(destination, manifest, owner),
    ]);
    return { manifest, manifestSha256: parent.manifestSha256, index, map };
  } finally {
    dataKey?.fill(0);
  }
}

function checkSame(object: string, bytes: Uint8Array, expected: JobParent['manifestSha256']): void {
  if (!sameBytes(manifestSha256(bytes), expected))
    throw fail('BACKUP_DATA_CORRUPT', { object, because: 'it is another manifest than before' });
}

/** The sets that hold blocks of the parent must be there whole: what is built on them is worth nothing without. */
async function checkSources(
  destination: Destination,
  { sources }: BackupSetManifest,
  owner: { clusterUuid: string; tenantId: number },
): Promise<void> {
  const left = [...sources];
  const work = async () => {
    for (let source = left.shift(); source; source = left.shift()) {
      const ref = { backupSetId: source.backupSetId, type: source.backupType };
      const { manifest, bytes } = await readManifest(destination, ref, owner);
      checkSame(manifestName(ref), bytes, source.manifestSha256);
      await checkObjects(destination, setDirectory(ref), manifest.objects);
    }
  };
  await Promise.all(Array.from({ length: READS_MAX }, work));
}
