// Every open connection by its id: for SHOW PROCESSLIST, KILL and the planned stop.
import type { ConnectionInfo, ConnectionRegistry } from '../sql/connections.ts';

/** What the registry needs of a connection. */
export interface RegisteredConnection {
  readonly id: number;
  readonly host: string;
  readonly isLoggingIn: boolean;
  info(): ConnectionInfo;
  kill(what: 'query' | 'connection'): void;
  /** Ends it when its running statement, if any, has been answered. */
  finish(): void;
  /** Interrupts its running statement and closes it whatever happens. */
  abandon(because: string): void;
}

/** Ids have 32 bits in the greeting; they start again after the last. */
const CONNECTION_ID_MAX = 0xffff_ffff;

export class Connections implements ConnectionRegistry {
  readonly #open = new Map<number, RegisteredConnection>();
  #lastId = 0;

  get size(): number {
    return this.#open.size;
  }

  /** An id that no open connection has. */
  nextId(): number {
    do {
      this.#lastId = this.#lastId >= CONNECTION_ID_MAX ? 1 : this.#lastId + 1;
    } while (this.#open.has(this.#lastId));
    return this.#lastId;
  }

  add(connection: RegisteredConnection): void {
    this.#open.set(connection.id, connection);
  }

  remove(connection: RegisteredConnection): void {
    this.#open.delete(connection.id);
  }

  all(): RegisteredConnection[] {
    return [...this.#open.values()];
  }

  /** Connections whose login is not complete, of all hosts or of one. */
  pendingLogins(host?: string): number {
    let count = 0;
    for (const connection of this.#open.values()) {
      if (connection.isLoggingIn && (host === undefined || connection.host === host)) count++;
    }
    return count;
  }

  list(): ConnectionInfo[] {
    return this.all()
      .map((connection) => connection.info())
      .sort((left, right) => left.id - right.id);
  }

  kill(id: number, what: 'query' | 'connection'): boolean {
    const connection = this.#open.get(id);
    if (!connection) return false;
    connection.kill(what);
    return true;
  }
}
