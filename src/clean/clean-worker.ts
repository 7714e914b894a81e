// Does one delete job: task by task, each state durable before its effect, each effect repeatable. A set or piece is
// DELETING before its first object goes, and DELETED when the last one has gone. What is locked waits until the lock has
// ended, and with it what comes behind it.
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { fail, toComment, toResult } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { ServerStopping } from '../base/server-stopping.ts';
import { proveOwner } from '../destination/claim-destination.ts';
import { deletePiece, deleteRound, deleteSet, occupied } from '../destination/delete-objects.ts';
import type { Destination, OpenDestination } from '../destination/destination.ts';
import { checkUnlocked, lockEndOf, lockEndText } from '../destination/locks.ts';
import { manifestName, pieceDirectory, pieceInfoName, setDirectory } from '../format/layout.ts';
import { type Leases, NO_LEASES } from '../lease/lease-service.ts';
import type { ArchivePiece, FileStatus } from '../model/archive-round.ts';
import { JOB_MOVES, type JobStatus } from '../model/backup-job.ts';
import type { DeleteJob, DeleteTask } from '../model/delete-job.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import { checkMove, isFinal } from '../model/moves.ts';
import { deleteCopies } from '../store/data-places.ts';
import type { Store } from '../store/store.ts';
import { recordDeleted, recordJobEnd } from './clean-events.ts';
import { isChild } from './sys-outcome.ts';

/** How soon it is looked again at a lock of which nobody tells when it ends: a legal hold. */
const LOCK_RECHECK_NS = 3_600_000_000_000n;

export interface CleanDependencies {
  store: Store;
  clock: Clock;
  log: Log;
  openDestination: OpenDestination;
  /** Who writes a destination; absent: nobody else. */
  leases?: Leases;
  /** Copies of sets are to go: whoever makes them removes them, each destination at its own pace. */
  pumpCopies(): void;
}

/** Where a task's object lies, and how it is removed; removing may be repeated. */
interface Target {
  directory: string;
  /** The object that is written last and goes first: its lock ends last. */
  head: string;
  remove(destination: Destination): Promise<void>;
}

export class CleanWorker {
  readonly #deps: CleanDependencies;
  readonly #key: { tenantId: number; jobId: number };
  readonly #controller = new AbortController();
  readonly #onLocked: (untilNs: bigint) => void;
  /** By destination of the log: why nothing more goes there. */
  readonly #failed = new Map<number, unknown>();

  /** @param onLocked called when the job can go on at a later moment only, in ns since 1970: that takes another worker */
  constructor(
    deps: CleanDependencies,
    { tenantId, jobId }: Pick<DeleteJob, 'tenantId' | 'jobId'>,
    onLocked: (untilNs: bigint) => void,
  ) {
    this.#deps = deps;
    this.#onLocked = onLocked;
    this.#key = { tenantId, jobId };
  }

  /** Makes the work end behind the object that it is at. The reason decides what becomes of the job. */
  abort(reason: Error): void {
    this.#controller.abort(reason);
  }

