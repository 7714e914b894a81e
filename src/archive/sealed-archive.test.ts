// Goal: with a tenant's key the archive holds every commit once and shows none, whatever happens to the server and however
// often encryption begins, ends and changes its key. Method: the real service over the fake engine; deaths, rotations and
// failing appends at random; compaction and the repair of a gap; what lies at the destination is read with and without keys.
import { randomBytes, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SeededRandom } from '../../test/proof/seeded-random.ts';
import { hexOf } from '../base/bytes.ts';
import { isFailure } from '../base/errors.ts';
import { listRounds } from '../destination/archive-listing.ts';
import { walkRound } from '../destination/archive-reader.ts';
import { addTenantKey, keyInUse, openTenantKey, storedLogKeys } from '../store/tenant-keys.ts';
import { destRequest, makeWorld, readCommits, TENANT_ID, type World } from './archive.fixture.ts';
import { keepPageMap, replay } from './gap.fixture.ts';

const STEPS = 60;

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

async function begin(): Promise<void> {
  await world.archive.setDest(TENANT_ID, destRequest());
  world.archive.enable(TENANT_ID);
  await attached();
}

const attached = () => world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');

/** As the statement does it: a new version of the key, or none for what follows. */
async function setKey(method: 'internal' | 'none'): Promise<string | null> {
  world.store.setParameter(TENANT_ID, 'tde_method', method);
  if (method === 'internal') addTenantKey(world.store, TENANT_ID, world.clock.nowNs());
  await world.archive.refreshSeal(TENANT_ID);
  return keyInUse(world.store, TENANT_ID)?.keyId ?? null;
}

/** Key id, salt and numbers of the commits of every batch, from the destination. */
async function batches() {
  const found = [];
  for (const round of await listRounds(world.memory))
    for await (const { header } of walkRound(world.memory, round, { findKey: storedLogKeys(world.store) })) {
      const { seal, commitCount } = header;
      const sealed = { keyId: seal && hexOf(seal.keyId), salt: seal ? hexOf(seal.salt) : '' };
      found.push({ ...sealed, roundId: header.roundId, commits: commitCount });
    }
  return found;
}

async function allBytes(): Promise<Buffer> {
  const objects = await world.memory.list('');
  return Buffer.concat(await Promise.all(objects.map(({ name }) => world.memory.get(name))));
}

/** A value that the engine writes is in its page as it is, and does not compress. */
async function plant(): Promise<string> {
  const secret = randomBytes(24).toString('hex');
  const session = await world.driver.openSession(world.tenant);
  await session.execute(`put planted ${secret}`, [], new AbortController().signal);
  await session.close();
  await world.archive.flush(TENANT_ID);
  return secret;
}

test('each commit is there once under the key of its time, whatever dies meanwhile', async () => {
  const seed = randomInt(2 ** 31);
  console.info(`seed ${seed}`);
  const random = new SeededRandom(seed);
  await begin();
  const expected: Array<string | null> = [];
  let keyId: string | null = null;
  for (let step = 0; step < STEPS; step++) {
    const what = random.below(10);
    if (what < 5) {
      const count = 1 + random.below(3);
      world.fate.failures = random.below(3);
      world.fate.landsOnFailure = random.pick(['nothing', 'half', 'all']);
      await world.commit(count);
      await world.archive.flush(TENANT_ID);
      for (let i = 0; i < count; i++) expected.push(keyId);
    } else if (what < 7) keyId = await setKey(random.below(3) === 0 ? 'none' : 'internal');
    else {
      await world.crash();
      await attached();
    }
  }
  const findKey = storedLogKeys(world.store);
  const commits = await readCommits(world.memory, findKey);
  expect(commits.map(({ commitNo }) => commitNo)).toEqual(expected.map((_, i) => i + 1));
  const found = await batches();
  expect(found.flatMap(({ keyId: of, commits: count }) => Array.from({ length: count }, () => of))).toEqual(expected);
  const salts = found.flatMap(({ keyId: of, salt }) => (of === null ? [] : [salt]));
  expect(new Set(salts).size).toBe(salts.length);
  if (found.some((batch) => batch.keyId !== null))
    await expect(readCommits(world.memory)).rejects.toSatisfy((error) => isFailure(error, 'BACKUP_INVALID_PASSWORD'));
}, 120_000);

test('nothing of a page, and no key, lies at the destination; without encryption the page does', async () => {
  await begin();
  const plain = await plant();
  await setKey('internal');
  const secret = await plant();
  const bytes = await allBytes();
  expect([bytes.includes(plain), bytes.includes(secret)]).toEqual([true, false]);
  const key = openTenantKey(world.store, keyInUse(world.store, TENANT_ID)!);
  for (const text of [Buffer.from(key), hexOf(key)]) expect(bytes.includes(text)).toBe(false);
});

test('small segments are compacted without being opened for anybody', async () => {
  await world[Symbol.asyncDispose]();
  world = await makeWorld({ canAppend: false });
  await begin();
  await setKey('internal');
  for (let i = 0; i < 12; i++) {
    if (i === 6) await setKey('internal');
    await world.commit();
    await world.archive.flush(TENANT_ID);
  }
  const before = await batches();
  world.archive.disable(TENANT_ID);
  await world.untilStatus('STOP');
  const names = (await world.memory.list('')).map(({ name }) => name).filter((name) => name.includes('/log/'));
  expect(names).toEqual(['piece_d1001r1p1/logstream_1/log/c1.obarc']);
  expect(await batches()).toEqual(before);
  expect(await readCommits(world.memory, storedLogKeys(world.store))).toHaveLength(12);
});

test('a gap is repaired by an encrypted commit, over encrypted log', async () => {
  await begin();
  await setKey('internal');
  await world.commit(5);
  const known = await keepPageMap(world);
  await world.commit(4);
  await world.archive.flush(TENANT_ID);
  world.driver.recycleLog(world.tenant);
  const secret = randomBytes(24).toString('hex');
  const session = await world.driver.openSession(world.tenant);
  await session.execute(`put planted ${secret}`, [], new AbortController().signal);
  await session.close();
  await world.until(() => world.store.currentRound(TENANT_ID)?.roundId === 2, 'round');
  await attached();
  await world.archive.flush(TENANT_ID);
  expect((await replay(world, known)).equals(readFileSync(world.tenant.location))).toBe(true);
  const repaired = (await batches()).filter(({ roundId }) => roundId === 2);
  expect(repaired.length).toBeGreaterThan(0);
  expect(repaired.filter(({ keyId }) => keyId === null)).toEqual([]);
  expect((await allBytes()).includes(secret)).toBe(false);
});
