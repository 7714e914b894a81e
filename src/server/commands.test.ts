// Goal: every command is answered as real clients expect it, values survive both ways, large ones too.
// Method: mysql2, mariadb (npm) and the mariadb command line client, and raw packets where they hide too much.
import { spawnSync } from 'node:child_process';
import * as mariadb from 'mariadb';
import mysql, { type Connection, type RowDataPacket } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CAPABILITY, COMMAND } from '../wire/constants.ts';
import { errorOf, PASSWORD, RawClient, runCli, startTestServer, type TestServer, until } from './server.fixture.ts';

const hasCli = spawnSync('mariadb', ['--version']).status === 0;
const cliTest = hasCli ? test : test.skip;
if (!hasCli) console.log('skipping the command line client: no program `mariadb` on this machine');

const LARGE = 20_000_000;

let running: TestServer;
beforeAll(async () => {
  running = await startTestServer();
});
afterAll(async () => {
  await running.server.stop(100);
});

const login = () => ({ host: '127.0.0.1', port: running.port, user: 'root', password: PASSWORD });
const exact = { supportBigNumbers: true, bigNumberStrings: true, dateStrings: true } as const;

/** What a client shows of the row of all types when it is asked for exact values. */
const TYPES_SHOWN = [
  -5,
  -2_147_483_648,
  '-9223372036854775808',
  '18446744073709551615',
  0.1,
  '123456789012345678901.123456789',
  'é 😀',
  'long é 😀',
  Buffer.from([0, 255, 254, 39, 92]),
  '2024-02-29',
  '-26:03:04.000005',
  '2024-02-29 23:59:58.123456',
  '2024-02-29 23:59:58',
  null,
  null,
];

