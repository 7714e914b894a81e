// The restore service: plans, checks passwords and pools, records the job with its tenant, and keeps workers going.

import { fail, HoldfastError } from '../base/errors.ts';
import { JobWorkers } from '../base/job-workers.ts';
import { MIB, SYS_TENANT_ID } from '../base/limits.ts';
import { DerivedKeys } from '../format/derived-keys.ts';
import type { FindTenantKey } from '../format/tenant-key-slot.ts';
import { openersOf } from '../model/backup-job.ts';
import { checkDescription } from '../model/description.ts';
import { formatWithOptions, maskUri } from '../model/destination-uri.ts';
import { checkMove, isFinal, unfinished } from '../model/moves.ts';
import type { Rehearsal, RehearsalRequest } from '../model/rehearsal.ts';
import { RESTORE_MOVES, type RestoreJob } from '../model/restore-job.ts';
import { SCN_NONE } from '../model/scn.ts';
import { isAuxiliaryTenantName, isName, isReservedTenantName, isSameTenantName } from '../model/tenant.ts';
import { inheritAccess } from './inherit-access.ts';
import { checkLogKeys, inheritKeys, tenantKeysAtHand } from './inherit-keys.ts';
import { OpenedLog } from './open-log.ts';
import type { RestorePlan } from './plan-restore.ts';
import { planSound } from './plan-sound.ts';
import { provePresent } from './prove-present.ts';
import type { FoundRun } from './read-log.ts';
import { type FoundSet, type FoundSources, openAsSys, openGiven, readSources } from './read-sources.ts';
import { rehearse } from './rehearse.ts';
import { idsOf, recordRestore } from './restore-events.ts';
import { parseRestoreOption, type RestoreOption, workersOf } from './restore-option.ts';
import { joinRemarks } from './restore-remarks.ts';
import { encodeSeed, seedOf } from './restore-seed.ts';
import type { RestorePreview, RestoreRequest, RestoreService, RestoreWindow } from './restore-service.ts';
import { keyContext, type RestoreDependencies, RestoreWorker } from './restore-worker.ts';
import { groupSourceUris } from './source-uris.ts';
import { storedWindows } from './stored-windows.ts';
import { checkDirectoryExists, checkPlaceIsFree } from './target-file.ts';
import { type DataKeys, unlockSets } from './unlock-sets.ts';

/** Restores at once: more would only share the same cores and the same destination. */
const WORKING_JOBS_MAX = 2;

/** Builds the service; nothing works before `start`. */
export function createRestore(deps: RestoreDependencies): RestoreService {
  return new Restore(deps);
}

/** A smaller database is written by one worker before another one has come up. */
const ONE_WORKER_BYTES = 32 * MIB;

const UNFINISHED = unfinished(RESTORE_MOVES);

type Plan = RestorePlan<FoundSet, FoundRun>;

/** A request whose sources were read and whose password fits: all that is left is to record it. */
interface Prepared {
  name: string;
  option: RestoreOption;
  sources: FoundSources;
  plan: Plan;
  dataKeys: DataKeys;
}

class Restore implements RestoreService {
  readonly #deps: RestoreDependencies;
  readonly #jobs: JobWorkers<RestoreJob, RestoreWorker>;

