// Holdfast as a peer of the storm: the real server, built, one adopted tenant per database, everything at its defaults.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type SqlClient } from '../src/client/sql-client.ts';
import { VERSION } from '../src/version.ts';
import { type Peer, type RestoreOutcome, type Stored, type StormDatabase, storedBelow } from './peer.ts';
import type { Scratch } from './scratch.ts';
import { spawnServer } from './server.ts';

const WAIT_TIMEOUT_MS = 120_000;
const POLL_MS = 50;
const NS_PER_MS = 1_000_000n;

type Row = Record<string, string | null>;

export class HoldfastPeer implements Peer {
  readonly name = `Holdfast ${VERSION}`;
  readonly #scratch: Scratch;
  readonly #dir: string;
  readonly #databases: readonly StormDatabase[];
  #child: ChildProcess | undefined;
  #client: SqlClient | undefined;
  /** Where the server's own data lies. */
  #machine: string;
  #isProtected = false;
  #restoreNo = 0;

  constructor(scratch: Scratch, dir: string, databases: readonly StormDatabase[]) {
    this.#scratch = scratch;
    this.#dir = dir;
    this.#databases = databases;
    this.#machine = scratch.newDir('machine');
  }

  async start(): Promise<number> {
    const startMs = Date.now();
    const { child, host, port } = await spawnServer(this.#scratch, this.#machine);
    this.#child = child;
    this.#client = await connect({ host, port, user: 'root@sys', password: '' });
    if (!this.#isProtected) for (const database of this.#databases) await this.#protect(database);
    this.#isProtected = true;
    await this.#until('SELECT STATUS, COMMENT FROM oceanbase.CDB_OB_ARCHIVELOG', (rows) =>
      rows.every(({ STATUS, COMMENT }) => STATUS === 'DOING' && !COMMENT!.includes('being attached')),
    );
    return Date.now() - startMs;
  }

  async #protect({ name, path }: StormDatabase): Promise<void> {
    const client = this.#client!;
    mkdirSync(join(this.#dir, 'destination', name), { recursive: true });
    await client.run(`CREATE TENANT ${name} LOCATION = '${path}'`);
    await client.run(`ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=${this.#uri(name, 'archive')}' TENANT = ${name}`);
    await client.run(`ALTER SYSTEM SET DATA_BACKUP_DEST='${this.#uri(name, 'data')}' TENANT = ${name}`);
    await client.run(`ALTER SYSTEM ARCHIVELOG TENANT = ${name}`);
    await this.#until('SELECT STATUS FROM oceanbase.CDB_OB_ARCHIVELOG', (rows) =>
      rows.every((at) => at.STATUS === 'DOING'),
    );
    await client.run(`ALTER SYSTEM BACKUP TENANT = ${name}`);
    await this.#until('SELECT JOB_ID FROM oceanbase.CDB_OB_BACKUP_JOBS', ({ length }) => length === 0);
  }

  #uri(name: string, what: string): string {
    return `file://${join(this.#dir, 'destination', name, what)}`;
  }

  /** Its children end with it. */
  async kill(): Promise<void> {
    if (!this.#child) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
    this.#child = undefined;
  }

  async loseMachine(): Promise<void> {
    await this.kill();
    this.#machine = this.#scratch.newDir('machine');
    await this.start();
  }

  async restore({ name }: StormDatabase, to: string, atMs: number | undefined): Promise<RestoreOutcome> {
    const client = this.#client!;
    const job = `r${++this.#restoreNo}`;
    const until = atMs === undefined ? '' : `UNTIL SCN = ${BigInt(Math.floor(atMs)) * NS_PER_MS}`;
    const from = `FROM '${this.#uri(name, 'data')},${this.#uri(name, 'archive')}'`;
    try {
      await client.run(`ALTER SYSTEM RESTORE ${job} ${from} ${until} WITH 'location=${to}'`);
    } catch (error) {
      return { kind: 'refused', because: (error as Error).message };
    }
    const [row] = await this.#until(
      `SELECT STATUS, COMMENT FROM oceanbase.CDB_OB_RESTORE_HISTORY WHERE RESTORE_TENANT_NAME = '${job}'`,
      ({ length }) => length > 0,
    );
    return row?.STATUS === 'SUCCESS' ? { kind: 'done' } : { kind: 'refused', because: row?.COMMENT ?? '' };
  }

  stored(): Stored {
    return storedBelow(join(this.#dir, 'destination'), (path) => /backup_set_\d+_full_end_success/.test(path));
  }

  async #until(sql: string, isDone: (rows: Row[]) => boolean): Promise<Row[]> {
    for (let waitedMs = 0; waitedMs < WAIT_TIMEOUT_MS; waitedMs += POLL_MS) {
      const rows = await this.#client!.rows(sql);
      if (isDone(rows)) return rows;
      await sleep(POLL_MS);
    }
    throw new Error(`still waiting after ${WAIT_TIMEOUT_MS / 1000} s for: ${sql}`);
  }
}
