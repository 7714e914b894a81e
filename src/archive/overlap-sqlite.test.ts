// Goal: the log of the embedded engine reaches a store that is slow, refuses, and answers wrongly, with several objects on
// their way at once; what is there afterwards leads to just the database that the application has.
// Method: the real service and engine over a memory destination that can not append; commits go on all the while, and the
// capture host is killed in the middle.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { fail } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { DatabaseSync } from '../base/sqlite.ts';
import type { Destination } from '../destination/destination.ts';
import { dropMemoryDestination, MemoryDestination } from '../destination/memory-destination.ts';
import { PageMapRoll } from '../destination/roll-page-map.ts';
import { walkSince } from '../destination/walk-since.ts';
import type { EngineTenant } from '../engine/engine-driver.ts';
import { createSqliteDriver } from '../engine/sqlite/sqlite-driver.ts';
import { PageMap, pageHash } from '../format/page-map.ts';
import { decodePageMap } from '../format/page-map-file.ts';
import { openStore } from '../store/store.ts';
import { captureHostPid, destRequest, TENANT_ID, tenantRow } from './archive.fixture.ts';
import { createArchive } from './archive.ts';

const PUT_MS = 120;
const COMMITS = 300;
const WAIT_MS_MAX = 60_000;

async function until(condition: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + WAIT_MS_MAX;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`waited too long for ${what}`);
    await sleep(5);
  }
}

/** Every put takes its time; every so many fail, some of those after they landed. */
class SlowStore {
  readonly memory: MemoryDestination;
  puts = 0;
  atOnce = 0;
  atOnceMax = 0;
  isTroubled = false;

  constructor(id: string) {
    this.memory = new MemoryDestination(id, { append: false });
  }

  open(): Destination {
    return new Proxy(this.memory as Destination, {
      get: (target, name) => {
        if (name === 'put') return (object: string, bytes: Uint8Array) => this.#put(object, bytes);
        const value = Reflect.get(target, name, target) as unknown;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  async #put(name: string, bytes: Uint8Array): Promise<void> {
    const no = ++this.puts;
    this.atOnceMax = Math.max(this.atOnceMax, ++this.atOnce);
    try {
      // Later ones are sometimes faster.
      await sleep(PUT_MS / (1 + (no % 3)));
      const refused = fail('BACKUP_DEST_NOT_CONNECT', { uri: 'file:///memory', because: 'slow down' });
      if (this.isTroubled && no % 5 === 0) throw refused;
      await this.memory.put(name, bytes);
      if (this.isTroubled && no % 7 === 0) throw refused;
    } finally {
      this.atOnce--;
    }
  }
}

test('overlapping objects lead to the database, whatever the store answers and with its host killed', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'archive-overlap-'));
  const store = openStore(join(directory, 'meta'), { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' });
  const slow = new SlowStore(directory);
  const location = join(directory, 't1', 'data.db');
  const tenant: EngineTenant = {
    ...{ tenantId: TENANT_ID, name: 't1002', location, isReadOnly: false, maxCpu: 1, mode: 'mysql' },
  };
  const mapPath = join(directory, 'page_maps', `${TENANT_ID}.map`);
  store.tenants.insert({ ...tenantRow(TENANT_ID, location), engine: 'sqlite' });
  store.setParameter(TENANT_ID, 'archive_lag_target', '10ms');
  const driver = createSqliteDriver({ log: silentLog, clock: systemClock, lockWaitMs: 5000 });
  const serve = () => {
    const archive = createArchive({
      ...{ store, clock: systemClock, log: silentLog, driver: () => driver, engineTenant: () => tenant },
      ...{ openDestination: () => slow.open(), pageMapPath: () => mapPath },
    });
    archive.start();
    return archive;
  };
  let archive = serve();
  const attached = () => until(() => archive.capture(TENANT_ID) !== undefined, 'a capture');
  try {
    await driver.create(tenant);
    await archive.setDest(TENANT_ID, destRequest());
    archive.enable(TENANT_ID);
    await attached();
    let session = await driver.openSession(tenant);
    const run = (sql: string) => session.execute(sql, [], new AbortController().signal);
    await run('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)');
    await session.close();
    await archive.flush(TENANT_ID);
    await archive.stop();
    const owner = { clusterUuid: store.cluster.uuid, tenantId: TENANT_ID };
    const known = decodePageMap(readFileSync(mapPath), {
      ...{ object: 'the kept map', owner: { ...owner, setUuid: '' }, dataKey: null },
    });
    archive = serve();
    await attached();
    slow.isTroubled = true;
    session = await driver.openSession(tenant);
    for (let i = 0; i < COMMITS; i++) {
      await run(`INSERT INTO t (v) VALUES ('${i}')`);
      if (i % 10 === 0) await sleep(PUT_MS / 4);
      if (i === COMMITS / 2) process.kill(captureHostPid()!, 'SIGKILL');
    }
    await session.close();
    await archive.flush(TENANT_ID);
    expect(slow.atOnceMax).toBeGreaterThan(2);
    slow.isTroubled = false;
    await archive.stop();
    const { destId, roundId } = store.currentRound(TENANT_ID)!;
    expect(roundId).toBe(1);
    const roll = new PageMapRoll({ map: known.map, scn: known.scn });
    const span = { destId, roundId, scn: known.scn, toRoundId: roundId };
    for await (const batch of walkSince(slow.memory, span, owner)) roll.add(batch);
    await driver[Symbol.asyncDispose]();
    const db = new DatabaseSync(location);
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    expect(db.prepare('SELECT count(*) AS n FROM t').get()).toEqual({ n: COMMITS });
    db.close();
    const file = readFileSync(location);
    const { pageSize } = known.map;
    const hashes = BigUint64Array.from({ length: file.length / pageSize }, (_, i) =>
      pageHash(file.subarray(i * pageSize, (i + 1) * pageSize)),
    );
    expect([...roll.map.changedSince(new PageMap(pageSize, hashes))]).toEqual([]);
    expect(roll.isProved).toBe(true);
  } finally {
    await archive.stop();
    await driver[Symbol.asyncDispose]();
    store[Symbol.dispose]();
    dropMemoryDestination(directory);
    rmSync(directory, { recursive: true, force: true });
  }
}, 180_000);
