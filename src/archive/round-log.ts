// The destination side of a running round: takes batches, keeps them in segments and pieces, knows how far the log reaches.
// Every batch is durable before any figure moves; a piece's row is durable before its first object, so that whatever a
// crash leaves behind is found again.
import { AssertionFailure, assert } from '../base/assert.ts';
import { fail, isFailure, toComment } from '../base/errors.ts';
import { COMMENT_CHARS_MAX } from '../base/limits.ts';
import { type ChainPosition, roundStartPosition } from '../destination/batch-chain.ts';
import type { Destination } from '../destination/destination.ts';
import { findRepairScn } from '../destination/find-repair.ts';
import type { CapturedBatch, LogPosition } from '../engine/engine-driver.ts';
import type { RoundStartInfo } from '../format/archive-info.ts';
import type { Lease } from '../lease/lease-service.ts';
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
import { archiveOwner, FOREIGN_ROUND, leaseArchive, segmentOwner } from './archive-owner.ts';
import { confirmTail } from './confirm-tail.ts';
import { freezePiece } from './freeze-piece.ts';
import { checkArchiveDestination, type LogTail } from './log-tail.ts';
import { newPiece } from './new-piece.ts';
import { OrderedCalls } from './ordered-calls.ts';
import { checkNothingLost, findLastSegmentNo, findTail, readStart, throwDamaged } from './round-found.ts';
import { newSegmentWriter } from './segment-numbers.ts';
import type { SegmentWriter, WrittenBatch } from './segment-writer.ts';

const NS_PER_US = 1000n;
/**
 * Objects that are put at once: with 4 MiB each and a store that answers in 100 ms, 300 MiB a second. Their bytes are held
 * until they are durable.
 */
const BATCHES_ON_THEIR_WAY_MAX = 8;

export class RoundLog {
  readonly #context: ArchiveContext;
  readonly #destination: Destination;
  readonly #lease: Lease;
  #round: ArchiveRound;
  #piece: ArchivePiece;
  #writer: SegmentWriter;
  /** The start of the piece is at the destination. It comes before the first batch: only then is it known what it names. */
  #isAnnounced = false;
  #isClosed = false;
  readonly #calls: OrderedCalls;
  /** Where the last batch at the destination ends. */
  #archivedScn: Scn = SCN_NONE;
  /** Called when a later scn ends the active piece. */
  onCut: ((scn: Scn) => void) | undefined;

