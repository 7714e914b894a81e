// Goal: a database that is replayed is at every moment the whole state of one step, for readers that are at work, across
// processes that are killed at any moment, and afterwards for whoever writes to it.
// Method: a second database makes the states; readers in processes of their own look without a pause; the replay is killed.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DatabaseSync } from '../../base/sqlite.ts';
import { PageMap, pageHash } from '../../format/page-map.ts';
import type { EngineTenant, Replay, ReplayState, ReplayStep } from '../engine-driver.ts';
import { openSqliteReplay } from './replay.ts';

const PAGE_BYTES = 1024;
const READER = fileURLToPath(new URL('replay.fixture.mjs', import.meta.url));
const SECOND_MS = 1000;

let dir: string;
let tenant: EngineTenant;
let source: DatabaseSync;
let step = 0;
const children: ChildProcess[] = [];
let replay: Replay | undefined;

const sourcePath = () => join(dir, 'source.db');
const location = () => join(dir, 'standby.db');
const seed = randomInt(2 ** 31);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'holdfast-replay-'));
  tenant = { tenantId: 1002, name: 't', mode: 'mysql', location: location(), isReadOnly: true, maxCpu: 1 };
  source = new DatabaseSync(sourcePath());
  source.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA journal_mode = WAL`);
  source.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, step INTEGER NOT NULL, text TEXT)');
  source.exec('CREATE INDEX by_text ON t (text)');
  step = 0;
  makeState(20);
  copyFileSync(sourcePath(), location());
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await replay?.close();
  source.close();
  rmSync(dir, { recursive: true, force: true });
});

/** The source's next state: all rows say so, and there are as many as asked for. @returns its pages */
function makeState(rows: number): Buffer {
  step++;
  source.exec('BEGIN');
  source.exec(`DELETE FROM t WHERE id > ${rows}`);
  const insert = source.prepare('INSERT OR REPLACE INTO t VALUES (?, ?, ?)');
  for (let id = 1; id <= rows; id++) insert.run(id, step, `${step} `.repeat(1 + ((id * step) % 90)));
  source.exec('COMMIT');
  if (step % 5 === 0) source.exec('VACUUM');
  source.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  return readFileSync(sourcePath());
}

const pageOf = (file: Buffer, pageNo: number) => file.subarray((pageNo - 1) * PAGE_BYTES, pageNo * PAGE_BYTES);

function mapOf(file: Buffer): PageMap {
  const hashes = Array.from({ length: file.length / PAGE_BYTES }, (_, at) => pageHash(pageOf(file, at + 1)));
  return new PageMap(PAGE_BYTES, BigUint64Array.from(hashes));
}

const foundMap = ({ pageSize, hashes }: ReplayState) => new PageMap(pageSize, hashes.slice());

/** The pages that lead from one state to another. */
function stepTo(target: Buffer, from: PageMap): ReplayStep {
  const pages = mapOf(target).changedSince(from);
  const pagesPath = join(dir, 'pages');
  writeFileSync(pagesPath, Buffer.concat([...pages].map((page) => pageOf(target, page))));
  return { pagesPath, pages, databasePages: target.length / PAGE_BYTES };
}

function startReader(): { bad: string[]; stop(): Promise<void>; looks: () => number } {
  const child = spawn(process.execPath, [READER, location(), String(seed + children.length)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
  });
  children.push(child);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const bad: string[] = [];
  let looks = 0;
  return {
    bad,
    looks: () => looks,
    async stop() {
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
      bad.push(...output.split('\n').filter((line) => line.startsWith('bad')));
      looks = Number(/done (\d+)/.exec(output)?.[1] ?? 0);
    },
  };
}

test('makes every state whole and at once for readers that are at work', async () => {
  replay = await openSqliteReplay(tenant, () => {});
  let map = foundMap(replay.found);
  expect(map.checksum).toBe(mapOf(readFileSync(sourcePath())).checksum);
  const readers = [startReader(), startReader()];
  for (let round = 0; round < 60; round++) {
    const target = makeState(1 + ((seed + round * 37) % 300));
    await replay.apply(stepTo(target, map));
    map = mapOf(target);
  }
  for (const reader of readers) await reader.stop();
  expect(readers.flatMap(({ bad }) => bad)).toEqual([]);
  for (const reader of readers) expect(reader.looks()).toBeGreaterThan(0);
  await replay.close();
  // Whoever opens it next, with its log or after SQLite took that in, finds the last state byte for byte.
  const db = new DatabaseSync(location());
  expect(db.prepare('SELECT max(step) AS step FROM t').get()).toEqual({ step });
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  expect(readFileSync(location()).equals(readFileSync(sourcePath()))).toBe(true);
  db.exec("INSERT INTO t VALUES (1000, 0, 'written')");
  expect(Object.values(db.prepare('PRAGMA integrity_check').get() as object)).toEqual(['ok']);
  db.close();
});

test(`keeps either the one state or the other when it is killed at any moment (seed ${seed})`, async () => {
  const readers = [startReader(), startReader()];
  let before = mapOf(readFileSync(sourcePath()));
  for (let round = 0; round < 7; round++) {
    replay = await openSqliteReplay(tenant, () => {});
    const found = foundMap(replay.found);
    expect(found.checksum).toBe(before.checksum);
    const target = makeState(1 + ((seed + round * 71) % 900));
    const applying = replay.apply(stepTo(target, found)).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, (seed >> (round % 16)) % 12));
    await replay.close();
    await applying;
    replay = await openSqliteReplay(tenant, () => {});
    const after = foundMap(replay.found);
    const wanted = mapOf(target);
    expect([before.checksum, wanted.checksum]).toContain(after.checksum);
    // The same step once more leads to its state from either.
    await replay.apply(stepTo(target, after));
    await replay.close();
    before = wanted;
  }
  for (const reader of readers) await reader.stop();
  expect(readers.flatMap(({ bad }) => bad)).toEqual([]);
});

test('takes in the log that it wrote once no reader needs it', async () => {
  replay = await openSqliteReplay(tenant, () => {});
  const reader = new DatabaseSync(location(), { readOnly: true });
  reader.exec('BEGIN');
  const seen = reader.prepare('SELECT max(step) AS step, count(*) AS n FROM t').get();
  let map = foundMap(replay.found);
  const advance = async () => {
    const target = makeState(3000 + step);
    await replay!.apply(stepTo(target, map));
    map = mapOf(target);
  };
  for (let round = 0; round < 30; round++) await advance();
  const held = statSync(`${location()}-wal`).size;
  expect(held).toBeGreaterThan(4 * 1024 * 1024);
  expect(reader.prepare('SELECT max(step) AS step, count(*) AS n FROM t').get()).toEqual(seen);
  reader.exec('COMMIT');
  expect(reader.prepare('SELECT max(step) AS step FROM t').get()).toEqual({ step });
  await advance();
  expect(statSync(`${location()}-wal`).size).toBe(0);
  await advance();
  expect(reader.prepare('SELECT max(step) AS step FROM t').get()).toEqual({ step });
  reader.close();
});

test(
  'refuses to go on over what somebody else has written',
  async () => {
    replay = await openSqliteReplay(tenant, () => {});
    const stranger = new DatabaseSync(location());
    stranger.exec("INSERT INTO t VALUES (5000, 0, 'stranger')");
    const next = stepTo(makeState(10), foundMap(replay.found));
    await expect(replay.apply(next)).rejects.toMatchObject({ errorName: 'ENGINE' });
    expect(stranger.prepare('SELECT text FROM t WHERE id = 5000').get()).toEqual({ text: 'stranger' });
    stranger.close();
    expect(existsSync(location())).toBe(true);
  },
  20 * SECOND_MS,
);
