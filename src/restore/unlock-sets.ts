// The data keys of all sets that a restore takes blocks from: each may have a password of its own.
import { fail, isFailure } from '../base/errors.ts';
import { type DeriveKey, PASSWORDS_MAX, type SetToOpen, unlockSet } from '../destination/backup-set-reader.ts';
import type { DerivedKeys } from '../format/derived-keys.ts';
import type { FindTenantKey } from '../format/tenant-key-slot.ts';

/** Data keys by set id; sets without encryption have none. */
export class DataKeys {
  readonly #keys = new Map<number, Uint8Array>();

  add(backupSetId: number, dataKey: Uint8Array): void {
    this.#keys.set(backupSetId, dataKey);
  }

  entries(): Array<[backupSetId: number, dataKey: Uint8Array]> {
    return [...this.#keys];
  }

  get(backupSetId: number): Uint8Array | null {
    return this.#keys.get(backupSetId) ?? null;
  }

  clear(): void {
    for (const key of this.#keys.values()) key.fill(0);
    this.#keys.clear();
  }
}

/**
 * Finds the data key of every set with the tenant keys that are at hand and the session's passwords.
 * @param derived what was derived from them before; gets what is derived now
 * @returns keys that the caller clears
 * @throws as `unlockSet`; BACKUP_INVALID_PASSWORD (9047) names the first set that none of the passwords opens
 */
export async function unlockSets(
  sets: readonly SetToOpen[],
  passwords: readonly string[],
  derived: DerivedKeys,
  findKey?: FindTenantKey,
): Promise<DataKeys> {
  if (passwords.length > PASSWORDS_MAX)
    throw fail('INVALID_ARGUMENT', { what: `SET DECRYPTION: more than ${PASSWORDS_MAX} passwords` });
  const keys = new DataKeys();
  // The password that opened the last set most likely opens the next one too.
  let ordered = [...passwords];
  try {
    for (const set of sets) {
      const opened = await unlockOne(set, ordered, derived, findKey);
      if (!opened) continue;
      keys.add(set.ref.backupSetId, opened.dataKey);
      const { password: first } = opened;
      if (first !== undefined) ordered = [first, ...ordered.filter((password) => password !== first)];
    }
    return keys;
  } catch (error) {
    keys.clear();
    throw error;
  }
}

async function unlockOne(
  set: SetToOpen,
  passwords: readonly string[],
  derived: DerivedKeys,
  findKey: FindTenantKey | undefined,
): Promise<{ dataKey: Uint8Array; password: string | undefined } | null> {
  if (set.manifest.encryptionMode === 'NONE') return null;
  const derive: DeriveKey = (password, salt, cost) => derived.derive(password, salt, cost);
  // A tenant key that is at hand costs no derivation.
  if (findKey) {
    try {
      const dataKey = await unlockSet(set, [], derive, findKey);
      return dataKey && { dataKey, password: undefined };
    } catch (error) {
      if (!isFailure(error, 'BACKUP_INVALID_PASSWORD')) throw error;
    }
  }
  for (const password of passwords) {
    try {
      const dataKey = await unlockSet(set, [password], derive);
      return dataKey && { dataKey, password };
    } catch (error) {
      if (!isFailure(error, 'BACKUP_INVALID_PASSWORD')) throw error;
    }
  }
  // Once more with all of them, which are derived by now: the error counts and names what was tried.
  const dataKey = await unlockSet(set, passwords, derive, findKey);
  return dataKey && { dataKey, password: passwords[0] ?? '' };
}
