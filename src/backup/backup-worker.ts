// Does the work of one backup job: a machine over the task's states in the documented order. Each state is durable
// before its effect and each effect may be repeated. What the data phases know lives in memory only, so after a crash
// they begin again from BACKUP_DATA_MINOR; packs that were complete are used again as far as they still hold the present
// state. A set whose manifest was already written is finished instead.

import { assert, unreachable } from '../base/assert.ts';
import { fail, toComment, toResult } from '../base/errors.ts';
import { ServerStopping } from '../base/server-stopping.ts';
import type { Destination } from '../destination/destination.ts';
import { lockedUntil, removeIfAllowed } from '../destination/locks.ts';
import { type SetRef, setStartName } from '../format/layout.ts';
import type { PageMapPoint } from '../format/page-map-file.ts';
import { type BackupJob, type BackupSet, type BackupTask, TASK_MOVES, type TaskStatus } from '../model/backup-job.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import { checkMove, isFinal } from '../model/moves.ts';
import { ceilToMicrosecond, toScn } from '../model/scn.ts';
import type { Tenant } from '../model/tenant.ts';
import { Attempt, type Distrust } from './attempt.ts';
import { awaitCopies, lackingCopies } from './await-copies.ts';
import type { BackupDependencies } from './backup-dependencies.ts';
import { openJobKeys, uuidOf } from './backup-keys.ts';
import { commentText, joinRemarks, NO_FIGURES, NO_ROUND } from './backup-records.ts';
import { beginSet } from './begin-set.ts';
import { moveJob } from './choose-place.ts';
import { copyOptions, workersFor } from './copy-options.ts';
import { DataLease } from './data-lease.ts';
import { becomeFull, completeJob, endWithoutSet, type KeysOfJob, publishSet } from './finish-job.ts';
import { type Leftover, removeUnused, takeLeftover } from './finished-packs.ts';
import { damageText, type OpenParent, openParent } from './open-parent.ts';
import { savePageMap } from './save-page-map.ts';
import { attachedCapture, awaitLog } from './watch-archive.ts';
import { type CompleteSet, completeSet, findWholeSet } from './whole-set.ts';
import { clearAttempt, clearIncrement, putNew, putPlaceholders, writeSet } from './write-set.ts';

export class BackupWorker {
  readonly #deps: BackupDependencies;
  readonly #key: { tenantId: number; jobId: number };
  readonly #taskKey: { tenantId: number; taskId: number };
  #set: SetRef;
  readonly #controller = new AbortController();
  #destination: Destination;
  /** Proved before anything is written, replaced or removed there. */
  #lease: DataLease;
  #attempt: Attempt | undefined;
  #parent: OpenParent | undefined;
  /** What was found wrong with the log: it does not tell the pages of an increment any more. */
  #distrust: Distrust | undefined;
  /** Packs of an attempt before a crash. */
  #leftover: Leftover | null = null;
  readonly #onPublish: (tenantId: number) => void;
  #isCommitting = false;
  /** True while the set is whole and only copies of it are waited for: others may work meanwhile. */
  isAwaitingCopies = false;
  /** The state in the set that was made. */
  #made: PageMapPoint | undefined;

