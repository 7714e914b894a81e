// Goal: the right password opens a session with every plugin and client, with TLS and without; nothing else does.
// Method: mysql2, mariadb (npm) and the mariadb command line client against a server on the loopback address.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as mariadb from 'mariadb';
import mysql, { type RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AuthPlugin, CAPABILITY, COMMAND, NATIVE_PLUGIN, SHA2_PLUGIN, STATUS } from '../wire/constants.ts';
import {
  errorOf,
  handshakeResponse,
  PASSWORD,
  RawClient,
  runCli,
  scrambleOf,
  startTestServer,
  type TestServer,
  until,
} from './server.fixture.ts';
import { ensureCertificate } from './tls.ts';

const hasCli = spawnSync('mariadb', ['--version']).status === 0;
const cliTest = hasCli ? test : test.skip;
if (!hasCli) console.log('skipping the command line client: no program `mariadb` on this machine');

const LARGE = 20_000_000;

interface Attempt {
  user: string;
  password: string;
  isTls: boolean;
  plugin: AuthPlugin;
}

/** What a client got: the session's name and whether it has TLS, or the error. */
type Outcome = { name: string; isTls: boolean } | { errno: number | undefined; message: string };

const clients: Record<string, (port: number, attempt: Attempt) => Promise<Outcome>> = {
  async mysql2(port, { user, password, isTls }) {
    try {
      const ssl = isTls ? { ssl: { rejectUnauthorized: false } } : {};
      const connection = await mysql.createConnection({ host: '127.0.0.1', port, user, password, ...ssl });
      const [[name]] = (await connection.query('NAME')) as unknown as [[{ name: string }]];
      const [[tls]] = (await connection.query('TLS')) as unknown as [[{ tls: number }]];
      await connection.end();
      return { name: name.name, isTls: tls.tls === 1 };
    } catch (error) {
      return { errno: (error as { errno?: number }).errno, message: (error as Error).message };
    }
  },
  async mariadb(port, { user, password, isTls }) {
    try {
      const connection = await mariadb.createConnection({
        host: '127.0.0.1',
        port,
        user,
        password,
        allowPublicKeyRetrieval: true,
        ...(isTls ? { ssl: { rejectUnauthorized: false } } : {}),
      });
      const [name] = (await connection.query('NAME')) as [{ name: string }];
      const [tls] = (await connection.query('TLS')) as [{ tls: bigint }];
      await connection.end();
      return { name: name.name, isTls: tls.tls === 1n };
    } catch (error) {
      return { errno: (error as { errno?: number }).errno, message: (error as Error).message };
    }
  },
  async cli(port, { user, password, isTls, plugin }) {
    const args = [`--user=${user}`, `--password=${password}`, '--skip-column-names', '-e', 'NAME; TLS'];
    const tls = isTls ? ['--ssl', '--ssl-verify-server-cert=0'] : ['--skip-ssl'];
    const { code, stdout, stderr } = await runCli(port, [...tls, `--default-auth=${plugin}`, ...args]);
    if (code !== 0) return { errno: Number(/ERROR (\d+)/.exec(stderr)?.[1]), message: stderr };
    const [name = '', isTlsText = ''] = stdout.trim().split('\n');
    return { name, isTls: isTlsText === '1' };
  },
};

let dir: string;
const servers = new Map<AuthPlugin, TestServer>();

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-login-'));
  const tls = await ensureCertificate(dir);
  for (const authPlugin of [NATIVE_PLUGIN, SHA2_PLUGIN] as const) {
    servers.set(authPlugin, await startTestServer({ tls, authPlugin }));
  }
});

afterAll(async () => {
  for (const { server } of servers.values()) await server.stop(100);
  await rm(dir, { recursive: true, force: true });
});

function serverOf(plugin: AuthPlugin): TestServer {
  const server = servers.get(plugin);
  if (!server) throw new Error('no such server');
  return server;
}

const greetings = [NATIVE_PLUGIN, SHA2_PLUGIN] as const;
const cases = Object.keys(clients).flatMap((client) =>
  greetings.flatMap((plugin) => [false, true].map((isTls) => ({ client, plugin, isTls }))),
);

