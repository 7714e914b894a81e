// Data keys of backup sets: made per set, wrapped under the statement's password for the destination, and sealed under
// the cluster's key so that a restarted server goes on. The password itself is kept nowhere.
import { randomBytes, randomUUID } from 'node:crypto';
import { derivePasswordKey, type PasswordKey, wrapDataKey } from '../format/key-slot.ts';
import { DATA_KEY_BYTES } from '../format/object-key.ts';
import type { BackupJob, JobKeys } from '../model/backup-job.ts';
import type { ClusterKey } from '../store/cluster-key.ts';

const sealContext = (setUuid: string) => `data key of backup set ${setUuid}`;

/** Derives the statement's wrapping key once, however many tenants it covers; `null` without a password. */
export async function statementKey(password: string | null): Promise<PasswordKey | null> {
  return password === null ? null : derivePasswordKey(password);
}

/** A fresh data key for one set. */
export function newJobKeys(secrets: ClusterKey, passwordKey: PasswordKey): JobKeys {
  const setUuid = randomUUID();
  const dataKey = new Uint8Array(randomBytes(DATA_KEY_BYTES));
  try {
    return {
      slot: wrapDataKey(dataKey, passwordKey, setUuid),
      sealedDataKey: secrets.seal(dataKey, sealContext(setUuid)),
    };
  } finally {
    dataKey.fill(0);
  }
}

export interface SetKeys {
  setUuid: string;
  /** 32 bytes; null stores plain. The caller clears it. */
  dataKey: Uint8Array | null;
  keySlots: string[];
}

/**
 * The identity and key of a job's set. The key slot is bound to the set's uuid, so an encrypted set keeps the uuid it
 * was given with its key; a plain one gets a new uuid with each attempt.
 */
export function openJobKeys(secrets: ClusterKey, job: Pick<BackupJob, 'keys'>): SetKeys {
  if (!job.keys) return { setUuid: randomUUID(), dataKey: null, keySlots: [] };
  const { slot, sealedDataKey } = job.keys;
  const { setUuid } = JSON.parse(slot) as { setUuid: string };
  return { setUuid, dataKey: secrets.open(sealedDataKey, sealContext(setUuid)), keySlots: [slot] };
}
