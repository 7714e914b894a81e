// Which pages an increment holds: those that the log names since the parent set, without a look at the database, when the
// log leads from there to the snapshot; otherwise those whose hash in the snapshot is another one than in the parent.
import { HoldfastError } from '../base/errors.ts';
import { DestinationDeadlines } from '../destination/deadline-destination.ts';
import { PageMapRoll } from '../destination/roll-page-map.ts';
import { walkSince } from '../destination/walk-since.ts';
import type { Snapshot } from '../engine/engine-driver.ts';
import { NO_PAGE_HASH, PageMap } from '../format/page-map.ts';
import { PageSet } from '../format/page-set.ts';
import type { ArchiveRound } from '../model/archive-round.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import { storedLogKeys } from '../store/tenant-keys.ts';
import type { BackupDependencies } from './backup-dependencies.ts';
import type { OpenParent } from './open-parent.ts';

/** A state is frozen meanwhile: where the log's destination does not answer in time, the database is read. */
const LOG_CALL_MS_MAX = 10_000;

/** What is read of a snapshot, and what it will make of the database. */
export interface PagePlan {
  /** Ascending, without the page to skip. */
  pages: Uint32Array;
  /** The state of the snapshot; pages without a hash are those that nothing is known of before they are read. */
  map: PageMap;
  /** Why the whole database had to be read; null when the log told the pages. */
  scanBecause: string | null;
}

type Planning = Pick<BackupDependencies, 'store' | 'openDestination' | 'pipeline'>;

interface PlanRequest {
  tenantId: number;
  parent: OpenParent;
  snapshot: Snapshot;
  /** The running round; its log is durable to the snapshot's scn. */
  round: ArchiveRound;
  workers: number;
  signal: AbortSignal;
}

/**
 * Numbers of the pages of a state that a set on top of `parent` must hold: those that commits changed, those behind its
 * end, and those of which only is known that they were cut off and came back.
 * @param changed ascending
 */
export function pagesToRead(
  map: PageMap,
  of: { changed: Uint32Array; parentPages: number; skipPage: number },
): Uint32Array {
  const pages = new PageSet(map.pageCount);
  for (const page of of.changed) pages.add(page);
  for (let page = of.parentPages + 1; page <= map.pageCount; page++) pages.add(page);
  const { hashes } = map;
  for (let at = hashes.indexOf(NO_PAGE_HASH); at >= 0; at = hashes.indexOf(NO_PAGE_HASH, at + 1)) pages.add(at + 1);
  return pages.upTo(map.pageCount).filter((page) => page !== of.skipPage);
}

/** The plan by the log. @returns why the log does not tell; what it finds wrong with the log is a reason too */
export async function planByLog(deps: Planning, of: PlanRequest): Promise<PagePlan | string> {
  const { store } = deps;
  const { tenantId, parent, snapshot, round, signal } = of;
  const { consistentScn, roundId } = parent.manifest.set;
  const before = roundId === round.roundId ? round : store.rounds.get({ tenantId, roundId });
  if (!before) return `nothing is known of round ${roundId}, which continued the set before`;
  if (before.destId !== round.destId) return `the log since the set before lies at two destinations`;
  const { pageSize } = snapshot;
  const map = new PageMap(pageSize, parent.map.hashes.slice());
  const roll = new PageMapRoll({ map, scn: consistentScn, untilScn: snapshot.scn, collectsChanges: true });
  const span = { destId: round.destId, roundId, scn: consistentScn, toRoundId: round.roundId };
  const deadlines = new DestinationDeadlines(LOG_CALL_MS_MAX);
  await using destination = deadlines.wrap(deps.openDestination(parseDestinationUri(round.uri), tenantId));
  try {
    const owner = { clusterUuid: store.cluster.uuid, tenantId, findKey: storedLogKeys(store) };
    for await (const batch of walkSince(destination, span, owner)) {
      signal.throwIfAborted();
      roll.add(batch);
      if (roll.isAtEnd) break;
    }
    roll.checkStart();
  } catch (error) {
    // Whatever keeps the log from telling, the database itself can be read.
    if (signal.aborted || !(error instanceof HoldfastError)) throw error;
    return error.message;
  }
  if (!roll.isAtEnd) return 'the log does not reach the state of this set';
  // With neither, nothing would notice a page that the log does not name.
  if (snapshot.databaseChecksum === null && !roll.isProved) return 'the log knows no checksum of the database yet';
  if (map.pageCount !== snapshot.pageCount)
    return `by the log the database has ${map.pageCount} pages, not ${snapshot.pageCount}`;
  const changed = roll.changedPages();
  const pages = pagesToRead(map, { changed, parentPages: parent.map.pageCount, skipPage: snapshot.skipPage });
  return { pages, map, scanBecause: null };
}

/** The plan by reading the whole snapshot. */
export async function planByScan(deps: Planning, of: PlanRequest, scanBecause: string): Promise<PagePlan> {
  const { snapshot, parent, workers, signal } = of;
  const { close: _close, facts: _facts, scn: _scn, databaseChecksum: _checksum, ...source } = snapshot;
  const hashes = await deps.pipeline.hashPages({ source, workers, signal });
  const map = new PageMap(snapshot.pageSize, hashes);
  const pages = map.changedSince(parent.map).filter((page) => page !== snapshot.skipPage);
  return { pages, map, scanBecause };
}

/**
 * Lays the pages that were read over a plan's map.
 * @param read `pageHash` of each page of the plan
 * @returns the first page that is not what the plan says of it; undefined when all are
 */
export function completeMap({ map, pages }: PagePlan, read: BigUint64Array): number | undefined {
  let wrong: number | undefined;
  for (const [place, page] of pages.entries()) {
    const hash = read[place]!;
    const known = map.get(page);
    if (known === hash) continue;
    if (known !== NO_PAGE_HASH) wrong ??= page;
    map.set(page, hash);
  }
  return wrong;
}
