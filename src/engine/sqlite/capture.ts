// The server's side of SQLite log capture: starts the capture host when it is needed, hands batches to whoever archives
// them, and attaches every capture again where it stood when the host died.
import { setTimeout as sleep } from 'node:timers/promises';
import { ChannelClosed, type Child, forkChild } from '../../base/child-process.ts';
import { fail, isFailure, messageOf } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
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
import type {
  AttachAnswer,
  AttachArgument,
  CaptureReport,
  DeliverArgument,
  GapArgument,
  LockFigures,
  SnapshotAnswer,
  SweepNote,
} from './capture-messages.ts';
import { closeSnapshot } from './close-snapshot.ts';

/** Pause before a batch is delivered again: doubles, but a destination that is back is noticed within a second. */
const RETRY_MS_FIRST = 100;
const RETRY_MS_MAX = 1000;
/** Attempts for the first batch of a round; its starter has its own way to try again. */
const START_ATTEMPTS = 3;
/** Pause before a capture is attached again after an attempt that failed. */
const ATTACH_MS_FIRST = 200;
const ATTACH_MS_MAX = 30_000;

/** A running capture host. */
interface Host {
  child: Child;
  isGone: boolean;
}

/** The capture hosts of one server: one process for all tenants, started by the first capture. */
export class SqliteCaptureHosts implements AsyncDisposable {
  readonly #log: Log;
  readonly #captures = new Map<number, SqliteCapture>();
  #host: Host | undefined;
  #nextCaptureId = 1;
  #isDisposed = false;

  constructor(of: { log: Log }) {
    this.#log = of.log;
  }

  /** @see EngineDriver.startCapture */
  async start(request: CaptureRequest): Promise<Capture> {
    const capture = new SqliteCapture({
      request,
      log: this.#log,
      host: () => this.#startHost(),
      register: (of) => {
        const captureId = this.#nextCaptureId++;
        this.#captures.set(captureId, of);
        return captureId;
      },
      forget: (captureId) => this.#captures.delete(captureId),
    });
    await capture.begin();
    return capture;
  }

  /** How long applications could not write because of captures; undefined while there is no host. */
  async lockFigures(): Promise<LockFigures | undefined> {
    const host = this.#host;
    if (!host || host.isGone) return undefined;
    return await host.child.call<LockFigures>('lockFigures');
  }

  /** Process id of the host, for tests that kill it. */
  get hostPid(): number | undefined {
    return this.#host && !this.#host.isGone ? this.#host.child.pid : undefined;
  }

