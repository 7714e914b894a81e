// What every engine driver must do, whatever database is behind it: sessions, capture, snapshot.
// Goal: the rooms above can be tested with the fake engine and trust that a real one behaves the same.
// Method: a fixture gives a driver and its dialect; batches are caught in memory and verified byte for byte.
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isFailure } from '../../src/base/errors.ts';
import type {
  Capture,
  CaptureRequest,
  EngineSession,
  EngineTenant,
  LogPosition,
} from '../../src/engine/engine-driver.ts';
import { toScn } from '../../src/model/scn.ts';
import {
  catcher,
  commitScns,
  type EngineBench,
  type EngineFixture,
  FAR,
  owner,
  readSnapshot,
  replay,
  rowsOf,
  START,
} from './engine-bench.ts';
import { testDatabaseChecksum, testGapRepair } from './engine-checksum.ts';
import { testLogPin } from './engine-pin.ts';
import { testReplay } from './engine-replay.ts';

/** Runs the contract against one engine. */
export function testEngineDriver(name: string, makeFixture: () => Promise<EngineFixture>): void {
  describe(`engine ${name}`, () => {
    let fixture: EngineFixture;
    let tenant: EngineTenant;
    const captures = new Set<Capture>();

    beforeEach(async () => {
      fixture = await makeFixture();
      tenant = fixture.tenant(owner.tenantId);
      await fixture.driver.create(tenant);
    });
    afterEach(async () => {
      for (const capture of captures) await stop(capture);
      await fixture[Symbol.asyncDispose]();
    });

    async function open(): Promise<EngineSession> {
      const session = await fixture.driver.openSession(tenant);
      for (const sql of fixture.setup) await rowsOf(session, sql);
      return session;
    }
    async function attach(caught: ReturnType<typeof catcher>, over: Partial<CaptureRequest> = {}): Promise<Capture> {
      const { deliver, onGap } = caught;
      if (over.resume) caught.resumed = over.resume.batchHash;
      else if (over.repair) caught.resumed = over.repair.prevHash;
      const rest = { resume: null, repair: null, pageMapPath: null, afterScn: START, lagTargetMs: 0, cutScn: FAR };
      const capture = await fixture.driver.startCapture({ tenant, owner, deliver, onGap, ...rest, ...over });
      captures.add(capture);
      return capture;
    }
    /** Ends a capture that no test looks at any more, or as part of a test. */
    async function stop(capture: Capture): Promise<LogPosition> {
      captures.delete(capture);
      return await capture.stop();
    }
    describe('create, adopt, check, drop', () => {
      test('refuses to create where something is', async () => {
        await expect(fixture.driver.create(tenant)).rejects.toSatisfy((e) => isFailure(e, 'ENTRY_EXISTS'));
      });

      test('refuses to adopt what is not there', async () => {
        const other = fixture.tenant(1004);
        await expect(fixture.driver.adopt(other)).rejects.toSatisfy((e) => isFailure(e, 'ADOPT_REFUSED'));
      });

      test('drops a tenant twice, with its data', async () => {
        const session = await open();
        await rowsOf(session, fixture.put('a', '1'));
        await fixture.driver.drop(tenant, { removeData: true });
        await fixture.driver.drop(tenant, { removeData: true });
        expect(existsSync(tenant.location)).toBe(false);
      });
    });

    describe('sessions', () => {
      test('see their own writes, others only what is committed', async () => {
        const one = await open();
        const other = await fixture.driver.openSession(tenant);
        await rowsOf(one, fixture.begin);
        expect(one.isInTransaction).toBe(true);
        await rowsOf(one, fixture.put('a', '1'));
        expect(await rowsOf(one, fixture.get('a'))).toEqual([['1']]);
        expect(await rowsOf(other, fixture.get('a'))).toEqual([]);
        await rowsOf(one, fixture.commit);
        expect(one.isInTransaction).toBe(false);
        expect(await rowsOf(other, fixture.get('a'))).toEqual([['1']]);
      });

      test('forget a transaction that is rolled back or reset', async () => {
        const session = await open();
        await rowsOf(session, fixture.begin);
        await rowsOf(session, fixture.put('a', '1'));
        await rowsOf(session, fixture.rollback);
        await rowsOf(session, fixture.begin);
        await rowsOf(session, fixture.put('b', '2'));
        await session.reset();
        expect(session.isInTransaction).toBe(false);
        expect(await rowsOf(session, fixture.get('a'))).toEqual([]);
        expect(await rowsOf(session, fixture.get('b'))).toEqual([]);
      });

      test('refuse a statement that is none', async () => {
        const session = await open();
        await expect(rowsOf(session, 'no such statement')).rejects.toThrow();
        expect(await rowsOf(session, fixture.get('a'))).toEqual([]);
      });

      test('do not write to a read-only tenant', async () => {
        await open();
        const session = await fixture.driver.openSession({ ...tenant, tenantId: 1006, isReadOnly: true });
        const write = rowsOf(session, fixture.put('a', '1'));
        await expect(write).rejects.toSatisfy((e) => isFailure(e, 'READ_ONLY_STANDBY'));
      });
    });

    describe('capture', () => {
      test('begins a round with an empty batch', async () => {
        await open();
        const caught = catcher();
        const capture = await attach(caught);
        expect(caught.batches.map(({ header }) => [header.batchNo, header.commitCount])).toEqual([[1, 0]]);
        expect(capture.startScn).toBeGreaterThan(START);
        expect(caught.batches[0]!.header.checkpointScn).toBe(capture.startScn);
      });

      test('gives every commit its own scn, in order, and nothing to what is rolled back', async () => {
        const session = await open();
        const caught = catcher();
        const capture = await attach(caught);
        for (let i = 0; i < 20; i++) await rowsOf(session, fixture.put(`k${i}`, `v${i}`));
        await rowsOf(session, fixture.begin);
        await rowsOf(session, fixture.put('gone', 'gone'));
        await rowsOf(session, fixture.rollback);
        const scn = await capture.flush();
        const scns = commitScns(caught);
        expect(scns).toHaveLength(20);
        expect(scns).toEqual([...new Set(scns)].sort((a, b) => (a < b ? -1 : 1)));
        expect(scns[0]).toBeGreaterThan(capture.startScn);
        expect(scns.at(-1)).toBeLessThanOrEqual(scn);
        expect(capture.status()).toMatchObject({ pendingCommits: 0, comment: '' });
      });

      test('flushes an idle tenant with a batch that proves the scn', async () => {
        await open();
        const caught = catcher();
        const capture = await attach(caught);
        const first = await capture.flush();
        const second = await capture.flush();
        expect(second).toBeGreaterThan(first);
        expect(caught.batches.at(-1)!.header).toMatchObject({ commitCount: 0, checkpointScn: second });
        expect(capture.status().checkpointScn).toBeGreaterThanOrEqual(second);
      });

      test('delivers again what failed, without loss or repetition', async () => {
        const session = await open();
        const caught = catcher();
        const capture = await attach(caught);
        caught.failures = 3;
        for (let i = 0; i < 5; i++) await rowsOf(session, fixture.put(`k${i}`, `v${i}`));
        await capture.flush();
        expect(caught.failures).toBe(0);
        expect(commitScns(caught)).toHaveLength(5);
        expect(caught.batches.map(({ header }) => header.batchNo)).toEqual(caught.batches.map((_, i) => i + 1));
      });

      test('puts no commits on both sides of the cut into one batch', async () => {
        const session = await open();
        const caught = catcher();
        const capture = await attach(caught, { lagTargetMs: 60_000 });
        await rowsOf(session, fixture.put('a', '1'));
        await capture.flush();
        const cut = capture.status().checkpointScn;
        capture.setCutScn(toScn(cut + 3_000_000n));
        for (let i = 0; i < 30; i++) await rowsOf(session, fixture.put(`k${i}`, `v${i}`));
        await capture.flush();
        const cutScn = cut + 3_000_000n;
        for (const { header } of caught.batches)
          if (header.commitCount > 0) expect(header.firstScn < cutScn).toBe(header.lastScn < cutScn);
        expect(commitScns(caught)).toHaveLength(31);
      });

      test('goes on after a planned stop exactly where it stood', async () => {
        const session = await open();
        const caught = catcher();
        const first = await attach(caught);
        await rowsOf(session, fixture.put('a', '1'));
        const resume = await stop(first);
        await rowsOf(session, fixture.put('b', '2'));
        const afterScn = toScn(resume.scn + 1_000_000n);
        const second = await attach(caught, { resume, afterScn });
        await rowsOf(session, fixture.put('c', '3'));
        await second.flush();
        const scns = commitScns(caught);
        expect(scns).toHaveLength(3);
        expect(scns[1]).toBeGreaterThan(afterScn);
        expect(caught.gaps).toEqual([]);
      });

      test('goes on from any earlier position while the log reaches back to it', async () => {
        const session = await open();
        const caught = catcher();
        const first = await attach(caught);
        await rowsOf(session, fixture.put('a', '1'));
        await first.flush();
        const { position } = caught.batches.at(-1)!.batch;
        await rowsOf(session, fixture.put('b', '2'));
        await stop(first);
        const again = catcher();
        const second = await attach(again, { resume: position, afterScn: position.scn });
        await second.flush();
        expect(commitScns(again)).toHaveLength(1);
      });

      test('refuses a position that is not of its log', async () => {
        await open();
        const caught = catcher();
        const capture = await attach(caught);
        const position = await stop(capture);
        const engine = position.engine.slice();
        engine[0] = engine[0]! ^ 1;
        const resume: LogPosition = { ...position, engine };
        const resuming = attach(catcher(), { resume, afterScn: position.scn });
        await expect(resuming).rejects.toSatisfy((e) => isFailure(e, 'CLOG_RECYCLE_BEFORE_ARCHIVE'));
      });

      test('stops soon while the destination is away; the rest is archived later', async () => {
        const session = await open();
        const caught = catcher();
        const capture = await attach(caught, { lagTargetMs: 60_000 });
        await rowsOf(session, fixture.put('a', '1'));
        await capture.flush();
        const { position } = caught.batches.at(-1)!.batch;
        await rowsOf(session, fixture.put('b', '2'));
        caught.failures = Number.POSITIVE_INFINITY;
        captures.delete(capture);
        await capture.stop({ isAbandoned: true }).catch(() => {});
        caught.failures = 0;
        const again = catcher();
        const second = await attach(again, { resume: position, afterScn: position.scn });
        await second.flush();
        expect(commitScns(again)).toHaveLength(1);
      });

      test('refuses to flush or stop after it was stopped', async () => {
        await open();
        const capture = await attach(catcher());
        await stop(capture);
        await expect(capture.flush()).rejects.toThrow();
        await expect(capture.stop()).rejects.toSatisfy((e) => isFailure(e, 'LOG_ARCHIVE_NOT_RUNNING'));
      });
    });

    describe('snapshot', () => {
      test('is the state at its scn, while commits go on', async () => {
        const session = await open();
        const caught = catcher();
        const capture = await attach(caught);
        for (let i = 0; i < 50; i++) await rowsOf(session, fixture.put(`k${i}`, 'x'.repeat(200)));
        const snapshot = await capture.snapshot();
        await rowsOf(session, fixture.put('later', '1'));
        const before = readSnapshot(snapshot);
        expect(before.size).toBe(snapshot.pageCount - (snapshot.skipPage > 0 ? 1 : 0));
        await snapshot.close();
        await capture.flush();
        const scns = commitScns(caught);
        expect(scns.filter((scn) => scn > snapshot.scn)).toHaveLength(1);
      });

      test('and the log after it make the next snapshot, page by page', async () => {
        const session = await open();
        const caught = catcher();
        const capture = await attach(caught);
        for (let i = 0; i < 40; i++) await rowsOf(session, fixture.put(`k${i}`, 'x'.repeat(300)));
        const first = await capture.snapshot();
        const base = readSnapshot(first);
        await first.close();
        await capture.flush();
        const from = caught.batches.length;
        for (let i = 20; i < 60; i++) await rowsOf(session, fixture.put(`k${i}`, 'y'.repeat(400)));
        for (let i = 0; i < 10; i++) await rowsOf(session, fixture.delete(`k${i}`));
        await capture.flush();
        const second = await capture.snapshot();
        const expected = readSnapshot(second);
        const { pages, count } = replay(base, caught.batches.slice(from));
        expect(count).toBe(second.pageCount);
        expect([...pages.keys()].sort((a, b) => a - b)).toEqual([...expected.keys()]);
        for (const [page, bytes] of expected) expect(pages.get(page)?.equals(bytes), `page ${page}`).toBe(true);
        await second.close();
      });
    });

    const bench: EngineBench = {
      get fixture() {
        return fixture;
      },
      get tenant() {
        return tenant;
      },
      ...{ open, attach, stop },
    };
    testDatabaseChecksum(bench);
    testGapRepair(bench);
    testLogPin(bench);
    testReplay(bench);
  });
}
