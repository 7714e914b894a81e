// Goal: a round whose destination is gone before the round has begun can be given up: nothing else lets its tenant go to
// another destination.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fail } from '../base/errors.ts';
import { listRounds } from '../destination/archive-listing.ts';
import { destRequest, makeWorld, readCommits, TENANT_ID, type World } from './archive.fixture.ts';
import { keepPageMap } from './gap.fixture.ts';

let world: World;
beforeEach(async () => {
  world = await makeWorld();
  await world.archive.setDest(TENANT_ID, destRequest());
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** ARCHIVELOG and NOARCHIVELOG while nothing can be written. */
async function giveUp(): Promise<void> {
  world.fate.failures = Number.POSITIVE_INFINITY;
  world.archive.enable(TENANT_ID);
  await world.untilStatus('PREPARE');
  await world.until(() => world.archive.figures(TENANT_ID)!.comment !== '', 'trouble');
  world.archive.disable(TENANT_ID);
  await world.untilStatus('STOP');
  world.fate.failures = 0;
}

test('it ends on NOARCHIVELOG, and the tenant can have another destination', async () => {
  await giveUp();
  await world.archive.setDest(TENANT_ID, destRequest({ uri: 'file:///memory/elsewhere' }));
  world.archive.enable(TENANT_ID);
  await world.untilStatus('DOING');
  expect(world.store.currentRound(TENANT_ID)).toMatchObject({ roundId: 2, baseRoundId: null });
});

test('it waits for its destination as long as it is wanted', async () => {
  world.fate.failures = Number.POSITIVE_INFINITY;
  world.archive.enable(TENANT_ID);
  await world.untilStatus('PREPARE');
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(world.status()).toBe('PREPARE');
  world.fate.failures = 0;
  await world.untilStatus('DOING');
});

test('it ends so too when its start was written without an answer', async () => {
  const refuse = () => Promise.reject(fail('BACKUP_DEST_NOT_CONNECT', { uri: 'file:///x', because: 'no answer' }));
  const { get, put } = world.memory;
  world.memory.get = refuse;
  world.memory.put = async (name, bytes) => {
    await put.call(world.memory, name, bytes);
    await refuse();
  };
  world.archive.enable(TENANT_ID);
  await world.until(() => world.archive.figures(TENANT_ID)?.comment !== undefined, 'trouble');
  world.archive.disable(TENANT_ID);
  await world.untilStatus('STOP');
  Object.assign(world.memory, { get, put });
  world.archive.enable(TENANT_ID);
  await world.untilStatus('DOING');
  expect(world.store.pieces.find({ tenantId: TENANT_ID })).toHaveLength(1);
});

test('the next round repairs what lies behind the one before it', async () => {
  world.archive.enable(TENANT_ID);
  await world.untilStatus('DOING');
  await world.commit(2);
  await keepPageMap(world);
  world.archive.disable(TENANT_ID);
  await world.untilStatus('STOP');
  await giveUp();
  await world.commit(2);
  world.archive.enable(TENANT_ID);
  await world.untilStatus('DOING');
  await world.archive.flush(TENANT_ID);
  expect(world.store.currentRound(TENANT_ID)).toMatchObject({ roundId: 3, baseRoundId: 1 });
  expect((await listRounds(world.memory)).map(({ roundId }) => roundId)).toEqual([1, 3]);
  expect((await readCommits(world.memory)).map(({ commitNo }) => commitNo).slice(0, 2)).toEqual([1, 2]);
});
