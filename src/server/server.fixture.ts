// For tests: a service with a handful of made-up statements, a running server on it, and a client that speaks raw packets.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { systemClock } from '../base/clock.ts';
import { fail, toClientError } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import { DerivedKeys } from '../format/derived-keys.ts';
import {
  bigint,
  type Column,
  type ColumnType,
  datetime,
  decimal,
  longtext,
  okResult,
  rowsResult,
  type SqlValue,
  type StatementResult,
  timestamp,
  varchar,
} from '../model/result.ts';
import type { LoginAccount, LoginRequest, Session, SqlService } from '../sql/session.ts';
import { nativeHashOf, nativeProof, sha2HashOf } from '../wire/auth.ts';
import { ByteWriter } from '../wire/byte-writer.ts';
import { CAPABILITY, MAX_ALLOWED_PACKET_BYTES, NATIVE_PLUGIN } from '../wire/constants.ts';
import { PacketBuffer } from '../wire/packet-buffer.ts';
import { type Packet, PacketSplitter } from '../wire/packet-splitter.ts';
import { Connections } from './registry.ts';
import { type RunningServer, type ServerOptions, startServer } from './server.ts';

export const PASSWORD = 'Geheim 😀 1';

/** One value of each column type, as its text. */
const TYPES_ROW: readonly [ColumnType, SqlValue][] = [
  [{ base: 'tinyint' }, -5n],
  [{ base: 'int' }, -2_147_483_648n],
  [bigint(), -9_223_372_036_854_775_808n],
  [bigint(true), 18_446_744_073_709_551_615n],
  [{ base: 'double' }, 0.1],
  [decimal(30, 9), '123456789012345678901.123456789'],
  [varchar(20), 'é 😀'],
  [longtext(), 'long é 😀'],
  [{ base: 'longblob' }, Buffer.from([0, 255, 254, 39, 92])],
  [{ base: 'date' }, '2024-02-29'],
  [{ base: 'time', scale: 6 }, '-26:03:04.000005'],
  [datetime(6), '2024-02-29 23:59:58.123456'],
  [timestamp(0), '2024-02-29 23:59:58'],
  [bigint(), null],
  [{ base: 'null' }, null],
];

const typesColumns = (): Column[] => TYPES_ROW.map(([type], i) => ({ name: `c${i}`, type }));
const one = (name: string, type: ColumnType, value: SqlValue) => rowsResult([{ name, type }], [[value]]);

async function* numbers(count: number, pad: string, onBatch: () => void): AsyncGenerator<SqlValue[][]> {
  const BATCH_ROWS = 500;
  for (let from = 0; from < count; from += BATCH_ROWS) {
    onBatch();
    const batch: SqlValue[][] = [];
    for (let i = from; i < Math.min(count, from + BATCH_ROWS); i++) batch.push([BigInt(i), pad]);
    yield batch;
  }
}

/** Statements of the tests: `WORD argument`. Everything that ran is in `executed`. */
class TestService implements SqlService {
  readonly serverVersion = '5.7.25-OceanBase-v4.3.3.0-Holdfast-test';
  readonly executed: string[] = [];
  /** Log-ins that were said to have failed: who, and the number of the error. */
  readonly failedLogins: [user: string, errno: number][] = [];
  readonly parameters: (readonly SqlValue[])[] = [];
  readonly sessions = new Set<Session>();
  readonly connections: Connections;
  /** How many SLEEPs were interrupted. */
  interrupted = 0;
  /** Batches of rows that MANY was asked for. */
  batches = 0;
  /** What lets a STUBBORN, which does not listen to its signal, go. */
  release: () => void = () => {};
  inTransaction = false;

  constructor(connections: Connections) {
    this.connections = connections;
  }

