// Goal: of several servers on one destination one writes, each of the others knows whom to ask, and whoever takes over gives no
// number twice. Method: real stores and copies of their servers on one memory destination.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../test/sim/fate.ts';
import { isFailure } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import type { Destination } from '../destination/destination.ts';
import { dropMemoryDestination, MemoryDestination } from '../destination/memory-destination.ts';
import { leaseName, roundStartName, setStartName } from '../format/layout.ts';
import type { LeaseHolder } from '../format/lease-file.ts';
import { SCN_NONE } from '../model/scn.ts';
import { openStore, type Store } from '../store/store.ts';
import type { LeaseOf } from './lease-service.ts';
import { createLeases } from './leases.ts';

const URI = 'file:///memory/leased';
const OF: LeaseOf = { tenantId: 1002, uri: URI, destKind: 'archive_log' };
const bytes = (text: string, count: number) => new Uint8Array(Buffer.alloc(count, text));

let directory: string;
let memory: MemoryDestination;
const clock = new ManualClock();
const stores: Store[] = [];
let starts = 0;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'leases-'));
  memory = new MemoryDestination(directory, { append: false });
});
afterEach(() => {
  for (const store of stores.splice(0)) store[Symbol.dispose]();
  rmSync(directory, { recursive: true });
  dropMemoryDestination(directory);
});

function newStore(name: string): Store {
  const store = openStore(join(directory, name), { clusterName: 'c1', clusterId: 1, timeZone: '+08:00' });
  stores.push(store);
  return store;
}

/** One start of a server. */
function start(store: Store, over: Partial<LeaseHolder> = {}) {
  const me: LeaseHolder = {
    instanceId: bytes('i', 16),
    machine: bytes('m', 32),
    life: bytes('l', 32),
    process: bytes(`p${++starts} `, 16),
    hostName: 'a',
    dataDir: '/data/a',
    serverVersion: '1',
    ...over,
  };
  return createLeases({ store, clock, log: silentLog, me });
}
const COPY = { hostName: 'b', dataDir: '/data/b' };
const isHeld = (error: unknown) => isFailure(error, 'DESTINATION_HELD');
const refusal = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(isHeld(error), String(error)).toBe(true);
  return (error as Error).message;
};
/** Another handle of the same objects. */
const sameMemory = () => new MemoryDestination(directory, { append: false });
const row = (store: Store) => store.leases.get({ tenantId: OF.tenantId, uri: URI });
const generations = async () => (await memory.list('lease')).map(({ name }) => name).sort();

describe('a lease', () => {
  test('is taken once by a process, and again by each start of the same server', async () => {
    const store = newStore('a');
    const first = start(store);
    const lease = await first.hold(memory, OF);
    expect((await first.hold(memory, OF)).generation).toBe(1);
    await lease.prove();
    expect((await start(store).hold(memory, OF)).generation).toBe(2);
    await refusal(lease.prove());
    expect(await generations()).toEqual([leaseName(1), leaseName(2)]);
  });

  test('is refused to a copy, which is told who has it', async () => {
    await start(newStore('a')).hold(memory, OF);
    const store = newStore('b');
    const message = await refusal(start(store, COPY).hold(memory, OF));
    expect(message).toMatch(
      /^this server is not the one that writes 'file:\/\/\/memory\/leased': since 20\d\d-.*Z that is the server on host 'a' with the data directory '\/data\/a' \(lease 1\)$/,
    );
    expect(row(store)).toMatchObject({ status: 'REFUSED', generation: 1, hostName: 'a', dataDir: '/data/a' });
    expect(await generations()).toEqual([leaseName(1)]);
  });

  test('that a copy has taken over is lost for good: the other stops, also after it starts again', async () => {
    const [ours, theirs] = [newStore('a'), newStore('b')];
    const first = start(ours);
    const lease = await first.hold(memory, OF);
    const second = start(theirs, COPY);
    expect(await second.takeOver(memory, OF)).toBe(true);
    expect(await second.takeOver(memory, OF)).toBe(false);
    await (await second.hold(memory, OF)).prove();
    expect(await refusal(lease.prove())).toContain("host 'b'");
    expect(row(ours)).toMatchObject({ status: 'LOST', generation: 2, hostName: 'b' });
    await refusal(first.hold(memory, OF));
    await refusal(start(ours).hold(memory, OF));
    expect(row(ours)?.status).toBe('LOST');
    const events = [...ours.events.since(clock.nowNs())].filter(({ event }) => event === 'change_lease');
    expect(events.map(({ facts }) => Object.fromEntries(facts).status)).toEqual(['HELD', 'LOST']);
  });

  test('goes back by the same statement, and the loser writes again', async () => {
    const [ours, theirs] = [newStore('a'), newStore('b')];
    const first = start(ours);
    await first.hold(memory, OF);
    const second = start(theirs, COPY);
    await second.takeOver(memory, OF);
    const lease = await second.hold(memory, OF);
    // It has not even noticed that it had lost it.
    expect(await first.takeOver(memory, OF)).toBe(true);
    expect((await first.hold(memory, OF)).generation).toBe(3);
    await refusal(lease.prove());
  });

  test('lost to a twin that nothing tells apart is not taken back at the next start', async () => {
    const [ours, twin] = [newStore('a'), newStore('twin')];
    const lease = await start(ours).hold(memory, OF);
    await start(twin).hold(memory, OF);
    await refusal(lease.prove());
    await refusal(start(ours).hold(memory, OF));
  });

  test('goes to exactly one of many that come at once', async () => {
    const stores = ['a', 'b', 'c', 'd'].map(newStore);
    const comers = stores.map((store, at) => start(store, { dataDir: `/data/${at}` }).hold(memory, OF));
    const ends = await Promise.allSettled(comers);
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(ends.every((end) => end.status === 'fulfilled' || isHeld(end.reason))).toBe(true);
  });

  test('whose making succeeded unheard is found to be held', async () => {
    const store = newStore('a');
    const unheard: Destination = Object.assign(sameMemory(), {
      put: async (name: string, content: Uint8Array) => {
        await memory.put(name, content);
        await memory.put(name, content);
      },
    });
    expect((await start(store).hold(unheard, OF)).generation).toBe(1);
    expect(row(store)?.status).toBe('HELD');
  });

  test('that is damaged is nobody’s to go on with but by statement', async () => {
    await memory.put(leaseName(4), bytes('x', 100));
    const leases = start(newStore('a'));
    expect(await refusal(leases.hold(memory, OF))).toContain('its lease 4 is damaged');
    await leases.takeOver(memory, OF);
    expect((await leases.hold(memory, OF)).generation).toBe(5);
  });
});

