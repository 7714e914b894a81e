import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isFailure } from '../base/errors.ts';
import { MIB } from '../base/limits.ts';
import { createLog, silentLog } from '../base/log.ts';
import { DatabaseSync } from '../base/sqlite.ts';
import type { Destination, DestinationSpec } from '../destination/destination.ts';
import { dropMemoryDestination } from '../destination/memory-destination.ts';
import { openDestinationSpec } from '../destination/open-destination.ts';
import { type BackupSetIndex, pagesPerBlock } from '../format/backup-set-index.ts';
import { addToRuns, entriesOf, liveRuns, type PageRun, successorIndex } from '../format/index-pages.ts';
import { encodeImageBlocks } from '../format/log-batch-table.ts';
import { pageHash } from '../format/page-map.ts';
import { xxh3 } from '../format/xxh3.ts';
import { createPipeline } from './create-pipeline.ts';
import type { BackupRequest, BackupResult, LogBlockItem, Pipeline, RestoreRequest, SetBlockItem } from './pipeline.ts';
import { type FrozenDatabase, freeze, makeDatabase } from './snapshot.fixture.ts';

const OWNER = {
  clusterUuid: '0f0e0d0c-0b0a-4908-8706-050403020100',
  tenantId: 1002,
  setUuid: '11111111-2222-4333-8444-555555555555',
};
const KEY = Buffer.alloc(32, 7);
const DIRECTORY = 'backup_set_1_full';
const named = (errorName: string) => expect.objectContaining({ errorName });
const CORRUPT = named('BACKUP_DATA_CORRUPT');
const noProgress = () => {};
const never = new AbortController().signal;

let base: string;
let pipeline: Pipeline;
let memoryIds: string[] = [];

beforeAll(() => {
  pipeline = createPipeline({ log: silentLog, workers: 2 });
});
afterAll(() => pipeline[Symbol.asyncDispose]());
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'holdfast-pipeline-'));
});
afterEach(async () => {
  await rm(base, { recursive: true, force: true });
  for (const id of memoryIds) dropMemoryDestination(id);
  memoryIds = [];
});

function memory(): DestinationSpec {
  const id = randomUUID();
  memoryIds.push(id);
  return { kind: 'memory', id };
}
const file = (): DestinationSpec => ({ kind: 'file', path: base });

function backupOf(
  frozen: FrozenDatabase,
  destination: DestinationSpec,
  change: Partial<BackupRequest> = {},
): BackupRequest {
  return {
    source: frozen.source,
    destination,
    directory: DIRECTORY,
    owner: OWNER,
    dataKey: KEY,
    compressionLevel: 1,
    packBytesMax: 64 * MIB,
    workers: 2,
    onProgress: noProgress,
    signal: never,
    ...change,
  };
}

/** Pages from `first` to `last`, both inclusive. */
const pagesFrom = (first: number, last: number): number[] =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);

/** Items that restore a whole set, without the pages that another source has or that are gone. */
function itemsOf(
  result: BackupResult,
  { pageSize, pageCount }: { pageSize: number; pageCount: number },
  without: readonly number[] = [],
): SetBlockItem[] {
  const perBlock = pagesPerBlock(pageSize);
  return result.blocks.flatMap((block) => {
    const firstPage = block.blockNo * perBlock + 1;
    const runs: PageRun[] = [];
    for (const page of pagesFrom(firstPage, Math.min(pageCount, firstPage + perBlock - 1)))
      if (!without.includes(page)) addToRuns(runs, page - firstPage, page);
    return runs.length > 0 ? [{ kind: 'set', setIndex: 0, block, runs }] : [];
  });
}

/** Hashes as the pipeline has to find them. */
function hashesOf(bytes: Buffer, { pageSize, skipPage }: { pageSize: number; skipPage: number }): BigUint64Array {
  return new BigUint64Array(bytes.length / pageSize).map((_, index) =>
    index + 1 === skipPage ? 0n : pageHash(bytes.subarray(index * pageSize, (index + 1) * pageSize)),
  );
}

function restoreOf(
  frozen: FrozenDatabase,
  backup: BackupRequest,
  result: BackupResult,
  change: Partial<RestoreRequest> = {},
): RestoreRequest {
  const { destination, directory, owner, dataKey } = backup;
  const { pageSize, pageCount, skipPage } = frozen.source;
  return {
    targetPath: join(base, `restored-${randomUUID()}.db`),
    pageSize,
    pageCount,
    skipPage,
    sets: [{ destination, directory, owner, dataKey }],
    logDestination: null,
    items: itemsOf(result, frozen.source, [skipPage]),
    workers: 2,
    onProgress: noProgress,
    signal: never,
    ...change,
  };
}

