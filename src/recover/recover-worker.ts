// Does the work of one recover job: waits for the auxiliary tenant, has its tables imported in one transaction of the
// target, and removes it, however the job ends. Each state is durable before its effect.
import { setTimeout as sleep } from 'node:timers/promises';
import { assert, unreachable } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { fail, isFailure, toComment, toResult } from '../base/errors.ts';
import { COMMENT_CHARS_MAX } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { ServerStopping } from '../base/server-stopping.ts';
import type { EngineDriver, EngineTenant, ImportPlan, TableImport } from '../engine/engine-driver.ts';
import { checkMove, isFinal } from '../model/moves.ts';
import {
  IMPORT_MOVES,
  IMPORT_TASK_MOVES,
  type ImportJob,
  type ImportStatus,
  type ImportTask,
  RECOVER_MOVES,
  type RecoverJob,
  type RecoverStatus,
} from '../model/recover-job.ts';
import { RESTORE_MOVES, type RestoreJob } from '../model/restore-job.ts';
import type { Tenant } from '../model/tenant.ts';
import type { Store } from '../store/store.ts';
import { conflict, usableTarget } from './check-target.ts';

export interface RecoverDependencies<Source> {
  store: Store;
  clock: Clock;
  log: Log;
  driver(engineName: string): EngineDriver;
  engineTenant(tenant: Tenant): EngineTenant;
  /** Restores of auxiliary tenants; `onRecord` runs in the transaction that records one. */
  restore: {
    start(source: Source, of: { tenantName: string; onRecord(job: RestoreJob): void }): Promise<void>;
    cancel(tenantName: string): void;
  };
  dropTenant(tenant: Tenant): Promise<void>;
}

/** How often it is looked whether the auxiliary tenant is there. */
const RESTORE_POLL_MS = 50;
/** Progress is written at most four times a second. */
const PROGRESS_INTERVAL_MS = 250;

export class RecoverWorker {
  readonly #deps: RecoverDependencies<never>;
  readonly #jobId: number;
  readonly #controller = new AbortController();
  /** What this process has found; undefined before. */
  #plan: ImportPlan | undefined;

  constructor(deps: RecoverDependencies<never>, jobId: number) {
    this.#deps = deps;
    this.#jobId = jobId;
  }

  abort(reason: Error): void {
    this.#controller.abort(reason);
  }

  /** Works until the job has ended or the server stops. */
  async run(): Promise<void> {
    try {
      for (let job = this.#job; !isFinal(RECOVER_MOVES, job.status); job = this.#job) {
        this.#controller.signal.throwIfAborted();
        this.#deps.log.debug('recover table step', { jobId: this.#jobId, state: job.status });
        await this.#step(job);
      }
    } catch (error) {
      if (!this.#isStopping) await this.#end(error);
    }
  }

  get #isStopping(): boolean {
    return this.#controller.signal.reason instanceof ServerStopping;
  }

