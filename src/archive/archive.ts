// The archive service: a worker per tenant that archives, and what statements and views ask of them.
import { fail } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { DestinationDeadlines } from '../destination/deadline-destination.ts';
import type { Capture } from '../engine/engine-driver.ts';
import { removeKeptPageMaps } from '../format/kept-page-map.ts';
import { type Leases, NO_LEASES } from '../lease/lease-service.ts';
import { FIRST_DEST_NO } from '../model/archive-copy.ts';
import { type ArchiveRound, type DestState, isRoundRunning } from '../model/archive-round.ts';
import type { DestinationUri } from '../model/destination-uri.ts';
import { SCN_NONE, type Scn, toScn } from '../model/scn.ts';
import type { Tenant } from '../model/tenant.ts';
import { ARCHIVE_TIMING, type ArchiveContext, type ArchiveTiming } from './archive-context.ts';
import { setArchiveCopyDest, setArchiveDest, setArchiveDestState } from './archive-dests.ts';
import { recordSetting } from './archive-events.ts';
import type { ArchiveCopyRequest, ArchiveDestRequest, ArchiveFigures, ArchiveService } from './archive-service.ts';
import type { ArchiveShared } from './archive-shared.ts';
import { ArchiveWorker } from './archive-worker.ts';
import { pause } from './attachment.ts';
import { Copies } from './copies/copies.ts';
import { TenantsAtRest } from './tenants-at-rest.ts';

/** Tenants that attach at once: each reads the end of its log and opens a database. */
const ATTACHING_MAX = 8;
/** A place is given on after so long: a destination that does not answer must not keep other tenants waiting. */
const ATTACH_SLOT_MS_MAX = 5000;

/** Workers that look what is wanted of them before other work gets its turn: some 10 ms. */
const KICKS_PER_TURN = 100;

export interface ArchiveOptions extends Omit<ArchiveContext, 'timing' | 'leases'> {
  timing?: Partial<ArchiveTiming>;
  /** Absent: nobody else writes. */
  leases?: Leases;
}

/** Builds the archive service. Nothing runs before `start`. */
export function createArchive(options: ArchiveOptions): ArchiveService {
  const timing = { ...ARCHIVE_TIMING, ...options.timing };
  const deadlines = new DestinationDeadlines(timing.callMs);
  const openDestination = (uri: DestinationUri, tenantId: number) =>
    deadlines.wrap(options.openDestination(uri, tenantId));
  return new Archive({ ...options, leases: options.leases ?? NO_LEASES, timing, openDestination });
}

class Archive implements ArchiveService {
  readonly #context: ArchiveContext;
  readonly #workers = new Map<number, ArchiveWorker>();
  readonly #dirty = new Set<ArchiveWorker>();
  readonly #shared: ArchiveShared;
  readonly #copies: Copies;
  /** Up to here everything of the tenants at rest is archived. */
  #announced: Scn = SCN_NONE;
  #persistedMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #attaching = 0;
  readonly #waiting: Array<() => void> = [];
  #isRunning = false;
  readonly #atRest: TenantsAtRest;
  /** Tenants whose wishes have changed, in the order of their changes. */
  readonly #toKick: number[] = [];
  #sweep: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;

  constructor(context: ArchiveContext) {
    this.#context = context;
    this.#atRest = new TenantsAtRest({ store: context.store, onChanged: (tenantId) => this.#tryToKick(tenantId) });
    this.#copies = new Copies(context);
    this.#shared = {
      copies: this.#copies,
      attachSlot: (work, options) => this.#attachSlot(work, options),
      markDirty: (worker) => {
        this.#dirty.add(worker);
        this.#persistSoon();
      },
      announcedScn: () => this.#announced,
      onRest: (worker, rest) => {
        this.#dirty.delete(worker);
        if (this.#workers.get(worker.tenantId) === worker) this.#workers.delete(worker.tenantId);
        this.#atRest.add(rest, this.#tenant(rest.tenantId).location);
      },
    };
  }