async function roundTrip(frozen: FrozenDatabase, backup: BackupRequest): Promise<BackupResult> {
  const result = await pipeline.backup(backup);
  const hashes = hashesOf(frozen.expected, frozen.source);
  expect(result.pageHashes).toEqual(hashes);
  const restore = restoreOf(frozen, backup, result);
  expect((await pipeline.restore(restore)).pageHashes).toEqual(hashes);
  const restored = await readFile(restore.targetPath);
  expect(restored.length).toBe(frozen.expected.length);
  expect(restored.equals(frozen.expected)).toBe(true);
  return result;
}

/** A database file that only the pipeline takes for one. */
async function rawDatabase(bytes: Buffer | number, pageSize = 4096): Promise<FrozenDatabase> {
  const path = join(base, 'raw.db');
  if (typeof bytes === 'number') {
    await writeFile(path, '');
    await truncate(path, bytes);
  } else {
    await writeFile(path, bytes);
  }
  if (typeof bytes !== 'number') return freeze(path, pageSize);
  const { dev: device, ino: inode } = await stat(path, { bigint: true });
  const [walPath, walHeader, overlay] = [`${path}-wal`, new Uint8Array(32), new Uint32Array(0)];
  const pageCount = bytes / pageSize;
  const source = { pageSize, pageCount, skipPage: 0, databasePath: path, walPath, device, inode, walHeader, overlay };
  return { source, expected: Buffer.alloc(0) };
}

async function replaceObject(destination: Destination, name: string, bytes: Uint8Array): Promise<void> {
  await destination.remove(name);
  await destination.put(name, bytes);
}

