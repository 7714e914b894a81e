// The clean service: policies, the jobs that statements and policies start, and a bounded number of workers.
import { setInterval as every } from 'node:timers';
import { assert } from '../base/assert.ts';
import { fail } from '../base/errors.ts';
import { COMMENT_CHARS_MAX, SYS_TENANT_ID } from '../base/limits.ts';
import { ServerStopping } from '../base/server-stopping.ts';
import { JOB_MOVES, type JobLevel } from '../model/backup-job.ts';
import type { DeleteJob, DeletePolicy, DeleteTask, DeleteType } from '../model/delete-job.ts';
import { checkMove, unfinished } from '../model/moves.ts';
import { parseDurationUs } from '../model/size-text.ts';
import type { CleanPlan, RestorableRange } from './clean-facts.ts';
import type { CleanService, DeleteStatement, PreviewedObject } from './clean-service.ts';
import { type CleanDependencies, CleanWorker, setFileStatus } from './clean-worker.ts';
import { planObsolete } from './plan-clean.ts';
import { namedPieces, namedSets } from './plan-named.ts';
import { policyAt, readFacts } from './read-facts.ts';

/** Tenants that are cleaned at once: deleting is the destination's work, and backups go before it. */
const WORKING_JOBS_MAX = 2;
/** How often it is looked whether the next check is due: the parameter may become shorter at any moment. */
const TICK_MS = 1000;
const US_PER_MS = 1000n;

export interface CleanRoomDependencies extends CleanDependencies {
  /** The points that sets and pieces of a tenant lead to, with the rounds that it has. */
  ranges(
    tenantId: number,
    sets: Parameters<typeof planObsolete>[0]['sets'],
    pieces: Parameters<typeof planObsolete>[0]['pieces'],
  ): RestorableRange[];
}

/** Builds the service; nothing works before `start`. */
export function createClean(deps: CleanRoomDependencies): CleanService {
  return new Clean(deps);
}

type OpenJob = Pick<DeleteJob, 'tenantId' | 'jobId'>;

/** What a job is recorded with. */
interface NewJob {
  tenantId: number;
  type: DeleteType;
  ids: readonly number[];
  expiryNs: bigint | null;
  statement: DeleteStatement;
  plan: Pick<CleanPlan, 'sets' | 'pieces'>;
}

class Clean implements CleanService {
  readonly #deps: CleanRoomDependencies;
  /** Jobs that wait for a worker, in their turn; one of a tenant at a time. */
  #waiting: OpenJob[] = [];
  readonly #running = new Map<number, { worker: CleanWorker; ended: Promise<void> }>();
  #tick: NodeJS.Timeout | undefined;
  #checkedMs = Number.NEGATIVE_INFINITY;

  constructor(deps: CleanRoomDependencies) {
    this.#deps = deps;
    this.#waiting = unfinished(JOB_MOVES).flatMap((status) => deps.store.deleteJobs.find({ status }));
  }

