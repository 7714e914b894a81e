// Reads the log of a round back: the batches of its segments and pieces, in order, each checked against the one before
// and against what a frozen piece says of itself. Which of them count is the chain's to say (batch-chain.ts).
import { sameBytes } from '../base/bytes.ts';
import { fail, isFailure } from '../base/errors.ts';
import { KIB } from '../base/limits.ts';
import type { SegmentInfo } from '../format/archive-info.ts';
import { pieceInfoName } from '../format/layout.ts';
import {
  type HashedBatchHeader,
  LOG_BATCH_HEADER_BYTES,
  LOG_SEGMENT_HEADER_BYTES,
  type LogSegmentHeader,
  readLogBatchHeader,
} from '../format/log-batch-header.ts';
import { damagedLog } from '../format/log-batch-table.ts';
import { type ReadRange, scanSegment } from '../format/log-segment.ts';
import type { FindLogKey } from '../format/tenant-key.ts';
import {
  type ArchivedPiece,
  type ArchivedRound,
  listPiece,
  readPieceInfo,
  readPieceStart,
  type SegmentObject,
} from './archive-listing.ts';
import {
  BatchChain,
  type ChainPosition,
  type Fault,
  type ReadBatch,
  ROUND_START,
  roundStartPosition,
  type TornTail,
} from './batch-chain.ts';
import { findSegment, segmentsOf } from './counted-segments.ts';
import type { Destination, ObjectReader } from './destination.ts';
import { OpenAhead } from './open-ahead.ts';

/** Read at once while walking headers: many small batches in one read, not much waste between large ones. */
const READ_AHEAD_BYTES = 256 * KIB;
/** A segment that ends with so many zero bytes lost the end of its last append: no whole batch ends so. */
const ZERO_TAIL_BYTES = 16;

/** Where the log ended. */
export interface LogEnd {
  position: ChainPosition;
  /** Header of the last batch; undefined when there was none. */
  last: HashedBatchHeader | undefined;
  torn: TornTail | undefined;
  /** The last batches, where they are kept back: a longer copy may say that others count. */
  held?: readonly ReadBatch[];
}

/** A piece with the destination that it is read from. */
export interface LocatedPiece {
  destination: Destination;
  piece: ArchivedPiece;
}

/** What a walk over copies asks for besides. */
export interface LocatedWalkOptions extends WalkOptions {
  mayEndTorn?: boolean;
  /** `from` lies inside the first piece: batches up to it were walked in another copy. */
  isRejoining?: boolean;
  /** The last batch is not yielded but returned. */
  keepsHeld?: boolean;
  /** Told before a piece is read, by its place in the list. */
  onPiece?: (index: number) => void;
}

/** Whose log is read, and what opens what of it is encrypted. */
export interface LogReader {
  clusterUuid: string;
  tenantId: number;
  /** Left out: only plain log can be read. */
  findKey?: FindLogKey | undefined;
}

export interface WalkOptions {
  /** Whom the batches must belong to, and what opens those that are encrypted. */
  owner: LogReader;
  /** Who needs only headers takes encrypted batches that no key opens with an empty table. */
  acceptsClosed?: boolean;
  /** Which page images are read and checked on the way. Default: those of the last batch of the log only. */
  verifyImages?: 'last' | 'all';
  /** A last batch that is whole but damaged ends the log instead of failing: for who can archive it again. */
  acceptsDamagedTail?: boolean;
  /** The first segment given is not the first of its piece: its header tells what comes before it. */
  isSlice?: boolean;
}

/** Reads ranges of one object through a window, because headers are small and lie one after another. */
export function windowed(reader: ObjectReader, sizeBytes: number): ReadRange {
  let window: Uint8Array = new Uint8Array(0);
  let windowAt = 0;
  return async (offset, length) => {
    if (offset < windowAt || offset + length > windowAt + window.length) {
      const ahead = Math.min(READ_AHEAD_BYTES, sizeBytes - offset);
      window = await reader.read(offset, Math.max(ahead, length));
      windowAt = offset;
    }
    return window.subarray(offset - windowAt, offset - windowAt + length);
  };
}

