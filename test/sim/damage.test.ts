// Goal: no altered byte of a destination ever leads to a wrong restore: it is detected, or it does not matter.
// Method: a tenant with full, incremental and encrypted sets, pieces, and a repaired gap; each object is flipped in bytes,
// cut, lengthened, removed, replaced by another object of its kind or of another tenant's; each time the tenant is restored
// to one of its points. The result must be the very state, or a clear error. That readers notice every single byte and
// length is tested beside each format, where it takes microseconds.
// HOLDFAST_DAMAGE: bytes and lengths tried of each object. HOLDFAST_SEED repeats a run.
import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HoldfastError } from '../../src/base/errors.ts';
import { MIB } from '../../src/base/limits.ts';
import { parseObjectName } from '../../src/format/layout.ts';
import { ARCHIVE_URI, DATA_URI, DAY_US, type Point, SimWorld, TENANT_ID } from './sim-world.ts';

const SEED = Number(process.env.HOLDFAST_SEED ?? randomInt(1_000_000));
const SHORT_PLACES = 2;
const PLACES = Number(process.env.HOLDFAST_DAMAGE ?? SHORT_PLACES);
const IS_LONG = PLACES > SHORT_PLACES;
const TIMEOUT_MS = 300_000 + PLACES * 120_000;
/** What a restore of a database of some kilobytes may need in memory, damaged sources or not. */
const MEMORY_BYTES_MAX = 512 * MIB;
/** Errors that tell of damage; anything else is a crash in disguise. */
const DETECTED = new Set([9010, 9011, 9080, 9081, 9119, 9064, 9077, 9047, 4007, 4179]);

interface StoredObject {
  uri: string;
  name: string;
  bytes: Uint8Array;
}

/** A small generator, so that a seed repeats a run. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** A tenant with everything that can lie at its destinations. */
async function fill(world: SimWorld): Promise<Point[]> {
  const points: Point[] = [];
  const archiving = () => world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
  const commit = async (count: number) => {
    await world.commit(count);
    points.push(await world.point());
  };
  const interval = { pieceSwitchIntervalUs: DAY_US, pieceSwitchIntervalText: '1d' };
  await world.archive.setDest(TENANT_ID, { uri: ARCHIVE_URI, binding: 'OPTIONAL', ...interval });
  await world.backup.setDataDest(TENANT_ID, DATA_URI);
  world.archive.enable(TENANT_ID);
  await archiving();
  await world.commit(6);
  await world.backUp({ isIncremental: false });
  await commit(3);
  world.clock.advanceUs(DAY_US);
  await commit(2);
  expect(await world.backUp({ isIncremental: true })).toBe('INC');
  await commit(2);
  expect(await world.backUp({ isIncremental: false, password: 'secret' })).toBe('FULL');
  await commit(2);
  expect(await world.backUp({ isIncremental: true, password: 'secret' })).toBe('INC');
  await world.loseLog();
  await archiving();
  await commit(2);
  return points;
}

async function objectsOf(world: SimWorld): Promise<StoredObject[]> {
  const objects: StoredObject[] = [];
  for (const uri of [DATA_URI, ARCHIVE_URI]) {
    const destination = world.destination(uri);
    for (const { name } of await destination.list('')) objects.push({ uri, name, bytes: await destination.get(name) });
  }
  return objects.filter(({ bytes }) => bytes.length > 0);
}

async function replace(world: SimWorld, object: Pick<StoredObject, 'uri' | 'name'>, bytes: Uint8Array): Promise<void> {
  const destination = world.destination(object.uri);
  await destination.remove(object.name);
  await destination.put(object.name, bytes);
}

