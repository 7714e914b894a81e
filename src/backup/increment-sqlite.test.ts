// Goal: increments of the embedded engine lead to the database that the application had, whatever SQLite does to its pages.
// Method: the real engine, archive, workers and files; each set is put together through its index and opened by SQLite.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FILL, SqliteBackups, TENANT_ID, until } from './sqlite-backups.fixture.ts';

let server: SqliteBackups;
beforeEach(async () => {
  server = await SqliteBackups.start();
});
afterEach(() => server[Symbol.asyncDispose]());

async function expectIncrement(of: { scanCount: number; comment?: RegExp }): Promise<void> {
  server.scans = 0;
  const expected = await server.live();
  const job = await server.backUp(true);
  expect(job).toMatchObject({ status: 'COMPLETED', backupType: 'INC' });
  expect(job.comment).toMatch(of.comment ?? /^$/);
  expect(server.scans).toBe(of.scanCount);
  expect(await server.contentOf(job.backupSetId, 'INC')).toBe(expected);
}

test('leads to the database through growth, deletion, VACUUM and random changes, by the log alone', async () => {
  await server.run('CREATE INDEX t_v ON t (v)', FILL(400));
  expect(await server.backUp(false)).toMatchObject({ status: 'COMPLETED', backupType: 'FULL', comment: '' });
  expect(await server.contentOf(1, 'FULL')).toBe(await server.live());
  await expectIncrement({ scanCount: 0 });
  await server.run('UPDATE t SET v = randomblob(700) WHERE id % 37 = 0');
  await expectIncrement({ scanCount: 0 });
  await server.run(FILL(300), 'DELETE FROM t WHERE id % 3 = 0');
  await expectIncrement({ scanCount: 0 });
  await server.run('DELETE FROM t WHERE id > 100', 'VACUUM');
  await expectIncrement({ scanCount: 0 });
  await server.run(FILL(600), 'DROP INDEX t_v', 'DELETE FROM t WHERE id % 2 = 0', 'CREATE INDEX t_w ON t (v)');
  await expectIncrement({ scanCount: 0 });
  await server.run('VACUUM', FILL(5));
  await expectIncrement({ scanCount: 0 });
}, 60_000);

test('goes on over a restart of the server, and over a gap that was repaired', async () => {
  await server.run(FILL(300));
  await server.backUp(false);
  await server.run(FILL(20));
  await server.leave();
  server.serve();
  await server.attached();
  await server.run(FILL(20));
  await expectIncrement({ scanCount: 0 });
  server.archive.interrupt(TENANT_ID, 'the test says so');
  await until('a new round', () => server.store.currentRound(TENANT_ID)?.roundId === 2);
  await server.attached();
  await server.run(FILL(20), 'UPDATE t SET v = randomblob(10) WHERE id = 1');
  await expectIncrement({ scanCount: 0 });
}, 60_000);

test('reads the whole database when the archive was off between, and the gap is not to be repaired', async () => {
  server.store.setParameter(TENANT_ID, 'gap_repair', 'manual');
  await server.run(FILL(300));
  await server.backUp(false);
  server.archive.disable(TENANT_ID);
  await until('it has stopped', () => server.store.currentRound(TENANT_ID)?.status === 'STOP');
  await server.run(FILL(50), 'DELETE FROM t WHERE id < 20');
  server.archive.enable(TENANT_ID);
  await until('a new round', () => server.store.currentRound(TENANT_ID)?.status === 'DOING');
  await server.attached();
  await expectIncrement({ scanCount: 1, comment: /^the whole database was read, because / });
  await server.run('UPDATE t SET v = randomblob(10) WHERE id = 100');
  await expectIncrement({ scanCount: 0 });
}, 60_000);
