// Goal: a standby is at every moment one state that its source had, goes as far as the archive proves and no further, and
// comes to its limit whatever dies on the way.
// Method: real services over the fake engine, file destinations and real pipeline workers; every state of the source is kept.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fail, type HoldfastError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import type { Destination } from '../destination/destination.ts';
import { openDestination } from '../destination/open-destination.ts';
import type { Replay, ReplayStep } from '../engine/engine-driver.ts';
import { pieceDirectory, segmentName } from '../format/layout.ts';
import { type DestinationUri, parseDestinationUri } from '../model/destination-uri.ts';
import { type Scn, toScn } from '../model/scn.ts';
import { SCN_UNLIMITED } from '../model/standby.ts';
import type { Tenant } from '../model/tenant.ts';
import { createPipeline } from '../pipeline/create-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { LogFollower } from './follow-log.ts';
import { type KnownState, until, World } from './world.fixture.ts';

let pipeline: Pipeline;
let world: World;
let source: Tenant;
let copy: Tenant;

beforeAll(() => {
  pipeline = createPipeline({ log: silentLog, workers: 1 });
});
afterAll(() => pipeline[Symbol.asyncDispose]());
beforeEach(async () => {
  world = new World({ pipeline });
  world.start();
  source = await world.addReadyTenant('app');
  await commits(4);
  await world.backUp(source);
  await world.restoreTo('copy', { uris: world.uris('app') });
  copy = world.store.tenantNamed('copy');
});
afterEach(() => world[Symbol.asyncDispose]());

let made = 0;

/** Some commits: values grow, shrink and go, so that pages come and go. */
async function commits(count: number): Promise<KnownState[]> {
  const states: KnownState[] = [];
  for (let n = 0; n < count; n++) {
    const i = made++;
    const changes: Record<string, string | null> = { [`k${i}`]: 'x'.repeat(1500 + (i % 7) * 300), last: String(i) };
    if (i % 5 === 4) for (let k = i - 3; k <= i; k++) changes[`k${k}`] = null;
    states.push(await world.commit(source, changes));
  }
  return states;
}

const row = () => world.store.standbys.get({ tenantId: copy.tenantId })!;
const bytes = () => readFileSync(copy.location);
const status = () => world.standby.status(copy.tenantId)!;
const toScnOf = (scn: Scn) => world.standby.recover(copy.tenantId, { kind: 'scn', scn });
const unlimited = () => world.standby.recover(copy.tenantId, { kind: 'unlimited' });
const flush = () => world.archive(source.tenantId).flush();
const isAt = (scn: Scn) => until(`the standby is at ${scn}`, () => row().scn >= scn);
const archivePath = () => world.uri('app', 'archive').slice('file://'.length);

async function failureOf(work: () => unknown): Promise<HoldfastError> {
  try {
    await work();
  } catch (error) {
    return error as HoldfastError;
  }
  throw new Error('it should have failed');
}

