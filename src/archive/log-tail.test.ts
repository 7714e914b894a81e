// Goal: a round never goes on from a batch that a power cut could still take away: one that a killed server had written
// but not made durable can be read like any other.
import { expect, test } from 'vitest';
import { segmentName } from '../format/layout.ts';
import { destRequest, makeWorld, TENANT_ID } from './archive.fixture.ts';

test('makes the end of the log durable before it goes on from there', async () => {
  await using world = await makeWorld();
  await world.archive.setDest(TENANT_ID, destRequest());
  world.archive.enable(TENANT_ID);
  await world.untilStatus('DOING');
  await world.commit(2);
  await world.archive.flush(TENANT_ID);
  const synced: string[] = [];
  const sync = world.memory.sync.bind(world.memory);
  world.memory.sync = async (name) => {
    await sync(name);
    synced.push(name);
  };
  await world.crash();
  await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
  expect(synced).toEqual([segmentName('piece_d1001r1p1', 1)]);
});
