// One tenant's archive: brings the round to what the tenant's settings ask for, one step at a time.
// The new status is durable before the next step begins, and every step can be repeated: whatever a crash interrupts is
// taken up again from the store and the destination.
import { assert } from '../base/assert.ts';
import { fail, isFailure } from '../base/errors.ts';
import type { Capture } from '../engine/engine-driver.ts';
import { type ArchiveRound, moveRound, pieceEndScn, type RoundStatus } from '../model/archive-round.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import { nextScn, SCN_NONE, type Scn } from '../model/scn.ts';
import type { ArchiveContext } from './archive-context.ts';
import { ArchiveDamaged } from './archive-damaged.ts';
import { writeRoundStart } from './archive-files.ts';
import type { ArchiveFigures } from './archive-service.ts';
import { pause } from './attachment.ts';
import { type AnnouncedScns, HeldRound } from './held-round.ts';
import { checkArchiveDestination } from './log-tail.ts';
import { archiveOwner, because, newPiece, raiseLastScn, segmentOwner } from './round-log.ts';
import { decideRoundStep, type RoundStep, STEP_ENDS } from './round-step.ts';

/** What the workers of all tenants share. */
export interface ArchiveShared extends AnnouncedScns {
  /** Runs the work when one of the few places for attaching is free. */
  attachSlot<T>(work: () => Promise<T>): Promise<T>;
  /** The worker has figures for the store. */
  markDirty(worker: ArchiveWorker): void;
}

export class ArchiveWorker {
  readonly tenantId: number;
  readonly #context: ArchiveContext;
  readonly #shared: ArchiveShared;
  readonly #held: HeldRound;
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
    this.#held = new HeldRound({
      ...{ tenantId, context, scns: shared },
      worker: {
        onDelivered: () => this.#shared.markDirty(this),
        onGap: () => this.kick(),
        isAttachWanted: () => this.#decide() === 'attach',
        isStopped: () => this.#isStopped,
      },
    });
  }

  /** Looks again at what is wanted; returns at once. */
  kick(): void {
    if (this.#isStopped) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#isKicked = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      // One more wish may have come between the last look and here.
      if (this.#isKicked) this.kick();
    });
  }

  get capture(): Capture | undefined {
    return this.#held.capture;
  }

  figures(): ArchiveFigures | undefined {
    return this.#held.figures();
  }

  async flush(): Promise<Scn> {
    return await this.#held.flush();
  }

  refreshLagTarget(): void {
    this.#held.refreshLagTarget();
  }

  /** The figures of the round into the caller's transaction. */
  persist(): void {
    this.#held.persist();
  }

  /** Archives to the end and lets go; the round stays as it is. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const running = this.#running;
    if (!this.capture) this.#held.attached?.leave();
    if (running) await Promise.race([running, pause(this.#context.timing.detachMs)]);
    await this.#held.attached?.detach(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
    await this.#held.close();
  }

  /** Ends the round because the tenant goes away; a destination that is away does not hold it up for long. */
  async forget(): Promise<void> {
    this.#isForgotten = true;
    const { clock, timing } = this.#context;
    const deadlineMs = clock.monotonicMs() + 2 * timing.detachMs;
    for (;;) {
      if (!this.capture) this.#held.attached?.leave();
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
    return this.#held.round;
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
      isAttached: this.#held.attached?.capture !== undefined,
      hasGap: this.#held.gap !== undefined,
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
    if (to !== 'STOPPING') this.#held.forgetComment();
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
      const chosenScn = nextScn(this.#held.lastScn(), createdNs);
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
    if (!this.#held.attached?.capture) {
      try {
        await this.#shared.attachSlot(async () => {
          if (!this.#isStopped && this.#decide() === 'attach') await this.#held.attach(round);
        });
      } catch (error) {
        if (!(error instanceof ArchiveDamaged) && !isFailure(error, 'CLOG_RECYCLE_BEFORE_ARCHIVE')) throw error;
        this.#held.noteGap(because(error));
        return;
      }
    }
    const attached = this.#held.attached;
    if (!attached?.capture || this.#held.gap !== undefined) return;
    const { log, capture } = attached;
    log.advance(capture.startScn);
    this.#context.store.transaction(() => {
      log.persist();
      if (round.status === 'BEGINNING') this.#save(round, STEP_ENDS.attach, { comment: '' });
    });
    this.#held.clearComment();
  }

  async #interrupt(round: ArchiveRound): Promise<void> {
    const reason = this.#held.gap ?? '';
    const failure = fail('LOG_ARCHIVE_INTERRUPTED', { because: reason });
    await this.#held.attached?.detach(failure, { isAbandoned: true });
    await this.#held.close();
    this.#save(round, STEP_ENDS.interrupt, { comment: reason });
    this.#held.clearGap();
  }

  async #pause(round: ArchiveRound): Promise<void> {
    await this.#held.attached?.detach(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
    await this.#held.close();
    this.#held.clearGap();
    this.#save(round, STEP_ENDS.pause, { comment: '' });
  }

  /** Freezes the last piece and writes the end of the round; gives up on a destination that stays away. */
  async #finish(round: ArchiveRound): Promise<void> {
    const { clock, timing } = this.#context;
    this.#finishDeadlineMs ??= clock.monotonicMs() + (this.#isForgotten ? timing.detachMs : timing.finishMs);
    await this.#held.attached?.detach(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
    try {
      if (this.#held.attached?.log.pending) await this.#held.close();
      const { log } = this.#held.attached ?? (await this.#held.open(round));
      await log.freeze();
      await log.end({ status: round.comment === '' ? 'STOP' : 'INTERRUPTED', comment: round.comment });
    } catch (error) {
      const isOver = clock.monotonicMs() >= this.#finishDeadlineMs || error instanceof ArchiveDamaged;
      if (!isOver) throw error;
      this.#leaveUnfinished(round, error);
    }
    await this.#held.close();
    this.#finishDeadlineMs = undefined;
    this.#held.clearGap();
    this.#save(round, STEP_ENDS.finish, { comment: '' });
  }

  /** The round ends without its last objects: what is at the destination can be restored as that of a running round. */
  #leaveUnfinished(round: ArchiveRound, error: unknown): void {
    const { store, log } = this.#context;
    // The last batches may have opened another piece since the step began.
    const { tenantId, roundId, usedPieceId: pieceId } = this.#round ?? round;
    log.warn('archive round ends without its end at the destination', { tenantId, roundId, pieceId, error });
    const piece = store.pieces.get({ tenantId, pieceId });
    if (piece && piece.status !== 'FROZEN')
      store.pieces.change(
        { tenantId, pieceId },
        { status: 'FROZEN', fileStatus: 'INCOMPLETE' },
        { status: piece.status },
      );
  }

  #fail(error: unknown): void {
    const { log, timing } = this.#context;
    const { tenantId } = this;
    const text = because(error);
    if (text !== this.#held.comment) log.warn('archive step failed', { tenantId, error });
    this.#held.setComment(text);
    const pauseMs = Math.min(timing.retryMsMin * 2 ** this.#failures, timing.retryMsMax);
    this.#failures = Math.min(this.#failures + 1, 30);
    this.#retry ??= setTimeout(() => this.kick(), pauseMs).unref();
  }
}
