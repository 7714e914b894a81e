// One tenant's archive: brings the round to what the tenant's settings ask for, one step at a time.
// The new status is durable before the next step begins, and every step can be repeated: whatever a crash interrupts is
// taken up again from the store and the destination.
import { assert } from '../base/assert.ts';
import { fail, isFailure } from '../base/errors.ts';
import type { Capture } from '../engine/engine-driver.ts';
import { type ArchiveRound, moveRound, pieceEndScn, type RoundStatus } from '../model/archive-round.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import { parseCapacityBytes } from '../model/parameter.ts';
import { nextScn, SCN_NONE, type Scn } from '../model/scn.ts';
import { parseDurationUs } from '../model/size-text.ts';
import type { ArchiveContext } from './archive-context.ts';
import { writeRoundStart } from './archive-files.ts';
import type { ArchiveFigures } from './archive-service.ts';
import { Attachment, type AttachmentEvents, pause } from './attachment.ts';
import { checkArchiveDestination } from './log-tail.ts';
import { ArchiveDamaged, archiveOwner, because, newPiece, raiseLastScn, segmentOwner } from './round-log.ts';
import { decideRoundStep, type RoundStep, STEP_ENDS } from './round-step.ts';

/** A destination that can append takes a batch a second gladly, whatever lag is allowed. */
const APPEND_LAG_MS_MAX = 1000;

/** What the workers of all tenants share. */
export interface ArchiveShared {
  /** Runs the work when one of the few places for attaching is free. */
  attachSlot<T>(work: () => Promise<T>): Promise<T>;
  /** The worker has figures for the store. */
  markDirty(worker: ArchiveWorker): void;
  /** No commit of any tenant may get an scn up to here after a crash. */
  noteAnnounced(scn: Scn): void;
  announcedScn(): Scn;
}

export class ArchiveWorker {
  readonly tenantId: number;
  readonly #context: ArchiveContext;
  readonly #shared: ArchiveShared;
  #attached: Attachment | undefined;
  /** A write that the destination has not answered, of a log that was given up. */
  #lingering: Promise<void> | undefined;
  /** Why the log cannot be continued. */
  #gap: string | undefined;
  /** Why nothing moves. */
  #comment = '';
  #running: Promise<void> | undefined;
  #isKicked = false;
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  #finishDeadlineMs: number | undefined;
  #isStopped = false;
  #isForgotten = false;

  constructor(context: ArchiveContext, shared: ArchiveShared, tenantId: number) {
    this.#context = context;
    this.#shared = shared;
    this.tenantId = tenantId;
  }

  /** Looks again at what is wanted; returns at once. */
  kick(): void {
    if (this.#isStopped) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#isKicked = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  get capture(): Capture | undefined {
    return this.#round?.status === 'DOING' ? this.#attached?.capture : undefined;
  }

  figures(): ArchiveFigures | undefined {
    const round = this.#round;
    if (!round) return undefined;
    const { log, capture } = this.#attached ?? {};
    const row = log?.round ?? round;
    const status = round.status === 'DOING' ? capture?.status() : undefined;
    let checkpointScn = row.checkpointScn;
    if (log && status) {
      log.advance(status.checkpointScn);
      checkpointScn = log.round.checkpointScn;
      this.#shared.noteAnnounced(checkpointScn);
    }
    const maxScn = log?.piece.maxScn ?? this.#usedPiece(round)?.maxScn ?? SCN_NONE;
    return {
      checkpointScn,
      maxScn: status && status.maxScn > maxScn ? status.maxScn : maxScn,
      inputBytes: row.inputBytes,
      outputBytes: row.outputBytes,
      pendingCommits: status?.pendingCommits ?? 0,
      logBytes: status?.logBytes ?? 0,
      comment: this.#comment || status?.comment || (round.status === 'INTERRUPTED' ? round.comment : ''),
    };
  }

  async flush(): Promise<Scn> {
    const round = this.#round;
    if (round?.status === 'INTERRUPTED') throw fail('LOG_ARCHIVE_INTERRUPTED', { because: round.comment });
    const attached = this.#attached;
    const capture = this.capture;
    if (!attached || !capture) throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
    return await attached.flush(capture);
  }

  refreshLagTarget(): void {
    this.#attached?.capture?.setLagTargetMs(this.#lagTargetMs());
  }

  /** The figures of the round into the caller's transaction. */
  persist(): void {
    const { log, capture } = this.#attached ?? {};
    if (!log) return;
    if (capture && this.#round?.status === 'DOING') log.advance(capture.status().checkpointScn);
    log.persist();
  }

  /** Archives to the end and lets go; the round stays as it is. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const running = this.#running;
    if (!this.capture) this.#attached?.leave();
    if (running) await Promise.race([running, pause(this.#context.timing.detachMs)]);
    await this.#attached?.detach(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
    await this.#closeLog();
  }

  /** Ends the round because the tenant goes away; a destination that is away does not hold it up for long. */
  async forget(): Promise<void> {
    this.#isForgotten = true;
    const { clock, timing } = this.#context;
    const deadlineMs = clock.monotonicMs() + 2 * timing.detachMs;
    for (;;) {
      if (!this.capture) this.#attached?.leave();
      this.kick();
      const running = this.#running;
      if (running) await Promise.race([running, pause(timing.detachMs)]);
      const status = this.#round?.status;
      if (this.#isStopped || status === undefined || status === 'STOP') break;
      if (clock.monotonicMs() >= deadlineMs) {
        this.#endUnseen();
        break;
      }
      await pause(timing.retryMsMin);
    }
    await this.stop();
  }

  /** Brings the row of a forgotten round to its end without its destination. */
  #endUnseen(): void {
    for (let round = this.#round; round && round.status !== 'STOP'; round = this.#round) {
      if (round.status === 'STOPPING') this.#leaveUnfinished(round, fail('CANCELED', {}));
      const to = round.status === 'PREPARE' ? 'BEGINNING' : round.status === 'STOPPING' ? 'STOP' : 'STOPPING';
      this.#save(round, to);
    }
  }

  get #round(): ArchiveRound | undefined {
    return this.#context.store.currentRound(this.tenantId);
  }

  #usedPiece({ tenantId, usedPieceId }: ArchiveRound) {
    return this.#context.store.pieces.get({ tenantId, pieceId: usedPieceId });
  }

