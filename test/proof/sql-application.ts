// The application of a tenant that the server made: it writes through the server, and connects again when that dies.
import { randomBytes, randomInt } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { type HoldfastFixture, query } from '../e2e/holdfast-fixture.ts';
import { type Application, CommitModel, copyDatabase, foldWal, type LiveCopy } from './application.ts';
import { blobText, firstLink, type Link, nextLink, SCHEMA, type Shape, statementsOf } from './chain.ts';

const SHAPE: Shape = { slots: 150, changesMax: 4, bodyMax: 700 };
const PAUSE_MS = 40;
const WRITER = 1;
const NONCE_BYTES = 8;
const VACUUM_ONE_IN = 60;

export class SqlApplication implements Application {
  readonly model: CommitModel;
  readonly life: string;
  readonly #fixture: HoldfastFixture;
  readonly #tenant: string;
  #connection: Connection | undefined;
  #isStopping = false;
  #isHeld = false;
  #running: Promise<void> = Promise.resolve();

  private constructor(fixture: HoldfastFixture, tenant: string, of: { dir: string; life: string }) {
    this.#fixture = fixture;
    this.#tenant = tenant;
    this.model = new CommitModel(of.dir);
    this.life = of.life;
  }

  /** Makes the tables of a new tenant. */
  static async create(fixture: HoldfastFixture, tenant: string, dir: string): Promise<SqlApplication> {
    const connection = await fixture.login(`root@${tenant}`);
    const nonce = randomBytes(NONCE_BYTES);
    for (const statement of SCHEMA) await connection.query(statement);
    await connection.query(`INSERT INTO shape VALUES (${SHAPE.slots}, ${SHAPE.changesMax}, ${SHAPE.bodyMax})`);
    const { digest } = firstLink(nonce);
    await connection.query(`INSERT INTO chain VALUES (0, 0, ${blobText(nonce)}, ${blobText(digest)})`);
    connection.destroy();
    return new SqlApplication(fixture, tenant, { dir, life: nonce.toString('hex') });
  }

  lifeAt(): string {
    return this.life;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
    this.#connection?.destroy();
  }

  get #path(): string {
    const dir = join(this.#fixture.dataDir, 'tenants');
    const name = readdirSync(dir).find((entry) => entry.startsWith(`${this.#tenant}-`));
    if (name === undefined) throw new Error(`no directory of ${this.#tenant} in ${dir}`);
    return join(dir, name, 'data.db');
  }

  async copyLive<T>(to: string, whileHeld: () => Promise<T>): Promise<{ copy: LiveCopy; result: T }> {
    this.#isHeld = true;
    await this.#running;
    const connection = await this.#fixture.login(`root@${this.#tenant}`);
    try {
      await connection.query('BEGIN');
      // Nothing changes, but the write lock is taken.
      await connection.query('DELETE FROM slot WHERE k = -1');
      copyDatabase(this.#path, to);
      const result = await whileHeld();
      const { n, digest } = await lastLink(connection);
      await connection.query('ROLLBACK');
      foldWal(to);
      return { copy: { path: to, n, digest: digest.toString('hex') }, result };
    } finally {
      connection.destroy();
      this.#isHeld = false;
      this.start();
    }
  }

  async #run(): Promise<void> {
    while (!this.#isStopping && !this.#isHeld) {
      try {
        this.#connection ??= await this.#fixture.login(`root@${this.#tenant}`);
        await this.#commit(this.#connection);
        if (randomInt(VACUUM_ONE_IN) === 0) await this.#connection.query('VACUUM');
      } catch {
        // The server was killed: whether the commit counts is seen in the database by the next one.
        this.#connection?.destroy();
        this.#connection = undefined;
      }
      await sleep(PAUSE_MS);
    }
  }

  async #commit(connection: Connection): Promise<void> {
    await connection.query('BEGIN');
    const link = nextLink(await lastLink(connection), WRITER, randomBytes(NONCE_BYTES));
    const begunMs = Date.now();
    for (const statement of statementsOf(link, SHAPE)) await connection.query(statement);
    await connection.query('COMMIT');
    this.model.add(this.life, `${link.n} ${begunMs} ${Date.now()} ${link.digest.toString('hex')}`);
  }
}

async function lastLink(connection: Connection): Promise<Link> {
  const [row] = await query(
    connection,
    'SELECT n, writer, hex(nonce) AS nonce, hex(digest) AS digest FROM chain ORDER BY n DESC LIMIT 1',
  );
  const { n, writer, nonce, digest } = row!;
  const bytes = (text: string | null) => Buffer.from(text!, 'hex');
  return { n: Number(n), writer: Number(writer), nonce: bytes(nonce!), digest: bytes(digest!) };
}
