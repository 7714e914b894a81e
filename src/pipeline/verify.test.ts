// Reading packs again: with and without their blocks, sound and with a byte changed in every part of them.
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { MIB } from '../base/limits.ts';
import { silentLog } from '../base/log.ts';
import { createPipeline } from './create-pipeline.ts';
import type { BackupResult, Pipeline, VerifyItem, VerifyRequest } from './pipeline.ts';
import { freeze } from './snapshot.fixture.ts';

const OWNER = {
  clusterUuid: '0f0e0d0c-0b0a-4908-8706-050403020100',
  tenantId: 1002,
  setUuid: '11111111-2222-4333-8444-555555555555',
};
const KEY = Buffer.alloc(32, 7);
const DIRECTORY = 'backup_set_1_full';
const never = new AbortController().signal;

let base: string;
let pipeline: Pipeline;
beforeAll(() => {
  pipeline = createPipeline({ log: silentLog, workers: 1 });
});
afterAll(() => pipeline[Symbol.asyncDispose]());
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'holdfast-verify-'));
});
afterEach(() => rm(base, { recursive: true, force: true }));

async function backUp(dataKey: Uint8Array | null): Promise<BackupResult> {
  const path = join(base, 'raw.db');
  await writeFile(path, randomBytes(5 * MIB));
  const { source } = await freeze(path, 4096);
  return await pipeline.backup({
    ...{ source, destination: { kind: 'file', path: base }, directory: DIRECTORY, owner: OWNER, dataKey },
    ...{ compressionLevel: 1, packBytesMax: 3 * MIB, workers: 1, onProgress: () => {}, signal: never },
  });
}

function itemsOf({ packs, blocks }: BackupResult, isOpened: boolean): VerifyItem[] {
  return packs.map(({ name, packNo, sizeBytes, checksum }) => {
    const object = { object: `${DIRECTORY}/${name}`, sizeBytes, checksum };
    if (!isOpened) return { kind: 'object', ...object };
    return { kind: 'pack', ...object, packNo, blocks: blocks.filter((block) => block.packNo === packNo).reverse() };
  });
}

const requestOf = (
  items: VerifyItem[],
  dataKey: Uint8Array | null,
  patch: Partial<VerifyRequest> = {},
): VerifyRequest => ({
  ...{ destination: { kind: 'file', path: base }, set: { owner: OWNER, dataKey }, items },
  ...{ onProgress: () => {}, signal: never, ...patch },
});
const CORRUPT = (object: string) =>
  expect.objectContaining({ errorName: 'BACKUP_DATA_CORRUPT', facts: expect.objectContaining({ object }) });

test.each([
  ['plain', null],
  ['encrypted', KEY],
])('%s packs pass, and every changed byte is found, opened or not', async (_how, dataKey) => {
  const result = await backUp(dataKey);
  expect(result.packs.length).toBeGreaterThan(1);
  let bytes = 0;
  const onProgress = (done: { bytes: number }) => {
    bytes = done.bytes;
  };
  expect(await pipeline.verify(requestOf(itemsOf(result, true), dataKey, { onProgress }))).toEqual(
    result.packs.map(() => null),
  );
  expect(bytes).toBe(result.packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  const [pack] = result.packs;
  const path = join(base, DIRECTORY, pack!.name);
  const whole = await readFile(path);
  const first = result.blocks.find(({ packNo }) => packNo === pack!.packNo)!;
  for (const at of [0, 20, first.offset, first.offset + 100, whole.length - 1]) {
    const damaged = Buffer.from(whole);
    damaged[at]! ^= 1;
    await writeFile(path, damaged);
    for (const isOpened of [true, false])
      await expect(pipeline.verify(requestOf(itemsOf(result, isOpened), dataKey)), `${at} ${isOpened}`).rejects.toEqual(
        CORRUPT(`${DIRECTORY}/${pack!.name}`),
      );
  }
  await writeFile(path, whole.subarray(0, -1));
  await expect(pipeline.verify(requestOf(itemsOf(result, false), dataKey))).rejects.toEqual(
    CORRUPT(`${DIRECTORY}/${pack!.name}`),
  );
  await rm(path);
  await expect(pipeline.verify(requestOf(itemsOf(result, false), dataKey))).rejects.toMatchObject({
    errorName: 'BACKUP_FILE_NOT_EXIST',
  });
});

test('a key that is not the key of the set opens nothing, though every byte is as it was', async () => {
  const result = await backUp(KEY);
  await expect(pipeline.verify(requestOf(itemsOf(result, true), Buffer.alloc(32, 8)))).rejects.toMatchObject({
    errorName: 'BACKUP_DATA_CORRUPT',
  });
  expect(await pipeline.verify(requestOf(itemsOf(result, false), null))).toHaveLength(result.packs.length);
});

test('nothing to read is fine, and what was cancelled before is not begun', async () => {
  expect(await pipeline.verify(requestOf([], null))).toEqual([]);
  const result = await backUp(null);
  const request = requestOf(itemsOf(result, false), null, { signal: AbortSignal.abort() });
  await expect(pipeline.verify(request)).rejects.toMatchObject({ errorName: 'CANCELED' });
});
