// For tests of the capture: databases that other processes write, an archive in memory, and a small replayer that
// rebuilds the database at any scn from a snapshot and the batches, page by page.
import { type ChildProcess, fork, type StdioOptions, spawn } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert } from '../../base/assert.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { DatabaseSync, sqliteBindingPath } from '../../base/sqlite.ts';
import { verifyLogBatch } from '../../format/log-batch.ts';
import { decodeImageBlock } from '../../format/log-batch-table.ts';
import { NO_PAGE_HASH, PageMap, pageHash } from '../../format/page-map.ts';
import { type Scn, toScn } from '../../model/scn.ts';
import type { CapturedBatch, CaptureRequest, EngineTenant, LogPosition, Snapshot } from '../engine-driver.ts';
import { SqliteCaptureHosts } from './capture.ts';
import { lockBytePage } from './capture-page-map.ts';

export const OWNER = { clusterUuid: '5d0e3c54-32a3-4a0b-9a5c-6a8f6d4a1b10', tenantId: 1002, roundId: 1 };
/** A condition that other processes bring about is looked at so often before the test fails. */
export const WAIT = { timeout: 20_000, interval: 20 };
const FAR_SCN = toScn((1n << 63n) - 1n);

export const makeDirectory = (): string => mkdtempSync(join(tmpdir(), 'holdfast-capture-'));
export const removeDirectory = (path: string): void => rmSync(path, { recursive: true, force: true });

