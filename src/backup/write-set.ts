// The last objects of a backup set, in the order that makes it whole: page map and index, then manifest, then the
// placeholders.
// A set is complete exactly when its manifest is there.
import { basename } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { isFailure } from '../base/errors.ts';
import { checkObjects } from '../destination/check-objects.ts';
import type { Destination } from '../destination/destination.ts';
import { extendLocks } from '../destination/locks.ts';
import type { Snapshot } from '../engine/engine-driver.ts';
import { type BackupSetIndex, encodeIndex } from '../format/backup-set-index.ts';
import { type BackupSetManifest, encodeManifest, type SetSource } from '../format/backup-set-manifest.ts';
import { entriesOf, successorIndex } from '../format/index-pages.ts';
import {
  FORMAT_FILE_NAME,
  indexName,
  manifestName,
  pageMapName,
  type SetRef,
  setDirectory,
  setEndName,
  setIntervalName,
  setStartName,
} from '../format/layout.ts';
import { encodePageMapInTurns } from '../format/page-map-file.ts';
import { xxh3 } from '../format/xxh3.ts';
import type { BackupJob, BackupSet } from '../model/backup-job.ts';
import type { Cluster, Tenant } from '../model/tenant.ts';
import type { Copied } from './attempt.ts';
import type { SetKeys } from './backup-keys.ts';
import { predecessorIds } from './choose-parent.ts';
import type { OpenParent } from './open-parent.ts';
import { findOwnManifest } from './whole-set.ts';

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
  /** From 1: the objects of each attempt have names of their own. */
  attempt: number;
  source: Pick<Snapshot, 'pageSize' | 'pageCount' | 'skipPage' | 'facts'>;
  copied: Copied;
  /** What an increment is built on, and the pages that it holds itself; null for a full set. */
  increment: { parent: OpenParent; pages: Uint32Array } | null;
  keys: SetKeys;
  serverVersion: string;
  clock: Clock;
  /** That nobody else writes there by now. @throws DESTINATION_HELD (4038) */
  prove(): Promise<void>;
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
  const { destination, ref, keys } = of;
  const { result, map } = of.copied;
  const { roundId, consistentScn } = of.row;
  const owner = { clusterUuid: of.cluster.uuid, tenantId: of.tenant.tenantId, setUuid: keys.setUuid };
  const { index: entries, sources } = indexOf(of);
  const index = encodeIndex(entries, owner, keys.dataKey);
  const pageMap = await encodePageMapInTurns({ roundId, scn: consistentScn, map }, owner, keys.dataKey);
  // Both have ended before either failure is told: what is cleared away then does not come back.
  const [indexObject, mapObject] = [indexName(ref, of.attempt), pageMapName(ref, of.attempt)];
  const puts = [destination.put(mapObject, pageMap), destination.put(indexObject, index)];
  await Promise.allSettled(puts);
  await Promise.all(puts);
  const now = of.clock.nowNs();
  const endNs = now > of.row.startNs ? now : of.row.startNs;
  const outputBytes = BigInt(result.outputBytes + index.length + pageMap.length);
  const objects = [
    ...result.packs.map(({ name, sizeBytes, checksum }) => ({ name, size: sizeBytes, checksum })),
    { name: basename(mapObject), size: pageMap.length, checksum: xxh3(pageMap) },
    { name: basename(indexObject), size: index.length, checksum: xxh3(index) },
  ];
  // What another server with the same identity, or a hand, took away meanwhile must not be promised.
  await checkObjects(destination, setDirectory(ref), objects);
  const manifest = manifestOf(of, { endNs, outputBytes, objects, sources });
  await of.prove();
  await destination.put(manifestName(ref), encodeManifest(manifest, keys.dataKey));
  await of.prove();
  await putPlaceholders(destination, ref, { startNs: of.row.startNs, endNs });
  return { endNs, fileCount: objects.length + 1, outputBytes };
}

