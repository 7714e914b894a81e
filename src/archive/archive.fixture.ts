// For tests of the archive: a world of one store, fake engines and memory destinations that can fail or die at any effect.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { fail } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { listRounds } from '../destination/archive-listing.ts';
import { walkRound } from '../destination/archive-reader.ts';
import type { Destination, ObjectAppender } from '../destination/destination.ts';
import { dropMemoryDestination, MemoryDestination } from '../destination/memory-destination.ts';
import type { EngineTenant } from '../engine/engine-driver.ts';
import { FakeDriver } from '../engine/fake/fake-driver.ts';
import { decodeImageBlock } from '../format/log-batch-table.ts';
import type { RoundStatus } from '../model/archive-round.ts';
import type { DestinationUri } from '../model/destination-uri.ts';
import { SCN_NONE, type Scn } from '../model/scn.ts';
import type { Tenant } from '../model/tenant.ts';
import { openStore, type Store } from '../store/store.ts';
import { createArchive } from './archive.ts';
import type { ArchiveTiming } from './archive-context.ts';
import type { ArchiveService } from './archive-service.ts';

export const DAY_US = 86_400_000_000n;
export const TENANT_ID = 1002;
export const URI = 'file:///memory/archive';
const WAIT_MS_MAX = 20_000;

/** Time that moves only when told to, but for one microsecond with every look at it. */
class ManualClock implements Clock {
  #ns = 1_740_790_800_000_000_000n;

  nowNs(): bigint {
    this.#ns += 1000n;
    return this.#ns;
  }

  monotonicMs(): number {
    return performance.now();
  }

  advanceUs(us: bigint): void {
    this.#ns += us * 1000n;
  }
}

/** Decides which effects fail, and when everything dies. */
class Fate {
  effects = 0;
  /** The effect that is the last: nothing happens after it. */
  diesAt = Number.POSITIVE_INFINITY;
  /** Dies after having done the last effect instead of before. */
  diesAfter = false;
  isDead = false;
  /** Writes that fail before one succeeds. */
  failures = 0;
  /** Writes to objects of such names fail. */
  away: RegExp | undefined;
  /** Of a failing append, or of the one that it dies in: how much of it lands all the same. */
  landsOnFailure: 'nothing' | 'half' | 'all' = 'nothing';
  /** While there is one, no call is answered; what was asked for happens when it resolves. */
  hanging: Promise<void> | undefined;

  /** The next effect is the one that it dies at, undone. */
  get isLast(): boolean {
    return !this.isDead && !this.diesAfter && this.effects + 1 >= this.diesAt;
  }

  /** Counts an effect of a call that returns at once. */
  now<T>(work: () => T): T {
    this.#begin();
    const value = work();
    this.#end();
    return value;
  }

  /** Counts an effect of a call that answers later; a dead one never does. */
  async later<T>(work: () => Promise<T>): Promise<T> {
    if (this.hanging) await this.hanging;
    if (this.isDead) return await new Promise<never>(() => {});
    try {
      this.#begin();
      const value = await work();
      this.#end();
      return value;
    } catch (error) {
      if (this.isDead) return await new Promise<never>(() => {});
      throw error;
    }
  }

  #begin(): void {
    if (this.isDead) throw new Error('dead');
    this.effects++;
    if (this.effects >= this.diesAt && !this.diesAfter) this.isDead = true;
    if (this.isDead) throw new Error('dead');
  }

  #end(): void {
    if (this.effects >= this.diesAt) this.isDead = true;
    if (this.isDead) throw new Error('dead');
  }
}

const away = (destination: Destination) =>
  fail('BACKUP_DEST_NOT_CONNECT', { uri: `file://${destination.uri.path}`, because: 'it is away' });

/** A destination whose writes fail as its fate says. */
export class FaultyDestination implements Destination {
  readonly #inner: MemoryDestination;
  readonly #fate: Fate;
  readonly uri: DestinationUri;
  readonly can: { append: boolean };
  readonly spec: Destination['spec'];

  constructor(inner: MemoryDestination, fate: Fate) {
    this.#inner = inner;
    this.#fate = fate;
    this.uri = inner.uri;
    this.can = inner.can;
    this.spec = inner.spec;
  }