describe.each([
  ['worker processes', file],
  ['this process', memory],
])('backup and restore in %s', (_where, spec) => {
  it.each([
    ['encrypted', KEY],
    ['plain', null],
  ])('give every byte of a real database back, %s', async (_how, dataKey) => {
    const frozen = await makeDatabase(base, { pageSize: 4096, rowCount: 20_000, rowBytes: 300, hasWal: false });
    const result = await roundTrip(frozen, backupOf(frozen, spec(), { dataKey }));
    expect(result.inputBytes).toBe(frozen.expected.length);
    expect(result.outputBytes).toBe(result.packs.reduce((sum, pack) => sum + pack.sizeBytes, 0));
    expect(result.outputBytes).toBeLessThan(result.inputBytes);
  });

  it.each([512, 1024, 65536])('give a database with a WAL back, pages of %i bytes', async (pageSize) => {
    const frozen = await makeDatabase(base, { pageSize, rowCount: 6_000, rowBytes: 250, hasWal: true });
    const size = (await stat(frozen.source.databasePath)).size;
    expect(frozen.source.overlay.length).toBeGreaterThan(0);
    expect(size, 'the file is shorter than the frozen state').toBeLessThan(frozen.expected.length);
    expect(frozen.expected.length % MIB, 'the last block is not full').not.toBe(0);
    await roundTrip(frozen, backupOf(frozen, spec()));
  });

  it('names each pack with its size and hash, and rolls to the next when it is full', async () => {
    const frozen = await rawDatabase(randomBytes(10 * MIB));
    const backup = backupOf(frozen, spec(), { packBytesMax: 3 * MIB });
    const result = await roundTrip(frozen, backup);
    expect(result.packs.length).toBeGreaterThan(3);
    expect(result.packs.map((pack) => pack.packNo)).toEqual(result.packs.map((_, index) => index + 1));
    const destination = openDestinationSpec(backup.destination);
    for (const pack of result.packs) {
      const bytes = await destination.get(`${DIRECTORY}/${pack.name}`);
      expect(bytes.length).toBe(pack.sizeBytes);
      expect(bytes.length).toBeLessThanOrEqual(3 * MIB);
      expect(xxh3(bytes)).toEqual(pack.checksum);
    }
  });

  it('names a missing pack', async () => {
    const frozen = await rawDatabase(randomBytes(2 * MIB));
    const backup = backupOf(frozen, spec());
    const result = await pipeline.backup(backup);
    await openDestinationSpec(backup.destination).remove(`${DIRECTORY}/pack_1.obbak`);
    const restoring = pipeline.restore(restoreOf(frozen, backup, result));
    await expect(restoring).rejects.toThrowError(named('BACKUP_FILE_NOT_EXIST'));
    await expect(restoring).rejects.toThrowError('pack_1.obbak');
  });

  it('reports progress up to the whole', async () => {
    const frozen = await rawDatabase(randomBytes(12 * MIB));
    const seen: number[] = [];
    const backup = backupOf(frozen, spec(), { onProgress: (done) => seen.push(done.inputBytes) });
    const result = await pipeline.backup(backup);
    expect(seen.at(-1)).toBe(12 * MIB);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    const restored: number[] = [];
    await pipeline.restore(restoreOf(frozen, backup, result, { onProgress: (done) => restored.push(done.bytes) }));
    expect(restored.at(-1)).toBe(12 * MIB);
  });

  it('stores only the pages that are asked for, packed densely, and hashes them', async () => {
    const frozen = await rawDatabase(randomBytes(5 * MIB));
    const pages = Uint32Array.from([1, 3, ...pagesFrom(5, 300), 302, 700, 701, 1280]);
    const backup = backupOf(frozen, spec(), { pages });
    const result = await pipeline.backup(backup);
    expect(result.blocks.map(({ blockNo, plainBytes }) => [blockNo, plainBytes / 4096])).toEqual([
      [0, 256],
      [1, pages.length - 256],
    ]);
    const all = hashesOf(frozen.expected, frozen.source);
    expect(result.pageHashes).toEqual(new BigUint64Array(pages.length).map((_, index) => all[pages[index]! - 1]!));
    expect(result.inputBytes).toBe(pages.length * 4096);
    const none = await pipeline.backup({ ...backup, pages: new Uint32Array(0), directory: 'backup_set_2_inc' });
    const nothing = { pageHashes: new BigUint64Array(0), knownBlocks: 0, inputBytes: 0, outputBytes: 0 };
    expect(none).toEqual({ blocks: [], packs: [], ...nothing });
  });

  it('gives a database back from a full set and increments, each page from one of them', async () => {
    const [frozen, destination] = [await rawDatabase(randomBytes(5 * MIB)), spec()];
    const { pageSize, pageCount, skipPage } = frozen.source;
    const full = backupOf(frozen, destination);
    const result = await pipeline.backup(full);
    const entries = entriesOf(result.blocks, { pageSize, pages: null, source: 0 });
    let index: BackupSetIndex = { pageSize, pageCount, skipPage, sourceCount: 0, entries };
    const backups = [full];
    for (const step of [7, 5, 300]) {
      const pages = Uint32Array.from(pagesFrom(1, pageCount).filter((page) => page % step === 0));
      for (const page of pages) randomBytes(pageSize).copy(frozen.expected, (page - 1) * pageSize);
      await writeFile(frozen.source.databasePath, frozen.expected);
      const backup = backupOf(frozen, destination, {
        pages,
        directory: `backup_set_${step}_inc`,
        owner: { ...OWNER, setUuid: `${step}` },
        dataKey: step === 5 ? null : Buffer.alloc(32, step),
      });
      const { blocks } = await pipeline.backup(backup);
      backups.push(backup);
      const made = successorIndex(index, entriesOf(blocks, { pageSize, pages, source: 0 }), frozen.source);
      expect(made.usedPlaces).toEqual(pagesFrom(0, backups.length - 2));
      index = made.index;
    }
    const live = liveRuns(index);
    const items = index.entries.map((block, at): SetBlockItem => {
      return { kind: 'set', setIndex: block.source, block, runs: live[at]! };
    });
    const sets = backups.map(({ directory, owner, dataKey }) => ({ destination, directory, owner, dataKey }));
    const restore = restoreOf(frozen, full, result, { items, sets });
    const { pageHashes } = await pipeline.restore(restore);
    expect((await readFile(restore.targetPath)).equals(frozen.expected)).toBe(true);
    expect(pageHashes).toEqual(hashesOf(frozen.expected, frozen.source));
  });

  it('does not overwrite the packs of another backup', async () => {
    const frozen = await rawDatabase(randomBytes(MIB));
    const backup = backupOf(frozen, spec());
    await pipeline.backup(backup);
    await expect(pipeline.backup(backup)).rejects.toThrowError(named('ENTRY_EXISTS'));
  });
});

