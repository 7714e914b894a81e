// Manifest of a backup set, `single_backup_set_info.obbak`: written last, names every object with size and hash.
// Checked JSON of kind `set-manifest`; in an encrypted set its MAC line is an HMAC under a key made from the data key.
import { createHash } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import { MIB } from '../base/limits.ts';
import type { BackupType, EncryptionMode } from '../model/backup-job.ts';
import type { Scn } from '../model/scn.ts';
import { checkedJson } from './checked-json.ts';
import {
  type ClusterFacts,
  cluster,
  comment,
  id,
  objectName,
  size,
  type TenantFacts,
  tenant,
  uint32,
  uuid,
  version,
} from './fact-codecs.ts';
import { flag, hex, integer, list, nullable, oneOf, record, scn, text, uint64 } from './json-codec.ts';
import { manifestMacKey } from './object-key.ts';
import { KEY_SLOT_BYTES_MAX } from './slot-text.ts';
import { XXH3_BYTES } from './xxh3.ts';

export const MANIFEST_VERSION = 3;
/** A hundred thousand objects of some 150 bytes each; bounds the memory of a reader. */
export const MANIFEST_BYTES_MAX = 16 * MIB;
const OBJECTS_MAX = 100_000;
/** Several passwords or keys may open one set. */
const KEY_SLOTS_MAX = 16;
/** Sets that one increment takes blocks from: half a year of daily ones. A restore reads the manifest of each. */
export const SOURCES_MAX = 200;

export interface SetFacts {
  backupSetId: number;
  uuid: string;
  destId: number;
  backupType: BackupType;
  /** The full set that it goes back to, and the set that it follows (which may be that one); 0 for a full set. */
  prevFullBackupSetId: number;
  prevIncBackupSetId: number;
  /** SHA-256 of the predecessor's manifest, so that an increment cannot be put on another base; null for a full set. */
  prevManifestSha256: Uint8Array | null;
  /** Archive round that continues this set; 0 when none does: its log was proved wrong. */
  roundId: number;
  consistentScn: Scn;
  startReplayScn: Scn;
  minRestoreScn: Scn;
  startNs: bigint;
  endNs: bigint;
  isPlusArchivelog: boolean;
}

export interface SetEngineFacts {
  engine: string;
  version: string;
  pageSize: number;
  pageCount: number;
  tableCount: number;
  /** Page that is zeros in every block; 0 for none. */
  skipPage: number;
  /** Checksum of the whole database in the set, as `PageMap.checksum`. */
  databaseChecksum: bigint;
}

export interface SetObject {
  /** Below the set's directory. */
  name: string;
  size: number;
  /** XXH3-128 of its bytes as they lie there: damage is found without a key. */
  checksum: Uint8Array;
}

/** An earlier set that an increment takes blocks from. */
export interface SetSource {
  backupSetId: number;
  backupType: BackupType;
  uuid: string;
  manifestSha256: Uint8Array;
}

export interface BackupSetManifest {
  cluster: ClusterFacts;
  tenant: TenantFacts;
  set: SetFacts;
  engine: SetEngineFacts;
  encryptionMode: EncryptionMode;
  /** Texts of `key-slot`; empty exactly for NONE. */
  keySlots: string[];
  /** Packs, index and page map. */
  objects: SetObject[];
  /**
   * Sets that hold blocks of this one, oldest first; empty for a full set. An index entry's `source` counts in it, and
   * its length stands for this set itself.
   */
  sources: SetSource[];
  /** Blocks of its own. */
  blockCount: number;
  inputBytes: bigint;
  outputBytes: bigint;
  description: string;
  /** Version of the server that wrote the set, and the data version of its tenant. */
  compatible: { server: string; tenant: string };
}