describe('what was written by another', () => {
  const addRound = (store: Store, roundId: number) =>
    store.rounds.insert({
      ...{ tenantId: OF.tenantId, destId: 1001, roundId, uri: URI, pieceSwitchIntervalUs: 1n, status: 'DOING' },
      ...{ startScn: SCN_NONE, checkpointScn: SCN_NONE, basePieceId: roundId, usedPieceId: roundId },
      ...{ inputBytes: 0n, outputBytes: 0n, comment: '' },
    });

  test('is learnt by whoever takes over: numbers behind it, and no round that it may have gone on with', async () => {
    await start(newStore('a')).hold(memory, OF);
    await memory.put(roundStartName({ destId: 1001, roundId: 7 }), bytes('x', 1));
    const store = newStore('b');
    addRound(store, 2);
    const leases = start(store, COPY);
    await leases.takeOver(memory, OF);
    expect(store.nextId(OF.tenantId, 'round')).toBeGreaterThan(8);
    expect(leases.isForeignRound(OF.tenantId, { uri: URI, roundId: 2 })).toBe(true);
    expect(leases.isForeignRound(OF.tenantId, { uri: URI, roundId: 18 })).toBe(false);
  });

  test('is learnt also behind a crash in the middle of it', async () => {
    await start(newStore('a')).hold(memory, OF);
    await memory.put(roundStartName({ destId: 1001, roundId: 7 }), bytes('x', 1));
    const store = newStore('b');
    addRound(store, 2);
    const dying: Destination = Object.assign(sameMemory(), {
      // The look behind the taking: the lease is there by then.
      list: async (prefix: string) => {
        if (prefix === '') throw new Error('died');
        return await memory.list(prefix);
      },
    });
    await expect(start(store, COPY).takeOver(dying, OF)).rejects.toThrow('died');
    expect(row(store)?.status).toBe('TAKING');
    const leases = start(store, COPY);
    await leases.hold(memory, OF);
    expect(row(store)?.status).toBe('HELD');
    expect(store.nextId(OF.tenantId, 'round')).toBeGreaterThan(8);
    expect(leases.isForeignRound(OF.tenantId, { uri: URI, roundId: 2 })).toBe(true);
  });

  test('is looked for after a start of the machine: a clone that is behind begins anew, a server in its place goes on', async () => {
    const store = newStore('a');
    addRound(store, 2);
    await memory.put(roundStartName({ destId: 1001, roundId: 2 }), bytes('x', 1));
    await start(store).hold(memory, OF);
    const again = start(store, { life: bytes('k', 32) });
    await again.hold(memory, OF);
    expect(again.isForeignRound(OF.tenantId, { uri: URI, roundId: 2 })).toBe(false);
    expect(store.nextId(OF.tenantId, 'round')).toBe(1);
    await memory.put(roundStartName({ destId: 1001, roundId: 3 }), bytes('x', 1));
    const behind = start(store, { life: bytes('j', 32) });
    await behind.hold(memory, OF);
    expect(behind.isForeignRound(OF.tenantId, { uri: URI, roundId: 2 })).toBe(true);
    expect(store.nextId(OF.tenantId, 'round')).toBeGreaterThan(4);
  });

  test('sets of another have numbers that are not given again', async () => {
    const of = { ...OF, destKind: 'backup_data' } as const;
    await start(newStore('a')).hold(memory, of);
    await memory.put(setStartName({ backupSetId: 5, type: 'FULL' }), bytes('x', 1));
    const store = newStore('b');
    await start(store, COPY).takeOver(memory, of);
    expect(store.nextId(OF.tenantId, 'backup_set')).toBeGreaterThan(6);
  });
});
