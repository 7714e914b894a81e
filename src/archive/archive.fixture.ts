// For tests of the archive: a world of one store, fake engines and memory destinations that can fail or die at any effect.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Fate, ManualClock, MortalDestination, mortalStore } from '../../test/sim/fate.ts';
import { silentLog } from '../base/log.ts';
import { listRounds } from '../destination/archive-listing.ts';
import { walkRound } from '../destination/archive-reader.ts';
import type { Destination } from '../destination/destination.ts';
import { dropMemoryDestination, MemoryDestination } from '../destination/memory-destination.ts';
import type { EngineTenant } from '../engine/engine-driver.ts';
import { FakeDriver } from '../engine/fake/fake-driver.ts';
import type { LeaseHolder } from '../format/lease-file.ts';
import { decodeImageBlock } from '../format/log-batch-table.ts';
import type { FindLogKey } from '../format/tenant-key.ts';
import { createLeases } from '../lease/leases.ts';
import type { RoundStatus } from '../model/archive-round.ts';
import { type DestinationUri, parseDestinationUri } from '../model/destination-uri.ts';
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

/** One commit as the archive gives it back. */
export interface ReadCommit {
  scn: Scn;
  /** Number of the commit in the engine, from its first page. */
  commitNo: number;
  roundId: number;
  pieceId: number;
}

/** Everything that a destination's rounds hold, read from the destination alone and checked on the way. */
export async function readCommits(destination: Destination, findKey?: FindLogKey): Promise<ReadCommit[]> {
  const commits: ReadCommit[] = [];
  for (const round of await listRounds(destination)) {
    const { start } = round;
    for await (const { object, header, table, roundId, pieceId } of walkRound(destination, round, { findKey })) {
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
  /** Another one. */
  destination(uri: string): MemoryDestination;
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

/** Longer than any test's clock goes on. */
const LOCK_MS = 365 * 86_400_000;

export interface WorldOptions {
  canAppend?: boolean;
  isLocking?: boolean;
  timing?: Partial<ArchiveTiming>;
  /** Each life of the server takes leases of its destinations. */
  hasLeases?: boolean;
  /** Stands between the server and a destination. */
  wrap?: (destination: Destination, uri: DestinationUri) => Destination;
}

/** A world with one NORMAL tenant that does not archive yet. */
export async function makeWorld(options: WorldOptions = {}): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), 'archive-'));
  const store = openStore(join(directory, 'meta'), { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' });
  const clock = new ManualClock();
  const tenant = engineTenant(directory, TENANT_ID);
  const id = directory;
  const locking = options.isLocking ? { worm: { clock, retainMs: LOCK_MS } } : {};
  const memory = new MemoryDestination(id, { append: options.canAppend ?? true, ...locking });
  const destinationAt = ({ path }: DestinationUri) =>
    `file://${path}` === URI ? memory : new MemoryDestination(`${id}${path}`);
  const wrap = options.wrap ?? ((destination: Destination) => destination);
  let key = 0;
  const build = () => {
    const fate = new Fate();
    const driver = new FakeDriver({ clock });
    const mortal = mortalStore(store, fate);
    const leases = options.hasLeases && createLeases({ store: mortal, clock, log: silentLog, me: newLife() });
    const archive = createArchive({
      store: mortal,
      ...(leases ? { leases } : {}),
      clock,
      log: silentLog,
      driver: () => driver,
      engineTenant: (of) => engineTenant(directory, of.tenantId),
      pageMapPath: (tenantId) => pageMapPath(directory, tenantId),
      openDestination: (uri) => wrap(new MortalDestination(destinationAt(uri), fate), uri),
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
    destination: (uri) => destinationAt(parseDestinationUri(uri)),
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

/** One server, started again in its place. */
export function newLife(dataDir = '/data'): LeaseHolder {
  const same = (byte: number, count: number) => new Uint8Array(count).fill(byte);
  const place = { hostName: 'host', dataDir, serverVersion: '1' };
  const process = new Uint8Array(randomBytes(16));
  return { ...place, instanceId: same(1, 16), machine: same(2, 32), life: same(3, 32), process };
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

/** The capture host of this process; undefined when there is none. */
export function captureHostPid(): number | undefined {
  const isOurs = (pid: string) => {
    try {
      const isHost = readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('capture-host');
      return isHost && readFileSync(`/proc/${pid}/status`, 'utf8').includes(`\nPPid:\t${process.pid}\n`);
    } catch {
      // It has ended meanwhile.
      return false;
    }
  };
  const found = readdirSync('/proc').find((name) => /^\d+$/.test(name) && isOurs(name));
  return found === undefined ? undefined : Number(found);
}