  constructor(deps: RestoreDependencies) {
    this.#deps = deps;
    const statusOf = ({ jobId }: RestoreJob) => deps.store.restoreJobs.get({ jobId })!.status;
    this.#jobs = new JobWorkers({
      ...{ workersMax: WORKING_JOBS_MAX, noun: 'restore', log: deps.log },
      open: () => this.#unfinished(),
      keyOf: ({ jobId }) => jobId,
      isCanceling: ({ status }) => status === 'CANCELING',
      isOpen: (job) => !isFinal(RESTORE_MOVES, statusOf(job)),
      newWorker: ({ jobId }) => new RestoreWorker(deps, jobId),
    });
  }

  start(): void {
    this.#jobs.start();
  }

  stop(): Promise<void> {
    return this.#jobs.stop();
  }

  async preview(request: RestoreRequest): Promise<RestorePreview> {
    const { sources, plan } = await this.#plan(request);
    const sets = plan.sets.map(({ manifest, name, minRestoreScn }) => {
      return { name, bytes: manifest.outputBytes, minRestoreScn, openedBy: openersOf(manifest.encryptionMode) };
    });
    const pieces = plan.stretches
      .flatMap((stretch) => stretch.pieces)
      .map((piece) => ({ ...piece, uri: sources.pieceUris.get(piece.name) ?? '' }));
    return {
      sourceTenantName: sources.owner.tenantName,
      sourceTenantId: sources.owner.tenantId,
      sourceClusterName: sources.owner.clusterName,
      timeZone: sources.timeZone,
      restoreScn: plan.restoreScn,
      sets,
      pieces,
      totalBytes: [...sets, ...pieces].reduce((sum, { bytes }) => sum + bytes, 0n),
      windows: plan.windows,
      remarks: remarksOf(sources),
    };
  }

  async restore(request: RestoreRequest): Promise<string[]> {
    const name = this.#checkName(request);
    checkDescription(request.description);
    const option = parseRestoreOption(request.option);
    this.#checkPools(option.pools);
    await this.#checkLocation(option.location);
    const { sources, plan } = await this.#plan(request);
    this.#checkEngine(plan);
    this.#prepareWorkers(plan);
    const findKey = tenantKeysAtHand(this.#deps.store, request.tenantKeys ?? []);
    const dataKeys = await this.#unlock(plan, request, findKey);
    try {
      const uris = sources.archiveUris.map(uriOf(request.uris));
      const { owner } = sources;
      const open = openGiven(this.#deps, request.uris);
      await checkLogKeys(plan, { owner, openLog: () => new OpenedLog(uris, open), findKey });
      const { store } = this.#deps;
      const tenantId = store.nextId(SYS_TENANT_ID, 'tenant');
      const location = option.location ?? this.#deps.tenantLocation(tenantId, name);
      await checkPlaceIsFree(location);
      // Reading took time: names, pools and places are checked again where they are taken.
      const prepared = { name, option, sources, plan, dataKeys };
      store.transaction(() => this.#record(request, prepared, { tenantId, location }));
    } finally {
      dataKeys.clear();
    }
    this.#jobs.pump();
    return remarksOf(sources);
  }

  cancel(tenantName: string): void {
    const job = this.#unfinished().find((candidate) => isSameTenantName(candidate.restoreTenantName, tenantName));
    const worker = job && this.#jobs.of(job.jobId);
    if (!job || worker?.isCommitting)
      throw fail('ENTRY_NOT_EXIST', { what: `a running restore of tenant '${tenantName}'` });
    if (job.status !== 'CANCELING') {
      const status = checkMove('restore job', RESTORE_MOVES, job.status, 'CANCELING');
      const { store, clock } = this.#deps;
      store.transaction(() => {
        store.restoreJobs.change({ jobId: job.jobId }, { status }, { status: job.status });
        recordRestore(store, clock.nowNs(), 'restore_cancel', idsOf(job));
      });
    }
    worker?.abort(fail('CANCELED', {}));
    this.#jobs.pump();
  }

  windows(tenantId: number): RestoreWindow[] {
    const { store, checkpointOf } = this.#deps;
    return storedWindows({
      sets: store.backupSets.find({ tenantId }),
      rounds: store.rounds.find({ tenantId }),
      pieces: store.pieces.find({ tenantId }),
      liveCheckpointScn: checkpointOf?.(tenantId),
    });
  }

  /** @throws TENANT_EXISTS (5156), RESTORE_IN_PROGRESS (9014), INVALID_ARGUMENT (4002) */
  #checkName({ tenantName: name, auxiliary }: RestoreRequest): string {
    const isReserved = (text: string) => (auxiliary ? !isAuxiliaryTenantName(text) : isReservedTenantName(text));
    if (name === null || !isName(name) || isReserved(name))
      throw fail('INVALID_ARGUMENT', { what: `tenant name '${name ?? ''}'` });
    if (this.#unfinished().some((job) => isSameTenantName(job.restoreTenantName, name)))
      throw fail('RESTORE_IN_PROGRESS', {});
    if (this.#deps.store.tenantByName(name)) throw fail('TENANT_EXISTS', { tenant: name });
    return name;
  }

  #checkPools(names: readonly string[]): void {
    for (const name of names) {
      const pool = this.#deps.store.pools.get({ name });
      if (!pool) throw fail('POOL_NOT_EXIST', { pool: name });
      if (pool.tenantId !== null) throw fail('POOL_ALREADY_GRANTED', { pool: name });
    }
  }

  async #checkLocation(location: string | null): Promise<void> {
    if (location === null) return;
    if (this.#deps.store.tenants.find({ location }).length > 0) throw fail('ENTRY_EXISTS', { what: location });
    await checkDirectoryExists(location);
    await checkPlaceIsFree(location);
  }

  #checkEngine({ sets }: Plan): void {
    const { driver } = this.#deps;
    for (const { manifest } of sets) {
      if (manifest.engine.engine === driver.name) continue;
      throw fail('NOT_SUPPORTED', { what: `restore of a set of the engine ${manifest.engine.engine} is` });
    }
  }

  async #plan(request: Pick<RestoreRequest, 'uris' | 'target'>, isNewest = request.target.kind === 'newest') {
    const sources = await readSources(request.uris, openAsSys(this.#deps), (owner, archiveUris) =>
      provePresent(this.#deps, { owner, archiveUris, isNewest }),
    );
    const [away] = sources.away;
    // Which point is the newest nobody knows without a log that may be there.
    if (away && request.target.kind === 'newest' && sources.archiveUris.length === 0) throw away.error;
    try {
      return { sources, plan: planSound(sources, request.target, this.#brokenSets(sources)) };
    } catch (error) {
      // What is missing may lie where nothing answers.
      throw away && error instanceof HoldfastError ? away.error : error;
    }
  }

  /**
   * Sets that VALIDATE found damaged wherever they lie: what is known of a tenant of this cluster only. A set that is
   * damaged in one place is read from the others first.
   */
  #brokenSets({ owner, sets, sourceSets }: FoundSources): Set<number> {
    const { store } = this.#deps;
    const isBroken = owner.clusterUuid === store.cluster.uuid ? brokenPlaces(store, owner.tenantId) : () => false;
    for (const { backupSetId, uris } of sourceSets)
      uris.sort((a, b) => Number(isBroken(backupSetId, a)) - Number(isBroken(backupSetId, b)));
    const broken = sets.filter(({ backupSetId, uris }) => uris.every((uri) => isBroken(backupSetId, uri)));
    return new Set(broken.map(({ backupSetId }) => backupSetId));
  }

  async rehearse(request: RehearsalRequest): Promise<Rehearsal> {
    const { untilScn, uris } = request;
    const target = untilScn === null ? ({ kind: 'newest' } as const) : ({ kind: 'scn', scn: untilScn } as const);
    // A tenant that can not be archived to the present just now is rehearsed to the point that it can be restored to.
    const found = await this.#plan({ uris, target }, false);
    this.#checkEngine(found.plan);
    return await rehearse(this.#deps, request, { ...found, uriOf: uriOf(uris) });
  }

  /** Deriving keys takes half a second of one core: the worker processes come up meanwhile. */
  #prepareWorkers({ set }: Plan): void {
    const { pageCount, pageSize } = set.manifest.engine;
    this.#deps.pipeline.prepare(pageCount * pageSize > ONE_WORKER_BYTES ? this.#deps.cores : 1, 'restore');
  }

  async #unlock({ sets }: Plan, { passwords, derivedKeys }: RestoreRequest, findKey: FindTenantKey): Promise<DataKeys> {
    if (derivedKeys) return await unlockSets(sets, passwords, derivedKeys, findKey);
    const derived = new DerivedKeys();
    try {
      return await unlockSets(sets, passwords, derived, findKey);
    } finally {
      derived.clear();
    }
  }

  #unfinished(): RestoreJob[] {
    const { restoreJobs } = this.#deps.store;
    return UNFINISHED.flatMap((status) => restoreJobs.find({ status })).sort((a, b) => a.jobId - b.jobId);
  }

  /** Inserts the job and its tenant, and takes the pools. */
  #record(request: RestoreRequest, prepared: Prepared, of: { tenantId: number; location: string }): void {
    const { store, clock, driver } = this.#deps;
    const { name, option, sources, plan, dataKeys } = prepared;
    const { tenantId, location } = of;
    this.#checkName(request);
    this.#checkPools(option.pools);
    if (store.tenants.find({ location }).length > 0) throw fail('ENTRY_EXISTS', { what: location });
    for (const pool of option.pools) store.pools.change({ name: pool }, { tenantId });
    const { tenant } = plan.set.manifest;
    const nowNs = clock.nowNs();
    store.tenants.insert({
      tenantId,
      name,
      mode: tenant.mode,
      role: 'RESTORE',
      status: 'RESTORE',
      engine: driver.name,
      location,
      isAdopted: false,
      timeZone: tenant.timeZone,
      isArchiveMode: false,
      lastScn: SCN_NONE,
      recoveryUntilScn: SCN_NONE,
      poolName: option.pools[0] ?? null,
      comment: '',
      createdNs: nowNs,
    });
    inheritKeys(store, { tenantId, plan, given: request.tenantKeys ?? [], nowNs });
    const jobId = store.nextId(SYS_TENANT_ID, 'job');
    const sealedDataKeys: RestoreJob['sealedDataKeys'] = {};
    for (const [backupSetId, dataKey] of dataKeys.entries())
      sealedDataKeys[backupSetId] = store.secrets.seal(dataKey, keyContext(jobId, backupSetId));
    const job: RestoreJob = {
      jobId,
      restoreTenantName: name,
      restoreTenantId: tenantId,
      backupTenantName: sources.owner.tenantName,
      backupTenantId: sources.owner.tenantId,
      backupClusterName: sources.owner.clusterName,
      uris: request.uris.map(maskUri),
      restoreOption: request.option,
      restoreScn: plan.restoreScn,
      timeZone: sources.timeZone,
      status: 'CREATE_TENANT',
      startNs: nowNs,
      endNs: null,
      backupSetList: plan.sets.map(({ uris: [uri], name: directory }) => `${uri}/${directory}`),
      backupPieceList: plan.stretches.flatMap(({ pieces }) =>
        pieces.map(({ name: piece }) => `${sources.pieceUris.get(piece)}/${piece}`),
      ),
      planSeed: encodeSeed(
        seedOf({
          ...{ sources, plan, uriOf: uriOf(request.uris) },
          ...{ workers: this.#workers(option), check: option.check },
        }),
      ),
      sealedDataKeys,
      totalBytes: null,
      finishBytes: null,
      tabletCount: 0,
      description: request.description,
      comment: joinRemarks([plan.comment, ...remarksOf(sources)]),
    };
    store.restoreJobs.insert(job);
    inheritAccess(store, { tenantId, uris: request.uris, archiveUris: sources.archiveUris });
    request.auxiliary?.onRecord(job);
    const source = { backup_tenant_id: sources.owner.tenantId, restore_scn: plan.restoreScn };
    const facts = { tenant_id: tenantId, job_id: jobId, tenant_name: name, ...source };
    recordRestore(store, nowNs, 'restore_start', facts);
  }

  #workers({ concurrency, pools }: RestoreOption): number {
    const { store, cores } = this.#deps;
    const pool = pools[0] === undefined ? undefined : store.pools.get({ name: pools[0] });
    const unit = pool && store.units.get({ name: pool.unitName });
    const score = Number(store.parameter(SYS_TENANT_ID, 'ha_high_thread_score'));
    return workersOf({ concurrency, score, maxCpu: unit?.maxCpu ?? cores, cores });
  }
}

/** What whoever runs the statement should know of its sources. */
function remarksOf({ away }: FoundSources): string[] {
  return away.map(({ shown, error }) => `${shown} is not used: ${error.message}`);
}

/** Whether VALIDATE found a set damaged at a place. */
function brokenPlaces(store: RestoreDependencies['store'], tenantId: number): (setId: number, uri: string) => boolean {
  const broken = store.backupSets.find({ tenantId, fileStatus: 'BROKEN' });
  const brokenCopies = store.setCopies.find({ tenantId, status: 'BROKEN' });
  const found = new Set([...broken, ...brokenCopies].map(({ backupSetId, uri }) => `${backupSetId} ${uri}`));
  return (setId, uri) => found.has(`${setId} ${uri}`);
}

/** Destinations by the name that they are shown with: the uri to open each by. */
function uriOf(uris: readonly string[]): (shown: string) => string {
  const given = new Map(groupSourceUris(uris).map(({ shown, uri }) => [shown, formatWithOptions(uri)]));
  return (shown) => given.get(shown) ?? shown;
}
