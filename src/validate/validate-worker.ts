// Does one validate job: set by set, piece by piece, each state durable before its effect. It reads and changes nothing at a
// destination, so that every task can be done again from the start.
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { fail, toComment, toResult } from '../base/errors.ts';
import { COMMENT_CHARS_MAX } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { ServerStopping } from '../base/server-stopping.ts';
import { proveOwner } from '../destination/claim-destination.ts';
import type { Destination, OpenDestination } from '../destination/destination.ts';
import { parsePieceDirectory, parseSetDirectory } from '../format/layout.ts';
import type { ArchivePiece, FileStatus } from '../model/archive-round.ts';
import { type BackupSet, JOB_MOVES, type JobRef, type JobStatus } from '../model/backup-job.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import { checkMove, isFinal } from '../model/moves.ts';
import type { Rehearsal, RehearsalRequest } from '../model/rehearsal.ts';
import {
  VALIDATE_TASK_MOVES,
  type ValidateJob,
  type ValidateTask,
  type ValidateTaskStatus,
} from '../model/validate-job.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { setsAt } from '../store/data-places.ts';
import type { Store } from '../store/store.ts';
import { roundLogKeys } from '../store/tenant-keys.ts';
import { checkPieceFacts, checkPieceLog, PieceListing } from './check-piece.ts';
import { checkSetBasic, checkSetPhysical, proofOfSet } from './check-set.ts';
import { type DamagedPlace, damagedPlace, isDamage } from './damage.ts';
import { drillComment, runDrill } from './drill.ts';
import { markBroken, markMended, objectOf, readsEverything, recordReading } from './ledger.ts';
import { recordJobEnd } from './validate-events.ts';
import { openKey } from './validate-keys.ts';
import type { Proof } from './validate-service.ts';

export interface ValidateDependencies {
  store: Store;
  clock: Clock;
  log: Log;
  openDestination: OpenDestination;
  pipeline: Pick<Pipeline, 'verify'>;
  /** A restore to a file of its own, checked. */
  rehearse(request: RehearsalRequest): Promise<Rehearsal>;
  /** Where drills restore to. Nothing else lies there. */
  scratchDir: string;
}

/** Progress is written at most four times a second. */
const PROGRESS_INTERVAL_MS = 250;
/** Nothing is to be read there any more. */
const GOING: ReadonlySet<FileStatus> = new Set(['EXPIRED', 'DELETING', 'DELETED']);

type ObjectRow = BackupSet | ArchivePiece;

export class ValidateWorker {
  readonly #deps: ValidateDependencies;
  readonly #key: JobRef;
  readonly #controller = new AbortController();
  /** By destination. */
  readonly #listings = new Map<string, PieceListing>();

  constructor(deps: ValidateDependencies, { tenantId, jobId }: JobRef) {
    this.#deps = deps;
    this.#key = { tenantId, jobId };
  }

  /** Makes the work end soon. The reason decides what becomes of the job. */
  abort(reason: Error): void {
    this.#controller.abort(reason);
  }

  /** Works until the job has ended or the server stops. */
  async run(): Promise<void> {
    const { signal } = this.#controller;
    try {
      if (this.#job.status === 'CANCELING') throw fail('CANCELED', {});
      if (this.#job.status === 'INIT') this.#moveJob('DOING');
      for (const task of this.#deps.store.validateTasks.find(this.#key)) {
        if (isFinal(VALIDATE_TASK_MOVES, task.status)) continue;
        await this.#carryOut(task);
        signal.throwIfAborted();
      }
      this.#end(null);
    } catch (error) {
      if (signal.reason instanceof ServerStopping) return;
      this.#end(error);
    }
  }

  get #job(): ValidateJob {
    const job = this.#deps.store.validateJobs.get(this.#key);
    assert(job, 'a running job has a row');
    return job;
  }

  #moveJob(to: JobStatus, patch: Partial<ValidateJob> = {}): void {
    const { status } = this.#job;
    const moved = checkMove('validate job', JOB_MOVES, status, to);
    this.#deps.store.validateJobs.change(this.#key, { ...patch, status: moved }, { status });
  }

