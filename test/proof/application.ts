// A tenant's application as the proof sees it: processes that write, the log of what they have committed (the model that
// every restore is compared with), and copies of the live database that no process of ours opens with SQLite.
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DatabaseSync } from '../../src/base/sqlite.ts';
import { createDatabase, type NewDatabase } from './chain.ts';
import type { WriterOptions } from './writer.ts';

const WRITER = fileURLToPath(new URL('./writer.ts', import.meta.url));
const HOLD_WAIT_MS = 60_000;

/** What a writer knows of one commit. */
export interface LoggedCommit {
  begunMs: number;
  doneMs: number;
  digest: string;
}

/** A copy of the live database as it was after commit `n`, in one file. */
export interface LiveCopy {
  path: string;
  n: number;
  digest: string;
}

/** How one tenant's application behaves. */
export interface Behaviour {
  name: string;
  database: Omit<NewDatabase, 'nonce'>;
  writers: number;
  /** Its file is replaced by another now and then. */
  isReplaced?: boolean;
  options?: Partial<WriterOptions>;
}

const CALM = {
  ratePerSecond: 25,
  synchronous: 'NORMAL',
  autocheckpoint: 1000,
  truncateMs: 0,
  vacuumOneIn: 0,
  closeOneIn: 0,
  rollbackOneIn: 0,
} as const satisfies Partial<WriterOptions>;

