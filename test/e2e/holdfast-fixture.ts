// A real server (the built one) in a directory of its own, for tests that speak to it over the wire.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import mysql, { type Connection } from 'mysql2/promise';
import { DatabaseSync } from '../../src/base/sqlite.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const CLI = join(root, 'dist', 'cli.js');
const WRITER = join(root, 'test', 'e2e', 'writer.mjs');
const READY = /holdfast ready: mysql (\S+):(\d+)/;
const START_TIMEOUT_MS = 30_000;
const WAIT_TIMEOUT_MS = 60_000;

export type Row = Record<string, string | null>;

export interface ClientError extends Error {
  errno: number;
  sqlState: string;
  sqlMessage: string;
}

/** One statement's rows as objects of texts. */
export async function query(connection: Connection, sql: string): Promise<Row[]> {
  const [rows] = await connection.query(sql);
  return Array.isArray(rows) ? (rows as Row[]) : [];
}

/** The error of a statement that must fail. */
export async function failure(work: Promise<unknown>): Promise<ClientError> {
  try {
    await work;
  } catch (error) {
    return error as ClientError;
  }
  throw new Error('this should have failed');
}

/** Number and first line of the error of a statement that must fail. */
export async function fails(connection: Connection, sql: string): Promise<string> {
  const { errno, sqlMessage } = await failure(connection.query(sql));
  return `${errno} ${sqlMessage.split('\n')[0]}`;
}

/** Polls until `isDone`; the last rows are in the error when it never is. */
export async function waitFor(connection: Connection, sql: string, isDone: (rows: Row[]) => boolean): Promise<Row[]> {
  for (let waitedMs = 0; ; waitedMs += 50) {
    const rows = await query(connection, sql);
    if (isDone(rows)) return rows;
    if (waitedMs > WAIT_TIMEOUT_MS) throw new Error(`still waiting: ${sql}\n${JSON.stringify(rows, null, 1)}`);
    await sleep(50);
  }
}

export class HoldfastFixture implements AsyncDisposable {
  readonly dir: string;
  port = 0;
  #server: ChildProcess | undefined;
  #output = '';
  readonly #connections: Connection[] = [];
  readonly #children: ChildProcess[] = [];

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async start(args: string[] = []): Promise<HoldfastFixture> {
    if (!existsSync(CLI)) throw new Error('dist/cli.js is missing: npm run build first');
    const fixture = new HoldfastFixture(mkdtempSync(join(tmpdir(), 'holdfast-e2e-')));
    await fixture.startServer(args);
    return fixture;
  }

  /**
   * A server on a copy of another one's data directory, as if the machine had been copied: its tenants' databases are the
   * copies. The other server is stopped.
   */
  static async startCopy(of: HoldfastFixture): Promise<HoldfastFixture> {
    const fixture = new HoldfastFixture(mkdtempSync(join(tmpdir(), 'holdfast-e2e-')));
    cpSync(of.dataDir, fixture.dataDir, { recursive: true });
    const store = new DatabaseSync(join(fixture.dataDir, 'holdfast.db'));
    store.prepare('UPDATE tenant SET location = replace(location, ?, ?)').run(of.dataDir, fixture.dataDir);
    store.close();
    await fixture.startServer();
    return fixture;
  }

  get dataDir(): string {
    return join(this.dir, 'data');
  }

