// What the uris of a RESTORE hold: whose they are, which sets can be read, which log runs on. Nothing is changed there.
import { hexOf } from '../base/bytes.ts';
import { fail, type HoldfastError, isFailure } from '../base/errors.ts';
import { MIB, SYS_TENANT_ID } from '../base/limits.ts';
import { mapAtOnce } from '../base/map-at-once.ts';
import { readManifest, SETS_MAX } from '../destination/backup-set-reader.ts';
import { readFormatFile } from '../destination/claim-destination.ts';
import type { Destination, OpenDestination } from '../destination/destination.ts';
import { isAway } from '../destination/fall-over.ts';
import { listCopies } from '../destination/list-copies.ts';
import { completeSets } from '../destination/set-listing.ts';
import { type BackupSetManifest, manifestSha256 } from '../format/backup-set-manifest.ts';
import type { FormatFile } from '../format/format-file.ts';
import { manifestName, type SetRef, setDirectory } from '../format/layout.ts';
import { type DestinationUri, formatDestinationUri } from '../model/destination-uri.ts';
import { mergeSets } from './merge-sets.ts';
import type { DamagedSet, PlanFacts, PlanSet } from './plan-facts.ts';
import { damageOf, type FoundRun, readRuns } from './read-log.ts';
import { groupSourceUris, type SourceUri } from './source-uris.ts';

/** All manifests of a destination stand in memory at once: a thousand increments in one chain have 100 MiB. */
const MANIFESTS_BYTES_MAX = 256 * MIB;
/** Manifests that are asked for at once: each is two small requests to a place that may be far. */
const MANIFESTS_AT_ONCE = 8;

/** A set with what its manifest says. */
export interface FoundSet extends PlanSet {
  ref: SetRef;
  /** Data destinations that hold this very set, the first to be read first. */
  uris: string[];
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
  /** The archives among them, as they are shown. */
  archiveUris: string[];
  /** By name of a planned piece, the archive that holds it; of several the one that is read first. */
  pieceUris: ReadonlyMap<string, string>;
  /** Sources that did not answer, and why. */
  away: AwaySource[];
}

export interface AwaySource {
  /** As it may be shown. */
  shown: string;
  error: HoldfastError;
}

/** Opens a source of one piece of work. */
export type OpenUri = (uri: DestinationUri) => Destination;

/** RESTORE is a statement of the sys tenant: its sources are opened with that tenant's access keys. */
export function openAsSys({ openDestination }: { openDestination: OpenDestination }): OpenUri {
  return (uri) => openDestination(uri, SYS_TENANT_ID);
}

/** As `openAsSys`, with the access keys that the uris of a statement give: before its job is recorded nothing keeps them. */
export function openGiven({ openDestination }: { openDestination: OpenDestination }, uris: readonly string[]): OpenUri {
  const given = new Map(groupSourceUris(uris).map(({ shown, uri }) => [shown, uri]));
  return (uri) => openDestination(given.get(formatDestinationUri(uri)) ?? uri, SYS_TENANT_ID);
}

/**
 * Reads what a restore can choose from. A source that does not answer is left out, and told of.
 * @param beforeReading called with the owner and the archive uris before anything is listed, so that a running archive
 *        can first be made durable to the present
 * @throws BACKUP_FORMAT_FILE_NOT_EXIST (9080), BACKUP_FORMAT_FILE_NOT_MATCH (9081), NOT_ALLOWED (4179) for several
 *         tenants, RESTORE_SOURCE_NOT_ENOUGH (9119) without a data destination; 9070, 9071 when none answers
 */
export async function readSources(
  uris: readonly string[],
  open: OpenUri,
  beforeReading: (owner: FoundSources['owner'], archiveUris: readonly string[]) => Promise<void>,
): Promise<FoundSources> {
  const sources = groupSourceUris(uris).map((source) => ({ ...source, destination: open(source.uri) }));
  // Copies are read in this order: a disk is nearer than an object store.
  sources.sort((a, b) => Number(a.uri.scheme !== 'file') - Number(b.uri.scheme !== 'file'));
  try {
    const away: AwaySource[] = [];
    const identified: Source[] = [];
    for (const source of sources)
      await unlessAway(source.shown, away, async () => void identified.push(await identify(source)));
    const { data, archives, owner } = sortSources(identified, away);
    const archiveUris = archives.map(({ shown }) => shown);
    await beforeReading(owner, archiveUris);
    const found: SetsOfSource[] = [];
    for (const source of data)
      await unlessAway(source.shown, away, async () => void found.push(await readSets(source)));
    if (found.length === 0) throw away[0]!.error;
    const sets = mergeSets(found);
    const log = await readArchives(archives, owner, away);
    return { ...sets, ...log, owner, archiveUris, away, timeZone: timeZoneOf(sets) };
  } finally {
    for (const { destination } of sources) await destination[Symbol.asyncDispose]();
  }
}

