// Follows the leading destination at one copy: takes batches from memory while it keeps pace, else reads them there.
// Whatever fails is tried again from what lies at the copy; nobody waits for it but who asked for a MANDATORY one.
import { MIB } from '../../base/limits.ts';
import type { ChainPosition } from '../../destination/batch-chain.ts';
import type { Destination } from '../../destination/destination.ts';
import type { CapturedBatch } from '../../engine/engine-driver.ts';
import { BATCHES_IN_FLIGHT_MAX } from '../../format/log-batch-header.ts';
import type { RoundCopy } from '../../model/archive-copy.ts';
import { type ArchiveRound, isRoundRunning } from '../../model/archive-round.ts';
import { parseDestinationUri } from '../../model/destination-uri.ts';
import { later, SCN_NONE, type Scn } from '../../model/scn.ts';
import { type ArchiveSlot, followingSlots } from '../../store/archive-slots.ts';
import type { ArchiveContext } from '../archive-context.ts';
import { segmentOwner } from '../archive-owner.ts';
import type { CopyFigures } from '../archive-service.ts';
import { RetryPace } from '../retry-pace.ts';
import { because } from '../round-log.ts';
import { hasAll, isSamePosition } from './choose-lead.ts';
import { CopyForked, CopyLog } from './copy-log.ts';
import { type FollowedBatch, findLastCommon, type LeadingLog, lacksBatch, readLeading } from './read-leading.ts';
import type { RecentBatches } from './recent-batches.ts';

/** Written at once: so much is read again at most when it fails. */
const RUN_BYTES_MAX = 16 * MIB;
/** A reader keeps in mind all batches of an object until the next one, and compares each with the others. */
const RUN_BATCHES_MAX = 1000;
/**
 * Batches at the end of a copy that the leading destination does not have: written while the copy led, and never
 * acknowledged. More of them were never on their way: they are no writes that failed but another log.
 */
const SUPERSEDED_MAX = BATCHES_IN_FLIGHT_MAX;

/** The last batch that was acknowledged. */
export interface LeadState {
  roundId: number;
  position: ChainPosition;
  /** A capture is attached: more may come at any moment. */
  isAttached: boolean;
}

export interface FollowerParts {
  tenantId: number;
  destId: number;
  /** undefined while this server has not attached the tenant. */
  lead(): LeadState | undefined;
  recent: RecentBatches;
  pieceIdOf(batch: CapturedBatch): number;
  /** Runs what reads much when one of a few places is free. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
  /** Somebody waits for the copy: nothing is gathered any longer. */
  isHurried(): boolean;
  onProgress(): void;
}

export class CopyFollower {
  readonly #context: ArchiveContext;
  readonly #parts: FollowerParts;
  readonly #pace: RetryPace;
  #log: CopyLog | undefined;
  #roundId = 0;
  /** The copy goes on from a batch of the leading destination's log. */
  #isVerified = false;
  #isInStep = false;
  /** Since it was told to stop: it has everything, and every piece that is finished is frozen. */
  #isSettled = false;
  #comment = '';
  #lastKnown: { position: ChainPosition | undefined; roundId: number } | undefined;
  #gatheringSinceMs: number | undefined;
  #running: Promise<void> | undefined;
  #isKicked = false;
  #isStopped = false;

  constructor(context: ArchiveContext, parts: FollowerParts) {
    this.#context = context;
    this.#parts = parts;
    this.#pace = new RetryPace(context.timing, () => this.kick());
  }

  get destId(): number {
    return this.#parts.destId;
  }