describe('reading a frozen state', () => {
  it('writes zeros for the page that is never read', async () => {
    const frozen = await rawDatabase(randomBytes(10 * 4096));
    frozen.source.skipPage = 7;
    frozen.expected.fill(0, 6 * 4096, 7 * 4096);
    await roundTrip(frozen, backupOf(frozen, memory()));
  });

  it('does not miss the page that is never read when the file ends before it', async () => {
    const frozen = await rawDatabase(randomBytes(10 * 4096));
    frozen.source.skipPage = 11;
    frozen.source.pageCount = 11;
    frozen.expected = Buffer.concat([frozen.expected, Buffer.alloc(4096)]);
    await roundTrip(frozen, backupOf(frozen, memory()));
  });

  it('reads from the file what a checkpoint has moved there, when the WAL was reset or removed', async () => {
    const shape = { pageSize: 4096, rowCount: 2_000, rowBytes: 250, hasWal: true };
    const frozen = await makeDatabase(base, shape);
    await writeFile(frozen.source.databasePath, frozen.expected);
    const wal = await readFile(frozen.source.walPath);
    wal.fill(0xee, 32);
    wal.writeUInt32BE(wal.readUInt32BE(12) + 1, 12);
    await writeFile(frozen.source.walPath, wal);
    await roundTrip(frozen, backupOf(frozen, memory()));
    await truncate(frozen.source.walPath, 0);
    await roundTrip(frozen, backupOf(frozen, memory()));
    await rm(frozen.source.walPath);
    await roundTrip(frozen, backupOf(frozen, memory()));
  });

  it.each([
    ['holds another page in a frame', 32, 'frame'],
    ['holds a frame of another generation', 40, 'frame'],
  ])('refuses a WAL that %s under the same header', async (_what, at, word) => {
    const frozen = await makeDatabase(base, { pageSize: 4096, rowCount: 2_000, rowBytes: 250, hasWal: true });
    const wal = await readFile(frozen.source.walPath);
    const frameNo = frozen.source.overlay[1]!;
    wal[at + (frameNo - 1) * (24 + 4096)]! ^= 1;
    await writeFile(frozen.source.walPath, wal);
    await expect(pipeline.backup(backupOf(frozen, memory()))).rejects.toThrowError(word);
  });

  it('refuses a file that ends too early, was replaced or is gone', async () => {
    const frozen = await rawDatabase(randomBytes(3 * MIB));
    const path = frozen.source.databasePath;
    await truncate(path, 2 * MIB + 100);
    await expect(pipeline.backup(backupOf(frozen, memory()))).rejects.toThrowError('ends before its page 513');
    await copyFile(path, `${path}2`);
    await rename(`${path}2`, path);
    const replaced = pipeline.backup(backupOf(frozen, file()));
    await expect(replaced).rejects.toThrowError('it was replaced');
    await expect(replaced).rejects.toThrowError(named('ENGINE'));
    await rm(path);
    await expect(pipeline.backup(backupOf(frozen, file()))).rejects.toThrowError(named('ENGINE'));
  });
});

describe('hashing a snapshot', () => {
  it.each([512, 4096, 65536])('finds what a backup finds, also in a WAL, pages of %i bytes', async (pageSize) => {
    const frozen = await makeDatabase(base, { pageSize, rowCount: 6_000, rowBytes: 250, hasWal: true });
    frozen.source.skipPage = 3;
    const hashes = await pipeline.hashPages({ source: frozen.source, workers: 2, signal: never });
    expect(hashes).toEqual(hashesOf(frozen.expected, frozen.source));
  });

  it('goes on over chunks and the page that the file lacks, and stops when it is cancelled', async () => {
    const frozen = await rawDatabase(randomBytes(20 * MIB));
    frozen.source.pageCount += 1;
    const request = { source: frozen.source, workers: 2, signal: never };
    await expect(pipeline.hashPages(request)).rejects.toThrowError('ends before its page 5121');
    frozen.source.skipPage = 5121;
    const expected = Buffer.concat([frozen.expected, Buffer.alloc(4096)]);
    expect(await pipeline.hashPages(request)).toEqual(hashesOf(expected, frozen.source));
    const cancelled = pipeline.hashPages({ ...request, signal: AbortSignal.abort() });
    await expect(cancelled).rejects.toThrowError(named('CANCELED'));
  });
});

describe('pages of an increment', () => {
  it.each([
    ['a page twice', [3, 3]],
    ['pages out of order', [4, 3]],
    ['page 0', [0, 1]],
    ['a page past the end', [11]],
    ['the page that is never read', [7]],
  ])('may not be %s', async (_what, pages) => {
    const frozen = await rawDatabase(randomBytes(10 * 4096));
    frozen.source.skipPage = 7;
    const backup = backupOf(frozen, memory(), { pages: Uint32Array.from(pages) });
    await expect(pipeline.backup(backup)).rejects.toThrowError('is one to be stored');
  });

  it('are read from the WAL and from the file that a checkpoint has changed', async () => {
    const frozen = await makeDatabase(base, { pageSize: 4096, rowCount: 4_000, rowBytes: 250, hasWal: true });
    const { pageCount, databasePath, walPath } = frozen.source;
    const pages = Uint32Array.from(pagesFrom(1, pageCount).filter((page) => page % 3 !== 0));
    const all = hashesOf(frozen.expected, frozen.source);
    const expected = new BigUint64Array(pages.length).map((_, index) => all[pages[index]! - 1]!);
    const before = await pipeline.backup(backupOf(frozen, memory(), { pages }));
    expect(before.pageHashes).toEqual(expected);
    await writeFile(databasePath, frozen.expected);
    await rm(walPath);
    const after = await pipeline.backup(backupOf(frozen, memory(), { pages }));
    expect(after.pageHashes).toEqual(expected);
  });
});

