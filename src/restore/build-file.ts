// Writes the database file of a restore under its temporary name and proves it: the log agrees with the set's page map
// commit by commit, and the file that lies there has, page by page, what set and log say.

import { assert } from '../base/assert.ts';
import { hexOf } from '../base/bytes.ts';
import { fail, type HoldfastError, isFailure } from '../base/errors.ts';
import { GIB } from '../base/limits.ts';
import { readIndex, readManifest, readPageMap, setOwner } from '../destination/backup-set-reader.ts';
import { checkCopiedObjects } from '../destination/check-objects.ts';
import type { Destination } from '../destination/destination.ts';
import { readFirst } from '../destination/fall-over.ts';
import { directoryOf, type LogCopies } from '../destination/list-copies.ts';
import { checksumText, PageMapRoll } from '../destination/roll-page-map.ts';
import type { EngineFacts } from '../engine/engine-driver.ts';
import type { BackupSetIndex } from '../format/backup-set-index.ts';
import { type BackupSetManifest, manifestSha256 } from '../format/backup-set-manifest.ts';
import { manifestName, packName, parsePieceDirectory, pieceDirectory, setDirectory } from '../format/layout.ts';
import { NO_PAGE_HASH, type PageMap } from '../format/page-map.ts';
import type { FindLogKey } from '../format/tenant-key.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import type { Scn } from '../model/scn.ts';
import type { LogBlockItem, Pipeline, RestoreRequest, SetBlockItem } from '../pipeline/pipeline.ts';
import { LogOverlay, restoreItems, writerOf } from './merge-log.ts';
import { OpenedLog } from './open-log.ts';
import { provesPoint } from './read-log.ts';
import type { OpenUri } from './read-sources.ts';
import type { RestoreSeed, SeedStretch } from './restore-seed.ts';
import { type StretchesEnd, walkStretches } from './walk-log.ts';

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
  /** Page images of the log are checked while it is walked, so that those which are damaged come from another copy. */
  checksImages?: boolean;
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
  /** What was not read from the copy that it should be read from, and why. */
  remarks: string[];
}

/** A set as the plan names it; the last one is the chosen set. */
interface OpenedSet {
  directory: string;
  manifest: BackupSetManifest;
  dataKey: Uint8Array | null;
  /** Where it lies, the first to be read first. */
  places: Destination[];
}

/** What the target must become. */
interface Expected {
  overlay: LogOverlay;
  map: PageMap;
}

/** What a build has opened, and what it has to tell of that. */
interface Opened {
  data: Destination[];
  log: OpenedLog | null;
  remarks: Set<string>;
}

/**
 * @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) naming the object that is not what the plan needs:
 *         for a log that does not agree with the set the segment, batch and scn, for a page of the finished file what it
 *         was written from. The caller removes the target.
 */
export async function buildFile(request: BuildRequest): Promise<BuiltFile> {
  const { seed, openDestination } = request;
  const opened: Opened = {
    data: seed.data.uris.map((uri) => openDestination(parseDestinationUri(uri))),
    log: seed.log && new OpenedLog(seed.log.uris, openDestination),
    remarks: new Set(),
  };
  try {
    return await buildOpened(request, opened);
  } catch (error) {
    throw opened.log ? withShownObject(error, opened.log) : error;
  } finally {
    for (const place of opened.data) await place[Symbol.asyncDispose]();
    await opened.log?.[Symbol.asyncDispose]();
  }
}

async function buildOpened(request: BuildRequest, opened: Opened): Promise<BuiltFile> {
  const { seed } = request;
  const sets: OpenedSet[] = [];
  try {
    for (const planned of seed.data.sets) sets.push(await openSet(request, opened, planned));
    const chosen = sets.at(-1);
    assert(chosen, 'a restore has a set');
    const { dataKey, directory, manifest, places } = chosen;
    const described = { ref: seed.data.sets.at(-1)!.ref, manifest };
    const onFailure = (_place: Destination, error: HoldfastError) => void opened.remarks.add(error.message);
    await checkCopiedObjects(places, directory, manifest.objects);
    const index = await readFirst(places, (place) => readIndex(place, described, dataKey), onFailure);
    assert(index.sourceCount === sets.length - 1, 'the plan names each set that the index does');
    const { map } = await readFirst(places, (place) => readPageMap(place, described, dataKey), onFailure);
    const expected = await layLog(request, opened, { manifest, map });
    return await writeFile(request, { sets, index, expected, opened });
  } finally {
    for (const { dataKey } of sets) dataKey?.fill(0);
  }
}

/** A failure at an object of several archives names the one that it lies in. */
function withShownObject(error: unknown, log: OpenedLog): unknown {
  if (isFailure(error, 'BACKUP_DATA_CORRUPT')) {
    const { object, because } = error.facts as { object: string; because: string };
    return fail('BACKUP_DATA_CORRUPT', { object: log.shownName(object), because }, { cause: error });
  }
  if (!isFailure(error, 'BACKUP_FILE_NOT_EXIST')) return error;
  const { file } = error.facts as { file: string };
  return fail('BACKUP_FILE_NOT_EXIST', { file: log.shownName(file) }, { cause: error });
}

