// Goal: with the destination away, full, or silent nothing is dropped and nobody waits for ever; an Optional archive gives
// up at its limit, a Mandatory one never; and all goes on by itself when the destination is there again.
// Method: the real service over the fake engine; a destination that refuses, or whose calls are answered only at the end.
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { fail } from '../base/errors.ts';
import { DAY_US, destRequest, makeWorld, readCommits, TENANT_ID, type World } from './archive.fixture.ts';
import { keepPageMap, replay } from './gap.fixture.ts';

/** Longer than a call of these worlds may take. */
const SETTLE_MS = 150;
const CALL_MS = 50;

describe('an archive under pressure', () => {
  let world: World;
  afterEach(async () => {
    answer();
    await world[Symbol.asyncDispose]();
  });

  let answer: () => void = () => {};
  const settle = () => new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const round = () => world.store.currentRound(TENANT_ID)!;
  const figures = () => world.archive.figures(TENANT_ID)!;
  const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
  const commitNos = async () => (await readCommits(world.memory)).map(({ commitNo }) => commitNo);

  async function start(over: { binding?: 'OPTIONAL' | 'MANDATORY'; limit?: string } = {}): Promise<void> {
    world = await makeWorld({ timing: { callMs: CALL_MS } });
    const { binding = 'OPTIONAL', limit } = over;
    await world.archive.setDest(TENANT_ID, { ...destRequest(), binding });
    if (limit !== undefined) world.store.setParameter(TENANT_ID, 'log_archive_wal_limit', limit);
    world.archive.enable(TENANT_ID);
    await world.untilStatus('DOING');
  }

  /** From now on no call is answered; what was asked for happens all the same when `answer` is called. */
  function hang(): void {
    world.fate.hanging = new Promise((resolve) => {
      answer = () => {
        world.fate.hanging = undefined;
        resolve();
      };
    });
  }

  test('says why nothing moves, how much waits, since when, and how far it lags', async () => {
    await start();
    world.fate.failures = Number.POSITIVE_INFINITY;
    await world.commit(3);
    world.clock.advanceUs(12_000_000n);
    const shown = /it is away.*; 3 commits \(\d+\.\d\dMB of WAL\) wait since 2025-03-01 09:00:\d\d; lag 1[23]\.\d s$/;
    await world.until(() => shown.test(figures().comment), 'comment');
    expect(figures().pendingCommits).toBe(3);
    world.fate.failures = 0;
    await world.until(() => figures().comment === '' && figures().pendingCommits === 0, 'catching up');
    expect(await commitNos()).toEqual(upTo(3));
  });

  test('tells the event history when an outage begins and ends, and how often it was tried', async () => {
    await start();
    const told = () =>
      [...world.store.events.since(world.clock.nowNs())]
        .filter(({ event }) => event.endsWith('_outage'))
        .map(({ event, facts, extraInfo }) => ({ ...Object.fromEntries(facts), event, extraInfo }));
    world.fate.failures = Number.POSITIVE_INFINITY;
    await world.commit(3);
    await world.until(() => /it is away.* \(\d+ attempts\); 3 commits/.test(figures().comment), 'attempts');
    await world.until(() => told().length === 1, 'the beginning');
    world.fate.failures = 0;
    await world.until(() => told().length === 2, 'the end');
    const [begin, end] = told();
    const ids = { tenant_id: String(TENANT_ID), round_id: '1' };
    expect(begin).toMatchObject({ ...ids, event: 'begin_outage', extraInfo: expect.stringContaining('it is away') });
    expect(end).toMatchObject({ ...ids, event: 'end_outage', attempts: expect.stringMatching(/^([2-9]|\d\d+)$/) });
  });

  test('says so when the destination does not answer at all, and catches up when it does', async () => {
    await start({ binding: 'MANDATORY', limit: '64K' });
    hang();
    await world.commit(40);
    await world.until(() => figures().comment.includes('no answer to'), 'comment');
    expect(figures().comment).toMatch(/40 commits .* wait since/);
    expect(figures().logBytes).toBeGreaterThan(64 * 1024);
    await settle();
    expect(round()).toMatchObject({ roundId: 1, status: 'DOING' });
    answer();
    await world.until(() => figures().pendingCommits === 0 && figures().comment === '', 'catching up');
    await world.commit(2);
    await world.archive.flush(TENANT_ID);
    expect(await commitNos()).toEqual(upTo(42));
  });

  test('is not confused by what a silent destination does late, in this piece or after it is frozen', async () => {
    await start();
    await world.commit(2);
    await world.archive.flush(TENANT_ID);
    for (let i = 0; i < 3; i++) {
      hang();
      await world.commit(2);
      await settle();
      answer();
      await world.archive.flush(TENANT_ID);
    }
    world.clock.advanceUs(DAY_US);
    await world.commit(1);
    await world.archive.flush(TENANT_ID);
    world.archive.disable(TENANT_ID);
    await world.untilStatus('STOP');
    await settle();
    expect(await commitNos()).toEqual(upTo(9));
    expect(world.store.pieces.find({ tenantId: TENANT_ID }).map(({ fileStatus }) => fileStatus)).toEqual([
      'AVAILABLE',
      'AVAILABLE',
    ]);
  });

  test('gives an Optional archive up at its limit without an answer, and repairs it when there is one', async () => {
    await start({ limit: '64K' });
    await world.commit(2);
    const known = await keepPageMap(world);
    hang();
    await world.commit(30);
    await world.untilStatus('INTERRUPTED');
    expect(round().comment).toMatch(/\d+ commits wait in \d+ bytes of log, beyond log_archive_wal_limit = 64K: /);
    expect(world.archive.capture(TENANT_ID)).toBeUndefined();
    await world.commit(5);
    await settle();
    expect(round()).toMatchObject({ roundId: 1, status: 'INTERRUPTED' });
    answer();
    await world.until(() => round().roundId === 2 && world.archive.capture(TENANT_ID) !== undefined, 'round 2');
    await world.archive.flush(TENANT_ID);
    expect((await replay(world, known)).equals(readFileSync(world.tenant.location))).toBe(true);
  });

  test('never gives up for a log that is large but archived', async () => {
    await start();
    await world.commit(40);
    await world.archive.flush(TENANT_ID);
    world.store.setParameter(TENANT_ID, 'log_archive_wal_limit', '64K');
    await settle();
    expect(figures().logBytes).toBeGreaterThan(64 * 1024);
    expect(round()).toMatchObject({ roundId: 1, status: 'DOING' });
  });

  test('ends on NOARCHIVELOG, pauses on DEFER, and stops with its server, while its destination does not answer', async () => {
    await start();
    await world.commit(1);
    await world.archive.flush(TENANT_ID);
    hang();
    await world.commit(1);
    world.archive.setDestState(TENANT_ID, 'DEFER');
    await world.untilStatus('SUSPEND');
    world.archive.disable(TENANT_ID);
    await world.untilStatus('STOP');
    expect(world.store.pieces.find({ tenantId: TENANT_ID })).toMatchObject([{ status: 'FROZEN' }]);
    answer();
    world.archive.setDestState(TENANT_ID, 'ENABLE');
    world.archive.enable(TENANT_ID);
    await world.untilStatus('DOING');
    hang();
    await world.commit(1);
    await world.archive.stop();
    expect(round().status).toBe('DOING');
  });

  test('lets go of the log of a round that can not begin', async () => {
    world = await makeWorld();
    const captures: string[] = [];
    const startCapture = world.driver.startCapture.bind(world.driver);
    world.driver.startCapture = async (request) => {
      captures.push('attaching');
      try {
        return await startCapture(request);
      } catch (error) {
        captures.push('let go');
        throw error;
      }
    };
    await world.archive.setDest(TENANT_ID, destRequest());
    world.fate.away = /logstream/;
    world.archive.enable(TENANT_ID);
    await world.until(() => captures.length >= 4, 'attempts');
    expect(captures.slice(0, 4)).toEqual(['attaching', 'let go', 'attaching', 'let go']);
    expect(round()).toMatchObject({ status: 'BEGINNING', comment: expect.stringContaining('it is away') });
    world.fate.away = undefined;
    await world.untilStatus('DOING');
  });

  test('goes on with the other tenants when the figures of one can not be had', async () => {
    await start();
    const capture = world.archive.capture(TENANT_ID)!;
    const status = capture.status.bind(capture);
    capture.status = () => {
      throw fail('HOST_LOST', { because: 'a test' });
    };
    await settle();
    capture.status = status;
    await world.commit(1);
    await world.archive.flush(TENANT_ID);
    expect(await commitNos()).toEqual([1]);
  });
});

