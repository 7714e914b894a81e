// Goal: after a gap, the old round's end and one repairing commit make the present database, whatever happened between,
// and whatever interrupts it. Method: real databases changed while nobody captures; captures in this process.
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readKeptPageMap } from '../../format/kept-page-map.ts';
import { encodePageMap } from '../../format/page-map-file.ts';
import { type Scn, toScn } from '../../model/scn.ts';
import type { CaptureRequest } from '../engine-driver.ts';
import {
  type Application,
  checkChecksums,
  createDatabase,
  differences,
  type Image,
  MemoryArchive,
  makeDirectory,
  mapOf,
  OWNER,
  readLive,
  removeDirectory,
  replay,
  startApplication,
} from './capture.fixture.ts';
import { flagsOf, InProcessCaptures } from './capture-attach.fixture.ts';

const PREV_HASH = new Uint8Array(32).fill(7);
const BASE_SCN = toScn(1_700_000_000_000_000_000n);

let directory: string;
let path: string;
let pageMapPath: string;
let archive: MemoryArchive;
let application: Application;
const captures = new InProcessCaptures();

beforeEach(async () => {
  directory = makeDirectory();
  path = join(directory, 'data.db');
  pageMapPath = join(directory, 'base.map');
  createDatabase(path);
  archive = new MemoryArchive({ prevHash: PREV_HASH });
  application = await startApplication(path);
});
afterEach(async () => {
  await captures.closeAll();
  await application.kill();
  removeDirectory(directory);
});

