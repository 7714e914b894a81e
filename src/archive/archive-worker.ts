// One tenant's archive: brings the round to what the tenant's settings ask for, one step at a time.
// The new status is durable before the next step begins, and every step can be repeated: whatever a crash interrupts is
// taken up again from the store and the destination.
import { assert } from '../base/assert.ts';
import { fail, isFailure } from '../base/errors.ts';
import type { Capture } from '../engine/engine-driver.ts';
import type { ArchiveRound, RoundStatus } from '../model/archive-round.ts';
import type { Scn } from '../model/scn.ts';
import { leadingSlot } from '../store/archive-slots.ts';
import type { ArchiveContext } from './archive-context.ts';
import { ArchiveDamaged } from './archive-damaged.ts';
import { recordGapRepaired } from './archive-events.ts';
import type { ArchiveFigures } from './archive-service.ts';
import type { ArchiveShared } from './archive-shared.ts';
import { pause } from './attachment.ts';
import { insertFirstPiece, openRound, startRound } from './begin-round.ts';
import { LeadWatch } from './copies/lead-watch.ts';
import { EndPatience, endUnseen, leaveUnfinished, writeEnd } from './end-round.ts';
import { HeldRound } from './held-round.ts';
import { letRest } from './let-rest.ts';
import { RepairPace } from './repair-pace.ts';
import { RestWatch } from './rest-watch.ts';
import { RetryPace } from './retry-pace.ts';
import { because } from './round-log.ts';
import { decideRoundStep, keepsLog, type RoundStep, STEP_ENDS } from './round-step.ts';
import { saveRound } from './save-round.ts';

export class ArchiveWorker {
  readonly tenantId: number;
  readonly #context: ArchiveContext;
  readonly #shared: ArchiveShared;
  readonly #held: HeldRound;
  #running: Promise<void> | undefined;
  #isKicked = false;
  readonly #pace: RetryPace;
  readonly #patience: EndPatience;
  readonly #repairs: RepairPace;
  #isStopped = false;
  #isForgotten = false;
  #isRestDue = false;
  #isGoingToRest = false;
  #waking: Promise<void> | undefined;
  #keepsLog: boolean | undefined;
  readonly #watch: RestWatch;
  readonly #lead: LeadWatch;

