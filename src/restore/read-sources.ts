// What the uris of a RESTORE hold: whose they are, which sets can be read, which log runs on. Nothing is changed there.
import { fail } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { readFormatFile } from '../destination/claim-destination.ts';
import type { Destination } from '../destination/destination.ts';
import { type BackupSetManifest, decodeManifest, MANIFEST_BYTES_MAX } from '../format/backup-set-manifest.ts';
import type { FormatFile } from '../format/format-file.ts';
import { manifestName, parseObjectName, type SetRef, setDirectory } from '../format/layout.ts';
import type { DestinationUri } from '../model/destination-uri.ts';
import type { DamagedSet, PlanFacts, PlanSet } from './plan-restore.ts';
import { damageOf, type FoundRun, readRuns } from './read-log.ts';
import { groupSourceUris, type SourceUri } from './source-uris.ts';

/** Sets at one destination: a daily full of thirty years has fewer. */
const SETS_MAX = 20_000;

export type OpenDestination = (uri: DestinationUri) => Destination;

/** A set with what its manifest says. */
export interface FoundSet extends PlanSet {
  ref: SetRef;
  /** Uri of the data destination. */
  uri: string;
  manifest: BackupSetManifest;
  /** As read: its hash and MAC are taken over these. */
  manifestBytes: Uint8Array;
}

/** One destination of the statement, opened and identified. */
interface Source extends SourceUri {
  destination: Destination;
  format: FormatFile;
}

export interface FoundSources extends PlanFacts<FoundSet, FoundRun> {
  /** Whose sources they are. */
  owner: Pick<FormatFile, 'clusterUuid' | 'tenantId' | 'tenantName' | 'clusterName'>;
}

/**
 * Reads what a restore can choose from.
 * @param beforeReading called with the owner and the archive uris before anything is listed, so that a running archive
 *        can first be made durable to the present
 * @throws BACKUP_FORMAT_FILE_NOT_EXIST (9080), BACKUP_FORMAT_FILE_NOT_MATCH (9081), NOT_SUPPORTED (4007) for two data
 *         destinations, NOT_ALLOWED (4179) for several tenants, RESTORE_SOURCE_NOT_ENOUGH (9119) without a data destination
 */
export async function readSources(
  uris: readonly string[],
  open: OpenDestination,
  beforeReading: (owner: FoundSources['owner'], archiveUris: readonly string[]) => Promise<void>,
): Promise<FoundSources> {
  const sources = groupSourceUris(uris).map((source) => ({ ...source, destination: open(source.uri) }));
  try {
    const identified: Source[] = [];
    for (const source of sources) identified.push(await identify(source));
    const { data, archives, owner } = sortSources(identified);
    await beforeReading(
      owner,
      archives.map(({ shown }) => shown),
    );
    const found = await readSets(data);
    const runs: FoundRun[] = [];
    for (const { destination, shown, pieces } of archives)
      runs.push(...(await readRuns(destination, { uri: shown, owner, only: pieces })));
    return { ...found, runs, owner, timeZone: timeZoneOf(found) };
  } finally {
    for (const { destination } of sources) await destination[Symbol.asyncDispose]();
  }
}

async function identify(source: SourceUri & { destination: Destination }): Promise<Source> {
  const format = await readFormatFile(source.destination);
  if (!format) throw fail('BACKUP_FORMAT_FILE_NOT_EXIST', { uri: source.shown });
  const isData = format.destKind === 'backup_data';
  const stray = isData ? source.pieces?.length : source.sets?.length;
  if (stray)
    throw fail('BACKUP_FORMAT_FILE_NOT_MATCH', {
      uri: source.shown,
      because: `it is a destination of kind ${format.destKind}`,
    });
  return { ...source, format };
}