  private constructor(
    context: ArchiveContext,
    of: { destination: Destination; lease: Lease; round: ArchiveRound; piece: ArchivePiece; writer: SegmentWriter },
  ) {
    this.#context = context;
    this.#destination = of.destination;
    this.#lease = of.lease;
    this.#round = of.round;
    this.#piece = of.piece;
    this.#writer = of.writer;
    this.#calls = new OrderedCalls({
      callsMax: BATCHES_ON_THEIR_WAY_MAX,
      nowMs: () => context.clock.monotonicMs(),
      onFailedAttempt: () => this.#writer.rewind(),
    });
  }

  /**
   * Opens a round where its destination says that it stands.
   * @returns the log, the round's start, and the position to resume from; null when the round has no batch yet
   * @throws ArchiveDamaged; 9070, 9071, 9080, 9081 while the destination is away; DESTINATION_HELD (4038)
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
      const lease = await leaseArchive(context, destination, round);
      if (context.leases.isForeignRound(tenantId, round)) throw new ArchiveDamaged(FOREIGN_ROUND);
      const start = await readStart(destination, round);
      const tail = await findTail(destination, round, owner);
      const piece = context.store.pieces.get({ tenantId, pieceId: round.usedPieceId });
      assert(piece, 'a round that has begun has a piece');
      checkNothingLost(context, round, tail);
      const lastSegmentNo = await findLastSegmentNo(destination, piece);
      const position = tail
        ? { batchNo: tail.position.batchNo, hash: tail.position.batchHash }
        : roundStartPosition(start);
      const writer = newSegmentWriter(context, {
        ...{ destination, piece, position, lastSegmentNo },
        generation: lease.generation,
        prevGeneration: tail?.pieceId === piece.pieceId ? tail.generation : undefined,
      });
      const log = new RoundLog(context, { destination, lease, round, piece, writer });
      return { log, start, resume: await log.#takeUp(tail) };
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
    return this.#calls.pending;
  }

  /** How long the destination has been owing an answer; 0 when nothing was asked. */
  get pendingMs(): number {
    return this.#calls.pendingMs;
  }

  /** How often in a row the destination has refused what it was to take. */
  get failedAttempts(): number {
    return this.#calls.failedAttempts;
  }

  /** How many batches may usefully be on their way at once: appends follow one another. */
  get batchesMax(): number {
    return this.canAppend ? 1 : BATCHES_ON_THEIR_WAY_MAX;
  }

  /**
   * Makes one batch durable. The next may be given before it resolves: calls end in order, each when its batch and all
   * before it are durable. After one has failed, those given behind it fail too; when the last of them has, delivery goes
   * on with the one that failed. The last durable batch may come again.
   */
  async deliver(batch: CapturedBatch): Promise<void> {
    if (this.#isClosed) throw fail('CANCELED', {});
    const { batchNo, hash } = this.#writer.position;
    if (batch.batchNo === batchNo && Buffer.compare(batch.position.batchHash, hash) === 0) return;
    await this.#calls.run({
      prepare: (before) => this.#prepare(batch, before),
      work: () => this.#write(batch),
      accept: (written) => this.#accept(written),
    });
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
    await this.#calls.run({ prepare: (before) => before(), work: () => this.#freeze(), accept: () => {} });
  }

  /** Writes the end of the round. Safe to repeat. The last piece is frozen. */
  async end(of: { status: 'STOP' | 'INTERRUPTED'; comment: string }): Promise<void> {
    const { tenantId, destId, roundId, startScn, checkpointScn, basePieceId, usedPieceId } = this.#round;
    await this.#prove();
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
    await this.pending;
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

  /** After an opening: what an earlier life left half done, and figures that the store has not heard of. */
  async #takeUp(tail: LogTail | undefined): Promise<LogPosition | null> {
    this.#isAnnounced = this.#piece.status === 'FROZEN' || tail?.pieceId === this.#piece.pieceId;
    if (!this.#isAnnounced) await this.#announcePiece();
    if (!tail) return null;
    const isInPiece = tail.pieceId === this.#piece.pieceId;
    if (isInPiece) {
      for (const batch of tail.batches) {
        if (batch.commitCount === 0 || batch.lastScn <= this.#piece.maxScn) continue;
        this.#count({ maxScn: batch.lastScn, input: batch.pageCount * batch.pageSize, output: batch.totalBytes });
      }
    }
    // A piece that is frozen, or about to be, gets no more; what is before it stands.
    const isOpen = isInPiece && this.#piece.status === 'ACTIVE' && !this.canAppend;
    const of = { piece: this.#piece, tail, writer: this.#writer };
    const position = isOpen ? await confirmTail(this.#context, of) : tail.position;
    // What an earlier life asked for may have landed behind somebody's taking over: he does not go on from that.
    await this.#prove();
    this.#reach(position.scn);
    return position;
  }

  /** Opens the piece that a batch belongs to. Only objects that are put whole may overlap, and only in one piece. */
  async #prepare({ firstScn, lastScn, commitCount, ...batch }: CapturedBatch, before: () => Promise<void>) {
    const isInNext = () => this.#piece.status !== 'ACTIVE' || firstScn >= this.#piece.endScn;
    if (this.canAppend || isInNext()) await before();
    // Behind an answer that came late another destination may lead.
    if (this.#isClosed) throw fail('CANCELED', {});
    if (isInNext()) await this.#switchPiece({ firstScn, lastScn });
    if (!this.#isAnnounced) await this.#announcePiece();
    const isWithin = lastScn < this.#piece.endScn || commitCount === 0;
    assert(isWithin, `batch ${batch.batchNo} holds no commits of two pieces`);
  }

  /** Durable, and written before anybody took the destination over: it counts from then on. */
  async #write(batch: CapturedBatch): Promise<WrittenBatch> {
    const written = await this.#writer.write(batch);
    await this.#prove();
    return written;
  }

  /**
   * What was written before the call counts, whoever takes the destination over later.
   * @throws ArchiveDamaged when somebody has done so: then this server is not to go on with the round
   */
  async #prove(): Promise<void> {
    try {
      await this.#lease.prove();
    } catch (error) {
      if (!isFailure(error, 'DESTINATION_HELD')) throw error;
      throw new ArchiveDamaged(error.message, { cause: error });
    }
  }

  #accept(written: WrittenBatch): void {
    this.#writer.accept(written);
    const { commitCount, lastScn, plainBytes, checkpointScn } = written.batch;
    const maxScn = commitCount > 0 ? lastScn : this.#piece.maxScn;
    this.#count({ maxScn, input: plainBytes, output: written.bytes });
    this.#reach(checkpointScn);
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
  async #switchPiece(batch: Pick<CapturedBatch, 'firstScn' | 'lastScn'>): Promise<void> {
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
    const { position } = this.#writer;
    this.#writer = newSegmentWriter(this.#context, {
      destination: this.#destination,
      piece: next,
      position,
      lastSegmentNo: 0,
      generation: this.#lease.generation,
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
    const isBroken = () => this.#context.store.pieces.get({ tenantId, pieceId })?.fileStatus === 'BROKEN';
    const of = { destination: this.#destination, piece: this.#piece, writer: this.#writer, isBroken };
    const prove = () => this.#prove();
    this.#movePiece('FROZEN', await freezePiece(this.#context, { ...of, prove }));
  }

  #movePiece(to: PieceStatus, patch: Partial<ArchivePiece> = {}): void {
    const { tenantId, destId, pieceId, status: from } = this.#piece;
    const status = checkMove('archive piece', PIECE_MOVES, from, to);
    const moved = { ...this.#piece, ...patch, status };
    this.#context.store.transaction(() => {
      this.#context.store.pieces.change({ tenantId, pieceId }, { ...patch, status }, { status: from, destId });
      if (status !== 'FROZEN') return;
      this.#context.store.segmentNumbers.remove({ tenantId, destId, pieceId });
      recordPieceFrozen(this.#context, moved);
    });
    this.#piece = moved;
    this.#context.log.info('archive piece moved', { tenantId, roundId: this.#round.roundId, pieceId, from, to });
  }

  #raiseLastScn(scn: Scn): void {
    raiseLastScn(this.#context, this.#round.tenantId, scn);
  }
}

/** No scn up to here is ever given again. */
export function raiseLastScn({ store }: ArchiveContext, tenantId: number, scn: Scn): void {
  const tenant = store.tenants.get({ tenantId });
  if (tenant && tenant.lastScn < scn) store.tenants.update({ tenantId }, { lastScn: scn });
}

/** For comments: what stopped a step. */
export function because(error: unknown): string {
  if (error instanceof ArchiveDamaged) return error.message;
  return error instanceof AssertionFailure ? error.message : toComment(error);
}
