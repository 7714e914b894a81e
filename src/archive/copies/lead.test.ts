// Goal: when the leading destination is away, archive goes on at a copy that has every acknowledged batch, and at no other.
// Method: one server with fake engines over memory destinations that go away, fail after having done what was asked, and
// come back; at the end each is read alone.
import { expect, test } from 'vitest';
import { listPieces } from '../../destination/archive-listing.ts';
import { walkPieces } from '../../destination/archive-reader.ts';
import { type ReadBatch, ROUND_START } from '../../destination/batch-chain.ts';
import { putLease } from '../../destination/lease-objects.ts';
import { listCopies } from '../../destination/list-copies.ts';
import { walkCopies } from '../../destination/walk-copies.ts';
import { DAY_US, newLife, TENANT_ID, URI } from '../archive.fixture.ts';
import {
  archiveInStep,
  archiveWithCopies,
  COPY_URI,
  type CopiesWorld,
  commitAndFlush,
  commitsAt,
  makeCopiesWorld,
  numbersTo,
  untilInStep,
} from './copies.fixture.ts';

const TIMING = { leadMs: 100, pressureMs: 10 };

const leadingUri = (world: CopiesWorld) => world.store.currentRound(TENANT_ID)?.uri;

async function untilLeads(world: CopiesWorld, uri: string): Promise<void> {
  await world.until(() => leadingUri(world) === uri, `the lead of ${uri}`);
}

const owner = (world: CopiesWorld) => ({ clusterUuid: world.store.cluster.uuid, tenantId: TENANT_ID });

/** Number and hash of the batches of the one round, read from several places together. */
async function mixedNumbers(world: CopiesWorld, uris: readonly string[]): Promise<string[]> {
  const places = uris.map((uri) => ({ destination: world.destination(uri), shown: uri, only: null }));
  const { pieces } = await listCopies(places);
  return await shown(walkCopies(places, pieces, ROUND_START, { owner: owner(world) }));
}

async function batchNumbers(world: CopiesWorld, uri: string): Promise<string[]> {
  const destination = world.destination(uri);
  return await shown(walkPieces(destination, await listPieces(destination), ROUND_START, { owner: owner(world) }));
}

async function shown(walk: AsyncIterable<ReadBatch>): Promise<string[]> {
  const batches: string[] = [];
  for await (const { header } of walk) batches.push(`${header.batchNo} ${Buffer.from(header.hash).toString('hex')}`);
  return batches;
}

test('a copy leads when the leading destination is away, which follows when it is back', async () => {
  await using world = await makeCopiesWorld({ timing: TIMING });
  await archiveInStep(world, [COPY_URI], 3);
  world.away.add(URI);
  await world.commit(2);
  await untilLeads(world, COPY_URI);
  await commitAndFlush(world, 1);
  expect(await commitsAt(world, COPY_URI)).toEqual(numbersTo(6));
  expect(await commitsAt(world, URI)).toEqual(numbersTo(3));
  expect(world.store.pieces.find({ tenantId: TENANT_ID })).toMatchObject([{ uri: COPY_URI, status: 'ACTIVE' }]);
  const events = [...world.store.events.since(world.clock.nowNs())].filter(({ event }) => event === 'change_lead');
  expect(events.map(({ facts }) => Object.fromEntries(facts))).toMatchObject([
    { dest_id: '1002', former_dest_id: '1001' },
  ]);
  world.away.clear();
  await untilInStep(world, 0);
  await commitAndFlush(world, 1);
  await untilInStep(world, 0);
  expect(await commitsAt(world, URI)).toEqual(numbersTo(7));
  // The round ends at both.
  world.archive.disable(TENANT_ID);
  await world.untilStatus('STOP');
  await world.until(() => world.store.roundCopies.find().every(({ status }) => status === 'STOP'), 'the end');
  expect(await commitsAt(world, URI)).toEqual(await commitsAt(world, COPY_URI));
});

