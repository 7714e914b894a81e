// What the database checksum and the repair of gaps must be, whatever engine is behind them.
// Method: every recorded checksum is computed again from all pages; old states and the log make new states, page by page.
import { writeFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { isFailure } from '../../src/base/errors.ts';
import type { Capture, CaptureRepair, CaptureRequest, EngineSession } from '../../src/engine/engine-driver.ts';
import { PageMap } from '../../src/format/page-map.ts';
import { encodePageMap } from '../../src/format/page-map-file.ts';
import {
  type Caught,
  catcher,
  checksums,
  commitScns,
  type EngineBench,
  mapOf,
  owner,
  readSnapshot,
  replay,
  rowsOf,
  START,
} from './engine-bench.ts';

/** An engine that has to read the database first needs a moment. */
const WARM_UP_COMMITS = 200;
/** What happens in another process is looked at so often before a test fails. */
const PATIENCE = { timeout: 20_000, interval: 10 };

/** Commits until the engine knows the checksum of the database. */
async function warmUp(
  bench: EngineBench,
  of: { session: EngineSession; capture: Capture; caught: Caught },
): Promise<void> {
  const { session, capture, caught } = of;
  for (let i = 0; i < WARM_UP_COMMITS; i++) {
    await rowsOf(session, bench.fixture.put('warm', String(i)));
    await capture.flush();
    if (caught.batches.findLast(({ table }) => table.commits.length > 0)?.table.commits.at(-1)?.checksum) return;
  }
  throw new Error('the engine never knew the checksum');
}
async function runAll(session: EngineSession, statements: readonly string[]): Promise<void> {
  for (const sql of statements) await rowsOf(session, sql);
}
/** A state, as a backup would read it. */
async function copyOf(capture: Capture) {
  const snapshot = await capture.snapshot();
  const pages = readSnapshot(snapshot);
  await snapshot.close();
  const { scn, pageSize, pageCount, databaseChecksum } = snapshot;
  return { scn, pages, pageSize, pageCount, databaseChecksum, map: mapOf(pages, snapshot) };
}

export function testDatabaseChecksum(bench: EngineBench): void {
  describe('database checksum', () => {
    test('is that of all pages after each commit, however the database grows and shrinks', async () => {
      const session = await bench.open();
      const caught = catcher();
      const capture = await bench.attach(caught);
      await warmUp(bench, { session, capture, caught });
      const base = await copyOf(capture);
      const from = caught.batches.length;
      for (let i = 0; i < 30; i++) await rowsOf(session, bench.fixture.put(`k${i % 11}`, 'x'.repeat(100 + 20 * i)));
      await runAll(session, bench.fixture.putMany);
      for (let i = 0; i < 11; i++) await rowsOf(session, bench.fixture.delete(`k${i}`));
      await runAll(session, bench.fixture.deleteMany);
      await rowsOf(session, bench.fixture.put('last', '1'));
      await capture.flush();
      const found = checksums(base.map.copy(), caught.batches.slice(from));
      expect(found.length).toBeGreaterThan(40);
      for (const [recorded, computed] of found) expect(recorded).toBe(computed);
      const end = await copyOf(capture);
      expect(end.map.checksum).toBe(found.at(-1)![1]);
      expect(end.databaseChecksum).toBe(end.map.checksum);
    });

    test('is known again after a planned stop', async () => {
      const session = await bench.open();
      const caught = catcher();
      const pageMapPath = `${bench.tenant.location}.map`;
      const first = await bench.attach(caught, { pageMapPath });
      await warmUp(bench, { session, capture: first, caught });
      const resume = await bench.stop(first);
      const second = await bench.attach(caught, { resume, pageMapPath, afterScn: resume.scn });
      const { databaseChecksum, map } = await copyOf(second);
      expect(databaseChecksum).toBe(map.checksum);
    });

    test('of a snapshot is that of its pages, while commits go on', async () => {
      const session = await bench.open();
      const caught = catcher();
      const capture = await bench.attach(caught);
      await warmUp(bench, { session, capture, caught });
      for (let i = 0; i < 10; i++) {
        const putting = (async () => {
          for (let n = 0; n < 3; n++) await rowsOf(session, bench.fixture.put(`k${i}${n}`, 'y'.repeat(90)));
        })();
        const { databaseChecksum, map } = await copyOf(capture);
        await putting;
        expect(databaseChecksum).toBe(map.checksum);
      }
    });
  });
}

export function testGapRepair(bench: EngineBench): void {
  describe('gap repair', () => {
    /** Ends a round; what is committed from then on is in no log. */
    async function endRound(session: EngineSession) {
      const caught = catcher();
      const capture = await bench.attach(caught);
      await rowsOf(session, bench.fixture.put('before', '1'));
      const base = await copyOf(capture);
      const { batchHash: prevHash, scn } = await bench.stop(capture);
      const pageMapPath = `${bench.tenant.location}.base`;
      const { clusterUuid, tenantId } = owner;
      const point = { roundId: owner.roundId, scn, map: base.map };
      writeFileSync(pageMapPath, encodePageMap(point, { clusterUuid, tenantId, setUuid: '' }, null));
      return { base, afterScn: scn, repair: { prevHash, pageMapPath } satisfies CaptureRepair };
    }
    /** The old state and everything in the new round must be the present state. */
    async function expectRepaired(base: Awaited<ReturnType<typeof copyOf>>, capture: Capture, caught: Caught) {
      const now = await copyOf(capture);
      const { pages, count } = replay(base.pages, caught.batches);
      expect(count).toBe(now.pageCount);
      for (const [page, bytes] of now.pages) expect(pages.get(page)?.equals(bytes), `page ${page}`).toBe(true);
      for (const [recorded, computed] of checksums(base.map.copy(), caught.batches)) expect(recorded).toBe(computed);
      expect(now.databaseChecksum).toBe(now.map.checksum);
    }

    test('makes one commit of everything that changed while nobody captured', async () => {
      const session = await bench.open();
      const { base, afterScn, repair } = await endRound(session);
      await runAll(session, bench.fixture.putMany);
      for (let i = 0; i < 20; i++) await rowsOf(session, bench.fixture.put(`k${i}`, 'z'.repeat(300)));
      const caught = catcher();
      const capture = await bench.attach(caught, { repair, afterScn });
      expect(commitScns(caught)).toEqual([capture.startScn]);
      expect(capture.startScn).toBeGreaterThan(afterScn);
      const parts = caught.batches.slice(0, -1);
      expect(parts.length).toBeGreaterThan(0);
      for (const { batch } of parts) {
        expect(batch.position.engine.length).toBe(0);
        expect(batch.checkpointScn).toBeLessThan(capture.startScn);
      }
      await rowsOf(session, bench.fixture.put('after', '1'));
      await capture.flush();
      expect(commitScns(caught)).toHaveLength(2);
      await expectRepaired(base, capture, caught);
    });

    test('makes a commit without images when nothing differs', async () => {
      const session = await bench.open();
      const { base, afterScn, repair } = await endRound(session);
      const caught = catcher();
      const capture = await bench.attach(caught, { repair, afterScn });
      expect(caught.batches.map(({ header }) => [header.batchNo, header.commitCount, header.pageCount])).toEqual([
        [1, 1, 0],
      ]);
      await expectRepaired(base, capture, caught);
    });

    test('begins anew when it was interrupted between its parts', async () => {
      const session = await bench.open();
      const { base, afterScn, repair } = await endRound(session);
      await runAll(session, bench.fixture.putMany);
      const caught = catcher();
      let accepted = 0;
      let refused = 0;
      const deliver: CaptureRequest['deliver'] = async (batch) => {
        if (++accepted > 1) {
          refused++;
          throw new Error('the destination is away');
        }
        await caught.deliver(batch);
      };
      const starting = bench.attach(caught, { repair, afterScn, deliver });
      const ended = expect(starting).rejects.toThrow();
      await vi.waitFor(() => expect(refused).toBeGreaterThan(0), PATIENCE);
      await bench.fixture.driver.drop(bench.tenant, { removeData: false });
      await ended;
      expect(commitScns(caught)).toEqual([]);
      const other = await bench.fixture.driver.openSession(bench.tenant);
      await rowsOf(other, bench.fixture.put('meanwhile', '1'));
      const resume = caught.batches.at(-1)!.batch.position;
      const capture = await bench.attach(caught, { resume, repair, afterScn });
      expect(caught.batches[1]!.header.isContinued).toBe(false);
      expect(commitScns(caught)).toEqual([capture.startScn]);
      await expectRepaired(base, capture, caught);
    });

    test('is over once its commit is whole', async () => {
      const session = await bench.open();
      const { base, afterScn, repair } = await endRound(session);
      await rowsOf(session, bench.fixture.put('gap', '1'));
      const caught = catcher();
      const first = await bench.attach(caught, { repair, afterScn });
      const resume = await bench.stop(first);
      await rowsOf(session, bench.fixture.put('after', '1'));
      const second = await bench.attach(caught, { resume, repair, afterScn });
      await second.flush();
      expect(commitScns(caught)).toHaveLength(2);
      const now = await copyOf(second);
      const { pages } = replay(base.pages, caught.batches);
      for (const [page, bytes] of now.pages) expect(pages.get(page)?.equals(bytes), `page ${page}`).toBe(true);
    });

    test('refuses a base that can not be compared', async () => {
      const session = await bench.open();
      const { afterScn, repair } = await endRound(session);
      const map = new PageMap(512, new BigUint64Array([1n]));
      const { clusterUuid, tenantId } = owner;
      const bytes = encodePageMap({ roundId: 1, scn: START, map }, { clusterUuid, tenantId, setUuid: '' }, null);
      writeFileSync(repair.pageMapPath, bytes);
      const caught = catcher();
      const starting = bench.attach(caught, { repair, afterScn });
      await expect(starting).rejects.toSatisfy((e) => isFailure(e, 'CANNOT_START_LOG_ARCHIVE'));
      expect(caught.batches).toEqual([]);
      // Nothing of the attempt is left that would stand in the way of a round without repair.
      await bench.attach(caught, { afterScn });
    });
  });
}
