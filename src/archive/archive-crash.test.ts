// Goal: a server that dies at any moment loses no commit that it called archived, and gives none back twice.
// Method: the life of a round is run again and again; each run dies at one effect later than the run before (an effect is
// one call to the destination or one change of the store), is started again on what is left, and must get to the end.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { listRounds } from '../destination/archive-listing.ts';
import { findRepairScn } from '../destination/find-repair.ts';
import { DAY_US, destRequest, makeWorld, readCommits, TENANT_ID, type World } from './archive.fixture.ts';
import { type KnownState, keepPageMap, replay } from './gap.fixture.ts';

/** Far more effects than a life has. */
const EFFECTS_MAX = 1000;

type Death = 'before' | 'after' | 'half way through';

/** One life of a round: every state, a piece switch, a suspension. Notes what was acknowledged. */
async function live(world: World, acknowledged: number[]): Promise<void> {
  const { fate, archive } = world;
  // The life ends with its server: what comes after belongs to the next one.
  const alive = async (work: Promise<unknown>) => {
    await work;
    if (fate.isDead) throw new Error('dead');
  };
  const commit = async () => {
    await alive(world.commit(2));
    const made = world.commits;
    await alive(archive.flush(TENANT_ID));
    for (let commitNo = acknowledged.length + 1; commitNo <= made; commitNo++) acknowledged.push(commitNo);
  };
  await alive(archive.setDest(TENANT_ID, destRequest()));
  archive.enable(TENANT_ID);
  await alive(world.untilStatus('DOING'));
  await commit();
  world.clock.advanceUs(DAY_US);
  await commit();
  archive.setDestState(TENANT_ID, 'DEFER');
  await alive(world.untilStatus('SUSPEND'));
  archive.setDestState(TENANT_ID, 'ENABLE');
  await alive(world.untilStatus('DOING'));
  await commit();
  archive.disable(TENANT_ID);
  await alive(world.untilStatus('STOP'));
}

/** After the death: the settings are made again as an operator would, and archive goes on. */
async function recover(world: World): Promise<void> {
  const { store, archive } = world;
  if (!store.archiveDests.get({ tenantId: TENANT_ID })) await archive.setDest(TENANT_ID, destRequest());
  if (store.archiveDests.get({ tenantId: TENANT_ID })?.state === 'DEFER') archive.setDestState(TENANT_ID, 'ENABLE');
  if (!store.tenants.get({ tenantId: TENANT_ID })?.isArchiveMode) archive.enable(TENANT_ID);
  await world.until(() => archive.capture(TENANT_ID) !== undefined, 'capture');
  await world.commit(1);
  await archive.flush(TENANT_ID);
}

/** Every acknowledged commit is there once, in order, and a round has no hole. */
async function check(world: World, acknowledged: readonly number[]): Promise<void> {
  const commits = await readCommits(world.memory);
  const numbers = commits.map(({ commitNo }) => commitNo);
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  expect(numbers).toEqual(expect.arrayContaining([...acknowledged]));
  for (const { roundId, start } of await listRounds(world.memory))
    expect(start.startScn).toBe(world.store.rounds.get({ tenantId: TENANT_ID, roundId })!.startScn);
  for (const [i, { commitNo, roundId, scn }] of commits.entries()) {
    const before = commits[i - 1];
    if (!before) continue;
    expect(scn).toBeGreaterThan(before.scn);
    if (before.roundId === roundId) expect(commitNo).toBe(before.commitNo + 1);
  }
}

/** The life of an archive whose log is lost, each time repaired by a round of its own. Notes what a backup has. */
async function liveThroughGaps(world: World, known: KnownState[], gaps: number): Promise<void> {
  const { fate, archive, driver } = world;
  const alive = async <T>(work: Promise<T>) => {
    const value = await work;
    if (fate.isDead) throw new Error('dead');
    return value;
  };
  await alive(archive.setDest(TENANT_ID, destRequest()));
  archive.enable(TENANT_ID);
  await alive(world.untilStatus('DOING'));
  await alive(world.commit(9));
  known.push(await alive(keepPageMap(world)));
  for (let roundId = 2; roundId < 2 + gaps; roundId++) {
    await alive(world.commit(1));
    driver.recycleLog(world.tenant);
    await alive(world.commit(2));
    const isThere = () => world.store.currentRound(TENANT_ID)?.roundId === roundId && archive.capture(TENANT_ID);
    await alive(world.until(() => isThere() !== undefined && isThere() !== false, 'the next round'));
    await alive(archive.flush(TENANT_ID));
  }
}

