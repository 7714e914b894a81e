// The fake engine passes the contract of every engine.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeDriver } from '../../src/engine/fake/fake-driver.ts';
import { testEngineDriver } from './engine.ts';

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
    get: (key) => `get ${key}`,
    begin: 'begin',
    commit: 'commit',
    rollback: 'rollback',
    async [Symbol.asyncDispose]() {
      await driver[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
});
