// A server's backups over the embedded engine: one tenant, real archive, workers and files, everything in one directory.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { destRequest, TENANT_ID, tenantRow } from '../archive/archive.fixture.ts';
import { createArchive } from '../archive/archive.ts';
import type { ArchiveService } from '../archive/archive-service.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { DatabaseSync } from '../base/sqlite.ts';
import { openDestination } from '../destination/open-destination.ts';
import type { EngineDriver, EngineTenant } from '../engine/engine-driver.ts';
import { createSqliteDriver } from '../engine/sqlite/sqlite-driver.ts';
import type { BackupJob, BackupType } from '../model/backup-job.ts';
import type { DestinationUri } from '../model/destination-uri.ts';
import { createPipeline } from '../pipeline/create-pipeline.ts';
import type { BackupRequest, Pipeline } from '../pipeline/pipeline.ts';
import { until } from '../restore/world.fixture.ts';
import { openStore, type Store } from '../store/store.ts';
import { createBackup } from './backup.ts';
import type { BackupService } from './backup-service.ts';
import { readWholeSet } from './read-set.fixture.ts';

export { TENANT_ID, until };

const DUMP = 'SELECT id, hex(v) AS v FROM t ORDER BY id';

/** Rows in so short a form that a difference can be read. */
const brief = (rows: string[]) =>
  `${rows.length} rows: ${createHash('sha256').update(rows.join('\n')).digest('hex').slice(0, 16)}`;

export class SqliteBackups implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'sqlite-backups-'));
  readonly store: Store;
  readonly pipeline: Pipeline = createPipeline({ log: silentLog, workers: 1 });
  readonly #tenant: EngineTenant;
  driver!: EngineDriver;
  archive!: ArchiveService;
  backup!: BackupService;
  /** Whole databases that were read to find what an increment holds. */
  scans = 0;
  /** What becomes of a backup's request before the workers get it. */
  asked: (request: BackupRequest) => BackupRequest = (request) => request;

  private constructor() {
    for (const name of ['backup', 'archive']) mkdirSync(join(this.#directory, name));
    this.store = openStore(join(this.#directory, 'meta'), { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' });
    const location = join(this.#directory, 'data', 't1', 'data.db');
    this.#tenant = { tenantId: TENANT_ID, name: 't1002', mode: 'mysql', location, isReadOnly: false, maxCpu: 1 };
    this.store.tenants.insert({ ...tenantRow(TENANT_ID, location), engine: 'sqlite' });
  }

  /** With a tenant that is archived, and a table `t (id, v)`. */
  static async start(): Promise<SqliteBackups> {
    const made = new SqliteBackups();
    made.serve();
    await made.driver.create(made.#tenant);
    await made.archive.setDest(TENANT_ID, destRequest({ uri: `file://${join(made.#directory, 'archive')}` }));
    await made.backup.setDataDest(TENANT_ID, made.dataUri);
    made.archive.enable(TENANT_ID);
    await made.attached();
    await made.run('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)');
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
    await this.pipeline[Symbol.asyncDispose]();
    this.store[Symbol.dispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  get dataUri(): string {
    return `file://${join(this.#directory, 'backup')}`;
  }

  serve(): void {
    const { store, pipeline } = this;
    const dataDir = join(this.#directory, 'data');
    const shared = {
      ...{ store, clock: systemClock, log: silentLog, openDestination: (uri: DestinationUri) => openDestination(uri) },
      engineTenant: () => this.#tenant,
      pageMapPath: (tenantId: number) => join(dataDir, 'page_maps', `${tenantId}.map`),
    };
    this.driver = createSqliteDriver({ log: silentLog, clock: systemClock, dataDir, lockWaitMs: 5000 });
    this.archive = createArchive({ ...shared, driver: () => this.driver });
    const workers: Pipeline = {
      ...pipeline,
      backup: (request) => pipeline.backup(this.asked(request)),
      hashPages: (request) => {
        this.scans++;
        return pipeline.hashPages(request);
      },
    };
    this.backup = createBackup({
      ...shared,
      driver: this.driver,
      pipeline: workers,
      archive: this.archive,
      cores: 2,
    });
    this.archive.start();
    this.backup.start();
  }

  async leave(): Promise<void> {
    await this.backup.stop();
    await this.archive.stop();
    await this.driver[Symbol.asyncDispose]();
  }

  attached(): Promise<void> {
    return until('the archive attaches', () => this.archive.capture(TENANT_ID) !== undefined);
  }

  async run(...statements: string[]): Promise<void> {
    const session = await this.driver.openSession(this.#tenant);
    for (const sql of statements) await session.execute(sql, [], new AbortController().signal);
    await session.close();
  }

  /** What the application sees in `t`. */
  async live(): Promise<string> {
    const session = await this.driver.openSession(this.#tenant);
    const result = await session.execute(DUMP, [], new AbortController().signal);
    if (result.kind !== 'rows') throw new Error('rows were expected');
    const lines: string[] = [];
    for await (const rows of result.rows) for (const row of rows) lines.push(row.map(String).join(' '));
    await session.close();
    return brief(lines);
  }

  async startBackup(of: { isIncremental: boolean; password?: string }): Promise<void> {
    const { isIncremental, password = null } = of;
    const rest = { isPlusArchivelog: false, description: '', password };
    await this.backup.startBackup({
      ...{ initiatorTenantId: TENANT_ID, tenants: [TENANT_ID], level: 'USER_TENANT', isIncremental, ...rest },
    });
  }

  /** @returns the newest job's row when the work of the tenant has ended */
  async ended(): Promise<BackupJob> {
    await until('the backup ends', () => !this.backup.isBusy(TENANT_ID));
    return this.store.backupJobs.find({ tenantId: TENANT_ID }).at(-1)!;
  }

  async backUp(isIncremental: boolean): Promise<BackupJob> {
    await this.startBackup({ isIncremental });
    return await this.ended();
  }

  /** What SQLite finds of `t` in a set. */
  async contentOf(backupSetId: number, type: BackupType, passwords: string[] = []): Promise<string> {
    const owner = { clusterUuid: this.store.cluster.uuid, tenantId: TENANT_ID, passwords };
    const { bytes } = await readWholeSet(this.dataUri, { backupSetId, type }, owner);
    const path = join(this.#directory, `set-${backupSetId}.db`);
    writeFileSync(path, bytes);
    const db = new DatabaseSync(path);
    try {
      expect(db.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
      const rows = db.prepare(DUMP).all() as Array<{ id: number; v: string }>;
      return brief(rows.map(({ id, v }) => `${id} ${v}`));
    } finally {
      db.close();
    }
  }
}

/** Rows of random bytes, 1500 each on average. */
export const FILL = (rows: number) =>
  `INSERT INTO t (v) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
   SELECT randomblob(1 + abs(random()) % 3000) FROM n`;
