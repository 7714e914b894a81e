// A round while this server works on it: its log at the destination and, when archiving goes on, the engine's capture.
import { assert } from '../base/assert.ts';
import { fail, type HoldfastError, isFailure, messageOf } from '../base/errors.ts';
import type { Capture, CapturedBatch, CaptureEnd, LogPosition } from '../engine/engine-driver.ts';
import type { RoundStartInfo } from '../format/archive-info.ts';
import { basePageMapPath } from '../format/kept-page-map.ts';
import type { ArchiveRound } from '../model/archive-round.ts';
import type { Scn } from '../model/scn.ts';
import { logSealOf } from '../store/tenant-keys.ts';
import type { ArchiveContext } from './archive-context.ts';
import { ArchiveDamaged } from './archive-damaged.ts';
import { checkBaseMap } from './gap-repair.ts';
import { RoundLog } from './round-log.ts';

/** What an attachment tells its worker. */
export interface AttachmentEvents {
  onDelivered(batch: CapturedBatch): void;
  onDeliverFailed(error: unknown): void;
  onGap(because: string): void;
}

/** A timer that holds nothing up. */
export function pause(ms: number): Promise<'late'> {
  return new Promise((resolve) => setTimeout(() => resolve('late'), ms).unref());
}

export class Attachment {
  readonly log: RoundLog;
  readonly #context: ArchiveContext;
  readonly #resume: LogPosition | null;
  /** What the round says of its start at the destination. */
  readonly start: RoundStartInfo;
  #capture: Capture | undefined;
  /** Of a repairing commit that an earlier life of the server archived and did not record. */
  #repairScn: Scn | undefined;
  /** The capture is, or was, attached; until then `leave` ends everything. */
  #isStarted = false;
  #isLeft = false;
  #leftBecause: unknown;
  #isDetached = false;
  /** The latest batch did not become durable. */
  #hasFailed = false;
  #leave: () => void = () => {};
  readonly #leaving = new Promise<never>((_, reject) => {
    this.#leave = () => reject(fail('CANCELED', {}));
  });
  #end: (error: HoldfastError) => void = () => {};
  readonly #ended = new Promise<never>((_, reject) => {
    this.#end = reject;
  });

  private constructor(
    context: ArchiveContext,
    of: { log: RoundLog; start: RoundStartInfo; resume: LogPosition | null },
  ) {
    this.#context = context;
    this.log = of.log;
    this.start = of.start;
    this.#resume = of.resume;
    // Nobody may be waiting when it ends.
    this.#ended.catch(() => {});
    this.#leaving.catch(() => {});
  }

  /** Opens a round's log where the destination says that it stands; no capture yet. @throws what `RoundLog.open` throws */
  static async open(context: ArchiveContext, round: ArchiveRound): Promise<Attachment> {
    return new Attachment(context, await RoundLog.open(context, round));
  }

  get capture(): Capture | undefined {
    return this.#capture;
  }

  /** A capture was attached, however it went on: it has taken over what pinned the log. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** The round holds no whole commit yet: its capture has to deliver before it is attached. */
  get isBeginning(): boolean {
    return this.#resume === null || this.#resume.engine.length === 0;
  }

  /** Where the repair of the gap before the round begins to be of use, once a capture is attached for the first time. */
  get repairScn(): Scn | undefined {
    return this.#repairScn ?? this.#capture?.startScn;
  }

  /**
   * Attaches the engine's capture, which first delivers what repairs a gap. `leave` ends the waiting.
   * @throws CLOG_RECYCLE_BEFORE_ARCHIVE (9087), ArchiveDamaged; CANCELED (4072), or what it was left for
   */
  async startCapture(of: { lastScn: Scn; lagTargetMs: number; events: AttachmentEvents }): Promise<void> {
    const { store } = this.#context;
    const { tenantId, roundId, status } = this.log.round;
    const tenant = store.tenants.get({ tenantId });
    assert(tenant, 'a round has a tenant');
    const resume = this.#resume;
    const { base } = this.start;
    // Until its repairing commit is whole a round has no position of the engine.
    const isRepaired = resume !== null && resume.engine.length > 0;
    if (base && !isRepaired) await checkBaseMap(this.#context, { tenantId, base });
    if (base && isRepaired && status === 'BEGINNING') this.#repairScn = await this.log.findRepairScn();
    const starting = this.#context.driver(tenant.engine).startCapture({
      tenant: this.#context.engineTenant(tenant),
      owner: { clusterUuid: store.cluster.uuid, tenantId, roundId },
      resume,
      repair: base
        ? { prevHash: base.batchHash, pageMapPath: basePageMapPath(this.#context.pageMapPath(tenantId)) }
        : null,
      pageMapPath: this.#context.pageMapPath(tenantId),
      afterScn: resume && resume.scn > of.lastScn ? resume.scn : of.lastScn,
      lagTargetMs: of.lagTargetMs,
      seal: logSealOf(store, { tenantId, roundId }),
      cutScn: this.log.cutScn,
      batchesMax: this.log.batchesMax,
      deliver: (batch) => this.#deliver(batch, of.events),
      onGap: (because) => of.events.onGap(because),
    });
    const first = await starting.catch((error: unknown) => {
      if (this.#isLeft) throw this.#leftBecause ?? fail('CANCELED', {});
      // Tried again it would fail again; a round that can not repair its gap is replaced.
      if (!base || !isFailure(error, 'CANNOT_START_LOG_ARCHIVE')) throw error;
      throw new ArchiveDamaged(messageOf(error), { cause: error });
    });
    this.#isStarted = true;
    this.#capture = first;
    if (this.#isLeft) {
      await this.detach(fail('CANCELED', {}), { isAbandoned: true });
      throw this.#leftBecause ?? fail('CANCELED', {});
    }
    this.log.onCut = (scn) => first.setCutScn(scn);
    first.setCutScn(this.log.cutScn);
    // It may have been told otherwise meanwhile.
    await this.refreshSeal();
  }

  /** tde_method or the tenant's key has changed: resolves when every batch that is made from now on is encrypted so. */
  async refreshSeal(): Promise<void> {
    const { tenantId, roundId } = this.log.round;
    await this.#capture?.setSeal(logSealOf(this.#context.store, { tenantId, roundId }));
  }

  /**
   * The capture that is just attaching is not wanted any more: what it still wants to deliver is refused.
   * @param because what `startCapture` throws instead of CANCELED
   */
  leave(because?: unknown): void {
    if (this.#isStarted) return;
    this.#isLeft = true;
    this.#leftBecause ??= because;
    this.#leave();
  }

  /** @throws LOG_ARCHIVE_NOT_RUNNING, LOG_ARCHIVE_INTERRUPTED when the capture ends first */
  async flush(capture: Capture): Promise<Scn> {
    return await Promise.race([capture.flush(), this.#ended]);
  }

  /**
   * Ends the capture: archives to the end as far as time allows. The log stays open.
   * @returns true when all that is committed is archived, and the destination says where that ends
   */
  async detach(failure: HoldfastError, options: { isAbandoned?: boolean } = {}): Promise<boolean> {
    this.leave();
    const capture = this.#capture;
    if (!capture) return false;
    this.#capture = undefined;
    let isComplete = false;
    try {
      const end = await this.#stop(capture, options.isAbandoned ?? false);
      this.log.advance(end.scn);
      isComplete = end.isComplete;
    } catch (error) {
      // Where the log ends is found again at the destination; a capture that met a gap has ended by itself.
      const { tenantId, roundId } = this.log.round;
      if (!isFailure(error, 'LOG_ARCHIVE_NOT_RUNNING'))
        this.#context.log.warn('capture did not stop in order', { tenantId, roundId, error });
    }
    this.#isDetached = true;
    this.#end(failure);
    this.#context.store.transaction(() => this.log.persist());
    return isComplete && !this.#hasFailed;
  }

  async close(): Promise<void> {
    this.#end(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
    await this.log.close();
  }

  async #stop(capture: Capture, isAbandoned: boolean): Promise<CaptureEnd> {
    if (isAbandoned) return await capture.stop({ isAbandoned });
    const stopping = capture.stop();
    const first = await Promise.race([stopping, pause(this.#context.timing.detachMs)]);
    if (first !== 'late') return first;
    // Its own end is of no interest once it is abandoned.
    stopping.catch(() => {});
    return await capture.stop({ isAbandoned: true });
  }

  async #deliver(batch: CapturedBatch, events: AttachmentEvents): Promise<void> {
    if (this.#isLeft) throw fail('CANCELED', {});
    // A capture that did not end in time must not write behind the end of its round.
    if (this.#isDetached) throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
    try {
      // The destination may take its time; whoever has left does not wait for it.
      await Promise.race([this.log.deliver(batch), this.#leaving]);
      this.#hasFailed = false;
    } catch (error) {
      this.#hasFailed = true;
      events.onDeliverFailed(error);
      throw error;
    }
    events.onDelivered(batch);
  }
}
