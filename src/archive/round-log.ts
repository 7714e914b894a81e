// The destination side of a running round: takes batches, keeps them in segments and pieces, knows how far the log reaches.
// Every batch is durable before any figure moves; a piece's row is durable before its first object, so that whatever a
// crash leaves behind is found again.
import { AssertionFailure, assert } from '../base/assert.ts';
import { fail, isFailure, toComment } from '../base/errors.ts';
import { COMMENT_CHARS_MAX } from '../base/limits.ts';
import { listPiece, readRoundStart } from '../destination/archive-listing.ts';
import { type ChainPosition, roundStartPosition } from '../destination/batch-chain.ts';
import type { Destination } from '../destination/destination.ts';
import { findRepairScn } from '../destination/find-repair.ts';
import type { CapturedBatch, LogPosition } from '../engine/engine-driver.ts';
import type { RoundStartInfo } from '../format/archive-info.ts';
import {
  type ArchivePiece,
  type ArchiveRound,
  PIECE_MOVES,
  type PieceStatus,
  pieceEndScn,
} from '../model/archive-round.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import { checkMove } from '../model/moves.ts';
import { later, SCN_NONE, type Scn, toScn } from '../model/scn.ts';
import type { ArchiveContext } from './archive-context.ts';
import { ArchiveDamaged } from './archive-damaged.ts';
import { recordPieceFrozen } from './archive-events.ts';
import { writePieceStart, writeRoundEnd } from './archive-files.ts';
import { archiveOwner, segmentOwner } from './archive-owner.ts';
import { freezePiece } from './freeze-piece.ts';
import { checkArchiveDestination, findLogTail, type LogTail } from './log-tail.ts';
import { type SegmentOwner, SegmentWriter } from './segment-writer.ts';

const NS_PER_US = 1000n;

/** The row of a piece that begins at a grid point of its round. */
export function newPiece(round: ArchiveRound, of: { pieceId: number; startScn: Scn; endScn: Scn; createdNs: bigint }) {
  const { tenantId, destId, roundId, uri } = round;
  const { pieceId, startScn, endScn, createdNs } = of;
  const piece: ArchivePiece = {
    ...{ tenantId, destId, roundId, pieceId, startScn, endScn, uri },
    status: 'ACTIVE',
    fileStatus: 'AVAILABLE',
    createdUs: createdNs / NS_PER_US,
    checkpointScn: startScn,
    maxScn: startScn,
    inputBytes: 0n,
    outputBytes: 0n,
  };
  return piece;
}

export class RoundLog {
  readonly #context: ArchiveContext;
  readonly #destination: Destination;
  #round: ArchiveRound;
  #piece: ArchivePiece;
  #writer: SegmentWriter;
  /** The start of the piece is at the destination. It comes before the first batch: only then is it known what it names. */
  #isAnnounced = false;
  #isClosed = false;
  #inFlight: Promise<void> | undefined;
  #askedMs = 0;
  /** Where the last batch at the destination ends. */
  #archivedScn: Scn = SCN_NONE;
  /** Called when a later scn ends the active piece. */
  onCut: ((scn: Scn) => void) | undefined;

  private constructor(
    context: ArchiveContext,
    of: { destination: Destination; round: ArchiveRound; piece: ArchivePiece; writer: SegmentWriter },
  ) {
    this.#context = context;
    this.#destination = of.destination;
    this.#round = of.round;
    this.#piece = of.piece;
    this.#writer = of.writer;
  }

  /**
   * Opens a round where its destination says that it stands.
   * @returns the log, the round's start, and the position to resume from; null when the round has no batch yet
   * @throws ArchiveDamaged; 9070, 9071, 9080, 9081 while the destination is away
   */
  static async open(
    context: ArchiveContext,
    round: ArchiveRound,
  ): Promise<{ log: RoundLog; start: RoundStartInfo; resume: LogPosition | null }> {
    const { tenantId } = round;
    const owner = segmentOwner(context, tenantId);
    const destination = context.openDestination(parseDestinationUri(round.uri), tenantId);
    try {
      await checkArchiveDestination(destination, owner);
      const start = await readStart(destination, round);
      const tail = await findTail(destination, round, owner);
      const piece = context.store.pieces.get({ tenantId, pieceId: round.usedPieceId });
      assert(piece, 'a round that has begun has a piece');
      checkNothingLost(context, round, tail);
      const { segments } = await listPiece(destination, piece);
      const position = tail
        ? { batchNo: tail.position.batchNo, hash: tail.position.batchHash }
        : roundStartPosition(start);
      const nextSegmentNo = (segments.at(-1)?.segmentNo ?? 0) + 1;
      const writer = new SegmentWriter({ destination, owner, piece: refOf(piece), nextSegmentNo, position });
      const log = new RoundLog(context, { destination, round, piece, writer });
      await log.#takeUp(tail);
      return { log, start, resume: tail?.position ?? null };
    } catch (error) {
      await destination[Symbol.asyncDispose]();
      throw error;
    }
  }