  /** Works until the job has ended or waits for a lock, or the server stops. */
  async run(): Promise<void> {
    try {
      if (this.#job.status === 'CANCELING') throw fail('CANCELED', {});
      if (this.#job.status === 'INIT') this.#begin();
      for (const task of this.#deps.store.deleteTasks.find(this.#key)) {
        if (isFinal(JOB_MOVES, task.status) || this.#failed.has(task.destId)) continue;
        try {
          await this.#carryOut(task);
        } catch (error) {
          const untilNs = lockEndOf(error);
          if (untilNs !== null) return this.#wait(task, untilNs);
          // Of the log's destinations one that is away keeps no other from being cleaned.
          if (task.taskType !== 'BACKUP PIECE') throw error;
          this.#failed.set(task.destId, error);
        }
        this.#controller.signal.throwIfAborted();
      }
      for (const error of this.#failed.values()) throw error;
      this.#end('COMPLETED', null);
    } catch (error) {
      if (this.#controller.signal.reason instanceof ServerStopping) return;
      this.#end(this.#job.status === 'CANCELING' ? 'CANCELED' : 'FAILED', error);
    }
  }

  get #job(): DeleteJob {
    const job = this.#deps.store.deleteJobs.get(this.#key);
    assert(job, 'a running job has a row');
    return job;
  }

  /** With it begins the statement of root@sys that it belongs to. */
  #begin(): void {
    const { store } = this.#deps;
    const job = this.#job;
    store.transaction(() => {
      this.#moveJob('DOING');
      if (!isChild(job)) return;
      const sys = { tenantId: job.initiatorTenantId, jobId: job.initiatorJobId };
      store.deleteJobs.update(sys, { status: 'DOING' }, { status: 'INIT' });
    });
  }

  #moveJob(to: JobStatus): void {
    const { status } = this.#job;
    this.#deps.store.deleteJobs.change(
      this.#key,
      { status: checkMove('delete job', JOB_MOVES, status, to) },
      { status },
    );
  }

  async #carryOut(task: DeleteTask): Promise<void> {
    const { store, clock, leases = NO_LEASES } = this.#deps;
    const taskKey = { tenantId: task.tenantId, taskId: task.taskId };
    const target = targetOf(store, task);
    const destination = this.#deps.openDestination(parseDestinationUri(task.uri), task.tenantId);
    try {
      const destKind = task.taskType === 'BACKUP SET' ? 'backup_data' : 'archive_log';
      await proveOwner(destination, { clusterUuid: store.cluster.uuid, tenantId: task.tenantId, destKind });
      const lease = await leases.hold(destination, { tenantId: task.tenantId, uri: task.uri, destKind });
      if (task.status === 'INIT') {
        await checkUnlocked(destination, target.head);
        const { bytes, files } = await occupied(destination, target.directory);
        store.transaction(() => {
          const status = checkMove('delete task', JOB_MOVES, task.status, 'DOING');
          const startNs = clock.nowNs();
          store.deleteTasks.change(taskKey, { status, startNs, totalBytes: bytes, totalFiles: files });
          setFileStatus(store, task, 'DELETING');
          if (task.taskType === 'BACKUP SET')
            deleteCopies(store, { tenantId: task.tenantId, backupSetId: task.objectId });
        });
      }
      await lease.prove();
      await target.remove(destination);
    } finally {
      await destination[Symbol.asyncDispose]();
    }
    if (task.taskType === 'BACKUP SET') this.#deps.pumpCopies();
    store.transaction(() => {
      const { totalBytes, totalFiles } = store.deleteTasks.get(taskKey)!;
      store.deleteTasks.change(taskKey, {
        status: 'COMPLETED',
        endNs: clock.nowNs(),
        deletedBytes: totalBytes,
        deletedFiles: totalFiles,
        comment: '',
      });
      setFileStatus(store, task, 'DELETED');
      recordDeleted(this.#deps, task);
      store.deleteJobs.change(this.#key, { successTaskCount: this.#job.successTaskCount + 1 });
    });
  }

  /**
   * The rows say what is waited for, also to the planner: whatever else leans on it or comes behind it waits as well.
   * @param lockEndNs undefined when nobody tells
   */
  #wait(task: DeleteTask, lockEndNs: bigint | undefined): void {
    const { store, clock, log } = this.#deps;
    const { tenantId, taskId, taskType, objectId } = task;
    const lockedUntilNs = lockEndNs ?? clock.nowNs() + LOCK_RECHECK_NS;
    const until = lockEndNs === undefined ? 'a legal hold is lifted' : lockEndText(lockEndNs);
    const kind = taskType === 'BACKUP SET' ? 'set' : 'piece';
    const comment = `the objects of ${kind} ${objectId} are locked until ${until}: deleting goes on then`;
    store.transaction(() => {
      store.deleteTasks.change({ tenantId, taskId }, { comment });
      store.deleteJobs.change(this.#key, { comment });
      changeRow(store, task, { lockedUntilNs });
    });
    this.#onLocked(lockedUntilNs);
    log.info('delete job waits for a lock', { ...this.#key, taskType, objectId, until });
  }

  /** Ends the job, and what it did not come to gets the state back that it had. */
  #end(to: 'COMPLETED' | 'FAILED' | 'CANCELED', error: unknown): void {
    const { store, clock, log } = this.#deps;
    const outcome = outcomeOf(error);
    store.transaction(() => {
      for (const task of store.deleteTasks.find(this.#key)) {
        if (isFinal(JOB_MOVES, task.status)) continue;
        const status = to === 'COMPLETED' ? 'FAILED' : to;
        store.deleteTasks.change(
          { tenantId: task.tenantId, taskId: task.taskId },
          { ...outcomeOf(this.#failed.get(task.destId) ?? error), status, endNs: clock.nowNs() },
        );
        if (task.status === 'INIT') setFileStatus(store, task, task.fileStatusBefore);
      }
      const { status } = this.#job;
      const moved = checkMove('delete job', JOB_MOVES, status, to);
      store.deleteJobs.change(this.#key, { ...outcome, status: moved, endNs: clock.nowNs() });
      recordJobEnd(this.#deps, this.#job);
    });
    log.info('delete job ended', { ...this.#key, status: to, ...outcome });
  }
}

const outcomeOf = (error: unknown) =>
  error === null ? { result: 0, comment: '' } : { result: toResult(error), comment: toComment(error) };

export function setFileStatus(store: Store, task: DeleteTask, fileStatus: FileStatus): void {
  changeRow(store, task, { fileStatus });
}

/** The row of the set or piece; of a piece where the task deletes it: copies of the archive have rows of their own. */
function changeRow(
  store: Store,
  task: DeleteTask,
  patch: { fileStatus: FileStatus } | { lockedUntilNs: bigint },
): void {
  const { backupSets, pieces, pieceCopies } = store;
  const { tenantId, taskType, objectId, destId } = task;
  if (taskType === 'BACKUP SET') backupSets.change({ tenantId, backupSetId: objectId }, patch);
  else if (isOfCopy(store, task)) pieceCopies.change({ tenantId, pieceId: objectId, destId }, patch);
  else pieces.change({ tenantId, pieceId: objectId }, patch);
}

/** Whether a task is about what a copy of the archive holds of a piece. */
function isOfCopy({ pieceCopies }: Store, { tenantId, taskType, objectId, destId }: DeleteTask): boolean {
  return taskType === 'BACKUP PIECE' && pieceCopies.get({ tenantId, pieceId: objectId, destId }) !== undefined;
}

function targetOf(store: Store, task: DeleteTask): Target {
  const { tenantId, taskType, objectId, destId } = task;
  if (taskType === 'BACKUP SET') {
    const row = store.backupSets.get({ tenantId, backupSetId: objectId });
    assert(row, 'a set that is deleted has a row');
    const ref = { backupSetId: row.backupSetId, type: row.backupType };
    return {
      directory: setDirectory(ref),
      head: manifestName(ref),
      remove: (destination) => deleteSet(destination, ref),
    };
  }
  const copy = store.pieceCopies.get({ tenantId, pieceId: objectId, destId });
  const row = copy ?? store.pieces.get({ tenantId, pieceId: objectId });
  assert(row, 'a piece that is deleted has a row');
  return {
    directory: pieceDirectory(row),
    head: pieceInfoName(row),
    async remove(destination) {
      await deletePiece(destination, row);
      if (isLastOfRound(store, row)) await deleteRound(destination, row);
    },
  };
}

/** Whether nothing of a round is left behind a piece, and nothing will come: a piece is only deleted when it is frozen. */
function isLastOfRound(store: Store, { tenantId, roundId, pieceId, destId }: ArchivePiece): boolean {
  const status = store.rounds.get({ tenantId, roundId })?.status;
  const isOver = status === 'STOP' || (status === 'INTERRUPTED' && store.currentRound(tenantId)?.roundId !== roundId);
  if (!isOver) return false;
  return [
    ...store.pieces.find({ tenantId, roundId, destId }),
    ...store.pieceCopies.find({ tenantId, roundId, destId }),
  ].every((piece) => piece.pieceId === pieceId || piece.fileStatus === 'DELETED');
}