  start(): void {
    for (const { tenantId, jobId } of this.#waiting) this.#deps.log.info('delete job taken up', { tenantId, jobId });
    this.#checkedMs = this.#deps.clock.monotonicMs();
    this.#tick = every(() => this.#checkIfDue(), TICK_MS);
    this.#tick.unref();
    this.#pump();
  }

  async stop(): Promise<void> {
    clearInterval(this.#tick);
    this.#tick = undefined;
    const running = [...this.#running.values()];
    for (const { worker } of running) worker.abort(new ServerStopping());
    await Promise.all(running.map(({ ended }) => ended));
  }

  addPolicy(policy: DeletePolicy): void {
    const { store } = this.#deps;
    const { tenantId } = policy;
    if (store.deletePolicies.get({ tenantId }))
      throw fail('ENTRY_EXISTS', { what: 'the tenant has a delete policy: DROP DELETE BACKUP POLICY first' });
    store.deletePolicies.insert(policy);
  }

  dropPolicy(tenantId: number, policyName: string): void {
    if (this.#policyOf(tenantId).policyName !== policyName) throw noPolicy(`of the name '${policyName}'`);
    this.#deps.store.deletePolicies.remove({ tenantId });
  }

  deleteSets(tenantId: number, ids: readonly number[], statement: DeleteStatement): void {
    const facts = this.#facts(tenantId);
    const named = namedSets(ids, facts, this.#hasPolicy(tenantId));
    if ('refused' in named) throw fail('BACKUP_DELETE_BACKUP_SET_NOT_ALLOWED', { because: named.refused });
    refuseSeveral(
      named.chosen.map(({ uri }) => uri),
      'backup set',
    );
    const sets = named.chosen.map((of) => ({ of, isDeleted: true, because: '' }));
    const job = { tenantId, ids, expiryNs: null, statement, plan: { sets, pieces: [] } };
    this.#record([{ ...job, type: 'DELETE BACKUPSET' }]);
  }

  deletePieces(tenantId: number, ids: readonly number[], statement: DeleteStatement): void {
    const facts = this.#facts(tenantId);
    const named = namedPieces(ids, facts, this.#hasPolicy(tenantId));
    if ('refused' in named) throw fail('BACKUP_DELETE_BACKUP_PIECE_NOT_ALLOWED', { because: named.refused });
    refuseSeveral(
      named.chosen.map(({ uri }) => uri),
      'archive piece',
    );
    const pieces = named.chosen.map((of) => ({ of, isDeleted: true, because: '' }));
    const job = { tenantId, ids, expiryNs: null, statement, plan: { sets: [], pieces } };
    this.#record([{ ...job, type: 'DELETE ARCHIVELOG_PIECE' }]);
  }

  deleteObsolete(tenantIds: readonly number[], statement: DeleteStatement): void {
    this.#record(tenantIds.map((tenantId) => this.#obsolete(tenantId, statement)));
  }

  previewObsolete(tenantIds: readonly number[]): PreviewedObject[] {
    return tenantIds.flatMap((tenantId) => {
      const tenantName = this.#deps.store.tenants.get({ tenantId })?.name ?? '';
      const { plan } = this.#obsolete(tenantId, { initiatorTenantId: tenantId, description: '' });
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
    const open = unfinished(JOB_MOVES).flatMap((status) => store.deleteJobs.find({ status }));
    const meant = open.filter(({ tenantId }) => tenants === 'all' || tenants.includes(tenantId));
    for (const { tenantId, jobId, status } of meant) {
      if (status === 'CANCELING') continue;
      const canceling = checkMove('delete job', JOB_MOVES, status, 'CANCELING');
      store.deleteJobs.change({ tenantId, jobId }, { status: canceling }, { status });
      this.#running.get(tenantId)?.worker.abort(fail('CANCELED', {}));
    }
    this.#pump();
  }

  async forget(tenantId: number): Promise<void> {
    this.cancel([tenantId]);
    while (this.#running.has(tenantId)) await this.#running.get(tenantId)?.ended;
  }

  /** What policies let go by now, when it was not looked for so long. */
  #checkIfDue(): void {
    const { store, clock, log } = this.#deps;
    const intervalUs = parseDurationUs(store.parameter(SYS_TENANT_ID, 'backup_clean_interval'));
    assert(intervalUs !== undefined, 'a parameter has a value of its type');
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#checkedMs < Number(intervalUs / US_PER_MS)) return;
    this.#checkedMs = nowMs;
    for (const { tenantId } of store.deletePolicies.find()) {
      if (this.#isBusy(tenantId)) continue;
      try {
        const job = this.#obsolete(tenantId, { initiatorTenantId: tenantId, description: '' });
        if (tasksOf(job.plan).length > 0) this.#record([job]);
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
    return readFacts(this.#deps.store, tenantId, (sets, pieces) => this.#deps.ranges(tenantId, sets, pieces));
  }

  #obsolete(tenantId: number, statement: DeleteStatement): NewJob {
    const policy = policyAt(this.#policyOf(tenantId), this.#deps.clock.nowNs());
    const plan = planObsolete(this.#facts(tenantId), policy);
    return { tenantId, type: 'DELETE OBSOLETE BACKUP', ids: [], expiryNs: policy.windowStartScn, statement, plan };
  }

  #isBusy(tenantId: number): boolean {
    return unfinished(JOB_MOVES).some((status) => this.#deps.store.deleteJobs.find({ tenantId, status }).length > 0);
  }

  /** Records jobs, all or none: what they chose is EXPIRED from then on, and nothing new leans on it. */
  #record(jobs: readonly NewJob[]): void {
    const { store } = this.#deps;
    const open = store.transaction(() => jobs.map((job) => this.#insert(job)));
    this.#waiting.push(...open);
    this.#pump();
  }

  #insert({ tenantId, type, ids, expiryNs, statement, plan }: NewJob): OpenJob {
    const { store, clock } = this.#deps;
    const { initiatorTenantId, description } = statement;
    if (description.length > COMMENT_CHARS_MAX)
      throw fail('INVALID_ARGUMENT', { what: `DESCRIPTION: longer than ${COMMENT_CHARS_MAX} characters` });
    if (this.#isBusy(tenantId))
      throw fail('BACKUP_DELETE_DATA_IN_PROGRESS', { tenant: store.tenants.get({ tenantId })?.name ?? '' });
    const jobId = store.nextId(tenantId, 'job');
    const startNs = clock.nowNs();
    const tasks = tasksOf(plan);
    const level: JobLevel = initiatorTenantId === SYS_TENANT_ID ? 'SYS_TENANT' : 'USER_TENANT';
    const fresh = { startNs, endNs: null, status: 'INIT' as const, result: 0, comment: '' };
    store.deleteJobs.insert({
      ...{ tenantId, jobId, initiatorTenantId, initiatorJobId: jobId, executorTenantIds: [tenantId], type, expiryNs },
      ...{ ids: [...ids], level, taskCount: tasks.length, successTaskCount: 0, description, ...fresh },
    });
    for (const task of tasks) {
      const row: DeleteTask = { tenantId, taskId: store.nextId(tenantId, 'task'), jobId, ...task, ...fresh };
      store.deleteTasks.insert(row);
      if (row.fileStatusBefore !== 'DELETING') setFileStatus(store, row, 'EXPIRED');
    }
    return { tenantId, jobId };
  }

  /** Starts workers for waiting jobs while there is room. */
  #pump(): void {
    if (!this.#tick) return;
    for (const job of [...this.#waiting]) {
      if (this.#running.size >= WORKING_JOBS_MAX) return;
      if (this.#running.has(job.tenantId)) continue;
      this.#waiting = this.#waiting.filter((other) => other !== job);
      this.#run(job);
    }
  }

  #run(job: OpenJob): void {
    const worker = new CleanWorker(this.#deps, job);
    const ended = worker
      .run()
      .catch((error: unknown) => this.#deps.log.error('delete worker broke', { ...job, error }))
      .then(() => {
        this.#running.delete(job.tenantId);
        this.#pump();
      });
    this.#running.set(job.tenantId, { worker, ended });
  }
}

const noPolicy = (whose: string) => fail('ENTRY_NOT_EXIST', { what: `a delete policy ${whose}` });

/** @throws NOT_SUPPORTED (4007): one job works at one destination */
function refuseSeveral(uris: readonly string[], what: string): void {
  if (new Set(uris).size > 1)
    throw fail('NOT_SUPPORTED', { what: `deleting a ${what} from multiple dest in one statement is` });
}

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
function tasksOf({ sets, pieces }: Pick<CleanPlan, 'sets' | 'pieces'>): TaskOfPlan[] {
  const none = { deletedBytes: 0n, totalFiles: 0, deletedFiles: 0 };
  return [
    ...sets
      .filter(({ isDeleted }) => isDeleted)
      .map(({ of }) => ({
        ...{ taskType: 'BACKUP SET' as const, objectId: of.backupSetId, roundId: 0, destId: of.destId, uri: of.uri },
        ...{ fileStatusBefore: of.fileStatus, totalBytes: of.outputBytes, ...none },
      })),
    ...pieces
      .filter(({ isDeleted }) => isDeleted)
      .map(({ of }) => ({
        ...{ taskType: 'BACKUP PIECE' as const, objectId: of.pieceId, roundId: of.roundId, destId: of.destId },
        ...{ uri: of.uri, fileStatusBefore: of.fileStatus, totalBytes: of.outputBytes, ...none },
      })),
  ];
}
