// Does the work of one backup job: a machine over the task's states in the documented order. Each state is durable
// before its effect and each effect may be repeated. What the data phases know lives in memory only, so after a crash
// they begin again from BACKUP_DATA_MINOR; a set whose manifest was already written is finished instead.

import { assert, unreachable } from '../base/assert.ts';
import { fail, toComment, toResult } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import { ServerStopping } from '../base/server-stopping.ts';
import type { Destination } from '../destination/destination.ts';
import type { Snapshot } from '../engine/engine-driver.ts';
import { pagesPerBlock } from '../format/backup-set-index.ts';
import { type SetRef, setDirectory, setStartName } from '../format/layout.ts';
import { type BackupJob, type BackupSet, type BackupTask, TASK_MOVES, type TaskStatus } from '../model/backup-job.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import { checkMove, isFinal } from '../model/moves.ts';
import { parseCapacityBytes } from '../model/parameter.ts';
import { ceilToMicrosecond, toScn } from '../model/scn.ts';
import type { Tenant } from '../model/tenant.ts';
import type { BackupResult } from '../pipeline/pipeline.ts';
import type { BackupDependencies } from './backup-dependencies.ts';
import { openJobKeys, type SetKeys } from './backup-keys.ts';
import { commentText, NO_FIGURES, newSet } from './backup-records.ts';
import { attachedCapture, awaitLog } from './watch-archive.ts';
import { clearAttempt, findOwnManifest, putNew, putPlaceholders, writeSet } from './write-set.ts';

/** zstd: measured flat in ratio from 1 to 3, at a third of the speed. */
const COMPRESSION_LEVEL = 1;
/** Progress is written at most four times a second. */
const PROGRESS_INTERVAL_MS = 250;

/** What one attempt at the data phases knows and no row holds. */
interface Attempt {
  keys: SetKeys;
  snapshot: Snapshot;
  /** Facts stay readable after the snapshot is closed. */
  facts: Snapshot['facts'];
  isSnapshotOpen: boolean;
  result?: BackupResult;
}

export class BackupWorker {
  readonly #deps: BackupDependencies;
  readonly #key: { tenantId: number; jobId: number };
  readonly #taskKey: { tenantId: number; taskId: number };
  readonly #set: SetRef;
  readonly #controller = new AbortController();
  readonly #destination: Destination;
  #attempt: Attempt | undefined;
  #isCommitting = false;

