// The rooms below SQL, wired to each other: what one of them asks of another is a function here.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { AccessSweep } from './access-sweep.ts';
import { createArchive } from './archive/archive.ts';
import { createAudit } from './audit/audit.ts';
import { createBackup } from './backup/backup.ts';
import { systemClock } from './base/clock.ts';
import type { Log } from './base/log.ts';
import { createClean } from './clean/clean.ts';
import { createSqliteDriver } from './engine/sqlite/sqlite-driver.ts';
import { closeViewHost } from './engine/view-query.ts';
import { createKeys } from './keys/keys.ts';
import { loadInstance } from './lease/instance.ts';
import { createLeases } from './lease/leases.ts';
import { createTakeOver } from './lease/take-over.ts';
import { destinationOpener } from './open-outside.ts';
import { createPipeline } from './pipeline/create-pipeline.ts';
import { createRebuild } from './rebuild/rebuild.ts';
import { createRecover } from './recover/recover.ts';
import type { RecoverDependencies } from './recover/recover-worker.ts';
import { createRestore } from './restore/restore.ts';
import type { RestoreRequest, RestoreService } from './restore/restore-service.ts';
import { createStandby } from './restore/standby.ts';
import { storedWindows } from './restore/stored-windows.ts';
import { createSchedule } from './schedule/schedule.ts';
import { scheduledWorks } from './scheduled-work.ts';
import type { Store } from './store/store.ts';
import { createTenantService } from './tenant/tenant-service.ts';
import { createValidate } from './validate/validate.ts';
import { VERSION } from './version.ts';

/** What the recovery of tables asks of restores. */
function auxiliaryRestores(restore: RestoreService): RecoverDependencies<RestoreRequest>['restore'] {
  return {
    async start(source, { tenantName, onRecord }) {
      await restore.restore({ ...source, tenantName, auxiliary: { onRecord } });
    },
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
    openDestination: destinationOpener(dataDir, store),
    leases: createLeases({ store, clock, log, me: loadInstance(dataDir, VERSION) }),
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
    pumpCopies: () => backup.pumpCopies(),
    ranges: (tenantId, sets, pieces) =>
      storedWindows({ sets, pieces, rounds: store.rounds.find({ tenantId }), liveCheckpointScn: undefined }),
  });
  const rebuild = createRebuild(common);
  const validate = createValidate({
    ...{ ...common, pipeline, scratchDir: join(dataDir, 'drills') },
    rehearse: (request) => restore.rehearse(request),
  });
  const schedule = createSchedule({ store, clock, log, works: scheduledWorks(store, { backup, validate }) });
  const takeOver = createTakeOver({ ...common, onTaken: (tenantId) => archive.lookAgain(tenantId) });
  return {
    ...{ clock, dataDir, openDestination: common.openDestination, accessSweep: new AccessSweep(store, log) },
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
    audit: createAudit(common),
    keys: createKeys(common),
    takeOver,
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
  work.accessSweep.start();
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
  work.accessSweep.stop();
  store[Symbol.dispose]();
}
