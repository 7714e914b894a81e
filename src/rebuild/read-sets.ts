// The sets of a data destination as rows. What a row calls AVAILABLE was checked so far: its manifest is whole and in its
// place, and every object that it names, and that the sets it takes blocks from name, is there in full length.
import { sameBytes } from '../base/bytes.ts';
import { fail, isFailure } from '../base/errors.ts';
import { readManifest, SETS_MAX } from '../destination/backup-set-reader.ts';
import { checkObjects } from '../destination/check-objects.ts';
import type { Destination } from '../destination/destination.ts';
import { completeSets } from '../destination/set-listing.ts';
import { type BackupSetManifest, manifestSha256, type SetSource } from '../format/backup-set-manifest.ts';
import { manifestName, parseObjectName, type SetRef, setDirectory } from '../format/layout.ts';
import { type FoundRows, type FoundSet, isStorable } from './found-rows.ts';
import { ID_MAX, type Source, type SourceOwner } from './identify-sources.ts';
import type { RebuildWarnings } from './rebuild-warnings.ts';

/** What other sets need to know of one. */
interface ReadSet {
  row: FoundSet;
  uuid: string;
  manifestSha256: Uint8Array;
  sources: SetSource[];
  ref: SetRef;
}

/** Adds the sets of one destination to `rows`. */
export async function readSets(
  source: Source,
  of: { owner: SourceOwner; rows: FoundRows; warnings: RebuildWarnings; signal: AbortSignal },
): Promise<void> {
  const { destination, uri } = source;
  const { rows, warnings } = of;
  const found = new Map<number, ReadSet>();
  for (const ref of await listSets(source, of)) {
    of.signal.throwIfAborted();
    try {
      const { manifest, bytes } = await readManifest(destination, ref, of.owner);
      checkNumbers(manifest, ref);
      rows.timeZone = manifest.tenant.timeZone;
      const row = rowOf(manifest, uri);
      const { uuid } = manifest.set;
      await checkPresent(destination, { ref, manifest, row, warnings });
      found.set(ref.backupSetId, { row, ref, uuid, manifestSha256: manifestSha256(bytes), sources: manifest.sources });
    } catch (error) {
      warnings.catch(error, destination);
    }
  }
  for (const set of found.values()) checkSources(set, found, { destination, warnings });
  rows.sets.push(...[...found.values()].map(({ row }) => row));
}

/** Complete sets, ascending by id; also notes every id that a name holds, that of a deleted set too. */
async function listSets(
  { destination }: Source,
  of: { rows: FoundRows; warnings: RebuildWarnings },
): Promise<SetRef[]> {
  const objects = await destination.list('');
  for (const { name } of objects) {
    const parsed = parseObjectName(name);
    if (!parsed || !('backupSetId' in parsed)) continue;
    const { backupSetId } = parsed;
    if (backupSetId > ID_MAX) {
      if (parsed.kind === 'manifest') of.warnings.damaged(name, 'no backup set has such a number', destination);
      continue;
    }
    const { taken } = of.rows;
    taken.backupSetId = Math.max(taken.backupSetId, backupSetId);
  }
  const refs = completeSets(objects).filter(({ backupSetId }) => backupSetId <= ID_MAX);
  for (const { backupSetId } of refs) of.rows.present.sets.add(backupSetId);
  if (refs.length > SETS_MAX) throw fail('NOT_SUPPORTED', { what: `a destination of ${refs.length} backup sets is` });
  return refs;
}

/** @throws BACKUP_DATA_CORRUPT (9010) when no server has such numbers */
function checkNumbers({ set }: BackupSetManifest, ref: SetRef): void {
  if (set.destId <= ID_MAX && set.roundId <= ID_MAX && isStorable(set)) return;
  throw fail('BACKUP_DATA_CORRUPT', { object: manifestName(ref), because: 'its numbers are impossible' });
}

/** The row as the server that made the set left it. */
function rowOf(manifest: BackupSetManifest, uri: string): FoundSet {
  const { set, engine, blockCount } = manifest;
  return {
    backupSetId: set.backupSetId,
    destId: set.destId,
    backupType: set.backupType,
    prevFullBackupSetId: set.prevFullBackupSetId,
    prevIncBackupSetId: set.prevIncBackupSetId,
    startNs: set.startNs,
    endNs: set.endNs,
    status: 'SUCCESS',
    fileStatus: 'AVAILABLE',
    lockedUntilNs: 0n,
    isPlusArchivelog: set.isPlusArchivelog,
    roundId: set.roundId,
    consistentScn: set.consistentScn,
    startReplayScn: set.startReplayScn,
    minRestoreScn: set.minRestoreScn,
    inputBytes: manifest.inputBytes,
    outputBytes: manifest.outputBytes,
    tabletCount: engine.tableCount,
    finishTabletCount: engine.tableCount,
    blockCount,
    finishBlockCount: blockCount,
    // The manifest itself is one more.
    fileCount: manifest.objects.length + 1,
    result: 0,
    comment: '',
    encryptionMode: manifest.encryptionMode,
    uri,
  };
}

async function checkPresent(
  destination: Destination,
  of: { ref: SetRef; manifest: BackupSetManifest; row: FoundSet; warnings: RebuildWarnings },
): Promise<void> {
  try {
    await checkObjects(destination, setDirectory(of.ref), of.manifest.objects);
  } catch (error) {
    of.warnings.catch(error, destination);
    breakSet(of.row, error);
  }
}

function breakSet(row: FoundSet, error: unknown): void {
  row.fileStatus = isFailure(error, 'BACKUP_FILE_NOT_EXIST') ? 'INCOMPLETE' : 'BROKEN';
  row.comment = error instanceof Error ? error.message : String(error);
}

/** An increment is as whole as the sets that it takes blocks from; those are older, and so were judged before it. */
function checkSources(
  set: ReadSet,
  found: ReadonlyMap<number, ReadSet>,
  { destination, warnings }: { destination: Destination; warnings: RebuildWarnings },
): void {
  for (const { backupSetId, backupType, uuid, manifestSha256: sha256 } of set.sources) {
    if (set.row.fileStatus !== 'AVAILABLE') return;
    const ref = { backupSetId, type: backupType };
    const source = found.get(backupSetId);
    const isSame = source?.uuid === uuid && sameBytes(source.manifestSha256, sha256);
    if (isSame && source.row.fileStatus === 'AVAILABLE') continue;
    const error = source
      ? fail('BACKUP_DATA_CORRUPT', {
          object: manifestName(set.ref),
          because: isSame
            ? `${setDirectory(ref)}, from which it takes blocks, is ${source.row.fileStatus}`
            : `${setDirectory(ref)} is another set than the one from which it takes blocks`,
        })
      : fail('BACKUP_FILE_NOT_EXIST', { file: manifestName(ref) });
    warnings.catch(error, destination);
    breakSet(set.row, error);
  }
}
