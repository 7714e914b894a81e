// Goal: a server killed at any moment loses no archived commit and never lists half a set as AVAILABLE.
// Method: kill -9 at random times during archiving, backup and restore; start again; restore and compare with what the
// writer knows it committed. HOLDFAST_CRASH_ROUNDS makes it long; the seed is printed.
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { archiveTenant, backUp, HoldfastFixture, query, type Row, restore, waitFor } from './holdfast-fixture.ts';

const ROUNDS = Number(process.env.HOLDFAST_CRASH_ROUNDS ?? 4);
const SEED = Number(process.env.HOLDFAST_SEED ?? Date.now() % 1_000_000);

/** A small generator, so that a failing run can be repeated from its seed. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const SETS =
  'SELECT BACKUP_SET_ID, STATUS, FILE_STATUS, MIN_RESTORE_SCN, COMMENT FROM oceanbase.CDB_OB_BACKUP_SET_FILES';
const ARCHIVE_ROUNDS =
  'SELECT ROUND_ID, STATUS, START_SCN, CHECKPOINT_SCN, COMMENT FROM oceanbase.CDB_OB_ARCHIVELOG_SUMMARY';

/** A commit is seen by the capture a moment after it is done. */
const SLACK_MS = 200;

const settled = (rows: Row[]) => rows.length === 0;

async function checkSets(sys: Awaited<ReturnType<HoldfastFixture['login']>>): Promise<void> {
  const sets = await query(sys, 'SELECT STATUS, FILE_STATUS FROM oceanbase.CDB_OB_BACKUP_SET_FILES');
  for (const set of sets)
    expect([
      ['SUCCESS', 'AVAILABLE'],
      ['FAILED', 'INCOMPLETE'],
    ]).toContainEqual([set.STATUS, set.FILE_STATUS]);
}

describe(`kill -9 (seed ${SEED}, ${ROUNDS} rounds)`, () => {
  test('at random moments: every commit that was archived is in a restore, jobs end, sets are whole', {
    timeout: 120_000 + ROUNDS * 30_000,
  }, async () => {
    const next = random(SEED);
    await using fixture = await HoldfastFixture.start();
    mkdirSync(fixture.path('app'));
    mkdirSync(fixture.path('backup', 't'), { recursive: true });
    const writer = await fixture.startWriter(fixture.path('app', 'app.db'), {
      rate: 200,
      churn: 300,
      autocheckpoint: 50,
    });
    let sys = await fixture.login('root@sys');
    await sys.query(`CREATE TENANT t LOCATION = '${fixture.path('app', 'app.db')}'`);
    await archiveTenant(sys, fixture, 't');
    await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = t');
    const from = `FROM '${fixture.uri('backup', 't', 'data')},${fixture.uri('backup', 't', 'archive')}'`;
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(100 + next() * 400);
      if (next() < 0.5) await sys.query('ALTER SYSTEM BACKUP TENANT = t').catch(() => {});
      if (next() < 0.3) await sys.query(`ALTER SYSTEM RESTORE r${round} ${from} WITH ''`).catch(() => {});
      await sleep(next() * 300);
      const [archived] = await query(sys, 'SELECT ROUND_ID, CHECKPOINT_SCN FROM oceanbase.CDB_OB_ARCHIVELOG');
      await fixture.kill();
      await sleep(next() < 0.5 ? 0 : next() * 500);
      await fixture.startServer();
      sys = await fixture.login('root@sys');
      const shown = BigInt(archived!.CHECKPOINT_SCN!);
      // Right after the start the views say what was stored; whether the log continues is known once it is attached.
      await waitFor(
        sys,
        'SELECT STATUS, COMMENT FROM oceanbase.CDB_OB_ARCHIVELOG',
        ([row]) => row!.STATUS === 'INTERRUPTED' || row!.COMMENT === '',
      );
      const [now] = await query(sys, 'SELECT * FROM oceanbase.CDB_OB_ARCHIVELOG');
      await waitFor(sys, 'SELECT * FROM oceanbase.CDB_OB_BACKUP_JOBS', settled);
      await waitFor(sys, 'SELECT * FROM oceanbase.CDB_OB_RESTORE_PROGRESS', settled);
      await checkSets(sys);
      expect(now!.ROUND_ID).toEqual(archived!.ROUND_ID);
      const check = async (name: string, until: string, commits: number) => {
        const job = await restore(sys, name, `${from} ${until} WITH ''`);
        const restored = await fixture.login(`root@${name}`);
        const [row] = (await query(restored, 'SELECT COUNT(*) AS total, MAX(n) AS top FROM marker')) as [Row];
        const facts = JSON.stringify(
          { job, sets: await query(sys, SETS), rounds: await query(sys, ARCHIVE_ROUNDS) },
          null,
          1,
        );
        expect(job.STATUS, facts).toBe('SUCCESS');
        // The writer numbers its commits without holes: a restored state holds a prefix of them.
        expect(Number(row.total), facts).toBe(Number(row.top));
        expect(Number(row.top), facts).toBeGreaterThanOrEqual(commits);
        expect(await query(restored, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
        await sys.query(`DROP TENANT ${name} FORCE`);
      };
      if (now!.STATUS === 'INTERRUPTED') {
        // The application checkpointed while nobody held its log. What was archived before stays restorable; the hole
        // is said; a new round and a new set heal it.
        expect(now!.COMMENT).toMatch(/recycled before archive/);
        const end = BigInt(now!.CHECKPOINT_SCN!);
        await check(`end${round}`, `UNTIL SCN = ${end}`, writer.committedBy(Number(end / 1_000_000n) - SLACK_MS));
        await sys.query('ALTER SYSTEM NOARCHIVELOG TENANT = t');
        await waitFor(sys, 'SELECT STATUS FROM oceanbase.CDB_OB_ARCHIVELOG', ([row]) => row?.STATUS === 'STOP');
        await sys.query('ALTER SYSTEM ARCHIVELOG TENANT = t');
        await waitFor(sys, 'SELECT STATUS FROM oceanbase.CDB_OB_ARCHIVELOG', ([row]) => row?.STATUS === 'DOING');
        const [job] = await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = t');
        expect(job).toMatchObject({ STATUS: 'COMPLETED' });
      } else {
        await check(`shown${round}`, `UNTIL SCN = ${shown}`, writer.committedBy(Number(shown / 1_000_000n) - SLACK_MS));
      }
      await check(`newest${round}`, '', writer.committed);
    }
    await writer.stop();
  });
});