/** What was committed, by life of the database (the nonce of its first link) and number. */
export class CommitModel {
  readonly #lives = new Map<string, Map<number, LoggedCommit>>();
  readonly #offsets = new Map<string, number>();
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Reads what the logs have got since the last time; a line that is being written waits for the next time. */
  refresh(): void {
    for (const name of readdirSync(this.#dir).filter((file) => file.endsWith('.commits'))) {
      const life = name.split('.')[0]!;
      const from = this.#offsets.get(name) ?? 0;
      const fd = openSync(join(this.#dir, name), 'r');
      const bytes = Buffer.alloc(Math.max(0, fstatSync(fd).size - from));
      readSync(fd, bytes, 0, bytes.length, from);
      closeSync(fd);
      const end = bytes.lastIndexOf('\n') + 1;
      this.#offsets.set(name, from + end);
      for (const line of bytes.toString('latin1', 0, end).split('\n')) if (line !== '') this.add(life, line);
    }
  }

  add(life: string, line: string): void {
    const [n, begunMs, doneMs, digest] = line.split(' ');
    const commits = this.#lives.get(life) ?? new Map<number, LoggedCommit>();
    this.#lives.set(life, commits);
    commits.set(Number(n), { begunMs: Number(begunMs), doneMs: Number(doneMs), digest: digest! });
  }

  /** undefined for a commit whose writer was killed before it could say so. */
  commit(life: string, n: number): LoggedCommit | undefined {
    return this.#lives.get(life)?.get(n);
  }

  knows(life: string): boolean {
    return this.#lives.has(life);
  }

  /** Number of the last commit of a life that was done at or before a moment; 0 for none. */
  committedBy(life: string, timeMs: number): number {
    let last = 0;
    for (const [n, { doneMs }] of this.#lives.get(life) ?? []) if (doneMs <= timeMs && n > last) last = n;
    return last;
  }

  get commitCount(): number {
    return [...this.#lives.values()].reduce((sum, commits) => sum + commits.size, 0);
  }
}

/** What the proof asks of an application, whether it writes to the file itself or through the server. */
export interface Application {
  readonly model: CommitModel;
  /** Nonce of the present life of the database. */
  readonly life: string;
  /** Nonce of the life that the database had at a moment. */
  lifeAt(ms: number): string;
  /**
   * Copies the live database while nobody can commit, and calls `whileHeld` before anybody can again.
   * @throws Error when the write lock can not be had
   */
  copyLive<T>(to: string, whileHeld: () => Promise<T>): Promise<{ copy: LiveCopy; result: T }>;
  stop(): Promise<void>;
}

/** Makes one file of the copy of a database and its WAL. */
export function foldWal(path: string): void {
  const db = new DatabaseSync(path);
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
}

/** Copies a database that nobody can write to now. Its checkpoints may go on: the WAL holds what they move. */
export function copyDatabase(from: string, to: string): void {
  copyFileSync(from, to);
  if (existsSync(`${from}-wal`)) copyFileSync(`${from}-wal`, `${to}-wal`);
}

interface WriterMessage {
  held?: { n: number; digest: string };
}

/** An application that opens its database file itself. */
export class FileApplication implements Application {
  readonly path: string;
  readonly behaviour: Behaviour;
  readonly model: CommitModel;
  readonly #dir: string;
  readonly #writers = new Map<number, ChildProcess>();
  /** The newest is the last. */
  readonly #lives: { nonce: string; sinceMs: number }[] = [];

  constructor(dir: string, behaviour: Behaviour) {
    this.path = join(dir, 'app.db');
    this.behaviour = behaviour;
    this.model = new CommitModel(dir);
    this.#dir = dir;
    this.#lives.push({ nonce: this.#create(this.path), sinceMs: 0 });
  }

  get life(): string {
    return this.#lives.at(-1)!.nonce;
  }

  lifeAt(ms: number): string {
    return (this.#lives.findLast(({ sinceMs }) => sinceMs <= ms) ?? this.#lives[0]!).nonce;
  }

  #create(path: string): string {
    const nonce = randomBytes(8);
    createDatabase(path, { ...this.behaviour.database, nonce });
    return nonce.toString('hex');
  }

  async start(): Promise<void> {
    for (let writer = 1; writer <= this.behaviour.writers; writer++) await this.#startWriter(writer);
  }

  async #startWriter(writer: number): Promise<void> {
    const logPath = join(this.#dir, `${this.life}.${writer}.commits`);
    const options: WriterOptions = { ...CALM, ...this.behaviour.options, path: this.path, logPath, writer };
    const child = fork(WRITER, [JSON.stringify(options)], {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#writers.set(writer, child);
    await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => {
        throw new Error(`writer ${writer} of ${this.behaviour.name} did not start`);
      }),
    ]);
  }

  /** kill -9 of one of the writers, and a new one in its place. */
  async killWriter(): Promise<void> {
    const [writer, child] = [...this.#writers][randomBytes(1)[0]! % this.#writers.size]!;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    await this.#startWriter(writer);
  }

  /** As someone does who restores a file by hand: everybody off, old files away, the other one under the same name. */
  async replaceFile(): Promise<void> {
    await this.stop();
    const other = join(this.#dir, 'other.db');
    const nonce = this.#create(other);
    for (const ending of ['-wal', '-shm']) rmSync(this.path + ending, { force: true });
    renameSync(other, this.path);
    this.#lives.push({ nonce, sinceMs: Date.now() });
    await this.start();
  }

  async copyLive<T>(to: string, whileHeld: () => Promise<T>): Promise<{ copy: LiveCopy; result: T }> {
    const child = this.#writers.get(1)!;
    const { n, digest } = await hold(child);
    try {
      copyDatabase(this.path, to);
      const result = await whileHeld();
      foldWal(to);
      return { copy: { path: to, n, digest }, result };
    } finally {
      const released = once(child, 'message');
      child.send('release');
      await released;
    }
  }

  async stop(): Promise<void> {
    const ended = [...this.#writers.values()].map((child) => once(child, 'exit'));
    for (const child of this.#writers.values()) child.send('stop');
    await Promise.all(ended);
    this.#writers.clear();
  }
}

async function hold(child: ChildProcess): Promise<{ n: number; digest: string }> {
  const signal = AbortSignal.timeout(HOLD_WAIT_MS);
  const answer = once(child, 'message', { signal });
  child.send('hold');
  const [{ held }] = (await answer) as [WriterMessage];
  if (!held) throw new Error('the writer answered something else');
  return held;
}
