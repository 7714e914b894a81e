// The open connections as statements see them: SHOW PROCESSLIST lists them, KILL ends them. The server room implements it.

/** One connection, for SHOW PROCESSLIST. */
export interface ConnectionInfo {
  readonly id: number;
  /** Empty while the login is not complete. */
  readonly user: string;
  /** Address and port of the client. */
  readonly host: string;
  /** 0 while the login is not complete. */
  readonly tenantId: number;
  readonly tenantName: string;
  readonly database: string | null;
  readonly isTls: boolean;
  /** What it does, in MySQL's words: `Connect` (logging in), `Sleep`, `Query`, `Execute`, `Prepare`, … */
  readonly command: string;
  /** How long it has been doing that. */
  readonly elapsedMs: number;
  /** The running statement with secrets already redacted; null when idle. */
  readonly info: string | null;
}

export interface ConnectionRegistry {
  /** Every open connection, by ascending id; callers show a tenant only its own. */
  list(): ConnectionInfo[];
  /**
   * Ends the running statement of a connection (`query`) or the connection itself.
   * Callers check beforehand that the session may do so.
   * @returns false when there is no such connection
   */
  kill(id: number, what: 'query' | 'connection'): boolean;
}