const insertMany = (rows: number): Promise<void> =>
  application.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
    INSERT INTO data (g, body) SELECT i, randomblob(900) FROM n`);

/** What the round before left: its last state, and the page map of it. */
function rememberBase(scn: Scn = BASE_SCN): Image {
  const base = readLive(path, directory);
  const point = { roundId: OWNER.roundId, scn, map: mapOf(base) };
  const { clusterUuid, tenantId } = OWNER;
  writeFileSync(pageMapPath, encodePageMap(point, { clusterUuid, tenantId, setUuid: '' }, null));
  return base;
}

const attach = (over: Partial<CaptureRequest> = {}) =>
  captures.attach({ path, archive }, { afterScn: BASE_SCN, repair: { prevHash: PREV_HASH, pageMapPath }, ...over });

/** The base and everything in the archive must be the live database. */
async function expectExact(base: Image): Promise<void> {
  await captures.closeAll();
  const rebuilt = replay(base, BASE_SCN, archive.commits, archive.position!.scn);
  expect(differences(rebuilt, readLive(path, directory))).toEqual([]);
  expect(checkChecksums(base, BASE_SCN, archive.commits)).toEqual({ checked: archive.commits.length, wrong: [] });
}

it('makes one commit of what changed while nobody captured, in parts, and goes on behind it', async () => {
  await insertMany(300);
  const base = rememberBase();
  await insertMany(400);
  await application.exec('UPDATE data SET body = randomblob(700) WHERE id % 7 = 0; DELETE FROM data WHERE id > 650');
  await application.exec('PRAGMA wal_checkpoint(TRUNCATE); UPDATE state SET g = 3');
  const capture = await attach();
  const flags = flagsOf(archive.batches);
  expect([flags[0], flags[1], flags.at(-1)]).toEqual(['0>', '>0>', '>1']);
  expect(archive.batches.slice(0, -1).every(({ position }) => position.engine.length === 0)).toBe(true);
  expect(archive.commits.length).toBe(1);
  await insertMany(3);
  await capture.flush();
  expect(archive.commits.length).toBe(2);
  await expectExact(base);
});

it('shrinks a database that was vacuumed', async () => {
  await insertMany(500);
  const base = rememberBase();
  await application.exec('DELETE FROM data WHERE id > 20; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)');
  await attach();
  expect(archive.commits[0]!.databasePages).toBeLessThan(base.pages.length);
  await expectExact(base);
});

it('makes a commit without images when nothing differs', async () => {
  await insertMany(5);
  const base = rememberBase();
  await attach();
  expect(archive.batches).toMatchObject([{ batchNo: 1, commitCount: 1, pageCount: 0 }]);
  expect(archive.commits[0]!.checksum).toBe(mapOf(base).checksum);
  await expectExact(base);
});

it('lets commits wait that are made meanwhile', async () => {
  const base = rememberBase();
  await insertMany(400);
  let parts = 0;
  archive.beforeAccept = async () => {
    if (++parts === 2) await insertMany(200);
    if (parts === 3) await application.exec('PRAGMA wal_checkpoint(PASSIVE); UPDATE state SET g = 9');
  };
  const capture = await attach();
  await capture.flush();
  expect(parts).toBeGreaterThan(4);
  expect(archive.commits.length).toBe(3);
  await expectExact(base);
});

it('holds nothing while it waits for its turn, and repairs up to what is there then', async () => {
  const base = rememberBase();
  const giveBack = await captures.scans.take();
  const attaching = attach();
  await insertMany(200);
  await application.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  // Nobody reads an earlier state: the log could be emptied.
  expect(statSync(`${path}-wal`).size).toBe(0);
  await application.exec('UPDATE state SET g = 5');
  giveBack();
  await attaching;
  expect(archive.commits.length).toBe(1);
  await expectExact(base);
});

it('gives its turn back before its commit is durable', async () => {
  const base = rememberBase();
  await insertMany(200);
  let turns = 0;
  archive.beforeAccept = async () => {
    (await captures.scans.take())();
    turns++;
  };
  await attach();
  expect(turns).toBe(archive.batches.length);
  await expectExact(base);
});

it('begins anew when it was left between the parts', async () => {
  const base = rememberBase();
  await insertMany(400);
  let left = 3;
  const deliver: CaptureRequest['deliver'] = async (batch) => {
    if (left-- === 0) throw new Error('the server has gone');
    await archive.accept(batch);
  };
  await expect(attach({ deliver })).rejects.toThrow(/the server has gone/);
  await captures.closeAll();
  expect(flagsOf(archive.batches)).toEqual(['0>', '>0>', '>0>']);
  // What is in the round so far is void: the state moves on before the next try.
  await application.exec('DELETE FROM data WHERE id < 50; PRAGMA wal_checkpoint(TRUNCATE); UPDATE state SET g = 4');
  const position = archive.position!;
  await attach();
  expect(flagsOf(archive.batches)[3]).toBe('0>');
  expect(archive.commits.length).toBe(1);
  expect(archive.commits[0]!.scn).toBeGreaterThan(position.scn);
  await expectExact(base);
});

it('is over once its commit is whole: a later start goes on as any other', async () => {
  const base = rememberBase();
  await insertMany(100);
  const first = await attach();
  await first.stop();
  await first.closed;
  await insertMany(5);
  const second = await attach();
  await second.flush();
  expect(archive.commits.length).toBe(2);
  await second.stop();
  await captures.closeAll();
  expect(
    differences(replay(base, BASE_SCN, archive.commits, archive.position!.scn), readLive(path, directory)),
  ).toEqual([]);
});

it('refuses a base of another page size, a damaged one and a missing one', async () => {
  rememberBase();
  const other = join(directory, 'other.db');
  createDatabase(other, { pageSize: 1024 });
  const repair = { prevHash: PREV_HASH, pageMapPath };
  await expect(captures.attach({ path: other, archive }, { repair })).rejects.toThrow(/page size changed from 4096 to/);
  await captures.closeAll();
  writeFileSync(pageMapPath, 'something else');
  await expect(attach()).rejects.toThrow(/page map of the round before can not be read/);
  await captures.closeAll();
  const missing = { ...repair, pageMapPath: join(directory, 'missing') };
  await expect(attach({ repair: missing })).rejects.toThrow(/of the round before is gone/);
  expect(archive.batches).toEqual([]);
});

it('saves the page map where a resume finds the log, and knows it again after it', async () => {
  archive = new MemoryArchive();
  const own = join(directory, 'maps', 'own.map');
  const first = await attach({ repair: null, pageMapPath: own });
  await first.flush();
  expect(existsSync(own)).toBe(false);
  for (let i = 0; archive.commits.at(-1)?.checksum === undefined || archive.commits.at(-1)!.checksum === 0n; i++) {
    expect(i).toBeLessThan(200);
    await insertMany(1);
    await first.flush();
  }
  const position = await first.stop();
  await first.closed;
  const saved = await readKeptPageMap(own, OWNER);
  const live = mapOf(readLive(path, directory));
  expect(saved).toMatchObject({ roundId: OWNER.roundId, scn: position.scn });
  expect([saved!.map.checksum, saved!.map.pageCount]).toEqual([live.checksum, live.pageCount]);
  const second = await attach({ repair: null, pageMapPath: own });
  expect((await second.snapshot()).databaseChecksum).toBe(live.checksum);
  await insertMany(1);
  await second.flush();
  expect(archive.commits.at(-1)!.checksum).not.toBe(0n);
});