describe('RECOVER STANDBY', () => {
  test('goes to exactly the commit that it names, then to the next, and rests there', async () => {
    const states = await commits(9);
    await flush();
    for (const state of [states[0]!, states[3]!, states[8]!]) {
      await toScnOf(state.scn);
      await isAt(state.scn);
      expect(row()).toMatchObject({ scn: state.scn, commitScn: state.scn, nextScn: null, isReplayed: true });
      expect(bytes().equals(state.bytes)).toBe(true);
      await until('it rests', () => status().syncStatus === 'RESTORE SUSPEND');
      const tenant = world.store.tenantNamed('copy');
      expect(tenant).toMatchObject({ role: 'STANDBY', lastScn: state.scn, recoveryUntilScn: state.scn });
    }
    expect(existsSync(`${copy.location}.replaying`)).toBe(false);
  });

  test('UNLIMITED follows an archive that grows, over the ends of pieces and the repair of a gap', async () => {
    await unlimited();
    expect(world.store.tenantNamed('copy').recoveryUntilScn).toBe(SCN_UNLIMITED);
    for (let round = 0; round < 4; round++) {
      const last = (await commits(3)).at(-1)!;
      await flush();
      await isAt(last.scn);
      expect(bytes().equals(last.bytes)).toBe(true);
      if (round === 1) await world.archive(source.tenantId).switchPiece();
    }
    const archive = world.archive(source.tenantId);
    await archive.interrupt('the server was away');
    // Nobody saw these: the application went on alone.
    await commits(5);
    await world.startArchive(source, { repairs: true });
    const repaired = { scn: archive.capture!.startScn, bytes: readFileSync(source.location) };
    await isAt(repaired.scn);
    const last = (await commits(2)).at(-1)!;
    await flush();
    await isAt(last.scn);
    expect(bytes().equals(last.bytes)).toBe(true);
    expect(row().roundId).toBe(2);
    expect(status()).toEqual({ syncStatus: 'NORMAL', errorCode: 0, comment: '' });
  });

  test('does not go into a hole: it waits before it and says so', async () => {
    const before = (await commits(2)).at(-1)!;
    const archive = world.archive(source.tenantId);
    await archive.interrupt('the server was away');
    await commits(2);
    await world.startArchive(source, { repairs: true });
    const repaired = archive.capture!.startScn;
    await toScnOf(toScn(repaired - 1n));
    await until('it says so', () => status().syncStatus === 'SOURCE HAS A GAP');
    expect(status().errorCode).toBe(9077);
    expect(bytes().equals(before.bytes)).toBe(true);
    await toScnOf(repaired);
    await isAt(repaired);
    expect(bytes().equals(readFileSync(source.location))).toBe(true);
  });

  test('does not go on into a round that stands alone', async () => {
    const before = (await commits(2)).at(-1)!;
    await world.archive(source.tenantId).interrupt('the server was away');
    await commits(2);
    await world.startArchive(source);
    await commits(1);
    await flush();
    await unlimited();
    await until('it says so', () => status().syncStatus === 'SOURCE HAS A GAP');
    expect(status().errorCode).toBe(9064);
    expect(bytes().equals(before.bytes)).toBe(true);
  });

  test('CANCEL stops where it is, and only forward is allowed', async () => {
    const states = await commits(3);
    await flush();
    await toScnOf(states[1]!.scn);
    await isAt(states[1]!.scn);
    await unlimited();
    await world.standby.cancel(copy.tenantId);
    const { scn } = row();
    expect(world.store.tenantNamed('copy').recoveryUntilScn).toBe(scn);
    expect((await failureOf(() => toScnOf(states[0]!.scn))).code).toBe(4179);
    await toScnOf(scn);
    await commits(1);
    await flush();
    expect(row().scn).toBe(scn);
  });

  test('is refused for a primary, without a source, and while the tenant is archived', async () => {
    const notAllowed = async (work: () => unknown) => {
      const error = await failureOf(work);
      expect(error.code).toBe(4179);
      return error.message;
    };
    const recover = () => world.standby.recover(copy.tenantId, { kind: 'unlimited' });
    expect(await notAllowed(() => world.standby.recover(source.tenantId, { kind: 'unlimited' }))).toContain('PRIMARY');
    await world.standby.setSource(copy.tenantId, null);
    expect(status()).toMatchObject({ syncStatus: 'NOT AVAILABLE' });
    expect(await notAllowed(recover)).toContain('log restore source');
    expect((await failureOf(() => world.standby.setSource(copy.tenantId, world.uri('app', 'data')))).code).toBe(9081);
    await world.standby.setSource(copy.tenantId, world.uri('app', 'archive'));
    world.store.tenants.change({ tenantId: copy.tenantId }, { isArchiveMode: true });
    expect(await notAllowed(recover)).toContain('archived');
  });
});

describe('what stands in the way', () => {
  test('is told, tried again, and over when it is gone', async () => {
    const last = (await commits(3)).at(-1)!;
    await flush();
    renameSync(archivePath(), `${archivePath()}.away`);
    await unlimited();
    await until('it says so', () => status().syncStatus === 'CHECK NETWORK');
    expect(status()).toMatchObject({ errorCode: 9070 });
    renameSync(`${archivePath()}.away`, archivePath());
    await isAt(last.scn);
    await until('it is well again', () => status().syncStatus === 'NORMAL');
    expect(bytes().equals(last.bytes)).toBe(true);
  });

  test('a damaged image or a lost segment never reaches the database', async () => {
    const before = bytes();
    const known = [...(await commits(3)), ...(await commits(3))];
    await world.archive(source.tenantId).switchPiece();
    const piece = { destId: 1001, roundId: 1, pieceId: 1 };
    const segment = join(archivePath(), segmentName(pieceDirectory(piece), 1));
    const whole = readFileSync(segment);
    const damaged = Buffer.from(whole);
    damaged[damaged.length - 20]! ^= 1;
    writeFileSync(segment, damaged);
    await unlimited();
    await until('it says so', () => status().syncStatus === 'STANDBY LOG NOT MATCH');
    expect(status()).toMatchObject({ errorCode: 9010 });
    expect([before, ...known.map((state) => state.bytes)].some((state) => state.equals(bytes()))).toBe(true);
    rmSync(segment);
    await until('it says so', () => status().syncStatus === 'SOURCE HAS A GAP');
    writeFileSync(segment, whole);
    await isAt(known.at(-1)!.scn);
    expect(bytes().equals(readFileSync(source.location))).toBe(true);
  });

  test('a database that somebody else has changed is not gone on with', async () => {
    await commits(2);
    await flush();
    const { scn } = row();
    world.store.standbys.change({ tenantId: copy.tenantId }, { checksum: '0000000000000001', isReplayed: true });
    await unlimited();
    await until('it says so', () => status().syncStatus === 'STANDBY LOG NOT MATCH');
    expect(row().scn).toBe(scn);
    const error = await failureOf(() => world.standby.activate(copy.tenantId, { isVerifyOnly: true }));
    expect(error.code).toBe(4179);
    await world.standby.cancel(copy.tenantId);
    for (const isVerifyOnly of [true, false])
      expect((await failureOf(() => world.standby.activate(copy.tenantId, { isVerifyOnly }))).code).toBe(9010);
    expect(world.store.tenantNamed('copy').role).toBe('STANDBY');
  });
});

