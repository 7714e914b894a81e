// The fake engine: passes the same contract as a real one, in this process and without a database library.
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type Clock, systemClock } from '../../base/clock.ts';
import { fail, isFailure } from '../../base/errors.ts';
import type { Scn } from '../../model/scn.ts';
import type {
  Capture,
  CaptureRequest,
  EngineDriver,
  EngineFacts,
  EngineSession,
  EngineTable,
  EngineTenant,
  LogPin,
  Replay,
  Snapshot,
} from '../engine-driver.ts';
import { FakeCapture } from './fake-capture.ts';
import { checkFakeFile, FAKE_PAGE_BYTES, FakeDatabase } from './fake-database.ts';
import { FakeSession } from './fake-session.ts';

const WAL_HEADER_BYTES = 32;

interface Attached {
  database: FakeDatabase;
  sessions: Set<FakeSession>;
  capture: FakeCapture | undefined;
  /** The one that holds the log; a capture that is attached has taken it over. */
  pin: LogPin | undefined;
}

export class FakeDriver implements EngineDriver {
  readonly name = 'fake';
  readonly can = { adopt: true, capture: true, snapshot: true, replay: true, importTables: false };
  readonly #clock: Clock;
  /** By location: what was opened stays open until it is dropped. */
  readonly #attached = new Map<string, Attached>();
  readonly #tenants = new WeakMap<FakeSession, number>();
  #snapshots = 0;

  constructor(options: { clock?: Clock } = {}) {
    this.#clock = options.clock ?? systemClock;
  }

  async create(tenant: EngineTenant): Promise<EngineFacts> {
    FakeDatabase.create(tenant.location);
    return this.#attach(tenant.location).database.facts;
  }

  async adopt(tenant: EngineTenant): Promise<EngineFacts> {
    const { location } = tenant;
    if (!existsSync(location)) throw fail('ADOPT_REFUSED', { location, because: 'there is no such file' });
    try {
      return checkFakeFile(location);
    } catch (error) {
      if (!isFailure(error, 'BACKUP_DATA_CORRUPT')) throw error;
      throw fail('ADOPT_REFUSED', { location, because: error.message }, { cause: error });
    }
  }

  async drop(tenant: EngineTenant, options: { removeData: boolean }): Promise<void> {
    const attached = this.#attached.get(tenant.location);
    if (attached) {
      await attached.capture?.stop({ isAbandoned: true });
      for (const session of [...attached.sessions]) await session.close();
      attached.database.close();
      this.#attached.delete(tenant.location);
    }
    if (options.removeData) FakeDatabase.remove(tenant.location);
  }

  async openSession(tenant: EngineTenant): Promise<EngineSession> {
    const { database, sessions } = this.#attach(tenant.location);
    const session = new FakeSession(database, tenant, (closed) => sessions.delete(closed));
    sessions.add(session);
    this.#tenants.set(session, tenant.tenantId);
    return session;
  }

  async closeSessions(tenantId: number): Promise<void> {
    for (const { sessions } of this.#attached.values()) {
      for (const session of [...sessions]) if (this.#tenants.get(session) === tenantId) await session.close();
    }
  }

  async describe(_tenant: EngineTenant): Promise<EngineTable[]> {
    const column = (name: string, primaryKeyPlace: number) => ({
      name,
      declaredType: 'TEXT',
      isNullable: false,
      defaultSql: null,
      primaryKeyPlace,
    });
    const columns = [column('k', 1), column('v', 0)];
    return [{ name: 'kv', kind: 'BASE TABLE', columns, indexes: [], createSql: 'CREATE TABLE kv (k TEXT, v TEXT)' }];
  }

  async planImport(): Promise<never> {
    throw fail('NOT_SUPPORTED', { what: 'importing tables into the fake engine is' });
  }

  importTables(): Promise<never> {
    return this.planImport();
  }

  async pinLog(tenant: EngineTenant): Promise<LogPin> {
    const attached = this.#attach(tenant.location);
    const { database } = attached;
    if (attached.capture || attached.pin) throw fail('ENTRY_EXISTS', { what: `a pin of ${tenant.name}` });
    const pin: LogPin = {
      status: () => ({ logBytes: database.logBytes, isHeld: true }),
      release: async () => {
        if (attached.pin === pin) this.#letGo(attached);
      },
    };
    attached.pin = pin;
    database.isPinned = true;
    return pin;
  }

  #letGo(attached: Attached): void {
    attached.pin = undefined;
    attached.database.isPinned = false;
  }