function sortSources(sources: readonly Source[]): { data: Source; archives: Source[]; owner: FoundSources['owner'] } {
  const data = sources.filter(({ format }) => format.destKind === 'backup_data');
  const archives = sources.filter(({ format }) => format.destKind === 'archive_log');
  if (data.length > 1)
    throw fail('NOT_SUPPORTED', { what: 'It is not support to restore from multiple tenant backup paths.' });
  const [first] = sources;
  const owner = first!.format;
  const isSame = ({ format }: Source) => format.clusterUuid === owner.clusterUuid && format.tenantId === owner.tenantId;
  if (!sources.every(isSame)) throw fail('NOT_ALLOWED', { what: 'restore from sources of different tenants is' });
  if (owner.tenantId === SYS_TENANT_ID) throw fail('NOT_ALLOWED', { what: 'restore of the sys tenant is' });
  if (!data[0]) throw fail('RESTORE_SOURCE_NOT_ENOUGH', { detail: 'no full backup set exists' });
  return { data: data[0], archives, owner };
}

async function readSets(source: Source): Promise<{ sets: FoundSet[]; damagedSets: DamagedSet[] }> {
  const sets: FoundSet[] = [];
  const damagedSets: DamagedSet[] = [];
  for (const ref of await listSets(source)) {
    try {
      sets.push(await readSet(source, ref));
    } catch (error) {
      damagedSets.push({ name: setDirectory(ref), backupSetId: ref.backupSetId, ...damageOf(error) });
    }
  }
  return { sets, damagedSets };
}

/** Complete sets, ascending by id: those with a manifest, and those asked for by name whatever is there. */
async function listSets(source: Source): Promise<SetRef[]> {
  if (source.sets !== null) return [...source.sets].sort((a, b) => a.backupSetId - b.backupSetId);
  const refs: SetRef[] = [];
  for (const { name } of await source.destination.list('')) {
    const parsed = parseObjectName(name);
    if (parsed?.kind === 'manifest') refs.push({ backupSetId: parsed.backupSetId, type: parsed.type });
  }
  if (refs.length > SETS_MAX) throw fail('NOT_SUPPORTED', { what: `a destination of ${refs.length} backup sets is` });
  return refs.sort((a, b) => a.backupSetId - b.backupSetId);
}

async function readSet({ destination, shown, format }: Source, ref: SetRef): Promise<FoundSet> {
  const { manifest, bytes } = await readManifest(destination, ref, format);
  const { backupSetId, roundId, consistentScn, minRestoreScn } = manifest.set;
  return {
    ref,
    uri: shown,
    name: setDirectory(ref),
    backupSetId,
    roundId,
    consistentScn,
    minRestoreScn,
    manifest,
    manifestBytes: bytes,
  };
}

/**
 * Reads one manifest within its bounds and checks that it is where it belongs.
 * @throws BACKUP_FILE_NOT_EXIST (9011), BACKUP_DATA_CORRUPT (9010)
 */
export async function readManifest(
  destination: Destination,
  ref: SetRef,
  owner: Pick<FormatFile, 'clusterUuid' | 'tenantId'>,
): Promise<{ manifest: BackupSetManifest; bytes: Uint8Array }> {
  const object = manifestName(ref);
  const sizeBytes = await destination.size(object);
  if (sizeBytes === undefined) throw fail('BACKUP_FILE_NOT_EXIST', { file: object });
  if (sizeBytes > MANIFEST_BYTES_MAX)
    throw fail('BACKUP_DATA_CORRUPT', {
      object,
      because: `it has ${sizeBytes} bytes, more than ${MANIFEST_BYTES_MAX}`,
    });
  const bytes = await destination.get(object);
  const manifest = decodeManifest(bytes, object);
  const isOwn = manifest.cluster.uuid === owner.clusterUuid && manifest.tenant.id === owner.tenantId;
  if (!isOwn) throw fail('BACKUP_DATA_CORRUPT', { object, because: 'it belongs to another cluster or tenant' });
  if (manifest.set.backupSetId !== ref.backupSetId || manifest.set.backupType !== ref.type)
    throw fail('BACKUP_DATA_CORRUPT', { object, because: `it is that of the backup set ${manifest.set.backupSetId}` });
  return { manifest, bytes };
}

/** Zone of the newest set that can be read; points are shown in UTC when there is none. */
function timeZoneOf({ sets }: { sets: readonly FoundSet[] }): string {
  return sets.at(-1)?.manifest.tenant.timeZone ?? '+00:00';
}