describe.each(cases)('$client, greeted with $plugin, TLS $isTls', ({ client, plugin, isTls }) => {
  const run = client === 'cli' ? cliTest : test;
  const attempt = (user: string, password: string) =>
    clients[client]?.(serverOf(plugin).port, { user, password, isTls, plugin });

  run('the right password opens a session', async () => {
    expect(await attempt('root@sys', PASSWORD)).toEqual({ name: 'root@sys/null', isTls });
  });

  run('an empty password opens the session of an account without one', async () => {
    expect(await attempt('empty', '')).toEqual({ name: 'empty@sys/null', isTls });
  });

  run('a wrong password is refused', async () => {
    const message = expect.stringContaining("Access denied for user 'root'@'127.0.0.1' (using password: YES)");
    expect(await attempt('root', 'wrong')).toEqual({ errno: 1045, message });
  });

  run('an empty password is refused where there is one', async () => {
    expect(await attempt('root', '')).toEqual({
      errno: 1045,
      message: expect.stringContaining('(using password: NO)'),
    });
  });

  run('a password is refused where there is none', async () => {
    expect(await attempt('empty', PASSWORD)).toEqual({ errno: 1045, message: expect.stringContaining('YES') });
  });

  run('an unknown user is refused even with a password that fits his made-up hash', async () => {
    expect(await attempt('stranger', PASSWORD)).toEqual({
      errno: 1045,
      message: expect.stringContaining("'stranger'@"),
    });
    expect(await attempt('stranger', '')).toEqual({ errno: 1045, message: expect.stringContaining("'stranger'@") });
  });

  run('an account that has only the old hash is opened with its password', async () => {
    expect(await attempt('old', PASSWORD)).toEqual({ name: 'old@sys/null', isTls });
    expect(await attempt('old', 'wrong')).toMatchObject({ errno: 1045 });
  });

  run('an unknown tenant is refused with its own error', async () => {
    expect(await attempt('root@nowhere', PASSWORD)).toMatchObject({ errno: 5160 });
  });
});

