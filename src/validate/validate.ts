// The validate service: what a statement or a schedule wants read becomes jobs, and a bounded number of workers does them.
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { fail } from '../base/errors.ts';
import { JobWorkers } from '../base/job-workers.ts';
import { type BackupSet, JOB_MOVES, type JobRef } from '../model/backup-job.ts';
import { checkDescription } from '../model/description.ts';
import { type DestinationUri, parseDestinationUri } from '../model/destination-uri.ts';
import { checkMove, isFinal, unfinished } from '../model/moves.ts';
import type { TenantStatus } from '../model/tenant.ts';
import type { ValidateJob, ValidatePathType } from '../model/validate-job.ts';
import { archiveSlots, leadingSlot, piecesAt } from '../store/archive-slots.ts';
import { dataPlaces, setsAt } from '../store/data-places.ts';
import { keepAccess } from '../store/destination-access.ts';
import { TenantJobs } from '../store/tenant-jobs.ts';
import { findTenantKey } from '../store/tenant-keys.ts';
import { pieceTargets, setTargets, type Target, withinBudget } from './choose-targets.ts';
import { removeScratch } from './drill.ts';
import { pathInLedger } from './ledger.ts';
import { listPath } from './list-path.ts';
import { recordJobStart } from './validate-events.ts';
import { clearKeys, type DataKeys, sealKeys, unlockAll } from './validate-keys.ts';
import type { StartedValidation, ValidateOutcome, ValidateRequest, ValidateService } from './validate-service.ts';
import { type ValidateDependencies, ValidateWorker } from './validate-worker.ts';

/** Jobs at once: reading again is the least urgent work there is, and backups need the same destinations. */
const WORKING_JOBS_MAX = 2;

/** Tenants that are prepared before other work gets its turn. */
const TENANTS_PER_TURN = 100;

/** Builds the service; nothing works before `start`. */
export function createValidate(deps: ValidateDependencies): ValidateService {
  return new Validate(deps);
}

/** What a job is recorded with. */
interface NewJob {
  tenantId: number;
  targets: Target[];
  /** Where that lies: of everything, the sets' destination. */
  uri: string;
  /** The destination that the statement names, if it does. */
  source?: DestinationUri;
  pathType: ValidatePathType;
  dataKeys: DataKeys;
}

class Validate implements ValidateService {
  readonly #deps: ValidateDependencies;
  readonly #open: TenantJobs<ValidateJob>;
  readonly #jobs: JobWorkers<JobRef, ValidateWorker>;

