// The key and the index of a chosen backup set: proof that the password is right and that nobody has changed the set.
import { fail, isFailure } from '../base/errors.ts';
import { checkObjects } from '../destination/check-objects.ts';
import type { Destination } from '../destination/destination.ts';
import { type BackupSetIndex, decodeIndex, INDEX_BYTES_MAX } from '../format/backup-set-index.ts';
import { type BackupSetManifest, verifyManifestMac } from '../format/backup-set-manifest.ts';
import { derivePasswordKey, keySlotParameters, type PasswordKey, unwrapWithPasswordKey } from '../format/key-slot.ts';
import { INDEX_NAME, indexName, manifestName, type SetRef, setDirectory } from '../format/layout.ts';
import { sameBytes, sha256 } from '../format/log-batch-table.ts';
import type { SetOwner } from '../pipeline/pipeline.ts';

/** Passwords of one statement: each costs half a second and 128 MiB for every slot that it is tried on. */
const PASSWORDS_MAX = 16;

export interface SetToOpen {
  ref: SetRef;
  manifest: BackupSetManifest;
  manifestBytes: Uint8Array;
}

/**
 * Finds the data key of a set with the session's passwords and checks the manifest's MAC with it.
 * @returns null for a set without encryption; otherwise 32 bytes, which the caller clears
 * @throws BACKUP_INVALID_PASSWORD (9047) without a password or when none fits; BACKUP_DATA_CORRUPT (9010) when the
 *         manifest or a key slot was changed; NOT_SUPPORTED (4007) for other encryption modes
 */
export async function unlockSet(set: SetToOpen, passwords: readonly string[]): Promise<Uint8Array | null> {
  const { manifest, manifestBytes, ref } = set;
  if (manifest.encryptionMode === 'NONE') return null;
  if (manifest.encryptionMode !== 'PASSWORD_ENCRYPTION')
    throw fail('NOT_SUPPORTED', { what: `restore of a set with ${manifest.encryptionMode} is` });
  if (passwords.length > PASSWORDS_MAX)
    throw fail('INVALID_ARGUMENT', { what: `SET DECRYPTION: more than ${PASSWORDS_MAX} passwords` });
  if (passwords.length === 0)
    throw fail('BACKUP_INVALID_PASSWORD', { why: `${setDirectory(ref)} is encrypted and no password was given` });
  const object = manifestName(ref);
  const dataKey = await tryPasswords(manifest, passwords, object);
  if (!dataKey) {
    const given = passwords.length === 1 ? 'the given password does not open' : 'none of the given passwords opens';
    throw fail('BACKUP_INVALID_PASSWORD', { why: `${given} ${setDirectory(ref)}` });
  }
  try {
    verifyManifestMac(manifestBytes, dataKey, object);
  } catch (error) {
    dataKey.fill(0);
    throw error;
  }
  return dataKey;
}

async function tryPasswords(
  manifest: BackupSetManifest,
  passwords: readonly string[],
  object: string,
): Promise<Uint8Array | undefined> {
  const options = { setUuid: manifest.set.uuid, object };
  for (const slot of manifest.keySlots) {
    const { salt, cost } = keySlotParameters(slot, options);
    for (const password of passwords) {
      const passwordKey: PasswordKey = await derivePasswordKey(password, salt, cost);
      try {
        return unwrapWithPasswordKey(slot, passwordKey, options);
      } catch (error) {
        if (!isFailure(error, 'BACKUP_INVALID_PASSWORD')) throw error;
      } finally {
        passwordKey.key.fill(0);
      }
    }
  }
  return undefined;
}

/** Whom the blocks of a set belong to. */
export function setOwner({ cluster, tenant, set }: BackupSetManifest): SetOwner {
  return { clusterUuid: cluster.uuid, tenantId: tenant.id, setUuid: set.uuid };
}

/**
 * Reads the index of a set, checks it against the manifest, and that every object of the set is there in full length.
 * @throws BACKUP_FILE_NOT_EXIST (9011), BACKUP_DATA_CORRUPT (9010) naming the object
 */
export async function readSetIndex(
  destination: Destination,
  { ref, manifest }: Pick<SetToOpen, 'ref' | 'manifest'>,
  dataKey: Uint8Array | null,
): Promise<BackupSetIndex> {
  const object = indexName(ref);
  const corrupt = (because: string) => fail('BACKUP_DATA_CORRUPT', { object, because });
  await checkObjects(destination, setDirectory(ref), manifest.objects);
  const listed = manifest.objects.find(({ name }) => name === INDEX_NAME);
  if (!listed) throw fail('BACKUP_DATA_CORRUPT', { object: manifestName(ref), because: 'it names no index' });
  if (listed.size > INDEX_BYTES_MAX) throw corrupt(`it has ${listed.size} bytes, more than ${INDEX_BYTES_MAX}`);
  const bytes = await destination.get(object);
  if (!sameBytes(sha256(bytes), listed.sha256)) throw corrupt('its hash is not the one in the manifest');
  const index = decodeIndex(bytes, { object, owner: setOwner(manifest), dataKey });
  const { pageSize, pageCount } = manifest.engine;
  if (index.pageSize !== pageSize || index.pageCount !== pageCount || index.entries.length !== manifest.blockCount)
    throw corrupt('it does not fit the manifest');
  if (manifest.set.backupType === 'FULL' && index.entries.length !== Math.ceil(pageCount / index.pagesPerBlock))
    throw corrupt('a full set without all its blocks');
  return index;
}