describe('mysql2', () => {
  let connection: Connection;
  beforeEach(async () => {
    connection = await mysql.createConnection({ ...login(), ...exact });
  });
  afterEach(async () => {
    await connection.end();
  });
  const rowsOf = async (sql: string) => (await connection.query<RowDataPacket[]>(sql))[0];

  test('reads every type from text rows', async () => {
    const [row = {}] = await rowsOf('TYPES');
    const text = (value: unknown) => (typeof value === 'number' ? String(value) : value);
    expect(Object.values(row).map(text)).toEqual(TYPES_SHOWN.map(text));
  });

  test('reads every type from binary rows', async () => {
    const [[row = {}] = []] = await connection.execute<RowDataPacket[]>('TYPES');
    const text = (value: unknown) => (typeof value === 'number' ? String(value) : value);
    expect(Object.values(row).map(text)).toEqual(TYPES_SHOWN.map(text));
  });

  test('binds values of every type it has, and gets them back', async () => {
    const bytes = Buffer.from([0, 1, 255, 254]);
    const parameters = ['é 😀', bytes, 1.5, null, true, '9223372036854775807', new Date('2024-02-29T10:11:12.345Z')];
    const sql = 'ECHO longtext,longblob,double,longtext,tinyint,bigint,longtext ?,?,?,?,?,?,?';
    const [[row = {}] = []] = await connection.execute<RowDataPacket[]>(sql, parameters);
    const values = Object.values(row);
    expect(values.slice(0, 4)).toEqual(['é 😀', bytes, 1.5, null]);
    expect(String(values[4])).toBe('1');
    expect(values[5]).toBe('9223372036854775807');
    expect(values[6]).toMatch(/^2024-02-29 \d\d:\d\d:12\.345000$/);
    expect(running.service.parameters.at(-1)?.slice(0, 4)).toEqual(['é 😀', bytes, 1.5, null]);
  });

  test('executes a statement many times, and other statements in between', async () => {
    for (let i = 0; i < 20; i++) {
      const [[row] = []] = await connection.execute<RowDataPacket[]>('ECHO longtext ?', [`value ${i}`]);
      expect(row).toEqual({ p0: `value ${i}` });
      await connection.ping();
      await connection.query('SELECT 1');
    }
    connection.unprepare('ECHO longtext ?');
    await connection.ping();
  });

  test('sends and receives 20 MB in one packet, as text and as a parameter', async () => {
    const [big] = await rowsOf(`BIG ${LARGE}`);
    expect(big?.big).toHaveLength(LARGE);
    const [length] = await rowsOf(`LENGTH ${'y'.repeat(LARGE)}`);
    expect(Number(length?.length)).toBe(LARGE + 7);
    const long = 'zé'.repeat(LARGE / 2);
    const [[row] = []] = await connection.execute<RowDataPacket[]>('ECHO longtext ?', [long]);
    expect(row?.p0 === long).toBe(true);
  });

  test('is refused a row larger than max_allowed_packet', async () => {
    await expect(connection.query(`BIG ${65 * 1024 * 1024}`)).rejects.toMatchObject({ errno: 1153 });
    expect(await rowsOf('SELECT 1')).toEqual([{ 1: '1' }]);
  });

  test('receives many rows', async () => {
    const rows = await rowsOf('MANY 30000');
    expect(rows.length).toBe(30_000);
    expect(rows.at(-1)).toEqual({ n: '29999', pad: 'p'.repeat(100) });
  });

  test('is told what a statement changed', async () => {
    const [result] = await connection.query<mysql.ResultSetHeader>('INSERT');
    expect(result).toMatchObject({ affectedRows: 3, warningStatus: 1, info: expect.stringContaining('Records: 3') });
    expect(String(result.insertId)).toBe('9223372036854775807');
  });

  test('is told of errors and goes on', async () => {
    await expect(connection.query('FAIL')).rejects.toMatchObject({ errno: 1050, sqlState: '42S01' });
    await expect(connection.query('BUG')).rejects.toMatchObject({ errno: 4016, sqlState: 'HY000' });
    await expect(connection.query('BUG')).rejects.not.toThrow('inner secret');
    await expect(connection.query('HALF')).rejects.toThrow('disk I/O error');
    await expect(connection.execute('MISFIT')).rejects.toMatchObject({ errno: 1366 });
    await expect(connection.execute('FAIL')).rejects.toMatchObject({ errno: 1064 });
    expect(await rowsOf('SELECT 1')).toEqual([{ 1: '1' }]);
    expect(running.logged.some((line) => line.includes('command_failed') && line.includes('TypeError'))).toBe(true);
  });

  test('sees a loosely typed value as it is in a text row', async () => {
    const texts = await connection.query<RowDataPacket[]>({ sql: 'MISFIT', typeCast: (field) => field.string() });
    expect(texts[0]).toEqual([{ n: '1' }, { n: 'twelve' }]);
  });

  test('sends several statements at once only when it asked for that', async () => {
    const multi = await mysql.createConnection({ ...login(), multipleStatements: true });
    const [results] = await multi.query<RowDataPacket[][]>('SELECT 1; INSERT; NAME');
    expect(results.length).toBe(3);
    expect(results[0]).toEqual([{ 1: 1 }]);
    expect(results[1]).toMatchObject({ affectedRows: 3 });
    expect(results[2]).toEqual([{ name: 'root@sys/null' }]);
    await expect(multi.query('SELECT 1; FAIL; INSERT')).rejects.toMatchObject({ errno: 1050 });
    expect(running.service.executed.at(-1)).toBe('FAIL');
    await multi.query('SELECT 1');
    await multi.end();
    // Without the flag the text goes down whole.
    await connection.query('SELECT 1; INSERT');
    expect(running.service.executed.at(-1)).toBe('SELECT 1; INSERT');
  });

  test('changes the user, and is cut off when it may not', async () => {
    await connection.query('REMEMBER me');
    await connection.changeUser({ user: 'root@t1', password: PASSWORD, database: 'shop' });
    expect(await rowsOf('NAME')).toEqual([{ name: 'root@t1/shop' }]);
    expect(await rowsOf('RECALL')).toEqual([{ x: null }]);
    const other = await mysql.createConnection(login());
    other.on('error', () => {});
    const sessions = running.service.sessions.size;
    await expect(other.changeUser({ user: 'root', password: 'wrong' })).rejects.toMatchObject({ errno: 1045 });
    await until(() => running.service.sessions.size === sessions - 1);
    await expect(other.query('SELECT 1')).rejects.toThrow();
  });

  test('resets its session and loses its prepared statements with it', async () => {
    await connection.query('REMEMBER me');
    expect(await rowsOf('RECALL')).toEqual([{ x: 'me' }]);
    await connection.execute('ECHO longtext ?', ['a']);
    await connection.reset();
    expect(await rowsOf('RECALL')).toEqual([{ x: null }]);
  });

  test('runs what it sent ahead in order', async () => {
    const answers = Array.from({ length: 200 }, (_, i) => rowsOf(`LENGTH ${'x'.repeat(i)}`));
    const lengths = (await Promise.all(answers)).map((rows) => Number(rows[0]?.length));
    expect(lengths).toEqual(Array.from({ length: 200 }, (_, i) => i + 7));
  });
});