  constructor(deps: BackupDependencies, job: BackupJob) {
    this.#deps = deps;
    const { tenantId, jobId, backupSetId } = job;
    this.#key = { tenantId, jobId };
    const task = deps.store.backupTasks.find(this.#key)[0];
    assert(task && backupSetId > 0, 'a job that works has a task and a set');
    this.#taskKey = { tenantId, taskId: task.taskId };
    this.#set = { backupSetId, type: job.backupType };
    this.#destination = deps.openDestination(parseDestinationUri(job.uri));
  }

  /** True once the manifest is being written: too late to cancel. */
  get isCommitting(): boolean {
    return this.#isCommitting;
  }

  /** Makes the work end soon. The reason decides what becomes of the job. */
  abort(reason: Error): void {
    this.#controller.abort(reason);
  }

  /** Works until the job has ended or the server stops. */
  async run(): Promise<void> {
    try {
      await this.#work();
    } catch (error) {
      if (this.#controller.signal.reason instanceof ServerStopping) return;
      await this.#end(error);
    } finally {
      await this.#closeAttempt();
      await this.#destination[Symbol.asyncDispose]();
    }
  }

  async #work(): Promise<void> {
    for (;;) {
      if (this.#job.status === 'CANCELING') throw fail('CANCELED', {});
      const task = this.#task;
      if (isFinal(TASK_MOVES, task.status)) return;
      this.#deps.log.debug('backup step', { ...this.#key, backupSetId: this.#set.backupSetId, state: task.status });
      await this.#step(task);
      if (!this.#isCommitting) this.#controller.signal.throwIfAborted();
    }
  }

  get #job(): BackupJob {
    const job = this.#deps.store.backupJobs.get(this.#key);
    assert(job, 'a running job has a row');
    return job;
  }

  get #task(): BackupTask {
    const task = this.#deps.store.backupTasks.get(this.#taskKey);
    assert(task, 'a running task has a row');
    return task;
  }

  get #setKey(): { tenantId: number; backupSetId: number } {
    return { tenantId: this.#key.tenantId, backupSetId: this.#set.backupSetId };
  }

  get #directory(): string {
    return setDirectory(this.#set);
  }

  /** Does the current state's work and makes the next one durable. */
  async #step(task: BackupTask): Promise<void> {
    switch (task.status) {
      case 'INIT':
        return this.#begin(task);
      case 'BACKUP_SYS_META':
        await putNew(this.#destination, setStartName(this.#set), new Uint8Array(0));
        return this.#move(task, 'BACKUP_USER_META');
      case 'BACKUP_USER_META':
        this.#tenant();
        return this.#move(task, 'BACKUP_META_FINISH', { userLsStartScn: toScn(this.#deps.clock.nowNs()) });
      case 'BACKUP_META_FINISH':
        return this.#move(task, 'BACKUP_DATA_MINOR');
      case 'BACKUP_DATA_MINOR':
        return this.#takeSnapshot(task);
      case 'BACKUP_DATA_MAJOR':
        return this.#attempt ? this.#copy(task, this.#attempt) : this.#startOver(task);
      case 'BEFORE_BACKUP_LOG':
        return this.#attempt ? this.#awaitLog(task) : this.#startOver(task);
      case 'BACKUP_LOG':
        return this.#attempt ? this.#finish(task, this.#attempt) : this.#finishOrStartOver(task);
      case 'CANCELING':
        throw fail('CANCELED', {});
      case 'COMPLETED':
      case 'FAILED':
      case 'CANCELED':
        return;
      default:
        return unreachable(task.status);
    }
  }

  #move(task: BackupTask, to: TaskStatus, patch: Partial<BackupTask> = {}): void {
    if (!this.#isCommitting) this.#controller.signal.throwIfAborted();
    const status = checkMove('backup task', TASK_MOVES, task.status, to);
    this.#deps.store.backupTasks.change(this.#taskKey, { ...patch, status }, { status: task.status });
  }

  #tenant(): Tenant {
    const tenant = this.#deps.store.tenants.get({ tenantId: this.#key.tenantId });
    if (tenant?.status !== 'NORMAL') throw fail('BACKUP_CAN_NOT_START', { because: 'tenant status is not normal.' });
    return tenant;
  }

  #begin(task: BackupTask): void {
    const { store, clock } = this.#deps;
    store.transaction(() => {
      const job = this.#job;
      const destId = store.destIdFor(job.tenantId, job.uri);
      const roundId = store.currentRound(job.tenantId)?.roundId ?? 0;
      store.backupJobs.change(this.#key, { status: 'DOING' }, { status: 'INIT' });
      store.backupJobs.update(
        { tenantId: SYS_TENANT_ID, jobId: job.initiatorJobId },
        { status: 'DOING' },
        { status: 'INIT' },
      );
      store.backupSets.insert(newSet(job, { destId, roundId, nowNs: clock.nowNs() }));
      this.#move(task, 'BACKUP_SYS_META', { startScn: toScn(clock.nowNs()) });
    });
  }