/** Whether the bytes from `offset` to the end can be what an unfinished append leaves: a prefix of a batch, or zeros. */
export async function isUnfinished(readRange: ReadRange, segment: SegmentObject, offset: number): Promise<boolean> {
  const left = segment.sizeBytes - offset;
  if (left < LOG_BATCH_HEADER_BYTES) return true;
  const tail = await readRange(segment.sizeBytes - ZERO_TAIL_BYTES, ZERO_TAIL_BYTES);
  if (tail.every((byte) => byte === 0)) return true;
  try {
    return readLogBatchHeader(await readRange(offset, LOG_BATCH_HEADER_BYTES), segment.name).totalBytes > left;
  } catch (error) {
    if (isFailure(error, 'BACKUP_DATA_CORRUPT')) return false;
    throw error;
  }
}

type SegmentWalkItem =
  | { kind: 'segment'; header: LogSegmentHeader }
  | { kind: 'batch'; batch: ReadBatch }
  | { kind: 'fault'; fault: Fault };

/** The items of one segment, its header checked against where it lies; a header that is no header is a fault. */
async function* readSegment(
  open: () => Promise<ObjectReader>,
  piece: ArchivedPiece,
  segment: SegmentObject,
  options: WalkOptions & { isLast: boolean },
): AsyncGenerator<SegmentWalkItem> {
  const { name, sizeBytes } = segment;
  if (sizeBytes < LOG_SEGMENT_HEADER_BYTES) {
    const because = `it has only ${sizeBytes} bytes`;
    yield { kind: 'fault', fault: { object: name, offset: 0, because, isTorn: true } };
    return;
  }
  const reader = await open();
  const readRange = windowed(reader, sizeBytes);
  let hasHeader = false;
  try {
    for await (const item of scanItems(readRange, piece, segment, options)) {
      hasHeader = true;
      yield item;
    }
  } catch (error) {
    if (hasHeader || !isFailure(error, 'BACKUP_DATA_CORRUPT')) throw error;
    // Nothing of it can be read: only the chain can tell whether it held anything.
    const { because } = error.facts as { because: string };
    const isTorn = await isUnfinished(readRange, segment, 0);
    yield { kind: 'fault', fault: { object: name, offset: 0, because, isTorn } };
  } finally {
    await reader.close();
  }
}

async function* scanItems(
  readRange: ReadRange,
  piece: ArchivedPiece,
  segment: SegmentObject,
  options: WalkOptions & { isLast: boolean },
): AsyncGenerator<SegmentWalkItem> {
  const { name, segmentNo, sizeBytes } = segment;
  const { destId, roundId, pieceId } = piece;
  const verifyImages = options.verifyImages === 'all' ? 'all' : options.isLast ? 'last' : 'none';
  const { acceptsClosed, owner } = options;
  const opening = { findKey: owner.findKey, acceptsClosed };
  for await (const item of scanSegment({ object: name, sizeBytes, readRange, verifyImages, ...opening })) {
    if (item.kind === 'segment') {
      yield { kind: 'segment', header: checkHome(item.header, piece, segment, options) };
    } else if (item.kind === 'batch') {
      const { offset, header, table } = item;
      yield { kind: 'batch', batch: { destId, roundId, pieceId, object: name, segmentNo, offset, header, table } };
    } else if (item.tornBecause !== undefined) {
      const isTorn = await isUnfinished(readRange, segment, item.offset);
      yield { kind: 'fault', fault: { object: name, offset: item.offset, because: item.tornBecause, isTorn } };
    }
  }
}

function checkHome(
  header: LogSegmentHeader,
  piece: ArchivedPiece,
  segment: SegmentObject,
  { owner }: WalkOptions,
): LogSegmentHeader {
  const isOwn = header.clusterUuid === owner.clusterUuid && header.tenantId === owner.tenantId;
  if (!isOwn) throw damagedLog(segment.name, 'it belongs to another cluster or tenant');
  const isHere =
    header.destId === piece.destId &&
    header.roundId === piece.roundId &&
    header.pieceId === piece.pieceId &&
    header.segmentNo === segment.segmentNo;
  if (!isHere) {
    const home = `piece_d${header.destId}r${header.roundId}p${header.pieceId}, segment ${header.segmentNo}`;
    throw damagedLog(segment.name, `it is in the wrong place: it says that it is ${home}`);
  }
  return header;
}

/** A frozen piece's own list must agree with what its segments hold. */
function checkListed(piece: ArchivedPiece, listed: SegmentInfo, chain: BatchChain): void {
  const { position, fault } = chain;
  if (position.batchNo === listed.lastBatchNo && sameBytes(position.hash, listed.lastBatchHash)) return;
  if (fault) throw damagedLog(fault.object, `at offset ${fault.offset}: ${fault.because}`);
  const object = `${piece.directory}/${listed.name}`;
  throw damagedLog(object, `it ends with another batch ${position.batchNo} than the listed ${listed.lastBatchNo}`);
}