  #write<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#fate.later(async () => {
      if (this.#fate.failures > 0) {
        this.#fate.failures--;
        throw away(this);
      }
      if (this.#fate.away?.test(name)) throw away(this);
      return await work();
    });
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.#write(name, () => this.#inner.put(name, bytes));
  }
  get(name: string, range?: { offset: number; length: number }): Promise<Uint8Array> {
    return this.#fate.later(() => this.#inner.get(name, range));
  }
  openRead(name: string): ReturnType<Destination['openRead']> {
    return this.#fate.later(() => this.#inner.openRead(name));
  }
  sync(name: string): Promise<void> {
    return this.#fate.later(() => this.#inner.sync(name));
  }
  size(name: string): Promise<number | undefined> {
    return this.#fate.later(() => this.#inner.size(name));
  }
  list(prefix: string): ReturnType<Destination['list']> {
    return this.#fate.later(() => this.#inner.list(prefix));
  }
  remove(name: string): Promise<void> {
    return this.#write(name, () => this.#inner.remove(name));
  }
  removeAll(prefix: string): Promise<void> {
    return this.#write(prefix, () => this.#inner.removeAll(prefix));
  }
  create(name: string): ReturnType<Destination['create']> {
    return this.#inner.create(name);
  }
  async openAppend(name: string): Promise<ObjectAppender> {
    const appender = await this.#write(name, () => this.#inner.openAppend(name));
    return {
      get sizeBytes() {
        return appender.sizeBytes;
      },
      append: (bytes) => this.#append(appender, bytes),
      close: () => appender.close(),
    };
  }
  async [Symbol.asyncDispose](): Promise<void> {}

  async #append(appender: ObjectAppender, bytes: Uint8Array): Promise<void> {
    if (this.#fate.isLast && this.#fate.landsOnFailure === 'half')
      await appender.append(bytes.subarray(0, bytes.length >> 1));
    await this.#fate.later(async () => {
      if (this.#fate.failures === 0) return await appender.append(bytes);
      this.#fate.failures--;
      const lands = { nothing: 0, half: bytes.length >> 1, all: bytes.length }[this.#fate.landsOnFailure];
      if (lands > 0) await appender.append(bytes.subarray(0, lands));
      throw away(this);
    });
  }
}

/** The store as a process sees it that may die at any of its changes. */
function mortalStore(store: Store, fate: Fate): Store {
  const CHANGES = new Set(['insert', 'update', 'change', 'remove']);
  let depth = 0;
  const effect = <T>(work: () => T): T => (depth > 0 ? work() : fate.now(work));
  const bound = (target: object, name: string | symbol) => {
    const value = Reflect.get(target, name, target) as unknown;
    return typeof value === 'function' ? (value.bind(target) as (...args: never[]) => unknown) : value;
  };
  const table = (of: object) =>
    new Proxy(of, {
      get(target, name) {
        const value = bound(target, name);
        if (fate.isDead) throw new Error('dead');
        if (typeof value !== 'function' || !CHANGES.has(String(name))) return value;
        return (...args: never[]) => effect(() => value(...args));
      },
    });
  return new Proxy(store, {
    get(target, name) {
      if (fate.isDead) throw new Error('dead');
      if (name === 'transaction') {
        return <T>(work: () => T): T =>
          effect(() => {
            depth++;
            try {
              return target.transaction(work);
            } finally {
              depth--;
            }
          });
      }
      const value = bound(target, name);
      if (['tenants', 'rounds', 'pieces', 'archiveDests'].includes(String(name))) return table(value as object);
      return value;
    },
  });
}

/** One commit as the archive gives it back. */
export interface ReadCommit {
  scn: Scn;
  /** Number of the commit in the engine, from its first page. */
  commitNo: number;
  roundId: number;
  pieceId: number;
}

/** Everything that a destination's rounds hold, read from the destination alone and checked on the way. */
export async function readCommits(destination: Destination): Promise<ReadCommit[]> {
  const commits: ReadCommit[] = [];
  for (const round of await listRounds(destination)) {
    const { start } = round;
    for await (const { object, header, table, roundId, pieceId } of walkRound(destination, round)) {
      const images: Buffer[] = [];
      for (const block of table.blocks) {
        const stored = await destination.get(object, { offset: block.offset, length: block.storedBytes });
        const plain = Buffer.from(decodeImageBlock(stored, block, object));
        for (let i = 0; i < block.imageCount; i++)
          images.push(plain.subarray(i * header.pageSize, (i + 1) * header.pageSize));
      }
      for (const { scn, firstImage, imageCount } of table.commits) {
        // A commit that repairs a gap is that of no number.
        if (imageCount === 0 || table.pages[firstImage] !== 1 || (start.base && header.batchNo === 1)) continue;
        commits.push({ scn, commitNo: Number(images[firstImage]!.readBigUInt64BE(16)), roundId, pieceId });
      }
    }
  }
  return commits;
}

export interface World extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly store: Store;
  readonly tenant: EngineTenant;
  /** The destination as it really is. */
  readonly memory: MemoryDestination;
  readonly pageMapPath: string;
  fate: Fate;
  archive: ArchiveService;
  driver: FakeDriver;
  /** Drops every object of the server without stopping any, and starts another on what is left. */
  crash(): Promise<void>;
  /** Makes commits; each puts one key. */
  commit(count?: number): Promise<void>;
  /** Commits made so far. */
  readonly commits: number;
  status(): RoundStatus | undefined;
  untilStatus(status: RoundStatus): Promise<void>;
  until(condition: () => boolean, what: string): Promise<void>;
}