describe('mariadb (npm)', () => {
  let connection: mariadb.Connection;
  beforeEach(async () => {
    connection = await mariadb.createConnection({ ...login(), dateStrings: true });
  });
  afterEach(async () => {
    await connection.end();
  });

  const shown = (values: unknown[]) => values.map((value) => (typeof value === 'bigint' ? value.toString() : value));

  test('reads every type from text and binary rows', async () => {
    for (const row of [(await connection.query('TYPES'))[0], (await connection.execute('TYPES'))[0]]) {
      expect(shown(Object.values(row)).map(String)).toEqual(TYPES_SHOWN.map(String));
    }
  });

  test('binds values of every type it has, and gets them back', async () => {
    const bytes = Buffer.from([0, 1, 255]);
    const parameters = [9_223_372_036_854_775_807n, -5, 1.5, 'é 😀', bytes, null, true];
    const sql = 'ECHO bigint,bigint,double,longtext,longblob,longtext,tinyint ?,?,?,?,?,?,?';
    const [row] = await connection.execute(sql, parameters);
    expect(Object.values(row)).toEqual([9_223_372_036_854_775_807n, -5n, 1.5, 'é 😀', bytes, null, 1]);
    expect(running.service.parameters.at(-1)).toEqual([9_223_372_036_854_775_807n, -5n, 1.5, 'é 😀', bytes, null, 1n]);
  });

  test('prepares, executes and closes', async () => {
    const prepared = await connection.prepare('ECHO longtext ?');
    for (const value of ['a', null, 'c']) expect(await prepared.execute([value])).toEqual([{ p0: value }]);
    prepared.close();
    await connection.ping();
  });

  test('sends and receives 20 MB', async () => {
    const big = await mariadb.createConnection({ ...login(), maxAllowedPacket: 64 * 1024 * 1024 });
    const [row] = await big.query(`BIG ${LARGE}`);
    expect(row.big.length).toBe(LARGE);
    const [length] = await big.query(`LENGTH ${'y'.repeat(LARGE)}`);
    expect(length.length).toBe(BigInt(LARGE + 7));
    const [bytes] = await big.execute('ECHO longblob ?', [Buffer.alloc(LARGE, 7)]);
    expect(bytes.p0.equals(Buffer.alloc(LARGE, 7))).toBe(true);
    await big.end();
  });

  test('resets its session', async () => {
    await connection.query('REMEMBER me');
    await connection.reset();
    expect(await connection.query('RECALL')).toEqual([{ x: null }]);
  });

  test('sees results end properly when statements are many in one', async () => {
    const multi = await mariadb.createConnection({ ...login(), multipleStatements: true });
    const results = await multi.query('SELECT 1; INSERT; SELECT 1');
    expect(results[0]).toEqual([{ 1: 1n }]);
    expect(results[1]).toMatchObject({ affectedRows: 3 });
    expect(results[2]).toEqual([{ 1: 1n }]);
    await multi.end();
  });
});

describe('mariadb (command line)', () => {
  const run = (...args: string[]) =>
    runCli(running.port, ['--user=root', `--password=${PASSWORD}`, '--skip-ssl', ...args]);

  cliTest('shows rows, counts and errors', async () => {
    const { stdout } = await run('-vvv', '-e', 'TYPES; INSERT');
    expect(stdout).toContain('18446744073709551615');
    expect(stdout).toContain('123456789012345678901.123456789');
    expect(stdout).toContain('1 row in set, 2 warnings');
    expect(stdout).toContain('Query OK, 3 rows affected, 1 warning');
    const { code, stderr } = await run('-e', 'FAIL');
    expect(code).toBe(1);
    expect(stderr).toContain("ERROR 1050 (42S01) at line 1: Table 't' already exists");
  });

  cliTest('shows the statistics and completes names', async () => {
    expect((await run('-e', 'status')).stdout).toContain('Uptime:');
    expect((await run('--auto-rehash', '-D', 'shop', '-e', 'NAME')).stdout).toContain('root@sys/shop');
  });

  cliTest('receives a row of 20 MB', async () => {
    const { stdout } = await run('--max-allowed-packet=64M', '--skip-column-names', '-e', `BIG ${LARGE}`);
    expect(stdout.trim().length).toBe(LARGE);
  });

  cliTest('is told errors of an oracle tenant in its words', async () => {
    const { stderr } = await runCli(running.port, ['--user=SYS', `--password=${PASSWORD}`, '--skip-ssl', '-e', 'FAIL']);
    expect(stderr).toContain('ORA-00955');
  });
});

