// The real server, built, as a child on a free port, and what the benchmarks ask of it over the wire.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type SqlClient } from '../src/client/sql-client.ts';
import { secondsSince } from './elapsed.ts';
import { ROOT } from './options.ts';
import type { Scratch } from './scratch.ts';

const CLI = join(ROOT, 'dist', 'cli.js');
const READY = /holdfast ready: mysql (\S+):(\d+)/;
const START_TIMEOUT_MS = 60_000;
const WAIT_TIMEOUT_MS = 600_000;
/**
 * A view is asked whether a job is over after a fiftieth of the time that has passed, within bounds: half of it is how much
 * too long a job seems on average, and each question costs the two cores some 2 ms that the job does not get.
 */
const POLL_PART = 0.02;
const POLL_MS_MIN = 5;
const POLL_MS_MAX = 50;
/** How often it is looked whether the server is ready. */
const READY_POLL_MS = 5;
const PASSWORD = 'a password of the benchmark';

export const TENANT = 'bench';

type Row = Record<string, string | null>;

/** What a destination is for. */
export type Purpose = 'archive' | 'backup';

export class BenchServer implements AsyncDisposable {
  readonly dir: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  /** Sessions by whether they encrypt backups and can restore encrypted ones. */
  readonly #plain: SqlClient;
  readonly #withPassword: SqlClient;

  readonly #uri: (purpose: Purpose) => string;

  private constructor(
    dir: string,
    child: ChildProcess,
    clients: { plain: SqlClient; withPassword: SqlClient },
    uri: (purpose: Purpose) => string,
  ) {
    this.dir = dir;
    this.#uri = uri;
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.#plain = clients.plain;
    this.#withPassword = clients.withPassword;
  }

  /** @param at the uri of a destination for a purpose; a directory of the server's own unless told */
  static async start(scratch: Scratch, at?: (purpose: Purpose) => string): Promise<BenchServer> {
    const dir = scratch.newDir('server');
    const { child, host, port } = await spawnServer(scratch, dir);
    const login = () => connect({ host, port, user: 'root@sys', password: '' });
    const clients = { plain: await login(), withPassword: await login() };
    await clients.withPassword.run(`SET ENCRYPTION ON IDENTIFIED BY '${PASSWORD}' ONLY`);
    await clients.withPassword.run(`SET DECRYPTION IDENTIFIED BY '${PASSWORD}'`);
    return new BenchServer(dir, child, clients, at ?? ((purpose) => `file://${join(dir, purpose)}`));
  }

  get archiveDir(): string {
    return join(this.dir, 'archive');
  }

  /** Adopts a database and archives it. @param lagTarget undefined leaves the default */
  async protect(database: string, lagTarget?: string): Promise<void> {
    await this.#plain.run(`CREATE TENANT ${TENANT} LOCATION = '${database}'`);
    await this.#plain.run(`ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=${this.#uri('archive')}' TENANT = ${TENANT}`);
    await this.#plain.run(`ALTER SYSTEM SET DATA_BACKUP_DEST='${this.#uri('backup')}' TENANT = ${TENANT}`);
    if (lagTarget !== undefined) await this.setLagTarget(lagTarget);
    await this.#plain.run(`ALTER SYSTEM ARCHIVELOG TENANT = ${TENANT}`);
    await this.#until('SELECT STATUS FROM oceanbase.CDB_OB_ARCHIVELOG', ([row]) => row?.STATUS === 'DOING');
  }

  async setLagTarget(text: string): Promise<void> {
    await this.#plain.run(`ALTER SYSTEM SET archive_lag_target = '${text}' TENANT = ${TENANT}`);
  }

  async setCompressionLevel(level: number): Promise<void> {
    await this.#plain.run(`ALTER SYSTEM SET backup_compression_level = ${level} TENANT = ${TENANT}`);
  }

  /** Archives to the end and closes the round. */
  async endArchive(): Promise<void> {
    await this.#plain.run(`ALTER SYSTEM NOARCHIVELOG TENANT = ${TENANT}`);
    await this.#until('SELECT STATUS FROM oceanbase.CDB_OB_ARCHIVELOG', ([row]) => row?.STATUS === 'STOP');
  }

  /** Waits until everything that is committed by now is in the archive. */
  async untilArchived(): Promise<void> {
    const nowScn = BigInt(Date.now()) * 1_000_000n;
    const sql = 'SELECT CHECKPOINT_SCN FROM oceanbase.CDB_OB_ARCHIVELOG';
    await this.#until(sql, ([row]) => BigInt(row?.CHECKPOINT_SCN ?? 0) >= nowScn);
  }

