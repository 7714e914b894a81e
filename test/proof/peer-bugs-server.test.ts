// Goal: bugs that other replicators of SQLite had are not in archive, backup and restore. docs/proof.md says which test
// is for which bug. Method: the situation that led to each, with the real engine, services and files; dumps of restored
// databases are compared with those taken when the points were recorded.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createArchive } from '../../src/archive/archive.ts';
import type { ArchiveService } from '../../src/archive/archive-service.ts';
import { createBackup } from '../../src/backup/backup.ts';
import type { BackupService } from '../../src/backup/backup-service.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { DatabaseSync } from '../../src/base/sqlite.ts';
import type { Destination } from '../../src/destination/destination.ts';
import { openDestination } from '../../src/destination/open-destination.ts';
import type { EngineDriver, EngineSession } from '../../src/engine/engine-driver.ts';
import { createSqliteDriver } from '../../src/engine/sqlite/sqlite-driver.ts';
import type { DestinationUri } from '../../src/model/destination-uri.ts';
import { SCN_NONE, type Scn } from '../../src/model/scn.ts';
import type { Tenant } from '../../src/model/tenant.ts';
import { createPipeline } from '../../src/pipeline/create-pipeline.ts';
import type { Pipeline } from '../../src/pipeline/pipeline.ts';
import { createRestore } from '../../src/restore/restore.ts';
import type { RestoreService } from '../../src/restore/restore-service.ts';
import { createStandby } from '../../src/restore/standby.ts';
import type { StandbyService } from '../../src/restore/standby-service.ts';
import { openStore, type Store } from '../../src/store/store.ts';

const WAIT_MS_MAX = 60_000;
/** Each of these runs several backups and restores. */
const SLOW_MS = 240_000;
const DAY_US = 86_400_000_000n;
const SECOND_US = 1_000_000n;
const PASSWORD = 'pw';

let root: string;
let store: Store;
let driver: EngineDriver;
let pipeline: Pipeline;
let archive: ArchiveService;
let backup: BackupService;
let restore: RestoreService;
let standby: StandbyService;
const sessions: EngineSession[] = [];
const { signal } = new AbortController();

const engineTenant = ({ tenantId, name, mode, location, role }: Tenant) => ({
  ...{ tenantId, name, mode, location },
  isReadOnly: role !== 'PRIMARY',
  maxCpu: 1,
});

/** A directory whose name tells so can not append: each batch becomes an object, as at an object store. */
function open(uri: DestinationUri): Destination {
  const inner = openDestination(uri);
  if (!uri.path.includes('objects')) return inner;
  return new Proxy(inner, {
    get(target, name) {
      if (name === 'can') return { append: false };
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'holdfast-proof-'));
  store = openStore(join(root, 'server', 'meta'), { clusterName: 'c1', clusterId: 1, timeZone: '+00:00' });
  driver = createSqliteDriver({ log: silentLog, clock: systemClock });
  pipeline = createPipeline({ log: silentLog, workers: 1 });
  const pageMapPath = (tenantId: number) => join(root, 'server', 'page_maps', `${tenantId}.map`);
  const common = { store, clock: systemClock, log: silentLog, openDestination: open, engineTenant, pageMapPath };
  archive = createArchive({ ...common, driver: () => driver });
  const work = { ...common, driver, pipeline, archive, cores: 2 };
  backup = createBackup(work);
  standby = createStandby(work);
  restore = createRestore({ ...work, tenantLocation: (id, name) => join(root, 'tenants', `${name}-${id}`, 'data.db') });
  archive.start();
  backup.start();
  restore.start();
});
afterAll(async () => {
  for (const session of sessions) await session.close();
  await restore?.stop();
  await backup?.stop();
  await archive?.stop();
  await driver?.[Symbol.asyncDispose]();
  await pipeline?.[Symbol.asyncDispose]();
  store?.[Symbol.dispose]();
  rmSync(root, { recursive: true, force: true });
});

