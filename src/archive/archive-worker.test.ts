// Goal: what comes at the worst moment (between two steps, after the end, from an earlier life) neither is lost nor acts on
// what is over. Method: the real service; a driver and a destination that answer when the test says so.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fail } from '../base/errors.ts';
import { listRounds } from '../destination/archive-listing.ts';
import { roundEndName } from '../format/layout.ts';
import { DAY_US, destRequest, makeWorld, readCommits, TENANT_ID, type World } from './archive.fixture.ts';

/** Longer than the pauses and bounds of these worlds, so that what would happen late has happened. */
const SETTLE_MS = 100;

/** A gate that holds up whoever waits at it until it is opened. */
class Gate {
  isReached = false;
  isOpen = false;
  #resolve: () => void = () => {};
  readonly #opened = new Promise<void>((resolve) => {
    this.#resolve = resolve;
  });

  open(): void {
    this.isOpen = true;
    this.#resolve();
  }

  async pass(): Promise<void> {
    this.isReached = true;
    await this.#opened;
  }
}

describe('the worker of an archive', () => {
  let world: World;
  beforeEach(async () => {
    world = await makeWorld();
  });
  afterEach(async () => {
    await world[Symbol.asyncDispose]();
  });

  const round = () => world.store.currentRound(TENANT_ID)!;
  const pieces = () => world.store.pieces.find({ tenantId: TENANT_ID });
  const settle = () => new Promise((resolve) => setTimeout(resolve, SETTLE_MS));

  async function startArchive(): Promise<void> {
    await world.archive.setDest(TENANT_ID, destRequest());
    world.archive.enable(TENANT_ID);
    await world.untilStatus('DOING');
    await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
    await settle();
  }

  test('sees a wish that comes while it comes to rest', async () => {
    await startArchive();
    world.archive.setDestState(TENANT_ID, 'ENABLE');
    world.archive.disable(TENANT_ID);
    await world.untilStatus('STOP');
  });

  test('takes nothing of a capture that goes on after it was let go', async () => {
    const delivering = new Gate();
    const outcomes: string[] = [];
    let isStopping = false;
    const startCapture = world.driver.startCapture.bind(world.driver);
    world.driver.startCapture = async (request) => {
      const capture = await startCapture({
        ...request,
        deliver: async (batch) => {
          if (!isStopping) return await request.deliver(batch);
          await delivering.pass();
          await request.deliver(batch).then(
            () => outcomes.push('taken'),
            (error) => {
              outcomes.push('refused');
              throw error;
            },
          );
        },
      });
      const stop = capture.stop.bind(capture);
      // Like one that waits for the tenant's write lock: it ends when it can, whatever was said meanwhile.
      capture.stop = async (options) => {
        if (isStopping && !delivering.isOpen) throw fail('LOG_ARCHIVE_NOT_RUNNING', {});
        isStopping = true;
        return await stop(options);
      };
      return capture;
    };
    world.store.setParameter(TENANT_ID, 'archive_lag_target', '1h');
    await startArchive();
    const put = world.memory.put.bind(world.memory);
    world.memory.put = async (name, bytes) => {
      if (name === roundEndName(round())) {
        delivering.open();
        await settle();
      }
      await put(name, bytes);
    };
    world.clock.advanceUs(DAY_US);
    await world.commit(1);
    world.archive.disable(TENANT_ID);
    await world.untilStatus('STOP');
    expect(outcomes[0]).toBe('refused');
    expect(outcomes).not.toContain('taken');
    expect(pieces().map(({ status }) => status)).toEqual(['FROZEN']);
    const [listed] = await listRounds(world.memory);
    expect(listed!.pieces.map(({ pieceId }) => pieceId)).toEqual([listed!.end!.lastPieceId]);
    expect(await readCommits(world.memory)).toEqual([]);
  });

  test('attaches nothing after it was stopped while the destination did not answer', async () => {
    await startArchive();
    await world.archive.stop();
    await world.crash();
    await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
    await world.archive.stop();
    const answer = new Gate();
    const list = world.memory.list.bind(world.memory);
    world.memory.list = async (prefix) => {
      await answer.pass();
      return await list(prefix);
    };
    await world.crash();
    let captures = 0;
    const startCapture = world.driver.startCapture.bind(world.driver);
    world.driver.startCapture = async (request) => {
      captures++;
      return await startCapture(request);
    };
    await world.until(() => answer.isReached, 'the look at the destination');
    await world.archive.stop();
    answer.open();
    await settle();
    expect(captures).toBe(0);
  });

  test('leaves the store alone when an answer comes after it was stopped', async () => {
    const answer = new Gate();
    const openAppend = world.memory.openAppend.bind(world.memory);
    let hangs = false;
    world.memory.openAppend = async (name) => {
      const appender = await openAppend(name);
      return {
        get sizeBytes() {
          return appender.sizeBytes;
        },
        append: async (bytes) => {
          if (hangs) await answer.pass();
          await appender.append(bytes);
        },
        close: () => appender.close(),
      };
    };
    await startArchive();
    hangs = true;
    await world.commit(1);
    await world.until(() => answer.isReached, 'the append');
    await world.archive.stop();
    let transactions = 0;
    const transaction = world.store.transaction.bind(world.store);
    world.store.transaction = (work) => {
      transactions++;
      return transaction(work);
    };
    answer.open();
    await settle();
    expect(transactions).toBe(0);
  });

  test('takes back what an earlier life said of a destination that is there again', async () => {
    await startArchive();
    world.fate.failures = Number.POSITIVE_INFINITY;
    await world.commit(1);
    await world.until(() => round().comment !== '', 'a comment');
    await world.crash();
    await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
    await world.archive.flush(TENANT_ID);
    await world.until(() => round().comment === '', 'no comment');
    expect(world.status()).toBe('DOING');
  });

  test('leaves no piece ACTIVE when the last batch opened one at a destination that went away', async () => {
    world.store.setParameter(TENANT_ID, 'archive_lag_target', '1h');
    await startArchive();
    world.clock.advanceUs(DAY_US);
    world.fate.away = /p2/;
    await world.commit(1);
    world.archive.disable(TENANT_ID);
    await world.untilStatus('STOP');
    expect(pieces().map(({ pieceId, status, fileStatus }) => [pieceId, status, fileStatus])).toEqual([
      [1, 'FROZEN', 'AVAILABLE'],
      [2, 'FROZEN', 'INCOMPLETE'],
    ]);
  });
});