const TIMING: Partial<ArchiveTiming> = {
  persistMs: 10,
  retryMsMin: 5,
  retryMsMax: 20,
  repairPauseMsMin: 20,
  detachMs: 300,
  finishMs: 300,
  pressureMs: 10,
};

/** A world with one NORMAL tenant that does not archive yet. */
export async function makeWorld(
  options: { canAppend?: boolean; timing?: Partial<ArchiveTiming> } = {},
): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), 'archive-'));
  const store = openStore(join(directory, 'meta'), { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' });
  const clock = new ManualClock();
  const tenant = engineTenant(directory, TENANT_ID);
  const id = directory;
  const memory = new MemoryDestination(id, { append: options.canAppend ?? true });
  const destinationAt = ({ path }: DestinationUri) =>
    `file://${path}` === URI ? memory : new MemoryDestination(`${id}${path}`);
  let key = 0;
  const build = () => {
    const fate = new Fate();
    const driver = new FakeDriver({ clock });
    const archive = createArchive({
      store: mortalStore(store, fate),
      clock,
      log: silentLog,
      driver: () => driver,
      engineTenant: (of) => engineTenant(directory, of.tenantId),
      pageMapPath: (tenantId) => pageMapPath(directory, tenantId),
      openDestination: (uri) => new FaultyDestination(destinationAt(uri), fate),
      timing: { ...TIMING, ...options.timing },
    });
    return { fate, driver, archive };
  };
  const world: World = {
    ...build(),
    clock,
    store,
    tenant,
    memory,
    pageMapPath: pageMapPath(directory, TENANT_ID),
    async crash() {
      world.fate.isDead = true;
      const { driver, archive } = world;
      // Its timers end; whatever else it still wants to do is nothing.
      archive.stop().catch(() => {});
      Object.assign(world, build());
      await driver[Symbol.asyncDispose]();
      world.archive.start();
    },
    async commit(count = 1) {
      const session = await world.driver.openSession(tenant);
      for (let i = 0; i < count; i++) {
        key++;
        await session.execute(`put k${key % 7} v${key}`, [], new AbortController().signal);
      }
      await session.close();
    },
    get commits() {
      return key;
    },
    status: () => store.currentRound(TENANT_ID)?.status,
    untilStatus: (status) => world.until(() => world.status() === status, status),
    async until(condition, what) {
      const endMs = performance.now() + WAIT_MS_MAX;
      while (!condition()) {
        if (performance.now() > endMs) {
          const round = store.currentRound(TENANT_ID);
          throw new Error(`waited for ${what}: ${round?.status} ${round?.comment}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
    async [Symbol.asyncDispose]() {
      await world.archive.stop();
      await world.driver[Symbol.asyncDispose]();
      store[Symbol.dispose]();
      dropMemoryDestination(id);
      rmSync(directory, { recursive: true, force: true });
    },
  };
  store.tenants.insert(tenantRow(TENANT_ID, tenant.location));
  store.setParameter(TENANT_ID, 'archive_lag_target', '0ms');
  await world.driver.create(tenant);
  world.archive.start();
  return world;
}

const pageMapPath = (directory: string, tenantId: number) => join(directory, 'page_maps', `${tenantId}.map`);

function engineTenant(directory: string, tenantId: number): EngineTenant {
  const location = join(directory, `${tenantId}.db`);
  return { tenantId, name: `t${tenantId}`, mode: 'mysql', location, isReadOnly: false, maxCpu: 1 };
}

export function tenantRow(tenantId: number, location: string): Tenant {
  return {
    tenantId,
    name: `t${tenantId}`,
    mode: 'mysql',
    role: 'PRIMARY',
    status: 'NORMAL',
    engine: 'fake',
    location,
    isAdopted: false,
    timeZone: '+08:00',
    isArchiveMode: false,
    lastScn: SCN_NONE,
    recoveryUntilScn: SCN_NONE,
    poolName: null,
    comment: '',
    createdNs: 1n,
  };
}

/** The request of `LOG_ARCHIVE_DEST='LOCATION=… PIECE_SWITCH_INTERVAL=…'`. */
export function destRequest(over: { uri?: string; intervalUs?: bigint } = {}) {
  return {
    uri: over.uri ?? URI,
    binding: 'OPTIONAL' as const,
    pieceSwitchIntervalUs: over.intervalUs ?? DAY_US,
    pieceSwitchIntervalText: '1d',
  };
}
