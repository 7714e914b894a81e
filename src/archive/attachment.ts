// A round while this server works on it: its log at the destination and, when archiving goes on, the engine's capture.
import { assert } from '../base/assert.ts';
import { fail, type HoldfastError, isFailure } from '../base/errors.ts';
import type { Capture, CapturedBatch, LogPosition } from '../engine/engine-driver.ts';
import type { ArchiveRound } from '../model/archive-round.ts';
import type { Scn } from '../model/scn.ts';
import type { ArchiveContext } from './archive-context.ts';
import { RoundLog } from './round-log.ts';

/** What an attachment tells its worker. */
export interface AttachmentEvents {
  onDelivered(): void;
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
  #capture: Capture | undefined;
  #isLeft = false;
  #isDetached = false;
  #leave: () => void = () => {};
  readonly #leaving = new Promise<'leaving'>((resolve) => {
    this.#leave = () => resolve('leaving');
  });
  #end: (error: HoldfastError) => void = () => {};
  readonly #ended = new Promise<never>((_, reject) => {
    this.#end = reject;
  });

  private constructor(context: ArchiveContext, log: RoundLog, resume: LogPosition | null) {
    this.#context = context;
    this.log = log;
    this.#resume = resume;
    // Nobody may be waiting when it ends.
    this.#ended.catch(() => {});
  }

  /** Opens a round's log where the destination says that it stands; no capture yet. @throws what `RoundLog.open` throws */
  static async open(context: ArchiveContext, round: ArchiveRound): Promise<Attachment> {
    const { log, resume } = await RoundLog.open(context, round);
    return new Attachment(context, log, resume);
  }

  get capture(): Capture | undefined {
    return this.#capture;
  }

  /**
   * Attaches the engine's capture. Its first batch may find no destination for days: `leave` ends the waiting.
   * @throws CLOG_RECYCLE_BEFORE_ARCHIVE (9087); CANCELED (4072) when it was left
   */
  async startCapture(of: { lastScn: Scn; lagTargetMs: number; events: AttachmentEvents }): Promise<void> {
    const { store } = this.#context;
    const { tenantId, roundId } = this.log.round;
    const tenant = store.tenants.get({ tenantId });
    assert(tenant, 'a round has a tenant');
    const resume = this.#resume;
    const starting = this.#context.driver(tenant.engine).startCapture({
      tenant: this.#context.engineTenant(tenant),
      owner: { clusterUuid: store.cluster.uuid, tenantId, roundId },
      resume,
      afterScn: resume && resume.scn > of.lastScn ? resume.scn : of.lastScn,
      lagTargetMs: of.lagTargetMs,
      cutScn: this.log.cutScn,
      deliver: (batch) => this.#deliver(batch, of.events),
      onGap: (because) => of.events.onGap(because),
    });
    const first = await Promise.race([starting, this.#leaving]);
    if (first === 'leaving') {
      this.#isLeft = true;
      this.#capture = await starting;
      await this.detach(fail('CANCELED', {}), { isAbandoned: true });
      throw fail('CANCELED', {});
    }
    this.#capture = first;
    this.log.onCut = (scn) => first.setCutScn(scn);
    first.setCutScn(this.log.cutScn);
  }

  /** The capture that is just attaching is not wanted any more. */
  leave(): void {
    this.#leave();
  }

  /** @throws LOG_ARCHIVE_NOT_RUNNING, LOG_ARCHIVE_INTERRUPTED when the capture ends first */
  async flush(capture: Capture): Promise<Scn> {
    return await Promise.race([capture.flush(), this.#ended]);
  }

  /** Ends the capture: archives to the end as far as time allows. The log stays open. */
  async detach(failure: HoldfastError, options: { isAbandoned?: boolean } = {}): Promise<void> {
    this.leave();
    const capture = this.#capture;
    if (!capture) return;
    this.#capture = undefined;
    try {
      this.log.advance((await this.#stop(capture, options.isAbandoned ?? false)).scn);
    } catch (error) {
      // Where the log ends is found again at the destination; a capture that met a gap has ended by itself.
      const { tenantId, roundId } = this.log.round;
      if (!isFailure(error, 'LOG_ARCHIVE_NOT_RUNNING'))
        this.#context.log.warn('capture did not stop in order', { tenantId, roundId, error });
    }
    this.#isDetached = true;
    this.#end(failure);
    this.#context.store.transaction(() => this.log.persist());
  }

  async close(): Promise<void> {
    this.#end(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
    await this.log.close();
  }

  async #stop(capture: Capture, isAbandoned: boolean): Promise<LogPosition> {
    if (isAbandoned) return await capture.stop({ isAbandoned });
    const stopping = capture.stop();
    const first = await Promise.race([stopping, pause(this.#context.timing.detachMs)]);
    if (first !== 'late') return first;
    // Its own end is of no interest once it is abandoned.
    stopping.catch(() => {});
    return await capture.stop({ isAbandoned: true });
  }

  async #deliver(batch: CapturedBatch, events: AttachmentEvents): Promise<void> {
    // Of a capture that nobody wants any more the first, empty batch is taken without being kept anywhere: then it ends.
    if (this.#isLeft && batch.batchNo === 1) return;
    // A capture that did not end in time must not write behind the end of its round.
    if (this.#isDetached) throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
    try {
      await this.log.deliver(batch);
    } catch (error) {
      events.onDeliverFailed(error);
      throw error;
    }
    events.onDelivered();
  }
}