async function openSet(
  { seed, dataKeyOf }: BuildRequest,
  { data, remarks }: Opened,
  { ref, manifestSha256: planned, places: at = [0] }: RestoreSeed['data']['sets'][number],
): Promise<OpenedSet> {
  const places = at.map((place) => data[place]!);
  const manifest = await readFirst(
    places,
    async (place) => {
      const { manifest, bytes } = await readManifest(place, ref, seed.owner);
      if (hexOf(manifestSha256(bytes)) === planned) return manifest;
      const because = 'it has changed since the plan was made';
      throw fail('BACKUP_DATA_CORRUPT', { object: manifestName(ref), because });
    },
    (_place, error) => remarks.add(error.message),
  );
  return { directory: setDirectory(ref), manifest, dataKey: dataKeyOf(ref.backupSetId), places };
}

/** Walks the log from the set to the restore point. @throws BACKUP_DATA_CORRUPT when it ends before, or does not fit */
async function layLog(
  request: BuildRequest,
  { log, remarks }: Opened,
  { manifest, map }: { manifest: BackupSetManifest; map: PageMap },
): Promise<Expected> {
  const { seed, restoreScn, signal } = request;
  const { consistentScn } = manifest.set;
  const { pageSize, pageCount } = manifest.engine;
  const overlay = new LogOverlay({ pageSize, setPageCount: pageCount, consistentScn, restoreScn });
  const expected = { overlay, map };
  if (!seed.log || !log) return expected;
  const roll = new PageMapRoll({ map, scn: consistentScn, untilScn: restoreScn });
  const copies = await log.list();
  for (const { error } of copies.away) remarks.add(error.message);
  const walk = walkStretches(copies, seed.log.stretches.map(walked), {
    owner: { ...seed.owner, findKey: request.findKey },
    ...(request.checksImages ? { verifyImages: 'all' } : {}),
    onFallOver: (remark) => remarks.add(remark),
  });
  const changedRounds = new Set<number>();
  try {
    while (!overlay.isAtEnd) {
      const step = await walk.next();
      signal.throwIfAborted();
      if (step.done) {
        await checkLogEnd(request, copies, step.value);
        break;
      }
      const before = overlay.commitCount;
      overlay.add(step.value);
      roll.add(step.value);
      if (overlay.commitCount > before) changedRounds.add(step.value.roundId);
    }
  } finally {
    await walk.return({ last: undefined, unasked: null });
  }
  roll.checkStart();
  checkRepairs(seed.log.stretches, changedRounds);
  assert(roll.commitCount === overlay.commitCount, 'the same commits are laid over pages and page map');
  return expected;
}

/** The log was walked to its end: its last piece must prove that nothing was committed up to the restore point. */
async function checkLogEnd(
  { seed, restoreScn }: BuildRequest,
  log: LogCopies,
  { last, unasked }: StretchesEnd,
): Promise<void> {
  if (last && (await provesPoint(log, last, restoreScn))) return;
  if (unasked) throw unasked;
  const because = `its log ends before the restore point SCN ${restoreScn}`;
  const object = (last && directoryOf(last)) ?? seed.log?.uris.join(', ') ?? 'the log';
  throw fail('BACKUP_DATA_CORRUPT', { object, because });
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
  of: { sets: readonly OpenedSet[]; index: BackupSetIndex; expected: Expected; opened: Opened },
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
    sets: of.sets.map(({ directory, manifest, dataKey, places }) => {
      const [destination, ...elsewhere] = places.map(({ spec }) => spec);
      return { destination: destination!, elsewhere, directory, owner: setOwner(manifest), dataKey };
    }),
    logDestination: of.opened.log?.joined.spec ?? null,
    items: items(),
    workers: seed.workers,
    isBackground: request.isBackground === true,
    onProgress: request.onProgress,
    signal,
  };
  const { pageHashes, checking, remarks } = await restoreAndCheck(request, target);
  // A page that is not what set and log say is the better reason.
  checkPages({ map, pageHashes, skipPage, sets: of.sets }, items);
  const facts = await checking;
  if (facts.pageCount !== pageCount)
    throw fail('BACKUP_DATA_CORRUPT', {
      object: of.sets.at(-1)!.directory,
      because: `the restored database has ${facts.pageCount} pages instead of ${pageCount}`,
    });
  const told = [...of.opened.remarks, ...remarks];
  return { pageCount, totalBytes, databaseChecksum: map.checksum, commitCount, commitScn, facts, remarks: told };
}

/** Writes the file while the engine's check of it gets ready. @returns the check, which has ended */
async function restoreAndCheck(
  { check, pipeline }: BuildRequest,
  target: RestoreRequest,
): Promise<{ pageHashes: BigUint64Array; remarks: string[]; checking: Promise<EngineFacts> }> {
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
    const { pageHashes, remarks } = await pipeline.restore({ ...target, whenWritten });
    return { pageHashes, remarks, checking };
  } catch (error) {
    forgo(error);
    await isOver;
    throw error;
  }
}

/** Whether a failure is about an object of the log. */
export function isOfLog(error: unknown, seed: RestoreSeed): error is HoldfastError {
  const isMissing = isFailure(error, 'BACKUP_FILE_NOT_EXIST');
  if (!isMissing && !isFailure(error, 'BACKUP_DATA_CORRUPT')) return false;
  const { file, object } = error.facts as { file?: string; object?: string };
  // In another copy the directory of a piece has another number of its destination.
  const directory = (file ?? object ?? '').split('/').find((part) => parsePieceDirectory(part) !== undefined);
  const found = directory === undefined ? undefined : parsePieceDirectory(directory);
  const all = (seed.log?.stretches ?? []).flatMap(({ pieces }) => pieces);
  return all.some(({ roundId, pieceId }) => roundId === found?.roundId && pieceId === found.pieceId);
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