/** The index of a set, and the earlier sets that it takes blocks from. */
function indexOf({ copied, increment, source }: SetToWrite): { index: BackupSetIndex; sources: SetSource[] } {
  const { blocks } = copied.result;
  const { pageSize, pageCount, skipPage } = source;
  if (!increment) {
    const entries = entriesOf(blocks, { pageSize, pages: null, source: 0 });
    return { index: { pageSize, pageCount, skipPage, sourceCount: 0, entries }, sources: [] };
  }
  const { parent, pages } = increment;
  const { backupSetId, backupType, uuid } = parent.manifest.set;
  const below = [...parent.manifest.sources, { backupSetId, backupType, uuid, manifestSha256: parent.manifestSha256 }];
  const own = entriesOf(blocks, { pageSize, pages, source: below.length });
  const { index, usedPlaces } = successorIndex(parent.index, own, { pageSize, pageCount, skipPage });
  return { index, sources: usedPlaces.map((place) => below[place]!) };
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
  // Written once and long ago, it is needed as long as this set.
  await extendLocks(destination, [FORMAT_FILE_NAME]);
}

function manifestOf(
  of: SetToWrite,
  made: Pick<BackupSetManifest, 'objects' | 'outputBytes' | 'sources'> & { endNs: bigint },
): BackupSetManifest {
  const { cluster, tenant, row, source, keys, increment } = of;
  const { result, map } = of.copied;
  const previous = increment ? predecessorIds(increment.parent.manifest) : NO_PREDECESSORS;
  return {
    cluster: { name: cluster.name, id: cluster.clusterId, uuid: cluster.uuid },
    tenant: { id: tenant.tenantId, name: tenant.name, mode: tenant.mode, timeZone: tenant.timeZone },
    set: {
      backupSetId: row.backupSetId,
      uuid: keys.setUuid,
      destId: row.destId,
      backupType: row.backupType,
      ...previous,
      prevManifestSha256: increment ? increment.parent.manifestSha256 : null,
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
      version: source.facts.engineVersion.slice(0, VERSION_CHARS_MAX),
      pageSize: source.pageSize,
      pageCount: source.pageCount,
      tableCount: source.facts.tableCount,
      skipPage: source.skipPage,
      databaseChecksum: map.checksum,
    },
    encryptionMode: of.job.encryptionMode,
    keySlots: keys.keySlots,
    objects: made.objects,
    sources: made.sources,
    blockCount: result.blocks.length,
    inputBytes: BigInt(result.inputBytes),
    outputBytes: made.outputBytes,
    description: of.job.description,
    compatible: { server: of.serverVersion.slice(0, VERSION_CHARS_MAX), tenant: TENANT_COMPATIBLE },
  };
}

const NO_PREDECESSORS = { prevFullBackupSetId: 0, prevIncBackupSetId: 0 } as const;

/**
 * Removes what an unfinished attempt left in a set's directory, temporary files too; its manifest first, so that a
 * half-removed set never looks whole.
 * @param keep objects that stay
 * @throws ENTRY_EXISTS (4017) when the directory holds another complete set
 */
export async function clearAttempt(
  destination: Destination,
  ref: SetRef,
  row: BackupSet,
  keep?: ReadonlySet<string>,
): Promise<void> {
  const manifest = await findOwnManifest(destination, ref, row);
  // One that came late and is labelled would go some day, though it may be the one that counts in the end.
  if (manifest && destination.can.tagsRemoved) return;
  await destination.remove(manifestName(ref));
  await destination.removeAll(setDirectory(ref), keep);
}

/** Removes what a job left under the name of an increment before it became a full backup. */
export async function clearIncrement(destination: Destination, row: BackupSet): Promise<void> {
  const ref = { backupSetId: row.backupSetId, type: 'INC' } as const;
  await clearAttempt(destination, ref, row);
  await destination.remove(setStartName(ref));
}
