// The keys of tenants as the store keeps them: each under the cluster's key, opened only while it is used.
import { hexOf } from '../base/bytes.ts';
import { fail } from '../base/errors.ts';
import { type FindLogKey, type LogSeal, newTenantKey, roundLogKey, tenantKeyId } from '../format/tenant-key.ts';
import type { TenantKeyRecord } from './records.ts';
import type { Store } from './store.ts';

const sealContext = (keyId: string) => `tenant key ${keyId}`;

/** A key with what is known of it. */
export interface KnownKey {
  version: number;
  createdNs: bigint;
  exportedNs: bigint | null;
  key: Uint8Array;
}

/** All versions of a tenant's key, oldest first. */
export function keysOf(store: Store, tenantId: number): TenantKeyRecord[] {
  return store.tenantKeys.find({ tenantId }, { orderBy: 'version' });
}

/** The version that encrypts what is new; undefined while the tenant's encryption is off. */
export function keyInUse(store: Store, tenantId: number): TenantKeyRecord | undefined {
  if (store.parameter(tenantId, 'tde_method').toLowerCase() !== 'internal') return undefined;
  return keysOf(store, tenantId).at(-1);
}

/**
 * @returns the key itself, which the caller clears
 * @throws BACKUP_INVALID_PASSWORD (9047) when the cluster's key file is not the one that it was kept under
 */
export function openTenantKey({ secrets }: Store, { sealedKey, keyId }: TenantKeyRecord): Uint8Array {
  try {
    return secrets.open(sealedKey, sealContext(keyId));
  } catch (cause) {
    const why = `the tenant key ${keyId} was kept under another cluster.key than the one in the data directory`;
    throw fail('BACKUP_INVALID_PASSWORD', { why }, { cause });
  }
}

/** Keeps a key; the same one again changes nothing. */
export function keepTenantKey(store: Store, tenantId: number, known: KnownKey): void {
  const { version, createdNs, exportedNs, key } = known;
  const keyId = hexOf(tenantKeyId(key));
  if (store.tenantKeys.find({ tenantId, keyId }).length > 0) return;
  const sealedKey = store.secrets.seal(key, sealContext(keyId));
  store.tenantKeys.insert({ tenantId, version, keyId, sealedKey, createdNs, exportedNs });
}

/** Gives a tenant a new key: the first one, or, when the key is rotated, the next version. */
export function addTenantKey(store: Store, tenantId: number, createdNs: bigint): void {
  const version = (keysOf(store, tenantId).at(-1)?.version ?? 0) + 1;
  const key = newTenantKey();
  try {
    keepTenantKey(store, tenantId, { version, createdNs, exportedNs: null, key });
  } finally {
    key.fill(0);
  }
}

/** What encrypts the log of a round from now on; null while it stays plain. */
export function logSealOf(store: Store, of: { tenantId: number; roundId: number }): LogSeal | null {
  const record = keyInUse(store, of.tenantId);
  if (!record) return null;
  const key = openTenantKey(store, record);
  try {
    return { keyId: tenantKeyId(key), key: roundLogKey(key, { ...of, clusterUuid: store.cluster.uuid }) };
  } finally {
    key.fill(0);
  }
}

/** What opens the log of one round: its key by each version of the tenant's. */
export function roundLogKeys(store: Store, of: { tenantId: number; roundId: number }): LogSeal[] {
  return keysOf(store, of.tenantId).map((record) => {
    const key = openTenantKey(store, record);
    const seal = { keyId: tenantKeyId(key), key: roundLogKey(key, { ...of, clusterUuid: store.cluster.uuid }) };
    key.fill(0);
    return seal;
  });
}

/** A key by its id, whichever tenant holds it: a restored tenant has the keys of the one that it was. */
export function findTenantKey(store: Store, keyId: string): Uint8Array | undefined {
  const record = store.tenantKeys.find({ keyId })[0];
  return record && openTenantKey(store, record);
}

/** Opens encrypted log with the keys that the store has; derives the key of each round once. */
export function storedLogKeys(store: Store): FindLogKey {
  const derived = new Map<string, Uint8Array>();
  return (keyId, of) => {
    const place = JSON.stringify([hexOf(keyId), of.clusterUuid, of.tenantId, of.roundId]);
    const known = derived.get(place);
    if (known) return known;
    const key = findTenantKey(store, hexOf(keyId));
    if (!key) return undefined;
    const logKey = roundLogKey(key, of);
    key.fill(0);
    derived.set(place, logKey);
    return logKey;
  };
}
