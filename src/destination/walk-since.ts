// The log after a point, across rounds: a round that repairs a gap goes on from the end of an earlier one.
import { sameBytes } from '../base/bytes.ts';
import { fail, isFailure } from '../base/errors.ts';
import type { RoundBase, RoundEndInfo, RoundStartInfo } from '../format/archive-info.ts';
import { type RoundRef, roundStartName } from '../format/layout.ts';
import type { HashedBatchHeader } from '../format/log-batch-header.ts';
import { damagedLog } from '../format/log-batch-table.ts';
import type { Scn } from '../model/scn.ts';
import { type ArchivedPiece, listPieces, readPieceStart, readRoundEnd, readRoundStart } from './archive-listing.ts';
import { type LogReader, walkRound } from './archive-reader.ts';
import type { ReadBatch } from './batch-chain.ts';
import type { Destination } from './destination.ts';

/** Repairs that lead from one round to another; more are taken for a circle. */
const REPAIRS_MAX = 10_000;

export interface LogSpan {
  destId: number;
  /** The round that the walk begins in. */
  roundId: number;
  /** Commits up to here are not wanted. */
  scn: Scn;
  /** The round that it ends in; the same one when no gap lies between. */
  toRoundId: number;
}

/**
 * The rounds whose log leads from one round to a later one, each repairing what lies behind the one before.
 * @returns oldest first; undefined when they are not joined by repairs
 * @throws BACKUP_FILE_NOT_EXIST (9011), BACKUP_DATA_CORRUPT (9010) naming the object
 */
export async function findRoundChain(
  destination: Destination,
  span: Pick<LogSpan, 'destId' | 'roundId' | 'toRoundId'>,
): Promise<RoundStartInfo[] | undefined> {
  const { destId } = span;
  const chain: RoundStartInfo[] = [];
  for (let roundId = span.toRoundId; chain.length < REPAIRS_MAX; ) {
    const start = await readRoundStart(destination, { destId, roundId });
    chain.unshift(start);
    if (roundId === span.roundId) return chain;
    const { base } = start;
    if (!base || base.destId !== destId || base.roundId < span.roundId || base.roundId >= roundId) return undefined;
    roundId = base.roundId;
  }
  return undefined;
}

/**
 * Walks every batch that may hold commits after a point, in order. Batches may hold earlier commits too. Of a round that
 * a later one goes on from, what lies behind the end named there is left out.
 * @returns the last batch walked; undefined when there was none
 * @throws LOG_ARCHIVE_INTERRUPTED (9027) when no repairs join the rounds; BACKUP_DATA_CORRUPT (9010),
 *         BACKUP_FILE_NOT_EXIST (9011) naming the object
 */
export async function* walkSince(
  destination: Destination,
  span: LogSpan,
  owner: LogReader,
): AsyncGenerator<ReadBatch, HashedBatchHeader | undefined> {
  const chain = await findRoundChain(destination, span);
  if (!chain) {
    const because = `round ${span.toRoundId} does not go on from round ${span.roundId}`;
    throw fail('LOG_ARCHIVE_INTERRUPTED', { because });
  }
  const pieces = await listPieces(destination);
  let last: HashedBatchHeader | undefined;
  for (const [place, start] of chain.entries()) {
    checkOwner(start, owner);
    const { destId, roundId, basePieceId } = start;
    const own = pieces.filter((piece) => piece.destId === destId && piece.roundId === roundId);
    const end = await findRoundEnd(destination, start);
    const fromPieceId = place === 0 ? await pieceOf(destination, own, span.scn, basePieceId) : basePieceId;
    const { findKey } = owner;
    const walk = walkRound(destination, { destId, roundId, start, end, pieces: own }, { fromPieceId, findKey });
    const before = last;
    last = (yield* walkTo(walk, chain[place + 1]?.base ?? undefined, roundStartName(start))) ?? before;
  }
  return last;
}

/** Walks a round to its end, or to the batch that the next round goes on from. */
async function* walkTo(
  walk: AsyncGenerator<ReadBatch>,
  base: RoundBase | undefined,
  object: string,
): AsyncGenerator<ReadBatch, HashedBatchHeader | undefined> {
  let last: HashedBatchHeader | undefined;
  for await (const batch of walk) {
    last = batch.header;
    yield batch;
    if (last.batchNo === base?.batchNo) break;
  }
  // Nothing at all is what a walk from the piece behind the last batch finds.
  if (!base || !last || (last.batchNo === base.batchNo && sameBytes(last.hash, base.batchHash))) return last;
  const because = `its log ends with another batch ${last.batchNo} than the batch ${base.batchNo} that a later round goes on from`;
  throw damagedLog(object, because);
}

async function findRoundEnd(destination: Destination, round: RoundRef): Promise<RoundEndInfo | undefined> {
  try {
    return await readRoundEnd(destination, round);
  } catch (error) {
    if (isFailure(error, 'BACKUP_FILE_NOT_EXIST')) return undefined;
    throw error;
  }
}

/** The newest piece that begins at or before a point; the first one of the round when none is known to. */
async function pieceOf(
  destination: Destination,
  pieces: readonly ArchivedPiece[],
  scn: Scn,
  basePieceId: number,
): Promise<number> {
  for (const piece of pieces.toReversed()) {
    if (piece.startName === undefined) continue;
    if ((await readPieceStart(destination, piece)).startScn <= scn) return piece.pieceId;
  }
  return basePieceId;
}

function checkOwner(start: RoundStartInfo, owner: LogReader): void {
  const isOwn = start.cluster.uuid === owner.clusterUuid && start.tenant.id === owner.tenantId;
  if (!isOwn) throw damagedLog(roundStartName(start), 'it belongs to another cluster or tenant');
}