  constructor(deps: ValidateDependencies) {
    this.#deps = deps;
    const { validateJobs } = deps.store;
    const jobs = unfinished(JOB_MOVES).flatMap((status) => validateJobs.find({ status }));
    this.#open = new TenantJobs(validateJobs, jobs);
    this.#jobs = new JobWorkers({
      ...{ workersMax: WORKING_JOBS_MAX, noun: 'validate', log: deps.log },
      open: () => this.#open,
      keyOf: ({ tenantId }) => tenantId,
      isCanceling: (job) => this.#open.row(job).status === 'CANCELING',
      isOpen: (job) => this.#open.isOpen(job),
      newWorker: (job) => new ValidateWorker(deps, job),
    });
  }

  async start(): Promise<void> {
    await removeScratch(this.#deps.scratchDir);
    for (const job of this.#open) this.#deps.log.info('validate job taken up', { ...job });
    this.#jobs.start();
  }

  stop(): Promise<void> {
    return this.#jobs.stop();
  }

  async validate(request: ValidateRequest): Promise<StartedValidation> {
    const { description, tenants, isAll } = request;
    checkDescription(description);
    const found: NewJob[] = [];
    const busy = tenants.filter((tenantId) => this.isBusy(tenantId));
    const isFree = (tenantId: number) => !this.isBusy(tenantId);
    try {
      if (!isAll) this.#refuseBusy(busy);
      for (const [place, tenantId] of tenants.filter(isFree).entries()) {
        if (place % TENANTS_PER_TURN === TENANTS_PER_TURN - 1) await yieldToOthers();
        const job = await this.#prepare(tenantId, request);
        if (job) found.push(job);
        else if (!isAll) throw this.#nothing(tenantId);
      }
      if (found.length === 0) this.#refuseBusy(busy);
      if (found.length === 0) throw this.#nothing(null);
      const jobs = this.#record(request, found);
      return { jobs, busy: busy.map((tenantId) => this.#nameOf(tenantId)) };
    } finally {
      for (const { dataKeys } of found) clearKeys(dataKeys);
    }
  }

  outcome({ tenantId, jobId }: JobRef): ValidateOutcome | undefined {
    const job = this.#deps.store.validateJobs.get({ tenantId, jobId });
    if (!job) return undefined;
    const { status, result, comment } = job;
    return { status, result, comment, isOver: isFinal(JOB_MOVES, status) };
  }

  cancel(tenants: readonly number[] | 'all'): void {
    for (const job of this.#open) {
      const { status } = this.#open.row(job);
      if (status === 'CANCELING' || (tenants !== 'all' && !tenants.includes(job.tenantId))) continue;
      const canceling = checkMove('validate job', JOB_MOVES, status, 'CANCELING');
      this.#deps.store.validateJobs.change(job, { status: canceling }, { status });
      this.#jobs.of(job.tenantId)?.abort(fail('CANCELED', {}));
    }
    this.#jobs.pump();
  }

  isBusy(tenantId: number): boolean {
    return this.#open.isBusy(tenantId);
  }

  async forget(tenantId: number): Promise<void> {
    this.cancel([tenantId]);
    await this.#jobs.ended(tenantId);
  }

  /** One that is no more was being dropped. */
  #statusOf(tenantId: number): TenantStatus {
    return this.#deps.store.tenants.get({ tenantId })?.status ?? 'DROPPING';
  }

  #nameOf(tenantId: number): string {
    return this.#deps.store.tenants.get({ tenantId })?.name ?? String(tenantId);
  }

  #nothing(tenantId: number | null): Error {
    const of = tenantId === null ? 'any tenant' : `tenant '${this.#nameOf(tenantId)}'`;
    return fail('ENTRY_NOT_EXIST', { what: `backups of ${of} to validate` });
  }

  /** @throws NOT_ALLOWED (4179) */
  #refuseBusy([tenantId]: readonly number[]): void {
    if (tenantId === undefined) return;
    throw fail('NOT_ALLOWED', {
      what: `a second validation of tenant '${this.#nameOf(tenantId)}' while one runs (CDB_OB_BACKUP_VALIDATE_JOBS; ALTER SYSTEM CANCEL VALIDATE) is`,
    });
  }

  /** @returns undefined when there is nothing to read */
  async #prepare(tenantId: number, request: ValidateRequest): Promise<NewJob | undefined> {
    const { store } = this.#deps;
    const { type, path, level, budgetBytes } = request;
    const listed = path === null ? this.#present(tenantId, request) : await this.#listed(tenantId, path, request);
    const isDrill = type === 'DATABASE' && level === 'restore';
    const named = isDrill ? this.#drillOf(tenantId) : pickNamed(listed.targets, request);
    const ledger = budgetBytes === null ? [] : store.verifications.find({ tenantId });
    const pathOf = (target: Target) => pathInLedger(store, { ...target, tenantId });
    const targets = budgetBytes === null ? named : withinBudget(named, { ledger, level, budgetBytes, pathOf });
    if (targets.length === 0) return undefined;
    const dataKeys = await this.#unlock(tenantId, targets, request);
    try {
      // Of many tenants those whose keys are missing are told by their jobs.
      if (level === 'restore' && !request.isAll) this.#checkDrillKeys(tenantId, targets, dataKeys);
    } catch (error) {
      clearKeys(dataKeys);
      throw error;
    }
    return { ...listed, tenantId, targets, dataKeys };
  }

  /** What the store knows of the tenant's present destinations. */
  #present(tenantId: number, { type }: ValidateRequest): Omit<NewJob, 'dataKeys'> {
    const { store } = this.#deps;
    const dataUri = store.dataDests.get({ tenantId })?.uri ?? null;
    const archiveUri = leadingSlot(store, tenantId)?.uri;
    const slots = type === 'BACKUPSET' ? [] : archiveSlots(store, tenantId);
    const places = type === 'ARCHIVELOG_PIECE' ? [] : dataPlaces(store, tenantId);
    const sets = places.flatMap(({ uri }) => setTargets(setsAt(store, tenantId, uri), uri));
    const pieces = slots.flatMap(({ uri }) => pieceTargets(piecesAt(store, tenantId, uri), uri));
    const isOfLog = type === 'ARCHIVELOG_PIECE';
    return {
      ...{ tenantId, targets: [...sets, ...pieces], uri: (isOfLog ? archiveUri : dataUri) ?? '' },
      pathType: isOfLog ? 'ARCHIVELOG_DEST' : 'BACKUP_DEST',
    };
  }

  async #listed(tenantId: number, path: string, { type }: ValidateRequest): Promise<Omit<NewJob, 'dataKeys'>> {
    const isOfSets = type === 'BACKUPSET';
    const open = (uri: DestinationUri) => this.#deps.openDestination(uri, tenantId);
    const listed = await listPath(open, path, { owner: this.#owner(tenantId), isOfSets });
    return { tenantId, ...listed };
  }

  #owner(tenantId: number) {
    return { clusterUuid: this.#deps.store.cluster.uuid, tenantId };
  }

  /** One drill at the newest point, of what lies at the present destinations; none without a set. */
  #drillOf(tenantId: number): Target[] {
    const { store } = this.#deps;
    const dest = store.dataDests.get({ tenantId });
    if (!dest || setTargets(store.backupSets.find({ tenantId }), dest.uri).length === 0) return [];
    const archiveUri = store.currentRound(tenantId)?.uri ?? '';
    return [
      {
        ...{ taskType: 'TENANT', objectId: 0, directory: '', uri: dest.uri, pathType: 'BACKUP_DEST', archiveUri },
        ...{ destId: dest.destId, roundId: 0, bytes: 0n },
      },
    ];
  }

  /** Encrypted sets that targets need: a drill may need any. */
  #encryptedSets(tenantId: number, targets: readonly Target[], level: ValidateJob['level']): BackupSet[] {
    const isNeeded = ({ backupSetId, uri, encryptionMode, status, fileStatus }: BackupSet) =>
      encryptionMode !== 'NONE' &&
      status === 'SUCCESS' &&
      fileStatus !== 'DELETED' &&
      targets.some(
        (target) =>
          target.uri === uri &&
          (level === 'restore' || (target.taskType === 'BACKUP SET' && target.objectId === backupSetId)),
      );
    return this.#deps.store.backupSets.find({ tenantId }).filter(isNeeded);
  }

  async #unlock(tenantId: number, targets: readonly Target[], request: ValidateRequest): Promise<DataKeys> {
    const { openDestination, log } = this.#deps;
    const { passwords, derive, level, isAll } = request;
    const encrypted = this.#encryptedSets(tenantId, targets, level);
    const uri = encrypted[0]?.uri;
    if (uri === undefined) return new Map();
    const refs = encrypted.map(({ backupSetId, backupType: type }) => ({ backupSetId, type }));
    await using destination = openDestination(parseDestinationUri(uri), tenantId);
    try {
      const findKey = (keyId: string) => findTenantKey(this.#deps.store, keyId);
      const of = { passwords, findKey, owner: this.#owner(tenantId), ...(derive ? { derive } : {}) };
      return await unlockAll(destination, refs, of);
    } catch (error) {
      if (!isAll) throw error;
      log.warn('encrypted sets were not opened for their validation', { tenantId, error });
      return new Map();
    }
  }

  /** @throws BACKUP_INVALID_PASSWORD (9047): better at once than when the drill comes to its turn */
  #checkDrillKeys(tenantId: number, targets: readonly Target[], dataKeys: DataKeys): void {
    const encrypted = this.#encryptedSets(tenantId, targets, 'restore').filter(
      ({ fileStatus }) => fileStatus === 'AVAILABLE',
    );
    const isDrilled = ({ backupSetId }: BackupSet) =>
      targets.some(({ taskType, objectId }) => taskType === 'BACKUP SET' && objectId === backupSetId);
    const isOfTenant = targets.some(({ taskType }) => taskType === 'TENANT');
    const newest = this.#deps.store.backupSets.find({ tenantId, fileStatus: 'AVAILABLE' }).at(-1);
    const closed = encrypted.find(
      (set) =>
        !dataKeys.has(set.backupSetId) && (isDrilled(set) || (isOfTenant && set.backupSetId === newest?.backupSetId)),
    );
    if (closed)
      throw fail('BACKUP_INVALID_PASSWORD', {
        why: `backup set ${closed.backupSetId} is encrypted and no password opened it`,
      });
  }

  /** Records jobs, all or none. */
  #record(request: ValidateRequest, jobs: readonly NewJob[]): JobRef[] {
    const refs = this.#deps.store.transaction(() => {
      // Preparing took time: whoever is busy or going by now is left out, or refused when he was named.
      const isReady = ({ tenantId }: NewJob) => !this.isBusy(tenantId) && this.#statusOf(tenantId) === 'NORMAL';
      const recorded = (request.isAll ? jobs.filter(isReady) : jobs).map((job) => this.#insert(request, job));
      request.onRecord?.(recorded);
      return recorded;
    });
    for (const job of refs) this.#open.add(job);
    this.#jobs.pump();
    return refs;
  }

  #insert(request: ValidateRequest, { tenantId, targets, uri, source, pathType, dataKeys }: NewJob): JobRef {
    const { store, clock } = this.#deps;
    const { initiatorTenantId, type, ids, level, checkLevel, description } = request;
    if (this.isBusy(tenantId)) this.#refuseBusy([tenantId]);
    const status = this.#statusOf(tenantId);
    if (status !== 'NORMAL') throw fail('TENANT_NOT_NORMAL', { tenant: this.#nameOf(tenantId), status });
    const jobId = store.nextId(tenantId, 'job');
    const fresh = { startNs: clock.nowNs(), endNs: null, status: 'INIT' as const, result: 0, comment: '' };
    const job: ValidateJob = {
      ...{ tenantId, jobId, initiatorTenantId, initiatorJobId: jobId, executorTenantIds: [tenantId], type, uri },
      ...{ pathType, ids: [...(ids ?? [])], level, checkLevel, ...fresh, taskCount: targets.length },
      ...{ successTaskCount: 0, description, sealedDataKeys: sealKeys(store.secrets, { tenantId, jobId }, dataKeys) },
    };
    store.validateJobs.insert(job);
    // Given to read with: one that writes there stays.
    if (source) keepAccess(store, tenantId, source, { isReplacing: false });
    recordJobStart(store, job);
    for (const { bytes, ...target } of targets)
      store.validateTasks.insert({
        ...{ tenantId, taskId: store.nextId(tenantId, 'task'), jobId, ...target, level, ...fresh },
        ...{ totalBytes: bytes, validatedBytes: 0n },
      });
    return { tenantId, jobId };
  }
}

/** @throws INVALID_BACKUP_SET_ID (9046), ENTRY_NOT_EXIST (4018) naming the ids that are not there */
function pickNamed(targets: readonly Target[], { ids, type }: ValidateRequest): Target[] {
  if (ids === null) return [...targets];
  const missing = ids.filter((id) => !targets.some(({ objectId }) => objectId === id));
  if (missing.length > 0 && type === 'BACKUPSET') throw fail('INVALID_BACKUP_SET_ID', { ids: missing.join(', ') });
  if (missing.length > 0) throw fail('ENTRY_NOT_EXIST', { what: `archive piece ${missing.join(', ')}` });
  return targets.filter(({ objectId }) => ids.includes(objectId));
}
