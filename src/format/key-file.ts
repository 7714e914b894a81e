// Key file: what BACKUP KEY writes. All versions of a tenant's key under a password: scrypt makes the wrapping key,
// AES-256-GCM wraps the keys and binds everything else that the file says. Checked JSON of kind `tenant-keys`.
import { randomBytes } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { hexOf } from '../base/bytes.ts';
import { fail } from '../base/errors.ts';
import { KIB } from '../base/limits.ts';
import { checkedJson } from './checked-json.ts';
import { type ClusterFacts, cluster, id, type TenantFacts, tenant } from './fact-codecs.ts';
import { hex, integer, list, oneOf, record, uint64 } from './json-codec.ts';
import {
  derivePasswordKey,
  powerOfTwo,
  SALT_BYTES,
  SCRYPT_BOUNDS,
  SCRYPT_DEFAULT,
  type ScryptCost,
} from './key-slot.ts';
import { lengthPrefixed } from './object-key.ts';
import { KEY_ID_BYTES, openPart, sealPart, TAG_BYTES, TENANT_KEY_BYTES, tenantKeyId } from './tenant-key.ts';

export const KEY_FILE_VERSION = 1;
/** A thousand keys of some 250 bytes each. */
export const KEY_FILE_BYTES_MAX = 512 * KIB;
/** A key a day for years. */
export const KEYS_MAX = 1000;

/** One version of a tenant's key. */
export interface ExportedKey {
  version: number;
  createdNs: bigint;
  key: Uint8Array;
}

/** Whose keys they are, as they were called when the file was written. */
export interface KeyFileOwner {
  cluster: ClusterFacts;
  tenant: TenantFacts;
}

interface WrappedKey {
  version: number;
  keyId: Uint8Array;
  createdNs: bigint;
  /** Encrypted key, then the tag. */
  wrapped: Uint8Array;
}

interface KeyFile extends KeyFileOwner {
  writtenNs: bigint;
  kdf: 'scrypt';
  n: number;
  r: number;
  p: number;
  salt: Uint8Array;
  /** Ascending by version. */
  keys: WrappedKey[];
}

const file = checkedJson<KeyFile>({
  kind: 'tenant-keys',
  version: KEY_FILE_VERSION,
  bytesMax: KEY_FILE_BYTES_MAX,
  codec: record<KeyFile>({
    cluster,
    tenant,
    writtenNs: uint64,
    kdf: oneOf('scrypt'),
    n: powerOfTwo(...SCRYPT_BOUNDS.n),
    r: integer(...SCRYPT_BOUNDS.r),
    p: integer(...SCRYPT_BOUNDS.p),
    salt: hex(SALT_BYTES),
    keys: list(
      record<WrappedKey>({
        version: id,
        keyId: hex(KEY_ID_BYTES),
        createdNs: uint64,
        wrapped: hex(TENANT_KEY_BYTES + TAG_BYTES),
      }),
      KEYS_MAX,
    ),
  }),
});

/** Everything that the file says of itself and of one key. */
function associatedData(of: Omit<KeyFile, 'keys'>, count: number, key: Omit<WrappedKey, 'wrapped'>): Buffer {
  const { cluster: c, tenant: t, kdf, n, r, p, salt, writtenNs } = of;
  const owner = [c.name, c.id, c.uuid, t.id, t.name, t.mode, t.timeZone];
  const facts = [KEY_FILE_VERSION, ...owner, String(writtenNs), kdf, n, r, p, salt, count];
  return lengthPrefixed(['holdfast tenant keys', ...facts, key.version, key.keyId, String(key.createdNs)]);
}

/**
 * Writes a key file.
 * @param keys ascending by version, at least one, at most KEYS_MAX
 */
export async function encodeKeyFile(
  of: KeyFileOwner & { writtenNs: bigint; keys: readonly ExportedKey[]; password: string; cost?: ScryptCost },
): Promise<Uint8Array> {
  const { password, cost = SCRYPT_DEFAULT, keys, cluster: ofCluster, tenant: ofTenant, writtenNs } = of;
  assert(keys.length > 0 && keys.length <= KEYS_MAX, 'a key file has keys');
  const salt = new Uint8Array(randomBytes(SALT_BYTES));
  const passwordKey = await derivePasswordKey(password, salt, cost);
  try {
    const facts = {
      cluster: ofCluster,
      tenant: ofTenant,
      writtenNs,
      kdf: 'scrypt' as const,
      ...passwordKey.cost,
      salt,
    };
    const wrapped = keys.map(({ version, createdNs, key }, place) => {
      const named = { version, createdNs, keyId: tenantKeyId(key) };
      // The file draws a salt of its own, so its wrapping key seals nothing else and the place in the list is nonce enough.
      const seal = { key: passwordKey.key, partNo: place };
      return { ...named, wrapped: sealPart(key, seal, associatedData(facts, keys.length, named)) };
    });
    return file.encode({ ...facts, keys: wrapped });
  } finally {
    passwordKey.key.fill(0);
  }
}

/**
 * Reads a key file.
 * @returns keys that the caller clears
 * @throws BACKUP_INVALID_PASSWORD (9047) when the file is whole but this is not its password;
 *         BACKUP_DATA_CORRUPT (9010) when it is damaged or asks for refused costs
 */
export async function decodeKeyFile(
  bytes: Uint8Array,
  password: string,
  object: string,
): Promise<KeyFileOwner & { keys: ExportedKey[] }> {
  const { keys: wrapped, ...facts } = file.decode(bytes, object);
  const damaged = (because: string) => fail('BACKUP_DATA_CORRUPT', { object, because });
  if (wrapped.length === 0) throw damaged('it holds no key');
  const passwordKey = await derivePasswordKey(password, facts.salt, facts);
  const keys: ExportedKey[] = [];
  try {
    for (const [place, named] of wrapped.entries()) {
      const associated = associatedData(facts, wrapped.length, named);
      const key = openPart(named.wrapped, { key: passwordKey.key, partNo: place }, associated);
      // With the first key opened the password is right: what does not open then was changed.
      if (!key && place === 0)
        throw fail('BACKUP_INVALID_PASSWORD', { why: `the given password does not open ${object}` });
      if (!key || hexOf(tenantKeyId(key)) !== hexOf(named.keyId)) throw damaged('a key in it was changed');
      keys.push({ version: named.version, createdNs: named.createdNs, key: new Uint8Array(key) });
    }
    return { cluster: facts.cluster, tenant: facts.tenant, keys };
  } catch (error) {
    for (const { key } of keys) key.fill(0);
    throw error;
  } finally {
    passwordKey.key.fill(0);
  }
}
