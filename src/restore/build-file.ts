// Writes the database file of a restore under its temporary name and proves it: the log agrees with the set's page map
// commit by commit, and the file that lies there has, page by page, what set and log say.

import { assert } from '../base/assert.ts';
import { hexOf } from '../base/bytes.ts';
import { fail, type HoldfastError, isFailure } from '../base/errors.ts';
import { GIB } from '../base/limits.ts';
import type { ArchivedPiece } from '../destination/archive-listing.ts';
import { readManifest, readPageMap, readSetIndex, setOwner } from '../destination/backup-set-reader.ts';
import type { Destination } from '../destination/destination.ts';
import { joinDestinations } from '../destination/joined-destination.ts';
import { checksumText, PageMapRoll } from '../destination/roll-page-map.ts';
import type { EngineFacts } from '../engine/engine-driver.ts';
import type { BackupSetIndex } from '../format/backup-set-index.ts';
import { type BackupSetManifest, manifestSha256 } from '../format/backup-set-manifest.ts';
import { manifestName, packName, pieceDirectory, setDirectory } from '../format/layout.ts';
import { NO_PAGE_HASH, type PageMap } from '../format/page-map.ts';
import type { FindLogKey } from '../format/tenant-key.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import type { Scn } from '../model/scn.ts';
import type { LogBlockItem, Pipeline, RestoreRequest, SetBlockItem } from '../pipeline/pipeline.ts';
import { LogOverlay, restoreItems, writerOf } from './merge-log.ts';
import { provesPoint } from './read-log.ts';
import type { OpenUri } from './read-sources.ts';
import type { RestoreSeed, SeedStretch } from './restore-seed.ts';
import { walkStretches } from './walk-log.ts';

/** SQLite keeps its lock bytes there: the page that holds them is in no set and in no log. */
const LOCK_BYTE_OFFSET = 1 * GIB;

export interface BuildRequest {
  seed: RestoreSeed;
  restoreScn: Scn;
  /** Must not exist. */
  targetPath: string;
  /** With the access keys of the tenant that the work is for. */
  openDestination: OpenUri;
  pipeline: Pick<Pipeline, 'restore'>;
  /** The engine's own look at a file that nobody else has opened, once it is written. */
  check(path: string, whenWritten: Promise<void>): Promise<EngineFacts>;
  /** @returns a data key that is cleared here; null for a set that was planned with as not encrypted */
  dataKeyOf(backupSetId: number): Uint8Array | null;
  /** Opens encrypted log. */
  findKey?: FindLogKey;
  /** Called once, before anything is written. */
  onTotal(totalBytes: bigint): void;
  onProgress(done: { bytes: number }): void;
  /** Nobody waits for it: its workers make way for everything else. */
  isBackground?: boolean;
  signal: AbortSignal;
}

export interface BuiltFile {
  pageCount: number;
  totalBytes: bigint;
  databaseChecksum: bigint;
  /** Commits of the log that were laid over the set. */
  commitCount: number;
  /** The newest commit in the file; the set's own point when no log was laid over it. */
  commitScn: Scn;
  /** What the engine found in the file. */
  facts: EngineFacts;
}

/** A set as the plan names it; the last one is the chosen set. */
interface OpenedSet {
  directory: string;
  manifest: BackupSetManifest;
  dataKey: Uint8Array | null;
}

/** What the target must become. */
interface Expected {
  overlay: LogOverlay;
  map: PageMap;
}

/**
 * @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) naming the object that is not what the plan needs:
 *         for a log that does not agree with the set the segment, batch and scn, for a page of the finished file what it
 *         was written from. The caller removes the target.
 */
export async function buildFile(request: BuildRequest): Promise<BuiltFile> {
  const { seed, openDestination } = request;
  await using data = openDestination(parseDestinationUri(seed.data.uri));
  const sets: OpenedSet[] = [];
  try {
    for (const planned of seed.data.sets) sets.push(await openSet(request, data, planned));
    const chosen = sets.at(-1);
    assert(chosen, 'a restore has a set');
    const described = { ref: seed.data.sets.at(-1)!.ref, manifest: chosen.manifest };
    const index = await readSetIndex(data, described, chosen.dataKey);
    assert(index.sourceCount === sets.length - 1, 'the plan names each set that the index does');
    const { map } = await readPageMap(data, described, chosen.dataKey);
    const expected = await layLog(request, chosen.manifest, map);
    return await writeFile(request, { sets, index, expected, data });
  } finally {
    for (const { dataKey } of sets) dataKey?.fill(0);
  }
}

