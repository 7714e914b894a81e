// The rooms below SQL, wired to each other: what one of them asks of another is a function here.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createArchive } from './archive/archive.ts';
import { createAudit } from './audit/audit.ts';
import { createBackup } from './backup/backup.ts';
import { systemClock } from './base/clock.ts';
import { fail } from './base/errors.ts';
import type { Log } from './base/log.ts';
import { createClean } from './clean/clean.ts';
import type { Destination } from './destination/destination.ts';
import { openDestination } from './destination/open-destination.ts';
import { createSqliteDriver } from './engine/sqlite/sqlite-driver.ts';
import { closeViewHost } from './engine/view-query.ts';
import { createKeys } from './keys/keys.ts';
import { type DestinationLimits, limitsOf } from './model/destination-options.ts';
import { type DestinationUri, formatDestinationUri } from './model/destination-uri.ts';
import { createPipeline } from './pipeline/create-pipeline.ts';
import { createRebuild } from './rebuild/rebuild.ts';
import { createRecover } from './recover/recover.ts';
import type { RecoverDependencies } from './recover/recover-worker.ts';
import { createRestore } from './restore/restore.ts';
import type { RestoreRequest, RestoreService } from './restore/restore-service.ts';
import { createStandby } from './restore/standby.ts';
import { storedWindows } from './restore/stored-windows.ts';
import { createSchedule } from './schedule/schedule.ts';
import { scheduledBackups, scheduledReadings } from './scheduled-work.ts';
import type { Store } from './store/store.ts';
import { createTenantService } from './tenant/tenant-service.ts';
import { createValidate } from './validate/validate.ts';
import { VERSION } from './version.ts';

/**
 * No statement may put archives or sets among the server's own files, or read them as such. Options that a uri does not
 * name are those that its destination was set with.
 */
function openOutside(dataDir: string, store: Store, uri: DestinationUri): Destination {
  if (uri.scheme === 'file' && (uri.path === dataDir || uri.path.startsWith(`${dataDir}/`))) {
    const because = "it lies in the server's own data directory";
    throw fail('BACKUP_PERMISSION_DENIED', { uri: formatDestinationUri(uri), because });
  }
  const isSaid = Object.keys(uri.options).length > 0;
  return isSaid ? openDestination(uri) : openDestination(uri, liveLimits(store, formatDestinationUri(uri)));
}

/** CHANGE EXTERNAL_STORAGE_DEST reaches a destination that is open. */
function liveLimits(store: Store, uri: string): () => DestinationLimits | undefined {
  let seen = -1;
  let limits: DestinationLimits | undefined;
  return () => {
    if (seen === store.destinationsVersion) return limits;
    seen = store.destinationsVersion;
    limits = limitsOf({ options: store.destinationOptions(uri) });
    return limits;
  };
}

/** What the recovery of tables asks of restores. */
function auxiliaryRestores(restore: RestoreService): RecoverDependencies<RestoreRequest>['restore'] {
  return {
    start: (source, { tenantName, onRecord }) => restore.restore({ ...source, tenantName, auxiliary: { onRecord } }),
    cancel: (tenantName) => restore.cancel(tenantName),
  };
}

/** The rooms below SQL, wired to each other. */
export function buildWork(dataDir: string, store: Store, log: Log) {
  const clock = systemClock;
  const sqlite = createSqliteDriver({
    log,
    clock,
    sessionLog: {
      beforeUse: (tenantId) => archive.wake(tenantId),
      keepsLog: (tenantId) => archive.keepsLog(tenantId),
    },
  });
  const pipeline = createPipeline({ log });
  const cores = availableParallelism();
  const tenants = createTenantService({
    store,
    clock,
    log,
    dataDir,
    drivers: [sqlite],
    holders: () => [schedule, standby, recover, validate, clean, backup, archive],
    isBackupRunning: (tenantId) => backup.isBusy(tenantId),
  });
  const common = {
    store,
    clock,
    log,
    openDestination: (uri: DestinationUri) => openOutside(dataDir, store, uri),
    driver: (name: string) => tenants.driver(name),
    engineTenant: tenants.engineTenant.bind(tenants),
    pageMapPath: (tenantId: number) => join(dataDir, 'page_maps', `${tenantId}.map`),
  };
  const archive = createArchive({
    ...common,
    use: {
      isOwn: ({ isAdopted, location }) => !isAdopted && location.startsWith(`${dataDir}/`),
      isInUse: (tenantId) => sqlite.isInUse(tenantId) || backup.isBusy(tenantId),
    },
  });
  // Every tenant's engine is sqlite for now: jobs take the driver itself until there are more.
  const work = { ...common, driver: sqlite, pipeline, archive, cores, serverVersion: VERSION };
  const backup = createBackup(work);
  const restore = createRestore({
    ...work,
    checkpointOf: (tenantId) => archive.figures(tenantId)?.checkpointScn,
    tenantLocation: (tenantId: number, name: string) => tenants.locationOf(tenantId, name),
  });
  const standby = createStandby(work);
  const recover = createRecover<RestoreRequest>({
    ...{ ...common, restore: auxiliaryRestores(restore) },
    dropTenant: (tenant) => tenants.drop(tenant, { isForced: true }),
  });
  const clean = createClean({
    ...common,
    ranges: (tenantId, sets, pieces) =>
      storedWindows({ sets, pieces, rounds: store.rounds.find({ tenantId }), liveCheckpointScn: undefined }),
  });
  const rebuild = createRebuild(common);
  const validate = createValidate({
    ...{ ...common, pipeline, scratchDir: join(dataDir, 'drills') },
    rehearse: (request) => restore.rehearse(request),
  });
  const backups = scheduledBackups(store, backup);
  const readings = scheduledReadings(store, validate);
  const works = { FULL: backups, INCREMENTAL: backups, VALIDATE: readings, DRILL: readings };
  const schedule = createSchedule({ store, clock, log, works });
  const audit = createAudit(common);
  const keys = createKeys(common);
  return {
    clock,
    sqlite,
    pipeline,
    tenants,
    archive,
    backup,
    clean,
    restore,
    standby,
    recover,
    rebuild,
    schedule,
    validate,
    audit,
    keys,
  };
}

export type Work = ReturnType<typeof buildWork>;

/** What was begun before goes on, what is due begins. */
export async function startWork(work: Work): Promise<void> {
  work.archive.start();
  work.backup.start();
  work.clean.start();
  work.restore.start();
  await work.validate.start();
  work.recover.start();
  work.schedule.start();
  work.audit.start();
  work.standby.start();
  await work.tenants.finishDrops();
}

/** Whoever asks for work of others stops before these. */
export async function stopWork(work: Work, store: Store): Promise<void> {
  await work.schedule.stop();
  await work.validate.stop();
  await work.recover.stop();
  await work.restore.stop();
  await work.standby.stop();
  await work.clean.stop();
  await work.backup.stop();
  await work.archive.stop();
  await closeViewHost();
  await work.sqlite[Symbol.asyncDispose]();
  await work.pipeline[Symbol.asyncDispose]();
  work.audit.stop();
  store[Symbol.dispose]();
}