  start(): void {
    const { store } = this.#context;
    this.#isRunning = true;
    this.#announced = store.tenants.get({ tenantId: SYS_TENANT_ID })?.lastScn ?? SCN_NONE;
    const tenants = store.userTenants();
    // By tenant and number: the last one of a tenant is its current one.
    const rounds = new Map(store.rounds.find().map((round) => [round.tenantId, round]));
    this.#loadAtRest(tenants, rounds);
    this.#copies.start((tenantId) => this.#atRest.has(tenantId));
    this.#watch = setInterval(() => this.#checkPressure(), this.#context.timing.pressureMs).unref();
    const wanted = tenants.filter(({ tenantId, isArchiveMode }) => {
      const round = rounds.get(tenantId);
      return (isArchiveMode || (round && isRoundRunning(round.status))) && !this.#atRest.has(tenantId);
    });
    for (const { tenantId } of wanted) {
      this.#worker(tenantId);
      this.#kickSoon(tenantId);
    }
  }

  /** The looks of thousands of workers in one go would keep statements waiting for seconds. */
  #kickSoon(tenantId: number): void {
    const kickSome = () => {
      for (const id of this.#toKick.splice(0, KICKS_PER_TURN)) this.#tryToKick(id);
      if (this.#toKick.length > 0) setImmediate(kickSome);
    };
    if (this.#toKick.push(tenantId) === 1) setImmediate(kickSome);
  }

  /** One tenant's trouble must not keep the others from being looked at. */
  #checkPressure(): void {
    for (const worker of this.#workers.values()) {
      try {
        worker.checkPressure();
      } catch (error) {
        this.#context.log.error('archive pressure was not checked', { tenantId: worker.tenantId, error });
      }
    }
  }

  /** Tenants whose files are as they were left need no capture; that is looked at in turns with other work. */
  #loadAtRest(tenants: readonly Tenant[], rounds: ReadonlyMap<number, ArchiveRound>): void {
    const { store, use, timing } = this.#context;
    const enabled = new Set(store.archiveDests.find({ state: 'ENABLE' }).map(({ tenantId }) => tenantId));
    this.#atRest.load((tenant, rest) => {
      const round = rounds.get(tenant.tenantId);
      const isDoing = round?.roundId === rest.roundId && round.status === 'DOING' && enabled.has(tenant.tenantId);
      return isDoing && tenant.isArchiveMode && tenant.status === 'NORMAL' && use?.isOwn(tenant) === true;
    }, tenants);
    if (!use) return;
    const lookOnce = () => {
      if (this.#isRunning && this.#atRest.look()) setImmediate(lookOnce);
    };
    setImmediate(lookOnce);
    this.#sweep = setInterval(() => this.#sweepOnce(), timing.restSweepMs).unref();
  }

  #sweepOnce(): void {
    try {
      this.#atRest.look();
      const workers = [...this.#workers.values()];
      const attached = workers.filter((worker) => worker.isHolding).length;
      for (const worker of workers) worker.considerRest(attached);
    } catch (error) {
      // The next sweep is soon.
      this.#context.log.error('tenants at rest were not looked at', { error });
    }
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    clearInterval(this.#sweep);
    clearInterval(this.#watch);
    const workers = [...this.#workers.values()];
    this.#workers.clear();
    const results = await Promise.allSettled(workers.map((worker) => worker.stop()));
    await this.#copies.stop();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dirty.clear();
    for (const result of results) {
      if (result.status === 'rejected')
        this.#context.log.error('archive did not stop in order', { error: result.reason });
    }
  }

  async setDest(tenantId: number, request: ArchiveDestRequest | null): Promise<void> {
    await setArchiveDest(this.#context, this.#tenant(tenantId), request);
    if (request) this.#kick(tenantId);
  }

  async setCopyDest(tenantId: number, destNo: number, request: ArchiveCopyRequest | null): Promise<void> {
    await setArchiveCopyDest(this.#context, this.#tenant(tenantId), { destNo, request });
    this.#copies.kick(tenantId);
  }

  setDestState(tenantId: number, state: DestState, destNo: number = FIRST_DEST_NO): void {
    setArchiveDestState(this.#context, tenantId, { state, destNo });
    this.#kick(tenantId);
  }

  enable(tenantId: number): void {
    const tenant = this.#tenant(tenantId);
    if (tenant.isArchiveMode) throw fail('ALREADY_IN_ARCHIVE_MODE', {});
    if (tenant.status !== 'NORMAL') throw fail('CANNOT_START_LOG_ARCHIVE', { because: 'tenant status is not normal.' });
    // What is replayed takes in its log as it needs: nobody else may hold it.
    if (tenant.role === 'STANDBY' && tenant.recoveryUntilScn > tenant.lastScn)
      throw fail('CANNOT_START_LOG_ARCHIVE', { because: 'the tenant is a STANDBY that is being recovered' });
    this.#saveMode(tenantId, true);
  }

  disable(tenantId: number): void {
    if (!this.#tenant(tenantId).isArchiveMode) throw fail('ALREADY_IN_NOARCHIVE_MODE', {});
    this.#saveMode(tenantId, false);
  }

  #saveMode(tenantId: number, isArchiveMode: boolean): void {
    const { store } = this.#context;
    store.transaction(() => {
      store.tenants.change({ tenantId }, { isArchiveMode }, { isArchiveMode: !isArchiveMode });
      const facts = { tenant_id: tenantId, log_mode: isArchiveMode ? 'ARCHIVELOG' : 'NOARCHIVELOG' };
      recordSetting(this.#context, 'set_log_mode', facts);
    });
    this.#kickSoon(tenantId);
  }

  refreshLagTarget(tenantId: number): void {
    this.#workers.get(tenantId)?.refreshLagTarget();
    // An interrupted round may be wanted to be followed by another one now.
    this.#workers.get(tenantId)?.kick();
  }

  async refreshSeal(tenantId: number): Promise<void> {
    await this.#workers.get(tenantId)?.refreshSeal();
  }

  lookAgain(tenantId: number): void {
    this.#tryToKick(tenantId);
  }

  interrupt(tenantId: number, because: string): void {
    if (!this.#isRunning) return;
    void this.wake(tenantId);
    this.#worker(tenantId).interrupt(because);
  }

  wake(tenantId: number): Promise<void> | undefined {
    const worker = this.#workers.get(tenantId);
    if (worker) return worker.waking;
    return this.#isRunning && this.#atRest.has(tenantId) ? this.#worker(tenantId).wake() : undefined;
  }

  keepsLog(tenantId: number): boolean {
    return this.#atRest.has(tenantId) || this.#workers.get(tenantId)?.keepsLog === true;
  }

  capture(tenantId: number): Capture | undefined {
    // Whoever asks again finds it attached.
    void this.wake(tenantId);
    const worker = this.#workers.get(tenantId);
    worker?.noteUse();
    return worker?.capture;
  }

  figures(tenantId: number): ArchiveFigures | undefined {
    this.#persistForLook();
    const figures = this.#atRest.figures(tenantId, this.#announced) ?? this.#workers.get(tenantId)?.figures();
    return figures && { ...figures, copies: this.#copies.figures(tenantId, figures.checkpointScn) };
  }

  async flush(tenantId: number, of?: { at: readonly string[] }): Promise<Scn> {
    await this.wake(tenantId);
    const worker = this.#workers.get(tenantId);
    worker?.noteUse();
    if (!worker) throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
    return await worker.flush(of);
  }

  async forget(tenantId: number): Promise<void> {
    const queued = this.#toKick.indexOf(tenantId);
    if (queued >= 0) this.#toKick.splice(queued, 1);
    const round = this.#context.store.currentRound(tenantId);
    const known = this.#workers.get(tenantId);
    if (known || (round && isRoundRunning(round.status))) {
      const worker = known ?? this.#worker(tenantId);
      await worker.forget();
      this.#dirty.delete(worker);
      this.#workers.delete(tenantId);
    }
    await this.#copies.forget(tenantId);
    await removeKeptPageMaps(this.#context.pageMapPath(tenantId));
  }

  /** @throws TENANT_NOT_EXIST (5160) */
  #tenant(tenantId: number): Tenant {
    const tenant = this.#context.store.tenants.get({ tenantId });
    if (!tenant) throw fail('TENANT_NOT_EXIST', { tenant: String(tenantId) });
    return tenant;
  }

  #worker(tenantId: number): ArchiveWorker {
    let worker = this.#workers.get(tenantId);
    if (!worker) {
      // Durable before anything is attached or written.
      this.#atRest.wake(tenantId, this.#announced);
      worker = new ArchiveWorker(this.#context, this.#shared, tenantId);
      this.#workers.set(tenantId, worker);
    }
    return worker;
  }

  #kick(tenantId: number): void {
    if (!this.#isRunning) return;
    this.#worker(tenantId).kick();
    this.#copies.kick(tenantId);
  }

  /** Nobody waits for an answer: what went wrong is tried again when the tenant is used. */
  #tryToKick(tenantId: number): void {
    try {
      this.#kick(tenantId);
    } catch (error) {
      this.#context.log.error('archive did not start for a tenant', { tenantId, error });
    }
  }

  async #attachSlot<T>(work: () => Promise<T>, { isUrgent = false } = {}): Promise<T> {
    const wait = (resolve: () => void) => (isUrgent ? this.#waiting.unshift(resolve) : this.#waiting.push(resolve));
    if (this.#attaching >= ATTACHING_MAX) await new Promise<void>(wait);
    else this.#attaching++;
    const working = work();
    // Both ways of ending give the place on; the outcome is the caller's.
    const settled = working.then(
      () => {},
      () => {},
    );
    void Promise.race([settled, pause(ATTACH_SLOT_MS_MAX)]).then(() => {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#attaching--;
    });
    return await working;
  }

  #persistSoon(): void {
    this.#timer ??= setTimeout(() => this.#persist(), this.#context.timing.persistMs).unref();
  }

  /**
   * What a view tells as archived can be restored to whatever happens next, so it is stored before; the clock alone moves
   * what is archived of tenants that nobody writes to. Without a look nothing is written for those.
   */
  #persistForLook(): void {
    const { clock, timing } = this.#context;
    if (clock.monotonicMs() - this.#persistedMs < timing.persistMs) return;
    for (const worker of this.#workers.values()) if (worker.capture) this.#dirty.add(worker);
    this.#persist();
  }

  /** One transaction for all tenants that have news. */
  #persist(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#persistedMs = this.#context.clock.monotonicMs();
    const workers = [...this.#dirty];
    this.#dirty.clear();
    const announced = this.#atRest.size > 0 ? this.#idleScn() : this.#announced;
    if (workers.length === 0 && announced === this.#announced) return;
    try {
      this.#context.store.transaction(() => {
        for (const worker of workers) this.#persistWorker(worker);
        // One row, that of the sys tenant, for all who are at rest.
        if (announced > this.#announced)
          this.#context.store.tenants.update({ tenantId: SYS_TENANT_ID }, { lastScn: announced });
      });
      this.#announced = announced;
    } catch (error) {
      this.#context.log.error('archive figures were not stored', { error });
      for (const worker of workers) this.#dirty.add(worker);
      this.#persistSoon();
    }
  }

  /** The present, also when the clock was set back. */
  #idleScn(): Scn {
    const nowNs = this.#context.clock.nowNs();
    return nowNs > this.#announced ? toScn(nowNs) : this.#announced;
  }

  /** A bug in one tenant's figures must not keep those of the others from the store. */
  #persistWorker(worker: ArchiveWorker): void {
    try {
      worker.persist();
    } catch (error) {
      this.#context.log.error('archive figures were not stored', { tenantId: worker.tenantId, error });
    }
  }
}