  async startCapture(request: CaptureRequest): Promise<Capture> {
    const { location } = request.tenant;
    const attached = this.#attach(location);
    if (attached.capture) throw fail('ENTRY_EXISTS', { what: `a capture of ${request.tenant.name}` });
    const capture = new FakeCapture({
      database: attached.database,
      request,
      clock: this.#clock,
      makeSnapshot: async (scn) => this.#snapshot(location, attached.database, scn),
      onEnd: () => {
        if (attached.capture === capture) attached.capture = undefined;
      },
    });
    attached.capture = capture;
    await capture.start();
    this.#letGo(attached);
    return capture;
  }

  async openReplay({ location }: EngineTenant): Promise<Replay> {
    const { database } = this.#attach(location);
    return {
      found: { pageSize: FAKE_PAGE_BYTES, hashes: database.map.hashes },
      apply: async ({ pagesPath, pages, databasePages }) => {
        if (pages.length > 0) database.replay(readFileSync(pagesPath), pages, databasePages);
      },
      close: async () => {},
    };
  }

  async check(location: string, of: { whenWritten?: Promise<void> }): Promise<EngineFacts> {
    await of.whenWritten;
    return checkFakeFile(location);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { database, capture, sessions } of this.#attached.values()) {
      await capture?.stop({ isAbandoned: true });
      for (const session of [...sessions]) await session.close();
      database.close();
    }
    this.#attached.clear();
  }

  // ## For simulations

  /** An application makes room: the log is thrown away unless somebody holds it. */
  checkpoint(tenant: EngineTenant): void {
    const { database } = this.#attach(tenant.location);
    if (!database.isHeld) database.recycleLog();
  }

  /** The engine throws its log away, as a real one may when nobody holds it. */
  recycleLog(tenant: EngineTenant): void {
    const { database, capture } = this.#attach(tenant.location);
    database.recycleLog();
    capture?.breakLog('the log was recycled');
  }

  /** What a state of the tenant looks like: for comparison with what a restore yields. */
  dump(tenant: EngineTenant): Array<[key: string, value: string]> {
    return this.#attach(tenant.location).database.entries();
  }

  #attach(location: string): Attached {
    let attached = this.#attached.get(location);
    if (!attached) {
      attached = { database: FakeDatabase.open(location), sessions: new Set(), capture: undefined, pin: undefined };
      this.#attached.set(location, attached);
    }
    return attached;
  }

  /** A frozen copy in a file of its own: nothing of it is in a log. */
  #snapshot(location: string, database: FakeDatabase, scn: Scn): Snapshot {
    const databasePath = `${location}-snapshot-${++this.#snapshots}`;
    const walPath = `${databasePath}-log`;
    database.copyTo(databasePath);
    writeFileSync(walPath, Buffer.alloc(WAL_HEADER_BYTES));
    const { dev, ino } = statSync(databasePath, { bigint: true });
    const { facts } = database;
    return {
      scn,
      databaseChecksum: database.map.checksum,
      pageSize: facts.pageSize,
      pageCount: facts.pageCount,
      skipPage: 0,
      databasePath,
      walPath,
      device: dev,
      inode: ino,
      walHeader: new Uint8Array(WAL_HEADER_BYTES),
      overlay: new Uint32Array(0),
      facts,
      close: async () => {
        rmSync(databasePath, { force: true });
        rmSync(walPath, { force: true });
      },
    };
  }
}
