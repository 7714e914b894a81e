// Does the work of one restore job: writes the database file under a temporary name, checks it, gives it its name, and
// only then the tenant is usable. Each state is durable before its effect; a failure leaves nothing behind.

import { dirname } from 'node:path';
import { assert, unreachable } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { fail, toComment, toResult } from '../base/errors.ts';
import { COMMENT_CHARS_MAX } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { ServerStopping } from '../base/server-stopping.ts';
import type { OpenDestination } from '../destination/destination.ts';
import { syncDirectory } from '../destination/file-destination.ts';
import { checksumText } from '../destination/roll-page-map.ts';
import type { EngineDriver } from '../engine/engine-driver.ts';
import { checkMove, isFinal } from '../model/moves.ts';
import { RESTORE_MOVES, type RestoreJob, type RestoreStatus } from '../model/restore-job.ts';
import { type Scn, toScn } from '../model/scn.ts';
import { nextFields, type Standby } from '../model/standby.ts';
import { administratorOf, isAuxiliaryTenantName, TENANT_MOVES, type Tenant } from '../model/tenant.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { accountWithoutPassword } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { storedLogKeys } from '../store/tenant-keys.ts';
import { buildFileAgain } from './build-again.ts';
import type { BuildRequest, BuiltFile } from './build-file.ts';
import { openAsSys } from './read-sources.ts';
import { recordRestoreEnd } from './restore-events.ts';
import { joinRemarks } from './restore-remarks.ts';
import { decodeSeed, encodeSeed, type RestoreSeed } from './restore-seed.ts';
import type { RestoreArchive } from './restore-service.ts';
import {
  checkPlaceIsFree,
  fileId,
  makeDirectoryFor,
  publishFile,
  removeEmptyDirectory,
  removeSideFiles,
  removeUnfinished,
} from './target-file.ts';

export interface RestoreDependencies {
  store: Store;
  clock: Clock;
  log: Log;
  driver: EngineDriver;
  openDestination: OpenDestination;
  pipeline: Pipeline;
  archive: RestoreArchive;
  /** Path for a tenant's database when the statement names none. */
  tenantLocation(tenantId: number, name: string): string;
  /** Cores of this machine: workers of one restore at most. */
  cores: number;
  /** Live checkpoint of a tenant's running round, fresher than its row; for `windows`. */
  checkpointOf?(tenantId: number): Scn | undefined;
}

/** Progress is written at most four times a second. */
const PROGRESS_INTERVAL_MS = 250;

/** So much of a cluster's uuid tells it from every other that shares a directory with it. */
const CLUSTER_CHARS = 8;

/** Where a data key of a job is sealed: the same words when it is opened. */
export const keyContext = (jobId: number, backupSetId: number) => `restore job ${jobId}, backup set ${backupSetId}`;

export class RestoreWorker {
  readonly #deps: RestoreDependencies;
  readonly #jobId: number;
  readonly #controller = new AbortController();
  /** The file of this process's own attempt; undefined before it is written and checked. */
  #built: BuiltFile | undefined;
  #isCommitting = false;

  constructor(deps: RestoreDependencies, jobId: number) {
    this.#deps = deps;
    this.#jobId = jobId;
  }

