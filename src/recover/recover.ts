// The recover service: checks a statement, records its job together with the restore of the auxiliary tenant, and keeps
// workers going.
import { fail } from '../base/errors.ts';
import { JobWorkers } from '../base/job-workers.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { checkMove, isFinal, unfinished } from '../model/moves.ts';
import { RECOVER_MOVES, type RecoverJob } from '../model/recover-job.ts';
import type { RestoreJob } from '../model/restore-job.ts';
import { auxiliaryTenantName, isSameTenantName, type Tenant } from '../model/tenant.ts';
import { conflict, usableTarget } from './check-target.ts';
import { type Chosen, chooseTables, targetName } from './choose-tables.ts';
import type { RecoverRequest, RecoverService } from './recover-service.ts';
import { type RecoverDependencies, RecoverWorker } from './recover-worker.ts';

/** Jobs at once: as many as restores, which they wait for most of the time. */
const WORKING_JOBS_MAX = 2;
const NS_PER_US = 1000n;
const UNFINISHED = unfinished(RECOVER_MOVES);

/** Builds the service; nothing works before `start`. */
export function createRecover<Source>(deps: RecoverDependencies<Source>): RecoverService<Source> {
  return new Recover(deps);
}

class Recover<Source> implements RecoverService<Source> {
  readonly #deps: RecoverDependencies<Source>;
  readonly #jobs: JobWorkers<RecoverJob, RecoverWorker>;

  constructor(deps: RecoverDependencies<Source>) {
    this.#deps = deps;
    const statusOf = ({ jobId }: RecoverJob) => deps.store.recoverJobs.get({ jobId })!.status;
    this.#jobs = new JobWorkers({
      ...{ workersMax: WORKING_JOBS_MAX, noun: 'recover', log: deps.log },
      open: () => this.#unfinished(),
      keyOf: ({ jobId }) => jobId,
      isCanceling: ({ status }) => status === 'CANCELING',
      isOpen: (job) => !isFinal(RECOVER_MOVES, statusOf(job)),
      newWorker: ({ jobId }) => new RecoverWorker(deps, jobId),
    });
  }

  start(): void {
    this.#jobs.start();
  }

  stop(): Promise<void> {
    return this.#jobs.stop();
  }

  async recover({ targetTenantId, tables, remaps, source, hasPassword }: RecoverRequest<Source>): Promise<void> {
    const { store, clock, restore } = this.#deps;
    const chosen = chooseTables(tables, remaps);
    const target = usableTarget(this.#deps, { tenantId: targetTenantId, name: String(targetTenantId) });
    this.#checkIdle(target);
    await this.#checkNames(target, chosen);
    const auxTenantName = auxiliaryTenantName(clock.nowNs() / NS_PER_US);
    await restore.start(source, {
      tenantName: auxTenantName,
      onRecord: (job) => {
        this.#checkIdle(target);
        const mode = store.tenants.get({ tenantId: job.restoreTenantId })?.mode;
        if (mode !== target.mode)
          throw fail('NOT_SUPPORTED', { what: `RECOVER TABLE from mode ${mode} to mode ${target.mode} is` });
        this.#record(target, { ...chosen, hasPassword }, job);
      },
    });
    this.#jobs.pump();
  }

  cancel(tenantName: string): void {
    const job = this.#unfinished().find(({ targetTenantName }) => isSameTenantName(targetTenantName, tenantName));
    if (!job || this.#isTooLate(job))
      throw fail('ENTRY_NOT_EXIST', { what: `a running table recovery into tenant '${tenantName}'` });
    if (job.status !== 'CANCELING') {
      const status = checkMove('recover job', RECOVER_MOVES, job.status, 'CANCELING');
      this.#deps.store.recoverJobs.change({ jobId: job.jobId }, { status }, { status: job.status });
    }
    this.#jobs.of(job.jobId)?.abort(fail('CANCELED', {}));
    this.#jobs.pump();
  }

  async forget(tenantId: number): Promise<void> {
    for (const job of this.#unfinished().filter(({ targetTenantId }) => targetTenantId === tenantId)) {
      if (!this.#isTooLate(job)) this.cancel(job.targetTenantName);
      await this.#jobs.ended(job.jobId);
    }
  }

  /** The tables are in the target, or will be in a moment. */
  #isTooLate({ targetTenantId: tenantId, jobId: recoverJobId }: RecoverJob): boolean {
    const status = this.#deps.store.importJobs.find({ tenantId, recoverJobId })[0]?.status;
    return status === 'RECONSTRUCT_REF_CONSTRAINT' || status === 'IMPORT_FINISH';
  }

  #unfinished(): RecoverJob[] {
    const { recoverJobs } = this.#deps.store;
    return UNFINISHED.flatMap((status) => recoverJobs.find({ status })).sort((a, b) => a.jobId - b.jobId);
  }

  /** CANCEL names the target: one job at a time has it. @throws RESTORE_IN_PROGRESS (9014) */
  #checkIdle({ tenantId }: Tenant): void {
    if (this.#unfinished().some((job) => job.targetTenantId === tenantId)) throw fail('RESTORE_IN_PROGRESS', {});
  }

  /** Names that are known before the backup is read. What lies behind `*`, indexes and triggers follow in the job. */
  async #checkNames(target: Tenant, { choice, renames }: Chosen): Promise<void> {
    if (choice.kind !== 'tables') return;
    const { driver, engineTenant } = this.#deps;
    const known = await driver(target.engine).describe(engineTenant(target));
    const names = new Set(choice.names.map((name) => targetName(renames, name).toLowerCase()));
    const conflicts = known
      .filter(({ name }) => names.has(name.toLowerCase()))
      .map(({ kind, name }) => `${kind === 'VIEW' ? 'view' : 'table'} '${name}'`);
    if (conflicts.length > 0) throw conflict(conflicts, target.name);
  }

  #record(target: Tenant, asked: Chosen & { hasPassword: boolean }, restore: RestoreJob): void {
    const { store, clock } = this.#deps;
    const { restoreScn, timeZone, restoreOption, uris, backupSetList, backupPieceList, description } = restore;
    store.recoverJobs.insert({
      ...{ restoreScn, timeZone, restoreOption, uris, backupSetList, backupPieceList, description, ...asked },
      jobId: store.nextId(SYS_TENANT_ID, 'job'),
      targetTenantId: target.tenantId,
      targetTenantName: target.name,
      targetJobId: store.nextId(target.tenantId, 'job'),
      auxTenantId: restore.restoreTenantId,
      auxTenantName: restore.restoreTenantName,
      restoreJobId: restore.jobId,
      status: 'PREPARE',
      startNs: clock.nowNs(),
      endNs: null,
      result: 0,
      comment: '',
    });
  }
}
