// The server's bounds: how many connections, how long anything may take, how much a client may leave lying about.
import { KIB, MIB } from '../base/limits.ts';

export interface ServerLimits {
  /** Connections at once, logging in or logged in. */
  readonly connectionsMax: number;
  /** Connections that have not finished their login: hostile ones must not take the places of the others. */
  readonly pendingLoginsMax: number;
  /** The same for one host, so that one host cannot keep all others out. */
  readonly pendingLoginsPerHostMax: number;
  /** From accepting the socket to the end of the login. */
  readonly loginMs: number;
  /** Between two commands of a session. */
  readonly idleMs: number;
  /** How long a client may take no bytes of an answer; it holds a statement and its rows meanwhile. */
  readonly writeStallMs: number;
  /** A killed or stopped connection whose statement does not end is destroyed after this. */
  readonly killGraceMs: number;
  /** Wait after the first failed login of a host; doubles with each further one. */
  readonly failedLoginDelayMs: number;
  readonly failedLoginDelayMsMax: number;
}

export const DEFAULT_LIMITS: ServerLimits = {
  // A socket, its buffers and a session cost about 100 KiB: 1,000 stay near 100 MiB.
  connectionsMax: 1000,
  pendingLoginsMax: 256,
  // A pool that opens all its connections at once after a restart still fits.
  pendingLoginsPerHostMax: 128,
  // MySQL's connect_timeout.
  loginMs: 10_000,
  // MySQL's wait_timeout: 8 hours.
  idleMs: 8 * 3600 * 1000,
  // MySQL's net_write_timeout.
  writeStallMs: 60_000,
  // An engine process that has to be killed is gone within a second; this is ample.
  killGraceMs: 5000,
  // Unnoticed by a person who mistyped, yet ten guesses take 10 s.
  failedLoginDelayMs: 50,
  failedLoginDelayMsMax: 2000,
};

/** After an error that ends a connection its client gets this long to read it before the socket is destroyed. */
export const LINGER_MS = 1000;

/** Answers are sent in pieces of about this size: few system calls, yet a large result never stands in memory whole. */
export const FLUSH_BYTES = 128 * KIB;

/** Commands that a client may send ahead while one runs; beyond it the socket is not read. */
export const READ_AHEAD_BYTES_MAX = 1 * MIB;

/** MySQL's max_prepared_stmt_count, here for each connection. */
export const PREPARED_STATEMENTS_MAX = 16_382;

/** Text of prepared statements, and long parameters, that one connection may keep here. */
export const PREPARED_BYTES_MAX = 64 * MIB;

/** Hosts whose failed logins are remembered; the oldest is forgotten first. */
export const FAILED_LOGIN_HOSTS_MAX = 10_000;

/** A host's failed logins are forgotten after this long without another one. */
export const FAILED_LOGIN_MEMORY_MS = 60_000;
