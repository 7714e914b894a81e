// The clean service: policies, the jobs that statements and policies start, and a bounded number of workers.
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import { JobWorkers } from '../base/job-workers.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import type { PieceCopy } from '../model/archive-copy.ts';
import type { ArchivePiece } from '../model/archive-round.ts';
import { type BackupSet, JOB_MOVES, type JobRef } from '../model/backup-job.ts';
import type { DeleteJob, DeletePolicy, DeleteTask, DeleteType } from '../model/delete-job.ts';
import { checkDescription } from '../model/description.ts';
import { checkMove, unfinished } from '../model/moves.ts';
import { TenantJobs } from '../store/tenant-jobs.ts';
import { chooseCopies } from './choose-copies.ts';
import { recordJobCancel, recordJobStart, recordPolicyAdded, recordPolicyDropped } from './clean-events.ts';
import type { CleanPlan, PolicyAt, RestorableRange } from './clean-facts.ts';
import type { CleanService, DeleteStatement, PreviewedObject } from './clean-service.ts';
import { type CleanDependencies, CleanWorker, setFileStatus } from './clean-worker.ts';
import { planObsolete } from './plan-clean.ts';
import { namedPieces, namedSets } from './plan-named.ts';
import { policyAt, readCopyFacts, readFacts } from './read-facts.ts';
import { SysJobs } from './sys-jobs.ts';

/** Tenants that are cleaned at once: deleting is the destination's work, and backups go before it. */
const WORKING_JOBS_MAX = 2;
/** How often it is looked whether the next check is due: the parameter may become shorter at any moment. */
const TICK_MS = 1000;
const US_PER_MS = 1000n;

export interface CleanRoomDependencies extends CleanDependencies {
  /** The points that sets and pieces of a tenant lead to, with the rounds that it has. */
  ranges(tenantId: number, sets: readonly BackupSet[], pieces: readonly ArchivePiece[]): RestorableRange[];
}

/** Builds the service; nothing works before `start`. */
export function createClean(deps: CleanRoomDependencies): CleanService {
  return new Clean(deps);
}

/** What a job is recorded with: what it deletes, in its order. */
interface NewJob {
  tenantId: number;
  type: DeleteType;
  /** The objects that were named; empty for a policy. */
  ids: readonly number[];
  expiryNs: bigint | null;
  sets: readonly BackupSet[];
  pieces: readonly ArchivePiece[];
  /** Of the pieces, and of those that were deleted before. */
  copies: readonly PieceCopy[];
  statement: DeleteStatement;
}

class Clean implements CleanService {
  readonly #deps: CleanRoomDependencies;
  /** Of tenants; those of the sys tenant stand for them. */
  readonly #open: TenantJobs<DeleteJob>;
  readonly #sysJobs: SysJobs;
  readonly #jobs: JobWorkers<JobRef, CleanWorker>;
  /** By tenant: the job that waits for a lock, and when that ends. */
  readonly #waiting = new Map<number, { jobId: number; untilNs: bigint }>();
  #tick: NodeJS.Timeout | undefined;
  #checkedMs = Number.NEGATIVE_INFINITY;

