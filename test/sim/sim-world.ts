// A whole server without processes or disks: archive, backup and restore over the fake engine and memory destinations,
// with a fate that may end it at any effect, and a store and destinations that outlive it.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createArchive } from '../../src/archive/archive.ts';
import { ARCHIVE_TIMING, type ArchiveTiming } from '../../src/archive/archive-context.ts';
import type { ArchiveService } from '../../src/archive/archive-service.ts';
import { createBackup } from '../../src/backup/backup.ts';
import type { BackupService } from '../../src/backup/backup-service.ts';
import { SYS_TENANT_ID } from '../../src/base/limits.ts';
import { createLog, silentLog } from '../../src/base/log.ts';
import { dropMemoryDestination, MemoryDestination } from '../../src/destination/memory-destination.ts';
import type { EngineTenant } from '../../src/engine/engine-driver.ts';
import { FakeDatabase } from '../../src/engine/fake/fake-database.ts';
import { FakeDriver } from '../../src/engine/fake/fake-driver.ts';
import type { DestinationUri } from '../../src/model/destination-uri.ts';
import { SCN_NONE, type Scn } from '../../src/model/scn.ts';
import type { Tenant } from '../../src/model/tenant.ts';
import { createPipeline } from '../../src/pipeline/create-pipeline.ts';
import { createRestore } from '../../src/restore/restore.ts';
import type { RestoreService } from '../../src/restore/restore-service.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { addTenantKey } from '../../src/store/tenant-keys.ts';
import { Fate, ManualClock, MortalDestination, mortalPipeline, mortalStore } from './fate.ts';

export const TENANT_ID = 1002;
export const DAY_US = 86_400_000_000n;
export const ARCHIVE_URI = 'file:///memory/archive';
export const DATA_URI = 'file:///memory/data';
const WAIT_MS_MAX = 20_000;
/** Longer than the life of a simulated tenant, whose clock goes on by days. */
const LOCK_MS = 365 * 86_400_000;
const TIMING: Partial<ArchiveTiming> = { persistMs: 10, retryMsMin: 5, retryMsMax: 20, detachMs: 300, finishMs: 300 };

/** A state that was called archived: restoring to `scn` must give these bytes. */
export interface Point {
  scn: Scn;
  bytes: Buffer;
}

/** What lives and dies together. */
interface Life {
  fate: Fate;
  driver: FakeDriver;
  archive: ArchiveService;
  backup: BackupService;
  restore: RestoreService;
}

