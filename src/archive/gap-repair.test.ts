// Goal: after an interruption a new round begins by itself, and a backup of before the gap leads to every state behind it;
// where that can not be, the round stands alone and says so, and archiving goes on in any case.
// Method: the real service over the fake engine; a copy of an earlier state and the log alone must give the database file.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fail } from '../base/errors.ts';
import { listRounds } from '../destination/archive-listing.ts';
import { findRepairScn } from '../destination/find-repair.ts';
import { findRoundChain } from '../destination/walk-since.ts';
import { segmentName } from '../format/layout.ts';
import { decodePageMap } from '../format/page-map-file.ts';
import type { BackupSet } from '../model/backup-job.ts';
import { type Scn, toScn } from '../model/scn.ts';
import { destRequest, makeWorld, TENANT_ID, type World } from './archive.fixture.ts';
import { type KnownState, keepPageMap, mapOf, replay, writePageMap } from './gap.fixture.ts';

describe('an interrupted archive', () => {
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

  const round = () => world.store.currentRound(TENANT_ID)!;
  const roundRow = (roundId: number) => world.store.rounds.get({ tenantId: TENANT_ID, roundId })!;
  const file = () => readFileSync(world.tenant.location);
  const baseOf = async (roundId: number) =>
    (await listRounds(world.memory)).find((found) => found.roundId === roundId)!.start.base;

  async function untilRound(roundId: number): Promise<void> {
    await world.until(() => round().roundId === roundId && world.archive.capture(TENANT_ID) !== undefined, 'round');
  }

  /** The log is cut off, and what is committed next is seen by nobody. */
  async function makeGap(): Promise<void> {
    const { roundId } = round();
    world.driver.recycleLog(world.tenant);
    await world.commit(3);
    await untilRound(roundId + 1);
  }

  async function expectReached(known: KnownState): Promise<void> {
    await world.archive.flush(TENANT_ID);
    expect((await replay(world, known)).equals(file())).toBe(true);
  }

  test('goes on in a new round that leads on from backups of before the gap', async () => {
    await world.commit(5);
    const known = await keepPageMap(world);
    await world.commit(4);
    await world.archive.flush(TENANT_ID);
    await makeGap();
    expect(roundRow(1)).toMatchObject({ status: 'INTERRUPTED', comment: 'the log was recycled' });
    await world.until(() => Boolean(roundRow(2).repairedScn), 'the repair');
    const told = [...world.store.events.since(world.clock.nowNs())].map(({ event, facts, extraInfo }) => ({
      ...Object.fromEntries(facts),
      ...{ event, extraInfo },
    }));
    const base = { base_round_id: '1', base_scn: String(roundRow(2).baseScn) };
    const repaired = { ...base, repaired_scn: String(roundRow(2).repairedScn) };
    expect(told).toContainEqual(
      expect.objectContaining({
        round_id: '1',
        status: 'INTERRUPTED',
        result: '9027',
        extraInfo: 'the log was recycled',
      }),
    );
    expect(told.at(-1)).toMatchObject({ event: 'repair_gap', round_id: '2', ...repaired });
    const [first, second] = await listRounds(world.memory);
    expect(first!.end).toMatchObject({ status: 'INTERRUPTED', comment: 'the log was recycled', lastPieceId: 1 });
    expect(second!.start.base).toMatchObject({ destId: 1001, roundId: 1 });
    expect(second!.start.startScn).toBeGreaterThan(second!.start.base!.scn);
    expect(world.store.pieces.find({ tenantId: TENANT_ID }).map(({ status }) => status)).toEqual(['FROZEN', 'ACTIVE']);
    await expectReached(known);
    await world.commit(6);
    await expectReached(known);
    expect(world.archive.figures(TENANT_ID)!.comment).toBe('');
  });

  test('goes on so after a start of the server too', async () => {
    await world.commit(5);
    const known = await keepPageMap(world);
    await world.archive.stop();
    await world.commit(2);
    world.driver.recycleLog(world.tenant);
    await world.crash();
    await untilRound(2);
    expect(roundRow(1).comment).toContain('-9087');
    await expectReached(known);
  });

  test('is led through several gaps by a page map of before the first', async () => {
    await world.commit(2);
    const known = await keepPageMap(world);
    await makeGap();
    await world.commit(2);
    await world.archive.flush(TENANT_ID);
    await makeGap();
    await makeGap();
    expect((await baseOf(4))!.roundId).toBe(3);
    await expectReached(known);
  });

  test('waits longer and longer when rounds keep breaking, and says why', async () => {
    await world[Symbol.asyncDispose]();
    world = await makeWorld({ timing: { repairPauseMsMin: 600_000, repairPauseMsMax: 600_000 } });
    await world.archive.setDest(TENANT_ID, destRequest());
    world.archive.enable(TENANT_ID);
    await world.untilStatus('DOING');
    await world.commit(2);
    await keepPageMap(world);
    await makeGap();
    await makeGap();
    world.driver.recycleLog(world.tenant);
    await world.untilStatus('INTERRUPTED');
    expect(world.archive.figures(TENANT_ID)!.comment).toBe(
      'the log was recycled; the next round can not begin: ' +
        'the last 3 rounds were interrupted within 60 s each, so it waits for 600 s',
    );
    expect(round()).toMatchObject({ roundId: 3, comment: 'the log was recycled' });
    // An operator who has mended the cause does not wait.
    world.archive.disable(TENANT_ID);
    await world.untilStatus('STOP');
    world.archive.enable(TENANT_ID);
    await untilRound(4);
    expect(world.archive.figures(TENANT_ID)!.comment).toBe('');
  });

  test('repairs in parts, with pages that come and go in the gap', async () => {
    const session = await world.driver.openSession(world.tenant);
    const { signal } = new AbortController();
    const big = 'x'.repeat(3000);
    for (let i = 0; i < 12; i++) await session.execute(`put big${i} ${big}`, [], signal);
    const known = await keepPageMap(world);
    world.driver.recycleLog(world.tenant);
    for (let i = 0; i < 12; i++) await session.execute(`put big${i} ${big}${i}`, [], signal);
    for (let i = 6; i < 12; i++) await session.execute(`delete big${i}`, [], signal);
    await session.close();
    await untilRound(2);
    await expectReached(known);
  });

  test('repairs the time between NOARCHIVELOG and ARCHIVELOG', async () => {
    await world.commit(3);
    const known = await keepPageMap(world);
    world.archive.disable(TENANT_ID);
    await world.untilStatus('STOP');
    await world.commit(3);
    world.archive.enable(TENANT_ID);
    await untilRound(2);
    expect(await baseOf(2)).toMatchObject({ roundId: 1 });
    await expectReached(known);
  });

  test('stays INTERRUPTED where gap_repair is manual, and the next round then stands alone', async () => {
    world.store.setParameter(TENANT_ID, 'gap_repair', 'manual');
    await world.commit(3);
    await keepPageMap(world);
    world.driver.recycleLog(world.tenant);
    await world.untilStatus('INTERRUPTED');
    world.archive.disable(TENANT_ID);
    await world.untilStatus('STOP');
    world.archive.enable(TENANT_ID);
    await untilRound(2);
    expect(await baseOf(2)).toBeNull();
  });

  test('is repaired as soon as gap_repair becomes auto', async () => {
    world.store.setParameter(TENANT_ID, 'gap_repair', 'MANUAL');
    await world.commit(3);
    const known = await keepPageMap(world);
    world.driver.recycleLog(world.tenant);
    await world.untilStatus('INTERRUPTED');
    world.store.setParameter(TENANT_ID, 'gap_repair', 'Auto');
    world.archive.refreshLagTarget(TENANT_ID);
    await untilRound(2);
    await expectReached(known);
  });

  test('waits with the next round for its destination, holding no log meanwhile', async () => {
    await world.commit(3);
    const known = await keepPageMap(world);
    world.fate.failures = Number.POSITIVE_INFINITY;
    world.driver.recycleLog(world.tenant);
    await world.untilStatus('INTERRUPTED');
    const comment = () => world.archive.figures(TENANT_ID)!.comment;
    await world.until(() => /the log was recycled; the next round can not begin: .*-9070/.test(comment()), 'comment');
    expect(round().comment).toBe('the log was recycled');
    world.archive.setDestState(TENANT_ID, 'DEFER');
    await world.commit(2);
    expect(round()).toMatchObject({ roundId: 1, status: 'INTERRUPTED' });
    world.fate.failures = 0;
    world.archive.setDestState(TENANT_ID, 'ENABLE');
    await untilRound(2);
    await expectReached(known);
  });

  describe('stands alone', () => {
    const cut = async () => {
      world.driver.recycleLog(world.tenant);
      await untilRound(2);
      expect(await baseOf(2)).toBeNull();
      await world.commit(1);
      await world.archive.flush(TENANT_ID);
    };

    test('without a page map, and asks for a full backup until there is one', async () => {
      await world.commit(2);
      world.store.backupSets.insert(setRow(1));
      await cut();
      const comment = () => world.archive.figures(TENANT_ID)!.comment;
      expect(comment()).toContain('round 2 does not go on from an earlier one: a full backup is needed');
      expect(round().status).toBe('DOING');
      world.store.backupSets.insert(setRow(2));
      expect(comment()).toBe('');
    });

    test('with a damaged page map', async () => {
      await world.commit(2);
      await keepPageMap(world);
      const bytes = readFileSync(world.pageMapPath);
      bytes[bytes.length - 40]! ^= 1;
      writeFileSync(world.pageMapPath, bytes);
      await cut();
    });

    test('with a page map that the log contradicts', async () => {
      await world.commit(2);
      const { roundId, scn, pages } = await keepPageMap(world);
      const map = mapOf(pages);
      map.set(1, 77n);
      await writePageMap(world, { roundId, scn, map });
      await cut();
    });

    test('with a page map that is ahead of the log, unless the log says that nothing was committed since', async () => {
      await world.commit(2);
      const known = await keepPageMap(world);
      const ahead = toScn(known.scn + 10n ** 12n);
      await writePageMap(world, { roundId: 1, scn: ahead, map: mapOf(known.pages) });
      world.driver.recycleLog(world.tenant);
      await untilRound(2);
      await expectReached(known);
      await world.archive.flush(TENANT_ID);
      const other = mapOf(known.pages);
      other.set(1, 5n);
      await writePageMap(world, { roundId: 2, scn: toScn(ahead * 2n), map: other });
      world.driver.recycleLog(world.tenant);
      await untilRound(3);
      expect(await baseOf(3)).toBeNull();
    });

    test('with a page map of a round that it does not go on from', async () => {
      await world.commit(2);
      const { scn, pages } = await keepPageMap(world);
      await writePageMap(world, { roundId: 9, scn, map: mapOf(pages) });
      await cut();
    });

    test('when the log behind the page map is missing', async () => {
      await world.commit(2);
      await keepPageMap(world);
      await world.commit(2);
      await world.archive.flush(TENANT_ID);
      await world.archive.stop();
      await world.memory.remove(segmentName('piece_d1001r1p1', 1));
      await world.crash();
      await untilRound(2);
      expect(await baseOf(2)).toBeNull();
      expect(roundRow(1)).toMatchObject({ status: 'INTERRUPTED' });
      expect(world.store.pieces.find({ tenantId: TENANT_ID })[0]).toMatchObject({ fileStatus: 'INCOMPLETE' });
    });

    test('after rounds that could not repair, whose numbers are spent', async () => {
      await world.commit(2);
      await keepPageMap(world);
      const startCapture = world.driver.startCapture.bind(world.driver);
      world.driver.startCapture = async (request) => {
        if (request.repair) throw fail('CANNOT_START_LOG_ARCHIVE', { because: 'the page size changed' });
        return await startCapture(request);
      };
      world.driver.recycleLog(world.tenant);
      await untilRound(5);
      expect([2, 3, 4].map((roundId) => roundRow(roundId).status)).toEqual(Array(3).fill('INTERRUPTED'));
      expect(roundRow(2).comment).toContain('the page size changed');
      expect(await baseOf(5)).toBeNull();
      expect(await findRoundChain(world.memory, { destId: 1001, roundId: 1, toRoundId: 5 })).toBeUndefined();
    });
  });

  test('goes on from the same end when a repairing round was interrupted before its commit', async () => {
    await world.commit(2);
    const known = await keepPageMap(world);
    const startCapture = world.driver.startCapture.bind(world.driver);
    let refused = 0;
    world.driver.startCapture = async (request) => {
      if (request.repair && refused++ === 0)
        throw fail('CLOG_RECYCLE_BEFORE_ARCHIVE', { because: 'it was recycled again' });
      return await startCapture(request);
    };
    world.driver.recycleLog(world.tenant);
    await untilRound(3);
    expect(await baseOf(3)).toEqual(await baseOf(2));
    await expectReached(known);
  });

  test('knows where its repair begins, also when more was archived before the server died and could record it', async () => {
    await world.commit(2);
    const known = await keepPageMap(world);
    const startCapture = world.driver.startCapture.bind(world.driver);
    let archivedScn: Scn | undefined;
    world.driver.startCapture = async (request) => {
      const capture = await startCapture(request);
      if (!request.repair) return capture;
      await world.commit(2);
      archivedScn = await capture.flush();
      return await new Promise<never>(() => {});
    };
    world.driver.recycleLog(world.tenant);
    await world.until(() => archivedScn !== undefined, 'the repair');
    expect(round()).toMatchObject({ roundId: 2, status: 'BEGINNING' });
    await world.crash();
    await untilRound(2);
    const owner = { clusterUuid: world.store.cluster.uuid, tenantId: TENANT_ID };
    const { repairedScn } = round();
    expect(repairedScn).toBe(await findRepairScn(world.memory, round(), owner));
    expect(repairedScn!).toBeLessThan(archivedScn!);
    await expectReached(known);
  });

  test('does not repair from a page map that was lost since the round began', async () => {
    await world.commit(2);
    const known = await keepPageMap(world);
    const basePath = world.pageMapPath.replace('.map', '.base.map');
    const startCapture = world.driver.startCapture.bind(world.driver);
    let hasFailed = false;
    world.driver.startCapture = async (request) => {
      if (request.repair && !hasFailed) {
        hasFailed = true;
        rmSync(basePath);
        throw fail('HOST_LOST', { because: 'it ended' });
      }
      return await startCapture(request);
    };
    world.driver.recycleLog(world.tenant);
    await untilRound(3);
    expect(roundRow(2).comment).toContain('the page map at the end of round 1 is lost');
    await expectReached(known);
    const owner = { clusterUuid: world.store.cluster.uuid, tenantId: TENANT_ID, setUuid: '' };
    const { scn } = decodePageMap(readFileSync(basePath), { object: 'base', owner, dataKey: null });
    expect(scn).toBe((await baseOf(3))!.scn);
  });

  test('does not go on between the parts of a repair from another page map than it began with', async () => {
    const session = await world.driver.openSession(world.tenant);
    const { signal } = new AbortController();
    const put = async (text: string) => {
      for (let i = 0; i < 12; i++) await session.execute(`put big${i} ${text.repeat(3000)}`, [], signal);
    };
    await put('x');
    const known = await keepPageMap(world);
    const basePath = world.pageMapPath.replace('.map', '.base.map');
    const startCapture = world.driver.startCapture.bind(world.driver);
    let delivered = 0;
    world.driver.startCapture = async (request) => {
      if (!request.repair || delivered > 0) return await startCapture(request);
      const deliver: typeof request.deliver = async (batch) => {
        if (delivered++ > 0) throw fail('CANCELED', {});
        await request.deliver(batch);
        // The file of another state takes its place; pages that are the same there would be left out.
        const { roundId, scn } = known;
        const pages = [...Array(file().length / 4096).keys()].map((i) => file().subarray(4096 * i, 4096 * (i + 1)));
        await writePageMap(world, { roundId, scn: toScn(scn - 1n), map: mapOf(pages) }, basePath);
      };
      return await startCapture({ ...request, deliver });
    };
    world.driver.recycleLog(world.tenant);
    await put('y');
    await session.close();
    await untilRound(3);
    expect(roundRow(2).comment).toContain('the page map at the end of round 1 is lost');
    await expectReached(known);
  });

  test('is what a log becomes that was proved wrong', async () => {
    await world.commit(2);
    const known = await keepPageMap(world);
    world.archive.interrupt(TENANT_ID, 'the checksum of backup set 1 is another one');
    await untilRound(2);
    expect(roundRow(1)).toMatchObject({
      status: 'INTERRUPTED',
      comment: 'the checksum of backup set 1 is another one',
    });
    await expectReached(known);
  });

  test('leaves no page map behind when the tenant is dropped', async () => {
    await world.commit(2);
    await keepPageMap(world);
    await makeGap();
    const maps = dirname(world.pageMapPath);
    writeFileSync(`${world.pageMapPath}.tmp`, 'of a server that died');
    writeFileSync(`${world.pageMapPath}.backup`, 'of a backup that did');
    expect(readdirSync(maps)).toHaveLength(4);
    await world.archive.forget(TENANT_ID);
    expect(readdirSync(maps)).toEqual([]);
  });
});

function setRow(roundId: number): BackupSet {
  return {
    ...{ tenantId: TENANT_ID, backupSetId: roundId, destId: 1002, backupType: 'FULL', roundId },
    ...{ prevFullBackupSetId: 0, prevIncBackupSetId: 0, startNs: 1n, endNs: 2n, status: 'SUCCESS' },
    ...{ fileStatus: 'AVAILABLE', isPlusArchivelog: false, consistentScn: toScn(1n), startReplayScn: toScn(1n) },
    ...{ minRestoreScn: toScn(1n), inputBytes: 1n, outputBytes: 1n, tabletCount: 1, finishTabletCount: 1 },
    ...{ blockCount: 1, finishBlockCount: 1, fileCount: 1, result: 0, comment: '', encryptionMode: 'NONE', uri: '' },
    lockedUntilNs: 0n,
  } as BackupSet;
}
