// Goal: a copy holds what the leading destination holds, batch for batch, whatever happens to either of them.
// Method: one server with fake engines over memory destinations that go away one by one; at the end each destination is
// read alone, as a restore would.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { listRounds } from '../../destination/archive-listing.ts';
import { walkRound } from '../../destination/archive-reader.ts';
import { DAY_US, TENANT_ID, URI, type World } from '../archive.fixture.ts';
import { keepPageMap, replay } from '../gap.fixture.ts';
import {
  archiveInStep,
  archiveWithCopies,
  COPY_URI,
  commitsAt,
  makeCopiesWorld,
  numbersTo,
  SECOND_URI,
  untilInStep,
} from './copies.fixture.ts';

/** Number and hash of every batch, with its round and piece. */
async function batchesAt(world: World, uri: string): Promise<string[]> {
  const batches: string[] = [];
  for (const round of await listRounds(world.destination(uri)))
    for await (const { header, roundId, pieceId } of walkRound(world.destination(uri), round))
      batches.push(`${roundId}/${pieceId}/${header.batchNo} ${Buffer.from(header.hash).toString('hex')}`);
  return batches;
}

test('a copy holds the batches of the leading destination, byte for byte, in the same rounds and pieces', async () => {
  await using world = await makeCopiesWorld();
  await archiveWithCopies(world, [{ destNo: 1, uri: COPY_URI }]);
  await world.commit(3);
  await world.archive.flush(TENANT_ID);
  world.clock.advanceUs(DAY_US);
  await world.commit(2);
  await world.archive.flush(TENANT_ID);
  await untilInStep(world, 1);
  expect(await commitsAt(world, COPY_URI)).toEqual(numbersTo(5));
  expect(await batchesAt(world, COPY_URI)).toEqual(await batchesAt(world, URI));
  world.archive.disable(TENANT_ID);
  await world.untilStatus('STOP');
  const rows = () => world.store.roundCopies.find({ tenantId: TENANT_ID });
  await world.until(() => rows()[0]?.status === 'STOP', 'the end of the copy');
  expect(await batchesAt(world, COPY_URI)).toEqual(await batchesAt(world, URI));
  const [round] = await listRounds(world.destination(COPY_URI));
  expect(round?.end?.status).toBe('STOP');
  const pieces = world.store.pieceCopies.find({ tenantId: TENANT_ID });
  expect(pieces.map(({ pieceId, status, fileStatus }) => ({ pieceId, status, fileStatus }))).toEqual([
    { pieceId: 1, status: 'FROZEN', fileStatus: 'AVAILABLE' },
    { pieceId: 2, status: 'FROZEN', fileStatus: 'AVAILABLE' },
  ]);
});

test('a copy that is set while archive runs takes what the round has', async () => {
  await using world = await makeCopiesWorld();
  await archiveWithCopies(world, []);
  await world.commit(4);
  await world.archive.flush(TENANT_ID);
  world.clock.advanceUs(DAY_US);
  await world.commit(4);
  await world.archive.flush(TENANT_ID);
  await world.archive.setCopyDest(TENANT_ID, 2, { uri: SECOND_URI, binding: 'OPTIONAL' });
  await untilInStep(world, 2);
  expect(await commitsAt(world, SECOND_URI)).toEqual(numbersTo(8));
  await world.commit(1);
  await world.archive.flush(TENANT_ID);
  await untilInStep(world, 2);
  expect(await batchesAt(world, SECOND_URI)).toEqual(await batchesAt(world, URI));
});

test('a copy that is away holds nothing up, says why it is behind, and catches up', async () => {
  await using world = await makeCopiesWorld();
  await archiveInStep(world, [COPY_URI, SECOND_URI], 2);
  world.away.add(COPY_URI);
  await world.commit(2);
  await world.archive.flush(TENANT_ID);
  await untilInStep(world, 2);
  const copy = () => world.archive.figures(TENANT_ID)?.copies?.find(({ destNo }) => destNo === 1);
  await world.until(() => copy()?.comment.includes('it is away') === true, 'the reason');
  expect(copy()?.status).toBe('BEGINNING');
  expect(copy()!.checkpointScn).toBeLessThan(world.archive.figures(TENANT_ID)!.checkpointScn);
  world.away.clear();
  await untilInStep(world, 1);
  expect(copy()?.comment).toBe('');
  expect(await commitsAt(world, COPY_URI)).toEqual(numbersTo(4));
});

