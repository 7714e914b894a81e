// Goal: whatever goes away, lies or dies, every acknowledged commit is at each destination in the end, once and in order;
// and each leads over every gap of the log alone.
// Method: random lives of one server with three destinations, read alone at the end. What happens once in a thousand lives
// is found by HOLDFAST_STORM_LIVES; HOLDFAST_SEED repeats the choices, not their timing.
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { SeededRandom } from '../../../test/proof/seeded-random.ts';
import type { RoundCopy } from '../../model/archive-copy.ts';
import { DAY_US, TENANT_ID, URI } from '../archive.fixture.ts';
import { keepPageMap, replay } from '../gap.fixture.ts';
import {
  archiveWithCopies,
  COPY_URI,
  type CopiesWorld,
  commitAndFlush,
  commitsAt,
  makeCopiesWorld,
  numbersTo,
  SECOND_URI,
  untilInStep,
} from './copies.fixture.ts';

const URIS = [URI, COPY_URI, SECOND_URI];
const LIVES = Number(process.env.HOLDFAST_STORM_LIVES ?? 6);
const SEED = Number(process.env.HOLDFAST_SEED ?? randomInt(2 ** 31));
const STEPS = 14;

async function act(world: CopiesWorld, random: SeededRandom, acknowledged: { count: number }): Promise<void> {
  const uri = random.pick(URIS);
  const kind = random.below(9);
  if (kind <= 2) {
    await world.commit(1 + random.below(3));
    const made = world.commits;
    // A destination that is away answers nobody: what is acknowledged is known only when it is.
    const flushed = world.archive.flush(TENANT_ID).then(
      () => made,
      () => 0,
    );
    const count = await Promise.race([flushed, new Promise<number>((resolve) => setTimeout(() => resolve(0), 150))]);
    acknowledged.count = Math.max(acknowledged.count, count);
  } else if (kind === 3) world.away.add(uri);
  else if (kind === 4) world.away.delete(uri);
  else if (kind === 5 && !world.lying.delete(uri)) world.lying.add(uri);
  else if (kind === 8 && !world.late.delete(uri)) world.late.add(uri);
  else if (kind === 6) world.clock.advanceUs(DAY_US / 2n);
  else if (kind === 7) {
    if (random.isIn(50)) await world.archive.stop();
    await world.crash();
  }
  await new Promise((resolve) => setTimeout(resolve, random.below(60)));
}

/** A world of three destinations, some of them object stores. */
async function makeStormWorld(random: SeededRandom): Promise<CopiesWorld> {
  const world = await makeCopiesWorld({ timing: { leadMs: 40, pressureMs: 10 } });
  for (const uri of URIS) if (random.isIn(40)) world.objectStores.add(uri);
  await archiveWithCopies(world, [
    { destNo: 1, uri: COPY_URI },
    { destNo: 2, uri: SECOND_URI },
  ]);
  return world;
}

/** Everything is well again. @returns where the round leads */
async function calm(world: CopiesWorld): Promise<string> {
  for (const trouble of [world.away, world.lying, world.late]) trouble.clear();
  await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
  await commitAndFlush(world, 1);
  return world.store.currentRound(TENANT_ID)!.uri;
}

test('no acknowledged commit is missing anywhere', { timeout: 120_000 + LIVES * 10_000 }, async () => {
  console.info(`seed ${SEED}`);
  for (let life = 0; life < LIVES; life++) {
    const random = new SeededRandom(SEED + life);
    await using world = await makeStormWorld(random);
    const acknowledged = { count: 0 };
    for (let i = 0; i < STEPS; i++) {
      await act(world, random, acknowledged);
      // What was acknowledged is where the round leads.
      const held = await commitsAt(world, world.store.currentRound(TENANT_ID)!.uri);
      expect(held.length, `life ${life}, step ${i}`).toBeGreaterThanOrEqual(acknowledged.count);
    }
    const leading = await calm(world);
    for (const [destNo, uri] of URIS.entries()) {
      if (uri !== leading) await untilInStep(world, destNo);
      expect(await commitsAt(world, uri), `life ${life}: ${uri}`).toEqual(numbersTo(world.commits));
    }
  }
});

test('each destination alone leads over every gap', { timeout: 120_000 + LIVES * 10_000 }, async () => {
  for (let life = 0; life < LIVES; life++) {
    const random = new SeededRandom(SEED + life);
    await using world = await makeStormWorld(random);
    const { store, tenant } = world;
    await commitAndFlush(world, 2);
    const known = await keepPageMap(world);
    for (let i = 0; i < STEPS; i++) {
      await act(world, random, { count: 0 });
      if (!random.isIn(12)) continue;
      // The log is cut off behind a commit that may just be on its way.
      await world.commit(1);
      world.driver.recycleLog(tenant);
      await world.commit(1);
    }
    const leading = await calm(world);
    const file = readFileSync(tenant.location);
    for (const [destNo, uri] of URIS.entries()) {
      const destId = known.destId + destNo;
      const isOver = ({ roundId, status }: RoundCopy) =>
        status === 'STOP' || roundId === store.currentRound(TENANT_ID)!.roundId;
      if (uri !== leading) await untilInStep(world, destNo);
      await world.until(() => store.roundCopies.find({ tenantId: TENANT_ID, destId }).every(isOver), 'earlier rounds');
      const bytes = await replay(world, { ...known, destId }, world.destination(uri));
      expect(bytes.equals(file), `life ${life}: ${uri}`).toBe(true);
    }
  }
});