  /** Everything the server printed so far. */
  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.#server?.pid ?? 0;
  }

  path(...parts: string[]): string {
    return join(this.dir, ...parts);
  }

  uri(...parts: string[]): string {
    return `file://${this.path(...parts)}`;
  }

  async startServer(args: string[] = []): Promise<void> {
    const all = [
      CLI,
      'serve',
      '--data-dir',
      this.dataDir,
      '--port',
      String(this.port),
      '--time-zone',
      '+08:00',
      ...args,
    ];
    const server = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#server = server;
    let started = '';
    for (const stream of [server.stdout, server.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => {
        this.#output += text;
        started += text;
      });
    }
    for (let waitedMs = 0; !READY.test(started); waitedMs += 20) {
      if (server.exitCode !== null || waitedMs > START_TIMEOUT_MS)
        throw new Error(`the server did not start:\n${started}`);
      await sleep(20);
    }
    this.port = Number(READY.exec(started)![2]);
  }

  async login(user: string, password = '', options: Partial<mysql.ConnectionOptions> = {}): Promise<Connection> {
    const connection = await mysql.createConnection({
      host: '127.0.0.1',
      port: this.port,
      user,
      password,
      supportBigNumbers: true,
      bigNumberStrings: true,
      dateStrings: true,
      ...options,
    });
    connection.on('error', () => {});
    this.#connections.push(connection);
    return connection;
  }

  /** SIGKILL, as a crash: nothing is closed. */
  async kill(): Promise<void> {
    const server = this.#server;
    if (!server || server.exitCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  }

  /** SIGTERM. @returns the exit code */
  async stop(): Promise<number | null> {
    const server = this.#server;
    if (!server || server.exitCode !== null || server.signalCode !== null) return server?.exitCode ?? null;
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    await ended;
    return server.exitCode;
  }

  /** A process of its own that writes to a SQLite file: see writer.mjs. */
  async startWriter(database: string, options: Record<string, string | number> = {}): Promise<Writer> {
    const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
    const child = spawn(process.execPath, [WRITER, database, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#children.push(child);
    const writer = new Writer(child);
    await writer.ready;
    return writer;
  }

  /** The server's log as parsed events. */
  events(): Array<Record<string, unknown>> {
    return this.#output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    for (const child of this.#children) child.kill('SIGKILL');
    await this.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A running writer: what it has committed, and when. */
export class Writer {
  readonly ready: Promise<void>;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  /** Number of the last commit that the writer knows is done. */
  committed = 0;
  readonly #commits: Array<[number: number, timeMs: number]> = [];

  constructor(child: ChildProcess) {
    this.#child = child;
    let becomeReady: () => void = () => {};
    this.ready = new Promise((resolve) => {
      becomeReady = resolve;
    });
    this.#ended = once(child, 'exit').then(() => {});
    let rest = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        if (line === 'ready') becomeReady();
        else {
          const [number, timeMs] = line.split(' ').map(Number);
          this.committed = number!;
          this.#commits.push([number!, timeMs!]);
        }
      }
    });
  }

  /** Number of the last commit that was done at or before a moment. */
  committedBy(timeMs: number): number {
    return this.#commits.findLast(([, at]) => at <= timeMs)?.[0] ?? 0;
  }

  async stop(): Promise<number> {
    this.#child.stdin!.end();
    await this.#ended;
    return this.committed;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

/** Sets destinations for a tenant, turns archiving on and waits for DOING. */
export async function archiveTenant(sys: Connection, fixture: HoldfastFixture, tenant: string): Promise<void> {
  await sys.query(
    `ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=${fixture.uri('backup', tenant, 'archive')}' TENANT = ${tenant}`,
  );
  await sys.query(`ALTER SYSTEM SET DATA_BACKUP_DEST='${fixture.uri('backup', tenant, 'data')}' TENANT = ${tenant}`);
  await sys.query(`ALTER SYSTEM ARCHIVELOG TENANT = ${tenant}`);
  await waitForDoing(sys, tenant);
}

export async function waitForDoing(sys: Connection, tenant: string): Promise<void> {
  await waitFor(
    sys,
    `SELECT a.STATUS FROM oceanbase.CDB_OB_ARCHIVELOG a JOIN oceanbase.DBA_OB_TENANTS t USING (TENANT_ID) WHERE t.TENANT_NAME = '${tenant}'`,
    ([row]) => row?.STATUS === 'DOING',
  );
}

/** Backs up and waits; @returns the newest rows of the job history, failed ones included */
export async function backUp(sys: Connection, statement: string): Promise<Row[]> {
  const before = new Set(
    (await query(sys, 'SELECT TENANT_ID, JOB_ID FROM oceanbase.CDB_OB_BACKUP_JOB_HISTORY')).map(
      (row) => `${row.TENANT_ID}/${row.JOB_ID}`,
    ),
  );
  await sys.query(statement);
  await waitFor(sys, 'SELECT JOB_ID FROM oceanbase.CDB_OB_BACKUP_JOBS', (rows) => rows.length === 0);
  const history = await query(sys, 'SELECT * FROM oceanbase.CDB_OB_BACKUP_JOB_HISTORY ORDER BY TENANT_ID, JOB_ID');
  return history.filter((row) => !before.has(`${row.TENANT_ID}/${row.JOB_ID}`));
}

/** Restores and waits; @returns the tenant's row of the history */
export async function restore(sys: Connection, tenant: string, rest: string): Promise<Row> {
  await sys.query(`ALTER SYSTEM RESTORE ${tenant} ${rest}`);
  await waitFor(sys, 'SELECT JOB_ID FROM oceanbase.CDB_OB_RESTORE_PROGRESS', (rows) => rows.length === 0);
  const rows = await query(
    sys,
    `SELECT * FROM oceanbase.CDB_OB_RESTORE_HISTORY WHERE RESTORE_TENANT_NAME = '${tenant}' AND TENANT_ID <> 1 ORDER BY JOB_ID DESC LIMIT 1`,
  );
  return rows[0]!;
}

export function readBytes(path: string): Buffer {
  return readFileSync(path);
}
