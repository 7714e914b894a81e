// Goal: KILL, disconnects, bounds and a planned stop end exactly what they should, and nothing is left behind.
import mysql, { type RowDataPacket } from 'mysql2/promise';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { COMMAND } from '../wire/constants.ts';
import { errorOf, PASSWORD, RawClient, startTestServer, type TestServer, until } from './server.fixture.ts';

let running: TestServer;
let raw: RawClient[] = [];
beforeEach(async () => {
  running = await startTestServer();
});
afterEach(async () => {
  for (const client of raw) client.close();
  raw = [];
  running.service.release();
  await running.server.stop(100);
});

const login = () => ({ host: '127.0.0.1', port: running.port, user: 'root', password: PASSWORD });
const connect = () => mysql.createConnection(login());

async function rawClient(): Promise<RawClient> {
  const client = new RawClient(running.port);
  raw.push(client);
  expect((await client.logIn())?.payload[0]).toBe(0);
  return client;
}
const isSleeping = () => running.service.executed.filter((sql) => sql === 'SLEEP').length;
const idOf = (command: string) => running.server.connections.list().find((info) => info.command === command)?.id ?? -1;

describe('connections', () => {
  test('are listed with what they do', async () => {
    const idle = await connect();
    const busy = await rawClient();
    busy.command(COMMAND.QUERY, 'SLEEP');
    await until(() => isSleeping() === 1);
    const pending = new RawClient(running.port);
    raw.push(pending);
    await pending.read();
    const list = running.server.connections.list();
    expect(list.map(({ id, command, user, tenantName, info }) => ({ id, command, user, tenantName, info }))).toEqual([
      { id: 1, command: 'Sleep', user: 'root', tenantName: 'sys', info: null },
      { id: 2, command: 'Query', user: 'root', tenantName: 'sys', info: 'SLEEP' },
      { id: 3, command: 'Connect', user: '', tenantName: '', info: null },
    ]);
    expect(list[0]?.host).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(list.every(({ elapsedMs }) => elapsedMs >= 0)).toBe(true);
    await idle.end();
    await until(() => running.server.connections.list().length === 2);
  });

  test('KILL QUERY ends the statement and leaves the connection', async () => {
    const client = await rawClient();
    client.command(COMMAND.QUERY, 'SLEEP');
    await until(() => isSleeping() === 1);
    expect(running.server.connections.kill(idOf('Query'), 'query')).toBe(true);
    expect(errorOf(await client.read())).toMatchObject({ errno: 1317, sqlState: '70100' });
    expect(running.server.connections.kill(idOf('Sleep'), 'query')).toBe(true);
    client.command(COMMAND.PING);
    expect((await client.read())?.payload[0]).toBe(0);
    expect(running.server.connections.kill(999, 'query')).toBe(false);
  });

  test('KILL ends the statement and the connection', async () => {
    const client = await rawClient();
    client.command(COMMAND.QUERY, 'SLEEP');
    await until(() => isSleeping() === 1);
    expect(running.server.connections.kill(idOf('Query'), 'connection')).toBe(true);
    expect(errorOf(await client.read())?.errno).toBe(1317);
    expect(await client.read()).toBeNull();
    await until(() => running.service.sessions.size === 0);
  });

  test('KILL ends an idle connection and one that is logging in', async () => {
    const idle = await rawClient();
    const pending = new RawClient(running.port);
    raw.push(pending);
    await pending.read();
    for (const command of ['Sleep', 'Connect']) running.server.connections.kill(idOf(command), 'connection');
    expect(await idle.read()).toBeNull();
    expect(await pending.read()).toBeNull();
    await until(() => running.server.connections.list().length === 0);
    expect(running.service.sessions.size).toBe(0);
  });

  test('a connection that kills itself gets its answer and is closed', async () => {
    const client = await rawClient();
    client.command(COMMAND.QUERY, 'KILL 1');
    expect((await client.read())?.payload[0]).toBe(0);
    expect(await client.read()).toBeNull();
  });

  test('a client that goes away interrupts its statement', async () => {
    const client = await rawClient();
    client.command(COMMAND.QUERY, 'SLEEP');
    await until(() => isSleeping() === 1);
    client.close();
    await until(() => running.service.interrupted === 1 && running.service.sessions.size === 0);
    await until(() => running.server.connections.list().length === 0);
  });

  test('a client that says good-bye is closed without an answer', async () => {
    const client = await rawClient();
    client.command(COMMAND.QUIT);
    expect(await client.read()).toBeNull();
    await until(() => running.service.sessions.size === 0);
  });

  test('what a client sends ahead without end stays unread while its statement runs', async () => {
    const client = await rawClient();
    client.command(COMMAND.QUERY, 'STUBBORN');
    await until(() => running.service.executed.includes('STUBBORN'));
    const ping = Buffer.of(1, 0, 0, 0, COMMAND.PING);
    const sent = 4_000_000;
    client.socket.write(Buffer.alloc(sent * ping.length, ping));
    await until(() => client.socket.bytesWritten > 0 && client.socket.writableLength > 0);
    running.service.release();
    for (let i = 0; i < 1000; i++) expect((await client.read())?.payload[0]).toBe(0);
  });
});