/**
 * Walks the batches of one piece in order.
 * @param from what the first batch must continue; undefined trusts the first segment's header
 * @param options.mayEndTorn whether the log may end here with an unfinished append. Default: the piece is not frozen
 * @returns where it ended
 * @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) naming the object
 */
export function walkPiece(
  destination: Destination,
  piece: ArchivedPiece,
  from: ChainPosition | undefined,
  options: WalkOptions & { mayEndTorn?: boolean },
): AsyncGenerator<ReadBatch, LogEnd> {
  return walkPieces(destination, [piece], from, options);
}

/**
 * Walks a whole round, or what is left of it from a piece on.
 * @param options.fromPieceId default: the round's first piece
 * @throws BACKUP_DATA_CORRUPT (9010), BACKUP_FILE_NOT_EXIST (9011) naming the object
 */
export async function* walkRound(
  destination: Destination,
  round: ArchivedRound,
  options: Omit<WalkOptions, 'owner'> & { fromPieceId?: number; findKey?: FindLogKey | undefined } = {},
): AsyncGenerator<ReadBatch, LogEnd> {
  const { start, end } = round;
  const owner = { clusterUuid: start.cluster.uuid, tenantId: start.tenant.id, findKey: options.findKey };
  const first = await firstPieceId(destination, round, { ...options, owner });
  const pieces: ArchivedPiece[] = [];
  for (const piece of round.pieces) if (piece.pieceId === first + pieces.length) pieces.push(piece);
  const lastId = end?.lastPieceId ?? Math.max(first, round.pieces.at(-1)?.pieceId ?? 0);
  const isComplete = first + pieces.length > lastId;
  const from = first === start.basePieceId ? roundStartPosition(start) : undefined;
  const mayEndTorn = end === undefined && isComplete;
  const logEnd = yield* walkPieces(destination, pieces, from, { ...options, owner, mayEndTorn });
  // What is there was given out before: a target in front of the hole can be reached.
  const { destId, roundId } = round;
  const hole = first + pieces.length;
  if (!isComplete) throw fail('BACKUP_FILE_NOT_EXIST', { file: pieceInfoName({ destId, roundId, pieceId: hole }) });
  const last = pieces.at(-1);
  if (end && last && !last.isFrozen) throw fail('BACKUP_FILE_NOT_EXIST', { file: pieceInfoName(last) });
  return logEnd;
}

/** The piece to begin with: an earlier one than asked for when its first batch goes on with a commit of that. */
async function firstPieceId(
  destination: Destination,
  round: ArchivedRound,
  options: WalkOptions & { fromPieceId?: number },
): Promise<number> {
  const { basePieceId } = round.start;
  for (let pieceId = options.fromPieceId ?? basePieceId; pieceId > basePieceId; pieceId--) {
    const piece = round.pieces.find((candidate) => candidate.pieceId === pieceId);
    if (!piece) return pieceId;
    const walk = walkPiece(destination, piece, undefined, { ...options, acceptsClosed: true });
    const step = await walk.next();
    await walk.return(undefined as never);
    if (step.done || !step.value.header.isContinued) return pieceId;
  }
  return basePieceId;
}

/** Hash of the batch before a piece, from its start file; undefined when there is no such file. */
async function hashBefore(first: LocatedPiece | undefined): Promise<Uint8Array | undefined> {
  if (first?.piece.startName === undefined) return undefined;
  const { prevBatchHash } = await readPieceStart(first.destination, first.piece);
  return prevBatchHash ?? ROUND_START.hash;
}

/**
 * Walks the batches of pieces that follow each other in one round, as `walkPiece` does those of one. Whether the log may
 * end with an unfinished append is by default a matter of the last.
 */
export function walkPieces(
  destination: Destination,
  pieces: readonly ArchivedPiece[],
  from: ChainPosition | undefined,
  options: WalkOptions & { mayEndTorn?: boolean },
): AsyncGenerator<ReadBatch, LogEnd> {
  return walkLocated(
    pieces.map((piece) => ({ destination, piece })),
    from,
    options,
  );
}