export class SimWorld implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly store: Store;
  readonly #directory = mkdtempSync(join(tmpdir(), 'holdfast-sim-'));
  readonly #pipeline = createPipeline({ log: silentLog, workers: 1 });
  #life: Life;
  #keys = 0;
  #restores = 0;

  readonly #isLocking: boolean;

  private constructor(isLocking: boolean) {
    this.#isLocking = isLocking;
    this.store = openStore(join(this.#directory, 'meta'), { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' });
    this.#life = this.#build(new Fate());
  }

  /**
   * @param of.isEncrypted the tenant's sets and log are encrypted with a key of his
   * @param of.isLocking its destinations are buckets that can not append, let nothing go and spend a name for ever
   */
  static async make(of: { isEncrypted?: boolean; isLocking?: boolean } = {}): Promise<SimWorld> {
    const world = new SimWorld(of.isLocking ?? false);
    // The tenant's id is taken as the first statement would take it.
    world.store.nextId(SYS_TENANT_ID, 'tenant');
    world.store.tenants.insert(world.#row());
    world.store.setParameter(TENANT_ID, 'archive_lag_target', '0ms');
    if (of.isEncrypted) {
      world.store.setParameter(TENANT_ID, 'tde_method', 'internal');
      await world.rotateKey();
    }
    await world.#life.driver.create(world.tenant);
    return world;
  }

  get fate(): Fate {
    return this.#life.fate;
  }
  get archive(): ArchiveService {
    return this.#life.archive;
  }
  get backup(): BackupService {
    return this.#life.backup;
  }
  get restore(): RestoreService {
    return this.#life.restore;
  }

  get tenant(): EngineTenant {
    return this.#engineTenant(this.#row());
  }

  destination(uri: string): MemoryDestination {
    const worm = { clock: this.clock, retainMs: LOCK_MS };
    const options = this.#isLocking ? { append: false, worm } : {};
    return new MemoryDestination(`${this.#directory}${uri.slice('file://'.length)}`, options);
  }

  #row(): Tenant {
    return {
      tenantId: TENANT_ID,
      name: 't1',
      mode: 'mysql',
      role: 'PRIMARY',
      status: 'NORMAL',
      engine: 'fake',
      location: join(this.#directory, 't1.db'),
      isAdopted: true,
      timeZone: '+08:00',
      isArchiveMode: false,
      lastScn: SCN_NONE,
      recoveryUntilScn: SCN_NONE,
      poolName: null,
      comment: '',
      createdNs: 1n,
    };
  }

  #engineTenant({ tenantId, name, mode, location, role }: Tenant): EngineTenant {
    return { tenantId, name, mode, location, isReadOnly: role !== 'PRIMARY', maxCpu: 1 };
  }

  #build(fate: Fate): Life {
    const { clock } = this;
    const driver = new FakeDriver({ clock });
    const common = {
      store: mortalStore(this.store, fate),
      clock,
      log: process.env.HOLDFAST_SIM_LOG ? createLog('debug') : silentLog,
      engineTenant: (tenant: Tenant) => this.#engineTenant(tenant),
      openDestination: ({ path }: DestinationUri) => new MortalDestination(this.destination(`file://${path}`), fate),
      pageMapPath: (tenantId: number) => join(this.#directory, 'page_maps', `${tenantId}.map`),
    };
    const timing = { ...ARCHIVE_TIMING, ...TIMING };
    const archive = createArchive({ ...common, driver: () => driver, timing });
    const work = { ...common, driver, archive, cores: 1, pipeline: mortalPipeline(this.#pipeline, fate) };
    const backup = createBackup(work);
    const restore = createRestore({
      ...work,
      tenantLocation: (tenantId, name) => join(this.#directory, 'tenants', `${name}-${tenantId}`, 'data.db'),
    });
    return { fate, driver, archive, backup, restore };
  }

  start(): void {
    this.archive.start();
    this.backup.start();
    this.restore.start();
  }

  /** Drops every object of the server without stopping any, and starts another on what is left. */
  async crash(): Promise<void> {
    const { fate, archive, backup, restore, driver } = this.#life;
    fate.isDead = true;
    // Their timers end; whatever else they still want to do is nothing.
    for (const service of [archive, backup, restore]) service.stop().catch(() => {});
    this.#life = this.#build(new Fate());
    await driver[Symbol.asyncDispose]();
    this.start();
  }

  /** An orderly stop; while nobody watches, the application changes the database and its log begins anew. */
  async loseLog(): Promise<void> {
    const { fate, archive, backup, restore, driver } = this.#life;
    await restore.stop();
    await backup.stop();
    await archive.stop();
    if (fate.isDead) return;
    await driver[Symbol.asyncDispose]();
    const database = FakeDatabase.open(this.tenant.location);
    this.#keys++;
    database.commit(new Map([[`unseen${this.#keys % 3}`, 'y'.repeat(1500)]]));
    database.recycleLog();
    database.close();
    this.#life = this.#build(fate);
    this.start();
  }

  /** Makes commits: each puts one key, some so large that pages come and go. */
  async commit(count = 1): Promise<void> {
    const session = await this.#life.driver.openSession(this.tenant);
    const { signal } = new AbortController();
    for (let i = 0; i < count; i++) {
      this.#keys++;
      const size = this.#keys % 5 === 0 ? 3000 : 20;
      await session.execute('put ? ?', [`k${this.#keys % 11}`, `${this.#keys}${'x'.repeat(size)}`], signal);
      if (this.#keys % 7 === 0) await session.execute('delete ?', [`k${(this.#keys + 3) % 11}`], signal);
    }
    await session.close();
  }

  /** The next version of the tenant's key; nothing for a tenant without encryption. */
  async rotateKey(): Promise<void> {
    if (this.store.parameter(TENANT_ID, 'tde_method') !== 'internal') return;
    addTenantKey(this.store, TENANT_ID, this.clock.nowNs());
    await this.archive.refreshSeal(TENANT_ID);
  }

  /** Archives to the present. */
  async point(): Promise<Point> {
    const scn = await this.archive.flush(TENANT_ID);
    return { scn, bytes: readFileSync(this.tenant.location) };
  }

  /** A backup that must succeed. @returns its type */
  async backUp(of: { isIncremental: boolean; password?: string }): Promise<string> {
    await this.backup.startBackup({
      initiatorTenantId: TENANT_ID,
      tenants: [TENANT_ID],
      level: 'USER_TENANT',
      isPlusArchivelog: false,
      description: '',
      isIncremental: of.isIncremental,
      password: of.password ?? null,
    });
    await this.untilRested();
    const job = this.store.backupJobs.find({ tenantId: TENANT_ID }).at(-1)!;
    if (job.status !== 'COMPLETED') throw new Error(`the backup is ${job.status}: ${job.comment}`);
    return job.backupType;
  }

  async untilRested(): Promise<void> {
    await this.until(() => !this.backup.isBusy(TENANT_ID), 'end of the backup');
  }

  /** Restores to a point. @returns the file's bytes */
  async restoreTo(scn: Scn | null): Promise<Buffer> {
    this.#restores++;
    const tenantName = `r${this.#restores}`;
    await this.restore.restore({
      tenantName,
      uris: [DATA_URI, ARCHIVE_URI],
      target: scn === null ? { kind: 'newest' } : { kind: 'scn', scn },
      option: '',
      passwords: ['secret'],
      description: '',
    });
    const job = () => this.store.restoreJobs.find({ restoreTenantName: tenantName }).at(-1);
    await this.until(() => (job()?.endNs ?? null) !== null, 'end of the restore');
    const { status, comment } = job()!;
    if (status !== 'RESTORE_SUCCESS') throw new Error(`the restore is ${status}: ${comment}`);
    return readFileSync(this.store.tenantByName(tenantName)!.location);
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const endMs = performance.now() + WAIT_MS_MAX;
    while (!condition()) {
      if (performance.now() > endMs) {
        const round = this.store.currentRound(TENANT_ID);
        throw new Error(`waited for ${what}: round ${round?.roundId} ${round?.status} ${round?.comment}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { archive, backup, restore, driver } = this.#life;
    await restore.stop();
    await backup.stop();
    await archive.stop();
    await driver[Symbol.asyncDispose]();
    await this.#pipeline[Symbol.asyncDispose]();
    this.store[Symbol.dispose]();
    for (const uri of [ARCHIVE_URI, DATA_URI])
      dropMemoryDestination(`${this.#directory}${uri.slice('file://'.length)}`);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
