// The sqlite engine: one database file per tenant. The server only conducts; files and SQLite itself live in child
// processes: SQL hosts per tenant, capture hosts, and short-lived ones for files as a whole.

import { lstat, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ChannelClosed } from '../../base/child-process.ts';
import type { Clock } from '../../base/clock.ts';
import { fail, isFailure } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { CheckLevel } from '../../model/check-level.ts';
import type {
  Capture,
  CaptureRequest,
  EngineCan,
  EngineDriver,
  EngineFacts,
  EngineSession,
  EngineTable,
  EngineTenant,
  ImportPlan,
  ImportRun,
  LogPin,
  Replay,
  TableImport,
} from '../engine-driver.ts';
import { HostGone, type HostLink } from '../host-link.ts';
import { SqliteCaptureHosts, startSqliteCapture } from './capture.ts';
import { FileCreator, forkFileHost } from './file-creator.ts';
import { type ImportConduct, importPlanned, planTables } from './import-tables.ts';
import { openSqliteReplay } from './replay.ts';
import type { SessionLog } from './session-log.ts';
import { SqlHostPool } from './sql-host-pool.ts';
import { SqlSession } from './sql-session.ts';

/** How long a statement waits for another session's lock: MySQL's innodb_lock_wait_timeout. */
const LOCK_WAIT_MS = 50_000;

/** Files that belong to one database. */
const FILE_ENDINGS = ['', '-wal', '-shm', '-journal'];

const ENDED = "the tenant's sessions were ended";

export interface SqliteDriver extends EngineDriver {
  /** True while a process has the tenant's file open for SQL. */
  isInUse(tenantId: number): boolean;
}

export interface SqliteDriverOptions {
  log: Log;
  clock: Clock;
  /** Where created tenants live; not needed by the driver itself, every tenant names its own location. */
  dataDir?: string;
  /** Default 50 s. */
  lockWaitMs?: number;
  /** Absent: nothing is archived. */
  sessionLog?: SessionLog;
}

/** What runs for one tenant. */
interface TenantSql {
  pool: SqlHostPool;
  sessions: Set<SqlSession>;
}

/** @param ready the host is asked then, and comes up before */
async function inFileHost<T extends { location: string }>(
  verb: 'adopt' | 'check',
  request: T,
  ready?: Promise<void>,
): Promise<EngineFacts> {
  const child = forkFileHost();
  try {
    await ready;
    return await child.call<EngineFacts>(verb, request);
  } catch (error) {
    if (!(error instanceof ChannelClosed)) throw error;
    throw fail('HOST_LOST', { because: error.message }, { cause: error });
  } finally {
    child.kill();
    await child.exited;
  }
}

class Sqlite implements SqliteDriver {
  readonly name = 'sqlite';
  readonly can: EngineCan = { adopt: true, capture: true, snapshot: true, replay: true, importTables: true };
  readonly #options: SqliteDriverOptions;
  readonly #tenants = new Map<number, TenantSql>();
  /** Pools whose processes are being ended. */
  readonly #ending = new Map<number, SqlHostPool>();
  /** Pools apart from those of sessions, each for one look at the tables or one import. */
  readonly #apart = new Set<SqlHostPool>();
  readonly #captureHosts: SqliteCaptureHosts;
  readonly #creator = new FileCreator();
  readonly #replays = new Set<Replay>();
  /** The latest capture of each tenant; one that has ended by itself may still be here. */
  readonly #captures = new Map<number, Capture>();
  #nextSession = 1;

  constructor(options: SqliteDriverOptions) {
    this.#options = options;
    this.#captureHosts = new SqliteCaptureHosts({ log: options.log });
  }

  create(tenant: EngineTenant): Promise<EngineFacts> {
    return this.#creator.create(tenant.location);
  }

  adopt(tenant: EngineTenant): Promise<EngineFacts> {
    return inFileHost('adopt', { location: tenant.location });
  }

  check(location: string, of: { level: CheckLevel; whenWritten?: Promise<void> }): Promise<EngineFacts> {
    return inFileHost('check', { location, level: of.level }, of.whenWritten);
  }

  async drop(tenant: EngineTenant, { removeData }: { removeData: boolean }): Promise<void> {
    await this.#endCapture(tenant.tenantId);
    await this.#captureHosts.release(tenant.tenantId);
    await this.closeSessions(tenant.tenantId);
    if (!removeData) return;
    for (const ending of FILE_ENDINGS) await rm(tenant.location + ending, { force: true });
    await this.#syncDirectory(dirname(tenant.location));
  }

