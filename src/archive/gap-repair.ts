// Before a round begins: where the round before it ended, and what each page was there. With both the new round closes
// the gap between them by one commit of the pages that differ; without, it stands alone and needs a full backup.
import { sameBytes } from '../base/bytes.ts';
import { fail, isFailure, messageOf } from '../base/errors.ts';
import { readRoundStart } from '../destination/archive-listing.ts';
import type { Destination } from '../destination/destination.ts';
import { PageMapRoll } from '../destination/roll-page-map.ts';
import { findRoundChain, walkSince } from '../destination/walk-since.ts';
import type { RoundBase, RoundStartInfo } from '../format/archive-info.ts';
import { basePageMapPath, readKeptPageMap, writeKeptPageMap } from '../format/kept-page-map.ts';
import type { PageMapPoint } from '../format/page-map-file.ts';
import type { ArchiveRound } from '../model/archive-round.ts';
import { SCN_NONE, type Scn } from '../model/scn.ts';
import type { ArchiveContext } from './archive-context.ts';
import { ArchiveDamaged } from './archive-damaged.ts';
import { segmentOwner } from './archive-owner.ts';
import { checkArchiveDestination, findLogTail, type LogTail } from './log-tail.ts';
import type { SegmentOwner } from './segment-writer.ts';

/** Rounds in a row that were to repair a gap and never got a commit; then one stands alone, so that archiving goes on. */
const REPAIRS_TRIED_MAX = 3;

/** What a new round goes on from; `because` says why it stands alone though there is an earlier round. */
export type FoundBase = { base: RoundBase } | { base: null; because: string };

/**
 * Whether the page map that a round was begun with is still there: what differs from another state repairs nothing.
 * @throws ArchiveDamaged
 */
export async function checkBaseMap(context: ArchiveContext, of: { tenantId: number; base: RoundBase }): Promise<void> {
  const { tenantId, base } = of;
  try {
    const { roundId, scn } = await readMap(context, tenantId, basePageMapPath(context.pageMapPath(tenantId)));
    if (roundId === base.roundId && scn === base.scn) return;
    throw new NoBase(`it is of round ${roundId}, scn ${scn}`);
  } catch (error) {
    const because = `the page map at the end of round ${base.roundId} is lost: ${messageOf(error)}`;
    throw new ArchiveDamaged(because, { cause: error });
  }
}

/** Thrown where the page map at the end of a round can not be had. */
class NoBase extends Error {}

/**
 * Finds what a new round can repair, and makes the page map there durable beside the engine's.
 * @throws 9070, 9071, 9080, 9081 while the destination is away
 */
export async function findRepairBase(
  context: ArchiveContext,
  destination: Destination,
  round: ArchiveRound,
): Promise<FoundBase> {
  const { store } = context;
  const { tenantId, destId, roundId } = round;
  const rounds = store.rounds.find({ tenantId }, { orderBy: 'roundId', descending: true });
  // One that was given up before it began has nothing at its destination.
  const earlier = rounds.filter((other) => other.roundId < roundId && other.startScn > SCN_NONE);
  const previous = earlier.find((other) => other.destId === destId);
  if (store.parameter(tenantId, 'gap_repair').toLowerCase() !== 'auto')
    return { base: null, because: previous ? 'gap_repair is manual' : '' };
  if (!previous) return { base: null, because: earlier.length > 0 ? 'it is the first one at its destination' : '' };
  try {
    if (countEmpty(context, earlier) >= REPAIRS_TRIED_MAX)
      throw new NoBase(`the last ${REPAIRS_TRIED_MAX} rounds could not repair the gap`);
    return { base: await makeBase(context, destination, previous) };
  } catch (error) {
    if (!isUnusable(error)) throw error;
    // What is missing there may be missing because the destination went away while it was read.
    await checkArchiveDestination(destination, segmentOwner(context, tenantId));
    return { base: null, because: messageOf(error) };
  }
}

function isUnusable(error: unknown): boolean {
  const names = ['BACKUP_DATA_CORRUPT', 'BACKUP_FILE_NOT_EXIST', 'LOG_ARCHIVE_INTERRUPTED'] as const;
  return error instanceof NoBase || names.some((name) => isFailure(error, name));
}