  constructor(deps: CleanRoomDependencies) {
    this.#deps = deps;
    const jobs = unfinished(JOB_MOVES).flatMap((status) => deps.store.deleteJobs.find({ status }));
    const ofTenants = jobs.filter(({ tenantId }) => tenantId !== SYS_TENANT_ID);
    this.#open = new TenantJobs(deps.store.deleteJobs, ofTenants);
    this.#sysJobs = new SysJobs(deps, jobs);
    this.#jobs = new JobWorkers({
      ...{ workersMax: WORKING_JOBS_MAX, noun: 'delete', log: deps.log },
      open: () => this.#ready(),
      keyOf: ({ tenantId }) => tenantId,
      isCanceling: (job) => this.#open.row(job).status === 'CANCELING',
      isOpen: (job) => this.#open.isOpen(job),
      newWorker: ({ tenantId, jobId }) =>
        new CleanWorker(deps, { tenantId, jobId }, (untilNs) => this.#waiting.set(tenantId, { jobId, untilNs })),
      onEnd: (job) => this.#sysJobs.noteEnd(this.#open.row(job)),
    });
  }

  start(): void {
    for (const job of this.#open) this.#deps.log.info('delete job taken up', { ...job });
    this.#sysJobs.start();
    this.#checkedMs = this.#deps.clock.monotonicMs();
    this.#tick = setInterval(() => this.#onTick(), TICK_MS);
    this.#tick.unref();
    this.#jobs.start();
  }

  stop(): Promise<void> {
    clearInterval(this.#tick);
    return this.#jobs.stop();
  }

  addPolicy(policy: DeletePolicy): void {
    const { store } = this.#deps;
    const { tenantId } = policy;
    if (store.deletePolicies.get({ tenantId }))
      throw fail('ENTRY_EXISTS', { what: 'the tenant has a delete policy: DROP DELETE BACKUP POLICY first' });
    store.transaction(() => {
      store.deletePolicies.insert(policy);
      recordPolicyAdded(this.#deps, policy);
    });
  }

  dropPolicy(tenantId: number, policyName: string): void {
    if (this.#policyOf(tenantId).policyName !== policyName) throw noPolicy(`of the name '${policyName}'`);
    this.#deps.store.transaction(() => {
      this.#deps.store.deletePolicies.remove({ tenantId });
      recordPolicyDropped(this.#deps, tenantId, policyName);
    });
  }

  deleteSets(tenantId: number, ids: readonly number[], statement: DeleteStatement): void {
    const named = namedSets(ids, this.#facts(tenantId), this.#hasPolicy(tenantId));
    if ('refused' in named) throw fail('BACKUP_DELETE_BACKUP_SET_NOT_ALLOWED', { because: named.refused });
    const chosen = { type: 'DELETE BACKUPSET' as const, sets: named.chosen, pieces: [], copies: [] };
    this.#recordNamed({ ...chosen, tenantId, ids, expiryNs: null, statement });
  }

  deletePieces(tenantId: number, ids: readonly number[], statement: DeleteStatement): void {
    const named = namedPieces(ids, this.#facts(tenantId), this.#hasPolicy(tenantId));
    if ('refused' in named) throw fail('BACKUP_DELETE_BACKUP_PIECE_NOT_ALLOWED', { because: named.refused });
    const copies = this.#copiesOf(tenantId, named.chosen);
    const chosen = { type: 'DELETE ARCHIVELOG_PIECE' as const, sets: [], pieces: named.chosen, copies };
    this.#recordNamed({ ...chosen, tenantId, ids, expiryNs: null, statement });
  }

  deleteObsolete(tenantIds: readonly number[], statement: DeleteStatement): void {
    this.#record(tenantIds.map((tenantId) => this.#obsolete(tenantId, statement)));
  }

  previewObsolete(tenantIds: readonly number[]): PreviewedObject[] {
    return tenantIds.flatMap((tenantId) => {
      const tenantName = this.#deps.store.tenants.get({ tenantId })?.name ?? '';
      const { plan } = this.#plan(tenantId);
      const sets = plan.sets.map(({ of, ...verdict }) => ({
        ...{ tenantId, tenantName, ...verdict, objectType: 'BACKUP SET' as const, objectId: of.backupSetId },
        ...{ endScn: of.minRestoreScn, bytes: of.outputBytes, uri: of.uri },
      }));
      const pieces = plan.pieces.map(({ of, ...verdict }) => ({
        ...{ tenantId, tenantName, ...verdict, objectType: 'BACKUP PIECE' as const, objectId: of.pieceId },
        ...{ endScn: of.checkpointScn, bytes: of.outputBytes, uri: of.uri },
      }));
      return [...sets, ...pieces];
    });
  }

  cancel(tenants: readonly number[] | 'all'): void {
    const { store } = this.#deps;
    const canceled: number[] = [];
    store.transaction(() => {
      for (const job of this.#open) {
        const { status } = this.#open.row(job);
        if (status === 'CANCELING' || (tenants !== 'all' && !tenants.includes(job.tenantId))) continue;
        const canceling = checkMove('delete job', JOB_MOVES, status, 'CANCELING');
        store.deleteJobs.change(job, { status: canceling }, { status });
        recordJobCancel(this.#deps, job);
        canceled.push(job.tenantId);
      }
      this.#sysJobs.noteCancel();
    });
    for (const tenantId of canceled) this.#jobs.of(tenantId)?.abort(fail('CANCELED', {}));
    this.#jobs.pump();
  }

  async forget(tenantId: number): Promise<void> {
    this.cancel([tenantId]);
    await this.#jobs.ended(tenantId);
  }

  /** Jobs that may work: those that wait for a lock come again when it has ended, or when they are cancelled. */
  *#ready(): Generator<JobRef> {
    const nowNs = this.#deps.clock.nowNs();
    for (const job of this.#open) {
      const waiting = this.#waiting.get(job.tenantId);
      const isReady = waiting?.jobId !== job.jobId || waiting.untilNs <= nowNs;
      if (isReady || this.#open.row(job).status === 'CANCELING') yield job;
    }
  }

  /** A job whose worker broke is taken up again here, and not in a tight loop. */
  #onTick(): void {
    this.#jobs.pump();
    this.#checkIfDue();
  }

  /** What policies let go by now, when it was not looked for so long. */
  #checkIfDue(): void {
    const { store, clock, log } = this.#deps;
    const intervalUs = store.durationUs(SYS_TENANT_ID, 'backup_clean_interval');
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#checkedMs < Number(intervalUs / US_PER_MS)) return;
    this.#checkedMs = nowMs;
    for (const { tenantId } of store.deletePolicies.find()) {
      if (this.#open.isBusy(tenantId)) continue;
      try {
        const job = this.#obsolete(tenantId, { initiatorTenantId: tenantId, level: 'USER_TENANT', description: '' });
        if (job.sets.length + job.pieces.length + job.copies.length > 0) this.#record([job]);
      } catch (error) {
        log.error('delete policy was not applied', { tenantId, error });
      }
    }
  }

  #policyOf(tenantId: number): DeletePolicy {
    const policy = this.#deps.store.deletePolicies.get({ tenantId });
    if (!policy) throw noPolicy(`for tenant '${this.#deps.store.tenants.get({ tenantId })?.name ?? tenantId}'`);
    return policy;
  }

  #hasPolicy(tenantId: number): boolean {
    return this.#deps.store.deletePolicies.get({ tenantId }) !== undefined;
  }

  #facts(tenantId: number) {
    const { store, clock, ranges } = this.#deps;
    const nowNs = clock.nowNs();
    return readFacts(store, tenantId, { ranges: (sets, pieces) => ranges(tenantId, sets, pieces), nowNs });
  }

  /** What the tenant's policy deletes and keeps now. @throws ENTRY_NOT_EXIST (4018) */
  #plan(tenantId: number): { policy: PolicyAt; plan: CleanPlan } {
    const policy = policyAt(this.#policyOf(tenantId), this.#deps.clock.nowNs());
    return { policy, plan: planObsolete(this.#facts(tenantId), policy) };
  }

  #copiesOf(tenantId: number, pieces: readonly ArchivePiece[]): PieceCopy[] {
    const { store, clock } = this.#deps;
    return chooseCopies(readCopyFacts(store, tenantId, { pieces, nowNs: clock.nowNs() }));
  }

  #obsolete(tenantId: number, statement: DeleteStatement): NewJob {
    const { policy, plan } = this.#plan(tenantId);
    const pieces = plan.pieces.filter(({ isDeleted }) => isDeleted).map(({ of }) => of);
    return {
      ...{ tenantId, type: 'DELETE OBSOLETE BACKUP', ids: [], expiryNs: policy.windowStartScn, statement },
      sets: plan.sets.filter(({ isDeleted }) => isDeleted).map(({ of }) => of),
      ...{ pieces, copies: this.#copiesOf(tenantId, pieces) },
    };
  }

  /** @throws NOT_SUPPORTED (4007): one job works at one destination */
  #recordNamed(job: NewJob): void {
    if (new Set([...job.sets, ...job.pieces].map(({ uri }) => uri)).size > 1)
      throw fail('NOT_SUPPORTED', { what: 'deleting from multiple dest in one statement is' });
    this.#record([job]);
  }

  /** Records jobs, all or none: what they chose is EXPIRED from then on, and nothing new leans on it. */
  #record(jobs: readonly NewJob[]): void {
    const { store } = this.#deps;
    const isFromSys = jobs[0]?.statement.initiatorTenantId === SYS_TENANT_ID;
    let sysJobId: number | undefined;
    const jobIds = store.transaction(() => {
      sysJobId = isFromSys ? this.#insertSys(jobs) : undefined;
      return jobs.map((job) => this.#insert(job, sysJobId));
    });
    for (const [i, { tenantId }] of jobs.entries()) this.#open.add({ tenantId, jobId: jobIds[i]! });
    if (sysJobId !== undefined)
      this.#sysJobs.add(
        sysJobId,
        jobs.map(({ tenantId }) => tenantId),
      );
    this.#jobs.pump();
  }

  /** The row that stands for the whole statement. @returns its id */
  #insertSys(jobs: readonly NewJob[]): number {
    const { store, clock } = this.#deps;
    const jobId = store.nextId(SYS_TENANT_ID, 'job');
    const [first, ...others] = jobs;
    assert(first, 'a statement is for somebody');
    const { type, ids, expiryNs, statement } = first;
    this.#sysJobs.insert({
      ...{ tenantId: SYS_TENANT_ID, jobId, initiatorJobId: jobId, ...statement, type, ids: [...ids] },
      executorTenantIds: jobs.map(({ tenantId }) => tenantId),
      // Each tenant has a window of its own.
      expiryNs: others.length === 0 ? expiryNs : null,
      taskCount: jobs.reduce((sum, { sets, pieces, copies }) => sum + sets.length + pieces.length + copies.length, 0),
      ...{ successTaskCount: 0, startNs: clock.nowNs(), endNs: null, status: 'INIT', result: 0, comment: '' },
    });
    return jobId;
  }

  /** @param sysJobId of the statement's row, for one from sys. @returns the job's id */
  #insert(job: NewJob, sysJobId: number | undefined): number {
    const { tenantId, type, ids, expiryNs, statement } = job;
    const { store, clock } = this.#deps;
    const { initiatorTenantId, description } = statement;
    checkDescription(description);
    if (this.#open.isBusy(tenantId))
      throw fail('BACKUP_DELETE_DATA_IN_PROGRESS', { tenant: store.tenants.get({ tenantId })?.name ?? '' });
    const jobId = store.nextId(tenantId, 'job');
    const startNs = clock.nowNs();
    const tasks = tasksOf(job);
    const fresh = { startNs, endNs: null, status: 'INIT' as const, result: 0, comment: '' };
    const initiator = { initiatorTenantId, initiatorJobId: sysJobId ?? jobId };
    const row: DeleteJob = {
      ...{ tenantId, jobId, ...initiator, executorTenantIds: [tenantId], type, expiryNs, ids: [...ids] },
      ...{ level: 'USER_TENANT', taskCount: tasks.length, successTaskCount: 0, description, ...fresh },
    };
    store.deleteJobs.insert(row);
    recordJobStart(this.#deps, row);
    for (const task of tasks) {
      const row: DeleteTask = { tenantId, taskId: store.nextId(tenantId, 'task'), jobId, ...task, ...fresh };
      store.deleteTasks.insert(row);
      if (row.fileStatusBefore !== 'DELETING') setFileStatus(store, row, 'EXPIRED');
    }
    return jobId;
  }
}

