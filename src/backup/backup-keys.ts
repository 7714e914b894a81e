// Data keys of backup sets: made per set, wrapped under the statement's password and the tenant's key, and sealed under
// the cluster's key so that a restarted server goes on. The password itself is kept nowhere.
import { randomBytes, randomUUID } from 'node:crypto';
import { isFailure } from '../base/errors.ts';
import type { BackupSetManifest } from '../format/backup-set-manifest.ts';
import type { DerivedKeys } from '../format/derived-keys.ts';
import {
  keySlotParameters,
  type PasswordKey,
  SCRYPT_DEFAULT,
  type ScryptCost,
  unwrapWithPasswordKey,
  wrapDataKey,
} from '../format/key-slot.ts';
import { DATA_KEY_BYTES } from '../format/object-key.ts';
import { isTenantKeySlot, wrapUnderTenantKey } from '../format/tenant-key-slot.ts';
import type { BackupJob, JobKeys } from '../model/backup-job.ts';
import type { ClusterKey } from '../store/cluster-key.ts';
import type { TenantKeyRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { openTenantKey } from '../store/tenant-keys.ts';

const sealContext = (setUuid: string) => `data key of backup set ${setUuid}`;

/** The wrapping keys of one statement's password: copies of those that its session keeps. */
export class StatementKeys {
  readonly #password: string;
  readonly #derived: DerivedKeys;
  readonly #copies: PasswordKey[] = [];
  #isCleared = false;

  constructor(password: string, derived: DerivedKeys) {
    this.#password = password;
    this.#derived = derived;
  }

  /** The key for sets that begin a chain. */
  fresh(): Promise<PasswordKey> {
    return this.#derive({ salt: this.#derived.freshSalt, cost: SCRYPT_DEFAULT });
  }

  /**
   * Opens a set with the password.
   * @returns the set's data key, which the caller clears, and the key that opened it; undefined when it is not its password
   * @throws BACKUP_DATA_CORRUPT (9010) naming `object`
   */
  async open(
    { keySlots, set }: Pick<BackupSetManifest, 'keySlots' | 'set'>,
    object: string,
  ): Promise<{ dataKey: Uint8Array; passwordKey: PasswordKey } | undefined> {
    const options = { setUuid: set.uuid, object };
    for (const slot of keySlots.filter((slot) => !isTenantKeySlot(slot))) {
      const passwordKey = await this.#derive(keySlotParameters(slot, options));
      try {
        return { dataKey: unwrapWithPasswordKey(slot, passwordKey, options), passwordKey };
      } catch (error) {
        if (!isFailure(error, 'BACKUP_INVALID_PASSWORD')) throw error;
      }
    }
    return undefined;
  }

  async #derive({ salt, cost }: { salt: Uint8Array; cost: ScryptCost }): Promise<PasswordKey> {
    const copy = await this.#derived.derive(this.#password, salt, cost);
    this.#copies.push(copy);
    // Whoever was too late is not waited for any more.
    if (this.#isCleared) copy.key.fill(0);
    return copy;
  }

  /** Overwrites every key that this statement has used. */
  clear(): void {
    this.#isCleared = true;
    for (const { key } of this.#copies) key.fill(0);
  }
}

/**
 * Whether the key that opened a set may also wrap the next one's: whoever restores a chain then derives it once. A set
 * with cheaper costs than those of today is not carried on.
 */
export function mayCarryOn(passwordKey: PasswordKey | null): passwordKey is PasswordKey {
  if (passwordKey === null) return false;
  const { n, r, p } = passwordKey.cost;
  return n >= SCRYPT_DEFAULT.n && r >= SCRYPT_DEFAULT.r && p >= SCRYPT_DEFAULT.p;
}

/** A fresh data key for one set, wrapped under each key that is there: any of them opens it. Undefined when there is none. */
export function newJobKeys(
  store: Store,
  of: { passwordKey: PasswordKey | null; tenantKey: TenantKeyRecord | null },
): JobKeys | undefined {
  const setUuid = randomUUID();
  const { passwordKey } = of;
  const dataKey = new Uint8Array(randomBytes(DATA_KEY_BYTES));
  const tenantKey = of.tenantKey && openTenantKey(store, of.tenantKey);
  try {
    const [slot, dualSlot] = [
      ...(passwordKey ? [wrapDataKey(dataKey, passwordKey, setUuid)] : []),
      ...(tenantKey ? [wrapUnderTenantKey(dataKey, tenantKey, setUuid)] : []),
    ];
    if (slot === undefined) return undefined;
    const sealedDataKey = sealDataKey(store.secrets, dataKey, setUuid);
    return { slot, ...(dualSlot === undefined ? {} : { dualSlot }), sealedDataKey };
  } finally {
    dataKey.fill(0);
    tenantKey?.fill(0);
  }
}

export function sealDataKey(secrets: ClusterKey, dataKey: Uint8Array, setUuid: string): Uint8Array {
  return secrets.seal(dataKey, sealContext(setUuid));
}

/** @returns the data key of a set, which the caller clears; null for a set without encryption */
export function openSealedKey(secrets: ClusterKey, sealed: Uint8Array | null, setUuid: string): Uint8Array | null {
  return sealed && secrets.open(sealed, sealContext(setUuid));
}

export interface SetKeys {
  setUuid: string;
  /** 32 bytes; null stores plain. The caller clears it. */
  dataKey: Uint8Array | null;
  keySlots: string[];
}

/** The uuid of the set that keys were made for. */
export function uuidOf({ slot }: JobKeys): string {
  return (JSON.parse(slot) as { setUuid: string }).setUuid;
}

/**
 * The identity and key of a job's set. The key slot is bound to the set's uuid, so an encrypted set keeps the uuid it
 * was given with its key; a plain one gets a new uuid with each attempt that goes on from nothing.
 */
export function openJobKeys(secrets: ClusterKey, job: Pick<BackupJob, 'keys'>, plainUuid?: string): SetKeys {
  if (!job.keys) return { setUuid: plainUuid ?? randomUUID(), dataKey: null, keySlots: [] };
  const { slot, dualSlot, sealedDataKey } = job.keys;
  const setUuid = uuidOf(job.keys);
  return {
    setUuid,
    dataKey: openSealedKey(secrets, sealedDataKey, setUuid),
    keySlots: dualSlot === undefined ? [slot] : [slot, dualSlot],
  };
}
