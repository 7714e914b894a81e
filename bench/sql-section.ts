// Statements a second over the MySQL port, beside a server that answers everything with the same row (canned-server.ts).
// The client logs in with mysql2, then sends packets itself: it knows how long the answer is, and does nothing with it.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, createConnection } from 'mysql2';
import { type BenchOptions, ROOT } from './options.ts';
import { withTreeUse } from './process-tree.ts';
import { Report } from './report.ts';
import type { Scratch } from './scratch.ts';
import { type ServerProcess, spawnServer } from './server.ts';

const COM_QUERY = 3;
const HEADER_BYTES = 4;
/** An answer is complete when nothing follows for so long. */
const QUIET_MS = 300;
const WARM_UP_STATEMENTS = 500;
const CONNECTIONS = [1, 8];
const STATEMENTS = [
  { name: 'SELECT 1', sql: 'SELECT 1' },
  { name: 'a row of a view', sql: 'SELECT TENANT_ID FROM oceanbase.DBA_OB_TENANTS WHERE TENANT_ID = 1' },
];

interface Target {
  name: string;
  server: ServerProcess;
}

function packetOf(sql: string): Buffer {
  const packet = Buffer.alloc(HEADER_BYTES + 1 + Buffer.byteLength(sql));
  packet.writeUIntLE(packet.length - HEADER_BYTES, 0, 3);
  packet[HEADER_BYTES] = COM_QUERY;
  packet.write(sql, HEADER_BYTES + 1);
  return packet;
}

/** A connection that has logged in, and nothing but its socket from then on. */
class RawConnection {
  readonly #connection: Connection;
  readonly #socket: Socket;
  #onData: (bytes: Buffer) => void = () => {};

  private constructor(connection: Connection, socket: Socket) {
    this.#connection = connection;
    this.#socket = socket;
    socket.removeAllListeners('data');
    socket.on('data', (bytes: Buffer) => this.#onData(bytes));
  }

  static async open({ host, port }: ServerProcess): Promise<RawConnection> {
    const connection = createConnection({ host, port, user: 'root@sys', password: '' });
    await new Promise<void>((resolve, reject) =>
      connection.query('SELECT 1', (error) => (error ? reject(error) : resolve())),
    );
    return new RawConnection(connection, (connection as unknown as { stream: Socket }).stream);
  }

  /** Bytes of the answer to a statement. @throws Error when it is an error */
  async answerBytes(sql: string): Promise<number> {
    let bytes = 0;
    let first: number | undefined;
    this.#onData = (chunk) => {
      first ??= chunk[HEADER_BYTES];
      bytes += chunk.length;
    };
    this.#socket.write(packetOf(sql));
    for (let seen = -1; seen < bytes || bytes === 0; ) {
      seen = bytes;
      await sleep(QUIET_MS);
    }
    if (first === 0xff) throw new Error(`${sql} is answered by an error`);
    return bytes;
  }

  /** Sends the statement again and again, each when the one before is answered, until `isOver`. */
  async repeat(sql: string, answerBytes: number, isOver: (done: number) => boolean): Promise<number> {
    const packet = packetOf(sql);
    let done = 0;
    let bytes = 0;
    await new Promise<void>((resolve) => {
      this.#onData = (chunk) => {
        bytes += chunk.length;
        if (bytes < answerBytes) return;
        bytes = 0;
        done++;
        if (isOver(done)) resolve();
        else this.#socket.write(packet);
      };
      this.#socket.write(packet);
    });
    return done;
  }

  close(): void {
    this.#connection.destroy();
  }
}

async function startCanned(scratch: Scratch): Promise<ServerProcess> {
  const child = scratch.start(['--import', 'tsx', join(ROOT, 'bench', 'canned-server.ts')]);
  const [port] = (await once(child.stdout!, 'data')) as [Buffer];
  return { child, pid: child.pid ?? 0, host: '127.0.0.1', port: Number(port.toString()) };
}

/** @returns statements a second, and processor time of the server for each, microseconds */
async function measure(
  target: Target,
  of: { sql: string; connections: number; seconds: number },
): Promise<{ perSecond: number; cpuUs: number }> {
  const { sql, seconds } = of;
  const raw = await Promise.all(Array.from({ length: of.connections }, () => RawConnection.open(target.server)));
  const bytes = await raw[0]!.answerBytes(sql);
  await Promise.all(raw.map((connection) => connection.repeat(sql, bytes, (done) => done >= WARM_UP_STATEMENTS)));
  const startMs = performance.now();
  const isOver = () => performance.now() - startMs >= seconds * 1000;
  const { result, use } = await withTreeUse(target.server.pid, () =>
    Promise.all(raw.map((connection) => connection.repeat(sql, bytes, isOver))),
  );
  const tookMs = performance.now() - startMs;
  for (const connection of raw) connection.close();
  const statements = result.reduce((sum, count) => sum + count, 0);
  return { perSecond: (statements * 1000) / tookMs, cpuUs: (use.cpuSeconds * 1e6) / statements };
}

export async function sqlSection(scratch: Scratch, options: BenchOptions): Promise<Report> {
  const report = new Report('sql');
  const seconds = Math.max(1, options.writerSeconds / 4);
  const targets: Target[] = [
    { name: 'Holdfast', server: await spawnServer(scratch, scratch.newDir('server')) },
    { name: 'mysql2 createServer', server: await startCanned(scratch) },
  ];
  for (let run = 0; run < options.runs; run++) {
    for (const { name, sql } of STATEMENTS) {
      for (const connections of CONNECTIONS) {
        let first: number | undefined;
        for (const target of targets) {
          const { perSecond, cpuUs } = await measure(target, { sql, connections, seconds });
          first ??= perSecond;
          const figures = { 'statements/s': perSecond, 'CPU us': cpuUs, 'Holdfast is x as fast': first / perSecond };
          report.add(`${name}, ${connections} connections: ${target.name}`, figures);
        }
      }
    }
  }
  report.note('the server of mysql2 answers every statement with the same row, without looking at it');
  report.note('processor time is that of the server and all its children, for each statement');
  return report;
}
