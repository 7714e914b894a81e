// At the statement: reads the manifests of the sets that increments would be built on, and opens the encrypted ones while
// the session's password is at hand. Whatever stands in the way makes the backup a full one, with that reason.
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../base/assert.ts';
import { HoldfastError } from '../base/errors.ts';
import { readManifest } from '../destination/backup-set-reader.ts';
import { type BackupSetManifest, manifestSha256, verifyManifestMac } from '../format/backup-set-manifest.ts';
import type { PasswordKey } from '../format/key-slot.ts';
import { manifestName, setDirectory } from '../format/layout.ts';
import { isTenantKeySlot, unwrapWithTenantKey } from '../format/tenant-key-slot.ts';
import type { BackupSet, JobParent } from '../model/backup-job.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import { dataPlaces, setsAt } from '../store/data-places.ts';
import { findTenantKey, keyInUse } from '../store/tenant-keys.ts';
import type { BackupDependencies } from './backup-dependencies.ts';
import { mayCarryOn, type StatementKeys, sealDataKey } from './backup-keys.ts';
import { chooseParent, parentObstacle } from './choose-parent.ts';
import { isNotThere } from './choose-place.ts';

/** A client waits meanwhile; beyond it the tenants that are left are backed up in full. */
const FIND_MS_MAX = 20_000;
const LATE = `its last set could not be read in ${FIND_MS_MAX / 1000} s`;
/** Destinations that are read from at once. */
const READS_MAX = 8;

/** What an increment can be built on, or why nothing is there for it. */
export type ParentAnswer =
  | { parent: JobParent; passwordKey: PasswordKey | null; hasTenantKey: boolean; because?: undefined }
  | { because: string };

type Finding = Pick<BackupDependencies, 'store' | 'driver' | 'openDestination'>;

/**
 * @param keys of the session's password; null without one
 * @param waitMs how long all of them may take together
 */
export async function findParents(
  deps: Finding,
  tenantIds: readonly number[],
  keys: StatementKeys | null,
  waitMs: number = FIND_MS_MAX,
): Promise<Map<number, ParentAnswer>> {
  const answers = new Map<number, ParentAnswer>();
  const left = [...tenantIds];
  const ended = new AbortController();
  const late = sleep(waitMs, 'late' as const, { signal: ended.signal, ref: false });
  let isLate = false;
  const work = async () => {
    for (let tenantId = left.shift(); tenantId !== undefined; tenantId = left.shift()) {
      // Once the time is over no other destination is opened: thousands may be left.
      const answer = isLate ? 'late' : await Promise.race([findParent(deps, tenantId, keys), late]);
      isLate ||= answer === 'late';
      answers.set(tenantId, answer === 'late' ? { because: LATE } : answer);
    }
  };
  try {
    await Promise.all(Array.from({ length: READS_MAX }, work));
    return answers;
  } finally {
    ended.abort();
    await late.catch(() => {});
  }
}

async function findParent(deps: Finding, tenantId: number, keys: StatementKeys | null): Promise<ParentAnswer> {
  const { store } = deps;
  const places = dataPlaces(store, tenantId);
  let away: string | undefined;
  for (const { uri } of places) {
    const set = chooseParent(setsAt(store, tenantId, uri), uri);
    // Where there is no set, and DATA_BACKUP_DEST answers, the backup will be a full one.
    if (!set) return { because: away ?? `there is no backup set at ${uri} yet` };
    try {
      return await openCandidate(deps, set, keys);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      away ??= `its last set can not be read: ${error.message}`;
      if (!isNotThere(error)) break;
    }
  }
  return { because: away ?? 'there is no destination' };
}

async function openCandidate(deps: Finding, row: BackupSet, keys: StatementKeys | null): Promise<ParentAnswer> {
  const { store, driver } = deps;
  const { backupSetId, backupType, tenantId } = row;
  const ref = { backupSetId, type: backupType };
  await using destination = deps.openDestination(parseDestinationUri(row.uri), tenantId);
  const owner = { clusterUuid: store.cluster.uuid, tenantId };
  const { manifest, bytes } = await readManifest(destination, ref, owner);
  const hasTenantKey = keyInUse(store, tenantId) !== undefined;
  const because = parentObstacle(manifest, { engine: driver.name, hasPassword: keys !== null, hasTenantKey });
  if (because !== undefined) return { because };
  const parent = { backupSetId, backupType, manifestSha256: manifestSha256(bytes) };
  if (manifest.encryptionMode === 'NONE')
    return { parent: { ...parent, sealedDataKey: null }, passwordKey: null, hasTenantKey };
  const object = manifestName(ref);
  const byPassword = keys && (await keys.open(manifest, object));
  const byTenant = hasTenantKey ? openWithTenantKey(store, manifest, object) : undefined;
  try {
    if (keys && !byPassword) return { because: `the session's password does not open ${setDirectory(ref)}` };
    if (hasTenantKey && !byTenant) return { because: `the tenant's key does not open ${setDirectory(ref)}` };
    const dataKey = byPassword?.dataKey ?? byTenant;
    assert(dataKey, 'an encrypted backup has a key');
    verifyManifestMac(bytes, dataKey, object);
    const sealedDataKey = sealDataKey(store.secrets, dataKey, manifest.set.uuid);
    return { parent: { ...parent, sealedDataKey }, passwordKey: byPassword?.passwordKey ?? null, hasTenantKey };
  } finally {
    byPassword?.dataKey.fill(0);
    byTenant?.fill(0);
  }
}

/** @returns the data key, which the caller clears; undefined when the store has no key that opens the set */
function openWithTenantKey(store: Finding['store'], manifest: BackupSetManifest, object: string) {
  for (const slot of manifest.keySlots.filter(isTenantKeySlot)) {
    const of = { setUuid: manifest.set.uuid, object };
    const dataKey = unwrapWithTenantKey(slot, (keyId) => findTenantKey(store, keyId), of);
    if (dataKey) return dataKey;
  }
  return undefined;
}

/** Whether every set is wrapped under the key of the one before it, so that no other is needed. */
export function isCarriedOn(parents: ReadonlyMap<number, ParentAnswer>): boolean {
  const answers = [...parents.values()];
  return answers.length > 0 && answers.every((answer) => 'passwordKey' in answer && mayCarryOn(answer.passwordKey));
}