  findAccount(request: LoginRequest): LoginAccount {
    const [user = '', tenant = 'sys'] = request.userText.split('@');
    if (tenant === 'nowhere') throw fail('TENANT_NOT_EXIST', { tenant });
    const password = Buffer.from(PASSWORD);
    const none = new Uint8Array(0);
    const account = {
      user,
      tenantId: 1,
      tenantName: tenant,
      mode: 'mysql' as const,
      nativeHash: nativeHashOf(password),
      sha2Hash: sha2HashOf(password),
      isReal: true,
    };
    if (user === 'root') return account;
    if (user === 'SYS') return { ...account, mode: 'oracle' };
    if (user === 'empty') return { ...account, nativeHash: none, sha2Hash: none };
    if (user === 'old') return { ...account, sha2Hash: none };
    // A stranger whose made-up hashes even fit the password of the tests.
    return { ...account, isReal: false };
  }

  noteFailedLogin({ userText }: LoginRequest, error: unknown): void {
    this.failedLogins.push([userText, toClientError(error, 'mysql').errno]);
  }

  async openSession(account: LoginAccount, request: LoginRequest, connectionId: number): Promise<Session> {
    if (request.database === 'missing') throw fail('UNKNOWN_DATABASE', { database: 'missing' });
    const { user, tenantId, tenantName, mode } = account;
    const session: Session = {
      id: connectionId,
      user,
      tenantId,
      tenantName,
      mode,
      host: request.host,
      isTls: request.isTls,
      database: request.database,
      variables: new Map(),
      userVariables: new Map(),
      encryptionPassword: null,
      encryptionKeys: new DerivedKeys(),
      decryptionPasswords: [],
      decryptionKeys: new DerivedKeys(),
      restoreSources: [],
      warnings: [],
      lastInsertId: 0n,
      rowCount: 0n,
      engine: null,
      mayEngineWrite: false,
      running: null,
      sinceMs: 0,
    };
    this.sessions.add(session);
    return session;
  }

  async closeSession(session: Session): Promise<void> {
    this.sessions.delete(session);
  }

  async resetSession(session: Session): Promise<void> {
    session.userVariables.clear();
    session.variables.clear();
  }

  async useDatabase(session: Session, database: string): Promise<void> {
    if (database === 'missing') throw fail('UNKNOWN_DATABASE', { database });
    session.database = database;
  }

  async prepare(_session: Session, sql: string): Promise<{ parameterCount: number; columns: Column[] }> {
    if (sql.includes('FAIL')) throw fail('SYNTAX', { near: 'FAIL', line: 1 });
    if (sql.startsWith('SELECT * FROM')) return { parameterCount: 0, columns: typesColumns().slice(0, 2) };
    const columns = sql.startsWith('TYPES') ? typesColumns() : [];
    return { parameterCount: sql.match(/\?/g)?.length ?? 0, columns };
  }

  split(sql: string): string[] {
    return sql
      .split(';')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  }

  isInTransaction(): boolean {
    return this.inTransaction;
  }

  async execute(
    session: Session,
    sql: string,
    parameters: readonly SqlValue[],
    signal: AbortSignal,
  ): Promise<StatementResult> {
    this.executed.push(sql);
    this.parameters.push(parameters);
    session.running = sql.slice(0, 50);
    const [word = '', argument = ''] = sql.split(' ');
    const statement = this.#statements[word];
    return statement ? await statement({ session, sql, argument, parameters, signal }) : systemVariables(sql);
  }