  constructor(deps: BackupDependencies, job: BackupJob, onPublish: (tenantId: number) => void = () => {}) {
    this.#deps = deps;
    this.#onPublish = onPublish;
    const { tenantId, jobId, backupSetId } = job;
    this.#key = { tenantId, jobId };
    const task = deps.store.backupTasks.find(this.#key)[0];
    assert(task && backupSetId > 0, 'a job that works has a task and a set');
    this.#taskKey = { tenantId, taskId: task.taskId };
    this.#set = { backupSetId, type: job.backupType };
    this.#destination = deps.openDestination(parseDestinationUri(job.uri), tenantId);
    this.#lease = new DataLease(deps, this.#destination, job);
  }

  /** True once the manifest is being written: too late to cancel. */
  get isCommitting(): boolean {
    return this.#isCommitting;
  }

  /** Keeps the page map of the set that was made beside the server: once the job has ended, and nobody waits. */
  async keepPageMap(): Promise<void> {
    const made = this.#made;
    this.#made = undefined;
    if (made) await savePageMap(this.#deps, this.#key.tenantId, made);
  }

  /** Makes the work end soon. The reason decides what becomes of the job. */
  abort(reason: Error): void {
    this.#controller.abort(reason);
  }

  /** Works until the job has ended or the server stops. */
  async run(): Promise<void> {
    try {
      // Worker processes come up while it is planned; an increment is short and will want one.
      const workers = this.#set.type === 'INC' ? 1 : workersFor(this.#deps, this.#tenant());
      this.#deps.pipeline.prepare(workers, 'backup');
      // A job that has not begun may have to go to another destination.
      if (this.#task.status !== 'INIT') await this.#lease.prove();
      await this.#work();
    } catch (error) {
      if (this.#controller.signal.reason instanceof ServerStopping) return;
      // A whole set is not taken back because of its copies.
      if (this.#deps.store.backupSets.get(this.#setKey)?.status === 'SUCCESS') this.#completeJob(toComment(error));
      else await this.#end(error);
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
        return this.#attempt ? this.#awaitLog(task, this.#attempt) : this.#startOver(task);
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

  async #begin(task: BackupTask): Promise<void> {
    const { store, clock } = this.#deps;
    const place = await moveJob(this.#deps, this.#job, this.#taskKey);
    if (place) {
      await this.#destination[Symbol.asyncDispose]();
      this.#destination = this.#deps.openDestination(parseDestinationUri(place.uri), this.#key.tenantId);
      this.#lease = new DataLease(this.#deps, this.#destination, this.#job);
    }
    await this.#lease.prove();
    const parent = await this.#readParent();
    this.#controller.signal.throwIfAborted();
    store.transaction(() => {
      beginSet(this.#deps, this.#job, parent);
      this.#move(task, 'BACKUP_SYS_META', { startScn: toScn(clock.nowNs()) });
    });
  }

  /** The set to build on; null for a full backup. When it can not be built on, the job becomes one. */
  async #readParent(): Promise<OpenParent | null> {
    if (this.#set.type === 'FULL') return null;
    try {
      this.#parent ??= await openParent(this.#deps, this.#destination, this.#job);
      return this.#parent;
    } catch (error) {
      const because = damageText(error);
      if (because === undefined) throw error;
      this.#becomeFull(because);
      return null;
    }
  }

  /** What the increment has begun at the destination goes with the next clearing. */
  #becomeFull(because: string): void {
    becomeFull(this.#deps, this.#keys, because);
    this.#set = { ...this.#set, type: 'FULL' };
  }

  /** Nothing else of an earlier attempt is left afterwards, nor of an increment that became a full backup. */
  async #clearFiles(set: BackupSet, keep: Leftover | null): Promise<void> {
    await this.#lease.prove();
    if (!keep) this.#deps.store.finishedPacks.remove(this.#setKey);
    await clearAttempt(this.#destination, this.#set, set, keep?.names);
    if (this.#set.type === 'FULL' && this.#job.parent) await clearIncrement(this.#destination, set);
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
    // Before it writes anything: its names are then nobody else's.
    store.backupTasks.change(this.#taskKey, { attempt: task.attempt + 1 }, { status: task.status });
    const { tenantId } = this.#key;
    const { signal } = this.#controller;
    const parent = await this.#readParent();
    const { capture, round } = await attachedCapture(this.#deps, tenantId, signal);
    this.#leftover = await this.#takeLeftover();
    const keys = openJobKeys(store.secrets, this.#job, this.#leftover?.setUuid);
    const attempt = await Attempt.begin(this.#deps, { tenantId, round, capture, keys });
    this.#attempt = attempt;
    if (store.currentRound(tenantId)?.roundId !== round.roundId) throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
    const { scn, facts, pageSize } = attempt.snapshot;
    if (parent && parent.map.pageSize !== pageSize)
      this.#becomeFull(`pages have ${pageSize} bytes now, and had ${parent.map.pageSize} in the set before`);
    else if (parent)
      await attempt.plan(parent, { workers: workersFor(this.#deps, this.#tenant()), distrust: this.#distrust, signal });
    const stays = await removeIfAllowed(() => this.#clearFiles(this.#row, this.#leftover));
    if (stays !== undefined) this.#deps.log.warn('what an earlier attempt left stays', { ...this.#setKey, stays });
    // A job that became a full backup has a directory of another name now.
    if (this.#job.parent) await putNew(this.#destination, setStartName(this.#set), new Uint8Array(0));
    const figures = { blockCount: attempt.blockCount, tabletCount: facts.tableCount };
    const minRestoreScn = ceilToMicrosecond(scn);
    store.transaction(() => {
      const scns = { consistentScn: scn, startReplayScn: scn, minRestoreScn };
      store.backupSets.change(this.#setKey, { ...figures, ...scns, roundId: round.roundId }, { status: 'DOING' });
      this.#move(task, 'BACKUP_DATA_MAJOR', { ...figures, endScn: minRestoreScn });
    });
  }

  /** An increment is short: it begins again. */
  async #takeLeftover(): Promise<Leftover | null> {
    if (this.#set.type !== 'FULL') return null;
    const { keys } = this.#job;
    const of = { set: this.#setKey, ref: this.#set, setUuid: keys ? uuidOf(keys) : null };
    return await takeLeftover(this.#deps.store, this.#destination, of);
  }

  get #row(): BackupSet {
    const set = this.#deps.store.backupSets.get(this.#setKey);
    assert(set, 'a set that is worked on has a row');
    return set;
  }

  async #copy(task: BackupTask, attempt: Attempt): Promise<void> {
    const { store } = this.#deps;
    const options = copyOptions(this.#deps, {
      ...{ tenant: this.#tenant(), taskId: this.#taskKey.taskId, destination: this.#destination, ref: this.#set },
      ...{ setUuid: attempt.keys.setUuid, leftover: this.#leftover, signal: this.#controller.signal },
      attempt: task.attempt,
    });
    const distrust = await attempt.copy(options, { distrust: this.#distrust });
    if (distrust !== null) {
      this.#distrust = distrust;
      await this.#closeAttempt();
      return this.#startOver(task);
    }
    const { result } = attempt.copied;
    const leftover = this.#leftover;
    if (leftover) await removeUnused(this.#destination, { ref: this.#set, leftover, used: result.packs });
    const figures = {
      inputBytes: BigInt(result.inputBytes),
      outputBytes: BigInt(result.outputBytes),
      finishBlockCount: result.blocks.length,
      finishTabletCount: attempt.snapshot.facts.tableCount,
    };
    const { remarks } = attempt;
    store.transaction(() => {
      const comment = joinRemarks([this.#job.comment, ...remarks]);
      store.backupSets.change(this.#setKey, { ...figures, comment: joinRemarks(remarks) }, { status: 'DOING' });
      store.backupJobs.change(this.#key, { comment });
      this.#move(task, 'BEFORE_BACKUP_LOG', figures);
    });
  }

  async #awaitLog(task: BackupTask, attempt: Attempt): Promise<void> {
    const { isLogReached, logFault } = attempt;
    await awaitLog(this.#deps, { ...this.#row, isLogReached }, this.#controller.signal);
    // Not before: the log that is durable by now leads up to this set, and the next round goes on from its end.
    if (logFault !== null) await this.#deps.archive.interrupt(this.#key.tenantId, logFault);
    const { store } = this.#deps;
    store.transaction(() => {
      // A log that was proved wrong does not lead on from this set: it stands for its own point alone.
      if (logFault !== null) store.backupSets.change(this.#setKey, { roundId: NO_ROUND }, { status: 'DOING' });
      this.#move(task, 'BACKUP_LOG');
    });
  }

  async #finish(task: BackupTask, attempt: Attempt): Promise<void> {
    const { copied, keys, snapshot, increment } = attempt;
    const { store, clock, driver } = this.#deps;
    this.#isCommitting = true;
    await this.#lease.prove();
    const written = await writeSet({
      destination: this.#destination,
      ref: this.#set,
      job: this.#job,
      row: this.#row,
      attempt: task.attempt,
      cluster: store.cluster,
      tenant: this.#tenant(),
      engine: driver.name,
      source: snapshot,
      copied,
      increment,
      keys,
      serverVersion: this.#deps.serverVersion ?? 'holdfast',
      clock,
      prove: () => this.#lease.prove(),
    });
    const { roundId, consistentScn } = this.#row;
    await this.#publish({ done: written });
    // From a state that the log does not have no repair of the log may go on.
    if (attempt.logFault === null) this.#made = { roundId, scn: consistentScn, map: copied.map };
  }

  /** After a crash in this state: the manifest may be there already, and then the set is whole. */
  async #finishOrStartOver(task: BackupTask): Promise<void> {
    if (!(await this.#takeUpWhole())) this.#startOver(task);
  }

  /** A set is complete when its manifest is there, whichever attempt it is of. @returns whether it is */
  async #takeUpWhole(): Promise<boolean> {
    const manifest = await findWholeSet(this.#destination, this.#set, this.#row);
    if (!manifest) return false;
    await this.#lease.prove();
    this.#isCommitting = true;
    await putPlaceholders(this.#destination, this.#set, manifest.set);
    await this.#publish(completeSet(manifest));
    return true;
  }

  /** The set is whole: it is known as such, and its copies are planned, before any of them is waited for. */
  async #publish(set: CompleteSet): Promise<void> {
    const lockedUntilNs = lockedUntil(this.#destination, this.#deps.clock.nowNs());
    this.#deps.store.transaction(() => {
      publishSet(this.#deps, this.#keys, { ...set, lockedUntilNs });
      if (lackingCopies(this.#deps, this.#row).length === 0) this.#completeJob('');
    });
    this.#deps.log.info('backup set available', {
      ...this.#setKey,
      jobId: this.#key.jobId,
      outputBytes: set.done.outputBytes,
    });
    this.isAwaitingCopies = true;
    this.#onPublish(this.#key.tenantId);
    if (isFinal(TASK_MOVES, this.#task.status)) return;
    this.#completeJob(await awaitCopies(this.#deps, this.#row, this.#controller.signal));
  }

  get #keys(): KeysOfJob {
    return { key: this.#key, taskKey: this.#taskKey, setKey: this.#setKey };
  }

  #completeJob = (remark: string): void =>
    completeJob(this.#deps, this.#keys, { remark, hasWaited: this.isAwaitingCopies });

  /** Ends a job that was cancelled or failed: its set is INCOMPLETE and leaves no half-written files. */
  async #end(error: unknown): Promise<void> {
    const { store, clock, log } = this.#deps;
    const isCanceled = this.#job.status === 'CANCELING';
    const cause = isCanceled ? fail('CANCELED', {}) : error;
    let comment = toComment(cause);
    const set = store.backupSets.get(this.#setKey);
    try {
      await this.#closeAttempt();
      // The answer to the manifest may have been lost: what lies there whole is no failure, and may be locked.
      if (this.#isCommitting && (await this.#takeUpWhole())) return;
      if (set) await this.#clearFiles(set, null);
    } catch (leftover) {
      log.error('files of an incomplete backup set stay', { ...this.#setKey, error: leftover });
      comment = `${comment}; its files could not be removed: ${toComment(leftover)}`;
    }
    if (this.#controller.signal.reason instanceof ServerStopping) return;
    if (store.backupSets.get(this.#setKey)?.status === 'SUCCESS') return this.#completeJob(comment);
    log.warn('backup ended without a set', { ...this.#key, isCanceled, error: cause });
    const ended = { endNs: clock.nowNs(), result: toResult(cause), comment: commentText(comment) };
    endWithoutSet(this.#deps, this.#keys, { ...ended, status: isCanceled ? 'CANCELED' : 'FAILED' });
  }

  async #closeAttempt(): Promise<void> {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    await attempt?.close();
  }
}