  async #run(): Promise<void> {
    while (this.#isKicked && !this.#isStopped) {
      this.#isKicked = false;
      try {
        let step = this.#decide();
        for (; step !== 'rest' && !this.#isStopped; step = this.#decide()) await this.#take(step);
        this.#failures = 0;
      } catch (error) {
        if (!this.#isStopped) this.#fail(error);
      }
    }
  }

  #decide(): RoundStep {
    const { store } = this.#context;
    const { tenantId } = this;
    const tenant = store.tenants.get({ tenantId });
    const dest = store.archiveDests.get({ tenantId });
    return decideRoundStep({
      status: this.#round?.status ?? null,
      isArchiveMode: (tenant?.isArchiveMode ?? false) && !this.#isForgotten,
      hasDest: dest !== undefined,
      destState: dest?.state ?? 'ENABLE',
      isTenantNormal: tenant?.status === 'NORMAL',
      isAttached: this.#attached?.capture !== undefined,
      hasGap: this.#gap !== undefined,
    });
  }

  async #take(step: Exclude<RoundStep, 'rest'>): Promise<void> {
    if (step === 'open') return this.#open();
    const round = this.#round;
    assert(round, `a round is there to ${step}`);
    switch (step) {
      case 'begin':
        return await this.#begin(round);
      case 'attach':
        return await this.#attachOrGap(round);
      case 'interrupt':
        return await this.#interrupt(round);
      case 'pause':
        return await this.#pause(round);
      case 'finish':
        return await this.#finish(round);
      case 'defer':
      case 'enable':
        return this.#save(round, STEP_ENDS[step], { comment: '' });
      case 'close':
        // The comment of an interruption goes into the end of the round; any other is over.
        return this.#save(round, STEP_ENDS[step], round.status === 'INTERRUPTED' ? {} : { comment: '' });
    }
  }

  /** The only writer of a round's status. */
  #save(round: ArchiveRound, to: RoundStatus, patch: Partial<ArchiveRound> = {}): void {
    const { store, log } = this.#context;
    const { tenantId, roundId, status: from } = round;
    const moved = moveRound(round, to);
    store.rounds.change({ tenantId, roundId }, { ...patch, status: moved.status }, { status: from });
    log.info('archive round moved', {
      tenantId,
      roundId,
      from,
      to,
      ...(patch.comment ? { because: patch.comment } : {}),
    });
    if (to !== 'STOPPING') this.#comment = '';
  }

  /** A new round: it has its number before anything of it exists. */
  #open(): void {
    const { store, log } = this.#context;
    const { tenantId } = this;
    store.transaction(() => {
      const dest = store.archiveDests.get({ tenantId });
      assert(dest, 'a round has a destination');
      const { destId, uri, pieceSwitchIntervalUs } = dest;
      const roundId = store.nextId(tenantId, 'round');
      const pieceId = store.nextId(tenantId, 'piece');
      store.rounds.insert({
        ...{ tenantId, destId, roundId, uri, pieceSwitchIntervalUs },
        status: 'PREPARE',
        startScn: SCN_NONE,
        checkpointScn: SCN_NONE,
        basePieceId: pieceId,
        usedPieceId: pieceId,
        inputBytes: 0n,
        outputBytes: 0n,
        comment: '',
      });
      log.info('archive round moved', { tenantId, roundId, from: null, to: 'PREPARE' });
    });
  }

  /** Chooses where the round starts. An earlier attempt may have written it: then that start counts. */
  async #begin(round: ArchiveRound): Promise<void> {
    const { store, clock } = this.#context;
    const { tenantId, destId, roundId, basePieceId, pieceSwitchIntervalUs } = round;
    const createdNs = clock.nowNs();
    const destination = this.#context.openDestination(parseDestinationUri(round.uri));
    let startScn: Scn;
    try {
      await checkArchiveDestination(destination, segmentOwner(this.#context, tenantId));
      const owner = archiveOwner(this.#context, tenantId);
      const facts = { destId, roundId, basePieceId, pieceSwitchIntervalUs, createdNs };
      const chosenScn = nextScn(this.#lastScn(), createdNs);
      ({ startScn } = await writeRoundStart(destination, { ...owner, ...facts, startScn: chosenScn }));
    } finally {
      await destination[Symbol.asyncDispose]();
    }
    const endScn = pieceEndScn(startScn, pieceSwitchIntervalUs);
    store.transaction(() => {
      store.pieces.insert(newPiece(round, { pieceId: basePieceId, startScn, endScn, createdNs }));
      raiseLastScn(this.#context, tenantId, startScn);
      this.#save(round, STEP_ENDS.begin, { startScn, checkpointScn: startScn, comment: '' });
    });
  }

  async #attachOrGap(round: ArchiveRound): Promise<void> {
    if (!this.#attached?.capture) {
      try {
        await this.#shared.attachSlot(async () => {
          if (!this.#isStopped && this.#decide() === 'attach') await this.#attach(round);
        });
      } catch (error) {
        if (!(error instanceof ArchiveDamaged) && !isFailure(error, 'CLOG_RECYCLE_BEFORE_ARCHIVE')) throw error;
        this.#gap = because(error);
        return;
      }
    }
    const attached = this.#attached;
    if (!attached?.capture || this.#gap !== undefined) return;
    const { log, capture } = attached;
    log.advance(capture.startScn);
    this.#context.store.transaction(() => {
      log.persist();
      if (round.status === 'BEGINNING') this.#save(round, STEP_ENDS.attach, { comment: '' });
    });
    this.#setComment('');
  }

  async #attach(round: ArchiveRound): Promise<void> {
    await this.#closeLog();
    this.#checkAnswered(round);
    const attached = await Attachment.open(this.#context, round);
    this.#attached = attached;
    const events: AttachmentEvents = {
      onDelivered: () => {
        this.#setComment('');
        this.#shared.markDirty(this);
      },
      onDeliverFailed: (error) => this.#onDeliverFailed(attached, error),
      onGap: (reason) => this.#onGap(attached, reason),
    };
    try {
      const lagTargetMs = this.#lagTargetMs();
      await attached.startCapture({ lastScn: this.#lastScn(), lagTargetMs, events });
    } catch (error) {
      await this.#closeLog();
      throw error;
    }
  }

  #onDeliverFailed(attached: Attachment, error: unknown): void {
    if (this.#attached !== attached) return;
    this.#setComment(because(error));
    this.#checkWalLimit(attached);
    // An attaching capture repeats its first batch by itself; meanwhile the operator may want something else.
    if (!attached.capture && this.#decide() !== 'attach') attached.leave();
  }

  #onGap(attached: Attachment, reason: string): void {
    if (this.#attached !== attached) return;
    this.#gap = reason;
    this.kick();
  }

  /** An Optional archive gives up before an unarchived log fills the tenant's disk. */
  #checkWalLimit(attached: Attachment): void {
    const { store } = this.#context;
    const { tenantId } = this;
    const text = store.parameter(tenantId, 'log_archive_wal_limit');
    const limitBytes = parseCapacityBytes(text) ?? 0n;
    if (limitBytes === 0n || store.archiveDests.get({ tenantId })?.binding === 'MANDATORY') return;
    const logBytes = attached.capture?.status().logBytes ?? 0;
    if (logBytes <= limitBytes) return;
    this.#onGap(
      attached,
      `the unarchived log grew to ${logBytes} bytes, beyond log_archive_wal_limit = ${text}: ${this.#comment}`,
    );
  }

  async #interrupt(round: ArchiveRound): Promise<void> {
    const reason = this.#gap ?? '';
    const failure = fail('LOG_ARCHIVE_INTERRUPTED', { because: reason });
    await this.#attached?.detach(failure, { isAbandoned: true });
    await this.#closeLog();
    this.#save(round, STEP_ENDS.interrupt, { comment: reason });
    this.#gap = undefined;
  }

  async #pause(round: ArchiveRound): Promise<void> {
    await this.#attached?.detach(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
    await this.#closeLog();
    this.#gap = undefined;
    this.#save(round, STEP_ENDS.pause, { comment: '' });
  }

  /** Freezes the last piece and writes the end of the round; gives up on a destination that stays away. */
  async #finish(round: ArchiveRound): Promise<void> {
    const { clock, timing } = this.#context;
    this.#finishDeadlineMs ??= clock.monotonicMs() + (this.#isForgotten ? timing.detachMs : timing.finishMs);
    await this.#attached?.detach(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
    try {
      if (this.#attached?.log.pending) await this.#closeLog();
      this.#checkAnswered(round);
      this.#attached ??= await Attachment.open(this.#context, round);
      const { log } = this.#attached;
      await log.freeze();
      await log.end({ status: round.comment === '' ? 'STOP' : 'INTERRUPTED', comment: round.comment });
    } catch (error) {
      const isOver = clock.monotonicMs() >= this.#finishDeadlineMs || error instanceof ArchiveDamaged;
      if (!isOver) throw error;
      this.#leaveUnfinished(round, error);
    }
    await this.#closeLog();
    this.#finishDeadlineMs = undefined;
    this.#gap = undefined;
    this.#save(round, STEP_ENDS.finish, { comment: '' });
  }

  /** The round ends without its last objects: what is at the destination can be restored as that of a running round. */
  #leaveUnfinished(round: ArchiveRound, error: unknown): void {
    const { store, log } = this.#context;
    const { tenantId, roundId, usedPieceId: pieceId } = round;
    log.warn('archive round ends without its end at the destination', { tenantId, roundId, pieceId, error });
    const piece = this.#usedPiece(round);
    if (piece && piece.status !== 'FROZEN')
      store.pieces.change(
        { tenantId, pieceId },
        { status: 'FROZEN', fileStatus: 'INCOMPLETE' },
        { status: piece.status },
      );
  }

  async #closeLog(): Promise<void> {
    const attached = this.#attached;
    if (!attached) return;
    this.#attached = undefined;
    const { pending } = attached.log;
    if (!pending) return await attached.close();
    this.#lingering = pending.then(() => {
      this.#lingering = undefined;
    });
    // It closes behind the answer that it still waits for.
    attached.close().catch((error) => this.#context.log.warn('archive log did not close', { error }));
  }

  /** What an unanswered write does in the end must not surprise a later log. @throws BACKUP_DEST_NOT_CONNECT (9070) */
  #checkAnswered({ uri }: ArchiveRound): void {
    if (this.#lingering) throw fail('BACKUP_DEST_NOT_CONNECT', { uri, because: 'an earlier write has no answer yet' });
  }

  #fail(error: unknown): void {
    const { log, timing } = this.#context;
    const { tenantId } = this;
    const text = because(error);
    if (text !== this.#comment) log.warn('archive step failed', { tenantId, error });
    this.#setComment(text);
    const pauseMs = Math.min(timing.retryMsMin * 2 ** this.#failures, timing.retryMsMax);
    this.#failures = Math.min(this.#failures + 1, 30);
    this.#retry ??= setTimeout(() => this.kick(), pauseMs).unref();
  }

  /** Shows why nothing moves; '' when all is well again. */
  #setComment(comment: string): void {
    if (comment === this.#comment) return;
    this.#comment = comment;
    const { store, log } = this.#context;
    const { tenantId } = this;
    try {
      const round = this.#round;
      // These keep the reason of an interruption.
      if (!round || ['INTERRUPTED', 'STOPPING', 'STOP'].includes(round.status)) return;
      const { roundId, status } = round;
      if (round.comment !== comment) store.rounds.update({ tenantId, roundId }, { comment }, { status });
    } catch (error) {
      // It is shown from memory all the same, and the step that failed is repeated.
      log.error('archive comment was not stored', { tenantId, error });
    }
  }

  #lagTargetMs(): number {
    const us = parseDurationUs(this.#context.store.parameter(this.tenantId, 'archive_lag_target'));
    const ms = Number((us ?? 0n) / 1000n);
    return ms > APPEND_LAG_MS_MAX && this.#canAppend ? APPEND_LAG_MS_MAX : ms;
  }

  get #canAppend(): boolean {
    return this.#attached?.log.canAppend ?? false;
  }

  /** Every scn that was ever given or announced is at or before this. */
  #lastScn(): Scn {
    const { tenantId } = this;
    const lastScn = this.#context.store.tenants.get({ tenantId })?.lastScn ?? SCN_NONE;
    const announced = this.#shared.announcedScn();
    return lastScn > announced ? lastScn : announced;
  }
}
