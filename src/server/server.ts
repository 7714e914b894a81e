// The listening server: accepts connections within its bounds, and stops without cutting statements off.
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import { fail, toClientError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { ConnectionRegistry } from '../sql/connections.ts';
import type { SqlService } from '../sql/session.ts';
import { type AuthPlugin, NATIVE_PLUGIN } from '../wire/constants.ts';
import { writeErr } from '../wire/ok-err.ts';
import { PacketBuffer } from '../wire/packet-buffer.ts';
import { Connection, type ServerSurroundings } from './connection.ts';
import { FailedLogins } from './failed-logins.ts';
import { DEFAULT_LIMITS, LINGER_MS, type ServerLimits } from './limits.ts';
import { Connections } from './registry.ts';
import { passwordKeySource, type TlsMaterial } from './tls.ts';

export interface ServerOptions {
  service: SqlService;
  /** Address to listen on: a name or a number. */
  listen: string;
  /** 0 for any free one. */
  port: number;
  /** Null offers no TLS. */
  tls: TlsMaterial | null;
  clock: Clock;
  log: Log;
  limits?: Partial<ServerLimits>;
  /** The plugin of the greeting; clients of the other one are served as well. Default: mysql_native_password. */
  authPlugin?: AuthPlugin;
  /** What statements see of the connections; pass the registry that the service was given. Default: a new one. */
  connections?: Connections;
}

export interface RunningServer {
  readonly address: { host: string; port: number };
  readonly connections: ConnectionRegistry;
  /**
   * Takes no new connection, ends idle ones, waits up to `graceMs` for running statements, then interrupts them.
   * Resolves when every socket is closed, and every session too unless its statement ignores the interruption.
   */
  stop(graceMs: number): Promise<void>;
}

/** Below this TLS is broken (RFC 8996). */
const TLS_VERSION_MIN = 'TLSv1.2';

/** How often a socket that is silent is asked whether it is still there. */
const KEEP_ALIVE_MS = 60_000;

/** Connections waiting to be accepted: as many as may log in at once. */
const BACKLOG = DEFAULT_LIMITS.pendingLoginsMax;

/**
 * Starts to listen for MySQL clients.
 * @throws ADDRESS_NOT_FREE (4117) when the address cannot be listened on
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const connections = options.connections ?? new Connections();
  const surroundings = surroundingsOf(options, { limits, connections });
  const lives = new Set<Promise<void>>();
  let isStopping = false;
  // Half-open sockets let an error reach a client that has already said its last word.
  const server = createServer({
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  });
  server.on('connection', (socket) => {
    const host = hostOf(socket);
    const refusal = isStopping ? fail('SERVER_STOPPING', {}) : refusalOf(host, { connections, limits });
    if (refusal) return refuse(socket, refusal);
    const client = { id: connections.nextId(), host, port: socket.remotePort ?? 0 };
    const connection = new Connection(socket, client, surroundings);
    connections.add(connection);
    const life = connection.run().finally(() => {
      connections.remove(connection);
      lives.delete(life);
    });
    lives.add(life);
  });
  const address = await listen(server, options);
  server.on('error', (error) => options.log.error('listener_failed', { error }));
  options.log.info('listening', { ...address, hasTls: options.tls !== null });
  return {
    address,
    connections,
    async stop(graceMs) {
      isStopping = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of connections.all()) connection.finish();
      await settleWithin(lives, graceMs);
      for (const connection of connections.all()) connection.abandon('the server is stopping');
      await settleWithin(lives, limits.killGraceMs + LINGER_MS);
      // A statement that does not listen cannot be waited for without end; its socket is closed all the same.
      if (lives.size > 0) options.log.error('sessions_left_open', { count: lives.size });
      await closed;
    },
  };
}

async function settleWithin(lives: ReadonlySet<Promise<void>>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeIsUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([Promise.all(lives), timeIsUp]);
  clearTimeout(timer);
}

function surroundingsOf(
  options: ServerOptions,
  { limits, connections }: { limits: ServerLimits; connections: Connections },
): ServerSurroundings {
  const { service, clock, log, tls } = options;
  const startedMs = clock.monotonicMs();
  let commands = 0;
  return {
    service,
    clock,
    log,
    limits,
    authPlugin: options.authPlugin ?? NATIVE_PLUGIN,
    secureContext: tls && createSecureContext({ key: tls.key, cert: tls.cert, minVersion: TLS_VERSION_MIN }),
    passwordKey: passwordKeySource(),
    failedLogins: new FailedLogins(clock, limits),
    countCommand: () => {
      commands++;
    },
    statistics: () => {
      const seconds = Math.floor((clock.monotonicMs() - startedMs) / 1000);
      return `Uptime: ${seconds}  Threads: ${connections.size}  Questions: ${commands}`;
    },
  };
}

/** The client's address; IPv4 in its own form even on a socket for both. */
function hostOf(socket: Socket): string {
  const address = socket.remoteAddress ?? '';
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address;
}

function refusalOf(
  host: string,
  { connections, limits }: { connections: Connections; limits: ServerLimits },
): Error | null {
  const isFull =
    connections.size >= limits.connectionsMax ||
    connections.pendingLogins() >= limits.pendingLoginsMax ||
    connections.pendingLogins(host) >= limits.pendingLoginsPerHostMax;
  return isFull ? fail('SERVER_BUSY', { what: 'Too many connections' }) : null;
}

/** Says why in place of the greeting. The client has not said what it speaks, so the error has its oldest form. */
function refuse(socket: Socket, error: Error): void {
  const packets = new PacketBuffer();
  packets.add(0, (writer) => writeErr(writer, toClientError(error, 'mysql'), { withSqlState: false }));
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.on('close', () => clearTimeout(timer));
  // A client that is refused and breaks off has got what it was to get.
  socket.on('error', () => socket.destroy());
  socket.on('end', () => socket.destroy());
  socket.resume();
  socket.end(packets.take());
}

async function listen(server: Server, options: ServerOptions): Promise<{ host: string; port: number }> {
  await new Promise<void>((resolve, reject) => {
    const refuseStart = (error: NodeJS.ErrnoException) => {
      const because = error.code === 'EADDRINUSE' ? 'another server listens there' : error.message;
      reject(fail('ADDRESS_NOT_FREE', { address: `${options.listen}:${options.port}`, because }, { cause: error }));
    };
    server.once('error', refuseStart);
    server.listen({ host: options.listen, port: options.port, backlog: BACKLOG }, () => {
      server.off('error', refuseStart);
      resolve();
    });
  });
  const address = server.address();
  return typeof address === 'object' && address !== null
    ? { host: address.address, port: address.port }
    : { host: options.listen, port: options.port };
}