async function until(what: string, condition: () => boolean): Promise<void> {
  const endMs = systemClock.monotonicMs() + WAIT_MS_MAX;
  while (!condition()) {
    if (systemClock.monotonicMs() > endMs) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A state of a tenant that was called archived. */
interface Point {
  scn: Scn;
  dump: string[];
}

const QUERY = 'SELECT id, length(body), hex(substr(body, 1, 8)) FROM docs ORDER BY id';

/** A tenant with a table `docs`, and what tests do with it. */
class Subject {
  readonly tenant: Tenant;
  #session: EngineSession | undefined;
  readonly #destination: string;

  /** @param destination part of the names of its directories */
  constructor(tenant: Tenant, destination: string = tenant.name) {
    this.tenant = tenant;
    this.#destination = destination;
  }

  static async create(name: string, destination?: string): Promise<Subject> {
    const tenantId = store.nextId(1, 'tenant');
    const tenant: Tenant = {
      tenantId,
      name,
      mode: 'mysql',
      role: 'PRIMARY',
      status: 'NORMAL',
      engine: 'sqlite',
      location: join(root, 'own', `${name}.db`),
      isAdopted: false,
      timeZone: '+00:00',
      isArchiveMode: false,
      lastScn: SCN_NONE,
      recoveryUntilScn: SCN_NONE,
      poolName: null,
      comment: '',
      createdNs: 1n,
    };
    store.tenants.insert(tenant);
    await driver.create(engineTenant(tenant));
    const subject = new Subject(tenant, destination);
    await subject.run('CREATE TABLE docs (id INTEGER PRIMARY KEY, body BLOB)');
    return subject;
  }

  directory(kind: 'data' | 'archive'): string {
    return join(root, 'backup', this.#destination, kind);
  }

  get uris(): string[] {
    return [`file://${this.directory('data')}`, `file://${this.directory('archive')}`];
  }

  async run(sql: string, ...parameters: Array<string | bigint | Uint8Array>) {
    if (!this.#session) {
      this.#session = await driver.openSession(engineTenant(store.tenantNamed(this.tenant.name)));
      sessions.push(this.#session);
    }
    return await this.#session.execute(sql, parameters, signal);
  }

  /** One commit. */
  async insert(count: number, bytes: number): Promise<void> {
    await this.run(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
      INSERT INTO docs (body) SELECT randomblob(${bytes}) FROM n`);
  }

  async startArchive(pieceSwitchIntervalUs = DAY_US): Promise<void> {
    const { tenantId } = this.tenant;
    store.setParameter(tenantId, 'archive_lag_target', '0ms');
    const [data, log] = this.uris;
    const interval = { pieceSwitchIntervalUs, pieceSwitchIntervalText: '1d' };
    await archive.setDest(tenantId, { uri: log!, binding: 'OPTIONAL', ...interval });
    await backup.setDataDest(tenantId, data!);
    archive.enable(tenantId);
    await until('the archive runs', () => archive.capture(tenantId) !== undefined);
  }

  async backUp(of: { isIncremental?: boolean; password?: string } = {}): Promise<string> {
    const { tenantId } = this.tenant;
    await backup.startBackup({
      ...{ initiatorTenantId: tenantId, tenants: [tenantId], level: 'USER_TENANT' },
      ...{ isPlusArchivelog: false, description: '' },
      isIncremental: of.isIncremental ?? false,
      password: of.password ?? null,
    });
    await until('the backup ends', () => !backup.isBusy(tenantId));
    const job = store.backupJobs.find({ tenantId }).at(-1)!;
    expect(job).toMatchObject({ status: 'COMPLETED' });
    return job.backupType;
  }

  async point(): Promise<Point> {
    const result = await this.run(QUERY);
    if (result.kind !== 'rows') throw new Error('rows were expected');
    const dump: string[] = [];
    for await (const some of result.rows) dump.push(...some.map((row) => row.map(String).join('|')));
    return { scn: await archive.flush(this.tenant.tenantId), dump };
  }

  /** Restores to a new tenant. @throws what the statement says, or what its job says in the end */
  async restoreTo(name: string, scn: Scn): Promise<string[]> {
    const rest = { option: '', passwords: [PASSWORD], description: '' };
    await restore.restore({ tenantName: name, uris: this.uris, target: { kind: 'scn', scn }, ...rest });
    const job = () => store.restoreJobs.find({ restoreTenantName: name }).at(-1)!;
    await until('the restore ends', () => job().endNs !== null);
    if (job().status !== 'RESTORE_SUCCESS') throw new Error(job().comment);
    // Nothing else has this file open in this process.
    const database = new DatabaseSync(store.tenantNamed(name).location, { readOnly: true });
    try {
      expect(Object.values(database.prepare('PRAGMA integrity_check').get() as object)).toEqual(['ok']);
      const rows = database.prepare(QUERY).all() as object[];
      return rows.map((row) => Object.values(row).map(String).join('|'));
    } finally {
      database.close();
    }
  }
}

const filesBelow = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();

describe('a restored tenant', () => {
  test(
    'is archived and backed up from the beginning, and restored from that again',
    async () => {
      const first = await Subject.create('first');
      await first.startArchive();
      await first.insert(20, 3000);
      await first.backUp();
      await first.insert(5, 3000);
      const point = await first.point();
      await first.insert(5, 3000);
      expect(await first.restoreTo('second', point.scn)).toEqual(point.dump);
      const { tenantId } = store.tenantNamed('second');
      await standby.activate(tenantId, { isVerifyOnly: false });
      const second = new Subject(store.tenantNamed('second'));
      await second.startArchive();
      await second.run('DELETE FROM docs WHERE id % 4 = 0');
      expect(await second.backUp()).toBe('FULL');
      await second.insert(7, 3000);
      const own = await second.point();
      await second.insert(1, 3000);
      expect(await second.backUp({ isIncremental: true })).toBe('INC');
      const last = await second.point();
      expect(await second.restoreTo('third', own.scn)).toEqual(own.dump);
      expect(await second.restoreTo('fourth', last.scn)).toEqual(last.dump);
      // The tenant it came from is not touched by any of that.
      expect(await first.restoreTo('fifth', point.scn)).toEqual(point.dump);
    },
    SLOW_MS,
  );
});

describe('a password', () => {
  test(
    'means that no object of a set holds a planted text, which the objects of a plain set do',
    async () => {
      const planted = randomBytes(400_000);
      const needles = Array.from({ length: 50 }, (_, i) => planted.subarray(5000 + i * 7000, 5024 + i * 7000));
      const found = (directory: string) =>
        filesBelow(directory).filter((path) => {
          const bytes = readFileSync(path);
          return needles.some((needle) => bytes.includes(needle));
        });
      const open = await Subject.create('plain');
      const closed = await Subject.create('secret');
      for (const subject of [open, closed]) {
        await subject.run('INSERT INTO docs (body) VALUES (?)', new Uint8Array(planted));
        await subject.startArchive();
        const secret = subject === closed ? { password: PASSWORD } : {};
        expect(await subject.backUp(secret)).toBe('FULL');
        await subject.run('INSERT INTO docs (body) VALUES (?)', new Uint8Array(planted));
        expect(await subject.backUp({ ...secret, isIncremental: true })).toBe('INC');
      }
      expect(found(open.directory('data')).length).toBeGreaterThan(1);
      expect(found(closed.directory('data'))).toEqual([]);
    },
    SLOW_MS,
  );
});

describe('sets of pages', () => {
  test(
    'hold every page that came with growth, and none that went with shrinking',
    async () => {
      const subject = await Subject.create('growth');
      await subject.startArchive();
      const points: Point[] = [];
      const step = async (type: string, work: () => Promise<unknown>) => {
        await work();
        expect(await subject.backUp({ isIncremental: type === 'INC' })).toBe(type);
        points.push(await subject.point());
      };
      await step('FULL', () => subject.insert(20, 9000));
      await step('INC', () => subject.insert(80, 9000));
      await step('INC', async () => {
        await subject.run('DELETE FROM docs WHERE id > 15');
        await subject.run('VACUUM');
      });
      await step('INC', () => subject.insert(60, 9000));
      // Grown and shrunk between two sets: pages that only the log has ever held.
      await step('INC', async () => {
        await subject.insert(100, 9000);
        await subject.run('DELETE FROM docs WHERE id % 3 <> 0');
        await subject.run('VACUUM');
      });
      for (const [i, { scn, dump }] of points.entries())
        expect(await subject.restoreTo(`growth${i}`, scn)).toEqual(dump);
    },
    SLOW_MS,
  );
});

describe('a log of many pieces', () => {
  const points: Point[] = [];
  let subject: Subject;
  const pieces = () => store.pieces.find({ tenantId: subject.tenant.tenantId });
  const COMPACTED = /\/c[^/]*\.obarc$/;

  beforeAll(async () => {
    subject = await Subject.create('long', 'objects');
    await subject.startArchive(SECOND_US);
    await subject.insert(10, 3000);
    await subject.backUp();
  });

  test(
    'leads to every point of the past after it was frozen and compacted, and keeps nothing on the server',
    async () => {
      const own = filesBelow(join(root, 'server')).length;
      for (let piece = 0; piece < 4; piece++) {
        // Each commit is durable by itself, so that a piece has many objects.
        for (let i = 0; i < 12; i++) {
          await subject.run('INSERT INTO docs (body) VALUES (?)', new Uint8Array(randomBytes(500)));
          await subject.run('UPDATE docs SET body = ? WHERE id = ?', new Uint8Array(randomBytes(700)), BigInt(i + 1));
          if (i % 4 === 0) points.push(await subject.point());
          else await archive.flush(subject.tenant.tenantId);
        }
        const before = pieces().length;
        await until('the next piece begins', () => systemClock.nowNs() > pieces().at(-1)!.endScn);
        await subject.insert(1, 100);
        await until('the piece is frozen', () => {
          const all = pieces();
          return all.length > before && all.slice(0, -1).every(({ status }) => status === 'FROZEN');
        });
      }
      const objects = filesBelow(subject.directory('archive'));
      console.log(`${objects.length} objects in ${pieces().length} pieces`);
      expect(objects.filter((path) => COMPACTED.test(path)).length).toBeGreaterThanOrEqual(3);
      for (const [i, { scn, dump }] of points.entries()) expect(await subject.restoreTo(`past${i}`, scn)).toEqual(dump);
      // Local files that pile up filled disks elsewhere; a page map may have come.
      expect(filesBelow(join(root, 'server')).length).toBeLessThanOrEqual(own + 1);
    },
    SLOW_MS,
  );

  test(
    'is refused where a segment is gone, which is named, and read when it is there again',
    async () => {
      const pieceOf = ({ scn }: Point) => pieces().find(({ startScn, endScn }) => startScn <= scn && scn < endScn)!;
      const [first, last] = [points[0]!, points.at(-1)!];
      const others = [first, last].map((point) => pieceOf(point).pieceId);
      const inside = points.find((point) => !others.includes(pieceOf(point).pieceId))!;
      const { roundId, pieceId } = pieceOf(inside);
      const lost = filesBelow(subject.directory('archive')).find((path) =>
        new RegExp(`/piece_d\\d+r${roundId}p${pieceId}/logstream_1/`).test(path),
      )!;
      renameSync(lost, `${lost}.away`);
      const name = lost.slice(subject.directory('archive').length + 1);
      await expect(subject.restoreTo('again', inside.scn)).rejects.toThrow(name);
      await expect(subject.restoreTo('again', last.scn)).rejects.toThrow(name);
      // Points before it are not affected.
      expect(await subject.restoreTo('early', first.scn)).toEqual(first.dump);
      renameSync(`${lost}.away`, lost);
      expect(await subject.restoreTo('again', last.scn)).toEqual(last.dump);
    },
    SLOW_MS,
  );
});
