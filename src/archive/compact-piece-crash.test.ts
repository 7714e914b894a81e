// Goal: a server that dies while it freezes and compacts a round's last piece loses nothing and ends the round all the same.
// Method: a destination that can not append, so that every batch is an object; the round is stopped, and the server dies at
// one effect later each time, is started again on what is left, and must come to STOP with every commit there once.
import { expect, test } from 'vitest';
import { destRequest, makeWorld, readCommits, TENANT_ID } from './archive.fixture.ts';

const COMMITS = 12;
/** Far more effects than stopping has. */
const EFFECTS_MAX = 500;

async function stopDyingAt(effect: number): Promise<boolean> {
  await using world = await makeWorld({ canAppend: false });
  const { archive, fate } = world;
  await archive.setDest(TENANT_ID, destRequest());
  archive.enable(TENANT_ID);
  await world.until(() => archive.capture(TENANT_ID) !== undefined, 'capture');
  for (let i = 0; i < COMMITS; i++) {
    await world.commit();
    await archive.flush(TENANT_ID);
  }
  const before = await readCommits(world.memory);
  expect(before).toHaveLength(COMMITS);
  fate.diesAt = fate.effects + effect;
  try {
    archive.disable(TENANT_ID);
  } catch (error) {
    if (!fate.isDead) throw error;
  }
  await world.until(() => fate.isDead || world.status() === 'STOP', 'STOP or death');
  const isOver = !fate.isDead;
  if (!isOver) {
    await world.crash();
    if (world.store.tenants.get({ tenantId: TENANT_ID })?.isArchiveMode) world.archive.disable(TENANT_ID);
    await world.untilStatus('STOP');
  }
  expect(await readCommits(world.memory)).toEqual(before);
  const names = (await world.memory.list('')).map(({ name }) => name).filter((name) => name.includes('/log/'));
  expect(names).toEqual([expect.stringMatching(/^piece_d1001r1p1\/logstream_1\/log\/c[12]\.obarc$/)]);
  const [piece] = world.store.pieces.find({ tenantId: TENANT_ID });
  const sizeBytes = await world.memory.size(names[0]!);
  expect(piece).toMatchObject({ status: 'FROZEN', fileStatus: 'AVAILABLE', outputBytes: BigInt(sizeBytes!) });
  return isOver;
}

test('a round whose last piece is compacted ends after a death at any effect, with every commit once', async () => {
  let effect = 1;
  while (
    !(await stopDyingAt(effect).catch((error) => Promise.reject(new Error(`effect ${effect}`, { cause: error }))))
  ) {
    effect++;
    expect(effect).toBeLessThan(EFFECTS_MAX);
  }
  expect(effect).toBeGreaterThan(2 * COMMITS);
}, 300_000);
