// What lies complete at a set's place: another attempt of the same job may have made it, when the answer to its manifest
// was lost. A set is complete exactly when its manifest is there.
import { fail } from '../base/errors.ts';
import { checkObjects } from '../destination/check-objects.ts';
import type { Destination } from '../destination/destination.ts';
import { type BackupSetManifest, decodeManifest, MANIFEST_BYTES_MAX } from '../format/backup-set-manifest.ts';
import { manifestName, type SetRef, setDirectory } from '../format/layout.ts';
import type { BackupSet, BackupTask } from '../model/backup-job.ts';
import { damageText } from './open-parent.ts';

/** Reads the manifest at a set's place; undefined when there is none. @throws BACKUP_DATA_CORRUPT */
async function readManifest(destination: Destination, ref: SetRef): Promise<BackupSetManifest | undefined> {
  const name = manifestName(ref);
  const sizeBytes = await destination.size(name);
  if (sizeBytes === undefined) return undefined;
  if (sizeBytes > MANIFEST_BYTES_MAX)
    throw fail('BACKUP_DATA_CORRUPT', { object: name, because: `it has ${sizeBytes} bytes` });
  return decodeManifest(await destination.get(name), name);
}

function isOwn({ tenant, set }: BackupSetManifest, row: BackupSet): boolean {
  return tenant.id === row.tenantId && set.backupSetId === row.backupSetId && set.startNs === row.startNs;
}

/**
 * The manifest of a row's set, whichever attempt wrote it; undefined when none did. A write whose answer was lost may have
 * put it there.
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
 * The manifest of a row's set; undefined when there is none, and when not all that it names is there.
 * @throws ENTRY_EXISTS (4017) as `findOwnManifest`
 */
export async function findWholeSet(
  destination: Destination,
  ref: SetRef,
  row: BackupSet,
): Promise<BackupSetManifest | undefined> {
  try {
    const manifest = await findOwnManifest(destination, ref, row);
    if (manifest) await checkObjects(destination, setDirectory(ref), manifest.objects);
    return manifest;
  } catch (error) {
    if (damageText(error) === undefined) throw error;
    return undefined;
  }
}

/** What rows say of a set that is complete: what it cost, and the state in it. */
export interface CompleteSet {
  done: Pick<BackupSet, 'fileCount' | 'outputBytes'> & { endNs: bigint } & Partial<BackupSet & BackupTask>;
  /** Left out when it is what the row says. */
  state?: Pick<BackupSet, 'roundId' | 'consistentScn' | 'startReplayScn' | 'minRestoreScn'>;
}

/** A complete set by its manifest alone. */
export function completeSet({ set, objects, engine, ...of }: BackupSetManifest): CompleteSet {
  const { inputBytes, outputBytes, blockCount } = of;
  const { endNs, roundId, consistentScn, startReplayScn, minRestoreScn } = set;
  const { tableCount } = engine;
  return {
    done: {
      ...{ endNs, inputBytes, outputBytes, blockCount, finishBlockCount: blockCount },
      ...{ tabletCount: tableCount, finishTabletCount: tableCount },
      // The manifest itself is one more.
      fileCount: objects.length + 1,
    },
    state: { roundId, consistentScn, startReplayScn, minRestoreScn },
  };
}
