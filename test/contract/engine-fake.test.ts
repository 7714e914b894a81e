// The fake engine passes the contract of every engine.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeDriver } from '../../src/engine/fake/fake-driver.ts';
import { testEngineDriver } from './engine.ts';
import { rowsOf } from './engine-bench.ts';

const MANY = Array.from({ length: 40 }, (_, i) => `many${i}`);

testEngineDriver('fake', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'fake-engine-'));
  const driver = new FakeDriver();
  return {
    driver,
    tenant: (tenantId) => ({
      tenantId,
      name: `t${tenantId}`,
      mode: 'mysql',
      location: join(directory, `${tenantId}.db`),
      isReadOnly: false,
      maxCpu: 1,
    }),
    setup: [],
    put: (key, value) => `put ${key} ${value}`,
    delete: (key) => `delete ${key}`,
    putMany: ['begin', ...MANY.map((key) => `put ${key} ${'x'.repeat(1000)}`), 'commit'],
    deleteMany: ['begin', ...MANY.map((key) => `delete ${key}`), 'commit'],
    get: (key) => `get ${key}`,
    begin: 'begin',
    commit: 'commit',
    rollback: 'rollback',
    async asApplication(tenant, statements) {
      const session = await driver.openSession(tenant);
      for (const sql of statements) {
        await rowsOf(session, sql);
        driver.checkpoint(tenant);
      }
      await session.close();
    },
    async [Symbol.asyncDispose]() {
      await driver[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
});