  readonly #statements: Record<string, (call: Call) => StatementResult | Promise<StatementResult>> = {
    SELECT: ({ sql }) => (sql === 'SELECT 1' ? one('1', bigint(), 1n) : systemVariables(sql)),
    TYPES: () => rowsResult(typesColumns(), [TYPES_ROW.map(([, value]) => value)], 2),
    ECHO: ({ argument, parameters }) => {
      const bases = argument.split(',') as ColumnType['base'][];
      const columns = bases.map((base, i) => ({ name: `p${i}`, type: { base, scale: 6 } }));
      return rowsResult(columns, [bases.map((_, i) => parameters[i] ?? null)]);
    },
    LENGTH: ({ sql }) => one('length', bigint(), BigInt(sql.length)),
    BIG: ({ argument }) => one('big', longtext(), 'x'.repeat(Number(argument))),
    MANY: ({ argument }) => ({
      kind: 'rows',
      columns: [
        { name: 'n', type: bigint() },
        { name: 'pad', type: varchar(200) },
      ],
      rows: numbers(Number(argument), 'p'.repeat(100), () => this.batches++),
      warnings: 0,
    }),
    INSERT: () => ({ ...okResult(3n, 9_223_372_036_854_775_807n, 1), info: 'Records: 3' }),
    SET: () => okResult(),
    BEGIN: () => this.#transaction(true),
    COMMIT: () => this.#transaction(false),
    NAME: ({ session }) => one('name', varchar(100), `${session.user}@${session.tenantName}/${session.database}`),
    TLS: ({ session }) => one('tls', bigint(), session.isTls ? 1n : 0n),
    REMEMBER: ({ session, argument }) => {
      session.userVariables.set('x', argument);
      return okResult();
    },
    RECALL: ({ session }) => one('x', varchar(100), session.userVariables.get('x') ?? null),
    FAIL: () => {
      throw fail('TABLE_EXISTS', { table: 't' });
    },
    BUG: () => {
      throw new TypeError('inner secret');
    },
    HALF: () => ({
      kind: 'rows',
      columns: [{ name: 'n', type: bigint() }],
      rows: (async function* () {
        yield [[1n], [2n]];
        throw fail('ENGINE', { message: 'disk I/O error' });
      })(),
      warnings: 0,
    }),
    MISFIT: () => rowsResult([{ name: 'n', type: bigint() }], [[1n], ['twelve']]),
    SLEEP: ({ signal }) => this.#sleep(signal),
    STUBBORN: () =>
      new Promise((resolve) => {
        this.release = () => resolve(okResult());
      }),
    KILL: ({ argument }) => {
      const isKnown = this.connections.kill(Number(argument), 'connection');
      if (!isKnown) throw fail('UNKNOWN_THREAD', { id: Number(argument) });
      return okResult();
    },
    SHOW: () =>
      rowsResult(
        [
          { name: 'Id', type: bigint() },
          { name: 'Info', type: varchar(100) },
        ],
        this.connections.list().map(({ id, info }) => [BigInt(id), info]),
      ),
  };

  #transaction(isOpen: boolean): StatementResult {
    this.inTransaction = isOpen;
    return okResult();
  }

  async #sleep(signal: AbortSignal): Promise<StatementResult> {
    if (!signal.aborted) await once(signal, 'abort');
    this.interrupted++;
    throw fail('QUERY_INTERRUPTED', {});
  }
}

interface Call {
  session: Session;
  sql: string;
  argument: string;
  parameters: readonly SqlValue[];
  signal: AbortSignal;
}

/** What the clients ask of themselves when they connect. */
function systemVariables(sql: string): StatementResult {
  const names = [...sql.matchAll(/@@[\w.]+/g)].map(([name]) => name);
  if (!/^(select|show)/i.test(sql)) throw fail('SYNTAX', { near: sql.slice(0, 20), line: 1 });
  if (names.length === 0) names.push('database()', 'user()');
  const values = names.map((name) => (name.includes('max_allowed_packet') ? String(MAX_ALLOWED_PACKET_BYTES) : 'x'));
  return rowsResult(
    names.map((name) => ({ name, type: varchar(100) })),
    [values],
  );
}

export interface TestServer {
  server: RunningServer;
  service: TestService;
  port: number;
  logged: string[];
}

/** Starts a server on a free port of the loopback address. */
export async function startTestServer(options: Partial<ServerOptions> = {}): Promise<TestServer> {
  const connections = new Connections();
  const service = new TestService(connections);
  const logged: string[] = [];
  const server = await startServer({
    service,
    listen: '127.0.0.1',
    port: 0,
    tls: null,
    clock: systemClock,
    log: createLog('debug', (line) => logged.push(line)),
    connections,
    ...options,
    limits: { failedLoginDelayMs: 1, failedLoginDelayMsMax: 5, ...options.limits },
  });
  return { server, service, port: server.address.port, logged };
}

