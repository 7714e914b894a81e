// The copies of all tenants' archives: who follows, who has everything, and who is waited for.
import { fail } from '../../base/errors.ts';
import type { CapturedBatch } from '../../engine/engine-driver.ts';
import type { RoundCopy } from '../../model/archive-copy.ts';
import { later, type Scn } from '../../model/scn.ts';
import { type ArchiveSlot, followingSlots } from '../../store/archive-slots.ts';
import type { ArchiveContext } from '../archive-context.ts';
import type { CopyFigures } from '../archive-service.ts';
import type { RoundLog } from '../round-log.ts';
import { chooseLead, isSamePosition } from './choose-lead.ts';
import { CopyFollower, type LeadState } from './copy-follower.ts';
import { type HeldBytes, RecentBatches } from './recent-batches.ts';

/** Copies that read a leading destination at once: catching up makes way for what is archived meanwhile. */
const READING_MAX = 2;

interface TenantCopies {
  tenantId: number;
  lead: LeadState | undefined;
  recent: RecentBatches;
  /** By destination. */
  followers: Map<number, CopyFollower>;
  waiters: Waiter[];
}

interface Waiter {
  batchNo: number;
  /** Destinations of which one is enough; left out: every MANDATORY copy. */
  at: readonly string[] | undefined;
  resolve(): void;
  reject(error: Error): void;
}

export class Copies {
  readonly #context: ArchiveContext;
  readonly #tenants = new Map<number, TenantCopies>();
  readonly #held: HeldBytes = { bytes: 0 };
  readonly #dirty = new Set<CopyFollower>();
  #timer: NodeJS.Timeout | undefined;
  #reading = 0;
  readonly #waiting: Array<() => void> = [];
  #isStopping = false;

  constructor(context: ArchiveContext) {
    this.#context = context;
  }

  /** Takes up what an earlier life of the server left behind. @param isAtRest what is in step of these needs nobody */
  start(isAtRest: (tenantId: number) => boolean): void {
    this.#isStopping = false;
    const open = this.#context.store.roundCopies.find().filter(({ status }) => status !== 'STOP');
    for (const copy of open) {
      const { tenantId } = copy;
      if (copy.isComplete) this.#of(tenantId).lead ??= provedLead(copy);
      if (copy.status !== 'DOING' || !isAtRest(tenantId)) this.#follow(tenantId);
    }
  }

