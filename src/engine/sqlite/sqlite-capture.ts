// A capture as the server sees it: hands batches to whoever archives them, again until they are durable, and when its host
// died attaches to the next one where it stood.
import { setTimeout as sleep } from 'node:timers/promises';
import { ChannelClosed } from '../../base/child-process.ts';
import { fail, isFailure, messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { LogSeal } from '../../format/tenant-key.ts';
import { type Scn, toScn } from '../../model/scn.ts';
import type {
  Capture,
  CapturedBatch,
  CaptureEnd,
  CaptureRequest,
  CaptureStatus,
  LogPosition,
  Snapshot,
} from '../engine-driver.ts';
import type { AttachAnswer, AttachArgument, CaptureReport, SnapshotAnswer } from './capture-messages.ts';
import { closeSnapshot } from './close-snapshot.ts';
import { DeliveryLine } from './delivery-line.ts';
import type { CaptureHost, SqliteLogPin } from './log-pin.ts';

/** Attempts for the first batch of a round; its starter has its own way to try again. */
const START_ATTEMPTS = 3;
/** Pause before a capture is attached again after an attempt that failed. */
const ATTACH_MS_FIRST = 200;
const ATTACH_MS_MAX = 30_000;

export interface CaptureParts {
  request: CaptureRequest;
  log: Log;
  host: () => CaptureHost;
  register: (capture: SqliteCapture) => number;
  forget: (captureId: number) => void;
  /** A pin of the tenant's log that nobody holds yet. */
  pin: () => SqliteLogPin;
  /** The host has taken over whatever pinned the log. */
  onAttached: () => void;
}

export class SqliteCapture implements Capture {
  readonly #of: CaptureParts;
  #captureId = 0;
  #host: CaptureHost | undefined;
  /** Holds the log from the death of a host until the capture is attached to the next one. */
  #pin: SqliteLogPin | undefined;
  /** Last durable batch. */
  #position: LogPosition | null;
  #startScn: Scn | undefined;
  #state: 'starting' | 'live' | 'stopping' | 'ended' = 'starting';
  /** Resolves when the capture is attached to a host that lives. */
  #ready: Promise<void> = Promise.resolve();
  readonly #line: DeliveryLine;
  readonly #pause = new AbortController();
  #lagTargetMs: number;
  #seal: LogSeal | null;
  #cutScn: Scn;
  /** Everything known of this capture is at or before this scn; commits of a later attachment exceed it. */
  #knownScn: Scn;
  #idleScn: Scn;
  #report: CaptureReport | undefined;
  #isAttaching = true;
  #attachComment = '';
  #deliverComment = '';

  constructor(of: CaptureParts) {
    // Nobody may be delivering when it is abandoned.
    this.#abandoned.catch(() => {});
    this.#of = of;
    this.#line = new DeliveryLine({
      send: (batch) => this.#send(batch),
      onDurable: (batch) => this.#onDurable(batch),
      onFailed: (batch, error) => this.#onFailed(batch, error),
      isLast: (attempt) => this.#isLast(attempt),
      sleep: (ms) => this.#sleep(ms),
    });
    const { request } = of;
    this.#position = request.resume;
    this.#lagTargetMs = request.lagTargetMs;
    this.#seal = request.seal ?? null;
    this.#cutScn = request.cutScn;
    this.#knownScn = request.afterScn;
    this.#idleScn = request.resume?.scn ?? request.afterScn;
  }

  get startScn(): Scn {
    return this.#startScn ?? this.#idleScn;
  }

  /** Attaches for the first time. A host that dies meanwhile is no reason to give up at once. */
  async begin(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#startScn = await this.#attach();
        this.#state = 'live';
        this.#isAttaching = false;
        if (this.#host?.isGone) this.hostLost(this.#host, 'the capture host ended');
        return;
      } catch (error) {
        await this.#line.settled();
        if (!(error instanceof ChannelClosed) || attempt === START_ATTEMPTS) {
          this.#end();
          throw error;
        }
      }
    }
  }

  async #attach(): Promise<Scn> {
    this.#of.forget(this.#captureId);
    this.#host = this.#of.host();
    this.#captureId = this.#of.register(this);
    this.#report = undefined;
    const { request } = this.#of;
    const argument: AttachArgument = {
      captureId: this.#captureId,
      location: request.tenant.location,
      owner: request.owner,
      resume: this.#position,
      repair: request.repair,
      pageMapPath: request.pageMapPath,
      afterScn: this.#knownScn,
      lagTargetMs: this.#lagTargetMs,
      seal: this.#seal,
      cutScn: this.#cutScn,
      batchesMax: request.batchesMax ?? 1,
    };
    const { startScn } = await this.#host.child.call<AttachAnswer>('attach', argument);
    this.#of.onAttached();
    this.#pin = undefined;
    return startScn;
  }

  /** The host has gone: attaches again where the last durable batch says, or reports the gap. */
  hostLost(host: CaptureHost, reason: string): void {
    if (host !== this.#host || this.#state !== 'live' || this.#isAttaching) return;
    this.#isAttaching = true;
    this.#ready = this.#attachAgain(reason);
    // Whoever calls meanwhile waits for it; nobody may be.
    this.#ready.catch(() => undefined);
  }

  /**
   * The batches on their way are delivered as they are: one may be the only one that says where a new generation of the
   * log begins. Until they are durable nobody knows where to go on, so the log is held meanwhile.
   */
  async #attachAgain(reason: string): Promise<void> {
    this.#attachComment = reason;
    for (let pauseMs = ATTACH_MS_FIRST; this.#state === 'live'; pauseMs = Math.min(2 * pauseMs, ATTACH_MS_MAX)) {
      try {
        await this.#holdLog(reason);
        await this.#line.settled();
        if (this.#isOver) break;
        await this.#attach();
        if (this.#host?.isGone) continue;
        this.#isAttaching = false;
        this.#attachComment = '';
        this.#of.log.info('capture attached again', { tenantId: this.#of.request.tenant.tenantId });
        return;
      } catch (error) {
        if (isFailure(error, 'CLOG_RECYCLE_BEFORE_ARCHIVE')) {
          this.gap((error.facts as { because: string }).because);
          throw error;
        }
        this.#attachComment = `the capture can not be attached again: ${String(error)}`;
        this.#of.log.warn('capture not attached', { tenantId: this.#of.request.tenant.tenantId, error });
        await this.#sleep(pauseMs);
      }
    }
    throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
  }

  async #holdLog(reason: string): Promise<void> {
    if (this.#pin) return;
    const pin = this.#of.pin();
    try {
      await pin.hold();
    } catch (error) {
      // Attaching tells what is wrong, and may even succeed.
      this.#of.log.warn('log not pinned', { tenantId: this.#of.request.tenant.tenantId, error });
      return;
    }
    this.#attachComment = `${reason}; the log is held meanwhile`;
    if (this.#isOver) await pin.release();
    else this.#pin = pin;
  }

  get #isOver(): boolean {
    return this.#state === 'ended';
  }

  /** Called by the host. Resolves when the batch is durable; rejects only when the capture is over. */
  deliver(batch: CapturedBatch): Promise<void> {
    return this.#line.deliver(batch);
  }

  /** A destination that never answers must not hold up whoever has given up on it. */
  #abandonDelivery: () => void = () => {};
  readonly #abandoned = new Promise<never>((_, reject) => {
    this.#abandonDelivery = () => reject(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
  });
  #stopping: Promise<CaptureEnd> | undefined;

  async #send(batch: CapturedBatch): Promise<void> {
    if (this.#state === 'ended') throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
    await Promise.race([this.#of.request.deliver(batch), this.#abandoned]);
  }

  #onDurable(batch: CapturedBatch): void {
    this.#position = batch.position;
    this.#know(batch.checkpointScn);
    this.#know(batch.lastScn);
    this.#deliverComment = '';
  }

  #onFailed({ batchNo }: CapturedBatch, error: unknown): void {
    if (this.#state === 'ended') return;
    const because = messageOf(error);
    // Once is enough for a destination that stays away.
    if (because !== this.#deliverComment)
      this.#of.log.warn('batch not delivered', { ...this.#of.request.owner, batchNo, error });
    this.#deliverComment = because;
  }

  #isLast(attempt: number): boolean {
    if (this.#state === 'starting') return attempt >= START_ATTEMPTS;
    return this.#state !== 'live';
  }

  #know(scn: Scn): void {
    if (scn > this.#knownScn) this.#knownScn = scn;
  }

  async #sleep(ms: number): Promise<void> {
    try {
      await sleep(ms, undefined, { signal: this.#pause.signal });
    } catch {
      // Woken by stop or by the end: whoever slept looks at the state next.
    }
  }

  /** Called by the host, or when the log turned out not to continue. */
  gap(because: string): void {
    if (this.#state === 'ended') return;
    this.#end();
    void this.#line.settled().then(() => this.#of.request.onGap(because));
  }

  report(report: CaptureReport): void {
    this.#report = report;
    this.#know(report.maxScn);
  }

  swept(scn: Scn): void {
    if (!this.#report?.isIdle || this.#state !== 'live') return;
    this.#idleScn = scn;
    this.#know(scn);
  }

  abandon(): void {
    this.#end();
  }

  #end(): void {
    this.#state = 'ended';
    this.#pause.abort();
    this.#of.forget(this.#captureId);
    void this.#pin?.release();
  }

  status(): CaptureStatus {
    const report = this.#report;
    const durable = this.#position?.scn ?? this.startScn;
    const checkpointScn = this.#idleScn > durable ? this.#idleScn : durable;
    return {
      checkpointScn,
      maxScn: report && report.maxScn > durable ? report.maxScn : durable,
      pendingCommits: report?.pendingCommits ?? 0,
      logBytes: this.#pin?.status().logBytes ?? report?.logBytes ?? 0,
      comment: this.#attachComment || this.#deliverComment || (report?.comment ?? ''),
    };
  }

  async flush(): Promise<Scn> {
    const scn = await this.#call<Scn>('flush');
    this.#know(scn);
    return toScn(scn);
  }

  setCutScn(scn: Scn): void {
    this.#cutScn = scn;
    this.#host?.child.tell('setCutScn', { captureId: this.#captureId, scn });
  }

  setLagTargetMs(ms: number): void {
    this.#lagTargetMs = ms;
    this.#host?.child.tell('setLagTargetMs', { captureId: this.#captureId, ms });
  }

  async setSeal(seal: LogSeal | null): Promise<void> {
    this.#seal = seal;
    try {
      await this.#host?.child.call('setSeal', { captureId: this.#captureId, seal });
    } catch (error) {
      // The next host is told when the capture is attached to it.
      if (!(error instanceof ChannelClosed)) throw error;
    }
  }

  async snapshot(): Promise<Snapshot> {
    const { snapshotId, ...snapshot } = await this.#call<SnapshotAnswer>('snapshot');
    this.#know(snapshot.scn);
    const [host, captureId] = [this.#host, this.#captureId];
    let isClosed = false;
    return {
      ...snapshot,
      close: async () => {
        if (isClosed) return;
        isClosed = true;
        await closeSnapshot(host?.child, { captureId, snapshotId });
      },
    };
  }

  stop(options: { isAbandoned?: boolean } = {}): Promise<CaptureEnd> {
    if (options.isAbandoned) this.#abandonDelivery();
    // A stop that is under way ends soon once its delivery is abandoned.
    if (this.#stopping && options.isAbandoned) return this.#stopping;
    if (this.#state !== 'live') return Promise.reject(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
    this.#state = 'stopping';
    this.#stopping = this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<CaptureEnd> {
    this.#pause.abort();
    let isComplete = false;
    try {
      await this.#ready;
      const { isComplete: isAll, ...position } = await this.#host!.child.call<CaptureEnd>('stop', {
        captureId: this.#captureId,
      });
      this.#position = position;
      isComplete = isAll;
    } catch (error) {
      // Without a host nothing more can be archived; the last durable batch says where to go on.
      if (!(error instanceof ChannelClosed) && !isFailure(error, 'LOG_ARCHIVE_NOT_RUNNING')) throw error;
    } finally {
      await this.#line.settled();
      this.#end();
    }
    return { ...this.#position!, isComplete };
  }

  /** Calls the host; when that dies, waits for the next one and calls that. */
  async #call<T>(verb: string): Promise<T> {
    for (;;) {
      if (this.#state !== 'live') throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
      await this.#ready;
      const host = this.#host!;
      try {
        return await host.child.call<T>(verb, { captureId: this.#captureId });
      } catch (error) {
        if (!(error instanceof ChannelClosed)) throw error;
        this.hostLost(host, await host.child.exited);
      }
    }
  }
}
