// Does one delete job: task by task, each state durable before its effect, each effect repeatable. A set or piece is
// DELETING before its first object goes, and DELETED when the last one has gone.
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { fail, toComment, toResult } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { ServerStopping } from '../base/server-stopping.ts';
import { proveOwner } from '../destination/claim-destination.ts';
import type { Destination, OpenDestination } from '../destination/destination.ts';
import { pieceDirectory, setDirectory } from '../format/layout.ts';
import type { ArchivePiece, FileStatus } from '../model/archive-round.ts';
import { JOB_MOVES, type JobStatus } from '../model/backup-job.ts';
import type { DeleteJob, DeleteTask } from '../model/delete-job.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import { checkMove, isFinal } from '../model/moves.ts';
import type { Store } from '../store/store.ts';
import { recordDeleted, recordJobEnd } from './clean-events.ts';
import { deletePiece, deleteRound, deleteSet, occupied } from './delete-objects.ts';
import { isChild } from './sys-outcome.ts';

export interface CleanDependencies {
  store: Store;
  clock: Clock;
  log: Log;
  openDestination: OpenDestination;
}

/** Where a task's object lies, and how it is removed; removing may be repeated. */
interface Target {
  directory: string;
  remove(destination: Destination): Promise<void>;
}

export class CleanWorker {
  readonly #deps: CleanDependencies;
  readonly #key: { tenantId: number; jobId: number };
  readonly #controller = new AbortController();

  constructor(deps: CleanDependencies, { tenantId, jobId }: Pick<DeleteJob, 'tenantId' | 'jobId'>) {
    this.#deps = deps;
    this.#key = { tenantId, jobId };
  }

  /** Makes the work end behind the object that it is at. The reason decides what becomes of the job. */
  abort(reason: Error): void {
    this.#controller.abort(reason);
  }

  /** Works until the job has ended or the server stops. */
  async run(): Promise<void> {
    try {
      if (this.#job.status === 'CANCELING') throw fail('CANCELED', {});
      if (this.#job.status === 'INIT') this.#begin();
      for (const task of this.#deps.store.deleteTasks.find(this.#key)) {
        if (isFinal(JOB_MOVES, task.status)) continue;
        await this.#carryOut(task);
        this.#controller.signal.throwIfAborted();
      }
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
    const { store, clock } = this.#deps;
    const taskKey = { tenantId: task.tenantId, taskId: task.taskId };
    const target = targetOf(store, task);
    const destination = this.#deps.openDestination(parseDestinationUri(task.uri), task.tenantId);
    try {
      const destKind = task.taskType === 'BACKUP SET' ? 'backup_data' : 'archive_log';
      await proveOwner(destination, { clusterUuid: store.cluster.uuid, tenantId: task.tenantId, destKind });
      if (task.status === 'INIT') {
        const { bytes, files } = await occupied(destination, target.directory);
        store.transaction(() => {
          const status = checkMove('delete task', JOB_MOVES, task.status, 'DOING');
          const startNs = clock.nowNs();
          store.deleteTasks.change(taskKey, { status, startNs, totalBytes: bytes, totalFiles: files });
          setFileStatus(store, task, 'DELETING');
        });
      }
      await target.remove(destination);
    } finally {
      await destination[Symbol.asyncDispose]();
    }
    store.transaction(() => {
      const { totalBytes, totalFiles } = store.deleteTasks.get(taskKey)!;
      store.deleteTasks.change(taskKey, {
        status: 'COMPLETED',
        endNs: clock.nowNs(),
        deletedBytes: totalBytes,
        deletedFiles: totalFiles,
      });
      setFileStatus(store, task, 'DELETED');
      recordDeleted(this.#deps, task);
      store.deleteJobs.change(this.#key, { successTaskCount: this.#job.successTaskCount + 1 });
    });
  }

  /** Ends the job, and what it did not come to gets the state back that it had. */
  #end(to: 'COMPLETED' | 'FAILED' | 'CANCELED', error: unknown): void {
    const { store, clock, log } = this.#deps;
    const outcome =
      error === null ? { result: 0, comment: '' } : { result: toResult(error), comment: toComment(error) };
    store.transaction(() => {
      for (const task of store.deleteTasks.find(this.#key)) {
        if (isFinal(JOB_MOVES, task.status)) continue;
        const status = to === 'COMPLETED' ? 'FAILED' : to;
        store.deleteTasks.change(
          { tenantId: task.tenantId, taskId: task.taskId },
          { ...outcome, status, endNs: clock.nowNs() },
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

export function setFileStatus(store: Store, task: DeleteTask, to: FileStatus): void {
  const { tenantId, taskType, objectId, destId } = task;
  if (taskType === 'BACKUP SET') store.backupSets.change({ tenantId, backupSetId: objectId }, { fileStatus: to });
  else if (isCopy(store, task)) store.pieceCopies.change({ tenantId, pieceId: objectId, destId }, { fileStatus: to });
  else store.pieces.change({ tenantId, pieceId: objectId }, { fileStatus: to });
}

/** Whether a task is about what a copy of the archive holds of a piece. */
function isCopy(store: Store, { tenantId, objectId, destId }: DeleteTask): boolean {
  return store.pieceCopies.get({ tenantId, pieceId: objectId, destId }) !== undefined;
}

function targetOf(store: Store, task: DeleteTask): Target {
  const { tenantId, taskType, objectId, destId } = task;
  if (taskType === 'BACKUP SET') {
    const row = store.backupSets.get({ tenantId, backupSetId: objectId });
    assert(row, 'a set that is deleted has a row');
    const ref = { backupSetId: row.backupSetId, type: row.backupType };
    return { directory: setDirectory(ref), remove: (destination) => deleteSet(destination, ref) };
  }
  const copy = store.pieceCopies.get({ tenantId, pieceId: objectId, destId });
  const row = copy ?? store.pieces.get({ tenantId, pieceId: objectId });
  assert(row, 'a piece that is deleted has a row');
  return {
    directory: pieceDirectory(row),
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
