// Goal: no commit that was called archived is ever lost, and no restore is ever wrong without saying so, whatever dies.
// Method: see kill-storm.ts. HOLDFAST_PROOF_ROUNDS makes it long (from 50 on with a database across the page at 1 GiB);
// HOLDFAST_PROOF_MINUTES ends it earlier; HOLDFAST_SEED repeats its choices. The processes' timing does not follow from the
// seed.
import { describe, expect, test } from 'vitest';
import { BEHAVIOURS, HUGE } from './behaviours.ts';
import { KillStorm } from './kill-storm.ts';
import { SeededRandom } from './seeded-random.ts';

const ROUNDS = Number(process.env.HOLDFAST_PROOF_ROUNDS ?? 6);
/** After so many no further round is begun. */
const MINUTES = Number(process.env.HOLDFAST_PROOF_MINUTES ?? 'Infinity');
const SEED = Number(process.env.HOLDFAST_SEED ?? Date.now() % 1_000_000);
const LONG_ROUNDS = 50;
/** Tenants of a short run, besides the one that the server made: each run takes others. */
const SHORT_TENANTS = 4;
const isLong = ROUNDS >= LONG_ROUNDS;

const say = (text: string) => process.stdout.write(`${text}\n`);

describe(`kill -9 of server and applications (seed ${SEED}, ${ROUNDS} rounds)`, () => {
  test('loses no archived commit, shows every gap, and restores byte for byte', {
    timeout: 120_000 + ROUNDS * 60_000,
  }, async () => {
    const random = new SeededRandom(SEED);
    await using storm = await KillStorm.start({
      behaviours: isLong ? [...BEHAVIOURS, HUGE] : random.pickSome(BEHAVIOURS, SHORT_TENANTS),
      runMs: isLong ? [1000, 4000] : [200, 800],
      checksPerRound: isLong ? 2 : 1,
      random,
      say,
    });
    const endMs = Date.now() + MINUTES * 60_000;
    for (let round = 0; round < ROUNDS && Date.now() < endMs; round++) await storm.runRound();
    const figures = await storm.finish();
    say(`proof, seed ${SEED}: ${JSON.stringify(figures)}`);
    expect(figures.failures).toEqual([]);
  });
});