  #moveTask({ taskId }: ValidateTask, to: ValidateTaskStatus, patch: Partial<ValidateTask> = {}): void {
    const key = { tenantId: this.#key.tenantId, taskId };
    const { status } = this.#deps.store.validateTasks.get(key)!;
    const moved = checkMove('validate task', VALIDATE_TASK_MOVES, status, to);
    this.#deps.store.validateTasks.change(key, { ...patch, status: moved }, { status });
  }

  /** One object. Whatever is wrong with it, the others are looked at too. */
  async #carryOut(task: ValidateTask): Promise<void> {
    const { clock, store, log } = this.#deps;
    try {
      const proof = await this.#read(task);
      store.transaction(() => this.#pass(task, proof));
    } catch (error) {
      if (this.#controller.signal.aborted) throw error;
      if (this.#isGoing(task)) {
        const comment = 'its deletion was begun before it was read';
        this.#moveTask(task, 'CANCELED', { endNs: clock.nowNs(), result: 0, comment });
        return;
      }
      const broken = await this.#provenDamage(task, error);
      log.warn('a backup object did not pass its validation', { ...this.#key, taskId: task.taskId, error });
      store.transaction(() => this.#fail(task, error, broken));
    }
  }

  async #read(task: ValidateTask): Promise<Proof> {
    const startNs = this.#deps.clock.nowNs();
    this.#moveTask(task, task.level === 'restore' ? 'RESTORE' : 'BASIC', { startNs, validatedBytes: 0n });
    if (this.#isGoing(task)) throw fail('BACKUP_FILE_NOT_EXIST', { file: task.directory });
    if (task.level === 'restore') return await this.#drill(task);
    await using destination = this.#deps.openDestination(parseDestinationUri(task.uri), task.tenantId);
    await this.#proveOwner(destination, task.taskType === 'BACKUP SET');
    if (task.taskType === 'BACKUP SET') return await this.#readSet(task, destination);
    const before = this.#rowOf(task);
    try {
      return await this.#readPiece(task, destination);
    } catch (error) {
      // It was frozen while it was read, and its log lies in other segments now.
      if (!isDamage(error) || this.#rowOf(task)?.status === before?.status) throw error;
      return await this.#readPiece(task, destination);
    }
  }

  async #readSet(task: ValidateTask, destination: Destination): Promise<Proof> {
    const ref = parseSetDirectory(task.directory);
    assert(ref, 'the directory of a set names it');
    const dataKey = openKey(this.#deps.store.secrets, this.#job, ref.backupSetId);
    const row = this.#rowOf(task) as BackupSet | undefined;
    const check = { ...this.#parts(task), destination, ref, row, dataKey };
    try {
      const read = await checkSetBasic(check);
      if (task.level === 'physical') {
        this.#moveTask(task, 'PHYSICAL');
        await checkSetPhysical(check, read);
      }
      return proofOfSet(read, dataKey);
    } finally {
      dataKey?.fill(0);
    }
  }

  async #readPiece(task: ValidateTask, destination: Destination): Promise<Proof> {
    const ref = parsePieceDirectory(task.directory);
    assert(ref, 'the directory of a piece names it');
    const listing = this.#listings.get(task.uri) ?? new PieceListing();
    this.#listings.set(task.uri, listing);
    const row = this.#rowOf(task) as ArchivePiece | undefined;
    const { store } = this.#deps;
    const logKeys = roundLogKeys(store, { tenantId: task.tenantId, roundId: ref.roundId });
    const check = { ...this.#parts(task), destination, ref, listing, row, logKeys };
    const found = await checkPieceFacts(check);
    const isWithImages = task.level === 'physical';
    if (isWithImages) this.#moveTask(task, 'PHYSICAL');
    return await checkPieceLog(check, found, isWithImages);
  }

  async #drill(task: ValidateTask): Promise<Proof> {
    const { rehearse, scratchDir, store } = this.#deps;
    const job = this.#job;
    const dataKeyOf = (backupSetId: number) => openKey(store.secrets, job, backupSetId);
    const rehearsal = await runDrill(job, task, { ...this.#parts(task), rehearse, scratchDir, dataKeyOf });
    const proof = { provedScn: rehearsal.restoreScn, isProved: true, comment: drillComment(rehearsal) };
    store.transaction(() => this.#recordParts(task, rehearsal, proof));
    return proof;
  }

  /** What a drill was made of has been restored too. */
  #recordParts({ tenantId, jobId }: ValidateTask, { backupSetIds, pieceIds }: Rehearsal, proof: Proof): void {
    const nowNs = this.#deps.clock.nowNs();
    const record = (objectType: 'BACKUP SET' | 'BACKUP PIECE', objectId: number) =>
      recordReading(
        this.#deps.store,
        { tenantId, objectType, objectId, level: 'restore', uri: '' },
        { jobId, nowNs, proof: { ...proof, comment: `part of a drill to SCN ${proof.provedScn}` } },
      );
    for (const id of backupSetIds) record('BACKUP SET', id);
    for (const id of pieceIds) record('BACKUP PIECE', id);
  }

  /** What every kind of reading is given. */
  #parts(task: ValidateTask) {
    const { store, clock, pipeline } = this.#deps;
    const key = { tenantId: task.tenantId, taskId: task.taskId };
    let nextMs = 0;
    return {
      ...{ owner: this.#owner, pipeline, signal: this.#controller.signal },
      onTotal: (totalBytes: bigint) => store.validateTasks.change(key, { totalBytes }),
      onProgress: ({ bytes }: { bytes: number }) => {
        if (this.#controller.signal.aborted || clock.monotonicMs() < nextMs) return;
        nextMs = clock.monotonicMs() + PROGRESS_INTERVAL_MS;
        store.validateTasks.change(key, { validatedBytes: BigInt(bytes) });
      },
    };
  }

  get #owner() {
    return { clusterUuid: this.#deps.store.cluster.uuid, tenantId: this.#key.tenantId };
  }

  /** Another directory may be mounted there by now: what is missing in it says nothing. @throws 9080, 9081 */
  async #proveOwner(destination: Destination, isOfSets: boolean): Promise<void> {
    await proveOwner(destination, { ...this.#owner, destKind: isOfSets ? 'backup_data' : 'archive_log' });
  }

  /** The row of what a task reads, where it reads it; undefined for a drill, and for what is known from a path only. */
  #rowOf({ tenantId, taskType, objectId, uri }: ValidateTask): ObjectRow | undefined {
    const { store } = this.#deps;
    if (taskType === 'TENANT') return undefined;
    const row: ObjectRow | undefined =
      taskType === 'BACKUP SET'
        ? store.backupSets.get({ tenantId, backupSetId: objectId })
        : store.pieces.get({ tenantId, pieceId: objectId });
    if (row?.uri === uri) return row;
    return taskType === 'BACKUP SET'
      ? setsAt(store, tenantId, uri).find((set) => set.backupSetId === objectId)
      : store.pieceCopies.find({ tenantId, pieceId: objectId, uri })[0];
  }

  #isGoing(task: ValidateTask): boolean {
    const row = this.#rowOf(task);
    return row !== undefined && GOING.has(row.fileStatus);
  }

  /** Where the damage lies that an error tells of; undefined unless it is certain that objects are damaged. */
  async #provenDamage(task: ValidateTask, error: unknown): Promise<{ uri: string; place: DamagedPlace } | undefined> {
    if (!isDamage(error)) return undefined;
    // What an engine finds in the file that a drill wrote may be the database's own: then the backups are exact.
    const place = damagedPlace(error) ?? (task.level === 'restore' ? undefined : placeOf(task));
    if (!place) return undefined;
    const uri = 'piece' in place && task.archiveUri !== '' ? task.archiveUri : task.uri;
    try {
      await using destination = this.#deps.openDestination(parseDestinationUri(uri), task.tenantId);
      await this.#proveOwner(destination, 'set' in place);
      return { uri, place };
    } catch {
      // The destination went away while it was read.
      return undefined;
    }
  }

  #pass(task: ValidateTask, proof: Proof): void {
    const { store, clock } = this.#deps;
    const { tenantId, jobId, taskId, level, uri } = task;
    const nowNs = clock.nowNs();
    const { totalBytes } = store.validateTasks.get({ tenantId, taskId })!;
    const done = { endNs: nowNs, result: 0, comment: proof.comment, validatedBytes: totalBytes };
    this.#moveTask(task, 'COMPLETED', done);
    store.validateJobs.change(this.#key, { successTaskCount: this.#job.successTaskCount + 1 });
    // What was read at another destination is another copy: nothing is known of the tenant's own by it.
    if (task.taskType !== 'TENANT' && !this.#rowOf(task)) return;
    recordReading(store, objectOf(store, task), { jobId, nowNs, proof });
    const place = placeOf(task);
    if (place && proof.isProved && readsEverything(level)) markMended(store, { tenantId, uri, place, nowNs });
  }

  #fail(task: ValidateTask, error: unknown, broken: { uri: string; place: DamagedPlace } | undefined): void {
    const { store, clock } = this.#deps;
    const nowNs = clock.nowNs();
    const failed = { result: toResult(error), comment: toComment(error).slice(0, COMMENT_CHARS_MAX) };
    this.#moveTask(task, 'FAILED', { endNs: nowNs, ...failed });
    if (task.taskType === 'TENANT' || this.#rowOf(task))
      recordReading(store, objectOf(store, task), { jobId: task.jobId, nowNs, proof: failed });
    if (broken) markBroken(store, { tenantId: task.tenantId, nowNs, ...broken });
  }

  /** Ends the job; what it did not come to was not read. */
  #end(error: unknown): void {
    const { store, clock, log } = this.#deps;
    const endNs = clock.nowNs();
    store.transaction(() => {
      const job = this.#job;
      const isCanceled = job.status === 'CANCELING';
      const cause = isCanceled ? fail('CANCELED', {}) : error;
      const stopped = cause === null ? null : { result: toResult(cause), comment: toComment(cause) };
      const tasks = store.validateTasks.find(this.#key);
      for (const task of tasks)
        if (stopped && !isFinal(VALIDATE_TASK_MOVES, task.status))
          this.#moveTask(task, isCanceled ? 'CANCELED' : 'FAILED', { endNs, ...stopped });
      const outcome = stopped ?? outcomeOf(tasks);
      const to = isCanceled ? 'CANCELED' : outcome.result === 0 ? 'COMPLETED' : 'FAILED';
      this.#moveJob(to, { ...outcome, endNs, sealedDataKeys: {} });
      recordJobEnd(store, endNs, this.#job);
      log.info('validate job ended', { ...this.#key, status: to, ...outcome });
    });
  }
}

/** The set or piece that a task is about; undefined for a drill at the newest point. */
function placeOf({ directory }: ValidateTask): DamagedPlace | undefined {
  const set = parseSetDirectory(directory);
  if (set) return { set };
  const piece = parsePieceDirectory(directory);
  return piece && { piece };
}

function outcomeOf(tasks: readonly ValidateTask[]): { result: number; comment: string } {
  const failed = tasks.filter(({ status }) => status === 'FAILED');
  const [first] = failed;
  if (!first) return { result: 0, comment: '' };
  const what = first.taskType === 'TENANT' ? 'the drill' : `${first.taskType.toLowerCase()} ${first.objectId}`;
  const comment = `${failed.length} of ${tasks.length} failed; ${what}: ${first.comment}`;
  return { result: first.result, comment: comment.slice(0, COMMENT_CHARS_MAX) };
}
