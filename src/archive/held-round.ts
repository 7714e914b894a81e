// What the server holds of one tenant's round from step to step: at most one attachment, a write that still lingers, the
// gap that ends the log, and why nothing moves.
import { fail } from '../base/errors.ts';
import type { Capture, CapturedBatch, CaptureStatus } from '../engine/engine-driver.ts';
import type { ArchiveRound } from '../model/archive-round.ts';
import { parseCapacityBytes } from '../model/parameter.ts';
import { later, SCN_NONE, type Scn } from '../model/scn.ts';
import { leadingSlot } from '../store/archive-slots.ts';
import type { ArchiveContext } from './archive-context.ts';
import { ArchiveDamaged } from './archive-damaged.ts';
import type { ArchiveFigures } from './archive-service.ts';
import { Attachment, type AttachmentEvents, pause } from './attachment.ts';
import { OutageWatch } from './outage-watch.ts';
import { isBeyondLimit, pressureComment } from './pressure.ts';
import { because, type RoundLog } from './round-log.ts';
import { RoundPin } from './round-pin.ts';

/** A destination that can append takes a batch a second gladly, whatever lag is allowed. */
const APPEND_LAG_MS_MAX = 1000;
/** A destination that owes an answer for longer is shown as what holds the log up. */
const SLOW_ANSWER_MS = 3000;

/** What was told of the tenants that rest. */
export interface AnnouncedScns {
  /** No commit of any tenant may get an scn up to here. */
  announcedScn(): Scn;
}

/** What a held round asks and tells its worker. */
export interface HeldRoundWorker {
  /** It is known where the log stands. */
  onOpened(log: RoundLog): void;
  /** A capture is about to be attached to the log. */
  onAttaching(log: RoundLog): void;
  /** The destination has a batch: there are figures for the store. */
  onDelivered(log: RoundLog, batch: CapturedBatch): void;
  /** No capture is attached any more. */
  onClosed(): void;
  /** The log cannot be continued: another step is due. */
  onGap(): void;
  /** The worker has let go for good, or is doing so. */
  isStopped(): boolean;
}

/** What is to be said when neither a failure nor the capture says anything. */
function quietComment(round: ArchiveRound, isAttached: boolean): string {
  return round.status === 'DOING' && !isAttached ? "the tenant's log is being attached" : '';
}

/** Why the round is over, and what keeps the next one from beginning. */
function interruptedComment(round: ArchiveRound, because: string): string {
  // What ended the round may be what keeps the next one away.
  return because === '' || because.includes(round.comment)
    ? round.comment
    : `${round.comment}; the next round can not begin: ${because}`;
}

export class HeldRound {
  readonly #tenantId: number;
  readonly #context: ArchiveContext;
  readonly #scns: AnnouncedScns;
  readonly #worker: HeldRoundWorker;
  #attached: Attachment | undefined;
  /** A write that the destination has not answered, of a log that was given up. */
  #lingering: { uri: string; settled: Promise<void> } | undefined;
  readonly #pin: RoundPin;
  #gap: string | undefined;
  #comment = '';
  /** When the destination began to refuse what is delivered, ns since 1970; undefined while it takes it. */
  #refusedNs: bigint | undefined;
  readonly #outages: OutageWatch;
  /** Why the round is of no use without a full backup; '' when it is. */
  #note = '';

  constructor(of: { tenantId: number; context: ArchiveContext; scns: AnnouncedScns; worker: HeldRoundWorker }) {
    this.#tenantId = of.tenantId;
    this.#context = of.context;
    this.#scns = of.scns;
    this.#worker = of.worker;
    this.#pin = new RoundPin(of.context);
    this.#outages = new OutageWatch(of.context);
  }

  /** The tenant's newest round, as it is stored now. */
  get round(): ArchiveRound | undefined {
    return this.#context.store.currentRound(this.#tenantId);
  }

  usedPiece({ tenantId, usedPieceId }: ArchiveRound) {
    return this.#context.store.pieces.get({ tenantId, pieceId: usedPieceId });
  }

  get attached(): Attachment | undefined {
    return this.#attached;
  }

  /** The running capture while the round is DOING. */
  get capture(): Capture | undefined {
    return this.round?.status === 'DOING' ? this.#attached?.capture : undefined;
  }

  /** Why the log cannot be continued; undefined when it can. */
  get gap(): string | undefined {
    return this.#gap;
  }