describe('damage', () => {
  it.each([
    ['encrypted', KEY],
    ['plain', null],
  ])('is found at every byte and every length of a small pack, %s', async (_how, dataKey) => {
    const bytes = Buffer.concat([Buffer.from('holdfast '.repeat(100)), randomBytes(300)]).subarray(0, 1024);
    const frozen = await rawDatabase(bytes, 512);
    const backup = backupOf(frozen, memory(), { dataKey });
    const result = await pipeline.backup(backup);
    const destination = openDestinationSpec(backup.destination);
    const name = `${DIRECTORY}/pack_1.obbak`;
    const pack = await destination.get(name);
    const accepted: string[] = [];
    const tryPack = async (what: string, changed: Uint8Array) => {
      await replaceObject(destination, name, changed);
      const restore = restoreOf(frozen, backup, result);
      const error = await pipeline.restore(restore).catch((caught: unknown) => caught);
      if (!isFailure(error, 'BACKUP_DATA_CORRUPT')) accepted.push(`${what}: ${error}`);
      await rm(restore.targetPath);
    };
    for (let at = 0; at < pack.length; at++) {
      const flipped = pack.slice();
      flipped[at]! ^= 1 << (at % 8);
      await tryPack(`byte ${at}`, flipped);
    }
    for (let length = 0; length < pack.length; length += 7) await tryPack(`cut to ${length}`, pack.slice(0, length));
    await tryPack('cut by one', pack.slice(0, -1));
    expect(accepted).toEqual([]);
  });

  it.each([
    ['tenant', { tenantId: 1004 }],
    ['cluster', { clusterUuid: '99999999-0b0a-4908-8706-050403020100' }],
    ['set', { setUuid: '99999999-2222-4333-8444-555555555555' }],
  ])('is what a pack of another %s is', async (_what, change) => {
    const frozen = await rawDatabase(randomBytes(4096));
    for (const dataKey of [KEY, null]) {
      const backup = backupOf(frozen, memory(), { dataKey });
      const result = await pipeline.backup(backup);
      const other = { ...backup, owner: { ...OWNER, ...change } };
      await expect(pipeline.restore(restoreOf(frozen, other, result))).rejects.toThrowError('another set');
    }
  });

  it('is what swapped packs, swapped blocks and another key are', async () => {
    const frozen = await rawDatabase(randomBytes(2 * MIB));
    const backup = backupOf(frozen, memory(), { packBytesMax: MIB + 500 });
    const result = await pipeline.backup(backup);
    const destination = openDestinationSpec(backup.destination);
    const [one, two] = [`${DIRECTORY}/pack_1.obbak`, `${DIRECTORY}/pack_2.obbak`];
    const otherKey = { ...backup, dataKey: Buffer.alloc(32, 8) };
    await expect(pipeline.restore(restoreOf(frozen, otherKey, result))).rejects.toThrowError(CORRUPT);
    const plain = { ...backup, dataKey: null };
    await expect(pipeline.restore(restoreOf(frozen, plain, result))).rejects.toThrowError(CORRUPT);
    const [first, second] = result.blocks as [BackupResult['blocks'][0], BackupResult['blocks'][0]];
    const swapped = {
      ...result,
      blocks: [
        { ...second, blockNo: 0 },
        { ...first, blockNo: 1 },
      ],
    };
    await expect(pipeline.restore(restoreOf(frozen, backup, swapped))).rejects.toThrowError(CORRUPT);
    const [a, b] = [await destination.get(one), await destination.get(two)];
    await replaceObject(destination, one, b);
    await replaceObject(destination, two, a);
    await expect(pipeline.restore(restoreOf(frozen, backup, result))).rejects.toThrowError('instead of 1');
  });

  it('is named also when a worker process finds it', async () => {
    const frozen = await rawDatabase(randomBytes(3 * MIB));
    const backup = backupOf(frozen, file());
    const result = await pipeline.backup(backup);
    const name = `${DIRECTORY}/${result.packs[0]!.name}`;
    const destination = openDestinationSpec(backup.destination);
    const bytes = await destination.get(name);
    bytes[5000]! ^= 1;
    await replaceObject(destination, name, bytes);
    const restoring = pipeline.restore(restoreOf(frozen, backup, result));
    await expect(restoring).rejects.toThrowError(CORRUPT);
    await expect(restoring).rejects.toThrowError(name);
  });
});