describe('login', () => {
  cliTest('a client whose preferred plugin is not the greeted one is served in its own', async () => {
    for (const plugin of greetings) {
      const other = plugin === NATIVE_PLUGIN ? SHA2_PLUGIN : NATIVE_PLUGIN;
      const attempt = { user: 'root', password: PASSWORD, isTls: false, plugin };
      expect(await clients.cli?.(serverOf(other).port, attempt)).toEqual({ name: 'root@sys/null', isTls: false });
      expect(await clients.cli?.(serverOf(other).port, { ...attempt, password: 'x' })).toMatchObject({ errno: 1045 });
    }
  });

  test('a client of an unknown plugin is asked to switch to one that is known', async () => {
    const client = new RawClient(serverOf(NATIVE_PLUGIN).port);
    const greeting = await client.read();
    const scramble = scrambleOf(greeting?.payload ?? Buffer.alloc(0));
    client.send(1, handshakeResponse({ scramble, user: 'root', password: 'irrelevant', plugin: 'dialog' }));
    const request = await client.read();
    expect(request?.payload[0]).toBe(0xfe);
    expect(request?.payload.toString('latin1', 1, 22)).toBe(NATIVE_PLUGIN);
    client.close();
  });

  test.each([
    ['SYS', STATUS.ORACLE_MODE],
    ['root', 0],
  ])('the OK of %s says whether the tenant is an oracle tenant; no later OK does', async (user, expected) => {
    const client = new RawClient(serverOf(NATIVE_PLUGIN).port);
    const modeOf = (packet: { payload: Buffer } | null) => (packet?.payload.readUInt16LE(3) ?? 0) & STATUS.ORACLE_MODE;
    expect(modeOf(await client.logIn({ user }))).toBe(expected);
    client.command(COMMAND.PING);
    expect(modeOf(await client.read())).toBe(0);
    client.close();
  });

  test('a database named at the login is chosen, or the login fails', async () => {
    const { port } = serverOf(NATIVE_PLUGIN);
    const options = { host: '127.0.0.1', port, user: 'root', password: PASSWORD };
    const connection = await mysql.createConnection({ ...options, database: 'shop' });
    expect((await connection.query('NAME'))[0]).toEqual([{ name: 'root@sys/shop' }]);
    await connection.end();
    await expect(mysql.createConnection({ ...options, database: 'missing' })).rejects.toMatchObject({ errno: 1049 });
  });

  test('a query that is sent before the login is complete is never run', async () => {
    const { port, service } = serverOf(NATIVE_PLUGIN);
    const before = service.executed.length;
    const query = Buffer.concat([Buffer.of(COMMAND.QUERY), Buffer.from('SELECT 1')]);

    const impatient = new RawClient(port);
    await impatient.read();
    impatient.send(0, query);
    expect(errorOf(await impatient.read())?.errno).toBe(1156);
    expect(await impatient.read()).toBeNull();

    const disguised = new RawClient(port);
    await disguised.read();
    disguised.send(1, query);
    expect(errorOf(await disguised.read())?.errno).toBe(1043);
    expect(await disguised.read()).toBeNull();

    const wrong = new RawClient(port);
    const greeting = await wrong.read();
    const scramble = scrambleOf(greeting?.payload ?? Buffer.alloc(0));
    wrong.send(1, handshakeResponse({ scramble, user: 'root', password: 'wrong' }));
    wrong.command(COMMAND.QUERY, 'SELECT 1');
    expect(errorOf(await wrong.read())?.errno).toBe(1045);
    expect(await wrong.read()).toBeNull();
    expect(service.executed.length).toBe(before);
  });

  test('a client that comes byte by byte logs in and is answered', async () => {
    const client = new RawClient(serverOf(NATIVE_PLUGIN).port);
    const greeting = await client.read();
    const scramble = scrambleOf(greeting?.payload ?? Buffer.alloc(0));
    const slowly = async (bytes: Uint8Array) => {
      for (const byte of bytes) {
        client.socket.write(Uint8Array.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const response = handshakeResponse({ scramble, user: 'root', password: PASSWORD });
    await slowly(Buffer.concat([Buffer.of(response.length, 0, 0, 1), response]));
    expect((await client.read())?.payload[0]).toBe(0);
    await slowly(Buffer.from('\u0009\0\0\0\u0003SELECT 1', 'latin1'));
    expect((await client.read())?.payload).toEqual(Buffer.of(1));
    client.close();
  });

  test('bytes in clear behind the request for TLS are not read as packets', async () => {
    const { port, service } = serverOf(NATIVE_PLUGIN);
    const before = service.executed.length;
    const client = new RawClient(port);
    const greeting = await client.read();
    const scramble = scrambleOf(greeting?.payload ?? Buffer.alloc(0));
    const response = handshakeResponse({ scramble, user: 'root', password: PASSWORD, capabilities: CAPABILITY.SSL });
    const request = response.subarray(0, 32);
    const injected = Buffer.concat([
      Buffer.of(32, 0, 0, 1),
      request,
      Buffer.of(response.length, 0, 0, 2),
      response,
      Buffer.from('\u0009\0\0\0\u0003SELECT 1', 'latin1'),
    ]);
    client.socket.write(injected);
    // A TLS alert is not a packet: whatever comes, it is neither OK nor rows.
    await until(() => client.socket.readableEnded || client.socket.destroyed);
    expect(service.executed.length).toBe(before);
  });

  test('20 MB go both ways under TLS, and a client that goes away interrupts its statement there too', async () => {
    const { port, service, server } = serverOf(NATIVE_PLUGIN);
    const ssl = { rejectUnauthorized: false };
    const connection = await mysql.createConnection({ host: '127.0.0.1', port, user: 'root', password: PASSWORD, ssl });
    const [big] = await connection.query<RowDataPacket[]>(`BIG ${LARGE}`);
    expect(big[0]?.big).toHaveLength(LARGE);
    const [length] = await connection.query<RowDataPacket[]>(`LENGTH ${'y'.repeat(LARGE)}`);
    expect(length).toEqual([{ length: LARGE + 7 }]);
    expect(server.connections.list().map(({ isTls }) => isTls)).toEqual([true]);
    // How the client sees its own destruction is its affair.
    connection.query('SLEEP').catch(() => {});
    await until(() => service.executed.at(-1) === 'SLEEP');
    connection.destroy();
    await until(() => service.interrupted === 1 && server.connections.list().length === 0);
  });

  test('failed logins of a host make it wait longer, and a good one forgives them', async () => {
    const { server, port, logged, service } = await startTestServer({
      limits: { failedLoginDelayMs: 40, failedLoginDelayMsMax: 100 },
    });
    for (let i = 0; i < 3; i++) {
      const client = new RawClient(port);
      expect(errorOf(await client.logIn({ password: 'wrong' }))?.errno).toBe(1045);
      client.close();
    }
    const client = new RawClient(port);
    expect((await client.logIn())?.payload[0]).toBe(0);
    client.close();
    const failures = logged.filter((line) => line.includes('"login_failed"'));
    expect(failures.length).toBe(3);
    expect(failures.join()).not.toContain('wrong');
    expect(service.failedLogins).toEqual([1, 2, 3].map(() => ['root', 1045]));
    await server.stop(100);
  });
});