  /** True once the file gets its name: too late to cancel. */
  get isCommitting(): boolean {
    return this.#isCommitting;
  }

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
    }
  }

  async #work(): Promise<void> {
    for (;;) {
      const job = this.#job;
      if (isFinal(RESTORE_MOVES, job.status)) return;
      if (!this.#isCommitting) this.#controller.signal.throwIfAborted();
      this.#deps.log.debug('restore step', { jobId: this.#jobId, state: job.status });
      await this.#step(job);
    }
  }

  get #job(): RestoreJob {
    const job = this.#deps.store.restoreJobs.get({ jobId: this.#jobId });
    assert(job, 'a running restore job has a row');
    return job;
  }

  #tenantOf(job: RestoreJob): Tenant {
    const tenant = this.#deps.store.tenants.get({ tenantId: job.restoreTenantId });
    assert(tenant?.status === 'RESTORE', 'a tenant that is being restored has a row that says so');
    return tenant;
  }

  /** Names the cluster too: another one may be restoring to the same place with the same job id. */
  #temporary(job: RestoreJob): string {
    const cluster = this.#deps.store.cluster.uuid.slice(0, CLUSTER_CHARS);
    return `${this.#tenantOf(job).location}.restoring-${cluster}-${job.jobId}`;
  }

  async #step(job: RestoreJob): Promise<void> {
    switch (job.status) {
      case 'CREATE_TENANT':
        return this.#move(job, 'WAIT_TENANT_RESTORE_FINISH');
      case 'WAIT_TENANT_RESTORE_FINISH':
        return this.#build(job);
      case 'POST_CHECK':
        return this.#built ? this.#publish(job, this.#built) : this.#resumeCheck(job);
      case 'CANCELING':
        throw fail('CANCELED', {});
      case 'RESTORE_SUCCESS':
      case 'RESTORE_FAIL':
        return;
      default:
        return unreachable(job.status);
    }
  }

  #move(job: RestoreJob, to: RestoreStatus, patch: Partial<RestoreJob> = {}): void {
    if (!this.#isCommitting) this.#controller.signal.throwIfAborted();
    const status = checkMove('restore job', RESTORE_MOVES, job.status, to);
    this.#deps.store.restoreJobs.change({ jobId: this.#jobId }, { ...patch, status }, { status: job.status });
  }

  /** Writes the whole file under its temporary name. */
  async #build(job: RestoreJob): Promise<void> {
    const { pipeline, store, log, driver } = this.#deps;
    const openDestination = openAsSys(this.#deps);
    const { jobId, restoreScn } = job;
    const seed = decodeSeed(job.planSeed);
    const targetPath = this.#temporary(job);
    const { location } = this.#tenantOf(job);
    if (location === this.#ownLocation(job)) await makeDirectoryFor(location);
    await removeUnfinished(targetPath);
    let progress: ((done: { bytes: number }) => void) | undefined;
    const request: BuildRequest = {
      ...{ openDestination, pipeline, restoreScn, targetPath, signal: this.#controller.signal },
      seed,
      check: (path, whenWritten) => driver.check(path, { level: seed.check, whenWritten }),
      findKey: storedLogKeys(this.#deps.store),
      dataKeyOf: (backupSetId) => {
        const sealed = job.sealedDataKeys[backupSetId];
        return sealed ? store.secrets.open(sealed, keyContext(jobId, backupSetId)) : null;
      },
      onTotal: (totalBytes) => {
        store.restoreJobs.change({ jobId }, { totalBytes, finishBytes: 0n });
        progress = this.#progress(totalBytes);
      },
      onProgress: (done) => progress?.(done),
    };
    const built = await buildFileAgain(request, log);
    const { pageCount, commitCount } = built;
    const databaseChecksum = checksumText(built.databaseChecksum);
    log.info('restored file has the expected checksum', {
      jobId,
      restoreScn,
      pageCount,
      commitCount,
      databaseChecksum,
    });
    this.#built = built;
    const comment = joinRemarks([this.#job.comment, ...built.remarks]);
    this.#move(job, 'POST_CHECK', { finishBytes: built.totalBytes, comment });
  }

  #ownLocation(job: RestoreJob): string {
    return this.#deps.tenantLocation(job.restoreTenantId, job.restoreTenantName);
  }

  #progress(totalBytes: bigint): (done: { bytes: number }) => void {
    const { store, clock, log } = this.#deps;
    let nextMs = 0;
    return ({ bytes }) => {
      if (this.#controller.signal.aborted || clock.monotonicMs() < nextMs) return;
      nextMs = clock.monotonicMs() + PROGRESS_INTERVAL_MS;
      const finishBytes = BigInt(bytes) < totalBytes ? BigInt(bytes) : totalBytes;
      try {
        // A late call finds the job in its next state and changes nothing.
        const expected = { status: 'WAIT_TENANT_RESTORE_FINISH' } as const;
        store.restoreJobs.update({ jobId: this.#jobId }, { finishBytes }, expected);
      } catch (error) {
        // Only figures for a view are lost; the next state change meets the same store and decides.
        log.error('restore progress was not recorded', { jobId: this.#jobId, error });
      }
    };
  }

  /** After a crash: the file may already have its name; otherwise it is written again. */
  async #resumeCheck(job: RestoreJob): Promise<void> {
    const seed = decodeSeed(job.planSeed);
    const { location } = this.#tenantOf(job);
    if (seed.fileId !== null && (await fileId(location)) === seed.fileId) {
      this.#isCommitting = true;
      await removeUnfinished(this.#temporary(job));
      // The server that gave the file its name may have died before the name was durable.
      await syncDirectory(dirname(location));
      const facts = await this.#deps.driver.check(location, { level: seed.check });
      await removeSideFiles(location);
      return this.#complete(job, facts.tableCount);
    }
    this.#move(job, 'WAIT_TENANT_RESTORE_FINISH', {
      planSeed: encodeSeed({ ...seed, fileId: null }),
      totalBytes: null,
      finishBytes: null,
    });
  }

  async #publish(job: RestoreJob, built: BuiltFile): Promise<void> {
    const temporary = this.#temporary(job);
    const { location } = this.#tenantOf(job);
    await removeSideFiles(temporary);
    await checkPlaceIsFree(location);
    this.#controller.signal.throwIfAborted();
    this.#isCommitting = true;
    const seed = decodeSeed(job.planSeed);
    const proof = { commitScn: String(built.commitScn), checksum: checksumText(built.databaseChecksum) };
    const onward = seed.onward && { onward: { ...seed.onward, built: proof } };
    const planSeed = encodeSeed({ ...seed, ...onward, fileId: await fileId(temporary) });
    this.#deps.store.restoreJobs.change({ jobId: this.#jobId }, { planSeed }, { status: 'POST_CHECK' });
    await publishFile(temporary, location);
    this.#complete({ ...job, planSeed }, built.facts.tableCount);
  }

  #complete(job: RestoreJob, tabletCount: number): void {
    const { store, clock, log } = this.#deps;
    const { restoreTenantId: tenantId, restoreScn } = job;
    const { owner, onward } = decodeSeed(job.planSeed);
    store.transaction(() => {
      const tenant = this.#tenantOf(job);
      const status = checkMove('tenant', TENANT_MOVES, tenant.status, 'NORMAL');
      const lastScn = tenant.lastScn > restoreScn ? tenant.lastScn : restoreScn;
      const patch = { status, role: 'STANDBY', lastScn, recoveryUntilScn: restoreScn } as const;
      store.tenants.change({ tenantId }, patch, { status: tenant.status });
      this.#copyAccounts(tenant, owner);
      if (onward?.built) store.standbys.insert(standbyOf(job, owner, { ...onward, ...onward.built }));
      this.#move(job, 'RESTORE_SUCCESS', { ...ENDED, endNs: clock.nowNs(), tabletCount });
      recordRestoreEnd(store, job, { nowNs: clock.nowNs(), result: 0, comment: '' });
    });
    log.info('tenant restored', { jobId: job.jobId, tenantId, restoreScn });
  }

  /**
   * Who could log in to the source can log in to the copy; on another cluster an administrator without password. Nobody
   * logs in to an auxiliary tenant.
   */
  #copyAccounts(tenant: Tenant, source: RestoreSeed['owner']): void {
    if (isAuxiliaryTenantName(tenant.name)) return;
    const { store } = this.#deps;
    const { tenantId, mode } = tenant;
    const isOwnCluster = source.clusterUuid === store.cluster.uuid;
    const accounts = isOwnCluster ? store.accounts.find({ tenantId: source.tenantId }) : [];
    for (const account of accounts) store.accounts.insert({ ...account, tenantId });
    const user = administratorOf(mode);
    if (accounts.some((account) => account.user.toLowerCase() === user.toLowerCase())) return;
    store.accounts.insert(accountWithoutPassword(tenantId, user));
  }

  /** Ends a job that failed or was cancelled: file, tenant and key go. */
  async #end(error: unknown): Promise<void> {
    const { store, clock, log } = this.#deps;
    const job = this.#job;
    const cause = job.status === 'CANCELING' ? fail('CANCELED', {}) : error;
    let comment = toComment(cause);
    try {
      await this.#removeFiles(job);
    } catch (leftover) {
      log.error('files of a failed restore stay', { jobId: job.jobId, error: leftover });
      comment = `${comment}; its files could not be removed: ${toComment(leftover)}`;
    }
    if (this.#controller.signal.reason instanceof ServerStopping) return;
    log.warn('restore failed', { jobId: job.jobId, tenantId: job.restoreTenantId, error: cause });
    store.transaction(() => {
      store.forgetTenant(job.restoreTenantId);
      // Nothing was ever encrypted with these copies.
      store.tenantKeys.remove({ tenantId: job.restoreTenantId });
      const status = checkMove('restore job', RESTORE_MOVES, job.status, 'RESTORE_FAIL');
      const ended = { ...ENDED, endNs: clock.nowNs(), comment: comment.slice(0, COMMENT_CHARS_MAX) };
      store.restoreJobs.change({ jobId: job.jobId }, { ...ended, status }, { status: job.status });
      recordRestoreEnd(store, job, { nowNs: ended.endNs, result: toResult(cause), comment: ended.comment });
    });
  }

  async #removeFiles(job: RestoreJob): Promise<void> {
    const { location } = this.#tenantOf(job);
    await removeUnfinished(this.#temporary(job));
    const { fileId: ownId } = decodeSeed(job.planSeed);
    // Only a file that is certainly ours: another one may have been put there in the meantime.
    if (ownId !== null && (await fileId(location)) === ownId) await removeUnfinished(location);
    if (location === this.#ownLocation(job)) await removeEmptyDirectory(location);
  }
}

/** What the new tenant can go on from. */
function standbyOf(
  { restoreTenantId: tenantId, restoreScn: scn }: RestoreJob,
  owner: RestoreSeed['owner'],
  onward: { uri: string; roundId: number; commitScn: string; checksum: string },
): Standby {
  const { uri: sourceUri, roundId, checksum } = onward;
  return {
    ...{ tenantId, clusterUuid: owner.clusterUuid, sourceTenantId: owner.tenantId, sourceUri },
    ...{ scn, commitScn: toScn(BigInt(onward.commitScn)), roundId, checksum },
    ...nextFields(null),
    isReplayed: false,
  };
}

/** An ended job keeps no key and no plan. */
const ENDED = { planSeed: '', sealedDataKeys: {} };