/** What a source that is not there keeps from being read; an empty mount has no format file. */
async function unlessAway(shown: string, away: AwaySource[], read: () => Promise<void>): Promise<void> {
  try {
    await read();
  } catch (error) {
    if (!isAway(error) && !isFailure(error, 'BACKUP_FORMAT_FILE_NOT_EXIST')) throw error;
    away.push({ shown, error });
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

function sortSources(
  sources: readonly Source[],
  away: readonly AwaySource[],
): { data: Source[]; archives: Source[]; owner: FoundSources['owner'] } {
  const data = sources.filter(({ format }) => format.destKind === 'backup_data');
  const archives = sources.filter(({ format }) => format.destKind === 'archive_log');
  const [first] = sources;
  if (!first) throw away[0]!.error;
  const owner = first.format;
  const isSame = ({ format }: Source) => format.clusterUuid === owner.clusterUuid && format.tenantId === owner.tenantId;
  if (!sources.every(isSame)) throw fail('NOT_ALLOWED', { what: 'restore from sources of different tenants is' });
  if (owner.tenantId === SYS_TENANT_ID) throw fail('NOT_ALLOWED', { what: 'restore of the sys tenant is' });
  if (!data[0]) throw away[0]?.error ?? fail('RESTORE_SOURCE_NOT_ENOUGH', { detail: 'no full backup set exists' });
  return { data, archives, owner };
}

/** The log of all archives as one: copies of it, or pieces that were moved apart. */
async function readArchives(
  archives: readonly Source[],
  owner: FoundSources['owner'],
  away: AwaySource[],
): Promise<Pick<FoundSources, 'runs' | 'pieceUris'>> {
  const pieceUris = new Map<string, string>();
  if (archives.length === 0) return { runs: [], pieceUris };
  const places = archives.map(({ destination, shown, pieces: only }) => ({ destination, shown, only }));
  const log = await listCopies(places);
  away.push(...log.away.map(({ place: { shown }, error }) => ({ shown, error })));
  for (const { copies } of log.pieces)
    for (const { place, piece } of [...copies].reverse()) pieceUris.set(piece.directory, places[place]!.shown);
  return { runs: await readRuns(log, { owner }), pieceUris };
}

/** What one data destination holds. */
export type SetsOfSource = Pick<FoundSources, 'sets' | 'sourceSets' | 'damagedSets'>;

async function readSets(source: Source): Promise<SetsOfSource> {
  const asked = await readEach(source, await listSets(source));
  if (source.sets === null) return { ...asked, sourceSets: asked.sets };
  // What the sets that were asked for take blocks from lies beside them; a restore does not start from those.
  const known = new Set([...asked.sets, ...asked.damagedSets].map(({ backupSetId }) => backupSetId));
  const further = new Map<number, SetRef>();
  for (const { backupSetId, backupType: type } of asked.sets.flatMap(({ manifest }) => manifest.sources))
    if (!known.has(backupSetId)) further.set(backupSetId, { backupSetId, type });
  const { sets, damagedSets } = await readEach(source, [...further.values()]);
  return {
    sets: asked.sets,
    sourceSets: [...asked.sets, ...sets],
    damagedSets: [...asked.damagedSets, ...damagedSets],
  };
}

async function readEach(
  source: Source,
  refs: readonly SetRef[],
): Promise<{ sets: FoundSet[]; damagedSets: DamagedSet[] }> {
  let bytes = 0;
  const found = await mapAtOnce(refs, MANIFESTS_AT_ONCE, async (ref): Promise<FoundSet | DamagedSet> => {
    if (bytes > MANIFESTS_BYTES_MAX)
      throw fail('NOT_SUPPORTED', { what: 'a destination with so much in its manifests is' });
    try {
      const set = await readSet(source, ref);
      bytes += set.manifestBytes.length;
      return set;
    } catch (error) {
      return { name: setDirectory(ref), backupSetId: ref.backupSetId, ...damageOf(error) };
    }
  });
  const isRead = (set: FoundSet | DamagedSet): set is FoundSet => 'manifest' in set;
  const isDamaged = (set: FoundSet | DamagedSet): set is DamagedSet => !isRead(set);
  return { sets: found.filter(isRead), damagedSets: found.filter(isDamaged) };
}

/** Complete sets, ascending by id; and those asked for by name whatever is there. */
async function listSets(source: Source): Promise<SetRef[]> {
  if (source.sets !== null) return [...source.sets].sort((a, b) => a.backupSetId - b.backupSetId);
  const refs = completeSets(await source.destination.list(''));
  if (refs.length > SETS_MAX) throw fail('NOT_SUPPORTED', { what: `a destination of ${refs.length} backup sets is` });
  return refs;
}

async function readSet({ destination, shown, format }: Source, ref: SetRef): Promise<FoundSet> {
  const { manifest, bytes } = await readManifest(destination, ref, format);
  const { backupSetId, uuid, roundId, consistentScn, minRestoreScn } = manifest.set;
  return {
    ...{ ref, uris: [shown], name: setDirectory(ref), backupSetId, uuid, roundId, consistentScn, minRestoreScn },
    manifestSha256: hexOf(manifestSha256(bytes)),
    sources: manifest.sources.map((named) => {
      const place = { backupSetId: named.backupSetId, type: named.backupType };
      return {
        ...{ backupSetId: named.backupSetId, name: setDirectory(place), object: manifestName(place) },
        ...{ uuid: named.uuid, manifestSha256: hexOf(named.manifestSha256) },
      };
    }),
    manifest,
    manifestBytes: bytes,
  };
}

/** Zone of the newest set that can be read; points are shown in UTC when there is none. */
function timeZoneOf({ sets }: { sets: readonly FoundSet[] }): string {
  return sets.at(-1)?.manifest.tenant.timeZone ?? '+00:00';
}
