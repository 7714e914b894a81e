// What many tenants cost that hardly anybody uses: processor time and memory of the server and all its children while one
// tenant in a hundred commits once a second, objects written for the others, and how soon a server that is started again
// answers for all of them. Every tenant is created, has a destination of its own and archives.
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type SqlClient } from '../src/client/sql-client.ts';
import { secondsSince } from './elapsed.ts';
import type { BenchOptions } from './options.ts';
import { withTreeUse } from './process-tree.ts';
import { Report, say } from './report.ts';
import type { Scratch } from './scratch.ts';
import { type ServerProcess, spawnServer } from './server.ts';

const CONNECTIONS = 8;
const ACTIVE_PER_CENT = 1;
const COMMIT_PAUSE_MS = 1000;
/** A tenant that nobody uses rests after a minute. */
const REST_MS = 75_000;
const SMOKE_REST_MS = 2000;
/** The processes of the active tenants have started by then. */
const SETTLE_MS = 5000;
const DOING_TIMEOUT_MS = 3_600_000;
const POLL_MS = 2000;
const ANSWERS = 5;
const VIEW = 'oceanbase.CDB_OB_ARCHIVELOG';

const nameOf = (index: number) => `tenant_${String(index).padStart(5, '0')}`;
const login = ({ host, port }: ServerProcess, tenant = 'sys'): Promise<SqlClient> =>
  connect({ host, port, user: `root@${tenant}`, password: '' });

/** Runs the work for each index, some at a time, each over a connection of its own. */
async function forEachTenant(
  server: ServerProcess,
  count: number,
  work: (sql: SqlClient, index: number) => Promise<void>,
) {
  let next = 0;
  const lane = async () => {
    const client = await login(server);
    while (next < count) await work(client, next++);
    await client.close();
  };
  await Promise.all(Array.from({ length: Math.min(CONNECTIONS, count) }, lane));
}

async function prepare(server: ServerProcess, dir: string, count: number, report: Report): Promise<void> {
  const startNs = process.hrtime.bigint();
  await forEachTenant(server, count, async (sql, index) => {
    await sql.run(`CREATE TENANT ${nameOf(index)}`);
  });
  const createSeconds = secondsSince(startNs);
  await forEachTenant(server, count, async (sql, index) => {
    const path = join(dir, 'archive', nameOf(index));
    mkdirSync(path, { recursive: true });
    await sql.run(`ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=file://${path}' TENANT = ${nameOf(index)}`);
  });
  const destSeconds = secondsSince(startNs) - createSeconds;
  const sql = await login(server);
  await sql.run('ALTER SYSTEM ARCHIVELOG');
  await untilDoing(sql, count);
  await sql.close();
  const doingSeconds = secondsSince(startNs) - createSeconds - destSeconds;
  report.add(`set up ${count} tenants`, {
    'create s': createSeconds,
    'destinations s': destSeconds,
    'DOING s': doingSeconds,
  });
}

async function untilDoing(sql: SqlClient, count: number): Promise<void> {
  const shown = `SELECT STATUS, COMMENT, count(*) AS N FROM ${VIEW} GROUP BY STATUS, COMMENT`;
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const rows = await sql.rows(shown);
    const doing = rows.filter(({ STATUS }) => STATUS === 'DOING').reduce((sum, { N }) => sum + Number(N), 0);
    if (doing === count) return;
    if (rows.some(({ STATUS }) => STATUS === 'INTERRUPTED')) throw new Error(`a round ended: ${JSON.stringify(rows)}`);
    if (waitedMs > DOING_TIMEOUT_MS) throw new Error(`${doing} of ${count} tenants are DOING: ${JSON.stringify(rows)}`);
    if (waitedMs % 30_000 === 0) say(`   ${doing} of ${count} tenants are DOING`);
    await sleep(POLL_MS);
  }
}

/** Commits once a second in some tenants. */
async function useTenants(clients: readonly SqlClient[], seconds: number): Promise<number> {
  let commits = 0;
  const endMs = performance.now() + seconds * 1000;
  const lane = async (sql: SqlClient, place: number) => {
    await sleep((COMMIT_PAUSE_MS * place) / clients.length);
    while (performance.now() < endMs) {
      await sql.run("INSERT INTO notes (text) VALUES ('a note of the benchmark')");
      commits++;
      await sleep(COMMIT_PAUSE_MS);
    }
  };
  await Promise.all(clients.map(lane));
  return commits;
}

