// The embedded engine passes the contract of every engine.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { DatabaseSync } from '../../src/base/sqlite.ts';
import { createSqliteDriver } from '../../src/engine/sqlite/sqlite-driver.ts';
import { testEngineDriver } from './engine.ts';

testEngineDriver('sqlite', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'sqlite-engine-'));
  const driver = createSqliteDriver({ log: silentLog, clock: systemClock, dataDir, lockWaitMs: 5000 });
  return {
    driver,
    tenant: (tenantId) => ({
      tenantId,
      name: `t${tenantId}`,
      mode: 'mysql',
      location: join(dataDir, `t${tenantId}`, 'data.db'),
      isReadOnly: false,
      maxCpu: 1,
    }),
    setup: ['CREATE TABLE kv (k TEXT PRIMARY KEY, v TEXT NOT NULL)'],
    put: (key, value) => `REPLACE INTO kv VALUES ('${key}', '${value}')`,
    delete: (key) => `DELETE FROM kv WHERE k = '${key}'`,
    putMany: [
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4600)
       INSERT INTO kv SELECT 'many' || i, hex(randomblob(1900)) FROM n`,
    ],
    deleteMany: ["DELETE FROM kv WHERE k LIKE 'many%'", 'VACUUM'],
    get: (key) => `SELECT v FROM kv WHERE k = '${key}'`,
    begin: 'BEGIN',
    commit: 'COMMIT',
    rollback: 'ROLLBACK',
    async asApplication({ location }, statements) {
      const database = new DatabaseSync(location, { timeout: 5000 });
      database.exec('PRAGMA wal_autocheckpoint = 10');
      for (const sql of statements) database.exec(`${sql}; PRAGMA wal_checkpoint(PASSIVE)`);
      database.close();
    },
    async [Symbol.asyncDispose]() {
      await driver[Symbol.asyncDispose]();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
});