  /** One backup, full unless asked otherwise, from the statement until the history says that it is complete. */
  async backUp({
    isEncrypted,
    isIncremental = false,
    pollMsMin = POLL_MS_MIN,
  }: {
    isEncrypted: boolean;
    isIncremental?: boolean;
    pollMsMin?: number;
  }): Promise<{
    seconds: number;
    scn: string;
    inputBytes: number;
    outputBytes: number;
  }> {
    const client = isEncrypted ? this.#withPassword : this.#plain;
    const known = (await this.#backupHistory()).length;
    const startNs = process.hrtime.bigint();
    await client.run(`ALTER SYSTEM BACKUP ${isIncremental ? 'INCREMENTAL ' : ''}DATABASE`);
    const rows = await this.#until(BACKUP_HISTORY, ({ length }) => length > known, pollMsMin);
    const seconds = secondsSince(startNs);
    const job = rows.reduce((a, b) => (Number(b.JOB_ID) > Number(a.JOB_ID) ? b : a));
    if (job.STATUS !== 'COMPLETED') throw new Error(`the backup ended as ${job.STATUS}: ${job.COMMENT}`);
    const sets = await this.#plain.rows(
      `SELECT MIN_RESTORE_SCN, INPUT_BYTES, OUTPUT_BYTES, ENCRYPTION_MODE, BACKUP_TYPE, COMMENT
       FROM oceanbase.CDB_OB_BACKUP_SET_FILES ORDER BY BACKUP_SET_ID`,
    );
    const set = sets.at(-1)!;
    if ((set.ENCRYPTION_MODE !== 'NONE') !== isEncrypted) throw new Error(`encryption is ${set.ENCRYPTION_MODE}`);
    if ((set.BACKUP_TYPE === 'INC') !== isIncremental) throw new Error(`the set is ${set.BACKUP_TYPE}: ${job.COMMENT}`);
    if (set.COMMENT) throw new Error(`the set says: ${set.COMMENT}`);
    const { MIN_RESTORE_SCN: scn, INPUT_BYTES: input, OUTPUT_BYTES: output } = set;
    return { seconds, scn: scn!, inputBytes: Number(input), outputBytes: Number(output) };
  }

  /** One restore to an scn, from the statement until the history says that it is complete. */
  async restore(of: {
    name: string;
    scn: string;
    location: string;
    isEncrypted: boolean;
    check: string | undefined;
  }): Promise<number> {
    const client = of.isEncrypted ? this.#withPassword : this.#plain;
    const from = `FROM '${this.#uri('backup')},${this.#uri('archive')}' UNTIL SCN = ${of.scn}`;
    const history = `SELECT STATUS, COMMENT FROM oceanbase.CDB_OB_RESTORE_HISTORY WHERE RESTORE_TENANT_NAME = '${of.name}'`;
    const option = `location=${of.location}${of.check === undefined ? '' : `&check=${of.check}`}`;
    const startNs = process.hrtime.bigint();
    await client.run(`ALTER SYSTEM RESTORE ${of.name} ${from} WITH '${option}'`);
    const [job] = await this.#until(history, ({ length }) => length > 0);
    const seconds = secondsSince(startNs);
    if (job?.STATUS !== 'SUCCESS') throw new Error(`the restore ended as ${job?.STATUS}: ${job?.COMMENT}`);
    return seconds;
  }

  /** Drops a restored tenant and its file. */
  async dropRestored(name: string, location: string): Promise<void> {
    await this.#plain.run(`DROP TENANT ${name}`);
    rmSync(location, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#plain.close();
    await this.#withPassword.close();
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      await ended;
    }
    rmSync(this.dir, { recursive: true, force: true });
  }

  #backupHistory(): Promise<Row[]> {
    return this.#plain.rows(BACKUP_HISTORY);
  }

  async #until(sql: string, isDone: (rows: Row[]) => boolean, pollMsMin = POLL_MS_MIN): Promise<Row[]> {
    const startMs = Date.now();
    for (let waitedMs = 0; waitedMs < WAIT_TIMEOUT_MS; waitedMs = Date.now() - startMs) {
      const rows = await this.#plain.rows(sql);
      if (isDone(rows)) return rows;
      await sleep(Math.max(pollMsMin, Math.min(POLL_MS_MAX, POLL_MS_MIN + waitedMs * POLL_PART)));
    }
    throw new Error(`still waiting after ${WAIT_TIMEOUT_MS / 1000} s for: ${sql}`);
  }
}

/** A server that accepts logins. */
export interface ServerProcess {
  child: ChildProcess;
  pid: number;
  host: string;
  port: number;
}

/** Starts a server whose data directory lies in `dir`, and waits until it is ready. */
export async function spawnServer(scratch: Scratch, dir: string): Promise<ServerProcess> {
  if (!existsSync(CLI)) throw new Error('dist/cli.js is missing: npm run build first');
  const args = ['--data-dir', join(dir, 'data'), '--port', '0', '--time-zone', '+00:00', '--log-level', 'warn'];
  const child = scratch.start([CLI, 'serve', ...args]);
  return { child, pid: child.pid ?? 0, ...(await untilReady(child)) };
}

/** The row of the sys tenant is the last of a statement to end. */
const BACKUP_HISTORY = 'SELECT JOB_ID, STATUS, COMMENT FROM oceanbase.CDB_OB_BACKUP_JOB_HISTORY WHERE TENANT_ID = 1';

async function untilReady(child: ChildProcess): Promise<{ host: string; port: number }> {
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  for (let waitedMs = 0; ; waitedMs += READY_POLL_MS) {
    const [, host, port] = READY.exec(output) ?? [];
    if (host !== undefined) return { host, port: Number(port) };
    if (child.exitCode !== null || waitedMs > START_TIMEOUT_MS) throw new Error(`the server did not start:\n${output}`);
    await sleep(READY_POLL_MS);
  }
}