describe('restoring set and log together', () => {
  /** A set of three blocks, and images of some of its pages and of pages past its end in one log block. */
  async function setAndLog(spec: DestinationSpec) {
    const frozen = await rawDatabase(randomBytes(2 * MIB + 40 * 4096));
    const backup = backupOf(frozen, spec);
    const result = await pipeline.backup(backup);
    const changed = [3, 4, 5, 300, 552, 553, 554];
    const images = changed.map(() => randomBytes(4096));
    const [block] = encodeImageBlocks(images, 4096, 1);
    const stored = block!.stored;
    const object = 'piece_d1001r1p1/logstream_1/log/1.obarc';
    await openDestinationSpec(spec).put(object, Buffer.concat([Buffer.alloc(777), stored]));
    const checksum = new Uint8Array(block!.entry.subarray(16, 32));
    const pairs = changed.map((page, index): [number, number] => [index, page]);
    const plainBytes = images.length * 4096;
    const log: LogBlockItem = {
      kind: 'log',
      object,
      offset: 777,
      storedBytes: stored.length,
      plainBytes,
      checksum,
      seal: null,
      images: pairs,
    };
    const source = { pageSize: 4096, pageCount: 554 };
    const items = itemsOf(result, frozen.source, changed);
    const expected = Buffer.concat([frozen.expected, Buffer.alloc(2 * 4096)]);
    for (const [index, page] of pairs) images[index]!.copy(expected, (page - 1) * 4096);
    const restore = restoreOf(frozen, backup, result, { ...source, logDestination: spec, items: [log, ...items] });
    return { restore, expected, log, items, object };
  }

  it.each([
    ['worker processes', file],
    ['this process', memory],
  ])('writes each page from the newest source, in %s', async (_where, spec) => {
    const { restore, expected } = await setAndLog(spec());
    const { pageHashes } = await pipeline.restore(restore);
    expect(pageHashes).toEqual(hashesOf(expected, restore));
    expect((await readFile(restore.targetPath)).equals(expected)).toBe(true);
  });

  it('writes a set into a smaller target', async () => {
    const frozen = await rawDatabase(randomBytes(2 * MIB));
    const backup = backupOf(frozen, memory());
    const result = await pipeline.backup(backup);
    const smaller = { pageSize: 4096, pageCount: 300 };
    const items = itemsOf(result, smaller);
    const restore = restoreOf(frozen, backup, result, { ...smaller, items });
    await pipeline.restore(restore);
    expect((await readFile(restore.targetPath)).equals(frozen.expected.subarray(0, 300 * 4096))).toBe(true);
  });

  it('names the segment when an image block is damaged or missing', async () => {
    const { restore, log, items, object } = await setAndLog(memory());
    const damaged = { ...log, checksum: new Uint8Array(16) };
    await expect(pipeline.restore({ ...restore, items: [damaged, ...items] })).rejects.toThrowError(object);
    const cut = { ...log, offset: log.offset + 1 };
    await rm(restore.targetPath);
    await expect(pipeline.restore({ ...restore, items: [cut, ...items] })).rejects.toThrowError(CORRUPT);
    const huge = { ...log, storedBytes: 2 ** 40 };
    await rm(restore.targetPath);
    await expect(pipeline.restore({ ...restore, items: [huge, ...items] })).rejects.toThrowError(CORRUPT);
    const missing = { ...log, object: 'piece_d1001r1p1/logstream_1/log/2.obarc' };
    await rm(restore.targetPath);
    const restoring = pipeline.restore({ ...restore, items: [missing, ...items] });
    await expect(restoring).rejects.toThrowError(named('BACKUP_FILE_NOT_EXIST'));
  });

  it('refuses a plan that writes a page twice, leaves one out or leaves the target', async () => {
    const { restore, log, items } = await setAndLog(memory());
    const attempt = async (change: Partial<RestoreRequest>) => {
      await pipeline.restore({ ...restore, targetPath: join(base, randomUUID()), ...change });
    };
    await expect(attempt({ items: [log, log, ...items] })).rejects.toThrowError('page 3 of the target is planned once');
    await expect(attempt({ items })).rejects.toThrowError('page 3 of the target is planned');
    await expect(attempt({ pageCount: 553 })).rejects.toThrowError('are in the target');
    await expect(attempt({ skipPage: 6, items: [log, ...items] })).rejects.toThrowError(
      'page 6 of the target is never',
    );
    const [first, ...others] = items as [SetBlockItem, ...SetBlockItem[]];
    const past = { ...first, runs: first.runs.map(([index, page, count]): PageRun => [index + 250, page, count]) };
    await expect(attempt({ items: [log, past, ...others] })).rejects.toThrowError('pages that the block has');
    const before = { ...first, runs: first.runs.map(([index, page, count]): PageRun => [index - 1, page, count]) };
    await expect(attempt({ items: [log, before, ...others] })).rejects.toThrowError('pages that the block has');
    const otherSet = { ...first, setIndex: 1 };
    await expect(attempt({ items: [log, otherSet, ...others] })).rejects.toThrowError('has a set 1');
  });

  it('does not touch a target that exists, and makes one that only the server may read', async () => {
    const { restore } = await setAndLog(memory());
    await writeFile(restore.targetPath, 'precious');
    await expect(pipeline.restore(restore)).rejects.toThrowError(named('ENTRY_EXISTS'));
    expect(await readFile(restore.targetPath, 'utf8')).toBe('precious');
    await rm(restore.targetPath);
    await pipeline.restore(restore);
    expect((await stat(restore.targetPath)).mode & 0o777).toBe(0o600);
  });
});

