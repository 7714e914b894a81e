// Goal: a restore to any SCN is the exact state, whatever the writers do. Method: three writer processes with churn, tiny
// autocheckpoints, reconnects and VACUUM; then restores to many SCNs. Each writer numbers its commits without holes, so
// every restored state must hold a prefix of each; and the newest restore must equal the live database page by page.
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { DatabaseSync } from '../../src/base/sqlite.ts';
import { archiveTenant, backUp, HoldfastFixture, query, type Row, readBytes, restore } from './holdfast-fixture.ts';

const STORM_MS = Number(process.env.HOLDFAST_STORM_MS ?? 4000);
const SEED = Number(process.env.HOLDFAST_SEED ?? Date.now() % 1_000_000);
const WRITERS = 3;

describe(`the storm (seed ${SEED})`, () => {
  test('restores to many SCNs hold a prefix of every writer; the newest equals the live database byte for byte', {
    timeout: 240_000,
  }, async () => {
    await using fixture = await HoldfastFixture.start();
    mkdirSync(fixture.path('backup', 't'), { recursive: true });
    const app = fixture.path('app.db');
    const first = await fixture.startWriter(app, { rate: 20, churn: 200, offset: 0, step: WRITERS });
    const sys = await fixture.login('root@sys');
    await sys.query(`CREATE TENANT t LOCATION = '${app}'`);
    await archiveTenant(sys, fixture, 't');
    const writers = [first];
    for (let at = 1; at < WRITERS; at++) {
      writers.push(
        await fixture.startWriter(app, {
          rate: 60,
          churn: 400,
          size: 900,
          offset: at,
          step: WRITERS,
          autocheckpoint: at === 1 ? 10 : 1000,
          reconnect: at === 2 ? 25 : 0,
        }),
      );
    }
    await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = t');
    const moments: bigint[] = [];
    const tenant = await fixture.login('root@t');
    for (let passedMs = 0; passedMs < STORM_MS; passedMs += STORM_MS / 8) {
      await sleep(STORM_MS / 8);
      if (passedMs === STORM_MS / 2) await tenant.query('VACUUM');
      if (passedMs === STORM_MS / 4) await backUp(sys, 'ALTER SYSTEM BACKUP TENANT = t');
      const [row] = await query(sys, 'SELECT CHECKPOINT_SCN FROM oceanbase.CDB_OB_ARCHIVELOG');
      moments.push(BigInt(row!.CHECKPOINT_SCN!));
    }
    for (const writer of writers) await writer.stop();
    const from = `FROM '${fixture.uri('backup', 't', 'data')},${fixture.uri('backup', 't', 'archive')}'`;
    const [archive] = await query(sys, 'SELECT STATUS, COMMENT FROM oceanbase.CDB_OB_ARCHIVELOG');
    expect(archive).toEqual({ STATUS: 'DOING', COMMENT: '' });

    let before = 0;
    for (const [at, scn] of moments.entries()) {
      const job = await restore(sys, `at${at}`, `${from} UNTIL SCN = ${scn} WITH ''`);
      expect([job.STATUS, job.COMMENT]).toEqual(['SUCCESS', job.COMMENT]);
      const restored = await fixture.login(`root@at${at}`);
      const rows = await query(
        restored,
        `SELECT n % ${WRITERS} AS writer, COUNT(*) AS total, MAX(n) AS top FROM marker GROUP BY 1`,
      );
      for (const { writer, total, top } of rows) {
        const offset = Number(writer);
        expect(Number(total)).toBe((Number(top) - offset) / WRITERS);
      }
      const total = rows.reduce((sum, row) => sum + Number(row.total), 0);
      expect(total).toBeGreaterThanOrEqual(before);
      before = total;
      expect(await query(restored, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
    }

    const location = fixture.path('newest.db');
    const job = await restore(sys, 'newest', `${from} WITH 'location=${location}'`);
    expect(job.STATUS).toBe('SUCCESS');
    await fixture.stop();
    // With nobody attached any more a checkpoint puts the live state into the file, page by page what was restored.
    const live = new DatabaseSync(app);
    live.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    const counts = live.prepare('SELECT COUNT(*) AS n FROM marker').get() as unknown as Row;
    live.close();
    expect(Number(counts.n)).toBeGreaterThan(before - 1);
    expect(readBytes(location).equals(readBytes(app))).toBe(true);
  });
});