  get #job(): RecoverJob {
    const job = this.#deps.store.recoverJobs.get({ jobId: this.#jobId });
    assert(job, 'a running recover job has a row');
    return job;
  }

  async #step(job: RecoverJob): Promise<void> {
    switch (job.status) {
      case 'PREPARE':
        return this.#move(job, 'RESTORE_AUX_TENANT');
      case 'RESTORE_AUX_TENANT':
        return this.#awaitAuxiliary(job);
      case 'PRECHECK_IMPORT':
        return this.#precheck(job);
      case 'GEN_IMPORT_JOB':
        return this.#plan ? this.#recordImport(job, this.#plan) : this.#move(job, 'PRECHECK_IMPORT');
      case 'IMPORTING':
        return this.#import(job);
      case 'CANCELING':
        throw fail('CANCELED', {});
      case 'COMPLETED':
      case 'FAILED':
        return;
      default:
        return unreachable(job.status);
    }
  }

  #move(job: RecoverJob, to: RecoverStatus, patch: Partial<RecoverJob> = {}): void {
    const status = checkMove('recover job', RECOVER_MOVES, job.status, to);
    this.#deps.store.recoverJobs.change({ jobId: job.jobId }, { ...patch, status }, { status: job.status });
  }

  async #awaitAuxiliary(job: RecoverJob): Promise<void> {
    const restore = await this.#restoreEnd(job);
    if (restore.status !== 'RESTORE_SUCCESS')
      throw fail('RESTORE_TENANT_FAILED', { tenant: job.auxTenantName, because: restore.comment });
    this.#move(job, 'PRECHECK_IMPORT');
  }

  /** @param options.isWanted false: its end is waited for also when this job was cancelled */
  async #restoreEnd(job: RecoverJob, { isWanted = true } = {}): Promise<RestoreJob> {
    for (;;) {
      const restore = this.#deps.store.restoreJobs.get({ jobId: job.restoreJobId });
      assert(restore, 'the restore of an auxiliary tenant has a row');
      if (isFinal(RESTORE_MOVES, restore.status)) return restore;
      await sleep(RESTORE_POLL_MS);
      if (isWanted || this.#isStopping) this.#controller.signal.throwIfAborted();
    }
  }

  #target(job: RecoverJob): Tenant {
    return usableTarget(this.#deps, { tenantId: job.targetTenantId, name: job.targetTenantName });
  }

  #request(job: RecoverJob): TableImport {
    const { store, engineTenant } = this.#deps;
    const auxiliary = store.tenants.get({ tenantId: job.auxTenantId });
    if (auxiliary?.status !== 'NORMAL') throw fail('TENANT_NOT_EXIST', { tenant: job.auxTenantName });
    const tables = job.choice.kind === 'tables' ? job.choice.names : 'all';
    return { tenant: engineTenant(this.#target(job)), sourcePath: auxiliary.location, tables, renames: job.renames };
  }

  #driver(job: RecoverJob): EngineDriver {
    return this.#deps.driver(this.#target(job).engine);
  }

  async #precheck(job: RecoverJob): Promise<void> {
    const plan = await this.#driver(job).planImport(this.#request(job), this.#controller.signal);
    if (plan.conflicts.length > 0) throw conflict(plan.conflicts, job.targetTenantName);
    this.#plan = plan;
    this.#move(job, 'GEN_IMPORT_JOB');
  }

  /** Records the import anew, in the place of one that a previous server did not come to the end with. */
  #recordImport(job: RecoverJob, { tables, leftOut }: ImportPlan): void {
    const { store, clock } = this.#deps;
    const { targetTenantId: tenantId, jobId: recoverJobId } = job;
    const fresh = { startNs: clock.nowNs(), endNs: null, result: 0, status: 'INIT' as const };
    store.transaction(() => {
      const known = this.#importJob(job);
      const jobId = known?.jobId ?? store.nextId(tenantId, 'job');
      store.importTasks.remove({ tenantId, jobId });
      store.importJobs.remove({ tenantId, jobId });
      store.importJobs.insert({
        ...{ ...fresh, tenantId, jobId, recoverJobId, tableCount: tables.length },
        ...{ finishedTableCount: 0, failedTableCount: 0 },
        comment: leftOut.length > 0 ? `left out: ${leftOut.join(', ')}`.slice(0, COMMENT_CHARS_MAX) : '',
      });
      for (const { source, target, createSql, foreignKeyCount, ...counts } of tables)
        store.importTasks.insert({
          ...{ ...fresh, ...counts, tenantId, taskId: store.nextId(tenantId, 'task'), jobId, comment: '' },
          ...{ sourceTable: source, targetTable: target, createSql, refConstraintCount: foreignKeyCount },
        });
      this.#move(job, 'IMPORTING');
    });
  }

  #importJob(job: RecoverJob): ImportJob | undefined {
    return this.#deps.store.importJobs.find({ tenantId: job.targetTenantId, recoverJobId: job.jobId })[0];
  }

  #tasks({ tenantId, jobId }: ImportJob): ImportTask[] {
    return this.#deps.store.importTasks.find({ tenantId, jobId });
  }

  #moveImport(job: RecoverJob, to: ImportStatus, patch: Partial<ImportJob> = {}): void {
    const row = this.#importJob(job);
    assert(row, 'an import that is under way has a row');
    const status = checkMove('import job', IMPORT_MOVES, row.status, to);
    const { tenantId, jobId } = row;
    this.#deps.store.importJobs.change({ tenantId, jobId }, { ...patch, status }, { status: row.status });
  }

  async #import(job: RecoverJob): Promise<void> {
    const row = this.#importJob(job);
    assert(row, 'an import that is under way has a row');
    if (row.status === 'IMPORT_FINISH') return this.#complete(job);
    if (row.status === 'INIT') return this.#runImport(job);
    // Left by a previous server: its transaction has gone with it, unless it came to the end of the commit.
    if (row.status === 'RECONSTRUCT_REF_CONSTRAINT' && (await this.#isCommitted(job))) return this.#finish(job, []);
    this.#move(job, 'PRECHECK_IMPORT');
  }

  async #runImport(job: RecoverJob): Promise<void> {
    const { signal } = this.#controller;
    const showTable = this.#progress(job);
    let notes: string[] = [];
    try {
      notes = await this.#driver(job).importTables(this.#request(job), {
        signal,
        onBegin: () => {
          this.#moveImport(job, 'IMPORT_TABLE');
          showTable(0);
        },
        onTable: showTable,
        onReady: () => this.#moveImport(job, 'RECONSTRUCT_REF_CONSTRAINT'),
      });
    } catch (error) {
      // The process may have gone in the middle of the commit: the target itself tells.
      const isDoubtful = this.#importJob(job)?.status === 'RECONSTRUCT_REF_CONSTRAINT';
      if (this.#isStopping || !isDoubtful || !(await this.#isCommitted(job))) throw error;
    }
    this.#finish(job, notes);
  }

  /** Shows how many tables are there and that the next one is being copied; seldom, because writers wait meanwhile. */
  #progress(job: RecoverJob): (finishedTableCount: number) => void {
    const { store, clock } = this.#deps;
    const tasks = this.#tasks(this.#importJob(job)!);
    let nextMs = 0;
    return (finishedTableCount) => {
      const task = tasks[finishedTableCount];
      if (!task || clock.monotonicMs() < nextMs) return;
      nextMs = clock.monotonicMs() + PROGRESS_INTERVAL_MS;
      const { tenantId, taskId, jobId } = task;
      store.transaction(() => {
        const status = checkMove('import task', IMPORT_TASK_MOVES, task.status, 'DOING');
        store.importTasks.change({ tenantId, taskId }, { status, startNs: clock.nowNs() });
        store.importJobs.change({ tenantId, jobId }, { finishedTableCount });
      });
    };
  }

  /**
   * Whether the target has the tables. Under its write lock: the process that commits may outlive its server by a moment.
   * Nobody else makes a table of exactly these words in between: one of them is proof.
   */
  async #isCommitted(job: RecoverJob): Promise<boolean> {
    const driver = this.#driver(job);
    const target = this.#deps.engineTenant(this.#target(job));
    const lock = await driver.openSession(target);
    try {
      await lock.execute('BEGIN IMMEDIATE', [], this.#controller.signal);
      const known = await driver.describe(target);
      const isThere = (task: ImportTask) =>
        known.some(({ name, createSql }) => name === task.targetTable && createSql === task.createSql);
      return this.#tasks(this.#importJob(job)!).some(isThere);
    } finally {
      await lock.close();
    }
  }

  /** The tables are in the target. */
  #finish(job: RecoverJob, notes: readonly string[]): void {
    const { store, log } = this.#deps;
    store.transaction(() => {
      const { tableCount, comment } = this.#importJob(job)!;
      const all = [comment, ...notes].filter((text) => text !== '').join('; ');
      this.#endTasks(job, { result: 0, comment: '' });
      const ended = { endNs: this.#deps.clock.nowNs(), finishedTableCount: tableCount };
      this.#moveImport(job, 'IMPORT_FINISH', { ...ended, comment: all.slice(0, COMMENT_CHARS_MAX) });
    });
    log.info('tables imported', { jobId: job.jobId, tenantId: job.targetTenantId, notes });
  }

  #endTasks(job: RecoverJob, outcome: { result: number; comment: string }): void {
    const { store, clock } = this.#deps;
    for (const { tenantId, taskId, status: from } of this.#tasks(this.#importJob(job)!)) {
      const status = checkMove('import task', IMPORT_TASK_MOVES, from, 'FINISH');
      store.importTasks.change({ tenantId, taskId }, { ...outcome, status, endNs: clock.nowNs() });
    }
  }

  async #complete(job: RecoverJob): Promise<void> {
    const leftover = await this.#removeAuxiliary(job);
    if (this.#isStopping) return;
    const comment = [this.#importJob(job)!.comment, leftover].filter((text) => text !== '').join('; ');
    this.#move(job, 'COMPLETED', { endNs: this.#deps.clock.nowNs(), comment: comment.slice(0, COMMENT_CHARS_MAX) });
    this.#deps.log.info('tables recovered', { jobId: job.jobId, tenantId: job.targetTenantId });
  }

  /** Ends a job that failed or was cancelled: nothing of it is in the target, and the auxiliary tenant goes. */
  async #end(error: unknown): Promise<void> {
    const { store, clock, log } = this.#deps;
    const job = this.#job;
    const cause = job.status === 'CANCELING' ? fail('CANCELED', {}) : error;
    const leftover = await this.#removeAuxiliary(job);
    if (this.#isStopping) return;
    log.warn('table recovery failed', { jobId: job.jobId, tenantId: job.targetTenantId, error: cause });
    const comment = [toComment(cause), leftover].filter((text) => text !== '').join('; ');
    const outcome = { result: toResult(cause), comment: comment.slice(0, COMMENT_CHARS_MAX) };
    const endNs = clock.nowNs();
    store.transaction(() => {
      const row = this.#importJob(job);
      if (row && !isFinal(IMPORT_MOVES, row.status)) {
        this.#endTasks(job, outcome);
        const counts = { finishedTableCount: 0, failedTableCount: row.tableCount };
        this.#moveImport(job, 'IMPORT_FINISH', { ...outcome, ...counts, endNs });
      }
      this.#move(job, 'FAILED', { ...outcome, endNs });
    });
  }

  /** Safe to repeat. @returns why it is still there; '' when it is not */
  async #removeAuxiliary(job: RecoverJob): Promise<string> {
    const { store, restore, dropTenant, log } = this.#deps;
    try {
      const running = store.restoreJobs.get({ jobId: job.restoreJobId });
      if (running && !isFinal(RESTORE_MOVES, running.status)) {
        cancelIfPossible(() => restore.cancel(job.auxTenantName));
        await this.#restoreEnd(job, { isWanted: false });
      }
      const tenant = store.tenants.get({ tenantId: job.auxTenantId });
      if (tenant) await dropTenant(tenant);
      // A dropped tenant leaves its keys to its backups; this one has none.
      store.tenantKeys.remove({ tenantId: job.auxTenantId });
      return '';
    } catch (error) {
      if (!this.#isStopping) log.error('auxiliary tenant is still there', { jobId: job.jobId, error });
      return `DROP TENANT ${job.auxTenantName} FORCE is needed: ${toComment(error)}`;
    }
  }
}

/** A restore that is at its very end can not be cancelled: its tenant is dropped when it is there. */
function cancelIfPossible(cancel: () => void): void {
  try {
    cancel();
  } catch (error) {
    if (!isFailure(error, 'ENTRY_NOT_EXIST')) throw error;
  }
}
