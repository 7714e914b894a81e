// Goal: the log of a round that waits for its destination stays where it is, and is let go of as soon as the round is not
// to go on. Method: the real service over the fake engine, started again while the destination does not answer; an
// application throws the log away whenever nobody holds it.
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { isFailure } from '../base/errors.ts';
import { destRequest, makeWorld, readCommits, TENANT_ID, type World } from './archive.fixture.ts';
import { keepPageMap, replay } from './gap.fixture.ts';

const CALL_MS = 50;
const SETTLE_MS = 200;

describe('the log of a round that waits for its destination', () => {
  let world: World;
  let answer: () => void = () => {};
  afterEach(async () => {
    answer();
    await world[Symbol.asyncDispose]();
  });

  const round = () => world.store.currentRound(TENANT_ID)!;
  const figures = () => world.archive.figures(TENANT_ID)!;
  const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
  const commitNos = async () => (await readCommits(world.memory)).map(({ commitNo }) => commitNo);
  const settle = () => new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const isPinned = async () => {
    try {
      await (await world.driver.pinLog(world.tenant)).release();
      return false;
    } catch (error) {
      if (isFailure(error, 'ENTRY_EXISTS')) return true;
      throw error;
    }
  };

  /** What an application commits that makes room in its log after each commit, if it may. */
  async function commit(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await world.commit(1);
      world.driver.checkpoint(world.tenant);
    }
  }

  /** The server dies; its destination does not answer to the next one. */
  async function restart(): Promise<void> {
    await world.crash();
    const fate = world.fate;
    fate.hanging = new Promise((resolve) => {
      answer = () => {
        fate.hanging = undefined;
        resolve();
      };
    });
    await world.until(() => figures().comment.includes('of WAL is held since'), 'pin');
  }

  /** A round whose server has died and was started again while its destination does not answer. */
  async function waiting(over: { binding?: 'OPTIONAL' | 'MANDATORY'; limit?: string } = {}): Promise<void> {
    world = await makeWorld({ timing: { callMs: CALL_MS } });
    const { binding = 'OPTIONAL', limit } = over;
    await world.archive.setDest(TENANT_ID, { ...destRequest(), binding });
    if (limit !== undefined) world.store.setParameter(TENANT_ID, 'log_archive_wal_limit', limit);
    world.archive.enable(TENANT_ID);
    await world.untilStatus('DOING');
    await world.commit(2);
    await world.archive.flush(TENANT_ID);
    await restart();
  }

  test('keeps every commit, and shows how much is held for how long', async () => {
    await waiting();
    const before = figures().logBytes;
    await commit(3);
    expect(figures().logBytes).toBeGreaterThan(before);
    expect(figures()).toMatchObject({ isAttached: false, pendingCommits: 0 });
    await world.until(() => figures().comment.includes('no answer'), 'comment');
    expect(figures().comment).toMatch(/; \d+\.\d\dMB of WAL is held since 2025-03-01 09:00:\d\d; lag 0\.\d s$/);
    answer();
    await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
    await commit(2);
    await world.archive.flush(TENANT_ID);
    expect(round()).toMatchObject({ roundId: 1, status: 'DOING' });
    expect(await commitNos()).toEqual(upTo(7));
    expect(figures().comment).toBe('');
  });

  test('is let go of at the limit of an Optional archive, which is repaired when there is an answer', async () => {
    await waiting({ limit: '64K' });
    answer();
    await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
    const known = await keepPageMap(world);
    await restart();
    await commit(30);
    await world.untilStatus('INTERRUPTED');
    expect(round().comment).toMatch(/^\d+ bytes of log are held, beyond log_archive_wal_limit = 64K: /);
    expect(await isPinned()).toBe(false);
    await commit(1);
    answer();
    await world.until(() => round().roundId === 2 && world.archive.capture(TENANT_ID) !== undefined, 'round 2');
    await world.archive.flush(TENANT_ID);
    expect((await replay(world, known)).equals(readFileSync(world.tenant.location))).toBe(true);
  });

  test('is never let go of by a Mandatory archive', async () => {
    await waiting({ binding: 'MANDATORY', limit: '64K' });
    await commit(30);
    await settle();
    expect(figures().logBytes).toBeGreaterThan(64 * 1024);
    expect(round()).toMatchObject({ roundId: 1, status: 'DOING' });
    expect(await isPinned()).toBe(true);
  });

  test('is let go of when the round is paused, and held again when it goes on', async () => {
    await waiting();
    world.archive.setDestState(TENANT_ID, 'DEFER');
    await world.untilStatus('SUSPEND');
    expect(await isPinned()).toBe(false);
    world.archive.setDestState(TENANT_ID, 'ENABLE');
    await world.untilStatus('BEGINNING');
    await world.until(() => figures().logBytes > 0, 'pin');
    await commit(3);
    answer();
    await world.untilStatus('DOING');
    await world.archive.flush(TENANT_ID);
    expect(await commitNos()).toEqual(upTo(5));
  });

  test('is let go of when the round ends', async () => {
    await waiting();
    world.archive.disable(TENANT_ID);
    await world.untilStatus('STOP');
    expect(await isPinned()).toBe(false);
  });

  test('is let go of when the tenant goes away', async () => {
    await waiting();
    await world.archive.forget(TENANT_ID);
    expect(await isPinned()).toBe(false);
  });

  test('is let go of when the tenant is not there to be archived', async () => {
    await waiting();
    world.store.tenants.update({ tenantId: TENANT_ID }, { status: 'DROPPING' });
    world.archive.refreshLagTarget(TENANT_ID);
    await world.until(() => figures().logBytes === 0, 'release');
    expect(await isPinned()).toBe(false);
  });

  test('is let go of when the server stops', async () => {
    await waiting();
    await world.archive.stop();
    expect(await isPinned()).toBe(false);
  });

  test('is not held for a round that has nothing to go on from', async () => {
    world = await makeWorld();
    let pins = 0;
    const pinLog = world.driver.pinLog.bind(world.driver);
    world.driver.pinLog = (tenant) => {
      pins++;
      return pinLog(tenant);
    };
    await world.archive.setDest(TENANT_ID, destRequest());
    world.fate.away = /logstream/;
    world.archive.enable(TENANT_ID);
    await world.until(() => round()?.comment.includes('it is away'), 'comment');
    await settle();
    expect(pins).toBe(0);
    world.fate.away = undefined;
    await world.untilStatus('DOING');
  });
});