  /** What was copied is void without this server's memory of it: the data phases begin again. */
  #startOver(task: BackupTask): void {
    this.#deps.log.info('backup data phases begin again', { ...this.#key, from: task.status });
    this.#deps.store.transaction(() => {
      this.#deps.store.backupSets.change(this.#setKey, { ...NO_FIGURES }, { status: 'DOING' });
      this.#move(task, 'BACKUP_DATA_MINOR', { ...NO_FIGURES });
    });
  }

  async #takeSnapshot(task: BackupTask): Promise<void> {
    const { store } = this.#deps;
    await clearAttempt(this.#destination, this.#set, this.#row);
    const { capture, round } = await attachedCapture(this.#deps, this.#key.tenantId, this.#controller.signal);
    const keys = openJobKeys(store.secrets, this.#job);
    const snapshot = await capture.snapshot();
    this.#attempt = { keys, snapshot, facts: snapshot.facts, isSnapshotOpen: true };
    if (store.currentRound(this.#key.tenantId)?.roundId !== round.roundId) throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
    const blockCount = Math.ceil(snapshot.pageCount / pagesPerBlock(snapshot.pageSize));
    const figures = { blockCount, tabletCount: snapshot.facts.tableCount };
    const minRestoreScn = ceilToMicrosecond(snapshot.scn);
    store.transaction(() => {
      const scns = { consistentScn: snapshot.scn, startReplayScn: snapshot.scn, minRestoreScn };
      store.backupSets.change(this.#setKey, { ...figures, ...scns, roundId: round.roundId }, { status: 'DOING' });
      this.#move(task, 'BACKUP_DATA_MAJOR', { ...figures, endScn: minRestoreScn });
    });
  }

  get #row(): BackupSet {
    const set = this.#deps.store.backupSets.get(this.#setKey);
    assert(set, 'a set that is worked on has a row');
    return set;
  }

  async #copy(task: BackupTask, attempt: Attempt): Promise<void> {
    const { store, pipeline } = this.#deps;
    const tenant = this.#tenant();
    const { close: _close, facts: _facts, scn: _scn, ...source } = attempt.snapshot;
    const result = await pipeline.backup({
      source,
      destination: this.#destination.spec,
      directory: this.#directory,
      owner: this.#owner(attempt),
      dataKey: attempt.keys.dataKey,
      compressionLevel: COMPRESSION_LEVEL,
      packBytesMax: Number(parseCapacityBytes(store.parameter(tenant.tenantId, 'backup_data_file_size'))),
      workers: this.#workers(tenant),
      onProgress: this.#progress(),
      signal: this.#controller.signal,
    });
    attempt.result = result;
    await this.#closeSnapshot(attempt);
    const figures = {
      inputBytes: BigInt(result.inputBytes),
      outputBytes: BigInt(result.outputBytes),
      finishBlockCount: result.blocks.length,
      finishTabletCount: attempt.facts.tableCount,
    };
    store.transaction(() => {
      store.backupSets.change(this.#setKey, figures, { status: 'DOING' });
      this.#move(task, 'BEFORE_BACKUP_LOG', figures);
    });
  }

  #owner(attempt: Attempt) {
    const { tenantId } = this.#key;
    return { clusterUuid: this.#deps.store.cluster.uuid, tenantId, setUuid: attempt.keys.setUuid };
  }

  #workers(tenant: Tenant): number {
    const asked = Number(this.#deps.store.parameter(tenant.tenantId, 'ha_low_thread_score'));
    // A tenant without a pool has no MAX_CPU: the machine is the bound.
    const bound = tenant.poolName === null ? this.#deps.cores : this.#deps.engineTenant(tenant).maxCpu;
    return Math.max(1, Math.min(asked || this.#deps.cores, bound));
  }

  #progress(): (done: { blocks: number; inputBytes: number; outputBytes: number }) => void {
    const { store, clock, log } = this.#deps;
    let nextMs = 0;
    return ({ blocks, inputBytes, outputBytes }) => {
      if (this.#controller.signal.aborted || clock.monotonicMs() < nextMs) return;
      nextMs = clock.monotonicMs() + PROGRESS_INTERVAL_MS;
      const figures = {
        finishBlockCount: blocks,
        inputBytes: BigInt(inputBytes),
        outputBytes: BigInt(outputBytes),
      };
      try {
        // A late call finds the task in its next state and changes nothing.
        if (store.backupTasks.update(this.#taskKey, figures, { status: 'BACKUP_DATA_MAJOR' }))
          store.backupSets.update(this.#setKey, figures, { status: 'DOING' });
      } catch (error) {
        // Only figures for a view are lost; the next state change meets the same store and decides.
        log.error('backup progress was not recorded', { ...this.#key, error });
      }
    };
  }

  async #awaitLog(task: BackupTask): Promise<void> {
    await awaitLog(this.#deps, this.#row, this.#controller.signal);
    this.#move(task, 'BACKUP_LOG');
  }

  async #finish(task: BackupTask, attempt: Attempt): Promise<void> {
    const { result, keys, facts, snapshot } = attempt;
    assert(result, 'a set is written after its data');
    const { store, clock, driver } = this.#deps;
    this.#isCommitting = true;
    const written = await writeSet({
      destination: this.#destination,
      ref: this.#set,
      job: this.#job,
      row: this.#row,
      cluster: store.cluster,
      tenant: this.#tenant(),
      engine: driver.name,
      facts,
      source: snapshot,
      result,
      keys,
      serverVersion: this.#deps.serverVersion ?? 'holdfast',
      clock,
    });
    this.#complete(task, written);
  }

  /** After a crash in this state: the manifest may be there already, and then the set is whole. */
  async #finishOrStartOver(task: BackupTask): Promise<void> {
    const manifest = await findOwnManifest(this.#destination, this.#set, this.#row);
    if (!manifest) return this.#startOver(task);
    this.#isCommitting = true;
    const { set, objects, outputBytes } = manifest;
    await putPlaceholders(this.#destination, this.#set, set);
    this.#complete(task, { endNs: set.endNs, fileCount: objects.length + 1, outputBytes });
  }

  #complete(task: BackupTask, of: { endNs: bigint; fileCount: number; outputBytes: bigint }): void {
    const { store, log } = this.#deps;
    const { endNs, fileCount, outputBytes } = of;
    store.transaction(() => {
      const done = { endNs, fileCount, outputBytes };
      store.backupSets.change(
        this.#setKey,
        { ...done, status: 'SUCCESS', fileStatus: 'AVAILABLE' },
        { status: 'DOING' },
      );
      this.#move(task, 'COMPLETED', done);
      store.backupJobs.change(this.#key, { status: 'COMPLETED', endNs, ...WITHOUT_KEYS }, { status: 'DOING' });
    });
    log.info('backup set available', { ...this.#setKey, jobId: this.#key.jobId, outputBytes });
  }

  /** Ends a job that was cancelled or failed: its set is INCOMPLETE and leaves no half-written files. */
  async #end(error: unknown): Promise<void> {
    const { store, clock, log } = this.#deps;
    const isCanceled = this.#job.status === 'CANCELING';
    const cause = isCanceled ? fail('CANCELED', {}) : error;
    let comment = toComment(cause);
    const set = store.backupSets.get(this.#setKey);
    try {
      await this.#closeAttempt();
      if (set) await clearAttempt(this.#destination, this.#set, set);
    } catch (leftover) {
      log.error('files of an incomplete backup set stay', { ...this.#setKey, error: leftover });
      comment = `${comment}; its files could not be removed: ${toComment(leftover)}`;
    }
    if (this.#controller.signal.reason instanceof ServerStopping) return;
    log.warn('backup ended without a set', { ...this.#key, isCanceled, error: cause });
    const ended = { endNs: clock.nowNs(), result: toResult(cause), comment: commentText(comment) };
    store.transaction(() => {
      const status = isCanceled ? 'CANCELED' : 'FAILED';
      const task = this.#task;
      if (isCanceled && task.status !== 'CANCELING')
        store.backupTasks.change(this.#taskKey, {
          status: checkMove('backup task', TASK_MOVES, task.status, 'CANCELING'),
        });
      store.backupTasks.change(this.#taskKey, { ...ended, status });
      if (set) store.backupSets.change(this.#setKey, { ...ended, status: 'FAILED', fileStatus: 'INCOMPLETE' });
      store.backupJobs.change(this.#key, { ...ended, status, ...WITHOUT_KEYS }, { status: this.#job.status });
    });
  }

  async #closeSnapshot(attempt: Attempt): Promise<void> {
    if (!attempt.isSnapshotOpen) return;
    attempt.isSnapshotOpen = false;
    await attempt.snapshot.close();
  }

  async #closeAttempt(): Promise<void> {
    const attempt = this.#attempt;
    if (!attempt) return;
    this.#attempt = undefined;
    attempt.keys.dataKey?.fill(0);
    await this.#closeSnapshot(attempt);
  }
}

/** An ended job needs its data key no more: the slot at the destination is the only way to it. */
const WITHOUT_KEYS = { keys: undefined } as unknown as Partial<BackupJob>;
