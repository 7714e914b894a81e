// Goal: the embedded engine and a directory as destination work under the archive as the fake ones do; what happens to a
// database while nobody watches is noticed, and repaired by the next round.
// Method: the real service, engine and files; the archive is read back from the directory alone.
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { DatabaseSync } from '../base/sqlite.ts';
import { listRounds } from '../destination/archive-listing.ts';
import { walkRound } from '../destination/archive-reader.ts';
import type { Destination } from '../destination/destination.ts';
import { openDestination } from '../destination/open-destination.ts';
import { PageMapRoll } from '../destination/roll-page-map.ts';
import { walkSince } from '../destination/walk-since.ts';
import type { EngineDriver, EngineTenant } from '../engine/engine-driver.ts';
import { createSqliteDriver } from '../engine/sqlite/sqlite-driver.ts';
import { PageMap, pageHash } from '../format/page-map.ts';
import { decodePageMap, type PageMapPoint } from '../format/page-map-file.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import { openStore, type Store } from '../store/store.ts';
import { captureHostPid, destRequest, TENANT_ID, tenantRow } from './archive.fixture.ts';
import { createArchive } from './archive.ts';
import type { ArchiveService } from './archive-service.ts';

const WAIT_MS_MAX = 30_000;
const TEST_MS_MAX = 120_000;

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + WAIT_MS_MAX;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error('waited too long');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('the archive of a sqlite tenant', () => {
  let directory: string;
  let store: Store;
  let tenant: EngineTenant;
  let uri: string;
  /** No call of the destination succeeds. */
  let isAway = false;
  let server: { driver: EngineDriver; archive: ArchiveService };
  const mapPath = () => join(directory, 'page_maps', `${TENANT_ID}.map`);
  const round = () => store.currentRound(TENANT_ID)!;
  const untilRound = (roundId: number) =>
    until(() => store.currentRound(TENANT_ID)?.roundId === roundId && server.archive.capture(TENANT_ID) !== undefined);

  function serve(): typeof server {
    const driver = createSqliteDriver({ log: silentLog, clock: systemClock, lockWaitMs: 5000 });
    const archive = createArchive({
      ...{ store, clock: systemClock, log: silentLog },
      openDestination: (of) => mayBeAway(openDestination(of)),
      driver: () => driver,
      engineTenant: () => tenant,
      pageMapPath: mapPath,
    });
    archive.start();
    return { driver, archive };
  }

  function mayBeAway(destination: Destination): Destination {
    return new Proxy(destination, {
      get(target, name) {
        const value = Reflect.get(target, name, target) as unknown;
        if (typeof value !== 'function') return value;
        const call = value.bind(target) as (...args: unknown[]) => unknown;
        const isOpen = typeof name === 'symbol';
        return (...args: unknown[]) => (isAway && !isOpen ? Promise.reject(new Error('it is away')) : call(...args));
      },
    });
  }

  async function stop(): Promise<void> {
    await server.archive.stop();
    await server.driver[Symbol.asyncDispose]();
  }

  beforeEach(async () => {
    isAway = false;
    directory = mkdtempSync(join(tmpdir(), 'archive-sqlite-'));
    store = openStore(join(directory, 'meta'), { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' });
    const location = join(directory, 't1', 'data.db');
    tenant = { tenantId: TENANT_ID, name: 't1002', location, isReadOnly: false, maxCpu: 1, mode: 'mysql' };
    uri = `file://${join(directory, 'archive')}`;
    store.tenants.insert({ ...tenantRow(TENANT_ID, location), engine: 'sqlite' });
    server = serve();
    await server.driver.create(tenant);
    await server.archive.setDest(TENANT_ID, destRequest({ uri }));
    server.archive.enable(TENANT_ID);
    await untilRound(1);
  });
  afterEach(async () => {
    await stop();
    store[Symbol.dispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  async function write(count: number): Promise<void> {
    const session = await server.driver.openSession(tenant);
    const run = (sql: string) => session.execute(sql, [], new AbortController().signal);
    await run('CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, v TEXT)');
    for (let i = 0; i < count; i++) await run("INSERT INTO t (v) VALUES ('x')");
    await session.close();
  }

  /** What an application does while no server runs. */
  function asApplication(location: string, ...statements: string[]): void {
    const db = new DatabaseSync(location);
    for (const sql of statements) db.exec(sql);
    db.close();
  }

  function keptMap(): PageMapPoint {
    const owner = { clusterUuid: store.cluster.uuid, tenantId: TENANT_ID, setUuid: '' };
    return decodePageMap(readFileSync(mapPath()), { object: 'the kept map', owner, dataKey: null });
  }

  /** Rolls an earlier state over the archive, and compares it with the database as it is when nobody has it open. */
  async function expectLedTo(known: PageMapPoint): Promise<void> {
    await server.archive.flush(TENANT_ID);
    const { destId, roundId: toRoundId } = round();
    const roll = new PageMapRoll({ map: known.map, scn: known.scn });
    const owner = { clusterUuid: store.cluster.uuid, tenantId: TENANT_ID };
    const span = { destId, roundId: known.roundId, scn: known.scn, toRoundId };
    for await (const batch of walkSince(openDestination(parseDestinationUri(uri)), span, owner)) roll.add(batch);
    await stop();
    asApplication(tenant.location, 'PRAGMA wal_checkpoint(TRUNCATE)');
    const file = readFileSync(tenant.location);
    const { pageSize } = known.map;
    const hashes = new BigUint64Array(file.length / pageSize);
    for (let i = 0; i < hashes.length; i++) hashes[i] = pageHash(file.subarray(i * pageSize, (i + 1) * pageSize));
    const actual = new PageMap(pageSize, hashes);
    expect([...roll.map.changedSince(actual), ...actual.changedSince(roll.map)]).toEqual([]);
    expect(roll.isProved).toBe(true);
  }

  test(
    'goes to a directory, over a restart, to the end of the round',
    async () => {
      await write(20);
      const scn = await server.archive.flush(TENANT_ID);
      await stop();
      server = serve();
      await untilRound(1);
      await write(10);
      server.archive.disable(TENANT_ID);
      await until(() => round().status === 'STOP');
      const destination = openDestination(parseDestinationUri(uri));
      const [found] = await listRounds(destination);
      expect(found!.end).toMatchObject({ status: 'STOP', lastPieceId: 1 });
      let [before, after] = [0, 0];
      for await (const { table } of walkRound(destination, found!, { verifyImages: 'all' })) {
        for (const commit of table.commits) commit.scn <= scn ? before++ : after++;
      }
      // The table, then the rows; the second CREATE TABLE IF NOT EXISTS changes nothing.
      expect([before, after]).toEqual([21, 10]);
      expect(store.pieces.find({ tenantId: TENANT_ID })[0]).toMatchObject({
        status: 'FROZEN',
        fileStatus: 'AVAILABLE',
      });
    },
    TEST_MS_MAX,
  );

  /** An application that commits all the time, and recycles its log whenever it may. */
  function startApplication(): () => Promise<void> {
    let isOver = false;
    const db = new DatabaseSync(tenant.location, { timeout: 5000 });
    db.exec('PRAGMA wal_autocheckpoint = 10');
    const work = async () => {
      while (!isOver) {
        db.exec("INSERT INTO t (v) VALUES ('application')");
        await sleep(2);
      }
      db.close();
    };
    const working = work();
    return async () => {
      isOver = true;
      await working;
    };
  }

  const untilHeld = () =>
    until(() => server.archive.figures(TENANT_ID)?.comment.includes('of WAL is held since') === true);

  /** Starts the application and waits until it has committed some more than it leaves in its log. */
  async function untilGrown(): Promise<() => Promise<void>> {
    const logBytes = () => server.archive.figures(TENANT_ID)!.logBytes;
    const before = logBytes();
    const stopApplication = startApplication();
    await until(() => logBytes() > before + 200_000);
    return stopApplication;
  }

  function holdsLog(pid: number | undefined): boolean {
    try {
      const directory = `/proc/${pid}/fd`;
      return readdirSync(directory).some((fd) => readlinkSync(join(directory, fd)) === `${tenant.location}-shm`);
    } catch {
      // It is just beginning, or has ended.
      return false;
    }
  }

  test.each(['is away', 'is away and the capture host dies'])(
    'goes on in its round when the server starts while the destination %s, under a steady writer',
    async (what) => {
      await write(20);
      await server.archive.flush(TENANT_ID);
      await stop();
      const known = keptMap();
      isAway = true;
      server = serve();
      await untilHeld();
      await (await untilGrown())();
      if (what.includes('host')) {
        const pid = captureHostPid()!;
        process.kill(pid, 'SIGKILL');
        // Without a host the application could recycle what is not archived.
        await until(() => captureHostPid() !== pid && holdsLog(captureHostPid()));
      }
      const stopApplication = await untilGrown();
      expect(server.archive.figures(TENANT_ID)).toMatchObject({ isAttached: false });
      isAway = false;
      await untilRound(1);
      await sleep(300);
      await server.archive.flush(TENANT_ID);
      await stopApplication();
      expect(store.rounds.find({ tenantId: TENANT_ID })).toMatchObject([{ roundId: 1, status: 'DOING', comment: '' }]);
      await expectLedTo(known);
    },
    TEST_MS_MAX,
  );

  test(
    'lets the application recycle its log when it has grown beyond the limit while the destination is away',
    async () => {
      await write(20);
      await server.archive.flush(TENANT_ID);
      await stop();
      const known = keptMap();
      store.setParameter(TENANT_ID, 'log_archive_wal_limit', '400K');
      isAway = true;
      server = serve();
      await untilHeld();
      const stopApplication = startApplication();
      await until(() => round().status === 'INTERRUPTED');
      expect(round().comment).toMatch(/bytes of log are held, beyond log_archive_wal_limit = 400K: .*it is away/);
      const sizeBytes = () => statSync(`${tenant.location}-wal`).size;
      // The last growth may still be on its way when the log is let go of.
      let before = 0;
      for (let looks = 0; before !== sizeBytes() && looks < 10; looks++) {
        before = sizeBytes();
        await sleep(500);
      }
      expect(sizeBytes()).toBe(before);
      await stopApplication();
      isAway = false;
      await untilRound(2);
      await write(5);
      await expectLedTo(known);
    },
    TEST_MS_MAX,
  );

  test(
    'is repaired after the application reset the log while the server was down',
    async () => {
      await write(200);
      await server.archive.flush(TENANT_ID);
      await stop();
      const known = keptMap();
      const grow =
        'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t (v) SELECT hex(randomblob(40)) FROM n';
      asApplication(tenant.location, grow, 'PRAGMA wal_checkpoint(TRUNCATE)', "INSERT INTO t (v) VALUES ('y')");
      server = serve();
      await untilRound(2);
      expect(store.rounds.get({ tenantId: TENANT_ID, roundId: 1 })!.status).toBe('INTERRUPTED');
      await write(5);
      await expectLedTo(known);
    },
    TEST_MS_MAX,
  );

  test(
    'is repaired after the file was replaced by another one',
    async () => {
      await write(50);
      await server.archive.flush(TENANT_ID);
      await stop();
      const known = keptMap();
      const other = join(dirname(tenant.location), 'other.db');
      asApplication(tenant.location, 'PRAGMA wal_checkpoint(TRUNCATE)');
      copyFileSync(tenant.location, other);
      asApplication(other, 'DELETE FROM t WHERE id % 3 = 0', 'CREATE TABLE u (a, b)', 'INSERT INTO u VALUES (1, 2)');
      renameSync(other, tenant.location);
      for (const ending of ['-wal', '-shm']) rmSync(tenant.location + ending, { force: true });
      server = serve();
      await untilRound(2);
      await write(5);
      await expectLedTo(known);
    },
    TEST_MS_MAX,
  );

  test(
    'stands alone after the file was replaced by one of another page size',
    async () => {
      await write(50);
      await server.archive.flush(TENANT_ID);
      await stop();
      const other = join(dirname(tenant.location), 'other.db');
      asApplication(
        other,
        'PRAGMA page_size = 1024',
        'PRAGMA journal_mode = WAL',
        'CREATE TABLE t (id INTEGER PRIMARY KEY, v)',
      );
      renameSync(other, tenant.location);
      for (const ending of ['-wal', '-shm']) rmSync(tenant.location + ending, { force: true });
      server = serve();
      await until(() => round().roundId > 1 && server.archive.capture(TENANT_ID) !== undefined);
      const found = await listRounds(openDestination(parseDestinationUri(uri)));
      expect(found.at(-1)!.start.base).toBeNull();
      await write(5);
      await server.archive.flush(TENANT_ID);
    },
    TEST_MS_MAX,
  );
});