  /** Looks again whether there is something to take; returns at once. */
  kick(): void {
    if (this.#isStopped) return;
    this.#isKicked = true;
    // Not within the caller's transaction.
    this.#running ??= Promise.resolve()
      .then(() => this.#run())
      .finally(() => {
        this.#running = undefined;
        if (this.#isKicked) this.kick();
      });
  }

  /** It has everything that was acknowledged. */
  get isInStep(): boolean {
    const lead = this.#parts.lead();
    if (lead?.roundId !== this.#roundId) return this.#isInStep;
    return this.#comment === '' && this.#lastKnown !== undefined && hasAll(this.#lastKnown.position, lead.position);
  }

  /** Where the copy stands in a round; undefined when it holds nothing of it, or could not be asked. */
  position(roundId: number): ChainPosition | undefined {
    return this.#comment === '' && this.#lastKnown?.roundId === roundId ? this.#lastKnown.position : undefined;
  }

  /** @param leadingScn up to where everything is archived at the leading destination */
  figures(leadingScn: Scn): CopyFigures | undefined {
    const { tenantId, destId } = this.#parts;
    const copy = this.#context.store.roundCopies.find({ tenantId, destId }).at(-1);
    if (!copy) return undefined;
    const { roundId, destNo } = copy;
    const isOpen = this.#log !== undefined && this.#roundId === roundId;
    const { checkpointScn, inputBytes, outputBytes } = isOpen ? this.#log!.figures : copy;
    const isInStep = this.isInStep && this.#roundId === roundId;
    return {
      ...{ destId, destNo, roundId, inputBytes, outputBytes },
      status: copy.status === 'BEGINNING' || copy.status === 'DOING' ? this.#status : copy.status,
      checkpointScn: isInStep ? later(checkpointScn, leadingScn) : checkpointScn,
      comment: this.#comment || copy.comment || this.#behind(copy),
    };
  }

  /**
   * Stops taking, having taken what there is as far as time allows.
   * @returns true when the copy has everything that was acknowledged, and its finished pieces are frozen
   */
  async stop(ms: number): Promise<boolean> {
    this.#isSettled = false;
    this.kick();
    await this.#answered(ms);
    this.#isStopped = true;
    this.#pace.clear();
    await this.#answered(ms);
    const isSettled = this.#isSettled && this.isInStep;
    await this.#closeLog();
    return isSettled;
  }

  /** Writes the figures to the store; the caller's transaction holds those of many copies. */
  persist(): void {
    if (this.#log) this.#log.persist({ status: this.#status, comment: this.#comment });
    else if (this.#roundId > 0) this.#updateRow({ comment: this.#comment });
  }

  /** A copy that does not answer holds nothing up. */
  async #answered(ms: number): Promise<void> {
    if (this.#running) await Promise.race([this.#running, new Promise((resolve) => setTimeout(resolve, ms).unref())]);
  }

  async #run(): Promise<void> {
    while (this.#isKicked && !this.#isStopped) {
      this.#isKicked = false;
      try {
        while (!this.#isStopped && (await this.#step()));
        this.#pace.succeeded();
      } catch (error) {
        await this.#closeLog().catch(() => {});
        if (!this.#isStopped) this.#fail(error);
      }
    }
  }

  /** @returns true when there is more to do at once */
  async #step(): Promise<boolean> {
    const { store } = this.#context;
    const { tenantId, destId } = this.#parts;
    const slot = followingSlots(store, tenantId).find((one) => one.destId === destId);
    const copies = store.roundCopies.find({ tenantId, destId });
    const copy = copies.find(({ status }) => status !== 'STOP' && status !== 'INTERRUPTED');
    const round = copy && store.rounds.get({ tenantId, roundId: copy.roundId });
    if (!slot || !copy || !round || round.startScn === SCN_NONE) {
      await this.#closeLog();
      return false;
    }
    if (slot.state === 'DEFER') return await this.#suspend(slot, copy);
    if (this.#roundId !== copy.roundId) await this.#closeLog();
    this.#roundId = copy.roundId;
    if (this.#isGone(round)) return this.#leave(copy);
    return await this.#withLeading(round, async (leading) => {
      this.#log ??= await CopyLog.open(this.#context, { copy, leading, leadingDestId: round.destId });
      const log = this.#log;
      if (!this.#isVerified) await this.#verify(log, { round, leading });
      return await this.#advance(log, { round, leading, copy });
    });
  }

  async #suspend({ destId }: ArchiveSlot, copy: RoundCopy): Promise<boolean> {
    await this.#closeLog();
    this.#comment = '';
    if (copy.status === 'SUSPEND') return false;
    const { tenantId, roundId } = copy;
    this.#context.store.roundCopies.change({ tenantId, roundId, destId }, { status: 'SUSPEND', comment: '' });
    this.#parts.onProgress();
    return false;
  }

  /** A round that is over, and nothing of it is left to be copied. */
  #isGone({ tenantId, roundId, status }: ArchiveRound): boolean {
    const { store } = this.#context;
    if (store.currentRound(tenantId)?.roundId === roundId && isRoundRunning(status)) return false;
    const pieces = store.pieces.find({ tenantId, roundId });
    return pieces.length > 0 && pieces.every(({ fileStatus }) => fileStatus === 'DELETED');
  }

  #leave({ tenantId, roundId, destId }: RoundCopy): boolean {
    const patch = { status: 'STOP', comment: 'the leading destination has deleted the round' } as const;
    this.#context.store.roundCopies.change({ tenantId, roundId, destId }, patch);
    return true;
  }

  async #withLeading<T>(round: ArchiveRound, work: (leading: Destination) => Promise<T>): Promise<T> {
    // Touched only when something is read there.
    const leading = this.#context.openDestination(parseDestinationUri(round.uri), round.tenantId);
    try {
      return await work(leading);
    } finally {
      await leading[Symbol.asyncDispose]();
    }
  }

  async #advance(log: CopyLog, of: { round: ArchiveRound; leading: Destination; copy: RoundCopy }): Promise<boolean> {
    const { round } = of;
    const lead = this.#parts.lead();
    const isCurrent = lead?.roundId === round.roundId;
    if (isCurrent && hasAll(log.position, lead.position)) return await this.#settle(log, of, lead);
    const recent = isCurrent ? this.#parts.recent.after(log.position?.batchNo ?? 0) : undefined;
    if (recent && recent.length > 0) return await this.#takeRecent(log, recent);
    this.#isInStep = false;
    const end = isCurrent ? lead.position.batchNo : undefined;
    const count = await this.#parts.inTurn(() => this.#takeFromLeading(log, of, end));
    if (count > 0 || !isCurrent) return count > 0 || (await this.#settle(log, of, undefined));
    throw lacksBatch(end);
  }

  async #takeRecent(log: CopyLog, recent: readonly CapturedBatch[]): Promise<boolean> {
    const run: FollowedBatch[] = [];
    let bytes = 0;
    for (const batch of recent) {
      if (run.length > 0 && (bytes + batch.bytes.length > RUN_BYTES_MAX || run.length === RUN_BATCHES_MAX)) break;
      bytes += batch.bytes.length;
      run.push({ ...batch, pieceId: this.#parts.pieceIdOf(batch) });
    }
    if (!log.canAppend && run.length === recent.length && this.#gathers()) return false;
    this.#isInStep = false;
    await log.append(run);
    this.#noteProgress(log);
    return true;
  }

  /** Where nothing can be appended each write is an object: as many batches go into it as the lag target allows. */
  #gathers(): boolean {
    const { clock, store } = this.#context;
    if (this.#isStopped || this.#parts.isHurried()) return false;
    const nowMs = clock.monotonicMs();
    this.#gatheringSinceMs ??= nowMs;
    const targetMs = Number(store.durationUs(this.#parts.tenantId, 'archive_lag_target') / 1000n);
    const leftMs = this.#gatheringSinceMs + targetMs - nowMs;
    if (leftMs <= 0) return false;
    this.#pace.after(leftMs);
    return true;
  }

  async #takeFromLeading(
    log: CopyLog,
    of: { round: ArchiveRound; leading: Destination },
    end: number | undefined,
  ): Promise<number> {
    const leadingLog = this.#leadingLog(of, log.tailPieceId);
    let run: FollowedBatch[] = [];
    let bytes = 0;
    let count = 0;
    const write = async () => {
      await log.append(run);
      count += run.length;
      run = [];
      bytes = 0;
      this.#noteProgress(log);
    };
    for await (const batch of readLeading(leadingLog, log.position)) {
      if (this.#isStopped || (end !== undefined && batch.batchNo > end)) break;
      run.push(batch);
      bytes += batch.bytes.length;
      if (bytes >= RUN_BYTES_MAX || run.length === RUN_BATCHES_MAX) await write();
    }
    if (run.length > 0) await write();
    return count;
  }

  /** The pieces of a round that are there at the leading destination, from one on. */
  #leadingLog(
    { round, leading }: { round: ArchiveRound; leading: Destination },
    fromPieceId: number | undefined,
  ): LeadingLog {
    const { store } = this.#context;
    const { tenantId, roundId, destId } = round;
    const pieceIds = store.pieces
      .find({ tenantId, roundId })
      .filter(({ fileStatus }) => fileStatus !== 'DELETED' && fileStatus !== 'DELETING')
      .map(({ pieceId }) => pieceId)
      .filter((pieceId) => fromPieceId === undefined || pieceId >= fromPieceId);
    const owner = segmentOwner(this.#context, tenantId);
    return { destination: leading, round: { destId, roundId }, owner, pieceIds };
  }

  /**
   * What lies at the end of the copy must be a part of the leading destination's log; the few batches that are not were never
   * acknowledged (the copy led when they failed), and are superseded.
   * @throws CopyForked
   */
  async #verify(log: CopyLog, of: { round: ArchiveRound; leading: Destination }): Promise<void> {
    const { position } = log;
    if (position && !this.#isKnown(position, of.round.roundId)) {
      const own = await log.tailHashes();
      const lead = this.#parts.lead();
      const acknowledged = lead?.roundId === of.round.roundId ? lead.position.batchNo : 0;
      const common = await findLastCommon(this.#leadingLog(of, (log.tailPieceId ?? 1) - 1), { own, acknowledged });
      const hash = own.get(common);
      if (!hash || common < position.batchNo - SUPERSEDED_MAX) {
        const agreed = common < 0 ? '' : `: they agree up to batch ${common}`;
        throw new CopyForked(`its batch ${position.batchNo} is not in the log of ${of.round.uri}${agreed}`);
      }
      if (common < position.batchNo) await log.supersedeFrom({ batchNo: common, hash });
    }
    this.#isVerified = true;
  }

  /** Without reading: it is the last acknowledged batch, or the next one goes on from it. */
  #isKnown(position: ChainPosition, roundId: number): boolean {
    const lead = this.#parts.lead();
    if (lead?.roundId !== roundId) return false;
    return isSamePosition(position, lead.position) || this.#parts.recent.goesOnFrom(position);
  }

  /** Everything is there that there is. @returns true when another round is next */
  async #settle(
    log: CopyLog,
    of: { round: ArchiveRound; leading: Destination; copy: RoundCopy },
    lead: LeadState | undefined,
  ): Promise<boolean> {
    const { store } = this.#context;
    const { tenantId, roundId, destId: leadingDestId } = of.round;
    this.#gatheringSinceMs = undefined;
    // A piece that was about to be frozen when the leading destination went away gets no batch elsewhere either.
    await log.freezeFinished({ withFreezing: lead !== undefined && !lead.isAttached });
    const isReplaced = of.round.status === 'INTERRUPTED' && store.currentRound(tenantId)?.roundId !== roundId;
    if (!isRoundRunning(of.round.status) || isReplaced) {
      const hasEnd = await log.end(of.leading, leadingDestId);
      const comment = hasEnd ? '' : 'the leading destination has no end of the round';
      store.transaction(() => log.persist({ status: 'STOP', comment }));
      this.#isInStep = false;
      await this.#closeLog({ isOver: true });
      this.#parts.onProgress();
      return true;
    }
    this.#isInStep = this.#isSettled = true;
    this.#comment = '';
    this.#lastKnown = { position: log.position, roundId };
    if (of.copy.status !== 'DOING') store.transaction(() => this.persist());
    this.#parts.onProgress();
    // Nobody uses the tenant: what is open for it is given back.
    if (lead && !lead.isAttached) await this.#closeLog();
    return false;
  }

  #noteProgress(log: CopyLog): void {
    this.#gatheringSinceMs = undefined;
    this.#comment = '';
    this.#lastKnown = { position: log.position, roundId: this.#roundId };
    this.#parts.onProgress();
  }

  get #status(): 'BEGINNING' | 'DOING' {
    const isGathering = this.#gatheringSinceMs !== undefined && this.#comment === '';
    return this.isInStep || isGathering ? 'DOING' : 'BEGINNING';
  }

  /** How much is still to be taken; '' within what the lag target allows. */
  #behind({ roundId, status }: RoundCopy): string {
    const lead = this.#parts.lead();
    if (this.isInStep || lead?.roundId !== roundId || status === 'SUSPEND' || status === 'STOP') return '';
    const count = lead.position.batchNo - (this.#lastKnown?.position?.batchNo ?? 0);
    return count > 0 && this.#gatheringSinceMs === undefined ? `${count} batches are still to be copied` : '';
  }

  #updateRow(patch: Partial<RoundCopy>): void {
    const { tenantId, destId } = this.#parts;
    this.#context.store.roundCopies.update({ tenantId, roundId: this.#roundId, destId }, patch);
  }

  #fail(error: unknown): void {
    const { tenantId, destId } = this.#parts;
    const isForked = error instanceof CopyForked;
    const text = isForked ? error.message : because(error);
    if (text !== this.#comment)
      this.#context.log.warn('archive copy is behind', { tenantId, destId, roundId: this.#roundId, error });
    this.#comment = text;
    this.#isInStep = false;
    this.#parts.onProgress();
    if (isForked) this.#updateRow({ status: 'INTERRUPTED', comment: text });
    else this.#pace.failed();
  }

  /** @param of.isOver its row says all there is to say */
  async #closeLog(of: { isOver?: boolean } = {}): Promise<void> {
    const log = this.#log;
    this.#log = undefined;
    this.#isVerified = false;
    if (!log) return;
    if (!of.isOver)
      this.#context.store.transaction(() => log.persist({ status: this.#status, comment: this.#comment }));
    await log.close();
  }
}
