// The composition root: builds every room from the configuration, and owns start and stop.
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createArchive } from './archive/archive.ts';
import { createAudit } from './audit/audit.ts';
import { createBackup } from './backup/backup.ts';
import { systemClock } from './base/clock.ts';
import { fail } from './base/errors.ts';
import { SYS_TENANT_ID } from './base/limits.ts';
import { createLog, type Log, type LogLevel } from './base/log.ts';
import { createCatalog } from './catalog/catalog.ts';
import { createClean } from './clean/clean.ts';
import type { Destination } from './destination/destination.ts';
import { openDestination } from './destination/open-destination.ts';
import { createSqliteDriver } from './engine/sqlite/sqlite-driver.ts';
import { closeViewHost } from './engine/view-query.ts';
import { createKeys } from './keys/keys.ts';
import {
  type DestinationLimits,
  type DestinationUri,
  formatDestinationUri,
  limitsOf,
} from './model/destination-uri.ts';
import { SCN_NONE } from './model/scn.ts';
import { isTimeZone, localTimeZone } from './model/time-zone.ts';
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
import { Connections } from './server/registry.ts';
import { type RunningServer, startServer } from './server/server.ts';
import { ensureCertificate } from './server/tls.ts';
import { isSysPasswordEmpty } from './sql/accounts.ts';
import type { SqlDependencies } from './sql/dependencies.ts';
import { createSqlService } from './sql/service.ts';
import { accountWithoutPassword } from './store/records.ts';
import { openStore, type Store } from './store/store.ts';
import { createTenantService } from './tenant/tenant-service.ts';
import { createValidate } from './validate/validate.ts';
import { VERSION } from './version.ts';

export interface HoldfastOptions {
  /** Absolute; everything the server keeps is below it. */
  dataDir: string;
  listen: string;
  /** 0 takes a free port. */
  port: number;
  clusterName: string;
  clusterId: number;
  /** Zone of a new cluster; the machine's own when absent. */
  timeZone?: string;
  /** PEM texts; a certificate is made at the first start when absent. */
  tls?: { key: string; cert: string };
  logLevel: LogLevel;
  log?: Log;
}

export interface Holdfast {
  readonly host: string;
  readonly port: number;
  /** Ends sessions, archives to the end, closes everything. Jobs go on at the next start. */
  stop(): Promise<void>;
}

/** How long running statements may take to end when the server stops. */
const STOP_GRACE_MS = 5_000;

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function ensureSysTenant(store: Store): void {
  if (store.tenants.get({ tenantId: SYS_TENANT_ID })) return;
  store.transaction(() => {
    store.tenants.insert({
      tenantId: SYS_TENANT_ID,
      name: 'sys',
      mode: 'mysql',
      role: 'PRIMARY',
      status: 'NORMAL',
      engine: '',
      location: '',
      isAdopted: false,
      timeZone: store.cluster.timeZone,
      isArchiveMode: false,
      lastScn: SCN_NONE,
      recoveryUntilScn: SCN_NONE,
      poolName: null,
      comment: 'the cluster itself',
      createdNs: systemClock.nowNs(),
    });
    store.accounts.insert(accountWithoutPassword(SYS_TENANT_ID, 'root'));
  });
}

/** @throws NOT_ALLOWED (4179) when others could log in as root without a password */
function checkListen(store: Store, listen: string): void {
  if (isLoopback(listen) || !isSysPasswordEmpty(store, SYS_TENANT_ID)) return;
  throw fail('NOT_ALLOWED', {
    what: `listening on ${listen} while root@sys has no password (start with --listen 127.0.0.1, log in, ALTER USER root IDENTIFIED BY '…', then start again) is`,
  });
}

/**
 * No statement may put archives or sets among the server's own files, or read them as such. Options that a uri does not
 * name are those that its destination was set with.
 */
function openOutside(dataDir: string, store: Store, uri: DestinationUri): Destination {
  if (uri.path === dataDir || uri.path.startsWith(`${dataDir}/`)) {
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
function buildWork(options: HoldfastOptions, store: Store, log: Log) {
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
    dataDir: options.dataDir,
    drivers: [sqlite],
    holders: () => [schedule, standby, recover, validate, clean, backup, archive],
    isBackupRunning: (tenantId) => backup.isBusy(tenantId),
  });
  const common = {
    store,
    clock,
    log,
    openDestination: (uri: DestinationUri) => openOutside(options.dataDir, store, uri),
    driver: (name: string) => tenants.driver(name),
    engineTenant: tenants.engineTenant.bind(tenants),
    pageMapPath: (tenantId: number) => join(options.dataDir, 'page_maps', `${tenantId}.map`),
  };
  const archive = createArchive({
    ...common,
    use: {
      isOwn: ({ isAdopted, location }) => !isAdopted && location.startsWith(`${options.dataDir}/`),
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
    ...{ ...common, pipeline, scratchDir: join(options.dataDir, 'drills') },
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

type Work = ReturnType<typeof buildWork>;

async function stopWork(work: Work, store: Store): Promise<void> {
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

/**
 * Starts a server and resolves when it accepts logins.
 * @throws NOT_ALLOWED (4179) for a data directory in use or an unsafe listening address
 */
export async function startHoldfast(options: HoldfastOptions): Promise<Holdfast> {
  const log = options.log ?? createLog(options.logLevel);
  const timeZone = options.timeZone ?? localTimeZone();
  if (!isTimeZone(timeZone)) throw fail('INVALID_ARGUMENT', { what: `--time-zone ${timeZone}` });
  const { clusterName, clusterId } = options;
  const store = openStore(options.dataDir, { clusterName, clusterId, timeZone });
  try {
    ensureSysTenant(store);
    checkListen(store, options.listen);
  } catch (error) {
    store[Symbol.dispose]();
    throw error;
  }
  const work = buildWork(options, store, log);
  try {
    await work.tenants.start();
    const server = await listen(options, { store, work, log });
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
    const { host, port } = server.address;
    log.info('server ready', { host, port, version: VERSION, cluster: store.cluster.name });
    return {
      host,
      port,
      async stop() {
        log.info('server stopping');
        await server.stop(STOP_GRACE_MS);
        await stopWork(work, store);
        log.info('server stopped');
      },
    };
  } catch (error) {
    await stopWork(work, store);
    throw error;
  }
}

async function listen(
  options: HoldfastOptions,
  { store, work, log }: { store: Store; work: Work; log: Log },
): Promise<RunningServer> {
  const serverVersion = `5.7.25-OceanBase-v4.3.3.0-Holdfast-${VERSION}`;
  const connections = new Connections();
  const listenAddress = { host: options.listen, port: options.port };
  const catalog = createCatalog({
    store,
    clock: work.clock,
    driver: (name) => work.tenants.driver(name),
    engineTenant: (tenant) => work.tenants.engineTenant(tenant),
    archive: work.archive,
    restore: work.restore,
    standby: work.standby,
    connections: () => connections.list(),
    serverVersion,
    listenAddress,
  });
  const deps: SqlDependencies = { ...work, store, log, catalog, connections, serverVersion };
  const server = await startServer({
    service: createSqlService(deps),
    listen: options.listen,
    port: options.port,
    tls: options.tls ?? (await ensureCertificate(options.dataDir)),
    clock: work.clock,
    log,
    connections,
  });
  // Port 0 became a real one.
  Object.assign(listenAddress, server.address);
  return server;
}