async function openSet(
  { seed, dataKeyOf }: BuildRequest,
  data: Destination,
  { ref, manifestSha256: planned }: RestoreSeed['data']['sets'][number],
): Promise<OpenedSet> {
  const { manifest, bytes } = await readManifest(data, ref, seed.owner);
  if (hexOf(manifestSha256(bytes)) !== planned)
    throw fail('BACKUP_DATA_CORRUPT', {
      object: manifestName(ref),
      because: 'it has changed since the plan was made',
    });
  return { directory: setDirectory(ref), manifest, dataKey: dataKeyOf(ref.backupSetId) };
}

/** Walks the log from the set to the restore point. @throws BACKUP_DATA_CORRUPT when it ends before, or does not fit */
async function layLog(request: BuildRequest, manifest: BackupSetManifest, map: PageMap): Promise<Expected> {
  const { seed, restoreScn, signal } = request;
  const { consistentScn } = manifest.set;
  const { pageSize, pageCount } = manifest.engine;
  const overlay = new LogOverlay({ pageSize, setPageCount: pageCount, consistentScn, restoreScn });
  const expected = { overlay, map };
  if (!seed.log) return expected;
  const roll = new PageMapRoll({ map, scn: consistentScn, untilScn: restoreScn });
  await using destination = openLog(request.openDestination, seed.log.uris);
  const owner = { ...seed.owner, findKey: request.findKey };
  const walk = walkStretches(destination, seed.log.stretches.map(walked), owner);
  const changedRounds = new Set<number>();
  try {
    while (!overlay.isAtEnd) {
      const step = await walk.next();
      signal.throwIfAborted();
      if (step.done) {
        await checkLogEnd(request, destination, step.value);
        break;
      }
      const before = overlay.commitCount;
      overlay.add(step.value);
      roll.add(step.value);
      if (overlay.commitCount > before) changedRounds.add(step.value.roundId);
    }
  } finally {
    await walk.return(undefined);
  }
  roll.checkStart();
  checkRepairs(seed.log.stretches, changedRounds);
  assert(roll.commitCount === overlay.commitCount, 'the same commits are laid over pages and page map');
  return expected;
}

/** The archives of a restore as one. */
export function openLog(openDestination: OpenUri, uris: readonly string[]): Destination {
  return joinDestinations(uris.map((uri) => openDestination(parseDestinationUri(uri))));
}

/** The log was walked to its end: its last piece must prove that nothing was committed up to the restore point. */
async function checkLogEnd(
  { seed, restoreScn }: BuildRequest,
  destination: Destination,
  last: ArchivedPiece | undefined,
): Promise<void> {
  if (last && (await provesPoint(destination, last, restoreScn))) return;
  const because = `its log ends before the restore point SCN ${restoreScn}`;
  throw fail('BACKUP_DATA_CORRUPT', { object: last?.directory ?? seed.log?.uris.join(', ') ?? 'the log', because });
}

const walked = ({ pieces, until }: SeedStretch) => ({
  pieces,
  until: until && { batchNo: until.batchNo, batchHash: Buffer.from(until.batchHash, 'hex') },
});

/** Without its repairing commit a round's log leads from the wrong state. */
function checkRepairs(stretches: readonly SeedStretch[], changedRounds: ReadonlySet<number>): void {
  for (const { pieces } of stretches.slice(1)) {
    const [first] = pieces;
    if (first && changedRounds.has(first.roundId)) continue;
    const object = first ? pieceDirectory(first) : 'the log';
    throw fail('BACKUP_DATA_CORRUPT', { object, because: 'the commit that repairs the gap before it is not there' });
  }
}

/** The page that is never written; 0 for none. The database may have grown over it since the set. */
function skipPageOf({ pageSize, skipPage }: BackupSetIndex, overlay: LogOverlay): number {
  if (skipPage > 0) return skipPage <= overlay.pageCount ? skipPage : 0;
  const lockPage = LOCK_BYTE_OFFSET / pageSize + 1;
  return overlay.firstMissingPage(0) === lockPage ? lockPage : 0;
}

