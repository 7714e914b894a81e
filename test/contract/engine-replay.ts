// What every engine must do when archived pages are laid over a database.
// Goal: sessions that read it see one whole state after another, and it becomes page by page what its source was.
// Method: states of one tenant, larger and smaller ones, are replayed into another whose sessions look.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { EngineTenant } from '../../src/engine/engine-driver.ts';
import { PageMap, pageHash } from '../../src/format/page-map.ts';
import { catcher, type EngineBench, owner, readSnapshot, rowsOf } from './engine-bench.ts';

/** One state of the source. */
interface State {
  pages: Buffer[];
  map: PageMap;
}

export function testReplay(bench: EngineBench): void {
  describe('a replayed database', () => {
    const standby = (): EngineTenant => ({ ...bench.fixture.tenant(owner.tenantId + 2), isReadOnly: true });
    const openReplay = () => bench.fixture.driver.openReplay(standby());
    const stepPath = () => `${standby().location}.replaying`;

    /** States after each of some groups of statements. */
    async function states(groups: ReadonlyArray<readonly string[]>): Promise<State[]> {
      const session = await bench.open();
      const capture = await bench.attach(catcher());
      const found: State[] = [];
      for (const statements of groups) {
        for (const sql of statements) await rowsOf(session, sql);
        await capture.flush();
        const snapshot = await capture.snapshot();
        const pages = [...readSnapshot(snapshot).values()];
        await snapshot.close();
        found.push({ pages, map: new PageMap(snapshot.pageSize, BigUint64Array.from(pages, pageHash)) });
      }
      await session.close();
      return found;
    }

    function writeStandby({ pages }: State): void {
      const { location } = standby();
      mkdirSync(dirname(location), { recursive: true });
      writeFileSync(location, Buffer.concat(pages));
    }

    function stepTo({ pages, map }: State, from: PageMap) {
      const numbers = map.changedSince(from);
      writeFileSync(stepPath(), Buffer.concat([...numbers].map((page) => pages[page - 1]!)));
      return { pagesPath: stepPath(), pages: numbers, databasePages: map.pageCount };
    }

    test('is each state in its turn, larger and smaller ones, for a session that stays', async () => {
      const { fixture } = bench;
      const groups = [[fixture.put('a', '1')], [fixture.put('a', '2'), ...fixture.putMany], [...fixture.deleteMany]];
      const [first, grown, shrunk] = (await states(groups)) as [State, State, State];
      expect(grown.map.pageCount).toBeGreaterThan(shrunk.map.pageCount);
      writeStandby(first);
      const session = await fixture.driver.openSession(standby());
      expect(await rowsOf(session, fixture.get('a'))).toEqual([['1']]);
      const replay = await openReplay();
      expect(new PageMap(replay.found.pageSize, replay.found.hashes).checksum).toBe(first.map.checksum);
      await replay.apply(stepTo(grown, first.map));
      expect(await rowsOf(session, fixture.get('a'))).toEqual([['2']]);
      await replay.apply(stepTo(shrunk, grown.map));
      expect(await rowsOf(session, fixture.get('a'))).toEqual([['2']]);
      await replay.close();
      await replay.close();
      const again = await openReplay();
      expect([...again.found.hashes]).toEqual([...shrunk.map.hashes]);
      await again.close();
      await session.close();
      rmSync(stepPath());
    });

    test('stays what it is by a step that changes nothing', async () => {
      const [state] = (await states([[bench.fixture.put('a', '1')]])) as [State];
      writeStandby(state);
      const replay = await openReplay();
      await replay.apply(stepTo(state, state.map));
      await replay.close();
      const again = await openReplay();
      expect([...again.found.hashes]).toEqual([...state.map.hashes]);
      await again.close();
    });
  });
}