/** An empty database in WAL mode with the tables that the writer fills. Nothing keeps it open. */
export function createDatabase(path: string, options: { pageSize?: number } = {}): void {
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA page_size = ${options.pageSize ?? 4096}; PRAGMA journal_mode = WAL;
    CREATE TABLE marker (g INTEGER PRIMARY KEY, writer INTEGER, ns TEXT);
    CREATE TABLE state (id INTEGER PRIMARY KEY, g INTEGER); INSERT INTO state VALUES (1, 0);
    CREATE TABLE data (id INTEGER PRIMARY KEY, g INTEGER, body BLOB); CREATE INDEX data_g ON data (g);`);
  database.close();
}

export interface WriterOptions {
  path: string;
  seed: number;
  writer: number;
  autocheckpoint: number;
  synchronous: 'OFF' | 'NORMAL' | 'FULL';
  cachePages: number;
  rollbackPercent: number;
  rowsMax: number;
  bodyMax: number;
  vacuumOneIn: number;
  truncateOneIn: number;
  reconnectOneIn: number;
  pauseMs: number;
  /** After so many the writer rests. */
  commitsMax: number;
}

export interface WriterResult {
  committed: number;
  rolledBack: number;
  maxMs: number;
  p50: number;
  p99: number;
}

/** A writing process. */
export interface Writer {
  child: ChildProcess;
  stop(): Promise<WriterResult>;
  kill(): Promise<void>;
}

export async function startWriter(of: Partial<WriterOptions> & { path: string }): Promise<Writer> {
  const options: WriterOptions = {
    seed: 1,
    writer: 1,
    autocheckpoint: 1000,
    synchronous: 'NORMAL',
    cachePages: 0,
    rollbackPercent: 0,
    rowsMax: 5,
    bodyMax: 300,
    vacuumOneIn: 0,
    truncateOneIn: 0,
    reconnectOneIn: 0,
    pauseMs: 0,
    commitsMax: 1e9,
    ...of,
  };
  const script = fileURLToPath(new URL('./capture-writer.fixture.mjs', import.meta.url));
  const child = fork(script, [JSON.stringify(options)], {
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const done = new Promise<WriterResult>((resolve, reject) => {
    child.on('message', (message: { done?: WriterResult }) => message.done && resolve(message.done));
    void exited.then(() => reject(new Error('the writer ended early')));
  });
  done.catch(() => undefined);
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    void exited.then(() => reject(new Error('the writer did not start')));
  });
  return {
    child,
    async stop() {
      child.send('stop');
      const result = await done;
      await exited;
      return result;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** An application that does as it is told, in a process of its own: closing files here would drop its locks. */
export interface Application {
  exec(sql: string): Promise<void>;
  /** Closes the database, as an application that ends in order does. */
  close(): Promise<void>;
  kill(): Promise<void>;
}

const APPLICATION = `
const { DatabaseSync } = require(process.argv[1]);
const database = new DatabaseSync(process.argv[2], { timeout: 5000 });
process.on('message', (sql) => {
  let error = null;
  try {
    if (sql === null) database.close();
    else database.exec(sql);
  } catch (thrown) {
    error = String(thrown);
  }
  process.send({ error }, () => sql === null && process.disconnect());
});
`;

export async function startApplication(path: string): Promise<Application> {
  const options = { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] as StdioOptions };
  const child = spawn(process.execPath, ['-e', APPLICATION, sqliteBindingPath, path], options);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const exec = async (sql: string | null) => {
    const answered = new Promise<{ error: string | null }>((resolve, reject) => {
      child.once('message', (message) => resolve(message as { error: string | null }));
      void exited.then(() => reject(new Error('the application ended')));
    });
    child.send(sql as string);
    const { error } = await answered;
    if (error !== null) throw new Error(error);
  };
  await exec('SELECT 1');
  return {
    exec,
    async close() {
      await exec(null);
      await exited;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** A commit as it lies in the archive. */
interface ArchivedCommit {
  scn: Scn;
  databasePages: number;
  /** Of the whole database after it; 0 when the capture did not know it. */
  checksum: bigint;
  pages: Map<number, Buffer>;
}

/** Batches of one round in memory; every one is verified, byte for byte and link by link, as it arrives. */
export class MemoryArchive {
  readonly batches: CapturedBatch[] = [];
  readonly commits: ArchivedCommit[] = [];
  /** When each commit became durable, for lag figures. */
  readonly durableAtMs: number[] = [];
  #unfinished: ArchivedCommit | undefined;
  #checkpointScn: Scn = toScn(0n);
  /** What batch 1 continues. */
  readonly #prevHash: Uint8Array;

  constructor(of: { prevHash?: Uint8Array } = {}) {
    this.#prevHash = of.prevHash ?? new Uint8Array(32);
  }

  /** Called before a batch is taken; throws to refuse it. */
  beforeAccept: (batch: CapturedBatch) => void | Promise<void> = () => {};

  get position(): LogPosition | null {
    return this.batches.at(-1)?.position ?? null;
  }

  async accept(batch: CapturedBatch): Promise<void> {
    await this.beforeAccept(batch);
    const last = this.batches.at(-1);
    const expected = {
      owner: OWNER,
      batchNo: (last?.batchNo ?? 0) + 1,
      prevHash: last?.position.batchHash ?? this.#prevHash,
    };
    const { header, table } = verifyLogBatch(batch.bytes, expected, `batch ${batch.batchNo}`);
    assert(header.checkpointScn >= this.#checkpointScn, 'checkpoints ascend');
    assert(header.commitCount === 0 || header.firstScn > this.#checkpointScn, 'no commit below an earlier checkpoint');
    assert(Buffer.from(header.position).equals(batch.position.engine), 'the header has the position');
    this.#checkpointScn = header.checkpointScn;
    if (!header.isContinued) this.#unfinished = undefined;
    const images: Buffer[] = [];
    for (const block of table.blocks) {
      const stored = batch.bytes.subarray(block.offset, block.offset + block.storedBytes);
      const plain = decodeImageBlock(stored, block, 'batch');
      for (let i = 0; i < block.imageCount; i++)
        images.push(Buffer.from(plain.subarray(i * header.pageSize, (i + 1) * header.pageSize)));
    }
    for (const { scn, databasePages, checksum, firstImage, imageCount, isComplete } of table.commits) {
      const commit = this.#unfinished ?? { scn, databasePages, checksum, pages: new Map<number, Buffer>() };
      commit.checksum = checksum;
      assert(commit.scn === scn, 'the parts of a commit have one scn');
      for (let i = firstImage; i < firstImage + imageCount; i++) commit.pages.set(table.pages[i]!, images[i]!);
      this.#unfinished = isComplete ? undefined : commit;
      if (isComplete) {
        this.commits.push(commit);
        this.durableAtMs.push(systemClock.monotonicMs());
      }
    }
    this.batches.push(batch);
  }

  request(path: string, over: Partial<CaptureRequest> = {}): CaptureRequest {
    const tenant: EngineTenant = {
      tenantId: OWNER.tenantId,
      name: 't',
      mode: 'mysql',
      location: path,
      isReadOnly: false,
      maxCpu: 1,
    };
    return {
      tenant,
      owner: OWNER,
      resume: this.position,
      repair: null,
      pageMapPath: null,
      afterScn: this.position?.scn ?? toScn(0n),
      lagTargetMs: 0,
      cutScn: FAR_SCN,
      deliver: (batch) => this.accept(batch),
      onGap: (because) => {
        throw new Error(`gap: ${because}`);
      },
      ...over,
    };
  }
}

/** A database that an application writes, hosts to capture it, and the archive that they deliver to. */
export interface CaptureBench extends AsyncDisposable {
  directory: string;
  path: string;
  hosts: SqliteCaptureHosts;
  archive: MemoryArchive;
  application: Application;
}

export async function openCaptureBench(): Promise<CaptureBench> {
  const directory = makeDirectory();
  const path = join(directory, 'data.db');
  createDatabase(path);
  const hosts = new SqliteCaptureHosts({ log: silentLog });
  const application = await startApplication(path);
  return {
    ...{ directory, path, hosts, archive: new MemoryArchive(), application },
    async [Symbol.asyncDispose]() {
      await application.kill();
      await hosts[Symbol.asyncDispose]();
      removeDirectory(directory);
    },
  };
}

/** A database as pages: rebuilt, or read from a snapshot. */
export interface Image {
  pageSize: number;
  pages: Buffer[];
}

/** Reads a snapshot by the rule of its contract. */
export function readSnapshotPages(snapshot: Snapshot): Image {
  const { pageSize, pageCount, skipPage } = snapshot;
  const database = openSync(snapshot.databasePath, 'r');
  const wal = openSync(snapshot.walPath, 'r');
  try {
    const { ino, dev } = fstatSync(database, { bigint: true });
    assert(ino === snapshot.inode && dev === snapshot.device, 'the file is the one of the snapshot');
    const overlay = new Map<number, number>();
    for (let i = 0; i < snapshot.overlay.length; i += 2) overlay.set(snapshot.overlay[i]!, snapshot.overlay[i + 1]!);
    const fromFile = (page: number) => {
      const bytes = Buffer.alloc(pageSize);
      assert(readSync(database, bytes, 0, pageSize, (page - 1) * pageSize) === pageSize, `page ${page} is in the file`);
      return bytes;
    };
    const pages: Buffer[] = [];
    for (let page = 1; page <= pageCount; page++) {
      const frame = overlay.get(page);
      if (page === skipPage) pages.push(Buffer.alloc(pageSize));
      else if (frame === undefined) pages.push(fromFile(page));
      else {
        const bytes = Buffer.alloc(pageSize);
        readSync(wal, bytes, 0, pageSize, 32 + (frame - 1) * (pageSize + 24) + 24);
        pages.push(bytes);
      }
    }
    const header = Buffer.alloc(32);
    readSync(wal, header, 0, 32, 0);
    if (!header.equals(snapshot.walHeader)) for (const page of overlay.keys()) pages[page - 1] = fromFile(page);
    return { pageSize, pages };
  } finally {
    closeSync(database);
    closeSync(wal);
  }
}

/** The state at an scn: a base and every commit after it, newest image of each page. */
export function replay(base: Image, baseScn: Scn, commits: readonly ArchivedCommit[], scn: Scn): Image {
  const pages = [...base.pages];
  for (const commit of commits) {
    if (commit.scn <= baseScn || commit.scn > scn) continue;
    for (const [page, image] of commit.pages) pages[page - 1] = image;
    pages.length = commit.databasePages;
  }
  for (let i = 0; i < pages.length; i++) assert(pages[i], `page ${i + 1} is known`);
  return { pageSize: base.pageSize, pages };
}

/** The page map of a state, taken from its pages. */
export function mapOf({ pageSize, pages }: Image): PageMap {
  const skipPage = lockBytePage(pageSize, pages.length);
  const hashOf = (page: Buffer, i: number) => (i + 1 === skipPage ? NO_PAGE_HASH : pageHash(page));
  return new PageMap(pageSize, BigUint64Array.from(pages, hashOf));
}

/** Checks each commit's checksum, where it has one, against the pages of that state. */
export function checkChecksums(
  base: Image,
  baseScn: Scn,
  commits: readonly ArchivedCommit[],
): { checked: number; wrong: Scn[] } {
  const map = mapOf(base);
  const wrong: Scn[] = [];
  let checked = 0;
  for (const { scn, databasePages, checksum, pages } of commits) {
    if (scn <= baseScn) continue;
    const numbers = Uint32Array.from(pages.keys()).sort();
    map.apply({
      databasePages,
      pages: numbers,
      hashes: BigUint64Array.from(numbers, (page) => pageHash(pages.get(page)!)),
    });
    if (checksum === 0n) continue;
    checked++;
    if (checksum !== map.checksum) wrong.push(scn);
  }
  return { checked, wrong };
}

/** Numbers of pages that differ. */
export function differences(a: Image, b: Image): string[] {
  const found: string[] = [];
  if (a.pages.length !== b.pages.length) found.push(`${a.pages.length} against ${b.pages.length} pages`);
  for (let i = 0; i < Math.min(a.pages.length, b.pages.length); i++)
    if (!a.pages[i]!.equals(b.pages[i]!)) found.push(`page ${i + 1}`);
  return found;
}

/** The live database as SQLite itself sees it: a copy of its files, checkpointed. Nobody may have it open. */
export function readLive(path: string, directory: string): Image {
  const copy = join(directory, `live-${process.hrtime.bigint()}.db`);
  copyFileSync(path, copy);
  if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${copy}-wal`);
  const database = new DatabaseSync(copy);
  const pageSize = Number(Object.values(database.prepare('PRAGMA page_size').get() as object)[0]);
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
  const bytes = readFileSync(copy);
  rmSync(copy);
  const pages: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pageSize) pages.push(bytes.subarray(at, at + pageSize));
  return { pageSize, pages };
}

/** What a rebuilt database says of itself. */
export interface LogicalState {
  integrity: string;
  /** Commits 1 to `marker` are in it; -1 when there are holes. */
  marker: number;
  state: number;
}

export function logicalState(image: Image, directory: string): LogicalState {
  const path = join(directory, `check-${process.hrtime.bigint()}.db`);
  writeFileSync(path, Buffer.concat(image.pages));
  const database = new DatabaseSync(path);
  try {
    const value = (sql: string) => Object.values(database.prepare(sql).get() as object)[0];
    const count = Number(value('SELECT count(*) FROM marker'));
    const max = Number(value('SELECT coalesce(max(g), 0) FROM marker'));
    return {
      integrity: String(value('PRAGMA integrity_check')),
      marker: count === max ? max : -1,
      state: Number(value('SELECT g FROM state')),
    };
  } finally {
    database.close();
    for (const ending of ['', '-wal', '-shm']) rmSync(path + ending, { force: true });
  }
}