test('a copy that was away has pieces without a batch, too', async () => {
  await using world = await makeCopiesWorld({ timing: { leadMs: 300, pressureMs: 10 } });
  await archiveInStep(world, [COPY_URI, SECOND_URI], 2);
  world.away.add(COPY_URI);
  // The second piece begins for a batch that nobody is told of; where the round goes on, its commit is of the third.
  world.lying.add(URI);
  world.clock.advanceUs(DAY_US);
  await world.commit(1);
  await world.until(() => world.store.pieces.find({ tenantId: TENANT_ID }).length === 2, 'the second piece');
  world.clock.advanceUs(DAY_US);
  await world.until(() => world.store.currentRound(TENANT_ID)?.uri === SECOND_URI, 'the lead of the second copy');
  await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
  await world.archive.flush(TENANT_ID);
  const inputs = world.store.pieces.find({ tenantId: TENANT_ID }).map(({ inputBytes }) => inputBytes > 0n);
  expect(inputs).toEqual([true, false, true]);
  world.away.clear();
  await untilInStep(world, 1);
  expect(await commitsAt(world, COPY_URI)).toEqual(numbersTo(3));
  expect(await batchesAt(world, COPY_URI)).toEqual(await batchesAt(world, SECOND_URI));
});

test('a copy gets a last batch that nobody was told of before the log was cut off behind it', async () => {
  await using world = await makeCopiesWorld();
  await archiveInStep(world, [COPY_URI], 2);
  const known = await keepPageMap(world);
  await untilInStep(world, 1);
  world.lying.add(URI);
  await world.commit(1);
  await world.until(() => world.archive.figures(TENANT_ID)?.comment.includes('it lies') === true, 'the lie');
  world.late.add(URI);
  world.lateNames.add('r2_start.obarc');
  world.driver.recycleLog(world.tenant);
  await world.commit(1);
  await world.until(() => world.store.currentRound(TENANT_ID)?.roundId === 2, 'the next round');
  // Looks at the copies, while that round can not begin.
  world.archive.setDestState(TENANT_ID, 'ENABLE', 1);
  await world.until(() => world.store.roundCopies.find()[0]?.status === 'STOP', 'the end of the copy');
  world.late.clear();
  world.lying.clear();
  await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
  await world.archive.flush(TENANT_ID);
  await untilInStep(world, 1);
  const { destId } = world.store.archiveCopyDests.find({ tenantId: TENANT_ID })[0]!;
  const file = readFileSync(world.tenant.location);
  expect((await replay(world, { ...known, destId }, world.destination(COPY_URI))).equals(file)).toBe(true);
  expect(await batchesAt(world, COPY_URI)).toEqual(await batchesAt(world, URI));
});

test('flush waits for a MANDATORY copy until it is deferred, and not for an OPTIONAL one', async () => {
  await using world = await makeCopiesWorld();
  await archiveWithCopies(world, [{ destNo: 2, uri: SECOND_URI }]);
  await world.archive.setCopyDest(TENANT_ID, 1, { uri: COPY_URI, binding: 'MANDATORY' });
  await world.commit(1);
  await world.archive.flush(TENANT_ID);
  expect(await commitsAt(world, COPY_URI)).toEqual(numbersTo(1));
  world.away.add(COPY_URI);
  world.away.add(SECOND_URI);
  await world.commit(1);
  let isFlushed = false;
  const flushing = world.archive.flush(TENANT_ID).then(() => {
    isFlushed = true;
  });
  await world.until(
    () => (world.archive.figures(TENANT_ID)?.copies ?? []).every(({ comment }) => comment !== ''),
    'both',
  );
  expect(await commitsAt(world, URI)).toEqual(numbersTo(2));
  expect(isFlushed).toBe(false);
  world.archive.setDestState(TENANT_ID, 'DEFER', 1);
  await flushing;
  const status = () =>
    world.store.roundCopies.find({ tenantId: TENANT_ID }).map(({ destNo, status: of }) => [destNo, of]);
  await world.until(() => status().some(([destNo, of]) => destNo === 1 && of === 'SUSPEND'), 'the suspension');
  world.away.clear();
  world.archive.setDestState(TENANT_ID, 'ENABLE', 1);
  await untilInStep(world, 1);
  expect(await commitsAt(world, COPY_URI)).toEqual(numbersTo(2));
});