/** A client that sends exactly the bytes it is told to. */
export class RawClient {
  readonly socket: Socket;
  readonly #splitter = new PacketSplitter(MAX_ALLOWED_PACKET_BYTES);
  #hasEnded = false;
  #wake: () => void = () => {};

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (chunk) => {
      this.#splitter.push(chunk);
      this.#wake();
    });
    for (const event of ['end', 'close', 'error']) {
      this.socket.on(event, () => {
        this.#hasEnded = true;
        this.#wake();
      });
    }
  }

  /** The server's next packet; null when it has closed the connection. */
  async read(): Promise<Packet | null> {
    for (;;) {
      const packet = this.#splitter.next();
      if (packet) return packet;
      if (this.#hasEnded) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  send(sequence: number, payload: Uint8Array): void {
    this.socket.write(frame(sequence, payload));
  }

  /** A command with its first byte. */
  command(code: number, body: Uint8Array | string = ''): void {
    this.send(0, Buffer.concat([Buffer.of(code), Buffer.from(body)]));
  }

  /** Logs in with the native plugin. @returns the server's last packet */
  async logIn({
    user = 'root',
    password = PASSWORD,
    capabilities = 0,
  }: {
    user?: string;
    password?: string;
    capabilities?: number;
  } = {}): Promise<Packet | null> {
    const greeting = await this.read();
    if (!greeting) return null;
    this.send(1, handshakeResponse({ scramble: scrambleOf(greeting.payload), user, password, capabilities }));
    return await this.read();
  }

  close(): void {
    this.socket.destroy();
  }
}

export function frame(sequence: number, payload: Uint8Array): Buffer {
  const packets = new PacketBuffer();
  packets.add(sequence, (writer) => writer.bytes(payload));
  return packets.take();
}

/** The scramble of a greeting. */
export function scrambleOf(greeting: Buffer): Buffer {
  const version = greeting.indexOf(0, 1);
  const first = version + 1 + 4;
  const second = first + 8 + 1 + 2 + 1 + 2 + 2 + 1 + 10;
  return Buffer.concat([greeting.subarray(first, first + 8), greeting.subarray(second, second + 12)]);
}

export function handshakeResponse({
  scramble,
  user,
  password,
  capabilities = 0,
  plugin = NATIVE_PLUGIN,
}: {
  scramble: Uint8Array;
  user: string;
  password: string;
  capabilities?: number;
  plugin?: string;
}): Buffer {
  const writer = new ByteWriter();
  writer.u32(capabilities | CAPABILITY.PROTOCOL_41 | CAPABILITY.SECURE_CONNECTION | CAPABILITY.PLUGIN_AUTH);
  writer.u32(0x100_0000);
  writer.u8(45);
  writer.zeros(23);
  writer.nulString(user);
  const proof = password === '' ? Buffer.alloc(0) : nativeProof(Buffer.from(password), scramble);
  writer.u8(proof.length);
  writer.bytes(proof);
  writer.nulString(plugin);
  return writer.take();
}

/** Number and text of an ERR packet; undefined for any other. */
export function errorOf(packet: Packet | null): { errno: number; sqlState: string; message: string } | undefined {
  if (packet?.payload[0] !== 0xff) return undefined;
  const text = packet.payload.toString('utf8', 3);
  const hasState = text.startsWith('#');
  return {
    errno: packet.payload.readUInt16LE(1),
    sqlState: hasState ? text.slice(1, 6) : '',
    message: hasState ? text.slice(6) : text,
  };
}

export interface CliOutcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the mariadb command line client. */
export async function runCli(port: number, args: string[]): Promise<CliOutcome> {
  const base = ['--no-defaults', '--host=127.0.0.1', `--port=${port}`, '--protocol=tcp', '--connect-timeout=10'];
  const child: ChildProcess = spawn('mariadb', [...base, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** Waits until something has become true; a test's own time limit ends a wait in vain. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
}