describe('damage at the destinations', { timeout: TIMEOUT_MS }, () => {
  let world: SimWorld;
  let points: Point[];
  let objects: StoredObject[];
  const random = randomOf(SEED);
  const counts = { tried: 0, detected: 0, harmless: 0 };

  beforeAll(async () => {
    console.log(`HOLDFAST_SEED=${SEED}`);
    world = await SimWorld.make();
    world.start();
    points = await fill(world);
    // Whatever is damaged from here on is not written to any more.
    world.archive.disable(TENANT_ID);
    await world.until(() => ['STOP', 'INTERRUPTED'].includes(world.store.currentRound(TENANT_ID)!.status), 'end');
    objects = await objectsOf(world);
  }, 60_000);
  afterAll(async () => {
    console.log(
      `${counts.tried} alterations: ${counts.detected} restores refused, ${counts.harmless} exact all the same`,
    );
    await world[Symbol.asyncDispose]();
  });

  /** Restores to one point and judges the result. */
  async function judge(what: string, point: Point): Promise<void> {
    counts.tried++;
    const before = process.memoryUsage().rss;
    try {
      const bytes = await world.restoreTo(point.scn);
      expect(bytes.equals(point.bytes), `${what}: the state at SCN ${point.scn}`).toBe(true);
      counts.harmless++;
    } catch (error) {
      const { number, message } = failureOf(error);
      expect(DETECTED, `${what}: ${message}`).toContain(number);
      counts.detected++;
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(MEMORY_BYTES_MAX);
  }

  function failureOf(error: unknown): { number: number; message: string } {
    if (error instanceof HoldfastError) return { number: error.code, message: error.message };
    // A restore that was accepted and failed later tells its error in its row.
    const told = /^the restore is RESTORE_FAIL: .*?result: -(\d+)\(/s.exec(error instanceof Error ? error.message : '');
    if (!told) throw error;
    return { number: Number(told[1]), message: String(error) };
  }

  async function withAltered(object: StoredObject, bytes: Uint8Array, what: string): Promise<void> {
    await replace(world, object, bytes);
    try {
      await judge(`${what} of ${object.name}`, points[random(points.length)]!);
    } finally {
      await replace(world, object, object.bytes);
    }
  }

  /** Some places, or all where there are no more. */
  const places = (length: number): number[] =>
    PLACES < length ? Array.from({ length: PLACES }, () => random(length)) : Array.from({ length }, (_, i) => i);

  test('an untouched destination gives back every point', async () => {
    for (const { scn, bytes } of points) expect((await world.restoreTo(scn)).equals(bytes)).toBe(true);
  });

  test('a flipped bit anywhere', async () => {
    for (const object of objects) {
      for (const place of places(object.bytes.length)) {
        const bytes = Uint8Array.from(object.bytes);
        bytes[place] = bytes[place]! ^ (1 << random(8));
        await withAltered(object, bytes, `byte ${place}`);
      }
    }
  });

  test('a cut at any length, and bytes behind the end', async () => {
    for (const object of objects) {
      for (const length of places(object.bytes.length))
        await withAltered(object, object.bytes.slice(0, length), `cut to ${length}`);
      await withAltered(object, Buffer.concat([object.bytes, Buffer.from([0])]), 'a byte behind the end');
      await withAltered(object, Buffer.concat([object.bytes, object.bytes]), 'twice');
    }
  });

  test('an object that is gone', async () => {
    for (const object of objects) {
      await world.destination(object.uri).remove(object.name);
      await judge(`absence of ${object.name}`, points[random(points.length)]!);
      await world.destination(object.uri).put(object.name, object.bytes);
    }
  });

  test('an object that is another one of its kind', async () => {
    for (const object of objects) {
      const kind = parseObjectName(object.name)?.kind;
      const others = objects.filter((o) => o !== object && parseObjectName(o.name)?.kind === kind);
      const tried = IS_LONG || others.length === 0 ? others : [others[random(others.length)]!];
      for (const other of tried) await withAltered(object, other.bytes, `${other.name} in place`);
    }
  });

  test('an object of another tenant', async () => {
    await using stranger = await SimWorld.make();
    stranger.start();
    await fill(stranger);
    const foreign = new Map((await objectsOf(stranger)).map(({ name, bytes }) => [name, bytes]));
    for (const object of objects) {
      const bytes = foreign.get(object.name);
      if (bytes) await withAltered(object, bytes, 'the one of another tenant in place');
    }
  });
});