function objectsOf(dir: string, indexes: readonly number[]): number {
  const count = (index: number) => readdirSync(join(dir, 'archive', nameOf(index)), { recursive: true }).length;
  return indexes.reduce((sum, index) => sum + count(index), 0);
}

async function measureUse(server: ServerProcess, dir: string, options: BenchOptions, report: Report): Promise<void> {
  const { tenants, writerSeconds } = options;
  const seconds = options.isSmoke ? writerSeconds : Math.max(60, writerSeconds);
  const all = Array.from({ length: tenants }, (_, index) => index);
  const activeCount = Math.max(1, Math.floor((tenants * ACTIVE_PER_CENT) / 100));
  const [active, idle] = [all.slice(0, activeCount), all.slice(activeCount)];
  await sleep(options.isSmoke ? SMOKE_REST_MS : REST_MS);
  const before = objectsOf(dir, idle);
  const rest = await withTreeUse(server.pid, () => sleep(seconds * 500));
  const figures = (use: typeof rest.use, tookSeconds: number) => ({
    'CPU % of a core': (100 * use.cpuSeconds) / tookSeconds,
    'peak RSS MiB': (use.rssMb * 1e6) / 2 ** 20,
    'peak PSS MiB': (use.pssMb * 1e6) / 2 ** 20,
    processes: use.processes,
  });
  report.add(`${tenants} idle`, figures(rest.use, seconds / 2));
  const clients = await Promise.all(active.map((index) => login(server, nameOf(index))));
  await Promise.all(clients.map((sql) => sql.run('CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)')));
  await sleep(options.isSmoke ? 0 : SETTLE_MS);
  const startNs = process.hrtime.bigint();
  const { result: commits, use } = await withTreeUse(server.pid, () => useTenants(clients, seconds));
  await Promise.all(clients.map((sql) => sql.close()));
  report.add(`${tenants}, ${active.length} active`, {
    ...figures(use, secondsSince(startNs)),
    commits,
    'objects written for idle ones': objectsOf(dir, idle) - before,
  });
}

async function stop(server: ServerProcess): Promise<number> {
  const startNs = process.hrtime.bigint();
  const ended = once(server.child, 'exit');
  server.child.kill('SIGTERM');
  await ended;
  return secondsSince(startNs);
}

async function measureStart(scratch: Scratch, dir: string, tenants: number, report: Report): Promise<void> {
  const startNs = process.hrtime.bigint();
  const server = await spawnServer(scratch, dir);
  const readySeconds = secondsSince(startNs);
  const sql = await login(server);
  const answers: number[] = [];
  for (let i = 0; i < ANSWERS; i++) {
    const askedNs = process.hrtime.bigint();
    const rows = await sql.rows(`SELECT * FROM ${VIEW}`);
    answers.push(secondsSince(askedNs));
    if (rows.length !== tenants || rows.some(({ STATUS }) => STATUS !== 'DOING')) throw new Error('not all are DOING');
    if (i === 0)
      report.add(`${tenants}, started again`, { 'ready s': readySeconds, 'first answer s': secondsSince(startNs) });
  }
  for (const seconds of answers.slice(1)) report.add(`SELECT * of ${tenants} rows`, { 'answer s': seconds });
  await sql.close();
  report.add(`${tenants}, stopped`, { 'stop s': await stop(server) });
}

export async function tenantsSection(scratch: Scratch, options: BenchOptions): Promise<Report> {
  const report = new Report('tenants');
  const { tenants } = options;
  const dir = scratch.newDir('server');
  const server = await spawnServer(scratch, dir);
  await prepare(server, dir, tenants, report);
  await measureUse(server, dir, options, report);
  report.add(`${tenants}, stopped`, { 'stop s': await stop(server) });
  for (let run = 0; run < options.runs; run++) await measureStart(scratch, dir, tenants, report);
  report.note(
    'an active tenant commits once a second over a session of its own; set-up and use run once, starts often',
  );
  report.note(
    'memory and processor time are those of the server and all its children; PSS shares what processes share',
  );
  return report;
}