  get round(): ArchiveRound {
    return this.#round;
  }

  get piece(): ArchivePiece {
    return this.#piece;
  }

  /** No batch may hold commits on both sides of it. */
  get cutScn(): Scn {
    return this.#piece.endScn;
  }

  /** The destination itself says that everything up to here is archived; a crash takes nothing of it back. */
  get archivedScn(): Scn {
    return this.#archivedScn;
  }

  get canAppend(): boolean {
    return this.#destination.can.append;
  }

  /** The last batch at the destination. */
  get position(): ChainPosition {
    return this.#writer.position;
  }

  get openSegment(): { segmentNo: number; sizeBytes: number } | undefined {
    return this.#writer.openSegment;
  }

  /** Settles when the destination has answered; undefined when nothing was asked. */
  get pending(): Promise<void> | undefined {
    return this.#inFlight;
  }

  /** How long the destination has been owing an answer; 0 when nothing was asked. */
  get pendingMs(): number {
    return this.#inFlight ? this.#context.clock.monotonicMs() - this.#askedMs : 0;
  }

  /** Makes one batch durable. The same batch may come again, even after it became durable. */
  async deliver(batch: CapturedBatch): Promise<void> {
    if (this.#isClosed) throw fail('CANCELED', {});
    assert(this.#inFlight === undefined, 'one batch is delivered at a time');
    const { batchNo, hash } = this.#writer.position;
    if (batch.batchNo === batchNo && Buffer.compare(batch.position.batchHash, hash) === 0) return;
    await this.#exclusively(() => this.#write(batch));
  }

  /** Everything up to here is archived, says the capture of an idle tenant. */
  advance(checkpointScn: Scn): void {
    this.#round = { ...this.#round, checkpointScn: later(this.#round.checkpointScn, checkpointScn) };
    const { endScn } = this.#piece;
    const capped = checkpointScn < endScn ? checkpointScn : endScn;
    this.#piece = { ...this.#piece, checkpointScn: later(this.#piece.checkpointScn, capped) };
  }

  /** Writes the figures to the store; the caller's transaction holds those of many tenants. */
  persist(): void {
    const { store } = this.#context;
    const { tenantId, roundId, checkpointScn, inputBytes, outputBytes } = this.#round;
    store.rounds.change({ tenantId, roundId }, { checkpointScn, inputBytes, outputBytes });
    const piece = this.#piece;
    store.pieces.change(
      { tenantId, pieceId: piece.pieceId },
      {
        checkpointScn: piece.checkpointScn,
        maxScn: piece.maxScn,
        inputBytes: piece.inputBytes,
        outputBytes: piece.outputBytes,
      },
    );
    this.#raiseLastScn(later(checkpointScn, piece.maxScn));
  }

  /** Ends the active piece before its time, because the round ends. Safe to repeat. */
  async freeze(): Promise<void> {
    await this.#exclusively(() => this.#freeze());
  }

  /** Writes the end of the round. Safe to repeat. The last piece is frozen. */
  async end(of: { status: 'STOP' | 'INTERRUPTED'; comment: string }): Promise<void> {
    const { tenantId, destId, roundId, startScn, checkpointScn, basePieceId, usedPieceId } = this.#round;
    await writeRoundEnd(this.#destination, {
      ...archiveOwner(this.#context, tenantId),
      ...{ destId, roundId, startScn, checkpointScn, basePieceId },
      lastPieceId: usedPieceId,
      endedNs: this.#context.clock.nowNs(),
      status: of.status,
      comment: of.comment.slice(0, COMMENT_CHARS_MAX),
    });
  }

  /** Lets go of the destination. Nothing can be delivered afterwards. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#inFlight;
    await this.#writer.close();
    await this.#destination[Symbol.asyncDispose]();
  }

  /**
   * Scn of the commit that repairs the gap before the round; undefined while it is not whole.
   * @throws ArchiveDamaged; 9070, 9071 while the destination is away
   */
  async findRepairScn(): Promise<Scn | undefined> {
    const owner = segmentOwner(this.#context, this.#round.tenantId);
    return await findRepairScn(this.#destination, this.#round, owner).catch(throwDamaged);
  }

  async #exclusively(work: () => Promise<void>): Promise<void> {
    const running = work();
    // Only whether it still runs is of interest here; its failure is the caller's.
    const settled = running.then(
      () => {},
      () => {},
    );
    this.#inFlight = settled;
    this.#askedMs = this.#context.clock.monotonicMs();
    try {
      await running;
    } finally {
      this.#inFlight = undefined;
    }
  }

  /** After an opening: what an earlier life left half done, and figures that the store has not heard of. */
  async #takeUp(tail: LogTail | undefined): Promise<void> {
    this.#isAnnounced = this.#piece.status === 'FROZEN' || tail?.pieceId === this.#piece.pieceId;
    if (!this.#isAnnounced) await this.#announcePiece();
    if (!tail) return;
    if (tail.pieceId === this.#piece.pieceId) {
      for (const batch of tail.batches) {
        if (batch.commitCount === 0 || batch.lastScn <= this.#piece.maxScn) continue;
        this.#count({ maxScn: batch.lastScn, input: batch.pageCount * batch.pageSize, output: batch.totalBytes });
      }
    }
    this.#reach(tail.position.scn);
  }

  async #write(batch: CapturedBatch): Promise<void> {
    const { firstScn, lastScn } = batch;
    if (this.#piece.status !== 'ACTIVE' || firstScn >= this.#piece.endScn) await this.#switchPiece(batch);
    if (!this.#isAnnounced) await this.#announcePiece();
    const isWithin = lastScn < this.#piece.endScn || batch.commitCount === 0;
    assert(isWithin, 'no batch holds commits of two pieces');
    const written = await this.#writer.append(batch);
    this.#count({
      maxScn: batch.commitCount > 0 ? lastScn : this.#piece.maxScn,
      input: batch.plainBytes,
      output: written,
    });
    this.#reach(batch.checkpointScn);
  }

  #reach(scn: Scn): void {
    this.#archivedScn = scn;
    this.advance(scn);
  }

  #count(of: { maxScn: Scn; input: number; output: number }): void {
    const add = <T extends { inputBytes: bigint; outputBytes: bigint }>(row: T): T => ({
      ...row,
      inputBytes: row.inputBytes + BigInt(of.input),
      outputBytes: row.outputBytes + BigInt(of.output),
    });
    this.#round = add(this.#round);
    this.#piece = { ...add(this.#piece), maxScn: later(this.#piece.maxScn, of.maxScn) };
  }

  /**
   * Freezes the active piece and opens the one that the batch lies in. After an outage the batch may span several
   * intervals; then so does its piece.
   */
  async #switchPiece(batch: CapturedBatch): Promise<void> {
    const { store, clock } = this.#context;
    if (this.#piece.status === 'ACTIVE') {
      // Nothing earlier can follow any more: everything before the planned end is archived.
      this.#piece = { ...this.#piece, checkpointScn: later(this.#piece.checkpointScn, this.#piece.endScn) };
    }
    await this.#freeze();
    const { tenantId, startScn: origin, pieceSwitchIntervalUs, roundId } = this.#round;
    const stepNs = pieceSwitchIntervalUs * NS_PER_US;
    const gridPoint = (scn: Scn) => toScn(origin + ((scn - origin) / stepNs) * stepNs);
    const endScn = pieceEndScn(gridPoint(batch.lastScn), pieceSwitchIntervalUs);
    const startScn = later(gridPoint(batch.firstScn), this.#piece.endScn);
    assert(startScn <= batch.firstScn, 'a batch lies behind the pieces that are frozen');
    const next = store.transaction(() => {
      const pieceId = store.nextId(tenantId, 'piece');
      const piece = newPiece(this.#round, { pieceId, startScn, endScn, createdNs: clock.nowNs() });
      store.pieces.insert(piece);
      store.rounds.change({ tenantId, roundId }, { usedPieceId: pieceId });
      return piece;
    });
    this.#round = { ...this.#round, usedPieceId: next.pieceId };
    this.#piece = next;
    this.#writer = new SegmentWriter({
      destination: this.#destination,
      owner: segmentOwner(this.#context, tenantId),
      piece: refOf(next),
      nextSegmentNo: 1,
      position: this.#writer.position,
    });
    this.#isAnnounced = false;
    this.onCut?.(endScn);
  }

  async #announcePiece(): Promise<void> {
    await writePieceStart(this.#destination, {
      owner: archiveOwner(this.#context, this.#round.tenantId),
      piece: this.#piece,
      prevBatchHash: this.#writer.position.hash,
      createdNs: this.#piece.createdUs * NS_PER_US,
    });
    this.#isAnnounced = true;
  }

