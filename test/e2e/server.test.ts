// Goal: the server as a program: starts, refuses what is unsafe, stops cleanly, and its own client works.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLI, failure, HoldfastFixture, query } from './holdfast-fixture.ts';
import { listProcesses } from './process-list.ts';

let fixture: HoldfastFixture;
beforeAll(async () => {
  fixture = await HoldfastFixture.start();
});
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

function run(args: string[], input?: string): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    encoding: 'utf8',
    timeout: 30_000,
    ...(input === undefined ? {} : { input }),
  });
  return { status, out: stdout, err: stderr };
}

const sqlArgs = (...rest: string[]) => ['sql', '-P', String(fixture.port), ...rest];

describe('holdfast serve', () => {
  test('refuses a second server on the same data directory', () => {
    const { status, err } = run(['serve', '--data-dir', fixture.dataDir, '--port', '0']);
    expect(status).toBe(1);
    expect(err).toContain('a second server on the data directory');
  });

  test('refuses to listen beyond loopback while root@sys has no password', () => {
    const { status, err } = run(['serve', '--data-dir', fixture.path('other'), '--listen', '0.0.0.0', '--port', '0']);
    expect(status).toBe(1);
    expect(err).toContain('root@sys has no password');
    expect(err).toContain('ALTER USER root IDENTIFIED BY');
  });

  test('explains wrong usage', () => {
    expect(run(['serve']).err).toContain('--data-dir');
    expect(run(['serve', '--data-dir', fixture.path('x'), '--port', 'abc']).err).toContain('--port abc');
    expect(run(['frobnicate']).err).toContain('unknown command frobnicate');
    expect(run(['--help']).out).toContain('holdfast serve --data-dir DIR');
  });

  test('says clearly that a port is taken', () => {
    const { status, err } = run(['serve', '--data-dir', fixture.path('third'), '--port', String(fixture.port)]);
    expect(status).toBe(1);
    expect(err).toContain('another server listens there');
  });

  test('closes a hostile connection before login and only that one', async () => {
    const seed = 20_251_122;
    const bystander = await fixture.login('root@sys');
    for (let round = 0; round < 20; round++) {
      const socket = connectSocket(fixture.port, '127.0.0.1');
      socket.on('error', () => {});
      await once(socket, 'connect');
      const bytes = Buffer.alloc(64 + round * 7);
      for (let i = 0; i < bytes.length; i++) bytes[i] = ((seed + round) * (i + 31) * 2_654_435_761) >>> 13;
      socket.write(bytes);
      await sleep(5);
      socket.destroy();
    }
    expect(await query(bystander, 'SELECT 1 AS one')).toEqual([{ one: '1' }]);
  });

  test('keeps a changed password over a restart, and stops cleanly on SIGTERM', async () => {
    const sys = await fixture.login('root@sys');
    await sys.query("ALTER USER root IDENTIFIED BY 'changed'");
    expect(await fixture.stop()).toBe(0);
    await fixture.startServer();
    expect((await failure(fixture.login('root@sys'))).errno).toBe(1045);
    const again = await fixture.login('root@sys', 'changed');
    await again.query("SET PASSWORD = ''");
    await fixture.login('root@sys');
  });
});

describe('holdfast sql', () => {
  test('prints tables, \\G and errors as clients do', () => {
    const { status, out } = run(sqlArgs('-e', "SELECT 1 AS one, 'x' AS two; SELECT 2 AS three\\G"));
    expect(status).toBe(0);
    expect(out).toContain('| one | two |');
    expect(out).toContain('three: 2');
    const wrong = run(sqlArgs('-e', 'ALTER SYSTEM BACKUP DATABAZE'));
    expect(wrong.status).toBe(1);
    expect(wrong.err).toMatch(/ERROR 1064 \(42000\): .*near 'DATABAZE'/);
  });

  test('reads statements from its input', () => {
    expect(run(sqlArgs(), 'SELECT 41 + 1 AS answer;\n').out).toContain('42');
  });

  test('says what to do when no server listens', () => {
    const { status, err } = run(['sql', '-P', '1', '-e', 'SELECT 1']);
    expect(status).toBe(1);
    expect(err).toContain('holdfast serve');
  });

  test('waits for a backup that it started', async () => {
    const { out } = run(
      sqlArgs(
        '--wait',
        '-e',
        `
      CREATE TENANT shelly; ALTER SYSTEM SET LOG_ARCHIVE_DEST='LOCATION=${fixture.uri('b', 'archive')}' TENANT = shelly;
      ALTER SYSTEM SET DATA_BACKUP_DEST='${fixture.uri('b', 'data')}' TENANT = shelly; ALTER SYSTEM ARCHIVELOG TENANT = shelly`,
      ),
    );
    expect(out).toContain('Query OK');
    const sys = await fixture.login('root@sys');
    for (let i = 0; i < 200; i++) {
      const [row] = await query(sys, 'SELECT STATUS FROM oceanbase.CDB_OB_ARCHIVELOG');
      if (row?.STATUS === 'DOING') break;
      await sleep(50);
    }
    const backup = run(sqlArgs('--wait', '-e', 'ALTER SYSTEM BACKUP TENANT = shelly'));
    expect(backup.out).toContain('COMPLETED');
    expect(backup.status).toBe(0);
  });
});

describe('a running server', () => {
  test('ends a statement that is killed and keeps the others', async () => {
    const sys = await fixture.login('root@sys');
    await sys.query('CREATE TENANT victim');
    const runaway = await fixture.login('root@victim');
    const other = await fixture.login('root@victim');
    await other.query('CREATE TABLE t (a INTEGER)');
    const work = failure(
      runaway.query('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n'),
    );
    await sleep(300);
    const [row] = await query(
      sys,
      "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE '%RECURSIVE%' AND INFO NOT LIKE '%PROCESSLIST%'",
    );
    await sys.query(`KILL QUERY ${row!.ID}`);
    expect((await work).errno).toBe(1317);
    const again = await fixture.login('root@victim');
    expect(await query(again, 'SELECT COUNT(*) AS n FROM t')).toEqual([{ n: '0' }]);
  });

  test('leaves no process behind when it is killed', async () => {
    const children = listProcesses().filter(({ parentPid }) => parentPid === fixture.pid);
    expect(children.length).toBeGreaterThan(0);
    await fixture.kill();
    await sleep(1000);
    const pids = new Set(listProcesses().map(({ pid }) => pid));
    expect(children.filter(({ pid }) => pids.has(pid))).toEqual([]);
    await fixture.startServer();
  });
});

test('a client that leaves in the middle of a statement stops it', async () => {
  const sys = await fixture.login('root@sys');
  const client = spawn(process.execPath, [CLI, ...sqlArgs('-u', 'root@victim', '-e', 'SELECT SLEEP(600)')], {
    stdio: 'ignore',
  });
  await sleep(1500);
  client.kill('SIGKILL');
  for (let i = 0; i < 100; i++) {
    const rows = await query(sys, "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT SLEEP%'");
    if (rows.length === 0) return;
    await sleep(100);
  }
  throw new Error('the statement of the lost client still runs');
});