describe('a clock that jumps', () => {
  test('by days, forward and back, leaves scns ascending and pieces in order', async () => {
    await using world = await makeWorld();
    await world.archive.setDest(TENANT_ID, destRequest());
    world.archive.enable(TENANT_ID);
    await world.untilStatus('DOING');
    for (const days of [0n, 10n, -20n, 3n, 30n, -1n, -50n, 0n]) {
      world.clock.advanceUs(days * DAY_US);
      await world.commit(2);
      await world.archive.flush(TENANT_ID);
      if (days === -20n) await world.crash();
      await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
    }
    const commits = await readCommits(world.memory);
    expect(commits.map(({ commitNo }) => commitNo)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
    for (const [i, { scn }] of commits.entries()) if (i > 0) expect(scn).toBeGreaterThan(commits[i - 1]!.scn);
    const pieces = world.store.pieces.find({ tenantId: TENANT_ID });
    for (const [i, piece] of pieces.entries()) {
      expect(piece.endScn - piece.startScn).toBeGreaterThanOrEqual(DAY_US * 1000n);
      if (i > 0) expect(piece.startScn).toBeGreaterThanOrEqual(pieces[i - 1]!.endScn);
      const own = commits.filter(({ pieceId }) => pieceId === piece.pieceId);
      for (const { scn } of own) expect(scn >= piece.startScn && scn < piece.endScn).toBe(true);
    }
    // A jump by days is one piece, not one for each day; a clock that was set back opens none.
    expect(pieces.length).toBe(3);
    expect(world.store.tenants.get({ tenantId: TENANT_ID })!.lastScn).toBeGreaterThanOrEqual(commits.at(-1)!.scn);
  });

  test('back while the server is down begins no round or repair before what was archived', async () => {
    await using world = await makeWorld();
    await world.archive.setDest(TENANT_ID, destRequest());
    world.archive.enable(TENANT_ID);
    await world.untilStatus('DOING');
    await world.commit(2);
    const known = await keepPageMap(world);
    world.clock.advanceUs(-40n * DAY_US);
    world.driver.recycleLog(world.tenant);
    await world.commit(2);
    const isThere = () => world.store.currentRound(TENANT_ID)!.roundId === 2 && world.archive.capture(TENANT_ID);
    await world.until(() => Boolean(isThere()), 'round 2');
    await world.archive.flush(TENANT_ID);
    expect(world.store.currentRound(TENANT_ID)!.startScn).toBeGreaterThan(known.scn);
    expect((await replay(world, known)).equals(readFileSync(world.tenant.location))).toBe(true);
  });
});