describe('a server that dies', () => {
  /** The engine takes the step or does not, and then nothing more happens. */
  const dieAt = (when: 'before' | 'after') => {
    const open = world.driver.openReplay.bind(world.driver);
    world.driver.openReplay = async (tenant) => {
      const replay: Replay = await open(tenant);
      return {
        ...replay,
        async apply(step: ReplayStep) {
          if (when === 'after') await replay.apply(step);
          throw fail('HOST_LOST', { because: 'the test says so' });
        },
      };
    };
    return () => {
      world.driver.openReplay = open;
    };
  };

  test.each(['before', 'after'] as const)('%s a step finds out which state the database has', async (when) => {
    const states = await commits(4);
    await flush();
    const live = dieAt(when);
    await toScnOf(states[2]!.scn);
    await until('it has tried', () => row().nextScn !== null);
    await until('it says so', () => status().syncStatus === 'NOT AVAILABLE');
    live();
    // The source is away: what the database is must be known without it.
    renameSync(archivePath(), `${archivePath()}.away`);
    await world.restart();
    await world.standby.cancel(copy.tenantId);
    await world.standby.activate(copy.tenantId, { isVerifyOnly: true });
    const { scn, nextScn } = row();
    expect(nextScn).toBeNull();
    if (when === 'after') expect(scn).toBe(states[2]!.scn);
    renameSync(`${archivePath()}.away`, archivePath());
    world.start();
    await toScnOf(states[3]!.scn);
    await isAt(states[3]!.scn);
    expect(bytes().equals(states[3]!.bytes)).toBe(true);
  });

  test('goes on by itself at the next start', async () => {
    await unlimited();
    const first = (await commits(1)).at(-1)!;
    await flush();
    await isAt(first.scn);
    await world.restart();
    const last = (await commits(3)).at(-1)!;
    await flush();
    world.start();
    await isAt(last.scn);
    expect(bytes().equals(last.bytes)).toBe(true);
  });
});

describe('a look at the source', () => {
  test('opens no object while nothing is new, and only the growing segment while one piece grows', async () => {
    const opened: string[] = [];
    const open = (uri: DestinationUri): Destination => {
      const destination = openDestination(uri);
      const openRead = destination.openRead.bind(destination);
      destination.openRead = (name) => {
        opened.push(name);
        return openRead(name);
      };
      return destination;
    };
    await world.archive(source.tenantId).switchPiece();
    const standby = row();
    const owner = { clusterUuid: standby.clusterUuid, tenantId: standby.sourceTenantId };
    const follower = new LogFollower({ owner, timeZone: '+00:00' });
    await using destination = open(parseDestinationUri(world.uri('app', 'archive')));
    const find = () => follower.find(destination, standby, SCN_UNLIMITED);
    const walk = async () => {
      const scns: Scn[] = [];
      for await (const { table } of (await find())!.onward!.batches) scns.push(...table.commits.map((of) => of.scn));
      return scns;
    };
    const first = (await commits(2)).at(-1)!;
    await flush();
    expect((await walk()).at(-1)).toBe(first.scn);
    // What ends in the growing piece is known from now on.
    expect(await find()).toBeTruthy();
    opened.length = 0;
    expect(await find()).toBeNull();
    expect(await find()).toBeNull();
    expect(opened).toEqual([]);
    const next = (await commits(1)).at(-1)!;
    await flush();
    expect((await walk()).at(-1)).toBe(next.scn);
    const segment = segmentName(pieceDirectory({ destId: 1001, roundId: 1, pieceId: 2 }), 1);
    expect(new Set(opened)).toEqual(new Set([segment]));
  });
});

describe('ACTIVATE STANDBY', () => {
  test('proves the database, ends the recovery, and gives greater scns from then on', async () => {
    await unlimited();
    const last = (await commits(3)).at(-1)!;
    await flush();
    await isAt(last.scn);
    await world.standby.activate(copy.tenantId, { isVerifyOnly: true });
    expect(row().tenantId).toBe(copy.tenantId);
    await world.standby.activate(copy.tenantId, { isVerifyOnly: false });
    const tenant = world.store.tenantNamed('copy');
    expect(tenant).toMatchObject({ role: 'PRIMARY', recoveryUntilScn: 0n });
    expect(tenant.lastScn >= last.scn).toBe(true);
    expect(row()).toBeUndefined();
    expect(world.standby.status(copy.tenantId)).toBeUndefined();
    await commits(1);
    await flush();
    const state = await world.commit(tenant, { own: 'value' });
    expect(state.bytes.equals(last.bytes)).toBe(false);
    expect((await failureOf(() => world.standby.cancel(copy.tenantId))).code).toBe(4179);
  });

  test('VERIFY says that a limit is not reached', async () => {
    const [state] = await commits(1);
    await toScnOf(toScn(state!.scn + 3_600_000_000_000n));
    const error = await failureOf(() => world.standby.activate(copy.tenantId, { isVerifyOnly: true }));
    expect(error.code).toBe(4179);
    expect(error.message).toContain('has come only to SCN');
    expect(world.store.tenantNamed('copy').role).toBe('STANDBY');
  });
});
