// Goal: the embedded engine and a directory as destination work under the archive as the fake ones do.
// Method: the real service, engine and files; the archive is read back from the directory alone.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { listRounds } from '../destination/archive-listing.ts';
import { walkRound } from '../destination/archive-reader.ts';
import { openDestination } from '../destination/open-destination.ts';
import type { EngineTenant } from '../engine/engine-driver.ts';
import { createSqliteDriver } from '../engine/sqlite/sqlite-driver.ts';
import { parseDestinationUri } from '../model/destination-uri.ts';
import { openStore } from '../store/store.ts';
import { destRequest, TENANT_ID, tenantRow } from './archive.fixture.ts';
import { createArchive } from './archive.ts';

const WAIT_MS_MAX = 30_000;

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + WAIT_MS_MAX;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error('waited too long');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('archives a sqlite tenant to a directory, over a restart, and ends the round', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'archive-sqlite-'));
  const dataDir = join(directory, 'data');
  const store = openStore(join(directory, 'meta'), { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' });
  const location = join(dataDir, 't1', 'data.db');
  const engineTenant: EngineTenant = {
    ...{ tenantId: TENANT_ID, name: 't1002', location, isReadOnly: false, maxCpu: 1 },
    mode: 'mysql',
  };
  const uri = `file://${join(directory, 'archive')}`;
  store.tenants.insert({ ...tenantRow(TENANT_ID, location), engine: 'sqlite' });
  const serve = () => {
    const driver = createSqliteDriver({ log: silentLog, clock: systemClock, dataDir, lockWaitMs: 5000 });
    const archive = createArchive({
      ...{ store, clock: systemClock, log: silentLog, openDestination },
      driver: () => driver,
      engineTenant: () => engineTenant,
    });
    archive.start();
    return { driver, archive };
  };
  let server = serve();
  const write = async (count: number) => {
    const session = await server.driver.openSession(engineTenant);
    const run = (sql: string) => session.execute(sql, [], new AbortController().signal);
    await run('CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, v TEXT)');
    for (let i = 0; i < count; i++) await run("INSERT INTO t (v) VALUES ('x')");
    await session.close();
  };
  try {
    await server.driver.create(engineTenant);
    await server.archive.setDest(TENANT_ID, destRequest({ uri }));
    server.archive.enable(TENANT_ID);
    await until(() => server.archive.capture(TENANT_ID) !== undefined);
    await write(20);
    const scn = await server.archive.flush(TENANT_ID);
    await server.archive.stop();
    await server.driver[Symbol.asyncDispose]();
    server = serve();
    await until(() => server.archive.capture(TENANT_ID) !== undefined);
    await write(10);
    server.archive.disable(TENANT_ID);
    await until(() => store.currentRound(TENANT_ID)?.status === 'STOP');
    const destination = openDestination(parseDestinationUri(uri));
    const [round] = await listRounds(destination);
    expect(round!.end).toMatchObject({ status: 'STOP', lastPieceId: 1 });
    let [before, after] = [0, 0];
    for await (const { table } of walkRound(destination, round!, { verifyImages: 'all' })) {
      for (const commit of table.commits) commit.scn <= scn ? before++ : after++;
    }
    // The table, then the rows; the second CREATE TABLE IF NOT EXISTS changes nothing.
    expect([before, after]).toEqual([21, 10]);
    expect(store.pieces.find({ tenantId: TENANT_ID })[0]).toMatchObject({ status: 'FROZEN', fileStatus: 'AVAILABLE' });
  } finally {
    await server.archive.stop();
    await server.driver[Symbol.asyncDispose]();
    store[Symbol.dispose]();
    rmSync(directory, { recursive: true, force: true });
  }
});
