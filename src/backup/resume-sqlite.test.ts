// Goal: a full backup whose server went away goes on from the packs that were complete, and is that of the present state.
// Method: the real engine, archive, workers and files with packs of two blocks; the server stops behind some of them.
import { readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FILL, SqliteBackups, TENANT_ID, until } from './sqlite-backups.fixture.ts';

const SET = { tenantId: TENANT_ID, backupSetId: 1 };
/** Two blocks of random bytes. */
const PACK_SIZE = '3M';
const TEST_MS_MAX = 60_000;

let server: SqliteBackups;
beforeEach(async () => {
  server = await SqliteBackups.start();
  await server.run('CREATE INDEX t_v ON t (v)', FILL(6000));
  server.store.setParameter(TENANT_ID, 'backup_data_file_size', PACK_SIZE);
});
afterEach(() => server[Symbol.asyncDispose]());

const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0);
const setPath = () => join(server.dataUri.slice('file://'.length), 'backup_set_1_full');
const packFiles = () => readdirSync(setPath()).filter((name) => name.startsWith('pack_'));
const recorded = () => server.store.finishedPacks.find(SET);

/** Stops the server when so many packs of a backup are complete. @returns how many blocks are recorded in each */
async function stopBehind(packs: number, password?: string): Promise<number[]> {
  let stopped: Promise<void> | undefined;
  server.asked = (request) => ({
    ...request,
    onPack(pack, blocks) {
      request.onPack?.(pack, blocks);
      if (recorded().length === packs) stopped ??= server.leave();
    },
  });
  await server.startBackup({ isIncremental: false, ...(password === undefined ? {} : { password }) });
  await until('the server stops', () => stopped !== undefined);
  await stopped;
  server.asked = (request) => request;
  expect(server.store.backupJobs.find({ tenantId: TENANT_ID })).toMatchObject([{ status: 'DOING' }]);
  return recorded().map(({ blocks }) => blocks.length);
}

/** Starts the server again. @returns how many of the set's blocks are old ones, and how many it has */
async function goOn(expected: { passwords?: string[] } = {}): Promise<{ kept: number; all: number }> {
  server.serve();
  await server.attached();
  const job = await server.ended();
  expect(job).toMatchObject({ status: 'COMPLETED', backupType: 'FULL' });
  expect(await server.contentOf(1, 'FULL', expected.passwords)).toBe(await server.live());
  expect(recorded()).toEqual([]);
  const [, kept, all] = /^(\d+) of (\d+) blocks are those of an attempt that was broken off$/.exec(job.comment) ?? [];
  return { kept: Number(kept ?? 0), all: Number(all ?? 0) };
}

describe('a full backup whose server went away', () => {
  test.each([undefined, 'pw'])(
    'goes on from the packs that were complete, password %s',
    async (password) => {
      const packs = await stopBehind(3, password);
      // What was being written, and a pack that was complete before anybody heard of it.
      writeFileSync(join(setPath(), '.tmp-pack_9'), 'half of a pack');
      writeFileSync(join(setPath(), 'pack_77.obbak'), 'a pack');
      const { kept, all } = await goOn(password === undefined ? {} : { passwords: [password] });
      expect(kept).toBe(sum(packs));
      expect(all).toBeGreaterThan(kept);
      expect(readdirSync(setPath()).filter((name) => /tmp|77/.test(name))).toEqual([]);
    },
    TEST_MS_MAX,
  );

  test(
    'makes the blocks again that have changed meanwhile, and drops those that are behind the end',
    async () => {
      const packs = await stopBehind(3);
      server.serve();
      await server.backup.stop();
      await server.attached();
      await server.run('UPDATE t SET v = randomblob(900) WHERE id = 5');
      await server.leave();
      const { kept, all } = await goOn();
      expect(kept).toBeGreaterThan(0);
      expect(kept).toBeLessThan(sum(packs));
      expect(all).toBeGreaterThan(kept);
    },
    TEST_MS_MAX,
  );

  test(
    'begins again when nothing is left of the database that was',
    async () => {
      await stopBehind(2);
      server.serve();
      await server.backup.stop();
      await server.attached();
      await server.run('DELETE FROM t', 'VACUUM', FILL(20));
      await server.leave();
      expect(await goOn()).toEqual({ kept: 0, all: 0 });
      expect(packFiles()).toHaveLength(1);
    },
    TEST_MS_MAX,
  );

  test(
    'does not count on packs that are gone or cut off, or of another set',
    async () => {
      const packs = await stopBehind(4);
      rmSync(join(setPath(), recorded()[0]!.name));
      truncateSync(join(setPath(), recorded()[1]!.name), 5000);
      server.store.finishedPacks.change({ ...SET, packNo: recorded()[2]!.packNo }, { setUuid: 'another' });
      expect(await goOn()).toMatchObject({ kept: sum(packs.slice(3)) });
    },
    TEST_MS_MAX,
  );

  test(
    'that is cancelled afterwards leaves nothing',
    async () => {
      await stopBehind(2);
      server.serve();
      server.backup.cancel('all');
      expect(await server.ended()).toMatchObject({ status: 'CANCELED' });
      expect(recorded()).toEqual([]);
      expect(() => readdirSync(setPath())).toThrowError('ENOENT');
    },
    TEST_MS_MAX,
  );
});
