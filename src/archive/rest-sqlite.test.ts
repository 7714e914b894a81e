// Goal: a tenant that nobody uses is let go of, and not one commit is lost over that, whoever comes next: a statement,
// another server, somebody with the file, or a statement while the destination is away and the server dies.
// Method: the real service, engine and files with short times; the archive is read back from the directory alone.
import { mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { DatabaseSync } from '../base/sqlite.ts';
import { listRounds } from '../destination/archive-listing.ts';
import { walkRound } from '../destination/archive-reader.ts';
import { openDestination } from '../destination/open-destination.ts';
import type { EngineTenant } from '../engine/engine-driver.ts';
import { createSqliteDriver, type SqliteDriver } from '../engine/sqlite/sqlite-driver.ts';
import { type DestinationUri, parseDestinationUri } from '../model/destination-uri.ts';
import { openStore, type Store } from '../store/store.ts';
import { destRequest, TENANT_ID, tenantRow } from './archive.fixture.ts';
import { createArchive } from './archive.ts';
import type { ArchiveService } from './archive-service.ts';

const WAIT_MS_MAX = 30_000;
const TIMING = {
  persistMs: 20,
  retryMsMin: 20,
  retryMsMax: 100,
  wakeMs: 1000,
  restSweepMs: 20,
  restAfterMs: 150,
  detachMs: 1000,
};

let directory: string;
let store: Store;
let tenant: EngineTenant;
let server: { driver: SqliteDriver; archive: ArchiveService };
/** Destinations opened since the server started. */
let opened: number;

async function until(what: string, condition: () => boolean): Promise<void> {
  const endMs = performance.now() + WAIT_MS_MAX;
  while (!condition()) {
    if (performance.now() > endMs)
      throw new Error(`waited too long until ${what}: ${store.currentRound(TENANT_ID)?.comment}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const archiveDir = () => join(directory, 'archive');
const isResting = () => store.archiveRests.get({ tenantId: TENANT_ID }) !== undefined;
const objects = () => readdirSync(archiveDir(), { recursive: true }).length;

function serve(): void {
  opened = 0;
  const driver: SqliteDriver = createSqliteDriver({
    ...{ log: silentLog, clock: systemClock, lockWaitMs: 5000 },
    sessionLog: {
      beforeUse: (tenantId) => server.archive.wake(tenantId),
      keepsLog: (tenantId) => server.archive.keepsLog(tenantId),
    },
  });
  const archive = createArchive({
    ...{ store, clock: systemClock, log: silentLog, timing: TIMING },
    openDestination: (uri: DestinationUri) => {
      opened++;
      return openDestination(uri);
    },
    pageMapPath: (tenantId) => join(directory, 'page_maps', `${tenantId}.map`),
    driver: () => driver,
    engineTenant: () => tenant,
    use: { isOwn: ({ isAdopted }) => !isAdopted, isInUse: (tenantId) => driver.isInUse(tenantId) },
  });
  server = { driver, archive };
  archive.start();
}

/** A session that writes, and whose host ends with it: otherwise the host lives on for a while. */
async function write(count: number): Promise<void> {
  const session = await server.driver.openSession(tenant);
  const run = (sql: string) => session.execute(sql, [], new AbortController().signal);
  await run('CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, v TEXT)');
  for (let i = 0; i < count; i++) await run("INSERT INTO t (v) VALUES ('x')");
  await session.close();
}

/** Commits at the destination, each round's. */
async function archivedCommits(): Promise<number[]> {
  await using destination = openDestination(parseDestinationUri(`file://${archiveDir()}`));
  const counts: number[] = [];
  for (const round of await listRounds(destination)) {
    let count = 0;
    for await (const { table } of walkRound(destination, round, { verifyImages: 'all' })) count += table.commits.length;
    counts.push(count);
  }
  return counts;
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'rest-'));
  store = openStore(join(directory, 'meta'), { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' });
  const location = join(directory, 'data', 't1', 'data.db');
  tenant = { tenantId: TENANT_ID, name: 't1002', location, isReadOnly: false, maxCpu: 1, mode: 'mysql' };
  store.tenants.insert({ ...tenantRow(TENANT_ID, location), engine: 'sqlite' });
  serve();
  await server.driver.create(tenant);
  await server.archive.setDest(TENANT_ID, destRequest({ uri: `file://${archiveDir()}` }));
  server.archive.enable(TENANT_ID);
  await until('it rests', isResting);
}, WAIT_MS_MAX);

afterEach(async () => {
  await server.archive.stop();
  await server.driver[Symbol.asyncDispose]();
  store[Symbol.dispose]();
  rmSync(directory, { recursive: true, force: true });
});

describe('a tenant that nobody uses', () => {
  test('rests in DOING, archived up to now, and writes nothing more', async () => {
    const before = objects();
    expect(store.currentRound(TENANT_ID)?.status).toBe('DOING');
    const first = server.archive.figures(TENANT_ID)!;
    expect(first).toMatchObject({ isAttached: true, comment: '', pendingCommits: 0 });
    await until('the checkpoint moves', () => server.archive.figures(TENANT_ID)!.checkpointScn > first.checkpointScn);
    expect(objects()).toBe(before);
    expect(isResting()).toBe(true);
  });

  test('is attached before a statement runs, and rests again with everything archived', async () => {
    const told = server.archive.figures(TENANT_ID)!.checkpointScn;
    await write(5);
    expect(isResting()).toBe(false);
    const scn = await server.archive.flush(TENANT_ID);
    expect(scn).toBeGreaterThan(told);
    expect(await archivedCommits()).toEqual([6]);
    await server.driver.closeSessions(TENANT_ID);
    await until('it rests again', isResting);
    expect(store.currentRound(TENANT_ID)?.status).toBe('DOING');
    await write(2);
    await server.archive.flush(TENANT_ID);
    expect(await archivedCommits()).toEqual([8]);
  });

  test('is not even looked for at its destination when the server starts again', async () => {
    await server.archive.stop();
    await server.driver[Symbol.asyncDispose]();
    serve();
    await until('its files were looked at', () => server.archive.figures(TENANT_ID)!.isAttached);
    expect(opened).toBe(0);
    expect(server.archive.capture(TENANT_ID)).toBeUndefined();
    await until('whoever asks has it attached', () => server.archive.capture(TENANT_ID) !== undefined);
    expect(isResting()).toBe(false);
  });

  test('is attached when somebody else has committed, and none of that is lost', async () => {
    const other = new DatabaseSync(tenant.location);
    other.exec('CREATE TABLE other (id)');
    await until('it is attached', () => server.archive.capture(TENANT_ID) !== undefined);
    await server.archive.flush(TENANT_ID);
    expect(await archivedCommits()).toEqual([1]);
    other.close();
  });

  test('loses nothing that is written while its destination is away, also when the server dies then', async () => {
    await write(3);
    await server.driver.closeSessions(TENANT_ID);
    await until('it rests again', isResting);
    const aside = join(directory, 'aside');
    renameSync(archiveDir(), aside);
    // More than SQLite would checkpoint by itself.
    await write(1500);
    expect(server.archive.capture(TENANT_ID)).toBeUndefined();
    // All processes die at once; nothing is told to the archive.
    await server.driver[Symbol.asyncDispose]();
    await server.archive.stop();
    serve();
    await write(2);
    renameSync(aside, archiveDir());
    await until('it is attached', () => server.archive.capture(TENANT_ID) !== undefined);
    await server.archive.flush(TENANT_ID);
    expect(await archivedCommits()).toEqual([4 + 1500 + 2]);
  }, 60_000);

  test('is not recorded at rest by a stop that could not archive to the end', async () => {
    const session = await server.driver.openSession(tenant);
    const run = (sql: string) => session.execute(sql, [], new AbortController().signal);
    await run('CREATE TABLE t (id INTEGER PRIMARY KEY)');
    await server.archive.flush(TENANT_ID);
    const aside = join(directory, 'aside');
    renameSync(archiveDir(), aside);
    await run('INSERT INTO t VALUES (1)');
    await session.close();
    await server.driver.closeSessions(TENANT_ID);
    // Long enough for the files to be settled.
    await new Promise((resolve) => setTimeout(resolve, 100));
    await server.archive.stop();
    expect(isResting()).toBe(false);
    renameSync(aside, archiveDir());
    await server.driver[Symbol.asyncDispose]();
    serve();
    await until('it is attached', () => server.archive.capture(TENANT_ID) !== undefined);
    await server.archive.flush(TENANT_ID);
    expect(await archivedCommits()).toEqual([2]);
  });

  test('stays attached while its tables are described, which opens its file', async () => {
    const describing = server.driver.describe(tenant);
    await until('a process has it open', () => server.driver.isInUse(TENANT_ID));
    expect(isResting()).toBe(false);
    expect(await describing).toEqual([]);
    expect(server.driver.isInUse(TENANT_ID)).toBe(false);
    await until('it rests again', isResting);
  });

  test('ends its round, and pauses it, without being attached', async () => {
    server.archive.setDestState(TENANT_ID, 'DEFER');
    await until('it is paused', () => store.currentRound(TENANT_ID)?.status === 'SUSPEND');
    expect(isResting()).toBe(false);
    server.archive.setDestState(TENANT_ID, 'ENABLE');
    await until('it rests again', isResting);
    server.archive.disable(TENANT_ID);
    await until('it has ended', () => store.currentRound(TENANT_ID)?.status === 'STOP');
    expect(isResting()).toBe(false);
    expect(server.archive.keepsLog(TENANT_ID)).toBe(false);
  });

  test('leaves no record behind while it is attached', async () => {
    await write(1);
    await server.driver[Symbol.asyncDispose]();
    // What a server finds that died while the tenant was attached.
    expect(store.archiveRests.find()).toEqual([]);
  });
});