  constructor(context: ArchiveContext, shared: ArchiveShared, tenantId: number) {
    this.#context = context;
    this.#shared = shared;
    this.tenantId = tenantId;
    this.#watch = new RestWatch(context, tenantId);
    this.#patience = new EndPatience(context);
    this.#pace = new RetryPace(context.timing, () => this.kick());
    this.#repairs = new RepairPace(context);
    this.#held = new HeldRound({
      ...{ tenantId, context, scns: shared },
      worker: {
        onOpened: (log) => this.#shared.copies.opened(log),
        onAttaching: (log) => this.#shared.copies.attached(log),
        onDelivered: (log, batch) => {
          this.#watch.noteUse();
          this.#shared.copies.acknowledged(log, batch);
          this.#shared.markDirty(this);
        },
        onClosed: () => this.#shared.copies.detached(tenantId),
        onGap: () => this.kick(),
        isStopped: () => this.#isStopped,
      },
    });
    this.#lead = new LeadWatch({ context, held: this.#held, copies: shared.copies, tenantId });
  }

  /** Looks again at what is wanted; returns at once. */
  kick(): void {
    if (this.#isStopped) return;
    this.#pace.clear();
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

  /** A capture is attached, or just attaching, or the log is pinned for one. */
  get isHolding(): boolean {
    return this.#held.attached !== undefined || this.#held.isPinned;
  }

  /** The log is to be archived: nobody may make it reusable. */
  get keepsLog(): boolean {
    // Before the first step nothing was decided yet, but a session may be faster.
    if (this.#keepsLog === undefined) this.#decide();
    return this.#keepsLog === true;
  }

  /** @see ArchiveService.wake */
  get waking(): Promise<void> | undefined {
    return this.#isGoingToRest ? this.wake() : this.#waking;
  }

  /** Resolves when the capture is attached again, or when the first attempt failed or takes too long. */
  wake(): Promise<void> {
    this.kick();
    this.#waking ??= Promise.race([this.#running, pause(this.#context.timing.wakeMs)]).then(() => {
      this.#waking = undefined;
    });
    return this.#waking;
  }

  /** Somebody else than the capture itself needs the tenant attached. */
  noteUse(): void {
    this.#watch.noteUse();
  }

  /** Looks whether the capture may rest. @param attached how many tenants are attached */
  considerRest(attached: number): void {
    const capture = this.#held.attached?.capture;
    if (!capture || this.#isStopped || this.#running) return;
    this.#isRestDue = this.#watch.isRestDue(capture, { comment: this.#held.comment, attached });
    if (this.#isRestDue) this.kick();
  }

  figures(): ArchiveFigures | undefined {
    return this.#held.figures();
  }

  async flush(of?: { at: readonly string[] }): Promise<Scn> {
    const scn = await this.#held.flush();
    await this.#shared.copies.reached(this.tenantId, of);
    return scn;
  }

  refreshLagTarget(): void {
    this.#held.refreshLagTarget();
  }

  readonly refreshSeal = (): Promise<void> => this.#held.refreshSeal();

  /** The log was proved not to be the database's: nothing more may go into the round. */
  interrupt(because: string): void {
    const status = this.#round?.status;
    if (status !== 'BEGINNING' && status !== 'DOING') return;
    this.#held.noteGap(because);
    this.kick();
  }

  /** Looks how much log waits to be archived, and whether another destination is to take it. */
  checkPressure(): void {
    this.#held.checkPressure();
    if (this.#lead.look()) this.kick();
  }

  /** The figures of the round into the caller's transaction. */
  persist(): void {
    this.#held.persist();
  }

  /** Archives to the end and lets go; the round stays as it is. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#pace.clear();
    const running = this.#running;
    if (!this.capture) this.#held.attached?.leave();
    if (running) await Promise.race([running, pause(this.#context.timing.detachMs)]);
    await letRest(this.#context, this.#held, { tenantId: this.tenantId, mayRest: () => this.#mayRest() });
    await this.#held.unpin();
  }

  /** Nothing is wanted of the round but that it goes on. */
  #mayRest(): boolean {
    const { store, use } = this.#context;
    const { tenantId } = this;
    if (this.#isForgotten || this.#round?.status !== 'DOING' || use?.isInUse(tenantId) !== false) return false;
    return store.tenants.get({ tenantId })?.isArchiveMode === true;
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
        endUnseen(this.#context, this.tenantId, (round, to) => this.#save(round, to));
        break;
      }
      await pause(timing.retryMsMin);
    }
    await this.stop();
  }

  get #round(): ArchiveRound | undefined {
    return this.#held.round;
  }

  async #run(): Promise<void> {
    while (this.#isKicked && !this.#isStopped) {
      this.#isKicked = false;
      try {
        let step = this.#decide();
        for (; step !== 'stay' && !this.#isStopped; step = this.#decide()) await this.#take(step);
        await this.#held.unpin();
        this.#pace.succeeded();
        this.#lead.noteStep();
      } catch (error) {
        this.#lead.noteStep(error);
        if (!this.#isStopped) this.#fail(error);
      }
    }
  }

  #decide(): RoundStep {
    const { store } = this.#context;
    const { tenantId } = this;
    const tenant = store.tenants.get({ tenantId });
    const dest = leadingSlot(store, tenantId);
    const status = this.#round?.status ?? null;
    this.#keepsLog = keepsLog(status, tenant?.isArchiveMode ?? false);
    return decideRoundStep({
      status,
      isArchiveMode: (tenant?.isArchiveMode ?? false) && !this.#isForgotten,
      hasDest: dest !== undefined,
      destState: dest?.state ?? 'ENABLE',
      isTenantNormal: tenant?.status === 'NORMAL',
      isAttached: this.#held.attached?.capture !== undefined,
      hasGap: this.#held.gap !== undefined,
      isRepaired: status === 'INTERRUPTED' && this.#isRepaired(),
      isRestDue: this.#isRestDue,
      isLeadDue: this.#lead.isDue,
    });
  }

  /** Whether another round follows the interrupted one, now. */
  #isRepaired(): boolean {
    const { waitMs, because: why } = this.#repairs;
    if (this.#context.store.parameter(this.tenantId, 'gap_repair').toLowerCase() !== 'auto') {
      if (this.#held.comment === why) this.#held.setComment('');
      return false;
    }
    if (waitMs <= 0) return true;
    this.#pace.after(waitMs);
    if (why !== '') this.#held.setComment(why);
    return false;
  }

  async #take(step: Exclude<RoundStep, 'stay'>): Promise<void> {
    if (step === 'open') {
      this.#repairs.reset();
      return openRound(this.#context, this.tenantId);
    }
    const round = this.#round;
    assert(round, `a round is there to ${step}`);
    if (step !== 'attach') await this.#held.unpin();
    switch (step) {
      case 'begin':
        return await this.#begin(round);
      case 'attach':
        return await this.#attachOrGap(round);
      case 'rest':
        return await this.#rest();
      case 'lead':
        return await this.#lead.change(round);
      case 'interrupt':
        return await this.#interrupt(round);
      case 'replace':
        return await this.#replace(round);
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

  #save(round: ArchiveRound, to: RoundStatus, patch: Partial<ArchiveRound> = {}): void {
    saveRound(this.#context, round, { to, patch });
    this.#shared.copies.kick(this.tenantId);
    if (to !== 'STOPPING') this.#held.forgetComment();
  }

  async #begin(round: ArchiveRound): Promise<void> {
    const start = await this.#shared
      .attachSlot(() => startRound(this.#context, round, this.#held.lastScn()))
      .catch((error: unknown) => this.#patience.giveUp(error, { round, isForgotten: this.#isForgotten }));
    if (!start) return this.#save(round, STEP_ENDS.begin, { comment: '' });
    this.#patience.renew();
    const { startScn } = start;
    this.#context.store.transaction(() => {
      insertFirstPiece(this.#context, round, start);
      const repairs = { baseRoundId: start.base?.roundId ?? null, baseScn: start.base?.scn ?? null };
      this.#save(round, STEP_ENDS.begin, { startScn, checkpointScn: startScn, comment: '', ...repairs });
    });
  }

  async #attachOrGap(round: ArchiveRound): Promise<void> {
    if (!this.#held.attached?.capture) {
      // Without waiting for a place: others may keep theirs as long as their destinations do not answer.
      await this.#held.pin(round);
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
    this.#repairs.noteAttached();
    log.advance(capture.startScn);
    this.#context.store.transaction(() => {
      log.persist();
      // A capture that starts in a round that repairs a gap has archived the repair.
      const isRepaired = Boolean(round.baseRoundId) && !round.repairedScn;
      const repaired = isRepaired ? { repairedScn: attached.repairScn ?? capture.startScn } : {};
      if (round.status !== 'BEGINNING') return;
      this.#save(round, STEP_ENDS.attach, { comment: '', ...repaired });
      if (isRepaired) recordGapRepaired(this.#context, { ...round, ...repaired });
    });
    this.#held.clearComment();
  }

  /** Lets the capture rest. Who wants something meanwhile has kicked: then the next step attaches it again. */
  async #rest(): Promise<void> {
    this.#isRestDue = false;
    this.#isGoingToRest = true;
    const mayRest = () => !this.#isKicked && this.#mayRest();
    try {
      // Thousands may wait to be attached: they need what this one gives back.
      const rest = await this.#shared.attachSlot(
        async () => (mayRest() ? await letRest(this.#context, this.#held, { tenantId: this.tenantId, mayRest }) : null),
        { isUrgent: true },
      );
      this.#watch.noteUse();
      if (!rest) return;
      this.#isStopped = true;
      this.#shared.onRest(this, rest);
    } finally {
      this.#isGoingToRest = false;
    }
  }

  async #interrupt(round: ArchiveRound): Promise<void> {
    const reason = this.#held.gap ?? '';
    const failure = fail('LOG_ARCHIVE_INTERRUPTED', { because: reason });
    await this.#held.attached?.detach(failure, { isAbandoned: true });
    await this.#held.close();
    this.#save(round, STEP_ENDS.interrupt, { comment: reason });
    this.#held.clearGap();
    this.#repairs.noteInterrupted({ ...(this.#round ?? round), status: round.status });
  }

  /** The interrupted round stays as it is, its cause with it; another one follows. */
  async #replace(round: ArchiveRound): Promise<void> {
    try {
      await writeEnd(this.#held, round, 'INTERRUPTED');
    } catch (error) {
      if (!(error instanceof ArchiveDamaged)) throw error;
      leaveUnfinished(this.#context, this.#round ?? round, error);
    }
    await this.#held.close();
    openRound(this.#context, this.tenantId);
    this.#held.forgetComment();
  }

  async #pause(round: ArchiveRound): Promise<void> {
    await this.#held.attached?.detach(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
    await this.#held.close();
    this.#held.clearGap();
    this.#save(round, STEP_ENDS.pause, { comment: '' });
  }

  /** Freezes the last piece and writes the end of the round; gives up on a destination that stays away. */
  async #finish(round: ArchiveRound): Promise<void> {
    this.#patience.isOver(this.#isForgotten);
    await this.#held.attached?.detach(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
    try {
      await writeEnd(this.#held, round, round.comment === '' ? 'STOP' : 'INTERRUPTED');
    } catch (error) {
      if (!(error instanceof ArchiveDamaged) && !this.#patience.isOver(this.#isForgotten)) throw error;
      // The last batches may have opened another piece since the step began.
      leaveUnfinished(this.#context, this.#round ?? round, error);
    }
    await this.#held.close();
    this.#patience.renew();
    this.#held.clearGap();
    this.#save(round, STEP_ENDS.finish, { comment: '' });
  }

  #fail(error: unknown): void {
    const { log } = this.#context;
    const { tenantId } = this;
    const text = because(error);
    if (text !== this.#held.comment) log.warn('archive step failed', { tenantId, error });
    this.#held.setComment(text);
    this.#pace.failed();
  }
}
