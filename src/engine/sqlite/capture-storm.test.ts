// Goal: no committed change is ever lost, whatever applications do. Method: randomised storms of writer processes, each
// state rebuilt and compared byte for byte. HOLDFAST_STORM_ROUNDS runs more of them, HOLDFAST_STORM_SEED repeats one.
import { randomInt } from 'node:crypto';
import { expect, it } from 'vitest';
import { runStorm } from './capture-storm.fixture.ts';

const ROUNDS = Number(process.env.HOLDFAST_STORM_ROUNDS ?? 3);
const SEED = Number(process.env.HOLDFAST_STORM_SEED ?? randomInt(1, 2 ** 30));
const DURATION_MS = Number(process.env.HOLDFAST_STORM_MS ?? 2500);

it(
  `rebuilds every state of ${ROUNDS} storms exactly (seed ${SEED})`,
  async () => {
    const problems: string[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      const seed = SEED + i;
      const result = await runStorm({ seed, durationMs: DURATION_MS });
      process.stdout.write(`storm ${JSON.stringify({ seed, ...result })}\n`);
      problems.push(...result.mismatches.map((text) => `seed ${seed}: ${text}`));
    }
    expect(problems).toEqual([]);
  },
  ROUNDS * 60_000,
);