  #startHost(): Host {
    if (this.#isDisposed) throw fail('CANCELED', {});
    if (this.#host && !this.#host.isGone) return this.#host;
    const child = forkChild('./capture-host', import.meta.url, {
      deliver: ({ captureId, batch }: DeliverArgument) => this.#captureOf(captureId).deliver(batch),
      gap: ({ captureId, because }: GapArgument) => this.#captures.get(captureId)?.gap(because),
      swept: (note: SweepNote) => this.#swept(note),
    });
    const host: Host = { child, isGone: false };
    this.#host = host;
    void child.exited.then((reason) => {
      host.isGone = true;
      if (this.#isDisposed) return;
      this.#log.error('capture host ended', { reason, captures: this.#captures.size });
      for (const capture of [...this.#captures.values()]) capture.hostLost(host, reason);
    });
    return host;
  }

  #captureOf(captureId: number): SqliteCapture {
    const capture = this.#captures.get(captureId);
    if (!capture) throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
    return capture;
  }

  #swept(note: SweepNote): void {
    for (const report of note.reports) this.#captures.get(report.captureId)?.report(report);
    for (const capture of this.#captures.values()) capture.swept(note.scn);
  }

  /** Ends the host and with it every capture, without archiving to the end. The tenants' logs stay as they are. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    for (const capture of [...this.#captures.values()]) capture.abandon();
    // The host ends itself by SIGKILL when its channel closes: nothing of it would be made better by waiting.
    await this.#host?.child.stop(0);
  }
}

/** @see EngineDriver.startCapture */
export function startSqliteCapture(hosts: SqliteCaptureHosts, request: CaptureRequest): Promise<Capture> {
  return hosts.start(request);
}

interface CaptureParts {
  request: CaptureRequest;
  log: Log;
  host: () => Host;
  register: (capture: SqliteCapture) => number;
  forget: (captureId: number) => void;
}

class SqliteCapture implements Capture {
  readonly #of: CaptureParts;
  #captureId = 0;
  #host: Host | undefined;
  /** Last durable batch. */
  #position: LogPosition | null;
  #startScn: Scn | undefined;
  #state: 'starting' | 'live' | 'stopping' | 'ended' = 'starting';
  /** Resolves when the capture is attached to a host that lives. */
  #ready: Promise<void> = Promise.resolve();
  #inFlight: Promise<void> = Promise.resolve();
  readonly #pause = new AbortController();
  #lagTargetMs: number;
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
    const { request } = of;
    this.#position = request.resume;
    this.#lagTargetMs = request.lagTargetMs;
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
        await this.#settled();
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
      cutScn: this.#cutScn,
    };
    const { startScn } = await this.#host.child.call<AttachAnswer>('attach', argument);
    return startScn;
  }

  /** The host has gone: attaches again where the last durable batch says, or reports the gap. */
  hostLost(host: Host, reason: string): void {
    if (host !== this.#host || this.#state !== 'live' || this.#isAttaching) return;
    this.#attachComment = reason;
    this.#isAttaching = true;
    this.#ready = this.#attachAgain();
    // Whoever calls meanwhile waits for it; nobody may be.
    this.#ready.catch(() => undefined);
  }

  async #attachAgain(): Promise<void> {
    for (let pauseMs = ATTACH_MS_FIRST; this.#state === 'live'; pauseMs = Math.min(2 * pauseMs, ATTACH_MS_MAX)) {
      await this.#settled();
      try {
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

  #settled(): Promise<void> {
    return this.#inFlight.catch(() => undefined);
  }

  /** Called by the host. Resolves when the batch is durable; rejects only when the capture is over. */
  deliver(batch: CapturedBatch): Promise<void> {
    this.#inFlight = this.#deliverUntilDurable(batch);
    return this.#inFlight;
  }

  /** A destination that never answers must not hold up whoever has given up on it. */
  #abandonDelivery: () => void = () => {};
  readonly #abandoned = new Promise<never>((_, reject) => {
    this.#abandonDelivery = () => reject(fail('LOG_ARCHIVE_NOT_RUNNING', {}));
  });
  #stopping: Promise<CaptureEnd> | undefined;

  async #deliverUntilDurable(batch: CapturedBatch): Promise<void> {
    for (let attempt = 1, pauseMs = RETRY_MS_FIRST; ; attempt++, pauseMs = Math.min(2 * pauseMs, RETRY_MS_MAX)) {
      if (this.#state === 'ended') throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
      try {
        await Promise.race([this.#of.request.deliver(batch), this.#abandoned]);
        break;
      } catch (error) {
        const because = messageOf(error);
        // Once is enough for a destination that stays away.
        if (because !== this.#deliverComment)
          this.#of.log.warn('batch not delivered', { ...this.#of.request.owner, batchNo: batch.batchNo, error });
        this.#deliverComment = because;
        const isLast = this.#state === 'stopping' || (this.#state === 'starting' && attempt >= START_ATTEMPTS);
        if (isLast) throw error;
        await this.#sleep(pauseMs);
      }
    }
    this.#position = batch.position;
    this.#know(batch.checkpointScn);
    this.#know(batch.lastScn);
    this.#deliverComment = '';
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
    void this.#settled().then(() => this.#of.request.onGap(because));
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
  }

  status(): CaptureStatus {
    const report = this.#report;
    const durable = this.#position?.scn ?? this.startScn;
    const checkpointScn = this.#idleScn > durable ? this.#idleScn : durable;
    return {
      checkpointScn,
      maxScn: report && report.maxScn > durable ? report.maxScn : durable,
      pendingCommits: report?.pendingCommits ?? 0,
      logBytes: report?.logBytes ?? 0,
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
      await this.#settled();
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