  async #endCapture(tenantId: number): Promise<void> {
    const capture = this.#captures.get(tenantId);
    this.#captures.delete(tenantId);
    try {
      await capture?.stop();
    } catch (error) {
      // The tenant goes away whether or not its last commits could still be archived; an ended capture is no failure.
      if (!isFailure(error, 'LOG_ARCHIVE_NOT_RUNNING'))
        this.#options.log.warn('capture not stopped', { tenantId, error });
    }
  }

  async #syncDirectory(path: string): Promise<void> {
    // A directory is no database file: opening it here disturbs no lock.
    const isThere = await lstat(path).then(
      (found) => found.isDirectory(),
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return false;
        throw error;
      },
    );
    if (!isThere) return;
    const directory = await open(path, 'r');
    await directory.sync();
    await directory.close();
  }

  async openSession(tenant: EngineTenant): Promise<EngineSession> {
    const { clock, log, lockWaitMs = LOCK_WAIT_MS, sessionLog } = this.#options;
    let sql = this.#tenants.get(tenant.tenantId);
    if (!sql) {
      sql = { pool: new SqlHostPool(tenant, log), sessions: new Set() };
      this.#tenants.set(tenant.tenantId, sql);
    }
    const { pool, sessions } = sql;
    const session: SqlSession = new SqlSession({
      ...{ session: this.#nextSession++, tenant, pool, clock, lockWaitMs, sessionLog },
      onClose: () => sessions.delete(session),
    });
    sessions.add(session);
    return session;
  }

  async closeSessions(tenantId: number): Promise<void> {
    const described = Promise.all(this.#apartOf(tenantId).map((pool) => pool.kill(ENDED)));
    const sql = this.#tenants.get(tenantId);
    if (!sql) {
      await described;
      return;
    }
    this.#tenants.delete(tenantId);
    this.#ending.set(tenantId, sql.pool);
    for (const session of sql.sessions) session.end();
    await Promise.all([sql.pool.kill(ENDED), described]);
    if (this.#ending.get(tenantId) === sql.pool) this.#ending.delete(tenantId);
  }

  isInUse(tenantId: number): boolean {
    const pools = [this.#tenants.get(tenantId)?.pool, this.#ending.get(tenantId), ...this.#apartOf(tenantId)];
    return pools.some((pool) => pool?.isEmpty === false);
  }

  #apartOf(tenantId: number): SqlHostPool[] {
    return [...this.#apart].filter((pool) => pool.tenantId === tenantId);
  }

  describe(tenant: EngineTenant): Promise<EngineTable[]> {
    const request = { location: tenant.location, tenantName: tenant.name };
    return this.#inHost(tenant, { isShared: true }, (link) => link.run('describe', request));
  }

  planImport(request: TableImport, signal: AbortSignal): Promise<ImportPlan> {
    return this.#inImportHost(request, (conduct) => planTables(conduct, signal));
  }

  importTables(request: TableImport, run: ImportRun): Promise<string[]> {
    return this.#inImportHost(request, (conduct) => importPlanned(conduct, run));
  }

  /** A process of its own: an import takes long, and none of the tenant's sessions waits for it. */
  #inImportHost<T>(request: TableImport, work: (conduct: ImportConduct) => Promise<T>): Promise<T> {
    const { clock, lockWaitMs = LOCK_WAIT_MS, sessionLog } = this.#options;
    return this.#inHost(request.tenant, { isShared: false }, (link) => {
      const keepsLog = sessionLog?.keepsLog(request.tenant.tenantId) ?? false;
      return work({ link, request: { ...request, keepsLog }, clock, lockWaitMs });
    });
  }

  /** @param isShared a process of the tenant's sessions will do; without sessions one is made for this and ended after it */
  async #inHost<T>(
    tenant: EngineTenant,
    { isShared }: { isShared: boolean },
    work: (link: HostLink) => Promise<T>,
  ): Promise<T> {
    await this.#options.sessionLog?.beforeUse(tenant.tenantId);
    const shared = isShared ? this.#tenants.get(tenant.tenantId)?.pool : undefined;
    const pool = shared ?? new SqlHostPool(tenant, this.#options.log);
    if (!shared) this.#apart.add(pool);
    const link = pool.take();
    try {
      return await work(link);
    } catch (error) {
      if (!(error instanceof HostGone)) throw error;
      throw fail('HOST_LOST', { because: error.because }, { cause: error });
    } finally {
      pool.release(link);
      // Its process has the file open to its end.
      if (!shared) await pool.kill('its work was done').finally(() => this.#apart.delete(pool));
    }
  }

  pinLog(tenant: EngineTenant): Promise<LogPin> {
    return this.#captureHosts.pin(tenant);
  }

  async startCapture(request: CaptureRequest): Promise<Capture> {
    const capture = await startSqliteCapture(this.#captureHosts, request);
    this.#captures.set(request.tenant.tenantId, capture);
    return capture;
  }

  async openReplay(tenant: EngineTenant): Promise<Replay> {
    const replay = await openSqliteReplay(tenant, (closed) => this.#replays.delete(closed));
    this.#replays.add(replay);
    return replay;
  }

  /** Ends every process of the engine, closing nothing: the log stays as it is for the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    const tenantIds = new Set([...this.#tenants.keys(), ...[...this.#apart].map(({ tenantId }) => tenantId)]);
    await Promise.all([...tenantIds].map((tenantId) => this.closeSessions(tenantId)));
    await Promise.all([...this.#replays].map((replay) => replay.close()));
    await this.#creator[Symbol.asyncDispose]();
    await this.#captureHosts[Symbol.asyncDispose]();
  }
}

/** The driver of the embedded engine. */
export function createSqliteDriver(options: SqliteDriverOptions): SqliteDriver {
  return new Sqlite(options);
}
