// The last objects of a backup set, in the order that makes it whole: index, then manifest, then the placeholders.
// A set is complete exactly when its manifest is there.
import type { Clock } from '../base/clock.ts';
import { fail, isFailure } from '../base/errors.ts';
import { checkObjects } from '../destination/check-objects.ts';
import type { Destination } from '../destination/destination.ts';
import type { EngineFacts, Snapshot } from '../engine/engine-driver.ts';
import { encodeIndex, pagesPerBlock } from '../format/backup-set-index.ts';
import {
  type BackupSetManifest,
  decodeManifest,
  encodeManifest,
  MANIFEST_BYTES_MAX,
} from '../format/backup-set-manifest.ts';
import {
  INDEX_NAME,
  indexName,
  manifestName,
  type SetRef,
  setDirectory,
  setEndName,
  setIntervalName,
} from '../format/layout.ts';
import { sha256 } from '../format/log-batch-table.ts';
import type { BackupJob, BackupSet } from '../model/backup-job.ts';
import type { Cluster, Tenant } from '../model/tenant.ts';
import type { BackupResult } from '../pipeline/pipeline.ts';
import type { SetKeys } from './backup-keys.ts';

/** Data version that tenants of this server have, as a set states it. */
const TENANT_COMPATIBLE = '4.3.3.0';
/** Longest version text in a manifest. */
const VERSION_CHARS_MAX = 64;

export interface SetToWrite {
  destination: Destination;
  ref: SetRef;
  job: Pick<BackupJob, 'description' | 'encryptionMode' | 'isPlusArchivelog'>;
  row: BackupSet;
  cluster: Cluster;
  tenant: Tenant;
  engine: string;
  facts: EngineFacts;
  source: Pick<Snapshot, 'pageSize' | 'pageCount' | 'skipPage'>;
  result: BackupResult;
  keys: SetKeys;
  serverVersion: string;
  clock: Clock;
}

/** Puts a small object that may be there from an earlier attempt with the same meaning. */
export async function putNew(destination: Destination, name: string, bytes: Uint8Array): Promise<void> {
  try {
    await destination.put(name, bytes);
  } catch (error) {
    if (!isFailure(error, 'ENTRY_EXISTS')) throw error;
  }
}

/**
 * Makes a set whole.
 * @returns when it ended, its objects with the manifest, and their bytes without it
 * @throws the destination's errors; ENTRY_EXISTS (4017) when another set has the directory; BACKUP_FILE_NOT_EXIST (9011),
 *         BACKUP_DATA_CORRUPT (9010) when what was written is there no more
 */
export async function writeSet(of: SetToWrite): Promise<{ endNs: bigint; fileCount: number; outputBytes: bigint }> {
  const { destination, ref, keys, result, source } = of;
  const owner = { clusterUuid: of.cluster.uuid, tenantId: of.tenant.tenantId, setUuid: keys.setUuid };
  const { pageSize, pageCount } = source;
  const entries = [...result.blocks].sort((a, b) => a.blockNo - b.blockNo);
  const index = encodeIndex(
    { pageSize, pageCount, pagesPerBlock: pagesPerBlock(pageSize), entries },
    owner,
    keys.dataKey,
  );
  await destination.put(indexName(ref), index);
  const now = of.clock.nowNs();
  const endNs = now > of.row.startNs ? now : of.row.startNs;
  const outputBytes = BigInt(result.outputBytes + index.length);
  const objects = [
    ...result.packs.map(({ name, sizeBytes, sha256: hash }) => ({ name, size: sizeBytes, sha256: hash })),
    { name: INDEX_NAME, size: index.length, sha256: sha256(index) },
  ];
  // What another server with the same identity, or a hand, took away meanwhile must not be promised.
  await checkObjects(destination, setDirectory(ref), objects);
  const manifest = manifestOf(of, { endNs, outputBytes, objects });
  await destination.put(manifestName(ref), encodeManifest(manifest, keys.dataKey));
  await putPlaceholders(destination, ref, { startNs: of.row.startNs, endNs });
  return { endNs, fileCount: objects.length + 1, outputBytes };
}

