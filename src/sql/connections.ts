// The open connections as statements see them: SHOW PROCESSLIST lists them, KILL ends them. The server room implements it.
import type { ConnectionFacts } from '../catalog/information-schema-table.ts';

/** One connection, for SHOW PROCESSLIST. */
export interface ConnectionInfo extends ConnectionFacts {
  readonly isTls: boolean;
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