describe('raw packets', () => {
  let client: RawClient;
  beforeEach(async () => {
    client = new RawClient(running.port);
    await client.logIn();
  });
  afterEach(() => client.close());
  const okStatus = async () => (await client.read())?.payload.readUInt16LE(3);

  test('flags tell of an open transaction and of autocommit', async () => {
    client.command(COMMAND.QUERY, 'BEGIN');
    expect(await okStatus()).toBe(3);
    client.command(COMMAND.PING);
    expect(await okStatus()).toBe(3);
    client.command(COMMAND.QUERY, 'COMMIT');
    expect(await okStatus()).toBe(2);
    const session = [...running.service.sessions].at(-1);
    for (const [value, status] of [
      ['0', 0],
      [0n, 0],
      ['OFF', 0],
      [1n, 2],
      ['ON', 2],
    ] as const) {
      session?.variables.set('autocommit', value);
      client.command(COMMAND.PING);
      expect(await okStatus()).toBe(status);
    }
  });

  test('unknown commands are refused and the connection goes on', async () => {
    for (const code of [0x00, 0x05, 0x0d, 0x12, 0x1c, 0xff]) {
      client.command(code, 'xyz');
      expect(errorOf(await client.read())).toMatchObject({ errno: 1047, sqlState: '08S01' });
    }
    client.send(0, Buffer.alloc(0));
    expect(errorOf(await client.read())?.errno).toBe(1835);
    client.command(COMMAND.QUERY, Buffer.from([0x53, 0xff]));
    expect(errorOf(await client.read())?.errno).toBe(1300);
    client.command(COMMAND.PING);
    expect(await okStatus()).toBe(2);
  });

  test('a command with the wrong number ends the connection', async () => {
    client.send(1, Buffer.of(COMMAND.PING));
    expect(errorOf(await client.read())?.errno).toBe(1156);
    expect(await client.read()).toBeNull();
  });

  test('a packet over max_allowed_packet ends the connection before it is sent whole', async () => {
    for (let sequence = 0; sequence < 4; sequence++) {
      client.socket.write(Buffer.of(0xff, 0xff, 0xff, sequence));
      client.socket.write(Buffer.alloc(0xff_ff_ff, 0x20));
    }
    client.socket.write(Buffer.of(5, 0, 0, 4));
    const packet = await client.read();
    expect(errorOf(packet)).toMatchObject({ errno: 1153 });
    expect(await client.read()).toBeNull();
  });

  test('INIT_DB chooses a database or says that there is none', async () => {
    client.command(COMMAND.INIT_DB, 'shop');
    expect(await okStatus()).toBe(2);
    client.command(COMMAND.INIT_DB, 'missing');
    expect(errorOf(await client.read())?.errno).toBe(1049);
    expect([...running.service.sessions].at(-1)?.database).toBe('shop');
  });

  test('SET_OPTION turns several statements in one text on and off', async () => {
    client.command(COMMAND.SET_OPTION, Buffer.of(0, 0));
    expect((await client.read())?.payload[0]).toBe(0xfe);
    client.command(COMMAND.QUERY, 'BEGIN; COMMIT');
    expect(await okStatus()).toBe(11);
    expect(await okStatus()).toBe(2);
    client.command(COMMAND.SET_OPTION, Buffer.of(1, 0));
    expect((await client.read())?.payload[0]).toBe(0xfe);
    client.command(COMMAND.QUERY, ';BEGIN; COMMIT');
    expect(errorOf(await client.read())?.errno).toBe(1064);
    client.command(COMMAND.SET_OPTION, Buffer.of(2, 0));
    expect(errorOf(await client.read())?.errno).toBe(1047);
  });

  test('FIELD_LIST gives the columns with their defaults, or the error', async () => {
    client.command(COMMAND.FIELD_LIST, 't\0');
    const first = await client.read();
    expect(first?.payload.at(-1)).toBe(0xfb);
    await client.read();
    expect((await client.read())?.payload[0]).toBe(0xfe);
    client.command(COMMAND.FIELD_LIST, 'FAIL\0');
    expect(errorOf(await client.read())?.errno).toBe(1064);
  });

  test('PROCESS_INFO and PROCESS_KILL are the statements of those names', async () => {
    client.command(COMMAND.PROCESS_KILL, Buffer.of(0xff, 0xff, 0, 0));
    expect(errorOf(await client.read())).toMatchObject({ errno: 1094 });
    expect(running.service.executed.at(-1)).toBe('KILL 65535');
    client.command(COMMAND.PROCESS_INFO);
    expect((await client.read())?.payload).toEqual(Buffer.of(2));
    expect(running.service.executed.at(-1)).toBe('SHOW PROCESSLIST');
  });

  test('rows end with EOF for older clients and with an OK packet for newer ones', async () => {
    client.command(COMMAND.QUERY, 'SELECT 1');
    const old: number[] = [];
    for (let i = 0; i < 5; i++) old.push((await client.read())?.payload.length ?? -1);
    expect(old).toEqual([1, expect.any(Number), 5, 2, 5]);
    const newer = new RawClient(running.port);
    await newer.logIn({ capabilities: CAPABILITY.DEPRECATE_EOF });
    newer.command(COMMAND.QUERY, 'SELECT 1');
    const lengths: number[] = [];
    for (let i = 0; i < 4; i++) lengths.push((await newer.read())?.payload.length ?? -1);
    expect(lengths).toEqual([1, expect.any(Number), 2, 7]);
    newer.close();
  });

  test('an error takes the place of the next row', async () => {
    client.command(COMMAND.QUERY, 'HALF');
    const packets: Buffer[] = [];
    for (let i = 0; i < 6; i++) packets.push((await client.read())?.payload ?? Buffer.alloc(0));
    expect(packets[3]).toEqual(Buffer.from('\u00011'));
    expect(packets[4]).toEqual(Buffer.from('\u00012'));
    expect(packets[5]?.[0]).toBe(0xff);
    client.command(COMMAND.PING);
    expect(await okStatus()).toBe(2);
  });

  describe('prepared statements', () => {
    const prepare = async (sql: string) => {
      client.command(COMMAND.STMT_PREPARE, sql);
      const answer = (await client.read())?.payload;
      const parameterCount = answer?.readUInt16LE(7) ?? 0;
      for (let i = 0; i < parameterCount + (parameterCount > 0 ? 1 : 0); i++) await client.read();
      return answer?.subarray(1, 5) ?? Buffer.alloc(4);
    };
    const execute = (id: Buffer, rest: number[]) =>
      client.command(COMMAND.STMT_EXECUTE, Buffer.concat([id, Buffer.of(0, 1, 0, 0, 0, ...rest)]));
    const skip = async (count: number) => {
      for (let i = 0; i < count; i++) await client.read();
    };

    test('remember the types of the last execution', async () => {
      const id = await prepare('ECHO bigint ?');
      execute(id, [0, 0, 7]);
      expect(errorOf(await client.read())?.errno).toBe(1210);
      execute(id, [0, 1, 1, 0x80, 255]);
      await skip(5);
      execute(id, [0, 0, 254]);
      await skip(5);
      expect(running.service.parameters.slice(-2)).toEqual([[255n], [254n]]);
    });

    test('take a long parameter in pieces, once', async () => {
      const id = await prepare('ECHO longblob ?');
      const send = (piece: string) =>
        client.command(COMMAND.STMT_SEND_LONG_DATA, Buffer.concat([id, Buffer.of(0, 0), Buffer.from(piece)]));
      send('ab');
      send('cd');
      execute(id, [0, 1, 0xfc, 0]);
      await skip(5);
      expect(running.service.parameters.at(-1)).toEqual([Buffer.from('abcd')]);
      send('lost');
      client.command(COMMAND.STMT_RESET, id);
      expect(await okStatus()).toBe(2);
      execute(id, [1, 1, 0xfc, 0]);
      await skip(5);
      expect(running.service.parameters.at(-1)).toEqual([null]);
    });

    test('say at the execution what was wrong with a long parameter', async () => {
      const id = await prepare('ECHO longblob ?');
      client.command(COMMAND.STMT_SEND_LONG_DATA, Buffer.concat([id, Buffer.of(1, 0), Buffer.from('x')]));
      execute(id, [1, 1, 0xfc, 0]);
      expect(errorOf(await client.read())?.errno).toBe(1210);
      execute(id, [1, 1, 0xfc, 0]);
      await skip(5);
      const piece = Buffer.alloc(40_000_000);
      for (let i = 0; i < 2; i++) {
        client.command(COMMAND.STMT_SEND_LONG_DATA, Buffer.concat([id, Buffer.of(0, 0), piece]));
      }
      execute(id, [1, 1, 0xfc, 0]);
      expect(errorOf(await client.read())?.errno).toBe(1153);
    });

    test('are gone when they are closed', async () => {
      const id = await prepare('ECHO bigint ?');
      client.command(COMMAND.STMT_CLOSE, id);
      client.command(COMMAND.STMT_CLOSE, id);
      execute(id, [0, 0]);
      expect(errorOf(await client.read())?.errno).toBe(1243);
      client.command(COMMAND.STMT_RESET, id);
      expect(errorOf(await client.read())?.errno).toBe(1243);
    });
  });
});
