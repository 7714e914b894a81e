// Reads what describes a backup set, and checks it: manifest, key, index, page map. Nothing is changed there.
import { sameBytes } from '../base/bytes.ts';
import { fail, isFailure } from '../base/errors.ts';
import { type BackupSetIndex, decodeIndex, INDEX_BYTES_MAX } from '../format/backup-set-index.ts';
import {
  type BackupSetManifest,
  decodeManifest,
  MANIFEST_BYTES_MAX,
  type SetObject,
  verifyManifestMac,
} from '../format/backup-set-manifest.ts';
import type { FormatFile } from '../format/format-file.ts';
import {
  derivePasswordKey,
  keySlotParameters,
  type PasswordKey,
  type ScryptCost,
  unwrapWithPasswordKey,
} from '../format/key-slot.ts';
import { manifestName, parseObjectName, type SetRef, setDirectory } from '../format/layout.ts';
import type { ObjectOwner } from '../format/object-key.ts';
import { decodePageMapInTurns, PAGE_MAP_BYTES_MAX, type PageMapPoint } from '../format/page-map-file.ts';
import { type FindTenantKey, isTenantKeySlot, slotKeyId, unwrapWithTenantKey } from '../format/tenant-key-slot.ts';
import { xxh3 } from '../format/xxh3.ts';
import { openersOf } from '../model/backup-job.ts';
import { checkObjects } from './check-objects.ts';
import type { Destination } from './destination.ts';

/** Passwords of one statement: each costs half a second and 128 MiB for every slot that it is tried on. */
export const PASSWORDS_MAX = 16;

/** Sets at one destination: a daily full of thirty years has fewer. */
export const SETS_MAX = 20_000;

/** As `derivePasswordKey`. */
export type DeriveKey = (password: string, salt: Uint8Array, cost: ScryptCost) => Promise<PasswordKey>;

/** A set, where it lies and what its manifest says. */
export interface DescribedSet {
  ref: SetRef;
  manifest: BackupSetManifest;
}

export interface SetToOpen extends DescribedSet {
  /** As read: its hash and MAC are taken over these. */
  manifestBytes: Uint8Array;
}

/**
 * Reads one manifest within its bounds and checks that it is where it belongs.
 * @throws BACKUP_FILE_NOT_EXIST (9011), BACKUP_DATA_CORRUPT (9010)
 */
export async function readManifest(
  destination: Destination,
  ref: SetRef,
  owner: Pick<FormatFile, 'clusterUuid' | 'tenantId'>,
): Promise<{ manifest: BackupSetManifest; bytes: Uint8Array }> {
  const object = manifestName(ref);
  const damaged = (because: string) => fail('BACKUP_DATA_CORRUPT', { object, because });
  const sizeBytes = await destination.size(object);
  if (sizeBytes === undefined) throw fail('BACKUP_FILE_NOT_EXIST', { file: object });
  if (sizeBytes > MANIFEST_BYTES_MAX) throw damaged(`it has ${sizeBytes} bytes, more than ${MANIFEST_BYTES_MAX}`);
  const bytes = await destination.get(object);
  const manifest = decodeManifest(bytes, object);
  const isOwn = manifest.cluster.uuid === owner.clusterUuid && manifest.tenant.id === owner.tenantId;
  if (!isOwn) throw damaged('it belongs to another cluster or tenant');
  if (manifest.set.backupSetId !== ref.backupSetId || manifest.set.backupType !== ref.type)
    throw damaged(`it is that of the backup set ${manifest.set.backupSetId}`);
  return { manifest, bytes };
}

/**
 * Finds the data key of a set with the session's passwords and checks the manifest's MAC with it.
 * @param derive makes a key that is cleared here; who opens several sets may keep what was derived
 * @param findKey tenant keys that are at hand: any of them, or any password, opens a set in dual mode
 * @returns null for a set without encryption; otherwise 32 bytes, which the caller clears
 * @throws BACKUP_INVALID_PASSWORD (9047) when no key and no password is there that fits; BACKUP_DATA_CORRUPT (9010) when
 *         the manifest or a key slot was changed
 */
