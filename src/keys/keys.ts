// The keys of tenants: made, rotated, written to a file that a restore on an empty machine can read, and read from it.
import { basename, dirname } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { fail } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { makeDirectory } from '../base/make-directory.ts';
import type { OpenDestination } from '../destination/destination.ts';
import { destinationFailure } from '../destination/file-errors.ts';
import { isNamePart } from '../destination/object-name.ts';
import { decodeKeyFile, type ExportedKey, encodeKeyFile, KEY_FILE_BYTES_MAX, KEYS_MAX } from '../format/key-file.ts';
import { type DestinationUri, formatDestinationUri, maskUri, parseDestinationUri } from '../model/destination-uri.ts';
import type { Tenant } from '../model/tenant.ts';
import type { TenantKeyRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { addTenantKey, keyInUse, keysOf, openTenantKey } from '../store/tenant-keys.ts';
import type { KeyFilePlace, KeyService } from './key-service.ts';

/** Nobody else's business, though its files open with the password only. */
const DIRECTORY_MODE = 0o700;

export interface KeyDependencies {
  store: Store;
  clock: Clock;
  log: Log;
  /** Opens a destination without touching it. */
  openDestination: OpenDestination;
}

export function createKeys(deps: KeyDependencies): KeyService {
  return new Keys(deps);
}

class Keys implements KeyService {
  readonly #deps: KeyDependencies;

  constructor(deps: KeyDependencies) {
    this.#deps = deps;
  }

  ensure(tenantId: number): void {
    const { store, clock, log } = this.#deps;
    if (keysOf(store, tenantId).length > 0) return;
    addTenantKey(store, tenantId, clock.nowNs());
    log.info('tenant key made', { tenantId, version: 1 });
  }

  rotate(tenantId: number): void {
    const { store, clock, log } = this.#deps;
    const record = keyInUse(store, tenantId);
    if (!record) throw fail('NOT_SUPPORTED', { what: "a new key for a tenant with tde_method = 'none' is" });
    if (keysOf(store, tenantId).length >= KEYS_MAX)
      throw fail('INVALID_ARGUMENT', { what: `a new key: the tenant has ${KEYS_MAX} already` });
    addTenantKey(store, tenantId, clock.nowNs());
    log.info('tenant key rotated', { tenantId, version: record.version + 1 });
  }

  async exportKeys(tenantId: number, place: KeyFilePlace): Promise<void> {
    const { store, clock, log } = this.#deps;
    const tenant = store.tenants.get({ tenantId });
    if (!tenant) throw fail('TENANT_NOT_EXIST', { tenant: String(tenantId) });
    const { directory, name } = keyFilePlace(place.path);
    const records = keysOf(store, tenantId);
    if (records.length === 0) throw fail('ENTRY_NOT_EXIST', { what: `a key of tenant '${tenant.name}'` });
    const writtenNs = clock.nowNs();
    const bytes = await this.#encode(tenant, records, { writtenNs, password: place.password });
    await using destination = this.#deps.openDestination(directory, tenantId);
    await makePlace(directory);
    await destination.put(name, bytes);
    // A version that was made meanwhile is not in the file.
    store.transaction(() => {
      for (const { version } of records) store.tenantKeys.update({ tenantId, version }, { exportedNs: writtenNs });
    });
    log.info('tenant keys exported', { tenantId, versions: records.length, directory: directory.path, name });
  }

  async #encode(
    { tenantId: id, name, mode, timeZone }: Tenant,
    records: readonly TenantKeyRecord[],
    of: { writtenNs: bigint; password: string },
  ): Promise<Uint8Array> {
    const { store } = this.#deps;
    const { name: clusterName, clusterId, uuid } = store.cluster;
    const keys = records.map((record) => ({ ...record, key: openTenantKey(store, record) }));
    try {
      const cluster = { name: clusterName, id: clusterId, uuid };
      return await encodeKeyFile({ ...of, cluster, tenant: { id, name, mode, timeZone }, keys });
    } finally {
      clearKeys(keys);
    }
  }

  async readKeys({ path, password }: KeyFilePlace): Promise<ExportedKey[]> {
    const { directory, name } = keyFilePlace(path);
    const object = `${directory.path}/${name}`;
    await using destination = this.#deps.openDestination(directory, SYS_TENANT_ID);
    const sizeBytes = await destination.size(name);
    if (sizeBytes === undefined) throw fail('BACKUP_FILE_NOT_EXIST', { file: object });
    if (sizeBytes > KEY_FILE_BYTES_MAX)
      throw fail('BACKUP_DATA_CORRUPT', {
        object,
        because: `it has ${sizeBytes} bytes, more than ${KEY_FILE_BYTES_MAX}`,
      });
    return (await decodeKeyFile(await destination.get(name), password, object)).keys;
  }
}

/**
 * A key file lies as an object in its directory: so it appears whole and durable, and nothing is ever overwritten.
 * @throws INVALID_BACKUP_DEST (9026) for a place that is no file below a directory
 */
export function keyFilePlace(path: string): { directory: DestinationUri; name: string } {
  const uri = parseDestinationUri(path.startsWith('/') ? `file://${path}` : path);
  const [directory, name] = [dirname(uri.path), basename(uri.path)];
  if (!isNamePart(name) || directory === '/' || Object.keys(uri.options).length > 0)
    throw fail('INVALID_BACKUP_DEST', { uri: maskUri(path) });
  return { directory: { ...uri, path: directory }, name };
}

async function makePlace(directory: DestinationUri): Promise<void> {
  if (directory.scheme !== 'file') return;
  try {
    await makeDirectory(directory.path, DIRECTORY_MODE);
  } catch (error) {
    throw destinationFailure(error, formatDestinationUri(directory), 'make the directory');
  }
}

/** Overwrites keys that are not needed any more. */
export function clearKeys(keys: ReadonlyArray<{ key: Uint8Array }>): void {
  for (const { key } of keys) key.fill(0);
}