  /** Lets copies take what there is, as far as time allows; whoever has everything then may lead at the next start. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all([...this.#tenants.keys()].map((tenantId) => this.#stopTenant(tenantId)));
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Settings or the round have changed. */
  kick(tenantId: number): void {
    if (!this.#isStopping) this.#follow(tenantId);
  }

  /** A capture is about to be attached to the log of a round: more will be acknowledged. */
  attached({ position, round }: RoundLog): void {
    const { tenantId, roundId } = round;
    if (!this.#tenants.has(tenantId) && followingSlots(this.#context.store, tenantId).length === 0) return;
    this.#note(this.#of(tenantId), { roundId, position, isAttached: true });
    this.#follow(tenantId);
  }

  /**
   * A log was opened where it stands, to attach a capture or to end its round: a last batch may be there that was durable
   * before anybody was told.
   */
  opened({ position, round: { tenantId, roundId } }: RoundLog): void {
    const { store } = this.#context;
    // What an earlier life proved is over with that batch, and with the next.
    const proved = store.roundCopies.find({ tenantId, isComplete: true });
    if (proved.length > 0)
      store.transaction(() => {
        for (const { roundId: of, destId } of proved)
          store.roundCopies.update({ tenantId, roundId: of, destId }, { isComplete: false });
      });
    const copies = this.#tenants.get(tenantId);
    if (!copies) return;
    this.#note(copies, { roundId, position, isAttached: false });
    for (const follower of copies.followers.values()) follower.kick();
  }

  #note(copies: TenantCopies, lead: LeadState): void {
    const { roundId, position } = lead;
    if (copies.lead?.roundId !== roundId || copies.lead.position.batchNo !== position.batchNo) copies.recent.clear();
    copies.lead = lead;
  }

  /** The leading destination has a batch. */
  acknowledged({ round }: RoundLog, batch: CapturedBatch): void {
    const { tenantId, roundId } = round;
    const copies = this.#tenants.get(tenantId);
    if (!copies) return;
    const position = { batchNo: batch.batchNo, hash: batch.position.batchHash };
    // The same batch may be delivered again.
    if (copies.lead?.roundId === roundId && copies.lead.position.batchNo >= batch.batchNo) return;
    copies.lead = { roundId, position, isAttached: true };
    if (copies.followers.size > 0) copies.recent.push(batch);
    for (const follower of copies.followers.values()) follower.kick();
  }

  /** No capture is attached any more: what was acknowledged stays known. */
  detached(tenantId: number): void {
    const copies = this.#tenants.get(tenantId);
    if (!copies?.lead?.isAttached) return;
    copies.lead = { ...copies.lead, isAttached: false };
    // Whoever looks after a tenant at rest goes by the rows.
    this.#persist([...copies.followers.values()]);
    for (const follower of copies.followers.values()) follower.kick();
  }

  /** The tenant is dropped: its copies take what there is, as far as time allows. */
  async forget(tenantId: number): Promise<void> {
    await this.#stopTenant(tenantId);
    this.#tenants.delete(tenantId);
    const { store } = this.#context;
    const open = store.roundCopies.find({ tenantId }).filter(({ status }) => status !== 'STOP');
    const patch = { status: 'STOP', comment: 'the tenant was dropped', isComplete: false } as const;
    for (const { roundId, destId } of open) store.roundCopies.update({ tenantId, roundId, destId }, patch);
  }

  /** @param leadingScn up to where everything is archived at the leading destination */
  figures(tenantId: number, leadingScn: Scn): CopyFigures[] {
    const followers = this.#tenants.get(tenantId)?.followers;
    if (followers) return [...followers.values()].flatMap((follower) => follower.figures(leadingScn) ?? []);
    // Nobody has used the tenant since it came to rest.
    const { store } = this.#context;
    const roundId = store.currentRound(tenantId)?.roundId;
    return followingSlots(store, tenantId)
      .flatMap(({ destId }) => store.roundCopies.find({ tenantId, destId }).at(-1) ?? [])
      .map((copy) => {
        const isInStep = copy.status === 'DOING' && copy.roundId === roundId;
        return { ...copy, checkpointScn: isInStep ? later(copy.checkpointScn, leadingScn) : copy.checkpointScn };
      });
  }

  /**
   * Resolves when every MANDATORY copy has what the leading destination has now.
   * @param of.at instead: when one of these destinations has it
   * @throws LOG_ARCHIVE_NOT_RUNNING (9029) when the server stops first
   */
  async reached(tenantId: number, of: { at?: readonly string[] } = {}): Promise<void> {
    const copies = this.#tenants.get(tenantId);
    const batchNo = copies?.lead?.position.batchNo;
    if (!copies || batchNo === undefined || this.#hasReached(copies, { batchNo, at: of.at })) return;
    await new Promise<void>((resolve, reject) => {
      copies.waiters.push({ batchNo, at: of.at, resolve, reject });
      for (const follower of copies.followers.values()) follower.kick();
    });
  }

  /**
   * The copy that leads from now on.
   * @param of.awayMs for how long the leading destination has taken nothing
   */
  successor(tenantId: number, of: { awayMs: number }): number | undefined {
    const { store, timing } = this.#context;
    const copies = this.#tenants.get(tenantId);
    const round = store.currentRound(tenantId);
    if (!copies || !round || of.awayMs < timing.leadMs) return undefined;
    const { lead } = copies;
    const acknowledged = lead?.roundId === round.roundId ? lead.position : undefined;
    const facts = followingSlots(store, tenantId).map((slot) => ({
      ...slot,
      position: copies.followers.get(slot.destId)?.position(round.roundId),
    }));
    const destId = chooseLead({ ...of, patienceMs: timing.leadMs, acknowledged, copies: facts });
    // What is gathered for a copy may be all that it lacks.
    if (destId === undefined) for (const follower of copies.followers.values()) follower.kick();
    return destId;
  }

  /**
   * Lets go of a copy that is to lead; when it is not able to, it is to be followed again.
   * @returns whether it has everything that was ever acknowledged, and has settled it
   */
  async giveUp(tenantId: number, destId: number): Promise<boolean> {
    const copies = this.#tenants.get(tenantId);
    const follower = copies?.followers.get(destId);
    if (!copies?.lead || !follower) return false;
    const { lead } = copies;
    const { isSettled } = await this.#release(copies, follower);
    return isSettled && isSamePosition(follower.position(lead.roundId), lead.position);
  }

  async #release({ followers }: TenantCopies, follower: CopyFollower): Promise<{ isSettled: boolean }> {
    followers.delete(follower.destId);
    return { isSettled: await follower.stop(this.#context.timing.detachMs) };
  }

  #of(tenantId: number): TenantCopies {
    let copies = this.#tenants.get(tenantId);
    if (!copies) {
      const recent = new RecentBatches(this.#held);
      copies = { tenantId, lead: undefined, recent, followers: new Map(), waiters: [] };
      this.#tenants.set(tenantId, copies);
    }
    return copies;
  }

  /** A follower for each destination that follows, or has a round to finish. */
  #follow(tenantId: number): void {
    const slots = followingSlots(this.#context.store, tenantId);
    const known = this.#tenants.get(tenantId);
    if (slots.length === 0 && !known) return;
    const copies = known ?? this.#of(tenantId);
    for (const { destId } of slots)
      if (!copies.followers.has(destId)) copies.followers.set(destId, this.#newFollower(copies, destId));
    for (const follower of copies.followers.values()) {
      if (slots.some(({ destId }) => destId === follower.destId)) follower.kick();
      else void this.#release(copies, follower);
    }
    if (copies.followers.size === 0) copies.recent.clear();
    this.#answerWaiters(copies);
  }

  #newFollower(copies: TenantCopies, destId: number): CopyFollower {
    const follower: CopyFollower = new CopyFollower(this.#context, {
      ...{ tenantId: copies.tenantId, destId, recent: copies.recent },
      lead: () => copies.lead,
      pieceIdOf: (batch) => this.#pieceIdOf(copies, batch),
      inTurn: (work) => this.#inTurn(work),
      isHurried: () => this.#isStopping || copies.waiters.length > 0 || copies.lead?.isAttached === false,
      onProgress: () => this.#onProgress(copies, follower),
    });
    return follower;
  }

  /** The leading destination's row of a piece comes before its first batch, and batches of one piece before the next. */
  #pieceIdOf({ tenantId, lead }: TenantCopies, { firstScn }: CapturedBatch): number {
    const pieces = this.#context.store.pieces.find({ tenantId, roundId: lead?.roundId ?? 0 });
    const piece = pieces.findLast(({ startScn }) => startScn <= firstScn) ?? pieces[0];
    if (!piece) throw new Error('a batch that is archived lies in a piece');
    return piece.pieceId;
  }

  #onProgress(copies: TenantCopies, follower: CopyFollower): void {
    this.#dirty.add(follower);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const dirty = [...this.#dirty];
      this.#dirty.clear();
      this.#persist(dirty);
    }, this.#context.timing.persistMs).unref();
    this.#forgetTaken(copies);
    this.#answerWaiters(copies);
  }

  #persist(followers: readonly CopyFollower[]): void {
    try {
      this.#context.store.transaction(() => {
        for (const follower of followers) follower.persist();
      });
    } catch (error) {
      // The next progress writes them again.
      this.#context.log.error('figures of archive copies were not stored', { error });
    }
  }

  #forgetTaken({ followers, recent, lead }: TenantCopies): void {
    if (!lead) return;
    const taken = [...followers.values()].map((follower) => follower.position(lead.roundId)?.batchNo ?? 0);
    if (taken.length > 0) recent.forget(Math.min(...taken));
  }

  #hasReached({ tenantId, followers, lead }: TenantCopies, { batchNo, at }: Pick<Waiter, 'batchNo' | 'at'>): boolean {
    const { store } = this.#context;
    const slots = followingSlots(store, tenantId).filter(({ state }) => state === 'ENABLE');
    const has = ({ destId }: ArchiveSlot) =>
      (followers.get(destId)?.position(lead?.roundId ?? 0)?.batchNo ?? -1) >= batchNo;
    if (!at) return slots.filter(({ binding }) => binding === 'MANDATORY').every(has);
    return (
      at.includes(store.currentRound(tenantId)?.uri ?? '') || slots.some((slot) => at.includes(slot.uri) && has(slot))
    );
  }

  #answerWaiters(copies: TenantCopies): void {
    const { waiters } = copies;
    if (waiters.length === 0) return;
    copies.waiters = waiters.filter((waiter) => {
      if (!this.#hasReached(copies, waiter)) return true;
      waiter.resolve();
      return false;
    });
  }

  async #stopTenant(tenantId: number): Promise<void> {
    const copies = this.#tenants.get(tenantId);
    if (!copies) return;
    if (copies.lead) copies.lead = { ...copies.lead, isAttached: false };
    const { store, timing, log } = this.#context;
    const followers = [...copies.followers.values()];
    const stopped = await Promise.allSettled(
      followers.map(async (follower) => ({ follower, isInStep: await follower.stop(timing.detachMs) })),
    );
    for (const waiter of copies.waiters.splice(0)) waiter.reject(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
    copies.recent.clear();
    const { lead } = copies;
    const complete: number[] = [];
    for (const result of stopped) {
      if (result.status === 'rejected')
        log.warn('archive copy did not stop in order', { tenantId, error: result.reason });
      else if (result.value.isInStep) complete.push(result.value.follower.destId);
    }
    if (!lead || complete.length === 0) return;
    store.transaction(() => {
      for (const destId of complete)
        store.roundCopies.update(
          { tenantId, roundId: lead.roundId, destId },
          { isComplete: true },
          { status: 'DOING' },
        );
    });
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#reading >= READING_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#reading++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#reading--;
    }
  }
}

/** What the store proves: a copy that had everything when the server stopped. */
function provedLead({ roundId, batchNo, batchHash }: RoundCopy): LeadState | undefined {
  return batchHash ? { roundId, position: { batchNo, hash: batchHash }, isAttached: false } : undefined;
}
