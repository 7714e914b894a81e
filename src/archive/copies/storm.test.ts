// Goal: whatever goes away, lies or dies, every acknowledged commit is at each destination in the end, once and in order.
// Method: random lives of one server with three destinations, read alone at the end. What happens once in a thousand lives
// is found by HOLDFAST_STORM_LIVES; HOLDFAST_SEED repeats the choices, not their timing.
import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { SeededRandom } from '../../../test/proof/seeded-random.ts';
import { DAY_US, TENANT_ID, URI } from '../archive.fixture.ts';
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

test('no acknowledged commit is missing anywhere', { timeout: 120_000 + LIVES * 10_000 }, async () => {
  console.info(`seed ${SEED}`);
  for (let life = 0; life < LIVES; life++) {
    const random = new SeededRandom(SEED + life);
    await using world = await makeCopiesWorld({ timing: { leadMs: 40, pressureMs: 10 } });
    for (const uri of URIS) if (random.isIn(40)) world.objectStores.add(uri);
    await archiveWithCopies(world, [
      { destNo: 1, uri: COPY_URI },
      { destNo: 2, uri: SECOND_URI },
    ]);
    const acknowledged = { count: 0 };
    for (let i = 0; i < STEPS; i++) {
      await act(world, random, acknowledged);
      // What was acknowledged is where the round leads.
      const held = await commitsAt(world, world.store.currentRound(TENANT_ID)!.uri);
      expect(held.length, `life ${life}, step ${i}`).toBeGreaterThanOrEqual(acknowledged.count);
    }
    world.away.clear();
    world.lying.clear();
    world.late.clear();
    await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
    await commitAndFlush(world, 1);
    const leading = world.store.currentRound(TENANT_ID)!;
    for (const uri of URIS) {
      const destNo = URIS.indexOf(uri);
      if (uri !== leading.uri) await untilInStep(world, destNo);
      expect(await commitsAt(world, uri), `life ${life}: ${uri}`).toEqual(numbersTo(world.commits));
    }
  }
});