  async #freeze(): Promise<void> {
    if (this.#piece.status === 'ACTIVE') {
      this.#context.store.transaction(() => {
        this.persist();
        this.#movePiece('FREEZING');
        this.#raiseLastScn(this.#piece.checkpointScn);
      });
    }
    if (this.#piece.status !== 'FREEZING') return;
    if (!this.#isAnnounced) await this.#announcePiece();
    const { tenantId, pieceId } = this.#piece;
    const isBroken = this.#context.store.pieces.get({ tenantId, pieceId })?.fileStatus === 'BROKEN';
    const of = { destination: this.#destination, piece: this.#piece, writer: this.#writer, isBroken };
    this.#movePiece('FROZEN', await freezePiece(this.#context, of));
  }

  #movePiece(to: PieceStatus, patch: Partial<ArchivePiece> = {}): void {
    const { tenantId, pieceId, status: from } = this.#piece;
    const status = checkMove('archive piece', PIECE_MOVES, from, to);
    const moved = { ...this.#piece, ...patch, status };
    this.#context.store.transaction(() => {
      this.#context.store.pieces.change({ tenantId, pieceId }, { ...patch, status }, { status: from });
      if (status === 'FROZEN') recordPieceFrozen(this.#context, moved);
    });
    this.#piece = moved;
    this.#context.log.info('archive piece moved', { tenantId, roundId: this.#round.roundId, pieceId, from, to });
  }

  #raiseLastScn(scn: Scn): void {
    raiseLastScn(this.#context, this.#round.tenantId, scn);
  }
}