test('what a former leading destination took without saying so is superseded when it follows', async () => {
  await using world = await makeCopiesWorld({ timing: TIMING });
  await archiveInStep(world, [COPY_URI], 2);
  world.lying.add(URI);
  await world.commit(1);
  await untilLeads(world, COPY_URI);
  await commitAndFlush(world, 2);
  // A restore from both takes what leads, and not what nobody was told of, whichever is named first.
  for (const uris of [
    [URI, COPY_URI],
    [COPY_URI, URI],
  ])
    expect(await mixedNumbers(world, uris), uris.join()).toEqual(await batchNumbers(world, COPY_URI));
  world.lying.clear();
  await untilInStep(world, 0);
  expect(await commitsAt(world, URI)).toEqual(numbersTo(5));
  expect(await commitsAt(world, COPY_URI)).toEqual(numbersTo(5));
});

test('a copy that is behind takes from memory what it lacks before it leads', async () => {
  await using world = await makeCopiesWorld({ timing: TIMING });
  await archiveInStep(world, [COPY_URI], 2);
  world.away.add(COPY_URI);
  await commitAndFlush(world, 2);
  world.away.add(URI);
  await world.commit(1);
  // Nobody leads while both are away.
  await new Promise((resolve) => setTimeout(resolve, 3 * TIMING.leadMs));
  expect(leadingUri(world)).toBe(URI);
  world.away.delete(COPY_URI);
  await untilLeads(world, COPY_URI);
  await commitAndFlush(world, 1);
  expect(await commitsAt(world, COPY_URI)).toEqual(numbersTo(6));
});

test('a piece whose list lands after the lead has changed ends with the same batch everywhere', async () => {
  await using world = await makeCopiesWorld({ timing: TIMING });
  // Where nothing can be appended, whoever begins to lead writes a batch that confirms the end of the log.
  world.objectStores.add(COPY_URI);
  await archiveInStep(world, [COPY_URI], 2);
  world.late.add(URI);
  world.clock.advanceUs(DAY_US);
  await world.commit(1);
  await untilLeads(world, COPY_URI);
  await commitAndFlush(world, 1);
  world.late.clear();
  await untilInStep(world, 0);
  expect(world.store.pieces.find({ tenantId: TENANT_ID })).toMatchObject([{ status: 'FROZEN' }, { status: 'ACTIVE' }]);
  expect(await commitsAt(world, URI)).toEqual(numbersTo(4));
  expect(await commitsAt(world, COPY_URI)).toEqual(numbersTo(4));
  expect(await batchNumbers(world, URI)).toEqual(await batchNumbers(world, COPY_URI));
});

test('a piece that was frozen before the last batch that lies in it is gone on from there', async () => {
  await using world = await makeCopiesWorld({ timing: TIMING });
  await archiveInStep(world, [COPY_URI], 2);
  world.lying.add(URI);
  world.late.add(COPY_URI);
  world.lateNames.add('single_piece_info.obarc');
  await world.commit(1);
  await world.until(() => world.archive.figures(TENANT_ID)?.comment.includes('it lies') === true, 'the lie');
  // Where the round goes on its first piece ends before that commit, and can not be frozen.
  world.clock.advanceUs(DAY_US);
  await untilLeads(world, COPY_URI);
  world.lying.clear();
  await untilLeads(world, URI);
  await commitAndFlush(world, 1);
  expect(await commitsAt(world, URI)).toEqual(numbersTo(4));
  world.late.clear();
  await untilInStep(world, 1);
  expect(await batchNumbers(world, COPY_URI)).toEqual(await batchNumbers(world, URI));
});

test('a confirmation of the end of the log that may land late counts less than the next one', async () => {
  await using world = await makeCopiesWorld({ timing: TIMING });
  world.objectStores.add(URI);
  await archiveWithCopies(world, []);
  await commitAndFlush(world, 2);
  world.late.add(URI);
  await world.commit(1);
  await world.crash();
  await world.until(() => world.archive.figures(TENANT_ID)?.comment.includes('it is late') === true, 'the failure');
  await new Promise((resolve) => setTimeout(resolve, 3 * TIMING.leadMs));
  world.late.clear();
  await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
  await commitAndFlush(world, 1);
  // The third life of the lease at least: of the two servers, and of what did not get through.
  expect(world.store.leases.find()[0]?.generation).toBeGreaterThan(2);
  expect(await commitsAt(world, URI)).toEqual(numbersTo(4));
});