describe('large results', () => {
  test('are produced only as fast as the client takes them', async () => {
    const client = await rawClient();
    client.socket.pause();
    client.command(COMMAND.QUERY, 'MANY 400000');
    let before = -1;
    while (running.service.batches !== before || before === 0) {
      before = running.service.batches;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    // 800 batches of about 55 KB each would be 44 MB; kernel buffers hold a few MB of them.
    expect(running.service.batches).toBeLessThan(400);
    client.socket.resume();
    let rows = -5;
    for (;;) {
      const packet = await client.read();
      rows++;
      if (packet === null || (packet.payload[0] === 0xfe && rows > 0)) break;
    }
    expect(rows).toBe(400_000);
  });

  test('are given up when the client takes nothing for too long', async () => {
    const impatient = await startTestServer({ limits: { writeStallMs: 50 } });
    const client = new RawClient(impatient.port);
    raw.push(client);
    await client.logIn();
    client.socket.pause();
    client.command(COMMAND.QUERY, 'MANY 400000');
    await until(() => impatient.logged.some((line) => line.includes('took no bytes for too long')));
    await until(() => impatient.service.sessions.size === 0);
    await impatient.server.stop(100);
  });
});

describe('bounds', () => {
  test('a login that takes too long is cut off', async () => {
    const strict = await startTestServer({ limits: { loginMs: 50 } });
    const client = new RawClient(strict.port);
    raw.push(client);
    await client.read();
    client.socket.write(Buffer.of(1));
    expect(await client.read()).toBeNull();
    await strict.server.stop(100);
  });

  test('a session that says nothing for too long is cut off', async () => {
    const strict = await startTestServer({ limits: { idleMs: 50 } });
    const client = new RawClient(strict.port);
    raw.push(client);
    await client.logIn();
    expect(await client.read()).toBeNull();
    await until(() => strict.service.sessions.size === 0);
    await strict.server.stop(100);
  });

  test('connections beyond the bounds are refused in words', async () => {
    for (const limits of [{ connectionsMax: 2 }, { pendingLoginsMax: 2 }, { pendingLoginsPerHostMax: 2 }]) {
      const strict = await startTestServer({ limits });
      const clients = Array.from({ length: 2 }, () => new RawClient(strict.port));
      raw.push(...clients);
      for (const client of clients) expect((await client.read())?.payload[0]).toBe(10);
      const third = new RawClient(strict.port);
      raw.push(third);
      expect(errorOf(await third.read())).toMatchObject({ errno: 1040, sqlState: '' });
      expect(await third.read()).toBeNull();
      clients[0]?.close();
      await until(() => strict.server.connections.list().length === 1);
      const fourth = new RawClient(strict.port);
      raw.push(fourth);
      expect((await fourth.logIn())?.payload[0]).toBe(0);
      await strict.server.stop(100);
    }
  });
});

describe('server', () => {
  test('a second one on the same port is refused in words', async () => {
    await expect(startTestServer({ port: running.port })).rejects.toThrow(
      `can not listen on 127.0.0.1:${running.port}: another server listens there`,
    );
    await expect(startTestServer({ listen: '192.0.2.1' })).rejects.toMatchObject({ errorName: 'ADDRESS_NOT_FREE' });
  });

  test('stop waits for running statements, ends idle connections and takes no new ones', async () => {
    const idle = await rawClient();
    const busy = await rawClient();
    busy.command(COMMAND.QUERY, 'STUBBORN');
    await until(() => running.service.executed.includes('STUBBORN'));
    const stopped = running.server.stop(60_000);
    expect(await idle.read()).toBeNull();
    await expect(connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    running.service.release();
    expect((await busy.read())?.payload[0]).toBe(0);
    expect(await busy.read()).toBeNull();
    await stopped;
    expect(running.service.sessions.size).toBe(0);
  });

  test('stop interrupts statements that outlast its grace', async () => {
    const client = await rawClient();
    client.command(COMMAND.QUERY, 'SLEEP');
    await until(() => isSleeping() === 1);
    await running.server.stop(20);
    expect(errorOf(await client.read())?.errno).toBe(1317);
    expect(await client.read()).toBeNull();
    expect(running.service.interrupted).toBe(1);
  });

  test('stop does not wait for a statement that ignores its interruption', async () => {
    const strict = await startTestServer({ limits: { killGraceMs: 20 } });
    const client = new RawClient(strict.port);
    raw.push(client);
    await client.logIn();
    client.command(COMMAND.QUERY, 'STUBBORN');
    await until(() => strict.service.executed.includes('STUBBORN'));
    await strict.server.stop(20);
    expect(await client.read()).toBeNull();
    expect(strict.logged.some((line) => line.includes('sessions_left_open'))).toBe(true);
    strict.service.release();
    await until(() => strict.service.sessions.size === 0);
  });

  test('many clients at once are all served', async () => {
    const connections = await Promise.all(Array.from({ length: 50 }, connect));
    const names = await Promise.all(
      connections.map(async (connection) => {
        const [rows] = await connection.query<RowDataPacket[]>('NAME');
        return rows[0]?.name;
      }),
    );
    expect(new Set(names)).toEqual(new Set(['root@sys/null']));
    expect(running.server.connections.list().length).toBe(50);
    await Promise.all(connections.map((connection) => connection.end()));
    await until(() => running.service.sessions.size === 0);
  });
});
