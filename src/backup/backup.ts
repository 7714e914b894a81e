// The backup service: checks and records what a statement asks for, and keeps a bounded number of workers going.

import { assert } from '../base/assert.ts';
import { fail, toComment, toResult } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { ServerStopping } from '../base/server-stopping.ts';
import { DerivedKeys } from '../format/derived-keys.ts';
import type { PasswordKey } from '../format/key-slot.ts';
import type { Binding } from '../model/archive-round.ts';
import { type BackupJob, JOB_MOVES } from '../model/backup-job.ts';
import { checkDescription } from '../model/description.ts';
import { checkMove } from '../model/moves.ts';
import type { Tenant } from '../model/tenant.ts';
import { dataPlaces, urisOfSet } from '../store/data-places.ts';
import type { TenantKeyRecord } from '../store/records.ts';
import { keyInUse } from '../store/tenant-keys.ts';
import type { BackupDependencies } from './backup-dependencies.ts';
import { mayCarryOn, newJobKeys, StatementKeys } from './backup-keys.ts';
import { childJob, neverExported, newTask, sysJob, WITHOUT_KEYS } from './backup-records.ts';
import {
  type BackupRequest,
  type BackupService,
  backupObstacle,
  type FullInstead,
  type StartedBackup,
  type UnexportedKey,
} from './backup-service.ts';
import { BackupWorker } from './backup-worker.ts';
import { findParents, isCarriedOn, type ParentAnswer } from './find-parents.ts';
import { recordJobCancel, recordJobEnd, recordJobStart } from './job-events.ts';
import { byTurn, type OpenJob, OpenJobs } from './open-jobs.ts';
import { SetCopies } from './set-copies.ts';
import { setDataDest, setDataDestCopy } from './set-data-dest.ts';
import { settleSys } from './settle-sys.ts';

/** Tenants that are backed up at once: more would only share the same cores and the same destination. */
const WORKING_JOBS_MAX = 2;

const NOBODY_ELIGIBLE =
  'no tenant meets the backup condition, please check the tenant status, log archive status, backup data dest, and backup status for each tenant';
/** The reason by which a sys-wide backup leaves out a tenant that it is still backing up. */
const BUSY = 'a backup of it is in progress.';

/** Builds the service; nothing works before `start`. */
export function createBackup(deps: BackupDependencies): BackupService {
  return new Backup(deps);
}

interface Candidate {
  tenant: Tenant;
  /** Why it can not be backed up now; null when it can. */
  because: string | null;
}

/** A tenant whose backup is on its way. */
interface Running {
  tenantId: number;
  worker: BackupWorker;
  ended: Promise<void>;
}

/** A job that was left out makes nothing. */
const NOTHING_MADE = { keys: undefined, tenantKey: null, parent: undefined, fullBecause: undefined } as const;

const keyOf = (job: OpenJob) => `${job.tenantId}/${job.jobId}`;
/** Rows that a worker does: not the sys tenant's own, nor those of tenants that were left out. */
const isWork = (job: OpenJob) => job.tenantId !== SYS_TENANT_ID && job.backupSetId > 0;

class Backup implements BackupService {
  readonly #deps: BackupDependencies;
  readonly #open: OpenJobs;
  readonly #copies: SetCopies;
  /** Jobs that wait for a worker, in their turn. */
  readonly #waiting = new Map<string, OpenJob>();
  readonly #running = new Map<string, Running>();
  /** What ended workers still keep, one after the other. */
  #keeping = Promise.resolve();
  #isStarted = false;