const refOf = ({ destId, roundId, pieceId }: ArchivePiece) => ({ destId, roundId, pieceId });

/** No scn up to here is ever given again. */
export function raiseLastScn({ store }: ArchiveContext, tenantId: number, scn: Scn): void {
  const tenant = store.tenants.get({ tenantId });
  if (tenant && tenant.lastScn < scn) store.tenants.update({ tenantId }, { lastScn: scn });
}

/** What a round goes on from stands in its start. */
async function readStart(destination: Destination, round: ArchiveRound): Promise<RoundStartInfo> {
  try {
    return await readRoundStart(destination, round);
  } catch (error) {
    if (!isFailure(error, 'BACKUP_DATA_CORRUPT') && !isFailure(error, 'BACKUP_FILE_NOT_EXIST')) throw error;
    throw new ArchiveDamaged(`archived log is missing at the destination: ${toComment(error)}`, { cause: error });
  }
}

async function findTail(
  destination: Destination,
  round: ArchiveRound,
  owner: SegmentOwner,
): Promise<LogTail | undefined> {
  return await findLogTail(destination, round, owner).catch(throwDamaged);
}

function throwDamaged(error: unknown): never {
  if (!isFailure(error, 'BACKUP_DATA_CORRUPT')) throw error;
  throw new ArchiveDamaged(toComment(error), { cause: error });
}

/** What was acknowledged must be there: the store knows of it, and commits behind it were given greater scns. */
function checkNothingLost({ store }: ArchiveContext, round: ArchiveRound, tail: LogTail | undefined): void {
  const { tenantId, roundId } = round;
  const pieces = store.pieces.find({ tenantId, roundId });
  const known = pieces.reduce<ArchivePiece | undefined>(
    (newest, piece) => (piece.maxScn > piece.startScn && piece.maxScn > (newest?.maxScn ?? 0n) ? piece : newest),
    undefined,
  );
  const missing = 'archived log is missing at the destination: it ends';
  if (known && (tail?.position.scn ?? 0n) < known.maxScn) {
    const at = tail ? `at ${tail.position.scn}` : 'before its first batch';
    throw new ArchiveDamaged(`${missing} ${at}, but commits up to ${known.maxScn} were archived`);
  }
  if (!tail && round.checkpointScn > round.startScn) throw new ArchiveDamaged(`${missing} before its first batch`);
}

/** For comments: what stopped a step. */
export function because(error: unknown): string {
  if (error instanceof ArchiveDamaged) return error.message;
  return error instanceof AssertionFailure ? error.message : toComment(error);
}
