// The capture hosts of a server: one process for all tenants, started when it is first needed and again when it died.
// Everything that hangs on it (captures, pins) is told when it has gone, and attaches or pins again by itself.
import { forkChild } from '../../base/child-process.ts';
import { fail } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Capture, CaptureRequest, EngineTenant, LogPin } from '../engine-driver.ts';
import type { DeliverArgument, GapArgument, LockFigures, PinReport, SweepNote } from './capture-messages.ts';
import { type CaptureHost, SqliteLogPin } from './log-pin.ts';
import { SqliteCapture } from './sqlite-capture.ts';

/** The capture hosts of one server: one process for all tenants, started by the first capture. */
export class SqliteCaptureHosts implements AsyncDisposable {
  readonly #log: Log;
  readonly #captures = new Map<number, SqliteCapture>();
  readonly #pins = new Map<number, SqliteLogPin>();
  #host: CaptureHost | undefined;
  #nextCaptureId = 1;
  #nextPinId = 1;
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
      pin: () => this.#makePin(request.tenant),
      onAttached: () => {
        for (const pin of this.#pins.values()) if (pin.location === request.tenant.location) pin.end();
      },
    });
    await capture.begin();
    return capture;
  }

  /** @see EngineDriver.pinLog */
  async pin(tenant: EngineTenant): Promise<LogPin> {
    const pin = this.#makePin(tenant);
    await pin.hold();
    return pin;
  }

  /** Lets go of whatever pins a tenant's log. */
  async release(tenantId: number): Promise<void> {
    const pins = [...this.#pins.values()].filter((pin) => pin.tenantId === tenantId);
    for (const pin of pins) await pin.release();
  }

  #makePin(tenant: EngineTenant): SqliteLogPin {
    return new SqliteLogPin({
      tenant,
      log: this.#log,
      host: () => this.#startHost(),
      register: (pin) => {
        const pinId = this.#nextPinId++;
        this.#pins.set(pinId, pin);
        return pinId;
      },
      forget: (pinId) => this.#pins.delete(pinId),
    });
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

  #startHost(): CaptureHost {
    if (this.#isDisposed) throw fail('CANCELED', {});
    if (this.#host && !this.#host.isGone) return this.#host;
    const child = forkChild('./capture-host', import.meta.url, {
      deliver: ({ captureId, batch }: DeliverArgument) => this.#captureOf(captureId).deliver(batch),
      gap: ({ captureId, because }: GapArgument) => this.#captures.get(captureId)?.gap(because),
      swept: (note: SweepNote) => this.#swept(note),
      pins: (reports: PinReport[]) => {
        for (const report of reports) this.#pins.get(report.pinId)?.report(report);
      },
    });
    const host: CaptureHost = { child, isGone: false };
    this.#host = host;
    void child.exited.then((reason) => {
      host.isGone = true;
      if (this.#isDisposed) return;
      this.#log.error('capture host ended', { reason, captures: this.#captures.size, pins: this.#pins.size });
      for (const pin of [...this.#pins.values()]) pin.hostLost(host);
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
    for (const pin of [...this.#pins.values()]) pin.end();
    // The host ends itself by SIGKILL when its channel closes: nothing of it would be made better by waiting.
    await this.#host?.child.stop(0);
  }
}

/** @see EngineDriver.startCapture */
export function startSqliteCapture(hosts: SqliteCaptureHosts, request: CaptureRequest): Promise<Capture> {
  return hosts.start(request);
}