test('a copy that can not append gathers what the lag target allows into one object', async () => {
  await using world = await makeCopiesWorld();
  world.objectStores.add(COPY_URI);
  await archiveWithCopies(world, []);
  await world.archive.setCopyDest(TENANT_ID, 1, { uri: COPY_URI, binding: 'MANDATORY' });
  await world.archive.flush(TENANT_ID);
  const segments = async () => (await listRounds(world.destination(COPY_URI)))[0]!.pieces[0]!.segments.length;
  const before = await segments();
  const batches = (await batchesAt(world, COPY_URI)).length;
  // The leading destination goes on with a batch per commit.
  world.store.setParameter(TENANT_ID, 'archive_lag_target', '3600s');
  for (let i = 1; i <= 4; i++) {
    await world.commit(1);
    await world.until(() => (world.archive.figures(TENANT_ID)?.pendingCommits ?? 1) === 0, 'the leading destination');
  }
  expect(await segments()).toBe(before);
  expect(world.archive.figures(TENANT_ID)?.copies).toMatchObject([{ status: 'DOING', comment: '' }]);
  await world.archive.flush(TENANT_ID);
  expect((await batchesAt(world, COPY_URI)).length).toBeGreaterThan(batches + 3);
  // What was gathered, and the empty batch of the flush.
  expect(await segments()).toBeLessThanOrEqual(before + 2);
  expect(await commitsAt(world, COPY_URI)).toEqual(numbersTo(4));
});

test('a new life of the server goes on where the copy stands', async () => {
  await using world = await makeCopiesWorld();
  await archiveInStep(world, [COPY_URI], 2);
  await world.crash();
  await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
  await world.commit(2);
  await world.archive.flush(TENANT_ID);
  await untilInStep(world, 1);
  expect(await commitsAt(world, COPY_URI)).toEqual(numbersTo(4));
  expect(await batchesAt(world, COPY_URI)).toEqual(await batchesAt(world, URI));
});

test('a copy is taken away, and another path is not taken twice', async () => {
  await using world = await makeCopiesWorld();
  const { archive, store } = world;
  const copy = { uri: COPY_URI, binding: 'OPTIONAL' } as const;
  await expect(archive.setCopyDest(TENANT_ID, 1, copy)).rejects.toThrowError('log_archive_dest is not set');
  await archiveWithCopies(world, [{ destNo: 1, uri: COPY_URI }]);
  await expect(archive.setCopyDest(TENANT_ID, 2, copy)).rejects.toThrowError(
    'a copy at the path of LOG_ARCHIVE_DEST_1',
  );
  await expect(archive.setCopyDest(TENANT_ID, 2, { ...copy, uri: URI })).rejects.toThrowError(
    'a copy at the path of LOG_ARCHIVE_DEST is not supported',
  );
  expect(() => archive.setDestState(TENANT_ID, 'DEFER', 3)).toThrowError('log_archive_dest_3 is not set');
  await world.commit(1);
  await archive.flush(TENANT_ID);
  await untilInStep(world, 1);
  await archive.setCopyDest(TENANT_ID, 1, null);
  await world.commit(1);
  await archive.flush(TENANT_ID);
  expect(archive.figures(TENANT_ID)?.copies).toEqual([]);
  expect(await commitsAt(world, COPY_URI)).toEqual([1]);
  expect(store.roundCopies.find()).toMatchObject([{ status: 'STOP', comment: 'the copy was taken away' }]);
});
