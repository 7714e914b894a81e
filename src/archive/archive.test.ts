// Goal: a round does what its statements say, and its destination alone gives back every commit.
// Method: the real service over fake engine, memory destination and a clock that tests set.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isFailure } from '../base/errors.ts';
import { listRounds, readPieceInfo } from '../destination/archive-listing.ts';
import { claimDestination } from '../destination/claim-destination.ts';
import { roundEndName, segmentName } from '../format/layout.ts';
import { toScn } from '../model/scn.ts';
import {
  DAY_US,
  destRequest,
  makeWorld,
  readCommits,
  TENANT_ID,
  tenantRow,
  URI,
  type World,
} from './archive.fixture.ts';

const code = (number: number) => (error: unknown) => (error as { code?: number }).code === number;

describe('the archive', () => {
  let world: World;
  beforeEach(async () => {
    world = await makeWorld();
  });
  afterEach(async () => {
    await world[Symbol.asyncDispose]();
  });

  async function startArchive(request = destRequest()): Promise<void> {
    await world.archive.setDest(TENANT_ID, request);
    world.archive.enable(TENANT_ID);
    await world.untilStatus('DOING');
  }
  const round = () => world.store.currentRound(TENANT_ID)!;
  const pieces = () => world.store.pieces.find({ tenantId: TENANT_ID });
  const commitNos = async () => (await readCommits(world.memory)).map(({ commitNo }) => commitNo);
  const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

  describe('start and stop', () => {
    test('goes from nothing to DOING, archives, and stops with a frozen piece', async () => {
      await startArchive();
      expect(round()).toMatchObject({ roundId: 1, destId: 1001, basePieceId: 1, usedPieceId: 1, uri: URI });
      await world.commit(5);
      const scn = await world.archive.flush(TENANT_ID);
      expect(await commitNos()).toEqual(upTo(5));
      expect(world.archive.figures(TENANT_ID)!.checkpointScn).toBeGreaterThanOrEqual(scn);
      await world.commit(2);
      world.archive.disable(TENANT_ID);
      await world.untilStatus('STOP');
      expect(await commitNos()).toEqual(upTo(7));
      const [piece] = pieces();
      expect(piece).toMatchObject({ status: 'FROZEN', fileStatus: 'AVAILABLE' });
      expect(piece!.checkpointScn).toBeLessThan(piece!.endScn);
      const [listed] = await listRounds(world.memory);
      expect(listed!.end).toMatchObject({ status: 'STOP', lastPieceId: 1, checkpointScn: round().checkpointScn });
      const info = await readPieceInfo(world.memory, piece!);
      expect(info).toMatchObject({ maxScn: piece!.maxScn, outputBytes: piece!.outputBytes });
      expect(info.segments.map(({ name }) => name)).toEqual(['logstream_1/log/1.obarc']);
    });

    test('leaves a piece broken that somebody found damage in, when it is frozen', async () => {
      await startArchive();
      await world.commit(2);
      await world.archive.flush(TENANT_ID);
      world.store.pieces.change({ tenantId: TENANT_ID, pieceId: 1 }, { fileStatus: 'BROKEN' });
      world.archive.disable(TENANT_ID);
      await world.untilStatus('STOP');
      expect(pieces()[0]).toMatchObject({ status: 'FROZEN', fileStatus: 'BROKEN' });
    });

    test('numbers the next round and piece on, and never lets scns run back', async () => {
      await startArchive();
      await world.commit(3);
      world.archive.disable(TENANT_ID);
      await world.untilStatus('STOP');
      await world.commit(1);
      world.archive.enable(TENANT_ID);
      await world.until(() => round().roundId === 2 && world.status() === 'DOING', 'round 2');
      expect(round()).toMatchObject({ basePieceId: 2, usedPieceId: 2 });
      await world.commit(2);
      await world.archive.flush(TENANT_ID);
      const commits = await readCommits(world.memory);
      expect(commits.map(({ commitNo, roundId }) => [commitNo, roundId])).toEqual([
        [1, 1],
        [2, 1],
        [3, 1],
        [5, 2],
        [6, 2],
      ]);
      const scns = commits.map(({ scn }) => scn);
      expect(scns).toEqual([...scns].sort((a, b) => (a < b ? -1 : 1)));
    });

    test('starts when the destination comes after ARCHIVELOG', async () => {
      world.archive.enable(TENANT_ID);
      expect(world.status()).toBeUndefined();
      await world.archive.setDest(TENANT_ID, destRequest());
      await world.untilStatus('DOING');
    });

    test('takes ARCHIVELOG back while the round is still PREPARE', async () => {
      await world.archive.setDest(TENANT_ID, destRequest());
      world.fate.failures = 5;
      world.archive.enable(TENANT_ID);
      await world.untilStatus('PREPARE');
      world.archive.disable(TENANT_ID);
      await world.untilStatus('STOP');
      expect(round().roundId).toBe(1);
    });

    test('writes nothing for an idle tenant', async () => {
      await startArchive();
      const before = await world.memory.list('');
      world.clock.advanceUs(3n * DAY_US);
      const first = world.archive.figures(TENANT_ID)!.checkpointScn;
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(world.archive.figures(TENANT_ID)!.checkpointScn).toBeGreaterThan(first);
      expect(await world.memory.list('')).toEqual(before);
      expect(pieces()).toHaveLength(1);
    });
  });

  describe('suspend, resume, restart', () => {
    test('keeps round and piece over DEFER and ENABLE', async () => {
      await startArchive();
      await world.commit(2);
      world.archive.setDestState(TENANT_ID, 'DEFER');
      await world.untilStatus('SUSPEND');
      await world.commit(3);
      expect(world.archive.capture(TENANT_ID)).toBeUndefined();
      world.archive.setDestState(TENANT_ID, 'ENABLE');
      await world.untilStatus('DOING');
      await world.archive.flush(TENANT_ID);
      expect(round()).toMatchObject({ roundId: 1, usedPieceId: 1 });
      expect(await commitNos()).toEqual(upTo(5));
    });

    test('stops from SUSPEND', async () => {
      await startArchive();
      await world.commit(2);
      world.archive.setDestState(TENANT_ID, 'DEFER');
      await world.untilStatus('SUSPEND');
      world.archive.disable(TENANT_ID);
      await world.untilStatus('STOP');
      expect(pieces()[0]!.status).toBe('FROZEN');
      expect(await commitNos()).toEqual(upTo(2));
    });

    test('goes on after a planned stop and start of the server', async () => {
      await startArchive();
      await world.commit(4);
      await world.archive.stop();
      expect(world.status()).toBe('DOING');
      await world.crash();
      await world.commit(4);
      await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
      await world.archive.flush(TENANT_ID);
      expect(await commitNos()).toEqual(upTo(8));
    });

    test('freezes a piece that several lives of the server wrote in', async () => {
      await startArchive();
      for (let life = 0; life < 3; life++) {
        await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
        await world.commit(2);
        await world.archive.flush(TENANT_ID);
        await world.crash();
      }
      await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
      world.archive.disable(TENANT_ID);
      await world.untilStatus('STOP');
      const info = await readPieceInfo(world.memory, pieces()[0]!);
      expect(info.segments.map(({ name }) => name)).toEqual([1, 2, 3].map((n) => `logstream_1/log/${n}.obarc`));
      expect(await commitNos()).toEqual(upTo(6));
    });
  });

  describe('pieces', () => {
    test('switch at the first commit at or past the planned end, on the grid of the round', async () => {
      await startArchive();
      await world.commit(2);
      await world.archive.flush(TENANT_ID);
      world.clock.advanceUs(DAY_US + DAY_US / 2n);
      expect(pieces()).toHaveLength(1);
      await world.commit(3);
      await world.archive.flush(TENANT_ID);
      const [first, second] = pieces();
      const { startScn } = round();
      const dayNs = DAY_US * 1000n;
      expect(first).toMatchObject({ pieceId: 1, status: 'FROZEN', startScn, endScn: startScn + dayNs });
      expect(first!.checkpointScn).toBe(first!.endScn);
      expect(second).toMatchObject({ pieceId: 2, status: 'ACTIVE', startScn: startScn + dayNs });
      expect(second!.endScn).toBe(startScn + 2n * dayNs);
      expect(round().usedPieceId).toBe(2);
      const info = await readPieceInfo(world.memory, first!);
      expect(info).toMatchObject({ checkpointScn: first!.endScn, maxScn: first!.maxScn });
      const commits = await readCommits(world.memory);
      expect(commits.map(({ pieceId }) => pieceId)).toEqual([1, 1, 2, 2, 2]);
      for (const { scn, pieceId } of commits) {
        const piece = pieces().find((candidate) => candidate.pieceId === pieceId)!;
        expect(scn >= piece.startScn && scn < piece.endScn).toBe(true);
      }
    });

    test('skip intervals without commits', async () => {
      await startArchive();
      world.clock.advanceUs(10n * DAY_US);
      await world.commit(1);
      await world.archive.flush(TENANT_ID);
      expect(
        pieces().map(({ pieceId, startScn }) => [pieceId, (startScn - round().startScn) / (DAY_US * 1000n)]),
      ).toEqual([
        [1, 0n],
        [2, 10n],
      ]);
      expect(await commitNos()).toEqual([1]);
    });

    test('after an outage of days hold what one batch holds', async () => {
      await startArchive();
      world.fate.failures = Number.POSITIVE_INFINITY;
      for (let day = 0; day < 4; day++) {
        await world.commit(2);
        world.clock.advanceUs(DAY_US);
      }
      world.fate.failures = 0;
      await world.archive.flush(TENANT_ID);
      const commits = await readCommits(world.memory);
      expect(commits.map(({ commitNo }) => commitNo)).toEqual(upTo(8));
      for (const { scn, pieceId } of commits) {
        const piece = pieces().find((candidate) => candidate.pieceId === pieceId)!;
        expect(scn >= piece.startScn && scn < piece.endScn).toBe(true);
      }
    });
  });

  describe('trouble', () => {
    for (const lands of ['nothing', 'half', 'all'] as const) {
      test(`loses and repeats nothing when appends fail after ${lands} of them landed`, async () => {
        await startArchive();
        world.fate.landsOnFailure = lands;
        for (let i = 0; i < 10; i++) {
          world.fate.failures = i % 3;
          await world.commit(2);
          await world.archive.flush(TENANT_ID);
        }
        expect(await commitNos()).toEqual(upTo(20));
        world.archive.disable(TENANT_ID);
        await world.untilStatus('STOP');
        expect(await commitNos()).toEqual(upTo(20));
        expect(pieces()[0]!.fileStatus).toBe('AVAILABLE');
      });
    }

    test('stays DOING while the destination is away, says why, and catches up', async () => {
      await startArchive();
      await world.commit(1);
      await world.archive.flush(TENANT_ID);
      world.fate.failures = Number.POSITIVE_INFINITY;
      await world.commit(3);
      await world.until(() => round().comment !== '', 'a comment');
      expect(round().comment).toContain('-9070');
      expect(world.status()).toBe('DOING');
      const before = world.archive.figures(TENANT_ID)!;
      world.clock.advanceUs(1_000_000n);
      expect(world.archive.figures(TENANT_ID)!.checkpointScn).toBe(before.checkpointScn);
      expect(before).toMatchObject({ pendingCommits: 3 });
      world.fate.failures = 0;
      await world.archive.flush(TENANT_ID);
      expect(round().comment).toBe('');
      expect(await commitNos()).toEqual(upTo(4));
    });

    test('waits for a destination that is away at the start', async () => {
      await startArchive();
      await world.commit(2);
      await world.archive.flush(TENANT_ID);
      await world.archive.stop();
      await world.commit(2);
      const format = await world.memory.get('format.obbak');
      await world.memory.remove('format.obbak');
      await world.crash();
      await world.until(() => round().comment !== '', 'a comment');
      expect(round()).toMatchObject({ status: 'DOING' });
      expect(round().comment).toContain('-9080');
      await expect(world.archive.flush(TENANT_ID)).rejects.toSatisfy(code(9029));
      await world.memory.put('format.obbak', format);
      await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
      await world.archive.flush(TENANT_ID);
      expect(await commitNos()).toEqual(upTo(4));
      expect(round().comment).toBe('');
    });

    test('is INTERRUPTED, and stays so, when the log is recycled', async () => {
      world.store.setParameter(TENANT_ID, 'gap_repair', 'manual');
      await startArchive();
      await world.commit(2);
      await world.archive.flush(TENANT_ID);
      world.driver.recycleLog(world.tenant);
      await world.untilStatus('INTERRUPTED');
      expect(round().comment).toBe('the log was recycled');
      await expect(world.archive.flush(TENANT_ID)).rejects.toSatisfy(code(9027));
      expect(world.archive.capture(TENANT_ID)).toBeUndefined();
      await world.crash();
      await world.commit(1);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(round()).toMatchObject({ status: 'INTERRUPTED', roundId: 1, comment: 'the log was recycled' });
      world.archive.disable(TENANT_ID);
      await world.untilStatus('STOP');
      expect(round().comment).toBe('');
      const [listed] = await listRounds(world.memory);
      expect(listed!.end).toMatchObject({ status: 'INTERRUPTED', comment: 'the log was recycled' });
      world.archive.enable(TENANT_ID);
      await world.until(() => round().roundId === 2 && world.status() === 'DOING', 'round 2');
    });

    test('is INTERRUPTED at a start when the engine lost what is not archived', async () => {
      world.store.setParameter(TENANT_ID, 'gap_repair', 'manual');
      await startArchive();
      await world.commit(2);
      await world.archive.stop();
      world.driver.recycleLog(world.tenant);
      await world.crash();
      await world.untilStatus('INTERRUPTED');
      expect(round().comment).toContain('-9087');
    });

    test('tries again after DEFER and ENABLE from INTERRUPTED', async () => {
      world.store.setParameter(TENANT_ID, 'gap_repair', 'manual');
      await startArchive();
      await world.commit(1);
      world.driver.recycleLog(world.tenant);
      await world.untilStatus('INTERRUPTED');
      world.archive.setDestState(TENANT_ID, 'DEFER');
      await world.untilStatus('SUSPEND');
      expect(round().comment).toBe('');
      world.archive.setDestState(TENANT_ID, 'ENABLE');
      await world.untilStatus('INTERRUPTED');
    });

    test('is INTERRUPTED when archived objects are missing', async () => {
      world.store.setParameter(TENANT_ID, 'gap_repair', 'manual');
      await startArchive();
      await world.commit(2);
      await world.archive.flush(TENANT_ID);
      await world.archive.stop();
      await world.memory.remove(segmentName('piece_d1001r1p1', 1));
      await world.crash();
      await world.untilStatus('INTERRUPTED');
      expect(round().comment).toContain('archived log is missing');
    });

    test('is INTERRUPTED when the proof of a flush is missing: what was committed since can not be told', async () => {
      world.store.setParameter(TENANT_ID, 'gap_repair', 'manual');
      await startArchive();
      await world.archive.flush(TENANT_ID);
      await world.archive.stop();
      await world.memory.remove(segmentName('piece_d1001r1p1', 1));
      await world.crash();
      await world.untilStatus('INTERRUPTED');
      expect(round().comment).toContain('archived log is missing');
    });

    test('keeps a batch once that is delivered again after it became durable', async () => {
      const startCapture = world.driver.startCapture.bind(world.driver);
      world.driver.startCapture = (request) =>
        startCapture({
          ...request,
          deliver: async (batch) => {
            await request.deliver(batch);
            await request.deliver(batch);
          },
        });
      await startArchive();
      await world.commit(3);
      await world.archive.flush(TENANT_ID);
      expect(await commitNos()).toEqual(upTo(3));
      expect(round().comment).toBe('');
    });

    test('never gives scns of a frozen piece again, even when the clock is set back', async () => {
      await startArchive();
      await world.commit(1);
      await world.archive.flush(TENANT_ID);
      world.clock.advanceUs(DAY_US);
      world.fate.away = /p2/;
      await world.commit(1);
      await world.until(() => pieces()[0]!.status === 'FROZEN', 'the switch');
      await world.crash();
      world.clock.advanceUs(-2n * DAY_US);
      await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
      await world.commit(1);
      await world.archive.flush(TENANT_ID);
      const commits = await readCommits(world.memory);
      expect(commits.map(({ commitNo, pieceId }) => [commitNo, pieceId])).toEqual([
        [1, 1],
        [2, 2],
        [3, 2],
      ]);
      expect(commits[1]!.scn).toBeGreaterThanOrEqual(pieces()[0]!.endScn);
    });

    test('gives up on a destination that stays away when NOARCHIVELOG asks for the end', async () => {
      await startArchive();
      await world.commit(2);
      await world.archive.flush(TENANT_ID);
      world.fate.failures = Number.POSITIVE_INFINITY;
      await world.commit(1);
      world.archive.disable(TENANT_ID);
      await world.untilStatus('STOP');
      expect(pieces()[0]).toMatchObject({ status: 'FROZEN', fileStatus: 'INCOMPLETE' });
      expect(await world.memory.size(roundEndName(round()))).toBeUndefined();
      expect(await commitNos()).toEqual(upTo(2));
    });

    test('lets go of a first batch that finds no destination', async () => {
      await world.archive.setDest(TENANT_ID, destRequest());
      world.fate.away = /logstream/;
      world.archive.enable(TENANT_ID);
      await world.until(() => world.status() === 'BEGINNING' && round().comment !== '', 'trouble');
      world.archive.disable(TENANT_ID);
      await world.untilStatus('STOP');
      world.fate.away = undefined;
      world.archive.enable(TENANT_ID);
      await world.untilStatus('DOING');
    });

    test('gives up an Optional archive before the log fills the disk', async () => {
      world.store.setParameter(TENANT_ID, 'gap_repair', 'manual');
      await startArchive();
      world.store.setParameter(TENANT_ID, 'log_archive_wal_limit', '64K');
      world.fate.failures = Number.POSITIVE_INFINITY;
      await world.commit(20);
      await world.untilStatus('INTERRUPTED');
      expect(round().comment).toContain('log_archive_wal_limit');
    });
  });

  describe('statements', () => {
    test('refuse what the documentation refuses', async () => {
      expect(() => world.archive.disable(TENANT_ID)).toThrowError(expect.toSatisfy(code(9092)));
      await startArchive();
      expect(() => world.archive.enable(TENANT_ID)).toThrowError(expect.toSatisfy(code(9091)));
      const change = world.archive.setDest(TENANT_ID, destRequest({ uri: 'file:///memory/other' }));
      await expect(change).rejects.toSatisfy((error) => isFailure(error, 'NOT_SUPPORTED'));
      await expect(world.archive.setDest(TENANT_ID, null)).rejects.toThrow(
        'change archive dest when archive is running is not supported',
      );
      world.archive.setDestState(TENANT_ID, 'DEFER');
      await world.untilStatus('SUSPEND');
      await expect(world.archive.setDest(TENANT_ID, null)).rejects.toSatisfy(code(4007));
      world.archive.disable(TENANT_ID);
      await world.untilStatus('STOP');
      await world.archive.setDest(TENANT_ID, null);
      expect(world.store.archiveDests.get({ tenantId: TENANT_ID })).toBeUndefined();
      expect(() => world.archive.setDestState(TENANT_ID, 'ENABLE')).toThrowError(expect.toSatisfy(code(4018)));
    });

    test('refuse a tenant that is not NORMAL and one that is none', () => {
      world.store.tenants.insert({ ...tenantRow(1004, '/x'), status: 'RESTORE' });
      expect(() => world.archive.enable(1004)).toThrowError(expect.toSatisfy(code(9023)));
      expect(() => world.archive.enable(1006)).toThrowError(expect.toSatisfy(code(5160)));
    });

    test('refuse a path of another tenant, of the backups, and one that is none', async () => {
      await world.archive.setDest(TENANT_ID, destRequest());
      world.store.tenants.insert(tenantRow(1004, '/x'));
      await expect(world.archive.setDest(1004, destRequest())).rejects.toSatisfy(code(9081));
      const { cluster } = world.store;
      const { MemoryDestination } = await import('../destination/memory-destination.ts');
      const id = (world.memory.spec as { id: string }).id;
      await claimDestination(new MemoryDestination(`${id}/memory/data`), {
        formatVersion: 1,
        clusterName: cluster.name,
        clusterId: cluster.clusterId,
        clusterUuid: cluster.uuid,
        tenantId: TENANT_ID,
        tenantName: 't1002',
        destKind: 'backup_data',
        destId: 1002,
        createdNs: 1n,
      });
      const data = world.archive.setDest(TENANT_ID, destRequest({ uri: 'file:///memory/data' }));
      await expect(data).rejects.toSatisfy(code(9081));
      await expect(world.archive.setDest(TENANT_ID, destRequest({ uri: 'file://x' }))).rejects.toSatisfy(code(9026));
    });

    test('forget a tenant that is dropped, with or without its destination', async () => {
      await startArchive();
      await world.commit(2);
      world.store.tenants.change({ tenantId: TENANT_ID }, { status: 'DROPPING' });
      await world.archive.forget(TENANT_ID);
      expect(world.status()).toBe('STOP');
      expect(await commitNos()).toEqual(upTo(2));
      await world.archive.forget(TENANT_ID);
    });

    test('forget a tenant whose destination is away', async () => {
      await startArchive();
      world.fate.failures = Number.POSITIVE_INFINITY;
      await world.commit(2);
      await world.archive.forget(TENANT_ID);
      expect(world.status()).toBe('STOP');
    });
  });

  test('tells of nothing that a crash could take back', async () => {
    await startArchive();
    for (let hours = 1; hours <= 3; hours++) {
      world.clock.advanceUs(3_600_000_000n);
      const presentNs = world.clock.nowNs();
      await world.until(() => {
        const told = world.archive.figures(TENANT_ID)!.checkpointScn;
        expect(world.store.currentRound(TENANT_ID)!.checkpointScn).toBeGreaterThanOrEqual(told);
        return told >= presentNs;
      }, 'the present');
    }
  });

  test('gives scns past everything that it announced, even when the clock is set back', async () => {
    world.store.tenants.insert({ ...tenantRow(1, ''), name: 'sys' });
    await startArchive();
    world.clock.advanceUs(3_600_000_000n);
    const announced = world.archive.figures(TENANT_ID)!.checkpointScn;
    await world.crash();
    world.clock.advanceUs(-7_200_000_000n);
    await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
    await world.commit(1);
    await world.archive.flush(TENANT_ID);
    const [commit] = await readCommits(world.memory);
    expect(commit!.scn).toBeGreaterThan(toScn(announced));
  });
});

describe('the archive at a destination that can not append', () => {
  test('keeps every batch in an object of its own, whatever fails', async () => {
    await using world = await makeWorld({ canAppend: false });
    await world.archive.setDest(TENANT_ID, destRequest());
    world.archive.enable(TENANT_ID);
    await world.untilStatus('DOING');
    for (let i = 0; i < 8; i++) {
      world.fate.failures = i % 2;
      await world.commit(2);
      await world.archive.flush(TENANT_ID);
    }
    await world.crash();
    await world.until(() => world.archive.capture(TENANT_ID) !== undefined, 'capture');
    world.archive.disable(TENANT_ID);
    await world.untilStatus('STOP');
    const commits = await readCommits(world.memory);
    expect(commits.map(({ commitNo }) => commitNo)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
  });
});