describe('worker processes', () => {
  /** A pipeline of its own whose worker pids are known. */
  function observed(workers = 2) {
    const pids: number[] = [];
    const log = createLog('debug', (line) => {
      const event = JSON.parse(line) as { event: string; pid: number };
      if (event.event === 'pipeline worker started') pids.push(event.pid);
    });
    return { own: createPipeline({ log, workers }), pids };
  }
  const isAlive = (pid: number) => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };

  it('one killed in the middle fails the backup with a clear error, and the next backup works', async () => {
    const { own, pids } = observed();
    await using _ = own;
    const frozen = await rawDatabase(512 * MIB);
    const onProgress = () => process.kill(pids[0]!, 'SIGKILL');
    const failing = own.backup(backupOf(frozen, file(), { onProgress }));
    await expect(failing).rejects.toThrowError(named('WORKER_LOST'));
    await expect(failing).rejects.toThrowError('SIGKILL');
    expect(pids.map(isAlive)).toEqual([false, false]);
    const destination = openDestinationSpec(file());
    expect(await destination.list(DIRECTORY)).toEqual([]);
    await destination.removeAll(DIRECTORY);
    const small = await rawDatabase(randomBytes(MIB));
    await own.backup(backupOf(small, file()));
  });

  it('make way for an application while they back up, and for none while they restore', async () => {
    const { own, pids } = observed();
    await using _ = own;
    const frozen = await rawDatabase(randomBytes(32 * MIB));
    const backup = backupOf(frozen, file());
    const result = await own.backup(backup);
    const ours = getPriority();
    expect(pids.map((pid) => getPriority(pid))).toEqual([19, 19]);
    await own.restore(restoreOf(frozen, backup, result));
    expect(pids).toHaveLength(4);
    expect(pids.slice(2).map((pid) => getPriority(pid) - ours)).toEqual([0, 0]);
  });

  it('one killed in the middle fails the restore', async () => {
    const { own, pids } = observed();
    await using _ = own;
    const frozen = await rawDatabase(512 * MIB);
    const backup = backupOf(frozen, file());
    const result = await own.backup(backup);
    const onProgress = () => process.kill(pids.at(-1)!, 'SIGKILL');
    const restoring = own.restore(restoreOf(frozen, backup, result, { onProgress }));
    await expect(restoring).rejects.toThrowError(named('WORKER_LOST'));
  });

  it.each([
    ['worker processes', file],
    ['this process', memory],
  ])('a cancelled backup ends at once and leaves nothing but temporary objects, in %s', async (_where, spec) => {
    const { own, pids } = observed();
    await using _ = own;
    const frozen = await rawDatabase(512 * MIB);
    const controller = new AbortController();
    let blocks = 0;
    const onProgress = (done: { blocks: number }) => {
      blocks = done.blocks;
      controller.abort();
    };
    const backup = backupOf(frozen, spec(), { onProgress, signal: controller.signal });
    await expect(own.backup(backup)).rejects.toThrowError(named('CANCELED'));
    expect(blocks).toBeLessThan(512);
    expect(pids.map(isAlive)).toEqual(pids.map(() => false));
    const destination = openDestinationSpec(backup.destination);
    expect(await destination.list('')).toEqual([{ name: 'raw.db', sizeBytes: 512 * MIB }].slice(spec === file ? 0 : 1));
  });

  it('a cancelled restore ends at once', async () => {
    const frozen = await rawDatabase(512 * MIB);
    for (const spec of [file(), memory()]) {
      const backup = backupOf(frozen, spec);
      const result = await pipeline.backup(backup);
      const controller = new AbortController();
      const change = { onProgress: () => controller.abort(), signal: controller.signal };
      const restoring = pipeline.restore(restoreOf(frozen, backup, result, change));
      await expect(restoring).rejects.toThrowError(named('CANCELED'));
    }
  });

  it('nothing is begun for a request that was cancelled before', async () => {
    const { own, pids } = observed();
    await using _ = own;
    const frozen = await rawDatabase(randomBytes(MIB));
    const signal = AbortSignal.abort();
    await expect(own.backup(backupOf(frozen, file(), { signal }))).rejects.toThrowError(named('CANCELED'));
    await expect(own.backup(backupOf(frozen, memory(), { signal }))).rejects.toThrowError(named('CANCELED'));
    expect(pids).toEqual([]);
  });

  it('are kept for the next job, shared by jobs that wait, and gone after closing', async () => {
    const { own, pids } = observed(1);
    const frozen = await rawDatabase(randomBytes(9 * MIB));
    const jobs = ['backup_set_1_full', 'backup_set_2_full', 'backup_set_3_full'];
    await Promise.all(jobs.map((directory) => own.backup(backupOf(frozen, file(), { directory }))));
    expect(pids).toHaveLength(1);
    const controller = new AbortController();
    const running = own.backup(backupOf(frozen, file(), { directory: 'backup_set_4_full' }));
    const waiting = own.backup(backupOf(frozen, file(), { directory: 'backup_set_5_full', signal: controller.signal }));
    controller.abort();
    await expect(waiting).rejects.toThrowError(named('CANCELED'));
    await running;
    await own[Symbol.asyncDispose]();
    expect(pids.map(isAlive)).toEqual([false]);
    await expect(own.backup(backupOf(frozen, file(), { directory: 'x' }))).rejects.toThrowError(named('CANCELED'));
  });

  it('never load SQLite, and get no key by argument or environment', async () => {
    const { own, pids } = observed(1);
    await using _ = own;
    const frozen = await rawDatabase(randomBytes(9 * MIB));
    let maps = '';
    let command = '';
    const onProgress = () => {
      if (maps) return;
      const read = (name: string) => readFileSync(`/proc/${pids[0]}/${name}`, 'latin1');
      [maps, command] = [read('maps'), `${read('cmdline')}${read('environ')}`];
    };
    await own.backup(backupOf(frozen, file(), { onProgress }));
    expect(maps).toContain('zstd');
    expect(maps).not.toMatch(/sqlite/i);
    expect(command).not.toContain(KEY.toString('hex'));
  });
});

