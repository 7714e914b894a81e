// What every engine must do with a log that is pinned before it is captured.
// Goal: between a server's start and the answer of a destination nothing is recycled that is not archived.
import { describe, expect, test } from 'vitest';
import { isFailure } from '../../src/base/errors.ts';
import type { LogPosition } from '../../src/engine/engine-driver.ts';
import { catcher, commitScns, type EngineBench, rowsOf } from './engine-bench.ts';

/** Commits of an application: far more than it leaves in a log that nobody holds. */
const COMMITS = 40;

export function testLogPin(bench: EngineBench): void {
  describe('a pinned log', () => {
    const puts = (count: number) =>
      Array.from({ length: count }, (_, i) => bench.fixture.put(`app${i}`, 'x'.repeat(500)));
    const pin = () => bench.fixture.driver.pinLog(bench.tenant);

    /** A round that has stopped, everything archived. */
    async function stopped(caught: ReturnType<typeof catcher>): Promise<LogPosition> {
      const session = await bench.open();
      const capture = await bench.attach(caught);
      await rowsOf(session, bench.fixture.put('a', '1'));
      await session.close();
      await bench.fixture.driver.closeSessions(bench.tenant.tenantId);
      return await bench.stop(capture);
    }

    test('keeps everything that an application commits until a capture goes on from it', async () => {
      const caught = catcher();
      const resume = await stopped(caught);
      const held = await pin();
      await bench.fixture.asApplication(bench.tenant, puts(COMMITS));
      const before = caught.batches.length;
      const capture = await bench.attach(caught, { resume, afterScn: resume.scn });
      await bench.fixture.asApplication(bench.tenant, puts(COMMITS));
      await held.release();
      await capture.flush();
      expect(commitScns({ ...caught, batches: caught.batches.slice(before) })).toHaveLength(2 * COMMITS);
      expect(caught.gaps).toEqual([]);
    });

    test("is the engine's again once it is released", async () => {
      const caught = catcher();
      const resume = await stopped(caught);
      const held = await pin();
      expect(held.status().logBytes).toBeGreaterThan(0);
      await held.release();
      await held.release();
      await bench.fixture.asApplication(bench.tenant, puts(COMMITS));
      const resuming = bench.attach(catcher(), { resume, afterScn: resume.scn });
      await expect(resuming).rejects.toSatisfy((e) => isFailure(e, 'CLOG_RECYCLE_BEFORE_ARCHIVE'));
    });

    test('is one, and none while it is captured', async () => {
      const caught = catcher();
      const resume = await stopped(caught);
      await pin();
      await expect(pin()).rejects.toSatisfy((e) => isFailure(e, 'ENTRY_EXISTS'));
      const capture = await bench.attach(caught, { resume, afterScn: resume.scn });
      await expect(pin()).rejects.toSatisfy((e) => isFailure(e, 'ENTRY_EXISTS'));
      await bench.stop(capture);
      await (await pin()).release();
    });

    test('stays pinned when a capture can not go on from it', async () => {
      const caught = catcher();
      const resume = await stopped(caught);
      await pin();
      const engine = resume.engine.slice();
      engine[0] = engine[0]! ^ 1;
      const failing = bench.attach(catcher(), { resume: { ...resume, engine }, afterScn: resume.scn });
      await expect(failing).rejects.toSatisfy((e) => isFailure(e, 'CLOG_RECYCLE_BEFORE_ARCHIVE'));
      await bench.fixture.asApplication(bench.tenant, puts(COMMITS));
      const before = caught.batches.length;
      const capture = await bench.attach(caught, { resume, afterScn: resume.scn });
      await capture.flush();
      expect(commitScns({ ...caught, batches: caught.batches.slice(before) })).toHaveLength(COMMITS);
    });

    test('ends with its tenant', async () => {
      await stopped(catcher());
      const held = await pin();
      await bench.fixture.driver.drop(bench.tenant, { removeData: true });
      await held.release();
      await bench.fixture.driver.create(bench.tenant);
      await stopped(catcher());
      await (await pin()).release();
    });
  });
}