/**
 * Shows a complete set in listings. Safe to repeat; a writer that died right behind its manifest leaves it to the next
 * one, and the first placeholder also makes the manifest's name durable: they lie in one directory.
 */
export async function putPlaceholders(
  destination: Destination,
  ref: SetRef,
  { startNs, endNs }: { startNs: bigint; endNs: bigint },
): Promise<void> {
  await putNew(destination, setIntervalName(ref, startNs, endNs), new Uint8Array(0));
  await putNew(destination, setEndName(ref, endNs), new Uint8Array(0));
}

function manifestOf(
  of: SetToWrite,
  made: Pick<BackupSetManifest, 'objects' | 'outputBytes'> & { endNs: bigint },
): BackupSetManifest {
  const { cluster, tenant, row, source, facts, keys } = of;
  return {
    cluster: { name: cluster.name, id: cluster.clusterId, uuid: cluster.uuid },
    tenant: { id: tenant.tenantId, name: tenant.name, mode: tenant.mode, timeZone: tenant.timeZone },
    set: {
      backupSetId: row.backupSetId,
      uuid: keys.setUuid,
      destId: row.destId,
      backupType: row.backupType,
      prevFullBackupSetId: 0,
      prevIncBackupSetId: 0,
      prevManifestSha256: null,
      roundId: row.roundId,
      consistentScn: row.consistentScn,
      startReplayScn: row.startReplayScn,
      minRestoreScn: row.minRestoreScn,
      startNs: row.startNs,
      endNs: made.endNs,
      isPlusArchivelog: of.job.isPlusArchivelog,
    },
    engine: {
      engine: of.engine,
      version: facts.engineVersion.slice(0, VERSION_CHARS_MAX),
      pageSize: source.pageSize,
      pageCount: source.pageCount,
      tableCount: facts.tableCount,
      skipPage: source.skipPage,
    },
    encryptionMode: of.job.encryptionMode,
    keySlots: keys.keySlots,
    objects: made.objects,
    blockCount: of.result.blocks.length,
    inputBytes: BigInt(of.result.inputBytes),
    outputBytes: made.outputBytes,
    description: of.job.description,
    compatible: { server: of.serverVersion.slice(0, VERSION_CHARS_MAX), tenant: TENANT_COMPATIBLE },
  };
}

/** Reads the manifest at a set's place; undefined when there is none. @throws BACKUP_DATA_CORRUPT */
async function readManifest(destination: Destination, ref: SetRef): Promise<BackupSetManifest | undefined> {
  const name = manifestName(ref);
  const sizeBytes = await destination.size(name);
  if (sizeBytes === undefined) return undefined;
  if (sizeBytes > MANIFEST_BYTES_MAX)
    throw fail('BACKUP_DATA_CORRUPT', { object: name, because: `it has ${sizeBytes} bytes` });
  return decodeManifest(await destination.get(name), name);
}

function isOwn(manifest: BackupSetManifest, row: BackupSet): boolean {
  const { tenant, set } = manifest;
  return (
    tenant.id === row.tenantId &&
    set.backupSetId === row.backupSetId &&
    set.startNs === row.startNs &&
    set.consistentScn === row.consistentScn
  );
}

/**
 * The manifest of this very row's attempt; undefined when none was written.
 * @throws ENTRY_EXISTS (4017) when the directory holds another complete set: nothing is ever overwritten
 */
export async function findOwnManifest(
  destination: Destination,
  ref: SetRef,
  row: BackupSet,
): Promise<BackupSetManifest | undefined> {
  const manifest = await readManifest(destination, ref);
  if (manifest && !isOwn(manifest, row))
    throw fail('ENTRY_EXISTS', { what: `${row.uri}/${setDirectory(ref)} with another backup set` });
  return manifest;
}

/**
 * Removes what an unfinished attempt left in a set's directory, temporary files too; its manifest first, so that a
 * half-removed set never looks whole.
 * @throws ENTRY_EXISTS (4017) when the directory holds another complete set
 */
export async function clearAttempt(destination: Destination, ref: SetRef, row: BackupSet): Promise<void> {
  await findOwnManifest(destination, ref, row);
  await destination.remove(manifestName(ref));
  await destination.removeAll(setDirectory(ref));
}