const noPolicy = (whose: string) => fail('ENTRY_NOT_EXIST', { what: `a delete policy ${whose}` });

type TaskOfPlan = Pick<
  DeleteTask,
  | 'taskType'
  | 'objectId'
  | 'roundId'
  | 'destId'
  | 'fileStatusBefore'
  | 'totalBytes'
  | 'deletedBytes'
  | 'totalFiles'
  | 'deletedFiles'
  | 'uri'
>;

/** Sets first: log alone is of use to the sets that stay, a set alone still stands for its own point. */
function tasksOf({ sets, pieces, copies }: Pick<NewJob, 'sets' | 'pieces' | 'copies'>): TaskOfPlan[] {
  const common = ({ destId, uri, fileStatus, outputBytes }: BackupSet | ArchivePiece) => ({
    ...{ destId, uri, fileStatusBefore: fileStatus, totalBytes: outputBytes },
    ...{ deletedBytes: 0n, totalFiles: 0, deletedFiles: 0 },
  });
  return [
    ...sets.map((set) => ({ ...common(set), taskType: 'BACKUP SET' as const, objectId: set.backupSetId, roundId: 0 })),
    ...[...pieces, ...copies].map((piece) => ({
      ...common(piece),
      ...{ taskType: 'BACKUP PIECE' as const, objectId: piece.pieceId, roundId: piece.roundId },
    })),
  ];
}
