// Goal: a server that dies while it freezes and compacts a round's last piece loses nothing and ends the round all the same.
// Method: a destination that can not append, so that every batch is an object; the round is stopped, and the server dies at
// one effect later each time, is started again on what is left, and must come to STOP with every commit there once.
import { describe, expect, test } from 'vitest';
import { readPieceInfo } from '../destination/archive-listing.ts';
import { destRequest, makeWorld, readCommits, TENANT_ID } from './archive.fixture.ts';

const COMMITS = 12;
/** Far more effects than stopping has. */
const EFFECTS_MAX = 500;

async function stopDyingAt(effect: number, isLocking: boolean): Promise<boolean> {
  await using world = await makeWorld({ canAppend: false, isLocking });
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
  // Where objects are locked what was copied stays, too, and so does what a dead server copied.
  const { segments } = await readPieceInfo(world.memory, { destId: 1001, roundId: 1, pieceId: 1 });
  expect(segments.map(({ name }) => name)).toEqual([expect.stringMatching(/^logstream_1\/log\/c[12]\.obarc$/)]);
  const listed = `piece_d1001r1p1/${segments[0]!.name}`;
  if (isLocking) expect(names.length).toBeGreaterThan(COMMITS);
  else expect(names).toEqual([listed]);
  const [piece] = world.store.pieces.find({ tenantId: TENANT_ID });
  const sizeBytes = await world.memory.size(listed);
  expect(piece).toMatchObject({ status: 'FROZEN', fileStatus: 'AVAILABLE', outputBytes: BigInt(sizeBytes!) });
  return isOver;
}

describe('a round whose last piece is compacted ends after a death at any effect, with every commit once', () => {
  test.each([
    ['where objects can be removed', false],
    ['where they are locked', true],
  ])(
    '%s',
    async (_where, isLocking) => {
      let effect = 1;
      const stop = () =>
        stopDyingAt(effect, isLocking).catch((cause) => Promise.reject(new Error(`effect ${effect}`, { cause })));
      while (!(await stop())) {
        effect++;
        expect(effect).toBeLessThan(EFFECTS_MAX);
      }
      expect(effect).toBeGreaterThan(2 * COMMITS);
    },
    300_000,
  );
});
