// The life of a tenant: created or adopted, activated, dropped. Its row is durable before its database exists and goes
// last, so that a start after a crash finds what to finish.
import { realpath, rmdir, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { fail } from '../base/errors.ts';
import { SYS_TENANT_ID } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import type { EngineDriver, EngineTenant } from '../engine/engine-driver.ts';
import type { NewEvent } from '../model/event.ts';
import { checkMove } from '../model/moves.ts';
import { SCN_NONE } from '../model/scn.ts';
import {
  administratorOf,
  isName,
  isReservedTenantName,
  TENANT_MOVES,
  type Tenant,
  type TenantMode,
  type TenantStatus,
} from '../model/tenant.ts';
import { accountWithoutPassword } from '../store/records.ts';
import type { Store } from '../store/store.ts';

export interface CreateTenantRequest {
  name: string;
  isIfNotExists: boolean;
  engine: string;
  /** Absolute path of a database to adopt; null makes a new one under the data directory. */
  location: string | null;
  mode: TenantMode;
  timeZone: string;
  poolNames: readonly string[];
  comment: string;
}

export interface TenantService {
  /** Removes what a previous server left half created: nobody has used it. Before logins, so that the names are free. */
  start(): Promise<void>;
  /** Completes the drops that a previous server left half done. After the rooms that hold tenants have started. */
  finishDrops(): Promise<void>;
  /** @throws 5156, 4650, 4626, 1210, ADOPT_REFUSED */
  create(request: CreateTenantRequest): Promise<void>;
  /** Adopted databases stay where they are. @throws 4179 for sys, 5161 while created or restored, 9036 for a running backup without FORCE */
  drop(tenant: Tenant, options: { isForced: boolean }): Promise<void>;
  /** How the engine sees a tenant. */
  engineTenant(tenant: Tenant): EngineTenant;
  driver(engineName: string): EngineDriver;
  /** Path of a new tenant's database. */
  locationOf(tenantId: number, name: string): string;
}

export interface TenantDependencies {
  store: Store;
  clock: Clock;
  log: Log;
  dataDir: string;
  drivers: readonly EngineDriver[];
  /** Rooms that must let go of a tenant before it is dropped, in order. */
  holders: () => ReadonlyArray<{ forget(tenantId: number): Promise<void> }>;
  isBackupRunning: (tenantId: number) => boolean;
}

/** Statements at once of a tenant without a resource pool. */
const MAX_CPU_DEFAULT = 1;

export function createTenantService(deps: TenantDependencies): TenantService {
  return new Tenants(deps);
}

class Tenants implements TenantService {
  readonly #deps: TenantDependencies;
  /** Tenants whose database is being made now: they can not be dropped from under it. */
  readonly #creating = new Set<number>();

  constructor(deps: TenantDependencies) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    await this.#eachLeft('CREATING', (tenant) => this.#remove(tenant));
  }

  async finishDrops(): Promise<void> {
    // Not only the database goes: its archive round and its backups must come to their end as well.
    await this.#eachLeft('DROPPING', (tenant) => this.drop(tenant, { isForced: true }));
  }

  /** One tenant that can not be removed (a disk error, say) must not keep the others from their server. */
  async #eachLeft(status: TenantStatus, finish: (tenant: Tenant) => Promise<void>): Promise<void> {
    const { store, log } = this.#deps;
    for (const tenant of store.tenants.find({ status })) {
      const { tenantId } = tenant;
      log.warn('tenant left half done, removing it', { tenantId, status });
      try {
        await finish(tenant);
      } catch (error) {
        log.error('tenant left half done is still there, DROP TENANT tries again', { tenantId, status, error });
      }
    }
  }

  driver(engineName: string): EngineDriver {
    const driver = this.#deps.drivers.find(({ name }) => name === engineName.toLowerCase());
    if (!driver) throw fail('NOT_SUPPORTED', { what: `engine '${engineName}'` });
    return driver;
  }

  engineTenant(tenant: Tenant): EngineTenant {
    const { tenantId, name, mode, location } = tenant;
    return { tenantId, name, mode, location, isReadOnly: tenant.role !== 'PRIMARY', maxCpu: this.#maxCpu(tenant) };
  }

  locationOf(tenantId: number, name: string): string {
    return join(this.#deps.dataDir, 'tenants', `${name}-${tenantId}`, 'data.db');
  }

  async create(request: CreateTenantRequest): Promise<void> {
    const { store } = this.#deps;
    if (store.tenantByName(request.name)) {
      if (request.isIfNotExists) return;
      throw fail('TENANT_EXISTS', { tenant: request.name });
    }
    const driver = this.driver(request.engine);
    const location = request.location === null ? null : await this.#realLocation(request.location);
    const tenant = store.transaction(() => this.#insert({ ...request, location }, driver.name));
    this.#creating.add(tenant.tenantId);
    try {
      if (tenant.isAdopted) await driver.adopt(this.engineTenant(tenant));
      else await driver.create(this.engineTenant(tenant));
    } catch (error) {
      await this.#remove(tenant);
      throw error;
    } finally {
      this.#creating.delete(tenant.tenantId);
    }
    const { tenantId: tenant_id, name: tenant_name, isAdopted } = tenant;
    store.transaction(() => {
      this.#move(tenant, 'NORMAL');
      this.#record('create_tenant', { tenant_id, tenant_name, is_adopted: isAdopted ? 'YES' : 'NO' });
    });
    this.#deps.log.info('tenant created', {
      tenantId: tenant.tenantId,
      name: tenant.name,
      isAdopted: tenant.isAdopted,
    });
  }

  async drop(tenant: Tenant, options: { isForced: boolean }): Promise<void> {
    if (tenant.tenantId === SYS_TENANT_ID) throw fail('NOT_ALLOWED', { what: 'dropping the sys tenant is' });
    if (tenant.status === 'RESTORE') {
      throw fail('TENANT_NOT_NORMAL', {
        tenant: tenant.name,
        status: 'RESTORE; ALTER SYSTEM CANCEL RESTORE removes it',
      });
    }
    if (this.#creating.has(tenant.tenantId))
      throw fail('TENANT_NOT_NORMAL', { tenant: tenant.name, status: tenant.status });
    if (!options.isForced && this.#deps.isBackupRunning(tenant.tenantId)) throw fail('BACKUP_IN_PROGRESS', {});
    if (tenant.status !== 'DROPPING') {
      this.#deps.store.transaction(() => {
        this.#move(tenant, 'DROPPING');
        this.#record('drop_tenant', { tenant_id: tenant.tenantId, tenant_name: tenant.name });
      });
    }
    for (const holder of this.#deps.holders()) await holder.forget(tenant.tenantId);
    await this.#remove({ ...tenant, status: 'DROPPING' });
    this.#deps.log.info('tenant dropped', { tenantId: tenant.tenantId, name: tenant.name });
  }

  #record(event: string, facts: NewEvent['facts']): void {
    this.#deps.store.recordEvent(this.#deps.clock.nowNs(), { module: 'tenant', event, facts });
  }

  #move(tenant: Tenant, to: TenantStatus): void {
    const status = checkMove('tenant', TENANT_MOVES, tenant.status, to);
    this.#deps.store.tenants.change({ tenantId: tenant.tenantId }, { status }, { status: tenant.status });
  }

  /** Removes the database (never an adopted one), then the records. Safe to repeat. */
  async #remove(tenant: Tenant): Promise<void> {
    await this.driver(tenant.engine).drop(this.engineTenant(tenant), { removeData: !tenant.isAdopted });
    if (tenant.location === this.locationOf(tenant.tenantId, tenant.name)) await removeEmpty(dirname(tenant.location));
    this.#deps.store.forgetTenant(tenant.tenantId);
  }

  /**
   * One file, one tenant: links are followed, and a file that another tenant has under another name is refused.
   * What is wrong with the file itself is the engine's to say.
   */
  async #realLocation(location: string): Promise<string> {
    if (!isAbsolute(location)) throw fail('ADOPT_REFUSED', { location, because: 'its path is not absolute' });
    const real = await realpath(location).catch(() => location);
    const file = await stat(real, { bigint: true }).catch(() => undefined);
    if (!file) return real;
    for (const tenant of this.#deps.store.userTenants()) {
      const other = await stat(tenant.location, { bigint: true }).catch(() => undefined);
      if (other?.ino !== file.ino || other.dev !== file.dev) continue;
      throw fail('ADOPT_REFUSED', { location, because: `it already belongs to the tenant ${tenant.name}` });
    }
    return real;
  }

  #insert(request: CreateTenantRequest, engine: string): Tenant {
    const { store, clock } = this.#deps;
    const { name, location, mode, timeZone, comment } = request;
    if (!isName(name) || isReservedTenantName(name)) throw fail('INVALID_ARGUMENT', { what: `tenant name '${name}'` });
    if (location !== null && store.tenants.find({ location }).length > 0) {
      throw fail('ADOPT_REFUSED', { location, because: 'it already belongs to a tenant' });
    }
    const tenantId = store.nextId(SYS_TENANT_ID, 'tenant');
    this.#grantPools(request.poolNames, tenantId);
    const tenant: Tenant = {
      tenantId,
      name,
      mode,
      role: 'PRIMARY',
      status: 'CREATING',
      engine,
      location: location ?? this.locationOf(tenantId, name),
      isAdopted: location !== null,
      timeZone,
      isArchiveMode: false,
      lastScn: SCN_NONE,
      recoveryUntilScn: SCN_NONE,
      poolName: request.poolNames[0] ?? null,
      comment,
      createdNs: clock.nowNs(),
    };
    store.tenants.insert(tenant);
    store.accounts.insert(accountWithoutPassword(tenantId, administratorOf(mode)));
    return tenant;
  }

  #grantPools(names: readonly string[], tenantId: number): void {
    for (const name of names) {
      const pool = this.#deps.store.pools.get({ name });
      if (!pool) throw fail('POOL_NOT_EXIST', { pool: name });
      if (pool.tenantId !== null) throw fail('POOL_ALREADY_GRANTED', { pool: name });
      this.#deps.store.pools.change({ name }, { tenantId });
    }
  }

  #maxCpu(tenant: Tenant): number {
    if (tenant.poolName === null) return MAX_CPU_DEFAULT;
    const pool = this.#deps.store.pools.get({ name: tenant.poolName });
    const unit = pool && this.#deps.store.units.get({ name: pool.unitName });
    return Math.max(1, Math.ceil(unit?.maxCpu ?? MAX_CPU_DEFAULT));
  }
}

/** Removes a directory of our own; what somebody else put there stays, and so does the directory. */
async function removeEmpty(directory: string): Promise<void> {
  await rmdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(error.code ?? '')) throw error;
  });
}