/** How many of the newest rounds ended without any commit. */
function countEmpty({ store }: ArchiveContext, rounds: readonly ArchiveRound[]): number {
  const isEmpty = ({ tenantId, roundId, status }: ArchiveRound) =>
    status === 'INTERRUPTED' &&
    store.pieces.find({ tenantId, roundId }).every(({ maxScn, startScn }) => maxScn <= startScn);
  const first = rounds.findIndex((round) => !isEmpty(round));
  return first < 0 ? rounds.length : first;
}

/** Rolls the kept page map forward to the end of the earlier round. */
async function makeBase(context: ArchiveContext, destination: Destination, previous: ArchiveRound): Promise<RoundBase> {
  const { tenantId, destId, roundId } = previous;
  const owner = segmentOwner(context, tenantId);
  const start = await readRoundStart(destination, previous);
  const tail = await findLogTail(destination, previous, owner);
  const kept = await readMap(context, tenantId, context.pageMapPath(tenantId));
  const rolled = await roll(destination, { kept, start, owner });
  const base = chooseBase(start, tail, kept.roundId === roundId || rolled.hasCommit);
  if (rolled.last && tail && base.roundId === roundId && !sameBytes(rolled.last, tail.position.batchHash))
    throw fail('BACKUP_DATA_CORRUPT', { object: `round ${roundId}`, because: 'its log ends in two places' });
  // A map ahead of the log holds commits that are not archived, unless the log says that it is the state at its end.
  if (kept.roundId === base.roundId && kept.scn > base.scn && !rolled.isProved)
    throw new NoBase(`the kept page map is of ${kept.scn}, but the log ends at ${base.scn}`);
  const point = { roundId: base.roundId, scn: base.scn, map: rolled.map };
  await writeKeptPageMap(basePageMapPath(context.pageMapPath(tenantId)), point, { owner });
  return { ...base, destId };
}

/** The end of a round; of one that never came to repair what it was to repair, the end that it went on from. */
function chooseBase(start: RoundStartInfo, tail: LogTail | undefined, hasCommit: boolean): RoundBase {
  const { destId, roundId } = start;
  if (start.base && !(tail && hasCommit)) return start.base;
  if (!tail) throw new NoBase(`round ${roundId} holds no log`);
  const { batchNo, batchHash, scn } = tail.position;
  return { destId, roundId, batchNo, batchHash, scn };
}

/** @throws NoBase, BACKUP_DATA_CORRUPT (9010) */
async function readMap(context: ArchiveContext, tenantId: number, path: string): Promise<PageMapPoint> {
  let kept: PageMapPoint | undefined;
  try {
    kept = await readKeptPageMap(path, segmentOwner(context, tenantId));
  } catch (error) {
    throw isFailure(error, 'BACKUP_DATA_CORRUPT') ? error : new NoBase(`its page map: ${messageOf(error)}`);
  }
  if (!kept) throw new NoBase('no page map is kept of the tenant');
  return kept;
}

interface Rolled {
  map: PageMapPoint['map'];
  /** The round that the walk ended in has a whole commit. */
  hasCommit: boolean;
  isProved: boolean;
  /** Hash of the last batch; undefined when there was none behind the map. */
  last: Uint8Array | undefined;
}

async function roll(
  destination: Destination,
  of: { kept: PageMapPoint; start: RoundStartInfo; owner: SegmentOwner },
): Promise<Rolled> {
  const { kept, start, owner } = of;
  const span = { destId: start.destId, roundId: kept.roundId, scn: kept.scn as Scn, toRoundId: start.roundId };
  if (kept.roundId === 0 || kept.roundId > start.roundId || !(await findRoundChain(destination, span)))
    throw new NoBase(`the kept page map is of round ${kept.roundId}, which round ${start.roundId} does not go on from`);
  const rolling = new PageMapRoll({ map: kept.map, scn: kept.scn });
  let hasCommit = false;
  let last: Uint8Array | undefined;
  for await (const batch of walkSince(destination, span, owner)) {
    rolling.add(batch);
    if (batch.roundId !== start.roundId) continue;
    hasCommit ||= batch.header.commitCount > 0;
    last = batch.header.hash;
  }
  rolling.checkStart();
  return { map: rolling.map, hasCommit, isProved: rolling.isProved, last };
}