/** @returns whether the life was over before the effect */
async function dieInGapAt(effect: number, death: Death): Promise<boolean> {
  await using world = await makeWorld();
  const { fate } = world;
  fate.diesAt = effect;
  fate.diesAfter = death === 'after';
  if (death === 'half way through') fate.landsOnFailure = 'half';
  const known: KnownState[] = [];
  const living = liveThroughGaps(world, known, death === 'before' ? 2 : 1).then(
    () => true,
    (error) => {
      if (!fate.isDead) throw error;
      return false;
    },
  );
  const isOver = await Promise.race([living, world.until(() => fate.isDead, 'death').then(() => false)]);
  await world.crash();
  await recover(world);
  for (const state of known)
    expect((await replay(world, state)).equals(readFileSync(world.tenant.location))).toBe(true);
  // What a view says of a hole is what the log says, also when the server died before that was recorded.
  const owner = { clusterUuid: world.store.cluster.uuid, tenantId: TENANT_ID };
  const newest = world.store.currentRound(TENANT_ID)!;
  if (newest.baseRoundId) expect(newest.repairedScn).toBe(await findRepairScn(world.memory, newest, owner));
  const current = world.store.currentRound(TENANT_ID)!.roundId;
  for (const { roundId, status } of world.store.rounds.find({ tenantId: TENANT_ID }))
    expect(status).toBe(roundId === current ? 'DOING' : 'INTERRUPTED');
  return isOver;
}

/** @returns whether the life was over before the effect */
async function dieAt(effect: number, death: Death): Promise<boolean> {
  await using world = await makeWorld();
  const { fate } = world;
  fate.diesAt = effect;
  fate.diesAfter = death === 'after';
  if (death === 'half way through') fate.landsOnFailure = 'half';
  const acknowledged: number[] = [];
  const living = live(world, acknowledged).then(
    () => true,
    (error) => {
      if (!fate.isDead) throw error;
      return false;
    },
  );
  const isOver = await Promise.race([living, world.until(() => fate.isDead, 'death').then(() => false)]);
  const known = acknowledged.slice();
  await world.crash();
  await recover(world);
  known.push(world.commits);
  await check(world, known);
  world.archive.disable(TENANT_ID);
  await world.untilStatus('STOP');
  await check(world, known);
  const pieces = world.store.pieces.find({ tenantId: TENANT_ID });
  expect(pieces.map(({ status, fileStatus }) => [status, fileStatus])).toEqual(
    pieces.map(() => ['FROZEN', 'AVAILABLE']),
  );
  return isOver;
}

describe('a server that dies', () => {
  for (const death of ['before', 'after', 'half way through'] as const) {
    test(`${death} any effect of a round's life goes on without loss or repetition`, async () => {
      let effect = 1;
      while (
        !(await dieAt(effect, death).catch((error) => Promise.reject(new Error(`effect ${effect}`, { cause: error }))))
      ) {
        effect++;
        expect(effect).toBeLessThan(EFFECTS_MAX);
      }
      expect(effect).toBeGreaterThan(50);
    }, 300_000);

    test(`${death} any effect of an interruption and its repair still leads over the gap`, async () => {
      let effect = 1;
      while (
        !(await dieInGapAt(effect, death).catch((error) =>
          Promise.reject(new Error(`effect ${effect}`, { cause: error })),
        ))
      ) {
        effect++;
        expect(effect).toBeLessThan(EFFECTS_MAX);
      }
      expect(effect).toBeGreaterThan(50);
    }, 300_000);
  }
});
