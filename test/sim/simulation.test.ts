// Goal: a server that dies at any moment of archive, backup, gap repair and restore loses nothing that it called archived,
// never shows half a set as whole, and goes on by itself.
// Method: the life of a tenant is run again and again; each run dies at one effect later than the run before (an effect is
// a call to a destination, a change of the store or a job of the pipeline), goes on with what is left, and must get to the
// end; then every point that was called archived is restored and compared byte for byte.
// Short here; HOLDFAST_SIM=all dies at every single effect. HOLDFAST_SEED repeats a run.
import { randomInt } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { isFailure } from '../../src/base/errors.ts';
import { SimulatedDeath } from './fate.ts';
import { ARCHIVE_URI, DATA_URI, DAY_US, type Point, SimWorld, TENANT_ID } from './sim-world.ts';

const SEED = Number(process.env.HOLDFAST_SEED ?? randomInt(1_000_000));
const ALL = process.env.HOLDFAST_SIM === 'all';
/** Effects between two deaths in the short run; a prime, so that runs with other seeds die elsewhere. */
const STRIDE = 37;
/** Far more effects than a life has. */
const EFFECTS_MAX = 2000;

type Death = 'before' | 'after' | 'half way through';

/** One life: settings, commits, a key that is rotated where there is one, full and incremental backups, a piece switch, a gap and its repair, a restore. */
async function live(world: SimWorld, points: Point[]): Promise<void> {
  // What comes after a death belongs to the next life, which has another fate.
  const { store, fate } = world;
  const alive = async <T>(work: Promise<T>): Promise<T> => {
    const value = await work;
    if (fate.isDead) throw new SimulatedDeath('dead');
    return value;
  };
  const commit = async (count: number) => {
    await alive(world.commit(count));
    points.push(await alive(world.point()));
  };
  const archiving = () => alive(world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture'));
  if (!store.archiveDests.get({ tenantId: TENANT_ID })) {
    const attributes = { binding: 'OPTIONAL', pieceSwitchIntervalUs: DAY_US, pieceSwitchIntervalText: '1d' } as const;
    await alive(world.archive.setDest(TENANT_ID, { uri: ARCHIVE_URI, ...attributes }));
  }
  if (!store.dataDests.get({ tenantId: TENANT_ID })) await alive(world.backup.setDataDest(TENANT_ID, DATA_URI));
  if (!store.tenants.get({ tenantId: TENANT_ID })?.isArchiveMode) world.archive.enable(TENANT_ID);
  await archiving();
  await alive(world.untilRested());
  await commit(3);
  await alive(world.backUp({ isIncremental: false }));
  await commit(2);
  await alive(world.rotateKey());
  world.clock.advanceUs(DAY_US);
  await commit(2);
  await alive(world.backUp({ isIncremental: true }));
  await commit(1);
  const roundId = store.currentRound(TENANT_ID)?.roundId ?? 0;
  await alive(world.loseLog());
  await alive(world.until(() => (store.currentRound(TENANT_ID)?.roundId ?? 0) > roundId, 'new round'));
  await archiving();
  await commit(2);
  await alive(world.backUp({ isIncremental: true }));
  await commit(1);
  const { bytes } = points.at(-1)!;
  expect((await alive(world.restoreTo(null))).equals(bytes)).toBe(true);
}

/** Every acknowledged point is restored, byte for byte; only those before the first set can not be. */
async function check(world: SimWorld, points: readonly Point[]): Promise<{ restored: number }> {
  const sets = world.store.backupSets.find({ tenantId: TENANT_ID, fileStatus: 'AVAILABLE' });
  const first = sets.reduce(
    (least, set) => (set.consistentScn < least ? set.consistentScn : least),
    sets[0]!.consistentScn,
  );
  let restored = 0;
  for (const { scn, bytes } of points) {
    if (scn < first) {
      await expect(world.restoreTo(scn)).rejects.toSatisfy((error) =>
        isFailure(error as Error, 'RESTORE_SOURCE_NOT_ENOUGH'),
      );
      continue;
    }
    expect((await world.restoreTo(scn)).equals(bytes), `the state at SCN ${scn}`).toBe(true);
    restored++;
  }
  return { restored };
}

/** @returns whether the life was over before the effect */
async function dieAt(effect: number, death: Death, isLocking: boolean): Promise<boolean> {
  // Every other life is encrypted, with a key that changes on the way.
  await using world = await SimWorld.make({ isEncrypted: effect % 2 === 0, isLocking });
  world.start();
  const { fate } = world;
  fate.diesAt = effect;
  fate.diesAfter = death === 'after';
  if (death === 'half way through') fate.landsOnFailure = 'half';
  const points: Point[] = [];
  const living = live(world, points).then(
    () => true,
    (error) => {
      if (!fate.isDead) throw error;
      return false;
    },
  );
  const isOver = await Promise.race([living, world.until(() => fate.isDead, 'death').then(() => false)]);
  const known = points.slice();
  await world.crash();
  await live(world, known);
  const { restored } = await check(world, known);
  expect(restored).toBeGreaterThan(4);
  return isOver;
}

describe('a server that dies', () => {
  // In a bucket that locks its objects nothing of the dead one can be removed, and none of its names is free again.
  const cases = [
    ...(['before', 'after', 'half way through'] as const).map((death) => ({ death, isLocking: false })),
    ...(['before', 'after'] as const).map((death) => ({ death, isLocking: true })),
  ];
  for (const { death, isLocking } of cases) {
    const where = isLocking ? 'in a bucket that lets nothing go' : 'where it can append';
    test(`${death} any effect of archive, backup, repair or restore goes on without loss, ${where}`, async () => {
      console.log(`HOLDFAST_SEED=${SEED}`);
      const stride = ALL ? 1 : STRIDE;
      let deaths = 0;
      for (let effect = ALL ? 1 : 1 + (SEED % STRIDE); ; effect += stride) {
        const isOver = await dieAt(effect, death, isLocking).catch((cause) =>
          Promise.reject(new Error(`seed ${SEED}, effect ${effect}`, { cause })),
        );
        if (isOver) break;
        deaths++;
        expect(effect).toBeLessThan(EFFECTS_MAX);
      }
      console.log(`${deaths} deaths ${death} an effect, ${where}`);
      expect(deaths).toBeGreaterThan(2);
    }, 3_600_000);
  }
});