/** As `walkPieces`, of pieces that lie at several destinations. */
export async function* walkLocated(
  pieces: readonly LocatedPiece[],
  from: ChainPosition | undefined,
  options: LocatedWalkOptions,
): AsyncGenerator<ReadBatch, LogEnd> {
  const mayEndTorn = options.mayEndTorn ?? pieces.at(-1)?.piece.isFrozen !== true;
  const chain = new BatchChain(from, from ? undefined : await hashBefore(pieces[0]));
  for (const [index, { destination, piece }] of pieces.entries()) {
    options.onPiece?.(index);
    const isRejoining = index === 0 && options.isRejoining === true;
    const walk = { ...options, chain, isLastPiece: index === pieces.length - 1, isRejoining };
    try {
      yield* walkSegments(destination, piece, walk);
    } catch (error) {
      if (piece.isFrozen || !hasVanished(piece, error)) throw error;
      const now = await listPiece(destination, piece);
      if (!now.isFrozen) throw error;
      // It was frozen while it was walked, and its segments were compacted: the list says where the rest is.
      yield* walkSegments(destination, now, { ...walk, isRejoining: true });
    }
  }
  const { fault, stray } = chain;
  if (fault && !(mayEndTorn && (fault.isTorn || options.acceptsDamagedTail)))
    throw damagedLog(fault.object, `at offset ${fault.offset}: ${fault.because}`);
  if (stray && !mayEndTorn) throw damagedLog(stray.object, stray.because);
  const end = fault ?? stray;
  const torn = end && { object: end.object, offset: end.offset, because: end.because };
  const held = chain.release();
  if (options.keepsHeld) return { position: chain.position, last: chain.last, torn, held };
  yield* held;
  return { position: chain.position, last: chain.last, torn };
}

/** Whether an object is gone that was there when the piece was listed. */
function hasVanished(piece: ArchivedPiece, error: unknown): boolean {
  if (!isFailure(error, 'BACKUP_FILE_NOT_EXIST')) return false;
  const { file } = error.facts as { file: string };
  return piece.segments.some(({ name }) => file.endsWith(name));
}

interface SegmentsWalk extends WalkOptions {
  chain: BatchChain;
  isLastPiece: boolean;
  /** Batches up to the chain's position were walked already, in other segments. */
  isRejoining?: boolean;
}

async function* walkSegments(
  destination: Destination,
  piece: ArchivedPiece,
  walk: SegmentsWalk,
): AsyncGenerator<ReadBatch, void> {
  const { chain, isSlice = false } = walk;
  const info = piece.isFrozen ? await readPieceInfo(destination, piece) : undefined;
  const joint = walk.isRejoining ? chain.position : ROUND_START;
  const segments = (await segmentsOf(destination, piece, { info, floor: chain.generation })).filter(
    ({ listed }) => !listed || listed.lastBatchNo > joint.batchNo,
  );
  const present = new Map(piece.segments.map((segment) => [segment.name, segment]));
  const names = segments.map(({ name }) => name);
  await using ahead = new OpenAhead(destination, names);
  for (const [index, counted] of segments.entries()) {
    const { listed } = counted;
    const segment = findSegment(present, counted);
    const isLast = walk.isLastPiece && index === segments.length - 1;
    for await (const item of readSegment(() => ahead.open(index), piece, segment, { ...walk, isLast })) {
      if (item.kind === 'segment') {
        if (item.header.firstBatchNo <= joint.batchNo) chain.rejoin(piece, segment);
        else if (!chain.openSegment(piece, segment, item.header, { mayBeStray: !info, isSlice })) break;
      } else if (item.kind === 'fault') chain.setFault(item.fault);
      else if (item.batch.header.batchNo >= counted.beforeBatchNo) break;
      else if (item.batch.header.batchNo <= joint.batchNo) checkJoint(item.batch, joint);
      else {
        yield* chain.add(item.batch);
        // What follows in a frozen segment is what the next one holds again.
        if (item.batch.header.batchNo === listed?.lastBatchNo) break;
      }
    }
    if (listed) {
      checkListed(piece, listed, chain);
      chain.clearFault();
    }
  }
}

/** A compacted segment must hold the very batch that the walk has come to. */
function checkJoint({ object, header }: ReadBatch, joint: ChainPosition): void {
  if (header.batchNo !== joint.batchNo || sameBytes(header.hash, joint.hash)) return;
  throw damagedLog(object, `its batch ${header.batchNo} is another one than it was before the piece was frozen`);
}