async function writeFile(
  request: BuildRequest,
  of: { sets: readonly OpenedSet[]; index: BackupSetIndex; expected: Expected; data: Destination },
): Promise<BuiltFile> {
  const { seed, targetPath, signal } = request;
  const { overlay, map } = of.expected;
  const { pageCount, commitCount, commitScn } = overlay;
  const skipPage = skipPageOf(of.index, overlay);
  const missing = overlay.firstMissingPage(skipPage);
  if (missing > 0)
    throw fail('BACKUP_DATA_CORRUPT', {
      object: [of.sets.at(-1)!.directory, ...piecesOf(seed)].join(', '),
      because: `page ${missing} of ${pageCount} is neither in the set nor in the log`,
    });
  assert(map.pageCount === pageCount, 'page map and target have the same pages');
  const totalBytes = BigInt(pageCount) * BigInt(of.index.pageSize);
  request.onTotal(totalBytes);
  const items = () => restoreItems({ overlay, index: of.index, skipPage });
  const target: RestoreRequest = {
    ...{ targetPath, pageSize: of.index.pageSize, pageCount, skipPage },
    sets: of.sets.map(({ directory, manifest, dataKey }) => {
      return { destination: of.data.spec, directory, owner: setOwner(manifest), dataKey };
    }),
    logDestination: seed.log && openLog(request.openDestination, seed.log.uris).spec,
    items: items(),
    workers: seed.workers,
    isBackground: request.isBackground === true,
    onProgress: request.onProgress,
    signal,
  };
  const { pageHashes, checking } = await restoreAndCheck(request, target);
  // A page that is not what set and log say is the better reason.
  checkPages({ map, pageHashes, skipPage, sets: of.sets }, items);
  const facts = await checking;
  if (facts.pageCount !== pageCount)
    throw fail('BACKUP_DATA_CORRUPT', {
      object: of.sets.at(-1)!.directory,
      because: `the restored database has ${facts.pageCount} pages instead of ${pageCount}`,
    });
  return { pageCount, totalBytes, databaseChecksum: map.checksum, commitCount, commitScn, facts };
}

/** Writes the file while the engine's check of it gets ready. @returns the check, which has ended */
async function restoreAndCheck(
  { check, pipeline }: BuildRequest,
  target: RestoreRequest,
): Promise<{ pageHashes: BigUint64Array; checking: Promise<EngineFacts> }> {
  let begin = () => {};
  let forgo = (_because: unknown) => {};
  const written = new Promise<void>((resolve, reject) => {
    begin = resolve;
    forgo = reject;
  });
  const checking = check(target.targetPath, written);
  const isOver = Promise.allSettled([written, checking]);
  const whenWritten = async () => {
    begin();
    await isOver;
  };
  try {
    const { pageHashes } = await pipeline.restore({ ...target, whenWritten });
    return { pageHashes, checking };
  } catch (error) {
    forgo(error);
    await isOver;
    throw error;
  }
}

/** Whether an object of the log is missing that was there a moment ago. */
export function isLogGone(error: unknown, seed: RestoreSeed): error is HoldfastError {
  if (!isFailure(error, 'BACKUP_FILE_NOT_EXIST')) return false;
  const { file } = error.facts as { file: string };
  return piecesOf(seed).some((directory) => file.includes(directory));
}

const piecesOf = (seed: RestoreSeed) => (seed.log?.stretches ?? []).flatMap(({ pieces }) => pieces.map(pieceDirectory));

/** Compares the finished file with what set and log say, page by page. */
function checkPages(
  of: { map: PageMap; pageHashes: BigUint64Array; skipPage: number; sets: readonly OpenedSet[] },
  items: () => Iterable<SetBlockItem | LogBlockItem>,
): void {
  const { hashes } = of.map;
  assert(of.pageHashes.length === hashes.length, 'every page of the file was read back');
  for (let place = 0; place < hashes.length; place++) {
    const page = place + 1;
    const expected = page === of.skipPage ? NO_PAGE_HASH : hashes[place]!;
    if (of.pageHashes[place] === expected) continue;
    const found = `${checksumText(of.pageHashes[place]!)} instead of ${checksumText(expected)}`;
    const because = `page ${page} of the restored file, which was written from it, has the hash ${found}`;
    throw fail('BACKUP_DATA_CORRUPT', { object: objectOf(writerOf(page, items()), of.sets), because });
  }
}

function objectOf(item: SetBlockItem | LogBlockItem | undefined, sets: readonly OpenedSet[]): string {
  if (!item) return sets.at(-1)!.directory;
  return item.kind === 'log' ? item.object : `${sets[item.setIndex]!.directory}/${packName(item.block.packNo)}`;
}
