// Goal: the start of a piece at the destination names the batch before the piece, whatever happened while it was written:
// a restore may begin to read there, and finds by it that nothing is missing before.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sameBytes } from '../base/bytes.ts';
import { listRounds, readPieceStart } from '../destination/archive-listing.ts';
import { walkRound } from '../destination/archive-reader.ts';
import { DAY_US, destRequest, makeWorld, TENANT_ID, type World } from './archive.fixture.ts';

let world: World;
beforeEach(async () => {
  world = await makeWorld();
  await world.archive.setDest(TENANT_ID, destRequest());
  world.archive.enable(TENANT_ID);
  await world.untilStatus('DOING');
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** Batches from a piece on, checked against its start; their first one's predecessor as the whole round has it. */
async function readFrom(pieceId: number): Promise<number> {
  const round = (await listRounds(world.memory))[0]!;
  const piece = round.pieces.find((candidate) => candidate.pieceId === pieceId)!;
  const { prevBatchHash } = await readPieceStart(world.memory, piece);
  let before: Uint8Array | undefined;
  for await (const batch of walkRound(world.memory, round)) if (batch.pieceId < pieceId) before = batch.header.hash;
  expect(before && prevBatchHash && sameBytes(before, prevBatchHash)).toBe(true);
  let count = 0;
  for await (const _ of walkRound(world.memory, round, { fromPieceId: pieceId })) count++;
  return count;
}

test('comes before its first batch, however often it can not be written', async () => {
  await world.commit(2);
  await world.archive.flush(TENANT_ID);
  world.clock.advanceUs(DAY_US);
  world.fate.away = /r1p2_start/;
  await world.commit(1);
  await world.until(() => world.archive.figures(TENANT_ID)!.comment !== '', 'trouble');
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect((await listRounds(world.memory))[0]!.pieces.flatMap(({ segments }) => segments)).toHaveLength(1);
  world.fate.away = undefined;
  await world.archive.flush(TENANT_ID);
  await world.commit(1);
  await world.archive.flush(TENANT_ID);
  expect(await readFrom(2)).toBeGreaterThan(1);
});

test('is not made up once the piece has batches: one that was removed stays away', async () => {
  await world.commit(2);
  await world.archive.flush(TENANT_ID);
  world.clock.advanceUs(DAY_US);
  await world.commit(1);
  await world.archive.flush(TENANT_ID);
  const piece = (await listRounds(world.memory))[0]!.pieces[1]!;
  await world.memory.remove(piece.startName!);
  await world.crash();
  await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
  await world.commit(1);
  await world.archive.flush(TENANT_ID);
  const round = (await listRounds(world.memory))[0]!;
  let count = 0;
  for await (const _ of walkRound(world.memory, round, { fromPieceId: 2 })) count++;
  expect(count).toBeGreaterThan(1);
});

test('is there also for a piece that ends before it has a batch', async () => {
  world.clock.advanceUs(DAY_US);
  world.fate.away = /r1p2_start/;
  await world.commit(1);
  await world.until(() => world.store.pieces.find({ tenantId: TENANT_ID }).length === 2, 'the piece');
  await world.until(() => world.archive.figures(TENANT_ID)!.comment !== '', 'trouble');
  world.archive.setDestState(TENANT_ID, 'DEFER');
  await world.untilStatus('SUSPEND');
  world.fate.away = undefined;
  world.archive.disable(TENANT_ID);
  await world.untilStatus('STOP');
  const round = (await listRounds(world.memory))[0]!;
  expect(round.pieces.map(({ startName, isFrozen }) => [startName !== undefined, isFrozen])).toEqual([
    [true, true],
    [true, true],
  ]);
});