test('after a crash nobody leads instead of a destination that is away', async () => {
  await using world = await makeCopiesWorld({ timing: TIMING });
  await archiveInStep(world, [COPY_URI], 2);
  world.away.add(URI);
  await world.crash();
  await world.commit(1);
  await world.until(() => world.archive.figures(TENANT_ID)?.comment.includes('it is away') === true, 'the reason');
  await new Promise((resolve) => setTimeout(resolve, 3 * TIMING.leadMs));
  expect(leadingUri(world)).toBe(URI);
  world.away.clear();
  await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
  await commitAndFlush(world, 1);
  expect(await commitsAt(world, URI)).toEqual(numbersTo(4));
});

test('after a stop in order a copy that had everything leads', async () => {
  await using world = await makeCopiesWorld({ timing: TIMING });
  await archiveInStep(world, [COPY_URI], 2);
  await world.archive.stop();
  expect(world.store.roundCopies.find()).toMatchObject([{ isComplete: true, status: 'DOING' }]);
  world.away.add(URI);
  await world.crash();
  await untilLeads(world, COPY_URI);
  await commitAndFlush(world, 2);
  expect(world.store.roundCopies.find()).toMatchObject([{ isComplete: false, uri: URI }]);
  expect(await commitsAt(world, COPY_URI)).toEqual(numbersTo(4));
});

test('each change of the lead takes new leases of both, so that nothing late of an earlier role counts', async () => {
  await using world = await makeCopiesWorld({ timing: TIMING });
  const generations = () => world.store.leases.find().map(({ uri, generation, status }) => [uri, generation, status]);
  await archiveInStep(world, [COPY_URI], 2);
  expect(generations()).toEqual([
    [URI, 1, 'HELD'],
    [COPY_URI, 1, 'HELD'],
  ]);
  world.away.add(URI);
  await world.commit(1);
  await untilLeads(world, COPY_URI);
  await commitAndFlush(world, 1);
  world.away.clear();
  await untilInStep(world, 0);
  expect(generations().sort()).toEqual([
    [URI, 2, 'HELD'],
    [COPY_URI, 2, 'HELD'],
  ]);
});

test('a copy that another server took over gets nothing more, and never leads', async () => {
  await using world = await makeCopiesWorld({ timing: TIMING });
  await archiveInStep(world, [COPY_URI], 2);
  const facts = { clusterUuid: world.store.cluster.uuid, tenantId: TENANT_ID, destKind: 'archive_log' as const };
  await putLease(world.destination(COPY_URI), { ...newLife('/other'), ...facts, generation: 2, acquiredNs: 1n });
  await commitAndFlush(world, 1);
  const copy = () => world.archive.figures(TENANT_ID)?.copies?.[0];
  await world.until(() => copy()?.comment.includes("the data directory '/other'") === true, 'the reason');
  expect(copy()?.status).toBe('BEGINNING');
  world.away.add(URI);
  await world.commit(1);
  await new Promise((resolve) => setTimeout(resolve, 3 * TIMING.leadMs));
  expect(leadingUri(world)).toBe(URI);
  world.away.clear();
  await commitAndFlush(world, 1);
  expect(await commitsAt(world, URI)).toEqual(numbersTo(5));
  // What it may hold behind is what was on its way, never acknowledged by it.
  expect((await commitsAt(world, COPY_URI)).length).toBeLessThanOrEqual(3);
  expect(world.store.leases.get({ tenantId: TENANT_ID, uri: COPY_URI })?.status).toBe('LOST');
});

test('what was written at a copy while another server held it is nothing that the copy goes on from', async () => {
  await using world = await makeCopiesWorld({ timing: TIMING });
  await archiveInStep(world, [COPY_URI], 2);
  const { roundId } = world.store.currentRound(TENANT_ID)!;
  const lease = world.store.leases.get({ tenantId: TENANT_ID, uri: COPY_URI })!;
  // As TAKE OVER DESTINATION leaves it.
  world.store.leases.update({ tenantId: TENANT_ID, uri: COPY_URI }, { ...lease, foreignRoundId: roundId });
  await world.archive.stop();
  await world.crash();
  await world.until(() => world.store.roundCopies.find()[0]?.status === 'INTERRUPTED', 'the interruption');
  expect(world.store.roundCopies.find()[0]?.comment).toContain('was taken over from another server');
  await commitAndFlush(world, 1);
  expect(await commitsAt(world, COPY_URI)).toEqual(numbersTo(2));
});