const file = checkedJson<BackupSetManifest>({
  kind: 'set-manifest',
  version: MANIFEST_VERSION,
  bytesMax: MANIFEST_BYTES_MAX,
  isAuthenticated: true,
  codec: record<BackupSetManifest>({
    cluster,
    tenant,
    set: record<SetFacts>({
      backupSetId: integer(1, Number.MAX_SAFE_INTEGER),
      uuid,
      destId: id,
      backupType: oneOf('FULL', 'INC'),
      prevFullBackupSetId: id,
      prevIncBackupSetId: id,
      prevManifestSha256: nullable(hex(32)),
      roundId: id,
      consistentScn: scn,
      startReplayScn: scn,
      minRestoreScn: scn,
      startNs: uint64,
      endNs: uint64,
      isPlusArchivelog: flag,
    }),
    engine: record<SetEngineFacts>({
      engine: version,
      version,
      pageSize: uint32,
      pageCount: uint32,
      tableCount: size,
      skipPage: uint32,
      databaseChecksum: uint64,
    }),
    encryptionMode: oneOf('NONE', 'PASSWORD_ENCRYPTION', 'TRANSPARENT_ENCRYPTION', 'DUAL_MODE_ENCRYPTION'),
    keySlots: list(text(KEY_SLOT_BYTES_MAX), KEY_SLOTS_MAX),
    objects: list(record<SetObject>({ name: objectName, size, checksum: hex(XXH3_BYTES) }), OBJECTS_MAX),
    sources: list(
      record<SetSource>({
        backupSetId: integer(1, Number.MAX_SAFE_INTEGER),
        backupType: oneOf('FULL', 'INC'),
        uuid,
        manifestSha256: hex(32),
      }),
      SOURCES_MAX,
    ),
    blockCount: uint32,
    inputBytes: uint64,
    outputBytes: uint64,
    description: comment,
    compatible: record({ server: version, tenant: version }),
  }),
});

/** What no codec of a single field can see; undefined when all fits together. */
function faultOf({ set, encryptionMode, keySlots, objects, sources }: BackupSetManifest): string | undefined {
  if (set.startReplayScn > set.consistentScn || set.consistentScn > set.minRestoreScn)
    return 'its scns are out of order';
  if (set.endNs < set.startNs) return 'it ends before it starts';
  if ((encryptionMode === 'NONE') !== (keySlots.length === 0)) return 'its key slots do not fit its encryption mode';
  const chainFault = set.backupType === 'FULL' ? fullFault(set, sources) : incrementFault(set, sources);
  if (chainFault !== undefined) return chainFault;
  if (new Set(objects.map((object) => object.name)).size !== objects.length) return 'it names an object twice';
  return undefined;
}

function fullFault(set: SetFacts, sources: readonly SetSource[]): string | undefined {
  const hasPredecessor =
    set.prevManifestSha256 !== null || set.prevFullBackupSetId !== 0 || set.prevIncBackupSetId !== 0;
  if (hasPredecessor) return 'a full set has no predecessor';
  return sources.length > 0 ? 'a full set takes no blocks from others' : undefined;
}

function incrementFault(set: SetFacts, sources: readonly SetSource[]): string | undefined {
  const { backupSetId, prevFullBackupSetId: full, prevIncBackupSetId: previous } = set;
  if (set.prevManifestSha256 === null || full < 1 || previous < full || previous >= backupSetId)
    return 'its predecessor does not fit its backup type';
  let before = 0;
  for (const source of sources) {
    if (source.backupSetId <= before || source.backupSetId > previous) return 'its sources are out of order';
    before = source.backupSetId;
  }
  return undefined;
}

/**
 * Writes a manifest.
 * @param dataKey of an encrypted set; null exactly for encryption mode NONE
 */
export function encodeManifest(manifest: BackupSetManifest, dataKey: Uint8Array | null): Uint8Array {
  const fault = faultOf(manifest);
  assert(fault === undefined, `a manifest is sound, but ${fault}`);
  assert((dataKey === null) === (manifest.encryptionMode === 'NONE'), 'an encrypted set has a data key');
  return file.encode(manifest, dataKey ? manifestMacKey(dataKey, manifest.set.uuid) : undefined);
}

/**
 * Reads a manifest and checks all that can be checked without a key.
 * @throws BACKUP_DATA_CORRUPT (9010) naming `object`
 */
export function decodeManifest(bytes: Uint8Array, object = 'single_backup_set_info.obbak'): BackupSetManifest {
  const manifest = file.decode(bytes, object);
  const fault = faultOf(manifest);
  if (fault !== undefined) throw fail('BACKUP_DATA_CORRUPT', { object, because: fault });
  return manifest;
}

/**
 * Checks the MAC of an encrypted set's manifest: nobody without the data key has written or changed it.
 * @throws BACKUP_DATA_CORRUPT (9010) naming `object`
 */
export function verifyManifestMac(
  bytes: Uint8Array,
  dataKey: Uint8Array,
  object = 'single_backup_set_info.obbak',
): void {
  const { set } = decodeManifest(bytes, object);
  if (!file.isAuthentic(bytes, manifestMacKey(dataKey, set.uuid)))
    throw fail('BACKUP_DATA_CORRUPT', { object, because: 'its MAC does not match: it was not written with this key' });
}

/** SHA-256 of a manifest's bytes, for its successor's `prevManifestSha256`. */
export function manifestSha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}
