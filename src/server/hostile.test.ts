// Goal: whatever bytes strangers send, only their own connection suffers and no statement runs.
// Method: random bytes, altered logins and altered commands, from a printed seed, beside a client that works all along.
import { randomInt } from 'node:crypto';
import mysql, { type Connection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { COMMAND } from '../wire/constants.ts';
import { seededRandom } from '../wire/wire.fixture.ts';
import {
  frame,
  handshakeResponse,
  PASSWORD,
  RawClient,
  scrambleOf,
  startTestServer,
  type TestServer,
  until,
} from './server.fixture.ts';

let running: TestServer;
let witness: Connection;
beforeAll(async () => {
  running = await startTestServer({ limits: { loginMs: 500 } });
  witness = await mysql.createConnection({ host: '127.0.0.1', port: running.port, user: 'root', password: PASSWORD });
});
afterAll(async () => {
  await witness.end();
  await running.server.stop(100);
});

const seed = randomInt(2 ** 31);
console.log(`hostile seed ${seed}`);
const random = seededRandom(seed);
const randomBytesOf = (length: number) => Buffer.from(Array.from({ length }, () => random(256)));

/** Reads until the server closes or has nothing more to say; then goes away. */
async function finish(client: RawClient): Promise<void> {
  client.socket.end();
  while (await client.read()) {
    // What the server says to nonsense is of no interest, only that it survives.
  }
  client.close();
}

async function expectUnharmed(): Promise<void> {
  const [rows] = await witness.query('SELECT 1');
  expect(rows).toEqual([{ 1: 1 }]);
  await until(() => running.service.sessions.size === 1 && running.server.connections.list().length === 1);
}

const errors = () => running.logged.filter((line) => /connection_failed|command_failed|"level":"error"/.test(line));

test('random bytes before the login close that connection only, and nothing runs', async () => {
  const before = running.service.executed.length;
  for (let i = 0; i < 150; i++) {
    const client = new RawClient(running.port);
    if (random(2) === 0) await client.read();
    client.socket.write(randomBytesOf(random(300)));
    await finish(client);
  }
  expect(running.service.executed.length).toBe(before);
  await expectUnharmed();
  expect(errors()).toEqual([]);
});

test('logins with altered bytes are refused or right, and never break anything', async () => {
  for (let i = 0; i < 150; i++) {
    const client = new RawClient(running.port);
    const scramble = scrambleOf((await client.read())?.payload ?? Buffer.alloc(0));
    const response = handshakeResponse({ scramble, user: 'root', password: PASSWORD });
    for (let change = random(4); change >= 0; change--) response[random(response.length)] = random(256);
    client.socket.write(frame(1, response.subarray(0, random(4) === 0 ? random(response.length) : response.length)));
    client.socket.write(frame(random(4), randomBytesOf(random(40))));
    await finish(client);
  }
  await expectUnharmed();
  expect(errors()).toEqual([]);
});

test('altered commands of a session are answered or end it, and never break anything', async () => {
  const codes = Object.values(COMMAND).filter((code) => code !== COMMAND.PROCESS_KILL);
  for (let i = 0; i < 150; i++) {
    const client = new RawClient(running.port);
    await client.logIn();
    client.command(COMMAND.STMT_PREPARE, 'ECHO bigint,longtext,datetime ?,?,?');
    for (let commands = random(6); commands >= 0; commands--) {
      const code = codes[random(codes.length)] ?? 0;
      const body = randomBytesOf(random(60));
      if (random(2) === 0) body.fill(0, 0, Math.min(body.length, random(20)));
      if (random(2) === 0 && body.length > 4) body.writeUInt32LE(1, 0);
      client.command(code, body);
    }
    await finish(client);
  }
  await expectUnharmed();
  expect(errors()).toEqual([]);
});

test('a stranger who only connects and waits is cut off while others work', async () => {
  const silent = Array.from({ length: 20 }, () => new RawClient(running.port));
  for (const client of silent) await client.read();
  const [rows] = await witness.query('SELECT 1');
  expect(rows).toEqual([{ 1: 1 }]);
  for (const client of silent) expect(await client.read()).toBeNull();
  await expectUnharmed();
});