export async function unlockSet(
  set: SetToOpen,
  passwords: readonly string[],
  derive: DeriveKey = derivePasswordKey,
  findKey: FindTenantKey = () => undefined,
): Promise<Uint8Array | null> {
  const { manifest, manifestBytes, ref } = set;
  if (manifest.encryptionMode === 'NONE') return null;
  if (passwords.length > PASSWORDS_MAX)
    throw fail('INVALID_ARGUMENT', { what: `SET DECRYPTION: more than ${PASSWORDS_MAX} passwords` });
  const object = manifestName(ref);
  const dataKey =
    tryTenantKeys(manifest, findKey, object) ?? (await tryPasswords(manifest, { passwords, derive }, object));
  if (!dataKey) throw fail('BACKUP_INVALID_PASSWORD', { why: closedBecause(set, passwords.length) });
  try {
    verifyManifestMac(manifestBytes, dataKey, object);
  } catch (error) {
    dataKey.fill(0);
    throw error;
  }
  return dataKey;
}

function tryTenantKeys(manifest: BackupSetManifest, findKey: FindTenantKey, object: string): Uint8Array | undefined {
  for (const slot of manifest.keySlots.filter(isTenantKeySlot)) {
    const dataKey = unwrapWithTenantKey(slot, findKey, { setUuid: manifest.set.uuid, object });
    if (dataKey) return dataKey;
  }
  return undefined;
}

/** What is missing, in words. */
function closedBecause({ manifest, ref }: SetToOpen, passwordCount: number): string {
  const { keySlots, set, encryptionMode } = manifest;
  const directory = setDirectory(ref);
  const of = { setUuid: set.uuid, object: manifestName(ref) };
  const keyIds = keySlots.filter(isTenantKeySlot).map((slot) => slotKeyId(slot, of));
  const key = keyIds.length === 0 ? '' : `the tenant key ${keyIds.join(', ')} is not at hand`;
  if (!openersOf(encryptionMode).hasPassword) return `${directory} is encrypted: ${key || 'it has no key slot'}`;
  const and = key === '' ? '' : `, and ${key}`;
  if (passwordCount === 0) return `${directory} is encrypted and no password was given${and}`;
  const given = passwordCount === 1 ? 'the given password does not open' : 'none of the given passwords opens';
  return `${given} ${directory}${and}`;
}