  /** The first reason counts. */
  noteGap(reason: string): void {
    this.#gap ??= reason;
  }

  clearGap(): void {
    this.#gap = undefined;
  }

  /** The destination takes nothing of what is delivered. */
  get isRefused(): boolean {
    return this.#refusedNs !== undefined || (this.#attached?.log.pendingMs ?? 0) > SLOW_ANSWER_MS;
  }

  /** Why nothing moves; '' when all is well. */
  get comment(): string {
    return this.#comment;
  }

  /** The log is held although no capture is attached. */
  get isPinned(): boolean {
    return this.#pin.figures !== undefined;
  }

  /** Holds the log until the round is attached. */
  async pin(round: ArchiveRound): Promise<void> {
    await this.#pin.hold(round);
  }

  /** The round is not attached next: whoever writes to the tenant may recycle its log. */
  async unpin(): Promise<void> {
    await this.#pin.release();
  }

  figures(): ArchiveFigures | undefined {
    const { round } = this;
    if (!round) return undefined;
    const { log, capture } = this.#attached ?? {};
    const row = log?.round ?? round;
    const status = round.status === 'DOING' ? capture?.status() : undefined;
    // The clock moves an idle tenant's; what is shown can be restored to whatever happens, so it was stored before.
    const checkpointScn = later(log?.archivedScn ?? SCN_NONE, round.checkpointScn);
    const maxScn = log?.piece.maxScn ?? this.usedPiece(round)?.maxScn ?? SCN_NONE;
    return {
      checkpointScn,
      maxScn: status && status.maxScn > maxScn ? status.maxScn : maxScn,
      inputBytes: row.inputBytes,
      outputBytes: row.outputBytes,
      pendingCommits: status?.pendingCommits ?? 0,
      openSegment: log?.openSegment,
      logBytes: status?.logBytes ?? this.#pin.figures?.logBytes ?? 0,
      isAttached: status !== undefined,
      comment:
        this.#pressureComment(round, status, checkpointScn) ||
        (round.status === 'INTERRUPTED' ? interruptedComment(round, this.#comment) : this.#comment) ||
        status?.comment ||
        quietComment(round, status !== undefined) ||
        this.#backupNote(round),
    };
  }

  /** Why nothing moves while a capture is attached or to be attached, and what waits meanwhile. */
  #pressureComment(round: ArchiveRound, status: CaptureStatus | undefined, checkpointScn: Scn): string {
    const { clock, store } = this.#context;
    const { log } = this.#attached ?? {};
    const nowNs = clock.nowNs();
    const timeZone = store.tenants.get({ tenantId: this.#tenantId })?.timeZone || store.cluster.timeZone;
    const common = { checkpointNs: checkpointScn, nowNs, timeZone };
    if (!status || !log) {
      const pin = this.#pin.figures;
      const why = this.#comment || quietComment(round, false);
      return pin ? pressureComment({ ...common, ...pin, because: why, attempts: 0, pendingCommits: undefined }) : '';
    }
    const { pendingCommits, logBytes } = status;
    const slowSinceNs = nowNs - BigInt(Math.floor(log.pendingMs)) * 1_000_000n;
    return pressureComment({
      ...{ ...common, pendingCommits, logBytes },
      because: this.#obstacle(),
      attempts: log.failedAttempts,
      sinceNs: this.#refusedNs ?? slowSinceNs,
    });
  }

  /** Why the destination takes nothing just now; '' when it does. */
  #obstacle(): string {
    const { log } = this.#attached ?? {};
    if (!log || !this.capture) return this.#comment;
    if (log.pendingMs > SLOW_ANSWER_MS) return `${log.round.uri}: no answer for ${Math.floor(log.pendingMs / 1000)} s`;
    return this.#refusedNs === undefined ? '' : this.#comment;
  }

  /** A round that stands alone behind backups of earlier ones says so until there is a backup in it. */
  #backupNote({ tenantId, roundId }: ArchiveRound): string {
    if (this.#note === '') return '';
    if (this.#context.store.backupSets.find({ tenantId, roundId, status: 'SUCCESS' }).length > 0) this.#note = '';
    return this.#note;
  }

  #noteStandingAlone(attached: Attachment): void {
    const { store } = this.#context;
    const tenantId = this.#tenantId;
    const { base, roundId } = attached.start;
    const sets = base ? [] : store.backupSets.find({ tenantId, status: 'SUCCESS' });
    const isBehind = sets.length > 0 && sets.every((set) => set.roundId < roundId);
    this.#note = isBehind
      ? `round ${roundId} does not go on from an earlier one: a full backup is needed to restore to points in it`
      : '';
  }

  /** @throws LOG_ARCHIVE_NOT_RUNNING (9029), LOG_ARCHIVE_INTERRUPTED (9027) */
  async flush(): Promise<Scn> {
    const { round } = this;
    if (round?.status === 'INTERRUPTED') throw fail('LOG_ARCHIVE_INTERRUPTED', { because: round.comment });
    const attached = this.#attached;
    const { capture } = this;
    if (!attached || !capture) throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
    const scn = await attached.flush(capture);
    // Whoever asked may die next: what he was told is in the store before he hears it.
    if (this.#attached === attached) this.#context.store.transaction(() => this.persist());
    return scn;
  }

  refreshLagTarget(): void {
    this.#attached?.capture?.setLagTargetMs(this.#lagTargetMs());
  }

  /** As `Attachment.refreshSeal`; a capture that attaches later asks by itself. */
  async refreshSeal(): Promise<void> {
    await this.#attached?.refreshSeal();
  }

  /** The figures of the round into the caller's transaction. */
  persist(): void {
    const { log, capture } = this.#attached ?? {};
    if (!log) return;
    if (capture && this.round?.status === 'DOING') log.advance(capture.status().checkpointScn);
    log.persist();
  }

  /**
   * Opens the round's log; no capture yet. Nothing may be attached.
   * @throws what `Attachment.open` throws; BACKUP_DEST_NOT_CONNECT (9070) while an earlier write lingers;
   *         CANCELED (4072) when the worker was stopped meanwhile
   */
  async open(round: ArchiveRound): Promise<Attachment> {
    this.#checkAnswered(round);
    const attached = await Attachment.open(this.#context, round);
    if (this.#worker.isStopped()) {
      // Whoever stopped the worker did not wait for this answer: nobody would let go of what is held from here on.
      await attached.close();
      throw fail('CANCELED', {});
    }
    this.#attached = attached;
    this.#worker.onOpened(attached.log);
    return attached;
  }

  /** Opens the round's log anew and attaches the engine's capture. @throws what `Attachment.startCapture` throws */
  async attach(round: ArchiveRound): Promise<void> {
    await this.close();
    const attached = await this.open(round);
    const events: AttachmentEvents = {
      onDelivered: (batch) => {
        if (this.#attached !== attached) return;
        this.#refusedNs = undefined;
        this.setComment('');
        this.#worker.onDelivered(attached.log, batch);
      },
      onDeliverFailed: (error) => this.#onDeliverFailed(attached, error),
      onGap: (reason) => this.#onGap(attached, reason),
    };
    try {
      this.#worker.onAttaching(attached.log);
      await attached.startCapture({ lastScn: this.lastScn(), lagTargetMs: this.#lagTargetMs(), events });
      this.#noteStandingAlone(attached);
    } catch (error) {
      // How far the destination reaches is known now, also when the engine's log does not continue it.
      this.#context.store.transaction(() => attached.log.persist());
      await this.close();
      throw error;
    } finally {
      if (attached.isStarted) await this.unpin();
    }
  }

  /** Lets go of the log; a capture has ended before. */
  async close(): Promise<void> {
    const attached = this.#attached;
    if (!attached) return;
    this.#attached = undefined;
    this.#refusedNs = undefined;
    this.#worker.onClosed();
    const { pending } = attached.log;
    // It closes behind the answer that it still waits for.
    const closing = attached.close().catch((error) => this.#context.log.warn('archive log did not close', { error }));
    if (!pending) {
      await Promise.race([closing, pause(this.#context.timing.detachMs)]);
      return;
    }
    const settled = pending.then(() => {
      if (this.#lingering?.settled === settled) this.#lingering = undefined;
    });
    this.#lingering = { uri: attached.log.round.uri, settled };
  }

  /** Shows why nothing moves; '' when all is well again. */
  setComment(comment: string): void {
    if (comment !== this.#comment) this.#showComment(comment);
  }

  /** All is well: also what an earlier life of the server stored is over. */
  clearComment(): void {
    this.#showComment('');
  }

  #showComment(comment: string): void {
    this.#comment = comment;
    const { store, log } = this.#context;
    const tenantId = this.#tenantId;
    try {
      const { round } = this;
      // These keep the reason of an interruption.
      if (!round || ['INTERRUPTED', 'STOPPING', 'STOP'].includes(round.status)) return;
      const { roundId, status } = round;
      if (round.comment !== comment) store.rounds.update({ tenantId, roundId }, { comment }, { status });
    } catch (error) {
      // It is shown from memory all the same, and the step that failed is repeated.
      log.error('archive comment was not stored', { tenantId, error });
    }
  }

  /** The round moved on: what was said of its last status is over. */
  forgetComment(): void {
    this.#comment = '';
  }

  /** Every scn that was ever given or announced is at or before this. */
  lastScn(): Scn {
    const lastScn = this.#context.store.tenants.get({ tenantId: this.#tenantId })?.lastScn ?? SCN_NONE;
    return later(lastScn, this.#scns.announcedScn());
  }

  #onDeliverFailed(attached: Attachment, error: unknown): void {
    if (this.#attached !== attached) return;
    if (error instanceof ArchiveDamaged) {
      this.#onGap(attached, error.message);
      return;
    }
    this.#refusedNs ??= this.#context.clock.nowNs();
    this.setComment(because(error));
    // A capture that can not begin must not hold the engine's log meanwhile: the worker attaches another one later.
    if (!attached.capture && attached.isBeginning) attached.leave(error);
    else this.#checkWalLimit();
  }

  /** To be called about once a second: a destination that hangs reports nothing by itself. */
  checkPressure(): void {
    const attempts = this.#attached?.log.failedAttempts ?? 0;
    this.#outages.look(this.round, { because: this.#obstacle(), isTaking: this.capture !== undefined, attempts });
    if (this.#gap === undefined) this.#checkWalLimit();
  }

  #onGap(attached: Attachment, reason: string): void {
    if (this.#attached !== attached) return;
    this.noteGap(reason);
    this.#worker.onGap();
  }

  /** An Optional archive gives up before an unarchived log fills the tenant's disk. */
  #checkWalLimit(): void {
    const waiting = this.#waitingLog();
    if (!waiting || waiting.logBytes === 0) return;
    const { store } = this.#context;
    const tenantId = this.#tenantId;
    const text = store.parameter(tenantId, 'log_archive_wal_limit');
    const limitBytes = parseCapacityBytes(text) ?? 0n;
    const binding = leadingSlot(store, tenantId)?.binding ?? 'OPTIONAL';
    const { logBytes } = waiting;
    if (!isBeyondLimit({ binding, limitBytes, logBytes, isWaiting: true })) return;
    const why = this.#comment === '' ? 'the destination is too slow' : this.#comment;
    this.noteGap(`${waiting.text}, beyond log_archive_wal_limit = ${text}: ${why}`);
    // The step under way may still wait for the destination; the disk does not.
    void this.unpin();
    this.#worker.onGap();
  }

  /** What is held for the destination. A commit on its way holds nothing up, however large the file of earlier ones is. */
  #waitingLog(): { logBytes: number; text: string } | undefined {
    const { log, capture } = this.#attached ?? {};
    if (log && capture) {
      const isWaiting = this.#refusedNs !== undefined || log.pendingMs > SLOW_ANSWER_MS;
      const { logBytes, pendingCommits } = capture.status();
      return isWaiting ? { logBytes, text: `${pendingCommits} commits wait in ${logBytes} bytes of log` } : undefined;
    }
    const pin = this.#pin.figures;
    const isWaiting = pin?.isHeld && (this.#comment !== '' || pin.heldMs > SLOW_ANSWER_MS);
    return isWaiting ? { logBytes: pin.logBytes, text: `${pin.logBytes} bytes of log are held` } : undefined;
  }

  /** What an unanswered write does in the end must not surprise a later log. @throws BACKUP_DEST_NOT_CONNECT (9070) */
  #checkAnswered({ uri }: ArchiveRound): void {
    if (this.#lingering?.uri === uri)
      throw fail('BACKUP_DEST_NOT_CONNECT', { uri, because: 'an earlier write has no answer yet' });
  }

  #lagTargetMs(): number {
    const ms = Number(this.#context.store.durationUs(this.#tenantId, 'archive_lag_target') / 1000n);
    return ms > APPEND_LAG_MS_MAX && this.#attached?.log.canAppend ? APPEND_LAG_MS_MAX : ms;
  }
}