  constructor(deps: BackupDependencies) {
    this.#deps = deps;
    this.#open = new OpenJobs(deps.store);
    this.#copies = new SetCopies(deps);
    for (const job of this.#open.all().sort(byTurn)) if (isWork(job)) this.#waiting.set(keyOf(job), job);
  }

  start(): void {
    this.#isStarted = true;
    for (const job of this.#open.all()) {
      this.#deps.log.info('backup job taken up', { tenantId: job.tenantId, jobId: job.jobId, status: job.status });
      if (job.tenantId === SYS_TENANT_ID) this.#settleSys(job.jobId);
    }
    this.#pump();
    this.#copies.start();
  }

  async stop(): Promise<void> {
    this.#isStarted = false;
    const running = [...this.#running.values()];
    for (const { worker } of running) worker.abort(new ServerStopping());
    await Promise.all(running.map(({ ended }) => ended));
    await this.#keeping;
    await this.#copies.stop();
  }

  async setDataDest(tenantId: number, uri: string | null): Promise<void> {
    await setDataDest(this.#deps, { tenantId, uri, isBusy: () => this.isBusy(tenantId) });
    this.#copies.pump(tenantId);
  }

  async setDataDestCopy(
    tenantId: number,
    destNo: number,
    dest: { uri: string; binding: Binding } | null,
  ): Promise<void> {
    await setDataDestCopy(this.#deps, { tenantId, destNo, dest });
    this.#copies.pump(tenantId);
  }

  pumpCopies(): void {
    this.#copies.pump();
  }

  async startBackup(request: BackupRequest): Promise<StartedBackup> {
    const { store, driver } = this.#deps;
    if (!driver.can.snapshot)
      throw fail('NOT_SUPPORTED', { what: `backup of tenants on the engine ${driver.name} is` });
    checkDescription(request.description);
    const { eligible } = this.#eligible(request);
    const { password, derivedKeys } = request;
    const keys = password === null ? null : new StatementKeys(password, derivedKeys ?? new DerivedKeys());
    try {
      const tenantIds = request.isIncremental ? eligible.map(({ tenantId }) => tenantId) : [];
      const parents = await findParents(this.#deps, tenantIds, keys);
      const passwordKey = keys && !isCarriedOn(parents) ? await keys.fresh() : null;
      // All this took time: what is recorded is decided again, in the transaction that records it.
      const { jobs, ...told } = store.transaction(() => this.#record(request, { parents, passwordKey }));
      for (const job of jobs) {
        this.#open.add(job);
        if (isWork(job)) this.#waiting.set(keyOf(job), job);
      }
      this.#pump();
      return told;
    } finally {
      keys?.clear();
    }
  }

  cancel(tenants: readonly number[] | 'all'): void {
    const { store } = this.#deps;
    const open = tenants === 'all' ? this.#open.all() : tenants.flatMap((tenantId) => this.#open.of(tenantId));
    const jobs = open.filter(({ status }) => status !== 'CANCELING');
    const cancelable = jobs.filter((job) => !this.#running.get(keyOf(job))?.worker.isCommitting);
    // A statement whose last tenant is past cancelling ends as that tenant does.
    const isAllCancelable = cancelable.length === jobs.length;
    store.transaction(() => {
      // The statement's own row comes first: children that end at once then find it CANCELING.
      for (const job of cancelable) {
        if (job.tenantId === SYS_TENANT_ID && !isAllCancelable) continue;
        this.#markCanceling(job);
      }
    });
    for (const job of cancelable) {
      const running = this.#running.get(keyOf(job));
      running?.worker.abort(fail('CANCELED', {}));
      // Ending a cancelled job is short and waits for no place; one that never began has ended already.
      if (!running && this.#isStarted && isWork(job) && this.#isOpen(job)) this.#run(job);
      if (job.initiatorTenantId === SYS_TENANT_ID) this.#settleSys(job.initiatorJobId);
    }
    this.#pump();
  }

  isBusy(tenantId: number): boolean {
    return this.#open.of(tenantId).length > 0;
  }

  async forget(tenantId: number): Promise<void> {
    this.cancel([tenantId]);
    const mine = [...this.#running.values()].filter((running) => running.tenantId === tenantId);
    for (const { worker } of mine) if (worker.isAwaitingCopies) worker.abort(fail('CANCELED', {}));
    await this.#copies.forget(tenantId);
    await Promise.all(mine.map(({ ended }) => ended));
    // A page map that is written later would outlive its tenant.
    await this.#keeping;
  }

  #isOpen({ tenantId, jobId }: OpenJob): boolean {
    return this.#open.of(tenantId).some((job) => job.jobId === jobId);
  }

  /** Moves a job and its task to CANCELING; a job that never began is CANCELED at once. */
  #markCanceling(job: BackupJob): void {
    const { store, clock } = this.#deps;
    const key = { tenantId: job.tenantId, jobId: job.jobId };
    store.backupJobs.change(
      key,
      { status: checkMove('backup job', JOB_MOVES, job.status, 'CANCELING') },
      { status: job.status },
    );
    const task = store.backupTasks.find(key)[0];
    recordJobCancel(store, job, clock.nowNs());
    if (!task) return;
    const taskKey = { tenantId: task.tenantId, taskId: task.taskId };
    store.backupTasks.change(taskKey, { status: 'CANCELING' }, { status: task.status });
    if (task.status !== 'INIT' || this.#running.has(keyOf(job))) return;
    const error = fail('CANCELED', {});
    const ended = { endNs: clock.nowNs(), result: toResult(error), comment: toComment(error) };
    const canceled = { ...ended, status: 'CANCELED' } as const;
    store.backupTasks.change(taskKey, canceled);
    store.backupJobs.change(key, { ...canceled, ...WITHOUT_KEYS });
    recordJobEnd(store, job, canceled);
  }

  /** @throws BACKUP_CAN_NOT_START (9040), BACKUP_IN_PROGRESS (9036) when the statement as a whole is refused */
  #eligible(request: BackupRequest): { eligible: Tenant[]; skipped: Candidate[] } {
    const candidates = this.#tenantsOf(request).map((tenant) => this.#look(request, tenant));
    const skipped = candidates.filter(({ because }) => because !== null);
    const eligible = candidates.filter(({ because }) => because === null).map(({ tenant }) => tenant);
    if (request.tenants !== 'all') {
      if (skipped.some(({ because }) => because === BUSY)) throw fail('BACKUP_IN_PROGRESS', {});
      const because = skipped[0]?.because;
      if (because) throw fail('BACKUP_CAN_NOT_START', { because });
    } else if (eligible.length === 0) {
      const isOnlyBusy = skipped.length > 0 && skipped.every(({ because }) => because === BUSY);
      if (isOnlyBusy) throw fail('BACKUP_IN_PROGRESS', {});
      throw fail('BACKUP_CAN_NOT_START', { because: NOBODY_ELIGIBLE });
    }
    return { eligible, skipped };
  }

  #tenantsOf(request: BackupRequest): Tenant[] {
    const { store } = this.#deps;
    if (request.tenants === 'all') return store.userTenants();
    return [...new Set(request.tenants)].map((tenantId) => {
      const tenant = store.tenants.get({ tenantId });
      if (!tenant) throw fail('TENANT_NOT_EXIST', { tenant: String(tenantId) });
      return tenant;
    });
  }

  #look({ initiatorTenantId }: BackupRequest, tenant: Tenant): Candidate {
    const { store } = this.#deps;
    const { tenantId } = tenant;
    const isBusy = this.#open.of(tenantId).some((job) => job.initiatorTenantId === initiatorTenantId);
    if (isBusy) return { tenant, because: BUSY };
    const because = backupObstacle({
      tenantStatus: tenant.status,
      roundStatus: store.currentRound(tenantId)?.status ?? null,
      hasDataDest: store.dataDests.get({ tenantId }) !== undefined,
    });
    return { tenant, because };
  }

  /** The documented reason, and what the tenant's archive is doing instead. */
  #inDetail(tenant: Tenant, because: string): string {
    const round = this.#deps.store.currentRound(tenant.tenantId);
    if (round?.status === 'DOING' || !because.startsWith('log archive')) return because;
    return `${because} Its archive ${round ? `is ${round.status}` : 'was never started'}.`;
  }

  /** Inserts every row of one statement. @returns what the session is told, and the jobs that are to be done */
  #record(
    request: BackupRequest,
    found: { parents: ReadonlyMap<number, ParentAnswer>; passwordKey: PasswordKey | null },
  ): StartedBackup & { jobs: BackupJob[] } {
    const { store, clock } = this.#deps;
    const { eligible, skipped } = this.#eligible(request);
    const nowNs = clock.nowNs();
    // A tenant that is meant to be protected and is not comes first among the warnings.
    const leftOut = skipped
      .toSorted((a, b) => Number(b.tenant.isArchiveMode) - Number(a.tenant.isArchiveMode))
      .map(({ tenant, because }) => ({ tenantName: tenant.name, because: this.#inDetail(tenant, because ?? '') }));
    const isFromSys = request.initiatorTenantId === SYS_TENANT_ID;
    const initiatorJobId = isFromSys ? store.nextId(SYS_TENANT_ID, 'job') : 0;
    const jobs: BackupJob[] = [];
    const full: FullInstead[] = [];
    const unexported: UnexportedKey[] = [];
    for (const tenant of eligible) {
      const answer = request.isIncremental ? this.#parentOf(tenant, found.parents) : undefined;
      if (answer?.because !== undefined) full.push({ tenantName: tenant.name, because: answer.because });
      const tenantKey = keyInUse(store, tenant.tenantId) ?? null;
      const keyRemark = tenantKey && neverExported(tenantKey);
      if (keyRemark) unexported.push({ tenantName: tenant.name, because: keyRemark });
      const { passwordKey } = found;
      const job = this.#childJob(request, tenant, { tenantKey, answer, initiatorJobId, nowNs, passwordKey });
      jobs.push(job);
      store.backupTasks.insert(newTask(job, store.nextId(tenant.tenantId, 'task')));
    }
    if (isFromSys) {
      const executorTenantIds = eligible.map(({ tenantId }) => tenantId);
      const isIncremental = jobs.some(({ backupType }) => backupType === 'INC');
      const modes = new Set(jobs.map(({ encryptionMode }) => encryptionMode));
      const [mode] = modes.size === 1 ? modes : [];
      jobs.unshift(
        sysJob(request, { jobId: initiatorJobId, executorTenantIds, skipped: leftOut, isIncremental, mode, nowNs }),
      );
    }
    for (const job of jobs) {
      store.backupJobs.insert(job);
      recordJobStart(store, job);
    }
    for (const candidate of skipped) this.#recordSkipped(request, candidate, { initiatorJobId, nowNs });
    // The sys tenant's row comes first; a user tenant's only one is his own.
    request.onRecord?.(jobs[0]!);
    return { skipped: leftOut, full, unexported, jobs };
  }

  /** What was found before may have changed while keys were made. */
  #parentOf({ tenantId }: Tenant, parents: ReadonlyMap<number, ParentAnswer>): ParentAnswer {
    const { store } = this.#deps;
    const answer = parents.get(tenantId) ?? { because: 'it could not be backed up a moment ago' };
    if (answer.because !== undefined) return answer;
    if (answer.hasTenantKey !== (keyInUse(store, tenantId) !== undefined)) return { because: 'tde_method was changed' };
    const set = store.backupSets.get({ tenantId, backupSetId: answer.parent.backupSetId });
    const places = dataPlaces(store, tenantId);
    const isThere =
      set?.fileStatus === 'AVAILABLE' && urisOfSet(store, set).some((uri) => places.some((at) => at.uri === uri));
    return isThere ? answer : { because: 'its last set is gone' };
  }

  #childJob(
    request: BackupRequest,
    { tenantId }: Tenant,
    of: {
      tenantKey: TenantKeyRecord | null;
      answer: ParentAnswer | undefined;
      initiatorJobId: number;
      nowNs: bigint;
      passwordKey: PasswordKey | null;
    },
  ): BackupJob {
    const { store } = this.#deps;
    const parent = of.answer?.because === undefined ? of.answer : undefined;
    const passwordKey = parent && mayCarryOn(parent.passwordKey) ? parent.passwordKey : of.passwordKey;
    if (request.password !== null && !passwordKey)
      throw fail('BACKUP_CAN_NOT_START', {
        because: 'backup sets changed while the statement was read: run it again.',
      });
    return childJob(request, {
      tenantId,
      jobId: store.nextId(tenantId, 'job'),
      backupSetId: store.nextId(tenantId, 'backup_set'),
      initiatorJobId: of.initiatorJobId,
      uri: store.dataDests.get({ tenantId })?.uri ?? '',
      keys: newJobKeys(store, { passwordKey: request.password === null ? null : passwordKey, tenantKey: of.tenantKey }),
      tenantKey: of.tenantKey,
      parent: parent?.parent,
      fullBecause: of.answer?.because,
      nowNs: of.nowNs,
    });
  }

  /** A tenant that is left out gets a row that says so; it begins no set. */
  #recordSkipped(
    request: BackupRequest,
    { tenant, because }: Candidate,
    of: { initiatorJobId: number; nowNs: bigint },
  ): void {
    const { store } = this.#deps;
    const { tenantId } = tenant;
    const jobId = store.nextId(tenantId, 'job');
    const uri = store.dataDests.get({ tenantId })?.uri ?? '';
    const job = childJob(request, { ...of, tenantId, jobId, backupSetId: 0, uri, ...NOTHING_MADE });
    store.backupJobs.insert(job);
    const error = fail('BACKUP_CAN_NOT_START', { because: this.#inDetail(tenant, because ?? '') });
    const status = checkMove('backup job', JOB_MOVES, job.status, 'FAILED');
    const ended = { endNs: of.nowNs, result: toResult(error), comment: toComment(error) };
    store.backupJobs.change({ tenantId, jobId }, { ...ended, status }, { status: job.status });
    recordJobEnd(store, job, { ...ended, status });
  }

  /** Starts workers for waiting jobs while there is room; one job of a tenant at a time. */
  #pump(): void {
    if (!this.#isStarted) return;
    for (const [key, job] of this.#waiting) {
      const working = [...this.#running.values()].filter(({ worker }) => !worker.isAwaitingCopies);
      if (working.length >= WORKING_JOBS_MAX) return;
      const isTenantBusy = [...this.#running.values()].some(({ tenantId }) => tenantId === job.tenantId);
      if (isTenantBusy) continue;
      this.#waiting.delete(key);
      if (this.#isOpen(job)) this.#run(job);
    }
  }

  #run(of: OpenJob): void {
    const { log, store } = this.#deps;
    const key = keyOf(of);
    const job = store.backupJobs.get({ tenantId: of.tenantId, jobId: of.jobId });
    assert(job, 'a job that is taken up has a row');
    this.#waiting.delete(key);
    const worker = new BackupWorker(this.#deps, job, () => {
      this.#copies.pump();
      this.#pump();
    });
    const ended = worker
      .run()
      .catch((error: unknown) => log.error('backup worker broke', { tenantId: job.tenantId, jobId: job.jobId, error }))
      .then(() => {
        this.#running.delete(key);
        this.#keeping = this.#keeping.then(() => worker.keepPageMap());
        // A worker that broke left its job unfinished: it waits again, for the next job's end and not in a tight loop.
        if (this.#isOpen(of)) return void this.#waiting.set(key, of);
        if (of.initiatorTenantId === SYS_TENANT_ID) this.#settleSys(of.initiatorJobId);
        this.#pump();
      });
    this.#running.set(key, { tenantId: job.tenantId, worker, ended });
  }

  #settleSys(jobId: number): void {
    if (!this.#open.hasChildren(jobId)) settleSys(this.#deps, jobId);
  }
}