async function tryPasswords(
  manifest: BackupSetManifest,
  { passwords, derive }: { passwords: readonly string[]; derive: DeriveKey },
  object: string,
): Promise<Uint8Array | undefined> {
  const options = { setUuid: manifest.set.uuid, object };
  for (const slot of manifest.keySlots.filter((slot) => !isTenantKeySlot(slot))) {
    const { salt, cost } = keySlotParameters(slot, options);
    for (const password of passwords) {
      const passwordKey: PasswordKey = await derive(password, salt, cost);
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

/** Whom the objects of a set belong to. */
export function setOwner({ cluster, tenant, set }: BackupSetManifest): ObjectOwner {
  return { clusterUuid: cluster.uuid, tenantId: tenant.id, setUuid: set.uuid };
}

/**
 * Reads the index of a set, checks it against the manifest, and that every object of the set is there in full length.
 * Blocks of an increment lie in the sets of `manifest.sources` too, which are not looked at here.
 * @throws BACKUP_FILE_NOT_EXIST (9011), BACKUP_DATA_CORRUPT (9010) naming the object
 */
export async function readSetIndex(
  destination: Destination,
  set: DescribedSet,
  dataKey: Uint8Array | null,
): Promise<BackupSetIndex> {
  await checkObjects(destination, setDirectory(set.ref), set.manifest.objects);
  return await readIndex(destination, set, dataKey);
}

/** As `readSetIndex`, of a set whose objects were looked for in several places. */
export async function readIndex(
  destination: Destination,
  set: DescribedSet,
  dataKey: Uint8Array | null,
): Promise<BackupSetIndex> {
  const { manifest } = set;
  const { object, bytes } = await readListed(destination, set, { kind: 'index', bytesMax: INDEX_BYTES_MAX });
  const index = decodeIndex(bytes, { object, owner: setOwner(manifest), dataKey });
  const { pageSize, pageCount, skipPage } = manifest.engine;
  const ownCount = index.entries.filter(({ source }) => source === index.sourceCount).length;
  const fits =
    index.pageSize === pageSize &&
    index.pageCount === pageCount &&
    index.skipPage === skipPage &&
    index.sourceCount === manifest.sources.length &&
    ownCount === manifest.blockCount;
  if (!fits) throw fail('BACKUP_DATA_CORRUPT', { object, because: 'it does not fit the manifest' });
  return index;
}

/**
 * Reads the page map of a set and checks it against the manifest.
 * @returns the state in the set: `map.checksum` is the manifest's `databaseChecksum`, `scn` its `consistentScn`
 * @throws BACKUP_FILE_NOT_EXIST (9011), BACKUP_DATA_CORRUPT (9010) naming the object
 */
export async function readPageMap(
  destination: Destination,
  set: DescribedSet,
  dataKey: Uint8Array | null,
): Promise<PageMapPoint> {
  const { manifest } = set;
  const { object, bytes } = await readListed(destination, set, { kind: 'page-map', bytesMax: PAGE_MAP_BYTES_MAX });
  const point = await decodePageMapInTurns(bytes, { object, owner: setOwner(manifest), dataKey });
  const { pageSize, pageCount, databaseChecksum } = manifest.engine;
  const { roundId, consistentScn } = manifest.set;
  const fits =
    point.map.pageSize === pageSize &&
    point.map.pageCount === pageCount &&
    point.map.checksum === databaseChecksum &&
    point.roundId === roundId &&
    point.scn === consistentScn;
  if (!fits) throw fail('BACKUP_DATA_CORRUPT', { object, because: 'it does not fit the manifest' });
  return point;
}

/**
 * The index or page map of a set: the one that its manifest names, whatever other attempts have left beside it.
 * @throws BACKUP_DATA_CORRUPT (9010)
 */
export function listedObject({ ref, manifest }: DescribedSet, kind: 'index' | 'page-map'): SetObject {
  const listed = manifest.objects.find(({ name }) => parseObjectName(`${setDirectory(ref)}/${name}`)?.kind === kind);
  if (listed) return listed;
  throw fail('BACKUP_DATA_CORRUPT', { object: manifestName(ref), because: `it names no ${kind}` });
}

/** Reads an object that the manifest names, whole; its bound is checked before memory is taken for it. */
async function readListed(
  destination: Destination,
  set: DescribedSet,
  { kind, bytesMax }: { kind: 'index' | 'page-map'; bytesMax: number },
): Promise<{ object: string; bytes: Uint8Array }> {
  const listed = listedObject(set, kind);
  const object = `${setDirectory(set.ref)}/${listed.name}`;
  const damaged = (because: string) => fail('BACKUP_DATA_CORRUPT', { object, because });
  if (listed.size > bytesMax) throw damaged(`it has ${listed.size} bytes, more than ${bytesMax}`);
  const sizeBytes = await destination.size(object);
  if (sizeBytes === undefined) throw fail('BACKUP_FILE_NOT_EXIST', { file: object });
  if (sizeBytes !== listed.size) throw damaged(`it has ${sizeBytes} bytes instead of ${listed.size}`);
  const bytes = await destination.get(object);
  if (!sameBytes(xxh3(bytes), listed.checksum)) throw damaged('its checksum is not the one in the manifest');
  return { object, bytes };
}