describe('a restored database', () => {
  it('is one for SQLite: every row is there', async () => {
    const frozen = await makeDatabase(base, { pageSize: 4096, rowCount: 5_000, rowBytes: 200, hasWal: true });
    const backup = backupOf(frozen, file());
    const restore = restoreOf(frozen, backup, await pipeline.backup(backup));
    await pipeline.restore(restore);
    const rows = (path: string) => {
      const database = new DatabaseSync(path);
      try {
        expect(database.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
        return database.prepare('SELECT count(*) AS n, sum(length(body)) AS bytes, max(id) AS last FROM t').get();
      } finally {
        database.close();
      }
    };
    expect(rows(restore.targetPath)).toEqual(rows(join(base, 'original.db')));
  });

  it('lies on the disk with its size even when it ends in zeros', async () => {
    const frozen = await rawDatabase(Buffer.concat([randomBytes(4096), Buffer.alloc(3 * 4096)]));
    await roundTrip(frozen, backupOf(frozen, memory()));
  });

  it('takes no room for pages of zeros, wherever they are', async () => {
    const zeros = Buffer.alloc(2 * MIB);
    const frozen = await rawDatabase(Buffer.concat([randomBytes(8192), zeros, randomBytes(4096), zeros]));
    const backup = backupOf(frozen, file());
    const restore = restoreOf(frozen, backup, await roundTrip(frozen, backup));
    await pipeline.restore(restore);
    expect((await stat(restore.targetPath)).blocks * 512).toBeLessThan(MIB);
  });
});
