// The composition root: builds everything from the configuration, and owns start and stop.
import { isIP } from 'node:net';
import { systemClock } from './base/clock.ts';
import { fail } from './base/errors.ts';
import { SYS_TENANT_ID } from './base/limits.ts';
import { createLog, type Log, type LogLevel } from './base/log.ts';
import { buildWork, startWork, stopWork, type Work } from './build-work.ts';
import { createCatalog } from './catalog/catalog.ts';
import { SCN_NONE } from './model/scn.ts';
import { isTimeZone, localTimeZone } from './model/time-zone.ts';
import { Connections } from './server/registry.ts';
import { type RunningServer, startServer } from './server/server.ts';
import { ensureCertificate } from './server/tls.ts';
import { isSysPasswordEmpty } from './sql/accounts.ts';
import type { SqlDependencies } from './sql/dependencies.ts';
import { createSqlService } from './sql/service.ts';
import { accountWithoutPassword } from './store/records.ts';
import { openStore, type Store } from './store/store.ts';
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
  const work = buildWork(options.dataDir, store, log);
  try {
    await work.tenants.start();
    const server = await listen(options, { store, work, log });
    await startWork(work);
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
